/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto.h"
#include "estocd.h"
#include "folder.h"
#include "text.h"

#define COMMAND   "init"
#define PATH_SIZE 640

int estocd_folder_fail(const estocd_folder *f, const char *file, estoc_err err)
{
    return estocd_say(COMMAND, "%s/%s: cannot be made: %s", f->dir, file,
                      err == ESTOC_E_FILE ? strerror(errno) : estoc_err_text(err));
}

const char *estocd_folder_path(const estocd_folder *f, const char *file)
{
    static char path[PATH_SIZE];
    if (estoc_path_join(path, sizeof path, f->dir, file)) {
        path[0] = '\0'; /* estocd_folder_open has refused such a --dir */
    }
    return path;
}

/* ---- the marker ---- */

/* What an earlier run has left, for the message. */
static const char *leftovers(const estocd_folder *f, char *out, size_t cap)
{
    size_t n = (size_t)snprintf(out, cap, ESTOCD_UNFINISHED);
    for (size_t i = 0; i < f->made_n; i++) {
        if (estoc_file_exists(estocd_folder_path(f, f->made[i])) && n < cap) {
            n += (size_t)snprintf(out + n, cap - n, ", %s", f->made[i]);
        }
    }
    return out;
}

static int interrupted(const estocd_folder *f)
{
    char list[256];
    return estocd_say(COMMAND,
                      "%s: an earlier init was interrupted, or is still at work; if it is not, "
                      "remove what it left there (%s) and run init again",
                      f->dir, leftovers(f, list, sizeof list));
}

static int check_free(const estocd_folder *f)
{
    for (size_t i = 0; i < f->made_n; i++) {
        if (estoc_file_exists(estocd_folder_path(f, f->made[i]))) {
            return estocd_say(COMMAND,
                              "%s/%s is there already, nothing was changed; choose another --dir",
                              f->dir, f->made[i]);
        }
    }
    return 0;
}

static int write_marker(const estocd_folder *f)
{
    static const char text[] =
        "`estocd init` is at work here. If it is not, it was interrupted: remove this file and\n"
        "those it has made beside it, and run it again.\n";
    int fd = open(estocd_folder_path(f, ESTOCD_UNFINISHED), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                  0600);
    if (fd < 0) {
        return errno == EEXIST
                   ? interrupted(f)
                   : estocd_say(COMMAND, "%s: cannot be written to: %s", f->dir, strerror(errno));
    }
    bool written = write(fd, text, sizeof text - 1) == (ssize_t)(sizeof text - 1);
    written = fsync(fd) == 0 && written;
    written = close(fd) == 0 && written;
    int code = written ? 0 : estocd_folder_fail(f, ESTOCD_UNFINISHED, ESTOC_E_FILE);
    /* again: another init may have come and gone between */
    code = code ? code : check_free(f);
    if (code) {
        unlink(estocd_folder_path(f, ESTOCD_UNFINISHED));
    }
    return code;
}

/* Only one init can make the marker. */
int estocd_folder_open(estocd_folder *f)
{
    if (f->dir[0] == '\0' || strlen(f->dir) > ESTOCD_FOLDER_MAX) {
        return estocd_say(COMMAND, "--dir: must be a path of at most %d bytes", ESTOCD_FOLDER_MAX);
    }
    f->own = mkdir(f->dir, 0700) == 0;
    if (!f->own && errno != EEXIST) {
        return estocd_say(COMMAND, "%s: cannot be made: %s", f->dir, strerror(errno));
    }
    int code = estoc_file_exists(estocd_folder_path(f, ESTOCD_UNFINISHED)) ? interrupted(f)
                                                                           : check_free(f);
    code = code ? code : write_marker(f);
    if (code && f->own) {
        rmdir(f->dir);
    }
    return code;
}

void estocd_folder_undo(const estocd_folder *f)
{
    for (size_t i = 0; i < f->made_n; i++) {
        unlink(estocd_folder_path(f, f->made[i]));
    }
    unlink(estocd_folder_path(f, "store.db-wal"));
    unlink(estocd_folder_path(f, "store.db-shm"));
    unlink(estocd_folder_path(f, ESTOCD_UNFINISHED));
    if (f->own) {
        rmdir(f->dir);
    }
}

/* ---- its files ---- */

int estocd_folder_certs(const estocd_folder *f, const char *file, const estoc_slice *certs,
                        size_t n)
{
    estoc_blob pem;
    estoc_err err = estoc_certs_pem(certs, n, &pem);
    if (!err) {
        err = estoc_file_write(estocd_folder_path(f, file), estoc_blob_slice(pem), 0644);
        estoc_blob_free(&pem);
    }
    return err ? estocd_folder_fail(f, file, err) : 0;
}

int estocd_folder_store(const estocd_folder *f)
{
    char url[PATH_SIZE + 8];
    estoc_store *store;
    estoc_why why = {""};
    snprintf(url, sizeof url, "sqlite:%s", estocd_folder_path(f, "store.db"));
    estoc_err err = estoc_store_open(url, &store, &why);
    if (err) {
        return estocd_say(COMMAND, "%s", why.text[0] != '\0' ? why.text : estoc_err_text(err));
    }
    estoc_store_close(store);
    return 0;
}

estoc_err estocd_fill_in(const char *text, const char *from, const char *to, estoc_blob *out)
{
    const char *at = strstr(text, from);
    *out = (estoc_blob){NULL, 0};
    if (at == NULL) {
        return ESTOC_E_NOT_FOUND;
    }
    size_t before = (size_t)(at - text);
    const char *behind = at + strlen(from);
    char *whole = malloc(before + strlen(to) + strlen(behind) + 1);
    if (whole == NULL) {
        return ESTOC_E_MEMORY;
    }
    int n = sprintf(whole, "%.*s%s%s", (int)before, text, to, behind);
    *out = (estoc_blob){(uint8_t *)whole, (size_t)n};
    return ESTOC_OK;
}

int estocd_folder_finish(const estocd_folder *f, estoc_slice conf, unsigned mode)
{
    estoc_err err = estoc_file_write(estocd_folder_path(f, ESTOCD_CONF), conf, mode);
    if (err) {
        return estocd_folder_fail(f, ESTOCD_CONF, err);
    }
    return unlink(estocd_folder_path(f, ESTOCD_UNFINISHED)) == 0
               ? 0
               : estocd_folder_fail(f, ESTOCD_UNFINISHED, ESTOC_E_FILE);
}

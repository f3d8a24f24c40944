/* SPDX-License-Identifier: MIT
 *
 * The CA's key and its chain are two files, and one of a new pair beside one of the old is a CA that does
 * not start. So both become links into a folder:
 *
 *     ca.key -> ca.d/now/key    ca.crt -> ca.d/now/crt    ca.d/now -> 2
 *
 * and a switch is one rename of `now`. What was before stays in ca.d/1.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ceremony.h"
#include "text.h"

#define FOLDER      "ca.d"
#define KEY_MAX     65536
#define CHAIN_MAX   262144
#define NUMBERS_MAX 1000

struct move {
    const char *command;
    const char *key_file, *chain_file; /* what estocd.conf names; no file: NULL */
    char folder[ESTOC_PATH_MAX];       /* .../ca.d */
    char target[ESTOC_PATH_MAX];       /* how links name it */
    unsigned number;
};

static int failed(const struct move *m, const char *path)
{
    return estocd_say(m->command, "%s: %s", path, strerror(errno));
}

/* FOLDER/NUMBER/NAME, or with an empty name FOLDER/NUMBER. */
static const char *numbered(const struct move *m, unsigned number, const char *name,
                            char out[ESTOC_PATH_MAX])
{
    int n = snprintf(out, ESTOC_PATH_MAX, "%s/%u%s%s", m->folder, number,
                     name[0] != '\0' ? "/" : "", name);
    if (n < 0 || n >= ESTOC_PATH_MAX) {
        out[0] = '\0';
    }
    return out;
}

static bool same_folder(const char *a, const char *b)
{
    const char *end_a = strrchr(a, '/');
    const char *end_b = strrchr(b, '/');
    size_t len_a = end_a != NULL ? (size_t)(end_a - a) : 0;
    size_t len_b = end_b != NULL ? (size_t)(end_b - b) : 0;
    return len_a == len_b && memcmp(a, b, len_a) == 0;
}

/* Beside the chain; a key elsewhere names it in full. @return 0 or 1 */
static int find_folder(struct move *m)
{
    const char *slash = strrchr(m->chain_file, '/');
    int len = slash != NULL ? (int)(slash - m->chain_file) + 1 : 0;
    int n = snprintf(m->folder, sizeof m->folder, "%.*s" FOLDER, len, m->chain_file);
    if (n < 0 || (size_t)n >= sizeof m->folder - 16) {
        return estocd_say(m->command, "%s: the path is too long", m->chain_file);
    }
    if (mkdir(m->folder, 0700) != 0 && errno != EEXIST) {
        return failed(m, m->folder);
    }
    strcpy(m->target, FOLDER);
    if (m->key_file != NULL && !same_folder(m->key_file, m->chain_file) &&
        realpath(m->folder, m->target) == NULL) {
        return failed(m, m->folder);
    }
    int fd = open(m->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* held until the process ends */
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0) {
        return estocd_say(m->command, "%s: another `estocd ca` is at work there", m->folder);
    }
    return 0;
}

static int copy(const struct move *m, const char *from, unsigned number, const char *name,
                size_t max, unsigned mode)
{
    char to[ESTOC_PATH_MAX];
    estoc_blob bytes;
    estoc_err err = estoc_file_read(from, max, &bytes);
    if (err) {
        return err == ESTOC_E_FILE ? failed(m, from)
                                   : estocd_say(m->command, "%s: %s", from, estoc_err_text(err));
    }
    err = estoc_file_write(numbered(m, number, name, to), estoc_blob_slice(bytes), mode);
    estoc_blob_free(&bytes);
    return err ? failed(m, to) : 0;
}

/* A folder with a number that none had. */
static int next_folder(struct move *m)
{
    char path[ESTOC_PATH_MAX];
    for (m->number = 1; m->number < NUMBERS_MAX; m->number++) {
        if (mkdir(numbered(m, m->number, "", path), 0700) == 0) {
            return 0;
        }
        if (errno != EEXIST) {
            break;
        }
    }
    return failed(m, path);
}

static int point_now(const struct move *m)
{
    char now[ESTOC_PATH_MAX + 8];
    char number[16];
    snprintf(now, sizeof now, "%s/now", m->folder);
    snprintf(number, sizeof number, "%u", m->number);
    return estoc_file_link(number, now) ? failed(m, now) : 0;
}

/* Whether it is such a link already; a link to elsewhere is left, and the file behind it copied. */
static bool is_link(const struct move *m, const char *file, const char *name)
{
    char want[ESTOC_PATH_MAX + 16], has[ESTOC_PATH_MAX + 16];
    snprintf(want, sizeof want, "%s/now/%s", m->target, name);
    ssize_t n = readlink(file, has, sizeof has - 1);
    has[n > 0 ? n : 0] = '\0';
    return strcmp(has, want) == 0;
}

static int make_link(const struct move *m, const char *file, const char *name)
{
    char target[ESTOC_PATH_MAX + 16];
    snprintf(target, sizeof target, "%s/now/%s", m->target, name);
    return is_link(m, file, name) ? 0 : estoc_file_link(target, file) ? failed(m, file) : 0;
}

/* The first time: what is there moves into the folder, and nothing changes by that. */
static int settle(struct move *m)
{
    bool key_done = m->key_file == NULL || is_link(m, m->key_file, "key");
    if (key_done && is_link(m, m->chain_file, "crt")) {
        return 0;
    }
    int code = next_folder(m);
    if (!code && m->key_file != NULL) {
        code = copy(m, m->key_file, m->number, "key", KEY_MAX, 0600);
    }
    code = code ? code : copy(m, m->chain_file, m->number, "crt", CHAIN_MAX, 0644);
    code = code ? code : point_now(m);
    if (!code && m->key_file != NULL) {
        code = make_link(m, m->key_file, "key");
    }
    return code ? code : make_link(m, m->chain_file, "crt");
}

int estoc_ca_switch(const char *command, const estoc_config *conf, const char *next_key,
                    const estoc_slice *chain, size_t n)
{
    bool in_file = !estoc_key_is_uri(conf->ca_key);
    char crt[ESTOC_PATH_MAX];
    struct move m = {.command = command,
                     .key_file = in_file ? conf->ca_key : NULL,
                     .chain_file = conf->ca_chain};
    if (next_key != NULL && !in_file) {
        return estocd_say(command,
                          "the key in %s cannot take the place of one that estocd.conf names by a "
                          "URI; set `key = ca.key` and put the URI into that file",
                          next_key);
    }
    int code = find_folder(&m);
    code = code ? code : settle(&m);
    code = code ? code : next_folder(&m);
    if (!code && in_file) {
        code = copy(&m, next_key != NULL ? next_key : conf->ca_key, m.number, "key", KEY_MAX, 0600);
    }
    code = code ? code : estoc_write_certs(command, numbered(&m, m.number, "crt", crt), chain, n);
    code = code ? code : point_now(&m);
    if (!code && next_key != NULL && estoc_file_remove(next_key)) {
        code = failed(&m, next_key);
    }
    return code;
}

/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "archive.h"
#include "text.h"

#define APPLICATION    0x6573746f /* "esto", where SQLite has a place for it */
#define APPLICATION_AT 68
#define NAME_MAX_LEN   1024

struct estoc_archive {
    sqlite3 *db;
    char *last; /* the file that was put last */
    int64_t part;
    char why[160];
};

static const char schema[] =
    "CREATE TABLE archive_note (name TEXT PRIMARY KEY, value TEXT NOT NULL);"
    "CREATE TABLE archive_file (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    " kind INTEGER NOT NULL, mode INTEGER NOT NULL, link TEXT);"
    "CREATE TABLE archive_part (name TEXT NOT NULL, part INTEGER NOT NULL, bytes BLOB NOT NULL,"
    " PRIMARY KEY (name, part));";

bool estoc_archive_is(const char *path)
{
    static const char magic[] = "SQLite format 3";
    static const uint8_t id[4] = {APPLICATION >> 24, (APPLICATION >> 16) & 255,
                                  (APPLICATION >> 8) & 255, APPLICATION & 255};
    char head[APPLICATION_AT + sizeof id];
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        return false;
    }
    bool whole = fread(head, 1, sizeof head, f) == sizeof head;
    fclose(f);
    return whole && memcmp(head, magic, sizeof magic) == 0 &&
           memcmp(head + APPLICATION_AT, id, sizeof id) == 0;
}

static estoc_err failed(estoc_archive *a)
{
    snprintf(a->why, sizeof a->why, "%s", sqlite3_errmsg(a->db));
    return ESTOC_E_STORE;
}

const char *estoc_archive_why(const estoc_archive *a)
{
    return a->why;
}

void estoc_archive_close(estoc_archive *a)
{
    if (a != NULL) {
        sqlite3_close(a->db);
        free(a->last);
        free(a);
    }
}

static estoc_err execute(estoc_archive *a, const char *text)
{
    return sqlite3_exec(a->db, text, NULL, NULL, NULL) == SQLITE_OK ? ESTOC_OK : failed(a);
}

static estoc_err open_file(const char *path, int flags, estoc_archive **out, estoc_why *why)
{
    *out = NULL;
    estoc_archive *a = calloc(1, sizeof *a);
    if (a == NULL) {
        estoc_why_set(why, "%s", estoc_err_text(ESTOC_E_MEMORY));
        return ESTOC_E_MEMORY;
    }
    if (sqlite3_open_v2(path, &a->db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        estoc_why_set(why, "%s: %s", path, sqlite3_errmsg(a->db));
        estoc_archive_close(a);
        return ESTOC_E_STORE;
    }
    *out = a;
    return ESTOC_OK;
}

/* ---------------------------------------------------------------------------------------- writing */

estoc_err estoc_archive_create(const char *path, estoc_archive **out, estoc_why *why)
{
    estoc_err err = open_file(path, SQLITE_OPEN_READWRITE, out, why);
    if (err) {
        return err;
    }
    err = execute(*out, "PRAGMA synchronous = FULL; BEGIN IMMEDIATE;");
    err = err ? err : execute(*out, schema);
    if (err) {
        estoc_why_set(why, "%s: %s", path, (*out)->why);
        estoc_archive_close(*out);
        *out = NULL;
    }
    return err;
}

/* A statement that gives no rows. */
static estoc_err finish(estoc_archive *a, sqlite3_stmt *st, int rc)
{
    rc = rc == SQLITE_OK ? sqlite3_step(st) : rc;
    estoc_err err = rc == SQLITE_DONE ? ESTOC_OK : failed(a);
    sqlite3_finalize(st);
    return err;
}

static int bind_text(sqlite3_stmt *st, int at, const char *text)
{
    return sqlite3_bind_text(st, at, text, -1, SQLITE_STATIC);
}

estoc_err estoc_archive_put(estoc_archive *a, const estoc_archive_entry *e)
{
    sqlite3_stmt *st = NULL;
    char *name = strdup(e->name);
    if (name == NULL) {
        return ESTOC_E_MEMORY;
    }
    free(a->last);
    a->last = name;
    a->part = 0;
    int rc = sqlite3_prepare_v2(
        a->db, "INSERT INTO archive_file (name, kind, mode, link) VALUES (?,?,?,?)", -1, &st, NULL);
    rc = rc == SQLITE_OK ? bind_text(st, 1, e->name) : rc;
    rc = rc == SQLITE_OK ? sqlite3_bind_int(st, 2, (int)e->kind) : rc;
    rc = rc == SQLITE_OK ? sqlite3_bind_int(st, 3, (int)e->mode) : rc;
    rc = rc == SQLITE_OK ? bind_text(st, 4, e->link) : rc;
    return finish(a, st, rc);
}

estoc_err estoc_archive_add(estoc_archive *a, estoc_slice bytes)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(a->db, "INSERT INTO archive_part VALUES (?,?,?)", -1, &st, NULL);
    rc = rc == SQLITE_OK ? bind_text(st, 1, a->last) : rc;
    rc = rc == SQLITE_OK ? sqlite3_bind_int64(st, 2, a->part++) : rc;
    rc = rc == SQLITE_OK ? sqlite3_bind_blob64(st, 3, bytes.len > 0 ? (const void *)bytes.ptr : "",
                                               bytes.len, SQLITE_STATIC)
                         : rc;
    return finish(a, st, rc);
}

estoc_err estoc_archive_note(estoc_archive *a, const char *name, const char *value)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(a->db, "INSERT INTO archive_note VALUES (?,?)", -1, &st, NULL);
    rc = rc == SQLITE_OK ? bind_text(st, 1, name) : rc;
    rc = rc == SQLITE_OK ? bind_text(st, 2, value) : rc;
    return finish(a, st, rc);
}

estoc_err estoc_archive_finish(estoc_archive *a)
{
    char text[96];
    snprintf(text, sizeof text, "PRAGMA application_id = %d; COMMIT; PRAGMA journal_mode = DELETE;",
             APPLICATION);
    return execute(a, text);
}

/* ---------------------------------------------------------------------------------------- reading */

static bool take_text(sqlite3 *db, const char *query, char *out, size_t cap)
{
    sqlite3_stmt *st = NULL;
    bool good =
        sqlite3_prepare_v2(db, query, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW;
    const char *text = good ? (const char *)sqlite3_column_text(st, 0) : NULL;
    snprintf(out, cap, "%s", text != NULL ? text : "");
    sqlite3_finalize(st);
    return good;
}

estoc_err estoc_archive_open(const char *path, estoc_archive **out, estoc_why *why)
{
    char found[120];
    *out = NULL;
    if (access(path, R_OK) != 0) {
        estoc_why_set(why, "%s: cannot be read: %s", path, strerror(errno));
        return ESTOC_E_FILE;
    }
    if (!estoc_archive_is(path)) {
        estoc_why_set(why, "%s: not a backup that `estocd backup` has made", path);
        return ESTOC_E_MALFORMED;
    }
    estoc_err err = open_file(path, SQLITE_OPEN_READONLY, out, why);
    if (err) {
        return err;
    }
    bool ran = take_text((*out)->db, "PRAGMA quick_check(1)", found, sizeof found);
    if (!ran || strcmp(found, "ok") != 0) {
        estoc_why_set(why, "%s: damaged: %s; take another backup", path,
                      ran ? found : sqlite3_errmsg((*out)->db));
        estoc_archive_close(*out);
        *out = NULL;
        return ESTOC_E_MALFORMED;
    }
    return ESTOC_OK;
}

/* Relative, and nowhere up. */
static bool is_inside(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > NAME_MAX_LEN) {
        return false;
    }
    for (const char *at = name;; at++) {
        size_t n = strcspn(at, "/");
        if (n == 0 || (n == 1 && at[0] == '.') || (n == 2 && at[0] == '.' && at[1] == '.')) {
            return false;
        }
        at += n;
        if (*at == '\0') {
            return true;
        }
    }
}

static bool take_entry(sqlite3_stmt *st, estoc_archive_entry *e)
{
    e->name = (const char *)sqlite3_column_text(st, 0);
    int kind = sqlite3_column_int(st, 1);
    e->mode = (unsigned)sqlite3_column_int(st, 2) & 0777;
    e->link = (const char *)sqlite3_column_text(st, 3);
    e->kind = (estoc_archive_kind)kind;
    return e->name != NULL && is_inside(e->name) && kind >= ESTOC_ARCHIVE_FILE &&
           kind <= ESTOC_ARCHIVE_LINK && (kind != ESTOC_ARCHIVE_LINK || e->link != NULL);
}

estoc_err estoc_archive_each(estoc_archive *a,
                             bool (*each)(void *ctx, const estoc_archive_entry *e), void *ctx)
{
    sqlite3_stmt *st = NULL;
    estoc_archive_entry e;
    estoc_err err = ESTOC_OK;
    int rc = sqlite3_prepare_v2(
        a->db, "SELECT name, kind, mode, link FROM archive_file ORDER BY id", -1, &st, NULL);
    while (!err && rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        rc = SQLITE_OK;
        if (!take_entry(st, &e)) {
            snprintf(a->why, sizeof a->why, "a file in it has no proper name or kind");
            err = ESTOC_E_MALFORMED;
        } else if (!each(ctx, &e)) {
            rc = SQLITE_DONE;
            break;
        }
    }
    err = err ? err : rc == SQLITE_DONE ? ESTOC_OK : failed(a);
    sqlite3_finalize(st);
    return err;
}

estoc_err estoc_archive_parts(estoc_archive *a, const char *name,
                              bool (*part)(void *ctx, estoc_slice bytes), void *ctx)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(
        a->db, "SELECT bytes FROM archive_part WHERE name = ? ORDER BY part", -1, &st, NULL);
    rc = rc == SQLITE_OK ? bind_text(st, 1, name) : rc;
    while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        const void *bytes = sqlite3_column_blob(st, 0);
        size_t len = (size_t)sqlite3_column_bytes(st, 0);
        rc = part(ctx, estoc_slice_of(bytes, bytes != NULL ? len : 0)) ? SQLITE_OK : SQLITE_DONE;
    }
    estoc_err err = rc == SQLITE_DONE ? ESTOC_OK : failed(a);
    sqlite3_finalize(st);
    return err;
}

const char *estoc_archive_noted(estoc_archive *a, const char *name, char *out, size_t cap)
{
    sqlite3_stmt *st = NULL;
    int rc =
        sqlite3_prepare_v2(a->db, "SELECT value FROM archive_note WHERE name = ?", -1, &st, NULL);
    rc = rc == SQLITE_OK ? bind_text(st, 1, name) : rc;
    const char *text = rc == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW
                           ? (const char *)sqlite3_column_text(st, 0)
                           : NULL;
    snprintf(out, cap, "%s", text != NULL ? text : "");
    sqlite3_finalize(st);
    return out;
}

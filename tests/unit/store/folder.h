/* SPDX-License-Identifier: MIT
 *
 * A folder for each test, and in it a store; or a schema of the PostgreSQL database that
 * $ESTOC_TEST_STORE names.
 */
#ifndef ESTOC_TEST_STORE_FOLDER_H
#define ESTOC_TEST_STORE_FOLDER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <libpq-fe.h>
#include <sqlite3.h>

#include "store.h"

static char folder[64];
static char path[96];
static char url[256];

static inline const char *database(void)
{
    return getenv("ESTOC_TEST_STORE");
}

/* Past the store, too. */
static inline int tell_database(const char *text)
{
    PGconn *conn = PQconnectdb(database());
    PQclear(PQexec(conn, "SET lock_timeout = '20s'")); /* of a test that failed in a transaction */
    PGresult *res = PQexec(conn, text);
    ExecStatusType status = PQresultStatus(res);
    bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    if (!good) {
        print_error("%s", PQerrorMessage(conn));
    }
    PQclear(res);
    PQfinish(conn);
    return good ? 0 : -1;
}

static inline int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/estoc-store-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/store.db", folder);
    if (database() != NULL) {
        snprintf(url, sizeof url, "%s?options=-csearch_path%%3Dunit", database());
        return tell_database("DROP SCHEMA IF EXISTS unit CASCADE; CREATE SCHEMA unit");
    }
    snprintf(url, sizeof url, "sqlite:%s", path);
    return 0;
}

static inline int remove_folder(void **state)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    char name[128];
    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        unlink(name);
    }
    return rmdir(folder);
}

static inline estoc_store *open_store(void)
{
    estoc_store *s;
    estoc_why why = {""};
    estoc_err err = estoc_store_open(url, &s, &why);
    if (err) {
        fail_msg("%s", why.text);
    }
    return s;
}

/* Past the store. */
static inline void alter(const char *statement)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, statement, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* clang-format off */
#define IN_FOLDER(name, f) {name, f, make_folder, remove_folder, NULL}
/* clang-format on */

#endif

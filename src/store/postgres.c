/* SPDX-License-Identifier: MIT
 *
 * A PostgreSQL database, by libpq. The runs of a statement go out together, in libpq's pipeline mode, and
 * their results come back together: one round trip. A connection that broke stays broken: the store is
 * closed and opened again by whoever uses it (X9), which is all the reconnecting there is.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "db.h"
#include "text.h"

#define AT_ONCE    64    /* runs in one round trip */
#define VALUES_MAX 24    /* of the longest statement */
#define SILENCE_MS 10000 /* a server that says nothing for so long is taken for dead */
#define NO_ANSWER  "the server does not answer"

/* Of the server's catalogue: int8, bytea, text. */
static const Oid type_of[] = {[ESTOC_DB_INT] = 20, [ESTOC_DB_BLOB] = 17, [ESTOC_DB_TEXT] = 25};

struct postgres_db {
    estoc_db base;
    PGconn *conn;
    const char *opening; /* of a transaction that has not been told to the server yet; NULL: none */
    bool open;           /* there is a transaction */
    bool silent;         /* the server has not answered in time */
    bool *prepared;      /* by statement */
};

struct postgres_row {
    estoc_db_row base;
    const PGresult *res;
    int n;
};

/* ---------------------------------------------------------------------------------------- failures */

/* The first line, without the end. */
static void first_line(char *out, size_t cap, const char *text)
{
    snprintf(out, cap, "%.*s", (int)strcspn(text, "\n"), text);
}

static estoc_err failed(struct postgres_db *d, const PGresult *res)
{
    const char *text = res != NULL ? PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    first_line(d->base.why, sizeof d->base.why, text != NULL ? text : PQerrorMessage(d->conn));
    return ESTOC_E_STORE;
}

static estoc_err silent(struct postgres_db *d)
{
    d->silent = true;
    snprintf(d->base.why, sizeof d->base.why, NO_ANSWER);
    return ESTOC_E_STORE;
}

/* ----------------------------------------------------------------------------------------- sending */

static void put_number(int64_t n, uint8_t out[8])
{
    for (int i = 0; i < 8; i++) {
        out[i] = (uint8_t)((uint64_t)n >> (56 - 8 * i));
    }
}

static bool send_prepare(struct postgres_db *d, const estoc_db_run *r, const char *name)
{
    const estoc_db_sql *sql = &d->base.sql[r->statement];
    Oid types[VALUES_MAX];
    for (size_t i = 0; i < r->values_n; i++) {
        types[i] = type_of[r->values[i].kind];
    }
    return PQsendPrepare(d->conn, name, sql->postgres != NULL ? sql->postgres : sql->text,
                         (int)r->values_n, types) == 1;
}

static bool send_run(struct postgres_db *d, const char *name, const estoc_db_value *values,
                     size_t n)
{
    uint8_t numbers[VALUES_MAX][8];
    const char *at[VALUES_MAX];
    int lengths[VALUES_MAX], formats[VALUES_MAX];
    for (size_t i = 0; i < n; i++) {
        const estoc_db_value *v = &values[i];
        bool number = v->kind == ESTOC_DB_INT;
        if (number) {
            put_number(v->number, numbers[i]);
        }
        at[i] = number ? (const char *)numbers[i] : v->ptr;
        lengths[i] = number ? 8 : (int)v->len;
        formats[i] = 1; /* binary */
    }
    return PQsendQueryPrepared(d->conn, name, (int)n, at, lengths, formats, 1) == 1;
}

static bool send_text(struct postgres_db *d, const char *text)
{
    return PQsendQueryParams(d->conn, text, 0, NULL, NULL, NULL, NULL, 1) == 1;
}

/* --------------------------------------------------------------------------------------- receiving */

/* The next result, or NULL where those of one command end. @return false: there will be none */
static bool next(struct postgres_db *d, PGresult **res)
{
    *res = NULL;
    if (d->silent) { /* not once for each of what was asked */
        return false;
    }
    while (PQisBusy(d->conn) == 1) {
        struct pollfd fd = {.fd = PQsocket(d->conn), .events = POLLIN};
        if (PQflush(d->conn) < 0 || fd.fd < 0) {
            (void)failed(d, NULL);
            return false;
        }
        if (poll(&fd, 1, SILENCE_MS) == 0) {
            (void)silent(d);
            return false;
        }
        if (PQconsumeInput(d->conn) != 1) {
            (void)failed(d, NULL);
            return false;
        }
    }
    *res = PQgetResult(d->conn);
    return true;
}

static bool give_rows(struct postgres_db *d, const estoc_db_run *r, size_t i, const PGresult *res)
{
    struct postgres_row row = {.base = {&d->base}, .res = res};
    bool more = true;
    for (row.n = 0; more && row.n < PQntuples(res); row.n++) {
        more = r->row(r->ctx, i, &row.base);
    }
    return more;
}

static void note_changed(const estoc_db_run *r, size_t i, PGresult *res)
{
    if (r->changed != NULL) {
        r->changed(r->ctx, i, strtoull(PQcmdTuples(res), NULL, 10));
    }
}

/* The results of one command, up to its end. @param r  NULL: it has no rows
 * @return 0; ESTOC_E_STORE */
static estoc_err receive(struct postgres_db *d, const estoc_db_run *r, size_t i)
{
    PGresult *res;
    estoc_err err = ESTOC_OK;
    bool more = r != NULL && r->row != NULL;
    if (more && r->times == 1) { /* so that a million of them are never in memory */
        (void)PQsetSingleRowMode(d->conn);
    }
    for (;;) {
        if (!next(d, &res)) {
            return ESTOC_E_STORE;
        }
        if (res == NULL) {
            return err;
        }
        ExecStatusType status = PQresultStatus(res);
        if (status == PGRES_SINGLE_TUPLE || status == PGRES_TUPLES_OK) {
            more = more && give_rows(d, r, i, res);
        } else if (status == PGRES_COMMAND_OK) {
            if (r != NULL) {
                note_changed(r, i, res);
            }
        } else if (status != PGRES_PIPELINE_ABORTED || !err) {
            /* of those that were not run any more, the one before has the reason */
            err = status == PGRES_PIPELINE_ABORTED ? ESTOC_E_STORE : failed(d, res);
        }
        PQclear(res);
    }
}

/* The end of a round trip, which is a result, too. */
static estoc_err receive_sync(struct postgres_db *d)
{
    PGresult *res;
    if (!next(d, &res)) {
        return ESTOC_E_STORE;
    }
    estoc_err err = PQresultStatus(res) == PGRES_PIPELINE_SYNC ? ESTOC_OK : failed(d, res);
    PQclear(res);
    return err;
}

/* -------------------------------------------------------------------------------------- statements */

/* Up to AT_ONCE runs, and before them what must come first. */
static estoc_err round_trip(struct postgres_db *d, const estoc_db_run *r, size_t from, size_t n)
{
    char name[24];
    bool opening = d->opening != NULL;
    bool prepare = !d->prepared[r->statement];
    snprintf(name, sizeof name, "s%zu", r->statement);
    bool sent = (!opening || send_text(d, d->opening)) && (!prepare || send_prepare(d, r, name));
    for (size_t i = from; sent && i < from + n; i++) {
        sent = send_run(d, name, r->values_n > 0 ? r->values + i * r->values_n : NULL, r->values_n);
    }
    if (!sent || PQpipelineSync(d->conn) != 1) {
        return failed(d, NULL);
    }
    estoc_err err = opening ? receive(d, NULL, 0) : ESTOC_OK;
    if (opening && !err) {
        d->opening = NULL;
        d->open = true;
    }
    if (prepare && PQstatus(d->conn) == CONNECTION_OK) {
        estoc_err prepared = receive(d, NULL, 0);
        d->prepared[r->statement] = !prepared;
        err = err ? err : prepared;
    }
    for (size_t i = from; i < from + n && PQstatus(d->conn) == CONNECTION_OK; i++) {
        estoc_err got = receive(d, err ? NULL : r, i);
        err = err ? err : got;
    }
    estoc_err end = PQstatus(d->conn) == CONNECTION_OK ? receive_sync(d) : ESTOC_E_STORE;
    return err ? err : end;
}

static estoc_err run(estoc_db *db, const estoc_db_run *r)
{
    struct postgres_db *d = (struct postgres_db *)db;
    estoc_err err = r->values_n <= VALUES_MAX ? ESTOC_OK : ESTOC_E_STORE;
    for (size_t i = 0; !err && i < r->times; i += AT_ONCE) {
        size_t left = r->times - i;
        err = round_trip(d, r, i, left < AT_ONCE ? left : AT_ONCE);
    }
    return err;
}

static int64_t row_int(const estoc_db_row *row, int column)
{
    const struct postgres_row *r = (const struct postgres_row *)row;
    const char *at = PQgetvalue(r->res, r->n, column);
    uint64_t n = 0;
    if (PQgetlength(r->res, r->n, column) == 8) {
        for (int i = 0; i < 8; i++) {
            n = n << 8 | (uint8_t)at[i];
        }
    }
    return (int64_t)n;
}

static estoc_slice row_blob(const estoc_db_row *row, int column)
{
    const struct postgres_row *r = (const struct postgres_row *)row;
    return estoc_slice_of(PQgetvalue(r->res, r->n, column),
                          (size_t)PQgetlength(r->res, r->n, column));
}

static const char *row_text(const estoc_db_row *row, int column)
{
    const struct postgres_row *r = (const struct postgres_row *)row;
    return PQgetvalue(r->res, r->n, column); /* libpq puts a NUL behind each value */
}

/* ----------------------------------------------------------------------------------- transactions */

/* The server is told together with the first statement. */
static estoc_err begin(estoc_db *db, bool snapshot)
{
    struct postgres_db *d = (struct postgres_db *)db;
    d->opening = snapshot ? "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY" : "BEGIN";
    return PQstatus(d->conn) == CONNECTION_OK ? ESTOC_OK : failed(d, NULL);
}

/* What is asked for to be committed may have failed already: then the server says ROLLBACK. */
static estoc_err end(struct postgres_db *d, const char *text)
{
    PGresult *res;
    bool done = false;
    if (!send_text(d, text) || PQpipelineSync(d->conn) != 1) {
        return failed(d, NULL);
    }
    for (;;) {
        if (!next(d, &res)) {
            return ESTOC_E_STORE;
        }
        if (res == NULL) {
            break;
        }
        if (PQresultStatus(res) != PGRES_COMMAND_OK) {
            (void)failed(d, res);
        }
        done = PQresultStatus(res) == PGRES_COMMAND_OK && strcmp(PQcmdStatus(res), text) == 0;
        PQclear(res);
    }
    estoc_err err = receive_sync(d);
    d->open = false;
    return err ? err : done ? ESTOC_OK : ESTOC_E_STORE;
}

static estoc_err commit(estoc_db *db)
{
    struct postgres_db *d = (struct postgres_db *)db;
    bool empty = d->opening != NULL; /* nothing was done in it */
    d->opening = NULL;
    return empty || !d->open ? ESTOC_OK : end(d, "COMMIT");
}

static void rollback(estoc_db *db)
{
    struct postgres_db *d = (struct postgres_db *)db;
    d->opening = NULL;
    if (d->open && !d->silent && PQstatus(d->conn) == CONNECTION_OK) {
        (void)end(d, "ROLLBACK");
    }
}

/* ------------------------------------------------------------------------------------------ schema */

/* As PQexec, which would wait for ever. @return NULL: no answer within the time; or no memory */
static PGresult *ask(PGconn *conn, const char *text, int wait_ms)
{
    PGresult *last = NULL;
    PGresult *res = NULL;
    bool good = PQsendQuery(conn, text) == 1;
    do {
        while (good && PQisBusy(conn) == 1) {
            struct pollfd fd = {.fd = PQsocket(conn), .events = POLLIN};
            good = poll(&fd, 1, wait_ms) != 0 && PQconsumeInput(conn) == 1;
        }
        if (good && (res = PQgetResult(conn)) != NULL) {
            PQclear(last);
            last = res;
        }
    } while (good && res != NULL);
    if (!good) {
        PQclear(last);
    }
    return good ? last : NULL;
}

/* Before the pipeline: one after the other. @return false: `why` is filled */
static bool tell_for(PGconn *conn, const char *text, int wait_ms, estoc_why *why)
{
    PGresult *res = ask(conn, text, wait_ms);
    ExecStatusType status = PQresultStatus(res);
    bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    if (!good) {
        char line[200];
        first_line(line, sizeof line, PQerrorMessage(conn));
        estoc_why_set(why, "store: PostgreSQL: %s", line[0] != '\0' ? line : NO_ANSWER);
    }
    PQclear(res);
    return good;
}

static bool tell(PGconn *conn, const char *text, estoc_why *why)
{
    return tell_for(conn, text, SILENCE_MS, why);
}

/* The first column of the only row, as a number; -1: there is none. */
static bool look(PGconn *conn, const char *text, int64_t *n, estoc_why *why)
{
    PGresult *res = ask(conn, text, SILENCE_MS);
    bool good = PQresultStatus(res) == PGRES_TUPLES_OK;
    *n = good && PQntuples(res) == 1 ? strtoll(PQgetvalue(res, 0, 0), NULL, 10) : -1;
    PQclear(res);
    return good || tell(conn, text, why);
}

static bool take_steps(PGconn *conn, const estoc_db_schema *schema, int64_t version, estoc_why *why)
{
    char set[80];
    bool good = true;
    for (size_t i = (size_t)version; good && i < schema->n; i++) {
        const char *text = schema->steps[i].postgres;
        good =
            text == NULL || text[0] == '\0' || tell_for(conn, text, -1, why); /* may be much work */
    }
    snprintf(set, sizeof set, "UPDATE estoc_schema SET version = %zu", schema->n);
    return good && tell(conn, set, why);
}

/* All steps or none, and one node at a time. */
static estoc_err migrate(PGconn *conn, const estoc_db_schema *schema, estoc_why *why)
{
    static const char others[] = "SELECT count(*) FROM pg_class WHERE oid = to_regclass('cert')";
    static const char table[] =
        "CREATE TABLE estoc_schema (version BIGINT NOT NULL); INSERT INTO estoc_schema VALUES (0)";
    int64_t there = 0;
    int64_t foreign = 0;
    int64_t version = 0;
    /* the number is that of this table; it means nothing */
    bool good = tell(conn, "BEGIN; SELECT pg_advisory_xact_lock(9148)", why) &&
                look(conn, "SELECT count(*) FROM pg_class WHERE oid = to_regclass('estoc_schema')",
                     &there, why);
    if (good && there == 0) {
        good = look(conn, others, &foreign, why) && (foreign > 0 || tell(conn, table, why));
    }
    good = good && (foreign > 0 || look(conn, "SELECT version FROM estoc_schema", &version, why));
    if (good && (foreign > 0 || version < 0)) {
        estoc_why_set(why, "store: PostgreSQL: a database of something else");
        return ESTOC_E_STORE;
    }
    if (good && version > (int64_t)schema->n) {
        estoc_why_set(why,
                      "store: PostgreSQL: schema %lld, this estocd knows %zu; use the newer estocd",
                      (long long)version, schema->n);
        return ESTOC_E_STORE;
    }
    if (good && version < (int64_t)schema->n) {
        good = take_steps(conn, schema, version, why);
    }
    return good && tell(conn, "COMMIT", why) ? ESTOC_OK : ESTOC_E_STORE;
}

/* ----------------------------------------------------------------------------------------- opening */

/* A notice is no fault, and not for the log. */
static void ignore_notice(void *ctx, const PGresult *res)
{
    (void)ctx;
    (void)res;
}

static PGconn *connect_to(const char *url)
{
    /* what the URL says wins */
    static const char *const names[] = {
        "application_name", "connect_timeout",  "keepalives_idle", "keepalives_interval",
        "keepalives_count", "tcp_user_timeout", "dbname",          NULL};
    const char *const values[] = {"estocd", "5", "10", "5", "3", "10000", url, NULL};
    return PQconnectdbParams(names, values, 1);
}

/* A commit that is answered is on the disk; whoever waits for another's row does not wait for ever, and
 * a node that vanishes or stands still in a transaction does not keep a row from the others. */
static const char durable[] = "SET client_min_messages = warning; SET lock_timeout = '5s'; "
                              "SET idle_in_transaction_session_timeout = '30s'; "
                              "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; "
                              "SET tcp_keepalives_count = 3; "
                              "SELECT set_config('synchronous_commit', 'on', false)"
                              " WHERE current_setting('synchronous_commit') IN ('off', 'local')";

static void warn_of_risks(PGconn *conn)
{
    static const char *const settings[] = {"fsync", "full_page_writes"};
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        char text[96];
        snprintf(text, sizeof text, "SHOW %s", settings[i]);
        PGresult *res = ask(conn, text, SILENCE_MS);
        if (PQresultStatus(res) == PGRES_TUPLES_OK && PQntuples(res) == 1 &&
            strcmp(PQgetvalue(res, 0, 0), "off") == 0) {
            estoc_log(ESTOC_LOG_WARN, "store", "event", settings[i], "why",
                      "is off at the database: a power cut may lose what was promised", NULL);
        }
        PQclear(res);
    }
}

static estoc_err open_database(struct postgres_db *d, const char *url,
                               const estoc_db_schema *schema, estoc_why *why)
{
    d->conn = connect_to(url);
    if (d->conn == NULL || d->prepared == NULL) {
        estoc_why_set(why, "store: %s", estoc_err_text(ESTOC_E_MEMORY));
        return ESTOC_E_MEMORY;
    }
    if (PQstatus(d->conn) != CONNECTION_OK) {
        char line[200];
        first_line(line, sizeof line, PQerrorMessage(d->conn));
        estoc_why_set(why, "store: PostgreSQL: %s", line);
        return ESTOC_E_STORE;
    }
    (void)PQsetNoticeReceiver(d->conn, ignore_notice, NULL);
    if (!tell(d->conn, durable, why)) {
        return ESTOC_E_STORE;
    }
    warn_of_risks(d->conn);
    estoc_err err = migrate(d->conn, schema, why);
    if (!err && PQenterPipelineMode(d->conn) != 1) {
        estoc_why_set(why, "store: PostgreSQL: no pipeline");
        err = ESTOC_E_STORE;
    }
    return err;
}

static void close_database(estoc_db *db)
{
    struct postgres_db *d = (struct postgres_db *)db;
    PQfinish(d->conn);
    free(d->prepared);
    free(d);
}

static const estoc_db_ops ops = {
    .run = run,
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .close = close_database,
    .row_int = row_int,
    .row_blob = row_blob,
    .row_text = row_text,
};

estoc_err estoc_db_open_postgres(const char *url, const estoc_db_schema *schema,
                                 const estoc_db_sql *sql, size_t sql_n, estoc_db **out,
                                 estoc_why *why)
{
    *out = NULL;
    struct postgres_db *d = calloc(1, sizeof *d);
    if (d == NULL) {
        estoc_why_set(why, "store: %s", estoc_err_text(ESTOC_E_MEMORY));
        return ESTOC_E_MEMORY;
    }
    d->base = (estoc_db){.ops = &ops, .sql = sql, .sql_n = sql_n};
    d->prepared = calloc(sql_n, sizeof *d->prepared);
    estoc_err err = open_database(d, url, schema, why);
    if (err) {
        close_database(&d->base);
        return err;
    }
    *out = &d->base;
    return ESTOC_OK;
}

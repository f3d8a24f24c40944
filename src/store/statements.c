/* SPDX-License-Identifier: MIT
 *
 * The store's SQL, for every kind of database. A place in the table `cert` is a serial number; and one
 * for each identity, request and profile has slot 0: what a repeated request gets (E6), so that no two
 * nodes can issue for the same.
 */
#include "store_parts.h"

/* clang-format off */
#define CERT                                                                                        \
    "serial, profile, subject, identity, csr, key, issued_at, not_before, not_after, revoked_at,"   \
    " der, reason, state, policy, revision"
#define PENDING_STATE "id, asked_at, changed_at, decision, serial"
#define PENDING_REST  "identity, csr, profile, op, subject, client, request"
#define RELAY                                                                                       \
    "identity, csr, profile, op, state, subject, upstream, node, asked_at, changed_at, retry_at,"   \
    " serial, not_before, not_after, der"
#define RELAY_NAME "identity = $1 AND csr = $2 AND profile = $3 AND op = $4 AND slot = 0"
#define HEALTH                                                                                      \
    "node, upstream, url, noted_at, up, calls, failures, ok_at, failed_at, median_ms, p99_ms,"      \
    " connections, why"
/* What a node has locked as long as it lives. */
#define NODE_LOCK(node) "hashtextextended('estoc node ' || current_schema() || ' ' || " node ", 0)"
/* Rows of a table for a copy. */
#define COPY(i, table, columns, values, order)                                                      \
    [ESTOC_SQL_COPY + 2 * (i)]     = {"SELECT " columns " FROM " table " ORDER BY " order, NULL},   \
    [ESTOC_SQL_COPY + 2 * (i) + 1] = {"INSERT INTO " table " (" columns ") VALUES (" values ")", NULL}

const estoc_db_sql estoc_store_sql[ESTOC_SQL_N] = {
    [ESTOC_SQL_ASK_OWN]    = {"SELECT revoked_at, der, state, profile FROM cert WHERE serial = $1", NULL},
    [ESTOC_SQL_ASK_AGAIN]  = {"SELECT der FROM cert WHERE identity = $1 AND csr = $2 AND profile = $3"
                              " AND slot = 0 AND state = 1 AND issued_at >= $4 AND revoked_at = 0", NULL},
    [ESTOC_SQL_ASK_KEY]    = {"SELECT 1 FROM cert WHERE key = $1 AND subject <> $2 AND not_after >= $3"
                              " AND revoked_at = 0 AND state <> 2 LIMIT 1",
                              "SELECT 1::BIGINT FROM cert WHERE key = $1 AND subject <> $2"
                              " AND not_after >= $3 AND revoked_at = 0 AND state <> 2 LIMIT 1"},
    [ESTOC_SQL_ASK_RECENT] = {"SELECT count(*), COALESCE(min(issued_at), 0) FROM cert WHERE subject = $1 AND profile = $2"
                              " AND issued_at >= $3 AND state <> 2", NULL},
    /* what is over, or was issued before $4, is not what a request gets when it is repeated at $5 */
    [ESTOC_SQL_RELEASE]    = {"UPDATE cert SET slot = id WHERE identity = $1 AND csr = $2"
                              " AND profile = $3 AND slot = 0 AND state = 1"
                              " AND (issued_at < $4 OR not_after <= $5)", NULL},
    [ESTOC_SQL_INTEND]     = {"INSERT INTO cert (" CERT ", slot, node, run) VALUES"
                              " ($1,$2,$3,$4,$5,$6,$7,$8,$9,0,$10,0,0,$11,0,$12,$13,$14)"
                              " ON CONFLICT DO NOTHING", NULL},
    [ESTOC_SQL_ISSUE]      = {"UPDATE cert SET state = 1, der = $2 WHERE serial = $1 AND state = 0", NULL},
    [ESTOC_SQL_VOID]       = {"UPDATE cert SET state = 2, slot = id WHERE state = 0"
                              " AND ($1 IS NULL OR node = $1) AND ($2 IS NULL OR run = $2)"
                              " AND issued_at < $3", NULL},
    [ESTOC_SQL_VOID_LOST]  = {"UPDATE cert SET state = 2 WHERE $1 IS NULL AND $2 IS NULL",
                              "UPDATE cert SET state = 2, slot = id WHERE state = 0 AND issued_at < $2"
                              " AND node IN (SELECT node FROM (SELECT DISTINCT node FROM cert"
                              " WHERE state = 0 AND issued_at < $2 AND node <> $1) AS others"
                              " WHERE pg_try_advisory_xact_lock(" NODE_LOCK("node") "))"},
    [ESTOC_SQL_POLICY_FIND] = {"SELECT version FROM policy WHERE digest = $1", NULL},
    [ESTOC_SQL_POLICY_ADD]  = {"INSERT INTO policy (digest, text, made_at) VALUES ($1,$2,$3)"
                               " ON CONFLICT DO NOTHING", NULL},
    [ESTOC_SQL_POLICY_TEXT] = {"SELECT text FROM policy WHERE version = $1", NULL},
    [ESTOC_SQL_POLICY_EACH] = {"SELECT version, made_at FROM policy ORDER BY version", NULL},

    [ESTOC_SQL_PUT]        = {"INSERT INTO cert (" CERT ", slot, node, run) VALUES"
                              " ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,'',$17)"
                              " ON CONFLICT DO NOTHING", NULL},
    [ESTOC_SQL_BY_SERIAL]  = {"SELECT " CERT " FROM cert WHERE serial = $1", NULL},
    [ESTOC_SQL_REVOKE]     = {"UPDATE cert SET revoked_at = $2, reason = $3, revision = $4,"
                              " slot = CASE WHEN slot = 0 THEN id ELSE slot END"
                              " WHERE serial = $1 AND revoked_at = 0", NULL},
    [ESTOC_SQL_EACH]       = {"SELECT " CERT " FROM cert WHERE $1 IS NULL OR instr(lower(subject), lower($1))"
                              " OR instr(lower(hex(serial)), lower($1)) ORDER BY id",
                              "SELECT " CERT " FROM cert WHERE $1 IS NULL"
                              " OR strpos(lower(subject), lower($1)) > 0"
                              " OR strpos(encode(serial, 'hex'), lower($1)) > 0 ORDER BY id"},
    [ESTOC_SQL_EACH_OF]    = {"SELECT " CERT " FROM cert WHERE identity = $1 AND not_after >= $2"
                              " AND revoked_at = 0 AND state = 1 ORDER BY id DESC", NULL},
    [ESTOC_SQL_EACH_VOID]  = {"SELECT " CERT " FROM cert WHERE state <> 1 AND issued_at < $1"
                              " ORDER BY id", NULL},
    [ESTOC_SQL_EACH_REVOKED] = {"SELECT " CERT " FROM cert WHERE revision > 0 AND revision > $1"
                                " ORDER BY revision", NULL},
    [ESTOC_SQL_COUNT]      = {"SELECT (SELECT count(*) FROM cert)"
                              " - (SELECT count(*) FROM cert WHERE state <> 1)", NULL},
    [ESTOC_SQL_TALLY]      = {"SELECT profile, count(*) FILTER (WHERE state = 1),"
                              " count(*) FILTER (WHERE state = 1 AND revoked_at = 0 AND not_after >= $1),"
                              " count(*) FILTER (WHERE state = 1 AND revoked_at = 0 AND not_after < $1),"
                              " count(*) FILTER (WHERE state = 1 AND revoked_at <> 0),"
                              " count(*) FILTER (WHERE state = 1 AND issued_at >= $2),"
                              " count(*) FILTER (WHERE state = 2) FROM cert"
                              " GROUP BY profile ORDER BY profile", NULL},

    [ESTOC_SQL_COUNTER]       = {"SELECT value FROM counter WHERE name = $1", NULL},
    [ESTOC_SQL_COUNTER_ADD]   = {"UPDATE counter SET value = value + $2 WHERE name = $1", NULL},
    [ESTOC_SQL_COUNTER_SET]   = {"UPDATE counter SET value = $2 WHERE name = $1", NULL},
    [ESTOC_SQL_COUNTER_RAISE] = {"UPDATE counter SET value = max(value + 1, $2) WHERE name = $1",
                                 "UPDATE counter SET value = greatest(value + 1, $2) WHERE name = $1"},
    [ESTOC_SQL_CRL_PUT]    = {"INSERT INTO crl (number, this_update, next_update, revision, der)"
                              " VALUES ($1,$2,$3,$4,$5)", NULL},
    [ESTOC_SQL_CRL_DROP]   = {"DELETE FROM crl WHERE number < $1", NULL},
    [ESTOC_SQL_CRL_NEWEST] = {"SELECT number, this_update, next_update, revision, der FROM crl"
                              " ORDER BY number DESC LIMIT 1", NULL},
    [ESTOC_SQL_HEAD_NEW]   = {"INSERT INTO audit_head (node, seq, hash) VALUES ($1,0,$2)"
                              " ON CONFLICT DO NOTHING", NULL},
    [ESTOC_SQL_HEAD]       = {"SELECT seq, hash FROM audit_head WHERE node = $1", NULL},
    [ESTOC_SQL_HEAD_LOCK]  = {"SELECT seq, hash FROM audit_head WHERE node = $1",
                              "SELECT seq, hash FROM audit_head WHERE node = $1 FOR UPDATE"},
    [ESTOC_SQL_HEAD_SET]   = {"UPDATE audit_head SET seq = $2, hash = $3 WHERE node = $1", NULL},
    [ESTOC_SQL_AUDIT_ADD]  = {"INSERT INTO audit (node, seq, hash, line) VALUES ($1,$2,$3,$4)", NULL},
    [ESTOC_SQL_AUDIT_EACH] = {"SELECT seq, hash, line FROM audit WHERE node = $1 AND seq > $2"
                              " ORDER BY seq", NULL},
    [ESTOC_SQL_AUDIT_TRIM] = {"DELETE FROM audit WHERE node = $1 AND seq <= $2", NULL},
    [ESTOC_SQL_SECRET_NEW] = {"INSERT INTO secret (name, key) VALUES ($1,$2) ON CONFLICT DO NOTHING", NULL},
    [ESTOC_SQL_SECRET]     = {"SELECT key FROM secret WHERE name = $1", NULL},
    [ESTOC_SQL_SESSION_PUT] = {"INSERT INTO session (seq, id, node, run, good_until, bytes)"
                               " VALUES ($1,$2,$3,$4,$5,$6)", NULL},
    [ESTOC_SQL_SESSION_EACH] = {"SELECT seq, id, good_until, bytes FROM session WHERE seq > $1"
                                " AND seq <= $4 AND run <> $2 AND good_until > $3 ORDER BY seq", NULL},
    [ESTOC_SQL_SESSION_EXPIRE] = {"DELETE FROM session WHERE good_until <= $1 OR seq <= $2", NULL},
    /* a lock of the connection; where it breaks, the server finds out within half a minute */
    [ESTOC_SQL_CLAIM_NODE] = {"SELECT $1 IS NOT NULL",
                              "SELECT CASE WHEN pg_try_advisory_lock(" NODE_LOCK("$1") ")"
                              " THEN 1 ELSE 0 END::BIGINT"},
    [ESTOC_SQL_KEEP_ALIVE] = {"SELECT 0",
                              "SELECT length(set_config('tcp_keepalives_idle', '10', false)"
                              " || set_config('tcp_keepalives_interval', '5', false)"
                              " || set_config('tcp_keepalives_count', '3', false))::BIGINT"},

    [ESTOC_SQL_PEND]       = {"INSERT INTO pending (identity, csr, profile, op, subject, asked_at,"
                              " changed_at, decision, serial, client, request)"
                              " VALUES ($1,$2,$3,$4,$5,$6,$6,0,$7,$8,$9)"
                              " ON CONFLICT DO NOTHING RETURNING id", NULL},
    [ESTOC_SQL_PENDING_FIND]  = {"SELECT " PENDING_STATE " FROM pending WHERE identity = $1"
                                 " AND csr = $2 AND profile = $3 AND op = $4", NULL},
    [ESTOC_SQL_PENDING_COUNT] = {"SELECT count(*) FROM pending WHERE decision = 0", NULL},
    [ESTOC_SQL_PENDING_COUNT_OF] = {"SELECT count(*) FROM pending WHERE decision = 0"
                                    " AND identity = $1", NULL},
    [ESTOC_SQL_PENDING_EACH]  = {"SELECT " PENDING_STATE ", " PENDING_REST " FROM pending ORDER BY id", NULL},
    [ESTOC_SQL_PENDING_ONE]   = {"SELECT " PENDING_STATE ", " PENDING_REST " FROM pending WHERE id = $1", NULL},
    [ESTOC_SQL_DECIDE]     = {"UPDATE pending SET decision = $2, changed_at = $3 WHERE id = $1"
                              " AND length(serial) = 0", NULL},
    [ESTOC_SQL_PENDING_ISSUED] = {"UPDATE pending SET serial = $2 WHERE id = $1", NULL},
    [ESTOC_SQL_PENDING_DROP]   = {"DELETE FROM pending WHERE id = $1", NULL},
    [ESTOC_SQL_PENDING_EXPIRE] = {"DELETE FROM pending WHERE changed_at < $1", NULL},

    [ESTOC_SQL_RELAY_ASK]  = {"SELECT state, upstream, node, asked_at, changed_at, retry_at, not_after,"
                              " der FROM relay WHERE " RELAY_NAME, NULL},
    /* what was issued before $5, or is over at $6, is not what a request gets when it is repeated */
    [ESTOC_SQL_RELAY_RELEASE] = {"UPDATE relay SET slot = id WHERE " RELAY_NAME
                                 " AND state = 2 AND (changed_at < $5 OR not_after <= $6)", NULL},
    [ESTOC_SQL_RELAY_CLAIM]  = {"INSERT INTO relay (" RELAY ", slot)"
                                " VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,0)"
                                " ON CONFLICT (identity, csr, profile, op, slot) DO UPDATE SET"
                                " state = excluded.state, subject = excluded.subject,"
                                " upstream = CASE WHEN excluded.upstream = '' THEN relay.upstream"
                                " ELSE excluded.upstream END,"
                                " node = excluded.node, changed_at = excluded.changed_at,"
                                " retry_at = excluded.retry_at"
                                " WHERE relay.state IN (1, 3)"
                                " OR (relay.state = 0 AND relay.changed_at < $16)", NULL},
    /* another certificate for the same request came in between: both stay */
    [ESTOC_SQL_RELAY_OUTDO]  = {"UPDATE relay SET slot = id WHERE " RELAY_NAME
                                " AND state = 2 AND serial <> $5", NULL},
    [ESTOC_SQL_RELAY_PUT]    = {"INSERT INTO relay (" RELAY ", slot)"
                                " VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,0)"
                                " ON CONFLICT (identity, csr, profile, op, slot) DO UPDATE SET"
                                " state = excluded.state, subject = excluded.subject,"
                                " upstream = CASE WHEN excluded.upstream = '' THEN relay.upstream"
                                " ELSE excluded.upstream END,"
                                " node = excluded.node, changed_at = excluded.changed_at,"
                                " retry_at = excluded.retry_at, serial = excluded.serial,"
                                " not_before = excluded.not_before, not_after = excluded.not_after,"
                                " der = excluded.der"
                                " WHERE excluded.state = 2 OR relay.state IN (1, 3)"
                                " OR (relay.state = 0 AND relay.node = excluded.node)", NULL},
    [ESTOC_SQL_RELAY_DROP]   = {"DELETE FROM relay WHERE " RELAY_NAME
                                " AND (state IN (1, 3) OR (state = 0 AND node = $5))", NULL},
    [ESTOC_SQL_RELAY_LOSE]   = {"UPDATE relay SET state = 3, changed_at = $2"
                                " WHERE state = 0 AND node = $1", NULL},
    /* and what a node had on its way that never came back, a day later */
    [ESTOC_SQL_RELAY_EXPIRE] = {"DELETE FROM relay WHERE state <> 2 AND changed_at < $1"
                                " AND (state <> 0 OR changed_at < $1 - 86400)", NULL},
    [ESTOC_SQL_RELAY_EACH]   = {"SELECT " RELAY ", id FROM relay WHERE $1 IS NULL"
                                " OR instr(lower(subject), lower($1))"
                                " OR instr(lower(hex(serial)), lower($1))"
                                " OR instr(lower(upstream), lower($1)) ORDER BY id",
                                "SELECT " RELAY ", id FROM relay WHERE $1 IS NULL"
                                " OR strpos(lower(subject), lower($1)) > 0"
                                " OR strpos(encode(serial, 'hex'), lower($1)) > 0"
                                " OR strpos(lower(upstream), lower($1)) > 0 ORDER BY id"},
    [ESTOC_SQL_RELAY_TALLY]  = {"SELECT profile, count(*) FILTER (WHERE state = 2),"
                                " count(*) FILTER (WHERE state = 2 AND not_after >= $1),"
                                " count(*) FILTER (WHERE state = 2 AND not_after < $1),"
                                " count(*) FILTER (WHERE state = 2 AND changed_at >= $2),"
                                " count(*) FILTER (WHERE state = 1),"
                                " count(*) FILTER (WHERE state = 3) FROM relay"
                                " GROUP BY profile ORDER BY profile", NULL},

    [ESTOC_SQL_DOCUMENT_PUT] = {"INSERT INTO document (name, none, fetched_at, good_until, bytes)"
                                " VALUES ($1,$2,$3,$4,$5) ON CONFLICT (name) DO UPDATE SET"
                                " none = excluded.none, fetched_at = excluded.fetched_at,"
                                " good_until = excluded.good_until, bytes = excluded.bytes", NULL},
    [ESTOC_SQL_DOCUMENT_GET] = {"SELECT none, fetched_at, good_until, bytes FROM document"
                                " WHERE name = $1", NULL},
    [ESTOC_SQL_HEALTH_PUT]   = {"INSERT INTO health (" HEALTH ")"
                                " VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13)"
                                " ON CONFLICT (node, upstream, url) DO UPDATE SET"
                                " noted_at = excluded.noted_at, up = excluded.up,"
                                " calls = excluded.calls, failures = excluded.failures,"
                                " ok_at = excluded.ok_at, failed_at = excluded.failed_at,"
                                " median_ms = excluded.median_ms, p99_ms = excluded.p99_ms,"
                                " connections = excluded.connections, why = excluded.why", NULL},
    [ESTOC_SQL_HEALTH_EACH]  = {"SELECT " HEALTH " FROM health ORDER BY node, upstream, url", NULL},
    [ESTOC_SQL_HEALTH_EXPIRE] = {"DELETE FROM health WHERE node = $1 AND noted_at < $2", NULL},

    COPY(0, "cert", "id, " CERT ", slot, node, run",
         "$1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19", "id"),
    COPY(1, "pending", "id, identity, csr, profile, op, subject, asked_at, changed_at, decision, serial,"
         " client, request", "$1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12", "id"),
    COPY(2, "policy", "version, digest, text, made_at", "$1,$2,$3,$4", "version"),
    COPY(3, "crl", "number, this_update, next_update, revision, der", "$1,$2,$3,$4,$5", "number"),
    COPY(4, "audit_head", "node, seq, hash", "$1,$2,$3", "node"),
    COPY(5, "audit", "node, seq, hash, line", "$1,$2,$3,$4", "node, seq"),
    COPY(6, "relay", "id, " RELAY ", slot", "$1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17", "id"),
    COPY(7, "document", "name, none, fetched_at, good_until, bytes", "$1,$2,$3,$4,$5", "name"),
    [ESTOC_SQL_COPY + 16] = {"SELECT value, name FROM counter ORDER BY name", NULL},
    [ESTOC_SQL_COPY + 17] = {"UPDATE counter SET value = $1 WHERE name = $2", NULL},
    [ESTOC_SQL_EMPTY]     = {"SELECT (SELECT count(*) FROM (SELECT 1 FROM cert LIMIT 1) AS c)"
                             " + (SELECT count(*) FROM (SELECT 1 FROM pending LIMIT 1) AS p)"
                             " + (SELECT count(*) FROM (SELECT 1 FROM audit_head LIMIT 1) AS a)"
                             " + (SELECT count(*) FROM (SELECT 1 FROM relay LIMIT 1) AS r)"
                             " + (SELECT count(*) FROM (SELECT 1 FROM document LIMIT 1) AS d)", NULL},
    /* numbers given by the database go on behind those that were copied; SQLite sees to it itself */
    [ESTOC_SQL_SEQUENCE_CERT]    = {"SELECT 0",
        "SELECT setval(pg_get_serial_sequence('cert', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM cert), false)"},
    [ESTOC_SQL_SEQUENCE_PENDING] = {"SELECT 0",
        "SELECT setval(pg_get_serial_sequence('pending', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM pending), false)"},
    [ESTOC_SQL_SEQUENCE_POLICY]  = {"SELECT 0",
        "SELECT setval(pg_get_serial_sequence('policy', 'version'), (SELECT coalesce(max(version), 0) + 1 FROM policy), false)"},
    [ESTOC_SQL_SEQUENCE_RELAY]   = {"SELECT 0",
        "SELECT setval(pg_get_serial_sequence('relay', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM relay), false)"},
};
/* clang-format on */

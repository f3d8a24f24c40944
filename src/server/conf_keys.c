/* SPDX-License-Identifier: MIT */
#include "conf_keys.h"

#define SECOND UINT64_C(1000)
#define DAY    (86400 * SECOND)
#define YEAR   (365 * DAY)

/* clang-format off */
#define OF(field)          offsetof(estoc_config, field)
#define OF_PROFILE(field)  offsetof(estoc_profile_conf, field)
#define OF_UPSTREAM(field) offsetof(estoc_upstream_conf, field)
#define TAKE(what)         estoc_conf_take_##what
static const estoc_conf_key keys[] = {
    {ESTOC_CONF_SERVER,    "authority",              TAKE(authority),    OF(authority), 0, 0, 0},
    {ESTOC_CONF_SERVER,    "listen",                 TAKE(listen),       0, 0, 0, 0},
    {ESTOC_CONF_SERVER,    "listen-https",           TAKE(https),        0, 0, 0, ESTOC_CONF_REPEATS},
    {ESTOC_CONF_SERVER,    "discovery",              TAKE(discovery),    0, 0, 0, 0},
    {ESTOC_CONF_SERVER,    "multicast",              TAKE(yes),          OF(multicast), 0, 0, 0},
    {ESTOC_CONF_SERVER,    "node",                   TAKE(node),         OF(node), 0, 0, 0},
    {ESTOC_CONF_SERVER,    "certificate",            TAKE(path),         OF(server_chain), 0, 0, 0},
    {ESTOC_CONF_SERVER,    "key",                    TAKE(key),          OF(server_key), 0, 0, 0},
    {ESTOC_CONF_SERVER,    "client-anchors",         TAKE(path),         OF(client_anchors), 0, 0, 0},
    {ESTOC_CONF_SERVER,    "expired-client-anchors", TAKE(no_path),      OF(expired_anchors), 0, 0, 0},
    {ESTOC_CONF_SERVER,    "deny",                   TAKE(no_path),      OF(denied), 0, 0, 0},
    {ESTOC_CONF_SERVER,    "client-crls",            TAKE(no_path),      OF(client_crls), 0, 0, 0},
    {ESTOC_CONF_SERVER,    "unrecognised",           TAKE(unrecognised), OF(unrecognised), 0, 0, 0},
    {ESTOC_CONF_SERVER,    "root",                   TAKE(root),         OF(root), 0, 0, 0},
    {ESTOC_CONF_SERVER,    "log",                    TAKE(level),        OF(log_level), 0, 0, 0},
    {ESTOC_CONF_SERVER,    "max-age",                TAKE(time),         OF(max_age_s), 0, YEAR, 0},
    {ESTOC_CONF_SERVER,    "egress",                 TAKE(bits),         OF(egress), 4000, UINT64_C(4000000000), 0},
    {ESTOC_CONF_SERVER,    "mtu",                    TAKE(number),       OF(mtu), 256, 1500, 0},
    {ESTOC_CONF_SERVER,    "idle",                   TAKE(time),         OF(idle_s), SECOND, 7 * DAY, 0},
    {ESTOC_CONF_SERVER,    "handshake",              TAKE(time),         OF(handshake_s), SECOND, DAY, 0},
    {ESTOC_CONF_SERVER,    "resume",                 TAKE(time),         OF(resume_s), 0, 7 * DAY, 0},
    {ESTOC_CONF_SERVER,    "answer-delay",           TAKE(time),         OF(answer_delay_ms), 10, 60 * SECOND, 0},
    {ESTOC_CONF_SERVER,    "dtls-timeout",           TAKE(time),         OF(dtls_timeout_ms), 50, 60 * SECOND, 0},
    {ESTOC_CONF_SERVER,    "workers",                TAKE(number),       OF(workers), 0, 256, 0},
    {ESTOC_CONF_SERVER,    "sessions-max",           TAKE(number),       OF(sessions_max), 1, 10000000, 0},
    {ESTOC_CONF_SERVER,    "half-open-max",          TAKE(number),       OF(half_open_max), 1, 10000000, 0},
    {ESTOC_CONF_SERVER,    "identity-sessions",      TAKE(number),       OF(identity_sessions), 1, 10000000, 0},
    {ESTOC_CONF_SERVER,    "identity-rate",          TAKE(number),       OF(identity.per_minute), 0, 1000000, 0},
    {ESTOC_CONF_SERVER,    "identity-burst",         TAKE(number),       OF(identity.burst), 1, 1000000, 0},
    {ESTOC_CONF_SERVER,    "address-rate",           TAKE(number),       OF(address.per_minute), 0, 1000000, 0},
    {ESTOC_CONF_SERVER,    "address-burst",          TAKE(number),       OF(address.burst), 1, 1000000, 0},
    {ESTOC_CONF_SERVER,    "body-max",               TAKE(number),       OF(body_max), 256, 65536, 0},
    {ESTOC_CONF_SERVER,    "bodies-max",             TAKE(number),       OF(bodies_max), 1, 1000000, 0},
    {ESTOC_CONF_CA,        "certificate",            TAKE(path),         OF(ca_chain), 0, 0, 0},
    {ESTOC_CONF_CA,        "key",                    TAKE(key),          OF(ca_key), 0, 0, 0},
    {ESTOC_CONF_CA,        "key-passphrase",         TAKE(passphrase),   OF(ca_passphrase), 0, 0, 0},
    {ESTOC_CONF_CA,        "rollover",               TAKE(no_path),      OF(rollover), 0, 0, 0},
    {ESTOC_CONF_CA,        "decrypt-keys",           TAKE(no_path),      OF(decrypt_keys), 0, 0, 0},
    {ESTOC_CONF_CA,        "store",                  TAKE(store),        OF(store), 0, 0, 0},
    {ESTOC_CONF_CA,        "crl-file",               TAKE(no_path),      OF(crl_file), 0, 0, 0},
    {ESTOC_CONF_CA,        "crl-listen",             TAKE(one_address),  OF(crl_listen), 0, 0, 0},
    {ESTOC_CONF_CA,        "crl-next-update",        TAKE(time),         OF(crl_good_s), 10 * SECOND, YEAR, 0},
    {ESTOC_CONF_CA,        "crl-url",                TAKE(url),          OF(crl_url), 0, 0, 0},
    {ESTOC_CONF_CA,        "profiles",               TAKE(profiles),     OF(profiles_in_store), 0, 0, 0},
    {ESTOC_CONF_CA,        "audit",                  TAKE(path),         OF(audit), 0, 0, 0},
    {ESTOC_CONF_CA,        "audit-syslog",           TAKE(yes),          OF(audit_syslog), 0, 0, 0},
    {ESTOC_CONF_CA,        "retry-window",           TAKE(time),         OF(retry_window_s), 0, YEAR, 0},
    {ESTOC_CONF_CA,        "approval-max",           TAKE(number),       OF(commands_max), 1, 256, 0},
    {ESTOC_CONF_CA,        "pending-max",            TAKE(number),       OF(pending.max), 1, 1000000, 0},
    {ESTOC_CONF_CA,        "pending-per-client",     TAKE(number),       OF(pending.per_client), 1, 1000000, 0},
    {ESTOC_CONF_CA,        "pending-keep",           TAKE(time),         OF(pending.keep_s), SECOND, 10 * YEAR, 0},
    {ESTOC_CONF_REGISTRAR, "store",                  TAKE(store),        OF(store), 0, 0, 0},
    {ESTOC_CONF_REGISTRAR, "retry-window",           TAKE(time),         OF(retry_window_s), 0, YEAR, 0},
    {ESTOC_CONF_REGISTRAR, "pending-keep",           TAKE(time),         OF(pending.keep_s), SECOND, 10 * YEAR, 0},
    {ESTOC_CONF_REGISTRAR, "decrypt-keys",           TAKE(no_path),      OF(decrypt_keys), 0, 0, 0},
    {ESTOC_CONF_REGISTRAR, "connections",            TAKE(number),       OF(connections_max), 1, 1024, 0},
    {ESTOC_CONF_REGISTRAR, "queue",                  TAKE(number),       OF(queue_max), 1, 1000000, 0},
    {ESTOC_CONF_REGISTRAR, "patience",               TAKE(time),         OF(patience_s), SECOND, 240 * SECOND, 0},
    {ESTOC_CONF_REGISTRAR, "refresh",                TAKE(time),         OF(refresh_s), SECOND, 30 * DAY, 0},
    {ESTOC_CONF_UPSTREAM,  "url",                    TAKE(upstream_url), 0, 0, 0, ESTOC_CONF_REPEATS},
    {ESTOC_CONF_UPSTREAM,  "certificate",            TAKE(no_path),      OF_UPSTREAM(chain), 0, 0, 0},
    {ESTOC_CONF_UPSTREAM,  "key",                    TAKE(no_key),       OF_UPSTREAM(key), 0, 0, 0},
    {ESTOC_CONF_UPSTREAM,  "anchors",                TAKE(path),         OF_UPSTREAM(anchors), 0, 0, 0},
    {ESTOC_CONF_UPSTREAM,  "connect-timeout",        TAKE(time),         OF_UPSTREAM(connect_ms), 100, 60 * SECOND, 0},
    {ESTOC_CONF_UPSTREAM,  "timeout",                TAKE(time),         OF_UPSTREAM(answer_ms), 100, 600 * SECOND, 0},
    {ESTOC_CONF_UPSTREAM,  "http",                   TAKE(http),         OF_UPSTREAM(http1), 0, 0, 0},
    {ESTOC_CONF_PROFILE,   "validity",               TAKE(time),         OF_PROFILE(profile.validity_s), SECOND, 100 * YEAR, ESTOC_CONF_CA_ONLY},
    {ESTOC_CONF_PROFILE,   "keys",                   TAKE(keys),         OF_PROFILE(profile), 0, 0, 0},
    {ESTOC_CONF_PROFILE,   "eku",                    TAKE(eku),          OF_PROFILE(profile.contents), 0, 0, 0},
    {ESTOC_CONF_PROFILE,   "key-usage",              TAKE(usage),        OF_PROFILE(profile.contents), 0, 0, ESTOC_CONF_CA_ONLY},
    {ESTOC_CONF_PROFILE,   "policies",               TAKE(policies),     OF_PROFILE(profile.contents), 0, 0, ESTOC_CONF_CA_ONLY},
    {ESTOC_CONF_PROFILE,   "extensions",             TAKE(extensions),   OF_PROFILE(profile.contents), 0, 0, ESTOC_CONF_CA_ONLY},
    {ESTOC_CONF_PROFILE,   "client-anchors",         TAKE(no_path),      OF_PROFILE(client_anchors), 0, 0, 0},
    {ESTOC_CONF_PROFILE,   "allow",                  TAKE(no_path),      OF_PROFILE(allow), 0, 0, 0},
    {ESTOC_CONF_PROFILE,   "allow-subjects",         TAKE(patterns),     OF_PROFILE(allow_subjects), 0, 0, 0},
    {ESTOC_CONF_PROFILE,   "deny",                   TAKE(no_path),      OF_PROFILE(deny), 0, 0, 0},
    {ESTOC_CONF_PROFILE,   "deny-subjects",          TAKE(patterns),     OF_PROFILE(deny_subjects), 0, 0, 0},
    {ESTOC_CONF_PROFILE,   "names",                  TAKE(names),        OF_PROFILE(profile.any_names), 0, 0, 0},
    {ESTOC_CONF_PROFILE,   "subject",                TAKE(subject),      OF_PROFILE(profile.subject), 0, 0, ESTOC_CONF_CA_ONLY},
    {ESTOC_CONF_PROFILE,   "san",                    TAKE(san),          OF_PROFILE(profile.san), 0, 0, ESTOC_CONF_CA_ONLY},
    {ESTOC_CONF_PROFILE,   "change-subject",         TAKE(yes),          OF_PROFILE(profile.change_subject), 0, 0, 0},
    {ESTOC_CONF_PROFILE,   "grace",                  TAKE(time),         OF_PROFILE(profile.grace_s), 0, 90 * DAY, ESTOC_CONF_CA_ONLY},
    {ESTOC_CONF_PROFILE,   "renew-window",           TAKE(window),       OF_PROFILE(profile), 0, 0, 0},
    {ESTOC_CONF_PROFILE,   "per-day",                TAKE(number),       OF_PROFILE(profile.per_day), 0, 1000000, ESTOC_CONF_CA_ONLY},
    {ESTOC_CONF_PROFILE,   "pop",                    TAKE(pop),          OF_PROFILE(profile.pop), 0, 0, 0},
    {ESTOC_CONF_PROFILE,   "registrars",             TAKE(yes),          OF_PROFILE(profile.registrars), 0, 0, ESTOC_CONF_CA_ONLY},
    {ESTOC_CONF_PROFILE,   "approval",               TAKE(approval),     OF_PROFILE(profile.approver), 0, 0, ESTOC_CONF_CA_ONLY},
    {ESTOC_CONF_PROFILE,   "approval-command",       TAKE(command),      OF_PROFILE(profile.command), 0, 0, ESTOC_CONF_CA_ONLY},
    {ESTOC_CONF_PROFILE,   "approval-timeout",       TAKE(time),         OF_PROFILE(profile.command_s), SECOND, 60 * SECOND, ESTOC_CONF_CA_ONLY},
    {ESTOC_CONF_PROFILE,   "retry-after",            TAKE(time),         OF_PROFILE(profile.retry_after_s), SECOND, 7 * DAY, ESTOC_CONF_CA_ONLY},
    {ESTOC_CONF_PROFILE,   "keygen",                 TAKE(keygen),       0, 0, 0, 0},
    {ESTOC_CONF_PROFILE,   "attributes",             TAKE(attributes),   0, 0, 0, 0},
    {ESTOC_CONF_PROFILE,   "template",               TAKE(template),     0, 0, 0, 0},
    {ESTOC_CONF_PROFILE,   "upstream",               TAKE(upstream),     OF_PROFILE(upstream), 0, 0, ESTOC_CONF_RA_ONLY},
    {ESTOC_CONF_PROFILE,   "upstream-label",         TAKE(label),        0, 0, 0, ESTOC_CONF_RA_ONLY},
    {ESTOC_CONF_PROFILE,   "reenroll",               TAKE(reenroll),     OF_PROFILE(reenroll), 0, 0, ESTOC_CONF_RA_ONLY},
};
/* clang-format on */

#define KEYS (sizeof keys / sizeof keys[0])
_Static_assert(KEYS <= ESTOC_CONF_KEYS_MAX, "callers have an array for them");
_Static_assert(sizeof(unsigned) == sizeof(uint32_t), "estoc_conf_take_number writes both");

bool estoc_conf_meant(const estoc_conf_key *k, unsigned authority)
{
    unsigned other =
        authority == ESTOC_AUTHORITY_REGISTRAR ? ESTOC_CONF_CA_ONLY : ESTOC_CONF_RA_ONLY;
    return (k->rules & other) == 0;
}

static void give_file(const estoc_conf_key *k, const void *base,
                      void (*each)(void *ctx, const char *key, const char *path), void *ctx)
{
    const char *path = (const char *)base + k->at;
    bool is_key = k->take == estoc_conf_take_key || k->take == estoc_conf_take_no_key;
    bool is_file = k->take == estoc_conf_take_path || k->take == estoc_conf_take_no_path ||
                   (is_key && !estoc_key_is_uri(path));
    if (is_file && path[0] != '\0') {
        each(ctx, k->name, path);
    }
}

/* How many fields there are for a key, and the first of the structures they are in. */
static size_t places_of(const estoc_conf_key *k, const estoc_config *c, const uint8_t **base,
                        size_t *size)
{
    *size = 0;
    *base = (const uint8_t *)c;
    switch (k->section) {
    case ESTOC_CONF_PROFILE:
        *base = (const uint8_t *)c->profiles;
        *size = sizeof c->profiles[0];
        return c->profiles_n;
    case ESTOC_CONF_UPSTREAM:
        *base = (const uint8_t *)c->upstreams;
        *size = sizeof c->upstreams[0];
        return c->upstreams_n;
    case ESTOC_CONF_CA:
        return c->authority == ESTOC_AUTHORITY_CA;
    case ESTOC_CONF_REGISTRAR:
        return c->authority == ESTOC_AUTHORITY_REGISTRAR;
    case ESTOC_CONF_SERVER:
    case ESTOC_CONF_NOWHERE:
    case ESTOC_CONF_UNKNOWN:
        break;
    }
    return 1;
}

void estoc_config_files(const estoc_config *c,
                        void (*each)(void *ctx, const char *key, const char *path), void *ctx)
{
    for (size_t i = 0; i < KEYS; i++) {
        const uint8_t *base;
        size_t size;
        size_t n = places_of(&keys[i], c, &base, &size);
        for (size_t p = 0; p < n; p++) {
            give_file(&keys[i], base + p * size, each, ctx);
        }
    }
}

const estoc_conf_key *estoc_conf_key_at(size_t i)
{
    return i < KEYS ? &keys[i] : NULL;
}

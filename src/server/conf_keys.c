/* SPDX-License-Identifier: MIT */
#include "conf_keys.h"

#define SECOND UINT64_C(1000)
#define DAY    (86400 * SECOND)
#define YEAR   (365 * DAY)

/* clang-format off */
#define OF(field)         offsetof(estoc_config, field)
#define OF_PROFILE(field) offsetof(estoc_profile_conf, field)
static const estoc_conf_key keys[] = {
    {ESTOC_CONF_SERVER,  "listen",                 estoc_conf_take_listen,      0, 0, 0},
    {ESTOC_CONF_SERVER,  "discovery",              estoc_conf_take_discovery,   0, 0, 0},
    {ESTOC_CONF_SERVER,  "multicast",              estoc_conf_take_yes,         OF(multicast), 0, 0},
    {ESTOC_CONF_SERVER,  "node",                   estoc_conf_take_node,        OF(node), 0, 0},
    {ESTOC_CONF_SERVER,  "certificate",            estoc_conf_take_path,        OF(server_chain), 0, 0},
    {ESTOC_CONF_SERVER,  "key",                    estoc_conf_take_key,         OF(server_key), 0, 0},
    {ESTOC_CONF_SERVER,  "client-anchors",         estoc_conf_take_path,        OF(client_anchors), 0, 0},
    {ESTOC_CONF_SERVER,  "expired-client-anchors", estoc_conf_take_no_path,     OF(expired_anchors), 0, 0},
    {ESTOC_CONF_SERVER,  "deny",                   estoc_conf_take_no_path,     OF(denied), 0, 0},
    {ESTOC_CONF_SERVER,  "client-crls",            estoc_conf_take_no_path,     OF(client_crls), 0, 0},
    {ESTOC_CONF_SERVER,  "unrecognised",           estoc_conf_take_unrecognised, OF(unrecognised), 0, 0},
    {ESTOC_CONF_SERVER,  "root",                   estoc_conf_take_root,        OF(root), 0, 0},
    {ESTOC_CONF_SERVER,  "log",                    estoc_conf_take_level,       OF(log_level), 0, 0},
    {ESTOC_CONF_SERVER,  "max-age",                estoc_conf_take_time,        OF(max_age_s), 0, YEAR},
    {ESTOC_CONF_SERVER,  "egress",                 estoc_conf_take_bits,        OF(egress), 4000, UINT64_C(4000000000)},
    {ESTOC_CONF_SERVER,  "mtu",                    estoc_conf_take_number,      OF(mtu), 256, 1500},
    {ESTOC_CONF_SERVER,  "idle",                   estoc_conf_take_time,        OF(idle_s), SECOND, 7 * DAY},
    {ESTOC_CONF_SERVER,  "handshake",              estoc_conf_take_time,        OF(handshake_s), SECOND, DAY},
    {ESTOC_CONF_SERVER,  "resume",                 estoc_conf_take_time,        OF(resume_s), 0, 7 * DAY},
    {ESTOC_CONF_SERVER,  "answer-delay",           estoc_conf_take_time,        OF(answer_delay_ms), 10, 60 * SECOND},
    {ESTOC_CONF_SERVER,  "dtls-timeout",           estoc_conf_take_time,        OF(dtls_timeout_ms), 50, 60 * SECOND},
    {ESTOC_CONF_SERVER,  "workers",                estoc_conf_take_number,      OF(workers), 0, 256},
    {ESTOC_CONF_SERVER,  "sessions-max",           estoc_conf_take_number,      OF(sessions_max), 1, 10000000},
    {ESTOC_CONF_SERVER,  "half-open-max",          estoc_conf_take_number,      OF(half_open_max), 1, 10000000},
    {ESTOC_CONF_SERVER,  "identity-sessions",      estoc_conf_take_number,      OF(identity_sessions), 1, 10000000},
    {ESTOC_CONF_SERVER,  "identity-rate",          estoc_conf_take_number,      OF(identity.per_minute), 0, 1000000},
    {ESTOC_CONF_SERVER,  "identity-burst",         estoc_conf_take_number,      OF(identity.burst), 1, 1000000},
    {ESTOC_CONF_SERVER,  "address-rate",           estoc_conf_take_number,      OF(address.per_minute), 0, 1000000},
    {ESTOC_CONF_SERVER,  "address-burst",          estoc_conf_take_number,      OF(address.burst), 1, 1000000},
    {ESTOC_CONF_SERVER,  "body-max",               estoc_conf_take_number,      OF(body_max), 256, 65536},
    {ESTOC_CONF_SERVER,  "bodies-max",             estoc_conf_take_number,      OF(bodies_max), 1, 1000000},
    {ESTOC_CONF_CA,      "certificate",            estoc_conf_take_path,        OF(ca_chain), 0, 0},
    {ESTOC_CONF_CA,      "key",                    estoc_conf_take_key,         OF(ca_key), 0, 0},
    {ESTOC_CONF_CA,      "key-passphrase",         estoc_conf_take_passphrase,  OF(ca_passphrase), 0, 0},
    {ESTOC_CONF_CA,      "rollover",               estoc_conf_take_no_path,     OF(rollover), 0, 0},
    {ESTOC_CONF_CA,      "decrypt-keys",           estoc_conf_take_no_path,     OF(decrypt_keys), 0, 0},
    {ESTOC_CONF_CA,      "store",                  estoc_conf_take_store,       OF(store), 0, 0},
    {ESTOC_CONF_CA,      "crl-file",               estoc_conf_take_no_path,     OF(crl_file), 0, 0},
    {ESTOC_CONF_CA,      "crl-listen",             estoc_conf_take_one_address, OF(crl_listen), 0, 0},
    {ESTOC_CONF_CA,      "crl-next-update",        estoc_conf_take_time,        OF(crl_good_s), 10 * SECOND, YEAR},
    {ESTOC_CONF_CA,      "crl-url",                estoc_conf_take_url,         OF(crl_url), 0, 0},
    {ESTOC_CONF_CA,      "profiles",               estoc_conf_take_profiles,    OF(profiles_in_store), 0, 0},
    {ESTOC_CONF_CA,      "audit",                  estoc_conf_take_path,        OF(audit), 0, 0},
    {ESTOC_CONF_CA,      "audit-syslog",           estoc_conf_take_yes,         OF(audit_syslog), 0, 0},
    {ESTOC_CONF_CA,      "retry-window",           estoc_conf_take_time,        OF(retry_window_s), 0, YEAR},
    {ESTOC_CONF_CA,      "approval-max",           estoc_conf_take_number,      OF(commands_max), 1, 256},
    {ESTOC_CONF_CA,      "pending-max",            estoc_conf_take_number,      OF(pending.max), 1, 1000000},
    {ESTOC_CONF_CA,      "pending-per-client",     estoc_conf_take_number,      OF(pending.per_client), 1, 1000000},
    {ESTOC_CONF_CA,      "pending-keep",           estoc_conf_take_time,        OF(pending.keep_s), SECOND, 10 * YEAR},
    {ESTOC_CONF_PROFILE, "validity",               estoc_conf_take_time,        OF_PROFILE(profile.validity_s), SECOND, 100 * YEAR},
    {ESTOC_CONF_PROFILE, "keys",                   estoc_conf_take_keys,        OF_PROFILE(profile), 0, 0},
    {ESTOC_CONF_PROFILE, "eku",                    estoc_conf_take_eku,         OF_PROFILE(profile.contents), 0, 0},
    {ESTOC_CONF_PROFILE, "key-usage",              estoc_conf_take_usage,       OF_PROFILE(profile.contents), 0, 0},
    {ESTOC_CONF_PROFILE, "policies",               estoc_conf_take_policies,    OF_PROFILE(profile.contents), 0, 0},
    {ESTOC_CONF_PROFILE, "extensions",             estoc_conf_take_extensions,  OF_PROFILE(profile.contents), 0, 0},
    {ESTOC_CONF_PROFILE, "client-anchors",         estoc_conf_take_no_path,     OF_PROFILE(client_anchors), 0, 0},
    {ESTOC_CONF_PROFILE, "allow",                  estoc_conf_take_no_path,     OF_PROFILE(allow), 0, 0},
    {ESTOC_CONF_PROFILE, "allow-subjects",         estoc_conf_take_patterns,    OF_PROFILE(allow_subjects), 0, 0},
    {ESTOC_CONF_PROFILE, "deny",                   estoc_conf_take_no_path,     OF_PROFILE(deny), 0, 0},
    {ESTOC_CONF_PROFILE, "deny-subjects",          estoc_conf_take_patterns,    OF_PROFILE(deny_subjects), 0, 0},
    {ESTOC_CONF_PROFILE, "names",                  estoc_conf_take_names,       OF_PROFILE(profile.any_names), 0, 0},
    {ESTOC_CONF_PROFILE, "subject",                estoc_conf_take_subject,     OF_PROFILE(profile.subject), 0, 0},
    {ESTOC_CONF_PROFILE, "san",                    estoc_conf_take_san,         OF_PROFILE(profile.san), 0, 0},
    {ESTOC_CONF_PROFILE, "change-subject",         estoc_conf_take_yes,         OF_PROFILE(profile.change_subject), 0, 0},
    {ESTOC_CONF_PROFILE, "grace",                  estoc_conf_take_time,        OF_PROFILE(profile.grace_s), 0, 90 * DAY},
    {ESTOC_CONF_PROFILE, "renew-window",           estoc_conf_take_window,      OF_PROFILE(profile), 0, 0},
    {ESTOC_CONF_PROFILE, "per-day",                estoc_conf_take_number,      OF_PROFILE(profile.per_day), 0, 1000000},
    {ESTOC_CONF_PROFILE, "pop",                    estoc_conf_take_pop,         OF_PROFILE(profile.pop), 0, 0},
    {ESTOC_CONF_PROFILE, "registrars",             estoc_conf_take_yes,         OF_PROFILE(profile.registrars), 0, 0},
    {ESTOC_CONF_PROFILE, "approval",               estoc_conf_take_approval,    OF_PROFILE(profile.approver), 0, 0},
    {ESTOC_CONF_PROFILE, "approval-command",       estoc_conf_take_command,     OF_PROFILE(profile.command), 0, 0},
    {ESTOC_CONF_PROFILE, "approval-timeout",       estoc_conf_take_time,        OF_PROFILE(profile.command_s), SECOND, 60 * SECOND},
    {ESTOC_CONF_PROFILE, "retry-after",            estoc_conf_take_time,        OF_PROFILE(profile.retry_after_s), SECOND, 7 * DAY},
    {ESTOC_CONF_PROFILE, "keygen",                 estoc_conf_take_yes,         OF_PROFILE(profile.keygen), 0, 0},
    {ESTOC_CONF_PROFILE, "attributes",             estoc_conf_take_attributes,  0, 0, 0},
    {ESTOC_CONF_PROFILE, "template",               estoc_conf_take_template,    0, 0, 0},
};
/* clang-format on */

#define KEYS (sizeof keys / sizeof keys[0])
_Static_assert(KEYS <= ESTOC_CONF_KEYS_MAX, "callers have an array for them");
_Static_assert(sizeof(unsigned) == sizeof(uint32_t), "estoc_conf_take_number writes both");

static void give_file(const estoc_conf_key *k, const void *base,
                      void (*each)(void *ctx, const char *key, const char *path), void *ctx)
{
    const char *path = (const char *)base + k->at;
    bool is_file = k->take == estoc_conf_take_path || k->take == estoc_conf_take_no_path ||
                   (k->take == estoc_conf_take_key && !estoc_key_is_uri(path));
    if (is_file && path[0] != '\0') {
        each(ctx, k->name, path);
    }
}

void estoc_config_files(const estoc_config *c,
                        void (*each)(void *ctx, const char *key, const char *path), void *ctx)
{
    for (size_t i = 0; i < KEYS; i++) {
        const estoc_conf_key *k = &keys[i];
        if (k->section != ESTOC_CONF_PROFILE) {
            give_file(k, c, each, ctx);
        }
        for (size_t p = 0; k->section == ESTOC_CONF_PROFILE && p < c->profiles_n; p++) {
            give_file(k, &c->profiles[p], each, ctx);
        }
    }
}

const estoc_conf_key *estoc_conf_key_at(size_t i)
{
    return i < KEYS ? &keys[i] : NULL;
}

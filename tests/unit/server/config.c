/* SPDX-License-Identifier: MIT */
#include "reading.h"

static void assert_defaults(void)
{
    assert_string_equal(c.dir, dir);
    assert_int_equal(c.listen_n, 1);
    assert_string_equal(c.listen[0], "[::]:5684");
    assert_int_equal(c.discovery_n, 0);
    assert_int_equal(c.https_n, 0);
    assert_false(c.multicast);
    char host[ESTOC_NODE_MAX] = "";
    assert_int_equal(gethostname(host, sizeof host - 1), 0);
    assert_string_equal(c.node, estoc_conf_node(host) ? host : "node");
    assert_false(c.profiles_in_store);
    assert_int_equal(c.workers, 0);
    assert_int_equal(c.mtu, 1280);
    assert_string_equal(c.expired_anchors, "");
    assert_string_equal(c.denied, "");
    assert_int_equal(c.unrecognised, ESTOC_REFUSE);
    assert_int_equal(c.egress, 0);
    assert_int_equal(c.half_open_max, 1000);
    assert_int_equal(c.identity_sessions, 256);
    assert_int_equal(c.identity.per_minute, 60);
    assert_int_equal(c.identity.burst, 1000);
    assert_int_equal(c.address.per_minute, 6000);
    assert_int_equal(c.address.burst, 10000);
    assert_int_equal(c.max_age_s, 86400);
    assert_int_equal(c.idle_s, 60);
    assert_int_equal(c.handshake_s, 60);
    assert_int_equal(c.answer_delay_ms, 1000);
    assert_int_equal(c.resume_s, 86400);
    assert_int_equal(c.dtls_timeout_ms, 1000);
    assert_int_equal(c.sessions_max, 20000);
    assert_int_equal(c.body_max, 8192);
    assert_int_equal(c.bodies_max, 1000);
    assert_string_equal(c.root, "est");
    assert_int_equal(c.log_level, ESTOC_LOG_INFO);
    assert_path(c.ca_chain, "ca.crt");
    assert_path(c.ca_key, "ca.key");
    assert_path(c.server_chain, "server.crt");
    assert_path(c.server_key, "server.key");
    assert_path(c.client_anchors, "client-anchors.pem");
    assert_memory_equal(c.store, "sqlite:", 7);
    assert_path(c.store + 7, "store.db");
    assert_string_equal(c.decrypt_keys, "");
    assert_int_equal(c.retry_window_s, 86400);
    assert_int_equal(c.pending.max, 10000);
    assert_int_equal(c.pending.per_client, 4);
    assert_int_equal(c.pending.keep_s, 30 * 86400);
    assert_int_equal(c.profiles[0].profile.approver, ESTOC_APPROVER_NONE);
    assert_int_equal(c.profiles[0].profile.retry_after_s, 60);
    assert_int_equal(c.profiles_n, 1);
    assert_string_equal(c.profiles[0].profile.name, "");
    assert_int_equal(c.profiles[0].profile.validity_s, 365 * 86400);
    assert_int_equal(c.profiles[0].profile.keys, ESTOC_KEY_BIT(ESTOC_KEY_P256));
    assert_int_equal(c.profiles[0].profile.attributes.len, 0);
    assert_int_equal(c.profiles[0].profile.pop, ESTOC_POP_OFF);
    assert_false(c.profiles[0].profile.registrars);
}

static void nothing_is_the_defaults(void **state)
{
    (void)state;
    assert_loads("");
    assert_defaults();
    assert_loads("\n\n# a comment\n; another\n[server]\n[ca]\n[profile]\n");
    assert_defaults();
}

/* Whether a key can stand in a file for this kind of authority. */
static bool fits(const estoc_conf_key *k, unsigned authority)
{
    bool registrar = authority == ESTOC_AUTHORITY_REGISTRAR;
    bool of_other = registrar
                        ? k->section == ESTOC_CONF_CA
                        : k->section == ESTOC_CONF_REGISTRAR || k->section == ESTOC_CONF_UPSTREAM;
    return !of_other && estoc_conf_meant(k, authority);
}

static void assert_registrar(void)
{
    assert_int_equal(c.authority, ESTOC_AUTHORITY_REGISTRAR);
    assert_int_equal(c.upstreams_n, 1);
    assert_string_equal(c.upstreams[0].name, "");
    assert_int_equal(c.upstreams[0].url_n, 1);
    assert_string_equal(c.upstreams[0].chain, "");
    assert_string_equal(c.upstreams[0].key, "");
    assert_int_equal(c.upstreams[0].connect_ms, 5000);
    assert_int_equal(c.upstreams[0].answer_ms, 60000);
    assert_false(c.upstreams[0].http1);
    assert_int_equal(c.connections_max, 16);
    assert_int_equal(c.queue_max, 1024);
    assert_int_equal(c.patience_s, 15);
    assert_int_equal(c.refresh_s, 3600);
    assert_string_equal(c.profiles[0].upstream, "");
    assert_string_equal(c.profiles[0].label, "");
    assert_int_equal(c.profiles[0].keygen, ESTOC_KEYGEN_NO);
    assert_false(c.profiles[0].reenroll);
    assert_string_equal(c.ca_chain, ""); /* there is no CA, and no log of its decisions */
    assert_string_equal(c.ca_key, "");
    assert_string_equal(c.audit, "");
    snprintf(c.ca_chain, sizeof c.ca_chain, "%s/ca.crt", dir);
    snprintf(c.ca_key, sizeof c.ca_key, "%s/ca.key", dir);
    assert_defaults();
}

/* With `#` before a key taken away, all of it is read, and changes nothing; but for what has no
 * default and must be there. */
static void template_of(unsigned authority)
{
    static char text[16384];
    static const char *const filled[] = {"url =\n", "url = https://h/e\n", "anchors =\n",
                                         "anchors = a\n"};
    const char *from = estoc_config_template(authority);
    char *to = text;
    size_t opened = 0, keys = 0, empty = 0;
    const estoc_conf_key *k;
    assert_true(strlen(from) + 32 < sizeof text);
    for (bool line_start = true; *from != '\0'; line_start = *from++ == '\n') {
        if (line_start && from[0] == '#' && from[1] >= 'a' && from[1] <= 'z') {
            size_t i = strncmp(from + 1, filled[0], strlen(filled[0])) == 0   ? 1
                       : strncmp(from + 1, filled[2], strlen(filled[2])) == 0 ? 3
                                                                              : 0;
            opened++;
            if (i == 0) {
                continue;
            }
            to += sprintf(to, "%s", filled[i]);
            from += strlen(filled[i - 1]);
            empty++;
            continue;
        }
        *to++ = *from;
    }
    *to = '\0';
    assert_loads(text);
    assert_int_equal(empty, authority == ESTOC_AUTHORITY_REGISTRAR ? 2 : 0);
    opened += authority == ESTOC_AUTHORITY_REGISTRAR; /* authority itself is open already */
    for (size_t i = 0; (k = estoc_conf_key_at(i)) != NULL; i++) {
        keys += fits(k, authority);
    }
    assert_int_equal(opened,
                     keys); /* none is left out; none stands twice, or it would be a fault */
}

static void the_template(void **state)
{
    (void)state;
    assert_loads(estoc_config_template(ESTOC_AUTHORITY_CA));
    assert_defaults();
    template_of(ESTOC_AUTHORITY_CA);
    assert_int_equal(c.authority, ESTOC_AUTHORITY_CA);
    assert_int_equal(c.upstreams_n, 0);
    assert_defaults();
    template_of(ESTOC_AUTHORITY_REGISTRAR);
    assert_registrar();
}

static void every_key(void **state)
{
    (void)state;
    assert_loads("[server]\n"
                 "listen = 127.0.0.1:5684, [::1]:0 192.0.2.1:1\n"
                 "discovery = [::]:5683\n"
                 "multicast = yes\n"
                 "certificate = a/b.pem\n"
                 "key=/etc/key.pem\n"
                 "client-anchors: anchors ; inih takes a colon, too\n"
                 "expired-client-anchors = old.pem\n"
                 "deny = lost.pem\n"
                 "client-crls = lists.pem\n"
                 "unrecognised = answer\n"
                 "root = e\n"
                 "log = debug\n"
                 "mtu = 256\n"
                 "half-open-max = 11\n"
                 "identity-sessions = 12\n"
                 "identity-rate = 0\n"
                 "identity-burst = 13\n"
                 "address-rate = 14\n"
                 "address-burst = 15\n"
                 "egress = 100k\n"
                 "max-age = 2h\n"
                 "idle = 2\n"
                 "handshake = 5m\n"
                 "resume = 0\n"
                 "dtls-timeout = 9s\n"
                 "answer-delay = 100ms\n"
                 "node = n-1.example_2\n"
                 "workers = 3\n"
                 "sessions-max = 77\n"
                 "body-max = 65536\n"
                 "bodies-max = 5\n"
                 "[ca]\n"
                 "certificate = chain.pem\n"
                 "key = k\n"
                 "key-passphrase = file:pass\n"
                 "store = sqlite:/var/db\n"
                 "profiles = store\n"
                 "retry-window = 0\n"
                 "crl-url = http://ca.example/crl\n"
                 "crl-file = lists.pem\n"
                 "crl-listen = [::]:8080\n"
                 "crl-next-update = 1d\n"
                 "pending-max = 3\n"
                 "pending-per-client = 2\n"
                 "pending-keep = 1w\n"
                 "[profile]\n"
                 "validity = 90d\n"
                 "approval = manual\n"
                 "retry-after = 5m\n"
                 "keys = Ed25519, P-384\n"
                 "names = any\n"
                 "change-subject = yes\n"
                 "grace = 30d\n"
                 "pop = required\n"
                 "registrars = yes\n"
                 "attributes = 1.2.3\n");
    assert_int_equal(c.listen_n, 3);
    assert_string_equal(c.listen[0], "127.0.0.1:5684");
    assert_string_equal(c.listen[1], "[::1]:0");
    assert_string_equal(c.listen[2], "192.0.2.1:1");
    assert_path(c.server_chain, "a/b.pem");
    assert_string_equal(c.server_key, "/etc/key.pem");
    assert_path(c.client_anchors, "anchors");
    assert_path(c.expired_anchors, "old.pem");
    assert_path(c.denied, "lost.pem");
    assert_path(c.client_crls, "lists.pem");
    assert_int_equal(c.unrecognised, ESTOC_ANSWER);
    assert_string_equal(c.root, "e");
    assert_int_equal(c.log_level, ESTOC_LOG_DEBUG);
    assert_int_equal(c.mtu, 256);
    assert_int_equal(c.egress, 100000);
    assert_int_equal(c.half_open_max, 11);
    assert_int_equal(c.identity_sessions, 12);
    assert_int_equal(c.identity.per_minute, 0);
    assert_int_equal(c.identity.burst, 13);
    assert_int_equal(c.address.per_minute, 14);
    assert_int_equal(c.address.burst, 15);
    assert_int_equal(c.max_age_s, 7200);
    assert_int_equal(c.idle_s, 2);
    assert_int_equal(c.handshake_s, 300);
    assert_int_equal(c.resume_s, 0);
    assert_int_equal(c.dtls_timeout_ms, 9000);
    assert_int_equal(c.answer_delay_ms, 100);
    assert_int_equal(c.workers, 3);
    assert_int_equal(c.sessions_max, 77);
    assert_int_equal(c.body_max, 65536);
    assert_int_equal(c.bodies_max, 5);
    assert_path(c.ca_chain, "chain.pem");
    assert_path(c.ca_key, "k");
    assert_memory_equal(c.ca_passphrase, "file:", 5);
    assert_path(c.ca_passphrase + 5, "pass");
    assert_string_equal(c.store, "sqlite:/var/db");
    assert_true(c.profiles_in_store);
    assert_string_equal(c.node, "n-1.example_2");
    assert_int_equal(c.retry_window_s, 0);
    assert_string_equal(c.crl_url, "http://ca.example/crl");
    assert_path(c.crl_file, "lists.pem");
    assert_string_equal(c.crl_listen, "[::]:8080");
    assert_int_equal(c.crl_good_s, 86400);
    assert_int_equal(c.pending.max, 3);
    assert_int_equal(c.pending.per_client, 2);
    assert_int_equal(c.pending.keep_s, 7 * 86400);
    const estoc_profile *p = &c.profiles[0].profile;
    assert_int_equal(p->pop, ESTOC_POP_REQUIRED);
    assert_true(p->registrars);
    assert_int_equal(p->validity_s, 90 * 86400);
    assert_int_equal(p->approver, ESTOC_APPROVER_PERSON);
    assert_int_equal(p->retry_after_s, 300);
    assert_int_equal(p->keys, ESTOC_KEY_BIT(ESTOC_KEY_ED25519) | ESTOC_KEY_BIT(ESTOC_KEY_P384));
    assert_true(p->any_names);
    assert_true(p->change_subject);
    assert_int_equal(p->grace_s, 30 * 86400);
    assert_loads("[profile]\nnames = own\nchange-subject = no\nattributes = 1.2.3\n");
    assert_false(p->any_names);
    assert_false(p->change_subject);
    assert_ptr_equal(p->attributes.ptr, c.profiles[0].attributes);
    assert_int_equal(p->attributes.len, 6);
    assert_memory_equal(p->attributes.ptr, "\x30\x04\x06\x02\x2a\x03", 6);
    /* the two of them in one list, whichever stands first */
    for (int i = 0; i < 2; i++) {
        assert_loads(i == 0 ? "[profile]\nattributes = 1.2.3\ntemplate = CN\n"
                            : "[profile]\ntemplate = CN\nattributes = 1.2.3\n");
        assert_true(p->attributes.len > 36);
        assert_memory_equal(p->attributes.ptr + 2, "\x06\x02\x2a\x03", 4);
        assert_memory_equal(p->attributes.ptr + p->attributes.len - 2, "\xa1\x00", 2);
        assert_int_equal(p->attributes.ptr[1], p->attributes.len - 2);
    }
    assert_loads("[profile]\ntemplate = CN\n");
    assert_int_equal(p->attributes.ptr[2], 0x30);
    assert_loads("[server]\nlisten_https = 127.0.0.1:8443 [::1]:0\nlisten-https = 192.0.2.1:1\n"
                 "max_age = 3s\n[ca]\nretry_window = 9\n");
    assert_int_equal(c.https_n, 3); /* of several lines; and _ is - in each key */
    assert_string_equal(c.https[1], "[::1]:0");
    assert_string_equal(c.https[2], "192.0.2.1:1");
    assert_int_equal(c.max_age_s, 3);
    assert_int_equal(c.retry_window_s, 9);
    assert_loads("[server]\nroot =\n[profile]\nattributes =\ntemplate =\n");
    assert_string_equal(c.root, "");
    assert_int_equal(c.profiles[0].profile.attributes.len, 0);
    assert_loads("[ca]\ndecrypt-keys = k\n[profile]\nkeygen = yes\n[profile x]\nkeygen = no\n");
    assert_path(c.decrypt_keys, "k");
    assert_true(c.profiles[0].profile.keygen);
    assert_false(c.profiles[1].profile.keygen);
    assert_loads("[ca]\ndecrypt-keys =\n");
    assert_string_equal(c.decrypt_keys, "");
    assert_false(c.profiles[0].profile.keygen);
}

static void profiles(void **state)
{
    (void)state;
    assert_loads("[profile L1]\nvalidity = 1h\n[profile  plain-one]\n[profile]\nvalidity = 2h\n"
                 "[profile L1]\nkeys = RSA\n");
    assert_int_equal(c.profiles_n, 3);
    assert_string_equal(c.profiles[0].profile.name, ""); /* the default first, wherever it stands */
    assert_int_equal(c.profiles[0].profile.validity_s, 7200);
    assert_string_equal(c.profiles[1].profile.name, "L1"); /* opened twice, one profile */
    assert_int_equal(c.profiles[1].profile.validity_s, 3600);
    assert_int_equal(c.profiles[1].profile.keys, ESTOC_KEY_BIT(ESTOC_KEY_RSA));
    assert_string_equal(c.profiles[2].profile.name, "plain-one"); /* though it has no key */
    assert_int_equal(c.profiles[2].profile.validity_s, 365 * 86400);
    assert_int_equal(c.profiles[2].profile.keys, ESTOC_KEY_BIT(ESTOC_KEY_P256));
}

static void too_many_profiles(void **state)
{
    (void)state;
    char text[2048];
    size_t n = 0;
    for (int i = 1; i < ESTOC_PROFILES_MAX; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "[profile p%d]\n", i);
    }
    assert_loads(text);
    assert_int_equal(c.profiles_n, ESTOC_PROFILES_MAX);
    snprintf(text + n, sizeof text - n, "[profile more]\nvalidity = x\n[profile p3]\nkeys = RSA\n");
    assert_int_equal(load(text), ESTOC_E_CONFIG);
    assert_int_equal(told.n, 1);
    assert_int_equal(told.line[0], 16);
    assert_non_null(strstr(told.text[0], "at most 16 profiles"));
}

/* One fault each, on the last line but the empty one. */
static void each_fault(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int line;
        const char *words;
    } rows[] = {
        {"[server]\nnonsense = 1\n", 2, "unknown key nonsense; [server] has: authority, "},
        {"[server]\nvalidity = 1d\n", 2, "unknown key validity"}, /* of another section */
        {"[ca]\nmtu = 1280\n", 2, "unknown key mtu; [ca] has: certificate, "},
        {"[profile x]\nlabel = x\n", 2, "[profile] has: validity, keys, eku, key-usage, "},
        {"[server]\nMtu = 1280\n", 2, "unknown key Mtu"},
        {"[server]\nidle_ = 1\n", 2, "unknown key idle_"},
        {"[ca]\npending-max = 1\npending_max = 1\n", 3, "pending-max stands on line 2 already"},
        {"mtu = 1280\n", 1, "mtu stands before any [section]"},
        {"[nonsense]\nmtu = 1\n", 1, "unknown section [nonsense]"},
        {"[]\n", 1, "unknown section []"},
        {"[profiles]\n", 1, "unknown section [profiles]"},
        {"[profile a b]\n", 1, "[profile a b]: a label is"},
        {"[profile a/b]\n", 1, "a label is"},
        {"[profile crts]\n", 1, "not the name of an EST resource"},
        {"[profile ..]\n", 1, "a label is"},
        {"[profile ]\n", 1, "a label is"},
        {"[profile 12345678901234567890123456789012]\n", 1, "at most 31"},
        {"[server\nmtu = 1\n", 1, "a section is [NAME]"},
        {"[server] mtu = 1\n", 1, "a section is [NAME]"},
        {"[server]\nmtu\n", 2, "neither KEY = VALUE, [SECTION] nor a comment"},
        {"[server]\nmtu", 2, "neither KEY = VALUE"},
        {"[server]\nmtu = 1280\nidle = 5\nmtu = 1280\n", 4, "mtu stands on line 2 already"},
        {"[server]\nmtu = 1280\n[ca]\n[server]\nmtu = 1280\n", 5, "mtu stands on line 2 already"},
        {"[profile a]\nkeys = RSA\n[profile a]\nkeys = RSA\n", 4, "keys stands on line 2 already"},
        {"[server]\nmtu = 255\n", 2, "mtu = 255: must be a number from 256 to 1500"},
        {"[server]\nmtu = 1501\n", 2, "mtu = 1501"},
        {"[server]\nmtu =\n", 2, "mtu = : must be"},
        {"[server]\nmtu = 1280 bytes\n", 2, "mtu = 1280 bytes"},
        {"[server]\nworkers = -1\n", 2, "from 0 to 256"},
        {"[server]\nsessions-max = 0\n", 2, "from 1 to 10000000"},
        {"[server]\nbody-max = 255\n", 2, "from 256 to 65536"},
        {"[server]\nbodies-max = 0\n", 2, "from 1 to 1000000"},
        {"[server]\nidle = 0\n", 2, "idle = 0: must be a time from 1s to 1w"},
        {"[server]\nidentity-burst = 0\n", 2, "must be a number from 1"},
        {"[server]\negress = 3999\n", 2, "egress = 3999: must be bits a second from 4k to 4G"},
        {"[server]\negress = 4100M\n", 2, "from 4k to 4G"},
        {"[server]\negress = fast\n", 2, "from 4k to 4G"},
        {"[server]\nmax-age = 2y\n", 2, "to 1y"},
        {"[server]\nidle = 8d\n", 2, "from 1s to 1w"},
        {"[server]\nidle = 1500ms\n", 2, "from 1s to 1w"},
        {"[server]\nhandshake = 25h\n", 2, "from 1s to 1d"},
        {"[server]\ndtls-timeout = 49ms\n", 2, "from 50ms to 1m"},
        {"[server]\ndtls-timeout = 61s\n", 2, "from 50ms to 1m"},
        {"[ca]\nretry-window = 2y\n", 2, "to 1y"},
        {"[ca]\ncrl-url = https://ca.example/crl\n", 2, "http://HOST/PATH"},
        {"[ca]\ncrl-listen = 8080\n", 2, "ADDRESS:PORT"},
        {"[ca]\ncrl-listen = [::]:8080, 127.0.0.1:1\n", 2, "ADDRESS:PORT"},
        {"[ca]\ncrl-next-update = 2y\n", 2, "from 10s to 1y"},
        {"[ca]\ncrl-url = http://\n", 2, "http://HOST/PATH"},
        {"[ca]\ncrl-url = http:///crl\n", 2, "http://HOST/PATH"},
        {"[ca]\ncrl-url = http://ca.example/a list\n", 2, "http://HOST/PATH"},
        {"[ca]\ncrl-url = http://ca.example/\xc3\xa4\n", 2, "http://HOST/PATH"},
        {"[ca]\nkey-passphrase = open sesame\n", 2, "key-passphrase: must be file:PATH"},
        {"[ca]\nkey-passphrase = fd:x\n", 2, "must be file:PATH, credential:NAME"},
        {"[ca]\nkey-passphrase = credential:a/b\n", 2, "or nothing"},
        {"[profile]\nvalidity = 101y\n", 2, "from 1s to 100y"},
        {"[profile]\ntemplate = CN, FOO\n", 2, "template: \"FOO\" is neither a part of a name"},
        {"[profile]\ntemplate = SAN, SAN\n", 2, "template: \"SAN\" is given twice"},
        {"[profile]\ngrace = 91d\n", 2, "grace = 91d: must be a time from 0"},
        {"[profile]\nnames = all\n", 2, "names = all: must be any or own"},
        {"[profile]\nchange-subject = true\n", 2, "must be yes or no"},
        {"[profile]\nvalidity = forever\n", 2, "validity = forever: must be a time"},
        {"[profile]\nkeys = DSA\n", 2, "keys = DSA: must be a list of P-256, P-384, Ed25519, RSA"},
        {"[profile]\nkeys =\n", 2, "must be a list"},
        {"[server]\nanswer-delay = 9ms\n", 2, "from 10ms to 1m"},
        {"[ca]\npending-max = 0\n", 2, "from 1 to 1000000"},
        {"[ca]\npending-per-client = 0\n", 2, "from 1 to 1000000"},
        {"[ca]\npending-keep = 0\n", 2, "from 1s to 10y"},
        {"[profile]\napproval = yes\n", 2, "approval = yes: must be auto, manual or command"},
        {"[profile]\nretry-after = 0\n", 2, "from 1s to 1w"},
        {"[profile]\nkeygen = true\n", 2, "keygen = true: must be no or yes"},
        {"[profile]\nattributes = colour\n", 2,
         "\"colour\" is neither a name known here nor an OID"},
        {"[profile]\nattributes = 1.2.3, 1.2.3\n", 2, "\"1.2.3\" is given twice"},
        {"[profile]\nattributes = 1.2.3:1:2:3:4:5:6:7:8:9\n", 2, "more than there is room for"},
        {"[server]\nlisten =\n", 2, "no address"},
        {"[server]\nlisten = localhost:5684\n", 2, "listen = localhost:5684: must be ADDRESS:PORT"},
        {"[server]\nlisten = 127.0.0.1\n", 2, "must be ADDRESS:PORT"},
        {"[server]\nlisten = ::1:5684\n", 2, "must be ADDRESS:PORT"},
        {"[server]\nlisten = 127.0.0.1:65536\n", 2, "must be ADDRESS:PORT"},
        {"[server]\nlisten = 1.1.1.1:1,1.1.1.1:2,1.1.1.1:3,1.1.1.1:4,1.1.1.1:5,1.1.1.1:6,"
         "1.1.1.1:7,1.1.1.1:8,1.1.1.1:9\n",
         2, "at most 8 addresses"},
        {"[server]\nlisten = 1111111111111111111111111111111111111111111111111111111111111.1:1\n",
         2, "must be ADDRESS:PORT"},
        {"[server]\nlisten-https = 8443\n", 2, "listen-https = 8443: must be ADDRESS:PORT"},
        {"[server]\nlisten-https = [::]:1,[::]:2,[::]:3,[::]:4,[::]:5,[::]:6,[::]:7\n"
         "listen-https = [::]:8,[::]:9\n",
         3, "listen-https: at most 8 addresses"},
        {"[server]\ndiscovery = here\n", 2, "discovery = here: must be ADDRESS:PORT"},
        {"[server]\ndiscovery = [::]:1,[::]:2,[::]:3,[::]:4,[::]:5,[::]:6,[::]:7,[::]:8,[::]:9\n",
         2, "discovery: at most 8 addresses"},
        {"[server]\nmulticast = on\n", 2, "multicast = on: must be yes or no"},
        {"[server]\nmulticast = yes\n", 0, "needs discovery on all addresses"},
        {"[server]\nmulticast = yes\ndiscovery = [::1]:5683\n", 0, "on all addresses"},
        {"[server]\nlog = loud\n", 2, "must be error, warn, info or debug"},
        {"[server]\nlog = or\n", 2, "must be error, warn, info or debug"},
        {"[server]\nlog = inf\n", 2, "must be error, warn, info or debug"},
        {"[server]\nlog = information\n", 2, "must be error, warn, info or debug"},
        {"[server]\nunrecognised =\n", 2, "must be refuse or answer"},
        {"[profile]\npop = on\n", 2, "must be off, optional or required"},
        {"[server]\nroot = a/b\n", 2, "must be one path segment"},
        {"[server]\nroot = .well-known\n", 2, "must be one path segment"},
        {"[server]\nroot = sen\n", 2, "must be one path segment"},
        {"[server]\nroot = "
         "1234567890123456789012345678901234567890123456789012345678901234\n",
         2, "must be one path segment"},
        {"[server]\nkey =\n", 2, "must be the path of a file"},
        {"[ca]\nstore = postgres:x\n", 2, "store = postgres:x: must be sqlite:PATH"},
        {"[ca]\nprofiles = here\n", 2, "profiles = here: must be store or file"},
        {"[server]\nnode = a b\n", 2, "must be at most 63 letters"},
        {"[server]\nnode = "
         "1234567890123456789012345678901234567890123456789012345678901234\n",
         2, "must be at most 63 letters"},
        {"[ca]\nstore = sqlite:\n", 2, "must be sqlite:PATH"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_fault(rows[i].text, rows[i].line, rows[i].words);
    }
}

static void all_faults(void **state)
{
    (void)state;
    assert_int_equal(load("what is this\n"
                          "[server]\n"
                          "mtu = 1\n"
                          "idle = 60s\n"
                          "\n"
                          "[other]\n"
                          "a = 1\n"
                          "junk\n"
                          "[profile]\n"
                          "keys = none\n"
                          "nonsense = 1"),
                     ESTOC_E_CONFIG);
    static const int lines[] = {1, 3, 6, 8, 10, 11};
    assert_int_equal(told.n, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(told.line[i], lines[i]);
    }
}

/* To inih an indented line continues the last value; a folder's key would be a part of another. */
static void blanks(void **state)
{
    (void)state;
    assert_loads("  [server]  \r\n\tmtu = 300\r\n  idle\t=\t9  ; nine\r\n   # comment\r\n");
    assert_int_equal(c.mtu, 300);
    assert_int_equal(c.idle_s, 9);
    assert_loads("\xef\xbb\xbf[server]\nmtu = 301\n");
    assert_int_equal(c.mtu, 301);
}

static void long_lines(void **state)
{
    (void)state;
    char text[4096];
    for (size_t len = 1019; len <= 1024; len++) { /* of the line without its end */
        size_t head = (size_t)sprintf(text, "[server]\nlog = info ;");
        memset(text + head, 'x', len + 9 - head);
        sprintf(text + 9 + len, "\nmtu = 400\n");
        estoc_err err = load(text);
        assert_int_equal(c.mtu, 400); /* the line behind it is not lost */
        assert_int_equal(err, len <= 1021 ? ESTOC_OK : ESTOC_E_CONFIG);
        assert_int_equal(told.n, len <= 1021 ? 0 : 1);
    }
    assert_int_equal(told.line[0], 2);
    assert_non_null(strstr(told.text[0], "longer than 1021 bytes"));
    char name[600];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    sprintf(text, "[server]\nkey = %s\n[ca]\nstore = sqlite:%s\n", name, name);
    assert_int_equal(load(text), ESTOC_E_CONFIG);
    assert_int_equal(told.n, 2);
    assert_non_null(strstr(told.text[0], "under 512 bytes"));
    assert_non_null(strstr(told.text[1], "under 600 bytes"));
    sprintf(text, "[server]\n%s = 1\n[%s]\n", name, name); /* what inih shortens */
    assert_int_equal(load(text), ESTOC_E_CONFIG);
    assert_int_equal(told.n, 2);
}

static void nul_bytes(void **state)
{
    (void)state;
    static const char text[] = "[server]\nmtu = 12\0 80\nmtu = 300\n\0\n\0[server]\n";
    assert_int_equal(load_bytes(text, sizeof text - 1), ESTOC_E_CONFIG);
    assert_int_equal(c.mtu, 300);
    assert_int_equal(told.n, 3);
    assert_int_equal(told.line[0], 2);
    assert_int_equal(told.line[1], 4);
    assert_int_equal(told.line[2], 5);
    assert_non_null(strstr(told.text[0], "NUL"));
}

static void files(void **state)
{
    (void)state;
    char text[300000];
    unlink(path);
    told.n = 0;
    assert_int_equal(estoc_config_load(dir, &c, report, &told), ESTOC_E_FILE);
    assert_int_equal(told.n, 1);
    assert_int_equal(told.line[0], 0);
    assert_string_equal(told.text[0], "cannot be read: No such file or directory");
    memset(text, '\n', sizeof text);
    assert_int_equal(load_bytes(text, sizeof text), ESTOC_E_CONFIG);
    assert_int_equal(told.n, 1);
    memset(text, 'd', 600);
    text[600] = '\0';
    assert_int_equal(estoc_config_load(text, &c, report, &told), ESTOC_E_CONFIG);
    assert_int_equal(told.n, 2);
    text[511] = '\0'; /* fits itself, but not with a name behind it */
    assert_int_equal(estoc_config_load(text, &c, report, &told), ESTOC_E_CONFIG);
    assert_int_equal(told.n, 3);
    assert_string_equal(told.text[2], "the path of the directory is too long");
}

static void nobody_listens(void **state)
{
    (void)state;
    assert_int_equal(load("[server]\nmtu = 1\n"), ESTOC_E_CONFIG);
    assert_int_equal(estoc_config_load(dir, &c, NULL, NULL), ESTOC_E_CONFIG);
}

/* ---- the profiles as text ---- */

static void one_text(void **state)
{
    (void)state;
    assert_loads("");
    assert_string_equal(c.policy, "[profile]\n");
    static const char want[] = "[profile]\n"
                               "validity = 90d\n"
                               "keys = P-256, RSA\n"
                               "\n"
                               "[profile b]\n"
                               "approval = manual\n"
                               "\n"
                               "[profile a]\n";
    assert_loads("[profile]\nvalidity = 90d\nkeys = P-256, RSA\n"
                 "[profile b]\napproval = manual\n[profile a]\n");
    assert_string_equal(c.policy, want);
    assert_loads("[server]\nmtu = 300\n# all the same\n[profile b]\n[profile]\n"
                 "  keys=P-256, RSA ; and no other\n\n[profile a]\n[ca]\n[profile b]\n"
                 "approval   =   manual\n[profile]\nvalidity = 90d");
    assert_string_equal(c.policy, want);
}

static estoc_err profiles_of(const char *text)
{
    told.n = 0;
    return estoc_config_profiles(&c, estoc_slice_str(text), report, &told);
}

static void profiles_from_a_text(void **state)
{
    (void)state;
    static char text[ESTOC_POLICY_MAX];
    assert_loads("[server]\nmtu = 300\n[profile]\nvalidity = 90d\nattributes = 1.2.3\n"
                 "[profile x]\napproval = manual\n");
    memcpy(text, c.policy, sizeof text);
    assert_loads("[server]\nmtu = 400\n[profile]\nkeys = RSA\n[profile y]\n[profile z]\n");
    assert_int_equal(profiles_of(text), 0);
    assert_string_equal(c.policy, text); /* it is its own text */
    assert_int_equal(c.mtu, 400);
    assert_int_equal(c.profiles_n, 2);
    assert_int_equal(c.profiles[0].profile.validity_s, 90 * 86400);
    assert_int_equal(c.profiles[0].profile.keys, ESTOC_KEY_BIT(ESTOC_KEY_P256));
    assert_true(c.profiles[0].profile.attributes.len > 0);
    assert_string_equal(c.profiles[1].profile.name, "x");
    assert_int_equal(c.profiles[1].profile.approver, ESTOC_APPROVER_PERSON);
    assert_int_equal(profiles_of(""), 0);
    assert_int_equal(c.profiles_n, 1);
    assert_int_equal(c.profiles[0].profile.validity_s, 365 * 86400);
    assert_int_equal(profiles_of("[profile]\nvalidity = 90d\nodd = 1\n[ca]\n"), ESTOC_E_CONFIG);
    assert_int_equal(told.n, 2);
    assert_int_equal(told.line[0], 3);
    assert_non_null(strstr(told.text[0], "unknown key odd"));
    assert_int_equal(told.line[1], 4);
    assert_string_equal(told.text[1], "[ca]: nothing but profiles may stand here");
    assert_int_equal(profiles_of("validity = 90d\n"), ESTOC_E_CONFIG);
}

static void a_text_too_long(void **state)
{
    (void)state;
    static const char *const keys[][3] = {
        {"keys", "P-256,", "RSA"}, {"attributes", "1.2.3,", "1.2.4"}, {"template", "CN,", "O"}};
    static char text[2 * ESTOC_POLICY_MAX];
    size_t n = 0;
    for (int i = 0; i < 15; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "[profile p%d]\n", i);
        for (int k = 0; k < 3; k++) {
            n += (size_t)snprintf(text + n, sizeof text - n, "%s = %s%900s\n", keys[k][0],
                                  keys[k][1], keys[k][2]);
        }
        if (i == 10) {
            assert_loads(text);
            assert_int_equal(strlen(c.policy), strlen("[profile]\n") + n + 11);
        }
    }
    assert_int_equal(load(text), ESTOC_E_CONFIG);
    assert_int_equal(told.n, 1);
    assert_int_equal(told.line[0], 0);
    assert_string_equal(told.text[0], "the profiles are more than 32767 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"an empty file is the defaults", nothing_is_the_defaults, NULL, NULL, NULL},
        {"X8 the template has each key with its default", the_template, NULL, NULL, NULL},
        {"each key reaches its field", every_key, NULL, NULL, NULL},
        {"R1 profiles by their labels", profiles, NULL, NULL, NULL},
        {"R1 at most 16 profiles", too_many_profiles, NULL, NULL, NULL},
        {"X8 each fault is told with its line", each_fault, NULL, NULL, NULL},
        {"X8 all faults are told, in their order", all_faults, NULL, NULL, NULL},
        {"blanks, line ends and a byte-order mark are nothing", blanks, NULL, NULL, NULL},
        {"lines, names and paths that are too long", long_lines, NULL, NULL, NULL},
        {"lines with a NUL byte", nul_bytes, NULL, NULL, NULL},
        {"a file that is not there, too large, too far away", files, NULL, NULL, NULL},
        {"a caller that wants no report", nobody_listens, NULL, NULL, NULL},
        {"X9 profiles that say the same are one text", one_text, NULL, NULL, NULL},
        {"X9 X8 profiles from a text, and nothing else from it", profiles_from_a_text, NULL, NULL,
         NULL},
        {"X9 profiles too long for a text", a_text_too_long, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests_name("server/config", tests, set_up, tear_down);
}

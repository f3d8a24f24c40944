/* SPDX-License-Identifier: MIT */
#include "reading.h"

#define RA "[server]\nauthority = registrar\n"
#define UP "[upstream]\nurl = https://est.example/.well-known/est\nanchors = up.ta\n"

static void every_key(void **state)
{
    (void)state;
    assert_loads(RA "[registrar]\n"
                    "store = sqlite:/var/db\n"
                    "retry-window = 2d\n"
                    "pending-keep = 1w\n"
                    "decrypt-keys = aes\n"
                    "connections = 3\n"
                    "queue = 4\n"
                    "patience = 5s\n"
                    "refresh = 6m\n"
                    "[upstream]\n"
                    "url = https://a.example/.well-known/est\n"
                    "url = https://b.example:8443/.well-known/est/\n"
                    "certificate = ra.crt\n"
                    "key = ra.key\n"
                    "anchors = up.ta\n"
                    "connect-timeout = 700ms\n"
                    "timeout = 8s\n"
                    "http = 1.1\n"
                    "[upstream second]\n"
                    "url = https://[2001:db8::1]:1/x/y\n"
                    "anchors = /etc/up2.ta\n"
                    "key = pkcs11:object=ra\n"
                    "certificate = ra2.crt\n"
                    "[profile]\n"
                    "keygen = upstream\n"
                    "reenroll = simplereenroll\n"
                    "upstream-label = devices\n"
                    "[profile a]\n"
                    "upstream = second\n"
                    "keygen = yes\n"
                    "[profile b]\n"
                    "upstream_label =\n");
    assert_int_equal(c.authority, ESTOC_AUTHORITY_REGISTRAR);
    assert_string_equal(c.store, "sqlite:/var/db");
    assert_int_equal(c.retry_window_s, 2 * 86400);
    assert_int_equal(c.pending.keep_s, 7 * 86400);
    assert_path(c.decrypt_keys, "aes");
    assert_int_equal(c.connections_max, 3);
    assert_int_equal(c.queue_max, 4);
    assert_int_equal(c.patience_s, 5);
    assert_int_equal(c.refresh_s, 360);
    assert_int_equal(c.upstreams_n, 2);
    const estoc_upstream_conf *u = &c.upstreams[0];
    assert_string_equal(u->name, "");
    assert_int_equal(u->url_n, 2);
    assert_string_equal(u->url[0], "https://a.example/.well-known/est");
    assert_string_equal(u->url[1], "https://b.example:8443/.well-known/est");
    assert_path(u->chain, "ra.crt");
    assert_path(u->key, "ra.key");
    assert_path(u->anchors, "up.ta");
    assert_int_equal(u->connect_ms, 700);
    assert_int_equal(u->answer_ms, 8000);
    assert_true(u->http1);
    u = &c.upstreams[1];
    assert_string_equal(u->name, "second");
    assert_string_equal(u->url[0], "https://[2001:db8::1]:1/x/y");
    assert_string_equal(u->key, "pkcs11:object=ra");
    assert_string_equal(u->anchors, "/etc/up2.ta");
    assert_int_equal(u->connect_ms, 5000);
    const estoc_profile_conf *p = c.profiles;
    assert_int_equal(c.profiles_n, 3);
    assert_int_equal(p[0].upstream_at, 0);
    assert_string_equal(p[0].label, "devices");
    assert_int_equal(p[0].keygen, ESTOC_KEYGEN_UPSTREAM);
    assert_false(p[0].profile.keygen);
    assert_true(p[0].reenroll);
    assert_int_equal(p[1].upstream_at, 1);
    assert_string_equal(p[1].label, "a"); /* its own name, if nothing else is said */
    assert_int_equal(p[1].keygen, ESTOC_KEYGEN_HERE);
    assert_true(p[1].profile.keygen);
    assert_false(p[1].reenroll);
    assert_int_equal(p[2].upstream_at, 0);
    assert_string_equal(p[2].label, "");
    assert_int_equal(p[2].keygen, ESTOC_KEYGEN_NO);
}

/* What may stand in the file depends on a line that may stand below it. */
static void the_kind_stands_below(void **state)
{
    (void)state;
    assert_loads("[profile]\nreenroll = simplereenroll\n" UP "[registrar]\n" RA);
    assert_true(c.profiles[0].reenroll);
    assert_fault("[ca]\nkey = k\n" UP RA, 1, "[ca]: has no meaning with authority = registrar");
    assert_fault("[profile]\nvalidity = 1d\n" UP RA, 2,
                 "validity has no meaning with authority = registrar");
    assert_loads("[profile]\nvalidity = 1d\n[ca]\nkey = k\n[server]\nauthority = ca\n");
}

/* A fault that is told once, on this line, in a file that is right but for it. */
static void each_fault(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int line;
        const char *words;
    } rows[] = {
        {"[server]\nauthority = ra\n", 2, "authority = ra: must be ca or registrar"},
        {"[registrar]\nqueue = 1\n", 1, "[registrar]: has no meaning with authority = ca"},
        {"[upstream]\nurl = x\n", 1, "[upstream]: has no meaning with authority = ca"},
        {"[upstream b]\nurl = x\n", 1, "[upstream]: has no meaning with authority = ca"},
        {"[profile]\nupstream = a\n", 2, "upstream has no meaning with authority = ca"},
        {"[profile]\nupstream-label = a\n", 2, "upstream-label has no meaning"},
        {"[profile]\nreenroll = simpleenroll\n", 2, "reenroll has no meaning"},
        {"[profile]\nkeygen = upstream\n", 2, "keygen = upstream: must be no or yes"},
        {RA, 2, "authority = registrar: needs a section [upstream]"},
        {RA UP "[ca]\nstore = x\n", 6, "[ca]: has no meaning with authority = registrar"},
        {RA UP "[registrar]\naudit = x\n", 7, "unknown key audit; [registrar] has: store, "},
        {RA UP "[profile]\nsubject = O=x\n", 7, "subject has no meaning with"},
        {RA UP "[profile]\nsan = dns:x\n", 7, "san has no meaning with"},
        {RA UP "[profile]\nkey-usage = digitalSignature\n", 7, "key-usage has no meaning with"},
        {RA UP "[profile]\npolicies = 1.2.3\n", 7, "policies has no meaning with"},
        {RA UP "[profile]\nextensions = 1.2.3:05\n", 7, "extensions has no meaning with"},
        {RA UP "[profile]\ngrace = 1d\n", 7, "grace has no meaning with"},
        {RA UP "[profile]\nper-day = 1\n", 7, "per-day has no meaning with"},
        {RA UP "[profile]\nregistrars = yes\n", 7, "registrars has no meaning with"},
        {RA UP "[profile]\napproval = manual\n", 7, "approval has no meaning with"},
        {RA UP "[profile]\napproval-command = x\n", 7, "approval-command has no meaning with"},
        {RA UP "[profile]\napproval-timeout = 1s\n", 7, "approval-timeout has no meaning with"},
        {RA UP "[profile]\nretry-after = 1s\n", 7, "retry-after has no meaning with"},
        {RA UP "[profile]\nodd = 1\n", 7, "unknown key odd; [profile] has: keys, eku, client-anc"},
        {RA UP "[profile]\nkeygen = here\n", 7, "keygen = here: must be no, yes or upstream"},
        {RA UP "[profile]\nreenroll = yes\n", 7, "must be simpleenroll or simplereenroll"},
        {RA UP "[profile]\nupstream = b\n", 7, "there is no section [upstream b]"},
        {RA UP "[profile]\nupstream = a/b\n", 7, "upstream = a/b: must be at most 31 letters"},
        {RA UP "[profile]\nupstream-label = simple enroll\n", 7, "must be at most 31 letters"},
        {RA UP "[profile]\nupstream-label = 12345678901234567890123456789012\n", 7, "at most 31"},
        {RA UP "[registrar]\nqueue = 0\n", 7, "from 1 to 1000000"},
        {RA UP "[registrar]\nconnections = 1025\n", 7, "from 1 to 1024"},
        {RA UP "[registrar]\npatience = 0\n", 7, "from 1s to 4m"},
        {RA UP "[registrar]\nrefresh = 0\n", 7, "from 1s to 30d"},
        {RA UP "http = 3\n", 6, "http = 3: must be 1.1 or 2"},
        {RA UP "timeout = 11m\n", 6, "from 100ms to 10m"},
        {RA UP "connect-timeout = 99ms\n", 6, "from 100ms to 1m"},
        {RA UP "anchors = b\n", 6, "anchors stands on line 5 already"},
        {RA UP "url = https://est.example/.well-known/est/\n", 6, "is given twice"},
        {RA UP "url = https://2/e\nurl = https://3/e\nurl = https://4/e\nurl = https://5/e\n", 9,
         "at most 4 servers"},
        {RA UP "certificate = c\n", 3, "[upstream]: needs both certificate and key"},
        {RA UP "key = c\n", 3, "[upstream]: needs both certificate and key"},
        {RA "[upstream]\nanchors = a\n", 3, "[upstream]: needs url = https://"},
        {RA "[upstream]\nurl = https://h/e\n", 3, "[upstream]: needs anchors = FILE"},
        {RA UP "[upstream b]\nurl = https://h/e\n", 6, "[upstream b]: needs anchors"},
        {RA "[upstream b]\nurl = https://h/e\nanchors = a\n", 0, "[profile]: needs a section [up"},
        {RA "[upstream b]\nurl = https://h/e\nanchors = a\n[profile]\nupstream = b\n[profile x]\n",
         8, "[profile x]: needs a section [upstream]"},
        {RA UP "[upstream crts]\n", 6, "[upstream crts]: a label is at most"},
        {RA UP "[upstream 1]\n[upstream 2]\n[upstream 3]\n[upstream 4]\n[upstream 5]\n"
               "[upstream 6]\n[upstream 7]\n[upstream 8]\n",
         13, "[upstream 8]: at most 8 services"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (i + 1 < sizeof rows / sizeof rows[0]) {
            assert_fault(rows[i].text, rows[i].line, rows[i].words);
            continue;
        }
        assert_int_equal(load(rows[i].text), ESTOC_E_CONFIG);
        assert_int_equal(told.line[0], rows[i].line);
        assert_non_null(strstr(told.text[0], rows[i].words));
    }
}

static void passwords(void **state)
{
    (void)state;
    assert_int_equal(load(RA UP "url = https://me:sesame@e/a\n"), ESTOC_E_CONFIG);
    assert_int_equal(told.n, 1);
    assert_null(strstr(told.text[0], "sesame"));
}

static void note_file(void *ctx, const char *key, const char *file)
{
    char *all = ctx;
    size_t n = strlen(all);
    assert_true(strncmp(file, dir, strlen(dir)) == 0);
    snprintf(all + n, 512 - n, "%s=%s ", key, file + strlen(dir) + 1);
}

static void files(void **state)
{
    (void)state;
    char all[512] = "";
    assert_loads(RA UP "key = ra.key\ncertificate = ra.crt\n[upstream b]\nurl = https://b/e\n"
                       "anchors = b.ta\nkey = pkcs11:object=x\ncertificate = b.crt\n"
                       "[registrar]\ndecrypt-keys = aes\n[profile]\nallow = list\n");
    estoc_config_files(&c, note_file, all);
    assert_string_equal(all,
                        "certificate=server.crt key=server.key client-anchors=client-anchors.pem "
                        "decrypt-keys=aes certificate=ra.crt certificate=b.crt key=ra.key "
                        "anchors=up.ta anchors=b.ta allow=list ");
    all[0] = '\0';
    assert_loads("[ca]\ndecrypt-keys = aes\n");
    estoc_config_files(&c, note_file, all);
    assert_string_equal(all,
                        "certificate=server.crt key=server.key client-anchors=client-anchors.pem "
                        "certificate=ca.crt key=ca.key decrypt-keys=aes audit=audit.log ");
}

/* ---- the page ---- */

/* The next block of a page that is a configuration. @return NULL: there is none */
static char *next_block(char **at)
{
    char *begin, *end;
    while ((begin = strstr(*at, "```")) != NULL) {
        begin += strcspn(begin, "\n");
        end = strstr(begin, "```");
        if (end == NULL) {
            return NULL;
        }
        *end = '\0';
        *at = end + 3;
        if (begin[1] == '[') {
            return begin + 1;
        }
    }
    return NULL;
}

/* What an example leaves out, another line would give. */
static void examples(void **state)
{
    (void)state;
    static char page[65536];
    FILE *f = fopen(ESTOC_PAGE, "r");
    assert_non_null(f);
    size_t n = fread(page, 1, sizeof page - 1, f);
    fclose(f);
    page[n] = '\0';
    char *at = page;
    const char *block;
    unsigned whole = 0, parts = 0;
    while ((block = next_block(&at)) != NULL) {
        char text[8192];
        bool has_upstream = strstr(block, "[upstream]") != NULL;
        bool of_ca = strstr(block, "registrars = ") != NULL;
        snprintf(text, sizeof text, "%s%s%s", block, of_ca ? "" : "\n" RA,
                 of_ca || has_upstream ? "" : UP);
        if (strstr(block, "authority = ") != NULL) {
            assert_loads(block);
        } else {
            assert_loads(text);
        }
        whole += has_upstream;
        parts++;
    }
    assert_int_equal(whole, 2);
    assert_int_equal(parts, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"G1 each key of a registrar reaches its field", every_key, NULL, NULL, NULL},
        {"X8 what the authority is may stand below what depends on it", the_kind_stands_below, NULL,
         NULL, NULL},
        {"X8 G1 each fault of a registrar is told with its line", each_fault, NULL, NULL, NULL},
        {"a password in a URL is not repeated", passwords, NULL, NULL, NULL},
        {"the files of a registrar, and of a CA", files, NULL, NULL, NULL},
        {"G1 the configurations of docs/how-to/registrar.md are right", examples, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests_name("server/conf_upstream", tests, set_up, tear_down);
}

/* SPDX-License-Identifier: MIT */
#include "reading.h"

static const estoc_contents *contents(void)
{
    return &c.profiles[0].profile.contents;
}

static void assert_bytes(const uint8_t *got, size_t len, const char *want, size_t want_len)
{
    assert_int_equal(len, want_len);
    assert_memory_equal(got, want, len);
}
#define EXTENSIONS(want) \
    assert_bytes(contents()->extensions, contents()->extensions_len, want, sizeof(want) - 1)

static void keys(void **state)
{
    (void)state;
    const estoc_profile *p = &c.profiles[0].profile;
    assert_loads("[profile]\nkeys = P-256, RSA-3072\n");
    assert_int_equal(p->keys, ESTOC_KEY_BIT(ESTOC_KEY_P256) | ESTOC_KEY_BIT(ESTOC_KEY_RSA));
    assert_int_equal(p->rsa_bits, 3072);
    assert_loads("[profile]\nkeys = P-384\n");
    assert_int_equal(p->rsa_bits, 0);
    assert_fault("[profile]\nkeys = RSA-1024\n", 2, "keys = RSA-1024: must be a list of P-256");
}

#define CLIENT_AUTH "\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02"
#define SERVER_AUTH "\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01"

static void purposes(void **state)
{
    (void)state;
    assert_loads("[profile]\neku = clientAuth, serverauth, 1.2.3\n");
    static const char want[] = CLIENT_AUTH SERVER_AUTH "\x06\x02\x2a\x03";
    assert_bytes(contents()->purposes, contents()->purposes_len, want, sizeof want - 1);
    assert_loads("");
    assert_int_equal(contents()->purposes_len, 0);
    assert_fault("[profile]\neku =\n", 2, "\"\" is neither a name known here nor an OID");
    assert_fault("[profile]\neku = clientAuth,, 1.2.3\n", 2, "\"\" is neither a name");
    assert_fault("[profile]\neku = anything\n", 2, "eku: \"anything\" is neither a name");
    assert_fault("[profile]\neku = 1.2.3, 1.2.3\n", 2, "\"1.2.3\" is given twice");
    assert_fault("[profile]\neku = 2.5.29.37.0\n", 2, "good for everything");
    char text[1000] = "[profile]\neku = 1.2.3";
    for (unsigned i = 4; i < 100; i++) {
        size_t n = strlen(text);
        snprintf(text + n, sizeof text - n, ",1.2.%u", i);
    }
    assert_fault(text, 2, "more than there is room for");
}

static void usage(void **state)
{
    (void)state;
    assert_loads("[profile]\nkey-usage = digitalSignature, keyAgreement\n");
    assert_int_equal(contents()->usage, 0x88);
    assert_loads("[profile]\nkey-usage = dataEncipherment,keyEncipherment,nonRepudiation\n");
    assert_int_equal(contents()->usage, 0x70);
    assert_loads("[profile]\nkey-usage =\n");
    assert_int_equal(contents()->usage, 0);
    assert_fault("[profile]\nkey-usage = keyCertSign\n", 2,
                 "key-usage: \"keyCertSign\" must be digitalSignature, nonRepudiation");
    assert_fault("[profile]\nkey-usage = digitalSignature,\n", 2, "\"\" must be");
}

static void policies(void **state)
{
    (void)state;
    assert_loads("[profile]\npolicies = 1.2.3, 1.2.4\n");
    EXTENSIONS("\x30\x15\x06\x03\x55\x1d\x20\x04\x0e\x30\x0c\x30\x04\x06\x02\x2a\x03"
               "\x30\x04\x06\x02\x2a\x04");
    assert_loads("[profile]\npolicies =\nextensions =\n");
    EXTENSIONS("");
    assert_fault("[profile]\npolicies = 1.2.3, 1.2.3\n", 2, "\"1.2.3\" is given twice");
    assert_fault("[profile]\npolicies = 1.2.3,\n", 2, "\"\" is neither a name");
}

static void extensions(void **state)
{
    (void)state;
    assert_loads("[profile]\nextensions = 1.2.3:0500, 1.2.4:0C0141\npolicies = 1.2.5\n");
    EXTENSIONS("\x30\x08\x06\x02\x2a\x03\x04\x02\x05\x00"
               "\x30\x09\x06\x02\x2a\x04\x04\x03\x0c\x01\x41"
               "\x30\x0f\x06\x03\x55\x1d\x20\x04\x08\x30\x06\x30\x04\x06\x02\x2a\x05");
    static const char *const bad[] = {"1.2.3",      "1.2.3:",       "1.2.3:05",   "1.2.3:050",
                                      "1.2.3:05x0", "1.2.3:050000", "1.2.3:0501", "1.2.3:0500:"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[64];
        snprintf(text, sizeof text, "[profile]\nextensions = %s\n", bad[i]);
        assert_fault(text, 2, "must be OID:VALUE, the value one element of DER in hexadecimal");
    }
    assert_fault("[profile]\nextensions = colour:0500\n", 2, "\"colour\" is neither a name");
    assert_fault("[profile]\nextensions = 1.2.3:0500, 1.2.3:0500\n", 2, "is given twice");
    assert_fault("[profile]\nextensions = 2.5.29.19:30030101ff\n", 2, "is for the CA to write");
    char text[1000] = "[profile]\nextensions = 1.2.3:0481f0";
    for (unsigned i = 0; i < 240; i++) {
        strcat(text, "00");
    }
    assert_loads(text);
    strcat(text, ",1.2.4:04820064"); /* not the shortest length */
    for (unsigned i = 0; i < 100; i++) {
        strcat(text, "00");
    }
    assert_fault(text, 2, "one element of DER");
    snprintf(text, sizeof text, "[profile]\nextensions = 1.2.3:0481ff");
    for (unsigned i = 0; i < 255; i++) {
        strcat(text, "00");
    }
    assert_fault(text, 2, "one element of DER"); /* over 256 bytes */
}

static void who_may_use_it(void **state)
{
    (void)state;
    const estoc_profile_conf *p = &c.profiles[0];
    assert_loads("[profile]\nclient-anchors = a.pem\nallow = b\ndeny = /c\n"
                 "allow-subjects = CN=sensor-*, O=a\\,b+CN=?\ndeny-subjects = CN=x\n");
    assert_path(p->client_anchors, "a.pem");
    assert_path(p->allow, "b");
    assert_string_equal(p->deny, "/c");
    assert_string_equal(p->allow_subjects, "CN=sensor-*, O=a\\,b+CN=?");
    assert_string_equal(p->deny_subjects, "CN=x");
    assert_loads("[profile]\nclient-anchors =\nallow =\ndeny =\nallow-subjects =\n");
    assert_string_equal(p->client_anchors, "");
    assert_string_equal(p->allow_subjects, "");
    assert_fault("[profile]\nallow-subjects = sensor-*\n", 2,
                 "\"sensor-*\" must be TYPE=PATTERN, such as CN=sensor-*");
    assert_fault("[profile]\ndeny-subjects = CN=x, O=\n", 2, "\"O=\" must be TYPE=PATTERN");
    assert_fault("[profile]\ndeny-subjects = CN=x,\n", 2, "\"\" must be");
    char text[1000] = "[profile]\ndeny-subjects = CN=";
    memset(text + strlen(text), 'x', 509);
    assert_fault(text, 2, "more than there is room for");
}

static void names_by_rule(void **state)
{
    (void)state;
    const estoc_profile *p = &c.profiles[0].profile;
    assert_loads("[profile]\nsubject = CN=${client.serialNumber}, O=Example\n"
                 "san = dns:${client.CN}.devices.example, uri:urn:dev:${client.serialNumber}\n");
    assert_string_equal(p->subject, "CN=${client.serialNumber}, O=Example");
    assert_string_equal(p->san,
                        "dns:${client.CN}.devices.example, uri:urn:dev:${client.serialNumber}");
    assert_loads("[profile]\nsubject =\nsan =\nchange-subject = yes\n");
    assert_string_equal(p->subject, "");
    assert_fault("[profile]\nsubject = CN=${client.name}\n", 2,
                 "\"CN=${client.name}\" must be TYPE=VALUE, such as");
    assert_fault("[profile]\nsan = dns:a, host:b\n", 2, "\"host:b\" must be dns:, ip:, uri: or");
    assert_fault("[profile x]\nchange-subject = yes\nsan = dns:a\n", 0,
                 "[profile x]: change-subject = yes undoes subject and san");
    char text[1000] = "[profile]\nsan = uri:";
    memset(text + strlen(text), 'x', 508);
    assert_fault(text, 2, "more than there is room for");
}

static void approval(void **state)
{
    (void)state;
    const estoc_profile *p = &c.profiles[0].profile;
    char text[1000], want[600];
    assert_loads("[ca]\napproval-max = 3\n[profile]\napproval = command\napproval-timeout = 5s\n"
                 "approval-command = /usr/bin/known --site\t3 \"a b\"\n");
    assert_int_equal(c.commands_max, 3);
    assert_int_equal(p->approver, ESTOC_APPROVER_COMMAND);
    assert_int_equal(p->command_s, 5);
    assert_string_equal(p->command, "/usr/bin/known --site\t3 \"a b\"");
    assert_loads("[profile]\napproval-command = known -x\n");
    snprintf(want, sizeof want, "%s/known -x", dir);
    assert_string_equal(p->command, want);
    assert_int_equal(p->approver, ESTOC_APPROVER_NONE);
    assert_loads("[profile]\napproval-command =\n");
    assert_string_equal(p->command, "");
    assert_int_equal(p->command_s, 10);
    assert_int_equal(c.commands_max, 16);
    assert_fault("[profile]\napproval = command\n", 0, "approval = command needs approval-command");
    assert_fault("[profile]\napproval-timeout = 2m\n", 2, "from 1s to 1m");
    assert_fault("[ca]\napproval-max = 0\n", 2, "from 1 to 256");
    for (size_t n = 510; n <= 513; n++) {
        snprintf(text, sizeof text, "[profile]\napproval-command = /");
        memset(text + strlen(text), 'x', n);
        text[29 + n] = '\0';
        if (n <= 511) {
            assert_loads(text);
        } else {
            assert_fault(text, 2, "more than there is room for");
        }
    }
}

static void pace(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t s, percent;
    } rows[] = {{"40%", 0, 40}, {"1%", 0, 1}, {"100%", 0, 0}, {"30d", 30 * 86400, 0}, {"1", 1, 0}};
    const estoc_profile *p = &c.profiles[0].profile;
    char text[64];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        snprintf(text, sizeof text, "[profile]\nrenew-window = %s\n", rows[i].text);
        assert_loads(text);
        assert_int_equal(p->renew_s, rows[i].s);
        assert_int_equal(p->renew_percent, rows[i].percent);
    }
    static const char *const bad[] = {"",  "%",     "0%",   "101%", "40 %",     "-1%",
                                      "0", "500ms", "200y", "1.5%", "10000000%"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(text, sizeof text, "[profile]\nrenew-window = %s\n", bad[i]);
        assert_fault(text, 2, "must be a part of a certificate's life from 1% to 100%, or a time");
    }
    assert_loads("[profile]\nper-day = 3\n");
    assert_int_equal(p->per_day, 3);
    assert_fault("[profile]\nper-day = many\n", 2, "from 0 to 1000000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"keys and the least bits of RSA", keys, NULL, NULL, NULL},
        {"who may use it", who_may_use_it, NULL, NULL, NULL},
        {"names by rule", names_by_rule, NULL, NULL, NULL},
        {"approval by a program", approval, NULL, NULL, NULL},
        {"renewals, and how many", pace, NULL, NULL, NULL},
        {"extended key usages", purposes, NULL, NULL, NULL},
        {"key usages", usage, NULL, NULL, NULL},
        {"certificate policies", policies, NULL, NULL, NULL},
        {"further extensions", extensions, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests_name("server/conf_profile", tests, set_up, tear_down);
}

/* SPDX-License-Identifier: MIT */
#include "parties.h"

static struct party root, other;
static uint8_t spki[ESTOC_SPKI_MAX];
static size_t spki_len;
static struct bytes issuer_name, device_name, names;

static int set_up(void **state)
{
    (void)state;
    party_make(&root, (struct plan){.subject = "CN=Root", .ca = true});
    party_make(&other, (struct plan){.subject = "CN=other", .issuer = &root});
    assert_int_equal(estoc_key_spki(other.key, (estoc_buf){spki, sizeof spki}, &spki_len), 0);
    issuer_name = name_of("CN=Root");
    device_name = name_of("CN=dev-1,O=Example");
    names = dns_names("dev-1.example");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    party_drop(&root);
    party_drop(&other);
    return 0;
}

static estoc_cert_plan device_plan(void)
{
    estoc_cert_plan p = {.serial_len = 16,
                         .issuer = bytes_slice(&issuer_name),
                         .subject = bytes_slice(&device_name),
                         .spki = estoc_slice_of(spki, spki_len),
                         .not_before = estoc_unix_s() - HOUR,
                         .not_after = estoc_unix_s() + DAY,
                         .san = bytes_slice(&names),
                         .authority_key_id = root.cert.ski};
    assert_int_equal(estoc_serial_random(p.serial), 0);
    return p;
}

static uint8_t der[4096];
static char text[8192];

static estoc_slice issue(const estoc_cert_plan *p)
{
    size_t len = 0;
    assert_int_equal(estoc_cert_issue(p, root.key, (estoc_buf){der, sizeof der}, &len), 0);
    estoc_blob t;
    assert_int_equal(estoc_cert_text(estoc_slice_of(der, len), &t), 0);
    snprintf(text, sizeof text, "%.*s", (int)t.len, (const char *)t.ptr);
    estoc_blob_free(&t);
    return estoc_slice_of(der, len);
}

static void assert_says(const char *part)
{
    if (strstr(text, part) == NULL) {
        fail_msg("\"%s\" is not in:\n%s", part, text);
    }
}

static void assert_not_says(const char *part)
{
    if (strstr(text, part) != NULL) {
        fail_msg("\"%s\" is in:\n%s", part, text);
    }
}

/* Hard case 167. */
static void a_device(void **state)
{
    (void)state;
    estoc_cert_plan p = device_plan();
    estoc_slice got = issue(&p);
    estoc_cert c;
    assert_int_equal(estoc_cert_parse(&c, got), 0);
    assert_slice(c.serial, estoc_slice_of(p.serial, 16));
    assert_slice(c.issuer, p.issuer);
    assert_slice(c.subject, p.subject);
    assert_slice(c.spki.der, p.spki);
    assert_slice(c.san, p.san);
    assert_int_equal(c.not_before, p.not_before);
    assert_int_equal(c.not_after, p.not_after);
    assert_false(c.ca);
    assert_false(c.cmc_ra);
    assert_says("Version: 3 (0x2)");
    assert_says("X509v3 Authority Key Identifier");
    assert_says("X509v3 Basic Constraints: \n                CA:FALSE");
    assert_says("X509v3 Key Usage: critical\n                Digital Signature\n");
    assert_says("X509v3 Extended Key Usage: \n                TLS Web Client Authentication\n");
    assert_says("X509v3 Subject Alternative Name: \n                DNS:dev-1.example\n");
    assert_chains(got, &root, ESTOC_PURPOSE_CLIENT);
}

/* E5, RFC 5480 section 3, RFC 3279 section 2.3.1, RFC 8410 section 5. */
static void a_key_to_encrypt_to(void **state)
{
    (void)state;
    static const struct {
        estoc_key_kind kind;
        const char *usage;
    } rows[] = {{ESTOC_KEY_P256, "Digital Signature, Key Agreement\n"},
                {ESTOC_KEY_P384, "Digital Signature, Key Agreement\n"},
                {ESTOC_KEY_RSA, "Digital Signature, Key Encipherment\n"},
                {ESTOC_KEY_ED25519, "Digital Signature\n"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t own[ESTOC_SPKI_MAX];
        size_t len = 0;
        estoc_key *key = NULL;
        assert_int_equal(estoc_key_generate(rows[i].kind, &key), 0);
        assert_int_equal(estoc_key_spki(key, (estoc_buf){own, sizeof own}, &len), 0);
        estoc_cert_plan p = device_plan();
        p.spki = estoc_slice_of(own, len);
        p.encrypt = true;
        assert_chains(issue(&p), &root, ESTOC_PURPOSE_CLIENT);
        assert_says(rows[i].usage);
        estoc_key_free(key);
    }
}

/* RFC 5280 section 4.2.1.13 */
static void where_the_list_is(void **state)
{
    (void)state;
    estoc_cert_plan p = device_plan();
    p.crl_url = estoc_slice_str("http://ca.example/crl");
    assert_chains(issue(&p), &root, ESTOC_PURPOSE_CLIENT);
    assert_says("X509v3 CRL Distribution Points: \n                Full Name:\n"
                "                  URI:http://ca.example/crl\n");
    p.crl_url = estoc_slice_of(NULL, 0);
    (void)issue(&p);
    assert_not_says("CRL Distribution");
}

/* What a profile adds, in the place of the usual; of a CA it is nobody's to say. */
static void other_contents(void **state)
{
    (void)state;
    static const uint8_t purposes[] = {0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05,
                                       0x07, 0x03, 0x01, 0x06, 0x02, 0x2a, 0x03};
    static const uint8_t more[] = {0x30, 0x08, 0x06, 0x02, 0x2a, 0x04, 0x04, 0x02, 0x05, 0x00};
    estoc_cert_plan p = device_plan();
    p.purposes = estoc_slice_of(purposes, sizeof purposes);
    p.extensions = estoc_slice_of(more, sizeof more);
    p.usage = ESTOC_USAGE_NON_REPUDIATION | ESTOC_USAGE_KEY_AGREEMENT;
    p.encrypt = true;
    issue(&p);
    assert_says("Non Repudiation, Key Agreement\n");
    assert_not_says("Digital Signature");
    assert_says("TLS Web Server Authentication, 1.2.3\n");
    assert_not_says("TLS Web Client Authentication");
    assert_says("1.2.4:");
    assert_non_null(memmem(der, sizeof der, "\x03\x02\x03\x48", 4)); /* no zeros at the end */
    p.usage = ESTOC_USAGE_SIGNATURE;
    issue(&p);
    assert_non_null(memmem(der, sizeof der, "\x03\x02\x07\x80", 4));
    p.ca = true;
    issue(&p);
    assert_says("Certificate Sign, CRL Sign");
    assert_not_says("Web Server");
    assert_not_says("1.2.4:");
}

static void a_server(void **state)
{
    (void)state;
    estoc_cert_plan p = device_plan();
    p.server = true;
    estoc_slice got = issue(&p);
    estoc_cert c;
    assert_int_equal(estoc_cert_parse(&c, got), 0);
    assert_true(c.cmc_ra);
    assert_says("TLS Web Server Authentication");
    assert_not_says("TLS Web Client Authentication");
    assert_chains(got, &root, ESTOC_PURPOSE_SERVER);
}

static void a_ca(void **state)
{
    (void)state;
    estoc_cert_plan p = device_plan();
    p.ca = true;
    p.san = estoc_slice_of(NULL, 0);
    estoc_slice got = issue(&p);
    estoc_cert c;
    assert_int_equal(estoc_cert_parse(&c, got), 0);
    assert_true(c.ca);
    assert_says("X509v3 Basic Constraints: critical\n                CA:TRUE\n");
    assert_says("X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign\n");
    assert_not_says("Extended Key Usage");
    assert_not_says("Alternative Name");
}

/* How many CAs may stand below it; and a key that has a name already keeps it. */
static void a_ca_below_another(void **state)
{
    (void)state;
    static const uint8_t name[] = {1, 2, 3, 4};
    static const struct {
        uint8_t path_len;
        const char *text;
    } rows[] = {{0, "CA:TRUE, pathlen:0\n"}, {1, "CA:TRUE, pathlen:1\n"}, {127, "pathlen:127\n"}};
    estoc_cert_plan p = device_plan();
    p.san = estoc_slice_of(NULL, 0);
    p.subject_key_id = estoc_slice_of(name, sizeof name);
    p.path_limited = true;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        p.ca = true;
        p.path_len = rows[i].path_len;
        estoc_slice got = issue(&p);
        estoc_cert c;
        assert_says(rows[i].text);
        assert_int_equal(estoc_cert_parse(&c, got), 0);
        assert_slice(c.ski, p.subject_key_id);
    }
    p.ca = false;
    (void)issue(&p);
    assert_not_says("pathlen");
}

/* A root names its own key as its issuer's. RFC 7093: the first 160 bits of SHA-256. */
static void key_identifiers(void **state)
{
    (void)state;
    uint8_t digest[32];
    assert_int_equal(estoc_sha256(root.cert.spki.key, digest), 0);
    assert_slice(root.cert.ski, estoc_slice_of(digest, 20));
    estoc_cert_plan p = device_plan();
    p.authority_key_id = estoc_slice_of(NULL, 0);
    estoc_slice got = issue(&p);
    estoc_cert c;
    assert_int_equal(estoc_cert_parse(&c, got), 0);
    char hex[64] = "";
    for (size_t i = 0; i < c.ski.len; i++) {
        snprintf(hex + 3 * i, 4, "%02X:", c.ski.ptr[i]);
    }
    hex[59] = '\0';
    const char *first = strstr(text, hex);
    assert_non_null(first);
    assert_non_null(strstr(first + 1, hex)); /* as subject's and as authority's */
}

/* Hard case 211. */
static void critical_alternative_name(void **state)
{
    (void)state;
    static const uint8_t empty[] = {0x30, 0};
    estoc_cert_plan p = device_plan();
    p.subject = estoc_slice_of(empty, sizeof empty);
    estoc_slice got = issue(&p);
    assert_says("X509v3 Subject Alternative Name: critical\n");
    assert_chains(got, &root, ESTOC_PURPOSE_CLIENT);
}

/* Hard case 236. */
static void times_around_2050(void **state)
{
    (void)state;
    estoc_cert_plan p = device_plan();
    estoc_cert c;
    p.not_before = 2524607999; /* 2049-12-31T23:59:59Z */
    p.not_after = 2524608000;
    estoc_slice got = issue(&p);
    assert_int_equal(estoc_cert_parse(&c, got), 0);
    assert_int_equal(c.not_before, p.not_before);
    assert_int_equal(c.not_after, p.not_after);
    assert_non_null(memmem(got.ptr, got.len,
                           "\x17\x0d"
                           "491231235959Z\x18\x0f"
                           "20500101000000Z",
                           32));
}

static void every_kind_of_issuer(void **state)
{
    (void)state;
    static const estoc_key_kind kinds[] = {ESTOC_KEY_P384, ESTOC_KEY_ED25519, ESTOC_KEY_RSA};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct party ca = {.key = NULL};
        struct party leaf = {.key = NULL};
        assert_int_equal(estoc_key_generate(kinds[i], &ca.key), 0);
        assert_int_equal(estoc_key_generate(kinds[i], &leaf.key), 0);
        party_make(&ca, (struct plan){.subject = "CN=CA", .ca = true});
        party_make(&leaf, (struct plan){.subject = "CN=leaf", .issuer = &ca});
        assert_int_equal(leaf.cert.sig, estoc_key_sig(ca.key));
        assert_chains(leaf.cert.der, &ca, ESTOC_PURPOSE_CLIENT);
        party_drop(&ca);
        party_drop(&leaf);
    }
}

static void assert_usage(const estoc_cert_plan *p)
{
    size_t len = 7;
    assert_int_equal(estoc_cert_issue(p, root.key, (estoc_buf){der, sizeof der}, &len),
                     ESTOC_E_USAGE);
    assert_int_equal(len, 0);
}

static void plans_without_sense(void **state)
{
    (void)state;
    static const uint8_t empty[] = {0x30, 0};
    estoc_cert_plan p = device_plan();
    p.serial_len = 0;
    assert_usage(&p);
    p.serial_len = sizeof p.serial + 1;
    assert_usage(&p);
    p = device_plan();
    p.serial[0] = 0x80; /* would need a 21st byte, were it 20 long */
    assert_usage(&p);
    p = device_plan();
    p.not_after = p.not_before - 1;
    assert_usage(&p);
    p = device_plan();
    p.ca = true;
    p.server = true;
    assert_usage(&p);
    p = device_plan();
    p.subject = estoc_slice_of(empty, sizeof empty);
    p.san = estoc_slice_of(NULL, 0);
    assert_usage(&p);
}

static void no_key_to_certify(void **state)
{
    (void)state;
    estoc_cert_plan p = device_plan();
    size_t len = 7;
    p.spki.len--;
    assert_int_equal(estoc_cert_issue(&p, root.key, (estoc_buf){der, sizeof der}, &len),
                     ESTOC_E_TRUNCATED);
    assert_int_equal(len, 0);
    p.spki = estoc_slice_str("junk");
    assert_int_not_equal(estoc_cert_issue(&p, root.key, (estoc_buf){der, sizeof der}, &len), 0);
}

static void every_room_too_small(void **state)
{
    (void)state;
    estoc_cert_plan p = device_plan();
    size_t whole = issue(&p).len;
    for (size_t cap = 0; cap + 4 < whole; cap += cap < whole - 120 ? 13 : 1) {
        size_t len = 7;
        uint8_t *room = malloc(cap > 0 ? cap : 1);
        assert_int_equal(estoc_cert_issue(&p, root.key, (estoc_buf){room, cap}, &len),
                         ESTOC_E_SPACE);
        assert_int_equal(len, 0);
        free(room);
    }
}

static void serials(void **state)
{
    (void)state;
    uint8_t a[16];
    uint8_t b[16];
    for (size_t i = 0; i < 2000; i++) {
        assert_int_equal(estoc_serial_random(a), 0);
        assert_in_range(a[0], 0x01, 0x7f);
    }
    assert_int_equal(estoc_serial_random(b), 0);
    assert_memory_not_equal(a, b, sizeof a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device),
        cmocka_unit_test(a_key_to_encrypt_to),
        cmocka_unit_test(where_the_list_is),
        cmocka_unit_test(other_contents),
        cmocka_unit_test(a_server),
        cmocka_unit_test(a_ca),
        cmocka_unit_test(a_ca_below_another),
        cmocka_unit_test(key_identifiers),
        cmocka_unit_test(critical_alternative_name),
        cmocka_unit_test(times_around_2050),
        cmocka_unit_test(every_kind_of_issuer),
        cmocka_unit_test(plans_without_sense),
        cmocka_unit_test(no_key_to_certify),
        cmocka_unit_test(every_room_too_small),
        cmocka_unit_test(serials),
    };
    return cmocka_run_group_tests_name("authority issue", tests, set_up, tear_down);
}

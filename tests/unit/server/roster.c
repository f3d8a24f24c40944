/* SPDX-License-Identifier: MIT */
#include "../authority/parties.h"

#include "roster.h"

static struct party ca, device, other;
static estoc_why why;

static int set_up(void **state)
{
    party_make(&ca, (struct plan){.subject = "CN=CA", .ca = true});
    party_make(&device, (struct plan){.issuer = &ca, .subject = "CN=dev-1,O=Example"});
    party_make(&other, (struct plan){.issuer = &ca, .subject = "CN=dev-2,O=Example"});
    return folder_make(state);
}

static int tear_down(void **state)
{
    party_drop(&ca);
    party_drop(&device);
    party_drop(&other);
    return folder_remove(state);
}

static estoc_roster *loaded(const char *text, bool denies)
{
    estoc_roster *r;
    file_with("list", estoc_slice_str(text));
    if (estoc_roster_load(in_folder("list"), denies, &r, &why)) {
        fail_msg("%s", why.text);
    }
    return r;
}

/* Has the device, and not the other. */
static void assert_tells(const char *text)
{
    for (int denies = 0; denies < 2; denies++) {
        if (denies && strstr(text, "sha256") != NULL) {
            continue;
        }
        estoc_roster *r = loaded(text, denies);
        if (!estoc_roster_has(r, &device.cert) || estoc_roster_has(r, &other.cert)) {
            fail_msg("\"%s\"", text);
        }
        estoc_roster_free(r);
    }
}

/* In hexadecimal with this between the bytes. */
static const char *hex(estoc_slice bytes, const char *between, bool upper)
{
    static char out[256];
    size_t n = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        n += (size_t)snprintf(out + n, sizeof out - n, upper ? "%s%02X" : "%s%02x",
                              i > 0 ? between : "", bytes.ptr[i]);
    }
    return out;
}

static void by_line(void **state)
{
    (void)state;
    char text[400];
    uint8_t digest[32];
    assert_int_equal(estoc_sha256(device.cert.der, digest), 0);
    snprintf(text, sizeof text, "serial %s\n", hex(device.cert.serial, "", false));
    assert_tells(text);
    snprintf(text, sizeof text, " serial\t000%s \r\n", hex(device.cert.serial, "", true));
    assert_tells(text);
    snprintf(text, sizeof text, "# lost\n\nserial %s", hex(device.cert.serial, ":", true));
    assert_tells(text);
    snprintf(text, sizeof text, "sha256 %s\n", hex(estoc_slice_of(digest, 32), ":", true));
    assert_tells(text);
    snprintf(text, sizeof text, "sha256 %s\n", hex(estoc_slice_of(digest, 32), "", false));
    assert_tells(text);
    assert_tells("subject CN=no\nsubject CN=dev-1+O=Ex*\nsubject O=no\n");
}

static void by_certificate(void **state)
{
    (void)state;
    char text[8192];
    estoc_blob pem;
    const estoc_slice list[] = {ca.cert.der, device.cert.der};
    assert_int_equal(estoc_certs_pem(list, 2, &pem), 0);
    snprintf(text, sizeof text, "# from the workshop\n%.*ssubject CN=x\n", (int)pem.len, pem.ptr);
    assert_tells(text);
    estoc_blob_free(&pem);
}

/* The same certificate with its signature written in another way is the same to a list. */
static void signature_in_another_way(void **state)
{
    (void)state;
    struct party turned = device;
    estoc_blob pem;
    assert_int_equal(estoc_certs_pem(&device.cert.der, 1, &pem), 0);
    char text[4096];
    snprintf(text, sizeof text, "%.*s", (int)pem.len, pem.ptr);
    estoc_roster *r = loaded(text, true);
    turned.der[turned.len - 1] ^= 1; /* whatever it is */
    assert_int_equal(estoc_cert_parse(&turned.cert, estoc_slice_of(turned.der, turned.len)), 0);
    assert_true(estoc_roster_has(r, &turned.cert));
    estoc_roster_free(r);
    estoc_blob_free(&pem);
}

static void many(void **state)
{
    (void)state;
    static char text[64 * 1000];
    size_t n = 0;
    for (unsigned i = 0; i < 1000; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "serial %x\n", i * 7919 % 1000);
        if (i == 500) {
            n += (size_t)snprintf(text + n, sizeof text - n, "serial %s\n",
                                  hex(device.cert.serial, "", false));
        }
    }
    assert_tells(text);
}

static void nobody(void **state)
{
    (void)state;
    estoc_roster *r = loaded("# nobody\n", false);
    assert_false(estoc_roster_has(r, &device.cert));
    assert_false(estoc_roster_has(NULL, &device.cert));
    estoc_roster_free(r);
}

/* What cannot be taken from a request is not looked at, whatever the pattern. */
static void odd_subject(void **state)
{
    (void)state;
    static const uint8_t name[] = {0x30, 0x0e, 0x31, 0x0c, 0x30, 0x0a, 0x06, 0x03,
                                   0x55, 0x04, 0x03, 0x0c, 0x03, 'a',  '\n', 'b'};
    estoc_cert odd = device.cert;
    odd.subject = estoc_slice_of(name, sizeof name);
    estoc_roster *r = loaded("subject CN=*\n", false);
    assert_false(estoc_roster_has(r, &odd));
    estoc_roster_free(r);
}

static void faults(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
        bool denies;
    } rows[] = {
        {"serial\n", "line 1: a serial number is up to 20 bytes", false},
        {"\n\nserial 12g\n", "line 3: a serial number", false},
        {"serial 12:\n", "line 1: a serial number", false},
        {"serial :12\n", "line 1: a serial number", false},
        {"serial 1 2\n", "line 1: a serial number", false},
        {"serial 100000000000000000000000000000000000000ab\n", "line 1: a serial number", false},
        {"sha256 12\n", "line 1: a fingerprint is SHA-256", false},
        {"sha256 00000000000000000000000000000000000000000000000000000000000000001\n",
         "line 1: a fingerprint", false},
        {"sha256 0000000000000000000000000000000000000000000000000000000000000000\n",
         "line 1: a fingerprint denies nobody for sure", true},
        {"subject dev-1\n", "line 1: a subject is TYPE=PATTERN", false},
        {"Serial 12\n", "line 1: neither serial HEX", false},
        {"serial: 12\n", "line 1: neither serial HEX", false},
        {"# one\n-----BEGIN CERTIFICATE-----\nAAAA\n", "line 3: PEM without an end", false},
        {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "list", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        estoc_roster *r;
        file_with("list", estoc_slice_str(rows[i].text));
        estoc_err err = estoc_roster_load(in_folder("list"), rows[i].denies, &r, &why);
        if (err != ESTOC_E_MALFORMED || r != NULL || strstr(why.text, rows[i].words) == NULL) {
            fail_msg("row %zu: %#x, \"%s\"", i, err, why.text);
        }
    }
    estoc_roster *r;
    unlink(in_folder("list"));
    assert_int_equal(estoc_roster_load(in_folder("list"), false, &r, &why), ESTOC_E_FILE);
    assert_non_null(strstr(why.text, "No such file"));
}

static void lists_of_patterns(void **state)
{
    (void)state;
    const char *text = " CN=a , O=b\\,c+CN=\\\\,,CN=d\\";
    static const char *const want[] = {"CN=a", "O=b\\,c+CN=\\\\", "", "CN=d\\"};
    estoc_slice got;
    for (size_t i = 0; i < 4; i++) {
        assert_true(estoc_patterns_next(&text, &got));
        assert_slice(got, estoc_slice_str(want[i]));
    }
    assert_false(estoc_patterns_next(&text, &got));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_line),
        cmocka_unit_test(by_certificate),
        cmocka_unit_test(signature_in_another_way),
        cmocka_unit_test(many),
        cmocka_unit_test(nobody),
        cmocka_unit_test(odd_subject),
        cmocka_unit_test(faults),
        cmocka_unit_test(lists_of_patterns),
    };
    return cmocka_run_group_tests_name("server/roster", tests, set_up, tear_down);
}

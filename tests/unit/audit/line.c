/* SPDX-License-Identifier: MIT */
#include "crypto.h"
#include "lines.h"

static const uint8_t serial[16] = {0x5c, 0x0f, 0xfe, 0xe0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
static const uint8_t old[3] = {0x0a, 0, 0x0c};
static const uint8_t digest[32] = {0xff, 1};
static const uint8_t der[5] = {0x30, 3, 2, 1, 5};

static estoc_audit_entry full(void)
{
    return (estoc_audit_entry){.seq = 999999999999999,
                               .at = 1795600000,
                               .node = "n1",
                               .op = "skg",
                               .result = "issued",
                               .profile = "",
                               .policy = 3,
                               .subject = "CN=\"\xc3\xa4\" \\\x01",
                               .serial = estoc_slice_of(serial, sizeof serial),
                               .not_after = 253402300799,
                               .reason = "superseded",
                               .supersedes = estoc_slice_of(old, sizeof old),
                               .request = 12,
                               .client = "CN=dev",
                               .client_issuer = "CN=maker",
                               .client_sha256 = estoc_slice_of(digest, 32),
                               .csr_sha256 = estoc_slice_of(digest, 32),
                               .peer = "[::1]:5",
                               .by = "root",
                               .ms = 7,
                               .rule = "X10",
                               .why = "no",
                               .cert = estoc_slice_of(der, sizeof der),
                               .prev = estoc_slice_of(no_hash, 32)};
}

static void as_text(void **state)
{
    (void)state;
    estoc_blob line;
    uint8_t hash[32], again[32];
    const estoc_audit_entry e = full();
    assert_int_equal(estoc_audit_write(&e, &line, hash), 0);
    static const char expected[] =
        "{\"seq\":999999999999999,\"time\":\"2026-11-25T09:46:40Z\",\"node\":\"n1\",\"op\":"
        "\"skg\","
        "\"result\":\"issued\",\"profile\":\"\",\"policy\":3,"
        "\"subject\":\"CN=\\\"\xc3\xa4\\\" \\\\\\u0001\","
        "\"serial\":\"5c0ffee00102030405060708090a0b0c\",\"not_after\":\"9999-12-31T23:59:59Z\","
        "\"reason\":\"superseded\",\"supersedes\":\"0a000c\",\"request\":12,\"client\":\"CN=dev\","
        "\"client_issuer\":\"CN=maker\","
        "\"client_sha256\":\"ff01000000000000000000000000000000000000000000000000000000000000\","
        "\"csr_sha256\":\"ff01000000000000000000000000000000000000000000000000000000000000\","
        "\"peer\":\"[::1]:5\",\"by\":\"root\",\"ms\":7,\"rule\":\"X10\",\"why\":\"no\","
        "\"cert\":\"MAMCAQU=\","
        "\"prev\":\"0000000000000000000000000000000000000000000000000000000000000000\"}";
    assert_int_equal(line.len, sizeof expected - 1);
    assert_memory_equal(line.ptr, expected, line.len);
    assert_int_equal(estoc_sha256(estoc_blob_slice(line), again), 0);
    assert_memory_equal(hash, again, 32);
    estoc_blob_free(&line);
}

static void assert_text(const char *a, const char *b)
{
    if (a == NULL || b == NULL) {
        assert_ptr_equal(a, b);
    } else {
        assert_string_equal(a, b);
    }
}

static void assert_same(const estoc_audit_entry *a, const estoc_audit_entry *b)
{
    assert_int_equal(a->seq, b->seq);
    assert_int_equal(a->at, b->at);
    assert_text(a->node, b->node);
    assert_text(a->op, b->op);
    assert_text(a->result, b->result);
    assert_text(a->profile, b->profile);
    assert_int_equal(a->policy, b->policy);
    assert_text(a->subject, b->subject);
    assert_true(estoc_slice_eq(a->serial, b->serial));
    assert_int_equal(a->not_after, b->not_after);
    assert_text(a->reason, b->reason);
    assert_true(estoc_slice_eq(a->supersedes, b->supersedes));
    assert_int_equal(a->request, b->request);
    assert_text(a->client, b->client);
    assert_text(a->client_issuer, b->client_issuer);
    assert_true(estoc_slice_eq(a->client_sha256, b->client_sha256));
    assert_true(estoc_slice_eq(a->csr_sha256, b->csr_sha256));
    assert_text(a->peer, b->peer);
    assert_text(a->by, b->by);
    assert_int_equal(a->ms, b->ms);
    assert_text(a->rule, b->rule);
    assert_text(a->why, b->why);
    assert_true(estoc_slice_eq(a->cert, b->cert));
    assert_true(estoc_slice_eq(a->prev, b->prev));
}

static void there_and_back(const estoc_audit_entry *e)
{
    estoc_blob line;
    estoc_audit_parsed back;
    estoc_why why = {""};
    uint8_t hash[32];
    assert_int_equal(estoc_audit_write(e, &line, hash), 0);
    assert_int_equal(estoc_audit_parse(estoc_blob_slice(line), &back, &why), 0);
    assert_same(e, &back.entry);
    assert_memory_equal(back.hash, hash, 32);
    estoc_audit_free(&back);
    estoc_blob_free(&line);
}

static void back_from_text(void **state)
{
    (void)state;
    estoc_audit_entry e = full();
    there_and_back(&e);
    e = (estoc_audit_entry){
        .seq = 1, .at = 0, .node = "", .op = "", .result = "", .prev = estoc_slice_of(no_hash, 32)};
    there_and_back(&e);
}

static void of_later_versions(void **state)
{
    (void)state;
    char text[512];
    estoc_audit_parsed l;
    estoc_why why;
    snprintf(text, sizeof text,
             " {\"new\":{\"a\":[1,null]},\"prev\":\"%064d\",\"op\":\"x\",\"seq\":1,\"node\":\"n\","
             "\"time\":\"2026-01-01T00:00:00Z\",\"result\":\"y\"}",
             0);
    assert_int_equal(estoc_audit_parse(estoc_slice_str(text), &l, &why), 0);
    assert_string_equal(l.entry.op, "x");
    estoc_audit_free(&l);
}

/* What one text in place of another makes of a good line. */
static void wrong(const char *there, const char *instead, const char *words)
{
    static const char good[] =
        "{\"seq\":1,\"time\":\"2026-01-01T00:00:00Z\",\"node\":\"n\",\"op\":\"x\","
        "\"result\":\"y\",\"serial\":\"00ff\",\"cert\":\"MAMCAQU=\",\"prev\":"
        "\"0000000000000000000000000000000000000000000000000000000000000000\"}";
    char text[512];
    estoc_audit_parsed l;
    estoc_why why = {""};
    const char *at = strstr(good, there);
    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good), good, instead, at + strlen(there));
    assert_int_equal(estoc_audit_parse(estoc_slice_str(good), &l, &why), 0);
    estoc_audit_free(&l);
    assert_int_equal(estoc_audit_parse(estoc_slice_str(text), &l, &why), ESTOC_E_MALFORMED);
    if (strstr(why.text, words) == NULL) {
        fail_msg("%s: %s", text, why.text);
    }
    assert_null(l.json);
    assert_null(l.bytes.ptr);
}

static void not_a_line(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        {"{", "", "not one JSON object"},
        {"}", "", "not a line of JSON"},
        {"}", "} ", "not one JSON object"},
        {"}", "}{}", "not one JSON object"},
        {"\"seq\":1,", "", "is missing: seq"},
        {"\"op\":\"x\",", "", "is missing: op"},
        {"prev", "Prev", "is missing: prev"},
        {"seq\":1", "seq\":0", "must be: seq"},
        {"seq\":1", "seq\":-1", "must be: seq"},
        {"seq\":1", "seq\":1.5", "must be: seq"},
        {"seq\":1", "seq\":1e300", "must be: seq"},
        {"seq\":1", "seq\":\"1\"", "must be: seq"},
        {"seq\":1", "seq\":1000000000000000", "must be: seq"},
        {"00:00:00Z", "00:00:00", "must be: time"},
        {"00:00:00Z", "0:00:00Z", "must be: time"},
        {"2026-01-01", "2026-02-30", "must be: time"},
        {"00ff", "", "must be: serial"},
        {"00ff", "0ff", "must be: serial"},
        {"00ff", "00FF", "must be: serial"},
        {"00ff", "0x0f", "must be: serial"},
        {"00ff", "000102030405060708090a0b0c0d0e0f1011121314", "must be: serial"},
        {"\"00ff\"", "255", "must be: serial"},
        {"MAMCAQU=", "MAMCAQU", "must be: cert"},
        {"MAMCAQU=", "", "must be: cert"},
        {":\"00000000", ":\"000000", "must be: prev"},
        {"\"node\":\"n\"", "\"node\":null", "must be: node"},
        {"\"n\"", "\"0123456789012345678901234567890123456789012345678901234567890123\"",
         "must be: node"},
        {"\"op\":\"x\"", "\"op\":\"x\",\"op\":\"x\"", "twice: op"},
        {"\"op\":\"x\"", "\"op\":\"x\",\"zz\":1,\"zz\":2", "twice: a member"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wrong(rows[i][0], rows[i][1], rows[i][2]);
    }
}

static void too_much(void **state)
{
    (void)state;
    static char text[ESTOC_AUDIT_LINE_MAX + 2];
    estoc_audit_parsed l;
    estoc_why why;
    size_t n = 0;
    for (int i = 0; i < 60; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "%s\"m%d\":1", i > 0 ? "," : "{", i);
    }
    snprintf(text + n, sizeof text - n, "}");
    assert_int_equal(estoc_audit_parse(estoc_slice_str(text), &l, &why), ESTOC_E_MALFORMED);
    assert_string_equal(why.text, "more members than a line has");
    memset(text, '[', sizeof text);
    assert_int_equal(estoc_audit_parse(estoc_slice_of(text, sizeof text), &l, &why), ESTOC_E_LIMIT);
    /* JSON that is deeper than any stack */
    assert_int_equal(estoc_audit_parse(estoc_slice_of(text, ESTOC_AUDIT_LINE_MAX), &l, &why),
                     ESTOC_E_MALFORMED);
    assert_int_equal(estoc_audit_parse(estoc_slice_of("{}\0", 3), &l, &why), ESTOC_E_MALFORMED);
    assert_int_equal(estoc_audit_parse(estoc_slice_of("", 0), &l, &why), ESTOC_E_MALFORMED);
    estoc_audit_entry e = full();
    estoc_blob line;
    uint8_t hash[32];
    e.cert = estoc_slice_of(text, sizeof text);
    assert_int_equal(estoc_audit_write(&e, &line, hash), ESTOC_E_LIMIT);
    e.cert.len = ESTOC_AUDIT_LINE_MAX;
    assert_int_equal(estoc_audit_write(&e, &line, hash), ESTOC_E_LIMIT);
    assert_null(line.ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_text),           cmocka_unit_test(back_from_text),
        cmocka_unit_test(of_later_versions), cmocka_unit_test(not_a_line),
        cmocka_unit_test(too_much),
    };
    return cmocka_run_group_tests_name("audit line", tests, NULL, NULL);
}

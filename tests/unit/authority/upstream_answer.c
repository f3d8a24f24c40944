/* SPDX-License-Identifier: MIT
 *
 * What an upstream's answers mean (G1), and when to come again.
 */
#include "parties.h"

#include <estoc/mime.h>

#include "upstream_parts.h"

/* clang-format off */
#define NAMED(name, f) {name, f, NULL, NULL, NULL}
/* clang-format on */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static uint8_t room[8192];
static char why[WHY_MAX];

static estoc_upstream_answer answer(unsigned status, const char *type, const char *body)
{
    estoc_upstream_answer a = {
        .end = ESTOC_END_ANSWERED, .connected = true, .sent = true, .status = status};
    snprintf(a.type, sizeof a.type, "%s", type);
    snprintf((char *)room, sizeof room, "%s", body);
    a.body = room;
    a.body_len = strlen(body);
    return a;
}

static estoc_upstream_reply take(estoc_upstream_op op, estoc_upstream_answer a)
{
    estoc_upstream_reply r = {.url = "https://a.example"};
    estoc_upstream_read(op, &a, &r, why);
    assert_string_equal(r.url, "https://a.example");
    assert_int_equal(r.status, a.status);
    if (r.err) {
        assert_in_range(strlen(r.text), 1, 64);
        assert_int_equal(r.body.len + r.key.len, 0);
    }
    return r;
}

/* clang-format off */
static const struct {
    unsigned status, code;
    estoc_err err;
    bool uncertain;
} table[] = {
    {202, 503, ESTOC_E_LATER,    false}, {204, 404, ESTOC_E_UPSTREAM, true},
    {301, 502, ESTOC_E_UPSTREAM, false}, {307, 502, ESTOC_E_UPSTREAM, false},
    {400, 400, ESTOC_E_UPSTREAM, false}, {401, 401, ESTOC_E_UPSTREAM, false},
    {403, 403, ESTOC_E_UPSTREAM, false}, {404, 404, ESTOC_E_UPSTREAM, false},
    {405, 405, ESTOC_E_UPSTREAM, false}, {406, 406, ESTOC_E_UPSTREAM, false},
    {413, 413, ESTOC_E_UPSTREAM, false}, {415, 415, ESTOC_E_UPSTREAM, false},
    {418, 400, ESTOC_E_UPSTREAM, false}, {429, 429, ESTOC_E_LATER,    false},
    {500, 500, ESTOC_E_UPSTREAM, false}, {502, 502, ESTOC_E_UPSTREAM, true},
    {503, 503, ESTOC_E_LATER,    false}, {504, 504, ESTOC_E_UPSTREAM, true},
    {507, 500, ESTOC_E_UPSTREAM, false},
};

static const struct {
    estoc_upstream_end end;
    unsigned code;
} ends[] = {
    {ESTOC_END_UNREACHABLE, 503}, {ESTOC_END_TLS, 502},     {ESTOC_END_TIMEOUT, 504},
    {ESTOC_END_BROKEN, 503},      {ESTOC_END_LARGE, 500},   {ESTOC_END_GARBAGE, 500},
    {ESTOC_END_MEMORY, 503},      {ESTOC_END_HURRIED, 503},
};
/* clang-format on */

static unsigned number(uint8_t code)
{
    return ESTOC_COAP_CLASS(code) * 100u + ESTOC_COAP_DETAIL(code);
}

static void statuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        estoc_upstream_answer a = answer(table[i].status, "text/plain", "no\n");
        estoc_upstream_reply r = take(ESTOC_UPSTREAM_ENROLL, a);
        assert_int_equal(r.err, table[i].err);
        assert_int_equal(number(r.code), table[i].code);
        assert_int_equal(r.accepted, table[i].status == 202);
        assert_int_equal(r.uncertain, table[i].uncertain);
        assert_int_equal(r.retry_s, table[i].err == ESTOC_E_LATER ? 60 : 0);
        assert_true(r.accepted || strstr(why, "HTTP ") != NULL);
    }
}

static void no_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(ends); i++) {
        estoc_upstream_answer a = answer(0, "", "");
        a.end = ends[i].end;
        a.error = "what libcurl says";
        estoc_upstream_reply r = take(ESTOC_UPSTREAM_ENROLL, a);
        assert_int_equal(number(r.code), ends[i].code);
        assert_true(r.uncertain && why[0] != '\0');
        a.sent = false;
        assert_false(take(ESTOC_UPSTREAM_ENROLL, a).uncertain);
    }
}

/* HC 256 */
static void retry_after(void **state)
{
    (void)state;
    static const char then[] = "Sun, 06 Nov 1994 08:49:37 GMT";
    assert_int_equal(estoc_upstream_retry_s("30", ""), 30);
    assert_int_equal(estoc_upstream_retry_s("", ""), 60);
    assert_int_equal(estoc_upstream_retry_s("-5", ""), 60);
    assert_int_equal(estoc_upstream_retry_s("soon", ""), 60);
    assert_int_equal(estoc_upstream_retry_s("12 bananas", ""), 60);
    assert_int_equal(estoc_upstream_retry_s("0", ""), 1);
    assert_int_equal(estoc_upstream_retry_s("99999999999999999999999", ""), 86400);
    assert_int_equal(estoc_upstream_retry_s("Sun, 06 Nov 1994 08:51:37 GMT", then), 120);
    assert_int_equal(estoc_upstream_retry_s(then, ""), 1); /* it is over */
    assert_int_equal(estoc_upstream_retry_s("Fri, 31 Dec 9999 23:59:59 GMT", then), 86400);
    estoc_upstream_answer a = answer(503, "", "");
    snprintf(a.retry_after, sizeof a.retry_after, "7");
    assert_int_equal(take(ESTOC_UPSTREAM_ENROLL, a).retry_s, 7);
    a.status = 202;
    assert_int_equal(take(ESTOC_UPSTREAM_ENROLL, a).retry_s, 7);
}

#define CERTS_TYPE "application/pkcs7-mime; smime-type=certs-only"

static void make_certs(struct bytes *cms)
{
    struct party ca = {.key = NULL};
    party_make(&ca, (struct plan){.subject = "CN=CA", .ca = true});
    assert_int_equal(
        estoc_certs_build(&ca.cert.der, 1, (estoc_buf){cms->ptr, sizeof cms->ptr}, &cms->len), 0);
    party_drop(&ca);
}

static void certificates(void **state)
{
    (void)state;
    struct bytes cms;
    char text[6000];
    make_certs(&cms);
    size_t len = estoc_base64(bytes_slice(&cms), text);
    estoc_upstream_reply r = take(ESTOC_UPSTREAM_ENROLL, answer(200, CERTS_TYPE, text));
    assert_int_equal(r.err, 0);
    assert_true(estoc_slice_eq(r.body, bytes_slice(&cms)));
    assert_int_equal(r.fresh_s, -1);
    estoc_upstream_answer a = answer(200, "Application/PKCS7-mime", text);
    snprintf(a.cache_control, sizeof a.cache_control, "public, max-age=120");
    r = take(ESTOC_UPSTREAM_CACERTS, a);
    assert_int_equal(r.err, 0);
    assert_int_equal(r.fresh_s, 120);
    r = take(ESTOC_UPSTREAM_ENROLL, answer(200, "text/html", text));
    assert_int_equal(number(r.code), 500);
    assert_true(r.uncertain); /* it has issued, perhaps */
    text[len - 8] = '\0';
    r = take(ESTOC_UPSTREAM_ENROLL, answer(200, CERTS_TYPE, text));
    assert_int_equal(number(r.code), 500);
    r = take(ESTOC_UPSTREAM_ENROLL, answer(200, CERTS_TYPE, "%%%"));
    assert_int_equal(number(r.code), 500);
    assert_non_null(strstr(why, "base64"));
}

static void attributes(void **state)
{
    (void)state;
    assert_int_equal(take(ESTOC_UPSTREAM_CSRATTRS, answer(204, "", "")).err, 0);
    assert_int_equal(take(ESTOC_UPSTREAM_CSRATTRS, answer(404, "text/plain", "no")).err, 0);
    estoc_upstream_reply r = take(ESTOC_UPSTREAM_CSRATTRS,
                                  answer(200, "application/csrattrs", "MAsGCSqGSIb3DQEJBw==\r\n"));
    assert_int_equal(r.err, 0);
    assert_int_equal(r.body.len, 13);
    r = take(ESTOC_UPSTREAM_CSRATTRS, answer(200, "application/csrattrs", "MAsGCSqGSIb3DQEJ"));
    assert_int_equal(number(r.code), 500);
}

/* HC 264: what is encrypted is left as it is. */
static void keys(void **state)
{
    (void)state;
    struct bytes cms;
    char body[8000];
    size_t len;
    static const uint8_t sealed[] = {0x30, 0x03, 0x02, 0x01, 0x07};
    make_certs(&cms);
    const estoc_mime_part parts[] = {
        {.type = estoc_slice_str("application/pkcs7-mime; smime-type=server-generated-key"),
         .body = estoc_slice_of(sealed, sizeof sealed)},
        {.type = estoc_slice_str(CERTS_TYPE), .body = bytes_slice(&cms)}};
    estoc_buf out = {(uint8_t *)body, sizeof body - 1};
    assert_int_equal(estoc_mime_build(parts, 2, "line", out, &len), 0);
    body[len] = '\0';
    estoc_upstream_reply r =
        take(ESTOC_UPSTREAM_KEYGEN, answer(200, "multipart/mixed; boundary=line", body));
    assert_int_equal(r.err, 0);
    assert_int_equal(r.key_format, ESTOC_FORMAT_CMS_KEY);
    assert_true(estoc_slice_eq(r.key, parts[0].body));
    assert_true(estoc_slice_eq(r.body, bytes_slice(&cms)));
    r = take(ESTOC_UPSTREAM_KEYGEN, answer(200, "multipart/mixed; boundary=other", body));
    assert_int_equal(number(r.code), 500);
    assert_int_equal(estoc_mime_build(parts + 1, 1, "line", out, &len), 0);
    body[len] = '\0';
    r = take(ESTOC_UPSTREAM_KEYGEN, answer(200, "multipart/mixed; boundary=line", body));
    assert_int_equal(number(r.code), 500); /* no key */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED("statuses", statuses),         NAMED("no answer", no_answer),
        NAMED("Retry-After", retry_after),   NAMED("certificates", certificates),
        NAMED("CSR attributes", attributes), NAMED("keys", keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * Keys made by the server, unencrypted but for DTLS: /skg and /skc.       RFC 9148 section 4.8
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/pem.h>

#include "device.h"
#include "keys.h"

static int start_with_keys(void **state)
{
    fixture_set_up(state);
    fixture *f = *state;
    fixture_conf(f, "profile", "keygen", "yes");
    fixture_conf(f, "profile p384", "keygen", "yes");
    fixture_conf(f, "profile p384", "keys", "P-384, Ed25519");
    fixture_conf(f, "profile rsa", "keygen", "yes");
    fixture_conf(f, "profile rsa", "keys", "RSA");
    fixture_conf(f, "profile none", "keys", "P-256");
    fixture_conf(f, "server", "log", "debug");
    fixture_device(f, "O=skg example", "skg");
    fixture_start(f);
    return 0;
}

static void ask_skg(wire_out *o, const body *csr)
{
    ask(dev, o, POST);
    wire_path(o, EST "/skg");
    wire_uint(o, OPT_FORMAT, 286);
    wire_payload(o, csr->bytes, csr->len);
}

static void expect_refused(const char *path, const body *csr, uint8_t code)
{
    body answer;
    unsigned before = issued(server);
    assert_int_equal(enroll(dev, path, csr, -1, -1, &answer), code);
    assert_int_equal(issued(server), before);
}

/* ---- what comes ---- */

static void formats(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        int format, szx;
    } rows[] = {{EST "/skg", 281, -1}, {EST "/skc", 287, -1}, {"/est/skg", 281, 2},
                {"/est/skc", 287, 2},  {"/est/skc", 287, 6},  {"/est/skg", 281, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        body csr, want;
        made m;
        EVP_PKEY *mine = key_new("P-256");
        csr_new(mine, "CN=dev", NULL, &csr);
        made_get(dev, rows[i].path, &csr, rows[i].szx, &m);
        assert_int_equal(m.key_format, 284);
        assert_int_equal(m.cert_format, rows[i].format);
        EVP_PKEY *key = made_key(&m.key);
        X509 *cert = made_cert(&m, key, path_in(server, "dev.ta"));
        assert_int_not_equal(EVP_PKEY_eq(key, mine), 1);
        subject_of(cert, &csr);
        X509 *own = cert_read(path_in(server, "dev.crt"));
        subject_of(own, &want);
        assert_int_equal(csr.len, want.len);
        assert_memory_equal(csr.bytes, want.bytes, want.len);
        X509_free(own);
        X509_free(cert);
        EVP_PKEY_free(key);
        EVP_PKEY_free(mine);
    }
}

/* The request of RFC 9148 Appendix A.3, and the answer's bytes before key and certificate. */
static void appendix_a3(void **state)
{
    (void)state;
    static const char hex[] =
        "3081d03078020100301631143012060355040a0c0b736b67206578616d706c653059301306072a8648ce3d0201"
        "06082a8648ce3d03010703420004c8b421f11c25e47e3ac57123bf2d9fdc494f028bc351cc80c03f150bf50cff"
        "958d75419d81a6a245dffae790be95cf75f602f9152618f816a2b23b5638e59fd9a000300a06082a8648ce3d04"
        "0302034800304502207c553981b1fe349249d8a3f50a0346336b7dfaa099cf74e1ec7a37a0a760485902210084"
        "79295398774b2ff8e7e82abb0c17eaef344a5088fa69fd63ee611850c34b0a";
    /* an EC key on P-256 with its public half, as there */
    static const uint8_t begin[] = {
        0x84, 0x19, 0x01, 0x1c, 0x58, 0x8a, 0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13,
        0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
        0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x6d, 0x30, 0x6b, 0x02, 0x01, 0x01, 0x04, 0x20};
    static const uint8_t between[] = {0x19, 0x01, 0x19, 0x59};
    body csr, answer;
    reply r;
    for (csr.len = 0; hex[2 * csr.len] != '\0'; csr.len++) {
        unsigned v;
        assert_int_equal(sscanf(hex + 2 * csr.len, "%2x", &v), 1);
        csr.bytes[csr.len] = (uint8_t)v;
    }
    peer *skg = connect_as(server, "skg");
    transfer t = {.method = POST,
                  .path = "/est/skg",
                  .format = 286,
                  .accept = 62,
                  .data = csr.bytes,
                  .len = csr.len,
                  .szx = -1};
    assert_int_equal(transact(skg, &t, &answer, &r), CODE(2, 4));
    assert_int_equal(wire_uint_of(&r.m, OPT_FORMAT, 0), 62);
    assert_memory_equal(answer.bytes, begin, sizeof begin);
    assert_memory_equal(answer.bytes + 6 + 138, between, sizeof between);
    peer_free(skg);
}

/* The kind of the key in the request, where the profile has it; else the profile's first. */
static void kinds(void **state)
{
    (void)state;
    static const struct {
        const char *path, *asked, *got;
        int bits;
    } rows[] = {{EST "/skg", "P-256", "EC", 256},
                {EST "/skg", "P-384", "EC", 256},
                {EST "/skg", "P-521", "EC", 256},
                {EST "/skg", "RSA2048", "EC", 256},
                {EST "/p384/skg", "P-384", "EC", 384},
                {EST "/p384/skg", "P-256", "EC", 384},
                {EST "/p384/skc", "ED25519", "ED25519", 256}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        body csr;
        made m;
        EVP_PKEY *mine = key_new(rows[i].asked);
        csr_new(mine, "CN=dev", NULL, &csr);
        made_get(dev, rows[i].path, &csr, -1, &m);
        EVP_PKEY *key = made_key(&m.key);
        assert_true(EVP_PKEY_is_a(key, rows[i].got));
        assert_int_equal(EVP_PKEY_get_bits(key), rows[i].bits);
        X509_free(made_cert(&m, key, path_in(server, "dev.ta")));
        EVP_PKEY_free(key);
        EVP_PKEY_free(mine);
    }
}

static void signature_ignored(void **state)
{
    (void)state;
    body csr;
    made m;
    fresh_csr(&csr);
    csr.bytes[csr.len - 1] ^= 1;
    made_get(dev, EST "/skg", &csr, -1, &m);
    EVP_PKEY *key = made_key(&m.key);
    X509_free(made_cert(&m, key, path_in(server, "dev.ta")));
    EVP_PKEY_free(key);
    expect_refused(EST "/sen", &csr, CODE(4, 0)); /* there it counts */
}

static void all_else_counts(void **state)
{
    (void)state;
    body csr;
    EVP_PKEY *mine = key_new("P-256");
    csr_new(mine, "CN=other", NULL, &csr);
    expect_refused(EST "/skg", &csr, CODE(4, 3));
    csr_new(mine, "CN=dev", "DNS:other.example", &csr);
    expect_refused(EST "/skc", &csr, CODE(4, 3));
    csr_new(mine, "CN=dev", NULL, &csr);
    csr.bytes[csr.len++] = 0;
    expect_refused(EST "/skg", &csr, CODE(4, 0));
    csr.len -= 2;
    expect_refused(EST "/skg", &csr, CODE(4, 0));
    EVP_PKEY_free(mine);
}

static void wrong_formats(void **state)
{
    (void)state;
    static const int accepts[] = {0, 280, 281, 284, 287};
    body csr, answer;
    wire_out o;
    fresh_csr(&csr);
    unsigned before = issued(server);
    for (size_t i = 0; i < sizeof accepts / sizeof accepts[0]; i++) {
        assert_int_equal(enroll(dev, EST "/skg", &csr, accepts[i], -1, &answer), CODE(4, 6));
    }
    ask(dev, &o, POST);
    wire_path(&o, EST "/skg");
    wire_payload(&o, csr.bytes, csr.len);
    expect_code(dev, &o, CODE(4, 15));
    ask(dev, &o, GET);
    wire_path(&o, EST "/skg");
    expect_code(dev, &o, CODE(4, 5));
    assert_int_equal(issued(server), before);
}

static void where_switched_on(void **state)
{
    (void)state;
    body csr, links;
    fresh_csr(&csr);
    expect_refused(EST "/none/skg", &csr, CODE(4, 4));
    expect_refused(EST "/none/skc", &csr, CODE(4, 4));
    fetch(dev, "/.well-known/core?rt=ace.est.sk*", -1, -1, &links);
    links.bytes[links.len] = '\0';
    assert_string_equal((const char *)links.bytes, "</est/skg>;rt=\"ace.est.skg\";ct=62,"
                                                   "</est/skc>;rt=\"ace.est.skc\";ct=62,"
                                                   "</est/p384/skg>;rt=\"ace.est.skg\";ct=62,"
                                                   "</est/p384/skc>;rt=\"ace.est.skc\";ct=62,"
                                                   "</est/rsa/skg>;rt=\"ace.est.skg\";ct=62,"
                                                   "</est/rsa/skc>;rt=\"ace.est.skc\";ct=62");
}

static void off_by_default(void **state)
{
    fixture *f = *state;
    body csr, answer, links;
    fixture_start(f);
    peer *p = connect_as(f, "dev");
    fresh_csr(&csr);
    assert_int_equal(enroll(p, EST "/skg", &csr, -1, -1, &answer), CODE(4, 4));
    assert_int_equal(enroll(p, EST "/skc", &csr, -1, -1, &answer), CODE(4, 4));
    fetch(p, "/.well-known/core?ct=62", -1, -1, &links);
    assert_int_equal(links.len, 0);
    peer_free(p);
}

/* ---- again ---- */

static void same_message(void **state)
{
    (void)state;
    body csr;
    wire_out o;
    reply first, again;
    unsigned before = issued(server);
    fresh_csr(&csr);
    ask_skg(&o, &csr);
    answer_to(dev, &o, &first);
    assert_int_equal(first.m.code, CODE(2, 4));
    answer_to(dev, &o, &again);
    assert_int_equal(again.len, first.len);
    assert_memory_equal(again.bytes, first.bytes, first.len);
    assert_int_equal(issued(server), before + 1);
    expect_alive(dev); /* delivered: now it is gone */
    expect_silence(dev, o.bytes, o.len);
    assert_int_equal(issued(server), before + 1);
}

/* @return how `estocd list` calls the certificate: valid, revoked */
static void expect_status(X509 *cert, const char *status)
{
    output o;
    BIGNUM *serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
    char *hex = BN_bn2hex(serial);
    run(&o, "estocd", "list", "--dir", server->srv, "--match", hex, NULL);
    OPENSSL_free(hex);
    BN_free(serial);
    assert_int_equal(o.code, 0);
    if (strstr(o.out, status) == NULL) {
        fail_msg("not %s: %s", status, o.out);
    }
}

static void new_message(void **state)
{
    (void)state;
    body csr;
    made first, second, third;
    fresh_csr(&csr);
    made_get(dev, EST "/skg", &csr, 3, &first);
    EVP_PKEY *key_1 = made_key(&first.key);
    X509 *cert_1 = made_cert(&first, key_1, path_in(server, "dev.ta"));
    expect_status(cert_1, "valid");
    peer_free(dev); /* it did not arrive, say */
    dev = connect_as(server, "dev");
    made_get(dev, EST "/skg", &csr, 3, &second);
    EVP_PKEY *key_2 = made_key(&second.key);
    X509 *cert_2 = made_cert(&second, key_2, path_in(server, "dev.ta"));
    assert_int_not_equal(EVP_PKEY_eq(key_1, key_2), 1);
    expect_status(cert_1, "revoked");
    expect_status(cert_2, "valid");
    fresh_csr(&csr); /* another request is another */
    made_get(dev, EST "/skg", &csr, 3, &third);
    expect_status(cert_2, "valid");
    X509_free(cert_1);
    X509_free(cert_2);
    EVP_PKEY_free(key_1);
    EVP_PKEY_free(key_2);
}

/* The same bytes to /sen are about the key in them, and neither finds the other. */
static void beside_sen(void **state)
{
    (void)state;
    body csr, sen, again;
    made m;
    EVP_PKEY *mine = key_new("P-256");
    csr_new(mine, "CN=dev", NULL, &csr);
    assert_int_equal(enroll(dev, EST "/sen", &csr, 287, -1, &sen), CODE(2, 4));
    X509 *cert = cert_for(&sen, 287, mine);
    made_get(dev, EST "/skc", &csr, -1, &m);
    expect_status(cert, "valid");
    assert_int_equal(enroll(dev, EST "/sen", &csr, 287, -1, &again), CODE(2, 4));
    assert_int_equal(again.len, sen.len);
    assert_memory_equal(again.bytes, sen.bytes, sen.len);
    X509_free(cert);
    EVP_PKEY_free(mine);
}

/* ---- nowhere left ---- */

/* The authority's thread wipes its copy once it has handed it over, which may be a moment after the client
 * has it. */
static void expect_nowhere(EVP_PKEY *key)
{
    long long end = now_ms() + 5000;
    size_t found;
    while ((found = key_in_process(server->pid, key)) > 0 && now_ms() < end) {
        usleep(20000);
    }
    assert_int_equal(found, 0);
    assert_int_equal(key_in_file(path_in(server, "estocd.log"), key), 0);
    assert_int_equal(key_in_file(path_in(server, "srv/store.db"), key), 0);
    assert_int_equal(key_in_file(path_in(server, "srv/store.db-wal"), key), 0);
}

/* Block `num` of 64 bytes; the key stands in the first three. */
static void get_part(const body *csr, unsigned num, body *answer, bool *more)
{
    wire_out o;
    reply r;
    ask(dev, &o, POST);
    wire_path(&o, EST "/skg");
    wire_uint(&o, OPT_FORMAT, 286);
    wire_block(&o, OPT_BLOCK2, num, false, 2);
    if (num == 0) {
        wire_payload(&o, csr->bytes, csr->len);
    }
    answer_to(dev, &o, &r);
    assert_int_equal(r.m.code, CODE(2, 4));
    assert_int_equal(answer->len, num * 64);
    memcpy(answer->bytes + answer->len, r.m.payload, r.m.payload_len);
    answer->len += r.m.payload_len;
    *more = wire_block_of(&r.m, OPT_BLOCK2).more;
}

static void wiped_after_the_last_block(void **state)
{
    (void)state;
    body csr, answer, key_part;
    made m;
    bool more = true;
    fresh_csr(&csr);
    answer.len = 0;
    unsigned num = 0;
    while (num < 4) {
        get_part(&csr, num++, &answer, &more);
    }
    assert_true(more);
    key_part.len = 138;
    memcpy(key_part.bytes, answer.bytes + 6, key_part.len);
    EVP_PKEY *key = made_key(&key_part);
    assert_true(key_in_process(server->pid, key) > 0); /* the search finds what is there */
    while (more) {
        get_part(&csr, num++, &answer, &more);
    }
    made_read(&answer, &m);
    expect_alive(dev); /* a later message ID: the last block has arrived */
    expect_nowhere(key);
    EVP_PKEY_free(key);
}

static void wiped_after_closing(void **state)
{
    (void)state;
    body csr;
    made m;
    fresh_csr(&csr);
    made_get(dev, EST "/skc", &csr, -1, &m);
    EVP_PKEY *key = made_key(&m.key);
    peer_close(dev);
    peer_free(dev);
    dev = connect_as(server, "dev");
    expect_alive(dev);
    expect_nowhere(key);
    EVP_PKEY_free(key);
}

/* Each kind has code of its own in the library. */
static void wiped_of_every_kind(void **state)
{
    (void)state;
    static const struct {
        const char *path, *kind;
    } rows[] = {
        {EST "/p384/skg", "P-384"}, {EST "/p384/skg", "ED25519"}, {EST "/rsa/skg", "RSA2048"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        body csr;
        made m;
        EVP_PKEY *mine = key_new(rows[i].kind);
        csr_new(mine, "CN=dev", NULL, &csr);
        made_get(dev, rows[i].path, &csr, 4, &m);
        EVP_PKEY *key = made_key(&m.key);
        assert_int_equal(EVP_PKEY_get_base_id(key), EVP_PKEY_get_base_id(mine));
        expect_alive(dev);
        expect_nowhere(key);
        EVP_PKEY_free(key);
        EVP_PKEY_free(mine);
    }
}

static void wiped_after_a_refetch(void **state)
{
    (void)state;
    body csr;
    made m;
    EVP_PKEY *keys[4];
    for (size_t i = 0; i < 4; i++) { /* each superseding the last */
        fresh_csr(&csr);
        made_get(dev, EST "/skg", &csr, i % 2 == 0 ? 2 : -1, &m);
        keys[i] = made_key(&m.key);
    }
    expect_alive(dev);
    for (size_t i = 0; i < 4; i++) {
        expect_nowhere(keys[i]);
        EVP_PKEY_free(keys[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_DTLS("E5 C5 HC 186 skg is a key (284) and certs-only (281), skc one certificate (287)",
                  formats),
        OVER_DTLS("E5 the example of RFC 9148 Appendix A.3", appendix_a3),
        OVER_DTLS("E5 the kind of the request's key, or the profile's first", kinds),
        OVER_DTLS("E5 HC 187 a broken signature is ignored", signature_ignored),
        OVER_DTLS("E5 X10 all else in the request counts", all_else_counts),
        OVER_DTLS("C4 E5 wrong formats and methods", wrong_formats),
        OVER_DTLS("E5 R1 R2 only in profiles where it is switched on", where_switched_on),
        NAMED_ALONE("E5 R2 X6 off by default", off_by_default),
        OVER_DTLS("X2 HC 191 the same message gets the same bytes, until they are delivered",
                  same_message),
        OVER_DTLS("X2 HC 191 the same request in a new message: a new key, the old one revoked",
                  new_message),
        OVER_DTLS("E6 X2 the same bytes to sen are another request", beside_sen),
        OVER_DTLS("E5 HC 327 HC 294 nowhere after the last block", wiped_after_the_last_block),
        OVER_DTLS("E5 HC 327 HC 294 nowhere after the association has ended", wiped_after_closing),
        OVER_DTLS("E5 HC 327 nowhere, of whatever kind it is", wiped_of_every_kind),
        OVER_DTLS("E5 HC 327 nowhere after further ones", wiped_after_a_refetch),
    };
    return cmocka_run_group_tests_name("keygen", tests, start_with_keys, group_stop);
}

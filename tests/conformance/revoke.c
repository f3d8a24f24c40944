/* SPDX-License-Identifier: MIT
 *
 * Certificates revoked with `estocd revoke`, while the server runs and devices are connected.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/bn.h>

#include "device.h"

enum { REVOKED_MS = 10000 }; /* a second is promised; this only bounds the test */
/* TLS alert descriptions. */
enum { CERTIFICATE_REVOKED = 44, FATAL = 2 };

/* A certificate by the server's CA, kept as NAME.crt, NAME.key, NAME.ta. @return its serial */
static const char *enroll_as(const fixture *f, const char *name)
{
    static char serial[64];
    output o;
    run_as(&o, f, "dev", "enroll", f->uri, "--out", path_in(f, "%s", name), NULL);
    if (o.code != 0) {
        print_error("%s", o.err);
    }
    assert_int_equal(o.code, 0);
    X509 *cert = cert_read(path_in(f, "%s.crt", name));
    BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
    char *hex = BN_bn2hex(n);
    snprintf(serial, sizeof serial, "%s", hex);
    OPENSSL_free(hex);
    BN_free(n);
    X509_free(cert);
    return serial;
}

static void revoked(const fixture *f, const char *serial)
{
    output o;
    run(&o, "estocd", "revoke", serial, "--dir", f->srv, "--reason", "keyCompromise", NULL);
    if (o.code != 0) {
        print_error("%s", o.err);
    }
    assert_int_equal(o.code, 0);
}

static uint8_t get(peer *p, const char *path, reply *r)
{
    wire_out o;
    ask(p, &o, GET);
    wire_path(&o, path);
    answer_to(p, &o, r);
    return (uint8_t)r->m.code;
}

/* Until it is refused. */
static void await_refusal(peer *p)
{
    long long end = now_ms() + REVOKED_MS;
    reply r;
    while (get(p, EST "/crts", &r) == CODE(2, 5)) {
        assert_true(now_ms() < end);
        usleep(20000);
    }
    assert_int_equal(r.m.code, CODE(4, 3));
    check_diagnostic(&r.m);
}

static uint8_t post(peer *p, const char *path, const body *csr)
{
    body out;
    return enroll(p, path, csr, -1, -1, &out);
}

static void in_open_association(void **state)
{
    const fixture *f = *state;
    reply r;
    body csr;
    const char *serial = enroll_as(f, "a");
    peer *p = connect_as(f, "a");
    peer *bystander = connect_as(f, "dev");
    assert_int_equal(get(p, EST "/crts", &r), CODE(2, 5));
    revoked(f, serial);
    await_refusal(p);
    unsigned before = issued(f);
    EVP_PKEY *key = key_new("P-256");
    csr_new(key, "CN=dev", NULL, &csr);
    assert_int_equal(post(p, EST "/sren", &csr), CODE(4, 3));
    assert_int_equal(post(p, EST "/sen", &csr), CODE(4, 3));
    assert_int_equal(get(p, EST "/crts", &r), CODE(4, 3));
    assert_int_equal(get(p, EST "/att", &r), CODE(4, 3));
    assert_int_equal(get(p, "/.well-known/core", &r), CODE(4, 3));
    assert_int_equal(issued(f), before);
    /* in blocks: at the first one */
    transfer t = {.method = POST,
                  .path = EST "/sren",
                  .format = 286,
                  .accept = -1,
                  .data = csr.bytes,
                  .szx = 2};
    t.len = csr.len;
    body out;
    assert_int_equal(transact(p, &t, &out, &r), CODE(4, 3));
    assert_int_equal(wire_block_of(&r.m, OPT_BLOCK1).num, 0);
    assert_int_equal(get(bystander, EST "/crts", &r), CODE(2, 5));
    assert_int_equal(post(bystander, EST "/sen", &csr), CODE(2, 4));
    EVP_PKEY_free(key);
    peer_free(bystander);
    peer_free(p);
}

/* Each block is a message of its own: the revocation comes between two. */
static void between_blocks(void **state)
{
    const fixture *f = *state;
    reply r;
    body csr;
    const char *serial = enroll_as(f, "b");
    peer *p = connect_as(f, "b");
    peer *other = connect_as(f, "b");
    EVP_PKEY *key = key_new("P-256");
    csr_new(key, "CN=dev", NULL, &csr);
    piece b = {.p = p, .path = EST "/sren", .at = csr.bytes, .len = 64, .szx = 2, .more = true};
    assert_int_equal(put_block(&b, &r), CODE(2, 31));
    revoked(f, serial);
    await_refusal(other);
    unsigned before = issued(f);
    for (unsigned num = 1; num * 64 < csr.len; num++) {
        b.num = num;
        b.at = csr.bytes + (size_t)num * 64;
        b.more = csr.len - (size_t)num * 64 > 64;
        b.len = b.more ? 64 : csr.len - (size_t)num * 64;
        uint8_t code = put_block(&b, &r);
        assert_int_equal(code, b.more ? CODE(2, 31) : CODE(4, 3));
    }
    assert_int_equal(issued(f), before);
    EVP_PKEY_free(key);
    peer_free(other);
    peer_free(p);
}

static bool logged(const fixture *f, size_t from, const char *text)
{
    static char log[1 << 20];
    size_t len = read_file(path_in(f, "estocd.log"), log, sizeof log);
    const char *line = len > from ? strstr(log + from, text) : NULL;
    if (line != NULL) {
        assert_null(strstr(line + 1, text)); /* just once */
    }
    return line != NULL;
}

/* In the handshake: the alert, and one line in the log, which may come after it. */
static void refused(const fixture *f, const peer_cfg *cfg)
{
    struct stat st;
    assert_int_equal(stat(path_in(f, "estocd.log"), &st), 0);
    peer *p = peer_new(cfg);
    assert_false(peer_handshake(p, 10000));
    assert_int_equal(p->alert_in, FATAL << 8 | CERTIFICATE_REVOKED);
    peer_free(p);
    long long end = now_ms() + REVOKED_MS;
    while (!logged(f, (size_t)st.st_size, "certificate is revoked (CN=dev)")) {
        assert_true(now_ms() < end);
        usleep(5000);
    }
}

static void new_associations(void **state)
{
    fixture *f = *state;
    const char *serial = enroll_as(f, "c");
    peer *p = connect_as(f, "c");
    revoked(f, serial);
    await_refusal(p);
    peer_free(p);
    peer_cfg cfg = device_cfg(f, "c");
    refused(f, &cfg);
    fixture_restart(f); /* it is known from the beginning */
    cfg.port = f->port;
    refused(f, &cfg);
    output o;
    run(&o, "estoc", "renew", f->uri, "--out", path_in(f, "c"), NULL);
    assert_int_equal(o.code, 3);
    assert_non_null(strstr(o.err, "revoked"));
    /* a way back: the manufacturer's certificate */
    enroll_as(f, "c2");
}

/* HC 47: in the full handshake that comes instead. */
static void resumed(void **state)
{
    const fixture *f = *state;
    const char *serial = enroll_as(f, "r");
    peer_cfg cfg = device_cfg(f, "r");
    peer *p = connect_as(f, "r");
    expect_alive(p);
    cfg.session = SSL_get1_session(p->ssl);
    peer *again = peer_connect(&cfg);
    assert_true(SSL_session_reused(again->ssl));
    expect_alive(again);
    revoked(f, serial);
    await_refusal(p);
    reply r;
    assert_int_equal(get(again, EST "/crts", &r), CODE(4, 3)); /* inside a resumed one */
    refused(f, &cfg);
    peer_free(again);
    peer_free(p);
    SSL_SESSION_free(cfg.session);
}

/* `unrecognised = answer` is for those whom nobody knows. */
static void strangers_let_in(void **state)
{
    fixture *f = *state;
    fixture_conf(f, "server", "unrecognised", "answer");
    fixture_start(f);
    const char *serial = enroll_as(f, "s");
    peer *p = connect_as(f, "s");
    revoked(f, serial);
    await_refusal(p);
    peer_free(p);
    peer_cfg cfg = device_cfg(f, "s");
    refused(f, &cfg);
    EVP_PKEY *key = key_new("P-256");
    X509 *cert = cert_new(key, &(cert_cfg){.cn = "dev"});
    cfg = (peer_cfg){.port = f->port, .own = cert, .own_key = key};
    p = peer_connect(&cfg);
    reply r;
    assert_int_equal(get(p, EST "/crts", &r), CODE(4, 1));
    peer_free(p);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void turned_signature(void **state)
{
    const fixture *f = *state;
    const char *serial = enroll_as(f, "d");
    X509 *cert = cert_read(path_in(f, "d.crt"));
    EVP_PKEY *key = key_read(path_in(f, "d.key"));
    cert_turn_signature(cert);
    peer_cfg cfg = {.port = f->port, .own = cert, .own_key = key};
    peer *p = peer_connect(&cfg);
    reply r;
    assert_int_equal(get(p, EST "/crts", &r), CODE(2, 5));
    revoked(f, serial);
    await_refusal(p);
    peer_free(p);
    refused(f, &cfg);
    EVP_PKEY_free(key);
    X509_free(cert);
}

/* Once a certificate is revoked, the request it came from leads to another. */
static void the_same_request(void **state)
{
    const fixture *f = *state;
    output o;
    body csr, first, second;
    peer *p = connect_as(f, "dev");
    EVP_PKEY *key = key_new("P-256");
    csr_new(key, "CN=dev", NULL, &csr);
    assert_int_equal(enroll(p, EST "/sen", &csr, 287, -1, &first), CODE(2, 4));
    assert_int_equal(enroll(p, EST "/sen", &csr, 287, -1, &second), CODE(2, 4));
    assert_int_equal(first.len, second.len);
    assert_memory_equal(first.bytes, second.bytes, first.len);
    const uint8_t *at = first.bytes;
    X509 *cert = d2i_X509(NULL, &at, (long)first.len);
    BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
    char *hex = BN_bn2hex(n);
    run(&o, "estocd", "revoke", hex, "--dir", f->srv, "--json", NULL);
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.out, "\"revoked\""));
    assert_non_null(strstr(o.out, "\"unspecified\""));
    assert_int_equal(enroll(p, EST "/sen", &csr, 287, -1, &second), CODE(2, 4));
    assert_true(first.len != second.len || memcmp(first.bytes, second.bytes, first.len) != 0);
    OPENSSL_free(hex);
    BN_free(n);
    X509_free(cert);
    EVP_PKEY_free(key);
    peer_free(p);
}

static void fails(const fixture *f, const char *serial, const char *reason, const char *word)
{
    output o;
    run(&o, "estocd", "revoke", serial, "--dir", f->srv, "--reason", reason, NULL);
    assert_int_equal(o.code, 1);
    assert_string_equal(o.out, "");
    if (strstr(o.err, word) == NULL) {
        print_error("%s", o.err);
    }
    assert_non_null(strstr(o.err, word));
    assert_ptr_equal(strchr(o.err, '\n'), o.err + strlen(o.err) - 1); /* one line */
}

static void the_command(void **state)
{
    fixture *f = *state;
    output o;
    const char *serial = enroll_as(f, "e");
    fails(f, "00ff", "superseded", "no certificate has this serial number");
    fails(f, "sensor", "superseded", "not a serial number");
    fails(f, serial, "certificateHold", "must be one of");
    fixture_stop(f);
    run(&o, "estocd", "revoke", serial, "--dir", f->srv, "--reason", "SUPERSEDED", NULL);
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.err, "CN=dev, for the reason superseded"));
    fails(f, serial, "superseded", "revoked already");
    run(&o, "estocd", "list", "--dir", f->srv, "--match", serial, NULL);
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.out, "revoked"));
    run(&o, "estocd", "show", serial, "--dir", f->srv, NULL);
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.out, "Z, superseded\n"));
    fixture_start(f);
    peer_cfg cfg = device_cfg(f, "e");
    refused(f, &cfg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED("D8 E4 HC 171 revoked while its association is open: 4.03 to every request",
              in_open_association),
        NAMED("D8 E4 HC 171 revoked between the blocks of a request", between_blocks),
        NAMED("D8 E4 revoked before the association, and before the server started: no handshake",
              new_associations),
        NAMED("D8 HC 47 revoked while its session can be resumed: no resumption, no handshake",
              resumed),
        NAMED_ALONE("D8 D4 revoked is refused also where strangers are let in", strangers_let_in),
        NAMED("D8 a revoked certificate with its signature written in another way",
              turned_signature),
        NAMED("E6 the request of a revoked certificate gets another", the_same_request),
        NAMED("cli revoke, while the server runs and when it does not", the_command),
    };
    return cmocka_run_group_tests_name("revoke", tests, group_start, group_stop);
}

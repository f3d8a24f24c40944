/* SPDX-License-Identifier: MIT
 *
 * From device to CA: an estocd as registrar in front of another that has the CA and speaks EST over HTTPS.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "device.h"
#include "keys.h"
#include "upstream.h"
#include "web.h"

static fixture *ca;
static registrar *reg; /* its scripted upstream does not run */

/* A certificate of the CA for the registrar: devices know it by that, and so does the CA. */
static void credential(const char *name, const char *eku)
{
    EVP_PKEY *key = key_new("P-256");
    EVP_PKEY *ca_key = key_read(ca_key_file(ca));
    X509 *issuer = cert_read(path_in(ca, "srv/ca.crt"));
    X509 *cert = cert_new(key, &(cert_cfg){.cn = "registrar",
                                           .issuer = issuer,
                                           .issuer_key = ca_key,
                                           .san = "IP:127.0.0.1",
                                           .eku = eku});
    cert_write(cert, path_in(&reg->f, "srv/%s.crt", name), "w");
    unlink(path_in(&reg->f, "srv/%s.key", name));
    key_write(key, path_in(&reg->f, "srv/%s.key", name));
    X509_free(cert);
    X509_free(issuer);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(key);
}

static void copy(const char *name, const char *to)
{
    output o;
    run(&o, "cp", path_in(ca, "%s", name), path_in(&reg->f, "%s", to), NULL);
    assert_int_equal(o.code, 0);
}

static void configure(uint16_t https)
{
    char text[2048];
    int n = snprintf(text, sizeof text,
                     "[server]\n"
                     "authority = registrar\n"
                     "listen-https = 127.0.0.1:0\n"
                     "[upstream]\n"
                     "url = https://127.0.0.1:%u/.well-known/est\n"
                     "anchors = ca.crt\n"
                     "certificate = ra.crt\n"
                     "key = ra.key\n"
                     "[registrar]\n"
                     "patience = 5s\n"
                     "[profile made]\n"
                     "keygen = yes\n"
                     "upstream-label =\n"
                     "[profile passed]\n"
                     "keygen = upstream\n"
                     "upstream-label = keys\n"
                     "[profile manual]\n"
                     "[profile gateways]\n"
                     "upstream-label = p384\n"
                     "keys = P-384\n",
                     https);
    write_file(path_in(&reg->f, "srv/estocd.conf"), text, (size_t)n, "w");
}

static void start_ca(void)
{
    static const char *const labels[] = {"profile", "profile keys", "profile manual",
                                         "profile p384"};
    fixture_conf(ca, "server", "listen-https", "127.0.0.1:0");
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        fixture_conf(ca, labels[i], "registrars", "yes");
    }
    fixture_conf(ca, "profile", "attributes", "ecPublicKey:secp256r1, ecdsa-with-SHA256");
    fixture_conf(ca, "profile keys", "keygen", "yes");
    fixture_conf(ca, "profile manual", "approval", "manual");
    fixture_conf(ca, "profile manual", "retry-after", "1s");
    fixture_conf(ca, "profile p384", "keys", "P-384");
    fixture_start(ca);
}

static int start(void **state)
{
    ca = calloc(1, sizeof *ca);
    reg = calloc(1, sizeof *reg);
    *state = reg;
    fixture_init(ca);
    fixture_init(&reg->f);
    start_ca();
    configure(fixture_https_port(ca));
    unlink(path_in(&reg->f, "srv/store.db"));
    credential("server", "serverAuth,1.3.6.1.5.5.7.3.28");
    credential("ra", "clientAuth,1.3.6.1.5.5.7.3.28");
    copy("srv/ca.crt", "srv/ca.crt");
    copy("srv/client-anchors.pem", "srv/client-anchors.pem");
    copy("dev.crt", "dev.crt");
    copy("dev.key", "dev.key");
    copy("dev.ta", "dev.ta");
    fixture_start(&reg->f);
    web_port = fixture_https_port(&reg->f);
    return 0;
}

static int stop(void **state)
{
    fixture_stop(ca);
    fixture_free(ca);
    free(ca);
    return registrar_tear_down(state);
}

static const char *root(void)
{
    return path_in(ca, "srv/ca.crt");
}

typedef struct operational {
    EVP_PKEY *key;
    X509 *cert;
    peer *p;
} operational;

static operational enrolled(const char *path)
{
    operational o = {.key = key_new("P-256")};
    body csr, answer;
    csr_new(o.key, "CN=dev", NULL, &csr);
    assert_int_equal(enroll(dev, path, &csr, 281, 2, &answer), CODE(2, 4));
    o.cert = cert_for(&answer, 281, o.key);
    openssl_verify(&reg->f, o.cert, root(), NULL);
    o.p = peer_connect(&(peer_cfg){
        .port = reg->f.port, .ta = path_in(&reg->f, "dev.ta"), .own = o.cert, .own_key = o.key});
    return o;
}

static void release(operational *o)
{
    peer_free(o->p);
    X509_free(o->cert);
    EVP_PKEY_free(o->key);
}

/* ---- the whole way ---- */

static void anchors_and_attributes(void **state)
{
    (void)state;
    /* SEQUENCE of ecPublicKey with secp256r1, and ecdsa-with-SHA256 */
    static const uint8_t plain[] = {0x30, 0x21, 0x30, 0x15, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                    0xce, 0x3d, 0x02, 0x01, 0x31, 0x0a, 0x06, 0x08, 0x2a,
                                    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x06, 0x08,
                                    0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
    body out;
    fetch(dev, EST "/crts", 281, 2, &out);
    STACK_OF(X509) *certs = certs_of(&out);
    X509 *want = cert_read(root());
    assert_int_equal(sk_X509_num(certs), 1);
    assert_int_equal(X509_cmp(sk_X509_value(certs, 0), want), 0);
    X509_free(want);
    sk_X509_pop_free(certs, X509_free);
    fetch(dev, EST "/att", 285, 2, &out);
    assert_int_equal(out.len, sizeof plain);
    assert_memory_equal(out.bytes, plain, sizeof plain);
}

static void enroll_and_renew(void **state)
{
    (void)state;
    body csr, answer;
    unsigned before = issued(ca);
    operational o = enrolled(EST "/sen");
    assert_int_equal(issued(ca), before + 1);
    EVP_PKEY *key = key_new("P-256");
    csr_new(key, "CN=dev", NULL, &csr);
    assert_int_equal(enroll(o.p, EST "/sren", &csr, 281, 2, &answer), CODE(2, 4));
    X509 *cert = cert_for(&answer, 281, key);
    openssl_verify(&reg->f, cert, root(), NULL);
    assert_int_equal(issued(ca), before + 2);
    X509_free(cert);
    EVP_PKEY_free(key);
    release(&o);
}

static void keys_in_blocks(void **state)
{
    (void)state;
    static const char *const paths[] = {EST "/made/skg", EST "/made/skc", EST "/passed/skg",
                                        EST "/passed/skc"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        body csr;
        made m;
        fresh_csr(&csr);
        made_get(dev, paths[i], &csr, 2, &m);
        assert_int_equal(m.key_format, 284);
        EVP_PKEY *key = made_key(&m.key);
        X509 *cert = cert_for(&m.cert, m.cert_format, key);
        openssl_verify(&reg->f, cert, root(), NULL);
        X509_free(cert);
        EVP_PKEY_free(key);
    }
}

/* The commands, which check the registrar by the upstream's anchors once they have them (K1). */
static void by_command(void **state)
{
    (void)state;
    output o;
    char op[PATH_LEN];
    strcpy(op, path_in(&reg->f, "op"));
    run_as(&o, &reg->f, "dev", "enroll", reg->f.uri, "--block-size", "64", "--out", op, NULL);
    if (o.code != 0) {
        print_error("%s", o.err);
    }
    assert_int_equal(o.code, 0);
    check_pair(&reg->f, "op");
    X509 *first = cert_read(path_in(&reg->f, "op.crt"));
    run(&o, "estoc", "renew", reg->f.uri, "--out", op, NULL);
    if (o.code != 0) {
        print_error("%s", o.err);
    }
    assert_int_equal(o.code, 0);
    check_pair(&reg->f, "op");
    X509 *second = cert_read(path_in(&reg->f, "op.crt"));
    assert_int_not_equal(X509_cmp(first, second), 0);
    openssl_verify(&reg->f, second, root(), NULL);
    run_as(&o, &reg->f, "dev", "keygen", reg->f.uri, "--label", "passed", "--subject", "CN=dev",
           "--out", path_in(&reg->f, "made"), NULL);
    if (o.code != 0) {
        print_error("%s", o.err);
    }
    assert_int_equal(o.code, 0);
    check_pair(&reg->f, "made");
    X509_free(first);
    X509_free(second);
}

static void a_label(void **state)
{
    (void)state;
    body csr, answer;
    EVP_PKEY *key = key_new("P-384");
    csr_new(key, "CN=dev", NULL, &csr);
    assert_int_equal(enroll(dev, EST "/gateways/sen", &csr, 281, 2, &answer), CODE(2, 4));
    X509 *cert = cert_for(&answer, 281, key);
    openssl_verify(&reg->f, cert, root(), NULL);
    X509_free(cert);
    EVP_PKEY_free(key);
    fresh_csr(&csr);
    assert_int_equal(enroll(dev, EST "/gateways/sen", &csr, 281, 2, &answer), CODE(4, 0));
}

/* EST over HTTPS in front, too. */
static void over_https(void **state)
{
    (void)state;
    fixture *f = &reg->f;
    body csr, der;
    unsigned before = issued(ca);
    web *w = web_open_as(f, NULL);
    assert_int_equal(web_ask(w, "/.well-known/est/cacerts", NULL, &got), 200);
    web_der(got.text, got.len, &der);
    STACK_OF(X509) *certs = certs_of(&der);
    X509 *want = cert_read(root());
    assert_int_equal(X509_cmp(sk_X509_value(certs, 0), want), 0);
    assert_int_equal(web_ask(w, "/.well-known/est/csrattrs", NULL, &got), 200);
    assert_int_equal(web_enroll(w, "/.well-known/est/simpleenroll", "CN=dev"), 401);
    web_free(w);
    w = web_open_as(f, "dev");
    EVP_PKEY *key = web_csr("CN=dev", &csr);
    for (int i = 0; i < 2; i++) { /* E6 */
        assert_int_equal(web_post(w, "/.well-known/est/simpleenroll", &csr, &got), 200);
        X509 *cert = web_cert(f, key);
        openssl_verify(f, cert, root(), NULL);
        X509_free(cert);
    }
    assert_int_equal(issued(ca), before + 1);
    assert_int_equal(web_enroll(w, "/.well-known/est/simpleenroll", "CN=other"), 403);
    assert_int_equal(web_enroll(w, "/.well-known/est/gateways/simpleenroll", "CN=dev"), 400);
    assert_int_equal(web_post(w, "/.well-known/est/passed/serverkeygen", &csr, &got), 200);
    assert_non_null(strstr(web_header(&got, "Content-Type"), "multipart/mixed"));
    assert_int_equal(web_enroll(w, "/.well-known/est/manual/simpleenroll", "CN=dev"), 202);
    assert_non_null(web_header(&got, "Retry-After"));
    web_free(w);
    EVP_PKEY_free(key);
    X509_free(want);
    sk_X509_pop_free(certs, X509_free);
}

static void approve_all(void)
{
    output o;
    char id[24] = "";
    run(&o, "estocd", "pending", "--dir", ca->srv, "--json", NULL);
    assert_int_equal(o.code, 0);
    for (const char *at = o.out; (at = strstr(at, "\"id\":\"")) != NULL; at++) {
        sscanf(at, "\"id\":\"%20[^\"]", id);
    }
    run(&o, "estocd", "approve", id, "--dir", ca->srv, NULL);
    assert_int_equal(o.code, 0);
}

static void by_a_person(void **state)
{
    (void)state;
    body csr;
    reply r;
    unsigned before = issued(ca);
    fresh_csr(&csr);
    assert_int_equal(post(dev, EST "/manual/sen", &csr, 287, &r), CODE(5, 3));
    assert_in_range(max_age(&r), 1, 1);
    sleep(1);
    assert_int_equal(post(dev, EST "/manual/sen", &csr, 287, &r), CODE(5, 3));
    approve_all();
    peer_free(dev);
    dev = NULL;
    registrar_kill(reg);
    fixture_start(&reg->f);
    dev = connect_as(&reg->f, "dev");
    assert_int_equal(post_until(dev, EST "/manual/sen", &csr, 287, &r), CODE(2, 4));
    assert_int_equal(post(dev, EST "/manual/sen", &csr, 287, &r), CODE(2, 4));
    assert_int_equal(issued(ca), before + 1);
}

/* A load, and kill -9 of the registrar in it: each request is issued once. Who asks while the upstream is
 * still at it is told to wait. */
static void killed_under_load(void **state)
{
    (void)state;
    fixture *f = &reg->f;
    char listen[32];
    unsigned before = issued(ca);
    snprintf(listen, sizeof listen, "127.0.0.1:%u", f->port);
    f->listen = listen;
    peer_free(dev);
    dev = NULL;
    pid_t load =
        run_start("estoc", "bench", f->uri, "--cert", path_in(f, "dev.crt"), "--key",
                  path_in(f, "dev.key"), "--ta", path_in(f, "dev.ta"), "--count", "60",
                  "--concurrency", "8", "--retry", "60", "--wait", "60", "--timeout", "3", NULL);
    while (issued(ca) < before + 15) {
        usleep(10000);
    }
    registrar_kill(reg);
    fixture_start(f);
    assert_int_equal(run_wait(load, 120000), 0);
    assert_int_equal(issued(ca), before + 60);
    f->listen = NULL;
    dev = connect_as(f, "dev");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_DTLS("G1 G3 the upstream's anchors and attributes, in blocks of 64",
                  anchors_and_attributes),
        OVER_DTLS("G1 G2 enroll and renew through a registrar, in blocks of 64", enroll_and_renew),
        OVER_DTLS("G1 G2 E5 keys made at the registrar and upstream, in blocks of 64",
                  keys_in_blocks),
        OVER_DTLS("G1 K1 K2 cli enroll, renew and keygen through a registrar", by_command),
        OVER_DTLS("G1 R1 a label of the upstream", a_label),
        NAMED("G1 G2 E5 L2 HTTPS: a registrar that has it in front, too", over_https),
        OVER_DTLS("L2 G1 a person decides at the upstream, and kill -9 in between", by_a_person),
        OVER_DTLS("G3 E6 HC 262 kill -9 under load: each request is issued once",
                  killed_under_load),
    };
    return cmocka_run_group_tests_name("registrar", tests, start, stop);
}

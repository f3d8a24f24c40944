/* SPDX-License-Identifier: MIT
 *
 * Handshakes of two contexts of OpenSSL's, the client's with our credential and anchors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "tls.h"

#define CA "critical,CA:TRUE"

struct party {
    EVP_PKEY *key;
    X509 *x;
};

static struct party root, between, server, weak, device, client_ca, client, stranger;

static void add(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert_non_null(ext);
    assert_int_equal(X509_add_ext(x, ext, -1), 1);
    X509_EXTENSION_free(ext);
}

/* @param purpose  extendedKeyUsage; NULL: a CA */
static struct party make(const char *name, const struct party *issuer, const char *purpose,
                         EVP_PKEY *key)
{
    static long serial;
    struct party p = {key, X509_new()};
    issuer = issuer != NULL ? issuer : &p;
    X509_set_version(p.x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(p.x), ++serial);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(p.x), "CN", MBSTRING_UTF8,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(p.x, X509_get_subject_name(issuer->x));
    X509_gmtime_adj(X509_getm_notBefore(p.x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(p.x), 3600);
    X509_set_pubkey(p.x, p.key);
    if (purpose != NULL) {
        add(p.x, NID_ext_key_usage, purpose);
    } else {
        add(p.x, NID_basic_constraints, CA);
    }
    assert_true(X509_sign(p.x, issuer->key, EVP_sha256()) > 0);
    return p;
}

static int set_up(void **state)
{
    (void)state;
    root = make("root", NULL, NULL, EVP_EC_gen("P-256"));
    between = make("between", &root, NULL, EVP_EC_gen("P-256"));
    server = make("server", &between, "serverAuth", EVP_EC_gen("P-256"));
    weak = make("server", &between, "serverAuth", EVP_RSA_gen(1024));
    device = make("device", &between, "clientAuth", EVP_EC_gen("P-256"));
    client_ca = make("client CA", &root, NULL, EVP_EC_gen("P-256"));
    client = make("client", &client_ca, "clientAuth", EVP_EC_gen("P-256"));
    stranger = make("root", NULL, NULL, EVP_EC_gen("P-256"));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    struct party *all[] = {&root,   &between,   &server, &weak,
                           &device, &client_ca, &client, &stranger};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        EVP_PKEY_free(all[i]->key);
        X509_free(all[i]->x);
    }
    return 0;
}

static void append(estoc_blobs *list, const struct party *p)
{
    unsigned char *der = NULL;
    int len = i2d_X509(p->x, &der);
    assert_true(len > 0);
    assert_int_equal(estoc_blobs_add(list, estoc_slice_of(der, (size_t)len)), 0);
    OPENSSL_free(der);
}

static estoc_key *key_of(const struct party *p)
{
    estoc_why why;
    estoc_key *key = NULL;
    unsigned char *der = NULL;
    int len = i2d_PrivateKey(p->key, &der);
    assert_int_equal(estoc_key_parse(estoc_slice_of(der, (size_t)len), &key, &why), 0);
    OPENSSL_free(der);
    return key;
}

/* ---- a handshake ---- */

struct setting {
    const struct party *anchor;
    const struct party *shows;   /* the server */
    const struct party *trusted; /* by the context before; NULL: nobody */
    int newest;                  /* of the server's versions; 0: any */
    bool alone;                  /* without the intermediate */
    bool anonymous;              /* we show nothing */
};

static long verdict;     /* of the client about the server */
static int version;      /* that they agreed on; 0: none */
static int client_chain; /* certificates the server got */

static SSL_CTX *server_context(const struct setting *s)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_security_level(ctx, 0);
    SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    assert_int_equal(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), root.x), 1);
    assert_int_equal(SSL_CTX_use_certificate(ctx, s->shows->x), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, s->shows->key), 1);
    if (!s->alone) {
        assert_int_equal(SSL_CTX_add1_chain_cert(ctx, between.x), 1);
    }
    SSL_CTX_set_max_proto_version(ctx, s->newest);
    return ctx;
}

static SSL_CTX *client_context(const struct setting *s, const estoc_tls_client *t)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (s->trusted != NULL) {
        assert_int_equal(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), s->trusted->x), 1);
    }
    assert_int_equal(estoc_tls_client_apply(t, ctx), 0);
    return ctx;
}

static void talk(SSL *a, SSL *b)
{
    for (int i = 0; i < 20 && (!SSL_is_init_finished(a) || !SSL_is_init_finished(b)); i++) {
        (void)SSL_do_handshake(a);
        (void)SSL_do_handshake(b);
    }
    ERR_clear_error();
}

static void look(SSL *a, SSL *b)
{
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(b); /* of a server: without the first */
    X509 *first = SSL_get1_peer_certificate(b);
    bool done = SSL_is_init_finished(a) && SSL_is_init_finished(b);
    verdict = SSL_get_verify_result(a);
    version = done ? SSL_version(a) : 0;
    client_chain = (first != NULL) + (chain != NULL ? sk_X509_num(chain) : 0);
    X509_free(first);
}

static void shake(struct setting s)
{
    estoc_why why;
    estoc_tls_client *t;
    estoc_blobs chain = {NULL, 0};
    estoc_blobs anchors = {NULL, 0};
    estoc_key *key = key_of(&client);
    append(&anchors, s.anchor);
    if (!s.anonymous) {
        append(&chain, &client);
        append(&chain, &client_ca);
        append(&chain, &root); /* stays at home */
    }
    assert_int_equal(estoc_tls_client_new(&chain, s.anonymous ? NULL : key, &anchors, &t, &why), 0);
    SSL_CTX *from = client_context(&s, t);
    SSL_CTX *to = server_context(&s);
    SSL *a = SSL_new(from);
    SSL *b = SSL_new(to);
    BIO *left, *right;
    assert_int_equal(BIO_new_bio_pair(&left, 0, &right, 0), 1);
    SSL_set_bio(a, left, left);
    SSL_set_bio(b, right, right);
    SSL_set_connect_state(a);
    SSL_set_accept_state(b);
    talk(a, b);
    look(a, b);
    SSL_free(a);
    SSL_free(b);
    SSL_CTX_free(from);
    SSL_CTX_free(to);
    estoc_tls_client_free(t);
    estoc_key_free(key);
    estoc_blobs_free(&chain);
    estoc_blobs_free(&anchors);
}

/* ---- tests ---- */

static void good(void **state)
{
    (void)state;
    shake((struct setting){.anchor = &root, .shows = &server});
    assert_int_equal(verdict, X509_V_OK);
    assert_int_equal(version, TLS1_3_VERSION);
    assert_int_equal(client_chain, 2);
    shake((struct setting){.anchor = &root, .shows = &server, .newest = TLS1_2_VERSION});
    assert_int_equal(version, TLS1_2_VERSION);
    assert_int_equal(client_chain, 2);
    shake((struct setting){.anchor = &root, .shows = &server, .anonymous = true});
    assert_int_equal(version, TLS1_3_VERSION);
    assert_int_equal(client_chain, 0);
}

static void old_version(void **state)
{
    (void)state;
    shake((struct setting){.anchor = &root, .shows = &server, .newest = TLS1_1_VERSION});
    assert_int_equal(version, 0);
}

static void any_anchor(void **state)
{
    (void)state;
    shake((struct setting){.anchor = &between, .shows = &server, .alone = true});
    assert_int_equal(verdict, X509_V_OK);
    assert_int_equal(version, TLS1_3_VERSION);
    shake((struct setting){.anchor = &server, .shows = &server, .alone = true});
    assert_int_equal(verdict, X509_V_OK);
}

static void nobody_else(void **state)
{
    (void)state;
    shake((struct setting){.anchor = &stranger, .shows = &server, .trusted = &root});
    assert_int_not_equal(verdict, X509_V_OK);
    assert_int_equal(version, 0);
    shake((struct setting){.anchor = &root, .shows = &server, .alone = true, .trusted = &between});
    assert_int_not_equal(verdict, X509_V_OK);
    assert_int_equal(version, 0);
}

static void no_server(void **state)
{
    (void)state;
    shake((struct setting){.anchor = &root, .shows = &device});
    assert_int_equal(verdict, X509_V_ERR_INVALID_PURPOSE);
    assert_int_equal(version, 0);
    shake((struct setting){.anchor = &root, .shows = &weak});
    assert_int_equal(verdict, X509_V_ERR_EE_KEY_TOO_SMALL);
    assert_int_equal(version, 0);
}

static estoc_err try_new(const estoc_blobs *chain, const estoc_key *key, const estoc_blobs *anchors,
                         const char *words)
{
    estoc_why why;
    estoc_tls_client *t;
    estoc_err err = estoc_tls_client_new(chain, key, anchors, &t, &why);
    assert_null(t);
    assert_non_null(strstr(why.text, words));
    return err;
}

static void faults(void **state)
{
    (void)state;
    estoc_blobs none = {NULL, 0};
    estoc_blobs good_one = {NULL, 0};
    estoc_blobs bad = {NULL, 0};
    estoc_key *key = key_of(&server);
    append(&good_one, &client);
    append(&bad, &root);
    bad.at[0].len--;
    assert_int_equal(try_new(&none, NULL, &none, "no trust anchors"), ESTOC_E_USAGE);
    assert_int_equal(try_new(&none, NULL, &bad, "trust anchor 1"), ESTOC_E_MALFORMED);
    assert_int_equal(try_new(&bad, key, &good_one, "certificate 1 of the chain"),
                     ESTOC_E_MALFORMED);
    assert_int_equal(try_new(&good_one, key, &good_one, "does not belong"), ESTOC_E_KEY);
    assert_int_equal(try_new(&good_one, NULL, &good_one, "does not belong"), ESTOC_E_KEY);
    estoc_tls_client_free(NULL);
    estoc_key_free(key);
    estoc_blobs_free(&good_one);
    estoc_blobs_free(&bad);
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        {"G1 TLS 1.2 and 1.3, with a chain of ours or without one", good, NULL, NULL, NULL},
        {"G1 nothing older",                                        old_version, NULL, NULL, NULL},
        {"G1 an anchor that is no root",                            any_anchor, NULL, NULL, NULL},
        {"G1 HC 257 nobody but the anchors is trusted",             nobody_else, NULL, NULL, NULL},
        {"G1 HC 257 a certificate for clients, a key too short",    no_server, NULL, NULL, NULL},
        {"G1 what cannot be set up is told",                        faults, NULL, NULL, NULL},
    };
    /* clang-format on */
    return cmocka_run_group_tests_name("tls", tests, set_up, tear_down);
}

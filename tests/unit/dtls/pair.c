/* SPDX-License-Identifier: MIT */
#include "pair.h"

#include <time.h>

#include <openssl/core_names.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

credential ca, other_ca, device, server_cred;
const estoc_slice address = {(const uint8_t *)"\x7f\0\0\1\x16\x34", 6};

/* ---- certificates ---- */

static void extend(X509 *x, X509 *issuer, int nid, const char *value)
{
    if (value == NULL || *value == '\0') {
        return;
    }
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(ext);
    assert_int_equal(X509_add_ext(x, ext, -1), 1);
    X509_EXTENSION_free(ext);
}

static X509 *parse(estoc_blob der)
{
    const uint8_t *p = der.ptr;
    X509 *x = d2i_X509(NULL, &p, (long)der.len);
    assert_non_null(x);
    return x;
}

static void name_it(X509 *x, X509 *issuer, const cert_cfg *cfg)
{
    X509_NAME *name = X509_get_subject_name(x);
    assert_int_equal(
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)cfg->cn, -1, -1, 0),
        1);
    X509_set_issuer_name(x, X509_get_subject_name(issuer));
    extend(x, issuer, NID_basic_constraints, cfg->ca ? "critical,CA:TRUE" : NULL);
    extend(x, issuer, NID_key_usage,
           cfg->key_usage ? cfg->key_usage
           : cfg->ca      ? "critical,keyCertSign"
                          : "critical,digitalSignature");
    extend(x, issuer, NID_ext_key_usage, cfg->eku ? cfg->eku : cfg->ca ? NULL : "clientAuth");
    extend(x, issuer, NID_subject_alt_name, cfg->san);
}

static EVP_PKEY *native(const credential *c)
{
    return c->foreign != NULL ? c->foreign : estoc_key_native(c->key);
}

static void make_key(credential *c, const cert_cfg *cfg)
{
    if (cfg->curve != NULL) {
        c->foreign = EVP_EC_gen(cfg->curve);
        assert_non_null(c->foreign);
    } else {
        estoc_key_kind kind = cfg->kind != ESTOC_KEY_UNKNOWN ? cfg->kind : ESTOC_KEY_P256;
        assert_int_equal(estoc_key_generate(kind, &c->key), 0);
    }
}

static EVP_PKEY *public_key(const credential *c, const cert_cfg *cfg)
{
    EVP_PKEY *key = native(c);
    if (cfg->explicit_curve) {
        assert_int_equal(EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_ENCODING,
                                                        OSSL_PKEY_EC_ENCODING_EXPLICIT),
                         1);
    }
    return key;
}

credential cred_new(const cert_cfg *cfg)
{
    static long serial = 1;
    credential c = {0};
    make_key(&c, cfg);
    X509 *x = X509_new();
    X509 *issuer = cfg->issuer != NULL ? parse(cfg->issuer->cert) : NULL;
    assert_non_null(x);
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
    X509_gmtime_adj(X509_getm_notBefore(x), cfg->from_s != 0 ? cfg->from_s : -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), cfg->until_s != 0 ? cfg->until_s : 86400);
    assert_int_equal(X509_set_pubkey(x, public_key(&c, cfg)), 1);
    name_it(x, issuer != NULL ? issuer : x, cfg);
    EVP_PKEY *signer = native(cfg->issuer != NULL ? cfg->issuer : &c);
    const EVP_MD *md = EVP_PKEY_is_a(signer, "ED25519") ? NULL
                       : cfg->sha1                      ? EVP_sha1()
                                                        : EVP_sha256();
    assert_true(X509_sign(x, signer, md) > 0);
    uint8_t *der = NULL;
    int len = i2d_X509(x, &der);
    assert_true(len > 0);
    assert_int_equal(estoc_blob_copy(estoc_slice_of(der, (size_t)len), &c.cert), 0);
    OPENSSL_free(der);
    X509_free(x);
    X509_free(issuer);
    return c;
}

void cred_free(credential *c)
{
    estoc_key_free(c->key);
    EVP_PKEY_free(c->foreign);
    estoc_blob_free(&c->cert);
    *c = (credential){0};
}

estoc_blobs blobs_of(const credential *const *list, size_t n)
{
    estoc_blobs b = {NULL, 0};
    for (size_t i = 0; i < n; i++) {
        if (list[i] != NULL) {
            assert_int_equal(estoc_blobs_add(&b, estoc_blob_slice(list[i]->cert)), 0);
        }
    }
    return b;
}

int pki_set_up(void **state)
{
    (void)state;
    ca = cred_new(&(cert_cfg){.cn = "CA", .ca = true});
    other_ca = cred_new(&(cert_cfg){.cn = "Other CA", .ca = true});
    device = cred_new(&(cert_cfg){.cn = "dev", .issuer = &ca});
    server_cred = cred_new(&(cert_cfg){.cn = "server",
                                       .issuer = &ca,
                                       .eku = "serverAuth",
                                       .san = "DNS:server.example,IP:127.0.0.1"});
    return 0;
}

int pki_tear_down(void **state)
{
    (void)state;
    cred_free(&ca);
    cred_free(&other_ca);
    cred_free(&device);
    cred_free(&server_cred);
    return 0;
}

/* ---- the network ---- */

uint32_t random_next(uint32_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 17;
    *s ^= *s << 5;
    return *s;
}

bool pass_but_one(pair *p, int way, size_t n, estoc_slice dg)
{
    (void)dg;
    return n != p->lose[way];
}

bool pass_by_chance(pair *p, int way, size_t n, estoc_slice dg)
{
    (void)way;
    (void)n;
    (void)dg;
    return random_next(&p->seed) % 5 != 0;
}

bool pass_nothing(pair *p, int way, size_t n, estoc_slice dg)
{
    (void)p;
    (void)way;
    (void)n;
    (void)dg;
    return false;
}

static void queue(pair *p, int way, estoc_slice dg)
{
    assert_in_range(dg.len, 1, p->payload_max); /* D7 */
    p->longest = dg.len > p->longest ? dg.len : p->longest;
    datagram d = {.way = way, .len = dg.len};
    memcpy(d.bytes, dg.ptr, dg.len);
    if (p->logged < LOG_MAX) {
        p->log_at[p->logged] = p->now;
        p->log[p->logged++] = d;
    }
    size_t n = ++p->sent[way];
    if (p->passes == NULL || p->passes(p, way, n, dg)) {
        assert_true(p->queued < QUEUE_MAX);
        p->queue[p->queued++] = d;
    }
}

static void send_up(void *ctx, estoc_slice dg)
{
    queue(ctx, UP, dg);
}

static void send_down(void *ctx, estoc_slice dg)
{
    queue(ctx, DOWN, dg);
}

/* As the server's worker does. */
static void to_server(pair *p, estoc_slice dg)
{
    bool hello = estoc_dtls_is_client_hello(dg);
    if (p->s != NULL && (!hello || memcmp(p->random, dg.ptr + 27, sizeof p->random) == 0)) {
        estoc_dtls_input(p->s, p->now, dg);
        return;
    }
    uint8_t reply[ESTOC_DATAGRAM_MAX];
    size_t n;
    estoc_dtls *fresh;
    estoc_dtls_out out = {p, send_down};
    switch (estoc_dtls_listen(p->listener, address, p->now, dg, (estoc_buf){reply, sizeof reply},
                              &n, out, &fresh)) {
    case ESTOC_DTLS_DROP:
        break;
    case ESTOC_DTLS_REPLY:
        assert_in_range(n, 1, dg.len); /* D5 */
        queue(p, DOWN, estoc_slice_of(reply, n));
        break;
    case ESTOC_DTLS_ACCEPT:
        estoc_dtls_free(p->s);
        p->s = fresh;
        memcpy(p->random, dg.ptr + 27, sizeof p->random);
        break;
    }
}

void pair_deliver(pair *p)
{
    while (p->queued > 0) {
        datagram d = p->queue[0];
        memmove(p->queue, p->queue + 1, --p->queued * sizeof d);
        uint8_t *exact = malloc(d.len); /* so that a read past the end is seen */
        assert_non_null(exact);
        memcpy(exact, d.bytes, d.len);
        if (d.way == UP) {
            to_server(p, estoc_slice_of(exact, d.len));
        } else {
            estoc_dtls_input(p->c, p->now, estoc_slice_of(exact, d.len));
        }
        free(exact);
    }
}

void pair_run(pair *p, estoc_ms until)
{
    for (;;) {
        pair_deliver(p);
        estoc_ms at = estoc_dtls_deadline(p->c);
        estoc_ms s = p->s != NULL ? estoc_dtls_deadline(p->s) : ESTOC_NEVER;
        at = s < at ? s : at;
        if (at > until || at == ESTOC_NEVER) {
            return;
        }
        p->now = at;
        estoc_dtls_tick(p->c, p->now);
        if (p->s != NULL) {
            estoc_dtls_tick(p->s, p->now);
        }
    }
}

/* ---- the ends ---- */

pair *pair_new(void)
{
    pair *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->server_id = &server_cred;
    p->client_id = &device;
    p->server_anchor = p->client_anchor = &ca;
    p->host = "server.example";
    p->payload_max = 1232;
    p->timeout_ms = 1000;
    p->now = 5000000;
    return p;
}

static uint32_t leeway(void *ctx, estoc_slice leaf)
{
    pair *p = ctx;
    (*p->leeway_asked)++;
    assert_true(estoc_slice_eq(leaf, estoc_blob_slice(p->client_id->cert)));
    return p->leeway_s;
}

static bool revoked(void *ctx, estoc_slice leaf)
{
    pair *p = ctx;
    p->revoked_asked++;
    return p->revoked != NULL && estoc_slice_eq(leaf, estoc_blob_slice(p->revoked->cert));
}

static void make_server(pair *p)
{
    estoc_why why;
    estoc_blobs chain = blobs_of((const credential *[]){p->server_id, p->server_chain, &ca}, 3);
    estoc_blobs anchors = blobs_of(&p->server_anchor, 1);
    estoc_blobs expired = blobs_of(&p->expired_anchor, 1);
    estoc_blobs denied = blobs_of(&p->denied, 1);
    p->sessions = p->resume_max > 0 ? estoc_dtls_cache_new(p->resume_max) : NULL;
    estoc_dtls_server_cfg cfg = {.chain = &chain,
                                 .key = p->server_id->key,
                                 .anchors = &anchors,
                                 .expired = &expired,
                                 .denied = &denied,
                                 .crls = p->crls,
                                 .payload_max = p->payload_max,
                                 .timeout_ms = p->timeout_ms,
                                 .let_strangers_in = p->let_strangers_in,
                                 .resume_s = p->resume_s,
                                 .sessions = p->sessions,
                                 .cookies = p->cookies,
                                 .leeway = p->leeway_s > 0 ? leeway : NULL,
                                 .leeway_ctx = p,
                                 .revoked = p->ask_revoked ? revoked : NULL,
                                 .revoked_ctx = p};
    assert_int_equal(estoc_dtls_server_new(&cfg, &p->server, &why), 0);
    assert_int_equal(estoc_dtls_listener_new(p->server, &p->listener), 0);
    estoc_blobs_free(&chain);
    estoc_blobs_free(&expired);
    estoc_blobs_free(&denied);
    estoc_blobs_free(&anchors);
}

static void make_client(pair *p)
{
    estoc_why why;
    estoc_blobs chain = blobs_of((const credential *[]){p->client_id, p->client_chain}, 2);
    estoc_blobs anchors = blobs_of(&p->client_anchor, 1);
    estoc_dtls_client_cfg cfg = {.chain = &chain,
                                 .key = p->client_id != NULL ? p->client_id->key : NULL,
                                 .anchors = &anchors,
                                 .host = p->host,
                                 .accept_ra = p->accept_ra,
                                 .payload_max = p->payload_max,
                                 .timeout_ms = p->timeout_ms};
    assert_int_equal(estoc_dtls_client_new(&cfg, &p->client, &why), 0);
    estoc_blobs_free(&chain);
    estoc_blobs_free(&anchors);
}

void pair_prepare(pair *p)
{
    make_server(p);
    make_client(p);
}

void pair_listen(pair *p)
{
    estoc_dtls_listener_free(p->listener);
    assert_int_equal(estoc_dtls_listener_new(p->server, &p->listener), 0);
}

void pair_connect(pair *p)
{
    if (p->client == NULL) {
        pair_prepare(p);
    }
    assert_int_equal(estoc_dtls_connect(p->client, p->now, (estoc_dtls_out){p, send_up}, &p->c), 0);
}

void pair_open(pair *p)
{
    pair_connect(p);
    pair_run(p, ESTOC_NEVER);
    if (estoc_dtls_state_of(p->c) != ESTOC_DTLS_OPEN) {
        print_error("client: %s; server: %s\n", estoc_dtls_why(p->c),
                    p->s != NULL ? estoc_dtls_why(p->s) : "none");
    }
    assert_int_equal(estoc_dtls_state_of(p->c), ESTOC_DTLS_OPEN);
    assert_non_null(p->s);
    assert_int_equal(estoc_dtls_state_of(p->s), ESTOC_DTLS_OPEN);
}

SSL_CTX *client_ssl(const pair *p)
{
    return ((estoc_dtls_context *)p->client)->ssl;
}

SSL_CTX *server_ssl(const pair *p)
{
    return ((estoc_dtls_context *)p->server)->ssl;
}

bool pair_judges;

/* The same chain, outside of a handshake, comes to the same. */
static void judge_again(pair *p)
{
    estoc_blobs chain = blobs_of(&p->client_id, 1);
    STACK_OF(X509) *between = NULL;
    estoc_dtls_peer peer;
    SSL_CTX_get0_chain_certs(client_ssl(p), &between);
    for (int i = 0; i < sk_X509_num(between); i++) {
        uint8_t *der = NULL;
        int len = i2d_X509(sk_X509_value(between, i), &der);
        assert_true(len > 0);
        assert_int_equal(estoc_blobs_add(&chain, estoc_slice_of(der, (size_t)len)), 0);
        OPENSSL_free(der);
    }
    unsigned asked = p->leeway_asked != NULL ? *p->leeway_asked : 0;
    unsigned revoked_asked = p->revoked_asked;
    assert_int_equal(estoc_dtls_server_judge(p->server, &chain, &peer), 0);
    assert_string_equal(peer.why.text, p->s->why.text);
    assert_int_equal(peer.recognised, p->s->why.text[0] == '\0');
    assert_int_equal(peer.expired, p->s->expired);
    assert_int_equal(peer.revoked, p->s->revoked);
    assert_int_equal(peer.denied, strncmp(peer.why.text, "certificate is denied", 21) == 0);
    assert_int_equal(peer.good_until, p->s->good_until);
    assert_true(estoc_slice_eq(estoc_blob_slice(peer.trail), estoc_blob_slice(p->s->trail)));
    assert_int_equal(peer.trail.len > 0, peer.recognised);
    estoc_dtls_peer_free(&peer);
    estoc_blobs_free(&chain);
    p->revoked_asked = revoked_asked;
    if (p->leeway_asked != NULL) {
        *p->leeway_asked = asked;
    }
}

void pair_free(pair *p)
{
    if (pair_judges && p->s != NULL && p->s->context == &p->server->context &&
        p->client_id != NULL && (p->s->cert.len > 0 || p->s->why.text[0] != '\0') &&
        strncmp(p->s->why.text, "refused by the peer", 19) != 0) {
        judge_again(p);
    }
    estoc_dtls_free(p->c);
    estoc_dtls_free(p->s);
    estoc_dtls_listener_free(p->listener);
    estoc_dtls_client_free(p->client);
    estoc_dtls_server_free(p->server);
    estoc_dtls_cache_free(p->sessions);
    free(p);
}

int alert_of(const pair *p, int way)
{
    const datagram *last = NULL;
    for (size_t i = 0; i < p->logged; i++) {
        last = p->log[i].way == way ? &p->log[i] : last;
    }
    assert_non_null(last);
    assert_int_equal(last->bytes[0], SSL3_RT_ALERT);
    assert_int_equal(last->len, 13 + 2); /* in the clear: nothing is agreed on yet */
    assert_int_equal(last->bytes[13], SSL3_AL_FATAL);
    return last->bytes[14];
}

int refused(pair *p, const char *why)
{
    pair_connect(p);
    pair_run(p, ESTOC_NEVER);
    assert_non_null(p->s);
    assert_int_equal(estoc_dtls_state_of(p->s), ESTOC_DTLS_FAILED);
    assert_string_equal(estoc_dtls_why(p->s), why);
    assert_int_equal(estoc_dtls_peer_cert(p->s).len, 0);
    assert_int_equal(estoc_dtls_state_of(p->c), ESTOC_DTLS_FAILED);
    assert_int_equal(strncmp(estoc_dtls_why(p->c), "refused by the peer: ", 21), 0);
    assert_int_equal(estoc_dtls_deadline(p->s), ESTOC_NEVER);
    assert_int_equal(estoc_dtls_write(p->s, estoc_slice_str("x")), ESTOC_E_STATE);
    expect_silence(p->s);
    int alert = alert_of(p, DOWN);
    pair_free(p);
    return alert;
}

void expect_silence(estoc_dtls *d)
{
    uint8_t in[ESTOC_DATAGRAM_MAX];
    size_t n = 1;
    assert_int_equal(estoc_dtls_read(d, (estoc_buf){in, sizeof in}, &n), 0);
    assert_int_equal(n, 0);
}

void expect_message(pair *p, estoc_dtls *from, estoc_dtls *to, const char *text)
{
    uint8_t in[ESTOC_DATAGRAM_MAX];
    size_t n;
    assert_int_equal(estoc_dtls_write(from, estoc_slice_str(text)), 0);
    pair_deliver(p);
    assert_int_equal(estoc_dtls_read(to, (estoc_buf){in, sizeof in}, &n), 0);
    assert_int_equal(n, strlen(text));
    assert_memory_equal(in, text, n);
    expect_silence(to);
}

void expect_alive(pair *p)
{
    expect_message(p, p->c, p->s, "request");
    expect_message(p, p->s, p->c, "response");
}

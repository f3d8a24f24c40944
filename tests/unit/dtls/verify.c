/* SPDX-License-Identifier: MIT
 *
 * Who gets through the handshake, on either side, and why not.
 */
#include "pair.h"

static int refused_device(const cert_cfg *cfg, const char *why)
{
    credential c = cred_new(cfg);
    pair *p = pair_new();
    p->client_id = &c;
    int alert = refused(p, why);
    cred_free(&c);
    return alert;
}

static void accepted_device(const cert_cfg *cfg)
{
    credential c = cred_new(cfg);
    pair *p = pair_new();
    p->client_id = &c;
    pair_open(p);
    assert_true(estoc_slice_eq(estoc_dtls_peer_cert(p->s), estoc_blob_slice(c.cert)));
    expect_alive(p);
    pair_free(p);
    cred_free(&c);
}

/* ---- clients, by the server ---- */

static void no_certificate(void **state)
{
    (void)state;
    pair *p = pair_new();
    p->client_id = NULL;
    assert_int_equal(refused(p, "no certificate"), SSL_AD_HANDSHAKE_FAILURE);
}

static void unknown_ca(void **state)
{
    (void)state;
    assert_int_equal(refused_device(&(cert_cfg){.cn = "dev", .issuer = &other_ca},
                                    "unable to get local issuer certificate (CN=dev)"),
                     SSL_AD_UNKNOWN_CA);
}

/* HC 299: neither a name nor anything else that anybody can write gives trust. */
static void self_signed(void **state)
{
    (void)state;
    assert_int_equal(refused_device(&(cert_cfg){.cn = "dev"}, "self-signed certificate (CN=dev)"),
                     SSL_AD_UNKNOWN_CA);
    refused_device(&(cert_cfg){.cn = "CA"}, "self-signed certificate (CN=CA)");
    refused_device(&(cert_cfg){.cn = "CA", .ca = true, .key_usage = "digitalSignature"},
                   "self-signed certificate (CN=CA)");
}

static void forged_issuer(void **state)
{
    (void)state;
    credential fake = cred_new(&(cert_cfg){.cn = "CA", .ca = true});
    refused_device(&(cert_cfg){.cn = "dev", .issuer = &fake},
                   "certificate signature failure (CN=dev)");
    cred_free(&fake);
}

static void leaf_as_issuer(void **state)
{
    (void)state;
    credential leaf = cred_new(&(cert_cfg){.cn = "below", .issuer = &device});
    pair *p = pair_new();
    p->client_id = &leaf;
    p->client_chain = &device;
    refused(p, "invalid CA certificate (CN=dev)");
    cred_free(&leaf);
}

static void out_of_time(void **state)
{
    (void)state;
    assert_int_equal(
        refused_device(&(cert_cfg){.cn = "dev", .issuer = &ca, .from_s = -7200, .until_s = -60},
                       "certificate has expired (CN=dev)"),
        SSL_AD_CERTIFICATE_EXPIRED);
    refused_device(&(cert_cfg){.cn = "dev", .issuer = &ca, .from_s = 3600, .until_s = 7200},
                   "certificate is not yet valid (CN=dev)");
}

static void purpose(void **state)
{
    (void)state;
    const char *unsuited = "unsuitable certificate purpose (CN=dev)"; /* by OpenSSL 3.0 */
    const char *const eku[] = {"serverAuth", "codeSigning", "serverAuth,emailProtection"};
    for (size_t i = 0; i < 3; i++) {
        refused_device(&(cert_cfg){.cn = "dev", .issuer = &ca, .eku = eku[i]}, unsuited);
    }
    refused_device(&(cert_cfg){.cn = "dev", .issuer = &ca, .key_usage = "keyEncipherment"},
                   unsuited);
    refused_device(&(cert_cfg){.cn = "dev", .issuer = &ca, .key_usage = "keyAgreement"},
                   "key usage does not allow digital signatures (CN=dev)");
    accepted_device(&(cert_cfg){.cn = "dev", .issuer = &ca, .eku = "", .key_usage = ""});
    accepted_device(&(cert_cfg){.cn = "dev", .issuer = &ca, .eku = "serverAuth,clientAuth"});
}

/* HC 54 */
static void explicit_curve(void **state)
{
    (void)state;
    refused_device(&(cert_cfg){.cn = "dev", .issuer = &ca, .explicit_curve = true},
                   "certificate malformed, or its key is of a kind not supported (CN=dev)");
}

/* D4: through the handshake, and marked, with the reason. */
static void let_in(pair *p, const char *why)
{
    p->let_strangers_in = true;
    pair_open(p);
    assert_string_equal(estoc_dtls_why(p->s), why);
    assert_int_equal(estoc_dtls_recognised(p->s), why[0] == '\0');
    assert_true(estoc_slice_eq(estoc_dtls_peer_cert(p->s), estoc_blob_slice(p->client_id->cert)));
    expect_alive(p);
    assert_int_equal(estoc_dtls_recognised(p->s), why[0] == '\0');
    pair_free(p);
}

static void strangers(void **state)
{
    (void)state;
    const struct {
        cert_cfg cfg;
        const char *why;
    } cases[] = {
        {{.cn = "dev", .issuer = &other_ca}, "unable to get local issuer certificate (CN=dev)"},
        {{.cn = "dev"}, "self-signed certificate (CN=dev)"},
        {{.cn = "dev", .issuer = &ca, .from_s = -7200, .until_s = -60},
         "certificate has expired (CN=dev)"},
        {{.cn = "dev", .issuer = &ca, .eku = "serverAuth"},
         "unsuitable certificate purpose (CN=dev)"},
        {{.cn = "dev", .issuer = &ca, .key_usage = "keyAgreement"},
         "key usage does not allow digital signatures (CN=dev)"},
        {{.cn = "dev", .issuer = &ca}, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        credential c = cred_new(&cases[i].cfg);
        pair *p = pair_new();
        p->client_id = &c;
        let_in(p, cases[i].why);
        cred_free(&c);
    }
}

/* Without a certificate, or with one that cannot be read, nobody is let in. */
static void no_strangers(void **state)
{
    (void)state;
    pair *p = pair_new();
    p->client_id = NULL;
    p->let_strangers_in = true;
    refused(p, "no certificate");
    credential c = cred_new(&(cert_cfg){.cn = "dev", .issuer = &ca, .explicit_curve = true});
    p = pair_new();
    p->client_id = &c;
    p->let_strangers_in = true;
    refused(p, "certificate malformed, or its key is of a kind not supported (CN=dev)");
    cred_free(&c);
}

/* D6, HC 52: below the anchors named, and below no others. */
static void expired(void **state)
{
    (void)state;
    const cert_cfg cfg = {.cn = "dev", .issuer = &other_ca, .from_s = -7200, .until_s = -60};
    const char *why = "certificate has expired (CN=dev)";
    credential old = cred_new(&cfg);
    credential ours =
        cred_new(&(cert_cfg){.cn = "dev", .issuer = &ca, .from_s = -7200, .until_s = -60});
    credential early =
        cred_new(&(cert_cfg){.cn = "dev", .issuer = &other_ca, .from_s = 60, .until_s = 7200});
    pair *p = pair_new();
    p->client_id = &old;
    p->expired_anchor = &other_ca;
    p->resume_s = 60;
    p->resume_max = 10;
    pair_open(p);
    assert_true(estoc_dtls_recognised(p->s));
    assert_true(estoc_dtls_expired(p->s));
    assert_string_equal(estoc_dtls_why(p->s), "");
    expect_alive(p);
    pair_free(p);
    p = pair_new(); /* an anchor like others */
    p->server_anchor = &other_ca;
    p->client_id = &old;
    p->expired_anchor = &ca;
    assert_int_equal(refused(p, why), SSL_AD_CERTIFICATE_EXPIRED);
    p = pair_new();
    p->client_id = &ours;
    p->expired_anchor = &other_ca;
    assert_int_equal(refused(p, why), SSL_AD_CERTIFICATE_EXPIRED);
    p = pair_new(); /* expired is not early */
    p->client_id = &early;
    p->expired_anchor = &other_ca;
    refused(p, "certificate is not yet valid (CN=dev)");
    p = pair_new(); /* nor denied */
    p->client_id = p->denied = &old;
    p->expired_anchor = &other_ca;
    assert_int_equal(refused(p, "certificate is denied (CN=dev)"), SSL_AD_CERTIFICATE_REVOKED);
    p = pair_new(); /* one that is not expired is as ever */
    p->expired_anchor = &other_ca;
    pair_open(p);
    assert_false(estoc_dtls_expired(p->s));
    pair_free(p);
    cred_free(&old);
    cred_free(&ours);
    cred_free(&early);
}

/* What is between an expired device and the anchor must not have expired itself. */
static void expired_between(void **state)
{
    (void)state;
    credential middle = cred_new(&(cert_cfg){
        .cn = "Middle", .issuer = &other_ca, .ca = true, .from_s = -7200, .until_s = -60});
    credential below =
        cred_new(&(cert_cfg){.cn = "dev", .issuer = &middle, .from_s = -7200, .until_s = -60});
    pair *p = pair_new();
    p->client_id = &below;
    p->client_chain = &middle;
    p->expired_anchor = &other_ca;
    assert_int_equal(refused(p, "certificate has expired (CN=Middle)"), SSL_AD_CERTIFICATE_EXPIRED);
    cred_free(&middle);
    cred_free(&below);
}

static void denied(void **state)
{
    (void)state;
    pair *p = pair_new();
    p->denied = &device;
    assert_int_equal(refused(p, "certificate is denied (CN=dev)"), SSL_AD_CERTIFICATE_REVOKED);
    p = pair_new();
    p->denied = &server_cred;
    pair_open(p);
    pair_free(p);
    p = pair_new();
    p->denied = &device;
    let_in(p, "certificate is denied (CN=dev)");
}

/* Asked about who leads to an anchor; and no stranger either. */
static void revoked(void **state)
{
    (void)state;
    credential odd = cred_new(&(cert_cfg){.cn = "dev", .issuer = &other_ca});
    for (int i = 0; i < 2; i++) {
        pair *p = pair_new();
        p->ask_revoked = true;
        p->revoked = &device;
        p->let_strangers_in = i == 1;
        assert_int_equal(refused(p, "certificate is revoked (CN=dev)"), SSL_AD_CERTIFICATE_REVOKED);
        p = pair_new();
        p->ask_revoked = true;
        p->revoked = &server_cred;
        p->let_strangers_in = i == 1;
        pair_open(p);
        assert_true(estoc_dtls_recognised(p->s));
        assert_int_equal(p->revoked_asked, 1);
        pair_free(p);
    }
    pair *p = pair_new();
    p->ask_revoked = true;
    p->client_id = p->revoked = &odd;
    let_in(p, "unable to get local issuer certificate (CN=dev)"); /* who knows whose it is */
    cred_free(&odd);
}

static void revoked_and_expired(void **state)
{
    (void)state;
    credential old =
        cred_new(&(cert_cfg){.cn = "dev", .issuer = &ca, .from_s = -7200, .until_s = -60});
    unsigned asked = 0;
    pair *p = pair_new();
    p->ask_revoked = true;
    p->leeway_s = 3600;
    p->leeway_asked = &asked;
    p->client_id = p->revoked = &old;
    assert_int_equal(refused(p, "certificate is revoked (CN=dev)"), SSL_AD_CERTIFICATE_REVOKED);
    cred_free(&old);
}

/* Only the end of the client's own certificate is looked over, and only when all else is right. */
static void leeway(void **state)
{
    (void)state;
    credential old_ca = cred_new(
        &(cert_cfg){.cn = "old CA", .issuer = &ca, .ca = true, .from_s = -9000, .until_s = -60});
    const struct {
        cert_cfg cfg;
        const char *why; /* "": through */
        unsigned asked;
    } cases[] = {
        {{.cn = "dev", .issuer = &ca, .from_s = -7200, .until_s = -60}, "", 1},
        {{.cn = "dev", .issuer = &ca}, "", 0},
        {{.cn = "dev", .issuer = &ca, .from_s = -7200, .until_s = -4000},
         "certificate has expired (CN=dev)",
         1},
        {{.cn = "dev", .issuer = &ca, .from_s = 60, .until_s = 7200},
         "certificate is not yet valid (CN=dev)",
         0},
        {{.cn = "dev", .issuer = &other_ca, .from_s = -7200, .until_s = -60},
         "unable to get local issuer certificate (CN=dev)",
         0},
        {{.cn = "dev", .issuer = &ca, .eku = "serverAuth", .from_s = -7200, .until_s = -60},
         "unsuitable certificate purpose (CN=dev)",
         0},
        {{.cn = "dev", .issuer = &old_ca, .from_s = -7200, .until_s = -60},
         "certificate has expired (CN=old CA)",
         0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        credential c = cred_new(&cases[i].cfg);
        unsigned asked = 0;
        pair *p = pair_new();
        p->client_id = &c;
        p->client_chain = cases[i].cfg.issuer == &old_ca ? &old_ca : NULL;
        p->leeway_s = 3600;
        p->leeway_asked = &asked;
        if (cases[i].why[0] != '\0') {
            refused(p, cases[i].why);
        } else {
            pair_open(p);
            assert_true(estoc_dtls_recognised(p->s));
            assert_int_equal(estoc_dtls_expired(p->s), cases[i].asked > 0);
            expect_alive(p);
            pair_free(p);
        }
        assert_int_equal(asked, cases[i].asked);
        cred_free(&c);
    }
    cred_free(&old_ca);
}

static void weak_signature(void **state)
{
    (void)state;
    refused_device(&(cert_cfg){.cn = "dev", .issuer = &ca, .sha1 = true},
                   "CA signature digest algorithm too weak (CN=dev)");
}

static void explicit_curve_of_issuer(void **state)
{
    (void)state;
    credential middle =
        cred_new(&(cert_cfg){.cn = "Middle", .issuer = &ca, .ca = true, .explicit_curve = true});
    credential dev = cred_new(&(cert_cfg){.cn = "dev", .issuer = &middle});
    pair *p = pair_new();
    p->client_id = &dev;
    p->client_chain = &middle;
    refused(p, "Certificate public key has explicit ECC parameters (CN=Middle)"); /* OpenSSL's */
    cred_free(&dev);
    cred_free(&middle);
}

static void key_kinds(void **state)
{
    (void)state;
    accepted_device(&(cert_cfg){.cn = "dev", .issuer = &ca, .kind = ESTOC_KEY_P384});
    accepted_device(&(cert_cfg){.cn = "dev", .issuer = &ca, .kind = ESTOC_KEY_ED25519});
}

static void intermediate(void **state)
{
    (void)state;
    credential middle = cred_new(&(cert_cfg){.cn = "Middle", .issuer = &ca, .ca = true});
    credential dev = cred_new(&(cert_cfg){.cn = "dev", .issuer = &middle});
    pair *p = pair_new();
    p->client_id = &dev;
    p->client_chain = &middle;
    pair_open(p);
    pair_free(p);
    p = pair_new(); /* trusted itself, without its root */
    p->client_id = &dev;
    p->server_anchor = &middle;
    pair_open(p);
    pair_free(p);
    p = pair_new();
    p->client_id = &dev;
    refused(p, "unable to get local issuer certificate (CN=dev)");
    cred_free(&dev);
    cred_free(&middle);
    middle = cred_new(&(cert_cfg){.cn = "Middle", .issuer = &ca, .ca = true, .curve = "P-521"});
    dev = cred_new(&(cert_cfg){.cn = "dev", .issuer = &middle});
    p = pair_new();
    p->client_id = &dev;
    p->client_chain = &middle;
    refused(p, "certificate malformed, or its key is of a kind not supported (CN=Middle)");
    cred_free(&dev);
    cred_free(&middle);
}

static void long_chain(void **state)
{
    (void)state;
    enum { MANY = 10 };
    credential c[MANY];
    char cn[16];
    for (size_t i = 0; i < MANY; i++) {
        snprintf(cn, sizeof cn, "CA %zu", i);
        c[i] = cred_new(&(cert_cfg){.cn = i + 1 < MANY ? cn : "dev",
                                    .issuer = i > 0 ? &c[i - 1] : &ca,
                                    .ca = i + 1 < MANY});
    }
    for (size_t top = 0; top < 2; top++) { /* nine between, and eight */
        pair *p = pair_new();
        p->client_id = &c[MANY - 1];
        p->server_anchor = top == 0 ? &ca : &c[0];
        pair_prepare(p);
        for (size_t i = 0; i + 1 < MANY; i++) {
            const uint8_t *der = c[i].cert.ptr;
            X509 *x = d2i_X509(NULL, &der, (long)c[i].cert.len);
            assert_int_equal(SSL_CTX_add0_chain_cert(client_ssl(p), x), 1);
        }
        if (top == 0) {
            refused(p, "certificate chain too long (CN=CA 0)");
        } else {
            pair_open(p);
            pair_free(p);
        }
    }
    for (size_t i = 0; i < MANY; i++) {
        cred_free(&c[i]);
    }
}

/* HC 311: the order of what follows the first certificate does not matter. */
static void odd_chains(void **state)
{
    (void)state;
    credential middle = cred_new(&(cert_cfg){.cn = "Middle", .issuer = &ca, .ca = true});
    credential dev = cred_new(&(cert_cfg){.cn = "dev", .issuer = &middle});
    const credential *orders[][4] = {
        {&ca, &middle}, {&middle, &middle}, {&other_ca, &middle, &dev}};
    for (size_t i = 0; i < 3; i++) {
        pair *p = pair_new();
        p->client_id = &dev;
        pair_prepare(p);
        for (size_t k = 0; k < 4 && orders[i][k] != NULL; k++) {
            const uint8_t *der = orders[i][k]->cert.ptr;
            X509 *x = d2i_X509(NULL, &der, (long)orders[i][k]->cert.len);
            assert_int_equal(SSL_CTX_add0_chain_cert(client_ssl(p), x), 1);
        }
        pair_open(p);
        pair_free(p);
    }
    cred_free(&dev);
    cred_free(&middle);
}

/* Outside of a handshake there may be anything in place of a chain. */
static void no_chain(void **state)
{
    (void)state;
    pair *p = pair_new();
    pair_prepare(p);
    const credential *const two[] = {&device, &ca};
    estoc_blobs chain = blobs_of(two, 2);
    estoc_dtls_peer peer;
    for (size_t cut = 0; cut < 2; cut++) { /* of either */
        chain.at[cut].len--;
        assert_int_equal(estoc_dtls_server_judge(p->server, &chain, &peer), ESTOC_E_MALFORMED);
        assert_false(peer.recognised);
        estoc_dtls_peer_free(&peer);
        chain.at[cut].len++;
    }
    const estoc_blobs none = {NULL, 0};
    assert_int_equal(estoc_dtls_server_judge(p->server, &none, &peer), ESTOC_E_MALFORMED);
    while (chain.n <= ESTOC_JUDGE_MAX) {
        assert_int_equal(estoc_dtls_server_judge(p->server, &chain, &peer), 0);
        assert_true(peer.recognised);
        estoc_dtls_peer_free(&peer);
        assert_int_equal(estoc_blobs_add(&chain, estoc_blob_slice(ca.cert)), 0);
    }
    assert_int_equal(estoc_dtls_server_judge(p->server, &chain, &peer), ESTOC_E_MALFORMED);
    estoc_blobs_free(&chain);
    pair_free(p);
}

/* ---- servers, by the client ---- */

static void refused_server(pair *p, const char *why)
{
    pair_connect(p);
    pair_run(p, ESTOC_NEVER);
    assert_int_equal(estoc_dtls_state_of(p->c), ESTOC_DTLS_FAILED);
    assert_string_equal(estoc_dtls_why(p->c), why);
    assert_int_equal(estoc_dtls_peer_cert(p->c).len, 0);
    assert_int_equal(estoc_dtls_state_of(p->s), ESTOC_DTLS_FAILED); /* by the alert */
    alert_of(p, UP);
    pair_free(p);
}

static void refused_server_cert(const cert_cfg *cfg, const char *why)
{
    credential c = cred_new(cfg);
    pair *p = pair_new();
    p->server_id = &c;
    refused_server(p, why);
    cred_free(&c);
}

static void server_not_trusted(void **state)
{
    (void)state;
    pair *p = pair_new();
    p->client_anchor = &other_ca;
    refused_server(p, "unable to get local issuer certificate (CN=server)");
    const char *san = "DNS:server.example";
    refused_server_cert(
        &(cert_cfg){.cn = "s", .issuer = &ca, .san = san, .eku = "serverAuth", .until_s = -1},
        "certificate has expired (CN=s)");
    refused_server_cert(&(cert_cfg){.cn = "s", .issuer = &ca, .san = san, .eku = "clientAuth"},
                        "unsuitable certificate purpose (CN=s)");
    refused_server_cert(
        &(cert_cfg){.cn = "s", .issuer = &ca, .san = "DNS:other", .eku = "serverAuth"},
        "certificate is for another host (CN=s)");
    refused_server_cert(&(cert_cfg){.cn = "server.example", .issuer = &ca, .eku = "serverAuth"},
                        "certificate is for another host (CN=server.example)");
}

static void hosts(void **state)
{
    (void)state;
    static const char *const good[] = {"server.example", "SERVER.example", "127.0.0.1", NULL};
    static const char *const bad[] = {"example", "127.0.0.2", "::1", "x.server.example", ""};
    for (size_t i = 0; i < 4; i++) {
        pair *p = pair_new();
        p->host = good[i];
        pair_open(p);
        bool name = good[i] != NULL && good[i][0] != '1';
        assert_true((SSL_get_servername(p->s->ssl, TLSEXT_NAMETYPE_host_name) != NULL) == name);
        pair_free(p);
    }
    for (size_t i = 0; i < 4; i++) {
        pair *p = pair_new();
        p->host = bad[i];
        refused_server(p, "certificate is for another host (CN=server)");
    }
}

/* RFC 7030 section 3.6.1: id-kp-cmcRA stands in for the name, if the caller says so. */
static void registrar(void **state)
{
    (void)state;
    credential ra =
        cred_new(&(cert_cfg){.cn = "ra", .issuer = &ca, .eku = "serverAuth,1.3.6.1.5.5.7.3.28"});
    pair *p = pair_new();
    p->server_id = &ra;
    p->accept_ra = true;
    pair_open(p);
    pair_free(p);
    p = pair_new();
    p->server_id = &ra;
    refused_server(p, "certificate is for another host (CN=ra)");
    p = pair_new();
    p->accept_ra = true; /* the server is none */
    p->host = "other.example";
    refused_server(p, "certificate is for another host (CN=server)");
    cred_free(&ra);
}

static void recheck(void **state)
{
    (void)state;
    estoc_why why = {""};
    estoc_blobs good = blobs_of((const credential *[]){&ca}, 1);
    estoc_blobs bad = blobs_of((const credential *[]){&other_ca}, 1);
    pair *p = pair_new();
    pair_connect(p);
    assert_int_equal(estoc_dtls_recheck(p->c, &good, &why), ESTOC_E_STATE);
    assert_true(why.text[0] != '\0');
    pair_run(p, ESTOC_NEVER);
    assert_int_equal(estoc_dtls_recheck(p->c, &good, &why), 0);
    why.text[0] = '\0';
    assert_int_equal(estoc_dtls_recheck(p->c, &bad, &why), ESTOC_E_UNTRUSTED);
    assert_true(why.text[0] != '\0');
    assert_int_equal(estoc_dtls_recheck(p->s, &good, &why), ESTOC_E_STATE);
    expect_alive(p); /* what follows is the caller's to decide */
    pair_free(p);
    estoc_blobs_free(&good);
    estoc_blobs_free(&bad);
}

/* HC 297: the server's signature over its key exchange, one bit wrong. */
static bool spoil_key_exchange(pair *p, int way, size_t n, estoc_slice dg)
{
    if (way == DOWN && n == 2) {
        datagram d = {.way = way, .len = dg.len};
        memcpy(d.bytes, dg.ptr, dg.len);
        for (size_t at = 0; at + 13 < d.len;) {
            size_t len = 13 + ((size_t)d.bytes[at + 11] << 8 | d.bytes[at + 12]);
            if (d.bytes[at + 13] == 12) { /* ServerKeyExchange */
                d.bytes[at + len - 2] ^= 1;
            }
            at += len;
        }
        p->queue[p->queued++] = d;
        return false;
    }
    return true;
}

static void bad_key_exchange(void **state)
{
    (void)state;
    pair *p = pair_new();
    p->passes = spoil_key_exchange;
    refused_server(p, "bad signature");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_certificate),
        cmocka_unit_test(unknown_ca),
        cmocka_unit_test(self_signed),
        cmocka_unit_test(forged_issuer),
        cmocka_unit_test(leaf_as_issuer),
        cmocka_unit_test(out_of_time),
        cmocka_unit_test(purpose),
        cmocka_unit_test(explicit_curve),
        cmocka_unit_test(explicit_curve_of_issuer),
        {"D6 52 expired, below anchors that allow it", expired, NULL, NULL, NULL},
        {"D6 an intermediate that has expired", expired_between, NULL, NULL, NULL},
        {"D6 denied certificates", denied, NULL, NULL, NULL},
        {"D8 D4 a revoked certificate is refused, also where strangers are let in", revoked, NULL,
         NULL, NULL},
        {"D8 D6 revoked and expired is revoked", revoked_and_expired, NULL, NULL, NULL},
        cmocka_unit_test(strangers),
        cmocka_unit_test(no_strangers),
        {"D6 E4 an end that is looked over, and nothing else", leeway, NULL, NULL, NULL},
        cmocka_unit_test(weak_signature),
        cmocka_unit_test(key_kinds),
        cmocka_unit_test(intermediate),
        cmocka_unit_test(long_chain),
        cmocka_unit_test(odd_chains),
        cmocka_unit_test(no_chain),
        cmocka_unit_test(server_not_trusted),
        cmocka_unit_test(hosts),
        cmocka_unit_test(registrar),
        cmocka_unit_test(recheck),
        cmocka_unit_test(bad_key_exchange),
    };
    pair_judges = true;
    return cmocka_run_group_tests_name("dtls verify", tests, pki_set_up, pki_tear_down);
}

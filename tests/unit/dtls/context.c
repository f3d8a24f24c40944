/* SPDX-License-Identifier: MIT
 *
 * What a server and a client are made from, and what they negotiate.
 */
#include "pair.h"

static void discard(void *ctx, estoc_slice dg)
{
    (void)dg;
    *(size_t *)ctx += 1;
}

/* ---- what a server and a client are made from ---- */

static void expect_no_server(const estoc_dtls_server_cfg *cfg, estoc_err err, const char *text)
{
    estoc_why why = {"left over"};
    estoc_dtls_server *s = (estoc_dtls_server *)&why;
    assert_int_equal(estoc_dtls_server_new(cfg, &s, &why), err);
    assert_null(s);
    assert_string_equal(why.text, text);
}

static void servers_that_cannot_be(void **state)
{
    (void)state;
    estoc_key *rsa, *ed25519;
    estoc_blobs none = {NULL, 0}, junk = {NULL, 0};
    assert_int_equal(estoc_key_generate(ESTOC_KEY_RSA, &rsa), 0);
    assert_int_equal(estoc_key_generate(ESTOC_KEY_ED25519, &ed25519), 0);
    assert_int_equal(estoc_blobs_add(&junk, estoc_slice_str("no certificate")), 0);
    estoc_blobs chain = blobs_of((const credential *[]){&server_cred}, 1);
    estoc_blobs spoilt = blobs_of((const credential *[]){&server_cred}, 1);
    estoc_blobs trailing = {NULL, 0};
    assert_int_equal(estoc_blobs_add(&spoilt, estoc_slice_str("no certificate")), 0);
    uint8_t *more = malloc(ca.cert.len + 1);
    assert_non_null(more);
    memcpy(more, ca.cert.ptr, ca.cert.len);
    more[ca.cert.len] = 0;
    assert_int_equal(estoc_blobs_add(&trailing, estoc_slice_of(more, ca.cert.len + 1)), 0);
    free(more);
    estoc_blobs anchors = blobs_of((const credential *[]){&ca}, 1);
    const estoc_dtls_server_cfg good = {.chain = &chain,
                                        .key = server_cred.key,
                                        .anchors = &anchors,
                                        .payload_max = 1232,
                                        .timeout_ms = 1000};
    estoc_dtls_server_cfg c = good;
    c.payload_max = 207;
    expect_no_server(&c, ESTOC_E_USAGE, "datagrams of 207 bytes are too small; 208 is the least");
    c = good;
    c.timeout_ms = 0;
    expect_no_server(&c, ESTOC_E_USAGE, "the time until a flight is repeated must not be 0");
    c = good;
    c.chain = &none;
    expect_no_server(&c, ESTOC_E_USAGE, "the server has no certificate");
    c.chain = &junk;
    expect_no_server(&c, ESTOC_E_MALFORMED, "certificate 1 of the chain cannot be read");
    c.chain = &spoilt;
    expect_no_server(&c, ESTOC_E_MALFORMED, "certificate 2 of the chain cannot be read");
    c = good;
    c.anchors = &junk;
    expect_no_server(&c, ESTOC_E_MALFORMED, "trust anchor 1 is not a certificate");
    c.anchors = &trailing;
    expect_no_server(&c, ESTOC_E_MALFORMED, "trust anchor 1 is not a certificate");
    c = good;
    c.key = device.key;
    expect_no_server(&c, ESTOC_E_KEY, "the key does not belong to the certificate");
    c.key = NULL;
    expect_no_server(&c, ESTOC_E_KEY, "DTLS needs a key on P-256 or P-384");
    c.key = rsa;
    expect_no_server(&c, ESTOC_E_KEY, "DTLS needs a key on P-256 or P-384");
    c.key = ed25519;
    expect_no_server(&c, ESTOC_E_KEY, "DTLS needs a key on P-256 or P-384");
    estoc_key_free(rsa);
    estoc_key_free(ed25519);
    estoc_blobs_free(&chain);
    estoc_blobs_free(&spoilt);
    estoc_blobs_free(&trailing);
    estoc_blobs_free(&anchors);
    estoc_blobs_free(&junk);
}

static void clients_that_cannot_be(void **state)
{
    (void)state;
    estoc_why why;
    estoc_dtls_client *client;
    estoc_blobs chain = blobs_of((const credential *[]){&device}, 1);
    estoc_blobs anchors = blobs_of((const credential *[]){&ca}, 1);
    estoc_dtls_client_cfg c = {.chain = &chain,
                               .key = server_cred.key,
                               .anchors = &anchors,
                               .host = "h",
                               .payload_max = 1232,
                               .timeout_ms = 1000};
    assert_int_equal(estoc_dtls_client_new(&c, &client, &why), ESTOC_E_KEY);
    assert_null(client);
    assert_string_equal(why.text, "the key does not belong to the certificate");
    c.key = NULL;
    assert_int_equal(estoc_dtls_client_new(&c, &client, &why), ESTOC_E_KEY);
    assert_string_equal(why.text, "DTLS needs a key on P-256 or P-384, or Ed25519");
    c.key = device.key;
    c.payload_max = 0;
    assert_int_equal(estoc_dtls_client_new(&c, &client, &why), ESTOC_E_USAGE);
    /* a host that cannot be named to the server */
    static char long_name[300];
    memset(long_name, 'x', sizeof long_name - 1);
    c.payload_max = 1232;
    c.host = long_name;
    assert_int_equal(estoc_dtls_client_new(&c, &client, &why), 0);
    estoc_dtls *d;
    size_t sent = 0;
    assert_int_equal(estoc_dtls_connect(client, 0, (estoc_dtls_out){&sent, discard}, &d),
                     ESTOC_E_USAGE);
    assert_null(d);
    assert_int_equal(sent, 0);
    estoc_dtls_client_free(client);
    estoc_blobs_free(&chain);
    estoc_blobs_free(&anchors);
}

static void server_chains(void **state)
{
    (void)state;
    credential middle = cred_new(&(cert_cfg){.cn = "Middle", .issuer = &ca, .ca = true});
    credential leaf = cred_new(&(cert_cfg){.cn = "server",
                                           .issuer = &middle,
                                           .kind = ESTOC_KEY_P384,
                                           .eku = "serverAuth",
                                           .san = "DNS:server.example"});
    pair *p = pair_new();
    p->server_id = &leaf;
    p->server_chain = &middle;
    pair_open(p);
    assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(p->c->ssl)), 2); /* and not the root */
    pair_free(p);
    cred_free(&leaf);
    cred_free(&middle);
}

/* ---- what is negotiated ---- */

static void suites(void **state)
{
    (void)state;
    static const char *const good[] = {"ECDHE-ECDSA-AES128-CCM8", "ECDHE-ECDSA-AES128-CCM",
                                       "ECDHE-ECDSA-AES128-GCM-SHA256",
                                       "ECDHE-ECDSA-CHACHA20-POLY1305"};
    static const size_t expansion[] = {16, 24, 24, 16};
    char list[64];
    for (size_t i = 0; i < 4; i++) {
        pair *p = pair_new();
        pair_prepare(p);
        snprintf(list, sizeof list, "%s:@SECLEVEL=0", good[i]);
        assert_int_equal(SSL_CTX_set_cipher_list(client_ssl(p), list), 1);
        pair_open(p);
        assert_string_equal(estoc_dtls_cipher(p->s), good[i]);
        assert_int_equal(estoc_dtls_message_max(p->s), p->payload_max - 13 - expansion[i]);
        expect_alive(p);
        /* too short for a nonce and a tag: OpenSSL alone would end the association */
        for (uint8_t n = 0; n < expansion[i]; n++) {
            uint8_t r[13 + 24] = {23, 254, 253, 0, 1, 0, 0, 0, 0, 1, n, 0, n};
            assert_int_equal(estoc_dtls_input(p->s, p->now, estoc_slice_of(r, 13u + n)),
                             ESTOC_DTLS_OPEN);
        }
        expect_alive(p);
        pair_free(p);
    }
}

static void weak_suites(void **state)
{
    (void)state;
    static const char *const weak[] = {"ECDHE-ECDSA-NULL-SHA",
                                       "AECDH-AES128-SHA",
                                       "NULL-SHA256",
                                       "ADH-AES128-GCM-SHA256",
                                       "AES128-SHA",
                                       "AES128-GCM-SHA256",
                                       "AES128-CCM8",
                                       "ECDHE-ECDSA-AES128-SHA",
                                       "ECDHE-ECDSA-AES128-SHA256",
                                       "ECDHE-ECDSA-AES256-CCM8",
                                       "ECDHE-ECDSA-AES256-SHA384",
                                       "ECDHE-RSA-AES128-GCM-SHA256",
                                       "DHE-RSA-AES128-GCM-SHA256",
                                       "ECDHE-ECDSA-AES256-GCM-SHA384"};
    char list[64];
    for (size_t i = 0; i < sizeof weak / sizeof weak[0]; i++) {
        pair *p = pair_new();
        pair_prepare(p);
        snprintf(list, sizeof list, "%s:@SECLEVEL=0", weak[i]);
        assert_int_equal(SSL_CTX_set_cipher_list(client_ssl(p), list), 1);
        assert_int_equal(SSL_CTX_set1_sigalgs_list(client_ssl(p), "ECDSA+SHA256:RSA+SHA256"), 1);
        assert_int_equal(refused(p, "no shared cipher"), SSL_AD_HANDSHAKE_FAILURE);
    }
}

static void groups(void **state)
{
    (void)state;
    /* the first is for the key exchange; the certificate's must be there (RFC 8422 section 5.1) */
    static const struct {
        const char *list;
        int chosen;
    } good[] = {{"P-256", NID_X9_62_prime256v1},
                {"X25519:P-256", NID_X25519},
                {"P-384:P-256", NID_secp384r1},
                {"P-521:X448:brainpoolP256r1:P-256", NID_X9_62_prime256v1}};
    static const char *const bad[] = {"P-521", "brainpoolP256r1", "X448", "P-384"};
    for (size_t i = 0; i < 4; i++) {
        pair *p = pair_new();
        pair_prepare(p);
        assert_int_equal(SSL_CTX_set1_groups_list(client_ssl(p), good[i].list), 1);
        pair_open(p);
        assert_int_equal(SSL_get_negotiated_group(p->s->ssl), good[i].chosen);
        pair_free(p);
    }
    for (size_t i = 0; i < 4; i++) {
        pair *p = pair_new();
        pair_prepare(p);
        assert_int_equal(SSL_CTX_set1_groups_list(client_ssl(p), bad[i]), 1);
        assert_int_equal(refused(p, "no shared cipher"), SSL_AD_HANDSHAKE_FAILURE);
    }
}

static void signatures(void **state)
{
    (void)state;
    static const char *const bad[] = {"ECDSA+SHA1", "ECDSA+SHA224", "ECDSA+SHA512"};
    for (size_t i = 0; i < 3; i++) {
        pair *p = pair_new();
        pair_prepare(p);
        assert_int_equal(SSL_CTX_set1_sigalgs_list(client_ssl(p), bad[i]), 1);
        assert_int_equal(refused(p, "no shared signature algorithms"), SSL_AD_HANDSHAKE_FAILURE);
    }
}

static void old_version(void **state)
{
    (void)state;
    pair *p = pair_new();
    pair_prepare(p);
    SSL_CTX_set_min_proto_version(client_ssl(p), DTLS1_VERSION);
    SSL_CTX_set_max_proto_version(client_ssl(p), DTLS1_VERSION);
    SSL_CTX_set_cipher_list(client_ssl(p), "ALL:@SECLEVEL=0");
    assert_int_equal(refused(p, "unsupported protocol"), SSL_AD_PROTOCOL_VERSION);
}

/* D8: without it a server refuses at once, and a client does before it says anything. */
static void no_extended_master_secret(void **state)
{
    (void)state;
    pair *p = pair_new();
    pair_prepare(p);
    SSL_CTX_set_options(client_ssl(p), SSL_OP_NO_EXTENDED_MASTER_SECRET);
    assert_int_equal(refused(p, "no extended master secret offered"), SSL_AD_HANDSHAKE_FAILURE);

    p = pair_new();
    pair_prepare(p);
    SSL_CTX_set_options(server_ssl(p), SSL_OP_NO_EXTENDED_MASTER_SECRET);
    pair_listen(p);
    pair_connect(p);
    pair_run(p, ESTOC_NEVER);
    assert_int_equal(estoc_dtls_state_of(p->c), ESTOC_DTLS_FAILED);
    assert_string_equal(estoc_dtls_why(p->c), "no extended master secret");
    assert_int_equal(estoc_dtls_write(p->c, estoc_slice_str("x")), ESTOC_E_STATE);
    assert_true(estoc_dtls_state_of(p->s) != ESTOC_DTLS_OPEN); /* it was told */
    pair_free(p);
}

/* The bytes of a handshake are those of two short chains, and no names of CAs. */
static void flights(void **state)
{
    (void)state;
    pair *p = pair_new();
    pair_open(p);
    assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(p->c->ssl)), 1); /* no root */
    assert_null(SSL_get0_peer_CA_list(p->c->ssl) == NULL ||
                        sk_X509_NAME_num(SSL_get0_peer_CA_list(p->c->ssl)) == 0
                    ? NULL
                    : "names");
    size_t bytes = 0;
    for (size_t i = 0; i < p->logged; i++) {
        bytes += p->log[i].len;
    }
    assert_in_range(bytes, 1000, 2200);
    assert_int_equal(SSL_SESSION_has_ticket(SSL_get0_session(p->c->ssl)), 0);
    pair_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(servers_that_cannot_be),
        cmocka_unit_test(clients_that_cannot_be),
        cmocka_unit_test(server_chains),
        cmocka_unit_test(suites),
        cmocka_unit_test(weak_suites),
        cmocka_unit_test(groups),
        cmocka_unit_test(signatures),
        cmocka_unit_test(old_version),
        cmocka_unit_test(no_extended_master_secret),
        cmocka_unit_test(flights),
    };
    return cmocka_run_group_tests_name("dtls context", tests, pki_set_up, pki_tear_down);
}

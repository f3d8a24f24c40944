/* SPDX-License-Identifier: MIT
 *
 * Clients whose CA has put them on its list. (D6)
 */
#include "pair.h"

#include <openssl/x509v3.h>

#include "../crypto/lists.h"

static X509 *parse(const credential *c)
{
    const uint8_t *p = c->cert.ptr;
    return d2i_X509(NULL, &p, (long)c->cert.len);
}

static estoc_blobs list_by(const credential *issuer, const credential *listed,
                           struct list_plan plan)
{
    estoc_blobs lists = {NULL, 0};
    plan.issuer = parse(issuer);
    plan.key = estoc_key_native(issuer->key);
    plan.listed[0] = listed != NULL ? parse(listed) : NULL;
    estoc_blob der = list_new(&plan);
    assert_int_equal(estoc_blobs_add(&lists, estoc_blob_slice(der)), 0);
    estoc_blob_free(&der);
    X509_free(plan.listed[0]);
    X509_free(plan.issuer);
    return lists;
}

#define REVOKED(p, why) assert_int_equal(refused(p, why), SSL_AD_CERTIFICATE_REVOKED)

static void passes_through(pair *p)
{
    pair_open(p);
    assert_true(estoc_dtls_recognised(p->s));
    expect_alive(p);
    pair_free(p);
}

static void listed(void **state)
{
    (void)state;
    estoc_blobs lists = list_by(&ca, &device, (struct list_plan){.listed = {NULL}});
    pair *p = pair_new();
    p->crls = &lists;
    REVOKED(p, "certificate is revoked (CN=dev)");
    p = pair_new(); /* no stranger either */
    p->crls = &lists;
    p->let_strangers_in = true;
    REVOKED(p, "certificate is revoked (CN=dev)");
    credential other = cred_new(&(cert_cfg){.cn = "other", .issuer = &ca});
    p = pair_new();
    p->crls = &lists;
    p->client_id = &other;
    passes_through(p);
    cred_free(&other);
    estoc_blobs_free(&lists);
}

/* A serial number is one of an issuer. */
static void of_another_issuer(void **state)
{
    (void)state;
    estoc_blobs lists = list_by(&other_ca, &device, (struct list_plan){.listed = {NULL}});
    pair *p = pair_new();
    p->crls = &lists;
    p->expired_anchor = &other_ca;
    passes_through(p);
    estoc_blobs_free(&lists);
}

static void expired_and_listed(void **state)
{
    (void)state;
    credential old =
        cred_new(&(cert_cfg){.cn = "old", .issuer = &other_ca, .from_s = -7200, .until_s = -60});
    estoc_blobs lists = list_by(&other_ca, &old, (struct list_plan){.listed = {NULL}});
    pair *p = pair_new();
    p->client_id = &old;
    p->expired_anchor = &other_ca;
    passes_through(p);
    p = pair_new();
    p->client_id = &old;
    p->expired_anchor = &other_ca;
    p->crls = &lists;
    REVOKED(p, "certificate is revoked (CN=old)");
    estoc_blobs_free(&lists);
    cred_free(&old);
}

static void between(void **state)
{
    (void)state;
    credential middle = cred_new(&(cert_cfg){.cn = "Middle", .issuer = &ca, .ca = true});
    credential below = cred_new(&(cert_cfg){.cn = "below", .issuer = &middle});
    estoc_blobs lists = list_by(&ca, &middle, (struct list_plan){.listed = {NULL}});
    pair *p = pair_new();
    p->client_id = &below;
    p->client_chain = &middle;
    p->crls = &lists;
    REVOKED(p, "certificate is revoked (CN=Middle)");
    estoc_blobs_free(&lists);
    cred_free(&below);
    cred_free(&middle);
}

/* Old, empty, without an end, in part only: each still says who is revoked. */
static void odd_lists(void **state)
{
    (void)state;
    static const struct list_plan rows[] = {
        {.from_s = -7200, .next_s = -3600},
        {.from_s = 3600, .next_s = 7200},
        {.endless = true},
        {.old = true},
        {.ext = NID_issuing_distribution_point, .value = "critical,onlyuser:TRUE"},
        {.ext = NID_issuing_distribution_point, .value = "critical,onlysomereasons:keyCompromise"},
        {.ext = NID_issuer_alt_name, .value = "DNS:ca.example"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        estoc_blobs lists = list_by(&ca, &device, rows[i]);
        pair *p = pair_new();
        p->crls = &lists;
        REVOKED(p, "certificate is revoked (CN=dev)");
        estoc_blobs_free(&lists);
    }
    estoc_blobs lists = list_by(&ca, NULL, (struct list_plan){.listed = {NULL}});
    pair *p = pair_new();
    p->crls = &lists;
    passes_through(p);
    estoc_blobs_free(&lists);
}

static void no_server(estoc_blobs *lists, estoc_err want, const char *text)
{
    estoc_why why = {""};
    estoc_dtls_server *s = (estoc_dtls_server *)&why;
    const credential *anchor = &ca, *own = &server_cred;
    estoc_blobs anchors = blobs_of(&anchor, 1), chain = blobs_of(&own, 1);
    estoc_dtls_server_cfg cfg = {.chain = &chain,
                                 .key = server_cred.key,
                                 .anchors = &anchors,
                                 .crls = lists,
                                 .payload_max = 1232,
                                 .timeout_ms = 1000};
    assert_int_equal(estoc_dtls_server_new(&cfg, &s, &why), want);
    assert_null(s);
    assert_string_equal(why.text, text);
    estoc_blobs_free(&anchors);
    estoc_blobs_free(&chain);
    estoc_blobs_free(lists);
}

static void not_taken(void **state)
{
    (void)state;
    static const char by_nobody[] = "revocation list 1 is signed by none of the client anchors";
    static const char odd[] = "revocation list 1 is a delta, indirect, or has a critical extension";
    estoc_blobs lists = list_by(&other_ca, &device, (struct list_plan){.listed = {NULL}});
    no_server(&lists, ESTOC_E_UNTRUSTED, by_nobody);
    credential fake = cred_new(&(cert_cfg){.cn = "CA", .ca = true});
    lists = list_by(&fake, &device, (struct list_plan){.listed = {NULL}});
    no_server(&lists, ESTOC_E_UNTRUSTED, by_nobody);
    cred_free(&fake);
    lists = list_by(&ca, &device, (struct list_plan){.ext = NID_delta_crl});
    no_server(&lists, ESTOC_E_UNSUPPORTED, odd);
    lists = list_by(&ca, &device,
                    (struct list_plan){.ext = NID_issuing_distribution_point,
                                       .value = "critical,indirectCRL:TRUE"});
    no_server(&lists, ESTOC_E_UNSUPPORTED, odd);
    lists = list_by(
        &ca, &device,
        (struct list_plan){.ext = NID_issuing_distribution_point, .value = "critical,onlyAA:TRUE"});
    no_server(&lists, ESTOC_E_UNSUPPORTED, odd);
    lists =
        list_by(&ca, &device,
                (struct list_plan){.ext = NID_issuer_alt_name, .value = "critical,DNS:ca.example"});
    no_server(&lists, ESTOC_E_UNSUPPORTED, odd);
    lists = (estoc_blobs){NULL, 0};
    assert_int_equal(estoc_blobs_add(&lists, estoc_slice_str("junk")), 0);
    no_server(&lists, ESTOC_E_MALFORMED, "revocation list 1 cannot be read");
}

/* D8: who was verified by another server. */
static void denied_here(void **state)
{
    (void)state;
    estoc_blobs lists = list_by(&ca, &device, (struct list_plan){.listed = {NULL}});
    estoc_slice dev = estoc_blob_slice(device.cert), srv = estoc_blob_slice(server_cred.cert);
    pair *p = pair_new();
    pair_prepare(p);
    assert_false(estoc_dtls_server_denies(p->server, dev));
    assert_false(estoc_dtls_server_denies(p->server, estoc_slice_str("junk")));
    pair_free(p);
    p = pair_new();
    p->crls = &lists;
    pair_prepare(p);
    assert_true(estoc_dtls_server_denies(p->server, dev));
    assert_false(estoc_dtls_server_denies(p->server, srv));
    assert_true(estoc_dtls_server_denies(p->server, estoc_slice_str("junk")));
    pair_free(p);
    p = pair_new();
    p->denied = &server_cred;
    pair_prepare(p);
    assert_true(estoc_dtls_server_denies(p->server, srv));
    assert_false(estoc_dtls_server_denies(p->server, dev));
    pair_free(p);
    estoc_blobs_free(&lists);
}

/* D8: what was granted before the list was there is not granted after it. */
static void another_trust(void **state)
{
    (void)state;
    uint8_t without[ESTOC_TRUST_LEN], with[ESTOC_TRUST_LEN], again[ESTOC_TRUST_LEN];
    const credential *anchor = &ca;
    estoc_blobs anchors = blobs_of(&anchor, 1);
    estoc_blobs lists = list_by(&ca, &device, (struct list_plan){.listed = {NULL}});
    estoc_dtls_credentials id = {.anchors = &anchors};
    assert_int_equal(estoc_dtls_trust(&id, without), 0);
    id.crls = &lists;
    assert_int_equal(estoc_dtls_trust(&id, with), 0);
    assert_int_equal(estoc_dtls_trust(&id, again), 0);
    assert_memory_not_equal(with, without, sizeof with);
    assert_memory_equal(with, again, sizeof with);
    estoc_blobs_free(&lists);
    estoc_blobs_free(&anchors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"D6 52 who is on the list of its issuer", listed, NULL, NULL, NULL},
        {"D6 the same serial number on another's list", of_another_issuer, NULL, NULL, NULL},
        {"D6 52 expired, allowed, and on the list", expired_and_listed, NULL, NULL, NULL},
        {"D6 an intermediate on the list", between, NULL, NULL, NULL},
        {"D6 lists out of date, of one kind, without entries", odd_lists, NULL, NULL, NULL},
        {"D6 lists that are not taken", not_taken, NULL, NULL, NULL},
        {"D6 D8 who was verified before there was a list", denied_here, NULL, NULL, NULL},
        {"D6 D8 a list is part of the trust", another_trust, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests_name("dtls crls", tests, pki_set_up, pki_tear_down);
}

/* SPDX-License-Identifier: MIT
 *
 * Answers of /skg as a client must not take them. What it takes is tested over the wire
 * (tests/conformance/keygen_client.c).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <estoc/multipart.h>

#include "keygen.h"
#include "mint.h"

struct party {
    estoc_key *key;
    estoc_blobs chain;
};

static struct party ca, other_ca, server, device, stranger;
static estoc_anchors anchors;
static estoc_shared_keys one_key;
static estoc_shared_key shared = {{'k'}, 1, {1, 2, 3}, 16};
static estoc_blob pkcs8;
static estoc_made made;
static estoc_why why;

static void party(struct party *p, const char *name, const struct party *issuer, bool is_server)
{
    uint8_t subject[128];
    estoc_blob der;
    size_t len;
    assert_int_equal(estoc_key_generate(ESTOC_KEY_P256, &p->key), 0);
    assert_int_equal(estoc_mint_name(name, (estoc_buf){subject, sizeof subject}, &len), 0);
    const estoc_mint m = {.subject = estoc_slice_of(subject, len),
                          .key = p->key,
                          .issuer_key = issuer != NULL ? issuer->key : NULL,
                          .issuer = issuer != NULL ? estoc_blob_slice(issuer->chain.at[0])
                                                   : estoc_slice_of(NULL, 0),
                          .life_s = 3600,
                          .ca = issuer == NULL,
                          .server = is_server};
    assert_int_equal(estoc_mint_cert(&m, &der), 0);
    assert_int_equal(estoc_blobs_add(&p->chain, estoc_blob_slice(der)), 0);
    estoc_blob_free(&der);
}

static estoc_slice cert(const struct party *p)
{
    return estoc_blob_slice(p->chain.at[0]);
}

static int set_up(void **state)
{
    (void)state;
    uint8_t der[ESTOC_PKCS8_MAX];
    size_t len;
    party(&ca, "CA", NULL, false);
    party(&other_ca, "other CA", NULL, false);
    party(&server, "server", &ca, true);
    party(&device, "device", &ca, false);
    party(&stranger, "stranger", &other_ca, true);
    assert_int_equal(estoc_blobs_add(&anchors.roots, cert(&ca)), 0);
    assert_int_equal(estoc_key_pkcs8(device.key, (estoc_buf){der, sizeof der}, &len), 0);
    assert_int_equal(estoc_blob_copy(estoc_slice_of(der, len), &pkcs8), 0);
    one_key = (estoc_shared_keys){&shared, 1};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    struct party *const all[] = {&ca, &other_ca, &server, &device, &stranger};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        estoc_key_free(all[i]->key);
        estoc_blobs_free(&all[i]->chain);
    }
    estoc_anchors_free(&anchors);
    estoc_blob_free(&pkcs8);
    return 0;
}

static estoc_err take(bool covered, const estoc_part *parts, size_t n)
{
    uint8_t answer[8192];
    size_t len;
    estoc_keygen k = {.shared = {NULL, 0}};
    if (covered) {
        k.wish.cover = ESTOC_COVER_SYMMETRIC;
        k.shared = one_key;
    }
    assert_int_equal(estoc_multipart_build(parts, n, (estoc_buf){answer, sizeof answer}, &len), 0);
    why.text[0] = '\0';
    estoc_err err =
        estoc_keygen_take(&k, &anchors, cert(&server), estoc_slice_of(answer, len), &made, &why);
    if (err) {
        assert_null(made.key);
        assert_int_equal(made.cert.len, 0);
    }
    estoc_key_free(made.key);
    return err;
}

static const estoc_part some_cert = {.format = ESTOC_FORMAT_CERT,
                                     .body = {(const uint8_t *)"c", 1}};

static estoc_part plain(void)
{
    return (estoc_part){.format = ESTOC_FORMAT_PKCS8, .body = estoc_blob_slice(pkcs8)};
}

static void parts(void **state)
{
    (void)state;
    const estoc_part key = plain();
    const estoc_part good[] = {key, some_cert}, turned[] = {some_cert, key};
    const estoc_part none = {.format = ESTOC_FORMAT_CERT, .absent = true};
    const estoc_part bad[][3] = {
        {key, key, some_cert},
        {some_cert, some_cert, key},
        {key, none, key},
        {{.format = ESTOC_FORMAT_PKCS8, .absent = true}, some_cert, key},
        {{.format = ESTOC_FORMAT_CMS_KEY, .body = key.body}, some_cert, key},
        {key, {.format = ESTOC_FORMAT_CSRATTRS, .body = key.body}, key},
    };
    assert_int_equal(take(false, good, 2), 0);
    assert_int_equal(made.format, ESTOC_FORMAT_CERT);
    assert_int_equal(take(false, turned, 2), 0);
    assert_int_equal(take(false, good, 1), ESTOC_E_FORMAT);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(take(false, bad[i], 2), ESTOC_E_FORMAT);
        assert_non_null(strstr(why.text, "not a key and a certificate"));
    }
    assert_int_equal(take(false, bad[0], 3), ESTOC_E_FORMAT);
}

static void no_key(void **state)
{
    (void)state;
    estoc_part cut[] = {plain(), some_cert};
    cut[0].body.len--;
    assert_int_equal(take(false, cut, 2), ESTOC_E_KEY);
}

/* Asked for encrypted, it is not taken otherwise: somebody on the way may have read it. */
static void not_encrypted(void **state)
{
    (void)state;
    const estoc_part answer[] = {plain(), some_cert};
    assert_int_equal(take(true, answer, 2), ESTOC_E_FORMAT);
    assert_non_null(strstr(why.text, "not an encrypted key"));
}

static estoc_err signed_by(const struct party *p)
{
    estoc_blob cms;
    const estoc_cms_from from = {p->key, &p->chain};
    const estoc_cms_to to = {.shared = &shared};
    assert_int_equal(estoc_cms_seal(estoc_blob_slice(pkcs8), &from, &to, &cms), 0);
    const estoc_part answer[] = {{.format = ESTOC_FORMAT_CMS_KEY, .body = estoc_blob_slice(cms)},
                                 some_cert};
    estoc_err err = take(true, answer, 2);
    estoc_blob_free(&cms);
    return err;
}

static void signers(void **state)
{
    (void)state;
    assert_int_equal(signed_by(&server), 0);
    assert_int_equal(signed_by(&ca), 0);
    assert_int_equal(signed_by(&device), ESTOC_E_UNTRUSTED);
    assert_non_null(strstr(why.text, "somebody who makes no keys"));
    assert_int_equal(signed_by(&stranger), ESTOC_E_UNTRUSTED);
    assert_int_equal(signed_by(&other_ca), ESTOC_E_UNTRUSTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"E5 the two parts, in any order, and nothing else", parts, NULL, NULL, NULL},
        {"E5 a key that is none", no_key, NULL, NULL, NULL},
        {"E5 asked for encrypted, and came as it is", not_encrypted, NULL, NULL, NULL},
        {"E5 signed by the server or the CA, and by nobody else", signers, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests_name("cmd/keygen", tests, set_up, tear_down);
}

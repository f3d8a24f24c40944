/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "keymaker.h"

/* -------------------------------------------------------------------------- whom it is encrypted to */

static estoc_err refuse(estoc_ruling *why, const char *text)
{
    *why = (estoc_ruling){"E5", text};
    return ESTOC_E_KEY;
}

/* Bits of the content's key: what the request likes best and can read; where it lists no cipher for
 * content, as many as the wrapping key has.
 * @param wraps  which wrapping keys there could be, as capabilities; each fits one size
 * @return false: nothing in common */
static bool choose_aes(const estoc_key_wish *wish, unsigned wraps, bool *aes256)
{
    unsigned ciphers = wish->caps & (ESTOC_CAP_AES128_CBC | ESTOC_CAP_AES256_CBC);
    bool can_128 = (wraps & ESTOC_CAP_AES128_WRAP) != 0 &&
                   (ciphers == 0 || (ciphers & ESTOC_CAP_AES128_CBC) != 0);
    bool can_256 = (wraps & ESTOC_CAP_AES256_WRAP) != 0 &&
                   (ciphers == 0 || (ciphers & ESTOC_CAP_AES256_CBC) != 0);
    *aes256 = can_256 && (wish->aes256_first || !can_128);
    return can_128 || can_256;
}

#define WRAPS ((unsigned)(ESTOC_CAP_AES128_WRAP | ESTOC_CAP_AES256_WRAP))

static estoc_err find_shared(const estoc_key_search *s, estoc_key_reader *reader, estoc_ruling *why)
{
    const estoc_shared_key *key = estoc_shared_key_find(s->keys, s->wish->id);
    if (key == NULL) {
        return refuse(why, "the decryption key you name is not known here");
    }
    unsigned wrap = key->key_len == 32 ? ESTOC_CAP_AES256_WRAP : ESTOC_CAP_AES128_WRAP;
    /* with a wrapping key of its own, the content's may be of either size */
    unsigned listed = s->wish->caps & (ESTOC_CAP_AES128_CBC | ESTOC_CAP_AES256_CBC);
    if ((s->wish->caps & wrap) == 0 ||
        !choose_aes(s->wish, listed != 0 ? WRAPS : wrap, &reader->to.aes256)) {
        return refuse(why, "no algorithm for this key in your SMIMECapabilities");
    }
    reader->to.shared = key;
    return ESTOC_OK;
}

static bool has_id(estoc_slice der, estoc_slice id)
{
    estoc_cert cert;
    return !estoc_cert_parse(&cert, der) && estoc_slice_eq(cert.ski, id);
}

struct look {
    estoc_slice id;
    estoc_blob found;
    estoc_err err;
};

static bool look_at(void *ctx, const estoc_record *rec)
{
    struct look *l = ctx;
    if (!has_id(rec->cert, l->id)) {
        return true;
    }
    l->err = estoc_blob_copy(rec->cert, &l->found);
    return false;
}

/* The certificate of the association, or one that was issued to it. */
static estoc_err find_cert(const estoc_key_search *s, estoc_key_reader *reader)
{
    struct look l = {.id = s->wish->id};
    if (has_id(s->client->der, s->wish->id)) {
        reader->to.cert = s->client->der;
        return ESTOC_OK;
    }
    estoc_err err = estoc_store_each_of(s->store, s->identity, s->now, look_at, &l);
    err = err ? err : l.err;
    if (err) {
        estoc_blob_free(&l.found);
        return err;
    }
    reader->cert = l.found;
    reader->to.cert = estoc_blob_slice(l.found);
    return l.found.len > 0 ? ESTOC_OK : ESTOC_E_NOT_FOUND;
}

static estoc_err find_asymmetric(const estoc_key_search *s, estoc_key_reader *reader,
                                 estoc_ruling *why)
{
    estoc_err err = find_cert(s, reader);
    if (err == ESTOC_E_NOT_FOUND) {
        return refuse(why, "the decryption key you name is not known here");
    }
    if (err) {
        return err;
    }
    estoc_cms_way way = estoc_cms_way_to(reader->to.cert);
    if (way == ESTOC_CMS_NO_WAY) {
        return refuse(why, "the certificate you name is not for encryption");
    }
    bool transport = way == ESTOC_CMS_TRANSPORT;
    if ((transport && (s->wish->caps & ESTOC_CAP_RSA_OAEP) == 0) ||
        !choose_aes(s->wish, transport ? WRAPS : s->wish->caps & WRAPS, &reader->to.aes256)) {
        return refuse(why, "no algorithm for this key in your SMIMECapabilities");
    }
    return ESTOC_OK;
}

estoc_err estoc_key_reader_find(const estoc_key_search *s, estoc_key_reader *reader,
                                estoc_ruling *why)
{
    memset(reader, 0, sizeof *reader);
    if (s->wish->cover == ESTOC_COVER_NONE) {
        return ESTOC_OK;
    }
    if (s->signer->key == NULL || estoc_key_kind_of(s->signer->key) == ESTOC_KEY_ED25519) {
        return refuse(why, "encrypted keys are not offered here"); /* nobody to sign them */
    }
    reader->covered = true;
    estoc_err err = s->wish->cover == ESTOC_COVER_SYMMETRIC ? find_shared(s, reader, why)
                                                            : find_asymmetric(s, reader, why);
    if (err) {
        estoc_key_reader_free(reader);
    }
    return err;
}

void estoc_key_reader_free(estoc_key_reader *reader)
{
    estoc_blob_free(&reader->cert);
    memset(reader, 0, sizeof *reader);
}

/* ------------------------------------------------------------------------------------------ the key */

static estoc_err encode(const estoc_key *key, estoc_blob *spki, estoc_blob *pkcs8)
{
    spki->ptr = malloc(ESTOC_SPKI_MAX);
    pkcs8->ptr = malloc(ESTOC_PKCS8_MAX);
    if (spki->ptr == NULL || pkcs8->ptr == NULL) {
        return ESTOC_E_MEMORY;
    }
    estoc_err err = estoc_key_spki(key, (estoc_buf){spki->ptr, ESTOC_SPKI_MAX}, &spki->len);
    return err ? err : estoc_key_pkcs8(key, (estoc_buf){pkcs8->ptr, ESTOC_PKCS8_MAX}, &pkcs8->len);
}

estoc_err estoc_key_make(estoc_key_kind kind, uint32_t bits, estoc_key **out)
{
    return kind == ESTOC_KEY_RSA ? estoc_key_generate_rsa(bits, out)
                                 : estoc_key_generate(kind, out);
}

estoc_err estoc_key_pack(const estoc_key *key, const estoc_key_reader *reader,
                         const estoc_cms_from *signer, estoc_blob *spki, estoc_blob *body,
                         uint16_t *format)
{
    estoc_blob pkcs8 = {NULL, 0};
    *spki = (estoc_blob){NULL, 0};
    *body = (estoc_blob){NULL, 0};
    *format = reader->covered ? ESTOC_FORMAT_CMS_KEY : ESTOC_FORMAT_PKCS8;
    estoc_err err = encode(key, spki, &pkcs8);
    if (!err && reader->covered) {
        err = estoc_cms_seal(estoc_blob_slice(pkcs8), signer, &reader->to, body);
    } else if (!err) {
        *body = pkcs8;
        pkcs8 = (estoc_blob){NULL, 0};
    }
    estoc_blob_free(&pkcs8);
    if (err) {
        estoc_blob_free(spki);
        estoc_blob_free(body);
    }
    return err;
}

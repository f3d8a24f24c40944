/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <estoc/multipart.h>

#include "credential.h"
#include "keygen.h"

#define FILE_MAX 65536

/* ---- what is asked for ---- */

static int local(const estoc_options *opt, const char *file, const char *why)
{
    return estoc_say(opt->command, ESTOC_EXIT_LOCAL, "%s: %s", file, why);
}

static int take_shared(estoc_keygen *k, const estoc_options *opt)
{
    estoc_why why = {""};
    if (estoc_shared_keys_load(opt->decrypt_key, &k->shared, &why)) {
        return estoc_say(opt->command, ESTOC_EXIT_LOCAL, "%s", why.text);
    }
    if (k->shared.n != 1) {
        return local(opt, opt->decrypt_key, "has several keys; leave the one to be used");
    }
    const estoc_shared_key *s = &k->shared.at[0];
    bool long_key = s->key_len == 32;
    k->wish = (estoc_key_wish){.cover = ESTOC_COVER_SYMMETRIC,
                               .id = estoc_slice_of(s->id, s->id_len),
                               .caps = long_key ? ESTOC_CAP_AES256_CBC | ESTOC_CAP_AES256_WRAP
                                                : ESTOC_CAP_AES128_CBC | ESTOC_CAP_AES128_WRAP,
                               .aes256_first = long_key};
    return ESTOC_EXIT_DONE;
}

/* The certificate in the key's own file, else the one shown to the server. */
static int find_cert(estoc_keygen *k, const estoc_options *opt, const estoc_identity *id)
{
    if (!estoc_certs_load(opt->decrypt_key, &k->own, NULL)) {
        k->cert = estoc_blob_slice(k->own.at[0]);
    } else if (id->chain.n > 0) {
        k->cert = estoc_blob_slice(id->chain.at[0]);
    }
    return estoc_key_matches(k->key, k->cert)
               ? ESTOC_EXIT_DONE
               : local(opt, opt->decrypt_key,
                       "neither its own certificate nor that of --cert belongs to this key");
}

static int take_private(estoc_keygen *k, const estoc_options *opt, const estoc_identity *id)
{
    estoc_why why = {""};
    estoc_cert cert;
    if (estoc_key_load(opt->decrypt_key, &k->key, &why)) {
        return estoc_say(opt->command, ESTOC_EXIT_LOCAL, "%s", why.text);
    }
    int code = find_cert(k, opt, id);
    if (code) {
        return code;
    }
    estoc_cms_way way = estoc_cms_way_to(k->cert);
    if (way == ESTOC_CMS_NO_WAY || estoc_cert_parse(&cert, k->cert)) {
        return local(opt, opt->decrypt_key,
                     "its certificate is not for encryption (key usage, or no identifier)");
    }
    k->wish = (estoc_key_wish){.cover = ESTOC_COVER_ASYMMETRIC,
                               .id = cert.ski,
                               .caps = ESTOC_CAP_AES128_CBC | ESTOC_CAP_AES256_CBC |
                                       (way == ESTOC_CMS_TRANSPORT
                                            ? ESTOC_CAP_RSA_OAEP
                                            : ESTOC_CAP_AES128_WRAP | ESTOC_CAP_AES256_WRAP),
                               .aes256_first = cert.spki.kind == ESTOC_KEY_P384};
    return ESTOC_EXIT_DONE;
}

int estoc_keygen_begin(estoc_keygen *k, const estoc_options *opt, const estoc_identity *id)
{
    static const char pem[] = "-----BEGIN ";
    estoc_blob text;
    memset(k, 0, sizeof *k);
    if (opt->decrypt_key == NULL) {
        return ESTOC_EXIT_DONE;
    }
    if (estoc_file_read(opt->decrypt_key, FILE_MAX, &text)) {
        return local(opt, opt->decrypt_key, "cannot be read");
    }
    bool private = text.len > 0 && memmem(text.ptr, text.len, pem, sizeof pem - 1) != NULL;
    estoc_blob_free(&text);
    return private ? take_private(k, opt, id) : take_shared(k, opt);
}

void estoc_keygen_end(estoc_keygen *k)
{
    estoc_shared_keys_free(&k->shared);
    estoc_key_free(k->key);
    estoc_blobs_free(&k->own);
    memset(k, 0, sizeof *k);
}

estoc_err estoc_keygen_ask(estoc_keygen *k, estoc_request_plan *plan)
{
    if (k->wish.cover == ESTOC_COVER_NONE || plan->attributes.ptr == k->attributes) {
        return ESTOC_OK;
    }
    size_t len;
    estoc_writer w = estoc_writer_of((estoc_buf){k->attributes, sizeof k->attributes});
    estoc_write_bytes(&w, plan->attributes);
    estoc_key_wish_put(&w, &k->wish);
    estoc_err err = estoc_writer_end(&w, &len);
    if (!err) {
        plan->attributes = estoc_slice_of(k->attributes, len);
    }
    return err;
}

/* ---- what comes ---- */

static estoc_err check_signer(const estoc_anchors *anchors, estoc_slice server,
                              const estoc_blobs *signer, estoc_why *why)
{
    estoc_cert cert;
    estoc_blobs pool = {NULL, 0};
    estoc_err err = estoc_cert_parse(&cert, estoc_blob_slice(signer->at[0]));
    for (size_t i = 1; !err && i < signer->n; i++) {
        err = estoc_blobs_add(&pool, estoc_blob_slice(signer->at[i]));
    }
    for (size_t i = 0; !err && i < anchors->between.n; i++) {
        err = estoc_blobs_add(&pool, estoc_blob_slice(anchors->between.at[i]));
    }
    if (!err) {
        err = estoc_chain_verify(cert.der, &pool, &anchors->roots, ESTOC_PURPOSE_ANY,
                                 estoc_unix_s(), why);
    }
    if (!err && !cert.ca && !cert.cmc_ra && !estoc_slice_eq(cert.der, server)) {
        estoc_why_set(why, "the key is signed by somebody who makes no keys");
        err = ESTOC_E_UNTRUSTED;
    }
    estoc_blobs_free(&pool);
    return err;
}

static estoc_err decrypt(const estoc_keygen *k, const estoc_anchors *anchors, estoc_slice server,
                         estoc_slice cms, estoc_blob *pkcs8, estoc_why *why)
{
    estoc_blobs signer;
    const estoc_cms_opener with = {
        .shared = k->shared.n > 0 ? &k->shared.at[0] : NULL, .key = k->key, .cert = k->cert};
    estoc_err err = estoc_cms_open(cms, &with, pkcs8, &signer);
    err = err ? err : check_signer(anchors, server, &signer, why);
    estoc_blobs_free(&signer);
    return err;
}

/* The two parts, in any order. */
static bool find_parts(estoc_slice answer, uint16_t key_format, estoc_part *key, estoc_part *cert)
{
    estoc_part parts[2];
    size_t n = 2;
    if (estoc_multipart_parse(answer, parts, &n) || n != 2) {
        return false;
    }
    size_t i = parts[0].format == key_format ? 0 : 1;
    *key = parts[i];
    *cert = parts[1 - i];
    return key->format == key_format && !key->absent && !cert->absent &&
           (cert->format == ESTOC_FORMAT_CERTS || cert->format == ESTOC_FORMAT_CERT);
}

estoc_err estoc_keygen_take(const estoc_keygen *k, const estoc_anchors *anchors, estoc_slice server,
                            estoc_slice answer, estoc_made *out, estoc_why *why)
{
    estoc_blob pkcs8 = {NULL, 0};
    estoc_part key, cert;
    bool covered = k->wish.cover != ESTOC_COVER_NONE;
    *out = (estoc_made){.key = NULL};
    if (!find_parts(answer, covered ? ESTOC_FORMAT_CMS_KEY : ESTOC_FORMAT_PKCS8, &key, &cert)) {
        estoc_why_set(why, "the answer is not %s key and a certificate",
                      covered ? "an encrypted" : "a");
        return ESTOC_E_FORMAT;
    }
    estoc_err err = ESTOC_OK;
    if (covered) {
        err = decrypt(k, anchors, server, key.body, &pkcs8, why);
        key.body = estoc_blob_slice(pkcs8);
    }
    err = err ? err : estoc_key_parse(key.body, &out->key, why);
    estoc_blob_free(&pkcs8);
    if (!err) {
        out->cert = cert.body;
        out->format = cert.format;
    }
    return err;
}

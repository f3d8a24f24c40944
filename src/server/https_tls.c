/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include "https_tls.h"

enum {
    CHAIN_MAX = 10,          /* certificates of ours that are sent */
    FLIGHT_MAX_BYTES = 32768 /* of one handshake message of a client */
};

struct estoc_tls_identity {
    gnutls_certificate_credentials_t cred;
    estoc_generation *generation; /* whose key signs */
    atomic_uint refs;
};

/* --------------------------------------------------------------------------------------- our key */

/* What estoc_key_sign makes, in the words of TLS 1.2 and of 1.3. */
static bool makes(const estoc_key *key, gnutls_sign_algorithm_t algo)
{
    return estoc_key_kind_of(key) == ESTOC_KEY_P256
               ? algo == GNUTLS_SIGN_ECDSA_SHA256 || algo == GNUTLS_SIGN_ECDSA_SECP256R1_SHA256
               : algo == GNUTLS_SIGN_ECDSA_SHA384 || algo == GNUTLS_SIGN_ECDSA_SECP384R1_SHA384;
}

static int tell(gnutls_privkey_t unused, unsigned flags, void *ctx)
{
    const estoc_key *key = ctx;
    (void)unused;
    if ((flags & GNUTLS_PRIVKEY_INFO_PK_ALGO) != 0) {
        return GNUTLS_PK_ECDSA;
    }
    if ((flags & GNUTLS_PRIVKEY_INFO_PK_ALGO_BITS) != 0) {
        return estoc_key_kind_of(key) == ESTOC_KEY_P256 ? 256 : 384;
    }
    return (flags & GNUTLS_PRIVKEY_INFO_HAVE_SIGN_ALGO) != 0
               ? makes(key, GNUTLS_FLAGS_TO_SIGN_ALGO(flags))
               : -1;
}

static int sign(gnutls_privkey_t unused, gnutls_sign_algorithm_t algo, void *ctx, unsigned flags,
                const gnutls_datum_t *digest, gnutls_datum_t *out)
{
    const estoc_key *key = ctx;
    uint8_t sig[ESTOC_SIG_MAX];
    size_t len;
    (void)unused;
    (void)flags;
    if (!makes(key, algo) || estoc_key_sign_digest(key, estoc_slice_of(digest->data, digest->size),
                                                   (estoc_buf){sig, sizeof sig}, &len)) {
        return GNUTLS_E_PK_SIGN_FAILED;
    }
    out->data = gnutls_malloc(len);
    if (out->data == NULL) {
        return GNUTLS_E_MEMORY_ERROR;
    }
    memcpy(out->data, sig, len);
    out->size = (unsigned)len;
    return 0;
}

static estoc_err make_key(const estoc_key *key, gnutls_privkey_t *out, estoc_why *why)
{
    estoc_key_kind kind = estoc_key_kind_of(key);
    *out = NULL;
    if (kind != ESTOC_KEY_P256 && kind != ESTOC_KEY_P384) {
        estoc_why_set(why, "HTTPS needs a key on P-256 or P-384");
        return ESTOC_E_KEY;
    }
    if (gnutls_privkey_init(out) != 0) {
        return ESTOC_E_MEMORY;
    }
    int rc =
        gnutls_privkey_import_ext4(*out, (void *)(uintptr_t)key, NULL, sign, NULL, NULL, tell, 0);
    if (rc != 0) {
        estoc_why_set(why, "the key cannot be used for TLS: %s", gnutls_strerror(rc));
        return ESTOC_E_KEY;
    }
    return ESTOC_OK;
}

/* ---------------------------------------------------------------------------------- our certificate */

static bool is_root(estoc_slice der)
{
    estoc_cert cert;
    return !estoc_cert_parse(&cert, der) && estoc_slice_eq(cert.subject, cert.issuer);
}

/* The root stays at home, as with DTLS. @param[out] n  to be given back, also on failure */
static estoc_err read_chain(const estoc_blobs *chain, gnutls_pcert_st list[CHAIN_MAX], unsigned *n,
                            estoc_why *why)
{
    *n = 0;
    for (size_t i = 0; i < chain->n; i++) {
        const gnutls_datum_t der = {chain->at[i].ptr, (unsigned)chain->at[i].len};
        if (i > 0 && is_root(estoc_blob_slice(chain->at[i]))) {
            continue;
        }
        int rc = *n < CHAIN_MAX
                     ? gnutls_pcert_import_x509_raw(&list[*n], &der, GNUTLS_X509_FMT_DER, 0)
                     : GNUTLS_E_INTERNAL_ERROR;
        if (rc != 0) {
            estoc_why_set(why, "certificate %zu of the chain: %s", i + 1,
                          *n < CHAIN_MAX ? gnutls_strerror(rc) : "too many for TLS");
            return ESTOC_E_MALFORMED;
        }
        ++*n;
    }
    return ESTOC_OK;
}

static estoc_err fill(estoc_tls_identity *id, estoc_why *why)
{
    gnutls_pcert_st list[CHAIN_MAX];
    gnutls_privkey_t key;
    unsigned n = 0;
    if (gnutls_certificate_allocate_credentials(&id->cred) != 0) {
        return ESTOC_E_MEMORY;
    }
    /* that key and certificate belong together DTLS has seen to; a token need not sign for it */
    gnutls_certificate_set_flags(id->cred, GNUTLS_CERTIFICATE_SKIP_KEY_CERT_MATCH);
    estoc_err err = make_key(id->generation->server_key, &key, why);
    err = err ? err : read_chain(&id->generation->server_chain, list, &n, why);
    int rc = err ? 0 : gnutls_certificate_set_key(id->cred, NULL, 0, list, (int)n, key);
    if (rc < 0) {
        estoc_why_set(why, "certificate and key cannot be used for TLS: %s", gnutls_strerror(rc));
        err = ESTOC_E_KEY;
    }
    if (err) { /* else they are the credentials' */
        while (n > 0) {
            gnutls_pcert_deinit(&list[--n]);
        }
        gnutls_privkey_deinit(key);
    }
    return err;
}

estoc_err estoc_tls_identity_new(estoc_generation *g, estoc_tls_identity **out, estoc_why *why)
{
    *out = NULL;
    estoc_tls_identity *id = calloc(1, sizeof *id);
    if (id == NULL) {
        return ESTOC_E_MEMORY;
    }
    atomic_init(&id->refs, 1);
    id->generation = estoc_generation_hold(g);
    estoc_err err = fill(id, why);
    if (err) {
        estoc_tls_identity_release(id);
        return err;
    }
    *out = id;
    return ESTOC_OK;
}

estoc_tls_identity *estoc_tls_identity_hold(estoc_tls_identity *id)
{
    atomic_fetch_add(&id->refs, 1);
    return id;
}

void estoc_tls_identity_release(estoc_tls_identity *id)
{
    if (id == NULL || atomic_fetch_sub(&id->refs, 1) != 1) {
        return;
    }
    if (id->cred != NULL) {
        gnutls_certificate_free_credentials(id->cred);
    }
    estoc_generation_release(id->generation);
    free(id);
}

/* --------------------------------------------------------------------------------------- sessions */

bool estoc_tls_prepare(void *session, const estoc_tls_identity *id)
{
    gnutls_session_t s = session;
    gnutls_handshake_set_max_packet_length(s, FLIGHT_MAX_BYTES);
    gnutls_certificate_server_set_request(s, GNUTLS_CERT_REQUEST);
    return gnutls_credentials_set(s, GNUTLS_CRD_CERTIFICATE, id->cred) == 0;
}

estoc_err estoc_tls_chain(void *session, estoc_blobs *chain)
{
    unsigned n = 0;
    estoc_err err = ESTOC_OK;
    *chain = (estoc_blobs){NULL, 0};
    const gnutls_datum_t *list = gnutls_certificate_get_peers(session, &n);
    for (unsigned i = 0; !err && list != NULL && i < n; i++) {
        err = estoc_blobs_add(chain, estoc_slice_of(list[i].data, list[i].size));
    }
    return err;
}

void estoc_tls_unique(void *session, estoc_buf out, size_t *len)
{
    gnutls_datum_t binding = {NULL, 0};
    *len = 0;
    if (gnutls_protocol_get_version(session) == GNUTLS_TLS1_2 &&
        gnutls_session_channel_binding(session, GNUTLS_CB_TLS_UNIQUE, &binding) == 0 &&
        binding.size <= out.cap) {
        memcpy(out.ptr, binding.data, binding.size);
        *len = binding.size;
    }
    gnutls_free(binding.data);
}

const char *estoc_tls_version(void *session)
{
    return gnutls_protocol_get_name(gnutls_protocol_get_version(session));
}

/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>

#include "sealed.h"

#define ROUNDS   600000 /* of PBKDF2 with SHA-256: a third of a second for whoever guesses once */
#define SALT_LEN 16

/* What is older, with DES or RC2, is not worth the name. */
static bool is_pbes2(const X509_SIG *sealed)
{
    const X509_ALGOR *how = NULL;
    const ASN1_OBJECT *oid = NULL;
    X509_SIG_get0(sealed, &how, NULL);
    X509_ALGOR_get0(&oid, NULL, NULL, how);
    return OBJ_obj2nid(oid) == NID_pbes2;
}

static EVP_PKEY *open_by(X509_SIG *sealed, const estoc_passphrase *p)
{
    PKCS8_PRIV_KEY_INFO *info = PKCS8_decrypt(sealed, p->text, (int)p->len);
    EVP_PKEY *native = info != NULL ? EVP_PKCS82PKEY(info) : NULL;
    PKCS8_PRIV_KEY_INFO_free(info); /* wipes */
    return native;
}

static estoc_err open_sealed(const char *path, X509_SIG *sealed, const char *source, EVP_PKEY **out,
                             estoc_why *why)
{
    estoc_passphrase p;
    estoc_err err = estoc_passphrase_read(source, &p, why);
    if (err) {
        return err;
    }
    *out = open_by(sealed, &p);
    estoc_wipe(&p, sizeof p);
    if (*out == NULL) {
        estoc_why_set(why,
                      "%s: the passphrase of %s does not open it; is it the one that the key was "
                      "written with?",
                      path, source);
        err = ESTOC_E_KEY;
    }
    return err;
}

estoc_err estoc_sealed_open(const char *path, const uint8_t *der, long len, const char *source,
                            EVP_PKEY **out, estoc_why *why)
{
    estoc_err err = ESTOC_E_KEY;
    *out = NULL;
    X509_SIG *sealed = d2i_X509_SIG(NULL, &der, len);
    if (sealed == NULL) {
        estoc_why_set(why, "%s: holds an encrypted private key that cannot be read", path);
    } else if (!is_pbes2(sealed)) {
        estoc_why_set(why, "%s: the key is encrypted in the old way; " ESTOC_SEALED_ANEW, path);
    } else {
        err = open_sealed(path, sealed, source, out, why);
    }
    X509_SIG_free(sealed);
    ERR_clear_error();
    return err;
}

static X509_SIG *seal(const estoc_key *key, const estoc_passphrase *p)
{
    uint8_t der[ESTOC_PKCS8_MAX];
    const uint8_t *at = der;
    size_t len = 0;
    if (estoc_key_pkcs8(key, (estoc_buf){der, sizeof der}, &len)) {
        return NULL;
    }
    PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)len);
    estoc_wipe(der, sizeof der);
    X509_ALGOR *how =
        PKCS5_pbe2_set_iv(EVP_aes_256_cbc(), ROUNDS, NULL, SALT_LEN, NULL, NID_hmacWithSHA256);
    X509_SIG *sealed = NULL;
    if (info != NULL && how != NULL) {
        sealed = PKCS8_set0_pbe(p->text, (int)p->len, info, how);
    }
    if (sealed == NULL) {
        X509_ALGOR_free(how);
    }
    PKCS8_PRIV_KEY_INFO_free(info);
    return sealed;
}

estoc_err estoc_sealed_write(BIO *out, const estoc_key *key, const estoc_passphrase *p)
{
    X509_SIG *sealed = seal(key, p);
    estoc_err err =
        sealed != NULL && PEM_write_bio_PKCS8(out, sealed) == 1 ? ESTOC_OK : ESTOC_E_CRYPTO;
    X509_SIG_free(sealed);
    return err;
}

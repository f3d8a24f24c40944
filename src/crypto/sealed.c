/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>

#include "sealed.h"

#define ROUNDS 600000 /* of PBKDF2 with SHA-256: a third of a second for whoever guesses once */

static EVP_PKEY *open_by(X509_SIG *sealed, const estoc_passphrase *p)
{
    PKCS8_PRIV_KEY_INFO *info = PKCS8_decrypt(sealed, p->text, (int)p->len);
    EVP_PKEY *native = info != NULL ? EVP_PKCS82PKEY(info) : NULL;
    PKCS8_PRIV_KEY_INFO_free(info); /* wipes */
    return native;
}

estoc_err estoc_sealed_open(const char *path, const uint8_t *der, long len, const char *source,
                            EVP_PKEY **out, estoc_why *why)
{
    estoc_passphrase p;
    *out = NULL;
    estoc_err err = estoc_passphrase_read(source, &p, why);
    if (err) {
        return err;
    }
    X509_SIG *sealed = d2i_X509_SIG(NULL, &der, len);
    *out = sealed != NULL ? open_by(sealed, &p) : NULL;
    if (*out == NULL) {
        estoc_why_set(why,
                      sealed != NULL ? "%s: the passphrase of %s does not open it; is it the one "
                                       "that the key was written with?"
                                     : "%s: holds an encrypted private key that cannot be read",
                      path, source);
        err = ESTOC_E_KEY;
    }
    X509_SIG_free(sealed);
    estoc_wipe(&p, sizeof p);
    ERR_clear_error();
    return err;
}

static X509_SIG *seal(EVP_PKEY *key, const estoc_passphrase *p)
{
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
    X509_ALGOR *how =
        PKCS5_pbe2_set_iv(EVP_aes_256_cbc(), ROUNDS, NULL, 0, NULL, NID_hmacWithSHA256);
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

estoc_err estoc_sealed_write(BIO *out, EVP_PKEY *key, const estoc_passphrase *p)
{
    X509_SIG *sealed = seal(key, p);
    estoc_err err =
        sealed != NULL && PEM_write_bio_PKCS8(out, sealed) == 1 ? ESTOC_OK : ESTOC_E_CRYPTO;
    X509_SIG_free(sealed);
    return err;
}

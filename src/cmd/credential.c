/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "credential.h"

estoc_err estoc_credential_path(const char *prefix, const char *suffix, char out[ESTOC_PATH_MAX])
{
    int n = snprintf(out, ESTOC_PATH_MAX, "%s%s", prefix, suffix);
    return n > 0 && n < ESTOC_PATH_MAX ? ESTOC_OK : ESTOC_E_LIMIT;
}

bool estoc_key_matches(const estoc_key *key, estoc_slice cert_der)
{
    uint8_t spki[ESTOC_SPKI_MAX];
    size_t len = 0;
    estoc_cert cert;
    if (estoc_cert_parse(&cert, cert_der) ||
        estoc_key_spki(key, (estoc_buf){spki, sizeof spki}, &len)) {
        return false;
    }
    return estoc_slice_eq(cert.spki.der, estoc_slice_of(spki, len));
}

bool estoc_key_same(const estoc_key *a, const estoc_key *b)
{
    uint8_t one[ESTOC_SPKI_MAX], other[ESTOC_SPKI_MAX];
    size_t one_len = 0, other_len = 0;
    return !estoc_key_spki(a, (estoc_buf){one, sizeof one}, &one_len) &&
           !estoc_key_spki(b, (estoc_buf){other, sizeof other}, &other_len) &&
           estoc_slice_eq(estoc_slice_of(one, one_len), estoc_slice_of(other, other_len));
}

estoc_err estoc_credential_load(const char *cert_path, const char *key_path, estoc_blobs *chain,
                                estoc_key **key, estoc_why *why)
{
    return estoc_credential_load_sealed(cert_path, key_path, NULL, chain, key, why);
}

estoc_err estoc_credential_load_sealed(const char *cert_path, const char *key_path,
                                       const char *passphrase, estoc_blobs *chain, estoc_key **key,
                                       estoc_why *why)
{
    *key = NULL;
    memset(chain, 0, sizeof *chain);
    estoc_err err = estoc_certs_load(cert_path, chain, why);
    if (!err && chain->n == 0) {
        estoc_why_set(why, "%s: holds no certificate", cert_path);
        err = ESTOC_E_FILE;
    }
    if (!err) {
        err = passphrase == NULL ? estoc_key_load(key_path, key, why)
                                 : estoc_key_load_sealed(key_path, passphrase, key, why);
    }
    if (!err && !estoc_key_matches(*key, estoc_blob_slice(chain->at[0]))) {
        estoc_why_set(why, "%s and %s do not belong together; give the pair made at one time",
                      cert_path, key_path);
        err = ESTOC_E_KEY;
    }
    if (err) {
        estoc_blobs_free(chain);
        estoc_key_free(*key);
        *key = NULL;
    }
    return err;
}

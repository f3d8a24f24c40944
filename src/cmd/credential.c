/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "credential.h"

#define FILE_MAX 65536

struct paths {
    char crt[ESTOC_PATH_MAX], crt_new[ESTOC_PATH_MAX];
    char key[ESTOC_PATH_MAX], key_new[ESTOC_PATH_MAX];
    char csr_new[ESTOC_PATH_MAX];
};

estoc_err estoc_credential_path(const char *prefix, const char *suffix, char out[ESTOC_PATH_MAX])
{
    int n = snprintf(out, ESTOC_PATH_MAX, "%s%s", prefix, suffix);
    return n > 0 && n < ESTOC_PATH_MAX ? ESTOC_OK : ESTOC_E_LIMIT;
}

static estoc_err paths_of(const char *prefix, struct paths *p)
{
    estoc_err err = estoc_credential_path(prefix, ".crt", p->crt);
    err = err ? err : estoc_credential_path(prefix, ".crt.new", p->crt_new);
    err = err ? err : estoc_credential_path(prefix, ".key", p->key);
    err = err ? err : estoc_credential_path(prefix, ".key.new", p->key_new);
    return err ? err : estoc_credential_path(prefix, ".csr.new", p->csr_new);
}

static estoc_err unwritable(estoc_why *why, const char *path)
{
    estoc_why_set(why, "%s: cannot be written: %s", path, strerror(errno));
    return ESTOC_E_FILE;
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

estoc_err estoc_credential_load(const char *cert_path, const char *key_path, estoc_blobs *chain,
                                estoc_key **key, estoc_why *why)
{
    *key = NULL;
    memset(chain, 0, sizeof *chain);
    estoc_err err = estoc_certs_load(cert_path, chain, why);
    if (!err && chain->n == 0) {
        estoc_why_set(why, "%s: holds no certificate", cert_path);
        err = ESTOC_E_FILE;
    }
    if (!err) {
        err = estoc_key_load(key_path, key, why);
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

static bool file_key_matches(const char *path, estoc_slice leaf)
{
    estoc_key *key = NULL;
    if (!estoc_file_exists(path) || estoc_key_load(path, &key, NULL)) {
        return false;
    }
    bool matches = estoc_key_matches(key, leaf);
    estoc_key_free(key);
    return matches;
}

static estoc_err copy(const char *from, const char *to, unsigned mode, estoc_why *why)
{
    estoc_blob data;
    if (estoc_file_read(from, FILE_MAX, &data)) {
        estoc_why_set(why, "%s: cannot be read: %s", from, strerror(errno));
        return ESTOC_E_FILE;
    }
    estoc_err err = estoc_file_write(to, estoc_blob_slice(data), mode);
    estoc_blob_free(&data);
    return err ? unwritable(why, to) : ESTOC_OK;
}

/* From .new files to the pair. Each step may be the last of this run: the certificate's .new file
 * goes last, and until then recover() comes back here.                                            */
static estoc_err finish(const struct paths *p, bool new_key, estoc_why *why)
{
    estoc_err err = new_key ? copy(p->key_new, p->key, 0600, why) : ESTOC_OK;
    err = err ? err : copy(p->crt_new, p->crt, 0644, why);
    if (err) {
        return err;
    }
    unlink(p->csr_new);
    unlink(p->key_new);
    unlink(p->crt_new);
    return ESTOC_OK;
}

/* With a whole certificate in its .new file: which key is it for? */
static estoc_err settle(const struct paths *p, estoc_why *why)
{
    estoc_blobs chain = {NULL, 0};
    bool new_key = false;
    bool present_key = false;
    if (!estoc_certs_load(p->crt_new, &chain, NULL) && chain.n > 0) {
        new_key = file_key_matches(p->key_new, estoc_blob_slice(chain.at[0]));
        present_key = !new_key && file_key_matches(p->key, estoc_blob_slice(chain.at[0]));
    }
    estoc_blobs_free(&chain);
    if (!new_key && !present_key) {
        unlink(p->crt_new);
        estoc_why_set(why, "%s: is for another key", p->crt_new);
        return ESTOC_E_KEY;
    }
    return finish(p, new_key, why);
}

estoc_err estoc_credential_recover(const char *prefix, estoc_why *why)
{
    struct paths p;
    estoc_err err = paths_of(prefix, &p);
    if (err) {
        estoc_why_set(why, "%s: too long a path", prefix);
        return err;
    }
    if (!estoc_file_exists(p.crt_new)) {
        return ESTOC_OK;
    }
    err = settle(&p, why);
    return err == ESTOC_E_KEY ? ESTOC_OK : err; /* the old pair is whole: nothing was copied */
}

/* Whether both are the same key. After a power cut a file removed last may stand there again. */
static bool key_is_installed(const struct paths *p, const estoc_key *key)
{
    estoc_blobs chain = {NULL, 0};
    bool installed = !estoc_certs_load(p->crt, &chain, NULL) && chain.n > 0 &&
                     estoc_key_matches(key, estoc_blob_slice(chain.at[0]));
    estoc_blobs_free(&chain);
    return installed;
}

bool estoc_credential_pending(const char *prefix, estoc_key **key, estoc_blob *csr)
{
    struct paths p;
    *key = NULL;
    *csr = (estoc_blob){NULL, 0};
    if (paths_of(prefix, &p) || !estoc_file_exists(p.csr_new) ||
        estoc_file_read(p.csr_new, FILE_MAX, csr)) {
        return false;
    }
    if (!estoc_file_exists(p.key_new)) {
        return true;
    }
    if (estoc_key_load(p.key_new, key, NULL) || key_is_installed(&p, *key)) {
        estoc_key_free(*key);
        *key = NULL;
        estoc_blob_free(csr);
        return false;
    }
    return true;
}

estoc_err estoc_credential_prepare(const char *prefix, const estoc_key *key, estoc_slice csr,
                                   estoc_why *why)
{
    struct paths p;
    estoc_err err = paths_of(prefix, &p);
    if (err) {
        estoc_why_set(why, "%s: too long a path", prefix);
        return err;
    }
    unlink(p.csr_new); /* before its key: a request without one is for the present key */
    unlink(p.key_new);
    if (key != NULL && estoc_key_save(key, p.key_new)) {
        return unwritable(why, p.key_new);
    }
    return estoc_file_write(p.csr_new, csr, 0600) ? unwritable(why, p.csr_new) : ESTOC_OK;
}

void estoc_credential_forget(const char *prefix)
{
    struct paths p;
    if (!paths_of(prefix, &p)) {
        unlink(p.csr_new);
        unlink(p.key_new);
    }
}

estoc_err estoc_credential_commit(const char *prefix, const estoc_slice *certs, size_t n,
                                  estoc_why *why)
{
    struct paths p;
    estoc_blob pem;
    estoc_err err = paths_of(prefix, &p);
    err = err ? err : estoc_certs_pem(certs, n, &pem);
    if (err) {
        estoc_why_set(why, "%s: %s", prefix, estoc_err_text(err));
        return err;
    }
    err = estoc_file_write(p.crt_new, estoc_blob_slice(pem), 0644);
    estoc_blob_free(&pem);
    return err ? unwritable(why, p.crt_new) : settle(&p, why);
}

/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ceremony.h"
#include "text.h"

#define SERVER_LIFE (10 * ESTOC_MINT_YEAR)
#define CERTS_MAX   32

static const char *said(const estoc_why *why, estoc_err err)
{
    return why->text[0] != '\0' ? why->text : estoc_err_text(err);
}

void estoc_ca_pair_free(estoc_ca_pair *p)
{
    estoc_blobs_free(&p->chain);
    estoc_key_free(p->key);
    *p = (estoc_ca_pair){.key = NULL};
}

int estoc_ca_pair_load(const char *command, const char *cert_file, const char *key_file,
                       const char *passphrase, estoc_ca_pair *out)
{
    estoc_why why = {""};
    *out = (estoc_ca_pair){.key = NULL};
    estoc_err err =
        estoc_credential_load_sealed(cert_file, key_file, passphrase, &out->chain, &out->key, &why);
    err = err ? err : estoc_cert_parse(&out->cert, estoc_blob_slice(out->chain.at[0]));
    if (!err && (!out->cert.ca || out->cert.ski.len == 0)) {
        estoc_why_set(&why, "%s: %s", cert_file,
                      out->cert.ca ? "it has no subjectKeyIdentifier"
                                   : "not the certificate of a CA");
        err = ESTOC_E_CONFIG;
    }
    if (err) {
        estoc_ca_pair_free(out);
        return estocd_say(command, "%s", said(&why, err));
    }
    return 0;
}

int estoc_ca_pair_of_prefix(const char *command, const char *prefix, const char *passphrase,
                            estoc_ca_pair *out)
{
    char crt[ESTOC_PATH_MAX], key[ESTOC_PATH_MAX];
    if (estoc_credential_path(prefix, ".crt", crt) || estoc_credential_path(prefix, ".key", key)) {
        return estocd_say(command, "%.100s: the path is too long", prefix);
    }
    return estoc_ca_pair_load(command, crt, key, passphrase, out);
}

estoc_fingerprint estoc_fingerprint_of(estoc_slice spki_der)
{
    estoc_fingerprint f = {"?"};
    uint8_t digest[32];
    char hex[65];
    if (!estoc_sha256(spki_der, digest)) {
        estoc_hex(estoc_slice_of(digest, sizeof digest), hex, sizeof hex);
        snprintf(f.text, sizeof f.text, "%.8s %.8s %.8s %.8s %.8s %.8s %.8s %.8s", hex, hex + 8,
                 hex + 16, hex + 24, hex + 32, hex + 40, hex + 48, hex + 56);
    }
    return f;
}

int estoc_write_certs(const char *command, const char *file, const estoc_slice *certs, size_t n)
{
    estoc_blob pem;
    estoc_err err = estoc_certs_pem(certs, n, &pem);
    if (!err) {
        err = estoc_file_write(file, estoc_blob_slice(pem), 0644);
        estoc_blob_free(&pem);
    }
    return err ? estocd_say(command, "%s: cannot be written: %s", file,
                            err == ESTOC_E_FILE ? strerror(errno) : estoc_err_text(err))
               : 0;
}

int estoc_mint_or_say(const char *command, const estoc_mint *m, estoc_blob *out)
{
    estoc_err err = estoc_mint_cert(m, out);
    return err ? estocd_say(command, "the certificate cannot be made: %s", estoc_err_text(err)) : 0;
}

/* The key and the name of one, certified by the other. */
static int cross(const char *command, const estoc_ca_pair *of, const estoc_ca_pair *by,
                 estoc_blob *out)
{
    const estoc_mint m = {.subject = of->cert.subject,
                          .spki = of->cert.spki.der,
                          .ski = of->cert.ski,
                          .issuer_key = by->key,
                          .issuer = by->cert.der,
                          .life_s = of->cert.not_after - estoc_unix_s(),
                          .ca = true};
    return estoc_mint_or_say(command, &m, out);
}

int estoc_write_rollover(const char *command, const char *file, const estoc_ca_pair *old,
                         const estoc_ca_pair *next)
{
    estoc_blob old_with_new = {NULL, 0}, new_with_old = {NULL, 0};
    int code = cross(command, old, next, &old_with_new);
    code = code ? code : cross(command, next, old, &new_with_old);
    const estoc_slice list[] = {next->cert.der, old->cert.der, estoc_blob_slice(old_with_new),
                                estoc_blob_slice(new_with_old)};
    code = code ? code : estoc_write_certs(command, file, list, 4);
    estoc_blob_free(&old_with_new);
    estoc_blob_free(&new_with_old);
    return code;
}

int estoc_add_cert(const char *command, const char *file, estoc_slice cert)
{
    estoc_why why = {""};
    estoc_blobs there;
    estoc_err err = estoc_certs_load(file, &there, &why);
    bool has = false;
    for (size_t i = 0; i < there.n; i++) {
        has |= estoc_slice_eq(estoc_blob_slice(there.at[i]), cert);
    }
    if (!err && !has) {
        err = estoc_blobs_add(&there, cert);
    }
    estoc_slice *list = !err ? calloc(there.n, sizeof *list) : NULL;
    int code = 0;
    if (err || list == NULL) {
        code = estocd_say(command, "%s", said(&why, err ? err : ESTOC_E_MEMORY));
    } else if (!has) {
        for (size_t i = 0; i < there.n; i++) {
            list[i] = estoc_blob_slice(there.at[i]);
        }
        code = estoc_write_certs(command, file, list, there.n);
    }
    free(list);
    estoc_blobs_free(&there);
    return code;
}

int estoc_next_key_path(const char *command, const estoc_config *conf, char out[ESTOC_PATH_MAX])
{
    char file[ESTOC_PATH_MAX];
    estoc_err err = estoc_key_is_uri(conf->ca_key)
                        ? estoc_path_join(file, sizeof file, conf->dir, "ca.key")
                        : estoc_credential_path(conf->ca_key, "", file);
    err = err ? err : estoc_credential_path(file, ".next", out);
    return err ? estocd_say(command, "%s: the path is too long", conf->ca_key) : 0;
}

static estoc_err make_key(const char *path, const char *uri, const char *passphrase,
                          estoc_key **out, estoc_why *why)
{
    estoc_err err =
        uri != NULL ? estoc_key_load(uri, out, why) : estoc_key_generate(ESTOC_KEY_P256, out);
    err = err ? err : estoc_key_save_sealed(*out, path, passphrase, why);
    if (err == ESTOC_E_FILE && why->text[0] == '\0') {
        estoc_why_set(why, "%s: cannot be written: %s", path, strerror(errno));
    }
    return err;
}

int estoc_next_key(const char *command, const estoc_config *conf, const char *uri, bool make,
                   estoc_key **out)
{
    char path[ESTOC_PATH_MAX];
    estoc_why why = {""};
    estoc_err err = ESTOC_OK;
    *out = NULL;
    if (estoc_next_key_path(command, conf, path)) {
        return 1;
    }
    if (!estoc_file_exists(path) && !make) {
        return 0;
    }
    if (!estoc_file_exists(path)) {
        err = make_key(path, uri, conf->ca_passphrase, out, &why);
    } else if (uri != NULL) {
        estoc_why_set(&why, "%s is there already; remove it if it is of no use", path);
        err = ESTOC_E_USAGE;
    } else {
        err = estoc_key_load_sealed(path, conf->ca_passphrase, out, &why);
    }
    if (err) {
        estoc_key_free(*out);
        *out = NULL;
    }
    return err ? estocd_say(command, "%s", said(&why, err)) : 0;
}

int estoc_renew_server(const char *command, const estoc_config *conf, const estoc_cert *was,
                       const estoc_ca_pair *ca, const estoc_slice *more, size_t more_n)
{
    estoc_blobs chain = {NULL, 0};
    estoc_cert present;
    estoc_blob fresh = {NULL, 0};
    estoc_slice list[CERTS_MAX];
    estoc_why why = {""};
    estoc_err err = estoc_certs_load(conf->server_chain, &chain, &why);
    err = err ? err : estoc_cert_parse(&present, estoc_blob_slice(chain.at[0]));
    int code = err ? estocd_say(command, "%s: %s", conf->server_chain, said(&why, err)) : 0;
    /* another's: it goes on as it is */
    bool ours = !err && !estoc_verify(&was->spki, present.sig, present.tbs, present.signature);
    if (ours && more_n < CERTS_MAX) {
        const estoc_mint m = {.subject = present.subject,
                              .san = present.san,
                              .spki = present.spki.der,
                              .issuer_key = ca->key,
                              .issuer = ca->cert.der,
                              .life_s = SERVER_LIFE,
                              .server = true};
        code = estoc_mint_or_say(command, &m, &fresh);
        list[0] = estoc_blob_slice(fresh);
        memcpy(list + 1, more, more_n * sizeof *more);
        code = code ? code : estoc_write_certs(command, conf->server_chain, list, 1 + more_n);
    }
    estoc_blob_free(&fresh);
    estoc_blobs_free(&chain);
    return code;
}

/* SPDX-License-Identifier: MIT
 *
 * Certificates, requests and revocation lists in files: PEM and DER. OpenSSL.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "crypto.h"
#include "text.h"

#define FILE_MAX     1048576
#define CRL_FILE_MAX 134217728 /* some million entries */
#define CERTS_MAX    256

typedef bool (*is_what)(estoc_slice der);

static bool is_cert(estoc_slice der)
{
    const unsigned char *p = der.ptr;
    X509 *x = d2i_X509(NULL, &p, (long)der.len);
    bool whole = x != NULL && p == der.ptr + der.len;
    X509_free(x);
    return whole;
}

static bool is_request(estoc_slice der)
{
    const unsigned char *p = der.ptr;
    X509_REQ *req = d2i_X509_REQ(NULL, &p, (long)der.len);
    bool whole = req != NULL && p == der.ptr + der.len;
    X509_REQ_free(req);
    return whole;
}

static bool is_crl(estoc_slice der)
{
    const unsigned char *p = der.ptr;
    X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)der.len);
    bool whole = crl != NULL && p == der.ptr + der.len;
    X509_CRL_free(crl);
    return whole;
}

/* What is wanted from a file, and its names in PEM. */
struct want {
    const char *noun, *name, *other_name;
    is_what is;
    size_t max; /* bytes of a file */
};
static const struct want want_cert = {"certificate", PEM_STRING_X509, PEM_STRING_X509_OLD, is_cert,
                                      FILE_MAX};
static const struct want want_csr = {"certificate request", PEM_STRING_X509_REQ,
                                     PEM_STRING_X509_REQ_OLD, is_request, FILE_MAX};
static const struct want want_crl = {"revocation list", PEM_STRING_X509_CRL, PEM_STRING_X509_CRL,
                                     is_crl, CRL_FILE_MAX};

static estoc_err read_file(const char *path, size_t max, estoc_blob *out, estoc_why *why)
{
    estoc_err err = estoc_file_read(path, max, out);
    if (err) {
        estoc_why_set(why, "%s: cannot be read: %s", path,
                      err == ESTOC_E_FILE ? strerror(errno) : estoc_err_text(err));
        return ESTOC_E_FILE;
    }
    return ESTOC_OK;
}

/* DER begins with a SEQUENCE of more than 127 bytes, PEM with text. */
static bool looks_like_der(estoc_slice file)
{
    return file.len > 1 && file.ptr[0] == ESTOC_DER_SEQUENCE && (file.ptr[1] & 0x80) != 0;
}

static estoc_err take_der(const char *path, estoc_slice file, const struct want *want,
                          estoc_blobs *out, estoc_why *why)
{
    if (!want->is(file)) {
        estoc_why_set(why, "%s: looks like DER, but is not one %s", path, want->noun);
        return ESTOC_E_MALFORMED;
    }
    return estoc_blobs_add(out, file);
}

static estoc_err take_block(const char *path, const char *name, estoc_slice der,
                            const struct want *want, estoc_blobs *out, estoc_why *why)
{
    if (strcmp(name, want->name) != 0 && strcmp(name, want->other_name) != 0) {
        return ESTOC_OK; /* a key, parameters: not asked for */
    }
    if (!want->is(der)) {
        estoc_why_set(why, "%s: block %zu is not a %s", path, out->n + 1, want->noun);
        return ESTOC_E_MALFORMED;
    }
    if (out->n == CERTS_MAX) {
        estoc_why_set(why, "%s: holds more than %d %ss", path, CERTS_MAX, want->noun);
        return ESTOC_E_LIMIT;
    }
    return estoc_blobs_add(out, der);
}

static estoc_err take_pem(const char *path, BIO *in, const struct want *want, estoc_blobs *out,
                          estoc_why *why)
{
    estoc_err err = ESTOC_OK;
    while (!err) {
        char *name = NULL;
        char *header = NULL;
        unsigned char *der = NULL;
        long len = 0;
        /* secure: a key may stand in the same file, and is wiped */
        if (PEM_read_bio_ex(in, &name, &header, &der, &len, PEM_FLAG_SECURE) != 1) {
            break;
        }
        err = take_block(path, name, estoc_slice_of(der, (size_t)len), want, out, why);
        OPENSSL_secure_free(name);
        OPENSSL_secure_free(header);
        OPENSSL_secure_clear_free(der, (size_t)len);
    }
    unsigned long last = ERR_peek_last_error();
    if (!err && ERR_GET_REASON(last) != PEM_R_NO_START_LINE) {
        estoc_why_set(why, "%s: damaged after the first %zu %ss", path, out->n, want->noun);
        err = ESTOC_E_MALFORMED;
    }
    if (!err && out->n == 0) {
        estoc_why_set(why, "%s: holds no %s", path, want->noun);
        err = ESTOC_E_MALFORMED;
    }
    return err;
}

static estoc_err load(const char *path, const struct want *want, estoc_blobs *out, estoc_why *why)
{
    estoc_blob text;
    *out = (estoc_blobs){NULL, 0};
    estoc_err err = read_file(path, want->max, &text, why);
    if (err) {
        return err;
    }
    ERR_clear_error();
    estoc_slice file = estoc_blob_slice(text);
    if (looks_like_der(file)) {
        err = take_der(path, file, want, out, why);
    } else {
        BIO *in = BIO_new_mem_buf(text.ptr, (int)text.len);
        err = in != NULL ? take_pem(path, in, want, out, why) : ESTOC_E_MEMORY;
        BIO_free(in);
    }
    if (err) {
        estoc_blobs_free(out);
    }
    estoc_blob_free(&text);
    ERR_clear_error();
    return err;
}

estoc_err estoc_certs_load(const char *path, estoc_blobs *out, estoc_why *why)
{
    return load(path, &want_cert, out, why);
}

estoc_err estoc_csr_load(const char *path, estoc_blob *out, estoc_why *why)
{
    estoc_blobs list;
    *out = (estoc_blob){NULL, 0};
    estoc_err err = load(path, &want_csr, &list, why);
    if (!err && list.n > 1) {
        estoc_why_set(why, "%s: holds %zu certificate requests, not one", path, list.n);
        err = ESTOC_E_MALFORMED;
    }
    err = err ? err : estoc_blob_copy(estoc_blob_slice(list.at[0]), out);
    estoc_blobs_free(&list);
    return err;
}

estoc_err estoc_crls_load(const char *path, estoc_blobs *out, estoc_why *why)
{
    return load(path, &want_crl, out, why);
}

static estoc_err take_text(BIO *mem, estoc_blob *out)
{
    char *text = NULL;
    long len = BIO_get_mem_data(mem, &text);
    return estoc_blob_copy(estoc_slice_of(text, (size_t)len), out);
}

static estoc_err write_pem(const char *name, const estoc_slice *list, size_t n, estoc_blob *out)
{
    *out = (estoc_blob){NULL, 0};
    BIO *mem = BIO_new(BIO_s_mem());
    estoc_err err = mem != NULL ? ESTOC_OK : ESTOC_E_MEMORY;
    for (size_t i = 0; !err && i < n; i++) {
        if (list[i].len == 0 || list[i].len > LONG_MAX ||
            PEM_write_bio(mem, name, "", list[i].ptr, (long)list[i].len) <= 0) {
            err = ESTOC_E_CRYPTO;
        }
    }
    err = err ? err : take_text(mem, out);
    BIO_free(mem);
    ERR_clear_error();
    return err;
}

estoc_err estoc_certs_pem(const estoc_slice *certs, size_t n, estoc_blob *out)
{
    return write_pem(PEM_STRING_X509, certs, n, out);
}

estoc_err estoc_csr_pem(estoc_slice der, estoc_blob *out)
{
    return write_pem(PEM_STRING_X509_REQ, &der, 1, out);
}

estoc_err estoc_crl_pem(estoc_slice der, estoc_blob *out)
{
    return write_pem(PEM_STRING_X509_CRL, &der, 1, out);
}

estoc_err estoc_cert_text(estoc_slice der, estoc_blob *out)
{
    const unsigned char *p = der.ptr;
    *out = (estoc_blob){NULL, 0};
    X509 *x = d2i_X509(NULL, &p, (long)der.len);
    BIO *mem = BIO_new(BIO_s_mem());
    estoc_err err = mem != NULL ? ESTOC_OK : ESTOC_E_MEMORY;
    if (!err && (x == NULL || p != der.ptr + der.len)) {
        err = ESTOC_E_MALFORMED;
    }
    if (!err && X509_print_ex(mem, x, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB, 0) != 1) {
        err = ESTOC_E_CRYPTO;
    }
    err = err ? err : take_text(mem, out);
    BIO_free(mem);
    X509_free(x);
    ERR_clear_error();
    return err;
}

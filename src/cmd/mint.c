/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "mint.h"

#define BACKDATE_S  3600 /* devices' clocks run behind */
#define HOST_MAX    253
#define CERT_EXTRA  (512 + ESTOC_SIG_MAX + ESTOC_SPKI_MAX)
#define TAG_DNS     ESTOC_DER_CONTEXT(2)
#define TAG_ADDRESS ESTOC_DER_CONTEXT(7)

estoc_err estoc_mint_cert(const estoc_mint *m, estoc_blob *cert)
{
    uint8_t spki[ESTOC_SPKI_MAX];
    size_t spki_len = 0;
    estoc_cert issuer = {.subject = m->subject, .not_before = INT64_MIN, .not_after = INT64_MAX};
    int64_t now = estoc_unix_s();
    *cert = (estoc_blob){NULL, 0};
    estoc_err err = m->issuer.len > 0 ? estoc_cert_parse(&issuer, m->issuer) : ESTOC_OK;
    if (!err && m->spki.len == 0) {
        err = estoc_key_spki(m->key, (estoc_buf){spki, sizeof spki}, &spki_len);
    }
    if (err) {
        return err;
    }
    estoc_cert_plan plan = {.serial_len = 16,
                            .issuer = issuer.subject,
                            .subject = m->subject,
                            .spki = m->spki.len > 0 ? m->spki : estoc_slice_of(spki, spki_len),
                            .not_before = now - BACKDATE_S,
                            .not_after = now + m->life_s,
                            .ca = m->ca,
                            .path_limited = m->path_limited,
                            .path_len = m->path_len,
                            .server = m->server,
                            .encrypt = m->encrypt,
                            .san = m->san,
                            .authority_key_id = issuer.ski,
                            .subject_key_id = m->ski};
    plan.not_before = plan.not_before > issuer.not_before ? plan.not_before : issuer.not_before;
    plan.not_after = plan.not_after < issuer.not_after ? plan.not_after : issuer.not_after;
    size_t room =
        CERT_EXTRA + m->subject.len + issuer.subject.len + m->san.len + m->ski.len + issuer.ski.len;
    cert->ptr = malloc(room);
    if (cert->ptr == NULL) {
        return ESTOC_E_MEMORY;
    }
    err = estoc_serial_random(plan.serial);
    err = err ? err
              : estoc_cert_issue(&plan, m->issuer_key != NULL ? m->issuer_key : m->key,
                                 (estoc_buf){cert->ptr, room}, &cert->len);
    if (err) {
        estoc_blob_free(cert);
    }
    return err;
}

estoc_err estoc_mint_name(const char *common_name, estoc_buf out, size_t *len)
{
    static const uint8_t oid[] = {0x55, 0x04, 0x03};
    estoc_writer w = estoc_writer_of(out);
    *len = 0;
    if (common_name[0] == '\0') {
        return ESTOC_E_MALFORMED;
    }
    size_t name = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    size_t rdn = estoc_der_open(&w, ESTOC_DER_SET);
    size_t pair = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    estoc_der_put(&w, ESTOC_DER_OID, estoc_slice_of(oid, sizeof oid));
    estoc_der_put(&w, ESTOC_DER_UTF8_STRING, estoc_slice_str(common_name));
    estoc_der_close(&w, pair);
    estoc_der_close(&w, rdn);
    estoc_der_close(&w, name);
    estoc_err err = w.err ? w.err : estoc_name_check(estoc_writer_slice(&w));
    return err ? err : estoc_writer_end(&w, len);
}

static bool is_dns_name(const char *host)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    size_t len = strlen(host);
    if (len == 0 || len > HOST_MAX) {
        return false;
    }
    for (const char *label = host;; label++) {
        len = strspn(label, plain);
        if (len == 0 || len > 63 || label[0] == '-' || label[len - 1] == '-') {
            return false;
        }
        label += len;
        if (*label != '.') {
            /* all digits would be an address, and it is none. RFC 1123 section 2.1 */
            return *label == '\0' && strspn(label - len, "0123456789") < len;
        }
    }
}

/* An address in network order. @return how many bytes; 0: none */
static size_t address(const char *host, uint8_t out[16])
{
    char bare[INET6_ADDRSTRLEN];
    size_t len = strlen(host);
    if (inet_pton(AF_INET, host, out) == 1) {
        return 4;
    }
    if (len > 2 && host[0] == '[' && host[len - 1] == ']' && len - 2 < sizeof bare) {
        memcpy(bare, host + 1, len - 2);
        bare[len - 2] = '\0';
        host = bare;
    }
    return inet_pton(AF_INET6, host, out) == 1 ? 16 : 0;
}

bool estoc_mint_is_host(const char *host)
{
    uint8_t bytes[16];
    return address(host, bytes) > 0 || is_dns_name(host);
}

estoc_err estoc_mint_hosts(const char *const *hosts, size_t n, estoc_buf out, size_t *len)
{
    estoc_writer w = estoc_writer_of(out);
    size_t list = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    *len = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t bytes[16];
        size_t address_len = address(hosts[i], bytes);
        if (address_len > 0) {
            estoc_der_put(&w, TAG_ADDRESS, estoc_slice_of(bytes, address_len));
        } else if (is_dns_name(hosts[i])) {
            estoc_der_put(&w, TAG_DNS, estoc_slice_str(hosts[i]));
        } else {
            return ESTOC_E_MALFORMED;
        }
    }
    estoc_der_close(&w, list);
    return estoc_writer_end(&w, len);
}

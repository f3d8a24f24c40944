/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto.h"
#include "roster.h"
#include "text.h"

#define FILE_MAX     (32u << 20)
#define KEY_LEN      32
#define SERIAL_BYTES 20

/* Keys of one kind, sorted: digests, and serial numbers with zeros in front. */
struct set {
    uint8_t (*at)[KEY_LEN];
    size_t n, cap;
};

struct estoc_roster {
    struct set certs; /* of what was signed */
    struct set prints, serials;
    char *patterns; /* lines */
    size_t patterns_len;
};

/* ----------------------------------------------------------------------------------------- the sets */

static estoc_err add(struct set *s, const uint8_t key[KEY_LEN])
{
    if (s->n == s->cap) {
        size_t cap = s->cap > 0 ? 2 * s->cap : 16;
        uint8_t(*at)[KEY_LEN] = realloc(s->at, cap * KEY_LEN);
        if (at == NULL) {
            return ESTOC_E_MEMORY;
        }
        s->at = at;
        s->cap = cap;
    }
    memcpy(s->at[s->n++], key, KEY_LEN);
    return ESTOC_OK;
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, KEY_LEN); /* nothing secret */
}

static void sort(struct set *s)
{
    if (s->n > 0) {
        qsort(s->at, s->n, KEY_LEN, compare);
    }
}

static bool in(const struct set *s, const uint8_t key[KEY_LEN])
{
    return s->n > 0 && bsearch(key, s->at, s->n, KEY_LEN, compare) != NULL;
}

static void sort_all(estoc_roster *r)
{
    sort(&r->certs);
    sort(&r->prints);
    sort(&r->serials);
}

/* ---------------------------------------------------------------------------------------- the lines */

static int digit(uint8_t c)
{
    return c >= '0' && c <= '9'                     ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
}

/* A number in hexadecimal, as OpenSSL writes it with colons or without. @return its digits, 0: none */
static size_t number(estoc_slice text, size_t bytes, uint8_t key[KEY_LEN])
{
    size_t digits = 0;
    memset(key, 0, KEY_LEN);
    for (size_t i = 0; i < text.len; i++) {
        int d = digit(text.ptr[i]);
        if (d < 0 && text.ptr[i] == ':' && digits > 0 && i + 1 < text.len) {
            continue;
        }
        if (d < 0 || key[KEY_LEN - bytes] >> 4 != 0) { /* no room for one more */
            return 0;
        }
        for (size_t k = KEY_LEN - bytes; k < KEY_LEN; k++) {
            uint8_t next = k + 1 < KEY_LEN ? key[k + 1] >> 4 : (uint8_t)d;
            key[k] = (uint8_t)(key[k] << 4 | next);
        }
        digits++;
    }
    return digits;
}

static estoc_err bad(estoc_roster_fault *fault, const char *text)
{
    fault->text = text;
    return ESTOC_E_MALFORMED;
}

static estoc_err take_serial(estoc_roster *r, estoc_slice value, estoc_roster_fault *fault)
{
    uint8_t key[KEY_LEN];
    return number(value, SERIAL_BYTES, key) == 0
               ? bad(fault, "a serial number is up to 20 bytes in hexadecimal")
               : add(&r->serials, key);
}

static estoc_err take_print(estoc_roster *r, estoc_slice value, estoc_roster_fault *fault)
{
    uint8_t key[KEY_LEN];
    return number(value, KEY_LEN, key) != 2 * KEY_LEN
               ? bad(fault, "a fingerprint is SHA-256 of a certificate, 32 bytes in hexadecimal")
               : add(&r->prints, key);
}

static estoc_err take_pattern(estoc_roster *r, estoc_slice value, estoc_roster_fault *fault)
{
    if (!estoc_subject_pattern_good(value)) {
        return bad(fault,
                   "a subject is TYPE=PATTERN, such as CN=sensor-*, or several with + between");
    }
    char *more = realloc(r->patterns, r->patterns_len + value.len + 1);
    if (more == NULL) {
        return ESTOC_E_MEMORY;
    }
    memcpy(more + r->patterns_len, value.ptr, value.len);
    r->patterns = more;
    r->patterns_len += value.len;
    r->patterns[r->patterns_len++] = '\n';
    return ESTOC_OK;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static estoc_slice trimmed(estoc_slice s)
{
    while (s.len > 0 && is_blank(s.ptr[0])) {
        s = estoc_slice_sub(s, 1, s.len);
    }
    while (s.len > 0 && is_blank(s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

static bool begins(estoc_slice line, const char *with)
{
    estoc_slice w = estoc_slice_str(with);
    return estoc_slice_eq(estoc_slice_sub(line, 0, w.len), w);
}

static estoc_err take_line(estoc_roster *r, estoc_slice line, bool denies,
                           estoc_roster_fault *fault)
{
    static const struct {
        const char *word;
        estoc_err (*take)(estoc_roster *r, estoc_slice value, estoc_roster_fault *fault);
    } kinds[] = {{"serial", take_serial}, {"sha256", take_print}, {"subject", take_pattern}};
    size_t len = 0;
    while (len < line.len && !is_blank(line.ptr[len])) {
        len++;
    }
    estoc_slice word = estoc_slice_sub(line, 0, len);
    estoc_slice value = trimmed(estoc_slice_sub(line, len, line.len));
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (!estoc_slice_eq(word, estoc_slice_str(kinds[i].word))) {
            continue;
        }
        if (denies && kinds[i].take == take_print) {
            return bad(fault,
                       "a fingerprint denies nobody for sure, for a signature can be written "
                       "in another way: give the certificate, or its serial");
        }
        return kinds[i].take(r, value, fault);
    }
    return bad(fault, "neither serial HEX, sha256 HEX, subject PATTERN, PEM nor a comment");
}

static estoc_slice next_line(estoc_slice *text)
{
    const uint8_t *end = text->len > 0 ? memchr(text->ptr, '\n', text->len) : NULL;
    size_t len = end != NULL ? (size_t)(end - text->ptr) : text->len;
    estoc_slice line = estoc_slice_sub(*text, 0, len);
    *text = estoc_slice_sub(*text, len + 1, text->len);
    return trimmed(line);
}

static estoc_err take_lines(estoc_roster *r, estoc_slice text, bool denies, bool *pem,
                            estoc_roster_fault *fault)
{
    bool inside = false;
    estoc_err err = ESTOC_OK;
    while (!err && text.len > 0) {
        estoc_slice line = next_line(&text);
        fault->line++;
        if (inside) {
            inside = !begins(line, "-----END ");
        } else if (begins(line, "-----BEGIN ")) {
            inside = *pem = true;
        } else if (line.len > 0 && line.ptr[0] != '#') {
            err = take_line(r, line, denies, fault);
        }
    }
    return !err && inside ? bad(fault, "PEM without an end") : err;
}

estoc_err estoc_roster_parse(estoc_slice text, bool denies, estoc_roster **out, bool *pem,
                             estoc_roster_fault *fault)
{
    *pem = false;
    *fault = (estoc_roster_fault){0, ""};
    *out = calloc(1, sizeof **out);
    if (*out == NULL) {
        return ESTOC_E_MEMORY;
    }
    estoc_err err = take_lines(*out, text, denies, pem, fault);
    if (err) {
        estoc_roster_free(*out);
        *out = NULL;
        return err;
    }
    sort_all(*out);
    return ESTOC_OK;
}

/* ---------------------------------------------------------------------------------------- the whole */

static estoc_err add_certs(estoc_roster *r, const estoc_blobs *certs)
{
    estoc_err err = ESTOC_OK;
    for (size_t i = 0; !err && i < certs->n; i++) {
        estoc_cert cert;
        uint8_t key[KEY_LEN];
        err = estoc_cert_parse(&cert, estoc_blob_slice(certs->at[i]));
        err = err ? err : estoc_sha256(cert.tbs, key);
        err = err ? err : add(&r->certs, key);
    }
    sort_all(r);
    return err;
}

static estoc_err load_certs(const char *path, estoc_roster *r, estoc_why *why)
{
    estoc_blobs certs;
    estoc_err err = estoc_certs_load(path, &certs, why);
    if (err) {
        return err;
    }
    err = add_certs(r, &certs);
    if (err) {
        estoc_why_set(why, "%s: a certificate in it: %s", path, estoc_err_text(err));
    }
    estoc_blobs_free(&certs);
    return err;
}

estoc_err estoc_roster_load(const char *path, bool denies, estoc_roster **out, estoc_why *why)
{
    estoc_blob text;
    estoc_roster_fault fault;
    bool pem;
    *out = NULL;
    estoc_err err = estoc_file_read(path, FILE_MAX, &text);
    if (err) {
        estoc_why_set(why, "%s: %s", path,
                      err == ESTOC_E_FILE ? strerror(errno) : estoc_err_text(err));
        return err;
    }
    err = estoc_roster_parse(estoc_blob_slice(text), denies, out, &pem, &fault);
    estoc_blob_free(&text);
    if (err) {
        estoc_why_set(why, "%s: line %u: %s", path, fault.line,
                      err == ESTOC_E_MALFORMED ? fault.text : estoc_err_text(err));
        return err;
    }
    err = pem ? load_certs(path, *out, why) : ESTOC_OK;
    if (err) {
        estoc_roster_free(*out);
        *out = NULL;
    }
    return err;
}

void estoc_roster_free(estoc_roster *r)
{
    if (r != NULL) {
        free(r->certs.at);
        free(r->prints.at);
        free(r->serials.at);
        free(r->patterns);
        free(r);
    }
}

static bool has_serial(const estoc_roster *r, estoc_slice serial)
{
    uint8_t key[KEY_LEN] = {0};
    if (serial.len > KEY_LEN) {
        return false;
    }
    memcpy(key + KEY_LEN - serial.len, serial.ptr, serial.len);
    return in(&r->serials, key);
}

static bool has_subject(const estoc_roster *r, estoc_slice subject)
{
    estoc_slice rest = estoc_slice_of(r->patterns, r->patterns_len);
    if (rest.len == 0 || estoc_name_check(subject)) {
        return false;
    }
    while (rest.len > 0) {
        if (estoc_subject_matches(next_line(&rest), subject)) {
            return true;
        }
    }
    return false;
}

bool estoc_roster_has(const estoc_roster *r, const estoc_cert *cert)
{
    uint8_t key[KEY_LEN];
    if (r == NULL) {
        return false;
    }
    return (r->certs.n > 0 && !estoc_sha256(cert->tbs, key) && in(&r->certs, key)) ||
           (r->prints.n > 0 && !estoc_sha256(cert->der, key) && in(&r->prints, key)) ||
           has_serial(r, cert->serial) || has_subject(r, cert->subject);
}

bool estoc_patterns_next(const char **text, estoc_slice *pattern)
{
    if (*text == NULL) {
        return false;
    }
    const char *end = *text;
    while (*end != '\0' && *end != ',') {
        end += end[0] == '\\' && end[1] != '\0' ? 2 : 1;
    }
    *pattern = trimmed(estoc_slice_of(*text, (size_t)(end - *text)));
    *text = *end != '\0' ? end + 1 : NULL;
    return true;
}

/* SPDX-License-Identifier: MIT
 *
 * The rules of a profile, from their lines in estocd.conf: what its certificates contain.
 */
#include <string.h>

#include "conf_keys.h"
#include "conf_value.h"
#include "naming.h"
#include "roster.h"
#include "text.h"

#define OID_MAX   64  /* bytes */
#define VALUE_MAX 256 /* bytes of an extension's value */

void estoc_conf_take_keys(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                          const char *value)
{
    estoc_profile *profile = to;
    unsigned bits;
    uint32_t rsa_bits;
    if (!estoc_conf_keys(value, &bits, &rsa_bits)) {
        estoc_conf_fault(r, "%s = %.40s: must be a list of " ESTOC_CONF_KEYS, k->name, value);
        return;
    }
    profile->keys = bits;
    profile->rsa_bits = rsa_bits;
}

/* One word of a list that is none of those that are right. */
static void wrong_word(estoc_conf_reading *r, const estoc_conf_key *k, estoc_slice word,
                       const char *must)
{
    int len = word.len < 60 ? (int)word.len : 60;
    estoc_conf_fault(r, "%s: \"%.*s\" %s", k->name, len, (const char *)word.ptr, must);
}

static void no_room(estoc_conf_reading *r, const estoc_conf_key *k)
{
    estoc_conf_fault(r, "%s: more than there is room for", k->name);
}

/* ---- who may use it ---- */

void estoc_conf_take_patterns(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                              const char *value)
{
    const char *rest = value[0] != '\0' ? value : NULL;
    estoc_slice pattern;
    size_t len = strlen(value);
    while (estoc_patterns_next(&rest, &pattern)) {
        if (!estoc_subject_pattern_good(pattern)) {
            wrong_word(r, k, pattern,
                       "must be TYPE=PATTERN, such as CN=sensor-*, or several with + between");
            return;
        }
    }
    if (len >= sizeof((estoc_profile_conf *)0)->allow_subjects) {
        no_room(r, k);
        return;
    }
    memcpy(to, value, len + 1);
}

/* ---- names ---- */

static void take_rule(estoc_conf_reading *r, const estoc_conf_key *k, char *to, const char *value,
                      bool (*good)(const char *rule, estoc_slice *wrong), const char *must)
{
    size_t len = strlen(value);
    estoc_slice wrong = estoc_slice_str(value);
    if (len >= ESTOC_NAMING_MAX) {
        no_room(r, k);
    } else if (len > 0 && !good(value, &wrong)) {
        wrong_word(r, k, wrong, must);
    } else {
        memcpy(to, value, len + 1);
    }
}

void estoc_conf_take_subject(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                             const char *value)
{
    take_rule(r, k, to, value, estoc_naming_subject_good,
              "must be TYPE=VALUE, such as O=Example or CN=${client.serialNumber}");
}

void estoc_conf_take_san(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                         const char *value)
{
    take_rule(r, k, to, value, estoc_naming_san_good,
              "must be dns:, ip:, uri: or email: and a name, such as dns:${client.CN}.example");
}

/* ---- approval ---- */

/* A path, then arguments. */
void estoc_conf_take_command(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                             const char *value)
{
    char path[ESTOC_COMMAND_MAX], command[ESTOC_COMMAND_MAX];
    char *out = to;
    size_t len = strcspn(value, " \t");
    if (len == 0) {
        out[0] = '\0';
        return;
    }
    bool fits = len < sizeof path;
    if (fits) {
        memcpy(path, value, len);
        path[len] = '\0';
        fits = !estoc_path_join(command, sizeof command, r->c->dir, path) &&
               strlen(command) + strlen(value + len) < sizeof command;
    }
    if (!fits) {
        no_room(r, k);
    } else if (strpbrk(r->c->dir, " \t") != NULL && path[0] != '/') {
        estoc_conf_fault(r, "%s: give the whole path: that of this folder has a blank", k->name);
    } else {
        size_t n = strlen(command);
        memcpy(out, command, n);
        memcpy(out + n, value + len, strlen(value + len) + 1);
    }
}

/* ---- renewals ---- */

/* "30d", or "40%" of a certificate's life. */
void estoc_conf_take_window(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                            const char *value)
{
    estoc_profile *profile = to;
    char number[8];
    uint64_t n;
    size_t len = strlen(value);
    if (len > 1 && len <= sizeof number && value[len - 1] == '%') {
        memcpy(number, value, len - 1);
        number[len - 1] = '\0';
        if (estoc_conf_number(number, 1, 100, &n)) {
            profile->renew_percent = n < 100 ? (uint32_t)n : 0;
            profile->renew_s = 0;
            return;
        }
    } else if (estoc_conf_time(value, &n) && n >= 1000 && n % 1000 == 0 && n / 1000 <= UINT32_MAX) {
        profile->renew_s = (uint32_t)(n / 1000);
        profile->renew_percent = 0;
        return;
    }
    estoc_conf_fault(r,
                     "%s = %.40s: must be a part of a certificate's life from 1%% to 100%%, or a "
                     "time such as 30d",
                     k->name, value);
}

/* ---- usage ---- */

/* RFC 5280 section 4.2.1.3. Those of a CA's key are not to be had. */
void estoc_conf_take_usage(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                           const char *value)
{
    static const struct {
        const char *name;
        unsigned bit;
    } names[] = {{"digitalSignature", ESTOC_USAGE_SIGNATURE},
                 {"nonRepudiation", ESTOC_USAGE_NON_REPUDIATION},
                 {"keyEncipherment", ESTOC_USAGE_KEY_ENCIPHERMENT},
                 {"dataEncipherment", ESTOC_USAGE_DATA_ENCIPHERMENT},
                 {"keyAgreement", ESTOC_USAGE_KEY_AGREEMENT}};
    estoc_contents *contents = to;
    estoc_slice word;
    unsigned bits = 0;
    if (value[0] == '\0') {
        value = NULL; /* the default */
    }
    while (estoc_conf_word(&value, ',', &word)) {
        size_t i = 0;
        while (i < sizeof names / sizeof names[0] &&
               !estoc_slice_eq(word, estoc_slice_str(names[i].name))) {
            i++;
        }
        if (i == sizeof names / sizeof names[0]) {
            wrong_word(r, k, word,
                       "must be digitalSignature, nonRepudiation, keyEncipherment, "
                       "dataEncipherment or keyAgreement");
            return;
        }
        bits |= names[i].bit;
    }
    contents->usage = (uint8_t)bits;
}

/* ---- lists of OIDs ---- */

/* An OID that the list has not yet. @return false: a fault was told */
static bool take_oid(estoc_conf_reading *r, const estoc_conf_key *k, estoc_slice word,
                     estoc_slice list, estoc_buf out, estoc_slice *oid)
{
    size_t len;
    if (estoc_conf_oid(word, out, &len)) {
        wrong_word(r, k, word, "is neither a name known here nor an OID such as 1.2.3");
        return false;
    }
    *oid = estoc_slice_of(out.ptr, len);
    estoc_reader in = estoc_reader_of(list);
    while (!in.err && estoc_reader_left(&in) > 0) {
        if (estoc_slice_eq(estoc_der_oid(&in), *oid)) {
            wrong_word(r, k, word, "is given twice");
            return false;
        }
    }
    return true;
}

void estoc_conf_take_eku(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                         const char *value)
{
    static const uint8_t any[] = {0x55, 0x1d, 0x25, 0x00};
    estoc_contents *contents = to;
    uint8_t room[OID_MAX];
    estoc_slice word, oid;
    estoc_writer w = estoc_writer_of((estoc_buf){contents->purposes, sizeof contents->purposes});
    contents->purposes_len = 0;
    while (estoc_conf_word(&value, ',', &word)) {
        if (!take_oid(r, k, word, estoc_writer_slice(&w), (estoc_buf){room, sizeof room}, &oid)) {
            return;
        }
        if (estoc_slice_eq(oid, estoc_slice_of(any, sizeof any))) {
            wrong_word(r, k, word, "would be good for everything: name what it is to be good for");
            return;
        }
        estoc_der_put(&w, ESTOC_DER_OID, oid);
    }
    if (estoc_writer_end(&w, &contents->purposes_len)) {
        no_room(r, k);
    }
}

/* ---- extensions ---- */

static estoc_writer more_of(estoc_contents *c)
{
    return (estoc_writer){c->extensions, sizeof c->extensions, c->extensions_len, ESTOC_OK};
}

static void end_more(estoc_conf_reading *r, const estoc_conf_key *k, estoc_contents *c,
                     const estoc_writer *w)
{
    size_t len;
    if (estoc_writer_end(w, &len)) {
        no_room(r, k);
    } else {
        c->extensions_len = len;
    }
}

/* RFC 5280 section 4.2.1.4 */
void estoc_conf_take_policies(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                              const char *value)
{
    static const uint8_t policies[] = {0x55, 0x1d, 0x20};
    uint8_t room[OID_MAX], seen[ESTOC_EXTENSIONS_MAX];
    estoc_slice word, oid;
    estoc_writer w = more_of(to);
    estoc_writer list = estoc_writer_of((estoc_buf){seen, sizeof seen});
    if (value[0] == '\0') {
        return;
    }
    size_t ext = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    estoc_der_put(&w, ESTOC_DER_OID, estoc_slice_of(policies, sizeof policies));
    size_t octets = estoc_der_open(&w, ESTOC_DER_OCTET_STRING);
    size_t all = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    while (estoc_conf_word(&value, ',', &word)) {
        if (!take_oid(r, k, word, estoc_writer_slice(&list), (estoc_buf){room, sizeof room},
                      &oid)) {
            return;
        }
        estoc_der_put(&list, ESTOC_DER_OID, oid);
        size_t one = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
        estoc_der_put(&w, ESTOC_DER_OID, oid);
        estoc_der_close(&w, one);
    }
    estoc_der_close(&w, all);
    estoc_der_close(&w, octets);
    estoc_der_close(&w, ext);
    end_more(r, k, to, &w);
}

static int digit(uint8_t c)
{
    return c >= '0' && c <= '9'                     ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
}

/* One element in DER, in hexadecimal. */
static bool value_of(estoc_slice hex, estoc_buf out, size_t *len)
{
    estoc_der el;
    for (*len = 0; 2 * *len < hex.len; ++*len) {
        int high = digit(hex.ptr[2 * *len]);
        int low = 2 * *len + 1 < hex.len ? digit(hex.ptr[2 * *len + 1]) : -1;
        if (high < 0 || low < 0 || *len == out.cap) {
            return false;
        }
        out.ptr[*len] = (uint8_t)(high << 4 | low);
    }
    estoc_reader in = estoc_reader_of(estoc_slice_of(out.ptr, *len));
    return estoc_der_next(&in, &el) && !estoc_reader_end(&in);
}

/* "1.2.3.4:0500". Those of RFC 5280 are the CA's to write. @return false: a fault was told */
static bool put_extension(estoc_conf_reading *r, const estoc_conf_key *k, estoc_slice word,
                          estoc_writer *seen, estoc_writer *w)
{
    static const uint8_t ce[] = {0x55, 0x1d};
    uint8_t room[OID_MAX], value[VALUE_MAX];
    estoc_slice oid;
    size_t len;
    const uint8_t *colon = memchr(word.ptr, ':', word.len);
    estoc_slice name = estoc_slice_sub(word, 0, colon != NULL ? (size_t)(colon - word.ptr) : 0);
    if (colon == NULL || !value_of(estoc_slice_sub(word, name.len + 1, word.len),
                                   (estoc_buf){value, sizeof value}, &len)) {
        wrong_word(r, k, word, "must be OID:VALUE, the value one element of DER in hexadecimal");
        return false;
    }
    if (!take_oid(r, k, name, estoc_writer_slice(seen), (estoc_buf){room, sizeof room}, &oid)) {
        return false;
    }
    if (estoc_slice_eq(estoc_slice_sub(oid, 0, sizeof ce), estoc_slice_of(ce, sizeof ce))) {
        wrong_word(r, k, name, "is for the CA to write: see eku, key-usage, policies and san");
        return false;
    }
    estoc_der_put(seen, ESTOC_DER_OID, oid);
    size_t ext = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    estoc_der_put(w, ESTOC_DER_OID, oid);
    estoc_der_put(w, ESTOC_DER_OCTET_STRING, estoc_slice_of(value, len));
    estoc_der_close(w, ext);
    return true;
}

void estoc_conf_take_extensions(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                                const char *value)
{
    uint8_t oids[ESTOC_EXTENSIONS_MAX];
    estoc_slice word;
    estoc_writer w = more_of(to);
    estoc_writer seen = estoc_writer_of((estoc_buf){oids, sizeof oids});
    if (value[0] == '\0') {
        return;
    }
    while (estoc_conf_word(&value, ',', &word)) {
        if (!put_extension(r, k, word, &seen, &w)) {
            return;
        }
    }
    end_more(r, k, to, &w);
}

/* ---- CSR attributes ---- */

/* What /att serves: the list, and the template behind it. RFC 9908 section 4 lets both stand there. */
static void join_attributes(estoc_conf_reading *r, estoc_profile_conf *conf)
{
    estoc_reader list;
    size_t len = 0;
    estoc_writer w = estoc_writer_of((estoc_buf){conf->attributes, sizeof conf->attributes});
    if (conf->list_len + conf->request_len > 0) {
        size_t mark = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
        if (!estoc_der_begin(estoc_slice_of(conf->list, conf->list_len), &list)) {
            estoc_der_put_raw(&w, list.rest);
        }
        estoc_der_put_raw(&w, estoc_slice_of(conf->request, conf->request_len));
        estoc_der_close(&w, mark);
    }
    if (estoc_writer_end(&w, &len)) {
        estoc_conf_fault(r, "attributes and template: more than there is room for");
    }
    conf->profile.attributes = estoc_slice_of(conf->attributes, len);
}

/* A list of parts, as DER. @param must  what is wrong with a part that is unknown */
static void take_parts(estoc_conf_reading *r, const estoc_conf_key *k, const char *value,
                       estoc_err (*parse)(const char *, estoc_buf, size_t *, const char **),
                       estoc_buf room, size_t *len, const char *must)
{
    const char *what = "";
    *len = 0;
    estoc_err err = value[0] != '\0' ? parse(value, room, len, &what) : ESTOC_OK;
    if (err) {
        estoc_conf_fault(r, "%s: \"%s\" %s", k->name, what,
                         err == ESTOC_E_STATE       ? "is given twice"
                         : err == ESTOC_E_MALFORMED ? must
                                                    : "is more than there is room for");
    }
}

void estoc_conf_take_attributes(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                                const char *value)
{
    estoc_profile_conf *conf = to;
    take_parts(r, k, value, estoc_conf_attributes, (estoc_buf){conf->list, sizeof conf->list},
               &conf->list_len, "is neither a name known here nor an OID such as 1.2.3");
    join_attributes(r, conf);
}

void estoc_conf_take_template(estoc_conf_reading *r, const estoc_conf_key *k, void *to,
                              const char *value)
{
    estoc_profile_conf *conf = to;
    take_parts(r, k, value, estoc_conf_request, (estoc_buf){conf->request, sizeof conf->request},
               &conf->request_len,
               "is neither a part of a name such as CN or O=Example, a key, SAN, KU nor EKU");
    join_attributes(r, conf);
}

/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <estoc/csr.h>

#define ATTRIBUTES_MAX 16
#define EXTENSIONS_MAX 32
#define PASSWORD_MAX   255 /* RFC 2985 appendix A, pkcs-9-ub-challengePassword */
#define SIGNATURE_MAX  512

/* clang-format off */
static const uint8_t challenge_password[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x07};
static const uint8_t extension_request[]  = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x0e};
static const uint8_t subject_alt_name[]   = {0x55, 0x1d, 0x11};
/* clang-format on */

#define SLICE(array) estoc_slice_of((array), sizeof(array))

/* ---- parsing ---- */

/* The order of a SET OF. No element is the beginning of another.                 X.690 section 11.6 */
static bool comes_before(estoc_slice a, estoc_slice b)
{
    return memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len) < 0;
}

/* The unused bits are zero. X.690 section 11.2.1 */
static bool bits_good(estoc_slice v)
{
    return v.len > 0 && v.ptr[0] <= 7 && (v.len > 1 || v.ptr[0] == 0) &&
           (v.ptr[v.len - 1] & ((1u << v.ptr[0]) - 1)) == 0;
}

/* A value of whatever attribute: of a type one meets, and in DER as far as can be told without
 * knowing the attribute. What is taken here must not be refused by the cryptographic library
 * (232). */
static bool value_good(const estoc_der *el)
{
    estoc_reader r = estoc_reader_of(el->whole);
    switch (el->tag) {
    case ESTOC_DER_BOOLEAN:
        estoc_der_bool(&r);
        break;
    case ESTOC_DER_INTEGER:
        estoc_der_integer(&r);
        break;
    case ESTOC_DER_OID:
        estoc_der_oid(&r);
        break;
    case ESTOC_DER_UTC_TIME:
    case ESTOC_DER_GENERALIZED_TIME:
        estoc_der_time(&r);
        break;
    case ESTOC_DER_BIT_STRING:
        return bits_good(el->value);
    case ESTOC_DER_NULL:
        return el->value.len == 0;
    case ESTOC_DER_BMP_STRING:
        return el->value.len % 2 == 0;
    case ESTOC_DER_OCTET_STRING:
    case ESTOC_DER_UTF8_STRING:
    case ESTOC_DER_PRINTABLE_STRING:
    case ESTOC_DER_T61_STRING:
    case ESTOC_DER_IA5_STRING:
    case ESTOC_DER_SEQUENCE:
    case ESTOC_DER_SET:
        break;
    default:
        return false;
    }
    return !r.err;
}

/* How many elements the inside of a SET OF has; -1 if they are not in order, or one stands twice. */
static int set_count(estoc_slice set)
{
    estoc_reader r = estoc_reader_of(set);
    estoc_slice last = {NULL, 0};
    estoc_der el;
    int n = 0;
    for (; estoc_der_more(&r, &el); n++) {
        if (!value_good(&el) || (n > 0 && !comes_before(last, el.whole))) {
            return -1;
        }
        last = el.whole;
    }
    return r.err ? -1 : n;
}

bool estoc_ext_next(estoc_reader *r, estoc_ext *ext)
{
    estoc_der el;
    memset(ext, 0, sizeof *ext);
    if (!estoc_der_more(r, &el)) {
        return false;
    }
    estoc_reader in = estoc_reader_of(el.value);
    ext->whole = el.whole;
    ext->oid = estoc_der_oid(&in);
    if (estoc_der_peek(&in) == ESTOC_DER_BOOLEAN) {
        ext->critical = estoc_der_bool(&in);
        if (!ext->critical) { /* the default is not written. X.690 section 11.5 */
            estoc_reader_malformed(&in);
        }
    }
    ext->value = estoc_der_expect(&in, ESTOC_DER_OCTET_STRING);
    if (el.tag != ESTOC_DER_SEQUENCE || estoc_reader_end(&in)) {
        estoc_reader_malformed(r);
        memset(ext, 0, sizeof *ext);
    }
    return !r->err;
}

/* Of an address, a host name or a URI: visible ASCII. A NUL or a newline in one is an attack. */
static bool text_good(estoc_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] <= ' ' || s.ptr[i] >= 0x7f) {
            return false;
        }
    }
    return s.len > 0;
}

static bool other_name_good(estoc_slice value)
{
    estoc_reader r = estoc_reader_of(value);
    estoc_der el;
    estoc_der_oid(&r);
    estoc_reader in = estoc_der_enter(&r, ESTOC_DER_CONTEXT_CONSTRUCTED(0));
    estoc_der_next(&in, &el);
    return !estoc_reader_end(&in) && !estoc_reader_end(&r);
}

/* RFC 5280 section 4.2.1.6 */
static bool general_name_good(const estoc_der *name)
{
    switch (name->tag) {
    case ESTOC_DER_CONTEXT_CONSTRUCTED(0):
        return other_name_good(name->value);
    case ESTOC_DER_CONTEXT(1): /* rfc822Name, dNSName, uniformResourceIdentifier */
    case ESTOC_DER_CONTEXT(2):
    case ESTOC_DER_CONTEXT(6):
        return text_good(name->value);
    case ESTOC_DER_CONTEXT_CONSTRUCTED(
        3): /* x400Address, ediPartyName: nobody's; not looked into */
    case ESTOC_DER_CONTEXT_CONSTRUCTED(5):
        return true;
    case ESTOC_DER_CONTEXT_CONSTRUCTED(4):
        return !estoc_name_check(name->value);
    case ESTOC_DER_CONTEXT(7):
        return name->value.len == 4 || name->value.len == 16;
    case ESTOC_DER_CONTEXT(8):
        return estoc_der_oid_valid(name->value);
    default:
        return false;
    }
}

bool estoc_san_good(estoc_slice der)
{
    estoc_reader r;
    estoc_der name;
    bool good = !estoc_der_begin(der, &r) && estoc_reader_left(&r) > 0;
    while (good && estoc_der_more(&r, &name)) {
        good = general_name_good(&name);
    }
    return good && !r.err;
}

/* RFC 2985 section 5.4.2 */
static void take_extensions(estoc_csr *csr, estoc_reader *values)
{
    csr->extensions = values->rest;
    estoc_reader r = estoc_der_enter(values, ESTOC_DER_SEQUENCE);
    estoc_slice list = r.rest;
    estoc_ext ext;
    size_t n = 0;
    for (; estoc_ext_next(&r, &ext); n++) {
        bool san = estoc_slice_eq(ext.oid, SLICE(subject_alt_name));
        if (n == EXTENSIONS_MAX) {
            estoc_reader_fail(&r, ESTOC_E_LIMIT);
        } else if (estoc_der_oid_before(list, ext.oid) || (san && !estoc_san_good(ext.value))) {
            estoc_reader_malformed(&r);
        } else if (san) {
            csr->san = ext.value;
        }
    }
    estoc_der_leave(values, &r);
    if (n == 0) {
        estoc_reader_malformed(values);
    }
}

/* RFC 2985 section 5.4.1. Its characters are compared, never shown: they are not checked. */
static void take_password(estoc_csr *csr, estoc_reader *values)
{
    bool utf8 = estoc_der_peek(values) == ESTOC_DER_UTF8_STRING;
    estoc_slice text =
        estoc_der_expect(values, utf8 ? ESTOC_DER_UTF8_STRING : ESTOC_DER_PRINTABLE_STRING);
    csr->challenge_password = text;
    csr->has_challenge_password = true;
    if (text.len == 0) {
        estoc_reader_malformed(values);
    } else if (text.len > PASSWORD_MAX) {
        estoc_reader_fail(values, ESTOC_E_LIMIT);
    }
}

static void take_attribute(estoc_csr *csr, estoc_reader *list)
{
    estoc_reader in = estoc_der_enter(list, ESTOC_DER_SEQUENCE);
    estoc_slice type = estoc_der_oid(&in);
    estoc_reader values = estoc_der_enter(&in, ESTOC_DER_SET);
    if (set_count(values.rest) <= 0 || estoc_der_oid_before(csr->attributes, type)) {
        estoc_reader_malformed(&in);
    } else if (estoc_slice_eq(type, SLICE(extension_request))) {
        take_extensions(csr, &values);
        estoc_der_leave(&in, &values);
    } else if (estoc_slice_eq(type, SLICE(challenge_password))) {
        take_password(csr, &values);
        estoc_der_leave(&in, &values);
    }
    estoc_der_leave(list, &in);
}

static estoc_err parse_attributes(estoc_csr *csr)
{
    estoc_reader r = estoc_reader_of(csr->attributes);
    int n = set_count(r.rest);
    if (n < 0) {
        return ESTOC_E_MALFORMED;
    }
    if (n > ATTRIBUTES_MAX) {
        return ESTOC_E_LIMIT;
    }
    while (estoc_reader_left(&r) > 0) {
        take_attribute(csr, &r);
    }
    return r.err;
}

/* AlgorithmIdentifier and BIT STRING, whatever they say. */
static bool spki_shaped(estoc_slice der)
{
    estoc_reader r;
    if (estoc_der_begin(der, &r)) {
        return false;
    }
    estoc_der parameters;
    estoc_reader algorithm = estoc_der_enter(&r, ESTOC_DER_SEQUENCE);
    estoc_der_oid(&algorithm);
    estoc_der_more(&algorithm, &parameters);
    estoc_der_leave(&r, &algorithm);
    estoc_der_expect(&r, ESTOC_DER_BIT_STRING);
    return !estoc_reader_end(&r);
}

static estoc_err take_spki(estoc_csr *csr, estoc_slice der, bool keyless)
{
    estoc_err err = estoc_spki_parse(&csr->spki, der);
    if (err && keyless && spki_shaped(der)) {
        csr->spki = (estoc_spki){.kind = ESTOC_KEY_UNKNOWN, .der = der};
        err = ESTOC_OK;
    }
    return err;
}

/* RFC 2986 section 4.1 */
static estoc_err parse_info(estoc_csr *csr, bool keyless)
{
    estoc_reader whole = estoc_reader_of(csr->info);
    estoc_reader in = estoc_der_enter(&whole, ESTOC_DER_SEQUENCE);
    uint32_t version = estoc_der_u32(&in);
    csr->subject = estoc_der_whole(&in, ESTOC_DER_SEQUENCE);
    estoc_slice spki = estoc_der_whole(&in, ESTOC_DER_SEQUENCE);
    csr->attributes = estoc_der_expect(&in, ESTOC_DER_CONTEXT_CONSTRUCTED(0));
    if (estoc_reader_end(&in) || version != 0) {
        return ESTOC_E_MALFORMED;
    }
    estoc_err err = estoc_name_check(csr->subject);
    err = err ? err : take_spki(csr, spki, keyless);
    return err ? err : parse_attributes(csr);
}

/* RFC 2986 section 4.2. The outer SEQUENCE must be all there, and nothing behind it: what ends too early
 * or too late within it is malformed. */
static estoc_err parse(estoc_csr *csr, estoc_slice der, bool keyless)
{
    estoc_reader r;
    estoc_err err = estoc_der_begin(der, &r);
    if (err) {
        return err;
    }
    csr->info = estoc_der_whole(&r, ESTOC_DER_SEQUENCE);
    estoc_slice algorithm = estoc_der_whole(&r, ESTOC_DER_SEQUENCE);
    csr->signature = estoc_der_bits(&r);
    if (estoc_reader_end(&r)) {
        return ESTOC_E_MALFORMED;
    }
    err = parse_info(csr, keyless);
    err = err ? err : estoc_sig_alg_parse(algorithm, &csr->sig);
    if (!err && !keyless && !estoc_sig_fits_key(csr->sig, csr->spki.kind)) {
        err = ESTOC_E_UNSUPPORTED;
    }
    return err;
}

static estoc_err parse_either(estoc_csr *csr, estoc_slice der, bool keyless)
{
    memset(csr, 0, sizeof *csr);
    estoc_err err = parse(csr, der, keyless);
    if (err) {
        memset(csr, 0, sizeof *csr);
    }
    return err;
}

estoc_err estoc_csr_parse(estoc_csr *csr, estoc_slice der)
{
    return parse_either(csr, der, false);
}

estoc_err estoc_csr_parse_keyless(estoc_csr *csr, estoc_slice der)
{
    return parse_either(csr, der, true);
}

/* ---- building ---- */

/* Insertion sort of the inside of a SET OF, in place. False if it is not DER. */
static bool sort_set(uint8_t *set, size_t len)
{
    estoc_reader r = estoc_reader_of(estoc_slice_of(set, len));
    estoc_der el, earlier;
    while (estoc_der_more(&r, &el)) {
        size_t n = el.whole.len;
        size_t to = (size_t)(el.whole.ptr - set);
        estoc_reader sorted = estoc_reader_of(estoc_slice_of(set, to));
        size_t behind = to; /* bytes of what it comes before */
        while (estoc_der_more(&sorted, &earlier) && comes_before(earlier.whole, el.whole)) {
            behind -= earlier.whole.len;
        }
        to -= behind;
        for (; behind > 0 && n > 0; n--, to++) { /* byte by byte: there is no room beside it */
            uint8_t byte = set[to + behind];
            memmove(set + to + 1, set + to, behind);
            set[to] = byte;
        }
    }
    return !r.err;
}

static void put_attribute(estoc_writer *w, estoc_slice type, uint8_t tag, estoc_slice value)
{
    if (value.len == 0) {
        return;
    }
    size_t attribute = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    estoc_der_put(w, ESTOC_DER_OID, type);
    size_t set = estoc_der_open(w, ESTOC_DER_SET);
    if (tag == 0) { /* DER already */
        estoc_der_put_raw(w, value);
    } else {
        estoc_der_put(w, tag, value);
    }
    estoc_der_close(w, set);
    estoc_der_close(w, attribute);
}

static void put_info(estoc_writer *w, const estoc_csr_plan *plan)
{
    size_t info = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    estoc_der_put_u32(w, 0); /* v1 */
    if (plan->subject.len > 0) {
        estoc_der_put_raw(w, plan->subject);
    } else {
        estoc_der_put(w, ESTOC_DER_SEQUENCE, estoc_slice_of(NULL, 0));
    }
    estoc_der_put_raw(w, plan->spki);
    size_t attributes = estoc_der_open(w, ESTOC_DER_CONTEXT_CONSTRUCTED(0));
    /* UTF8String even where a PrintableString would do: what OpenSSL writes, and RFC 9148 A.2 */
    put_attribute(w, SLICE(challenge_password), ESTOC_DER_UTF8_STRING, plan->challenge_password);
    put_attribute(w, SLICE(extension_request), 0, plan->extensions);
    estoc_der_put_raw(w, plan->more_attributes);
    if (!w->err && !sort_set(w->ptr + attributes, w->len - attributes)) {
        estoc_writer_fail(w, ESTOC_E_MALFORMED);
    }
    estoc_der_close(w, attributes);
    estoc_der_close(w, info);
}

static void put_signature(estoc_writer *w, const estoc_signer *signer, estoc_slice info)
{
    uint8_t sig[SIGNATURE_MAX];
    size_t sig_len = 0;
    estoc_err err = signer->sign(signer->ctx, info, (estoc_buf){sig, sizeof sig}, &sig_len);
    if (err || sig_len > sizeof sig) {
        estoc_writer_fail(w, err ? err : ESTOC_E_LIMIT);
        return;
    }
    estoc_sig_alg_put(w, signer->kind);
    estoc_der_put_bits(w, estoc_slice_of(sig, sig_len));
}

estoc_err estoc_csr_build(const estoc_csr_plan *plan, const estoc_signer *signer, estoc_buf out,
                          size_t *len)
{
    *len = 0;
    if (plan->challenge_password.len > PASSWORD_MAX) {
        return ESTOC_E_USAGE;
    }
    estoc_writer w = estoc_writer_counting();
    estoc_sig_alg_put(&w, signer->kind); /* before anything is signed */
    if (w.err) {
        return w.err;
    }
    w = estoc_writer_of(out);
    size_t all = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    put_info(&w, plan);
    if (!w.err) {
        put_signature(&w, signer, estoc_slice_of(w.ptr + all, w.len - all));
    }
    estoc_der_close(&w, all);
    if (w.err) {
        estoc_wipe(w.ptr, w.len); /* the password may be in it */
    }
    return estoc_writer_end(&w, len);
}

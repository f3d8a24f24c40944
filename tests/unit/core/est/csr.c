/* SPDX-License-Identifier: MIT */
#include <estoc/csr.h>

#include "coap/rows.h"

#include "forged.h"

#include "../../../vectors/rfc9148.h"
#include "text.h"

static uint8_t room[70000];
static uint8_t more[20000];
static estoc_csr csr;

static bool inside(estoc_slice part, estoc_slice all)
{
    return part.len == 0 || (part.ptr >= all.ptr && part.ptr + part.len <= all.ptr + all.len);
}

/* In memory of its exact size. On failure nothing of it stays behind; on success all lies within. */
static estoc_err parse_exact(estoc_slice der)
{
    static const estoc_csr zero;
    uint8_t *exact = exact_copy(der);
    estoc_slice all = estoc_slice_of(exact, der.len);
    memset(&csr, 0xa5, sizeof csr);
    estoc_err err = estoc_csr_parse(&csr, all);
    if (err) {
        assert_memory_equal(&csr, &zero, sizeof csr);
    } else {
        assert_true(inside(csr.info, all) && inside(csr.subject, csr.info));
        assert_true(inside(csr.spki.der, csr.info) && inside(csr.spki.key, csr.spki.der));
        assert_true(inside(csr.attributes, csr.info) && inside(csr.signature, all));
        assert_true(inside(csr.extensions, csr.attributes) && inside(csr.san, csr.extensions));
        assert_true(inside(csr.challenge_password, csr.attributes));
        assert_int_equal(estoc_name_check(csr.subject), 0);
    }
    free(exact);
    return err;
}

static void malformed(void **state)
{
    const struct malformed_value *row = *state;
    assert_int_equal(parse_exact(row->bytes), row->err);
}

static void forged(void **state)
{
    const struct forged *row = *state;
    size_t len = forge(row, room, sizeof room);
    assert_true(len > 0);
    assert_int_equal(parse_exact(estoc_slice_of(room, len)), row->err);
}

static size_t count_extensions(estoc_slice extensions)
{
    estoc_reader outer = estoc_reader_of(extensions);
    estoc_reader r = estoc_der_enter(&outer, ESTOC_DER_SEQUENCE);
    estoc_ext ext;
    size_t n = 0;
    while (estoc_ext_next(&r, &ext)) {
        assert_true(inside(ext.whole, extensions) && inside(ext.oid, ext.whole));
        assert_true(inside(ext.value, ext.whole));
        n++;
    }
    assert_int_equal(r.err, 0);
    return n;
}

static void wellformed(void **state)
{
    const struct wellformed_request *row = *state;
    uint8_t text[128];
    assert_int_equal(parse_exact(row->bytes), 0);
    assert_int_equal(estoc_csr_parse(&csr, row->bytes), 0);
    assert_int_equal(csr.spki.kind, row->key);
    assert_int_equal(csr.sig, row->sig);
    assert_string_equal(estoc_name_text(csr.subject, (estoc_buf){text, sizeof text}), row->subject);
    assert_int_equal(csr.has_challenge_password, row->password != NULL);
    assert_text(csr.challenge_password, row->password != NULL ? row->password : "");
    assert_int_equal(csr.extensions.len > 0, row->extensions > 0);
    if (row->extensions > 0) {
        assert_int_equal(count_extensions(csr.extensions), row->extensions);
    }
    assert_int_equal(csr.san.len, row->san_len);
    assert_int_equal(csr.signature.len, row->signature_len);
    /* what is signed begins behind the outer header and ends before the algorithm */
    size_t header = row->bytes.ptr[1] == 0x82 ? 4 : 3;
    assert_ptr_equal(csr.info.ptr, row->bytes.ptr + header);
    assert_ptr_equal(csr.signature.ptr + csr.signature.len, row->bytes.ptr + row->bytes.len);
}

/* RFC 9148 Appendix C.2: everything in it. */
static void rfc9148_c2(void **state)
{
    (void)state;
    estoc_slice der = SLICE(rfc9148_a2_request);
    assert_int_equal(estoc_csr_parse(&csr, der), 0);
    assert_bytes(csr.info, estoc_slice_sub(der, 4, 0x131 + 4));
    assert_bytes(csr.subject, estoc_slice_sub(der, 11, 0x5c + 2));
    assert_bytes(csr.spki.der, estoc_slice_sub(der, 105, 91));
    assert_bytes(csr.spki.key, estoc_slice_sub(der, 131, 65));
    assert_bytes(csr.attributes, estoc_slice_sub(der, 198, 0x73));
    static const uint8_t san[] = {
        TLV(0x30,
            TLV(0xa0, TLV(0x06, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x08, 0x04),
                TLV(0xa0, TLV(0x30, TLV(0x06, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xb4, 0x3b, 0x0a, 0x01),
                              TLV(0x04, 1, 2, 3, 4)))))};
    assert_bytes(csr.san, SLICE(san));
    assert_bytes(csr.signature, estoc_slice_sub(der, der.len - 71, 71));
}

/* 231: answers of ours instead of requests. A private key in PKCS 8 lies in the answer of A.3. */
static void answers(void **state)
{
    (void)state;
    assert_int_equal(parse_exact(SLICE(rfc9148_a1_crts)), ESTOC_E_MALFORMED);
    assert_int_equal(parse_exact(SLICE(rfc9148_a2_sen)), ESTOC_E_MALFORMED);
    estoc_slice key = estoc_slice_sub(SLICE(rfc9148_a3_skg), 6, 138);
    assert_int_equal(key.ptr[0], 0x30);
    assert_int_equal(parse_exact(key), ESTOC_E_MALFORMED);
    assert_int_equal(parse_exact(SLICE(rfc9148_a3_skg)), ESTOC_E_MALFORMED);
    estoc_slice cert = estoc_slice_sub(SLICE(rfc9148_a1_crts), 45, 4 + 0x249);
    assert_int_equal(parse_exact(cert), ESTOC_E_MALFORMED);
}

/* 224 */
static void every_truncation(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(wellformed_requests); i++) {
        estoc_slice whole = wellformed_requests[i].bytes;
        for (size_t len = 0; len < whole.len; len++) {
            assert_int_equal(parse_exact(estoc_slice_sub(whole, 0, len)), ESTOC_E_TRUNCATED);
        }
    }
}

/* 221, 222 */
static void more_behind(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 1024};
    for (size_t i = 0; i < COUNT(wellformed_requests); i++) {
        estoc_slice whole = wellformed_requests[i].bytes;
        memset(room, 0, sizeof room);
        memcpy(room, whole.ptr, whole.len);
        for (size_t k = 0; k < COUNT(sizes); k++) {
            assert_int_equal(parse_exact(estoc_slice_of(room, whole.len + sizes[k])),
                             ESTOC_E_TRAILING);
        }
        memcpy(room + whole.len, whole.ptr, whole.len);
        assert_int_equal(parse_exact(estoc_slice_of(room, 2 * whole.len)), ESTOC_E_TRAILING);
    }
}

/* 232: every byte changed in several ways. Whatever is taken is whole, and no error is out of place. */
static void every_byte_changed(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(wellformed_requests); i++) {
        estoc_slice whole = wellformed_requests[i].bytes;
        memcpy(room, whole.ptr, whole.len);
        for (size_t at = 0; at < whole.len; at++) {
            uint8_t byte = room[at];
            const uint8_t others[] = {byte ^ 1, byte ^ 0x20,          byte ^ 0x80,         0,
                                      0xff,     (uint8_t)(byte + 1u), (uint8_t)(byte - 1u)};
            for (size_t k = 0; k < COUNT(others); k++) {
                room[at] = others[k];
                estoc_err err = parse_exact(estoc_slice_of(room, whole.len));
                assert_true(err == 0 || err == ESTOC_E_MALFORMED || err == ESTOC_E_UNSUPPORTED ||
                            (at < 4 && (err == ESTOC_E_TRUNCATED || err == ESTOC_E_TRAILING)));
            }
            room[at] = byte;
        }
    }
}

/* 226 */
static void nesting(void **state)
{
    (void)state;
    enum { DEPTH = 10000 };
    static size_t marks[DEPTH];
    static uint8_t deep[60000];
    estoc_writer w = estoc_writer_of((estoc_buf){deep, sizeof deep});
    for (size_t i = 0; i < DEPTH; i++) {
        marks[i] = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    }
    for (size_t i = DEPTH; i > 0; i--) {
        estoc_der_close(&w, marks[i - 1]);
    }
    estoc_slice nest = estoc_writer_slice(&w);
    assert_true(nest.len > 2 * DEPTH);
    assert_int_equal(parse_exact(nest), ESTOC_E_MALFORMED);
    const struct forged places[] = {{.subject = nest},
                                    {.spki = nest},
                                    {.attributes = nest},
                                    {.algorithm = nest},
                                    {.signature = nest}};
    for (size_t i = 0; i < COUNT(places); i++) {
        size_t len = forge(&places[i], room, sizeof room);
        assert_true(len > nest.len);
        assert_int_equal(parse_exact(estoc_slice_of(room, len)), ESTOC_E_MALFORMED);
    }
}

static estoc_err parse_attributes(estoc_slice attributes)
{
    size_t len = forge(&(struct forged){.attributes = attributes}, room, sizeof room);
    assert_true(len > 0);
    return parse_exact(estoc_slice_of(room, len));
}

/* An attribute of one value. */
static void put_attribute(estoc_writer *w, estoc_slice type, uint8_t tag, estoc_slice value)
{
    size_t attribute = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    estoc_der_put(w, ESTOC_DER_OID, type);
    size_t set = estoc_der_open(w, ESTOC_DER_SET);
    estoc_der_put(w, tag, value);
    estoc_der_close(w, set);
    estoc_der_close(w, attribute);
}

/* 227: 10 KiB of sub-identifiers. */
static void long_oid(void **state)
{
    (void)state;
    static uint8_t oid[10240];
    memset(oid, 0x2a, sizeof oid);
    for (size_t i = 0; i < 2; i++) {
        size_t len = i == 0 ? 128 : sizeof oid;
        estoc_writer w = estoc_writer_of((estoc_buf){more, sizeof more});
        put_attribute(&w, estoc_slice_of(oid, len), ESTOC_DER_NULL, estoc_slice_of(NULL, 0));
        assert_int_equal(parse_attributes(estoc_writer_slice(&w)),
                         i == 0 ? ESTOC_OK : ESTOC_E_MALFORMED);
    }
}

static void attributes_limit(void **state)
{
    (void)state;
    for (uint8_t n = 1; n <= 40; n++) {
        estoc_writer w = estoc_writer_of((estoc_buf){more, sizeof more});
        for (uint8_t i = 0; i < n; i++) {
            const uint8_t type[] = {0x55, 0x04, i};
            put_attribute(&w, SLICE(type), ESTOC_DER_NULL, estoc_slice_of(NULL, 0));
        }
        assert_int_equal(parse_attributes(estoc_writer_slice(&w)), n <= 16 ? 0 : ESTOC_E_LIMIT);
    }
}

static void extensions_limit(void **state)
{
    (void)state;
    static const uint8_t request[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x0e};
    for (uint8_t n = 1; n <= 100; n++) {
        static uint8_t list[4000];
        estoc_writer l = estoc_writer_of((estoc_buf){list, sizeof list});
        for (uint8_t i = 0; i < n; i++) {
            const uint8_t ext[] = {EXT(TLV(0x06, 0x2a, i), 0x04, 0x00)};
            estoc_der_put_raw(&l, SLICE(ext));
        }
        estoc_writer w = estoc_writer_of((estoc_buf){more, sizeof more});
        put_attribute(&w, SLICE(request), ESTOC_DER_SEQUENCE, estoc_writer_slice(&l));
        assert_int_equal(parse_attributes(estoc_writer_slice(&w)), n <= 32 ? 0 : ESTOC_E_LIMIT);
    }
}

/* 174 */
static void password_limit(void **state)
{
    (void)state;
    static const uint8_t type[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x07};
    static uint8_t secret[1000];
    memset(secret, 's', sizeof secret);
    static const size_t sizes[] = {1, 44, 255, 256, 1000};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        estoc_writer w = estoc_writer_of((estoc_buf){more, sizeof more});
        put_attribute(&w, SLICE(type), ESTOC_DER_UTF8_STRING, estoc_slice_of(secret, sizes[i]));
        estoc_err err = parse_attributes(estoc_writer_slice(&w));
        assert_int_equal(err, sizes[i] <= 255 ? 0 : ESTOC_E_LIMIT);
        assert_int_equal(csr.challenge_password.len, err ? 0 : sizes[i]);
        assert_int_equal(csr.has_challenge_password, !err);
    }
}

/* 209: a name of 60 KiB. */
static void long_subject(void **state)
{
    (void)state;
    static uint8_t text[60000];
    static uint8_t name[61000];
    memset(text, 'x', sizeof text);
    estoc_writer w = estoc_writer_of((estoc_buf){name, sizeof name});
    size_t all = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    size_t set = estoc_der_open(&w, ESTOC_DER_SET);
    size_t pair = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    estoc_der_put(&w, ESTOC_DER_OID, estoc_slice_of("\x55\x04\x03", 3));
    estoc_der_put(&w, ESTOC_DER_UTF8_STRING, SLICE(text));
    estoc_der_close(&w, pair);
    estoc_der_close(&w, set);
    estoc_der_close(&w, all);
    size_t len = forge(&(struct forged){.subject = estoc_writer_slice(&w)}, room, sizeof room);
    assert_true(len > sizeof text);
    assert_int_equal(parse_exact(estoc_slice_of(room, len)), ESTOC_E_LIMIT);
}

static void extensions_walked(void **state)
{
    (void)state;
    static const uint8_t list[] = {EXT(OID_BC, TLV(0x01, 0xff), TLV(0x04, 1, 2)),
                                   EXT(OID_EKU, 0x04, 0x00), TLV(0x31, OID_SAN, 0x04, 0x00), BC};
    static const estoc_ext zero;
    estoc_ext ext;
    estoc_reader r = estoc_reader_of(SLICE(list));
    assert_true(estoc_ext_next(&r, &ext));
    assert_bytes(ext.oid, estoc_slice_of("\x55\x1d\x13", 3));
    assert_true(ext.critical);
    assert_bytes(ext.value, estoc_slice_of("\1\2", 2));
    assert_bytes(ext.whole, estoc_slice_of(list, 14));
    assert_true(estoc_ext_next(&r, &ext));
    assert_false(ext.critical);
    assert_int_equal(ext.value.len, 0);
    for (int i = 0; i < 2; i++) { /* stays where it failed */
        assert_false(estoc_ext_next(&r, &ext));
        assert_int_equal(r.err, ESTOC_E_MALFORMED);
        assert_memory_equal(&ext, &zero, sizeof ext);
    }
    r = estoc_reader_of(estoc_slice_of(list, 14));
    assert_true(estoc_ext_next(&r, &ext));
    assert_false(estoc_ext_next(&r, &ext));
    assert_int_equal(r.err, 0);
    assert_memory_equal(&ext, &zero, sizeof ext);
}

/* clang-format off */
static const struct CMUnitTest tests[] = {
    {"RFC 9148 C.2 is taken apart",                  rfc9148_c2, NULL, NULL, NULL},
    {"E4 HC 231 answers instead of requests",        answers, NULL, NULL, NULL},
    {"E4 HC 224 requests cut at every byte",         every_truncation, NULL, NULL, NULL},
    {"E4 HC 221 HC 222 more behind, and two in one", more_behind, NULL, NULL, NULL},
    {"E4 HC 232 every byte changed",                 every_byte_changed, NULL, NULL, NULL},
    {"E4 HC 226 nesting of 10,000, anywhere",        nesting, NULL, NULL, NULL},
    {"E4 HC 227 an OID of 10 KiB",                   long_oid, NULL, NULL, NULL},
    {"E4 HC 209 a subject of 60 KiB",                long_subject, NULL, NULL, NULL},
    {"E4 16 attributes",                             attributes_limit, NULL, NULL, NULL},
    {"E4 32 extensions",                             extensions_limit, NULL, NULL, NULL},
    {"D9 HC 174 a password of 255 bytes",            password_limit, NULL, NULL, NULL},
    {"extensions, one by one",                       extensions_walked, NULL, NULL, NULL},
};
/* clang-format on */

int main(void)
{
    for (size_t i = 0; i < COUNT(malformed_requests); i++) {
        rows_add("E4 refused:", malformed_requests[i].name, malformed, &malformed_requests[i]);
    }
    for (size_t i = 0; i < COUNT(forged_bad); i++) {
        rows_add("E4 refused:", forged_bad[i].name, forged, &forged_bad[i]);
    }
    for (size_t i = 0; i < COUNT(forged_good); i++) {
        rows_add("E4 taken:", forged_good[i].name, forged, &forged_good[i]);
    }
    for (size_t i = 0; i < COUNT(wellformed_requests); i++) {
        rows_add("E4 taken:", wellformed_requests[i].name, wellformed, &wellformed_requests[i]);
    }
    return rows_run("csr", tests, COUNT(tests));
}

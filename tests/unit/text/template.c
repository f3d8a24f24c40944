/* SPDX-License-Identifier: MIT */
#include "coap/rows.h"

#include <estoc/csrattrs.h>

#include "../../vectors/rfc9908.h"
#include "est/answers.h"
#include "template.h"
#include "templates.h"

#define LIT(s) estoc_slice_of((s), sizeof(s) - 1)
#define INIT(s)                             \
    {                                       \
        (const uint8_t *)(s), sizeof(s) - 1 \
    }

static estoc_slice find_vector(void)
{
    estoc_slice der;
    assert_int_equal(estoc_template_find(SLICE(rfc9908_template), &der), 0);
    return der;
}

static void rfc9908(void **state)
{
    (void)state;
    static const struct {
        estoc_slice type, value;
    } rdns[] = {{INIT("\x55\x04\x03"), {NULL, 0}},
                {INIT("\x55\x04\x0b"), INIT("\x0c\x06myDept")},
                {INIT("\x55\x04\x0b"), INIT("\x0c\x07myGroup")}};
    static const struct {
        estoc_slice oid, value;
        bool critical;
    } exts[] = {{INIT("\x55\x1d\x11"), INIT("\x30\x14\x82\x10www.myServer.com\x87\x00"), false},
                {INIT("\x55\x1d\x0f"), INIT("\x03\x02\x03\x88"), true},
                {INIT("\x55\x1d\x25"), {NULL, 0}, false}};
    estoc_template t;
    estoc_slice type, value;
    estoc_ext ext;
    size_t n = 0;
    assert_int_equal(estoc_template_parse(&t, find_vector()), 0);
    estoc_reader r = estoc_reader_of(t.subject);
    for (; estoc_template_rdn_next(&r, &type, &value); n++) {
        assert_true(estoc_slice_eq(type, rdns[n].type));
        assert_true(estoc_slice_eq(value, rdns[n].value));
    }
    assert_int_equal(n, 3);
    assert_int_equal(r.err, 0);
    assert_true(estoc_slice_eq(t.algorithm, LIT("\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06"
                                                "\x08\x2a\x86\x48\xce\x3d\x03\x01\x07")));
    assert_int_equal(t.key.len, 0);
    r = estoc_reader_of(t.extensions);
    for (n = 0; estoc_template_ext_next(&r, &ext); n++) {
        assert_true(estoc_slice_eq(ext.oid, exts[n].oid));
        assert_true(estoc_slice_eq(ext.value, exts[n].value));
        assert_int_equal(ext.critical, exts[n].critical);
    }
    assert_int_equal(n, 3);
    assert_int_equal(r.err, 0);
}

/* Parsed from a block of its own size, so that a read beyond it shows. */
static estoc_err parse(estoc_slice der)
{
    estoc_template t;
    static const estoc_template nothing;
    uint8_t *exact = malloc(der.len > 0 ? der.len : 1);
    if (der.len > 0) {
        memcpy(exact, der.ptr, der.len);
    }
    memset(&t, 0xa5, sizeof t);
    estoc_err err = estoc_template_parse(&t, estoc_slice_of(exact, der.len));
    if (err) {
        assert_memory_equal(&t, &nothing, sizeof t);
    }
    free(exact);
    return err;
}

static void every_truncation(void **state)
{
    (void)state;
    estoc_slice der = find_vector();
    for (size_t len = 0; len < der.len; len++) {
        assert_int_not_equal(parse(estoc_slice_of(der.ptr, len)), 0);
    }
    uint8_t more[sizeof rfc9908_template + 1] = {0};
    memcpy(more, der.ptr, der.len);
    assert_int_equal(parse(estoc_slice_of(more, der.len + 1)), ESTOC_E_TRAILING);
}

static void every_byte_changed(void **state)
{
    (void)state;
    uint8_t copy[sizeof rfc9908_template];
    estoc_slice der = find_vector();
    memcpy(copy, der.ptr, der.len);
    for (size_t i = 0; i < der.len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            copy[i] = (uint8_t)(der.ptr[i] ^ 1u << bit);
            estoc_err err = parse(estoc_slice_of(copy, der.len));
            assert_true(!err || err == ESTOC_E_TRUNCATED || err == ESTOC_E_MALFORMED ||
                        err == ESTOC_E_TRAILING || err == ESTOC_E_LIMIT);
        }
        copy[i] = der.ptr[i];
    }
}

static void one_template(void **state)
{
    const struct template_row *row = *state;
    assert_int_equal(parse(row->der), row->want);
}

static void limits(void **state)
{
    (void)state;
    static uint8_t room[2048];
    for (size_t n = 16; n <= 17; n++) {
        size_t len;
        estoc_writer w = estoc_writer_of((estoc_buf){room, sizeof room});
        size_t mark = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
        estoc_der_put_u32(&w, 0);
        size_t subject = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
        for (size_t i = 0; i < n; i++) {
            estoc_der_put_raw(&w, LIT("\x31\x07\x30\x05\x06\x03\x55\x04\x0b"));
        }
        estoc_der_close(&w, subject);
        estoc_der_put_raw(&w, LIT("\xa1\x00"));
        estoc_der_close(&w, mark);
        assert_int_equal(estoc_writer_end(&w, &len), 0);
        assert_int_equal(parse(estoc_slice_of(room, len)), n == 16 ? 0 : ESTOC_E_LIMIT);
    }
    for (size_t n = 32; n <= 33; n++) {
        size_t len;
        estoc_writer w = estoc_writer_of((estoc_buf){room, sizeof room});
        size_t mark = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
        estoc_der_put_u32(&w, 0);
        size_t attributes = estoc_der_open(&w, ESTOC_DER_CONTEXT_CONSTRUCTED(1));
        size_t attribute = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
        estoc_der_put(&w, ESTOC_DER_OID, ESTOC_OID_EXT_TEMPLATE);
        size_t set = estoc_der_open(&w, ESTOC_DER_SET);
        size_t list = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
        for (size_t i = 0; i < n; i++) {
            const uint8_t ext[] = {0x30, 0x04, 0x06, 0x02, 0x2a, (uint8_t)i};
            estoc_der_put_raw(&w, estoc_slice_of(ext, sizeof ext));
        }
        estoc_der_close(&w, list);
        estoc_der_close(&w, set);
        estoc_der_close(&w, attribute);
        estoc_der_close(&w, attributes);
        estoc_der_close(&w, mark);
        assert_int_equal(estoc_writer_end(&w, &len), 0);
        assert_int_equal(parse(estoc_slice_of(room, len)), n == 32 ? 0 : ESTOC_E_LIMIT);
    }
}

#define TEMPLATE_OID 0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x3d
#define NO_TEMPLATE  DER(0x30, VERSION, NO_ATTRS)

static void found(void **state)
{
    (void)state;
    static const uint8_t one[] = {
        DER(0x30, DER(0x06, 0x2a, 0x03), DER(0x30, TEMPLATE_OID, DER(0x31, NO_TEMPLATE)))};
    static const uint8_t none[] = {DER(0x30, DER(0x06, 0x2a, 0x03), TEMPLATE_OID)};
    static const uint8_t two[] = {DER(0x30, DER(0x30, TEMPLATE_OID, DER(0x31, NO_TEMPLATE)),
                                      DER(0x30, TEMPLATE_OID, DER(0x31, NO_TEMPLATE)))};
    static const uint8_t values[] = {
        DER(0x30, DER(0x30, TEMPLATE_OID, DER(0x31, NO_TEMPLATE, NO_TEMPLATE)))};
    static const uint8_t another[] = {DER(0x30, DER(0x30, TEMPLATE_OID, DER(0x31, NIL(0x05))))};
    estoc_slice der;
    assert_int_equal(estoc_template_find(SLICE(one), &der), 0);
    assert_int_equal(parse(der), 0);
    assert_int_equal(estoc_template_find(SLICE(none), &der), 0);
    assert_int_equal(der.len, 0);
    assert_int_equal(estoc_template_find(SLICE(two), &der), ESTOC_E_MALFORMED);
    assert_int_equal(der.len, 0);
    assert_int_equal(estoc_template_find(SLICE(values), &der), ESTOC_E_MALFORMED);
    assert_int_equal(estoc_template_find(SLICE(another), &der), ESTOC_E_MALFORMED);
    assert_int_equal(estoc_template_find(LIT("\x30\x05\x06"), &der), ESTOC_E_TRUNCATED);
}

static void rsa_bits(void **state)
{
    (void)state;
    static const uint8_t exact[] = {DER(0x30, DER(0x02, 0x00, 0x80, 0x00), DER(0x02, 3))};
    static const uint8_t shorter[] = {DER(0x30, DER(0x02, 0x01, 0x00), DER(0x02, 3))};
    static const uint8_t negative[] = {DER(0x30, DER(0x02, 0x80, 0x00), DER(0x02, 3))};
    static const uint8_t zero[] = {DER(0x30, DER(0x02, 0x00), DER(0x02, 3))};
    assert_int_equal(estoc_template_rsa_bits(SLICE(exact)), 16);
    assert_int_equal(estoc_template_rsa_bits(SLICE(shorter)), 9);
    assert_int_equal(estoc_template_rsa_bits(SLICE(negative)), 0);
    assert_int_equal(estoc_template_rsa_bits(SLICE(zero)), 0);
    assert_int_equal(estoc_template_rsa_bits(LIT("\x04\x00")), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        {"E3 RFC 9908 section 3.4: the example", rfc9908, NULL, NULL, NULL},
        {"E3 cut at every byte", every_truncation, NULL, NULL, NULL},
        {"E3 every bit changed", every_byte_changed, NULL, NULL, NULL},
        {"E3 16 RDNs, 32 extensions", limits, NULL, NULL, NULL},
        {"E3 a template among attributes", found, NULL, NULL, NULL},
        {"E3 the size of a placeholder", rsa_bits, NULL, NULL, NULL},
    };
    for (size_t i = 0; i < COUNT(templates); i++) {
        rows_add("E3 template:", templates[i].name, one_template, &templates[i]);
    }
    return rows_run("text/template", tests, COUNT(tests));
}

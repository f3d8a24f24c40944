/* SPDX-License-Identifier: MIT */
#include <estoc/der.h>

#include "coap/rows.h"

#include "malformed.h"

static uint8_t room[70000];

/* Read with what the tag stands for. */
static estoc_err read_typed(estoc_slice der)
{
    uint8_t *exact = exact_copy(der);
    estoc_reader r = estoc_reader_of(estoc_slice_of(exact, der.len));
    switch (estoc_der_peek(&r)) {
    case ESTOC_DER_INTEGER:
        assert_true(estoc_der_u32(&r) == 0 || !r.err);
        break;
    case ESTOC_DER_BIT_STRING:
        assert_true(estoc_der_bits(&r).len == 0 || !r.err);
        break;
    case ESTOC_DER_OID:
        assert_true(estoc_der_oid(&r).len == 0 || !r.err);
        break;
    case ESTOC_DER_BOOLEAN:
        assert_true(!estoc_der_bool(&r) || !r.err);
        break;
    case ESTOC_DER_UTC_TIME:
    case ESTOC_DER_GENERALIZED_TIME:
        assert_true(estoc_der_time(&r) == 0 || !r.err);
        break;
    default:
        fail_msg("no such type");
    }
    estoc_err err = estoc_reader_end(&r);
    free(exact);
    return err;
}

static void malformed_element(void **state)
{
    const struct malformed_value *row = *state;
    static const estoc_der zero;
    estoc_der el;
    uint8_t *exact = exact_copy(row->bytes);
    estoc_reader r = estoc_reader_of(estoc_slice_of(exact, row->bytes.len));
    memset(&el, 0xa5, sizeof el);
    assert_false(estoc_der_next(&r, &el));
    assert_int_equal(r.err, row->err);
    assert_memory_equal(&el, &zero, sizeof el);
    assert_int_equal(estoc_reader_left(&r), 0);
    assert_int_equal(estoc_der_peek(&r), 0);
    free(exact);
}

static void malformed(void **state)
{
    const struct malformed_value *row = *state;
    estoc_reader r = estoc_reader_of(row->bytes);
    estoc_der el;
    assert_true(estoc_der_next(&r, &el)); /* it is the value that is wrong */
    assert_int_equal(estoc_reader_end(&r), 0);
    assert_int_equal(read_typed(row->bytes), row->err);
}

/* Split, and put together again. */
static void wellformed_element(void **state)
{
    const estoc_slice *bytes = *state;
    estoc_reader r = estoc_reader_of(*bytes);
    estoc_der el;
    assert_int_equal(estoc_der_peek(&r), bytes->ptr[0]);
    assert_true(estoc_der_next(&r, &el));
    assert_int_equal(estoc_reader_end(&r), 0);
    assert_int_equal(el.tag, bytes->ptr[0]);
    assert_bytes(el.whole, *bytes);
    assert_bytes(el.value, estoc_slice_sub(*bytes, 2, bytes->len));
    estoc_writer w = estoc_writer_of((estoc_buf){room, sizeof room});
    estoc_der_put(&w, el.tag, el.value);
    assert_bytes(estoc_writer_slice(&w), *bytes);
    switch (el.tag) {
    case ESTOC_DER_INTEGER:
    case ESTOC_DER_BIT_STRING:
    case ESTOC_DER_OID:
    case ESTOC_DER_BOOLEAN:
    case ESTOC_DER_UTC_TIME:
    case ESTOC_DER_GENERALIZED_TIME:
        assert_int_equal(read_typed(*bytes), 0);
        break;
    default:
        break;
    }
}

static const size_t sizes[] = {0, 1, 126, 127, 128, 129, 254, 255, 256, 257, 65534, 65535, 65536};

/* Every length of the length: written in one go, and opened and closed; read again. */
static void lengths(void **state)
{
    (void)state;
    static uint8_t value[65536];
    for (size_t i = 0; i < sizeof value; i++) {
        value[i] = (uint8_t)(i * 7);
    }
    for (size_t i = 0; i < COUNT(sizes); i++) {
        size_t n = sizes[i];
        size_t header = n < 128 ? 2 : n < 256 ? 3 : n < 65536 ? 4 : 5;
        estoc_writer w = estoc_writer_of((estoc_buf){room, sizeof room});
        size_t mark = estoc_der_open(&w, ESTOC_DER_OCTET_STRING);
        estoc_der_put_raw(&w, estoc_slice_of(value, n));
        estoc_der_close(&w, mark);
        assert_int_equal(w.err, 0);
        assert_int_equal(w.len, header + n);
        estoc_writer again = estoc_writer_of((estoc_buf){room + w.len, sizeof room - w.len});
        if (n <= 257) { /* else there is no room for both */
            estoc_der_put(&again, ESTOC_DER_OCTET_STRING, estoc_slice_of(value, n));
            assert_bytes(estoc_writer_slice(&again), estoc_writer_slice(&w));
        }
        estoc_writer counted = estoc_writer_counting();
        mark = estoc_der_open(&counted, ESTOC_DER_OCTET_STRING);
        estoc_der_put_raw(&counted, estoc_slice_of(value, n));
        estoc_der_close(&counted, mark);
        assert_int_equal(counted.len, w.len);
        estoc_reader r = estoc_reader_of(estoc_writer_slice(&w));
        assert_bytes(estoc_der_expect(&r, ESTOC_DER_OCTET_STRING), estoc_slice_of(value, n));
        assert_int_equal(estoc_reader_end(&r), 0);
    }
}

/* The octets of each length, as X.690 section 8.1.3 has them. */
static void length_octets(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        uint8_t octets[5];
        size_t n;
    } forms[] = {
        {127, {0x7f}, 1},
        {128, {0x81, 0x80}, 2},
        {255, {0x81, 0xff}, 2},
        {256, {0x82, 0x01, 0x00}, 3},
        {65535, {0x82, 0xff, 0xff}, 3},
        {65536, {0x83, 0x01, 0x00, 0x00}, 4},
    };
    static const uint8_t value[65536];
    for (size_t i = 0; i < COUNT(forms); i++) {
        estoc_writer w = estoc_writer_of((estoc_buf){room, sizeof room});
        estoc_der_put(&w, ESTOC_DER_OCTET_STRING, estoc_slice_of(value, forms[i].len));
        assert_memory_equal(room + 1, forms[i].octets, forms[i].n);
        assert_int_equal(w.len, 1 + forms[i].n + forms[i].len);
    }
}

static void nested(estoc_writer *w)
{
    static const uint8_t filler[130] = {1, 2, 3};
    size_t a = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    size_t b = estoc_der_open(w, ESTOC_DER_SET);
    estoc_der_put_u32(w, 300);
    estoc_der_put_bool(w, true);
    size_t c = estoc_der_open(w, ESTOC_DER_CONTEXT_CONSTRUCTED(3));
    estoc_der_put_bits(w, SLICE(filler));
    estoc_der_close(w, c);
    estoc_der_close(w, b);
    estoc_der_put(w, ESTOC_DER_UTC_TIME, estoc_slice_str("700101000000Z"));
    estoc_der_close(w, a);
}

/* Two headers that grow when they close, in buffers of every size, each in a block of its own. */
static void writes_into_every_room(void **state)
{
    (void)state;
    estoc_writer counted = estoc_writer_counting();
    nested(&counted);
    size_t whole;
    assert_int_equal(estoc_writer_end(&counted, &whole), 0);
    assert_int_equal(whole, 3 + (3 + (4 + 3 + (3 + (3 + 131)))) + 15);
    for (size_t cap = 0; cap <= whole; cap++) {
        uint8_t *exact = malloc(cap > 0 ? cap : 1);
        assert_non_null(exact);
        estoc_writer w = estoc_writer_of((estoc_buf){exact, cap});
        nested(&w);
        size_t len = 9;
        assert_int_equal(estoc_writer_end(&w, &len), cap < whole ? ESTOC_E_SPACE : 0);
        assert_int_equal(len, cap < whole ? 0 : whole);
        if (cap == whole) {
            static const uint8_t start[] = {0x30, 0x81, 0xa2, 0x31, 0x81, 0x90, 0x02, 0x02,
                                            0x01, 0x2c, 0x01, 0x01, 0xff, 0xa3, 0x81, 0x86,
                                            0x03, 0x81, 0x83, 0x00, 0x01, 0x02, 0x03};
            assert_memory_equal(exact, start, sizeof start);
            assert_memory_equal(exact + whole - 15,
                                "\x17\x0d"
                                "700101000000Z",
                                15);
        }
        free(exact);
    }
}

static void other_tag(void **state)
{
    (void)state;
    static const uint8_t null_and_more[] = {0x05, 0x00, 0x02, 0x01, 0x01};
    estoc_reader r = estoc_reader_of(SLICE(null_and_more));
    assert_int_equal(estoc_der_expect(&r, ESTOC_DER_INTEGER).len, 0);
    assert_int_equal(r.err, ESTOC_E_MALFORMED);
    r = estoc_reader_of(SLICE(null_and_more));
    estoc_reader in = estoc_der_enter(&r, ESTOC_DER_SEQUENCE);
    assert_int_equal(in.err, ESTOC_E_MALFORMED);
    estoc_der el;
    assert_false(estoc_der_next(&in, &el)); /* nothing can be read in what is not there */
    assert_int_equal(estoc_reader_end(&in), ESTOC_E_MALFORMED);
    static uint32_t (*const integer)(estoc_reader *) = estoc_der_u32;
    r = estoc_reader_of(SLICE(null_and_more));
    assert_int_equal(integer(&r), 0);
    assert_int_equal(r.err, ESTOC_E_MALFORMED);
    r = estoc_reader_of(SLICE(null_and_more));
    assert_int_equal(estoc_der_bits(&r).len, 0);
    assert_int_equal(r.err, ESTOC_E_MALFORMED);
    r = estoc_reader_of(SLICE(null_and_more));
    assert_int_equal(estoc_der_oid(&r).len, 0);
    assert_int_equal(r.err, ESTOC_E_MALFORMED);
    r = estoc_reader_of(SLICE(null_and_more));
    assert_false(estoc_der_bool(&r));
    assert_int_equal(r.err, ESTOC_E_MALFORMED);
    r = estoc_reader_of(SLICE(null_and_more));
    assert_int_equal(estoc_der_time(&r), 0);
    assert_int_equal(r.err, ESTOC_E_MALFORMED);
}

static void errors_stick(void **state)
{
    (void)state;
    static const uint8_t der[] = {0x04, 0x05, 0x02, 0x01, 0x01};
    estoc_reader r = estoc_reader_of(SLICE(der));
    estoc_der el;
    assert_false(estoc_der_next(&r, &el));
    assert_int_equal(estoc_der_u32(&r), 0);
    assert_int_equal(estoc_der_bits(&r).len, 0);
    assert_int_equal(estoc_der_oid(&r).len, 0);
    assert_false(estoc_der_bool(&r));
    assert_int_equal(estoc_der_time(&r), 0);
    assert_int_equal(r.err, ESTOC_E_TRUNCATED);
}

static void integers(void **state)
{
    (void)state;
    static const uint32_t values[] = {0,      1,      0x7f,     0x80,       0xff,       0x100,
                                      0x7fff, 0x8000, 0x800000, 0x7fffffff, 0x80000000, UINT32_MAX};
    for (size_t i = 0; i < COUNT(values); i++) {
        estoc_writer w = estoc_writer_of((estoc_buf){room, sizeof room});
        estoc_der_put_u32(&w, values[i]);
        estoc_reader r = estoc_reader_of(estoc_writer_slice(&w));
        assert_true(estoc_der_u32(&r) == values[i]);
        assert_int_equal(estoc_reader_end(&r), 0);
    }
    static const uint8_t long_one[] = {0, 0, 0x80, 1, 2, 3, 4, 5, 6, 7};
    static const uint8_t expected[] = {0x02, 9, 0, 0x80, 1, 2, 3, 4, 5, 6, 7};
    estoc_writer w = estoc_writer_of((estoc_buf){room, sizeof room});
    estoc_der_put_unsigned(&w, SLICE(long_one));
    assert_bytes(estoc_writer_slice(&w), SLICE(expected));
    w = estoc_writer_of((estoc_buf){room, sizeof room});
    estoc_der_put_unsigned(&w, estoc_slice_of(NULL, 0));
    assert_bytes(estoc_writer_slice(&w), estoc_slice_of("\x02\x01\x00", 3));
}

/* 227: as long as allowed, a byte longer, and 10 KiB. */
static void oid_length(void **state)
{
    (void)state;
    static uint8_t oid[10240];
    memset(oid, 0x2a, sizeof oid);
    assert_true(estoc_der_oid_valid(estoc_slice_of(oid, 1)));
    assert_true(estoc_der_oid_valid(estoc_slice_of(oid, 128)));
    assert_false(estoc_der_oid_valid(estoc_slice_of(oid, 129)));
    assert_false(estoc_der_oid_valid(SLICE(oid)));
    assert_false(estoc_der_oid_valid(estoc_slice_of(NULL, 0)));
    oid[127] = 0xaa;
    assert_false(estoc_der_oid_valid(estoc_slice_of(oid, 128)));
    assert_false(estoc_der_oid_valid(estoc_slice_of(oid, 129)));
}

/* 226: a reader sees only the element it is asked for, however deep it is. */
static void deep(void **state)
{
    (void)state;
    enum { DEPTH = 10000 };
    estoc_writer w = estoc_writer_of((estoc_buf){room, sizeof room});
    static size_t marks[DEPTH];
    for (size_t i = 0; i < DEPTH; i++) {
        marks[i] = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    }
    for (size_t i = DEPTH; i > 0; i--) {
        estoc_der_close(&w, marks[i - 1]);
    }
    estoc_reader r = estoc_reader_of(estoc_writer_slice(&w));
    size_t depth = 0;
    for (; !r.err && estoc_reader_left(&r) > 0; depth++) {
        estoc_reader in = estoc_der_enter(&r, ESTOC_DER_SEQUENCE);
        assert_int_equal(estoc_reader_end(&r), 0);
        r = in;
    }
    assert_int_equal(r.err, 0);
    assert_int_equal(depth, DEPTH);
}

static int64_t time_of(const char *text)
{
    estoc_writer w = estoc_writer_of((estoc_buf){room, sizeof room});
    estoc_der_put(&w, strlen(text) == 13 ? ESTOC_DER_UTC_TIME : ESTOC_DER_GENERALIZED_TIME,
                  estoc_slice_str(text));
    estoc_reader r = estoc_reader_of(estoc_writer_slice(&w));
    int64_t t = estoc_der_time(&r);
    assert_int_equal(estoc_reader_end(&r), 0);
    return t;
}

/* Numbers from `date -u -d ... +%s`. */
static void times(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t unix_s;
    } known[] = {
        {"700101000000Z", 0},
        {"691231235959Z", -1},
        {"500101000000Z", -631152000},
        {"000229235959Z", 951868799},
        {"190131112703Z", 1548934023},
        {"491231235959Z", 2524607999},
        {"20500101000000Z", 2524608000},
        {"21000301000000Z", 4107542400},
        {"20380119031408Z", 2147483648},
        {"99991231235959Z", 253402300799},
        {"00000101000000Z", -62167219200},
        {"16010101000000Z", -11644473600},
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        assert_true(time_of(known[i].text) == known[i].unix_s);
    }
}

/* Every day that UTCTime or GeneralizedTime is for, counted by a calendar of the plain kind. */
static void calendar(void **state)
{
    (void)state;
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t t = -631152000;
    for (int year = 1950; year < 10000; year++) {
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        for (int month = 1; month <= 12; month++) {
            int length = days[month - 1] + (leap && month == 2);
            for (int day = 1; day <= length; day++, t += 86400) {
                char text[32];
                size_t from = year < 2050 ? 2 : 0;
                int64_t second = t + (day * 3571 + month * 7919 + year) % 86400;
                int s = (int)(second - t);
                snprintf(text, sizeof text, "%04d%02d%02d%02d%02d%02dZ", year, month, day, s / 3600,
                         s / 60 % 60, s % 60);
                assert_true(time_of(text + from) == second);
            }
        }
    }
    assert_true(t == INT64_C(253402300800));
}

static void booleans(void **state)
{
    (void)state;
    for (int v = 0; v < 2; v++) {
        const uint8_t expected[] = {0x01, 0x01, v ? 0xff : 0x00};
        estoc_writer w = estoc_writer_of((estoc_buf){room, sizeof room});
        estoc_der_put_bool(&w, v);
        assert_bytes(estoc_writer_slice(&w), SLICE(expected));
        estoc_reader r = estoc_reader_of(SLICE(expected));
        assert_int_equal(estoc_der_bool(&r), v);
        assert_int_equal(estoc_reader_end(&r), 0);
    }
}

/* Over 4 GiB: only a counting writer can get there. */
static void too_long(void **state)
{
    (void)state;
    if (SIZE_MAX == UINT32_MAX) {
        skip();
    }
    estoc_slice huge = estoc_slice_of(room, (size_t)UINT32_MAX);
    estoc_writer w = estoc_writer_counting();
    estoc_der_put(&w, ESTOC_DER_OCTET_STRING, huge);
    size_t len;
    assert_int_equal(estoc_writer_end(&w, &len), 0);
    assert_true(len == (size_t)UINT32_MAX + 6);
    w = estoc_writer_counting();
    estoc_der_put_bits(&w, huge);
    assert_int_equal(estoc_writer_end(&w, &len), ESTOC_E_LIMIT);
    w = estoc_writer_counting();
    size_t mark = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    estoc_der_put(&w, ESTOC_DER_OCTET_STRING, huge);
    estoc_der_close(&w, mark);
    assert_int_equal(estoc_writer_end(&w, &len), ESTOC_E_LIMIT);
    assert_int_equal(len, 0);
}

/* clang-format off */
static const struct CMUnitTest tests[] = {
    {"every length, put and opened and closed",           lengths, NULL, NULL, NULL},
    {"length octets",                                     length_octets, NULL, NULL, NULL},
    {"into every size of buffer",                         writes_into_every_room, NULL, NULL, NULL},
    {"another tag than the one asked for",                other_tag, NULL, NULL, NULL},
    {"the first error sticks",                            errors_stick, NULL, NULL, NULL},
    {"integers",                                          integers, NULL, NULL, NULL},
    {"booleans",                                          booleans, NULL, NULL, NULL},
    {"E4 HC 227 the length of an OID",                    oid_length, NULL, NULL, NULL},
    {"E4 HC 226 nesting of 10,000",                       deep, NULL, NULL, NULL},
    {"times in seconds",                                  times, NULL, NULL, NULL},
    {"HC 236 every day from 1950 to 9999",                calendar, NULL, NULL, NULL},
    {"lengths past 4 GiB are not written",                too_long, NULL, NULL, NULL},
};
/* clang-format on */

int main(void)
{
    for (size_t i = 0; i < COUNT(malformed_elements); i++) {
        rows_add("E4 no element:", malformed_elements[i].name, malformed_element,
                 &malformed_elements[i]);
    }
    for (size_t i = 0; i < COUNT(malformed_values); i++) {
        rows_add("E4 no value:", malformed_values[i].name, malformed, &malformed_values[i]);
    }
    for (size_t i = 0; i < COUNT(wellformed_elements); i++) {
        rows_add("taken:", wellformed_elements[i].name, wellformed_element,
                 &wellformed_elements[i].bytes);
    }
    return rows_run("der", tests, COUNT(tests));
}

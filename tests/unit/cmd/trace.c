/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "trace.h"

#define SHOWN(array) estoc_trace_text(estoc_slice_of((array), sizeof(array)), line, sizeof line)

static char line[512];

static void request_with_block(void **state)
{
    (void)state;
    static const uint8_t dg[] = {
        0x42, 0x02, 0x12, 0x34, /* CON POST, token of two */
        0xaa, 0xbb,             /* token */
        0xb3, 'e',  's',  't',  /* Uri-Path */
        0x03, 's',  'e',  'n',  /* Uri-Path */
        0x12, 0x01, 0x1e,       /* Content-Format 286 */
        0xd1, 0x02, 0x1e,       /* Block1 1/1/1024 */
        0xff, 0x30, 0x82, 0x01, /* payload */
    };
    assert_string_equal(SHOWN(dg), "CON 1234 POST /est/sen token=aabb format=286 block1=1/1/1024 "
                                   "payload=3 bytes=24");
}

static void error_with_text(void **state)
{
    (void)state;
    static const uint8_t dg[] = {
        0x60, 0x83, 0x00, 0x07,                /* ACK 4.03 */
        0xd1, 0x01, 0x1e,                      /* Max-Age 30 */
        0xff, 'n',  'o',  0x1b, '[', '2', 'J', /* an escape sequence for the terminal */
    };
    assert_string_equal(SHOWN(dg), "ACK 0007 4.03 max-age=30 payload=6 \"no.[2J\" bytes=14");
}

static void payload_is_not_shown(void **state)
{
    (void)state;
    static const uint8_t dg[] = {0x60, 0x44, 0x00, 0x07, 0xff, 's', 'e', 'c', 'r', 'e', 't'};
    assert_string_equal(SHOWN(dg), "ACK 0007 2.04 payload=6 bytes=11");
}

static void query_and_unknown_options(void **state)
{
    (void)state;
    static const uint8_t dg[] = {
        0x40, 0x01, 0x00, 0x01,            /* CON GET */
        0xd4, 0x02, 'r',  't',  '=',  '*', /* Uri-Query */
        0x62, 0x01, 0x19,                  /* option 21: not one we know */
        0x24, 0x01, 0x02, 0x03, 0x04,      /* Block2 of four bytes */
    };
    assert_string_equal(SHOWN(dg), "CON 0001 GET query=rt=* option21=2B block2=? bytes=18");
}

static void options_by_name(void **state)
{
    (void)state;
    static const uint8_t dg[] = {
        0x41, 0x01, 0x00, 0x02, 0x7f,       /* CON GET, token 7f */
        0x32, 'a',  'b',                    /* Uri-Host */
        0x12, 0x0a, 0x0b,                   /* ETag */
        0x20,                               /* Observe 0 */
        0x12, 0x16, 0x34,                   /* Uri-Port 5684 */
        0x82, 'x',  0x07,                   /* Uri-Query, a bell in it */
        0x21, 0x28,                         /* Accept 40 */
        0xb5, 0x01, 0x01, 0x01, 0x01, 0x01, /* Size2 of five bytes */
        0xd1, 0xd3, 0xee,                   /* Echo */
        0xd1, 0x1b, 0x01,                   /* Request-Tag */
    };
    assert_string_equal(SHOWN(dg), "CON 0002 GET token=7f uri-host=ab etag=0a0b observe=0 "
                                   "uri-port=5684 query=x. accept=40 size2=? echo=ee "
                                   "request-tag=01 bytes=32");
}

static void flights(void **state)
{
    (void)state;
    static const uint8_t hello[] = {
        22, 254, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 14,    /* a record of epoch 0 */
        1,  0,   0,   2, 0, 0, 0, 0, 0, 0, 0, 2, 9,  9, /* ClientHello of two bytes, whole */
    };
    static const uint8_t pieces[] = {
        22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 13,    /* */
        11, 0,   1,   0, 0, 1, 0, 0, 5, 0, 0, 1, 9,     /* byte 5 of a Certificate of 256 */
        20, 254, 253, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1,  1, /* ChangeCipherSpec */
        22, 254, 253, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2,  7, 7,
    };
    static const uint8_t alert[] = {21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2, 2, 40};
    static const uint8_t closing[] = {21, 254, 253, 0, 1, 0, 0, 0, 0, 0, 2, 0, 3, 1, 1, 1};
    static const uint8_t data[] = {23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 2, 0, 1, 's'};
    static const uint8_t cut[] = {22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 2, 0, 5, 1, 0};
    static const uint8_t bad[] = {22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2, 1, 0};
    static const struct {
        const uint8_t *bytes;
        size_t len;
        const char *text;
        bool shown;
    } rows[] = {
        {hello, sizeof hello, "dtls ClientHello bytes=27", true},
        {pieces, sizeof pieces,
         "dtls Certificate[5-6/256] ChangeCipherSpec handshake(encrypted) bytes=55", true},
        {alert, sizeof alert, "dtls alert=40 bytes=15", true},
        {closing, sizeof closing, "dtls alert(encrypted) bytes=16", true},
        {data, sizeof data, "dtls bytes=14", false}, /* shown as CoAP */
        {cut, sizeof cut, "dtls not a record bytes=15", true},
        {bad, sizeof bad, "dtls handshake? bytes=15", true},
        {NULL, 0, "dtls bytes=0", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool shown =
            estoc_trace_dtls(estoc_slice_of(rows[i].bytes, rows[i].len), line, sizeof line);
        assert_string_equal(line, rows[i].text);
        assert_int_equal(shown, rows[i].shown);
    }
}

static void empty_and_junk(void **state)
{
    (void)state;
    static const uint8_t ack[] = {0x60, 0x00, 0xab, 0xcd};
    static const uint8_t junk[] = {0xff, 0xff, 0xff};
    assert_string_equal(SHOWN(ack), "ACK abcd empty bytes=4");
    assert_string_equal(SHOWN(junk), "not a CoAP message, 3 bytes");
    assert_string_equal(estoc_trace_text(estoc_slice_of(NULL, 0), line, sizeof line),
                        "not a CoAP message, 0 bytes");
}

static void cut_to_fit(void **state)
{
    (void)state;
    static const uint8_t ack[] = {0x60, 0x00, 0xab, 0xcd};
    char small[9];
    memset(line, 'x', sizeof line);
    for (size_t cap = 1; cap <= sizeof small; cap++) {
        memset(small, 'x', sizeof small);
        estoc_trace_text(estoc_slice_of(ack, sizeof ack), small, cap);
        assert_int_equal(strlen(small), cap - 1);
        assert_memory_equal(small, "ACK abcd", cap - 1);
    }
    assert_ptr_equal(estoc_trace_text(estoc_slice_of(ack, sizeof ack), line, 0), line);
    assert_int_equal(line[0], 'x');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_with_block),   cmocka_unit_test(error_with_text),
        cmocka_unit_test(payload_is_not_shown), cmocka_unit_test(query_and_unknown_options),
        cmocka_unit_test(empty_and_junk),       cmocka_unit_test(cut_to_fit),
        cmocka_unit_test(options_by_name),      cmocka_unit_test(flights),
    };
    return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}

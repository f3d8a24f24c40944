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
    assert_string_equal(SHOWN(dg), "CON 1234 POST /est/sen format=286 block1=1/1/1024 payload=3");
}

static void error_with_text(void **state)
{
    (void)state;
    static const uint8_t dg[] = {
        0x60, 0x83, 0x00, 0x07,                /* ACK 4.03 */
        0xd1, 0x01, 0x1e,                      /* Max-Age 30 */
        0xff, 'n',  'o',  0x1b, '[', '2', 'J', /* an escape sequence for the terminal */
    };
    assert_string_equal(SHOWN(dg), "ACK 0007 4.03 max-age=30 payload=6 \"no.[2J\"");
}

static void payload_is_not_shown(void **state)
{
    (void)state;
    static const uint8_t dg[] = {0x60, 0x44, 0x00, 0x07, 0xff, 's', 'e', 'c', 'r', 'e', 't'};
    assert_string_equal(SHOWN(dg), "ACK 0007 2.04 payload=6");
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
    assert_string_equal(SHOWN(dg), "CON 0001 GET query=rt=* option21=2B block2=?");
}

static void empty_and_junk(void **state)
{
    (void)state;
    static const uint8_t ack[] = {0x60, 0x00, 0xab, 0xcd};
    static const uint8_t junk[] = {0xff, 0xff, 0xff};
    assert_string_equal(SHOWN(ack), "ACK abcd empty");
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
    };
    return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}

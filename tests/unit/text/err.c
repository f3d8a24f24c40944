/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <estoc/coap.h>

#include "text.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* The numbers as they stand in logs, and what a client is told. RFC 7252 section 5.9.2, RFC 9148
 * section 4.5. */
/* clang-format off */
static const struct {
    estoc_err err;
    unsigned number;
    unsigned code;
} all[] = {
    {ESTOC_E_USAGE,       0x0101, 500}, {ESTOC_E_STATE,     0x0102, 500}, {ESTOC_E_CONFIG,    0x0103, 500},
    {ESTOC_E_SPACE,       0x0201, 500}, {ESTOC_E_LIMIT,     0x0202, 413}, {ESTOC_E_MEMORY,    0x0203, 503},
    {ESTOC_E_BUSY,        0x0204, 503},
    {ESTOC_E_QUOTA,       0x0205, 429},
    {ESTOC_E_TRUNCATED,   0x0301, 400}, {ESTOC_E_MALFORMED, 0x0302, 400}, {ESTOC_E_TRAILING,  0x0303, 400},
    {ESTOC_E_UNSUPPORTED, 0x0304, 400},
    {ESTOC_E_PROTOCOL,    0x0401, 400}, {ESTOC_E_OPTION,    0x0402, 402}, {ESTOC_E_BLOCK,     0x0403, 408},
    {ESTOC_E_FORMAT,      0x0404, 415}, {ESTOC_E_TIMEOUT,   0x0405, 504}, {ESTOC_E_RESET,     0x0406, 500},
    {ESTOC_E_CLOSED,      0x0407, 500},
    {ESTOC_E_REFUSED,     0x0501, 403}, {ESTOC_E_LATER,     0x0502, 503}, {ESTOC_E_PEER,      0x0503, 502},
    {ESTOC_E_FORBIDDEN,   0x0504, 403}, {ESTOC_E_NOT_FOUND, 0x0505, 404},
    {ESTOC_E_UPSTREAM,    0x0506, 502},
    {ESTOC_E_SIGNATURE,   0x0601, 400}, {ESTOC_E_UNTRUSTED, 0x0602, 401}, {ESTOC_E_KEY,       0x0603, 400},
    {ESTOC_E_RANDOM,      0x0604, 500}, {ESTOC_E_CRYPTO,    0x0605, 500},
    {ESTOC_E_STORE,       0x0701, 503}, {ESTOC_E_FILE,      0x0702, 500},
    {ESTOC_E_INTERNAL,    0x0801, 500}, {ESTOC_E_SYSTEM,    0x0802, 500},
};
/* clang-format on */

static void numbers(void **state)
{
    (void)state;
    assert_int_equal(ESTOC_OK, 0);
    for (size_t i = 0; i < COUNT(all); i++) {
        assert_int_equal(all[i].err, all[i].number);
    }
}

static void coap_codes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(all); i++) {
        uint8_t code = estoc_err_coap_code(all[i].err);
        assert_int_equal(ESTOC_COAP_CLASS(code) * 100 + ESTOC_COAP_DETAIL(code), all[i].code);
    }
}

/* All numbers of all bands: those listed above have a text and nobody else has. */
static void every_number(void **state)
{
    (void)state;
    for (unsigned n = 1; n < 0x1000; n++) {
        bool listed = false;
        for (size_t i = 0; i < COUNT(all); i++) {
            listed = listed || all[i].number == n;
        }
        const char *text = estoc_err_text((estoc_err)n);
        assert_int_equal(strcmp(text, "unknown error") != 0, listed);
        uint8_t code = estoc_err_coap_code((estoc_err)n);
        assert_true(ESTOC_COAP_CLASS(code) == 4 || ESTOC_COAP_CLASS(code) == 5);
        if (!listed) {
            assert_int_equal(code, ESTOC_COAP_INTERNAL_ERROR);
        }
    }
}

/* Row 114: the text may travel as a diagnostic payload, in a message of 64 bytes. */
static void texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(all); i++) {
        const char *text = estoc_err_text(all[i].err);
        assert_in_range(strlen(text), 4, 48);
        for (const char *c = text; *c != '\0'; c++) {
            assert_in_range(*c, ' ', '~');
        }
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(text, estoc_err_text(all[j].err));
        }
    }
    assert_string_equal(estoc_err_text(ESTOC_OK), "no error");
}

static void success_is_no_answer(void **state)
{
    (void)state;
    assert_int_equal(estoc_err_coap_code(ESTOC_OK), ESTOC_COAP_INTERNAL_ERROR);
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        {"the numbers do not move",                        numbers, NULL, NULL, NULL},
        {"C4 the CoAP code of each error",                 coap_codes, NULL, NULL, NULL},
        {"C4 an unknown number is our failure",            every_number, NULL, NULL, NULL},
        {"C4 114 texts are short, printable and distinct", texts, NULL, NULL, NULL},
        {"C4 success taken for an error is 5.00",          success_is_no_answer, NULL, NULL, NULL},
    };
    /* clang-format on */
    return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}

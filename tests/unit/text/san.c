/* SPDX-License-Identifier: MIT */
#include "coap/rows.h"

#include "text.h"

static uint8_t room[256];

/* Text, the element it makes, and the text it is shown as. */
static const struct {
    const char *text, *shown;
    const char *der;
    size_t len;
} names[] = {
    /* clang-format off */
    {"dns:a.b",         "dns:a.b",       "\x82\x03" "a.b", 5},
    {"a.b",             "dns:a.b",       "\x82\x03" "a.b", 5},
    {"192.0.2.1",       "ip:192.0.2.1",  "\x87\x04\xc0\x00\x02\x01", 6},
    {"ip:192.0.2.1",    "ip:192.0.2.1",  "\x87\x04\xc0\x00\x02\x01", 6},
    {"::1",             "ip:::1",
     "\x87\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", 18},
    {"uri:coaps://a",   "uri:coaps://a", "\x86\x09" "coaps://a", 11},
    {"email:a@b",       "email:a@b",     "\x81\x03" "a@b", 5},
    /* clang-format on */
};
static const struct {
    const char *text, *der;
} blanks[] = {{"dns:", "\x82\0"}, {"ip:", "\x87\0"}, {"uri:", "\x86\0"}, {"email:", "\x81\0"}};

static bool put(const char *text, bool blank, estoc_slice *out)
{
    estoc_writer w = estoc_writer_of((estoc_buf){room, sizeof room});
    bool good = estoc_san_put(&w, text, blank);
    *out = estoc_writer_slice(&w);
    return good;
}

static void shown(estoc_slice der, const char *want)
{
    char text[64];
    estoc_reader r = estoc_reader_of(der);
    estoc_der el;
    assert_true(estoc_der_next(&r, &el));
    assert_string_equal(estoc_san_text(&el, text, sizeof text), want);
    for (size_t cap = 1; cap < strlen(want); cap++) { /* cut to fit */
        assert_memory_equal(estoc_san_text(&el, text, cap), want, cap - 1);
    }
}

static void good(void **state)
{
    (void)state;
    estoc_slice der;
    for (size_t i = 0; i < COUNT(names); i++) {
        for (int blank = 0; blank < 2; blank++) {
            assert_true(put(names[i].text, blank, &der));
            assert_int_equal(der.len, names[i].len);
            assert_memory_equal(der.ptr, names[i].der, der.len);
        }
        shown(der, names[i].shown);
    }
    for (size_t i = 0; i < COUNT(blanks); i++) {
        assert_false(put(blanks[i].text, false, &der));
        assert_true(put(blanks[i].text, true, &der));
        assert_int_equal(der.len, 2);
        assert_memory_equal(der.ptr, blanks[i].der, 2);
        shown(der, blanks[i].text);
    }
}

static void bad(void **state)
{
    (void)state;
    static const char *const texts[] = {"",         "a b",     "dns:a\nb",   "ip:a.b",
                                        "ip:1.2.3", "uri:a b", "email:\x7f", "dns:\xc3\xa4"};
    estoc_slice der;
    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_false(put(texts[i], false, &der));
        assert_false(put(texts[i], true, &der));
    }
}

/* What a server sends is shown without control characters. */
static void odd(void **state)
{
    (void)state;
    shown(estoc_slice_of("\x82\x03"
                         "a\nb",
                         5),
          "dns:a.b");
    shown(estoc_slice_of("\x87\x03"
                         "abc",
                         5),
          "ip:abc");
    shown(estoc_slice_of("\xa4\x02\x30\x00", 4), "[4]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"alternative names as written and shown", good, NULL, NULL, NULL},
        {"what is no name", bad, NULL, NULL, NULL},
        {"odd names are shown safely", odd, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests_name("text/san", tests, NULL, NULL);
}

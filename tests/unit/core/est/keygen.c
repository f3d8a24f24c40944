/* SPDX-License-Identifier: MIT */
#include <estoc/keygen.h>

#include "coap/rows.h"
#include "est/wishes.h"

enum {
    C128 = ESTOC_CAP_AES128_CBC,
    C256 = ESTOC_CAP_AES256_CBC,
    W128 = ESTOC_CAP_AES128_WRAP,
    W256 = ESTOC_CAP_AES256_WRAP
};

static estoc_err parse(estoc_slice attributes, estoc_key_wish *wish)
{
    uint8_t *exact = exact_copy(attributes);
    memset(wish, 0xa5, sizeof *wish);
    estoc_err err = estoc_key_wish_parse(estoc_slice_of(exact, attributes.len), wish);
    if (wish->id.len > 0) { /* seen after the copy is gone */
        wish->id.ptr = attributes.ptr + (wish->id.ptr - exact);
    }
    free(exact);
    return err;
}

static void refused(void **state)
{
    (void)state;
    static const estoc_key_wish none;
    for (size_t i = 0; i < COUNT(malformed_wishes); i++) {
        estoc_key_wish wish;
        estoc_err err = parse(malformed_wishes[i].bytes, &wish);
        if (err != malformed_wishes[i].err) {
            fail_msg("%s: %#x", malformed_wishes[i].name, err);
        }
        assert_memory_equal(&wish, &none, sizeof none);
    }
}

static void taken(void **state)
{
    (void)state;
    static const struct {
        estoc_key_cover cover;
        size_t id_len;
        unsigned caps;
        bool aes256_first;
    } want[] = {{ESTOC_COVER_NONE, 0, 0, false},
                {ESTOC_COVER_NONE, 0, 0, false},
                {ESTOC_COVER_NONE, 0, 0, false},
                {ESTOC_COVER_SYMMETRIC, 2, C128 | W128, false},
                {ESTOC_COVER_SYMMETRIC, 2, C256 | W256, true},
                {ESTOC_COVER_ASYMMETRIC, 3, C128 | W128 | C256 | W256, false},
                {ESTOC_COVER_ASYMMETRIC, 1, W128, false},
                {ESTOC_COVER_ASYMMETRIC, 1, 0, false},
                {ESTOC_COVER_SYMMETRIC, 64, C128, false}};
    assert_int_equal(COUNT(want), COUNT(wellformed_wishes));
    for (size_t i = 0; i < COUNT(want); i++) {
        estoc_key_wish wish;
        if (parse(wellformed_wishes[i].bytes, &wish)) {
            fail_msg("%s", wellformed_wishes[i].name);
        }
        assert_int_equal(wish.cover, want[i].cover);
        assert_int_equal(wish.id.len, want[i].id_len);
        assert_int_equal(wish.caps, want[i].caps);
        assert_int_equal(wish.aes256_first, want[i].aes256_first);
    }
}

static void written(void **state)
{
    (void)state;
    static const uint8_t id[] = {'k', '1'};
    for (unsigned caps = 1; caps < 32; caps++) {
        for (unsigned turn = 0; turn < 4; turn++) {
            uint8_t room[512];
            estoc_key_wish back;
            estoc_key_wish wish = {.cover = turn / 2 == 0 ? ESTOC_COVER_SYMMETRIC
                                                          : ESTOC_COVER_ASYMMETRIC,
                                   .id = SLICE(id),
                                   .caps = caps,
                                   .aes256_first = turn % 2 != 0};
            bool can = (caps & (wish.aes256_first ? C256 | W256 : C128 | W128)) != 0;
            estoc_writer w = estoc_writer_of((estoc_buf){room, sizeof room});
            estoc_key_wish_put(&w, &wish);
            assert_int_equal(w.err, 0);
            assert_int_equal(parse(estoc_writer_slice(&w), &back), 0);
            assert_int_equal(back.cover, wish.cover);
            assert_int_equal(back.caps, caps);
            assert_bytes(back.id, wish.id);
            if (can) {
                assert_int_equal(back.aes256_first, wish.aes256_first);
            }
        }
    }
}

static void bytes_of_one(void **state)
{
    (void)state;
    static const uint8_t expected[] = {CAPS(AES(2), AES(5)), SYMM('k', '1')};
    uint8_t room[sizeof expected];
    const estoc_key_wish wish = {ESTOC_COVER_SYMMETRIC, estoc_slice_str("k1"), C128 | W128, false};
    estoc_writer w = estoc_writer_of((estoc_buf){room, sizeof room});
    estoc_key_wish_put(&w, &wish);
    assert_bytes(estoc_writer_slice(&w), SLICE(expected));
    w = estoc_writer_of((estoc_buf){room, sizeof room - 1});
    estoc_key_wish_put(&w, &wish);
    assert_int_equal(w.err, ESTOC_E_SPACE);
    w = estoc_writer_of((estoc_buf){room, sizeof room});
    estoc_key_wish_put(&w, &(estoc_key_wish){.cover = ESTOC_COVER_NONE, .caps = C128});
    assert_int_equal(w.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"E5 attributes that must be refused", refused, NULL, NULL, NULL},
        {"E5 attributes that must be taken", taken, NULL, NULL, NULL},
        {"E5 what is written reads back the same", written, NULL, NULL, NULL},
        {"E5 the bytes of one", bytes_of_one, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests_name("est/keygen", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include <estoc/coap.h>

#include "coap/rows.h"

static estoc_coap_msg msg;
static uint8_t room[70000];

static void assert_zeroed(const estoc_coap_msg *m)
{
    static const estoc_coap_msg zero;
    assert_memory_equal(m, &zero, sizeof zero);
}

static estoc_err parse_exact(estoc_slice dg)
{
    uint8_t *exact = exact_copy(dg);
    memset(&msg, 0xa5, sizeof msg);
    estoc_err err = estoc_coap_parse(&msg, estoc_slice_of(exact, dg.len));
    free(exact);
    return err;
}

static void figure_16(void **state)
{
    (void)state;
    assert_int_equal(estoc_coap_parse(&msg, SLICE(figure_16_request)), 0);
    assert_int_equal(msg.type, ESTOC_COAP_CON);
    assert_int_equal(msg.code, ESTOC_COAP_GET);
    assert_int_equal(msg.mid, 0x7d34);
    assert_int_equal(msg.token_len, 0);
    assert_int_equal(msg.payload.len, 0);
    estoc_coap_opts it = estoc_coap_opts_of(msg.options);
    assert_next_text(&it, ESTOC_OPT_URI_PATH, "temperature");
    assert_no_more(&it);

    assert_int_equal(estoc_coap_parse(&msg, SLICE(figure_16_answer)), 0);
    assert_int_equal(msg.type, ESTOC_COAP_ACK);
    assert_int_equal(msg.code, ESTOC_COAP_CONTENT);
    assert_int_equal(msg.options.len, 0);
    assert_text(msg.payload, "22.3 C");
}

static void rfc9148_a1(void **state)
{
    (void)state;
    assert_int_equal(estoc_coap_parse(&msg, SLICE(crts_request)), 0);
    assert_int_equal(msg.token_len, 1);
    assert_int_equal(msg.token[0], 0x9a);
    estoc_coap_opts it = estoc_coap_opts_of(msg.options);
    assert_next_text(&it, ESTOC_OPT_URI_HOST, "example.com");
    assert_next(&it, ESTOC_OPT_URI_PORT, estoc_slice_of("\x23\x7d", 2));
    assert_next_text(&it, ESTOC_OPT_URI_PATH, "est");
    assert_next_text(&it, ESTOC_OPT_URI_PATH, "crts");
    assert_next(&it, ESTOC_OPT_ACCEPT, estoc_slice_of("\x01\x19", 2));
    assert_no_more(&it);
}

static void rfc9148_b1(void **state)
{
    (void)state;
    assert_int_equal(estoc_coap_parse(&msg, SLICE(crts_second_block)), 0);
    assert_int_equal(msg.type, ESTOC_COAP_ACK);
    assert_int_equal(msg.code, 0x45);
    assert_int_equal(msg.payload.len, 64);
    estoc_coap_opts it = estoc_coap_opts_of(msg.options);
    assert_next(&it, ESTOC_OPT_CONTENT_FORMAT, estoc_slice_of("\x01\x19", 2));
    assert_next(&it, ESTOC_OPT_BLOCK2, estoc_slice_of("\x1a", 1));
    assert_no_more(&it);
}

static void writes_rfc9148_a1(void **state)
{
    (void)state;
    static const uint8_t token[] = {0x9a};
    estoc_coap_writer cw = estoc_coap_write_begin((estoc_buf){room, sizeof room}, ESTOC_COAP_CON,
                                                  ESTOC_COAP_GET, 1, SLICE(token));
    estoc_coap_write_option(&cw, ESTOC_OPT_URI_HOST, estoc_slice_str("example.com"));
    estoc_coap_write_uint(&cw, ESTOC_OPT_URI_PORT, 9085);
    estoc_coap_write_option(&cw, ESTOC_OPT_URI_PATH, estoc_slice_str("est"));
    estoc_coap_write_option(&cw, ESTOC_OPT_URI_PATH, estoc_slice_str("crts"));
    estoc_coap_write_uint(&cw, ESTOC_OPT_ACCEPT, 281);
    estoc_coap_write_payload(&cw, estoc_slice_of(NULL, 0));
    size_t len;
    assert_int_equal(estoc_coap_write_end(&cw, &len), 0);
    assert_bytes(estoc_slice_of(room, len), SLICE(crts_request));
}

static void write_sen(estoc_coap_writer *cw)
{
    static const uint8_t token[] = {1, 2, 3, 4};
    estoc_slice csr = estoc_slice_sub(SLICE(sen_block1), sizeof sen_block1 - 16, 16);
    *cw = estoc_coap_write_begin((estoc_buf){cw->w.ptr, cw->w.cap}, ESTOC_COAP_CON, ESTOC_COAP_POST,
                                 0xbeef, SLICE(token));
    estoc_coap_write_option(cw, ESTOC_OPT_URI_PATH, estoc_slice_str(".well-known"));
    estoc_coap_write_option(cw, ESTOC_OPT_URI_PATH, estoc_slice_str("est"));
    estoc_coap_write_option(cw, ESTOC_OPT_URI_PATH, estoc_slice_str("sen"));
    estoc_coap_write_uint(cw, ESTOC_OPT_CONTENT_FORMAT, 286);
    estoc_coap_write_uint(cw, ESTOC_OPT_BLOCK1, 0x08);
    estoc_coap_write_uint(cw, ESTOC_OPT_SIZE1, 399);
    estoc_coap_write_payload(cw, csr);
}

static void writes_into_every_room(void **state)
{
    (void)state;
    for (size_t cap = 0; cap <= sizeof sen_block1; cap++) {
        uint8_t *exact = malloc(cap > 0 ? cap : 1);
        assert_non_null(exact);
        estoc_coap_writer cw = {.w = {.ptr = exact, .cap = cap}};
        write_sen(&cw);
        size_t len = 99;
        estoc_err err = estoc_coap_write_end(&cw, &len);
        if (cap < sizeof sen_block1) {
            assert_int_equal(err, ESTOC_E_SPACE);
            assert_int_equal(len, 0);
        } else {
            assert_int_equal(err, 0);
            assert_bytes(estoc_slice_of(exact, len), SLICE(sen_block1));
        }
        free(exact);
    }
}

static void every_type(void **state)
{
    (void)state;
    for (uint8_t type = ESTOC_COAP_CON; type <= ESTOC_COAP_RST; type++) {
        uint8_t code = type == ESTOC_COAP_NON ? ESTOC_COAP_GET : ESTOC_COAP_EMPTY;
        estoc_coap_writer cw = estoc_coap_write_begin((estoc_buf){room, sizeof room}, type, code,
                                                      0x1234, estoc_slice_of(NULL, 0));
        const uint8_t expected[] = {(uint8_t)(0x40 + 0x10 * type), code, 0x12, 0x34};
        size_t len;
        assert_int_equal(estoc_coap_write_end(&cw, &len), 0);
        assert_bytes(estoc_slice_of(room, len), SLICE(expected));
        assert_int_equal(parse_exact(SLICE(expected)), 0);
        assert_int_equal(msg.type, type);
        memset(room, 0, sizeof expected);
        if (code == ESTOC_COAP_EMPTY) {
            assert_bytes(estoc_slice_of(room, estoc_coap_empty(room, type, 0x1234)),
                         SLICE(expected));
        }
    }
}

static void tokens(void **state)
{
    (void)state;
    static const uint8_t token[8] = {0x00, 0xff, 2, 3, 4, 5, 6, 0};
    for (size_t n = 0; n <= 8; n++) {
        estoc_coap_writer cw = estoc_coap_write_begin(
            (estoc_buf){room, sizeof room}, ESTOC_COAP_ACK, 0x44, 5, estoc_slice_of(token, n));
        size_t len;
        assert_int_equal(estoc_coap_write_end(&cw, &len), 0);
        assert_int_equal(len, 4 + n);
        assert_int_equal(parse_exact(estoc_slice_of(room, len)), 0);
        assert_int_equal(msg.token_len, n);
        assert_memory_equal(msg.token, token, n);
    }
}

/* One row of malformed.h is one test. */
static void malformed(void **state)
{
    const struct malformed_message *row = *state;
    assert_int_equal(parse_exact(row->bytes), row->err);
    assert_zeroed(&msg);
    uint8_t type = 9;
    uint16_t mid = 9;
    bool addressed = estoc_coap_peek(row->bytes, &type, &mid);
    bool reset = addressed && type == ESTOC_COAP_CON;
    assert_int_equal(reset, row->answer == RESET);
    if (!addressed) {
        assert_int_equal(type, 0);
        assert_int_equal(mid, 0);
    }
}

static void wellformed(void **state)
{
    const struct wellformed *row = *state;
    assert_int_equal(parse_exact(row->bytes), 0);
}

static void peek(void **state)
{
    (void)state;
    static const uint8_t cut[] = {0x74, 0x01, 0xfe, 0xdc}; /* RST, its token missing */
    uint8_t type;
    uint16_t mid;
    assert_true(estoc_coap_peek(SLICE(cut), &type, &mid));
    assert_int_equal(type, ESTOC_COAP_RST);
    assert_int_equal(mid, 0xfedc);
}

/* RFC 7252 Table 1 and section 12.1, written down another way than in the code. */
static bool header_allowed(unsigned first, unsigned code)
{
    unsigned version = first / 64;
    unsigned type = first / 16 % 4;
    unsigned token_len = first % 16;
    bool empty = code == 0;
    bool request = code >= 1 && code <= 31;
    bool answer = code >= 2 * 32 && code < 6 * 32;
    if (version != 1 || token_len > 8 || (empty && token_len != 0)) {
        return false;
    }
    switch (type) {
    case 0:
        return empty || request || answer;
    case 1:
        return request || answer;
    case 2:
        return empty || answer;
    default:
        return empty;
    }
}

static void all_headers(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        for (unsigned code = 0; code < 256; code++) {
            uint8_t dg[19] = {(uint8_t)first, (uint8_t)code, 0xab, 0xcd};
            estoc_slice s = estoc_slice_of(dg, 4 + first % 16);
            bool allowed = header_allowed(first, code);
            assert_int_equal(estoc_coap_parse(&msg, s), allowed ? 0 : ESTOC_E_MALFORMED);
            assert_int_equal(msg.code, allowed ? code : 0);
            assert_int_equal(msg.mid, allowed ? 0xabcd : 0);
        }
    }
}

/* Cut between two options or between header and options a message stays one; nowhere else. */
static void every_truncation(void **state)
{
    (void)state;
    static const size_t whole[] = {8, 20, 24, 28, 31, 34, 38};
    for (size_t len = 0; len < sizeof sen_block1; len++) {
        bool may = len > 39;
        for (size_t i = 0; i < COUNT(whole); i++) {
            may = may || len == whole[i];
        }
        estoc_err err = parse_exact(estoc_slice_of(sen_block1, len));
        assert_int_equal(err, may ? 0 : len == 39 ? ESTOC_E_MALFORMED : ESTOC_E_TRUNCATED);
    }
}

static estoc_coap_writer begin(void)
{
    return estoc_coap_write_begin((estoc_buf){room, sizeof room}, 0, 1, 0, estoc_slice_of("t", 1));
}

static void assert_misused(const estoc_coap_writer *cw)
{
    size_t len = 9;
    assert_int_equal(estoc_coap_write_end(cw, &len), ESTOC_E_USAGE);
    assert_int_equal(len, 0);
}

static void writer_misuse(void **state)
{
    (void)state;
    estoc_slice x = estoc_slice_str("x");
    estoc_slice none = {NULL, 0};
    estoc_coap_writer cw = begin();
    estoc_coap_write_option(&cw, 12, x);
    estoc_coap_write_option(&cw, 11, x); /* descending */
    estoc_coap_write_option(&cw, 17, x); /* the error sticks */
    assert_misused(&cw);
    cw = begin();
    estoc_coap_write_payload(&cw, x);
    estoc_coap_write_option(&cw, 65535, x);
    assert_misused(&cw);
    cw = begin();
    estoc_coap_write_payload(&cw, none);
    estoc_coap_write_uint(&cw, 12, 0);
    assert_misused(&cw);
    cw = begin();
    estoc_coap_write_payload(&cw, none);
    estoc_coap_write_payload(&cw, x);
    assert_misused(&cw);
    cw = estoc_coap_write_begin((estoc_buf){room, sizeof room}, 4, 1, 0, none);
    assert_misused(&cw);
    cw = estoc_coap_write_begin((estoc_buf){room, sizeof room}, 0, 1, 0, estoc_slice_of(room, 9));
    assert_misused(&cw);
}

static uint32_t seed;

static unsigned draw(unsigned below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

static void random_messages(void **state)
{
    (void)state;
    static const unsigned reach[] = {2, 13, 300, 5000};
    for (seed = 1; seed != 0 && seed < 4000; seed++) {
        uint32_t again = seed;
        struct {
            uint16_t number;
            estoc_slice value;
        } opts[12];
        size_t n = draw(COUNT(opts) + 1);
        unsigned number = 0;
        static const uint8_t bytes[1000] = {1, 2, 3};
        estoc_slice payload = estoc_slice_of(bytes, draw(40));
        estoc_coap_writer cw = estoc_coap_write_begin((estoc_buf){room, sizeof room}, 1, 2, 0xffff,
                                                      estoc_slice_of(bytes, draw(9)));
        for (size_t i = 0; i < n; i++) {
            number += draw(reach[draw(4)]);
            opts[i].number = (uint16_t)number;
            opts[i].value = estoc_slice_of(bytes, draw(draw(2) ? 14 : 1000));
            estoc_coap_write_option(&cw, opts[i].number, opts[i].value);
        }
        estoc_coap_write_payload(&cw, payload);
        size_t len;
        assert_int_equal(estoc_coap_write_end(&cw, &len), 0);
        assert_int_equal(estoc_coap_parse(&msg, estoc_slice_of(room, len)), 0);
        estoc_coap_opts it = estoc_coap_opts_of(msg.options);
        for (size_t i = 0; i < n; i++) {
            assert_next(&it, opts[i].number, opts[i].value);
        }
        assert_no_more(&it);
        assert_bytes(msg.payload, payload);
        seed = again;
    }
}

static void codes(void **state)
{
    (void)state;
    assert_int_equal(ESTOC_COAP_CONTENT, 0x45);
    assert_int_equal(ESTOC_COAP_CHANGED, 0x44);
    assert_int_equal(ESTOC_COAP_CONTINUE, 0x5f);
    assert_int_equal(ESTOC_COAP_TOO_MANY_REQUESTS, 0x9d);
    assert_int_equal(ESTOC_COAP_CLASS(ESTOC_COAP_UNSUPPORTED_FORMAT), 4);
    assert_int_equal(ESTOC_COAP_DETAIL(ESTOC_COAP_UNSUPPORTED_FORMAT), 15);
}

/* clang-format off */
static const struct CMUnitTest tests[] = {
    {"RFC 7252 figure 16 is parsed",                          figure_16, NULL, NULL, NULL},
    {"RFC 9148 A.1 is parsed",                                rfc9148_a1, NULL, NULL, NULL},
    {"RFC 9148 B.1 is parsed",                                rfc9148_b1, NULL, NULL, NULL},
    {"RFC 9148 A.1 is written byte for byte",                 writes_rfc9148_a1, NULL, NULL, NULL},
    {"a message into every size of buffer",                   writes_into_every_room, NULL, NULL, NULL},
    {"C1 C2 every type, in four bytes",                      every_type, NULL, NULL, NULL},
    {"C1 59 tokens of 0 to 8 bytes",                          tokens, NULL, NULL, NULL},
    {"C2 whom a message that is no message comes from",       peek, NULL, NULL, NULL},
    {"C2 72 every first byte with every code",                all_headers, NULL, NULL, NULL},
    {"C2 a message cut at every byte",                        every_truncation, NULL, NULL, NULL},
    {"the writer's misuse sticks",                            writer_misuse, NULL, NULL, NULL},
    {"random messages, written and parsed",                   random_messages, NULL, NULL, NULL},
    {"C5 codes are class and detail",                         codes, NULL, NULL, NULL},
};
/* clang-format on */

int main(void)
{
    for (size_t i = 0; i < COUNT(malformed_messages); i++) {
        rows_add("C2 refused:", malformed_messages[i].name, malformed, &malformed_messages[i]);
    }
    for (size_t i = 0; i < COUNT(wellformed_messages); i++) {
        rows_add("taken:", wellformed_messages[i].name, wellformed, &wellformed_messages[i]);
    }
    return rows_run("message", tests, COUNT(tests));
}

/* SPDX-License-Identifier: MIT
 *
 * Requests, options and errors. Duplicates: responder_again.c; late answers:
 * responder_late.c; blocks: responder_blocks.c and responder_answers.c.
 */
#include "coap/responder_rig.h"

enum { CHANGED = ESTOC_COAP_CHANGED, CONTENT = ESTOC_COAP_CONTENT };

/* ---- birth ---- */

static void cannot_begin(void **state)
{
    (void)state;
    estoc_responder_cfg good = rig.cfg;
    estoc_responder_ops ops = *good.ops;
    rig.cfg.ops = &ops;
    for (unsigned i = 0; i < 9; i++) {
        rig.cfg = good;
        ops = *good.ops;
        rig.cfg.ops = &ops;
        assert_int_equal(estoc_responder_init(&rig.r, &rig.cfg), 0);
        switch (i) {
        case 0:
            rig.cfg.ops = NULL;
            break;
        case 1:
            ops.admit = NULL;
            break;
        case 2:
            ops.body_room = NULL;
            break;
        case 3:
            ops.body_put = NULL;
            break;
        case 4:
            ops.answer_put = NULL;
            break;
        case 5:
            rig.cfg.random.fill = NULL;
            break;
        case 6:
            rig.cfg.replies.ptr = NULL;
            break;
        case 7:
            rig.cfg.replies.cap = 1279;
            break;
        default:
            rig.cfg.message_max = ESTOC_RESPONDER_MESSAGE_MIN - 1;
        }
        assert_int_equal(estoc_responder_init(&rig.r, &rig.cfg), ESTOC_E_USAGE);
    }
    rig.cfg = good;
    rig.random_fails = true;
    assert_int_equal(estoc_responder_init(&rig.r, &rig.cfg), ESTOC_E_RANDOM);
}

static void unused_or_closed(void **state)
{
    (void)state;
    size_t len = 77;
    estoc_responder_close(&rig.r);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(estoc_responder_input(&rig.r, 0, SLICE(crts_request)), ESTOC_E_STATE);
        estoc_answer a = {.code = CONTENT};
        assert_int_equal(estoc_responder_answer(&rig.r, 0, &a), ESTOC_E_STATE);
        assert_int_equal(estoc_responder_output(&rig.r, 0, (estoc_buf){rig.got, 4}, &len), 0);
        assert_int_equal(len, 0);
        assert_int_equal(estoc_responder_state(&rig.r), 0);
        assert_null(estoc_responder_request(&rig.r));
        assert_int_equal(estoc_responder_deadline(&rig.r), ESTOC_NEVER);
        estoc_responder_close(&rig.r);
    }
}

/* What was kept does not stay in memory, and the object serves again. */
static void closed_and_begun_again(void **state)
{
    (void)state;
    ask("CON 1 GET /a");
    owner_says(CONTENT, 3000);
    expect("ACK 1 2.05 etag=# ct=281 2:0/1/1024 +1024");
    ask("CON 2 POST /a +40");
    assert_int_equal(answers_out(), 1);
    assert_int_equal(rig.bodies, 1);
    estoc_responder_close(&rig.r);
    assert_int_equal(answers_out(), 0);
    assert_int_equal(rig.bodies, 0);
    for (size_t i = 0; i < REPLIES_LEN; i++) {
        assert_int_equal(rig.replies[i], 0);
    }
    rig_start();
    ask("CON 1 GET /a"); /* X7: nothing is inherited */
    owner_says(CONTENT, 20);
    expect("ACK 1 2.05 ct=281 +20");
}

/* ---- C2: messages that are no requests ---- */

static void ping(void **state)
{
    (void)state;
    static const uint8_t rst[] = {0x70, 0x00, 0x12, 0x34};
    input(estoc_slice_of("\x40\x00\x12\x34", 4));
    assert_int_equal(estoc_responder_state(&rig.r), ESTOC_RESPONDER_WANT_SEND);
    assert_int_equal(estoc_responder_deadline(&rig.r), 0);
    expect_bytes(SLICE(rst));
    expect_nothing();
    assert_int_equal(estoc_responder_state(&rig.r), 0);
}

static void malformed(void **state)
{
    const struct malformed_message *row = *state;
    rig_make(NULL);
    input(row->bytes);
    expect_no_request();
    if (row->answer == RESET) {
        const uint8_t rst[] = {0x70, 0x00, row->bytes.ptr[2], row->bytes.ptr[3]};
        expect_bytes(SLICE(rst));
    }
    expect_nothing();
    assert_int_equal(rig.admitted, 0);
    rig_free(NULL);
}

static void nobody_asked(void **state)
{
    (void)state;
    static const char *const silent[] = {"\x60\x00\x50\x00", "\x70\x00\x50\x00", "\x60\x45\x50\x00",
                                         "\x50\x45\x50\x00"}; /* ACK, RST, 2.05 in ACK and NON */
    for (size_t i = 0; i < COUNT(silent); i++) {
        input(estoc_slice_of(silent[i], 4));
        expect_nothing();
    }
    input(estoc_slice_of("\x40\x45\x50\x00", 4)); /* 2.05 in a CON */
    expect_bytes(estoc_slice_of("\x70\x00\x50\x00", 4));
}

/* ---- C1: requests ---- */

static void get(void **state)
{
    (void)state;
    static const uint8_t expected[] = {
        0x61,             /* version 1, ACK, token of 1 */
        0x45,             /* 2.05 */
        0x00, 0x01,       /* message ID, ours in wellformed.h */
        0x9a,             /* token */
        0xc2, 0x01, 0x19, /* option 12 Content-Format, 2 bytes: 281 */
        0xff, 0x00, 0x0d, 0x1a, 0x27,
    };
    input(SLICE(crts_request));
    assert_int_equal(estoc_responder_state(&rig.r), ESTOC_RESPONDER_REQUEST);
    expect_nothing();
    expect_request("GET /est/crts accept=281");
    owner_says(CONTENT, 4);
    assert_int_equal(answers_out(), 0); /* nothing of it can be asked for again */
    expect_bytes(SLICE(expected));
    expect_nothing();
    assert_int_equal(rig.admitted, 1);
    assert_int_equal(rig.r.traffic.received, 1);
    assert_int_equal(rig.r.traffic.received_bytes, sizeof crts_request);
    assert_int_equal(rig.r.traffic.sent, 1);
    assert_int_equal(rig.r.traffic.sent_bytes, sizeof expected);
    assert_int_equal(rig.r.traffic.retransmitted, 0);
}

static void tokens(void **state)
{
    (void)state;
    static const char *const token[] = {"T=", "T=a", "T=1234", "T=12345678"};
    static const char *const seen[] = {"", " T=a", " T=1234", " T=12345678"};
    for (size_t i = 0; i < COUNT(token); i++) {
        char text[60];
        snprintf(text, sizeof text, "CON %zu GET %s /x", i, token[i]);
        ask(text);
        owner_says(CONTENT, 0);
        snprintf(text, sizeof text, "ACK %zu%s 2.05 ct=281", i, seen[i]);
        expect(text);
    }
}

/* RFC 7252 section 5.10.6.2: any number of them; a block of an answer is no question of whether. */
static void etags_of_requests(void **state)
{
    (void)state;
    ask("CON 1 GET etag=a etag= etag=123456789 etag=bb etag=c etag=12345678 etag=e /a");
    expect_request("GET /a etag=a etag=bb etag=c etag=12345678");
    owner_says(CONTENT, 0);
    expect("ACK 1 2.05 ct=281");
    ask("CON 2 GET etag=a /a 2:0/0/64");
    expect_request("GET /a etag=a");
    owner_says(CONTENT, 0);
    expect("ACK 2 2.05 ct=281");
    ask("CON 3 GET etag=a /a 2:1/0/64");
    expect_request("GET /a");
    owner_says(CONTENT, 100);
    expect("ACK 3 2.05 etag=# ct=281 2:1/0/64 +36");
}

/* E2: 2.03 has neither payload, format nor size, whatever was asked about blocks. */
static void valid(void **state)
{
    (void)state;
    ask("CON 1 GET etag=xy /a 2:0/0/64 size2=0");
    estoc_answer a = {.code = ESTOC_COAP_VALID,
                      .format = ESTOC_FORMAT_NONE,
                      .etag = {'x', 'y'},
                      .etag_len = 2,
                      .has_max_age = true,
                      .max_age_s = 300};
    owner_answers(&a);
    rig.etag_len = 0;
    expect("ACK 1 2.03 etag=xy age=300");
}

static void what_the_owner_sees(void **state)
{
    (void)state;
    ask("CON 1 POST etag=abc /a/b ct=286 ?x=1 ?y accept=287 opt=252echo tag=t +10");
    assert_int_equal(rig.admit_path_n, 2);
    assert_string_equal(rig.admit_last, "b");
    assert_int_equal(rig.admit_body_len, 10);
    expect_request("POST /a/b ct=286 ?x=1 ?y accept=287 etag=abc +10");
    assert_int_equal(estoc_responder_request(&rig.r)->type, ESTOC_COAP_CON);
    owner_says(CHANGED, 0);
    expect("ACK 1 2.04 ct=281");
    ask("NON 2 GET /1/2/3/4/5/6/7/8/9 ?1 ?2 ?3 ?4 ?5 +10"); /* a payload of GET means nothing */
    expect_request("GET /1/2/3/4/5/6/7/8 ?1 ?2 ?3 ?4");
    assert_int_equal(estoc_responder_request(&rig.r)->type, ESTOC_COAP_NON);
    assert_int_equal(estoc_responder_request(&rig.r)->path_n, 9);
    assert_int_equal(estoc_responder_request(&rig.r)->query_n, 5);
    owner_says(CONTENT, 0);
    expect("NON 20480 for 2 2.05 ct=281");
    ask("CON 3 GET etag=12345678"); /* the root */
    expect_request("GET  etag=12345678");
    owner_says(CONTENT, 0);
    expect("ACK 3 2.05 ct=281");
    ask("CON 4 PUT /a +1"); /* the owner knows which methods there are: 4.05 is its */
    expect_request("PUT /a +1");
    owner_says(CHANGED, 0);
    expect("ACK 4 2.04 ct=281");
}

static void non(void **state)
{
    (void)state;
    ask("NON 1 POST /a +10");
    expect_nothing();
    rig.now += 20000;
    expect_nothing(); /* no ACK for a NON */
    ask_again();
    expect_nothing();
    owner_says(CHANGED, 10);
    expect("NON 20480 for 1 2.04 ct=281 +10");
    ask_again(); /* RFC 7252 section 4.5: silence */
    expect_nothing();
    expect_no_request();
    assert_int_equal(rig.raised, 1);
    ask("NON 2 GET /a");
    owner_refuses(ESTOC_COAP_NOT_FOUND, "no");
    expect("NON 20481 for 2 4.04 \"no\"");
}

static void all_options_of_an_answer(void **state)
{
    (void)state;
    ask("CON 1 GET /a size2=0");
    estoc_answer a = answer_of(CONTENT, 100);
    memcpy(a.etag, "xy", 2);
    a.etag_len = 2;
    a.has_max_age = true;
    a.max_age_s = 86400;
    owner_answers(&a);
    expect("ACK 1 2.05 etag=xy ct=281 age=86400 size2=100 +100");
    ask("CON 2 GET etag=xy /a 2:0/0/64");
    a = (estoc_answer){
        .code = ESTOC_COAP_VALID, .format = ESTOC_FORMAT_NONE, .etag = "xy", .etag_len = 2};
    owner_answers(&a);
    expect("ACK 2 2.03 etag=xy");
    ask("CON 3 GET /a");
    a = (estoc_answer){.code = CONTENT, .format = 0, .body = {rig.answer, 3}}; /* static */
    owner_answers(&a);
    expect("ACK 3 2.05 ct=0 +3");
}

/* ---- C3: options ---- */

struct option_row {
    const char *name, *options, *answer; /* of a CON; NULL: it is served */
};

#define NOT_UNDERSTOOD "ACK 1 4.02 \"a critical option is not understood\""
/* clang-format off */
static const struct option_row option_rows[] = {
    {"97 unknown elective",            "/a opt=2048x opt=65000x", NULL},
    {"119 Hop-Limit",                  "/a opt=16x", NULL},
    {"117 Echo",                       "/a opt=252x", NULL},
    {"116 No-Response",                "/a opt=258x", NULL},
    {"Observe",                        "opt=6 /a", NULL},
    {"112 Uri-Host and Uri-Port",      "opt=3example.com opt=7ab /a", NULL},
    {"99 Content-Format twice",        "/a ct=286 ct=60", NULL},
    {"Content-Format of 3 bytes",      "/a opt=12abc", NULL},
    {"ETag of 9 bytes",                "opt=4abcdefghi /a", NULL},
    {"ETag of no bytes",               "opt=4 /a", NULL},
    {"unknown critical",               "/a opt=65001x", NOT_UNDERSTOOD},
    {"unknown critical below Uri-Path", "opt=9x /a", NOT_UNDERSTOOD},
    {"critical behind elective",       "/a opt=2048x opt=2049", NOT_UNDERSTOOD},
    {"If-Match",                       "opt=1x /a", NOT_UNDERSTOOD},
    {"If-None-Match",                  "opt=5 /a", NOT_UNDERSTOOD},
    {"99 Accept twice",                "/a accept=1 accept=1", NOT_UNDERSTOOD},
    {"99 Block1 twice",                "/a 1:0/0/64 1:0/0/64",
     "ACK 1 4.02 1:0/0/64 \"a critical option is not understood\""},
    {"Block2 twice",                   "/a 2:0/0/64 2:0/0/64", NOT_UNDERSTOOD},
    {"127 Block1 of 4 bytes",          "/a opt=27abcd", NOT_UNDERSTOOD},
    {"127 Block2 of 4 bytes",          "/a opt=23abcd", NOT_UNDERSTOOD},
    {"Accept of 3 bytes",              "/a opt=17abc", NOT_UNDERSTOOD},
    {"Uri-Host of no bytes",           "opt=3 /a", NOT_UNDERSTOOD},
    {"Uri-Port of 3 bytes",            "opt=7abc /a", NOT_UNDERSTOOD},
    {"Proxy-Uri",                      "/a opt=35coap://x", "ACK 1 5.05 \"this is no proxy\""},
    {"Proxy-Scheme",                   "/a opt=39coap",     "ACK 1 5.05 \"this is no proxy\""},
    {"126 Block1 with SZX 7",          "/a 1:0/0/2048", "ACK 1 4.00 \"block size exponent 7 is reserved\""},
    {"126 Block2 with SZX 7",          "/a 2:0/0/2048", "ACK 1 4.00 \"block size exponent 7 is reserved\""},
    {"Accept 65,535 is not absent",    "/a accept=65535", "ACK 1 4.06 \"no answer in this content format\""},
};
/* clang-format on */

static void option(void **state)
{
    const struct option_row *row = *state;
    char text[200];
    for (int non_ = 0; non_ < 2; non_++) {
        rig_make(NULL);
        snprintf(text, sizeof text, "%s 1 POST %s", non_ ? "NON" : "CON", row->options);
        ask(text);
        assert_int_equal(estoc_responder_request(&rig.r) != NULL, row->answer == NULL);
        assert_int_equal(rig.admitted, row->answer == NULL);
        if (row->answer != NULL && !non_) {
            expect(row->answer);
        } else if (row->answer != NULL && strncmp(row->answer, "ACK 1 4.02", 10) == 0) {
            expect("RST 1 0.00"); /* row 96: a NON with such an option is rejected, not answered */
        } else if (row->answer != NULL) {
            snprintf(text, sizeof text, "NON 20480 for %s", row->answer + 4);
            expect(text);
        }
        expect_nothing();
        rig_free(NULL);
    }
}

static void many_options(void **state)
{
    (void)state;
    char text[400];
    char big[256] = "";
    memset(big, 'x', 186); /* /a and /b are 2 bytes each, this is 188: 192 in all */
    snprintf(text, sizeof text, "CON 1 GET /a/b/%s", big);
    ask(text);
    expect_request(text + 6);
    owner_says(CONTENT, 0);
    expect("ACK 1 2.05 ct=281");
    snprintf(text, sizeof text, "CON 2 GET /a/b/%sx", big);
    ask_expect(text, "ACK 2 4.00 \"too many options\"");
    expect_no_request();
    ask_expect("CON 3 POST /x 1:0/1/16 +16", "ACK 3 2.31 1:0/1/16");
    snprintf(text, sizeof text, "CON 4 POST /a/b/%sx 1:1/0/16 +16", big);
    ask_expect(text, "ACK 4 4.08 1:1/0/16 \"earlier blocks are missing, start again\"");
    snprintf(text, sizeof text, "CON 5 GET /a/b/%sx 2:1/0/16", big);
    ask_expect(text, "ACK 5 4.00 \"too many options\"");
    /* the owner's own reason goes first */
    rig.refuse = "no such resource";
    rig.refuse_code = ESTOC_COAP_NOT_FOUND;
    memset(big, 'x', 255);
    big[255] = '\0';
    snprintf(text, sizeof text, "CON 6 GET /.well-known/est/%s", big);
    ask_expect(text, "ACK 6 4.04 \"no such resource\"");
}

/* ---- C4: errors ---- */

static void refused(void **state)
{
    (void)state;
    rig.refuse = "only GET here";
    rig.refuse_code = ESTOC_COAP_METHOD_NOT_ALLOWED;
    ask("CON 1 POST /a +100");
    expect_no_request();
    expect("ACK 1 4.05 \"only GET here\"");
    assert_int_equal(answers_out(), 0);
    assert_int_equal(rig.rooms, 0); /* nothing of the body is kept */
    ask_again();
    expect("ACK 1 4.05 \"only GET here\"");
    assert_int_equal(rig.admitted, 1);
    ask_expect("CON 2 POST /a 1:0/1/64 +64", "ACK 2 4.05 1:0/0/64 \"only GET here\"");
    assert_int_equal(rig.rooms, 0);
    rig.refuse_code = 0; /* the owner forgot the code */
    ask_expect("CON 3 POST /a", "ACK 3 5.00 \"only GET here\"");
    rig.refuse_static = true;
    ask_expect("CON 4 POST /a", "ACK 4 5.00 \"only GET here\"");
}

static void diagnostics(void **state)
{
    (void)state;
    static const struct {
        const char *said, *sent;
    } texts[] = {
        {"", "no reason given"},
        {"0123456789012345678901234567890123456789012345678901234567890123",
         "0123456789012345678901234567890123456789012345678901234567890123"},
        {"01234567890123456789012345678901234567890123456789012345678901234",
         "0123456789012345678901234567890123456789012345678901234567890123"},
        {"012345678901234567890123456789012345678901234567890123456789012\xc3\xa4",
         "012345678901234567890123456789012345678901234567890123456789012"}, /* no half letter */
        {"01234567890123456789012345678901234567890123456789012345678901\xc3\xa4",
         "01234567890123456789012345678901234567890123456789012345678901\xc3\xa4"},
    };
    for (unsigned i = 0; i < COUNT(texts); i++) {
        char text[150];
        snprintf(text, sizeof text, "CON %u GET /a 2:0/0/16 size2=0", i);
        ask(text);
        owner_refuses(ESTOC_COAP_FORBIDDEN, texts[i].said);
        snprintf(text, sizeof text, "ACK %u 4.03 \"%s\"", i, texts[i].sent);
        expect(text);
    }
    ask("CON 90 GET /a");
    estoc_answer a = owned(ESTOC_COAP_UNAVAILABLE, ESTOC_FORMAT_NONE, estoc_slice_str("later"));
    a.has_max_age = true;
    a.max_age_s = 300;
    owner_answers(&a);
    expect("ACK 90 5.03 age=300 \"later\"");
    ask("CON 91 GET /a");
    owner_refuses(ESTOC_COAP_CODE(3, 1), "no such class");
    expect("ACK 91 5.00 \"no such class\"");
}

/* The longest of all errors still fits the smallest message. */
static void longest_error(void **state)
{
    (void)state;
    rig.cfg.message_max = ESTOC_RESPONDER_MESSAGE_MIN;
    rig.cfg.body_max = 0x1000000;
    rig_start();
    ask("CON 1 POST T=12345678 /a 1:0/0/1024 +900");
    estoc_answer a = owned(ESTOC_COAP_TOO_LARGE, ESTOC_FORMAT_NONE, estoc_slice_of(rig.answer, 64));
    a.has_max_age = true;
    a.max_age_s = UINT32_MAX;
    memset(rig.owners[rig.owners_n - 1].body, 'e', 64);
    owner_answers(&a);
    output();
    assert_in_range(rig.got_len, 90, ESTOC_RESPONDER_MESSAGE_MIN);
}

/* ---- misuse ---- */

static void answer_to_nothing(void **state)
{
    (void)state;
    estoc_answer a = answer_of(CONTENT, 10);
    assert_int_equal(estoc_responder_answer(&rig.r, rig.now, &a), ESTOC_E_STATE);
    assert_int_equal(answers_out(), 0);
    ask("CON 1 GET /a");
    owner_says(CONTENT, 10);
    output();
    a = answer_of(CONTENT, 10);
    assert_int_equal(estoc_responder_answer(&rig.r, rig.now, &a), ESTOC_E_STATE);
    assert_int_equal(answers_out(), 0);
    a = (estoc_answer){.code = CONTENT}; /* static: there is nothing to put */
    assert_int_equal(estoc_responder_answer(&rig.r, rig.now, &a), ESTOC_E_STATE);
}

static void output_pending(void **state)
{
    (void)state;
    ask("CON 1 GET /a");
    ask("CON 2 EMPTY");
    assert_int_equal(estoc_responder_state(&rig.r),
                     ESTOC_RESPONDER_REQUEST | ESTOC_RESPONDER_WANT_SEND);
    assert_int_equal(estoc_responder_input(&rig.r, rig.now, SLICE(crts_request)), ESTOC_E_STATE);
    estoc_answer a = answer_of(CONTENT, 10);
    assert_int_equal(estoc_responder_answer(&rig.r, rig.now, &a), ESTOC_E_STATE);
    assert_int_equal(answers_out(), 0);
    size_t len = 77;
    uint8_t small[3];
    assert_int_equal(estoc_responder_output(&rig.r, rig.now, (estoc_buf){small, 3}, &len),
                     ESTOC_E_SPACE);
    assert_int_equal(len, 0);
    uint8_t exact[4];
    assert_int_equal(estoc_responder_output(&rig.r, rig.now, (estoc_buf){exact, 4}, &len), 0);
    assert_int_equal(len, 4); /* it stayed */
    assert_memory_equal(exact, "\x70\x00\x00\x02", 4);
    expect_request("GET /a");
    owner_says(CONTENT, 10);
    expect("ACK 1 2.05 ct=281 +10");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_RIG("init refuses what it cannot work with", cannot_begin),
        IN_RIG("a closed responder does nothing", unused_or_closed),
        IN_RIG("X7 closed and begun again", closed_and_begun_again),
        IN_RIG("C2 61 ping is answered with RST", ping),
        IN_RIG("C2 74 answers nobody asked for", nobody_asked),
        IN_RIG("C1 a GET, byte for byte", get),
        IN_RIG("C1 59 tokens come back", tokens),
        IN_RIG("E2 ETags of requests", etags_of_requests),
        IN_RIG("E2 an answer that says the old one holds", valid),
        IN_RIG("C1 what the owner sees of a request", what_the_owner_sees),
        IN_RIG("X1 81 NON", non),
        IN_RIG("C1 all options of an answer", all_options_of_an_answer),
        IN_RIG("C4 too many options", many_options),
        IN_RIG("C4 refused by admit()", refused),
        IN_RIG("C4 114 diagnostics", diagnostics),
        IN_RIG("C4 the longest error fits", longest_error),
        IN_RIG("answer() without a request", answer_to_nothing),
        IN_RIG("calls while output is pending", output_pending),
    };
    for (size_t i = 0; i < COUNT(malformed_messages); i++) {
        rows_add("C2", malformed_messages[i].name, malformed, &malformed_messages[i]);
    }
    for (size_t i = 0; i < COUNT(option_rows); i++) {
        rows_add("C3", option_rows[i].name, option, &option_rows[i]);
    }
    return rows_run("responder", tests, COUNT(tests));
}

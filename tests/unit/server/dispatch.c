/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <estoc/link.h>

#include "dispatch.h"

/* Two profiles; only "meters" has attributes. Their bodies are told apart by what they say. */
static estoc_generation g;
static uint8_t certs_default[] = "certs of default";
static uint8_t certs_meters[] = "certs of meters";
static uint8_t cert[] = "the certificate";
static uint8_t attributes[] = "attributes";

static int set_up(void **state)
{
    (void)state;
    memset(&g, 0, sizeof g);
    snprintf(g.conf.root, sizeof g.conf.root, "est");
    g.served[0] = (estoc_served){.profile = "",
                                 .certs = {certs_default, sizeof certs_default - 1},
                                 .cert = {cert, sizeof cert - 1}};
    g.served[1] = (estoc_served){.profile = "meters",
                                 .certs = {certs_meters, sizeof certs_meters - 1},
                                 .attributes = {attributes, sizeof attributes - 1}};
    memcpy(g.served[0].certs_etag, "dcs1", 4);
    memcpy(g.served[0].cert_etag, "dc-1", 4);
    memcpy(g.served[1].certs_etag, "mcs1", 4);
    memcpy(g.served[1].attributes_etag, "matt", 4);
    g.max_age_s = 300;
    g.served_n = 2;
    return 0;
}

/* A request for a path such as "/est/crts?rt=x&ct=281". */
static estoc_request request(uint8_t method, const char *uri)
{
    estoc_request r = {.type = ESTOC_COAP_CON,
                       .method = method,
                       .content_format = ESTOC_FORMAT_NONE,
                       .accept = ESTOC_FORMAT_NONE};
    while (*uri == '/') {
        size_t len = strcspn(++uri, "/?");
        if (r.path_n < ESTOC_REQUEST_PATH_MAX) {
            r.path[r.path_n] = estoc_slice_of(uri, len);
        }
        r.path_n++;
        uri += len;
    }
    while (*uri == '?' || *uri == '&') {
        size_t len = strcspn(++uri, "&");
        if (r.query_n < ESTOC_REQUEST_QUERY_MAX) {
            r.query[r.query_n] = estoc_slice_of(uri, len);
        }
        r.query_n++;
        uri += len;
    }
    if (method == ESTOC_COAP_POST) {
        r.content_format = ESTOC_FORMAT_PKCS10;
    }
    return r;
}

static void assert_found(const estoc_request *r, const char *what, estoc_op op, const char *profile,
                         uint16_t format)
{
    estoc_route route;
    estoc_answer refusal = {0};
    memset(&route, 0xa5, sizeof route);
    if (!estoc_route_find(&g, r, &route, &refusal)) {
        fail_msg("%s: %u.%02u %.*s", what, ESTOC_COAP_CLASS(refusal.code),
                 ESTOC_COAP_DETAIL(refusal.code), (int)refusal.body.len, refusal.body.ptr);
    }
    assert_int_equal(route.op, op);
    assert_int_equal(route.format, format);
    if (profile == NULL) {
        assert_null(route.served);
    } else {
        assert_string_equal(route.served->profile, profile);
    }
}

static void assert_refused(const estoc_request *r, const char *what, uint8_t code)
{
    estoc_route route;
    estoc_answer refusal;
    memset(&route, 0xa5, sizeof route);
    memset(&refusal, 0xa5, sizeof refusal);
    if (estoc_route_find(&g, r, &route, &refusal)) {
        fail_msg("%s: found", what);
    }
    if (refusal.code != code) {
        fail_msg("%s: %u.%02u, not %u.%02u", what, ESTOC_COAP_CLASS(refusal.code),
                 ESTOC_COAP_DETAIL(refusal.code), ESTOC_COAP_CLASS(code), ESTOC_COAP_DETAIL(code));
    }
    assert_int_equal(refusal.format, ESTOC_FORMAT_NONE); /* a diagnostic text, and no more */
    assert_in_range(refusal.body.len, 1, 64);
    assert_null(refusal.owner);
    assert_int_equal(refusal.etag_len, 0);
    assert_false(refusal.has_max_age);
}

/* R1 */
static void paths(void **state)
{
    (void)state;
    static const struct {
        const char *uri;
        uint8_t method;
        estoc_op op;
        const char *profile;
        uint16_t format;
    } rows[] = {
        /* clang-format off */
        {"/.well-known/est/crts",        ESTOC_COAP_GET,  ESTOC_OP_CRTS, "",       281},
        {"/.well-known/est/sen",         ESTOC_COAP_POST, ESTOC_OP_SEN,  "",       281},
        {"/.well-known/est/sren",        ESTOC_COAP_POST, ESTOC_OP_SREN, "",       281},
        {"/.well-known/est/meters/crts", ESTOC_COAP_GET,  ESTOC_OP_CRTS, "meters", 281},
        {"/.well-known/est/meters/sen",  ESTOC_COAP_POST, ESTOC_OP_SEN,  "meters", 281},
        {"/.well-known/est/meters/sren", ESTOC_COAP_POST, ESTOC_OP_SREN, "meters", 281},
        {"/.well-known/est/meters/att",  ESTOC_COAP_GET,  ESTOC_OP_ATT,  "meters", 285},
        {"/est/crts",                    ESTOC_COAP_GET,  ESTOC_OP_CRTS, "",       281},
        {"/est/sen",                     ESTOC_COAP_POST, ESTOC_OP_SEN,  "",       281},
        {"/est/sren",                    ESTOC_COAP_POST, ESTOC_OP_SREN, "",       281},
        {"/est/meters/att",              ESTOC_COAP_GET,  ESTOC_OP_ATT,  "meters", 285},
        {"/est/meters/sen",              ESTOC_COAP_POST, ESTOC_OP_SEN,  "meters", 281},
        {"/.well-known/core",            ESTOC_COAP_GET,  ESTOC_OP_NONE, NULL,     40},
        {"/est/crts?any=query",          ESTOC_COAP_GET,  ESTOC_OP_CRTS, "",       281},
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        estoc_request r = request(rows[i].method, rows[i].uri);
        assert_found(&r, rows[i].uri, rows[i].op, rows[i].profile, rows[i].format);
        r.type = ESTOC_COAP_NON; /* X1 */
        assert_found(&r, rows[i].uri, rows[i].op, rows[i].profile, rows[i].format);
    }
}

/* C4, X6; hard cases 94, 111, 161, 192. */
static void no_such_path(void **state)
{
    (void)state;
    static const char *const uris[] = {
        "",
        "/",
        "/est",
        "/est/",
        "/.well-known",
        "/.well-known/est",
        "/.well-known/est/",
        "/.well-known/cores",
        "/.well-known/core/",
        "/.well-known/core/crts",
        "/core",
        "/crts",
        "/sen",
        "/EST/crts",
        "/est/CRTS",
        "/est/crt",
        "/est/crtss",
        "/est/crts/",
        "/est/crts/crts",
        "/est//crts",
        "//est/crts",
        "/est/./crts",
        "/est/../est/crts",
        "/est/meters",
        "/est/meters/",
        "/est/meters/crts/",
        "/est/meters/x/crts",
        "/est/meter/crts",
        "/est/Meters/crts",
        "/est/%6deters/crts",
        "/.well-known/est//crts",
        "/.well-known/est/x/crts",
        "/.well-known/est/meters/meters/crts",
        "/.well-known/est/simpleenroll",
        "/.well-known/est/cacerts",
        "/.well-known/est/fullcmc",
        "/est/att", /* nothing configured: X1 */
        "/est/skg", /* not switched on: E5 */
        "/est/skc",
        "/est/meters/skg",
        "/a/b/c/d/e/f/g/h/i/j",
        "/.well-known/est/a/b/c/d/e/f/g/h/i/crts",
    };
    for (size_t i = 0; i < sizeof uris / sizeof uris[0]; i++) {
        for (uint8_t method = ESTOC_COAP_GET; method <= ESTOC_COAP_DELETE; method++) {
            estoc_request r = request(method, uris[i]);
            assert_refused(&r, uris[i], ESTOC_COAP_NOT_FOUND);
        }
    }
    estoc_request r = request(ESTOC_COAP_GET, "/est/crts");
    r.path[1] = estoc_slice_of("crts\0", 5);
    assert_refused(&r, "a NUL behind", ESTOC_COAP_NOT_FOUND);
}

/* C4, hard cases 91 and 92: every other method code is refused. */
static void methods(void **state)
{
    (void)state;
    static const char *const gets[] = {"/est/crts", "/.well-known/est/meters/att",
                                       "/.well-known/core"};
    static const char *const posts[] = {"/est/sen", "/.well-known/est/meters/sren"};
    for (unsigned code = 0; code <= 0xff; code++) {
        for (size_t i = 0; i < 3; i++) {
            estoc_request r = request((uint8_t)code, gets[i]);
            if (code != ESTOC_COAP_GET) {
                assert_refused(&r, gets[i], ESTOC_COAP_METHOD_NOT_ALLOWED);
            }
        }
        for (size_t i = 0; i < 2; i++) {
            estoc_request r = request((uint8_t)code, posts[i]);
            r.content_format = ESTOC_FORMAT_PKCS10;
            if (code != ESTOC_COAP_POST) {
                assert_refused(&r, posts[i], ESTOC_COAP_METHOD_NOT_ALLOWED);
            }
        }
    }
}

/* C4, X1; hard cases 106 and 107. */
static void formats_of_requests(void **state)
{
    (void)state;
    static const uint16_t bad[] = {0, 40, 60, 281, 284, 285, 287, 65534, ESTOC_FORMAT_NONE};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        estoc_request r = request(ESTOC_COAP_POST, "/est/sen");
        r.content_format = bad[i];
        assert_refused(&r, "/est/sen", ESTOC_COAP_UNSUPPORTED_FORMAT);
        r = request(ESTOC_COAP_POST, "/est/meters/sren");
        r.content_format = bad[i];
        r.accept = 9; /* both are wrong */
        assert_refused(&r, "/est/sren", ESTOC_COAP_UNSUPPORTED_FORMAT);
        r = request(ESTOC_COAP_GET, "/est/crts"); /* has no body */
        r.content_format = bad[i];
        assert_found(&r, "/est/crts", ESTOC_OP_CRTS, "", 281);
    }
}

/* E1, C4; hard cases 102, 104, 166. */
static void formats_of_answers(void **state)
{
    (void)state;
    static const struct {
        const char *uri;
        uint16_t accept;
        bool found;
    } rows[] = {
        /* clang-format off */
        {"/est/sen", 281, true}, {"/est/sen", 287, true},
        {"/est/meters/sren", 281, true}, {"/est/meters/sren", 287, true},
        {"/est/crts", 281, true}, {"/est/crts", 287, true},
        {"/est/meters/crts", 281, true}, {"/est/meters/crts", 287, false}, /* several */
        {"/est/meters/att", 285, true}, {"/.well-known/core", 40, true},
        {"/est/sen", 0, false}, {"/est/sen", 286, false}, {"/est/sen", 62, false},
        {"/est/sren", 280, false}, {"/est/crts", 285, false}, {"/est/crts", 60, false},
        {"/est/meters/att", 281, false}, {"/est/meters/att", 0, false},
        {"/.well-known/core", 0, false}, {"/.well-known/core", 281, false},
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool post = strstr(rows[i].uri, "en") != NULL;
        estoc_request r = request(post ? ESTOC_COAP_POST : ESTOC_COAP_GET, rows[i].uri);
        r.accept = rows[i].accept;
        estoc_route route;
        estoc_answer refusal = {0};
        if (estoc_route_find(&g, &r, &route, &refusal) != rows[i].found) {
            fail_msg("row %zu", i);
        }
        if (rows[i].found) {
            assert_int_equal(route.format, rows[i].accept);
        } else {
            assert_refused(&r, rows[i].uri, ESTOC_COAP_NOT_ACCEPTABLE);
        }
    }
}

/* Without a short root, only the long names are left. */
static void no_short_root(void **state)
{
    (void)state;
    g.conf.root[0] = '\0';
    estoc_request r = request(ESTOC_COAP_GET, "/est/crts");
    assert_refused(&r, "/est/crts", ESTOC_COAP_NOT_FOUND);
    r = request(ESTOC_COAP_GET, "//crts");
    assert_refused(&r, "//crts", ESTOC_COAP_NOT_FOUND);
    r = request(ESTOC_COAP_GET, "/.well-known/est/crts");
    assert_found(&r, "crts", ESTOC_OP_CRTS, "", 281);
    snprintf(g.conf.root, sizeof g.conf.root, "e");
    r = request(ESTOC_COAP_GET, "/e/meters/att");
    assert_found(&r, "att", ESTOC_OP_ATT, "meters", 285);
}

static void assert_get(const char *uri, uint16_t accept, const char *body, uint16_t format)
{
    estoc_request r = request(ESTOC_COAP_GET, uri);
    estoc_route route;
    estoc_answer a;
    r.accept = accept;
    assert_true(estoc_route_find(&g, &r, &route, &a));
    memset(&a, 0xa5, sizeof a);
    assert_int_equal(estoc_route_get(&g, &route, &r, &a), 0);
    assert_int_equal(a.code, ESTOC_COAP_CONTENT); /* C5 */
    assert_int_equal(a.format, format);
    if (a.body.len != strlen(body) || memcmp(a.body.ptr, body, a.body.len) != 0) {
        fail_msg("%s gives \"%.*s\", not \"%s\"", uri, (int)a.body.len, a.body.ptr, body);
    }
    if (route.op == ESTOC_OP_NONE) {
        assert_ptr_equal(((estoc_body *)a.owner)->bytes, a.body.ptr);
        estoc_body_free(a.owner);
    } else {
        assert_null(a.owner);
    }
    bool kept = route.op == ESTOC_OP_CRTS || route.op == ESTOC_OP_ATT; /* E2 */
    assert_int_equal(a.etag_len, kept ? ESTOC_ETAG_LEN : 0);
    assert_true(a.has_max_age == kept);
    assert_int_equal(a.max_age_s, kept ? 300 : 0);
}

/* E2: to a client that shows it, each answer's own ETag is 2.03, and no other's is. */
static void revalidation(void **state)
{
    (void)state;
    static const struct {
        const char *uri;
        uint16_t accept;
        const char *etag;
    } rows[] = {{"/est/crts", 281, "dcs1"},
                {"/est/crts", 287, "dc-1"},
                {"/est/meters/crts", 281, "mcs1"},
                {"/est/meters/att", 285, "matt"}};
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < 4; j++) {
            estoc_request r = request(ESTOC_COAP_GET, rows[i].uri);
            estoc_route route;
            estoc_answer a;
            r.accept = rows[i].accept;
            r.etag[0] = estoc_slice_str("x");
            r.etag[1] = estoc_slice_str("longer");
            r.etag[2] = estoc_slice_str(rows[j].etag);
            r.etag_n = 3;
            assert_true(estoc_route_find(&g, &r, &route, &a));
            assert_int_equal(estoc_route_get(&g, &route, &r, &a), 0);
            assert_int_equal(a.code, i == j ? ESTOC_COAP_VALID : ESTOC_COAP_CONTENT);
            assert_int_equal(a.format, i == j ? ESTOC_FORMAT_NONE : rows[i].accept);
            assert_true((a.body.len == 0) == (i == j));
            assert_memory_equal(a.etag, rows[i].etag, ESTOC_ETAG_LEN);
            assert_true(a.has_max_age);
        }
    }
}

/* E5: where it is switched on, and there only. */
static void keys_made_here(void **state)
{
    (void)state;
    g.served[1].keygen = true;
    estoc_request r = request(ESTOC_COAP_POST, "/est/meters/skg");
    assert_found(&r, "skg", ESTOC_OP_SKG, "meters", 62);
    r = request(ESTOC_COAP_POST, "/est/meters/skc");
    r.accept = 62;
    assert_found(&r, "skc", ESTOC_OP_SKC, "meters", 62);
    static const uint16_t others[] = {0, 280, 281, 284, 287};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        r.accept = others[i];
        assert_refused(&r, "skc", ESTOC_COAP_NOT_ACCEPTABLE);
    }
    r = request(ESTOC_COAP_GET, "/est/meters/skc");
    assert_refused(&r, "skc", ESTOC_COAP_METHOD_NOT_ALLOWED);
    r = request(ESTOC_COAP_POST, "/est/skg");
    assert_refused(&r, "skg", ESTOC_COAP_NOT_FOUND);
    assert_get("/.well-known/core?ct=62", ESTOC_FORMAT_NONE,
               "</est/meters/skg>;rt=\"ace.est.skg\";ct=62,"
               "</est/meters/skc>;rt=\"ace.est.skc\";ct=62",
               40);
}

static void bodies(void **state)
{
    (void)state;
    assert_get("/est/crts", ESTOC_FORMAT_NONE, "certs of default", 281);
    assert_get("/est/crts", 281, "certs of default", 281);
    assert_get("/est/crts", 287, "the certificate", 287);
    assert_get("/est/meters/crts", ESTOC_FORMAT_NONE, "certs of meters", 281);
    assert_get("/est/meters/att", 285, "attributes", 285);
}

#define CRTS "</est/crts>;rt=\"ace.est.crts\";ct=\"281 287\""
#define SEN  "</est/sen>;rt=\"ace.est.sen\";ct=\"281 287\""
#define SREN "</est/sren>;rt=\"ace.est.sren\";ct=\"281 287\""
/* several anchors: not as one certificate */
#define M_CRTS "</est/meters/crts>;rt=\"ace.est.crts\";ct=281"
#define M_SEN  "</est/meters/sen>;rt=\"ace.est.sen\";ct=\"281 287\""
#define M_SREN "</est/meters/sren>;rt=\"ace.est.sren\";ct=\"281 287\""
#define M_ATT  "</est/meters/att>;rt=\"ace.est.att\";ct=285"
#define ALL    CRTS "," SEN "," SREN "," M_CRTS "," M_SEN "," M_SREN "," M_ATT

/* R2, hard case 156. */
static void discovery(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        /* clang-format off */
        {"", ALL},
        {"?rt=ace.est*", ALL},
        {"?rt=*", ALL},
        {"?rt=ace.est.crts", CRTS "," M_CRTS},
        {"?rt=ace.est.att", M_ATT},
        {"?rt=ace.est.s*", SEN "," SREN "," M_SEN "," M_SREN},
        {"?rt=ace.est.x", ""},
        {"?rt=ace.est", ""},
        {"?href=/est/sen", SEN},
        {"?href=/est/meters/*", M_CRTS "," M_SEN "," M_SREN "," M_ATT},
        {"?href=/est/*", ALL},
        {"?href=/other", ""},
        {"?ct=285", M_ATT},
        {"?ct=281", CRTS "," SEN "," SREN "," M_CRTS "," M_SEN "," M_SREN},
        {"?ct=287", CRTS "," SEN "," SREN "," M_SEN "," M_SREN},
        {"?rt=ace.est.crts&ct=287", CRTS},
        {"?rt=ace.est.crts&rt=ace.est.sen", ""},
        {"?nonsense", ""},
        {"?if=x", ""},
        {"?rt=*&rt=*&rt=*&rt=*", ALL},
        {"?rt=*&rt=*&rt=*&rt=*&rt=ace.est.x", ""}, /* more than are kept: none is passed over */
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char uri[128];
        snprintf(uri, sizeof uri, "/.well-known/core%s", rows[i][0]);
        assert_get(uri, ESTOC_FORMAT_NONE, rows[i][1], 40);
        assert_get(uri, 40, rows[i][1], 40);
    }
}

static void discovery_without_short_root(void **state)
{
    (void)state;
    g.conf.root[0] = '\0';
    g.served_n = 1;
    assert_get("/.well-known/core?rt=ace.est.sen", ESTOC_FORMAT_NONE,
               "</.well-known/est/sen>;rt=\"ace.est.sen\";ct=\"281 287\"", 40);
}

/* Whatever is listed is served, with the longest names there can be. */
/* R2: RFC 9148 section 4.1, links with the port; filters on the path or the whole */
static void discovery_elsewhere(void **state)
{
    (void)state;
    static const char base[] = "coaps://[2001:db8:3::123]:61617";
    static const struct {
        const char *query;
        const char *list;
    } rows[] = {
        {"?rt=ace.est.att", "<coaps://[2001:db8:3::123]:61617/est/meters/att>;rt=\"ace.est.att\";"
                            "ct=285"},
        {"?href=/est/meters/att", "<coaps://[2001:db8:3::123]:61617/est/meters/att>;"
                                  "rt=\"ace.est.att\";ct=285"},
        {"?href=coaps://[2001:db8:3::123]:61617/est/sen",
         "<coaps://[2001:db8:3::123]:61617/est/sen>;rt=\"ace.est.sen\";ct=\"281 287\""},
        {"?href=coap:*", ""},
        {"?rt=x", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char uri[128];
        estoc_answer a;
        snprintf(uri, sizeof uri, "/.well-known/core%s", rows[i].query);
        estoc_request r = request(ESTOC_COAP_GET, uri);
        assert_int_equal(estoc_route_core(&g, base, &r, &a), 0);
        assert_int_equal(a.format, 40);
        assert_int_equal(a.body.len, strlen(rows[i].list));
        assert_memory_equal(a.body.ptr, rows[i].list, a.body.len);
        estoc_body_free(a.owner);
    }
}

static void listed_is_served(void **state)
{
    (void)state;
    static char names[ESTOC_PROFILES_MAX][32];
    memset(g.conf.root, 'r', sizeof g.conf.root - 1);
    for (size_t i = 1; i < ESTOC_PROFILES_MAX; i++) {
        memset(names[i], 'a' + (int)i, sizeof names[i] - 1);
        g.served[i] = g.served[1];
        g.served[i].profile = names[i];
    }
    g.served_n = ESTOC_PROFILES_MAX;
    estoc_request r = request(ESTOC_COAP_GET, "/.well-known/core");
    estoc_route route;
    estoc_answer a;
    assert_true(estoc_route_find(&g, &r, &route, &a));
    assert_int_equal(estoc_route_get(&g, &route, &r, &a), 0);
    estoc_reader links = estoc_reader_of(a.body);
    estoc_link link;
    size_t n = 0;
    for (; estoc_link_next(&links, &link); n++) {
        char uri[200];
        snprintf(uri, sizeof uri, "%.*s", (int)link.target.len, link.target.ptr);
        bool post = strstr(uri, "/sen") != NULL || strstr(uri, "/sren") != NULL;
        estoc_request one = request(post ? ESTOC_COAP_POST : ESTOC_COAP_GET, uri);
        estoc_answer refusal;
        assert_true(estoc_route_find(&g, &one, &route, &refusal));
    }
    assert_int_equal(links.err, 0);
    assert_int_equal(n, 3 + 4 * (ESTOC_PROFILES_MAX - 1));
    estoc_body_free(a.owner);
}

/* ---- behind a registrar ---- */

static estoc_verdict lack; /* what the authority says of the documents it does not have */

static bool say_lack(estoc_authority *a, const char *profile, estoc_op op, estoc_verdict *v)
{
    assert_ptr_equal(a, g.authority);
    assert_string_equal(profile, "");
    assert_true(op == ESTOC_OP_CRTS || op == ESTOC_OP_ATT);
    if (lack.err) {
        *v = lack;
    }
    return lack.err != ESTOC_OK;
}

static void assert_lack(const char *uri, uint16_t accept, uint8_t code, uint32_t max_age)
{
    estoc_request r = request(ESTOC_COAP_GET, uri);
    estoc_route route;
    estoc_answer a = {0};
    r.accept = accept;
    assert_true(estoc_route_find(&g, &r, &route, &a));
    assert_int_equal(estoc_route_get(&g, &route, &r, &a), 0);
    assert_int_equal(a.code, code);
    assert_int_equal(a.format, ESTOC_FORMAT_NONE);
    assert_in_range(a.body.len, 1, 64);
    assert_null(a.owner);
    assert_int_equal(a.etag_len, 0); /* nothing to be kept */
    assert_int_equal(a.has_max_age, max_age > 0);
    assert_int_equal(max_age > 0 ? a.max_age_s : 0, max_age);
}

/* G3: an upstream that could not be reached so far. */
static void not_known_yet(void **state)
{
    (void)state;
    static const estoc_authority_ops ops = {.lacks = say_lack};
    estoc_authority authority = {&ops};
    g.authority = &authority;
    g.served[0] = (estoc_served){.profile = "", .lacks_certs = true, .lacks_attributes = true};
    lack = (estoc_verdict){
        .err = ESTOC_E_UPSTREAM, .code = ESTOC_COAP_UNAVAILABLE, .text = "later", .retry_s = 17};
    assert_lack("/est/crts", ESTOC_FORMAT_NONE, ESTOC_COAP_UNAVAILABLE, 17);
    assert_lack("/est/crts", ESTOC_FORMAT_CERTS, ESTOC_COAP_UNAVAILABLE, 17);
    assert_lack("/est/crts", ESTOC_FORMAT_CERT, ESTOC_COAP_UNAVAILABLE, 17);
    assert_lack("/.well-known/est/att", ESTOC_FORMAT_NONE, ESTOC_COAP_UNAVAILABLE, 17);
    lack.code = ESTOC_COAP_GATEWAY_TIMEOUT;
    assert_lack("/est/crts", ESTOC_FORMAT_NONE, ESTOC_COAP_GATEWAY_TIMEOUT, 0);
    lack.code = 0;
    assert_lack("/est/att", ESTOC_FORMAT_NONE, ESTOC_COAP_BAD_GATEWAY, 0);
    lack.err = ESTOC_OK; /* known, but too many to be served */
    assert_lack("/est/crts", ESTOC_FORMAT_NONE, ESTOC_COAP_INTERNAL_ERROR, 0);
    estoc_request r = request(ESTOC_COAP_GET, "/est/crts");
    r.accept = 40;
    assert_refused(&r, "crts in another format", ESTOC_COAP_NOT_ACCEPTABLE);
    r = request(ESTOC_COAP_POST, "/est/att");
    assert_refused(&r, "POST att", ESTOC_COAP_METHOD_NOT_ALLOWED);
    /* the other profile has all of it */
    assert_get("/est/meters/crts", ESTOC_FORMAT_NONE, "certs of meters", ESTOC_FORMAT_CERTS);
    /* crts is there for all, and announced; att perhaps not */
    estoc_answer a;
    r = request(ESTOC_COAP_GET, "/.well-known/core");
    assert_int_equal(estoc_route_core(&g, "", &r, &a), 0);
    char text[1024];
    snprintf(text, sizeof text, "%.*s", (int)a.body.len, (const char *)a.body.ptr);
    assert_non_null(strstr(text, "</est/crts>;rt=\"ace.est.crts\";ct=281,"));
    assert_null(strstr(text, "</est/att>"));
    assert_non_null(strstr(text, "</est/meters/att>"));
    estoc_body_free(a.owner);
}

static void names_for_the_log(void **state)
{
    (void)state;
    static const struct {
        estoc_op op;
        const char *name;
    } rows[] = {{ESTOC_OP_NONE, "core"}, {ESTOC_OP_CRTS, "crts"}, {ESTOC_OP_SEN, "sen"},
                {ESTOC_OP_SREN, "sren"}, {ESTOC_OP_ATT, "att"},   {ESTOC_OP_SKG, "skg"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        estoc_route route = {.op = rows[i].op};
        assert_string_equal(estoc_route_name(&route), rows[i].name);
    }
}

static void refusals(void **state)
{
    (void)state;
    estoc_answer a;
    memset(&a, 0xa5, sizeof a);
    estoc_refuse(&a, ESTOC_COAP_FORBIDDEN, "no");
    assert_int_equal(a.code, ESTOC_COAP_FORBIDDEN);
    assert_int_equal(a.format, ESTOC_FORMAT_NONE);
    assert_int_equal(a.body.len, 2);
    assert_null(a.owner);
    assert_int_equal(a.etag_len, 0);
    assert_false(a.has_max_age);
}

#define TEST(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(paths),
        TEST(no_such_path),
        TEST(methods),
        TEST(formats_of_requests),
        TEST(formats_of_answers),
        TEST(no_short_root),
        TEST(bodies),
        TEST(revalidation),
        TEST(keys_made_here),
        TEST(discovery),
        TEST(discovery_without_short_root),
        TEST(discovery_elsewhere),
        TEST(listed_is_served),
        TEST(not_known_yet),
        TEST(names_for_the_log),
        TEST(refusals),
    };
    return cmocka_run_group_tests_name("server dispatch", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * The client against servers that are not what they should be. (K1, K2, K3)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "hostile.h"

/* A certificate authority and a server of its own, that the scripted server shows. */
typedef struct world {
    fixture f;
    EVP_PKEY *ca_key, *key, *other_key;
    X509 *ca, *cert, *other; /* other: an authority nobody asked for */
    body crts;               /* the right answer to /crts, as 287 */
    hostile h;
} world;

static X509 *server_cert(const world *w, const char *san)
{
    return cert_new(w->key, &(cert_cfg){.cn = "server",
                                        .issuer = w->ca,
                                        .issuer_key = w->ca_key,
                                        .san = san,
                                        .eku = "serverAuth"});
}

static void der_of(X509 *cert, body *out)
{
    unsigned char *at = out->bytes;
    out->len = (size_t)i2d_X509(cert, &at);
}

static int set_up(void **state)
{
    world *w = calloc(1, sizeof *w);
    *state = w;
    fixture_init(&w->f);
    w->ca_key = key_new("P-256");
    w->key = key_new("P-256");
    w->other_key = key_new("P-256");
    w->ca = cert_new(w->ca_key, &(cert_cfg){.cn = "Hostile CA", .ca = true});
    w->other = cert_new(w->other_key, &(cert_cfg){.cn = "Other CA", .ca = true});
    w->cert = server_cert(w, "IP:127.0.0.1");
    der_of(w->ca, &w->crts);
    cert_write(w->ca, path_in(&w->f, "dev.ta"), "w"); /* whom the client trusts at first */
    return 0;
}

static int tear_down(void **state)
{
    world *w = *state;
    if (w->h.pid != 0) {
        hostile_stop(&w->h);
    }
    fixture_stop(&w->f);
    fixture_free(&w->f);
    EVP_PKEY_free(w->ca_key);
    EVP_PKEY_free(w->key);
    EVP_PKEY_free(w->other_key);
    X509_free(w->ca);
    X509_free(w->cert);
    X509_free(w->other);
    free(w);
    return 0;
}

#define HOSTILE(name, function)                 \
    {                                           \
        name, function, set_up, tear_down, NULL \
    }

static void start_at(world *w, const char *root, const script *scripts, size_t n)
{
    hostile_start(&w->h, &w->f,
                  &(hostile_cfg){.root = root,
                                 .cert = w->cert,
                                 .key = w->key,
                                 .issuer = w->ca,
                                 .issuer_key = w->ca_key,
                                 .scripts = scripts,
                                 .scripts_n = n});
}

static void start(world *w, const script *scripts, size_t n)
{
    start_at(w, NULL, scripts, n);
}

/* In 287: one certificate is easily scripted. */
static void enroll_there(world *w, output *o, const char *option, const char *value)
{
    run_as(o, &w->f, "dev", "enroll", w->h.uri, "--out", path_in(&w->f, "op"), "--timeout", "5",
           "--format", "287", option, value, NULL);
}

static bool exists(const world *w, const char *name)
{
    return access(path_in(&w->f, "%s", name), F_OK) == 0;
}

static void nothing_kept(const world *w)
{
    assert_false(exists(w, "op.crt"));
    assert_false(exists(w, "op.ta"));
}

/* clang-format off */
#define GOOD_CRTS {.name = "crts", .code = CODE(2, 5), .format = 287, .payload = &w->crts, .max_age = -1}
#define GOOD_SEN  {.name = "sen", .code = CODE(2, 4), .format = 287, .max_age = -1}
/* clang-format on */

static void good(void **state)
{
    world *w = *state;
    output o;
    const script s[] = {GOOD_CRTS, GOOD_SEN};
    start(w, s, 2);
    enroll_there(w, &o, NULL, NULL);
    assert_int_equal(o.code, 0);
    assert_int_equal(hostile_asked(&w->h, "crts"), 1);
    assert_int_equal(hostile_asked(&w->h, "att"), 1);
    assert_int_equal(hostile_asked(&w->h, "sen"), 1);
    X509 *cert = cert_read(path_in(&w->f, "op.crt"));
    EVP_PKEY *key = key_read(path_in(&w->f, "op.key"));
    assert_int_equal(X509_check_private_key(cert, key), 1);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void set_text(body *b, const char *text)
{
    b->len = strlen(text);
    memcpy(b->bytes, text, b->len);
}

#define LIST(links)                                                                         \
    {                                                                                       \
        .name = "core", .code = CODE(2, 5), .format = 40, .payload = (links), .max_age = -1 \
    }

/* Its resources are elsewhere, and it says where. R1, RFC 9148 section 4.1 */
static void other_root(void **state)
{
    world *w = *state;
    output o;
    body links;
    set_text(&links, "</.well-known/est/coap/crts>;rt=\"ace.est.crts\";ct=\"281 287\","
                     "</.well-known/est/coap/sen>;rt=\"ace.est.sen\";ct=\"281 287\"");
    const script s[] = {GOOD_CRTS, GOOD_SEN, LIST(&links)};
    start_at(w, "/.well-known/est/coap", s, 3);
    enroll_there(w, &o, NULL, NULL);
    assert_int_equal(o.code, 0);
    assert_int_equal(hostile_asked(&w->h, "core"), 1);
    assert_int_equal(hostile_asked(&w->h, "crts"), 2); /* at the default root, then there */
    assert_int_equal(hostile_asked(&w->h, "sen"), 1);
    assert_true(exists(w, "op.crt"));
    run_as(&o, &w->f, "dev", "crts", w->h.uri, "--format", "287", NULL);
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.out, "BEGIN CERTIFICATE"));
    /* the root in the URI: no need to look, nor a look when it is wrong */
    char uri[128];
    snprintf(uri, sizeof uri, "%s/.well-known/est/coap", w->h.uri);
    run_as(&o, &w->f, "dev", "crts", uri, "--format", "287", NULL);
    assert_int_equal(o.code, 0);
    snprintf(uri, sizeof uri, "%s/est", w->h.uri);
    run_as(&o, &w->f, "dev", "crts", uri, NULL);
    assert_int_equal(o.code, 4);
    assert_int_equal(hostile_asked(&w->h, "core"), 2);
}

static void other_root_by_label(void **state)
{
    world *w = *state;
    output o;
    body links;
    set_text(&links, "</pki/crts>;rt=ace.est.crts,</pki/meters/crts>;rt=ace.est.crts,"
                     "</pki/meters/att>;rt=ace.est.att,</pki/meters/sen>;rt=ace.est.sen");
    body attributes = {.bytes = {0x30, 0x00}, .len = 2};
    const script s[] = {
        GOOD_CRTS,
        GOOD_SEN,
        LIST(&links),
        {.name = "att", .code = CODE(2, 5), .format = 285, .payload = &attributes, .max_age = -1}};
    start_at(w, "/pki/meters", s, 4);
    enroll_there(w, &o, "--label", "meters");
    assert_int_equal(o.code, 0);
    run_as(&o, &w->f, "dev", "att", w->h.uri, "--label", "meters", "--trace",
           path_in(&w->f, "trace"), NULL);
    assert_int_equal(o.code, 0);
    static char text[16384];
    read_file(path_in(&w->f, "trace"), text, sizeof text);
    assert_non_null(strstr(text, "GET /pki/meters/att"));
    run_as(&o, &w->f, "dev", "crts", w->h.uri, "--label", "others", NULL);
    assert_int_equal(o.code, 4);
}

/* A list that leads to other servers, or none: the refusal is what is told. */
static void no_other_root(void **state)
{
    world *w = *state;
    output o;
    body links;
    set_text(&links, "<coaps://127.0.0.1:1/pki/crts>;rt=ace.est.crts,"
                     "<coaps://other.example/pki/crts>;rt=ace.est.crts,"
                     "<coap://127.0.0.1/pki/crts>;rt=ace.est.crts,"
                     "</pki/cacerts>;rt=ace.est.crts");
    const script s[] = {{.name = "core",
                         .code = CODE(2, 5),
                         .format = 40,
                         .payload = &links,
                         .max_age = -1,
                         .times = 1},
                        {.name = "core", .code = CODE(4, 4), .format = -1, .max_age = -1},
                        GOOD_CRTS};
    start_at(w, "/pki", s, 3);
    for (unsigned i = 1; i <= 2; i++) {
        enroll_there(w, &o, NULL, NULL);
        assert_int_equal(o.code, 4);
        assert_non_null(strstr(o.err, "4.04"));
        assert_int_equal(hostile_asked(&w->h, "core"), i);
        assert_int_equal(hostile_asked(&w->h, "crts"), i);
    }
    nothing_kept(w);
}

static void refused_at_handshake(world *w)
{
    output o;
    const script s[] = {GOOD_CRTS, GOOD_SEN};
    start(w, s, 2);
    enroll_there(w, &o, NULL, NULL);
    assert_int_equal(o.code, 3);
    assert_true(strlen(o.err) > 0);
    assert_int_equal(hostile_asked(&w->h, "crts"), 0);
    assert_int_equal(hostile_asked(&w->h, "sen"), 0);
    nothing_kept(w);
}

/* The server asks for a second handshake once it has sent a block. RFC 7925 section 17 */
static void no_second_handshake(void **state)
{
    world *w = *state;
    output o;
    const script s[] = {{.name = "crts",
                         .code = CODE(2, 5),
                         .format = 287,
                         .payload = &w->crts,
                         .max_age = -1,
                         .fault = RENEGOTIATE}};
    start(w, s, 1);
    enroll_there(w, &o, NULL, NULL);
    assert_int_equal(o.code, 2); /* a server that insists ends the association */
    for (int i = 0; i < 50 && hostile_asked(&w->h, "refused") == 0; i++) {
        usleep(100000); /* the client may be gone before the server has noted its alert */
    }
    assert_int_equal(hostile_asked(&w->h, "renegotiated"), 0);
    assert_int_equal(hostile_asked(&w->h, "refused"), 1);
    assert_int_equal(hostile_asked(&w->h, "sen"), 0);
    nothing_kept(w);
}

static void wrong_name(void **state)
{
    world *w = *state;
    X509_free(w->cert);
    w->cert = server_cert(w, "IP:127.0.0.2,DNS:elsewhere.example");
    refused_at_handshake(w);
}

static void no_name(void **state)
{
    world *w = *state;
    X509_free(w->cert);
    w->cert = server_cert(w, NULL);
    refused_at_handshake(w);
}

static void unknown_ca(void **state)
{
    world *w = *state;
    cert_write(w->other, path_in(&w->f, "dev.ta"), "w");
    refused_at_handshake(w);
}

static void expired(void **state)
{
    world *w = *state;
    X509_free(w->cert);
    w->cert = cert_new(w->key, &(cert_cfg){.cn = "server",
                                           .issuer = w->ca,
                                           .issuer_key = w->ca_key,
                                           .san = "IP:127.0.0.1",
                                           .eku = "serverAuth",
                                           .from_s = -7200,
                                           .until_s = -3600});
    refused_at_handshake(w);
}

static void client_only(void **state)
{
    world *w = *state;
    X509_free(w->cert);
    w->cert = cert_new(w->key, &(cert_cfg){.cn = "server",
                                           .issuer = w->ca,
                                           .issuer_key = w->ca_key,
                                           .san = "IP:127.0.0.1",
                                           .eku = "clientAuth"});
    refused_at_handshake(w);
}

/* /crts brings a root that does not cover the server: the rest is not sent. HC 241. */
static void foreign_anchors(void **state)
{
    world *w = *state;
    output o;
    body other;
    der_of(w->other, &other);
    const script s[] = {
        {.name = "crts", .code = CODE(2, 5), .format = 287, .payload = &other, .max_age = -1},
        GOOD_SEN};
    start(w, s, 2);
    enroll_there(w, &o, NULL, NULL);
    assert_int_equal(o.code, 3);
    assert_int_equal(hostile_asked(&w->h, "crts"), 1);
    assert_int_equal(hostile_asked(&w->h, "sen"), 0);
    nothing_kept(w);
}

static void bad_answer(world *w, const script *s, size_t n, unsigned sens)
{
    output o;
    long long begin = now_ms();
    start(w, s, n);
    enroll_there(w, &o, NULL, NULL);
    assert_true(o.code == 1 || o.code == 2 || o.code == 3 || o.code == 5);
    assert_true(strlen(o.err) > 0);
    assert_true(now_ms() - begin < 40000);
    assert_true(hostile_asked(&w->h, "sen") <= sens);
    assert_false(exists(w, "op.crt"));
    hostile_stop(&w->h);
}

/* Sets that are no anchors. HC 242. */
static void odd_anchors(void **state)
{
    world *w = *state;
    EVP_PKEY *leaf_key = key_new("P-256");
    X509 *leaf =
        cert_new(leaf_key, &(cert_cfg){.cn = "x", .issuer = w->other, .issuer_key = w->other_key});
    body empty = {.len = 0}, junk = {.len = 100}, stray;
    memset(junk.bytes, 0x30, junk.len);
    der_of(leaf, &stray);
    const body *bodies[] = {&empty, &junk, &stray};
    for (size_t i = 0; i < 3; i++) {
        const script s[] = {{.name = "crts",
                             .code = CODE(2, 5),
                             .format = 287,
                             .payload = bodies[i],
                             .max_age = -1},
                            GOOD_SEN};
        bad_answer(w, s, 2, 0);
        nothing_kept(w);
    }
    X509_free(leaf);
    EVP_PKEY_free(leaf_key);
}

static void faulty_transfer(void **state)
{
    world *w = *state;
    static const fault faults[] = {ETAG_CHANGES, WRONG_NUM, SIZE_GROWS, ENDLESS};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        const script s[] = {{.name = "crts",
                             .code = CODE(2, 5),
                             .format = 287,
                             .payload = &w->crts,
                             .max_age = -1,
                             .fault = faults[i]},
                            GOOD_SEN};
        bad_answer(w, s, 2, 0);
        nothing_kept(w);
    }
}

static void answers_for_others(void **state)
{
    world *w = *state;
    static const fault faults[] = {WRONG_TOKEN, WRONG_MID, SILENT};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        const script s[] = {{.name = "crts",
                             .code = CODE(2, 5),
                             .format = 287,
                             .payload = &w->crts,
                             .max_age = -1,
                             .fault = faults[i]}};
        output o;
        start(w, s, 1);
        enroll_there(w, &o, NULL, NULL);
        assert_int_equal(o.code, 2); /* as good as no answer */
        nothing_kept(w);
        hostile_stop(&w->h);
    }
}

/* Certificates that are not what was asked for. K2. */
static void wrong_certificates(void **state)
{
    world *w = *state;
    EVP_PKEY *another = key_new("P-256");
    X509 *cert =
        cert_new(another, &(cert_cfg){.cn = "dev", .issuer = w->ca, .issuer_key = w->ca_key});
    body for_another, junk = {.len = 300}, empty = {.len = 0};
    memset(junk.bytes, 0x30, junk.len);
    der_of(cert, &for_another);
    const body *bodies[] = {&for_another, &junk, &empty, &w->crts};
    for (size_t i = 0; i < 4; i++) {
        const script s[] = {GOOD_CRTS,
                            {.name = "sen",
                             .code = CODE(2, 4),
                             .format = 287,
                             .payload = bodies[i],
                             .max_age = -1}};
        bad_answer(w, s, 2, 1);
    }
    X509_free(cert);
    EVP_PKEY_free(another);
}

static void foreign_issuer(void **state)
{
    world *w = *state;
    output o;
    const script s[] = {GOOD_CRTS, GOOD_SEN};
    hostile_start(&w->h, &w->f,
                  &(hostile_cfg){.cert = w->cert,
                                 .key = w->key,
                                 .issuer = w->other, /* does not chain to what /crts gave */
                                 .issuer_key = w->other_key,
                                 .scripts = s,
                                 .scripts_n = 2});
    enroll_there(w, &o, NULL, NULL);
    assert_int_not_equal(o.code, 0);
    assert_int_equal(hostile_asked(&w->h, "sen"), 1);
    assert_false(exists(w, "op.crt"));
}

static void later(void **state)
{
    world *w = *state;
    output o;
    const script s[] = {GOOD_CRTS,
                        {.name = "sen", .code = CODE(5, 3), .format = -1, .max_age = 1, .times = 2},
                        GOOD_SEN};
    start(w, s, 3);
    enroll_there(w, &o, NULL, NULL);
    assert_int_equal(o.code, 75); /* not told to wait */
    assert_false(exists(w, "op.crt"));
    long long begin = now_ms();
    enroll_there(w, &o, "--wait", "20");
    assert_int_equal(o.code, 0);
    assert_true(now_ms() - begin >= 1000); /* Max-Age */
    assert_true(exists(w, "op.crt"));
}

/* Max-Age 0 never spins. HC 246. */
static void no_spinning(void **state)
{
    world *w = *state;
    output o;
    const script s[] = {GOOD_CRTS, {.name = "sen", .code = CODE(5, 3), .format = -1, .max_age = 0}};
    start(w, s, 2);
    enroll_there(w, &o, "--wait", "4");
    assert_int_equal(o.code, 75);
    assert_in_range(hostile_asked(&w->h, "sen"), 1, 6);
}

static void too_long_to_wait(void **state)
{
    world *w = *state;
    output o;
    const script s[] = {GOOD_CRTS,
                        {.name = "sen", .code = CODE(5, 3), .format = -1, .max_age = 0xffffffff}};
    start(w, s, 2);
    long long begin = now_ms();
    enroll_there(w, &o, "--wait", "3");
    assert_int_equal(o.code, 75);
    assert_true(now_ms() - begin < 20000);
}

static void refusals(void **state)
{
    world *w = *state;
    static const struct {
        uint8_t code;
        int exit;
    } kinds[] = {{CODE(4, 3), 4}, {CODE(4, 0), 4}, {CODE(5, 0), 5}, {CODE(4, 29), 75}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        output o;
        const script s[] = {GOOD_CRTS,
                            {.name = "sen", .code = kinds[i].code, .format = -1, .max_age = -1}};
        start(w, s, 2);
        enroll_there(w, &o, NULL, NULL);
        assert_int_equal(o.code, kinds[i].exit);
        assert_int_equal(hostile_asked(&w->h, "sen"), 1);
        hostile_stop(&w->h);
    }
}

static void long_cookie(void **state)
{
    world *w = *state;
    static const unsigned lens[] = {1, 32, 255};
    for (size_t i = 0; i < 3; i++) {
        output o;
        const script s[] = {GOOD_CRTS, GOOD_SEN};
        hostile_start(&w->h, &w->f,
                      &(hostile_cfg){.cert = w->cert,
                                     .key = w->key,
                                     .issuer = w->ca,
                                     .issuer_key = w->ca_key,
                                     .scripts = s,
                                     .scripts_n = 2,
                                     .cookie_len = lens[i]});
        enroll_there(w, &o, NULL, NULL);
        assert_int_equal(o.code, 0);
        hostile_stop(&w->h);
    }
}

/* Explicit anchors hold in all new connections, whatever --ta says. HC 296. */
static void explicit_anchors(void **state)
{
    world *w = *state;
    output o;
    const script s[] = {GOOD_CRTS, GOOD_SEN};
    start(w, s, 2);
    enroll_there(w, &o, NULL, NULL);
    assert_int_equal(o.code, 0);
    hostile_stop(&w->h);
    /* another server, that the first anchors (--ta) would cover, but not the ones kept since */
    X509_free(w->cert);
    w->cert = cert_new(w->key, &(cert_cfg){.cn = "server",
                                           .issuer = w->other,
                                           .issuer_key = w->other_key,
                                           .san = "IP:127.0.0.1",
                                           .eku = "serverAuth"});
    cert_write(w->other, path_in(&w->f, "dev.ta"), "w");
    start(w, s, 2);
    enroll_there(w, &o, NULL, NULL);
    assert_int_equal(o.code, 3);
    assert_false(hostile_asked(&w->h, "sen"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOSTILE("D8 HC 249 a server that asks to renegotiate is refused", no_second_handshake),
        HOSTILE("R1 R2 a root that the server lists is used", other_root),
        HOSTILE("R1 R2 a root that the server lists, with a label", other_root_by_label),
        HOSTILE("R1 R2 no root to be found is the refusal", no_other_root),
        HOSTILE("K2 the scripted server, when it is nice", good),
        HOSTILE("K1 HC 239 a server of another name is refused", wrong_name),
        HOSTILE("K1 HC 239 a server without a name is refused", no_name),
        HOSTILE("K1 a server of an unknown CA is refused", unknown_ca),
        HOSTILE("K1 a server whose certificate has expired is refused", expired),
        HOSTILE("K1 a server with a client's certificate is refused", client_only),
        HOSTILE("K1 HC 241 anchors that do not cover the server end it", foreign_anchors),
        HOSTILE("K1 HC 242 sets that are no anchors are not kept", odd_anchors),
        HOSTILE("K1 HC 296 explicit anchors hold in new connections", explicit_anchors),
        HOSTILE("K2 HC 244 faulty block-wise answers", faulty_transfer),
        HOSTILE("C6 answers to other requests are no answers", answers_for_others),
        HOSTILE("K2 a certificate for another key, and what is none", wrong_certificates),
        HOSTILE("K2 a certificate of a foreign issuer", foreign_issuer),
        HOSTILE("K3 HC 246 later is waited out", later),
        HOSTILE("K3 HC 246 Max-Age 0 does not spin", no_spinning),
        HOSTILE("K3 HC 246 Max-Age beyond --wait", too_long_to_wait),
        HOSTILE("K3 refusals and their exit codes", refusals),
        HOSTILE("D5 HC 247 cookies of 1 to 255 bytes", long_cookie),
    };
    return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}

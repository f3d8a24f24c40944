/* SPDX-License-Identifier: MIT
 *
 * The code's numbers and tables against the registry extracts in tests/vectors, whose folder is the
 * only argument.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <estoc/coap.h>
#include <estoc/est.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const char *folder;

struct entry {
    const char *name;
    unsigned number;
};

/* clang-format off */
static const struct entry codes[] = {
    {"Empty", ESTOC_COAP_EMPTY},
    {"GET", ESTOC_COAP_GET}, {"POST", ESTOC_COAP_POST}, {"PUT", ESTOC_COAP_PUT},
    {"DELETE", ESTOC_COAP_DELETE},
    {"Valid", ESTOC_COAP_VALID}, {"Changed", ESTOC_COAP_CHANGED}, {"Content", ESTOC_COAP_CONTENT},
    {"Continue", ESTOC_COAP_CONTINUE},
    {"Bad Request", ESTOC_COAP_BAD_REQUEST}, {"Unauthorized", ESTOC_COAP_UNAUTHORIZED},
    {"Bad Option", ESTOC_COAP_BAD_OPTION}, {"Forbidden", ESTOC_COAP_FORBIDDEN},
    {"Not Found", ESTOC_COAP_NOT_FOUND}, {"Method Not Allowed", ESTOC_COAP_METHOD_NOT_ALLOWED},
    {"Not Acceptable", ESTOC_COAP_NOT_ACCEPTABLE},
    {"Request Entity Incomplete", ESTOC_COAP_INCOMPLETE},
    {"Request Entity Too Large", ESTOC_COAP_TOO_LARGE},
    {"Unsupported Content-Format", ESTOC_COAP_UNSUPPORTED_FORMAT},
    {"Too Many Requests", ESTOC_COAP_TOO_MANY_REQUESTS},
    {"Internal Server Error", ESTOC_COAP_INTERNAL_ERROR}, {"Bad Gateway", ESTOC_COAP_BAD_GATEWAY},
    {"Service Unavailable", ESTOC_COAP_UNAVAILABLE},
    {"Gateway Timeout", ESTOC_COAP_GATEWAY_TIMEOUT},
    {"Proxying Not Supported", ESTOC_COAP_NO_PROXY},
};

static const struct entry options[] = {
    {"If-Match", ESTOC_OPT_IF_MATCH}, {"Uri-Host", ESTOC_OPT_URI_HOST}, {"ETag", ESTOC_OPT_ETAG},
    {"If-None-Match", ESTOC_OPT_IF_NONE_MATCH}, {"Observe", ESTOC_OPT_OBSERVE},
    {"Uri-Port", ESTOC_OPT_URI_PORT}, {"Location-Path", ESTOC_OPT_LOCATION_PATH},
    {"OSCORE", ESTOC_OPT_OSCORE}, {"Uri-Path", ESTOC_OPT_URI_PATH},
    {"Content-Format", ESTOC_OPT_CONTENT_FORMAT}, {"Max-Age", ESTOC_OPT_MAX_AGE},
    {"Uri-Query", ESTOC_OPT_URI_QUERY}, {"Hop-Limit", ESTOC_OPT_HOP_LIMIT},
    {"Accept", ESTOC_OPT_ACCEPT}, {"Location-Query", ESTOC_OPT_LOCATION_QUERY},
    {"Block2", ESTOC_OPT_BLOCK2}, {"Block1", ESTOC_OPT_BLOCK1}, {"Size2", ESTOC_OPT_SIZE2},
    {"Proxy-Uri", ESTOC_OPT_PROXY_URI}, {"Proxy-Scheme", ESTOC_OPT_PROXY_SCHEME},
    {"Size1", ESTOC_OPT_SIZE1}, {"Echo", ESTOC_OPT_ECHO}, {"No-Response", ESTOC_OPT_NO_RESPONSE},
    {"Request-Tag", ESTOC_OPT_REQUEST_TAG},
};

static const struct entry formats[] = {
    {"text/plain; charset=utf-8", ESTOC_FORMAT_TEXT},
    {"application/link-format", ESTOC_FORMAT_LINK},
    {"application/multipart-core", ESTOC_FORMAT_MULTIPART},
    {"application/pkcs7-mime; smime-type=server-generated-key", ESTOC_FORMAT_CMS_KEY},
    {"application/pkcs7-mime; smime-type=certs-only", ESTOC_FORMAT_CERTS},
    {"application/pkcs8", ESTOC_FORMAT_PKCS8},
    {"application/csrattrs", ESTOC_FORMAT_CSRATTRS},
    {"application/pkcs10", ESTOC_FORMAT_PKCS10},
    {"application/pkix-cert", ESTOC_FORMAT_CERT},
};
/* clang-format on */

static FILE *open_file(const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        fail_msg("cannot open %s", path);
    }
    return f;
}

/* Next entry. Its first `n` - 1 words go to `columns`, the rest of the line to the last of them. */
static bool next_line(FILE *f, size_t n, char columns[][100])
{
    char line[200];
    do {
        if (fgets(line, sizeof line, f) == NULL) {
            fclose(f);
            return false;
        }
    } while (line[0] == '#' || line[0] == '\n');
    char *at = line;
    line[strcspn(line, "\n")] = '\0';
    for (size_t i = 0; i < n; i++) {
        size_t len = i + 1 < n ? strcspn(at, " ") : strlen(at);
        assert_in_range(len, 1, 99);
        memcpy(columns[i], at, len);
        columns[i][len] = '\0';
        at += len + strspn(at + len, " ");
    }
    return true;
}

/* The number the code has under this name; the name is crossed out, so that none is left over. */
static unsigned number_of(const struct entry *table, size_t n, const char *name, bool *seen)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(table[i].name, name) == 0 && !seen[i]) {
            seen[i] = true;
            return table[i].number;
        }
    }
    fail_msg("%s: unknown, or listed twice", name);
    return 0;
}

static void assert_all_seen(const struct entry *table, size_t n, const bool *seen)
{
    for (size_t i = 0; i < n; i++) {
        if (!seen[i]) {
            fail_msg("%s: not in the registry", table[i].name);
        }
    }
}

static unsigned number(const char *text)
{
    char *end;
    unsigned long v = strtoul(text, &end, 10);
    assert_true(end != text && *end == '\0' && v <= UINT16_MAX);
    return (unsigned)v;
}

static void coap_codes(void **state)
{
    (void)state;
    char c[3][100];
    bool seen[COUNT(codes)] = {false};
    for (FILE *f = open_file("coap-codes.txt"); next_line(f, 3, c);) {
        unsigned code = number_of(codes, COUNT(codes), c[2], seen);
        char text[16];
        snprintf(text, sizeof text, "%u.%02u", code >> 5, code & 0x1f);
        assert_string_equal(text, c[0]);
    }
    assert_all_seen(codes, COUNT(codes), seen);
}

static void coap_options(void **state)
{
    (void)state;
    char c[7][100];
    bool seen[COUNT(options)] = {false};
    for (FILE *f = open_file("coap-options.txt"); next_line(f, 7, c);) {
        unsigned n = number(c[0]);
        assert_int_equal(number_of(options, COUNT(options), c[6], seen), n);
        assert_int_equal(ESTOC_OPT_IS_CRITICAL(n), c[1][0] == 'C');
        estoc_coap_opt_rule rule;
        if (n == ESTOC_OPT_OSCORE) { /* has a number, but is refused: row 119 */
            assert_false(estoc_coap_opt_rule_of(ESTOC_OPT_OSCORE, &rule));
            continue;
        }
        assert_true(estoc_coap_opt_rule_of((uint16_t)n, &rule));
        assert_int_equal(rule.number, n);
        assert_int_equal(rule.repeatable, c[2][0] == 'R');
        assert_int_equal(rule.min_len, number(c[3]));
        assert_int_equal(rule.max_len, number(c[4]));
    }
    assert_all_seen(options, COUNT(options), seen);
}

/* No rule for a number that the extract does not have. */
static void no_other_rules(void **state)
{
    (void)state;
    for (unsigned n = 0; n <= UINT16_MAX; n++) {
        bool listed = false;
        for (size_t i = 0; i < COUNT(options); i++) {
            listed = listed || (options[i].number == n && n != ESTOC_OPT_OSCORE);
        }
        estoc_coap_opt_rule rule;
        assert_int_equal(estoc_coap_opt_rule_of((uint16_t)n, &rule), listed);
    }
}

static void content_formats(void **state)
{
    (void)state;
    char c[3][100];
    bool seen[COUNT(formats)] = {false};
    for (FILE *f = open_file("content-formats.txt"); next_line(f, 3, c);) {
        assert_int_equal(number_of(formats, COUNT(formats), c[2], seen), number(c[0]));
    }
    assert_all_seen(formats, COUNT(formats), seen);
}

static void est_paths(void **state)
{
    (void)state;
    char c[5][100];
    size_t i = 0;
    for (FILE *f = open_file("est-paths.txt"); next_line(f, 5, c); i++) {
        const estoc_resource *r = estoc_resource_at(i);
        assert_non_null(r);
        assert_string_equal(c[1][0] == '/' ? c[1] + 1 : "", r->name);
        assert_int_equal(number_of(codes, COUNT(codes), c[2], (bool[COUNT(codes)]){false}),
                         r->method);
        assert_int_equal(c[3][0] == '-' ? ESTOC_FORMAT_NONE : number(c[3]), r->request);
        assert_string_equal(c[4], r->ct);
        /* the long name of EST over HTTPS is no resource here: row 161 */
        assert_null(estoc_resource_named(estoc_slice_str(c[0] + 1)));
    }
    assert_int_equal(i, ESTOC_RESOURCES);
}

static void resource_types(void **state)
{
    (void)state;
    char c[3][100];
    size_t i = 0;
    for (FILE *f = open_file("resource-types.txt"); next_line(f, 3, c); i++) {
        const estoc_resource *r = estoc_resource_at(i);
        assert_non_null(r);
        assert_string_equal(c[0], r->rt);
    }
    assert_int_equal(i, ESTOC_RESOURCES);
}

int main(int argc, char **argv)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        {"C4 C5 codes are the registered ones",                coap_codes, NULL, NULL, NULL},
        {"C3 options, their classes, lengths and repetition",  coap_options, NULL, NULL, NULL},
        {"C3 no other option has a rule",                      no_other_rules, NULL, NULL, NULL},
        {"E1 E5 content formats are the registered ones",      content_formats, NULL, NULL, NULL},
        {"R1 161 C5 paths, methods and formats of RFC 9148",   est_paths, NULL, NULL, NULL},
        {"R2 resource types of RFC 9148",                      resource_types, NULL, NULL, NULL},
    };
    /* clang-format on */
    if (argc != 2) {
        fprintf(stderr, "usage: %s VECTORS_FOLDER\n", argv[0]);
        return 1;
    }
    folder = argv[1];
    return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}

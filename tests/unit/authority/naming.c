/* SPDX-License-Identifier: MIT */
#include "petition.h"

#include "naming.h"

static void set(char to[ESTOC_NAMING_MAX], const char *rule)
{
    assert_true(strlen(rule) < ESTOC_NAMING_MAX);
    memcpy(to, rule, strlen(rule) + 1);
}

/* GeneralNames of such texts with a blank between; "": none */
static struct bytes names_by(const char *text)
{
    struct bytes b = {.len = 0};
    char one[128];
    if (text[0] == '\0') {
        return b;
    }
    estoc_writer w = estoc_writer_of((estoc_buf){b.ptr, sizeof b.ptr});
    size_t mark = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    while (*text != '\0') {
        size_t len = strcspn(text, " ");
        snprintf(one, sizeof one, "%.*s", (int)len, text);
        assert_true(estoc_san_put(&w, one, false));
        text += len + (text[len] == ' ');
    }
    estoc_der_close(&w, mark);
    assert_int_equal(estoc_writer_end(&w, &b.len), 0);
    return b;
}

/* And back. */
static const char *text_by(estoc_slice names)
{
    static char out[1024];
    char one[300];
    estoc_der el;
    estoc_reader outer = estoc_reader_of(names);
    estoc_reader r = estoc_der_enter(&outer, ESTOC_DER_SEQUENCE);
    out[0] = '\0';
    while (names.len > 0 && estoc_der_more(&r, &el)) {
        size_t n = strlen(out);
        snprintf(out + n, sizeof out - n, "%s%s", n > 0 ? " " : "",
                 estoc_san_text(&el, one, sizeof one));
    }
    return out;
}

static const char *subject_text(void)
{
    static uint8_t text[1024];
    return estoc_name_text(grant.subject, (estoc_buf){text, sizeof text});
}

/* Of whom these names are. */
static struct party bearer;

static void be(const char *subject, const char *san)
{
    struct bytes names = names_by(san);
    party_make(&bearer,
               (struct plan){.issuer = &ca, .subject = subject, .san = bytes_slice(&names)});
}

static estoc_err ask_with(const char *subject, const char *san)
{
    struct bytes names = names_by(san);
    struct bytes name = {.ptr = {0x30, 0}, .len = 2};
    const struct asked one = {CE_SAN, false, bytes_slice(&names)};
    struct bytes ext = {.len = 0};
    if (san[0] != '\0') {
        ext = extensions_of(&one, 1);
    }
    if (subject[0] != '\0') {
        name = name_of(subject);
    }
    struct bytes csr = csr_with(device.key, bytes_slice(&name), bytes_slice(&ext));
    return ask(SEN, &bearer, bytes_slice(&csr));
}

static int no_rules(void **state)
{
    (void)state;
    set(profile.subject, "");
    set(profile.san, "");
    profile.any_names = false;
    party_drop(&bearer);
    return 0;
}

static void subjects(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *client, *san, *want;
    } rows[] = {
        /* clang-format off */
        {"CN=${client.serialNumber}, O=Example", "CN=x,serialNumber=47-11", "", "CN=47-11,O=Example"},
        {"O=Example, CN=${client.CN}",  "CN=x",              "", "O=Example,CN=x"},
        {"CN=a-${client.CN}-${client.O}", "CN=x,O=y",        "", "CN=a-x-y"},
        {"CN=${client.CN}${client.CN}", "CN=x",              "", "CN=xx"},
        {"CN=${client.issuer.CN}",      "CN=x",              "", "CN=CA"},
        {"CN=${client.san.dns}",        "CN=x",              "dns:a.b uri:urn:c", "CN=a.b"},
        {"CN=${client.san.ip}",         "CN=x",              "ip:2001:db8::1", "CN=2001:db8::1"},
        {"CN=${client.san.uri}",        "CN=x",              "uri:urn:c", "CN=urn:c"},
        {"CN=${client.san.email}",      "CN=x",              "email:a@b", "CN=a@b"},
        {"C=${client.C},CN=x",          "CN=x,C=DE",         "", "C=DE,CN=x"},
        {"DC=${client.DC},UID=${client.UID},L=${client.L},ST=${client.ST}",
         "DC=a,UID=b,L=c,ST=d",                              "", "DC=a,UID=b,L=c,ST=d"},
        {"CN=${client.OU}",             "CN=x,OU=y",         "", "CN=y"},
        {"CN=\\${client.CN},O=\\,\\$",   "CN=x",              "", "CN=${client.CN},O=\\,$"},
        {"CN=$x$",                      "CN=x",              "", "CN=$x$"},
        {"CN=${client.CN}\\ ",          "CN=x",              "", "CN=x\\ "},
        /* a value is no more than a value */
        {"CN=${client.CN}",             "CN=x\\,O\\=Root",   "", "CN=x\\,O\\=Root"},
        {"CN=${client.CN}",             "CN=${client.O}\\,O\\=y,O=z", "", "CN=${client.O}\\,O\\=y"},
        {"CN=${client.CN}",             "CN=a\\+b\\\\",      "", "CN=a\\+b\\\\"},
        {"CN=${client.CN}",             "CN=\xc3\xa4",       "", "CN=\xc3\xa4"},
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        set(profile.subject, rows[i].rule);
        be(rows[i].client, rows[i].san);
        estoc_err err = ask_with("", "");
        if (err || strcmp(subject_text(), rows[i].want) != 0) {
            fail_msg("row %zu: %#x %s; %s", i, err, why.text, err ? "" : subject_text());
        }
        assert_int_equal(estoc_name_check(grant.subject), 0);
    }
}

/* As a name by hand would be written, down to the kinds of string. */
static void kinds_of_string(void **state)
{
    (void)state;
    struct bytes want = name_of("CN=x,serialNumber=x,C=DE,DC=x,emailAddress=x");
    set(profile.subject, "CN=${client.CN}, serialNumber=${client.CN}, C=DE, DC=${client.CN}, "
                         "emailAddress=${client.CN}");
    be("CN=x", "");
    assert_int_equal(ask_with("", ""), 0);
    assert_slice(grant.subject, bytes_slice(&want));
}

static void serial_number(void **state)
{
    (void)state;
    char want[64], hex[48];
    set(profile.subject, "CN=s${client.serial}");
    be("CN=x", "");
    snprintf(want, sizeof want, "CN=s%s", estoc_hex(bearer.cert.serial, hex, sizeof hex));
    assert_int_equal(ask_with("", ""), 0);
    assert_string_equal(subject_text(), want);
}

#define A32 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void no_subjects(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *client, *san, *words;
    } rows[] = {
        /* clang-format off */
        {"CN=${client.serialNumber}", "CN=x",              "", "your certificate has no serialNumber"},
        {"CN=${client.issuer.O}",     "CN=x,O=y",          "", "certificate's issuer has no O"},
        {"CN=${request.CN}",          "CN=x",              "", "the request has no CN"},
        {"CN=${client.san.dns}",      "CN=x",              "uri:urn:a", "certificate has no DNS name"},
        {"CN=${client.san.dns}",      "CN=x",              "", "certificate has no DNS name"},
        {"CN=${request.san.ip}",      "CN=x",              "ip:192.0.2.1", "request has no IP address"},
        {"CN=${client.OU}",           "CN=x,OU=y,OU=z",    "", "is there twice"},
        {"CN=${client.san.dns}",      "CN=x",              "dns:a.b dns:c.d", "is there twice"},
        {"CN=x${client.O}" A32,       "O=" A32,            "", "is too long"},
        {"C=${client.CN}",            "CN=DEU",            "", "is too long"},
        {"C=${client.CN}",            "CN=D",              "", "is too long"},
        {"DC=a" A32 "${client.CN}",   "CN=" A32,           "", "is too long"},
        {"serialNumber=${client.CN}", "CN=a_b",            "", "cannot be one"},
        {"serialNumber=${client.CN}", "CN=\xc3\xa4",       "", "cannot be one"},
        {"DC=${client.CN}",           "CN=\xc3\xa4",       "", "cannot be one"},
        {"CN=${client.CN}" A32 A32,   "CN=a",              "", "is too long"},
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        set(profile.subject, rows[i].rule);
        be(rows[i].client, rows[i].san);
        estoc_err err = ask_with("", "");
        if (err != ESTOC_E_FORBIDDEN || strstr(why.text, rows[i].words) == NULL ||
            strcmp(why.rule, "X10") != 0) {
            fail_msg("row %zu: %#x %s", i, err, why.text);
        }
    }
}

static void alternative_names(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *client, *san, *want, *words;
    } rows[] = {
        /* clang-format off */
        {"dns:${client.CN}.devices.example, uri:urn:dev:${client.serialNumber}",
         "CN=x-1,serialNumber=47", "", "dns:x-1.devices.example uri:urn:dev:47", NULL},
        {"dns:${client.CN}",         "CN=a.b.c",     "", "dns:a.b.c",          NULL},
        {"dns:${client.san.dns}",    "CN=x",         "dns:a.b", "dns:a.b",     NULL},
        {"dns:*.${client.CN}.a",     "CN=x",         "", "dns:*.x.a",          NULL}, /* the rule's own */
        {"ip:${client.san.ip},ip:192.0.2.1", "CN=x", "ip:2001:db8::1", "ip:2001:db8::1 ip:192.0.2.1", NULL},
        {"uri:${client.san.uri}",    "CN=x",         "uri:http://a/?b", "uri:http://a/?b", NULL},
        {"uri:urn:x:${client.san.uri}", "CN=x",      "uri:http://a/?b", "uri:urn:x:http%3A%2F%2Fa%2F%3Fb", NULL},
        {"uri:urn:x:${client.CN}",   "CN=a b/../c#", "", "uri:urn:x:a%20b%2F..%2Fc%23", NULL},
        {"uri:urn:x:${client.CN}",   "CN=\xc3\xa4%", "", "uri:urn:x:%C3%A4%25", NULL},
        {"email:${client.CN}@a.b",   "CN=x.y",       "", "email:x.y@a.b",      NULL},
        {"email:${client.san.email}", "CN=x",        "email:a@b", "email:a@b", NULL},
        {"dns:${client.CN}.a",       "CN=x.y",       "", NULL, "cannot be a part of another name"},
        {"dns:${client.san.dns}.a",  "CN=x",         "dns:a.b", NULL, "cannot be a part of another"},
        {"dns:${client.CN}.a",       "CN=*",         "", NULL, "cannot be a part of another name"},
        {"dns:${client.CN}",         "CN=*.a",       "", NULL, "cannot be a part of another name"},
        {"dns:${client.san.dns}",    "CN=x",         "dns:*.a", NULL, "that of many hosts"},
        {"dns:${client.CN}.a",       "CN=a b",       "", NULL, "cannot be a part of another name"},
        {"dns:${client.CN}.a",       "CN=-x",        "", NULL, "cannot be one"},
        {"dns:${client.CN}.a",       "CN=\xc3\xa4",  "", NULL, "cannot be a part of another name"},
        {"dns:${client.CN}${client.CN}.a", "CN=" A32, "", NULL, "cannot be one"},
        {"dns:${client.san.dns}",    "CN=x",         "dns:a_b", NULL, "cannot be one"},
        {"email:${client.CN}@a.b",   "CN=x@y",       "", NULL, "cannot be a part of another name"},
        {"uri:${client.CN}",         "CN=http://a",  "", NULL, "cannot be one"}, /* no scheme is left */
        {"dns:${client.serialNumber}.a", "CN=x",     "", NULL, "certificate has no serialNumber"},
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        set(profile.san, rows[i].rule);
        be(rows[i].client, rows[i].san);
        estoc_err err = ask_with("", "");
        if (rows[i].want != NULL) {
            if (err || strcmp(text_by(grant.san), rows[i].want) != 0) {
                fail_msg("row %zu: %#x %s; %s", i, err, why.text, err ? "" : text_by(grant.san));
            }
            assert_true(estoc_san_good(grant.san));
            assert_ptr_equal(grant.subject.ptr, bearer.cert.subject.ptr);
        } else if (err != ESTOC_E_FORBIDDEN || strstr(why.text, rows[i].words) == NULL) {
            fail_msg("row %zu: %#x %s", i, err, why.text);
        }
    }
}

/* What a request may ask for where there is a rule: nothing, what it gets, who it is. */
static void what_is_asked(void **state)
{
    (void)state;
    static const struct {
        bool any;
        const char *subject, *san, *words; /* NULL: granted */
    } rows[] = {
        {false, "", "", NULL},
        {false, "CN=47,O=Example", "", NULL},
        {false, "CN=x,serialNumber=47", "", NULL},
        {false, "CN=x", "", "the subject is neither"},
        {false, "O=Example,CN=47", "", "the subject is neither"},
        {true, "CN=y", "", "the subject is neither"},
        {false, "", "dns:47.a", NULL},
        {false, "", "dns:own.b dns:47.a", NULL},
        {false, "", "dns:48.a", "an alternative name is neither"},
        {false, "", "dns:47.a uri:urn:x", "an alternative name is neither"},
        {true, "", "dns:48.a", "an alternative name is neither"},
    };
    be("CN=x,serialNumber=47", "dns:own.b");
    set(profile.subject, "CN=${client.serialNumber},O=Example");
    set(profile.san, "dns:${client.serialNumber}.a");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        profile.any_names = rows[i].any;
        estoc_err err = ask_with(rows[i].subject, rows[i].san);
        if (rows[i].words == NULL) {
            assert_int_equal(err, 0);
            assert_string_equal(subject_text(), "CN=47,O=Example");
            assert_string_equal(text_by(grant.san), "dns:47.a");
        } else if (err != ESTOC_E_FORBIDDEN || strstr(why.text, rows[i].words) == NULL) {
            fail_msg("row %zu: %#x %s", i, err, why.text);
        }
    }
}

/* Where a rule takes from the request, that may say anything: it has no more of it than the rule takes. */
static void from_the_request(void **state)
{
    (void)state;
    be("CN=x", "");
    set(profile.subject, "CN=${request.CN},O=Example");
    set(profile.san, "dns:${request.san.dns}");
    assert_int_equal(ask_with("CN=y,OU=z", "dns:y.a uri:urn:y"), 0);
    assert_string_equal(subject_text(), "CN=y,O=Example");
    assert_string_equal(text_by(grant.san), "dns:y.a");
    set(profile.san, "");
    assert_int_equal(ask_with("CN=y", "dns:y.a"),
                     ESTOC_E_FORBIDDEN); /* X10, for what has no rule */
    profile.any_names = true;
    assert_int_equal(ask_with("CN=y", "dns:y.a"), 0);
    assert_string_equal(text_by(grant.san), "dns:y.a");
}

/* A renewal keeps its names, whatever the rule would make of them. */
static void renewals(void **state)
{
    (void)state;
    set(profile.subject, "CN=${client.serialNumber}");
    struct bytes csr = csr_of(plain.key, "CN=dev-2", NULL);
    assert_refused(SEN, &plain, &csr, ESTOC_E_FORBIDDEN, "X10");
    estoc_err err = ask(SREN, &plain, bytes_slice(&csr));
    assert_int_equal(err, 0);
    assert_slice(grant.subject, plain.cert.subject);
    csr = csr_of(plain.key, "CN=dev-3", NULL);
    assert_refused(SREN, &plain, &csr, ESTOC_E_FORBIDDEN, "E4");
}

static void rules(void **state)
{
    (void)state;
    static const struct {
        bool san;
        const char *rule, *wrong; /* NULL: good */
    } rows[] = {
        /* clang-format off */
        {false, "CN=${client.CN}, O=x,C=${client.C}", NULL},
        {false, "CN",                   "CN"},
        {false, "CN=",                  "CN="},
        {false, "CN=x,",                ""},
        {false, "CN=x, Y=z",            "Y=z"},
        {false, "CN=${client.X}",       "CN=${client.X}"},
        {false, "CN=${client}",         "CN=${client}"},
        {false, "CN=${CN}",             "CN=${CN}"},
        {false, "CN=${}",               "CN=${}"},
        {false, "CN=${server.CN}",      "CN=${server.CN}"},
        {false, "CN=${client.san.xyz}", "CN=${client.san.xyz}"},
        {false, "CN=${client.CN",       "CN=${client.CN"},
        {false, "CN=x\\",               "CN=x\\"},
        {false, "C=DEU",                "C=DEU"},
        {false, "serialNumber=a_b",     "serialNumber=a_b"},
        {false, "CN=a,CN=b",            "CN=a,CN=b"},
        {false, "O=1,O=2,O=3,O=4,O=5,O=6,O=7,O=8,O=9,O=a,O=b,O=c,O=d,O=e,O=f,O=g,O=h", "O=1,O=2,"},
        {true,  "dns:${client.CN}.a, ip:192.0.2.1,uri:urn:x,email:${client.UID}@a", NULL},
        {true,  "${client.CN}",         "${client.CN}"},
        {true,  "host:a",               "host:a"},
        {true,  "dns:",                 "dns:"},
        {true,  "dns:a b",              "dns:a b"},
        {true,  "dns:a..b",             "dns:a..b"},
        {true,  "ip:1.2.3",             "ip:1.2.3"},
        {true,  "ip:${client.CN}",      "ip:${client.CN}"},
        {true,  "uri:nothing",          "uri:nothing"},
        {true,  "email:a",              "email:a"},
        {true,  "dns:a,",               ""},
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        estoc_slice wrong = estoc_slice_str("");
        bool good = rows[i].san ? estoc_naming_san_good(rows[i].rule, &wrong)
                                : estoc_naming_subject_good(rows[i].rule, &wrong);
        estoc_slice want = estoc_slice_str(rows[i].wrong != NULL ? rows[i].wrong : "");
        if (good != (rows[i].wrong == NULL) ||
            (!good && !estoc_slice_eq(estoc_slice_sub(wrong, 0, want.len), want))) {
            fail_msg("row %zu: %.*s", i, (int)wrong.len, (const char *)wrong.ptr);
        }
    }
}

#define ALONE(function) cmocka_unit_test_setup_teardown(function, no_rules, no_rules)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ALONE(subjects),         ALONE(kinds_of_string),   ALONE(serial_number),
        ALONE(no_subjects),      ALONE(alternative_names), ALONE(what_is_asked),
        ALONE(from_the_request), ALONE(renewals),          ALONE(rules),
    };
    return cmocka_run_group_tests_name("authority naming", tests, set_up, tear_down);
}

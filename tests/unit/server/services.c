/* SPDX-License-Identifier: MIT */
#include "../authority/parties.h"

#include "services.h"

static struct party ca, ours, other;
static estoc_config conf; /* of a registrar with two services, the second without a credential */
static estoc_why why;

static void save(const struct party *p, const char *crt, const char *key)
{
    estoc_blob pem;
    assert_int_equal(estoc_certs_pem(&p->cert.der, 1, &pem), 0);
    file_with(crt, estoc_blob_slice(pem));
    estoc_blob_free(&pem);
    assert_int_equal(estoc_key_save(p->key, in_folder(key)), 0);
}

static int set_up(void **state)
{
    int rc = folder_make(state);
    party_make(&ca, (struct plan){.subject = "CN=CA", .ca = true});
    party_make(&ours, (struct plan){.issuer = &ca, .subject = "CN=registrar"});
    party_make(&other, (struct plan){.issuer = &ca, .subject = "CN=other"});
    save(&ca, "up.ta", "ca.key");
    save(&ours, "ra.crt", "ra.key");
    save(&other, "other.crt", "other.key");
    return rc;
}

static int tear_down(void **state)
{
    party_drop(&ca);
    party_drop(&ours);
    party_drop(&other);
    return folder_remove(state);
}

static void set(char *field, const char *name)
{
    snprintf(field, 512, "%s", in_folder(name));
}

static int begin(void **state)
{
    (void)state;
    memset(&conf, 0, sizeof conf);
    conf.authority = ESTOC_AUTHORITY_REGISTRAR;
    conf.upstreams_n = 2;
    estoc_upstream_conf *u = conf.upstreams;
    set(u[0].chain, "ra.crt");
    set(u[0].key, "ra.key");
    set(u[0].anchors, "up.ta");
    u[0].url_n = 2;
    snprintf(u[0].url[0], sizeof u[0].url[0], "https://a/e");
    snprintf(u[0].url[1], sizeof u[0].url[1], "https://b/e");
    u[0].connect_ms = 5;
    u[0].answer_ms = 6;
    u[0].http1 = true;
    snprintf(u[1].name, sizeof u[1].name, "second");
    set(u[1].anchors, "up.ta");
    u[1].url_n = 1;
    snprintf(u[1].url[0], sizeof u[1].url[0], "https://c/e");
    return 0;
}

static void all_of_it(void **state)
{
    (void)state;
    estoc_services s = {.n = 0};
    assert_int_equal(estoc_services_load(&s, &conf, &why), 0);
    assert_int_equal(s.n, 2);
    assert_string_equal(s.at[0].name, "");
    assert_int_equal(s.at[0].url_n, 2);
    assert_string_equal(s.at[0].url[1], "https://b/e");
    assert_int_equal(s.at[0].chain->n, 1);
    assert_non_null(s.at[0].key);
    assert_int_equal(s.at[0].anchors->n, 1);
    assert_int_equal(s.at[0].connect_ms, 5);
    assert_int_equal(s.at[0].answer_ms, 6);
    assert_true(s.at[0].http1);
    assert_string_equal(s.at[1].name, "second");
    assert_int_equal(s.at[1].chain->n, 0);
    assert_null(s.at[1].key);
    assert_false(s.at[1].http1);
    estoc_services_free(&s);
    assert_int_equal(s.n, 0);
    estoc_services_free(&s);
    conf.upstreams_n = 0; /* a CA */
    assert_int_equal(estoc_services_load(&s, &conf, &why), 0);
    assert_int_equal(s.n, 0);
}

/* The first is there then, and is freed with the rest. */
static void assert_fails(estoc_err want, const char *words)
{
    estoc_services s = {.n = 0};
    why.text[0] = '\0';
    assert_int_equal(estoc_services_load(&s, &conf, &why), want);
    if (strstr(why.text, words) == NULL) {
        fail_msg("%s", why.text);
    }
    assert_int_equal(s.n, 1);
    estoc_services_free(&s);
}

static void files_that_are_wrong(void **state)
{
    (void)state;
    estoc_upstream_conf *u = &conf.upstreams[1];
    set(u->anchors, "none");
    assert_fails(ESTOC_E_FILE, "none: cannot be read");
    set(u->anchors, "ra.key");
    assert_fails(ESTOC_E_MALFORMED, "ra.key");
    set(u->anchors, "up.ta");
    set(u->chain, "none");
    set(u->key, "ra.key");
    assert_fails(ESTOC_E_FILE, "none");
    set(u->chain, "ra.crt");
    set(u->key, "none");
    assert_fails(ESTOC_E_FILE, "none");
    set(u->key, "other.key");
    assert_fails(ESTOC_E_KEY, "do not belong together");
    file_with("odd.crt", estoc_slice_str("\x30\x03\x02\x01\x00"));
    set(u->chain, "odd.crt");
    assert_fails(ESTOC_E_MALFORMED, "odd.crt");
}

static void one_too_many(void **state)
{
    (void)state;
    estoc_services s = {.n = 0};
    for (int i = 0; i < ESTOC_UPSTREAMS_MAX; i++) {
        assert_int_equal(estoc_services_add(&s, &conf.upstreams[1], &why), 0);
    }
    assert_int_equal(estoc_services_add(&s, &conf.upstreams[1], &why), ESTOC_E_LIMIT);
    assert_int_equal(s.n, ESTOC_UPSTREAMS_MAX);
    estoc_services_free(&s);
}

#define TEST(name, f)              \
    {                              \
        name, f, begin, NULL, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST("G1 services with and without a credential", all_of_it),
        TEST("G1 a service's files that are wrong", files_that_are_wrong),
        TEST("G1 no more than there is room for", one_too_many),
    };
    return cmocka_run_group_tests_name("server/services", tests, set_up, tear_down);
}

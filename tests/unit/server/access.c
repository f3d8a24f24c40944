/* SPDX-License-Identifier: MIT */
#include "../authority/parties.h"

#include "access.h"
#include "dtls.h"

static struct party root, maker, other_ca, device, foreign;
static estoc_profile_conf conf;
static estoc_blobs anchors; /* of the server */
static estoc_why why;

static int set_up(void **state)
{
    party_make(&root, (struct plan){.subject = "CN=Root", .ca = true});
    party_make(&maker, (struct plan){.issuer = &root, .subject = "CN=Maker", .ca = true});
    party_make(&other_ca, (struct plan){.subject = "CN=Maker", .ca = true}); /* by name */
    party_make(&device, (struct plan){.issuer = &maker, .subject = "CN=dev-1,O=Example"});
    party_make(&foreign, (struct plan){.issuer = &other_ca, .subject = "CN=dev-2,O=Example"});
    return folder_make(state);
}

static int tear_down(void **state)
{
    struct party *const all[] = {&root, &maker, &other_ca, &device, &foreign};
    for (size_t i = 0; i < 5; i++) {
        party_drop(all[i]);
    }
    estoc_blobs_free(&anchors);
    return folder_remove(state);
}

static int no_rules(void **state)
{
    (void)state;
    memset(&conf, 0, sizeof conf);
    estoc_blobs_free(&anchors);
    assert_int_equal(estoc_blobs_add(&anchors, root.cert.der), 0);
    assert_int_equal(estoc_blobs_add(&anchors, other_ca.cert.der), 0);
    return 0;
}

/* The way by which the handshake has come from a device to an anchor. */
static estoc_slice trail_of(const struct party *const *way, size_t n)
{
    static uint8_t steps[3 * ESTOC_TRAIL_STEP];
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(estoc_dtls_trail_step(&way[i]->cert, steps + i * ESTOC_TRAIL_STEP), 0);
    }
    return estoc_slice_of(steps, n * ESTOC_TRAIL_STEP);
}

static estoc_access *loaded(void)
{
    estoc_access *a;
    if (estoc_access_load(&conf, &anchors, &a, &why)) {
        fail_msg("%s", why.text);
    }
    return a;
}

static const char *said(const estoc_access *a, const struct party *p)
{
    const struct party *const long_way[] = {p, &maker, &root};
    const struct party *const short_way[] = {p, &other_ca};
    const char *text = estoc_access_refusal(
        a, &p->cert, p == &device ? trail_of(long_way, 3) : trail_of(short_way, 2));
    if (text != NULL) {
        assert_in_range(strlen(text), 1, 64);
    }
    return text;
}

/* What the rules of `conf` say. */
static void assert_allowed(const struct party *p, bool want)
{
    estoc_access *a = loaded();
    const char *text = said(a, p);
    if ((text == NULL) != want) {
        fail_msg("%s", text != NULL ? text : "allowed");
    }
    estoc_access_free(a);
}

static void set(char *to, size_t room, const char *value)
{
    assert_true(strlen(value) < room);
    memcpy(to, value, strlen(value) + 1);
}
#define SET(field, value) set(conf.field, sizeof conf.field, value)

static void file(char to[512], const char *name, const char *text)
{
    file_with(name, estoc_slice_str(text));
    snprintf(to, 512, "%s", in_folder(name));
}

static void file_of(char to[512], const char *name, const struct party *p)
{
    estoc_blob pem;
    char text[4096];
    assert_int_equal(estoc_certs_pem(&p->cert.der, 1, &pem), 0);
    snprintf(text, sizeof text, "%.*s", (int)pem.len, pem.ptr);
    file(to, name, text);
    estoc_blob_free(&pem);
}

static void none(void **state)
{
    (void)state;
    estoc_access *a = loaded();
    assert_null(a);
    assert_null(said(a, &device));
}

static void subjects(void **state)
{
    (void)state;
    SET(allow_subjects, "CN=x, CN=dev-1+O=Example");
    assert_allowed(&device, true);
    assert_allowed(&foreign, false);
    SET(deny_subjects, "CN=y, O=Ex*"); /* wins */
    assert_allowed(&device, false);
    SET(allow_subjects, "");
    SET(deny_subjects, "CN=*-2");
    assert_allowed(&device, true);
    assert_allowed(&foreign, false);
}

static void files(void **state)
{
    (void)state;
    file_of(conf.allow, "allow", &device);
    assert_allowed(&device, true);
    assert_allowed(&foreign, false);
    SET(allow_subjects, "CN=dev-2"); /* either is enough */
    assert_allowed(&device, true);
    assert_allowed(&foreign, true);
    file(conf.deny, "deny", "subject CN=dev-1\n");
    assert_allowed(&device, false);
    assert_allowed(&foreign, true);
    file(conf.allow, "allow", "# nobody\n");
    SET(allow_subjects, "");
    assert_allowed(&foreign, false);
}

static void anchors_of_a_profile(void **state)
{
    (void)state;
    file_of(conf.client_anchors, "anchors", &root);
    assert_allowed(&device, true);
    assert_allowed(&foreign, false);
    file_of(conf.client_anchors, "anchors", &maker); /* on the way */
    assert_allowed(&device, true);
    assert_allowed(&foreign, false);
    file_of(conf.client_anchors, "anchors", &other_ca);
    assert_allowed(&device, false);
    assert_allowed(&foreign, true);
    SET(allow_subjects, "CN=dev-1"); /* both are to hold */
    assert_allowed(&foreign, false);
}

/* The server trusts the CA in the middle: the way ends there, and leads to the root all the same. */
static void anchor_below(void **state)
{
    (void)state;
    const struct party *const way[] = {&device, &maker};
    file_of(conf.client_anchors, "anchors", &root);
    for (int i = 0; i < 2; i++) {
        estoc_access *a = loaded();
        const char *text = estoc_access_refusal(a, &device.cert, trail_of(way, 2));
        assert_true((text == NULL) == (i == 1));
        assert_non_null(estoc_access_refusal(a, &device.cert, estoc_slice_of(NULL, 0)));
        assert_non_null(said(a, &foreign));
        estoc_access_free(a);
        assert_int_equal(estoc_blobs_add(&anchors, maker.cert.der), 0);
    }
}

/* Where nothing is known of a subject, it is not known either that it is none of those denied. */
static void odd_subject(void **state)
{
    (void)state;
    static const uint8_t name[] = {0x30, 0x0e, 0x31, 0x0c, 0x30, 0x0a, 0x06, 0x03,
                                   0x55, 0x04, 0x03, 0x0c, 0x03, 'a',  '\n', 'b'};
    estoc_cert odd = device.cert;
    odd.subject = estoc_slice_of(name, sizeof name);
    SET(allow_subjects, "CN=*");
    for (int i = 0; i < 2; i++) {
        estoc_access *a = loaded();
        assert_non_null(estoc_access_refusal(a, &odd, estoc_slice_of(NULL, 0)));
        estoc_access_free(a);
        SET(allow_subjects, "");
        SET(deny_subjects, "CN=x");
    }
}

static void faults(void **state)
{
    (void)state;
    char *const files[] = {conf.client_anchors, conf.allow, conf.deny};
    for (size_t i = 0; i < 3; i++) {
        estoc_access *a;
        snprintf(files[i], 512, "%s", in_folder("nothing"));
        assert_int_equal(estoc_access_load(&conf, &anchors, &a, &why), ESTOC_E_FILE);
        assert_null(a);
        assert_non_null(strstr(why.text, "nothing"));
        file(files[i], "wrong", "what\n");
        assert_int_equal(estoc_access_load(&conf, &anchors, &a, &why), ESTOC_E_MALFORMED);
        assert_non_null(strstr(why.text, "wrong"));
        files[i][0] = '\0';
    }
}

#define ALONE(function) cmocka_unit_test_setup(function, no_rules)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ALONE(none),         ALONE(subjects),    ALONE(files),  ALONE(anchors_of_a_profile),
        ALONE(anchor_below), ALONE(odd_subject), ALONE(faults),
    };
    return cmocka_run_group_tests_name("server/access", tests, set_up, tear_down);
}

/* SPDX-License-Identifier: MIT */
#include "office.h"

#include "audit.h"

static estoc_authority *noting(const estoc_ca_cfg *cfg)
{
    estoc_ca_cfg with = *cfg;
    with.node = "n1";
    with.policy = 7;
    with.audit = in_folder("audit.log");
    return opened(&with);
}

/* The file's lines, "op:result:rule" each. */
static const char *lines(void)
{
    static char text[1024];
    estoc_audit_reader r;
    estoc_slice line;
    estoc_audit_chain c = {.lines = 0};
    size_t n = 0;
    text[0] = '\0';
    assert_int_equal(estoc_audit_open(in_folder("audit.log"), &r), 0);
    while (estoc_audit_next(&r, &line) == ESTOC_OK) {
        estoc_audit_parsed l;
        assert_int_equal(estoc_audit_parse(line, &l, &why), 0);
        assert_int_equal(estoc_audit_follow(&c, &l, &why), 0);
        n += (size_t)snprintf(text + n, sizeof text - n, "%s:%s:%s ", l.entry.op, l.entry.result,
                              l.entry.rule != NULL ? l.entry.rule : "");
        estoc_audit_free(&l);
    }
    estoc_audit_close(&r);
    return text;
}

static void await_lines(const char *expected)
{
    for (int i = 0; i < 2000 && strcmp(lines(), expected) != 0; i++) {
        usleep(10000);
    }
    assert_string_equal(lines(), expected);
}

static void each_is_noted(void **state)
{
    (void)state;
    estoc_ca_cfg cfg = good_cfg();
    estoc_authority *a = noting(&cfg);
    struct bytes csr = csr_of(device.key, "", NULL);
    struct bytes bad = csr_of(device.key, "CN=dev-9", NULL);
    assert_int_equal(enroll(a, SEN, "", device.cert.der, &csr).err, 0);
    assert_int_equal(enroll(a, SEN, "", device.cert.der, &csr).err, 0);
    assert_int_equal(enroll(a, SEN, "", device.cert.der, &bad).err, ESTOC_E_FORBIDDEN);
    assert_int_equal(enroll(a, SREN, "", device.cert.der, &csr).err, ESTOC_E_FORBIDDEN);
    struct bytes none = {.len = 3};
    assert_int_equal(enroll(a, SEN, "", bytes_slice(&none), &csr).err, ESTOC_E_FORBIDDEN);
    closed(a);
    assert_string_equal(lines(), "sen:issued: sen:again: sen:refused:X10 sren:refused:E4 "
                                 "sen:refused:X10 ");
    unlink(in_folder("audit.log"));
}

/* What cannot be noted is not issued. */
static void not_without(void **state)
{
    (void)state;
    estoc_ca_cfg cfg = good_cfg();
    estoc_authority *a = noting(&cfg);
    struct bytes csr = csr_of(device.key, "", NULL);
    struct bytes bad = csr_of(device.key, "CN=dev-9", NULL);
    alter("ALTER TABLE audit RENAME TO elsewhere");
    struct outcome o = enroll(a, SEN, "", device.cert.der, &csr);
    assert_int_equal(o.err, ESTOC_E_STORE);
    assert_true(o.retry_s > 0);
    assert_int_equal(enroll(a, SEN, "", device.cert.der, &bad).err, ESTOC_E_FORBIDDEN);
    assert_int_equal(stored(), 0);
    alter("ALTER TABLE elsewhere RENAME TO audit");
    assert_int_equal(enroll(a, SEN, "", device.cert.der, &csr).err, 0);
    assert_int_equal(stored(), 1);
    closed(a);
    assert_string_equal(lines(), "sen:issued: ");
    unlink(in_folder("audit.log"));
}

/* HC 286: yesterday's store under the feet of a server. */
static void put_back(void **state)
{
    (void)state;
    estoc_ca_cfg cfg = good_cfg();
    estoc_authority *a = noting(&cfg);
    struct bytes csr = csr_of(device.key, "", NULL);
    struct bytes bad = csr_of(device.key, "CN=dev-9", NULL);
    assert_int_equal(enroll(a, SEN, "", device.cert.der, &csr).err, 0);
    await_lines("sen:issued: ");
    assert_int_equal(enroll(a, SEN, "", device.cert.der, &bad).err, ESTOC_E_FORBIDDEN);
    await_lines("sen:issued: sen:refused:X10 "); /* it knows of the first one by now */
    alter("UPDATE audit_head SET seq = 0, hash = zeroblob(32); DELETE FROM audit;"
          "DELETE FROM cert");
    assert_int_equal(enroll(a, SEN, "", device.cert.der, &csr).err, ESTOC_E_STORE);
    assert_true(logged("event=store", "older than its audit log", "Start it again"));
    assert_int_equal(stored(), 0);
    closed(a);
    assert_string_equal(lines(), "sen:issued: sen:refused:X10 ");
    /* and then it says what to do */
    estoc_ca_cfg again = cfg;
    again.node = "n1";
    again.audit = in_folder("audit.log");
    assert_int_equal(estoc_blobs_add(&chain, ca.cert.der), 0);
    assert_int_equal(estoc_ca_open(&again, &a, &why), ESTOC_E_STATE);
    assert_non_null(strstr(why.text, "2 decisions in it are not in the store"));
    estoc_blobs_free(&chain);
    unlink(in_folder("audit.log"));
}

/* clang-format off */
#define NAMED(name, f) {name, f, NULL, NULL, NULL}
/* clang-format on */

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED("X9 each decision is noted, once", each_is_noted),
        NAMED("X9 what cannot be noted is not issued", not_without),
        NAMED("X9 HC 286 a store that is put back while it is served from", put_back),
    };
    return cmocka_run_group_tests_name("authority/ca/audit_desk", tests, set_up, tear_down);
}

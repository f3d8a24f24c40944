/* SPDX-License-Identifier: MIT */
#include "office.h"

static void decided(estoc_decision decision)
{
    estoc_store *s = NULL;
    assert_int_equal(estoc_store_open(url(), &s, &why), 0);
    assert_int_equal(estoc_store_decide(s, 1, decision, estoc_unix_s()), 0);
    estoc_store_close(s);
}

static uint64_t waiting(void)
{
    uint64_t n = 0;
    estoc_store *s = NULL;
    assert_int_equal(estoc_store_open(url(), &s, &why), 0);
    assert_int_equal(estoc_store_pending_count(s, NULL, &n), 0);
    estoc_store_close(s);
    return n;
}

/* L2, hard cases 177 to 182. */
static void by_a_person(void **state)
{
    (void)state;
    estoc_ca_cfg cfg = good_cfg();
    cfg.retry_window_s = 0; /* the approval remembers, too */
    profiles[1].manual = true;
    profiles[1].retry_after_s = 60;
    estoc_authority *a = opened(&cfg);
    struct bytes csr = csr_of(device.key, "", NULL);
    struct bytes bad = csr_of(device.key, "CN=dev-9", NULL);
    struct outcome o = enroll(a, SEN, "meters", device.cert.der, &csr);
    assert_int_equal(o.err, ESTOC_E_LATER);
    assert_in_range(o.retry_s, 1, 60);
    assert_int_equal(waiting(), 1); /* before the answer went out */
    assert_true(logged("result=pending", "request=r1", "subject=CN=dev-1"));
    assert_int_equal(enroll(a, SEN, "meters", device.cert.der, &bad).err, ESTOC_E_FORBIDDEN);
    assert_int_equal(waiting(), 1);
    decided(ESTOC_REJECTED);
    assert_int_equal(enroll(a, SEN, "meters", device.cert.der, &csr).err, ESTOC_E_FORBIDDEN);
    assert_true(logged("result=refused", "request=r1", "rule=L2"));
    decided(ESTOC_APPROVED);
    o = enroll(a, SEN, "meters", device.cert.der, &csr);
    assert_int_equal(o.err, 0);
    assert_true(logged("result=issued", "request=r1", "serial="));
    struct outcome again = enroll(a, SEN, "meters", device.cert.der, &csr);
    assert_slice(bytes_slice(&again.cert), bytes_slice(&o.cert));
    assert_true(logged("result=again", "request=r1", "serial="));
    assert_int_equal(stored(), 1);
    assert_int_equal(enroll(a, SEN, "", device.cert.der, &csr).err, 0); /* the other profile */
    closed(a);
}

/* X9: what is not committed was not kept, and nobody is told that it waits. */
static void kept_or_not(void **state)
{
    (void)state;
    estoc_ca_cfg cfg = good_cfg();
    profiles[1].manual = true;
    profiles[1].retry_after_s = 60;
    estoc_authority *a = opened(&cfg);
    struct bytes csr = csr_of(device.key, "", NULL);
    struct bytes bad = csr_of(device.key, "CN=dev-9", NULL);
    struct outcome gate = {.hold = true};
    struct outcome pending = {.calls = 0};
    struct outcome issued = {.calls = 0};
    alter("CREATE TRIGGER full BEFORE INSERT ON cert BEGIN SELECT RAISE(ABORT, 'full'); END");
    assert_int_equal(hand_in(a, SEN, "", device.cert.der, &bad, &gate), 0);
    await(&gate);
    assert_int_equal(hand_in(a, SEN, "meters", device.cert.der, &csr, &pending), 0);
    assert_int_equal(hand_in(a, SEN, "", device.cert.der, &csr, &issued), 0);
    let_go(&gate);
    await(&pending);
    await(&issued);
    assert_int_equal(issued.err, ESTOC_E_STORE);
    assert_int_equal(pending.err, ESTOC_E_STORE);
    assert_int_equal(waiting(), 0);
    assert_true(logged("profile=meters", "result=failed", ""));
    alter("DROP TRIGGER full");
    assert_int_equal(enroll(a, SEN, "meters", device.cert.der, &csr).err, ESTOC_E_LATER);
    assert_int_equal(waiting(), 1);
    closed(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_a_person),
        cmocka_unit_test(kept_or_not),
    };
    return cmocka_run_group_tests_name("authority/ca/desk", tests, set_up, tear_down);
}

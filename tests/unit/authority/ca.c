/* SPDX-License-Identifier: MIT */
#include "office.h"
#include "text.h"

/* --------------------------------------------------------------------------------------- the tests */

static void what_it_serves(void **state)
{
    (void)state;
    estoc_ca_cfg cfg = good_cfg();
    estoc_authority *a = opened(&cfg);
    assert_true(a->ops->has_profile(a, ""));
    assert_true(a->ops->has_profile(a, "meters"));
    assert_false(a->ops->has_profile(a, "meter"));
    const estoc_blobs *anchors = a->ops->anchors(a, "");
    assert_int_equal(anchors->n, 2); /* E2: root first */
    assert_slice(estoc_blob_slice(anchors->at[0]), root.cert.der);
    assert_slice(estoc_blob_slice(anchors->at[1]), ca.cert.der);
    assert_int_equal(a->ops->attributes(a, "").len, 0);
    assert_slice(a->ops->attributes(a, "meters"),
                 estoc_slice_of(some_attributes, sizeof some_attributes));
    assert_int_equal(a->ops->attributes(a, "meter").len, 0);
    closed(a);
}

/* Hard cases 167, 314: what is answered is good, and was durable before. */
static void issued(void **state)
{
    (void)state;
    estoc_ca_cfg cfg = good_cfg();
    estoc_authority *a = opened(&cfg);
    struct bytes csr = csr_of(device.key, "", NULL);
    int64_t before = estoc_unix_s();
    struct outcome o = enroll(a, SEN, "", device.cert.der, &csr);
    int64_t after = estoc_unix_s();
    assert_int_equal(o.err, 0);
    estoc_cert cert;
    assert_int_equal(estoc_cert_parse(&cert, bytes_slice(&o.cert)), 0);
    assert_slice(cert.spki.der, device.cert.spki.der);
    assert_slice(cert.subject, device.cert.subject);
    assert_slice(cert.issuer, ca.cert.subject);
    assert_false(cert.ca);
    assert_in_range(cert.not_before, before - 600, after);
    assert_in_range(cert.not_after, before + HOUR, after + HOUR);
    assert_int_equal(cert.serial.len, 16);
    assert_chains(bytes_slice(&o.cert), &ca, ESTOC_PURPOSE_CLIENT);
    char serial[64];
    estoc_hex(cert.serial, serial, sizeof serial);
    assert_true(logged("result=issued", serial, "CN=dev-1"));
    closed(a);
}

static void each_profile_its_validity(void **state)
{
    (void)state;
    estoc_ca_cfg cfg = good_cfg();
    estoc_authority *a = opened(&cfg);
    struct bytes csr = csr_of(device.key, "", NULL);
    struct outcome o = enroll(a, SEN, "meters", device.cert.der, &csr);
    estoc_cert cert;
    assert_int_equal(estoc_cert_parse(&cert, bytes_slice(&o.cert)), 0);
    assert_int_equal(cert.not_after, ca.cert.not_after); /* not ten days: 167 */
    assert_true(logged("profile=meters", "result=issued", "op=sen"));
    closed(a);
}

/* E4: renewal with what /sen gave; the old certificate does not become a way to another name. */
static void renewed(void **state)
{
    (void)state;
    estoc_ca_cfg cfg = good_cfg();
    estoc_authority *a = opened(&cfg);
    struct bytes csr = csr_of(device.key, "CN=dev-1", NULL);
    struct outcome first = enroll(a, SEN, "", device.cert.der, &csr);
    assert_int_equal(first.err, 0);
    struct outcome second = enroll(a, SREN, "", bytes_slice(&first.cert), &csr);
    assert_int_equal(second.err, 0);
    assert_false(estoc_slice_eq(bytes_slice(&first.cert), bytes_slice(&second.cert)));
    assert_true(logged("op=sren", "result=issued", "client_ca=own"));
    struct outcome o = enroll(a, SREN, "", device.cert.der, &csr); /* 307: not of this CA */
    assert_int_equal(o.err, ESTOC_E_FORBIDDEN);
    struct bytes foreign = csr_of(device.key, "CN=dev-2", NULL);
    o = enroll(a, SREN, "", bytes_slice(&first.cert), &foreign); /* 169 */
    assert_int_equal(o.err, ESTOC_E_FORBIDDEN);
    assert_true(logged("op=sren", "result=refused", "rule=E4"));
    assert_int_equal(stored(), 2);
    closed(a);
}

/* E6, hard cases 179 and 181. */
static void the_same_again(void **state)
{
    (void)state;
    estoc_ca_cfg cfg = good_cfg();
    estoc_authority *a = opened(&cfg);
    struct bytes csr = csr_of(device.key, "", NULL);
    struct outcome first = enroll(a, SEN, "", device.cert.der, &csr);
    struct outcome again = enroll(a, SEN, "", device.cert.der, &csr);
    assert_int_equal(again.err, 0);
    assert_slice(bytes_slice(&again.cert), bytes_slice(&first.cert));
    assert_true(logged("result=again", "CN=dev-1", "serial="));
    assert_int_equal(stored(), 1);
    /* other bytes (ECDSA signs anew each time), another profile, another client */
    struct bytes csr_2 = csr_of(device.key, "", NULL);
    struct outcome o = enroll(a, SEN, "", device.cert.der, &csr_2);
    assert_false(estoc_slice_eq(bytes_slice(&o.cert), bytes_slice(&first.cert)));
    o = enroll(a, SEN, "meters", device.cert.der, &csr);
    assert_false(estoc_slice_eq(bytes_slice(&o.cert), bytes_slice(&first.cert)));
    o = enroll(a, SEN, "", other.cert.der, &csr); /* the key is dev-1's: 207 */
    assert_int_equal(o.err, ESTOC_E_FORBIDDEN);
    assert_int_equal(stored(), 3);
    closed(a);
    /* and after a restart */
    cfg = good_cfg();
    a = opened(&cfg);
    first = enroll(a, SEN, "", device.cert.der, &csr);
    a->ops->close(a);
    a = opened(&cfg);
    again = enroll(a, SEN, "", device.cert.der, &csr);
    assert_slice(bytes_slice(&again.cert), bytes_slice(&first.cert));
    closed(a);
}

static void no_retry_window(void **state)
{
    (void)state;
    estoc_ca_cfg cfg = good_cfg();
    cfg.retry_window_s = 0;
    estoc_authority *a = opened(&cfg);
    struct bytes csr = csr_of(device.key, "", NULL);
    struct outcome first = enroll(a, SEN, "", device.cert.der, &csr);
    struct outcome second = enroll(a, SEN, "", device.cert.der, &csr);
    assert_int_equal(second.err, 0);
    assert_false(estoc_slice_eq(bytes_slice(&first.cert), bytes_slice(&second.cert)));
    closed(a);
}

/* Hard case 289: in one batch. */
static void the_same_at_once(void **state)
{
    (void)state;
    estoc_ca_cfg cfg = good_cfg();
    estoc_authority *a = opened(&cfg);
    struct bytes csr = csr_of(device.key, "", NULL);
    struct bytes bad = csr_of(device.key, "CN=dev-9", NULL);
    static struct outcome o[20];
    struct outcome gate = {.hold = true};
    memset(o, 0, sizeof o);
    assert_int_equal(hand_in(a, SEN, "", device.cert.der, &bad, &gate), 0);
    await(&gate);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(hand_in(a, SEN, "", device.cert.der, i == 7 ? &bad : &csr, &o[i]), 0);
    }
    let_go(&gate);
    for (size_t i = 0; i < 20; i++) {
        await(&o[i]);
        assert_int_equal(o[i].err,
                         i == 7 ? ESTOC_E_FORBIDDEN : 0); /* one refusal spoils no batch */
        if (i != 7) {
            assert_slice(bytes_slice(&o[i].cert), bytes_slice(&o[0].cert));
        }
    }
    assert_int_equal(stored(), 1);
    closed(a);
}

/* Hard case 172: refused, once in the log, nothing kept. */
static void refused(void **state)
{
    (void)state;
    estoc_ca_cfg cfg = good_cfg();
    estoc_authority *a = opened(&cfg);
    struct bytes csr = csr_of(device.key, "CN=dev-2", NULL);
    (void)logged("", "", "");
    struct outcome o = enroll(a, SEN, "", device.cert.der, &csr);
    assert_int_equal(o.err, ESTOC_E_FORBIDDEN);
    assert_int_equal(o.retry_s, 0);
    assert_true(logged("op=sen", "subject=CN=dev-1 result=refused client_ca=", "rule=X10"));
    csr.ptr[10] ^= 0xff;
    o = enroll(a, SEN, "", device.cert.der, &csr);
    assert_int_equal(estoc_err_coap_code(o.err), ESTOC_COAP_BAD_REQUEST);
    csr = csr_of(device.key, "", NULL);
    o = enroll(a, SEN, "", estoc_slice_str("no certificate"), &csr);
    assert_int_equal(o.err, ESTOC_E_FORBIDDEN);
    assert_int_equal(stored(), 0);
    closed(a);
}

static void not_even_queued(void **state)
{
    (void)state;
    estoc_ca_cfg cfg = good_cfg();
    estoc_authority *a = opened(&cfg);
    struct bytes csr = csr_of(device.key, "", NULL);
    struct bytes none = {.len = 0};
    struct outcome o = {.calls = 0};
    assert_int_equal(hand_in(a, SEN, "nobody's", device.cert.der, &csr, &o), ESTOC_E_NOT_FOUND);
    assert_int_equal(hand_in(a, SEN, "", device.cert.der, &none, &o), ESTOC_E_TRUNCATED);
    assert_int_equal(hand_in(a, SEN, "", bytes_slice(&none), &csr, &o), ESTOC_E_UNTRUSTED);
    closed(a);
    assert_int_equal(o.calls, 0);
}

static void full_queue(void **state)
{
    (void)state;
    estoc_ca_cfg cfg = good_cfg();
    cfg.queue_max = 2;
    estoc_authority *a = opened(&cfg);
    struct bytes csr = csr_of(device.key, "", NULL);
    struct outcome gate = {.hold = true};
    struct outcome o[3] = {{.calls = 0}};
    assert_int_equal(hand_in(a, SEN, "", device.cert.der, &csr, &gate), 0);
    await(&gate); /* taken from the queue, and the thread stands in done() */
    assert_int_equal(hand_in(a, SEN, "", device.cert.der, &csr, &o[0]), 0);
    assert_int_equal(hand_in(a, SEN, "", device.cert.der, &csr, &o[1]), 0);
    assert_int_equal(hand_in(a, SEN, "", device.cert.der, &csr, &o[2]), ESTOC_E_BUSY);
    let_go(&gate);
    await(&o[0]);
    await(&o[1]);
    assert_int_equal(hand_in(a, SEN, "", device.cert.der, &csr, &o[2]), 0);
    await(&o[2]);
    closed(a);
}

/* close() lets nobody wait for ever; more than one batch is in the queue. */
static void closed_with_a_queue(void **state)
{
    (void)state;
    estoc_ca_cfg cfg = good_cfg();
    estoc_authority *a = opened(&cfg);
    struct bytes csr = csr_of(device.key, "", NULL);
    static struct outcome o[300];
    memset(o, 0, sizeof o);
    for (size_t i = 0; i < 300; i++) {
        assert_int_equal(hand_in(a, SEN, "", device.cert.der, &csr, &o[i]), 0);
    }
    closed(a);
    for (size_t i = 0; i < 300; i++) {
        assert_int_equal(o[i].calls, 1);
        assert_int_equal(o[i].err, 0);
    }
}

/* Hard case 197. */
static void ca_out_of_time(void **state)
{
    (void)state;
    int64_t now = estoc_unix_s();
    const int64_t spans[2][2] = {{now - DAY, now - HOUR}, {now + HOUR, now + DAY}};
    for (size_t i = 0; i < 2; i++) {
        struct party late = {.key = NULL};
        party_make(&late,
                   (struct plan){
                       .subject = "CN=Late", .ca = true, .from = spans[i][0], .to = spans[i][1]});
        estoc_ca_cfg cfg = good_cfg();
        estoc_blobs_free(&chain);
        assert_int_equal(estoc_blobs_add(&chain, late.cert.der), 0);
        cfg.key = late.key;
        estoc_authority *a = opened(&cfg); /* /crts is still served */
        struct bytes csr = csr_of(device.key, "", NULL);
        struct outcome o = enroll(a, SEN, "", device.cert.der, &csr);
        assert_int_equal(o.err, ESTOC_E_LATER);
        assert_true(o.retry_s > 0);
        assert_int_equal(stored(), 0);
        closed(a);
        party_drop(&late);
    }
}

/* X9, hard case 284: another process holds the store; later it lets go. */
static void store_locked(void **state)
{
    (void)state;
    estoc_ca_cfg cfg = good_cfg();
    estoc_authority *a = opened(&cfg);
    struct bytes csr = csr_of(device.key, "", NULL);
    estoc_store *s = NULL;
    assert_int_equal(estoc_store_open(url(), &s, &why), 0);
    assert_int_equal(estoc_store_begin(s), 0);
    struct outcome o = enroll(a, SEN, "", device.cert.der, &csr);
    assert_int_equal(o.err, ESTOC_E_STORE);
    assert_true(o.retry_s > 0);
    assert_int_equal(estoc_err_coap_code(o.err), ESTOC_COAP_UNAVAILABLE);
    estoc_store_rollback(s);
    estoc_store_close(s);
    o = enroll(a, SEN, "", device.cert.der, &csr);
    assert_int_equal(o.err, 0);
    assert_int_equal(stored(), 1);
    assert_true(logged("event=store", "result=\"opened again\"", ""));
    closed(a);
}

/* D8 */
static void revoked(void **state)
{
    (void)state;
    estoc_ca_cfg cfg = good_cfg();
    estoc_authority *a = opened(&cfg);
    struct bytes csr = csr_of(device.key, "", NULL);
    struct outcome o = enroll(a, SEN, "", device.cert.der, &csr);
    estoc_slice der = bytes_slice(&o.cert);
    assert_false(a->ops->revoked(a, der));
    alter("UPDATE counter SET value = 1 WHERE name = 'revision';"
          "UPDATE cert SET revoked_at = 1, revision = 1");
    /* it may take its second, but not the authority itself */
    assert_int_equal(enroll(a, SREN, "", der, &csr).err, ESTOC_E_FORBIDDEN);
    for (int i = 0; i < 1000 && !a->ops->revoked(a, der); i++) {
        usleep(10000);
    }
    assert_true(a->ops->revoked(a, der));
    assert_false(a->ops->revoked(a, device.cert.der));
    closed(a);
}

static void assert_not_opened(const estoc_ca_cfg *cfg, estoc_err want, const char *with)
{
    estoc_authority *a = (estoc_authority *)&why;
    assert_int_equal(estoc_ca_open(cfg, &a, &why), want);
    assert_null(a);
    if (strstr(why.text, with) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", why.text, with);
    }
    estoc_blobs_free(&chain);
}

static void not_opened(void **state)
{
    (void)state;
    estoc_ca_cfg cfg = good_cfg();
    estoc_blobs none = {NULL, 0};
    cfg.chain = &none;
    assert_not_opened(&cfg, ESTOC_E_CONFIG, "missing");
    cfg = good_cfg();
    cfg.key = root.key;
    assert_not_opened(&cfg, ESTOC_E_KEY, "does not belong");
    cfg = good_cfg();
    chain.at[0].len--;
    assert_not_opened(&cfg, ESTOC_E_TRUNCATED, "CA certificate");
    cfg = good_cfg();
    estoc_blobs_free(&chain);
    assert_int_equal(estoc_blobs_add(&chain, device.cert.der), 0);
    cfg.key = device.key;
    assert_not_opened(&cfg, ESTOC_E_CONFIG, "not a CA's");
    cfg = good_cfg();
    uint8_t *ski = memmem(chain.at[0].ptr, chain.at[0].len, "\x55\x1d\x0e", 3);
    assert_non_null(ski);
    ski[2] = 0x7e; /* some other extension */
    assert_not_opened(&cfg, ESTOC_E_CONFIG, "subjectKeyIdentifier");
    cfg = good_cfg();
    profiles[1].validity_s = 0;
    assert_not_opened(&cfg, ESTOC_E_CONFIG, "profile meters");
    cfg = good_cfg();
    cfg.store_url = "oracle:x";
    assert_not_opened(&cfg, ESTOC_E_CONFIG, "oracle:x");
    cfg = good_cfg();
    cfg.store_url = "sqlite:/nonexistent/ca.db";
    assert_not_opened(&cfg, ESTOC_E_STORE, "/nonexistent/ca.db");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_serves),
        cmocka_unit_test(issued),
        cmocka_unit_test(each_profile_its_validity),
        cmocka_unit_test(renewed),
        cmocka_unit_test(the_same_again),
        cmocka_unit_test(no_retry_window),
        cmocka_unit_test(the_same_at_once),
        cmocka_unit_test(refused),
        cmocka_unit_test(not_even_queued),
        cmocka_unit_test(full_queue),
        cmocka_unit_test(closed_with_a_queue),
        cmocka_unit_test(ca_out_of_time),
        cmocka_unit_test(store_locked),
        cmocka_unit_test(revoked),
        cmocka_unit_test(not_opened),
    };
    return cmocka_run_group_tests_name("authority ca", tests, set_up, tear_down);
}

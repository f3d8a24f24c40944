/* SPDX-License-Identifier: MIT */
#include <sys/time.h>
#include <time.h>

#include "pair.h"

enum { RECORD_APPLICATION = 23 };

/* The clock OpenSSL looks at; HC 322. */
static time_t wall_offset;

int gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
    struct timespec ts;
    (void)tz;
    clock_gettime(CLOCK_REALTIME, &ts);
    tv->tv_sec = ts.tv_sec + wall_offset;
    tv->tv_usec = ts.tv_nsec / 1000;
    return 0;
}

static size_t count(const pair *p, int way)
{
    size_t n = 0;
    for (size_t i = 0; i < p->logged; i++) {
        n += p->log[i].way == way;
    }
    return n;
}

/* ---- a handshake and what follows ---- */

static void opens(void **state)
{
    (void)state;
    pair *p = pair_new();
    pair_connect(p);
    assert_int_equal(estoc_dtls_state_of(p->c), ESTOC_DTLS_HANDSHAKE);
    assert_int_equal(estoc_dtls_peer_cert(p->c).len, 0);
    assert_int_equal(estoc_dtls_message_max(p->c), 0);
    assert_int_equal(estoc_dtls_deadline(p->c), p->now + 1000);
    pair_run(p, p->now); /* no time passes */
    assert_int_equal(estoc_dtls_state_of(p->c), ESTOC_DTLS_OPEN);
    assert_int_equal(estoc_dtls_state_of(p->s), ESTOC_DTLS_OPEN);
    assert_int_equal(estoc_dtls_deadline(p->c), ESTOC_NEVER);
    assert_int_equal(estoc_dtls_deadline(p->s), ESTOC_NEVER);
    assert_true(estoc_slice_eq(estoc_dtls_peer_cert(p->s), estoc_blob_slice(device.cert)));
    assert_true(estoc_slice_eq(estoc_dtls_peer_cert(p->c), estoc_blob_slice(server_cred.cert)));
    assert_string_equal(estoc_dtls_cipher(p->c), "ECDHE-ECDSA-AES128-CCM8");
    assert_string_equal(estoc_dtls_cipher(p->s), "ECDHE-ECDSA-AES128-CCM8");
    assert_string_equal(SSL_get_version(p->c->ssl), "DTLSv1.2");
    assert_string_equal(estoc_dtls_why(p->c), "");
    assert_string_equal(estoc_dtls_why(p->s), "");
    assert_int_equal(count(p, UP), 3); /* hello, hello with cookie, the rest in one datagram */
    assert_int_equal(count(p, DOWN), 3);
    expect_alive(p);
    pair_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens),
    };
    return cmocka_run_group_tests_name("dtls association", tests, pki_set_up, pki_tear_down);
}

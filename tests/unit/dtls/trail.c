/* SPDX-License-Identifier: MIT */
#include "pair.h"

static void assert_trail(const estoc_dtls *d, const credential *const *list, size_t n)
{
    estoc_slice trail = estoc_dtls_peer_trail(d);
    assert_int_equal(trail.len, n * ESTOC_TRAIL_STEP);
    for (size_t i = 0; i < n; i++) {
        estoc_cert cert;
        uint8_t step[ESTOC_TRAIL_STEP];
        assert_int_equal(estoc_cert_parse(&cert, estoc_blob_slice(list[i]->cert)), 0);
        assert_int_equal(estoc_dtls_trail_step(&cert, step), 0);
        assert_memory_equal(trail.ptr + i * ESTOC_TRAIL_STEP, step, sizeof step);
    }
}

static void end(pair *p)
{
    estoc_dtls_close(p->c);
    pair_deliver(p);
    estoc_dtls_free(p->c);
    estoc_dtls_free(p->s);
    p->c = p->s = NULL;
    p->logged = p->sent[UP] = p->sent[DOWN] = 0;
}

static credential middle, below;
static pair *p;

static int set_up(void **state)
{
    (void)state;
    middle = cred_new(&(cert_cfg){.cn = "Middle", .issuer = &ca, .ca = true});
    below = cred_new(&(cert_cfg){.cn = "dev", .issuer = &middle});
    p = pair_new();
    p->client_id = &below;
    p->client_chain = &middle;
    p->resume_s = 60;
    p->resume_max = 1;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pair_free(p);
    cred_free(&below);
    cred_free(&middle);
    return 0;
}

/* Also of a session that is resumed, where the client sends no certificate. */
static void kept(void **state)
{
    (void)state;
    const credential *const way[] = {&below, &middle, &ca};
    const credential *anchor = &ca;
    estoc_blobs anchors = blobs_of(&anchor, 1);
    estoc_blob session;
    estoc_why why;
    pair_open(p);
    assert_trail(p->s, way, 3);
    assert_int_equal(estoc_dtls_peer_trail(p->c).len, 0);
    assert_int_equal(estoc_dtls_session(p->c, &session), 0);
    for (int i = 0; i < 2; i++) {
        end(p);
        assert_int_equal(
            estoc_dtls_client_resume(p->client, estoc_blob_slice(session), &anchors, &why), 0);
        pair_open(p);
        assert_true(estoc_dtls_resumed(p->s));
        assert_trail(p->s, way, 3);
    }
    estoc_blob_free(&session);
    estoc_blobs_free(&anchors);
}

static void anchor_in_the_middle(void **state)
{
    (void)state;
    const credential *const way[] = {&below, &middle};
    p->client_anchor = &ca;
    p->server_anchor = &middle; /* trusted itself */
    pair_open(p);
    assert_trail(p->s, way, 2);
}

static void stranger(void **state)
{
    (void)state;
    p->server_anchor = &other_ca;
    p->let_strangers_in = true;
    pair_open(p);
    assert_false(estoc_dtls_recognised(p->s));
    assert_int_equal(estoc_dtls_peer_trail(p->s).len, 0);
}

/* What another node has kept may be anything. */
static void damaged(void **state)
{
    (void)state;
    estoc_dtls d = {.verified = true};
    uint8_t bytes[ESTOC_TRAIL_MAX + ESTOC_TRAIL_STEP] = {1};
    size_t len = ESTOC_TRAIL_STEP;
    assert_true(estoc_dtls_take_trail(&d, estoc_slice_of(bytes, len)));
    assert_int_equal(estoc_dtls_peer_trail(&d).len, len);
    assert_false(estoc_dtls_take_trail(&d, estoc_slice_of(bytes, len + 1)));
    assert_int_equal(estoc_dtls_peer_trail(&d).len, 0);
    assert_true(estoc_dtls_take_trail(&d, estoc_slice_of(bytes, ESTOC_TRAIL_MAX)));
    assert_false(estoc_dtls_take_trail(&d, estoc_slice_of(bytes, sizeof bytes)));
    assert_int_equal(estoc_dtls_peer_trail(&d).len, 0);
    assert_true(estoc_dtls_take_trail(&d, estoc_slice_of(bytes, 0)));
    estoc_blob_free(&d.trail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"D8 the way to the anchor is kept with the session", kept, set_up, tear_down, NULL},
        {"it ends where the server trusts", anchor_in_the_middle, set_up, tear_down, NULL},
        {"D4 a stranger has come by none", stranger, set_up, tear_down, NULL},
        {"one that is none is not taken", damaged, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests_name("dtls trail", tests, pki_set_up, pki_tear_down);
}

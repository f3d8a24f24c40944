/* SPDX-License-Identifier: MIT */
#include <unistd.h>

#include <openssl/err.h>

#include "pair.h"

/* One association to a server that keeps sessions, and what its client has kept of it. */
static pair *first(estoc_blob *session)
{
    pair *p = pair_new();
    p->resume_s = 3600;
    p->resume_max = 10;
    pair_open(p);
    assert_false(estoc_dtls_resumed(p->c));
    assert_false(estoc_dtls_resumed(p->s));
    assert_int_equal(estoc_dtls_session(p->c, session), 0);
    return p;
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

static void resume_with(pair *p, estoc_blob session, const credential *anchor)
{
    estoc_why why;
    estoc_blobs anchors = blobs_of(&anchor, 1);
    assert_int_equal(estoc_dtls_client_resume(p->client, estoc_blob_slice(session), &anchors, &why),
                     0);
    assert_string_equal(why.text, "");
    estoc_blobs_free(&anchors);
}

static size_t bytes_of(const pair *p, int way)
{
    size_t n = 0;
    for (size_t i = 0; i < p->logged; i++) {
        n += p->log[i].way == way ? p->log[i].len : 0;
    }
    return n;
}

static void again(pair *p, bool resumed)
{
    pair_open(p);
    assert_int_equal(estoc_dtls_resumed(p->c), resumed);
    assert_int_equal(estoc_dtls_resumed(p->s), resumed);
    assert_true(estoc_dtls_recognised(p->s));
    assert_true(estoc_slice_eq(estoc_dtls_peer_cert(p->s), estoc_blob_slice(device.cert)));
    const credential *server = resumed ? &server_cred : p->server_id;
    assert_true(estoc_slice_eq(estoc_dtls_peer_cert(p->c), estoc_blob_slice(server->cert)));
    uint8_t a[64], b[64];
    size_t n, m;
    assert_int_equal(estoc_dtls_unique(p->c, (estoc_buf){a, sizeof a}, &n), 0);
    assert_int_equal(estoc_dtls_unique(p->s, (estoc_buf){b, sizeof b}, &m), 0);
    assert_int_equal(n, 12);
    assert_int_equal(m, 12);
    assert_memory_equal(a, b, n);
    expect_alive(p);
}

static void short_handshake(void **state)
{
    (void)state;
    estoc_blob session;
    pair *p = first(&session);
    size_t full[2] = {bytes_of(p, UP), bytes_of(p, DOWN)};
    end(p);
    resume_with(p, session, &ca);
    for (int i = 0; i < 3; i++) {
        pair_open(p);
        size_t up = bytes_of(p, UP), down = bytes_of(p, DOWN);
        assert_int_equal(p->sent[UP] + p->sent[DOWN], 5); /* hello, verify, hello, flight, flight */
        assert_true(up < full[UP] / 2);
        assert_true(down < full[DOWN] / 2);
        end(p);
        again(p, true);
        assert_true(p->longest <= p->payload_max);
        end(p);
    }
    estoc_blob_free(&session);
    pair_free(p);
}

/* The chain is checked against other anchors, as after a full handshake. K1 */
static void recheck(void **state)
{
    (void)state;
    credential middle = cred_new(&(cert_cfg){.cn = "Middle", .issuer = &ca, .ca = true});
    credential below = cred_new(&(cert_cfg){
        .cn = "srv", .issuer = &middle, .san = "DNS:server.example", .eku = "serverAuth"});
    estoc_why why;
    estoc_blob session;
    const credential *list = &ca, *other = &other_ca;
    estoc_blobs anchors = blobs_of(&list, 1), others = blobs_of(&other, 1);
    pair *p = pair_new();
    p->server_id = &below;
    p->server_chain = &middle;
    p->resume_s = 60;
    p->resume_max = 1;
    pair_open(p);
    assert_int_equal(estoc_dtls_session(p->c, &session), 0);
    end(p);
    resume_with(p, session, &ca);
    estoc_blob_free(&session);
    pair_open(p);
    assert_true(estoc_dtls_resumed(p->c));
    assert_int_equal(estoc_dtls_recheck(p->c, &anchors, &why), 0);
    assert_int_equal(estoc_dtls_recheck(p->c, &others, &why), ESTOC_E_UNTRUSTED);
    assert_int_equal(estoc_dtls_session(p->c, &session), 0); /* and kept once more */
    end(p);
    resume_with(p, session, &ca);
    pair_open(p);
    assert_int_equal(estoc_dtls_recheck(p->c, &anchors, &why), 0);
    pair_free(p);
    estoc_blob_free(&session);
    estoc_blobs_free(&anchors);
    estoc_blobs_free(&others);
    cred_free(&below);
    cred_free(&middle);
}

/* HC 296 and what else makes a session useless to a client. */
static void client_refuses(void **state)
{
    (void)state;
    estoc_blob session;
    estoc_why why;
    pair *p = first(&session);
    end(p);
    const credential *own = &ca, *other = &other_ca;
    estoc_blobs anchors = blobs_of(&own, 1), others = blobs_of(&other, 1);
    estoc_slice s = estoc_blob_slice(session);
    assert_int_equal(estoc_dtls_client_resume(p->client, s, &others, &why), ESTOC_E_UNTRUSTED);
    assert_string_not_equal(why.text, "");
    assert_int_equal(estoc_dtls_client_resume(p->client, estoc_slice_str("junk"), &anchors, &why),
                     ESTOC_E_MALFORMED);
    assert_int_equal(estoc_dtls_client_resume(p->client, estoc_slice_of(NULL, 0), &anchors, &why),
                     ESTOC_E_MALFORMED);
    for (size_t n = 0; n < s.len; n += 7) { /* cut short anywhere, but between certificates */
        estoc_slice cut = estoc_slice_sub(s, 0, n);
        assert_int_not_equal(estoc_dtls_client_resume(p->client, cut, &others, &why), 0);
    }
    assert_int_equal(ERR_peek_error(), 0);
    again(p, false);
    pair *q = pair_new(); /* a client that wants another host */
    q->host = "other.example";
    pair_prepare(q);
    assert_int_equal(estoc_dtls_client_resume(q->client, s, &anchors, &why), ESTOC_E_UNTRUSTED);
    assert_string_equal(why.text, "certificate is for another host");
    pair_free(q);
    pair_free(p);
    estoc_blobs_free(&anchors);
    estoc_blobs_free(&others);
    estoc_blob_free(&session);
}

/* Another server, one without sessions, one that has forgotten: a full handshake, and nothing said. */
static void full_instead(void **state)
{
    (void)state;
    estoc_blob session;
    pair *p = first(&session);
    for (unsigned i = 0; i < 10; i++) { /* as many as are kept */
        end(p);
        again(p, false);
    }
    end(p);
    resume_with(p, session, &ca);
    again(p, false);
    pair_free(p);
    for (uint32_t s = 0; s <= 60; s += 60) {
        p = pair_new();
        p->resume_s = s;
        p->resume_max = s;
        pair_prepare(p);
        resume_with(p, session, &ca);
        again(p, false);
        estoc_blob none;
        assert_int_equal(estoc_dtls_session(p->c, &none), s == 0 ? ESTOC_E_STATE : ESTOC_OK);
        estoc_blob_free(&none);
        pair_free(p);
    }
    estoc_blob_free(&session);
}

/* D4: a stranger's session is not kept. */
static void strangers(void **state)
{
    (void)state;
    credential odd = cred_new(&(cert_cfg){.cn = "dev", .issuer = &other_ca});
    estoc_blob session;
    pair *p = pair_new();
    p->resume_s = 60;
    p->resume_max = 10;
    p->let_strangers_in = true;
    p->client_id = &odd;
    pair_open(p);
    assert_false(estoc_dtls_recognised(p->s));
    assert_int_equal(estoc_dtls_session(p->c, &session), 0);
    end(p);
    resume_with(p, session, &ca);
    pair_open(p);
    assert_false(estoc_dtls_resumed(p->s));
    assert_false(estoc_dtls_recognised(p->s));
    pair_free(p);
    estoc_blob_free(&session);
    cred_free(&odd);
}

/* HC 47: its session is no way around the full handshake, which says why. */
static void revoked_since(void **state)
{
    (void)state;
    estoc_blob session;
    pair *p = pair_new();
    p->ask_revoked = true;
    p->resume_s = 3600;
    p->resume_max = 10;
    pair_open(p);
    assert_int_equal(estoc_dtls_session(p->c, &session), 0);
    end(p);
    resume_with(p, session, &ca);
    again(p, true);
    assert_int_equal(p->revoked_asked, 2);
    end(p);
    p->revoked = &device;
    pair_connect(p);
    pair_run(p, ESTOC_NEVER);
    assert_int_equal(estoc_dtls_state_of(p->s), ESTOC_DTLS_FAILED);
    assert_string_equal(estoc_dtls_why(p->s), "certificate is revoked (CN=dev)");
    assert_int_equal(alert_of(p, DOWN), SSL_AD_CERTIFICATE_REVOKED);
    assert_int_equal(p->revoked_asked, 4); /* about the session, and about the certificate */
    end(p);
    p->revoked = NULL; /* the session is gone, too */
    resume_with(p, session, &ca);
    again(p, false);
    estoc_blob_free(&session);
    pair_free(p);
}

/* A certificate that ends ends its sessions. */
static void as_long_as_the_certificate(void **state)
{
    (void)state;
    credential brief = cred_new(&(cert_cfg){.cn = "dev", .issuer = &ca, .until_s = 3});
    estoc_blob session;
    pair *p = pair_new();
    p->resume_s = 3600;
    p->resume_max = 10;
    p->client_id = &brief;
    pair_open(p);
    assert_true(p->s->good_until <= estoc_unix_s() + 3);
    assert_true(p->s->good_until > 0);
    assert_int_equal(estoc_dtls_session(p->c, &session), 0);
    end(p);
    resume_with(p, session, &ca);
    estoc_ms until = estoc_now_ms() + 10000;
    int64_t over = estoc_unix_s() + 4;
    while (estoc_unix_s() < over && estoc_now_ms() < until) {
        usleep(50000);
    }
    pair_connect(p);
    pair_run(p, ESTOC_NEVER);
    assert_int_equal(estoc_dtls_state_of(p->s), ESTOC_DTLS_FAILED); /* by a full handshake */
    assert_string_equal(estoc_dtls_why(p->s), "certificate has expired (CN=dev)");
    estoc_blob_free(&session);
    pair_free(p);
    cred_free(&brief);
}

/* All that was made at one server, to another. */
static size_t carry(const pair *from, const pair *to)
{
    estoc_dtls_made made;
    size_t n = 0;
    while (estoc_dtls_cache_take(from->sessions, estoc_unix_s(), &made)) {
        n += estoc_dtls_cache_add(to->sessions, made.id, estoc_blob_slice(made.session),
                                  estoc_unix_s(), made.until);
        estoc_blob_free(&made.session);
    }
    return n;
}

static pair *another_node(void)
{
    pair *q = pair_new();
    q->resume_s = 3600;
    q->resume_max = 10;
    return q;
}

static void at_another_node(void **state)
{
    (void)state;
    estoc_blob session;
    credential other_server = cred_new(&(cert_cfg){
        .cn = "second", .issuer = &ca, .eku = "serverAuth", .san = "DNS:server.example"});
    pair *p = first(&session);
    pair *q = another_node();
    q->server_id = &other_server; /* each node has its own credential */
    pair_prepare(q);
    resume_with(q, session, &ca);
    again(q, false); /* not known there so far */
    end(q);
    assert_int_equal(carry(p, q), 1);
    assert_int_equal(carry(p, q), 0);
    resume_with(q, session, &ca);
    for (int i = 0; i < 2; i++) {
        again(q, true);
        end(q);
    }
    end(p);
    resume_with(p, session, &ca);
    again(p, true);                   /* and still where it began */
    assert_int_equal(carry(p, q), 0); /* resumed is not made anew */
    pair_free(p);
    pair_free(q);
    estoc_blob_free(&session);
    cred_free(&other_server);
}

/* Another node's session is on its way when its client comes. */
static void on_asked(void *ctx)
{
    (*(unsigned *)ctx)++;
}

static void on_its_way(void **state)
{
    (void)state;
    enum { COMES, COMES_NOT, SAYS_NOTHING, NOBODY_WATCHES, CASES };
    for (int i = 0; i < CASES; i++) {
        estoc_blob session;
        pair *p = first(&session);
        pair *q = another_node();
        unsigned asked = 0;
        pair_prepare(q);
        if (i != NOBODY_WATCHES) {
            estoc_dtls_cache_watch(q->sessions, on_asked, &asked);
        }
        resume_with(q, session, &ca);
        estoc_ms begun = q->now;
        pair_connect(q);
        pair_run(q, begun + 20);
        if (i == NOBODY_WATCHES) {
            assert_int_equal(asked, 0);
            assert_int_equal(q->now, begun); /* and nobody has waited */
            assert_int_equal(estoc_dtls_state_of(q->s), ESTOC_DTLS_OPEN);
        } else {
            assert_int_equal(asked, 1);
            assert_int_equal(estoc_dtls_state_of(q->s), ESTOC_DTLS_HANDSHAKE);
            assert_int_equal(q->sent[DOWN], 1); /* the HelloVerifyRequest */
        }
        if (i == COMES) {
            assert_int_equal(carry(p, q), 1);
        }
        if (i == COMES || i == COMES_NOT) {
            estoc_dtls_cache_answer(q->sessions, estoc_dtls_cache_questions(q->sessions));
        }
        pair_run(q, ESTOC_NEVER);
        assert_int_equal(estoc_dtls_state_of(q->c), ESTOC_DTLS_OPEN);
        assert_int_equal(estoc_dtls_resumed(q->s), i == COMES);
        assert_in_range(q->now - begun, 0, i == SAYS_NOTHING ? 250 : 30);
        expect_alive(q);
        end(q);
        if (i == SAYS_NOTHING) {
            estoc_dtls_cache_unwatch(q->sessions, &asked);
        }
        pair_free(p);
        pair_free(q);
        estoc_blob_free(&session);
    }
}

/* A node that might refuse the client in a full handshake has one. */
static void other_trust(void **state)
{
    (void)state;
    enum { OTHER_ANCHOR, MORE_ANCHORS, DENIED, DENIED_ANOTHER, SHORTER, CASES };
    for (int i = 0; i < CASES; i++) {
        estoc_blob session;
        pair *p = first(&session);
        pair *q = another_node();
        q->server_anchor = i == OTHER_ANCHOR ? &other_ca : &ca;
        q->expired_anchor = i == MORE_ANCHORS ? &other_ca : NULL;
        q->denied = i == DENIED ? &device : i == DENIED_ANOTHER ? &other_ca : NULL;
        q->resume_s = i == SHORTER ? 1 : 3600;
        pair_prepare(q);
        assert_int_equal(carry(p, q), 1);
        resume_with(q, session, &ca);
        if (i == SHORTER) {
            sleep(2); /* it is of an hour where it began */
        }
        if (i == OTHER_ANCHOR || i == DENIED) {
            pair_connect(q);
            pair_run(q, ESTOC_NEVER);
            assert_int_equal(estoc_dtls_state_of(q->s), ESTOC_DTLS_FAILED);
            assert_string_equal(estoc_dtls_why(q->s),
                                i == DENIED ? "certificate is denied (CN=dev)"
                                            : "unable to get local issuer certificate (CN=dev)");
        } else {
            again(q, false);
        }
        pair_free(p);
        pair_free(q);
        estoc_blob_free(&session);
    }
}

/* What a database may hold instead of a session. */
static void junk_from_elsewhere(void **state)
{
    (void)state;
    estoc_blob session;
    estoc_dtls_made made;
    pair *p = first(&session);
    pair *q = another_node();
    assert_true(estoc_dtls_cache_take(p->sessions, estoc_unix_s(), &made));
    pair_prepare(q);
    /* the session, the client's certificate, and its trail, which may be missing */
    const uint8_t *cert =
        memmem(made.session.ptr, made.session.len, device.cert.ptr, device.cert.len);
    assert_non_null(cert);
    size_t whole = (size_t)(cert - made.session.ptr) + device.cert.len;
    assert_true(whole < made.session.len);
    for (size_t n = 1; n < whole; n += 5) {
        estoc_dtls_cache_free(q->sessions);
        q->sessions = ((estoc_dtls_context *)q->server)->sessions = estoc_dtls_cache_new(10);
        assert_true(estoc_dtls_cache_add(q->sessions, made.id, estoc_slice_of(made.session.ptr, n),
                                         estoc_unix_s(), made.until));
        resume_with(q, session, &ca);
        again(q, false);
        end(q);
    }
    assert_int_equal(ERR_peek_error(), 0);
    estoc_blob_free(&made.session);
    pair_free(p);
    pair_free(q);
    estoc_blob_free(&session);
}

static void trust_is_a_set(void **state)
{
    (void)state;
    const credential *one[] = {&ca, &other_ca}, *two[] = {&other_ca, &ca};
    estoc_blobs a = blobs_of(one, 2), b = blobs_of(two, 2), c = blobs_of(one, 1);
    estoc_blobs none = {NULL, 0};
    uint8_t want[ESTOC_TRUST_LEN], got[ESTOC_TRUST_LEN];
    assert_int_equal(estoc_dtls_trust(&(estoc_dtls_credentials){.anchors = &a}, want), 0);
    const struct {
        estoc_dtls_credentials id;
        bool same;
    } others[] = {
        {{.anchors = &b}, true},
        {{.anchors = &b, .expired = &none, .denied = &none}, true},
        {{.anchors = &c}, false},
        {{.anchors = &none, .expired = &a}, false},
        {{.anchors = &a, .expired = &c}, false},
        {{.anchors = &a, .denied = &c}, false},
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_int_equal(estoc_dtls_trust(&others[i].id, got), 0);
        assert_int_equal(memcmp(got, want, sizeof got) == 0, others[i].same);
    }
    estoc_blobs_free(&a);
    estoc_blobs_free(&b);
    estoc_blobs_free(&c);
}

/* HC 46: a session made with the extended master secret is not resumed without it. */
static bool without_ems(pair *p, int way, size_t n, estoc_slice dg)
{
    static const uint8_t ems[] = {0, 23, 0, 0};
    (void)n;
    datagram d = {.way = way, .len = dg.len};
    memcpy(d.bytes, dg.ptr, dg.len);
    uint8_t *at = way == UP ? memmem(d.bytes + 60, d.len - 60, ems, sizeof ems) : NULL;
    if (at == NULL) {
        return true;
    }
    at[1] = 99; /* an extension nobody knows */
    p->queue[p->queued++] = d;
    return false;
}

static void no_ems(void **state)
{
    (void)state;
    estoc_blob session;
    pair *p = first(&session);
    end(p);
    resume_with(p, session, &ca);
    p->passes = without_ems;
    pair_connect(p);
    pair_run(p, ESTOC_NEVER);
    assert_int_equal(estoc_dtls_state_of(p->s), ESTOC_DTLS_FAILED);
    assert_string_equal(estoc_dtls_why(p->s), "no extended master secret offered");
    assert_int_equal(estoc_dtls_state_of(p->c), ESTOC_DTLS_FAILED);
    assert_int_equal(alert_of(p, DOWN), SSL_AD_HANDSHAKE_FAILURE);
    pair_free(p);
    estoc_blob_free(&session);
}

/* Who knows the ID, which travels in the clear, and not the secret, gets nowhere. */
static void id_is_no_key(void **state)
{
    (void)state;
    estoc_blob session;
    pair *p = first(&session);
    end(p);
    uint8_t *secret = NULL; /* the 48 bytes OpenSSL writes as an OCTET STRING */
    static const uint8_t tag[] = {0x04, 0x30};
    secret = memmem(session.ptr, session.len, tag, sizeof tag);
    assert_non_null(secret);
    secret[10] ^= 1;
    resume_with(p, session, &ca);
    pair_connect(p);
    pair_run(p, ESTOC_NEVER);
    assert_int_not_equal(estoc_dtls_state_of(p->c), ESTOC_DTLS_OPEN);
    assert_int_not_equal(estoc_dtls_state_of(p->s), ESTOC_DTLS_OPEN);
    pair_free(p);
    estoc_blob_free(&session);
}

/* Each datagram lost once; HC 39 for a resumed handshake. */
static void lossy(void **state)
{
    (void)state;
    for (int way = 0; way < 2; way++) {
        for (size_t n = 1; n <= (way == UP ? 3u : 2u); n++) {
            estoc_blob session;
            pair *p = first(&session);
            end(p);
            resume_with(p, session, &ca);
            p->passes = pass_but_one;
            p->lose[way] = n;
            again(p, true);
            pair_free(p);
            estoc_blob_free(&session);
        }
    }
}

static void by_chance(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 50; seed++) {
        estoc_blob session;
        pair *p = first(&session);
        end(p);
        resume_with(p, session, &ca);
        p->passes = pass_by_chance;
        p->seed = seed;
        pair_connect(p);
        pair_run(p, ESTOC_NEVER);
        if (estoc_dtls_state_of(p->c) == ESTOC_DTLS_OPEN && p->s != NULL &&
            estoc_dtls_state_of(p->s) == ESTOC_DTLS_OPEN) {
            assert_true(estoc_dtls_resumed(p->c));
            p->passes = NULL;
            expect_alive(p);
        }
        pair_free(p);
        estoc_blob_free(&session);
    }
}

/* The server's end goes without a word: that is no reason to forget the session. */
static void end_in_silence(void **state)
{
    (void)state;
    estoc_blob session;
    pair *p = first(&session);
    estoc_dtls_free(p->s);
    estoc_dtls_free(p->c);
    p->c = p->s = NULL;
    resume_with(p, session, &ca);
    again(p, true);
    pair_free(p);
    estoc_blob_free(&session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"D8 304 a resumed handshake is short, and has the same identity", short_handshake, NULL,
         NULL, NULL},
        {"D8 K1 the server's chain is checked again after resumption", recheck, NULL, NULL, NULL},
        {"D8 296 a client resumes only what it still trusts", client_refuses, NULL, NULL, NULL},
        {"D8 a session that is not known is a full handshake", full_instead, NULL, NULL, NULL},
        {"D8 D4 a stranger resumes nothing", strangers, NULL, NULL, NULL},
        {"D8 47 whose certificate is revoked resumes nothing", revoked_since, NULL, NULL, NULL},
        {"D8 a session ends with the certificate", as_long_as_the_certificate, NULL, NULL, NULL},
        {"D8 a session made at one node resumes at another", at_another_node, NULL, NULL, NULL},
        {"D8 a handshake waits a moment for a session on its way", on_its_way, NULL, NULL, NULL},
        {"D8 no session gets past what another node would refuse", other_trust, NULL, NULL, NULL},
        {"D8 what is no session, from another node", junk_from_elsewhere, NULL, NULL, NULL},
        {"D8 whom a server trusts, in any order", trust_is_a_set, NULL, NULL, NULL},
        {"D8 46 no resumption without the extended master secret", no_ems, NULL, NULL, NULL},
        {"D8 the session ID is not enough", id_is_no_key, NULL, NULL, NULL},
        {"D8 39 each datagram of a resumption lost once", lossy, NULL, NULL, NULL},
        {"D8 resumption over a lossy link", by_chance, NULL, NULL, NULL},
        {"D8 an association that just ends keeps its session", end_in_silence, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests_name("dtls resume", tests, pki_set_up, pki_tear_down);
}

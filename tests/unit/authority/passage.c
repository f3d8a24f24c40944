/* SPDX-License-Identifier: MIT
 *
 * The registrar's books, with replies that the test writes: what is sent, what is kept, what is told.
 */
#include "parties.h"

#include <sqlite3.h>

#include "passage.h"

/* clang-format off */
#define NAMED(name, f) {name, f, NULL, NULL, NULL}
/* clang-format on */

static struct party ca, foreign, device, held;
static estoc_blobs issuers;
static estoc_errand errand;
static estoc_passage desk;
static FILE *log_file;
static char store_url[600];

static int set_up(void **state)
{
    int rc = folder_make(state);
    log_file = tmpfile();
    estoc_log_file(log_file);
    party_make(&ca, (struct plan){.subject = "CN=CA", .ca = true});
    party_make(&foreign, (struct plan){.subject = "CN=Maker", .ca = true});
    party_make(&device,
               (struct plan){.subject = "CN=dev-1", .dns = "a.example", .issuer = &foreign});
    party_make(&held, (struct plan){.subject = "CN=dev-1", .dns = "a.example", .issuer = &ca});
    assert_int_equal(estoc_blobs_add(&issuers, ca.cert.der), 0);
    return rc;
}

static int tear_down(void **state)
{
    party_drop(&ca);
    party_drop(&foreign);
    party_drop(&device);
    party_drop(&held);
    estoc_blobs_free(&issuers);
    estoc_log_file(NULL);
    fclose(log_file);
    return folder_remove(state);
}

/* ----------------------------------------------------------------------------------------- rounds */

/* What a device was told. */
struct told {
    unsigned calls;
    estoc_err err;
    uint8_t code;
    uint32_t retry_s;
    size_t cert_len, key_len;
};

static void done(void *ctx, const estoc_verdict *v)
{
    struct told *t = ctx;
    *t = (struct told){t->calls + 1, v->err, v->code, v->retry_s, v->cert.len, v->key.len};
}

static void open_desk(void)
{
    static const char *const files[] = {"r.db", "r.db-wal", "r.db-shm"};
    estoc_why why = {""};
    for (size_t i = 0; i < 3; i++) {
        unlink(in_folder(files[i]));
    }
    snprintf(store_url, sizeof store_url, "sqlite:%s", in_folder("r.db"));
    errand = (estoc_errand){.profile = {.name = ""}};
    desk = (estoc_passage){.store_url = store_url,
                           .node = "here",
                           .retry_window_s = HOUR,
                           .patience_s = 5,
                           .stale_s = 60};
    assert_int_equal(estoc_store_open(store_url, &desk.store, &why), 0);
}

static void close_desk(void)
{
    assert_int_equal(desk.away.n, 0);
    assert_int_equal(desk.behind.n, 0);
    assert_int_equal(desk.unsaved.n, 0);
    estoc_store_close(desk.store);
}

static estoc_parcel *parcel_of(estoc_op op, const struct party *client, const struct bytes *csr,
                               struct told *told)
{
    const estoc_enrollment e = {.op = op,
                                .profile = "",
                                .client_cert = client->cert.der,
                                .csr = bytes_slice(csr),
                                .peer = "[::1]:7",
                                .done = done,
                                .ctx = told};
    estoc_parcel *p = estoc_parcel_new(&errand, &e);
    assert_non_null(p);
    estoc_parcel_examine(p, &issuers);
    return p;
}

/* As the registrar does it. */
static void answer(estoc_parcel *p)
{
    estoc_verdict v = {.err = p->err, .code = p->code, .retry_s = p->retry_s};
    if (!p->err) {
        v.cert = estoc_blob_slice(p->cert);
        v.key = estoc_blob_slice(p->made.len > 0 ? p->made : p->key);
    }
    p->done(p->ctx, &v);
}

static void answer_all(estoc_parcels *answered)
{
    estoc_parcel *p;
    while ((p = estoc_parcels_take(answered)) != NULL) {
        if (!p->answered) {
            answer(p);
        }
        estoc_parcel_free(p);
    }
}

#define ROOM 8
static estoc_parcel *leaving[ROOM];

/* @return how many are to be sent: `leaving` */
static size_t take_round(estoc_parcel *fresh, estoc_parcel *second, estoc_parcel *returned)
{
    estoc_parcels list = {NULL, NULL, 0}, answered = list;
    size_t n = 0;
    if (fresh != NULL) {
        estoc_parcels_put(&list, fresh);
    }
    if (second != NULL) {
        estoc_parcels_put(&list, second);
    }
    estoc_passage_round(&desk, &list, returned, &answered, leaving, &n);
    assert_int_equal(list.n, 0);
    answer_all(&answered);
    return n;
}

static size_t come(estoc_op op, const struct party *client, const struct bytes *csr,
                   struct told *told)
{
    return take_round(parcel_of(op, client, csr, told), NULL, NULL);
}

/* A reply with a certificate for this key. */
static size_t reply_issued(estoc_parcel *p, struct party *holder)
{
    uint8_t cms[4096];
    size_t len = 0;
    struct party issued = {.key = holder->key};
    party_make(&issued, (struct plan){.subject = "CN=dev-1", .issuer = &ca});
    assert_int_equal(estoc_certs_build(&issued.cert.der, 1, (estoc_buf){cms, sizeof cms}, &len), 0);
    const estoc_upstream_reply r = {
        .status = 200, .url = "https://a.example/", .body = estoc_slice_of(cms, len)};
    estoc_parcel_keep(p, &r);
    return take_round(NULL, NULL, p);
}

static size_t reply_with(estoc_parcel *p, estoc_upstream_reply r)
{
    r.url = "https://a.example/";
    r.text = "no";
    estoc_parcel_keep(p, &r);
    return take_round(NULL, NULL, p);
}

static estoc_relay_state state_of(const estoc_parcel *like, bool *found)
{
    estoc_relay_question q = {.identity = like->relay.identity,
                              .csr = like->relay.csr,
                              .profile = like->relay.profile,
                              .op = like->relay.op};
    assert_int_equal(estoc_relay_ask(desk.store, &q, 1), 0);
    estoc_relay_question_free(&q);
    *found = q.found;
    return q.state;
}

static void assert_state(estoc_op op, const struct party *client, const struct bytes *csr,
                         bool there, estoc_relay_state state)
{
    struct told t = {0};
    bool found;
    estoc_parcel *like = parcel_of(op, client, csr, &t);
    estoc_relay_state is = state_of(like, &found);
    estoc_parcel_free(like);
    assert_int_equal(found, there);
    assert_true(!there || is == state);
}

/* ------------------------------------------------------------------------------------------- tests */

/* HC 261, 262: in the store before it is sent, and before it is told; once for the same request. */
static void issued_once(void **state)
{
    (void)state;
    struct told first = {0}, second = {0}, third = {0};
    struct bytes csr = csr_of(device.key, "CN=dev-1", NULL);
    open_desk();
    assert_int_equal(come(ESTOC_OP_SEN, &device, &csr, &first), 1);
    assert_state(ESTOC_OP_SEN, &device, &csr, true, ESTOC_RELAY_SENT);
    assert_int_equal(come(ESTOC_OP_SEN, &device, &csr, &second), 0); /* stands behind */
    assert_int_equal(first.calls + second.calls, 0);
    assert_int_equal(reply_issued(leaving[0], &device), 0);
    assert_state(ESTOC_OP_SEN, &device, &csr, true, ESTOC_RELAY_ISSUED);
    assert_int_equal(first.calls, 1);
    assert_int_equal(first.err, 0);
    assert_int_equal(second.calls, 1);
    assert_int_equal(second.cert_len, first.cert_len);
    assert_int_equal(come(ESTOC_OP_SEN, &device, &csr, &third), 0);
    assert_int_equal(third.err, 0);
    assert_int_equal(third.cert_len, first.cert_len);
    close_desk();
}

/* Two at once, of the same: one goes. */
static void two_at_once(void **state)
{
    (void)state;
    struct told a = {0}, b = {0};
    struct bytes csr = csr_of(device.key, "CN=dev-1", NULL);
    open_desk();
    assert_int_equal(take_round(parcel_of(ESTOC_OP_SEN, &device, &csr, &a),
                                parcel_of(ESTOC_OP_SEN, &device, &csr, &b), NULL),
                     1);
    assert_int_equal(reply_issued(leaving[0], &device), 0);
    assert_int_equal(a.calls, 1);
    assert_int_equal(b.calls, 1);
    assert_int_equal(a.err + b.err, 0);
    close_desk();
}

/* L2: what was accepted is not asked for before it is time, and forgotten when it was refused. */
static void accepted(void **state)
{
    (void)state;
    struct told t = {0};
    struct bytes csr = csr_of(device.key, "CN=dev-1", NULL);
    open_desk();
    assert_int_equal(come(ESTOC_OP_SEN, &device, &csr, &t), 1);
    estoc_upstream_reply later = {.err = ESTOC_E_LATER,
                                  .code = ESTOC_COAP_UNAVAILABLE,
                                  .status = 202,
                                  .accepted = true,
                                  .retry_s = 30};
    assert_int_equal(reply_with(leaving[0], later), 0);
    assert_int_equal(t.err, ESTOC_E_LATER);
    assert_int_equal(t.retry_s, 30);
    assert_state(ESTOC_OP_SEN, &device, &csr, true, ESTOC_RELAY_WAITING);
    assert_int_equal(come(ESTOC_OP_SEN, &device, &csr, &t), 0);
    assert_int_equal(t.calls, 2);
    assert_in_range(t.retry_s, 25, 30);
    /* another has no part in it */
    struct bytes more = csr_of(device.key, "CN=dev-1", "a.example");
    assert_int_equal(come(ESTOC_OP_SEN, &device, &more, &t), 1);
    later.retry_s = 1;
    assert_int_equal(reply_with(leaving[0], later), 0);
    sleep(2);
    assert_int_equal(come(ESTOC_OP_SEN, &device, &more, &t), 1);
    assert_string_equal(leaving[0]->url, "https://a.example/"); /* where it is known */
    estoc_upstream_reply down = {
        .err = ESTOC_E_LATER, .code = ESTOC_COAP_UNAVAILABLE, .retry_s = 1};
    assert_int_equal(reply_with(leaving[0], down), 0); /* that decides nothing */
    assert_state(ESTOC_OP_SEN, &device, &more, true, ESTOC_RELAY_WAITING);
    sleep(2);
    assert_int_equal(come(ESTOC_OP_SEN, &device, &more, &t), 1);
    estoc_upstream_reply no = {
        .err = ESTOC_E_UPSTREAM, .code = ESTOC_COAP_FORBIDDEN, .status = 403};
    assert_int_equal(reply_with(leaving[0], no), 0);
    assert_int_equal(t.code, ESTOC_COAP_FORBIDDEN);
    assert_state(ESTOC_OP_SEN, &device, &more, false, 0);
    close_desk();
}

/* What may have been issued stays known; what was not sent does not. */
static void no_answer(void **state)
{
    (void)state;
    struct told t = {0};
    struct bytes csr = csr_of(device.key, "CN=dev-1", NULL);
    open_desk();
    assert_int_equal(come(ESTOC_OP_SEN, &device, &csr, &t), 1);
    estoc_upstream_reply r = {
        .err = ESTOC_E_UPSTREAM, .code = ESTOC_COAP_GATEWAY_TIMEOUT, .uncertain = true};
    assert_int_equal(reply_with(leaving[0], r), 0);
    assert_int_equal(t.code, ESTOC_COAP_GATEWAY_TIMEOUT);
    assert_state(ESTOC_OP_SEN, &device, &csr, true, ESTOC_RELAY_LOST);
    assert_int_equal(come(ESTOC_OP_SEN, &device, &csr, &t), 1);
    r.uncertain = false;
    assert_int_equal(reply_with(leaving[0], r), 0);
    assert_state(ESTOC_OP_SEN, &device, &csr, false, 0);
    close_desk();
}

static void tell(estoc_parcel *p)
{
    answer(p);
}

/* HC 261: the device is told to come again, and the certificate is there then. */
static void patience(void **state)
{
    (void)state;
    struct told a = {0}, b = {0}, c = {0};
    estoc_parcels answered = {NULL, NULL, 0};
    struct bytes csr = csr_of(device.key, "CN=dev-1", NULL);
    open_desk();
    assert_int_equal(come(ESTOC_OP_SEN, &device, &csr, &a), 1);
    estoc_parcel *sent = leaving[0];
    assert_int_equal(come(ESTOC_OP_SEN, &device, &csr, &b), 0);
    estoc_ms at = estoc_passage_deadline(&desk);
    assert_in_range(at, estoc_now_ms() + 4000, estoc_now_ms() + 5000);
    estoc_passage_lose_patience(&desk, at - 1, tell, &answered);
    assert_int_equal(answered.n + a.calls, 0);
    estoc_passage_lose_patience(&desk, at + 1000, tell, &answered);
    answer_all(&answered);
    assert_int_equal(a.calls, 1);
    assert_int_equal(a.err, ESTOC_E_LATER);
    assert_int_equal(b.calls, 1);
    assert_int_equal(b.err, ESTOC_E_LATER);
    assert_int_equal(estoc_passage_deadline(&desk), ESTOC_NEVER);
    assert_int_equal(reply_issued(sent, &device), 0);
    assert_int_equal(a.calls, 1); /* it is gone */
    assert_int_equal(come(ESTOC_OP_SEN, &device, &csr, &c), 0);
    assert_int_equal(c.err, 0);
    close_desk();
}

static void alter(const char *statement)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(in_folder("r.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, statement, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* G3: a store that fails loses nothing that came back. */
static void store_away(void **state)
{
    (void)state;
    struct told t = {0}, u = {0};
    struct bytes csr = csr_of(device.key, "CN=dev-1", NULL);
    struct bytes more = csr_of(device.key, "CN=dev-1", "a.example");
    open_desk();
    assert_int_equal(come(ESTOC_OP_SEN, &device, &csr, &t), 1);
    alter("CREATE TRIGGER full BEFORE UPDATE ON relay BEGIN SELECT RAISE(ABORT, 'full'); END");
    alter("CREATE TRIGGER full2 BEFORE INSERT ON relay BEGIN SELECT RAISE(ABORT, 'full'); END");
    assert_int_equal(reply_issued(leaving[0], &device), 0);
    assert_int_equal(t.calls, 1);
    assert_int_equal(t.err, ESTOC_E_STORE); /* no answer before it is kept */
    assert_int_equal(desk.unsaved.n, 1);
    assert_int_equal(come(ESTOC_OP_SEN, &device, &more, &u), 0);
    assert_int_equal(u.err, ESTOC_E_STORE);
    alter("DROP TRIGGER full");
    alter("DROP TRIGGER full2");
    estoc_ms at = estoc_passage_deadline(&desk);
    assert_in_range(at, estoc_now_ms(), estoc_now_ms() + 1000);
    while (estoc_now_ms() < at) {
        usleep(20000);
    }
    assert_int_equal(take_round(NULL, NULL, NULL), 0);
    assert_int_equal(desk.unsaved.n, 0);
    assert_int_equal(come(ESTOC_OP_SEN, &device, &csr, &t), 0);
    assert_int_equal(t.calls, 2);
    assert_int_equal(t.err, 0);
    close_desk();
}

/* A certificate for another key is no answer. */
static void other_key(void **state)
{
    (void)state;
    struct told t = {0};
    struct bytes csr = csr_of(device.key, "CN=dev-1", NULL);
    open_desk();
    assert_int_equal(come(ESTOC_OP_SEN, &device, &csr, &t), 1);
    assert_int_equal(reply_issued(leaving[0], &held), 0);
    assert_int_equal(t.err, ESTOC_E_UPSTREAM);
    assert_int_equal(t.code, ESTOC_COAP_INTERNAL_ERROR);
    assert_int_equal(t.cert_len, 0);
    assert_state(ESTOC_OP_SEN, &device, &csr, true, ESTOC_RELAY_LOST);
    close_desk();
}

/* E5, X2: made here, and made anew each time. */
static void keys_made_here(void **state)
{
    (void)state;
    struct told t = {0};
    estoc_csr made;
    struct bytes csr = csr_of(device.key, "", "a.example");
    open_desk();
    errand.profile.keygen = true;
    errand.keygen = ESTOC_KEYGEN_HERE;
    for (unsigned i = 1; i <= 2; i++) {
        assert_int_equal(come(ESTOC_OP_SKG, &device, &csr, &t), 1);
        estoc_parcel *p = leaving[0];
        assert_int_equal(estoc_parcel_operation(p), ESTOC_UPSTREAM_ENROLL);
        assert_int_equal(estoc_csr_parse(&made, estoc_parcel_request(p)), 0);
        assert_int_equal(estoc_verify(&made.spki, made.sig, made.info, made.signature), 0);
        assert_true(estoc_slice_eq(made.subject, device.cert.subject));
        assert_true(estoc_slice_eq(made.san, device.cert.san));
        struct party holder = {.key = NULL};
        estoc_why why;
        assert_int_equal(estoc_key_parse(estoc_blob_slice(p->made), &holder.key, &why), 0);
        estoc_passage_lose_patience(&desk, estoc_now_ms() + 60000, tell, &(estoc_parcels){0});
        assert_int_equal(t.calls, i - 1); /* it waits, for its key is not kept */
        assert_int_equal(reply_issued(p, &holder), 0);
        party_drop(&holder);
        assert_int_equal(t.calls, i);
        assert_int_equal(t.err, 0);
        assert_in_range(t.key_len, 50, 300);
    }
    close_desk();
}

/* G2, E4, X10: who may ask for what, before anything is sent. */
static void examined(void **state)
{
    (void)state;
    struct told t = {0};
    struct bytes good = csr_of(device.key, "CN=dev-1", NULL);
    struct bytes nameless = csr_of(device.key, "", "a.example");
    struct bytes other = csr_of(device.key, "CN=dev-2", NULL);
    struct bytes same = csr_of(device.key, "CN=dev-1", "a.example");
    open_desk();
    assert_int_equal(come(ESTOC_OP_SEN, &device, &nameless, &t), 0);
    assert_int_equal(t.err, ESTOC_E_FORBIDDEN);
    assert_int_equal(come(ESTOC_OP_SEN, &device, &other, &t), 0);
    assert_int_equal(t.err, ESTOC_E_FORBIDDEN);
    assert_int_equal(come(ESTOC_OP_SREN, &device, &same, &t), 0); /* of its maker's CA */
    assert_int_equal(t.err, ESTOC_E_FORBIDDEN);
    assert_int_equal(come(ESTOC_OP_SREN, &held, &good, &t), 0); /* lacks the other name */
    assert_int_equal(t.err, ESTOC_E_FORBIDDEN);
    assert_int_equal(come(ESTOC_OP_SKG, &device, &good, &t), 0); /* not offered */
    assert_int_equal(t.err, ESTOC_E_FORBIDDEN);
    assert_int_equal(t.calls, 5);
    estoc_blobs known = issuers;
    issuers = (estoc_blobs){NULL, 0};
    assert_int_equal(come(ESTOC_OP_SREN, &held, &same, &t), 0);
    assert_int_equal(t.err, ESTOC_E_LATER);
    issuers = known;
    assert_int_equal(come(ESTOC_OP_SREN, &held, &same, &t), 1);
    assert_int_equal(estoc_parcel_operation(leaving[0]), ESTOC_UPSTREAM_ENROLL);
    errand.reenroll = true;
    assert_int_equal(estoc_parcel_operation(leaving[0]), ESTOC_UPSTREAM_REENROLL);
    assert_int_equal(reply_issued(leaving[0], &device), 0);
    assert_int_equal(t.err, 0);
    close_desk();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED("issued once", issued_once),
        NAMED("two at once", two_at_once),
        NAMED("accepted", accepted),
        NAMED("no answer", no_answer),
        NAMED("patience", patience),
        NAMED("a store that is away", store_away),
        NAMED("a certificate for another key", other_key),
        NAMED("keys made here", keys_made_here),
        NAMED("examined", examined),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* SPDX-License-Identifier: MIT
 *
 * estoc bench: enrollments, each a full handshake and /sen, on M associations at a time. One thread;
 * each association has its own socket. Keys are made before the clock of an enrollment starts.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "anchors.h"
#include "bench.h"
#include "estoc.h"
#include "journal.h"
#include "output.h"
#include "request.h"
#include "resume.h"
#include "text.h"

#define ROOM              8192
#define DTLS_TIMEOUT_MS   1000
#define PROGRESS_EVERY_US 100000
#define POLL_MOST_MS      1000
#define BAR               30
#define REST_MS           250 /* before a request is repeated */

struct slot {
    estoc_connection conn;
    estoc_client client;
    estoc_key *key;
    uint8_t csr[ESTOC_CSR_MAX];
    size_t csr_len;
    uint64_t started_us;
    bool busy, asked; /* an enrollment is under way; its request has begun */
    bool resting;     /* between two associations, until `rested` */
    estoc_ms rested;
    uint8_t room[ROOM];
};

struct bench {
    const estoc_options *opt;
    estoc_uri uri;
    estoc_addresses to;
    estoc_identity id;
    estoc_dtls_client *dtls;
    estoc_request_plan plan;
    struct slot *slot;
    struct pollfd *poll;
    uint32_t begun;
    estoc_tally tally;
    FILE *journal; /* or NULL */
    uint64_t started_us, shown_us;
    bool bar;
};

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static void finish(struct slot *s)
{
    estoc_connection_close(&s->conn);
    s->busy = false;
    s->resting = false;
}

static void failed(struct bench *b, struct slot *s, int code, const char *reason)
{
    char text[96]; /* the reason may live in the association that ends here */
    snprintf(text, sizeof text, "%s", reason);
    finish(s);
    estoc_tally_failed(&b->tally, code, text);
}

static estoc_err make_key_and_csr(const struct bench *b, struct slot *s)
{
    estoc_err err = ESTOC_OK;
    if (s->key == NULL || !b->opt->same_key) {
        estoc_key_free(s->key);
        s->key = NULL;
        err = estoc_key_generate(ESTOC_KEY_P256, &s->key);
    }
    estoc_buf out = {s->csr, sizeof s->csr};
    return err ? err : estoc_request_build(&b->plan, s->key, out, &s->csr_len);
}

/* The same, linked to the association, which there is only now. */
static estoc_err link_csr(const struct bench *b, struct slot *s)
{
    char password[ESTOC_PASSWORD_LEN];
    estoc_request_plan plan = b->plan;
    plan.password = estoc_connection_password(&s->conn, password);
    return estoc_request_build(&plan, s->key, (estoc_buf){s->csr, sizeof s->csr}, &s->csr_len);
}

static void open_connection(struct bench *b, struct slot *s)
{
    estoc_why why = {""};
    s->asked = false;
    s->resting = false;
    memset(&s->conn, 0, sizeof s->conn);
    s->conn.fd = -1;
    if (estoc_connection_open(&s->conn, &b->to, 0, b->dtls, estoc_now_ms(), &why)) {
        failed(b, s, ESTOC_EXIT_LOCAL, why.text);
    }
}

static void begin(struct bench *b, struct slot *s)
{
    b->begun++;
    s->busy = true;
    s->conn.fd = -1;
    if (make_key_and_csr(b, s)) {
        failed(b, s, ESTOC_EXIT_LOCAL, "the key or the request could not be made");
        return;
    }
    s->started_us = now_us();
    open_connection(b, s);
}

/* With --retry: the same request over another association, as a device does that heard nothing.
 *                                                                       RFC 9148 section 4.7 */
static bool repeat(struct bench *b, struct slot *s, estoc_ms now)
{
    if (now_us() - s->started_us >= (uint64_t)b->opt->retry_s * 1000000u) {
        return false;
    }
    estoc_connection_close(&s->conn);
    s->resting = true;
    s->rested = now + REST_MS;
    b->tally.repeated++;
    return true;
}

/* The handshake is over: ask. */
static estoc_err ask(const struct bench *b, struct slot *s, estoc_ms now)
{
    estoc_client_cfg cfg = {.requester = estoc_requester_settings(b->opt, &s->conn),
                            .root_n = b->uri.segment_n,
                            .steps = ESTOC_STEP_SEN,
                            .cert_format = b->opt->format,
                            .room = {s->room, sizeof s->room},
                            .wait_max_s = b->opt->wait_s};
    memcpy(cfg.root, b->uri.segment, sizeof cfg.root);
    if (b->opt->label != NULL) {
        cfg.label = estoc_slice_str(b->opt->label);
    }
    s->asked = true;
    estoc_err err = b->opt->pop ? link_csr(b, s) : ESTOC_OK;
    err = err ? err : estoc_client_start(&s->client, now, &cfg);
    return err ? err : estoc_client_csr(&s->client, now, estoc_slice_of(s->csr, s->csr_len));
}

/* A certificate for our key, or it does not count. @param[out] cert  DER */
static estoc_err check(const struct slot *s, estoc_slice *cert)
{
    uint16_t format;
    estoc_slice answer = estoc_client_answer(&s->client, &format);
    estoc_slice chain[ESTOC_ANSWER_CERTS_MAX];
    size_t n = 0;
    estoc_csr csr;
    estoc_err err = estoc_csr_parse(&csr, estoc_slice_of(s->csr, s->csr_len));
    err = err ? err : estoc_issued_take(answer, format, csr.spki.der, chain, &n);
    *cert = chain[0];
    return err;
}

static void succeeded(struct bench *b, struct slot *s, estoc_ms now)
{
    uint64_t us = now_us() - s->started_us;
    estoc_slice cert;
    estoc_err err = check(s, &cert);
    if (!err && b->journal != NULL &&
        estoc_journal_note(b->journal, estoc_slice_of(s->csr, s->csr_len), cert)) {
        failed(b, s, ESTOC_EXIT_LOCAL, "the journal could not be written");
        return;
    }
    err = err ? err : estoc_client_installed(&s->client, now, true);
    if (err) {
        failed(b, s, ESTOC_EXIT_SERVER, "the answer is not a certificate for the key sent");
        return;
    }
    finish(s);
    estoc_tally_done(&b->tally, us, &s->conn.figures);
}

static void lost(struct bench *b, struct slot *s, estoc_ms now, estoc_err err)
{
    char text[96];
    if (repeat(b, s, now)) {
        return;
    }
    if (err == ESTOC_E_UNTRUSTED) {
        snprintf(text, sizeof text, "handshake: %s", estoc_dtls_why(s->conn.dtls));
    } else if (err == ESTOC_E_TIMEOUT && s->conn.refused) {
        snprintf(text, sizeof text, "nothing listens there");
    } else {
        snprintf(text, sizeof text, "%s %s", estoc_err_text(err),
                 s->asked ? "to /sen" : "in the handshake");
    }
    failed(b, s, estoc_exit_code(err), text);
}

static void refused(struct bench *b, struct slot *s, estoc_ms now)
{
    const estoc_reply *reply = estoc_client_refusal(&s->client);
    estoc_err err = estoc_client_error(&s->client);
    char text[96];
    char words[64];
    if (err == ESTOC_E_TIMEOUT) {
        lost(b, s, now, err);
        return;
    }
    if (err == ESTOC_E_PEER && repeat(b, s, now)) {
        return;
    }
    if (ESTOC_COAP_CLASS(reply->code) >= 4) {
        snprintf(text, sizeof text, "%u.%02u %s", ESTOC_COAP_CLASS(reply->code),
                 ESTOC_COAP_DETAIL(reply->code),
                 estoc_plain_text(reply->body, words, sizeof words));
    } else {
        snprintf(text, sizeof text, "%s", estoc_err_text(err));
    }
    failed(b, s, estoc_exit_code(err), text);
}

/* Nobody answered the handshake: with --wait, as a device would, once more. */
static bool try_again(struct bench *b, struct slot *s, estoc_ms now)
{
    estoc_why why = {""};
    if (s->asked || s->conn.refused ||
        now_us() - s->started_us >= (uint64_t)b->opt->wait_s * 1000000u) {
        return false;
    }
    estoc_connection_close(&s->conn);
    return !estoc_connection_open(&s->conn, &b->to, 0, b->dtls, now, &why);
}

static void turn(struct bench *b, struct slot *s, estoc_ms now)
{
    estoc_machine m = estoc_machine_client(&s->client);
    estoc_err err = estoc_connection_step(&s->conn, now, s->asked ? &m : NULL);
    if (!err && !s->asked && estoc_connection_is_open(&s->conn)) {
        err = ask(b, s, now);
        err = err ? err : estoc_connection_step(&s->conn, now, &m);
    }
    unsigned state = s->asked ? estoc_client_state(&s->client) : 0;
    if ((state & ESTOC_CLIENT_WANT_INSTALL) != 0) {
        succeeded(b, s, now);
    } else if ((state & ESTOC_CLIENT_FAILED) != 0) {
        refused(b, s, now);
    } else if (err && !(err == ESTOC_E_TIMEOUT && try_again(b, s, now))) {
        lost(b, s, now, err);
    } else if (s->asked && estoc_client_wait_s(&s->client, now) > 0) {
        s->conn.heard = now;
    } else if (now - s->conn.heard >= (estoc_ms)b->opt->timeout_s * 1000u) {
        lost(b, s, now, ESTOC_E_TIMEOUT);
    }
}

static estoc_ms deadline_of(struct slot *s)
{
    if (s->resting) {
        return s->rested;
    }
    estoc_machine m = estoc_machine_client(&s->client);
    return estoc_connection_deadline(&s->conn, s->asked ? &m : NULL);
}

static void show(struct bench *b, bool last)
{
    uint64_t now = now_us();
    if (!b->bar || (!last && now - b->shown_us < PROGRESS_EVERY_US)) {
        return;
    }
    b->shown_us = now;
    if (last) {
        fputs("\r\033[K", stderr);
        return;
    }
    uint32_t over = b->tally.done + b->tally.failed;
    int filled = (int)((uint64_t)over * BAR / b->opt->count);
    fprintf(stderr, "\r[%.*s%.*s] %u/%u  %.0f per second  %u failed\033[K", filled,
            "##############################", BAR - filled, "..............................",
            (unsigned)over, (unsigned)b->opt->count,
            (double)b->tally.done * 1e6 / (double)(now - b->started_us + 1),
            (unsigned)b->tally.failed);
}

/* Wait until a socket has something or an association has something due. */
static void wait_for_any(struct bench *b)
{
    estoc_ms now = estoc_now_ms();
    estoc_ms due = now + POLL_MOST_MS;
    for (uint32_t i = 0; i < b->opt->concurrency; i++) {
        struct slot *s = &b->slot[i];
        b->poll[i] = (struct pollfd){s->busy ? s->conn.fd : -1, POLLIN, 0};
        estoc_ms own = s->busy ? deadline_of(s) : ESTOC_NEVER;
        due = own < due ? own : due;
    }
    (void)poll(b->poll, b->opt->concurrency, due > now ? (int)(due - now) : 0);
}

static bool slot_round(struct bench *b, uint32_t i, estoc_ms now)
{
    struct slot *s = &b->slot[i];
    bool silent = now - s->conn.heard >= (estoc_ms)b->opt->timeout_s * 1000u;
    if (s->resting) {
        if (s->rested <= now) {
            open_connection(b, s);
        }
    } else if (s->busy && (b->poll[i].revents != 0 || silent || deadline_of(s) <= now)) {
        turn(b, s, now);
    }
    if (!s->busy && b->begun < b->opt->count) {
        begin(b, s);
    }
    return s->busy || b->begun < b->opt->count;
}

static void load(struct bench *b)
{
    b->started_us = now_us();
    for (bool more = true; more;) {
        more = false;
        estoc_ms now = estoc_now_ms();
        for (uint32_t i = 0; i < b->opt->concurrency; i++) {
            more = slot_round(b, i, now) || more;
        }
        show(b, false);
        if (more) {
            wait_for_any(b);
        }
    }
    b->tally.elapsed_us = now_us() - b->started_us;
    show(b, true);
}

/* One file descriptor for each association, and a few of our own. */
static bool room_for_sockets(uint32_t n)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return true;
    }
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_max == RLIM_INFINITY || limit.rlim_max >= (rlim_t)n + 16;
}

static int prepare(struct bench *b)
{
    estoc_why why = {""};
    estoc_cert cert;
    if (b->id.chain.n == 0) {
        return estoc_say("bench", ESTOC_EXIT_LOCAL,
                         "give --cert and --key: each enrollment uses them");
    }
    if (b->opt->journal != NULL && estoc_journal_open(b->opt->journal, &b->journal)) {
        return estoc_say("bench", ESTOC_EXIT_LOCAL, "--journal %s: %s", b->opt->journal,
                         strerror(errno));
    }
    if (!room_for_sockets(b->opt->concurrency)) {
        return estoc_say("bench", ESTOC_EXIT_LOCAL,
                         "too few file descriptors for --concurrency %u; raise `ulimit -n`",
                         (unsigned)b->opt->concurrency);
    }
    estoc_err err = estoc_cert_parse(&cert, estoc_blob_slice(b->id.chain.at[0]));
    b->plan.subject = cert.subject;
    err = err ? err : estoc_uri_parse(b->opt->uri, &b->uri, &why);
    if (!err && estoc_resolve(&b->uri, &b->to, &why)) {
        return estoc_say("bench", ESTOC_EXIT_SILENCE, "%s", why.text);
    }
    if (!err) {
        estoc_dtls_client_cfg cfg = {.chain = &b->id.chain,
                                     .key = b->id.key,
                                     .anchors = &b->id.anchors,
                                     .host = b->uri.host,
                                     .accept_ra = true,
                                     .payload_max = estoc_payload_max(b->opt, &b->to.at[0]),
                                     .timeout_ms = DTLS_TIMEOUT_MS};
        err = estoc_dtls_client_new(&cfg, &b->dtls, &why);
        if (!err) {
            estoc_resume_load(b->opt, &b->id, b->dtls);
        }
    }
    err = err ? err : estoc_tally_make(&b->tally, b->opt->count);
    b->slot = calloc(b->opt->concurrency, sizeof *b->slot);
    b->poll = calloc(b->opt->concurrency, sizeof *b->poll);
    if (!err && (b->slot == NULL || b->poll == NULL)) {
        err = ESTOC_E_MEMORY;
    }
    return err ? estoc_say("bench", ESTOC_EXIT_LOCAL, "%s",
                           why.text[0] != '\0' ? why.text : estoc_err_text(err))
               : ESTOC_EXIT_DONE;
}

static int report(struct bench *b)
{
    estoc_tally_sort(&b->tally);
    int code = estoc_tally_code(&b->tally);
    const char *keys = b->opt->same_key ? "one key for each association's slot"
                                        : "a fresh P-256 key for each enrollment";
    if (!b->opt->json) {
        printf("bench        %s, %u at a time, %s\n", b->opt->uri, (unsigned)b->opt->concurrency,
               keys);
        estoc_tally_print(&b->tally, stdout);
        return code;
    }
    cJSON *json = estoc_tally_json(&b->tally);
    cJSON_AddStringToObject(json, "uri", b->opt->uri);
    cJSON_AddNumberToObject(json, "concurrency", b->opt->concurrency);
    cJSON_AddBoolToObject(json, "fresh_keys", !b->opt->same_key);
    int printed = estoc_json_print("bench", json);
    return code ? code : printed;
}

int estoc_cmd_bench(estoc_options *opt)
{
    struct bench b = {.opt = opt, .bar = isatty(STDERR_FILENO) != 0};
    int code = estoc_identity_load(opt, &b.id);
    code = code ? code : prepare(&b);
    if (!code) {
        load(&b);
        code = report(&b);
    }
    for (uint32_t i = 0; b.slot != NULL && i < opt->concurrency; i++) {
        estoc_key_free(b.slot[i].key);
    }
    estoc_dtls_client_free(b.dtls);
    estoc_tally_free(&b.tally);
    estoc_identity_free(&b.id);
    if (b.journal != NULL) {
        fclose(b.journal); /* each line was flushed as it came */
    }
    free(b.slot);
    free(b.poll);
    return code;
}

/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <estoc/block.h>

#include "credential.h"
#include "resume.h"
#include "talk.h"
#include "text.h"

#define PROGRESS_AFTER_MS 2000
#define PROGRESS_EVERY_MS 250
#define DTLS_TIMEOUT_MS   1000 /* first retransmission of a flight. RFC 6347 section 4.2.4.1 */

int estoc_identity_load(const estoc_options *opt, estoc_identity *id)
{
    estoc_why why = {""};
    memset(id, 0, sizeof *id);
    if ((opt->cert == NULL) != (opt->key == NULL)) {
        return estoc_say(opt->command, ESTOC_EXIT_LOCAL,
                         "--cert and --key belong together; give both");
    }
    if (opt->ta == NULL) {
        return estoc_say(opt->command, ESTOC_EXIT_LOCAL,
                         "no trust anchor to know the server by; give --ta FILE "
                         "(`estocd device` makes one)");
    }
    estoc_err err = estoc_certs_load(opt->ta, &id->anchors, &why);
    if (!err && opt->cert != NULL) {
        err = estoc_credential_load(opt->cert, opt->key, &id->chain, &id->key, &why);
    }
    if (err) {
        estoc_identity_free(id);
        return estoc_say(opt->command, ESTOC_EXIT_LOCAL, "%s",
                         why.text[0] != '\0' ? why.text : estoc_err_text(err));
    }
    return ESTOC_EXIT_DONE;
}

void estoc_identity_free(estoc_identity *id)
{
    estoc_blobs_free(&id->chain);
    estoc_blobs_free(&id->anchors);
    estoc_key_free(id->key);
    id->key = NULL;
}

size_t estoc_payload_max(const estoc_options *opt, const struct sockaddr_storage *to)
{
    size_t header = to->ss_family == AF_INET6 ? 48 : 28;
    size_t payload = opt->mtu - header;
    return payload < ESTOC_DATAGRAM_MAX ? payload : ESTOC_DATAGRAM_MAX;
}

estoc_requester_cfg estoc_requester_settings(const estoc_options *opt, const estoc_connection *c)
{
    estoc_requester_cfg cfg = {.random = estoc_random_system(),
                               .tx = estoc_transmission_default(),
                               .szx = estoc_block_szx_for(opt->block_size)};
    size_t max = estoc_dtls_message_max(c->dtls);
    cfg.message_max = max < ESTOC_MESSAGE_MAX ? max : ESTOC_MESSAGE_MAX;
    cfg.tx.response_ms = opt->timeout_s * 1000u;
    return cfg;
}

/* ---- what is shown on the way ---- */

static void clear_progress(estoc_talk *t)
{
    if (t->progress_shown) {
        fputs("\r\033[K", stderr);
        t->progress_shown = false;
    }
}

static void show_progress(estoc_talk *t, estoc_ms now)
{
    if (now - t->started < PROGRESS_AFTER_MS || t->opt->verbose || !isatty(STDERR_FILENO)) {
        return;
    }
    uint32_t wait_s = estoc_client_wait_s(&t->client, now);
    if (wait_s > 0) {
        fprintf(stderr, "\rthe server says later: asking again in %u s (Ctrl-C stops)\033[K",
                (unsigned)wait_s);
    } else {
        fprintf(stderr, "\r%s: %s, %llu datagrams, %llu s\033[K", t->uri.host,
                estoc_connection_is_open(&t->conn) ? "waiting for the answer" : "handshake",
                (unsigned long long)(t->conn.figures.sent + t->conn.figures.received),
                (unsigned long long)((now - t->started) / 1000u));
    }
    t->progress_shown = true;
}

/* Once for each wait, also where no terminal shows progress. */
static void tell_wait(estoc_talk *t, estoc_ms now)
{
    uint32_t wait_s = estoc_client_wait_s(&t->client, now);
    if (wait_s == 0 || now < t->waiting_until) {
        return;
    }
    clear_progress(t);
    t->waiting_until = now + (estoc_ms)wait_s * 1000u;
    (void)estoc_say(t->opt->command, 0, "the server says later; asking again in %u s",
                    (unsigned)wait_s);
}

static void watch(void *ctx, bool sent, estoc_slice message)
{
    estoc_talk *t = ctx;
    if (t->opt->verbose) {
        clear_progress(t);
    }
    estoc_tracer_message(&t->tracer, sent, message);
}

static void watch_datagram(void *ctx, bool sent, estoc_slice datagram)
{
    estoc_talk *t = ctx;
    if (t->opt->verbose) {
        clear_progress(t);
    }
    estoc_tracer_datagram(&t->tracer, sent, datagram);
}

const char *estoc_talk_figures(const estoc_talk *t, char *out, size_t cap)
{
    const estoc_figures *f = &t->conn.figures;
    snprintf(out, cap, "%llu datagrams, %llu bytes (%llu up, %llu down), %llu ms",
             (unsigned long long)(f->sent + f->received),
             (unsigned long long)(f->sent_bytes + f->received_bytes),
             (unsigned long long)f->sent_bytes, (unsigned long long)f->received_bytes,
             (unsigned long long)(estoc_now_ms() - t->started));
    return out;
}

/* ---- what went wrong ---- */

int estoc_talk_refused(const estoc_talk *t, const estoc_reply *reply)
{
    bool later =
        reply->code == ESTOC_COAP_UNAVAILABLE || reply->code == ESTOC_COAP_TOO_MANY_REQUESTS;
    bool refused = !later && ESTOC_COAP_CLASS(reply->code) == 4;
    int code = later ? ESTOC_EXIT_LATER : refused ? ESTOC_EXIT_REFUSED : ESTOC_EXIT_SERVER;
    char words[192] = "";
    if (ESTOC_COAP_CLASS(reply->code) >= 4 && reply->body.len > 0) {
        char text[160];
        snprintf(words, sizeof words, " \"%s\"", estoc_plain_text(reply->body, text, sizeof text));
    }
    char when[40] = "";
    if (later) {
        snprintf(when, sizeof when, " (in %u s)", (unsigned)reply->max_age_s);
    }
    return estoc_say(t->opt->command, code, "%s: %s%s: %u.%02u%s; %s", t->opt->uri,
                     later     ? "the server says later"
                     : refused ? "refused"
                               : "the server failed",
                     when, ESTOC_COAP_CLASS(reply->code), ESTOC_COAP_DETAIL(reply->code), words,
                     estoc_advice(reply->code));
}

static int fail_connection(const estoc_talk *t, estoc_err err)
{
    const estoc_connection *c = &t->conn;
    if (err == ESTOC_E_UNTRUSTED) {
        return estoc_say(t->opt->command, ESTOC_EXIT_IDENTITY,
                         "%s: the handshake failed: %s; check --ta against the server, and that "
                         "the server recognises --cert",
                         t->opt->uri, estoc_dtls_why(c->dtls));
    }
    if (err == ESTOC_E_CLOSED) {
        return estoc_say(t->opt->command, ESTOC_EXIT_SILENCE,
                         "%s: the server closed the connection; run it again", t->opt->uri);
    }
    const char *reason = "is the host right, and does UDP pass?";
    if (c->refused && c->figures.received == 0) {
        reason = "nothing listens there: is the server running, and the port right?";
    } else if (c->send_errno != 0) {
        reason = strerror(c->send_errno);
    } else if (c->figures.received > 0) {
        reason = "it answered before: run it again, with a longer --timeout if the way is slow";
    }
    return estoc_say(t->opt->command, ESTOC_EXIT_SILENCE, "%s: no answer; %s", t->opt->uri, reason);
}

int estoc_talk_fail(const estoc_talk *t, estoc_err err, const char *why)
{
    return estoc_say(t->opt->command, estoc_exit_code(err), "%s: %s%s%s", t->opt->uri,
                     estoc_err_text(err), why[0] != '\0' ? ": " : "", why);
}

static int fail_client(const estoc_talk *t)
{
    estoc_err err = estoc_client_error(&t->client);
    const estoc_reply *reply = estoc_client_refusal(&t->client);
    if (err == ESTOC_E_TIMEOUT) {
        return fail_connection(t, err);
    }
    if (ESTOC_COAP_CLASS(reply->code) >= 4) {
        return estoc_talk_refused(t, reply);
    }
    return estoc_talk_fail(t, err, err == ESTOC_E_FORMAT ? "see -v, and --format" : "");
}

/* ---- the loop ---- */

static bool silent_too_long(estoc_talk *t, estoc_ms now)
{
    if (estoc_client_wait_s(&t->client, now) > 0) {
        t->conn.heard = now; /* nobody is to speak now */
    }
    return now - t->conn.heard >= (estoc_ms)t->opt->timeout_s * 1000u;
}

/* Step, and if nothing has come of it wait for the socket or the next thing due. */
static estoc_err turn(estoc_talk *t, const estoc_machine *m, bool wait)
{
    estoc_ms now = estoc_now_ms();
    if (wait) {
        estoc_ms due = estoc_connection_deadline(&t->conn, m);
        estoc_ms most = now + PROGRESS_EVERY_MS;
        due = due < most ? due : most;
        struct pollfd p = {t->conn.fd, POLLIN, 0};
        (void)poll(&p, 1, due > now ? (int)(due - now) : 0);
        now = estoc_now_ms();
    }
    estoc_err err = estoc_connection_step(&t->conn, now, m);
    tell_wait(t, now);
    show_progress(t, now);
    return err ? err : silent_too_long(t, now) ? ESTOC_E_TIMEOUT : ESTOC_OK;
}

static estoc_err handshake(estoc_talk *t)
{
    estoc_err err = ESTOC_OK;
    while (!err && !estoc_connection_is_open(&t->conn)) {
        err = turn(t, NULL, true);
    }
    clear_progress(t);
    if (!err) {
        char figures[160];
        estoc_tracer_note(&t->tracer, "-- handshake done%s: %s, %s",
                          estoc_dtls_resumed(t->conn.dtls) ? " (session resumed)" : "",
                          estoc_dtls_cipher(t->conn.dtls),
                          estoc_talk_figures(t, figures, sizeof figures));
    }
    return err;
}

/* ---- opening ---- */

static int make_dtls(estoc_talk *t, const estoc_identity *id, const struct sockaddr_storage *to)
{
    estoc_why why = {""};
    estoc_dtls_client_free(t->dtls);
    t->dtls = NULL;
    estoc_dtls_client_cfg cfg = {.chain = &id->chain,
                                 .key = id->key,
                                 .anchors = &id->anchors,
                                 .host = t->uri.host,
                                 .accept_ra = true, /* the anchors were given for this server */
                                 .payload_max = estoc_payload_max(t->opt, to),
                                 .timeout_ms = DTLS_TIMEOUT_MS};
    estoc_err err = estoc_dtls_client_new(&cfg, &t->dtls, &why);
    if (!err) {
        estoc_resume_load(t->opt, id, t->dtls);
    }
    return err ? estoc_say(t->opt->command, ESTOC_EXIT_LOCAL, "%s: %s", t->opt->uri,
                           why.text[0] != '\0' ? why.text : estoc_err_text(err))
               : ESTOC_EXIT_DONE;
}

/* Each address the name has, until one answers. */
static int connect_to(estoc_talk *t, const estoc_identity *id)
{
    estoc_why why = {""};
    estoc_addresses to;
    if (estoc_resolve(&t->uri, &to, &why)) {
        return estoc_say(t->opt->command, ESTOC_EXIT_SILENCE, "%s", why.text);
    }
    for (size_t i = 0; i < to.n; i++) {
        bool last = i + 1 == to.n;
        int code = make_dtls(t, id, &to.at[i]);
        if (code != ESTOC_EXIT_DONE) {
            return code;
        }
        if (estoc_connection_open(&t->conn, &to, i, t->dtls, estoc_now_ms(), &why)) {
            if (last) {
                return estoc_say(t->opt->command, ESTOC_EXIT_SILENCE, "%s: %s", t->opt->uri,
                                 why.text);
            }
            continue;
        }
        estoc_err err = handshake(t);
        if (!err) {
            estoc_resume_save(t->opt, id, t->conn.dtls);
            return ESTOC_EXIT_DONE;
        }
        if (err != ESTOC_E_TIMEOUT || last || t->conn.figures.received > 0) {
            return fail_connection(t, err);
        }
        estoc_connection_close(&t->conn);
    }
    return estoc_say(t->opt->command, ESTOC_EXIT_SILENCE, "%s: no address; check the host",
                     t->opt->uri);
}

int estoc_talk_open(const estoc_options *opt, const estoc_identity *id, estoc_talk **out)
{
    *out = NULL;
    estoc_talk *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return estoc_say(opt->command, ESTOC_EXIT_LOCAL, "out of memory");
    }
    t->opt = opt;
    t->id = id;
    t->conn.fd = -1;
    t->conn.watch = watch;
    t->conn.watch_datagram = watch_datagram;
    t->conn.watch_ctx = t;
    t->started = estoc_now_ms();
    estoc_why why = {""};
    int code = ESTOC_EXIT_DONE;
    if (estoc_uri_parse(opt->uri, &t->uri, &why)) {
        code = estoc_say(opt->command, ESTOC_EXIT_LOCAL, "%s", why.text);
    }
    if (!code && estoc_tracer_open(&t->tracer, opt->verbose, opt->trace, t->started)) {
        code = estoc_say(opt->command, ESTOC_EXIT_LOCAL, "%s: cannot be written: %s", opt->trace,
                         strerror(errno));
    }
    char when[32];
    estoc_tracer_note(&t->tracer, "-- %s %s, %s", opt->command, opt->uri,
                      estoc_time_text(estoc_unix_s(), when, sizeof when));
    code = code ? code : connect_to(t, id);
    if (code) {
        estoc_talk_close(t);
    } else {
        *out = t;
    }
    return code;
}

void estoc_talk_close(estoc_talk *t)
{
    if (t == NULL) {
        return;
    }
    clear_progress(t);
    estoc_connection_close(&t->conn);
    estoc_dtls_client_free(t->dtls);
    estoc_tracer_close(&t->tracer);
    estoc_kept_free(&t->crts);
    estoc_kept_free(&t->att);
    estoc_wipe(t->room, sizeof t->room);
    free(t);
}

/* ---- answers kept between runs ---- */

#define WHERE_MAX 1024

/* What a kept answer is about: server, path, resource. */
static const char *where(const estoc_talk *t, const char *resource, char out[WHERE_MAX])
{
    int n = snprintf(out, WHERE_MAX, "%s %u", t->uri.host, t->uri.port);
    for (size_t i = 0; i < t->uri.segment_n && n < WHERE_MAX; i++) {
        n += snprintf(out + n, (size_t)(WHERE_MAX - n), "/%.*s", (int)t->uri.segment[i].len,
                      (const char *)t->uri.segment[i].ptr);
    }
    if (n < WHERE_MAX) {
        snprintf(out + n, (size_t)(WHERE_MAX - n), "/%s/%s",
                 t->opt->label != NULL ? t->opt->label : "", resource);
    }
    return out;
}

static uint16_t certs_format(const estoc_talk *t)
{
    return t->opt->format != ESTOC_FORMAT_NONE ? t->opt->format : ESTOC_FORMAT_CERTS;
}

int estoc_talk_keep(estoc_talk *t, const char *crts_file, const char *att_file)
{
    char text[WHERE_MAX];
    const char *crts = crts_file != NULL ? crts_file : "";
    const char *att = att_file != NULL ? att_file : "";
    if (strlen(crts) >= sizeof t->crts_file || strlen(att) >= sizeof t->att_file) {
        return estoc_say(t->opt->command, ESTOC_EXIT_LOCAL, "%s: too long a path",
                         crts_file != NULL ? crts_file : att_file);
    }
    memcpy(t->crts_file, crts, strlen(crts) + 1);
    memcpy(t->att_file, att, strlen(att) + 1);
    estoc_kept_load(crts, where(t, "crts", text), certs_format(t), &t->crts);
    estoc_kept_load(att, where(t, "att", text), ESTOC_FORMAT_CSRATTRS, &t->att);
    return ESTOC_EXIT_DONE;
}

estoc_slice estoc_talk_answer(const estoc_talk *t, uint16_t *format)
{
    estoc_slice answer = estoc_client_answer(&t->client, format);
    if (!estoc_client_unchanged(&t->client)) {
        return answer;
    }
    return *format == ESTOC_FORMAT_CSRATTRS ? t->att.body : t->crts.body;
}

void estoc_talk_remember(const estoc_talk *t)
{
    char text[WHERE_MAX];
    uint16_t format;
    estoc_slice answer = estoc_client_answer(&t->client, &format);
    estoc_slice etag = estoc_client_etag(&t->client);
    bool att = format == ESTOC_FORMAT_CSRATTRS;
    const char *file = att ? t->att_file : t->crts_file;
    if (file[0] == '\0' || etag.len == 0) {
        return;
    }
    estoc_err err =
        estoc_kept_store(file, where(t, att ? "att" : "crts", text), format, etag, answer);
    if (err) { /* the next run fetches it again: no more than bytes are lost */
        (void)estoc_say(t->opt->command, 0, "note: %s: the answer cannot be kept: %s", file,
                        err == ESTOC_E_FILE ? strerror(errno) : estoc_err_text(err));
    }
}

/* ---- waiting ---- */

/* K3: the server does not keep an association for a wait that long, and need not. */
#define PART_S 10u

/* The association ends, and when the wait is over there is another, to the same server (K1). */
static int wait_apart(estoc_talk *t)
{
    estoc_why why = {""};
    estoc_connection_close(&t->conn);
    while (estoc_client_wait_s(&t->client, estoc_now_ms()) > 0) {
        (void)poll(NULL, 0, PROGRESS_EVERY_MS);
        show_progress(t, estoc_now_ms());
    }
    clear_progress(t);
    int code = connect_to(t, t->id);
    if (!code && t->roots != NULL && estoc_dtls_recheck(t->conn.dtls, t->roots, &why)) {
        code = estoc_say(t->opt->command, ESTOC_EXIT_IDENTITY,
                         "%s: the server does not chain to the anchors it sent before: %s",
                         t->opt->uri, why.text);
    }
    return code;
}

/* @return whether a wait is on its way that the association should not, or did not, live to see */
static bool parts(const estoc_talk *t, estoc_err err)
{
    uint32_t left = estoc_client_wait_s(&t->client, estoc_now_ms());
    return left >= PART_S || (left > 0 && err == ESTOC_E_CLOSED);
}

/* ---- requests ---- */

int estoc_talk_start(estoc_talk *t, unsigned steps)
{
    estoc_client_cfg cfg = {.requester = estoc_requester_settings(t->opt, &t->conn),
                            .root_n = (t->has_found ? &t->found : &t->uri)->segment_n,
                            .steps = steps,
                            .cert_format = t->opt->format,
                            .room = {t->room, sizeof t->room},
                            .crts_etag = t->crts.etag,
                            .att_etag = t->att.etag,
                            .wait_max_s = t->opt->wait_s};
    memcpy(cfg.root, (t->has_found ? &t->found : &t->uri)->segment, sizeof cfg.root);
    t->steps = steps;
    t->answered = false;
    if (t->opt->label != NULL && !t->has_found) { /* a root that was found has it in it */
        cfg.label = estoc_slice_str(t->opt->label);
    }
    estoc_err err = estoc_client_start(&t->client, estoc_now_ms(), &cfg);
    return err ? estoc_say(t->opt->command, ESTOC_EXIT_LOCAL, "%s: %s; check the URI and --mtu",
                           t->opt->uri, estoc_err_text(err))
               : ESTOC_EXIT_DONE;
}

/* Until the client asks for something, or is done. @return 0, also when it has failed; an exit code */
static int run_client(estoc_talk *t, unsigned *wants)
{
    static const unsigned stops = ESTOC_CLIENT_WANT_TRUST | ESTOC_CLIENT_WANT_CSR |
                                  ESTOC_CLIENT_WANT_INSTALL | ESTOC_CLIENT_DONE |
                                  ESTOC_CLIENT_FAILED;
    estoc_machine m = estoc_machine_client(&t->client);
    t->conn.heard = estoc_now_ms(); /* what the caller did in between is not the server's silence */
    estoc_err err = turn(t, &m, false);
    for (;;) {
        if (parts(t, err)) {
            int code = wait_apart(t);
            if (code) {
                *wants = 0;
                return code;
            }
            err = ESTOC_OK;
        }
        if (err || (estoc_client_state(&t->client) & stops) != 0) {
            break;
        }
        err = turn(t, &m, true);
    }
    clear_progress(t);
    *wants = estoc_client_state(&t->client) & stops;
    return *wants != 0 ? ESTOC_EXIT_DONE : fail_connection(t, err);
}

int estoc_talk_run(estoc_talk *t, unsigned *wants)
{
    int code = run_client(t, wants);
    if (!code && estoc_talk_not_there(t, *wants)) {
        code = estoc_talk_look(t);
        if (!code && t->has_found) {
            code = estoc_talk_start(t, t->steps);
            code = code ? code : run_client(t, wants);
        }
    }
    if (code) {
        *wants = 0;
        return code;
    }
    t->answered = t->answered || (*wants & ESTOC_CLIENT_WANT_CSR) == 0;
    return (*wants & ESTOC_CLIENT_FAILED) != 0 ? fail_client(t) : ESTOC_EXIT_DONE;
}

int estoc_talk_call(estoc_talk *t, estoc_call *call, const estoc_reply **reply)
{
    *reply = NULL;
    estoc_requester_cfg cfg = estoc_requester_settings(t->opt, &t->conn);
    call->answer = (estoc_buf){t->room, sizeof t->room};
    estoc_err err = estoc_requester_init(&t->requester, &cfg);
    err = err ? err : estoc_requester_start(&t->requester, estoc_now_ms(), call);
    if (err) {
        return estoc_say(t->opt->command, ESTOC_EXIT_LOCAL, "%s: %s", t->opt->uri,
                         estoc_err_text(err));
    }
    static const unsigned stops = ESTOC_REQUESTER_DONE | ESTOC_REQUESTER_FAILED;
    estoc_machine m = estoc_machine_requester(&t->requester);
    err = turn(t, &m, false);
    while (!err && (estoc_requester_state(&t->requester) & stops) == 0) {
        err = turn(t, &m, true);
    }
    clear_progress(t);
    unsigned state = estoc_requester_state(&t->requester);
    if ((state & ESTOC_REQUESTER_FAILED) != 0) {
        err = estoc_requester_error(&t->requester);
        return err == ESTOC_E_TIMEOUT ? fail_connection(t, err) : estoc_talk_fail(t, err, "");
    }
    if ((state & ESTOC_REQUESTER_DONE) == 0) {
        return fail_connection(t, err);
    }
    *reply = estoc_requester_reply(&t->requester);
    return ESTOC_EXIT_DONE;
}

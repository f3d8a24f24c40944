/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <estoc/client.h>
#include <estoc/est.h>

/* States are named for what is awaited. */
enum {
    UNUSED, /* a zeroed object: everything is refused */
    CRTS,   /* the answer of /crts */
    TRUST,  /* trusted() */
    ATT,    /* the answer of /att */
    CSR,    /* csr() */
    CERT,   /* the answer of /sen, /sren, /skg or /skc */
    INSTALL,
    RETRY, /* the end of a wait the server asked for */
    DONE,
    FAILED,
    STATES
};

enum { ANSWER, LATER, TIME, TRUSTED, GIVEN, INSTALLED, EVENTS };

#define AGAIN 0xff /* to the request in c->step, once more */

/* clang-format off */
/* Where an event leads. A hole refuses: ESTOC_E_STATE. */
static const uint8_t leads[STATES][EVENTS] = {
    [CRTS]    = { [ANSWER] = TRUST, [LATER] = RETRY },
    [TRUST]   = { [TRUSTED] = ATT },
    [ATT]     = { [ANSWER] = CSR, [LATER] = RETRY },
    [CSR]     = { [GIVEN] = CERT },
    [CERT]    = { [ANSWER] = INSTALL, [LATER] = RETRY },
    [INSTALL] = { [INSTALLED] = DONE },
    [RETRY]   = { [TIME] = AGAIN },
};

#define MAKES_KEY (ESTOC_STEP_SKG | ESTOC_STEP_SKC)
#define ENROLS    (ESTOC_STEP_SEN | ESTOC_STEP_SREN | MAKES_KEY)

/* What a state shows, which steps need it, and where to go without them. */
static const struct {
    uint8_t shows, needs, otherwise, op;
} rules[STATES] = {
    [UNUSED]  = { 0,                         0xff,            UNUSED, ESTOC_OP_NONE },
    [CRTS]    = { ESTOC_CLIENT_WAITING,      ESTOC_STEP_CRTS, ATT,    ESTOC_OP_CRTS },
    [TRUST]   = { ESTOC_CLIENT_WANT_TRUST,   0xff,            UNUSED, ESTOC_OP_NONE },
    [ATT]     = { ESTOC_CLIENT_WAITING,      ESTOC_STEP_ATT,  CSR,    ESTOC_OP_ATT  },
    [CSR]     = { ESTOC_CLIENT_WANT_CSR,     ENROLS,          DONE,   ESTOC_OP_NONE },
    [CERT]    = { ESTOC_CLIENT_WAITING,      0xff,            UNUSED, ESTOC_OP_SEN  },
    [INSTALL] = { ESTOC_CLIENT_WANT_INSTALL, 0xff,            UNUSED, ESTOC_OP_NONE },
    [RETRY]   = { ESTOC_CLIENT_WAITING,      0xff,            UNUSED, ESTOC_OP_NONE },
    [DONE]    = { ESTOC_CLIENT_DONE,         0xff,            UNUSED, ESTOC_OP_NONE },
    [FAILED]  = { ESTOC_CLIENT_FAILED,       0xff,            UNUSED, ESTOC_OP_NONE },
};
/* clang-format on */

static const estoc_reply no_reply;

static estoc_err fail(estoc_client *c, estoc_err err)
{
    c->state = FAILED;
    c->err = err;
    return err;
}

static const estoc_resource *resource_of(const estoc_client *c)
{
    unsigned op = rules[c->step].op;
    if (op == ESTOC_OP_SEN) {
        unsigned steps = c->cfg.steps & ENROLS;
        op = steps == ESTOC_STEP_SREN  ? ESTOC_OP_SREN
             : steps == ESTOC_STEP_SKG ? ESTOC_OP_SKG
             : steps == ESTOC_STEP_SKC ? ESTOC_OP_SKC
                                       : ESTOC_OP_SEN;
    }
    return estoc_resource_for((estoc_op)op);
}

/* The certs format this run takes, named or not.                       RFC 9148 section 4.3 */
static uint16_t format_of(const estoc_client *c)
{
    const estoc_resource *res = resource_of(c);
    if (res->response[1] == ESTOC_FORMAT_NONE) { /* the only one there is */
        return res->response[0];
    }
    return c->cfg.cert_format != ESTOC_FORMAT_NONE ? c->cfg.cert_format : ESTOC_FORMAT_CERTS;
}

static estoc_slice etag_shown(const estoc_client *c)
{
    return c->step == CRTS  ? c->cfg.crts_etag
           : c->step == ATT ? c->cfg.att_etag
                            : estoc_slice_of(NULL, 0);
}

static estoc_err request(estoc_client *c)
{
    const estoc_resource *res = resource_of(c);
    estoc_call call;
    memset(&call, 0, sizeof call);
    for (; call.path_n < c->cfg.root_n; call.path_n++) {
        call.path[call.path_n] = c->cfg.root[call.path_n];
    }
    if (c->cfg.label.len > 0) {
        call.path[call.path_n++] = c->cfg.label;
    }
    call.path[call.path_n++] = estoc_slice_str(res->name);
    call.method = res->method;
    call.content_format = res->request;
    call.accept = res->response[1] == ESTOC_FORMAT_NONE ? ESTOC_FORMAT_NONE : c->cfg.cert_format;
    if (c->step == CERT) {
        call.body = c->csr; /* the same bytes after a 5.03 as before. RFC 9148 section 4.7 */
    }
    call.etag = etag_shown(c);
    call.answer = c->cfg.room;
    c->unchanged = false;
    c->answer = estoc_slice_of(NULL, 0);
    c->answer_format = ESTOC_FORMAT_NONE;
    return estoc_requester_start(&c->requester, c->now, &call);
}

/* Take the event; enter what it leads to, past the steps that were not asked for. */
static estoc_err advance(estoc_client *c, unsigned event)
{
    uint8_t to = c->state < STATES ? leads[c->state][event] : UNUSED;
    if (to == UNUSED) {
        return ESTOC_E_STATE;
    }
    if (to == AGAIN) {
        to = c->step;
    }
    while ((rules[to].needs & c->cfg.steps) == 0) {
        to = rules[to].otherwise;
    }
    c->state = to;
    if (rules[to].op == ESTOC_OP_NONE) {
        return ESTOC_OK;
    }
    c->step = to;
    estoc_err err = request(c);
    return err ? fail(c, err) : ESTOC_OK;
}

/* K3: wait out 5.03 and 4.29. Max-Age 0 would spin, hence at least a second. */
static estoc_err wait_out(estoc_client *c, const estoc_reply *reply)
{
    uint32_t wait_s = reply->max_age_s > 0 ? reply->max_age_s : 1;
    if (wait_s > c->cfg.wait_max_s - c->waited_s) {
        return fail(c, ESTOC_E_LATER);
    }
    c->waited_s += wait_s;
    c->wait_until = c->now + (estoc_ms)wait_s * 1000u;
    return advance(c, LATER);
}

/* E2: 2.03 means something only to who showed that ETag.               RFC 7252 section 5.9.1.3 */
static bool is_unchanged(const estoc_client *c, const estoc_reply *reply)
{
    estoc_slice shown = etag_shown(c);
    return reply->code == ESTOC_COAP_VALID && shown.len > 0 &&
           estoc_slice_eq(shown, estoc_slice_of(reply->etag, reply->etag_len));
}

static estoc_err answered(estoc_client *c)
{
    const estoc_reply *reply = estoc_requester_reply(&c->requester);
    uint8_t good = resource_of(c)->method == ESTOC_COAP_GET ? ESTOC_COAP_CONTENT /* C5 */
                                                            : ESTOC_COAP_CHANGED;
    if (reply->code == ESTOC_COAP_UNAVAILABLE || reply->code == ESTOC_COAP_TOO_MANY_REQUESTS) {
        return wait_out(c, reply);
    }
    if (c->step == ATT && reply->code == ESTOC_COAP_NOT_FOUND) {
        return advance(c, ANSWER); /* it asks for nothing. RFC 7030 section 4.5.1 */
    }
    if (ESTOC_COAP_CLASS(reply->code) == 4) {
        return fail(c, ESTOC_E_REFUSED);
    }
    if (ESTOC_COAP_CLASS(reply->code) == 5) {
        return fail(c, ESTOC_E_PEER);
    }
    c->unchanged = is_unchanged(c, reply);
    if (c->unchanged) {
        c->answer_format = format_of(c);
        return advance(c, ANSWER);
    }
    if (reply->code != good) {
        return fail(c, ESTOC_E_PROTOCOL);
    }
    if (reply->content_format != format_of(c)) {
        return fail(c, ESTOC_E_FORMAT);
    }
    c->answer = reply->body;
    c->answer_format = reply->content_format;
    return advance(c, ANSWER);
}

static bool awaits_answer(const estoc_client *c)
{
    return c->state < STATES && rules[c->state].op != ESTOC_OP_NONE;
}

/* What the requester came to, if this state waits for it. */
static estoc_err settle(estoc_client *c)
{
    if (!awaits_answer(c)) {
        return ESTOC_OK;
    }
    unsigned state = estoc_requester_state(&c->requester);
    if ((state & ESTOC_REQUESTER_FAILED) != 0) {
        return fail(c, estoc_requester_error(&c->requester));
    }
    return (state & ESTOC_REQUESTER_DONE) != 0 ? answered(c) : ESTOC_OK;
}

/* K1: toward a peer found untrusted nothing is sent, not even an acknowledgement. */
static bool silent(const estoc_client *c)
{
    return c->state == UNUSED || (c->state == FAILED && c->err == ESTOC_E_UNTRUSTED);
}

static bool cfg_ok(const estoc_client_cfg *cfg)
{
    const unsigned all = ESTOC_STEP_CRTS | ESTOC_STEP_ATT | ENROLS;
    unsigned enrols = cfg->steps & ENROLS;
    return cfg->steps != 0 && (cfg->steps & ~all) == 0 && (enrols & (enrols - 1)) == 0 &&
           cfg->root_n <= ESTOC_CALL_PATH_MAX - 2 && cfg->room.ptr != NULL &&
           cfg->room.cap >= 1024 &&
           (cfg->cert_format == ESTOC_FORMAT_CERTS || cfg->cert_format == ESTOC_FORMAT_CERT ||
            cfg->cert_format == ESTOC_FORMAT_NONE);
}

estoc_err estoc_client_start(estoc_client *c, estoc_ms now, const estoc_client_cfg *cfg)
{
    memset(c, 0, sizeof *c);
    if (!cfg_ok(cfg)) {
        return ESTOC_E_USAGE;
    }
    estoc_err err = estoc_requester_init(&c->requester, &cfg->requester);
    if (err) {
        return err;
    }
    c->cfg = *cfg;
    c->now = now;
    c->answer_format = ESTOC_FORMAT_NONE;
    /* as if CRTS had been entered: skipped unless asked for */
    c->step = CRTS;
    c->state = RETRY;
    return advance(c, TIME);
}

estoc_err estoc_client_input(estoc_client *c, estoc_ms now, estoc_slice dg)
{
    if (silent(c)) {
        return ESTOC_OK;
    }
    c->now = now;
    bool awaiting = awaits_answer(c);
    estoc_err err = estoc_requester_input(&c->requester, now, dg);
    return awaiting ? settle(c) : err;
}

estoc_err estoc_client_output(estoc_client *c, estoc_ms now, estoc_buf out, size_t *len)
{
    *len = 0;
    if (silent(c)) {
        return c->err;
    }
    c->now = now;
    if (c->state == RETRY && now >= c->wait_until) {
        estoc_err err = advance(c, TIME);
        if (err) {
            return err;
        }
    }
    estoc_err err = estoc_requester_output(&c->requester, now, out, len);
    estoc_err settled = settle(c);
    return settled ? settled : err;
}

estoc_ms estoc_client_deadline(const estoc_client *c)
{
    if (c->state == RETRY) {
        return c->wait_until;
    }
    return awaits_answer(c) ? estoc_requester_deadline(&c->requester) : ESTOC_NEVER;
}

unsigned estoc_client_state(const estoc_client *c)
{
    unsigned shows = c->state < STATES ? rules[c->state].shows : 0;
    if (!silent(c) && (estoc_requester_state(&c->requester) & ESTOC_REQUESTER_WANT_SEND) != 0) {
        shows |= ESTOC_CLIENT_WANT_SEND;
    }
    return shows;
}

estoc_slice estoc_client_answer(const estoc_client *c, uint16_t *format)
{
    *format = c->answer_format;
    return c->answer;
}

bool estoc_client_unchanged(const estoc_client *c)
{
    return c->unchanged;
}

estoc_slice estoc_client_etag(const estoc_client *c)
{
    const estoc_reply *reply = estoc_requester_reply(&c->requester);
    return estoc_slice_of(reply->etag, c->answer.len > 0 ? reply->etag_len : 0);
}

static estoc_err verdict(estoc_client *c, estoc_ms now, unsigned event, bool ok)
{
    c->now = now;
    if (c->state >= STATES || leads[c->state][event] == UNUSED) {
        return ESTOC_E_STATE;
    }
    return ok ? advance(c, event) : fail(c, ESTOC_E_UNTRUSTED);
}

estoc_err estoc_client_trusted(estoc_client *c, estoc_ms now, bool ok)
{
    return verdict(c, now, TRUSTED, ok);
}

estoc_err estoc_client_installed(estoc_client *c, estoc_ms now, bool ok)
{
    return verdict(c, now, INSTALLED, ok);
}

estoc_err estoc_client_csr(estoc_client *c, estoc_ms now, estoc_slice csr)
{
    if (csr.len == 0 && c->state == CSR) {
        return ESTOC_E_USAGE;
    }
    c->now = now;
    if (c->state == CSR) {
        c->csr = csr;
    }
    return advance(c, GIVEN);
}

estoc_err estoc_client_error(const estoc_client *c)
{
    return c->err;
}

const estoc_reply *estoc_client_refusal(const estoc_client *c)
{
    bool by_answer = c->state == FAILED && c->err != ESTOC_E_UNTRUSTED &&
                     (estoc_requester_state(&c->requester) & ESTOC_REQUESTER_DONE) != 0;
    return by_answer ? estoc_requester_reply(&c->requester) : &no_reply;
}

uint32_t estoc_client_wait_s(const estoc_client *c, estoc_ms now)
{
    if (c->state != RETRY || now >= c->wait_until) {
        return 0;
    }
    return (uint32_t)estoc_divide(c->wait_until - now + 999, 1000);
}

const estoc_traffic *estoc_client_traffic(const estoc_client *c)
{
    return &c->requester.traffic;
}

/* SPDX-License-Identifier: MIT
 *
 * estoc enroll, renew and keygen: the whole of it, with files.                              K1, K2
 */
#include <stdio.h>
#include <string.h>

#include "anchors.h"
#include "attributes.h"
#include "credential.h"
#include "due.h"
#include "estoc.h"
#include "keygen.h"
#include "output.h"
#include "plan.h"
#include "text.h"

struct run {
    const estoc_options *opt;
    bool renew;
    estoc_keygen *keygen; /* the server makes the key; else NULL */
    estoc_identity id;
    estoc_talk *talk;
    estoc_anchors anchors; /* what /crts returned */
    estoc_key *given;      /* of --new-key, until it is `key` */
    estoc_key *key;        /* new, or NULL with --same-key */
    estoc_blob csr;
    estoc_key_kind kind;
    uint32_t rsa_bits; /* 0: any */
    uint32_t ask_s;    /* when the server says later: for so long */
    estoc_plan plan;
    char password[ESTOC_PASSWORD_LEN]; /* D9 */
};

static int local(const struct run *r, const char *what, const char *why)
{
    return estoc_say(r->opt->command, ESTOC_EXIT_LOCAL, "%s: %s", what, why);
}

static estoc_key *key_of(const struct run *r)
{
    return r->key != NULL ? r->key : r->id.key;
}

/* ---- /crts ---- */

/* K1: check the set, then the server against it, then keep it, before the next request. */
static int take_anchors(struct run *r)
{
    uint16_t format;
    estoc_slice answer = estoc_talk_answer(r->talk, &format);
    estoc_why why = {""};
    estoc_err err = estoc_anchors_take(answer, format, estoc_unix_s(), &r->anchors, &why);
    if (err) {
        return estoc_talk_fail(r->talk, err, why.text);
    }
    if (estoc_dtls_recheck(r->talk->conn.dtls, &r->anchors.roots, &why)) {
        return estoc_say(r->opt->command, ESTOC_EXIT_IDENTITY,
                         "%s: the server does not chain to the anchors it sent: %s; nothing kept",
                         r->opt->uri, why.text);
    }
    r->talk->roots = &r->anchors.roots;
    estoc_slice roots[ESTOC_ANSWER_CERTS_MAX];
    for (size_t i = 0; i < r->anchors.roots.n; i++) {
        roots[i] = estoc_blob_slice(r->anchors.roots.at[i]);
    }
    char path[ESTOC_PATH_MAX];
    estoc_blob pem;
    err = estoc_credential_path(r->opt->out, ".ta", path);
    err = err ? err : estoc_certs_pem(roots, r->anchors.roots.n, &pem);
    if (!err) {
        err = estoc_file_write(path, estoc_blob_slice(pem), 0644);
        estoc_blob_free(&pem);
    }
    if (err) {
        return local(r, path, "the trust anchors cannot be written");
    }
    estoc_talk_remember(r->talk);
    return ESTOC_EXIT_DONE;
}

/* ---- /att and the request ---- */

/* The key that is asked for, else one like the present one, else P-256. */
static int choose_key_kind(struct run *r, const estoc_wishes *wishes)
{
    static const estoc_key_kind by_sig[] = {[ESTOC_SIG_ECDSA_SHA256] = ESTOC_KEY_P256,
                                            [ESTOC_SIG_ECDSA_SHA384] = ESTOC_KEY_P384,
                                            [ESTOC_SIG_RSA_SHA256] = ESTOC_KEY_RSA};
    if (wishes->unsupported_key || wishes->unsupported_sig ||
        (wishes->rsa_bits != 0 &&
         (wishes->rsa_bits < ESTOC_RSA_MIN_BITS || wishes->rsa_bits > ESTOC_RSA_MAX_BITS))) {
        return local(r, r->opt->uri,
                     "the server asks for a kind of key or signature that is not made here; "
                     "make the request yourself (estoc att, estoc sen --csr)");
    }
    r->kind = wishes->key;
    r->rsa_bits = wishes->rsa_bits;
    if (r->kind == ESTOC_KEY_UNKNOWN && wishes->sig != ESTOC_SIG_UNKNOWN) {
        r->kind = by_sig[wishes->sig];
    }
    if (r->kind == ESTOC_KEY_UNKNOWN) {
        bool keep = r->renew && r->id.key != NULL;
        r->kind = keep ? estoc_key_kind_of(r->id.key) : ESTOC_KEY_P256;
    }
    if (wishes->sig != ESTOC_SIG_UNKNOWN && by_sig[wishes->sig] != r->kind) {
        return local(r, r->opt->uri,
                     "the server asks for a signature that the key it asks for does not make here; "
                     "make the request yourself (estoc att, estoc sen --csr)");
    }
    return ESTOC_EXIT_DONE;
}

/* E3 */
static int honour(struct run *r)
{
    uint16_t format;
    estoc_wishes wishes;
    estoc_slice attributes = estoc_talk_answer(r->talk, &format);
    if (format != ESTOC_FORMAT_CSRATTRS) { /* none, or not asked for: the answer of /crts */
        attributes = estoc_slice_of(NULL, 0);
    }
    estoc_err err = estoc_wishes_read(attributes, &wishes);
    if (err) {
        return estoc_talk_fail(r->talk, err, "in the answer of /att");
    }
    if (attributes.len > 0) {
        estoc_talk_remember(r->talk);
    }
    if (r->opt->pop || wishes.challenge_password) {
        r->plan.request.password = estoc_connection_password(&r->talk->conn, r->password);
    }
    int code = choose_key_kind(r, &wishes);
    return code ? code : estoc_plan_honour(&r->plan, r->opt, &wishes);
}

/* A request linked to another session is made anew, for the same key. */
static bool keep_pending(struct run *r, estoc_key *key, estoc_blob csr, bool fits)
{
    bool linked = fits && estoc_request_linked(estoc_blob_slice(csr), r->plan.request.password);
    if (fits) {
        r->key = key;
    } else {
        estoc_key_free(key);
    }
    if (linked) {
        r->csr = csr;
    } else {
        estoc_blob_free(&csr);
    }
    return linked;
}

/* The request of an earlier run, if it says what this one would: the server may know it already. */
static bool take_pending(struct run *r)
{
    estoc_key *key = NULL;
    estoc_blob csr;
    if (!estoc_credential_pending(r->opt->out, &key, &csr)) {
        return false;
    }
    if (r->given != NULL) {
        bool fits = estoc_key_same(key, r->given) &&
                    estoc_request_same(estoc_blob_slice(csr), &r->plan.request, key);
        return keep_pending(r, key, csr, fits);
    }
    bool present = r->id.chain.n > 0 && estoc_key_matches(key, estoc_blob_slice(r->id.chain.at[0]));
    bool fits = present == r->opt->same_key && estoc_key_kind_of(key) == r->kind &&
                estoc_request_same(estoc_blob_slice(csr), &r->plan.request, key);
    return keep_pending(r, key, csr, fits);
}

static estoc_err make_request(struct run *r)
{
    uint8_t der[ESTOC_CSR_MAX];
    size_t len = 0;
    estoc_err err = ESTOC_OK;
    if (r->key != NULL) {
        /* of a pending request */
    } else if (r->given != NULL) {
        r->key = r->given;
        r->given = NULL;
    } else if (!r->opt->same_key) {
        err = r->rsa_bits != 0 ? estoc_key_generate_rsa(r->rsa_bits, &r->key)
                               : estoc_key_generate(r->kind, &r->key);
    }
    err =
        err ? err
            : estoc_request_build(&r->plan.request, key_of(r), (estoc_buf){der, sizeof der}, &len);
    return err ? err : estoc_blob_copy(estoc_slice_of(der, len), &r->csr);
}

/* K2: the new key is on disk before its request leaves. */
static int give_request(struct run *r)
{
    estoc_why why = {""};
    int code = honour(r);
    if (code) {
        return code;
    }
    if (r->keygen != NULL && estoc_keygen_ask(r->keygen, &r->plan.request)) {
        return local(r, "the request cannot be made", estoc_err_text(ESTOC_E_SPACE));
    }
    if (!take_pending(r)) {
        estoc_err err = make_request(r);
        if (err) {
            return local(r, "the request cannot be made", estoc_err_text(err));
        }
        if (estoc_credential_prepare(r->opt->out, r->key, estoc_blob_slice(r->csr), &why)) {
            return local(r, r->opt->out, why.text);
        }
    }
    estoc_err err = estoc_client_csr(&r->talk->client, estoc_now_ms(), estoc_blob_slice(r->csr));
    return err ? estoc_talk_fail(r->talk, err, "") : ESTOC_EXIT_DONE;
}

/* ---- the certificate ---- */

/* Everything that may stand between the certificate and a root. */
static estoc_err collect_pool(const struct run *r, const estoc_slice *chain, size_t n,
                              estoc_blobs *pool)
{
    estoc_err err = ESTOC_OK;
    for (size_t i = 1; !err && i < n; i++) {
        err = estoc_blobs_add(pool, chain[i]);
    }
    for (size_t i = 0; !err && i < r->anchors.between.n; i++) {
        err = estoc_blobs_add(pool, estoc_blob_slice(r->anchors.between.at[i]));
    }
    return err;
}

/* The certificate, then its issuers up to the root, which stays out. */
static size_t order_chain(const estoc_blobs *pool, estoc_slice *chain)
{
    size_t n = 1;
    while (n < ESTOC_ANSWER_CERTS_MAX) {
        estoc_cert cert;
        estoc_cert issuer;
        size_t i = 0;
        if (estoc_cert_parse(&cert, chain[n - 1])) {
            break;
        }
        while (i < pool->n && (estoc_cert_parse(&issuer, estoc_blob_slice(pool->at[i])) ||
                               !estoc_slice_eq(issuer.subject, cert.issuer) ||
                               estoc_slice_eq(issuer.subject, cert.subject))) {
            i++;
        }
        if (i == pool->n) {
            break;
        }
        chain[n++] = issuer.der;
    }
    return n;
}

static void note_names(const struct run *r, const estoc_cert *cert)
{
    if (!estoc_name_is_empty(r->plan.wanted) && !estoc_slice_eq(cert->subject, r->plan.wanted)) {
        (void)estoc_say(r->opt->command, 0,
                        "note: the certificate has another subject than was asked for");
    }
}

static int tell_result(const struct run *r, const estoc_cert *cert)
{
    char name[512];
    char until[32];
    char figures[160];
    (void)estoc_say(r->opt->command, 0, "%s.crt is %s until %s, with %s.key and %s.ta; %s",
                    r->opt->out,
                    estoc_name_text(cert->subject, (estoc_buf){(uint8_t *)name, sizeof name}),
                    estoc_time_text(cert->not_after, until, sizeof until), r->opt->out, r->opt->out,
                    estoc_talk_figures(r->talk, figures, sizeof figures));
    if (!r->opt->json) {
        return ESTOC_EXIT_DONE;
    }
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "prefix", r->opt->out);
    cJSON_AddItemToObject(json, "certificate", estoc_json_cert(cert->der));
    cJSON_AddItemToObject(json, "traffic", estoc_json_traffic(r->talk));
    return estoc_json_print(r->opt->command, json);
}

static int install(struct run *r, estoc_slice *chain, size_t n)
{
    estoc_why why = {""};
    estoc_cert cert;
    estoc_blobs pool = {NULL, 0};
    estoc_err err = estoc_cert_parse(&cert, chain[0]);
    err = err ? err : collect_pool(r, chain, n, &pool);
    if (!err) {
        err = estoc_chain_verify(chain[0], &pool, &r->anchors.roots, ESTOC_PURPOSE_ANY,
                                 estoc_unix_s(), &why);
    }
    int code = err ? estoc_say(r->opt->command, ESTOC_EXIT_SERVER,
                               "%s: the certificate that came does not lead to the anchors of "
                               "/crts: %s; the old pair is kept",
                               r->opt->uri, why.text)
                   : ESTOC_EXIT_DONE;
    if (!code) {
        note_names(r, &cert);
        n = order_chain(&pool, chain);
        if (estoc_credential_commit(r->opt->out, chain, n, &why)) {
            code = local(r, r->opt->out, why.text);
        } else {
            estoc_tries_clear(r->opt->out);
        }
    }
    estoc_blobs_free(&pool);
    return code ? code : tell_result(r, &cert);
}

/* In place of the one that only signed the request. */
static int take_key(struct run *r, estoc_slice *answer, uint16_t *format)
{
    estoc_why why = {""};
    estoc_made made;
    estoc_slice server = estoc_dtls_peer_cert(r->talk->conn.dtls);
    estoc_err err = estoc_keygen_take(r->keygen, &r->anchors, server, *answer, &made, &why);
    if (err) {
        return estoc_say(r->opt->command, ESTOC_EXIT_SERVER,
                         "%s: the key that came cannot be taken: %s; nothing has changed",
                         r->opt->uri, why.text[0] != '\0' ? why.text : estoc_err_text(err));
    }
    estoc_key_free(r->key);
    r->key = made.key;
    *answer = made.cert;
    *format = made.format;
    return estoc_credential_prepare(r->opt->out, r->key, estoc_blob_slice(r->csr), &why)
               ? local(r, r->opt->out, why.text)
               : ESTOC_EXIT_DONE;
}

static int take_certificate(struct run *r)
{
    uint16_t format;
    estoc_slice answer = estoc_client_answer(&r->talk->client, &format);
    estoc_slice chain[ESTOC_ANSWER_CERTS_MAX];
    uint8_t spki[ESTOC_SPKI_MAX];
    size_t spki_len = 0;
    size_t n = 0;
    int code = r->keygen != NULL ? take_key(r, &answer, &format) : ESTOC_EXIT_DONE;
    if (code) {
        return code;
    }
    estoc_err err = estoc_key_spki(key_of(r), (estoc_buf){spki, sizeof spki}, &spki_len);
    if (!err) {
        err = estoc_issued_take(answer, format, estoc_slice_of(spki, spki_len), chain, &n);
    }
    if (err == ESTOC_E_KEY) {
        return estoc_say(r->opt->command, ESTOC_EXIT_SERVER,
                         "%s: the certificate that came is for another key; the old pair is kept, "
                         "tell the operator",
                         r->opt->uri);
    }
    return err ? estoc_talk_fail(r->talk, err, "in the answer") : install(r, chain, n);
}

/* ---- the run ---- */

static int serve(struct run *r, unsigned wants)
{
    int code = ESTOC_EXIT_DONE;
    estoc_err err = ESTOC_OK;
    if (wants == ESTOC_CLIENT_WANT_TRUST) {
        code = take_anchors(r);
        err = estoc_client_trusted(&r->talk->client, estoc_now_ms(), code == 0);
    } else if (wants == ESTOC_CLIENT_WANT_CSR) {
        code = give_request(r);
    } else {
        code = take_certificate(r);
        err = estoc_client_installed(&r->talk->client, estoc_now_ms(), code == 0);
    }
    return code ? code : err ? estoc_talk_fail(r->talk, err, "") : ESTOC_EXIT_DONE;
}

/* E2: in PREFIX.d, so that what has not changed is not sent again. */
static int keep_answers(struct run *r)
{
    char crts[ESTOC_PATH_MAX];
    char att[ESTOC_PATH_MAX];
    if (estoc_credential_path(r->opt->out, ".d/crts", crts) ||
        estoc_credential_path(r->opt->out, ".d/att", att)) {
        return local(r, r->opt->out, "too long a path");
    }
    return estoc_talk_keep(r->talk, crts, att);
}

static unsigned steps_of(const struct run *r)
{
    if (r->renew) {
        return ESTOC_STEP_CRTS | ESTOC_STEP_SREN;
    }
    unsigned enrols = r->keygen == NULL ? ESTOC_STEP_SEN
                      : r->opt->single  ? ESTOC_STEP_SKC
                                        : ESTOC_STEP_SKG;
    return ESTOC_STEP_CRTS | ESTOC_STEP_ATT | enrols;
}

static int converse(struct run *r)
{
    unsigned wants = 0;
    int code = estoc_talk_open(r->opt, &r->id, &r->talk);
    code = code ? code : keep_answers(r);
    if (code) {
        return code;
    }
    code = estoc_talk_start(r->talk, steps_of(r));
    while (!code) {
        code = estoc_talk_run(r->talk, &wants);
        if (code || wants == ESTOC_CLIENT_DONE) {
            break;
        }
        code = serve(r, wants);
    }
    if (code == ESTOC_EXIT_LATER) {
        r->ask_s = estoc_client_refusal(&r->talk->client)->max_age_s;
    }
    if (code == ESTOC_EXIT_REFUSED ||
        (code == ESTOC_EXIT_SERVER && wants == ESTOC_CLIENT_WANT_INSTALL)) {
        estoc_credential_forget(r->opt->out); /* asking for the same again would not help */
    }
    return code;
}

/* ---- whether it is time ---- */

static int not_due(const struct run *r, int64_t at)
{
    char when[32];
    (void)estoc_say(r->opt->command, 0, "%s: not due before %s", r->opt->cert,
                    estoc_time_text(at, when, sizeof when));
    if (!r->opt->json) {
        return ESTOC_EXIT_DONE;
    }
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "prefix", r->opt->out);
    cJSON_AddStringToObject(json, "due", when);
    return estoc_json_print(r->opt->command, json);
}

/* K3. @return 0 with `*due`: go on; else the exit code */
static int wait_for_due(const struct run *r, int64_t now, int64_t *not_after, bool *due)
{
    estoc_cert cert;
    int64_t at = 0;
    char when[32];
    *due = false;
    estoc_err err = estoc_cert_parse(&cert, estoc_blob_slice(r->id.chain.at[0]));
    err = err ? err : estoc_due_at(&cert, r->opt->due_percent, &at);
    if (err) {
        return local(r, r->opt->cert, estoc_err_text(err));
    }
    if (now < at) {
        return not_due(r, at);
    }
    const estoc_tries tries = estoc_tries_read(r->opt->out);
    if (tries.failed > 0 && now < tries.next) {
        return estoc_say(r->opt->command, ESTOC_EXIT_LATER,
                         "%s: %u %s failed; the next one is not before %s, unless without --if-due",
                         r->opt->cert, (unsigned)tries.failed, tries.failed == 1 ? "try" : "tries",
                         estoc_time_text(tries.next, when, sizeof when));
    }
    *not_after = cert.not_after;
    *due = true;
    return ESTOC_EXIT_DONE;
}

static int run_if_due(struct run *r)
{
    int64_t not_after = 0;
    bool due = false;
    int code = wait_for_due(r, estoc_unix_s(), &not_after, &due);
    if (code || !due) {
        return code;
    }
    code = converse(r);
    /* what fails here, such as a wrong option, does not wait for a better time */
    if (code > ESTOC_EXIT_LOCAL &&
        estoc_tries_failed(r->opt->out, estoc_unix_s(), not_after, r->ask_s)) {
        (void)local(r, r->opt->out, "the failure cannot be noted down");
    }
    return code;
}

/* The key of --new-key. One that is in hardware is not replaced by one in a file unasked. */
static int choose_key(struct run *r)
{
    estoc_why why = {""};
    if (r->opt->new_key == NULL) {
        bool leaves =
            r->renew && !r->opt->same_key && r->id.key != NULL && estoc_key_in_token(r->id.key);
        return leaves ? local(r, r->opt->key,
                              "the key is in a token: keep it with --same-key, or "
                              "name the next one with --new-key")
                      : ESTOC_EXIT_DONE;
    }
    if (r->opt->same_key) {
        return local(r, r->opt->new_key, "either --same-key or --new-key");
    }
    return estoc_key_load(r->opt->new_key, &r->given, &why) ? local(r, "--new-key", why.text)
                                                            : ESTOC_EXIT_DONE;
}

static int run(struct run *r)
{
    int code = estoc_identity_load(r->opt, &r->id);
    code = code ? code : choose_key(r);
    code = code || r->keygen == NULL ? code : estoc_keygen_begin(r->keygen, r->opt, &r->id);
    code = code ? code : estoc_plan_begin(&r->plan, r->opt, &r->id, r->renew);
    code = code ? code : r->opt->if_due ? run_if_due(r) : converse(r);
    estoc_talk_close(r->talk);
    estoc_anchors_free(&r->anchors);
    estoc_key_free(r->given);
    estoc_key_free(r->key);
    estoc_wipe(r->password, sizeof r->password);
    estoc_blob_free(&r->csr);
    estoc_identity_free(&r->id);
    return code;
}

/* Files of the prefix where the command line names none. */
static int choose_files(estoc_options *opt, bool renew, char path[3][ESTOC_PATH_MAX])
{
    estoc_why why = {""};
    if (opt->out == NULL) {
        return estoc_say(opt->command, ESTOC_EXIT_LOCAL,
                         "where to keep the credential? give --out PREFIX, for PREFIX.crt, "
                         "PREFIX.key and PREFIX.ta");
    }
    if (estoc_credential_path(opt->out, ".crt", path[0]) ||
        estoc_credential_path(opt->out, ".key", path[1]) ||
        estoc_credential_path(opt->out, ".ta", path[2])) {
        return estoc_say(opt->command, ESTOC_EXIT_LOCAL, "%s: too long a path", opt->out);
    }
    estoc_err err = estoc_credential_lock(opt->out, &why);
    err = err ? err : estoc_credential_recover(opt->out, &why);
    if (err) {
        return estoc_say(opt->command, err == ESTOC_E_BUSY ? ESTOC_EXIT_LATER : ESTOC_EXIT_LOCAL,
                         "%s", why.text);
    }
    if (opt->same_key && opt->key != NULL) {
        return estoc_say(opt->command, ESTOC_EXIT_LOCAL,
                         "--same-key keeps PREFIX.key; leave out --cert and --key");
    }
    if (renew && opt->cert == NULL && opt->key == NULL) {
        opt->cert = path[0];
        opt->key = path[1];
    }
    /* Anchors once fetched are the ones for every later connection. RFC 9148 section 9.1 */
    if (estoc_file_exists(path[2])) {
        if (opt->ta != NULL && strcmp(opt->ta, path[2]) != 0 && !renew) {
            (void)estoc_say(opt->command, 0,
                            "note: %s is there from an earlier run and is used instead of --ta; "
                            "remove it to begin anew",
                            path[2]);
        }
        opt->ta = renew && opt->ta != NULL ? opt->ta : path[2];
    }
    return ESTOC_EXIT_DONE;
}

static int command(estoc_options *opt, bool renew)
{
    char path[3][ESTOC_PATH_MAX];
    struct run r = {.opt = opt, .renew = renew};
    int code = choose_files(opt, renew, path);
    return code ? code : run(&r);
}

int estoc_cmd_keygen(estoc_options *opt)
{
    char path[3][ESTOC_PATH_MAX];
    static estoc_keygen keygen;
    struct run r = {.opt = opt, .keygen = &keygen};
    int code = choose_files(opt, false, path);
    code = code ? code : run(&r);
    estoc_keygen_end(&keygen);
    return code;
}

int estoc_cmd_enroll(estoc_options *opt)
{
    return command(opt, false);
}

int estoc_cmd_renew(estoc_options *opt)
{
    return command(opt, true);
}

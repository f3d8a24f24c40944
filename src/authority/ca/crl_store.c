/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "crl_store.h"

/* ------------------------------------------------------------------------------------- the newest one */

static bool is_by(const estoc_crl_record *crl, const estoc_cert *issuer)
{
    estoc_crl_head head;
    return !estoc_crl_read(crl->der, &head) && estoc_slice_eq(head.issuer, issuer->subject) &&
           estoc_slice_eq(head.key_id, issuer->ski);
}

/* A clock that went back would make it one of the future, which nobody takes. */
static bool in_first_half(const estoc_crl_record *crl, int64_t now)
{
    return now >= crl->this_update &&
           now < crl->this_update + (crl->next_update - crl->this_update + 1) / 2;
}

estoc_err estoc_crl_find(estoc_store *s, const estoc_crl_rules *rules, int64_t now,
                         estoc_crl_record *crl, estoc_blob *der)
{
    int64_t revision = 0;
    estoc_err err = estoc_store_revision(s, &revision);
    if (err) {
        *der = (estoc_blob){NULL, 0};
        return err;
    }
    err = estoc_store_crl_newest(s, crl, der);
    if (!err &&
        (crl->revision < revision || !in_first_half(crl, now) || !is_by(crl, &rules->issuer))) {
        err = ESTOC_E_NOT_FOUND;
    }
    if (err) {
        estoc_blob_free(der);
        *crl = (estoc_crl_record){.number = 0};
    }
    return err;
}

/* ----------------------------------------------------------------------------------------- a new one */

struct making {
    const estoc_crl_rules *rules;
    estoc_crl crl;
    int64_t now;
    /* the list before, if it is one of this name: what it covers, and as of when */
    int64_t listed_number, listed_revision, listed_at;
    bool gave_up;
};

/* The issuer's name in a certificate, or in what was about to be one. */
static estoc_slice issuer_of(const estoc_record *rec)
{
    estoc_reader whole = estoc_reader_of(rec->cert);
    estoc_reader r = estoc_der_enter(&whole, ESTOC_DER_SEQUENCE);
    if (rec->state == ESTOC_RECORD_ISSUED) {
        estoc_reader tbs = estoc_der_enter(&r, ESTOC_DER_SEQUENCE);
        r = tbs;
    }
    (void)estoc_der_whole(&r, ESTOC_DER_CONTEXT_CONSTRUCTED(0));
    (void)estoc_der_integer(&r);
    (void)estoc_der_whole(&r, ESTOC_DER_SEQUENCE);
    return estoc_der_whole(&r, ESTOC_DER_SEQUENCE);
}

/* Section 3.3: by a clock that may have been wrong then, or may be now. */
static bool has_left(const struct making *m, const estoc_record *rec)
{
    return rec->revision <= m->listed_revision && rec->not_after < m->listed_at &&
           rec->not_after < m->now;
}

static bool add(void *ctx, const estoc_record *rec)
{
    struct making *m = ctx;
    m->gave_up = m->rules->give_up != NULL && atomic_load(m->rules->give_up);
    if (m->gave_up) {
        return false;
    }
    if (has_left(m, rec) || !estoc_slice_eq(issuer_of(rec), m->rules->issuer.subject)) {
        return true;
    }
    return estoc_crl_add(&m->crl, estoc_slice_of(rec->serial, rec->serial_len), rec->revoked_at,
                         rec->reason);
}

static estoc_err look_back(estoc_store *s, struct making *m)
{
    estoc_crl_record before;
    estoc_crl_head head;
    estoc_blob der;
    estoc_err err = estoc_store_crl_newest(s, &before, &der);
    m->listed_number = before.number; /* 0: none */
    if (!err && !estoc_crl_read(before.der, &head) &&
        estoc_slice_eq(head.issuer, m->rules->issuer.subject)) {
        m->listed_revision = before.revision;
        m->listed_at = before.this_update;
    }
    estoc_blob_free(&der);
    return err == ESTOC_E_NOT_FOUND ? ESTOC_OK : err;
}

/* All entries, as of one moment of the store, and with no lock on it. */
static estoc_err collect(estoc_store *s, struct making *m, int64_t *revision)
{
    estoc_err err = estoc_store_begin_snapshot(s);
    if (err) {
        return err;
    }
    err = look_back(s, m);
    err = err ? err : estoc_store_revision(s, revision);
    err = err ? err : estoc_store_each_revoked(s, 0, add, m);
    estoc_store_rollback(s);
    return err ? err : m->gave_up ? ESTOC_E_BUSY : ESTOC_OK;
}

/* What another has kept since we looked, and is no older than ours: it will do, or lead to the next. */
static estoc_err find_others(estoc_store *s, const struct making *m, estoc_crl_record *crl,
                             estoc_blob *der)
{
    estoc_crl_record other;
    estoc_err err = estoc_store_crl_newest(s, &other, NULL);
    if (err || other.number == m->listed_number || other.revision < crl->revision) {
        return err ? err : ESTOC_E_NOT_FOUND;
    }
    err = estoc_store_crl_newest(s, &other, der);
    if (!err && !is_by(&other, &m->rules->issuer)) {
        estoc_blob_free(der);
        err = ESTOC_E_NOT_FOUND;
    }
    *crl = err ? *crl : other;
    return err;
}

/* Number and list in one transaction; the number keeps others waiting. */
static estoc_err keep(estoc_store *s, struct making *m, estoc_crl_record *crl, estoc_blob *der)
{
    estoc_err err = estoc_store_begin(s);
    if (err) {
        return err;
    }
    err = estoc_store_crl_number(s, m->now, &crl->number);
    err = err ? err : find_others(s, m, crl, der);
    if (err != ESTOC_E_NOT_FOUND) {
        estoc_store_rollback(s);
        return err;
    }
    err = estoc_crl_end(&m->crl, &m->rules->issuer, crl->number, der);
    crl->der = estoc_blob_slice(*der);
    err = err ? err : estoc_store_crl_put(s, crl);
    if (err) {
        estoc_store_rollback(s);
        return err;
    }
    return estoc_store_commit(s);
}

estoc_err estoc_crl_make(estoc_store *s, const estoc_crl_rules *rules, int64_t now,
                         estoc_crl_record *crl, estoc_blob *der)
{
    struct making m = {.rules = rules, .now = now};
    *der = (estoc_blob){NULL, 0};
    *crl = (estoc_crl_record){.this_update = now, .next_update = now + (int64_t)rules->good_s};
    estoc_crl_begin(&m.crl, &rules->issuer, rules->key, crl->this_update, crl->next_update);
    estoc_err err = collect(s, &m, &crl->revision);
    err = err ? err : keep(s, &m, crl, der);
    estoc_crl_drop(&m.crl);
    if (err) {
        estoc_blob_free(der);
        *crl = (estoc_crl_record){.number = 0};
    }
    return err;
}

/* -------------------------------------------------------------------------------------------- a file */

estoc_err estoc_crl_write(const char *path, estoc_slice der)
{
    static const char pem[] = ".pem";
    size_t len = strlen(path);
    estoc_blob text = {NULL, 0};
    if (len < sizeof pem || strcmp(path + len - (sizeof pem - 1), pem) != 0) {
        return estoc_file_write(path, der, 0644);
    }
    estoc_err err = estoc_crl_pem(der, &text);
    err = err ? err : estoc_file_write(path, estoc_blob_slice(text), 0644);
    int saved = errno;
    estoc_blob_free(&text);
    errno = saved;
    return err;
}

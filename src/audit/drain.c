/* SPDX-License-Identifier: MIT
 *
 * Lines from the store to the file, and whether the two are of one piece.
 */
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "trail.h"

#define FLUSH_AT 1048576 /* bytes that are brought to the file at once */

struct drain {
    estoc_trail *trail;
    const char *node;
    estoc_trail_end last; /* that the file will have */
    char *text;
    size_t len, room;
    estoc_why *why;
    estoc_err err;
};

static estoc_err apart(const estoc_trail *t, estoc_why *why, const char *what)
{
    estoc_why_set(why, "audit log %.100s: %s", t->path, what);
    return ESTOC_E_STATE;
}

/* Whether the store's first line that is not in the file belongs behind the file's last one. */
static estoc_err check_first(const struct drain *d, const estoc_audit_line *l)
{
    estoc_audit_parsed parsed;
    const estoc_trail_end *end = &d->trail->end;
    estoc_err err = estoc_audit_parse(estoc_slice_str(l->text), &parsed, d->why);
    if (err) {
        return apart(d->trail, d->why, "what the store has for it is none of ours");
    }
    bool follows = end->seq == 0 || memcmp(parsed.entry.prev.ptr, end->hash, 32) == 0;
    estoc_audit_free(&parsed);
    if (end->seq != 0 && l->seq != end->seq + 1) {
        return apart(d->trail, d->why,
                     "lines between it and the store are missing; another node with "
                     "this name has them, or move the file away");
    }
    return follows ? ESTOC_OK
                   : apart(d->trail, d->why,
                           "it is of another history than the store; see what `estocd check` says");
}

static estoc_err flush(struct drain *d)
{
    if (d->len == 0) {
        return ESTOC_OK;
    }
    estoc_err err = estoc_trail_append(d->trail, estoc_slice_of(d->text, d->len), &d->last, d->why);
    d->len = 0;
    return err;
}

static bool put_text(struct drain *d, const char *text)
{
    size_t len = strlen(text);
    if (d->room - d->len < len + 1) {
        size_t room = d->len + len + 1 + FLUSH_AT / 4;
        char *more = realloc(d->text, room);
        if (more == NULL) {
            return false;
        }
        d->text = more;
        d->room = room;
    }
    memcpy(d->text + d->len, text, len);
    d->text[d->len + len] = '\n';
    d->len += len + 1;
    return true;
}

static bool drain_line(void *ctx, const estoc_audit_line *l)
{
    struct drain *d = ctx;
    bool first = d->last.seq == d->trail->end.seq && d->len == 0;
    if (first) {
        d->err = check_first(d, l);
    } else if (l->seq != d->last.seq + 1) {
        d->err = apart(d->trail, d->why, "a line is missing in the store");
    }
    if (!d->err && !put_text(d, l->text)) {
        d->err = ESTOC_E_MEMORY;
        estoc_why_set(d->why, "%s", estoc_err_text(d->err));
    }
    if (d->err) {
        return false;
    }
    d->last.seq = l->seq;
    memcpy(d->last.hash, l->hash, sizeof d->last.hash);
    snprintf(d->last.node, sizeof d->last.node, "%s", d->node);
    if (d->len >= FLUSH_AT) {
        d->err = flush(d);
    }
    return !d->err;
}

static estoc_err store_failed(estoc_store *store, estoc_err err, estoc_why *why)
{
    estoc_why_set(why, "the store: %s",
                  err == ESTOC_E_STORE ? estoc_store_why(store) : estoc_err_text(err));
    return err;
}

/* With the file locked. */
static estoc_err drain(estoc_trail *t, estoc_store *store, const char *node, estoc_why *why)
{
    struct drain d = {.trail = t, .node = node, .last = t->end, .why = why};
    estoc_err err = estoc_store_audit_each(store, node, t->end.seq, drain_line, &d);
    err = err ? store_failed(store, err, why) : d.err;
    err = err ? err : flush(&d);
    free(d.text);
    return err;
}

estoc_err estoc_audit_drain(estoc_trail *t, estoc_store *store, const char *node, int64_t *written,
                            estoc_why *why)
{
    estoc_err err = estoc_trail_lock(t, true, why);
    if (err) {
        return err;
    }
    err = drain(t, store, node, why);
    if (!err) {
        *written = t->end.seq;
    }
    estoc_trail_unlock(t);
    return err;
}

/* ------------------------------------------------------------------------------------ how far it is */

/* The lines that the store still has of the chain that the file is of. */
struct look {
    int64_t end;            /* the last line of the file */
    int64_t first;          /* the first one of them; 0: none */
    int64_t waiting;        /* those behind `end` */
    uint8_t hash[32];       /* of line `end`, if `first` is not behind it */
    estoc_trail_end before; /* the file's end before `first` */
    int64_t bytes;          /* from there to `end` */
};

static bool look_at(void *ctx, const estoc_audit_line *l)
{
    struct look *k = ctx;
    estoc_audit_parsed parsed;
    estoc_why unused;
    if (k->first == 0) {
        k->first = l->seq;
        k->before.seq = l->seq - 1;
        if (!estoc_audit_parse(estoc_slice_str(l->text), &parsed, &unused)) {
            memcpy(k->before.hash, parsed.entry.prev.ptr, sizeof k->before.hash);
            estoc_audit_free(&parsed);
        }
    }
    if (l->seq <= k->end) {
        k->bytes += (int64_t)strlen(l->text) + 1;
        memcpy(k->hash, l->hash, sizeof k->hash);
    } else {
        k->waiting++;
    }
    return true;
}

static const char *chain_of(const estoc_trail *t, const char *node)
{
    return t->end.seq > 0 ? t->end.node : node;
}

static estoc_audit_standing judge(const estoc_trail *t, const struct look *k, int64_t head,
                                  const uint8_t head_hash[32])
{
    const estoc_trail_end *end = &t->end;
    if (end->seq == 0) {
        /* an empty file is how a new one is asked for */
        return t->fd < 0 && head > 0 && k->first != 1 ? ESTOC_AUDIT_NO_FILE : ESTOC_AUDIT_AGREES;
    }
    if (head < end->seq) {
        return ESTOC_AUDIT_OLDER;
    }
    bool has_it = k->first != 0 && k->first <= end->seq;
    if (head > end->seq && (k->first == 0 || k->first > end->seq + 1)) {
        return ESTOC_AUDIT_GAP;
    }
    const uint8_t *hash = has_it ? k->hash : head > end->seq ? k->before.hash : head_hash;
    return memcmp(hash, end->hash, 32) == 0 ? ESTOC_AUDIT_AGREES : ESTOC_AUDIT_OTHER;
}

static estoc_err look(const estoc_trail *t, estoc_store *store, const char *node, struct look *k,
                      estoc_audit_position *pos, estoc_why *why)
{
    uint8_t hash[32];
    const char *chain = chain_of(t, node);
    *k = (struct look){.end = t->end.seq};
    *pos = (estoc_audit_position){.file = t->end.seq};
    estoc_err err = estoc_store_audit_head(store, chain, &pos->store, hash);
    err = err ? err : estoc_store_audit_each(store, chain, 0, look_at, k);
    if (err) {
        return store_failed(store, err, why);
    }
    snprintf(k->before.node, sizeof k->before.node, "%s", chain);
    k->before.at = t->end.at - k->bytes;
    pos->waiting = k->waiting;
    pos->standing = judge(t, k, pos->store, hash);
    return ESTOC_OK;
}

estoc_err estoc_audit_look(const estoc_trail *t, estoc_store *store, const char *node,
                           estoc_audit_position *pos, estoc_why *why)
{
    struct look k;
    estoc_err err = estoc_store_begin_snapshot(store);
    if (err) {
        return store_failed(store, err, why);
    }
    err = look(t, store, node, &k, pos, why);
    estoc_store_rollback(store);
    return err;
}

/* ----------------------------------------------------------------------------------- at the start */

void estoc_audit_explain(const estoc_trail *t, const estoc_audit_position *pos, estoc_why *why)
{
    switch (pos->standing) {
    case ESTOC_AUDIT_AGREES:
        why->text[0] = '\0';
        break;
    case ESTOC_AUDIT_OLDER:
        estoc_why_set(why,
                      "audit log %.90s: %lld decisions in it are not in the store, which was put "
                      "back; `estocd audit replay --dir DIR` puts them in",
                      t->path, (long long)(pos->file - pos->store));
        break;
    case ESTOC_AUDIT_OTHER:
        estoc_why_set(why,
                      "audit log %.80s: it is of another history than the store; put the store's "
                      "own there, or move it away, and `estocd audit replay --file` it",
                      t->path);
        break;
    case ESTOC_AUDIT_GAP:
        estoc_why_set(why,
                      "audit log %.80s: it ends with line %lld, and the lines behind it are gone "
                      "from the store; put the newest one there, or move this one away",
                      t->path, (long long)pos->file);
        break;
    case ESTOC_AUDIT_NO_FILE:
        estoc_why_set(why,
                      "audit log %.80s: not there, and the store has written %lld lines to it; put "
                      "it back, or make an empty file to begin a new one",
                      t->path, (long long)pos->store);
        break;
    }
}

struct comparing {
    const estoc_trail *trail;
    int64_t at;
    bool same;
};

static bool compare(void *ctx, const estoc_audit_line *l)
{
    struct comparing *c = ctx;
    estoc_slice text = estoc_slice_str(l->text);
    if (l->seq > c->trail->end.seq) {
        return false;
    }
    c->same = estoc_trail_has(c->trail, c->at, text);
    c->at += (int64_t)text.len;
    c->same = c->same && estoc_trail_has(c->trail, c->at, estoc_slice_str("\n"));
    c->at++;
    return c->same;
}

/* What the store still has may have come to the disk in any order when the power went. */
static estoc_err mend(estoc_trail *t, estoc_store *store, const struct look *k, estoc_why *why)
{
    struct comparing c = {t, k->before.at, true};
    if (k->bytes == 0) {
        return ESTOC_OK;
    }
    estoc_err err =
        c.at < 0 ? ESTOC_OK : estoc_store_audit_each(store, t->end.node, 0, compare, &c);
    if (err) {
        return store_failed(store, err, why);
    }
    if (c.at < 0 || !c.same) {
        estoc_log(ESTOC_LOG_WARN, "audit", "event", "damaged", "file", t->path, "result",
                  "the last lines are written again", NULL);
        err = c.at < 0 ? apart(t, why, "damaged; see what `estocd audit verify` says")
                       : estoc_trail_cut(t, &k->before, why);
    }
    return err;
}

/* The node has another name since: its chain goes on from the file's. */
static estoc_err rename_node(estoc_trail *t, estoc_store *store, const char *node, estoc_why *why)
{
    char text[ESTOC_AUDIT_NODE_MAX + 32];
    snprintf(text, sizeof text, "the node was %s before", t->end.node);
    estoc_audit_entry e = {.at = estoc_unix_s(), .op = "audit", .result = "renamed", .why = text};
    estoc_audit_batch b;
    estoc_audit_begin(&b, store, node);
    estoc_err err = estoc_store_begin(store);
    err = err ? err : estoc_audit_begin_behind(&b, t->end.seq, t->end.hash);
    if (!err) {
        estoc_audit_put(&b, &e);
        err = estoc_audit_end(&b, 0);
        err = err ? err : estoc_store_commit(store);
    }
    if (err) {
        estoc_store_rollback(store);
        return store_failed(store, err, why);
    }
    return drain(t, store, node, why);
}

static estoc_err refuse(const estoc_trail *t, const estoc_audit_position *pos, estoc_why *why)
{
    estoc_audit_explain(t, pos, why);
    return pos->standing == ESTOC_AUDIT_AGREES ? ESTOC_OK : ESTOC_E_STATE;
}

/* All of it as of one moment: what a server has brought to the file, it takes from the store. */
static estoc_err catch_up(estoc_trail *t, estoc_store *store, const char *chain, estoc_why *why)
{
    estoc_audit_position pos;
    struct look k;
    estoc_err err = estoc_store_begin_snapshot(store);
    if (err) {
        return store_failed(store, err, why);
    }
    err = look(t, store, chain, &k, &pos, why);
    err = err ? err : refuse(t, &pos, why);
    err = err ? err : mend(t, store, &k, why);
    err = err ? err : drain(t, store, chain, why);
    estoc_store_rollback(store);
    return err;
}

/* Not there: whether that may be. */
static estoc_err begin_file(estoc_trail *t, estoc_store *store, const char *node, estoc_why *why)
{
    estoc_audit_position pos;
    estoc_err err = estoc_audit_look(t, store, node, &pos, why);
    err = err ? err : refuse(t, &pos, why);
    return err ? err : estoc_trail_lock(t, true, why);
}

estoc_err estoc_audit_start(estoc_trail *t, estoc_store *store, const char *node, estoc_why *why)
{
    char chain[ESTOC_AUDIT_NODE_MAX];
    estoc_err err = estoc_trail_lock(t, false, why);
    if (err == ESTOC_E_NOT_FOUND) {
        err = begin_file(t, store, node, why);
    }
    if (err) {
        return err;
    }
    snprintf(chain, sizeof chain, "%s", chain_of(t, node));
    err = catch_up(t, store, chain, why);
    if (!err && strcmp(chain, node) != 0) {
        err = rename_node(t, store, node, why);
    }
    estoc_trail_unlock(t);
    return err;
}

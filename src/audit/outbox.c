/* SPDX-License-Identifier: MIT
 *
 * Lines into the store, within the transaction of what they tell.
 */
#include <stdlib.h>
#include <string.h>

#include "trail.h"

void estoc_audit_begin(estoc_audit_batch *b, estoc_store *store, const char *node)
{
    *b = (estoc_audit_batch){.store = store, .node = node};
}

estoc_err estoc_audit_begin_behind(estoc_audit_batch *b, int64_t seq, const uint8_t hash[32])
{
    b->begun = true;
    b->err = estoc_store_audit_head(b->store, b->node, &b->seq, b->hash); /* there is one then */
    if (!b->err) {
        b->seq = seq;
        memcpy(b->hash, hash, sizeof b->hash);
    }
    return b->err;
}

static bool make_room(estoc_audit_batch *b)
{
    if (b->n < b->room) {
        return true;
    }
    size_t room = b->room > 0 ? 2 * b->room : 16;
    estoc_audit_line *more = realloc(b->lines, room * sizeof *more);
    if (more != NULL) {
        b->lines = more;
        b->room = room;
    }
    return more != NULL;
}

void estoc_audit_put(estoc_audit_batch *b, estoc_audit_entry *e)
{
    uint8_t before[32];
    estoc_blob text;
    if (!b->begun) {
        b->begun = true;
        b->err = estoc_store_audit_head(b->store, b->node, &b->seq, b->hash);
    }
    if (!b->err && !make_room(b)) {
        b->err = ESTOC_E_MEMORY;
    }
    if (b->err) {
        return;
    }
    memcpy(before, b->hash, sizeof before);
    e->seq = b->seq + 1;
    e->node = b->node;
    e->prev = estoc_slice_of(before, sizeof before);
    b->err = estoc_audit_write(e, &text, b->hash);
    if (b->err) {
        return;
    }
    estoc_audit_line *line = &b->lines[b->n++];
    line->seq = ++b->seq;
    line->text = (const char *)text.ptr; /* with its NUL; freed at the end */
    memcpy(line->hash, b->hash, sizeof line->hash);
}

estoc_err estoc_audit_end(estoc_audit_batch *b, int64_t written)
{
    estoc_err err = b->err;
    if (!err && b->n > 0 && b->seq - (int64_t)b->n < written) {
        err = ESTOC_E_STATE;
    }
    err = err ? err : estoc_store_audit_add(b->store, b->node, b->lines, b->n);
    if (!err && b->n > 0 && written > 0) {
        err = estoc_store_audit_trim(b->store, b->node, written);
    }
    for (size_t i = 0; i < b->n; i++) {
        free((char *)(uintptr_t)b->lines[i].text);
    }
    free(b->lines);
    *b = (estoc_audit_batch){.store = b->store, .node = b->node};
    return err;
}

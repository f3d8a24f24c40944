/* SPDX-License-Identifier: MIT
 *
 * Audit logs line by line, and whether each line belongs behind the one before.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit.h"

#define BUF (2 * ESTOC_AUDIT_LINE_MAX)

estoc_err estoc_audit_open(const char *path, estoc_audit_reader *r)
{
    struct stat st;
    *r = (estoc_audit_reader){.fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (r->fd < 0) {
        return ESTOC_E_FILE;
    }
    bool locked = flock(r->fd, LOCK_SH) == 0; /* where there are no locks, nobody writes */
    bool known = fstat(r->fd, &st) == 0;
    if (locked) {
        flock(r->fd, LOCK_UN);
    }
    if (!known) {
        estoc_audit_close(r);
        return ESTOC_E_FILE;
    }
    r->size = st.st_size;
    r->buf = malloc(BUF);
    if (r->buf == NULL) {
        estoc_audit_close(r);
        return ESTOC_E_MEMORY;
    }
    return ESTOC_OK;
}

void estoc_audit_close(estoc_audit_reader *r)
{
    int saved = errno;
    if (r->fd >= 0) {
        close(r->fd);
    }
    free(r->buf);
    *r = (estoc_audit_reader){.fd = -1};
    errno = saved;
}

/* More of the file behind what is left of the buffer. @return 0; ESTOC_E_NOT_FOUND; ESTOC_E_FILE */
static estoc_err fill(estoc_audit_reader *r)
{
    memmove(r->buf, r->buf + r->from, r->to - r->from);
    r->to -= r->from;
    r->from = 0;
    ssize_t n;
    size_t room = BUF - r->to;
    int64_t left = r->size - r->taken;
    size_t want = left < (int64_t)room ? (size_t)left : room;
    do {
        n = read(r->fd, r->buf + r->to, want);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) {
        return n < 0 ? ESTOC_E_FILE : ESTOC_E_NOT_FOUND;
    }
    r->to += (size_t)n;
    r->taken += n;
    return ESTOC_OK;
}

estoc_err estoc_audit_next(estoc_audit_reader *r, estoc_slice *line)
{
    size_t looked = 0;
    *line = (estoc_slice){NULL, 0};
    for (;;) {
        const char *start = r->buf + r->from;
        size_t left = r->to - r->from;
        const char *end = memchr(start + looked, '\n', left - looked);
        if (end != NULL) {
            left = (size_t)(end - start);
        }
        if (left > ESTOC_AUDIT_LINE_MAX) {
            return ESTOC_E_LIMIT;
        }
        if (end != NULL) {
            *line = estoc_slice_of(start, left);
            r->from += left + 1;
            r->at += (int64_t)left + 1;
            r->n++;
            return ESTOC_OK;
        }
        looked = left;
        estoc_err err = fill(r);
        if (err == ESTOC_E_NOT_FOUND && left > 0) {
            *line = estoc_slice_of(r->buf, left);
            return ESTOC_E_TRUNCATED;
        }
        if (err) {
            return err;
        }
    }
}

static bool follows(const estoc_audit_chain *c, const estoc_audit_entry *e, estoc_why *why)
{
    static const uint8_t zeros[32];
    if (c->lines > 0 && e->seq != c->last + 1) {
        estoc_why_set(why, "has the number %lld, after %lld", (long long)e->seq,
                      (long long)c->last);
        return false;
    }
    /* of the very first line there is none before; of the first of a file it is not at hand */
    const uint8_t *before = c->lines > 0 ? c->hash : e->seq == 1 ? zeros : e->prev.ptr;
    if (memcmp(e->prev.ptr, before, sizeof zeros) != 0) {
        estoc_why_set(why, "does not belong behind the line before it: one of them was changed");
        return false;
    }
    return true;
}

estoc_err estoc_audit_follow(estoc_audit_chain *c, const estoc_audit_parsed *l, estoc_why *why)
{
    const estoc_audit_entry *e = &l->entry;
    if (!follows(c, e, why)) {
        return ESTOC_E_MALFORMED;
    }
    if (c->lines++ == 0) {
        c->first = e->seq;
        c->since = e->at;
    }
    c->last = e->seq;
    c->until = e->at;
    memcpy(c->hash, l->hash, sizeof c->hash);
    memcpy(c->node, e->node, strlen(e->node) + 1); /* estoc_audit_parse has its length */
    return ESTOC_OK;
}

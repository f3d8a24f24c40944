/* SPDX-License-Identifier: MIT
 *
 * Lines of an audit log, and files of them.
 */
#ifndef ESTOC_TEST_AUDIT_LINES_H
#define ESTOC_TEST_AUDIT_LINES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "audit.h"

static const uint8_t no_hash[32];

/* @param[in,out] hash  of the line before, then of this one */
static inline estoc_blob line_of(int64_t seq, const char *node, uint8_t hash[32])
{
    char subject[32];
    estoc_blob line;
    snprintf(subject, sizeof subject, "CN=dev-%d", (int)seq);
    uint8_t before[32];
    memcpy(before, hash, sizeof before);
    const estoc_audit_entry e = {.seq = seq,
                                 .at = 1795600000 + seq,
                                 .node = node,
                                 .op = "sen",
                                 .result = "issued",
                                 .subject = subject,
                                 .prev = estoc_slice_of(before, sizeof before)};
    assert_int_equal(estoc_audit_write(&e, &line, hash), 0);
    return line;
}

/* Lines from..to, each with its end. @return bytes written; `hash` goes on */
static inline size_t lines_of(int64_t from, int64_t to, const char *node, uint8_t hash[32],
                              char *out)
{
    size_t len = 0;
    for (int64_t seq = from; seq <= to; seq++) {
        estoc_blob line = line_of(seq, node, hash);
        memcpy(out + len, line.ptr, line.len);
        len += line.len;
        out[len++] = '\n';
        estoc_blob_free(&line);
    }
    return len;
}

#endif

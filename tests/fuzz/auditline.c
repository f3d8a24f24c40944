/* SPDX-License-Identifier: MIT
 *
 * Input: a line of an audit log. What is read of it is written, and reads back the same.
 */
#include <string.h>

#include "audit.h"
#include "check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    estoc_audit_parsed l, back;
    estoc_why why = {""};
    estoc_blob text, again;
    uint8_t hash[32];
    estoc_err err = estoc_audit_parse(estoc_slice_of(data, size), &l, &why);
    CHECK(!err || err == ESTOC_E_MALFORMED || err == ESTOC_E_LIMIT);
    if (err) {
        CHECK(l.json == NULL && l.bytes.ptr == NULL && why.text[0] != '\0');
        return 0;
    }
    err = estoc_audit_write(&l.entry, &text, hash);
    CHECK(!err || err == ESTOC_E_LIMIT); /* escapes may be longer than what they stand for */
    if (!err) {
        CHECK(estoc_audit_parse(estoc_blob_slice(text), &back, &why) == ESTOC_OK);
        CHECK(memcmp(back.hash, hash, sizeof hash) == 0);
        CHECK(back.entry.seq == l.entry.seq && back.entry.at == l.entry.at);
        CHECK(estoc_audit_write(&back.entry, &again, hash) == ESTOC_OK);
        CHECK(estoc_slice_eq(estoc_blob_slice(text), estoc_blob_slice(again)));
        estoc_blob_free(&again);
        estoc_audit_free(&back);
    }
    estoc_blob_free(&text);
    estoc_audit_free(&l);
    return 0;
}

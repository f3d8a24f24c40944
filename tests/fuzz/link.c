/* SPDX-License-Identifier: MIT
 *
 * Input: a query, a newline, a document; without a newline, a document.
 */
#include <string.h>

#include <estoc/link.h>

#include "check.h"

static bool has(estoc_slice s, const char *set)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < ' ' || s.ptr[i] > '~' || strchr(set, s.ptr[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static bool has_word(estoc_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] != ' ') {
            return true;
        }
    }
    return false;
}

/* href=, with the whole target or with `cut` bytes of it and a *, finds the link. */
static void check_href(const estoc_link *link, size_t cut)
{
    static const char name[] = "href=";
    size_t keep = cut < link->target.len ? cut : link->target.len;
    uint8_t *query = malloc(sizeof name + keep);
    CHECK(query != NULL);
    memcpy(query, name, sizeof name - 1);
    if (keep > 0) {
        memcpy(query + sizeof name - 1, link->target.ptr, keep);
    }
    query[sizeof name - 1 + keep] = '*';
    bool whole = keep == link->target.len;
    CHECK(estoc_link_matches(link, estoc_slice_of(query, sizeof name - 1 + keep + !whole)));
    CHECK(estoc_link_matches(link, estoc_slice_of(query, sizeof name + keep)));
    free(query);
}

/* A link whose values can be written is written, and read back the same. */
static void check_written(const estoc_link *link)
{
    bool writable = !has(link->rt, "\"\\") && !has(link->ct, "\"\\");
    estoc_writer w = estoc_writer_counting();
    estoc_link_put(&w, link->target, link->rt, link->ct);
    CHECK(w.err == (writable ? ESTOC_OK : ESTOC_E_USAGE));
    if (!writable) {
        return;
    }
    size_t need = w.len;
    uint8_t *room = malloc(need);
    CHECK(room != NULL);
    w = estoc_writer_of((estoc_buf){room, need});
    estoc_link_put(&w, link->target, link->rt, link->ct);
    estoc_reader r = estoc_reader_of(estoc_writer_slice(&w));
    estoc_link again;
    CHECK(w.len == need && estoc_link_next(&r, &again));
    CHECK(estoc_reader_end(&r) == ESTOC_OK);
    CHECK(estoc_slice_eq(again.target, link->target));
    CHECK(estoc_slice_eq(again.rt, link->rt) && estoc_slice_eq(again.ct, link->ct));
    free(room);
}

static void check_link(const estoc_link *link, estoc_slice document, estoc_slice query)
{
    CHECK(check_inside(link->target, document) && check_inside(link->attributes, document));
    CHECK(check_inside(link->rt, link->attributes) && check_inside(link->ct, link->attributes));
    CHECK(estoc_link_matches(link, estoc_slice_str("rt=*")) == has_word(link->rt));
    CHECK(estoc_link_matches(link, estoc_slice_str("ct=*")) == has_word(link->ct));
    (void)estoc_link_matches(link, query);
    check_href(link, SIZE_MAX);
    check_href(link, query.len);
    check_written(link);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    estoc_slice input = estoc_slice_of(data, size);
    const uint8_t *newline = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t query_len = newline != NULL ? (size_t)(newline - data) : 0;
    estoc_slice query = estoc_slice_sub(input, 0, query_len);
    estoc_slice document = newline != NULL ? estoc_slice_sub(input, query_len + 1, size) : input;
    estoc_reader r = estoc_reader_of(document);
    estoc_link link;
    size_t left = r.rest.len;
    while (estoc_link_next(&r, &link)) {
        CHECK(r.rest.len < left && r.err == ESTOC_OK);
        left = r.rest.len;
        check_link(&link, document, query);
    }
    CHECK(r.rest.len == 0 && (r.err == ESTOC_OK || r.err == ESTOC_E_MALFORMED));
    CHECK(link.target.len == 0 && link.attributes.len == 0);
    return 0;
}

/* SPDX-License-Identifier: MIT */
#include "folder.h"
#include "relay.h"

static void documents(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    estoc_document_kept doc = {true, 1, 2};
    estoc_blob bytes = {(uint8_t *)&doc, 9};
    assert_int_equal(estoc_document_get(s, "crts ", &doc, &bytes), ESTOC_E_NOT_FOUND);
    assert_null(bytes.ptr);
    assert_int_equal(bytes.len, 0);
    assert_int_equal(doc.fetched_at, 0);
    const estoc_document_kept first = {.fetched_at = 1000, .good_until = 1600};
    const estoc_document_kept other = {.none = true, .fetched_at = 1001, .good_until = 1700};
    assert_int_equal(estoc_document_put(s, "crts ", &first, estoc_slice_of("one", 3)), ESTOC_OK);
    assert_int_equal(estoc_document_put(s, "att  plant", &other, estoc_slice_of(NULL, 0)),
                     ESTOC_OK);
    estoc_store_close(s); /* G3: a restart in between */
    s = open_store();
    assert_int_equal(estoc_document_get(s, "crts ", &doc, &bytes), ESTOC_OK);
    assert_false(doc.none);
    assert_int_equal(doc.fetched_at, 1000);
    assert_int_equal(doc.good_until, 1600);
    assert_int_equal(bytes.len, 3);
    assert_memory_equal(bytes.ptr, "one", 3);
    estoc_blob_free(&bytes);
    assert_int_equal(estoc_document_get(s, "att  plant", &doc, &bytes), ESTOC_OK);
    assert_true(doc.none);
    assert_int_equal(bytes.len, 0);
    estoc_blob_free(&bytes);
    assert_int_equal(estoc_document_put(s, "crts ", &other, estoc_slice_of("other", 5)), ESTOC_OK);
    assert_int_equal(estoc_document_get(s, "crts ", &doc, &bytes), ESTOC_OK);
    assert_true(doc.none);
    assert_int_equal(doc.good_until, 1700);
    assert_int_equal(bytes.len, 5);
    estoc_blob_free(&bytes);
    assert_int_equal(estoc_document_get(s, "att  ", &doc, &bytes), ESTOC_E_NOT_FOUND);
    estoc_store_close(s);
}

static bool note(void *ctx, const estoc_health *h)
{
    char *text = ctx;
    sprintf(text + strlen(text), "%s,%s,%s@%d %d %d/%d %d %d %d-%d %d %s;", h->node, h->upstream,
            h->url, (int)h->noted_at, h->up, (int)h->failures, (int)h->calls, (int)h->ok_at,
            (int)h->failed_at, (int)h->median_ms, (int)h->p99_ms, (int)h->connections, h->why);
    return strlen(text) < 100;
}

static void health(void **state)
{
    (void)state;
    estoc_store *s = open_store();
    char text[512] = "";
    estoc_health list[] = {
        {"n2", "", "https://a", 10, true, 5, 1, 9, 4, 20, 90, 3, "time-out"},
        {"n1", "plant", "https://b", 11, false, 0, 0, 0, 0, 0, 0, 0, NULL},
        {"n1", "", "https://b", 12, true, UINT32_MAX, 7, 8, 9, 10, 11, 12, "x"},
    };
    assert_int_equal(estoc_health_each(s, note, text), ESTOC_OK);
    assert_string_equal(text, "");
    assert_int_equal(estoc_health_put(s, NULL, 0), ESTOC_OK);
    assert_int_equal(estoc_health_put(s, list, 3), ESTOC_OK);
    assert_int_equal(estoc_health_each(s, note, text), ESTOC_OK);
    assert_string_equal(text, "n1,,https://b@12 1 7/-1 8 9 10-11 12 x;"
                              "n1,plant,https://b@11 0 0/0 0 0 0-0 0 ;"
                              "n2,,https://a@10 1 1/5 9 4 20-90 3 time-out;");
    list[0].up = false;
    list[0].noted_at = 13;
    assert_int_equal(estoc_health_put(s, list, 1), ESTOC_OK);
    assert_int_equal(estoc_health_expire(s, "n1", 12), ESTOC_OK);
    text[0] = '\0';
    assert_int_equal(estoc_health_each(s, note, text), ESTOC_OK);
    assert_string_equal(text, "n1,,https://b@12 1 7/-1 8 9 10-11 12 x;"
                              "n2,,https://a@13 0 1/5 9 4 20-90 3 time-out;");
    estoc_store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER("G3 what an upstream serves is kept, beyond a restart", documents),
        IN_FOLDER("G1 how upstreams do, as each node sees it", health),
    };
    return cmocka_run_group_tests_name("store/documents", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include <estoc/est.h>
#include <estoc/link.h>

#include "coap/rows.h"

static estoc_slice discovery = TEXT(DISCOVERY);

static estoc_link only_link(const char *text)
{
    estoc_reader r = estoc_reader_of(estoc_slice_str(text));
    estoc_link link;
    assert_true(estoc_link_next(&r, &link));
    assert_int_equal(estoc_reader_end(&r), 0);
    return link;
}

/* Link and query in blocks of their exact size. */
static bool matches(const char *text, const char *query)
{
    estoc_slice t = estoc_slice_str(text);
    estoc_slice q = estoc_slice_str(query);
    uint8_t *exact_text = exact_copy(t);
    uint8_t *exact_query = exact_copy(q);
    estoc_reader r = estoc_reader_of(estoc_slice_of(exact_text, t.len));
    estoc_link link;
    assert_true(estoc_link_next(&r, &link));
    bool match = estoc_link_matches(&link, estoc_slice_of(exact_query, q.len));
    free(exact_text);
    free(exact_query);
    return match;
}

/* How many links of RFC 9148's example answer. */
static unsigned answers(const char *query)
{
    estoc_reader r = estoc_reader_of(discovery);
    estoc_link link;
    unsigned n = 0;
    while (estoc_link_next(&r, &link)) {
        n += estoc_link_matches(&link, estoc_slice_str(query));
    }
    assert_int_equal(estoc_reader_end(&r), 0);
    return n;
}

static void malformed(void **state)
{
    const struct malformed_value *row = *state;
    uint8_t *exact = exact_copy(row->bytes);
    estoc_reader r = estoc_reader_of(estoc_slice_of(exact, row->bytes.len));
    estoc_link link;
    size_t n = 0;
    while (estoc_link_next(&r, &link)) {
        assert_true(++n < row->bytes.len);
    }
    free(exact);
    assert_int_equal(r.err, row->err);
    assert_int_equal(link.target.len + link.rt.len + link.ct.len + link.attributes.len, 0);
    assert_false(estoc_link_next(&r, &link));
}

static void wellformed(void **state)
{
    const struct wellformed *row = *state;
    uint8_t *exact = exact_copy(row->bytes);
    estoc_reader r = estoc_reader_of(estoc_slice_of(exact, row->bytes.len));
    estoc_link link;
    while (estoc_link_next(&r, &link)) {
    }
    assert_int_equal(estoc_reader_end(&r), 0);
    free(exact);
}

static void rfc9148_discovery(void **state)
{
    (void)state;
    estoc_reader r = estoc_reader_of(discovery);
    estoc_link link;
    char target[16];
    for (size_t i = 0; i < ESTOC_RESOURCES; i++) {
        const estoc_resource *res = estoc_resource_at(i);
        snprintf(target, sizeof target, "/est/%s", res->name);
        assert_true(estoc_link_next(&r, &link));
        assert_text(link.target, target);
        assert_text(link.rt, res->rt);
        assert_text(link.ct, res->ct);
    }
    assert_false(estoc_link_next(&r, &link));
    assert_int_equal(estoc_reader_end(&r), 0);
}

static void put_all(estoc_writer *w)
{
    char target[16];
    for (size_t i = 0; i < ESTOC_RESOURCES; i++) {
        const estoc_resource *res = estoc_resource_at(i);
        snprintf(target, sizeof target, "/est/%s", res->name);
        estoc_link_put(w, estoc_slice_str(target), estoc_slice_str(res->rt),
                       estoc_slice_str(res->ct));
    }
}

static void writes_rfc9148_discovery(void **state)
{
    (void)state;
    uint8_t room[sizeof DISCOVERY - 1];
    estoc_writer w = estoc_writer_of((estoc_buf){room, sizeof room});
    put_all(&w);
    assert_bytes(estoc_writer_slice(&w), discovery);
    w = estoc_writer_counting();
    put_all(&w);
    size_t len;
    assert_int_equal(estoc_writer_end(&w, &len), 0);
    assert_int_equal(len, discovery.len);
    w = estoc_writer_of((estoc_buf){room, sizeof room - 1});
    put_all(&w);
    assert_int_equal(estoc_writer_end(&w, &len), ESTOC_E_SPACE);
}

static void put_one(const char *target, const char *rt, const char *ct, const char *expected)
{
    uint8_t room[100];
    estoc_writer w = estoc_writer_of((estoc_buf){room, sizeof room});
    estoc_link_put(&w, estoc_slice_str(target), estoc_slice_str(rt), estoc_slice_str(ct));
    if (expected == NULL) {
        assert_int_equal(w.err, ESTOC_E_USAGE);
    } else {
        assert_int_equal(w.err, 0);
        assert_text(estoc_writer_slice(&w), expected);
    }
}

static void put_values(void **state)
{
    (void)state;
    put_one("/a", "", "", "</a>");
    put_one("/a", "x", "", "</a>;rt=\"x\"");
    put_one("/a", "x y", "40", "</a>;rt=\"x y\";ct=40");
    put_one("", "", "281 287", "<>;ct=\"281 287\"");
    put_one("coaps://[::1]:5684/est/sen", "", "", "<coaps://[::1]:5684/est/sen>");
}

static void put_refuses(void **state)
{
    (void)state;
    static const char *const targets[] = {"/a>", "</a", "/a b", "/\"", "/\\", "/\n", "/\xc3\xa9"};
    static const char *const values[] = {"\"", "x\"y", "\\", "x\n", "\x7f", "\xff"};
    for (size_t i = 0; i < COUNT(targets); i++) {
        put_one(targets[i], "x", "1", NULL);
    }
    for (size_t i = 0; i < COUNT(values); i++) {
        put_one("/a", values[i], "1", NULL);
        put_one("/a", "x", values[i], NULL);
    }
}

static void attributes(void **state)
{
    (void)state;
    estoc_link link = only_link("</a>;rt=\"one two\";ct=40;title=\"x,y;z\";obs");
    assert_text(link.target, "/a");
    assert_text(link.rt, "one two");
    assert_text(link.ct, "40");
    assert_text(link.attributes, ";rt=\"one two\";ct=40;title=\"x,y;z\";obs");
    link = only_link("<>");
    assert_int_equal(link.target.len + link.rt.len + link.ct.len + link.attributes.len, 0);
}

static void rt_twice(void **state)
{
    (void)state;
    estoc_link link = only_link("</a>;rt=one;rt=two;ct=1;ct=2");
    assert_text(link.rt, "one");
    assert_text(link.ct, "1");
    assert_true(estoc_link_matches(&link, estoc_slice_str("rt=one")));
    assert_false(estoc_link_matches(&link, estoc_slice_str("rt=two")));
}

static void similar_names(void **state)
{
    (void)state;
    estoc_link link = only_link("</a>;r=0;rtx=1;xrt=2;RT=3;rt*=4");
    assert_int_equal(link.rt.len, 0);
    assert_int_equal(link.ct.len, 0);
}

static void queries_on_rt(void **state)
{
    (void)state;
    assert_int_equal(answers("rt=ace.est.crts"), 1);
    assert_int_equal(answers("rt=ace.est.x"), 0);
    assert_int_equal(answers("rt=ace.est*"), 6);
    assert_int_equal(answers("rt=ace.est.s*"), 4);
    assert_int_equal(answers("rt=ace.est.sen*"), 1);
    assert_int_equal(answers("rt=*"), 6);
    assert_int_equal(answers("rt=ace.est"), 0);
    assert_int_equal(answers("rt=ace.est.crtsx"), 0);
    assert_int_equal(answers("rt=ACE.EST*"), 0);
    assert_int_equal(answers("rt=*crts"), 0);
    assert_int_equal(answers("rt=ace.*.crts"), 0);
    assert_int_equal(answers("rt="), 0);
}

static void queries_on_href_and_ct(void **state)
{
    (void)state;
    assert_int_equal(answers("href=/est/sen"), 1);
    assert_int_equal(answers("href=/est/*"), 6);
    assert_int_equal(answers("href=/est/s*"), 4);
    assert_int_equal(answers("href=/est/crts/"), 0);
    assert_int_equal(answers("href=/est"), 0);
    assert_int_equal(answers("href=*"), 6);
    assert_int_equal(answers("ct=281"), 3);
    assert_int_equal(answers("ct=287"), 3);
    assert_int_equal(answers("ct=28*"), 4);
    assert_int_equal(answers("ct=62"), 2);
    assert_int_equal(answers("ct=28"), 0);
    assert_int_equal(answers("ct=281 287"), 0);
}

static void no_queries(void **state)
{
    (void)state;
    static const char *const none[] = {"",     "rt",      "*",      "=",     "=ace.est*",
                                       "if=*", "title=*", "rt ace", " rt=*", "RT=ace.est*"};
    for (size_t i = 0; i < COUNT(none); i++) {
        assert_int_equal(answers(none[i]), 0);
    }
}

static void words(void **state)
{
    (void)state;
    assert_true(matches("</a>;rt=\"one two three\"", "rt=one"));
    assert_true(matches("</a>;rt=\"one two three\"", "rt=two"));
    assert_true(matches("</a>;rt=\"one two three\"", "rt=thr*"));
    assert_false(matches("</a>;rt=\"one two three\"", "rt=wo"));
    assert_false(matches("</a>;rt=\"one two three\"", "rt=one two"));
    assert_true(matches("</a>;rt=\"  one  \"", "rt=one"));
    assert_true(matches("</a>;rt=one", "rt=one"));
    assert_false(matches("</a>;rt=one", "rt=one1"));
    assert_true(matches("</a>;rel=\"x y\"", "rel=y"));
    assert_true(matches("</a>;if=\"x y\"", "if=y"));
}

static void absent_attributes(void **state)
{
    (void)state;
    assert_false(matches("</a>;ct=40", "rt=*"));
    assert_false(matches("</a>;rt=x", "ct=*"));
    assert_false(matches("</a>;rt=\"\"", "rt=*"));
    assert_false(matches("</a>;rt=\" \"", "rt=*"));
    assert_true(matches("</a>;rt=x", "href=*"));
    assert_true(matches("<>", "href="));
}

static void other_attributes(void **state)
{
    (void)state;
    assert_true(matches("</a>;title=\"Sensor Index\"", "title=Sensor Index"));
    assert_true(matches("</a>;title=\"Sensor Index\"", "title=Sensor*"));
    assert_false(matches("</a>;title=\"Sensor Index\"", "title=Index"));
    assert_true(matches("</a>;title=\"a\\\"b\"", "title=a\"b"));
    assert_false(matches("</a>;title=\"a\\\"b\"", "title=a\\\"b"));
    assert_true(matches("</a>;anchor=\"/b\"", "anchor=/b"));
}

/* clang-format off */
static const struct CMUnitTest tests[] = {
    {"R2 RFC 9148's discovery is parsed",               rfc9148_discovery, NULL, NULL, NULL},
    {"R2 RFC 9148's discovery is written byte for byte", writes_rfc9148_discovery, NULL, NULL, NULL},
    {"R2 156 rt= with and without *",                   queries_on_rt, NULL, NULL, NULL},
    {"R2 156 href= and ct=",                            queries_on_href_and_ct, NULL, NULL, NULL},
    {"R2 156 queries that match nothing",               no_queries, NULL, NULL, NULL},
    {"R2 156 rt twice: the first counts",               rt_twice, NULL, NULL, NULL},
    {"R2 values are lists of words",                    words, NULL, NULL, NULL},
    {"R2 a link without the attribute does not match",  absent_attributes, NULL, NULL, NULL},
    {"R2 other attributes",                             other_attributes, NULL, NULL, NULL},
    {"attributes of a link",                            attributes, NULL, NULL, NULL},
    {"names that only look like rt",                    similar_names, NULL, NULL, NULL},
    {"links are written with what is there",            put_values, NULL, NULL, NULL},
    {"links that cannot be written",                    put_refuses, NULL, NULL, NULL},
};
/* clang-format on */

int main(void)
{
    for (size_t i = 0; i < COUNT(malformed_links); i++) {
        rows_add("R2 refused:", malformed_links[i].name, malformed, &malformed_links[i]);
    }
    for (size_t i = 0; i < COUNT(wellformed_links); i++) {
        rows_add("R2 taken:", wellformed_links[i].name, wellformed, &wellformed_links[i]);
    }
    return rows_run("link", tests, COUNT(tests));
}

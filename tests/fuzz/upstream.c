/* SPDX-License-Identifier: MIT
 *
 * Input: an octet for the operation, one for the status, then lines Content-Type, Retry-After, Date and
 * Cache-Control, each to its LF, and the body of an upstream's answer.
 */
#include <string.h>

#include "check.h"
#include "upstream_parts.h"

static void take_line(estoc_slice *rest, char to[FIELD_MAX])
{
    const uint8_t *lf = rest->len > 0 ? memchr(rest->ptr, '\n', rest->len) : NULL;
    size_t n = lf != NULL ? (size_t)(lf - rest->ptr) : rest->len;
    estoc_slice line = estoc_slice_sub(*rest, 0, n < FIELD_MAX ? n : FIELD_MAX - 1);
    *rest = estoc_slice_sub(*rest, n + (lf != NULL), rest->len);
    if (line.len > 0) {
        memcpy(to, line.ptr, line.len);
    }
    to[line.len] = '\0';
}

static void check_reply(const estoc_upstream_reply *r, estoc_slice body)
{
    CHECK(r->err == ESTOC_OK || (r->text != NULL && strlen(r->text) <= 64 && r->code != 0));
    CHECK(r->err != ESTOC_E_LATER || (r->retry_s >= 1 && r->retry_s <= ESTOC_UPSTREAM_RETRY_MAX));
    CHECK(r->err == ESTOC_OK || (r->body.len == 0 && r->key.len == 0));
    CHECK(r->body.len == 0 || check_inside(r->body, body));
    CHECK(r->key.len == 0 || check_inside(r->key, body));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned statuses[] = {200, 202, 204, 302, 401, 404, 429, 500, 503, 504, 0, 599};
    estoc_slice rest = estoc_slice_of(data, size);
    char why[WHY_MAX];
    if (size < 2) {
        return 0;
    }
    estoc_upstream_op op = (estoc_upstream_op)(data[0] % (ESTOC_UPSTREAM_KEYGEN + 1));
    estoc_upstream_answer a = {.end = (estoc_upstream_end)(data[0] / 16 % 9),
                               .connected = true,
                               .sent = true,
                               .status = statuses[data[1] % (sizeof statuses / sizeof *statuses)]};
    estoc_upstream_reply r = {.url = "u"};
    rest = estoc_slice_sub(rest, 2, rest.len);
    take_line(&rest, a.type);
    take_line(&rest, a.retry_after);
    take_line(&rest, a.date);
    take_line(&rest, a.cache_control);
    uint8_t *body =
        malloc(rest.len + 1); /* of its exact size but for one: it is decoded in place */
    CHECK(body != NULL);
    memcpy(body, rest.len > 0 ? rest.ptr : data, rest.len);
    a.body = body;
    a.body_len = rest.len;
    estoc_upstream_read(op, &a, &r, why);
    CHECK(memchr(why, '\0', WHY_MAX) != NULL);
    check_reply(&r, estoc_slice_of(body, rest.len));
    free(body);
    return 0;
}

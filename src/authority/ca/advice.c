/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "advice.h"

#define RETRY_MAX 604800u /* seconds: a week */

static void put_reason(estoc_advice *a, estoc_slice text, const char *otherwise)
{
    if (text.len == 0) {
        text = estoc_slice_str(otherwise);
    }
    size_t len = text.len < sizeof a->reason ? text.len : sizeof a->reason - 1;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = text.ptr[i];
        a->reason[i] = c >= ' ' && c < 0x7f ? (char)c : '?';
    }
    a->reason[len] = '\0';
}

void estoc_advice_fail(estoc_advice *a, const char *reason)
{
    *a = (estoc_advice){.kind = ESTOC_ADVICE_FAILED};
    put_reason(a, estoc_slice_str(reason), "no answer");
}

/* The line without its end. @return false: it is not one line */
static bool one_line(estoc_slice *text)
{
    if (text->len > 0 && text->ptr[text->len - 1] == '\n') {
        text->len--;
    }
    if (text->len > 0 && text->ptr[text->len - 1] == '\r') {
        text->len--;
    }
    return text->len > 0 && text->len < ESTOC_ADVICE_MAX &&
           memchr(text->ptr, '\n', text->len) == NULL;
}

/* What follows a word and blanks; empty: nothing. @return false: the line begins with another word */
static bool after_word(estoc_slice line, const char *word, estoc_slice *rest)
{
    estoc_slice w = estoc_slice_str(word);
    if (!estoc_slice_eq(estoc_slice_sub(line, 0, w.len), w)) {
        return false;
    }
    *rest = estoc_slice_sub(line, w.len, line.len);
    if (rest->len > 0 && rest->ptr[0] != ' ') {
        return false;
    }
    while (rest->len > 0 && rest->ptr[0] == ' ') {
        *rest = estoc_slice_sub(*rest, 1, rest->len);
    }
    return true;
}

/* @return false: not a number of seconds, up to a week */
static bool seconds(estoc_slice text, uint32_t *out)
{
    uint32_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
        n = n * 10 + (uint32_t)(text.ptr[i] - '0');
        if (n > RETRY_MAX) {
            return false;
        }
    }
    *out = n;
    return text.len == 0 || n > 0;
}

void estoc_advice_parse(estoc_slice text, estoc_advice *a)
{
    estoc_slice rest;
    *a = (estoc_advice){.kind = ESTOC_ADVICE_NONE};
    if (!one_line(&text)) {
        estoc_advice_fail(a, "its answer is not one line");
    } else if (after_word(text, "yes", &rest) && rest.len == 0) {
        a->kind = ESTOC_ADVICE_YES;
    } else if (after_word(text, "no", &rest)) {
        a->kind = ESTOC_ADVICE_NO;
        put_reason(a, rest, "this request was refused");
    } else if (after_word(text, "later", &rest) && seconds(rest, &a->retry_s)) {
        a->kind = ESTOC_ADVICE_LATER;
    } else {
        estoc_advice_fail(a, "its answer is neither yes, no [REASON] nor later [SECONDS]");
    }
}

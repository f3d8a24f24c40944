/* SPDX-License-Identifier: MIT */
#include "options.h"

/* clang-format off */
static const estoc_coap_opt_rule rules[] = {
    {ESTOC_OPT_IF_MATCH,       8,    0, true},  /* RFC 7252 Table 4, to Size1 */
    {ESTOC_OPT_URI_HOST,       255,  1, false},
    {ESTOC_OPT_ETAG,           8,    1, true},
    {ESTOC_OPT_IF_NONE_MATCH,  0,    0, false},
    {ESTOC_OPT_OBSERVE,        3,    0, false}, /* RFC 7641 */
    {ESTOC_OPT_URI_PORT,       2,    0, false},
    {ESTOC_OPT_LOCATION_PATH,  255,  0, true},
    {ESTOC_OPT_URI_PATH,       255,  0, true},
    {ESTOC_OPT_CONTENT_FORMAT, 2,    0, false},
    {ESTOC_OPT_MAX_AGE,        4,    0, false},
    {ESTOC_OPT_URI_QUERY,      255,  0, true},
    {ESTOC_OPT_HOP_LIMIT,      1,    1, false}, /* RFC 8768 */
    {ESTOC_OPT_ACCEPT,         2,    0, false},
    {ESTOC_OPT_LOCATION_QUERY, 255,  0, true},
    {ESTOC_OPT_BLOCK2,         3,    0, false}, /* RFC 7959 Table 1 */
    {ESTOC_OPT_BLOCK1,         3,    0, false},
    {ESTOC_OPT_SIZE2,          4,    0, false}, /* RFC 7959 Table 3 */
    {ESTOC_OPT_PROXY_URI,      1034, 1, false},
    {ESTOC_OPT_PROXY_SCHEME,   255,  1, false},
    {ESTOC_OPT_SIZE1,          4,    0, false},
    {ESTOC_OPT_ECHO,           40,   1, false}, /* RFC 9175 Tables 1 and 2 */
    {ESTOC_OPT_NO_RESPONSE,    1,    0, false}, /* RFC 7967 */
    {ESTOC_OPT_REQUEST_TAG,    8,    0, true},
};
/* clang-format on */

bool estoc_coap_opt_rule_of(uint16_t number, estoc_coap_opt_rule *rule)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (rules[i].number == number) {
            *rule = rules[i];
            return true;
        }
    }
    *rule = (estoc_coap_opt_rule){0, 0, 0, false};
    return false;
}

bool estoc_opt_recognised(const estoc_coap_opt *opt, uint32_t before)
{
    estoc_coap_opt_rule rule;
    return estoc_coap_opt_rule_of(opt->number, &rule) && opt->value.len >= rule.min_len &&
           opt->value.len <= rule.max_len && (rule.repeatable || opt->number != before);
}

bool estoc_opt_take(estoc_opt_numbers *n, const estoc_coap_opt *opt)
{
    static const uint8_t numbers[NUMBERS] = {
        ESTOC_OPT_CONTENT_FORMAT, ESTOC_OPT_MAX_AGE, ESTOC_OPT_ACCEPT, ESTOC_OPT_BLOCK2,
        ESTOC_OPT_BLOCK1,         ESTOC_OPT_SIZE2,   ESTOC_OPT_SIZE1,
    };
    size_t i = 0;
    while (i < NUMBERS && numbers[i] != opt->number) {
        i++;
    }
    uint32_t v;
    if (i == NUMBERS || estoc_coap_uint(opt->value, &v)) {
        return true;
    }
    if ((i == BLOCK1 || i == BLOCK2) && (v & 7) == 7) {
        return false;
    }
    n->v[i] = v;
    n->has[i] = true;
    return true;
}

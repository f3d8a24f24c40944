/* SPDX-License-Identifier: MIT
 *
 * Input: a line with a rule for subjects, one with a rule for alternative names, then a Name and
 * GeneralNames in DER: what the client's certificate has and the request asks for.
 */
#include <string.h>

#include "check.h"
#include "naming.h"

static bool take_line(estoc_slice *input, char line[ESTOC_NAMING_MAX])
{
    const uint8_t *end = input->len > 0 ? memchr(input->ptr, '\n', input->len) : NULL;
    size_t len = end != NULL ? (size_t)(end - input->ptr) : 0;
    if (end == NULL || len >= ESTOC_NAMING_MAX || memchr(input->ptr, '\0', len) != NULL) {
        return false;
    }
    memcpy(line, input->ptr, len);
    line[len] = '\0';
    *input = estoc_slice_sub(*input, len + 1, input->len);
    return true;
}

static estoc_slice take_element(estoc_slice *input)
{
    estoc_der el;
    estoc_reader r = estoc_reader_of(*input);
    bool there = estoc_der_next(&r, &el);
    *input = r.rest;
    return there ? el.whole : estoc_slice_of(NULL, 0);
}

static void check_rule(const char *rule, bool (*good)(const char *rule, estoc_slice *wrong))
{
    estoc_slice wrong;
    if (rule[0] != '\0' && !good(rule, &wrong)) {
        CHECK(check_inside(wrong, estoc_slice_str(rule)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    estoc_slice input = estoc_slice_of(data, size);
    static estoc_profile profile;
    static estoc_grant grant;
    estoc_ruling why = {"", ""};
    memset(&profile, 0, sizeof profile);
    memset(&grant, 0, sizeof grant);
    if (!take_line(&input, profile.subject) || !take_line(&input, profile.san)) {
        return 0;
    }
    check_rule(profile.subject, estoc_naming_subject_good);
    check_rule(profile.san, estoc_naming_san_good);
    estoc_slice name = take_element(&input), names = take_element(&input);
    if (estoc_name_check(name) || (names.len > 0 && !estoc_san_good(names))) {
        return 0; /* it does not come so far */
    }
    const estoc_cert client = {.subject = name, .issuer = name, .san = names, .serial = names};
    const estoc_csr csr = {.subject = name, .san = names};
    const estoc_petition p = {.op = ESTOC_OP_SEN, .profile = &profile, .client = &client};
    if (estoc_naming_grant(&p, &csr, &grant, &why)) {
        CHECK(why.text[0] != '\0' && strlen(why.text) <= 64);
        return 0;
    }
    CHECK(profile.subject[0] == '\0' || !estoc_name_check(grant.subject));
    CHECK(profile.san[0] == '\0' || estoc_san_good(grant.san));
    return 0;
}

/* SPDX-License-Identifier: MIT
 *
 * Whose names a certificate may have: X10, E4, rows 169, 211, 212.
 */
#include <estoc/csrattrs.h>

#include "naming.h"

#define NAMES_MAX 64 /* alternative names of a request */

estoc_err estoc_policy_refuse(estoc_ruling *why, estoc_err err, const char *rule, const char *text)
{
    *why = (estoc_ruling){rule, text};
    return err;
}

/* The next RDN of a Name that estoc_name_check has passed: its one attribute. */
static estoc_slice next_rdn(estoc_reader *r, estoc_slice *type)
{
    estoc_der value;
    estoc_reader set = estoc_der_enter(r, ESTOC_DER_SET);
    estoc_reader pair = estoc_der_enter(&set, ESTOC_DER_SEQUENCE);
    *type = estoc_der_expect(&pair, ESTOC_DER_OID);
    estoc_der_next(&pair, &value);
    return value.value;
}

/* The same attributes with the same bytes. The kind of string may differ, as libraries choose it
 * differently; the three kinds allowed write the same characters in the same bytes. */
bool estoc_policy_same_name(estoc_slice a, estoc_slice b)
{
    estoc_reader outer_a = estoc_reader_of(a);
    estoc_reader outer_b = estoc_reader_of(b);
    estoc_reader ra = estoc_der_enter(&outer_a, ESTOC_DER_SEQUENCE);
    estoc_reader rb = estoc_der_enter(&outer_b, ESTOC_DER_SEQUENCE);
    while (!ra.err && !rb.err && estoc_reader_left(&ra) > 0 && estoc_reader_left(&rb) > 0) {
        estoc_slice type_a, type_b;
        estoc_slice value_a = next_rdn(&ra, &type_a);
        estoc_slice value_b = next_rdn(&rb, &type_b);
        if (!estoc_slice_eq(type_a, type_b) || !estoc_slice_eq(value_a, value_b)) {
            return false;
        }
    }
    return !estoc_reader_end(&ra) && !estoc_reader_end(&rb);
}

bool estoc_policy_has_name(estoc_slice names, estoc_slice name)
{
    estoc_der el;
    estoc_reader outer = estoc_reader_of(names);
    estoc_reader r = estoc_der_enter(&outer, ESTOC_DER_SEQUENCE);
    while (!r.err && estoc_reader_left(&r) > 0 && estoc_der_next(&r, &el)) {
        if (estoc_slice_eq(el.whole, name)) {
            return true;
        }
    }
    return false;
}

/* Each alternative name asked for is one that the client's certificate has, unless any will do. */
static estoc_err check_san(estoc_slice asked, estoc_slice held, bool any, estoc_ruling *why)
{
    estoc_der el;
    size_t n = 0;
    estoc_reader outer = estoc_reader_of(asked);
    estoc_reader r = estoc_der_enter(&outer, ESTOC_DER_SEQUENCE);
    while (!r.err && estoc_reader_left(&r) > 0 && estoc_der_next(&r, &el)) {
        if (++n > NAMES_MAX) {
            return estoc_policy_refuse(why, ESTOC_E_FORBIDDEN, "X10", "too many alternative names");
        }
        if (!any && !estoc_policy_has_name(held, el.whole)) {
            return estoc_policy_refuse(why, ESTOC_E_FORBIDDEN, "X10",
                                       "an alternative name that your certificate does not have");
        }
    }
    if (estoc_reader_end(&r) || estoc_reader_end(&outer) || n == 0) {
        return estoc_policy_refuse(why, ESTOC_E_MALFORMED, "E4",
                                   "the alternative names are malformed");
    }
    return ESTOC_OK;
}

/* ChangeSubjectName: a Name, alternative names, or both.                  RFC 6402 section 2.8
 * What is absent, the new certificate will not have.                                             */
static bool parse_change(estoc_slice values, estoc_grant *grant)
{
    estoc_reader set = estoc_reader_of(values);
    estoc_reader r = estoc_der_enter(&set, ESTOC_DER_SEQUENCE);
    estoc_der el[2] = {{0}};
    size_t n = 0;
    while (!r.err && estoc_reader_left(&r) > 0 && n < 2 && estoc_der_next(&r, &el[n])) {
        n++;
    }
    if (estoc_reader_end(&r) || estoc_reader_end(&set) || n == 0) {
        return false;
    }
    /* both have the same tag, and differ in what is inside */
    bool named = el[0].tag == ESTOC_DER_SEQUENCE && !estoc_name_check(el[0].whole);
    if (named) {
        grant->subject = el[0].whole;
    }
    if (n == (named ? 1u : 2u)) {
        return named;
    }
    grant->san = el[named].whole;
    return estoc_san_good(grant->san);
}

/* The attribute's values; empty if the request has none. */
static estoc_slice find_change(const estoc_csr *csr)
{
    static const uint8_t oid[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x07, 0x24};
    estoc_reader r = estoc_reader_of(csr->attributes);
    estoc_csrattr attr;
    while (estoc_csrattrs_next(&r, &attr)) {
        if (estoc_slice_eq(attr.oid, estoc_slice_of(oid, sizeof oid))) {
            return attr.values;
        }
    }
    return estoc_slice_of(NULL, 0);
}

static estoc_err grant_change(const estoc_petition *p, estoc_slice values, estoc_grant *grant,
                              estoc_ruling *why)
{
    static const uint8_t no_name[] = {ESTOC_DER_SEQUENCE, 0};
    if (p->op != ESTOC_OP_SREN || !p->profile->change_subject ||
        estoc_policy_gives_names(p->profile)) {
        return estoc_policy_refuse(why, ESTOC_E_FORBIDDEN, "E4", "a change of name is not granted");
    }
    grant->subject = estoc_slice_of(no_name, sizeof no_name);
    grant->san = estoc_slice_of(NULL, 0);
    if (!parse_change(values, grant)) {
        return estoc_policy_refuse(why, ESTOC_E_MALFORMED, "E4", "the change of name is malformed");
    }
    return ESTOC_OK;
}

bool estoc_policy_gives_names(const estoc_profile *profile)
{
    return profile->subject[0] != '\0' || profile->san[0] != '\0';
}

/* The names the request itself has, for a device that is to stay what it is. */
static estoc_err check_own(const estoc_petition *p, const estoc_csr *csr, estoc_ruling *why)
{
    const estoc_cert *client = p->client;
    bool filled_in = p->op != ESTOC_OP_SREN &&
                     (estoc_name_is_empty(csr->subject) || p->profile->subject[0] != '\0');
    if (!filled_in && !estoc_policy_same_name(csr->subject, client->subject)) {
        return estoc_policy_refuse(why, ESTOC_E_FORBIDDEN, p->op == ESTOC_OP_SREN ? "E4" : "X10",
                                   "the subject is not your certificate's");
    }
    if (p->op == ESTOC_OP_SREN && !estoc_slice_eq(csr->san, client->san)) {
        return estoc_policy_refuse(why, ESTOC_E_FORBIDDEN, "E4",
                                   "the alternative names are not your certificate's");
    }
    return ESTOC_OK;
}

/* A manufacturer's CA could name registrars of its own: only ours can. RFC 6402 section 2.10 */
bool estoc_policy_is_registrar(const estoc_petition *p)
{
    const estoc_cert *c = p->client;
    return p->profile->registrars && c->cmc_ra && estoc_slice_eq(c->issuer, p->issuer->subject) &&
           estoc_verify(&p->issuer->spki, c->sig, c->tbs, c->signature) == ESTOC_OK;
}

estoc_err estoc_policy_names(const estoc_petition *p, const estoc_csr *csr, estoc_grant *grant,
                             estoc_ruling *why)
{
    const estoc_cert *client = p->client;
    estoc_slice change = find_change(csr);
    bool any = p->op != ESTOC_OP_SREN && (p->profile->any_names || estoc_policy_is_registrar(p));
    if (estoc_name_check(client->subject)) {
        /* it would be copied into a certificate and into the log */
        return estoc_policy_refuse(why, ESTOC_E_FORBIDDEN, "212",
                                   "your certificate's subject cannot be taken");
    }
    bool own_subject = !any || estoc_name_is_empty(csr->subject);
    grant->subject = own_subject ? client->subject : csr->subject;
    grant->san = csr->san;
    estoc_err err = any ? ESTOC_OK : check_own(p, csr, why);
    if (!err && change.len > 0) {
        err = grant_change(p, change, grant, why);
        any = true;
    }
    if (!err && p->op != ESTOC_OP_SREN) {
        err = estoc_naming_grant(p, csr, grant, why);
    }
    if (err) {
        return err;
    }
    if (grant->san.len > 0) {
        any |= p->op != ESTOC_OP_SREN && p->profile->san[0] != '\0';
        return check_san(grant->san, client->san, any, why);
    }
    return estoc_name_is_empty(grant->subject)
               ? estoc_policy_refuse(why, ESTOC_E_FORBIDDEN, "211",
                                     "neither a subject nor another name")
               : ESTOC_OK;
}

/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "policy.h"
#include "template.h"

#define MADE_BITS 3072u /* of an RSA key made here, or what the profile asks for */

/* ---------------------------------------------------------------------------------------- the key */

static unsigned keys_of(const estoc_profile *profile)
{
    return profile->keys != 0 ? profile->keys : ESTOC_KEY_BIT(ESTOC_KEY_P256);
}

static uint32_t rsa_bits_of(const estoc_profile *profile)
{
    return profile->rsa_bits != 0 ? profile->rsa_bits : ESTOC_RSA_MIN_BITS;
}

static estoc_err check_key(const estoc_petition *p, const estoc_csr *csr, estoc_ruling *why)
{
    if ((keys_of(p->profile) & ESTOC_KEY_BIT(csr->spki.kind)) == 0) {
        return estoc_policy_refuse(why, ESTOC_E_KEY, "X3", "this kind of key is not taken here");
    }
    if (csr->spki.der.len > ESTOC_SPKI_MAX) { /* before its signature costs us anything */
        return estoc_policy_refuse(why, ESTOC_E_KEY, "X3", "the key is too large");
    }
    if (csr->spki.kind == ESTOC_KEY_RSA &&
        estoc_template_rsa_bits(csr->spki.key) < rsa_bits_of(p->profile)) {
        return estoc_policy_refuse(why, ESTOC_E_KEY, "X3", "the RSA key is too short");
    }
    if (estoc_slice_eq(csr->spki.der, p->issuer->spki.der)) {
        return estoc_policy_refuse(why, ESTOC_E_FORBIDDEN, "207", "the key is not yours");
    }
    estoc_err err = estoc_verify(&csr->spki, csr->sig, csr->info, csr->signature);
    if (err == ESTOC_E_SIGNATURE) {
        return estoc_policy_refuse(why, err, "E4", "the request's signature does not verify");
    }
    if (err == ESTOC_E_KEY) {
        return estoc_policy_refuse(why, err, "X3", "the key is too weak or no key at all");
    }
    if (err == ESTOC_E_UNSUPPORTED) {
        return estoc_policy_refuse(why, err, "X3", "the signature's algorithm is not taken here");
    }
    return err ? estoc_policy_refuse(why, ESTOC_E_CRYPTO, "E4",
                                     "the signature could not be checked")
               : ESTOC_OK;
}

bool estoc_op_makes_key(estoc_op op)
{
    return op == ESTOC_OP_SKG || op == ESTOC_OP_SKC;
}

/* The kind of the key in the request, if it may be had, else the first that may. */
static estoc_key_kind kind_to_make(const estoc_petition *p, const estoc_csr *csr)
{
    unsigned keys = keys_of(p->profile);
    estoc_key_kind kind = csr->spki.kind;
    if ((keys & ESTOC_KEY_BIT(kind)) == 0) {
        kind = ESTOC_KEY_P256;
        while ((keys & ESTOC_KEY_BIT(kind)) == 0 && kind < ESTOC_KEY_RSA) {
            kind++;
        }
    }
    return kind;
}

/* E5 */
static estoc_err grant_made(const estoc_petition *p, const estoc_csr *csr, estoc_grant *grant,
                            estoc_ruling *why)
{
    estoc_key_wish wish;
    if (estoc_key_wish_parse(csr->attributes, &wish)) {
        return estoc_policy_refuse(why, ESTOC_E_MALFORMED, "E5",
                                   "the attributes that name a decryption key are malformed");
    }
    grant->make = kind_to_make(p, csr);
    grant->make_bits = rsa_bits_of(p->profile) > MADE_BITS ? rsa_bits_of(p->profile) : MADE_BITS;
    grant->wish = wish;
    return estoc_policy_usage(p->profile, grant->make, grant, why);
}

/* ----------------------------------------------------------------------------- proof of possession */

/* D9. RFC 7030 section 3.5: not from a registrar, whose association is not the device's. */
static estoc_err check_pop(const estoc_petition *p, const estoc_csr *csr, estoc_ruling *why)
{
    char want[ESTOC_BASE64_LEN(ESTOC_UNIQUE_MAX)];
    if (p->profile->pop == ESTOC_POP_OFF || p->client->cmc_ra) {
        return ESTOC_OK;
    }
    if (!csr->has_challenge_password) {
        return p->profile->pop == ESTOC_POP_REQUIRED
                   ? estoc_policy_refuse(why, ESTOC_E_SIGNATURE, "D9",
                                         "identity linking: challengePassword is missing")
                   : ESTOC_OK;
    }
    bool right = p->unique.len > 0 && p->unique.len <= ESTOC_UNIQUE_MAX &&
                 estoc_slice_eq_secret(csr->challenge_password,
                                       estoc_slice_of(want, estoc_base64(p->unique, want)));
    estoc_wipe(want, sizeof want);
    return right ? ESTOC_OK
                 : estoc_policy_refuse(why, ESTOC_E_SIGNATURE, "D9",
                                       "identity linking: challengePassword is not tls-unique");
}

/* ----------------------------------------------------------------------------------------- all of it */

static bool offered(const estoc_petition *p)
{
    return p->op == ESTOC_OP_SEN || p->op == ESTOC_OP_SREN ||
           (estoc_op_makes_key(p->op) && p->profile->keygen);
}

estoc_err estoc_policy_grant(const estoc_petition *p, estoc_grant *grant, estoc_ruling *why)
{
    estoc_csr csr;
    *grant = (estoc_grant){.subject = {NULL, 0}};
    *why = (estoc_ruling){"", ""};
    if (!offered(p)) {
        return estoc_policy_refuse(why, ESTOC_E_FORBIDDEN, "X6", "not offered");
    }
    bool make = estoc_op_makes_key(p->op);
    estoc_err err = make ? estoc_csr_parse_keyless(&csr, p->csr) : estoc_csr_parse(&csr, p->csr);
    if (err == ESTOC_E_UNSUPPORTED) {
        return estoc_policy_refuse(why, err, "X3",
                                   "the key or the signature's algorithm is not supported");
    }
    if (err) { /* too long a name in it is no "entity too large". C4 */
        return estoc_policy_refuse(why, err == ESTOC_E_LIMIT ? ESTOC_E_MALFORMED : err, "E4",
                                   "not a PKCS#10 request in DER, or not a strict one");
    }
    /* What costs little first: a signature is checked only for what would be granted. */
    err = estoc_policy_names(p, &csr, grant, why);
    err = err ? err : check_pop(p, &csr, why);
    err = err ? err : estoc_policy_extensions(p, csr.extensions, grant, why);
    if (!err && make) {
        err = grant_made(p, &csr, grant, why);
    } else if (!err) {
        grant->spki = csr.spki.der;
        err = check_key(p, &csr, why);
        err = err ? err : estoc_policy_usage(p->profile, csr.spki.kind, grant, why);
    }
    if (err) {
        *grant = (estoc_grant){.subject = {NULL, 0}};
    }
    return err;
}

/* The client's certificate as we have issued it: all that was signed, not just its number. The
 * signature itself may be written in another way that verifies, too. */
static bool is_own(const estoc_cert *client, const estoc_question *q)
{
    estoc_cert issued;
    return q->own_found && !estoc_cert_parse(&issued, estoc_blob_slice(q->own)) &&
           estoc_slice_eq(issued.tbs, client->tbs);
}

estoc_err estoc_policy_recorded(const estoc_petition *p, const estoc_question *q, bool *own,
                                estoc_ruling *why)
{
    *why = (estoc_ruling){"", ""};
    *own = is_own(p->client, q);
    if (*own && q->own_revoked_at != 0) {
        return estoc_policy_refuse(why, ESTOC_E_FORBIDDEN, "171", "your certificate is revoked");
    }
    if (p->op == ESTOC_OP_SREN && !*own) {
        return estoc_policy_refuse(why, ESTOC_E_FORBIDDEN, "E4",
                                   "your certificate is not from this CA; enroll with /sen");
    }
    if (p->op == ESTOC_OP_SREN && estoc_policy_gives_names(p->profile) &&
        strcmp(q->own_profile, p->profile->name) != 0) { /* it has names by other rules */
        return estoc_policy_refuse(why, ESTOC_E_FORBIDDEN, "X10",
                                   "your certificate is of another path; enroll with /sen");
    }
    int64_t end = p->client->not_after + (p->op == ESTOC_OP_SREN ? p->profile->grace_s : 0);
    if (*own && (q->now > end || q->now < p->client->not_before)) {
        return estoc_policy_refuse(why, ESTOC_E_FORBIDDEN, "E4",
                                   "your certificate is not valid now");
    }
    if (q->key == NULL || !q->key_used) {
        return ESTOC_OK;
    }
    uint8_t held[32];
    estoc_err err = estoc_sha256(p->client->spki.der, held);
    if (!err && *own && memcmp(held, q->key, sizeof held) == 0) {
        return ESTOC_OK; /* its own, whatever name it had when it was certified first */
    }
    return err ? estoc_policy_refuse(why, err, "207", "the key could not be looked up")
               : estoc_policy_refuse(why, ESTOC_E_FORBIDDEN, "207", "the key is another device's");
}

/* SPDX-License-Identifier: MIT
 *
 * What the embedded CA grants: a device enrolls as itself, and as nothing else (X10, E4).
 * First the rules that need no store, then those that do. A registrar's id-kp-cmcRA widens something
 * only where the profile says so, and only in a certificate of ours.
 */
#ifndef ESTOC_POLICY_H
#define ESTOC_POLICY_H

#include <estoc/keygen.h>

#include "ca.h"
#include "store.h"

/** Who asks for what. */
typedef struct estoc_petition {
    estoc_op op;
    const estoc_profile *profile;
    const estoc_cert *client; /* proven by the handshake */
    const estoc_cert *issuer; /* our own certificate */
    estoc_slice csr;
    estoc_slice unique; /* tls-unique of the client's association */
} estoc_petition;

#define ESTOC_NAMES_MAX 1024 /* bytes of a subject, or of alternative names, made by rule */

/** What it may have. Slices into the request, the client's certificate, the profile and this itself,
 *  which therefore stays where it was filled in.                                                    */
typedef struct estoc_grant {
    estoc_slice subject;  /* the client's own Name bytes, however the request writes it, unless the
                            profile lets it have another */
    estoc_slice san;      /* GeneralNames, or empty */
    estoc_slice spki;     /* empty if a key is to be made */
    estoc_key_kind make;  /* the kind of that key */
    uint32_t make_bits;   /* its size, if it is an RSA key */
    estoc_key_wish wish;  /* and how it is to travel */
    uint8_t usage;        /* ESTOC_USAGE bits; 0: as usual */
    estoc_slice purposes; /* extended key usages: OIDs in DER */
    uint8_t picked[ESTOC_PURPOSES_MAX];
    uint8_t made_subject[ESTOC_NAMES_MAX], made_san[ESTOC_NAMES_MAX];
} estoc_grant;

/** Whether this operation asks for a key. */
bool estoc_op_makes_key(estoc_op op);

/** Why not. Static texts. */
typedef struct estoc_ruling {
    const char *rule; /* for the log: statement or row */
    const char *text; /* for the client: at most 64 bytes */
} estoc_ruling;

estoc_err estoc_policy_refuse(estoc_ruling *why, estoc_err err, const char *rule, const char *text);
/** The names part of a grant (names.c). @return 0; ESTOC_E_FORBIDDEN; ESTOC_E_MALFORMED */
ESTOC_MUST_USE estoc_err estoc_policy_names(const estoc_petition *p, const estoc_csr *csr,
                                            estoc_grant *grant, estoc_ruling *why);
/** The extensions a request asks for, and the purposes of a grant (extensions.c).
 *  @return 0; ESTOC_E_FORBIDDEN; ESTOC_E_MALFORMED                                                 */
ESTOC_MUST_USE estoc_err estoc_policy_extensions(const estoc_petition *p, estoc_slice asked,
                                                 estoc_grant *grant, estoc_ruling *why);
/** The usage of a key of this kind. @return 0; ESTOC_E_KEY: none of what the profile wants */
ESTOC_MUST_USE estoc_err estoc_policy_usage(const estoc_profile *profile, estoc_key_kind kind,
                                            estoc_grant *grant, estoc_ruling *why);
/** Whether two Names that estoc_name_check has passed have the same attributes with the same bytes. */
bool estoc_policy_same_name(estoc_slice a, estoc_slice b);
/** Whether GeneralNames have this one. */
bool estoc_policy_has_name(estoc_slice names, estoc_slice name);
/** Whether a profile gives names by rule, at least some. */
bool estoc_policy_gives_names(const estoc_profile *profile);
/** Whether the client is a registrar and the profile lets it enroll others (names.c). */
bool estoc_policy_is_registrar(const estoc_petition *p);
/** Check a request, its signature included; but for a key to be made, key and signature are ignored.
 *  @return 0; what estoc_csr_parse returns; ESTOC_E_SIGNATURE; ESTOC_E_KEY; ESTOC_E_MALFORMED;
 *          ESTOC_E_FORBIDDEN; ESTOC_E_CRYPTO. With an error `why` is filled                         */
ESTOC_MUST_USE estoc_err estoc_policy_grant(const estoc_petition *p, estoc_grant *grant,
                                            estoc_ruling *why);

/** The rules about what has been issued before: /sren only with a certificate of ours, none with a
 *  revoked one, no key that is another's (a key it has a certificate of ours for is its own).
 *  @param[in]  q    with the store's answers
 *  @param[out] own  the client's certificate is one of ours
 *  @return 0; ESTOC_E_FORBIDDEN with `why` filled; ESTOC_E_CRYPTO                                   */
ESTOC_MUST_USE estoc_err estoc_policy_recorded(const estoc_petition *p, const estoc_question *q,
                                               bool *own, estoc_ruling *why);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Names by rule: what a profile makes of a client's certificate and its request.
 *     CN=${client.serialNumber}, O=Example
 *     dns:${client.CN}.devices.example, uri:urn:dev:${client.serialNumber}
 * A field's value is put in as a value, whatever its characters: nothing in it is read as a part of the
 * rule, or of a name.
 */
#ifndef ESTOC_NAMING_H
#define ESTOC_NAMING_H

#include "policy.h"

/** Whom fields are about. */
typedef struct estoc_bearer {
    const estoc_cert *client; /* its subject has been checked */
    const estoc_csr *csr;
} estoc_bearer;

typedef enum estoc_field_state {
    ESTOC_FIELD_FOUND,
    ESTOC_FIELD_MISSING, /* nobody has it */
    ESTOC_FIELD_TWICE,   /* there are several, and which is meant is not known */
    ESTOC_FIELD_UNKNOWN  /* there is no such field */
} estoc_field_state;

#define ESTOC_FIELD_MAX 256 /* bytes of a value */

typedef struct estoc_field {
    char value[ESTOC_FIELD_MAX + 1];
    size_t len;
    uint8_t kind;        /* of an alternative name: its tag; else 0 */
    const char *missing; /* what to say if it is: a static text of at most 64 bytes */
} estoc_field;

/** What a field of this name stands for: client.TYPE, client.issuer.TYPE, request.TYPE with a type of
 *  attribute such as CN; client.san.KIND, request.san.KIND with dns, ip, uri or email; client.serial.
 *  @param[in] bearer  NULL: of nobody, for a look at the rule; the value is a stand-in              */
estoc_field_state estoc_field_find(estoc_slice name, const estoc_bearer *bearer,
                                   estoc_field *field);

/** Whether a rule is one. @param[out] wrong  the part that is not, if it is not */
bool estoc_naming_subject_good(const char *rule, estoc_slice *wrong);
bool estoc_naming_san_good(const char *rule, estoc_slice *wrong);

/** The names of a grant by the profile's rules, where it has some, and whether what the request asks for
 *  goes with them: nothing, these very names, or the client's own. Where a rule takes from the request,
 *  whatever it asks for.
 *  @return 0; ESTOC_E_FORBIDDEN with `why` filled                                                  */
ESTOC_MUST_USE estoc_err estoc_naming_grant(const estoc_petition *p, const estoc_csr *csr,
                                            estoc_grant *grant, estoc_ruling *why);

#endif

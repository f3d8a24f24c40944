/* SPDX-License-Identifier: MIT
 *
 * The embedded certificate authority: decides by profile, signs, commits to the store, answers.
 */
#ifndef ESTOC_CA_H
#define ESTOC_CA_H

#include <estoc/cert.h>

#include "authority.h"
#include "cms.h"

#define ESTOC_KEY_BIT(kind) (1u << (kind))
/** What a challengePassword is to be: nothing to us; right if there is one; there, and right. */
typedef enum estoc_pop { ESTOC_POP_OFF, ESTOC_POP_OPTIONAL, ESTOC_POP_REQUIRED } estoc_pop;

#define ESTOC_PURPOSES_MAX   256 /* bytes of extended key usages */
#define ESTOC_EXTENSIONS_MAX 512 /* bytes of further extensions */
/** The first octet of a KeyUsage.                                     RFC 5280 section 4.2.1.3 */
enum {
    ESTOC_USAGE_SIGNATURE = 0x80,
    ESTOC_USAGE_NON_REPUDIATION = 0x40,
    ESTOC_USAGE_KEY_ENCIPHERMENT = 0x20,
    ESTOC_USAGE_DATA_ENCIPHERMENT = 0x10,
    ESTOC_USAGE_KEY_AGREEMENT = 0x08
};

/** Who decides what the rules grant: nobody else, a person (L2), a program that may leave it to one. */
typedef enum estoc_approver {
    ESTOC_APPROVER_NONE,
    ESTOC_APPROVER_PERSON,
    ESTOC_APPROVER_COMMAND
} estoc_approver;
#define ESTOC_COMMAND_MAX 512 /* bytes of a program's path and arguments */

#define ESTOC_NAMING_MAX 512 /* bytes of a rule for names */

/** What stands in certificates besides names and key. All zero is the default. */
typedef struct estoc_contents {
    uint8_t usage; /* ESTOC_USAGE bits, as far as a key can be used so; 0: for signatures, and to
                      encrypt to where the profile makes keys */
    uint8_t purposes[ESTOC_PURPOSES_MAX]; /* extended key usages: OIDs in DER, one after another */
    size_t purposes_len;                  /* 0: clientAuth */
    uint8_t extensions[ESTOC_EXTENSIONS_MAX]; /* further ones: Extension in DER, likewise */
    size_t extensions_len;
} estoc_contents;

typedef struct estoc_profile {
    char name[32];       /* "" is the default; else the URI label */
    uint32_t validity_s; /* at most: a certificate never outlives the CA's */
    unsigned keys;       /* what keys may be certified, ESTOC_KEY_BIT(kind)s; 0: P-256 only (X3) */
    uint32_t rsa_bits;   /* the least of an RSA key; 0: 2048 */
    estoc_approver approver; /* who decides besides the rules */
    uint32_t retry_after_s;  /* and this is how often the device may ask */
    char command
        [ESTOC_COMMAND_MAX]; /* that is asked, if it is a program: words with blanks between */
    uint32_t command_s;      /* and how long it may take */
    bool keygen;    /* private keys are made here, for devices that ask, and the keys certified
                               may be encrypted to (E5) */
    bool any_names; /* /sen grants the names asked for, not just the client's own (X10) */
    char subject[ESTOC_NAMING_MAX]; /* and these it gives, by rule (naming.h); "": no rule */
    char san[ESTOC_NAMING_MAX];
    estoc_pop pop;       /* the request is linked to the association (D9) */
    bool registrars;     /* who has a certificate of ours with id-kp-cmcRA may enroll others */
    bool change_subject; /* /sren grants a ChangeSubjectName (E4) */
    uint32_t grace_s;    /* /sren takes a certificate of ours so long after its end */
    uint32_t renew_s;    /* /sren only so long before the end of the certificate; 0: at any time */
    uint32_t renew_percent; /* the same as a part of its life; 0: at any time */
    uint32_t per_day;       /* certificates for one subject in 24 hours; 0: no limit (X11) */
    estoc_slice attributes; /* CsrAttrs DER or empty; must outlive the authority */
    estoc_contents contents;
} estoc_profile;

/** Requests that wait for a person. */
typedef struct estoc_pending_rules {
    uint32_t max;        /* undecided, in all */
    uint32_t per_client; /* and of one identity */
    uint32_t keep_s;     /* forgotten so long after they were asked or decided */
} estoc_pending_rules;

typedef struct estoc_ca_cfg {
    const char *store_url;
    const char *node;         /* whose intents these are, where several have one store; NULL: "" */
    int64_t policy;           /* version of the profiles, noted with each certificate */
    const estoc_blobs *chain; /* our certificate first, then up to the root; must outlive it */
    const estoc_key *key;     /* likewise */
    estoc_cms_from keygen_signer; /* signs the keys made here that travel encrypted; likewise */
    const estoc_shared_keys *decrypt_keys; /* to encrypt them to; likewise, or NULL: none */
    const estoc_profile *profiles;         /* copied; the default profile first */
    size_t profiles_n;
    uint32_t queue_max;      /* enrollments waiting; more: ESTOC_E_BUSY. 1,024 if 0 */
    uint32_t retry_window_s; /* E6: an identical request gets the same certificate this long;
                                0: never */
    estoc_pending_rules pending;
    uint32_t commands_max; /* programs asked at a time; 16 if 0 */
    const char *crl_url;   /* in each certificate; must outlive the authority; "" or NULL: none */
    const char *audit;     /* the file of the audit log; NULL: none */
    bool audit_syslog;
} estoc_ca_cfg;

/** Proves the key against the certificate by a sign-and-verify, opens the store, starts the thread.
 *  @return 0; ESTOC_E_CONFIG, ESTOC_E_KEY, or what the store and the key return; `why` is filled     */
ESTOC_MUST_USE estoc_err estoc_ca_open(const estoc_ca_cfg *cfg, estoc_authority **out,
                                       estoc_why *why);

/** A certificate to be signed, for the authority and for `estocd init` and `device`. */
typedef struct estoc_cert_plan {
    uint8_t serial[20];
    size_t serial_len;
    estoc_slice issuer;  /* Name DER */
    estoc_slice subject; /* Name DER */
    estoc_slice spki;    /* copied as it is */
    int64_t not_before, not_after;
    bool ca;
    bool path_limited;      /* a CA's: at most `path_len` CAs below it, not counting the last one */
    uint8_t path_len;       /* below 128 */
    bool server;            /* EKU serverAuth and id-kp-cmcRA; else clientAuth (unless ca) */
    estoc_slice purposes;   /* of an end entity: OIDs in DER, in place of that */
    uint8_t usage;          /* of an end entity: ESTOC_USAGE bits, in place of the usual; or 0 */
    estoc_slice extensions; /* of an end entity: further ones, Extension in DER */
    bool encrypt;    /* an end entity's key may be encrypted to, too: an EC key by key agreement, an
                     RSA key by key encipherment */
    estoc_slice san; /* GeneralNames DER, or empty */
    estoc_slice authority_key_id; /* issuer's SKI bytes; empty for a root: its own */
    estoc_slice subject_key_id;   /* what the key is called already; or empty */
    estoc_slice crl_url;          /* where the issuer's list is; or empty */
} estoc_cert_plan;
/** Build the TBSCertificate. Serials: estoc_serial_random.
 *  @return 0; ESTOC_E_SPACE; ESTOC_E_USAGE (no serial, no name at all, ends before it begins); what
 *          parsing `spki` returns                                                                  */
ESTOC_MUST_USE estoc_err estoc_cert_tbs(const estoc_cert_plan *plan, estoc_sig_kind sig,
                                        estoc_buf out, size_t *len);
/** Sign one, which stands at the beginning of `io`, and make it the certificate in its place.
 *  @return 0; ESTOC_E_SPACE; what estoc_key_sign returns                                           */
ESTOC_MUST_USE estoc_err estoc_cert_sign(const estoc_key *issuer_key, size_t tbs_len, estoc_buf io,
                                         size_t *len);
/** Both. @return as they do */
ESTOC_MUST_USE estoc_err estoc_cert_issue(const estoc_cert_plan *plan, const estoc_key *issuer_key,
                                          estoc_buf out, size_t *len);
/** 16 bytes, positive, from the random source (128 bits less the sign bit). */
ESTOC_MUST_USE estoc_err estoc_serial_random(uint8_t serial[16]);

#endif

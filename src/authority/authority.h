/* SPDX-License-Identifier: MIT
 *
 * Who answers an enrollment: one interface, several kinds: ca/, and registrar/ in front of others. An authority
 * runs its own thread; enroll() returns at once and the verdict comes through a callback.
 */
#ifndef ESTOC_AUTHORITY_H
#define ESTOC_AUTHORITY_H

#include <estoc/est.h>

#include "sys.h"

typedef struct estoc_authority estoc_authority;

/** What an authority decided. Valid during the callback only. */
typedef struct estoc_verdict {
    estoc_err err;    /* 0: issued */
    const char *text; /* for an error: at most 64 bytes for the client, nothing internal */
    uint8_t code;     /* and the CoAP code it arrives as; 0: that of the error */
    uint32_t retry_s; /* with 5.03 and 4.29: Max-Age */
    bool accepted;    /* with ESTOC_E_LATER: the request is kept, and will be decided (L2) */
    estoc_slice cert; /* issued: DER */
    estoc_slice key;  /* /skg and /skc: the private key, to be wiped wherever it goes (E5) */
    uint16_t key_format;
} estoc_verdict;

/** The CoAP code that an error arrives as. */
uint8_t estoc_verdict_code(const estoc_verdict *v);

/** An enrollment to decide. The slices are copied by enroll(). */
typedef struct estoc_enrollment {
    estoc_op op;             /* ESTOC_OP_SEN, _SREN, _SKG or _SKC */
    const char *profile;     /* "" for the default */
    estoc_slice client_cert; /* DER, proven by the handshake */
    estoc_slice csr;
    estoc_slice unique; /* tls-unique of the association (D9) */
    const char *peer;   /* address text, for the log */
    void (*done)(void *ctx,
                 const estoc_verdict *verdict); /* exactly once, on the authority's thread */
    void *ctx;
} estoc_enrollment;

/** Bytes that estoc_enrollment_keep needs. */
size_t estoc_enrollment_size(const estoc_enrollment *e);
/** The same enrollment with its slices and peer copied into `room`, and as long-lived as that; a peer of NULL
 *  becomes "". The profile's name is still the caller's.                                           */
estoc_enrollment estoc_enrollment_keep(const estoc_enrollment *e, uint8_t *room);

typedef struct estoc_authority_ops {
    bool (*has_profile)(estoc_authority *a, const char *profile);
    /** Whether it makes keys for devices of this profile (/skg, /skc). */
    bool (*makes_keys)(estoc_authority *a, const char *profile);
    /** Trust anchors, root first, as DER certificates; they live as long as the authority. */
    const estoc_blobs *(*anchors)(estoc_authority *a, const char *profile);
    /** CsrAttrs, DER; empty if none are configured. Lives as long as the authority. */
    estoc_slice (*attributes)(estoc_authority *a, const char *profile);
    /** Whether the anchors (ESTOC_OP_CRTS) or attributes (ESTOC_OP_ATT) of a profile are not known yet: the
     *  same as long as the authority lives. Any thread.
     *  @param[out] v  the error to answer then; its text is static                                  */
    bool (*lacks)(estoc_authority *a, const char *profile, estoc_op op, estoc_verdict *v);
    /** Whether this client's certificate, which leads to an anchor, is revoked: in the handshake, and
     *  at each request, for an association may have begun before (D8). Knows it within a second, and never
     *  waits for the store. Any thread.                                                            */
    bool (*revoked)(estoc_authority *a, estoc_slice client_cert);
    /** @return 0, and done() will be called; or an error, and it will not: ESTOC_E_BUSY or
     *          ESTOC_E_MEMORY; ESTOC_E_NOT_FOUND (no such profile); ESTOC_E_TRUNCATED (no request);
     *          ESTOC_E_UNTRUSTED (no client certificate)                                           */
    estoc_err (*enroll)(estoc_authority *a, const estoc_enrollment *e);
    /** The server ends: what waits for somebody else is to be answered now. */
    void (*hurry)(estoc_authority *a);
    /** Finish what is queued, then stop and free. No enroll() may come after. */
    void (*close)(estoc_authority *a);
} estoc_authority_ops;

/** Every kind of authority begins with this. */
struct estoc_authority {
    const estoc_authority_ops *ops;
};

#endif

/* estoc: EST over CoAPS (RFC 9148).  SPDX-License-Identifier: MIT
 *
 * The EST client: an enrollment or a renewal as one state machine over one DTLS association.
 * K1, K2 of our statements; RFC 9148 sections 4 and 9.1, RFC 7030 section 4.
 *
 * Drive it like a requester (input, output, deadline), and serve what state asks for:
 *
 *   WANT_SEND     call output() and send what it gives; before anything else the state asks for
 *   WANT_TRUST    answer() has what /crts returned: check and store them, check the peer's chain
 *                 against them, then call trusted(); with false the association must be closed
 *   WANT_CSR      answer() has what /att returned (maybe nothing): build the request, call csr()
 *                 After both, if unchanged(): what the ETag in the configuration stands for
 *   WANT_INSTALL  answer() has the certificate: verify and store it, then call installed()
 *   WAITING       for a datagram or the deadline; also while a 5.03 is waited out
 *   DONE, FAILED  error() tells; refusal() has the server's own words
 *
 * Not checked here: certificates. They are the caller's to verify, with a library that can.
 */
#ifndef ESTOC_CLIENT_H
#define ESTOC_CLIENT_H

#include <estoc/requester.h>

#ifdef __cplusplus
extern "C" {
#endif

/* clang-format off */
enum {
    ESTOC_CLIENT_WANT_SEND    = 1,
    ESTOC_CLIENT_WAITING      = 2,
    ESTOC_CLIENT_DONE         = 4,
    ESTOC_CLIENT_FAILED       = 8,
    ESTOC_CLIENT_WANT_TRUST   = 16,
    ESTOC_CLIENT_WANT_CSR     = 32,
    ESTOC_CLIENT_WANT_INSTALL = 64
};

/** Which requests a run makes, in this order. */
enum {
    ESTOC_STEP_CRTS = 1,
    ESTOC_STEP_ATT  = 2,
    ESTOC_STEP_SEN  = 4,
    ESTOC_STEP_SREN = 8,  /**< instead of SEN */
    ESTOC_STEP_SKG  = 16, /**< or one of these: the server makes the key. certificate() is then a
                               multipart-core of the key and the certificate, secret */
    ESTOC_STEP_SKC  = 32
};
/* clang-format on */

typedef struct estoc_client_cfg {
    unsigned steps; /**< ESTOC_STEP_*; at least one */
    uint16_t
        cert_format; /**< what to Accept for crts and sen: ESTOC_FORMAT_CERTS, ESTOC_FORMAT_CERT,
                               or ESTOC_FORMAT_NONE for no such option, which means certs-only and
                               saves bytes. An answer in another format fails: ESTOC_E_FORMAT */
    uint32_t wait_max_s;   /**< longest sum of 5.03 and 4.29 waits before ESTOC_E_LATER; 0: none */
    estoc_buf room;        /**< for one answer body at a time: 1 KiB and more, caller's memory */
    estoc_slice label;     /**< one more segment, or empty */
    estoc_slice crts_etag; /**< of answers kept from an earlier run, 1 to 8 bytes, or empty: then */
    estoc_slice att_etag;  /**< they need not be sent again (2.03) */
    size_t root_n;
    estoc_slice root[ESTOC_CALL_PATH_MAX - 2]; /**< path segments before the resource, for example
                                                    ".well-known", "est"; caller's memory */
    estoc_requester_cfg requester;
} estoc_client_cfg;

/* Small fields first: those far from the start cost an instruction more on small machines. */
typedef struct estoc_client {
    uint8_t state; /* client.c names them */
    uint8_t step;  /* the state whose request is in flight, or was last */
    uint16_t answer_format;
    bool unchanged;
    estoc_err err;
    uint32_t waited_s;
    estoc_ms now; /* of the call under way */
    estoc_ms wait_until;
    estoc_slice csr;
    estoc_slice answer;
    estoc_client_cfg cfg;
    estoc_requester requester;
} estoc_client;

/** Begin a run. `cfg` is copied; what its slices point to must live until the run ends.
 *  @return 0; ESTOC_E_USAGE (steps, root, format or room); ESTOC_E_RANDOM; ESTOC_E_SPACE (the path
 *          does not fit a message). On failure every other call is refused                         */
ESTOC_MUST_USE estoc_err estoc_client_start(estoc_client *c, estoc_ms now,
                                            const estoc_client_cfg *cfg);
/** One datagram from the peer, untrusted.
 *  @return 0 always, unless the run failed by it: then that error, also kept for error()           */
ESTOC_MUST_USE estoc_err estoc_client_input(estoc_client *c, estoc_ms now, estoc_slice dg);
/** Next datagram to send, if any. Time-outs and the end of a wait act here.
 *  @param[out] len  0: nothing to send
 *  @return 0; ESTOC_E_SPACE (`out` is too small); ESTOC_E_TIMEOUT once the run is given up;
 *          ESTOC_E_UNTRUSTED after trusted(false)                                                  */
ESTOC_MUST_USE estoc_err estoc_client_output(estoc_client *c, estoc_ms now, estoc_buf out,
                                             size_t *len);
/** When output() must be called even if nothing arrives; ESTOC_NEVER if not needed. */
estoc_ms estoc_client_deadline(const estoc_client *c);
unsigned estoc_client_state(const estoc_client *c);

/** The body of the last answer and its format: certs-only or one certificate for crts and sen,
 *  CsrAttrs (or empty, after 4.04) for att. Lives until the next request starts.                   */
estoc_slice estoc_client_answer(const estoc_client *c, uint16_t *format);
/** Whether what was kept with the ETag shown still holds: 2.03, and answer() is
 *  empty, of the format it was asked for in. E2 */
bool estoc_client_unchanged(const estoc_client *c);
/** ETag to keep with answer(), and show another time; empty: it has none. */
estoc_slice estoc_client_etag(const estoc_client *c);
/** After WANT_TRUST. False: fails with ESTOC_E_UNTRUSTED, and nothing more is sent (K1).
 *  @return 0; ESTOC_E_STATE; ESTOC_E_UNTRUSTED; an error of starting the next request               */
ESTOC_MUST_USE estoc_err estoc_client_trusted(estoc_client *c, estoc_ms now, bool ok);
/** After WANT_CSR: the request, which must live until DONE or FAILED (it is sent again after 5.03).
 *  @return 0; ESTOC_E_STATE; ESTOC_E_USAGE (empty)                                                 */
ESTOC_MUST_USE estoc_err estoc_client_csr(estoc_client *c, estoc_ms now, estoc_slice csr);
/** After WANT_INSTALL. False: fails with ESTOC_E_UNTRUSTED, which is then also returned. */
ESTOC_MUST_USE estoc_err estoc_client_installed(estoc_client *c, estoc_ms now, bool ok);

estoc_err estoc_client_error(const estoc_client *c);
/** Code and text of the answer that ended the run; code 0 if none did. */
const estoc_reply *estoc_client_refusal(const estoc_client *c);
/** Seconds still to wait because of 5.03 or 4.29; 0 if not waiting for that. */
uint32_t estoc_client_wait_s(const estoc_client *c, estoc_ms now);
const estoc_traffic *estoc_client_traffic(const estoc_client *c);

#ifdef __cplusplus
}
#endif
#endif

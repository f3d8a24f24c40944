/* estoc: EST over CoAPS (RFC 9148).  SPDX-License-Identifier: MIT
 *
 * Everything an embedder includes. Conventions that hold for all of it:
 *
 * - Memory is the caller's. Nothing is allocated; objects are structs whose size is visible and
 *   whose fields are off limits. Slices point into memory somebody else owns; each declaration says
 *   for how long.
 * - Time comes in as an argument: monotonic milliseconds for timers, seconds since 1970 UTC for
 *   certificates. Randomness comes in as a callback that may fail, and then so does the call.
 * - Every function that can fail returns an estoc_err, 0 for success, and must be checked. Lengths
 *   and results come back through out-parameters, which are zeroed on failure.
 * - "Not yet" is a state, never an error: see the state() functions.
 * - There is no writable global. Two threads may use two objects at the same time.
 *
 * Not in this library: DTLS, sockets, X.509 verification, storage. It hands out bytes and takes them.
 */
#ifndef ESTOC_ESTOC_H
#define ESTOC_ESTOC_H

#include <estoc/block.h>
#include <estoc/bytes.h>
#include <estoc/cert.h>
#include <estoc/client.h>
#include <estoc/coap.h>
#include <estoc/csr.h>
#include <estoc/csrattrs.h>
#include <estoc/der.h>
#include <estoc/err.h>
#include <estoc/est.h>
#include <estoc/keygen.h>
#include <estoc/link.h>
#include <estoc/multipart.h>
#include <estoc/requester.h>
#include <estoc/responder.h>

#endif

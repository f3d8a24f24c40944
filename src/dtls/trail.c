/* SPDX-License-Identifier: MIT
 *
 * By which certificates a client has led to an anchor: what a profile may ask for later, in the
 * associations that resume this one, too, where the client's own certificate is all there is.
 */
#include <stdlib.h>

#include "association.h"

/* An anchor is a name and a key, whatever else is certified with them.          RFC 5280 section 6.1.1 */
estoc_err estoc_dtls_trail_step(const estoc_cert *cert, uint8_t out[ESTOC_TRAIL_STEP])
{
    /* they stand one behind the other: RFC 5280 section 4.1 */
    return estoc_sha256(estoc_slice_of(cert->subject.ptr, cert->subject.len + cert->spki.der.len),
                        out);
}

static bool step_of(X509 *x, uint8_t out[ESTOC_TRAIL_STEP])
{
    uint8_t *der = NULL;
    estoc_cert cert;
    int len = i2d_X509(x, &der);
    bool good = len > 0 && !estoc_cert_parse(&cert, estoc_slice_of(der, (size_t)len)) &&
                !estoc_dtls_trail_step(&cert, out);
    OPENSSL_free(der);
    return good;
}

void estoc_dtls_note_trail(STACK_OF(X509) * chain, estoc_blob *out)
{
    uint8_t steps[ESTOC_TRAIL_MAX];
    size_t len = 0;
    for (int i = 0; i < sk_X509_num(chain) && len < sizeof steps; i++) {
        if (step_of(sk_X509_value(chain, i), steps + len)) {
            len += ESTOC_TRAIL_STEP;
        }
    }
    if (estoc_blob_copy(estoc_slice_of(steps, len), out)) {
        *out = (estoc_blob){NULL, 0}; /* opens nothing */
    }
}

bool estoc_dtls_take_trail(estoc_dtls *d, estoc_slice steps)
{
    estoc_blob_free(&d->trail);
    return steps.len % ESTOC_TRAIL_STEP == 0 && steps.len <= ESTOC_TRAIL_MAX &&
           !estoc_blob_copy(steps, &d->trail);
}

estoc_slice estoc_dtls_peer_trail(const estoc_dtls *d)
{
    return d->verified && !d->stranger ? estoc_blob_slice(d->trail) : estoc_slice_of(NULL, 0);
}

/* SPDX-License-Identifier: MIT */
#include <estoc/cert.h>

#include "permit.h"

bool estoc_permit_revoked(const estoc_generation *g, const estoc_client *c)
{
    return g->authority->ops->revoked(g->authority, c->cert) ||
           (c->elsewhere && estoc_dtls_server_denies(g->dtls, c->cert));
}

/* A certificate of ours that is over is good for its own renewal, as long as the profile says: it may
 * have been over in the handshake already, or since. */
static bool in_time(const estoc_generation *g, const estoc_client *c, estoc_op op,
                    const estoc_served *served)
{
    int64_t late = estoc_unix_s() - c->not_after;
    if (late <= 0 || !estoc_generation_signed(g, c->cert)) {
        return true;
    }
    bool renewal = op == ESTOC_OP_SREN || op == ESTOC_OP_CRTS || op == ESTOC_OP_ATT;
    return renewal && served != NULL && late <= (int64_t)served->grace_s;
}

/* Whether the path is for this client (D4). */
static const char *not_for(const estoc_client *c, const estoc_served *served)
{
    estoc_cert cert;
    if (served == NULL || served->access == NULL) {
        return NULL;
    }
    if (estoc_cert_parse(&cert, c->cert)) {
        return "your certificate cannot be read";
    }
    return estoc_access_refusal(served->access, &cert, c->trail);
}

const char *estoc_permit_refusal(const estoc_generation *g, const estoc_client *c, estoc_op op,
                                 const estoc_served *served)
{
    return in_time(g, c, op, served) ? not_for(c, served) : "your certificate has expired";
}

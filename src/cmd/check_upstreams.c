/* SPDX-License-Identifier: MIT
 *
 * estocd check: the services behind a registrar, as far as files tell.
 */
#include <stdio.h>

#include "check.h"
#include "init_registrar.h"
#include "text.h"

/* What the upstream knows us by. */
static void check_credential(estocd_checking *c, const estoc_upstream_conf *u,
                             const estoc_upstream *up)
{
    estoc_cert cert;
    if (up->chain->n == 0) {
        estocd_note(u->url[0], "no certificate is shown there (certificate, key): an EST server "
                               "will hardly take requests then");
        return;
    }
    if (estoc_cert_parse(&cert, estoc_blob_slice(up->chain->at[0]))) {
        return; /* told by estoc_services_add */
    }
    estocd_check_dates(c, u->chain, &cert);
    if (cert.ca) {
        estocd_note(u->chain, "is the certificate of a CA, not of a registrar");
    } else if (!estocd_cert_is_for(up->chain->at[0], ESTOC_PURPOSE_CLIENT)) {
        estocd_note(u->chain, "is not for clients (clientAuth): an EST server may refuse it");
    }
    if (!cert.cmc_ra) {
        estocd_note(u->chain, "has no id-kp-cmcRA: an EST server that goes by RFC 7030 section 3.7 "
                              "takes requests of other subjects from registrars alone");
    }
}

static void check_anchors(const estocd_checking *c, const estoc_upstream_conf *u,
                          const estoc_upstream *up)
{
    for (size_t i = 0; i < up->anchors->n; i++) {
        estoc_cert cert;
        if (!estoc_cert_parse(&cert, estoc_blob_slice(up->anchors->at[i])) &&
            c->now > cert.not_after) {
            estocd_note(u->anchors, "a certificate in it is not valid any more");
        }
    }
}

static void check_profiles(const estocd_checking *c)
{
    for (size_t i = 0; i < c->conf.profiles_n; i++) {
        const estoc_profile *p = &c->conf.profiles[i].profile;
        if (p->pop == ESTOC_POP_REQUIRED && p->attributes.len == 0) {
            estocd_note(p->name[0] != '\0' ? p->name : "the default profile",
                        "has pop = required, and leaves it to the upstream to ask for a "
                        "challengePassword in /att: set attributes = challengePassword if it does "
                        "not");
        }
    }
}

void estocd_check_upstreams(estocd_checking *c)
{
    for (size_t i = 0; i < c->conf.upstreams_n; i++) {
        const estoc_upstream_conf *u = &c->conf.upstreams[i];
        estoc_why why = {""};
        estoc_err err = estoc_services_add(&c->services, u, &why);
        if (err) {
            estocd_fault(c, "%s", why.text[0] != '\0' ? why.text : estoc_err_text(err));
            continue;
        }
        const estoc_upstream *up = &c->services.at[c->services.n - 1];
        check_credential(c, u, up);
        check_anchors(c, u, up);
    }
    check_profiles(c);
}

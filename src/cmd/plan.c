/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "plan.h"
#include "text.h"

static int local(const estoc_options *opt, const char *what, const char *why)
{
    return estoc_say(opt->command, ESTOC_EXIT_LOCAL, "%s: %s", what, why);
}

/* What the command line names; empty if it names none. */
static int build_names(estoc_plan *p, const estoc_options *opt, estoc_slice *subject,
                       estoc_slice *san)
{
    estoc_why why = {""};
    size_t len = 0;
    *subject = estoc_slice_of(NULL, 0);
    if (opt->subject != NULL) {
        if (estoc_name_build(opt->subject, (estoc_buf){p->subject, sizeof p->subject}, &len)) {
            return local(opt, opt->subject, "not a name; write --subject CN=device-1,O=Example");
        }
        *subject = estoc_slice_of(p->subject, len);
    }
    estoc_err err =
        estoc_san_build(opt->san.at, opt->san.n, (estoc_buf){p->san, sizeof p->san}, &len, &why);
    *san = estoc_slice_of(p->san, len);
    return err ? local(opt, "names", why.text[0] != '\0' ? why.text : estoc_err_text(err))
               : ESTOC_EXIT_DONE;
}

/* ChangeSubjectName has the names the new certificate is to have, all of them. RFC 6402 section 2.8 */
static int ask_change(estoc_plan *p, const estoc_options *opt, estoc_slice subject, estoc_slice san)
{
    static const uint8_t oid[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x07, 0x24};
    estoc_writer w = estoc_writer_of((estoc_buf){p->attributes, sizeof p->attributes});
    size_t len;
    size_t attribute = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    estoc_der_put(&w, ESTOC_DER_OID, estoc_slice_of(oid, sizeof oid));
    size_t set = estoc_der_open(&w, ESTOC_DER_SET);
    size_t change = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    estoc_der_put_raw(&w, subject);
    estoc_der_put_raw(&w, san);
    estoc_der_close(&w, change);
    estoc_der_close(&w, set);
    estoc_der_close(&w, attribute);
    estoc_err err = estoc_writer_end(&w, &len);
    p->request.attributes = estoc_slice_of(p->attributes, len);
    return err ? local(opt, "names", "longer than there is room for") : ESTOC_EXIT_DONE;
}

int estoc_plan_begin(estoc_plan *p, const estoc_options *opt, const estoc_identity *id, bool renew)
{
    estoc_cert cert = {.subject = {NULL, 0}};
    estoc_slice subject, san;
    memset(&p->request, 0, sizeof p->request);
    int code = build_names(p, opt, &subject, &san);
    if (code) {
        return code;
    }
    bool needed = renew || subject.len == 0;
    if (needed && id->chain.n == 0) {
        return local(opt, "no subject", "give --subject, or --cert and --key to take it from");
    }
    if (needed && estoc_cert_parse(&cert, estoc_blob_slice(id->chain.at[0]))) {
        return local(opt, opt->cert, "the certificate cannot be read; give --subject");
    }
    p->wanted = subject.len > 0 ? subject : cert.subject;
    if (!renew) {
        p->request.subject = p->wanted;
        p->request.san = san;
        return ESTOC_EXIT_DONE;
    }
    p->request.subject = cert.subject; /* E4: the same subject and the same names */
    p->request.san = cert.san;
    return subject.len + san.len == 0 ? ESTOC_EXIT_DONE
                                      : ask_change(p, opt, p->wanted, san.len > 0 ? san : cert.san);
}

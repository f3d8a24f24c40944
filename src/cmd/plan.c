/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "plan.h"
#include "template.h"
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
    estoc_slice subject = {NULL, 0}, san = {NULL, 0};
    memset(&p->request, 0, sizeof p->request);
    int code = build_names(p, opt, &subject, &san);
    if (code) {
        return code;
    }
    if (id->chain.n == 0 && (renew || subject.len == 0)) {
        return local(opt, "no subject", "give --subject, or --cert and --key to take it from");
    }
    if (id->chain.n > 0 && estoc_cert_parse(&cert, estoc_blob_slice(id->chain.at[0])) &&
        (renew || subject.len == 0)) {
        return local(opt, opt->cert, "the certificate cannot be read; give --subject");
    }
    p->wanted = subject.len > 0 ? subject : cert.subject;
    p->held_san = cert.san;
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

/* ---- what the server asks for ---- */

static int missing(const estoc_options *opt, const char *what, const char *option)
{
    return estoc_say(opt->command, ESTOC_EXIT_LOCAL,
                     "%s: the server asks for %s in the request; give it with %s", opt->uri, what,
                     option);
}

static const char *type_name(estoc_slice type, char *out, size_t cap)
{
    const char *name = estoc_oid_name(type);
    return name != NULL ? name : estoc_oid_text(type, (estoc_buf){(uint8_t *)out, cap});
}

/* The n-th attribute of this type in a Name, whole; empty if there are not so many. */
static estoc_slice find_rdn(estoc_slice name, estoc_slice type, size_t n)
{
    estoc_reader r;
    estoc_slice one, value;
    if (estoc_der_begin(name, &r)) {
        return estoc_slice_of(NULL, 0);
    }
    while (estoc_template_rdn_next(&r, &one, &value)) {
        if (estoc_slice_eq(one, type) && n-- == 0) {
            return value;
        }
    }
    return estoc_slice_of(NULL, 0);
}

/* How many RDNs before this one are to be filled in with the same type. */
static size_t open_before(estoc_slice template, estoc_slice type)
{
    estoc_reader r = estoc_reader_of(template);
    estoc_slice one, value;
    size_t n = 0;
    while (estoc_template_rdn_next(&r, &one, &value) && one.ptr != type.ptr) {
        n += value.len == 0 && estoc_slice_eq(one, type);
    }
    return n;
}

static int fill_subject(estoc_plan *p, const estoc_options *opt, estoc_slice template)
{
    estoc_writer w = estoc_writer_of((estoc_buf){p->filled_subject, sizeof p->filled_subject});
    estoc_reader r = estoc_reader_of(template);
    estoc_slice type, value;
    char text[64];
    size_t len;
    size_t name = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    while (estoc_template_rdn_next(&r, &type, &value)) {
        if (value.len == 0) {
            value = find_rdn(p->request.subject, type, open_before(template, type));
        }
        if (value.len == 0) {
            return missing(opt, type_name(type, text, sizeof text), "--subject");
        }
        size_t set = estoc_der_open(&w, ESTOC_DER_SET);
        size_t pair = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
        estoc_der_put(&w, ESTOC_DER_OID, type);
        estoc_der_put_raw(&w, value);
        estoc_der_close(&w, pair);
        estoc_der_close(&w, set);
    }
    estoc_der_close(&w, name);
    estoc_err err = estoc_writer_end(&w, &len);
    p->request.subject = p->wanted = estoc_slice_of(p->filled_subject, len);
    err = err ? err : estoc_name_check(p->request.subject);
    return err ? local(opt, opt->uri, "the subject that the server asks for is no name")
               : ESTOC_EXIT_DONE;
}

static int check_types(const estoc_plan *p, const estoc_options *opt, const estoc_wishes *wishes)
{
    char text[64];
    for (size_t i = 0; i < wishes->types_n; i++) {
        if (find_rdn(p->request.subject, wishes->types[i], 0).len == 0) {
            return missing(opt, type_name(wishes->types[i], text, sizeof text), "--subject");
        }
    }
    return ESTOC_EXIT_DONE;
}

/* All names of this kind. @return how many */
static size_t put_kind(estoc_writer *w, estoc_slice names, uint8_t tag)
{
    estoc_reader r;
    estoc_der el;
    size_t n = 0;
    if (estoc_der_begin(names, &r)) {
        return 0;
    }
    while (estoc_der_more(&r, &el)) {
        if (el.tag == tag) {
            estoc_der_put_raw(w, el.whole);
            n++;
        }
    }
    return n;
}

/* The names asked for; of a kind without a name, those that there are. */
static int fill_san(estoc_plan *p, const estoc_options *opt, const estoc_ext *ext)
{
    estoc_slice pool = p->request.san.len > 0 ? p->request.san : p->held_san;
    estoc_writer w = estoc_writer_of((estoc_buf){p->filled_san, sizeof p->filled_san});
    estoc_reader r;
    estoc_der el;
    char text[128];
    size_t len;
    p->request.san_critical = ext->critical;
    if (ext->value.len == 0) {
        p->request.san = pool;
        return pool.len > 0 ? ESTOC_EXIT_DONE : missing(opt, "subjectAltName", "--san");
    }
    estoc_err err = estoc_der_begin(ext->value, &r);
    size_t list = estoc_der_open(&w, ESTOC_DER_SEQUENCE);
    while (!err && estoc_der_more(&r, &el)) {
        bool blank = el.value.len == 0 || estoc_slice_eq(el.value, estoc_slice_str("\x30\x00"));
        if (!blank) {
            estoc_der_put_raw(&w, el.whole);
        } else if (put_kind(&w, pool, el.tag) == 0) {
            return missing(opt, estoc_san_text(&el, text, sizeof text), "--san");
        }
    }
    estoc_der_close(&w, list);
    err = err ? err : r.err;
    err = err ? err : estoc_writer_end(&w, &len);
    p->request.san = estoc_slice_of(p->filled_san, err ? 0 : len);
    return err ? local(opt, opt->uri,
                       "the alternative names that the server asks for are malformed")
               : ESTOC_EXIT_DONE;
}

/* The values that a client's certificate has. */
static estoc_slice usual_value(estoc_slice oid)
{
    static const uint8_t signs[] = {0x03, 0x02, 0x07, 0x80}; /* digitalSignature */
    static const uint8_t client_auth[] = {0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06,
                                          0x01, 0x05, 0x05, 0x07, 0x03, 0x02};
    unsigned what = estoc_oid_what(oid);
    return what == OID_USAGE      ? estoc_slice_of(signs, sizeof signs)
           : what == OID_PURPOSES ? estoc_slice_of(client_auth, sizeof client_auth)
                                  : estoc_slice_of(NULL, 0);
}

static void put_extension(estoc_writer *w, const estoc_options *opt, const estoc_ext *ext)
{
    char text[64];
    estoc_slice value = ext->value.len > 0 ? ext->value : usual_value(ext->oid);
    if (value.len == 0) {
        (void)estoc_say(
            opt->command, 0,
            "note: the server asks for the extension %s, whose value is not known here; "
            "sent without",
            type_name(ext->oid, text, sizeof text));
        return;
    }
    size_t whole = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    estoc_der_put(w, ESTOC_DER_OID, ext->oid);
    if (ext->critical) {
        estoc_der_put_bool(w, true);
    }
    estoc_der_put(w, ESTOC_DER_OCTET_STRING, value);
    estoc_der_close(w, whole);
}

int estoc_plan_honour(estoc_plan *p, const estoc_options *opt, const estoc_wishes *wishes)
{
    estoc_writer w = estoc_writer_of((estoc_buf){p->extensions, sizeof p->extensions});
    size_t len;
    int code = check_types(p, opt, wishes);
    if (!code && wishes->subject.len > 0) {
        code = fill_subject(p, opt, wishes->subject);
    }
    for (size_t i = 0; !code && i < wishes->extensions_n; i++) {
        const estoc_ext *ext = &wishes->extensions[i];
        if (estoc_oid_what(ext->oid) == OID_SAN) {
            code = fill_san(p, opt, ext);
        } else {
            put_extension(&w, opt, ext);
        }
    }
    if (!code && estoc_writer_end(&w, &len)) {
        return local(opt, opt->uri, "the server asks for more extensions than there is room for");
    }
    p->request.extensions = estoc_slice_of(p->extensions, code ? 0 : len);
    return code;
}

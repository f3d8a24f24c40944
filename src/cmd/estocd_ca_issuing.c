/* SPDX-License-Identifier: MIT
 *
 * estocd ca csr, import, show: the CA of a configuration, below a root that is elsewhere.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "ceremony.h"
#include "text.h"

#define CSR        "ca csr"
#define IMPORT     "ca import"
#define SHOW       "ca show"
#define CSR_MAX    2048
#define CHAIN_MAX  8
#define SERVER_MAX 12 /* certificates behind the server's */

static estoc_config conf; /* one command, one configuration */

/* -------------------------------------------------------------------------------------------- ca csr */

struct csr {
    const char *dir, *out, *name, *key; /* the command line */
    uint8_t subject[512];
    size_t subject_len;
};

static int csr_subject(struct csr *c)
{
    estoc_buf room = {c->subject, sizeof c->subject};
    estoc_blobs chain = {NULL, 0};
    estoc_why why = {""};
    estoc_cert cert;
    if (c->name[0] != '\0') {
        return estoc_mint_name(c->name, room, &c->subject_len)
                   ? estocd_say(CSR, "--name %.100s: must be 1 to 64 characters of text", c->name)
                   : 0;
    }
    estoc_err err = estoc_certs_load(conf.ca_chain, &chain, &why);
    err = err ? err : estoc_cert_parse(&cert, estoc_blob_slice(chain.at[0]));
    if (!err && cert.subject.len > sizeof c->subject) {
        err = ESTOC_E_LIMIT;
    }
    if (!err) {
        memcpy(c->subject, cert.subject.ptr, cert.subject.len);
        c->subject_len = cert.subject.len;
    }
    estoc_blobs_free(&chain);
    return err ? estocd_say(CSR, "%s; give --name", why.text[0] != '\0' ? why.text : conf.ca_chain)
               : 0;
}

static int write_csr(const struct csr *c, estoc_key *key)
{
    uint8_t spki[ESTOC_SPKI_MAX], der[CSR_MAX];
    size_t spki_len = 0, len = 0;
    char name[256];
    estoc_blob pem = {NULL, 0};
    estoc_signer signer = estoc_key_signer(key);
    estoc_err err = estoc_key_spki(key, (estoc_buf){spki, sizeof spki}, &spki_len);
    const estoc_csr_plan plan = {.subject = estoc_slice_of(c->subject, c->subject_len),
                                 .spki = estoc_slice_of(spki, spki_len)};
    err = err ? err : estoc_csr_build(&plan, &signer, (estoc_buf){der, sizeof der}, &len);
    err = err ? err : estoc_csr_pem(estoc_slice_of(der, len), &pem);
    err = err ? err : estoc_file_write(c->out, estoc_blob_slice(pem), 0644);
    estoc_blob_free(&pem);
    if (err) {
        return estocd_say(CSR, "%s: cannot be written: %s", c->out,
                          err == ESTOC_E_FILE ? strerror(errno) : estoc_err_text(err));
    }
    fprintf(stderr,
            "made %s, for %s\n"
            "key  %s\n"
            "next, where the root is:  estocd ca sign --root ROOT --csr %s --out ca.pem\n",
            c->out, estoc_name_text(plan.subject, (estoc_buf){(uint8_t *)name, sizeof name}),
            estoc_fingerprint_of(plan.spki).text, c->out);
    return 0;
}

static int make_csr(struct csr *c)
{
    estoc_key *key = NULL;
    if (!estocd_configure_ca(CSR, c->dir, &conf)) {
        return 1;
    }
    if (c->key[0] != '\0' && !estoc_key_is_uri(c->key)) {
        return estocd_say(CSR, "--key %.100s: must be the pkcs11: URI of a key in a token", c->key);
    }
    int code = csr_subject(c);
    code = code ? code : estoc_next_key(CSR, &conf, c->key[0] != '\0' ? c->key : NULL, true, &key);
    code = code ? code : write_csr(c, key);
    estoc_key_free(key);
    return code;
}

int estocd_ca_csr(int argc, char **argv)
{
    static struct csr c = {.name = "", .key = ""};
    const char *unused;
    const estoc_arg options[] = {
        ESTOCD_DIR_OPTION(&c.dir),
        {.name = "out",
         .kind = ESTOC_ARG_TEXT,
         .metavar = "FILE",
         .help = "the request, PEM",
         .to.text = &c.out,
         .required = true},
        {.name = "name",
         .kind = ESTOC_ARG_TEXT,
         .metavar = "CA_NAME",
         .help = "common name (the subject of the present certificate)",
         .to.text = &c.name},
        {.name = "key",
         .kind = ESTOC_ARG_TEXT,
         .metavar = "URI",
         .help = "pkcs11: URI of a key that is there (a new one on P-256)",
         .to.text = &c.key},
        {.kind = ESTOC_ARG_END},
    };
    const estoc_usage usage = {
        .program = "estocd",
        .command = CSR,
        .summary = "ask a root for the certificate of this CA",
        .description =
            "Makes a new key, in DIR/ca.key.next, encrypted if the present one is; or goes on\n"
            "with the one that is there. Nothing changes for the server before `ca import`.",
        .example = "  estocd ca csr --dir /var/lib/estocd --out ca.csr --name \"Example CA 1\"",
        .options = options,
    };
    int code = estoc_args_parse(&usage, argc, argv, &unused);
    return code == ESTOC_ARGS_RUN ? make_csr(&c) : code;
}

/* ----------------------------------------------------------------------------------------- ca import */

struct import {
    const char *dir, *file; /* the command line */
    char next[ESTOC_PATH_MAX];
    bool next_fits;
    estoc_ca_pair now, then;
};

static bool signed_by(const estoc_cert *cert, const estoc_cert *issuer)
{
    return estoc_slice_eq(cert->issuer, issuer->subject) &&
           !estoc_verify(&issuer->spki, cert->sig, cert->tbs, cert->signature);
}

/* Each signed by the next, and the last by itself. */
static int check_order(const struct import *in)
{
    const estoc_blobs *chain = &in->then.chain;
    estoc_cert cert, issuer;
    if (chain->n > CHAIN_MAX) {
        return estocd_say(IMPORT, "%s: more than %d certificates", in->file, CHAIN_MAX);
    }
    for (size_t i = 0; i < chain->n; i++) {
        size_t above = i + 1 < chain->n ? i + 1 : i;
        if (estoc_cert_parse(&cert, estoc_blob_slice(chain->at[i])) ||
            estoc_cert_parse(&issuer, estoc_blob_slice(chain->at[above]))) {
            return estocd_say(IMPORT, "%s: certificate %zu cannot be read", in->file, i + 1);
        }
        if (!signed_by(&cert, &issuer)) {
            return estocd_say(IMPORT,
                              above > i ? "%s: certificate %zu is not signed by the one behind it; "
                                          "put them in order, the CA's own first, the root last"
                                        : "%s: certificate %zu, the last, is no root; put the "
                                          "root's behind it",
                              in->file, i + 1);
        }
    }
    return 0;
}

static int check_chain(const struct import *in)
{
    const estoc_blobs *chain = &in->then.chain;
    const estoc_cert *c = &in->then.cert;
    estoc_why why = {""};
    if (!c->ca || c->ski.len == 0) {
        return estocd_say(IMPORT, "%s: the first certificate %s", in->file,
                          c->ca ? "has no subjectKeyIdentifier" : "is not that of a CA");
    }
    int code = check_order(in);
    if (code) {
        return code;
    }
    const estoc_blobs root = {&chain->at[chain->n - 1], 1};
    if (estoc_chain_verify(c->der, chain, &root, ESTOC_PURPOSE_ANY, estoc_unix_s(), &why)) {
        return estocd_say(IMPORT, "%s: %s", in->file, why.text);
    }
    if (!estoc_cert_signs_crls(c->der)) {
        return estocd_say(IMPORT, "%s: its key usage does not allow revocation lists (cRLSign)",
                          in->file);
    }
    return 0;
}

/* Of the next key, or of the present one with a new certificate. */
static int find_key(struct import *in)
{
    estoc_key *next = NULL;
    int code = estoc_next_key_path(IMPORT, &conf, in->next);
    code = code ? code : estoc_next_key(IMPORT, &conf, NULL, false, &next);
    if (code) {
        return code;
    }
    in->next_fits = next != NULL && estoc_key_matches(next, in->then.cert.der);
    if (in->next_fits) {
        in->then.key = next;
        return 0;
    }
    estoc_key_free(next);
    if (estoc_key_matches(in->now.key, in->then.cert.der)) {
        estoc_why why = {""};
        estoc_err err = estoc_key_load_sealed(conf.ca_key, conf.ca_passphrase, &in->then.key, &why);
        return err ? estocd_say(IMPORT, "%s", why.text) : 0;
    }
    return estocd_say(IMPORT, "%s: is for another key than %s and %s; was it asked for here?",
                      in->file, in->next, conf.ca_key);
}

static bool in_use(const struct import *in)
{
    const estoc_blobs *a = &in->now.chain;
    const estoc_blobs *b = &in->then.chain;
    bool same = a->n == b->n && !in->next_fits;
    for (size_t i = 0; same && i < a->n; i++) {
        same = estoc_slice_eq(estoc_blob_slice(a->at[i]), estoc_blob_slice(b->at[i]));
    }
    return same;
}

/* While the root changes: the new one certified by another, for those who do not know it yet. */
static int add_crossed(const struct import *in, const estoc_blobs *rollover, estoc_slice *more,
                       size_t *n)
{
    estoc_cert root, c;
    const estoc_blobs *chain = &in->then.chain;
    estoc_err err = estoc_cert_parse(&root, estoc_blob_slice(chain->at[chain->n - 1]));
    for (size_t i = 0; !err && i < rollover->n; i++) {
        if (!estoc_cert_parse(&c, estoc_blob_slice(rollover->at[i])) &&
            estoc_slice_eq(c.subject, root.subject) && estoc_slice_eq(c.spki.der, root.spki.der) &&
            !estoc_cert_self_issued(&c) && *n < SERVER_MAX) {
            more[(*n)++] = c.der;
        }
    }
    return err ? estocd_say(IMPORT, "%s: %s", in->file, estoc_err_text(err)) : 0;
}

/* A certificate for the server, and those up to the root, which devices have. */
static int renew_server(const struct import *in, const estoc_slice *list, size_t n)
{
    estoc_slice more[SERVER_MAX];
    estoc_blobs rollover = {NULL, 0};
    estoc_why why = {""};
    size_t more_n = n - 1;
    memcpy(more, list, more_n * sizeof *list);
    if (conf.rollover[0] != '\0' && estoc_certs_load(conf.rollover, &rollover, &why)) {
        return estocd_say(IMPORT, "%s", why.text);
    }
    int code = add_crossed(in, &rollover, more, &more_n);
    code = code ? code : estoc_renew_server(IMPORT, &conf, &in->now.cert, &in->then, more, more_n);
    estoc_blobs_free(&rollover);
    return code;
}

static int take_into_use(const struct import *in)
{
    estoc_slice list[CHAIN_MAX];
    size_t n = in->then.chain.n;
    for (size_t i = 0; i < n; i++) {
        list[i] = estoc_blob_slice(in->then.chain.at[i]);
    }
    /* in this order: whatever is cut off, what is there goes on, and this can be run again */
    int code = estoc_add_cert(IMPORT, conf.client_anchors, in->then.cert.der);
    code = code ? code : renew_server(in, list, n);
    return code ? code : estoc_ca_switch(IMPORT, &conf, in->next_fits ? in->next : NULL, list, n);
}

static int import(struct import *in)
{
    estoc_why why = {""};
    if (!estocd_configure_ca(IMPORT, in->dir, &conf)) {
        return 1;
    }
    estoc_err err = estoc_certs_load(in->file, &in->then.chain, &why);
    if (err || estoc_cert_parse(&in->then.cert, estoc_blob_slice(in->then.chain.at[0]))) {
        return estocd_say(IMPORT, "%s", err ? why.text : "the first certificate cannot be read");
    }
    int code = check_chain(in);
    code =
        code ? code
             : estoc_ca_pair_load(IMPORT, conf.ca_chain, conf.ca_key, conf.ca_passphrase, &in->now);
    code = code ? code : find_key(in);
    if (!code && !in_use(in)) {
        code = take_into_use(in);
    }
    if (!code) {
        fprintf(stderr,
                "%s is in use at the next start, or now with `kill -HUP`; `estocd check --dir %s` "
                "sees whether all fits\n",
                in->file, in->dir);
    }
    return code;
}

int estocd_ca_import(int argc, char **argv)
{
    static struct import in;
    const char *unused;
    const estoc_arg options[] = {
        ESTOCD_DIR_OPTION(&in.dir),
        {.name = "chain",
         .kind = ESTOC_ARG_TEXT,
         .metavar = "FILE",
         .help = "the CA's certificate, then those up to the root",
         .to.text = &in.file,
         .required = true},
        {.kind = ESTOC_ARG_END},
    };
    const estoc_usage usage = {
        .program = "estocd",
        .command = IMPORT,
        .summary = "take the signed certificate, and its key, into use",
        .description =
            "Sees that the chain is whole, valid and a CA's, and that ca.key.next or the present\n"
            "key belongs to it. Then the CA is a client anchor, the server has a certificate by\n"
            "it, if it had one by the CA so far, and key and chain change in one step. The pair\n"
            "before stays in DIR/ca.d. A server that runs takes all up with SIGHUP.",
        .example = "  estocd ca import --dir /var/lib/estocd --chain ca.pem",
        .options = options,
    };
    int code = estoc_args_parse(&usage, argc, argv, &unused);
    if (code != ESTOC_ARGS_RUN) {
        return code;
    }
    code = import(&in);
    estoc_ca_pair_free(&in.now);
    estoc_ca_pair_free(&in.then);
    return code;
}

/* ------------------------------------------------------------------------------------------- ca show */

static void print_chain(const estoc_ca_pair *p)
{
    for (size_t i = 0; i < p->chain.n; i++) {
        estoc_cert cert;
        char name[256], end[32];
        if (!estoc_cert_parse(&cert, estoc_blob_slice(p->chain.at[i]))) {
            printf("%-8s %s, until %s\n",
                   i == 0               ? "ca"
                   : i + 1 < p->chain.n ? "above"
                                        : "root",
                   estoc_name_text(cert.subject, (estoc_buf){(uint8_t *)name, sizeof name}),
                   estoc_time_text(cert.not_after, end, sizeof end));
        }
    }
}

static int show(const char *dir)
{
    estoc_ca_pair p;
    estoc_key *next = NULL;
    uint8_t spki[ESTOC_SPKI_MAX];
    size_t len = 0;
    if (!estocd_configure_ca(SHOW, dir, &conf) ||
        estoc_ca_pair_load(SHOW, conf.ca_chain, conf.ca_key, conf.ca_passphrase, &p)) {
        return 1;
    }
    print_chain(&p);
    printf("%-8s %s\n%-8s %s\n", "key", estoc_fingerprint_of(p.cert.spki.der).text, "in",
           estoc_key_in_token(p.key) ? "a token" : conf.ca_key);
    int code = estoc_next_key(SHOW, &conf, NULL, false, &next);
    if (next != NULL && !estoc_key_spki(next, (estoc_buf){spki, sizeof spki}, &len)) {
        printf("%-8s %s\n", "next", estoc_fingerprint_of(estoc_slice_of(spki, len)).text);
    }
    if (conf.rollover[0] != '\0') {
        printf("%-8s %s\n", "rollover", conf.rollover);
    }
    estoc_key_free(next);
    estoc_ca_pair_free(&p);
    return code ? code : estocd_finish(SHOW);
}

int estocd_ca_show(int argc, char **argv)
{
    const char *dir = NULL;
    const char *unused;
    const estoc_arg options[] = {
        ESTOCD_DIR_OPTION(&dir),
        {.kind = ESTOC_ARG_END},
    };
    const estoc_usage usage = {
        .program = "estocd",
        .command = SHOW,
        .summary = "the CA of a configuration, and what is under way with it",
        .description =
            "Its chain, the SHA-256 of its public key and where the private one is; the\n"
            "key that is to come (`next`), and the file that /crts gives besides.",
        .example = "  estocd ca show --dir /var/lib/estocd",
        .options = options,
    };
    int code = estoc_args_parse(&usage, argc, argv, &unused);
    return code == ESTOC_ARGS_RUN ? show(dir) : code;
}

/* SPDX-License-Identifier: MIT
 *
 * estocd ca root, sign, cross: what the offline machine does. No DIR, no store: a few files.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "ceremony.h"
#include "text.h"

#define ROOT        "ca root"
#define SIGN        "ca sign"
#define CROSS       "ca cross"
#define NO_LIMIT    UINT32_MAX
#define ISSUING_YRS 10

#define PASSPHRASE_OPTION(to_)                                                                  \
    {                                                                                           \
        .name = "passphrase", .kind = ESTOC_ARG_TEXT, .metavar = "SOURCE",                      \
        .help = "the key is encrypted by the first line of file:PATH or fd:N", .to.text = (to_) \
    }
#define YEARS_OPTION(help_, to_)                                                  \
    {                                                                             \
        .name = "years", .kind = ESTOC_ARG_UINT, .metavar = "N", .help = (help_), \
        .to.uint = (to_), .min = 1, .max = ESTOC_CA_YEARS_MAX                     \
    }

/* ------------------------------------------------------------------------------------------- ca root */

struct root {
    const char *out, *name, *key, *passphrase; /* the command line */
    uint32_t years;
    char crt[ESTOC_PATH_MAX], key_file[ESTOC_PATH_MAX];
};

/* A key that an earlier run has left without its certificate is taken. */
static int root_key(const struct root *r, estoc_key **key)
{
    estoc_why why = {""};
    estoc_err err;
    *key = NULL;
    if (estoc_file_exists(r->crt)) {
        return estocd_say(ROOT, "%s is there already, nothing was changed; choose another --out",
                          r->crt);
    }
    if (estoc_file_exists(r->key_file)) {
        err = estoc_key_load_sealed(r->key_file, r->passphrase, key, &why);
    } else {
        err = r->key[0] != '\0' ? estoc_key_load(r->key, key, &why)
                                : estoc_key_generate(ESTOC_KEY_P384, key);
        err = err ? err : estoc_key_save_sealed(*key, r->key_file, r->passphrase, &why);
        if (err == ESTOC_E_FILE && why.text[0] == '\0') {
            estoc_why_set(&why, "%s: cannot be written: %s", r->key_file, strerror(errno));
        }
    }
    return err ? estocd_say(ROOT, "%s", why.text[0] != '\0' ? why.text : estoc_err_text(err)) : 0;
}

static void tell_root(const struct root *r, estoc_slice der)
{
    estoc_cert cert;
    char end[32];
    if (!estoc_cert_parse(&cert, der)) {
        fprintf(stderr,
                "made %s, the root \"%s\" until %s, and %s, its private key%s\n"
                "key  %s\n"
                "next, on the server:  estocd ca csr --dir DIR --out ca.csr\n"
                "and back here:        estocd ca sign --root %s --csr ca.csr --out ca.pem\n",
                r->crt, r->name, estoc_time_text(cert.not_after, end, sizeof end), r->key_file,
                r->passphrase[0] != '\0' || r->key[0] != '\0' ? "" : ", not encrypted",
                estoc_fingerprint_of(cert.spki.der).text, r->out);
    }
}

static int make_root(struct root *r)
{
    uint8_t name[256];
    size_t name_len = 0;
    estoc_key *key = NULL;
    estoc_blob cert = {NULL, 0};
    if (estoc_mint_name(r->name, (estoc_buf){name, sizeof name}, &name_len)) {
        return estocd_say(ROOT, "--name %.100s: must be 1 to 64 characters of text", r->name);
    }
    if (r->key[0] != '\0' && !estoc_key_is_uri(r->key)) {
        return estocd_say(ROOT, "--key %.100s: must be the pkcs11: URI of a key in a token",
                          r->key);
    }
    if (estoc_credential_path(r->out, ".crt", r->crt) ||
        estoc_credential_path(r->out, ".key", r->key_file)) {
        return estocd_say(ROOT, "--out: the path is too long");
    }
    int code = root_key(r, &key);
    if (!code) {
        const estoc_mint m = {.subject = estoc_slice_of(name, name_len),
                              .key = key,
                              .life_s = r->years * ESTOC_MINT_YEAR,
                              .ca = true};
        code = estoc_mint_or_say(ROOT, &m, &cert);
        estoc_slice one = estoc_blob_slice(cert);
        code = code ? code : estoc_write_certs(ROOT, r->crt, &one, 1);
    }
    if (!code) {
        tell_root(r, estoc_blob_slice(cert));
    }
    estoc_key_free(key);
    estoc_blob_free(&cert);
    return code;
}

int estocd_ca_root(int argc, char **argv)
{
    static struct root r = {
        .out = "", .name = "", .key = "", .passphrase = "", .years = ESTOC_CA_LIFE_YEARS};
    const char *unused;
    const estoc_arg options[] = {
        {.name = "out",
         .kind = ESTOC_ARG_TEXT,
         .metavar = "PREFIX",
         .help = "PREFIX.key and PREFIX.crt",
         .to.text = &r.out,
         .required = true},
        {.name = "name",
         .kind = ESTOC_ARG_TEXT,
         .metavar = "CA_NAME",
         .help = "common name of the root",
         .to.text = &r.name,
         .required = true},
        YEARS_OPTION("how long it lasts (20)", &r.years),
        {.name = "key",
         .kind = ESTOC_ARG_TEXT,
         .metavar = "URI",
         .help = "pkcs11: URI of a key that is there (a new one on P-384, in PREFIX.key)",
         .to.text = &r.key},
        PASSPHRASE_OPTION(&r.passphrase),
        {.kind = ESTOC_ARG_END},
    };
    const estoc_usage usage = {
        .program = "estocd",
        .command = ROOT,
        .summary = "make a root that stays offline",
        .description =
            "A key and a certificate signed by itself, for a machine without a network. The\n"
            "root signs the certificates of issuing CAs (`estocd ca sign`), and nothing else.\n"
            "Run again after it was interrupted, it goes on with the key that is there.",
        .example = "  estocd ca root --out root --name \"Example Root\" --passphrase fd:3 3<pass",
        .options = options,
    };
    int code = estoc_args_parse(&usage, argc, argv, &unused);
    return code == ESTOC_ARGS_RUN ? make_root(&r) : code;
}

/* ------------------------------------------------------------------------------------------- ca sign */

struct sign {
    const char *root, *csr, *out, *passphrase; /* the command line */
    uint32_t years, path_len;
    estoc_ca_pair pair;
    estoc_blob request;
    estoc_csr parsed;
};

/* Proof of possession, and a name: what else it asks for is not looked at. */
static int take_request(struct sign *s)
{
    estoc_why why = {""};
    estoc_err err = estoc_csr_load(s->csr, &s->request, &why);
    if (err) {
        return estocd_say(SIGN, "%s", why.text[0] != '\0' ? why.text : estoc_err_text(err));
    }
    const estoc_csr *c = &s->parsed;
    err = estoc_csr_parse(&s->parsed, estoc_blob_slice(s->request));
    err = err ? err : estoc_verify(&c->spki, c->sig, c->info, c->signature);
    if (err) {
        return estocd_say(SIGN, "%s: %s", s->csr, estoc_err_text(err));
    }
    if (estoc_name_is_empty(c->subject)) {
        return estocd_say(SIGN, "%s: has no subject, which a CA must have", s->csr);
    }
    if (estoc_slice_eq(c->subject, s->pair.cert.subject)) {
        return estocd_say(
            SIGN, "%s: has the name of the root; make it anew with `estocd ca csr --name`", s->csr);
    }
    return 0;
}

static int make_issuing(const struct sign *s)
{
    estoc_blob cert = {NULL, 0};
    char name[256], end[32];
    estoc_cert made;
    const estoc_mint m = {.subject = s->parsed.subject,
                          .spki = s->parsed.spki.der,
                          .issuer_key = s->pair.key,
                          .issuer = s->pair.cert.der,
                          .life_s = s->years * ESTOC_MINT_YEAR,
                          .ca = true,
                          .path_limited = s->path_len != NO_LIMIT,
                          .path_len = (uint8_t)s->path_len};
    if (estoc_file_exists(s->out)) {
        return estocd_say(SIGN, "%s is there already, nothing was changed; choose another --out",
                          s->out);
    }
    int code = estoc_mint_or_say(SIGN, &m, &cert);
    const estoc_slice chain[] = {estoc_blob_slice(cert), s->pair.cert.der};
    code = code ? code : estoc_write_certs(SIGN, s->out, chain, 2);
    if (!code && !estoc_cert_parse(&made, chain[0])) {
        fprintf(stderr,
                "made %s: %s until %s, and the root behind it\n"
                "key  %s\n"
                "Is this what `estocd ca csr` said? Then, on the server:\n"
                "  estocd ca import --dir DIR --chain %s\n",
                s->out, estoc_name_text(made.subject, (estoc_buf){(uint8_t *)name, sizeof name}),
                estoc_time_text(made.not_after, end, sizeof end),
                estoc_fingerprint_of(made.spki.der).text, s->out);
    }
    estoc_blob_free(&cert);
    return code;
}

int estocd_ca_sign(int argc, char **argv)
{
    static struct sign s = {.passphrase = "", .years = ISSUING_YRS, .path_len = NO_LIMIT};
    const char *unused;
    const estoc_arg options[] = {
        {.name = "root",
         .kind = ESTOC_ARG_TEXT,
         .metavar = "PREFIX",
         .help = "what `estocd ca root` made",
         .to.text = &s.root,
         .required = true},
        {.name = "csr",
         .kind = ESTOC_ARG_TEXT,
         .metavar = "FILE",
         .help = "the request of the issuing CA",
         .to.text = &s.csr,
         .required = true},
        {.name = "out",
         .kind = ESTOC_ARG_TEXT,
         .metavar = "FILE",
         .help = "its certificate, and the root's behind it",
         .to.text = &s.out,
         .required = true},
        YEARS_OPTION("how long it lasts (10), never longer than the root", &s.years),
        {.name = "path-len",
         .kind = ESTOC_ARG_UINT,
         .metavar = "N",
         .help = "so many CAs may stand below it (no limit)",
         .to.uint = &s.path_len,
         .max = 127},
        PASSPHRASE_OPTION(&s.passphrase),
        {.kind = ESTOC_ARG_END},
    };
    const estoc_usage usage = {
        .program = "estocd",
        .command = SIGN,
        .summary = "sign the certificate of an issuing CA",
        .description =
            "Sees that the request is signed by its own key, takes its name and its key, and\n"
            "nothing else of it. Compare the key's fingerprint with what `estocd ca csr` said.",
        .example = "  estocd ca sign --root root --csr ca.csr --out ca.pem --path-len 0",
        .options = options,
    };
    int code = estoc_args_parse(&usage, argc, argv, &unused);
    if (code != ESTOC_ARGS_RUN) {
        return code;
    }
    code = estoc_ca_pair_of_prefix(SIGN, s.root, s.passphrase, &s.pair);
    code = code ? code : take_request(&s);
    code = code ? code : make_issuing(&s);
    estoc_ca_pair_free(&s.pair);
    estoc_blob_free(&s.request);
    return code;
}

/* ------------------------------------------------------------------------------------------ ca cross */

int estocd_ca_cross(int argc, char **argv)
{
    static const char *root, *next, *out, *passphrase = "";
    const char *unused;
    estoc_ca_pair old = {.key = NULL}, fresh = {.key = NULL};
    const estoc_arg options[] = {
        {.name = "root",
         .kind = ESTOC_ARG_TEXT,
         .metavar = "PREFIX",
         .help = "the root so far",
         .to.text = &root,
         .required = true},
        {.name = "next",
         .kind = ESTOC_ARG_TEXT,
         .metavar = "PREFIX",
         .help = "the root from now on",
         .to.text = &next,
         .required = true},
        {.name = "out",
         .kind = ESTOC_ARG_TEXT,
         .metavar = "FILE",
         .help = "both, and each certified by the other: for `rollover` in estocd.conf",
         .to.text = &out,
         .required = true},
        PASSPHRASE_OPTION(&passphrase),
        {.kind = ESTOC_ARG_END},
    };
    const estoc_usage usage = {
        .program = "estocd",
        .command = CROSS,
        .summary = "certify two roots by each other",
        .description =
            "For a change of a root that is offline: what devices need to follow it. For one\n"
            "whose key is in DIR, `estocd ca rollover` does it all.",
        .example = "  estocd ca cross --root root --next root2 --out rollover.pem",
        .options = options,
    };
    int code = estoc_args_parse(&usage, argc, argv, &unused);
    if (code != ESTOC_ARGS_RUN) {
        return code;
    }
    code = estoc_ca_pair_of_prefix(CROSS, root, passphrase, &old);
    code = code ? code : estoc_ca_pair_of_prefix(CROSS, next, passphrase, &fresh);
    code = code ? code : estoc_write_rollover(CROSS, out, &old, &fresh);
    estoc_ca_pair_free(&old);
    estoc_ca_pair_free(&fresh);
    return code;
}

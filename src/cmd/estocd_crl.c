/* SPDX-License-Identifier: MIT
 *
 * estocd crl: the list of the revoked, as a file. The one that the server or an earlier run has made, if
 * it covers all; else a new one, which the server then takes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "credential.h"
#include "crl_store.h"
#include "estocd.h"
#include "text.h"

#define COMMAND "crl"

struct crl {
    estoc_config conf;
    estoc_blobs chain;
    estoc_key *key;
    estoc_crl_rules rules;
    estoc_crl_record record;
    estoc_blob der;
};

static int failed(const estoc_why *why, estoc_err err)
{
    return estocd_say(COMMAND, "%s", why->text[0] != '\0' ? why->text : estoc_err_text(err));
}

static int load_issuer(struct crl *c)
{
    estoc_why why = {""};
    estoc_err err = estoc_certs_load(c->conf.ca_chain, &c->chain, &why);
    if (err) {
        return failed(&why, err);
    }
    estoc_slice der = estoc_blob_slice(c->chain.at[0]);
    if (estoc_cert_parse(&c->rules.issuer, der) || c->rules.issuer.ski.len == 0 ||
        !estoc_cert_signs_crls(der)) {
        return estocd_say(COMMAND, "%s: its key usage does not allow revocation lists (cRLSign)",
                          c->conf.ca_chain);
    }
    c->rules.good_s = c->conf.crl_good_s;
    return 0;
}

static int make(struct crl *c, estoc_store *store, int64_t now)
{
    estoc_why why = {""};
    estoc_blobs chain = {NULL, 0};
    estoc_err err = estoc_credential_load_sealed(c->conf.ca_chain, c->conf.ca_key,
                                                 c->conf.ca_passphrase, &chain, &c->key, &why);
    estoc_blobs_free(&chain);
    if (err) {
        return failed(&why, err);
    }
    c->rules.key = c->key;
    err = estoc_crl_make(store, &c->rules, now, &c->record, &c->der);
    if (err == ESTOC_E_CRYPTO) {
        return estocd_say(COMMAND, "%s: cannot sign", c->conf.ca_key);
    }
    return err ? estocd_store_failed(COMMAND, store, err) : 0;
}

static int write_out(const struct crl *c, const char *file, bool json)
{
    char until[32];
    estoc_err err = estoc_crl_write(file, c->record.der);
    if (err) {
        return estocd_say(COMMAND, "%s: cannot be written: %s", file,
                          err == ESTOC_E_FILE ? strerror(errno) : estoc_err_text(err));
    }
    if (!json) {
        fprintf(stderr, "%s: list %lld, good until %s\n", file, (long long)c->record.number,
                estoc_time_text(c->record.next_update, until, sizeof until));
        return 0;
    }
    char at[32];
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "number", (double)c->record.number);
    cJSON_AddStringToObject(o, "this_update",
                            estoc_time_text(c->record.this_update, at, sizeof at));
    cJSON_AddStringToObject(o, "next_update",
                            estoc_time_text(c->record.next_update, until, sizeof until));
    cJSON_AddBoolToObject(o, "new", c->key != NULL);
    return estocd_print_json(COMMAND, o);
}

static int with_store(struct crl *c, estoc_store *store, const char *file, bool json)
{
    int64_t now = estoc_unix_s();
    estoc_err err = estoc_crl_find(store, &c->rules, now, &c->record, &c->der);
    int code = !err                       ? 0
               : err == ESTOC_E_NOT_FOUND ? make(c, store, now)
                                          : estocd_store_failed(COMMAND, store, err);
    return code != 0 ? code : write_out(c, file, json);
}

static int crl(const char *dir, const char *file, bool json)
{
    static struct crl c;
    if (!estocd_configure_ca(COMMAND, dir, &c.conf)) {
        return 1;
    }
    int code = load_issuer(&c);
    estoc_store *store = code == 0 ? estocd_open_store(COMMAND, dir) : NULL;
    code = store != NULL ? with_store(&c, store, file, json) : 1;
    estoc_store_close(store);
    estoc_blob_free(&c.der);
    estoc_blobs_free(&c.chain);
    estoc_key_free(c.key);
    return code;
}

int estocd_crl(int argc, char **argv)
{
    const char *dir = NULL;
    const char *file = NULL;
    const char *unused;
    bool json = false;
    const estoc_arg options[] = {
        ESTOCD_DIR_OPTION(&dir),
        {.name = "out",
         .kind = ESTOC_ARG_TEXT,
         .metavar = "FILE",
         .help = "where to; PEM if it ends in .pem, else DER",
         .to.text = &file,
         .required = true},
        ESTOCD_JSON_OPTION("print its number and times as an object", &json),
        {.kind = ESTOC_ARG_END},
    };
    const estoc_usage usage = {
        .program = "estocd",
        .command = COMMAND,
        .summary = "write the list of revoked certificates",
        .description =
            "For those who verify certificates of this CA: a CRL (RFC 5280) with every revocation "
            "so\n"
            "far. The newest one made is written if it has them all and half of its time is left\n"
            "(crl-next-update in estocd.conf); else a new one, with a higher number. A server can\n"
            "do the same by itself, and serve it: crl-file and crl-listen. FILE is replaced in "
            "one\n"
            "step.",
        .example = "  estocd crl --dir ~/est --out /var/www/html/ca.crl\n"
                   "  openssl crl -in /var/www/html/ca.crl -inform DER -noout -text",
        .options = options,
    };
    int code = estoc_args_parse(&usage, argc, argv, &unused);
    return code == ESTOC_ARGS_RUN ? crl(dir, file, json) : code;
}

/* SPDX-License-Identifier: MIT
 *
 * estocd ca rollover: another root, in two steps with some weeks between, so that devices follow.
 *                                                                              RFC 4210 section 4.4
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "ceremony.h"
#include "text.h"

#define COMMAND "ca rollover"

struct rollover {
    const char *dir, *name; /* the command line */
    uint32_t years;
    bool go;
    estoc_config conf;
    char next_key[ESTOC_PATH_MAX], next_crt[ESTOC_PATH_MAX], file[ESTOC_PATH_MAX];
    estoc_ca_pair now, next;
};

static int load_now(struct rollover *r)
{
    const estoc_config *c = &r->conf;
    if (!estocd_configure_ca(COMMAND, r->dir, &r->conf) ||
        estoc_ca_pair_load(COMMAND, c->ca_chain, c->ca_key, c->ca_passphrase, &r->now) ||
        estoc_next_key_path(COMMAND, c, r->next_key)) {
        return 1;
    }
    if (r->now.chain.n > 1 || !estoc_cert_self_issued(&r->now.cert)) {
        return estocd_say(COMMAND,
                          "%s: its root is elsewhere; there `estocd ca root`, `ca cross` and `ca "
                          "sign`, here `ca import`",
                          c->ca_chain);
    }
    estoc_err err = estoc_credential_path(c->ca_chain, ".next", r->next_crt);
    if (!err && c->rollover[0] == '\0') {
        err = estoc_path_join(r->file, sizeof r->file, c->dir, "rollover.pem");
    } else if (!err) {
        err = estoc_credential_path(c->rollover, "", r->file);
    }
    return err ? estocd_say(COMMAND, "%s: the path is too long", c->ca_chain) : 0;
}

/* The next root's certificate, which an earlier run may have made. */
static int make_next(struct rollover *r)
{
    uint8_t name[256];
    size_t name_len = 0;
    estoc_key *key = NULL;
    estoc_blob cert = {NULL, 0};
    if (estoc_file_exists(r->next_crt)) {
        return 0;
    }
    if (r->name[0] == '\0' || estoc_mint_name(r->name, (estoc_buf){name, sizeof name}, &name_len)) {
        return estocd_say(COMMAND, "--name: the next root needs one, of 1 to 64 characters");
    }
    if (estoc_slice_eq(estoc_slice_of(name, name_len), r->now.cert.subject)) {
        return estocd_say(COMMAND, "--name %.100s: so is the present root called", r->name);
    }
    int code = estoc_next_key(COMMAND, &r->conf, NULL, true, &key);
    if (!code) {
        const estoc_mint m = {.subject = estoc_slice_of(name, name_len),
                              .key = key,
                              .life_s = r->years * ESTOC_MINT_YEAR,
                              .ca = true};
        code = estoc_mint_or_say(COMMAND, &m, &cert);
        estoc_slice one = estoc_blob_slice(cert);
        code = code ? code : estoc_write_certs(COMMAND, r->next_crt, &one, 1);
    }
    estoc_key_free(key);
    estoc_blob_free(&cert);
    return code;
}

static int announce(struct rollover *r)
{
    int code = make_next(r);
    code = code ? code
                : estoc_ca_pair_load(COMMAND, r->next_crt, r->next_key, r->conf.ca_passphrase,
                                     &r->next);
    code = code ? code : estoc_write_rollover(COMMAND, r->file, &r->now, &r->next);
    if (!code) {
        fprintf(stderr,
                "made %s: both roots, and each certified by the other\n"
                "next key  %s\n"
                "%s"
                "Then `estocd check --dir %s` and SIGHUP. When each device has renewed:\n"
                "  estocd ca rollover --dir %s --switch\n",
                r->file, estoc_fingerprint_of(r->next.cert.spki.der).text,
                r->conf.rollover[0] != '\0' ? ""
                                            : "Write under [ca] of estocd.conf:\n"
                                              "  rollover = rollover.pem\n",
                r->dir, r->dir);
    }
    return code;
}

/* NewWithOld, by which those who know the old root only find their way to the server. */
static estoc_slice find_new_with_old(const struct rollover *r, const estoc_blobs *certs)
{
    for (size_t i = 0; i < certs->n; i++) {
        estoc_cert c;
        if (!estoc_cert_parse(&c, estoc_blob_slice(certs->at[i])) &&
            estoc_slice_eq(c.issuer, r->now.cert.subject) &&
            estoc_slice_eq(c.spki.der, r->next.cert.spki.der) &&
            !estoc_verify(&r->now.cert.spki, c.sig, c.tbs, c.signature)) {
            return c.der;
        }
    }
    return estoc_slice_of(NULL, 0);
}

/* Whether the present root is one that came after another: certified by it in the file. */
static bool is_successor(const struct rollover *r)
{
    estoc_blobs certs = {NULL, 0};
    bool found = false;
    if (r->conf.rollover[0] == '\0' || estoc_file_exists(r->next_key) ||
        estoc_certs_load(r->file, &certs, NULL)) {
        return false;
    }
    for (size_t i = 0; i < certs.n; i++) {
        estoc_cert c;
        found |= !estoc_cert_parse(&c, estoc_blob_slice(certs.at[i])) &&
                 estoc_slice_eq(c.spki.der, r->now.cert.spki.der) && !estoc_cert_self_issued(&c);
    }
    estoc_blobs_free(&certs);
    return found;
}

/* Whether the present root is the next one already: of a run that was cut off at its end. */
static bool has_switched(const struct rollover *r)
{
    estoc_blobs certs;
    if (!estoc_file_exists(r->next_crt)) {
        return is_successor(r);
    }
    bool same = !estoc_certs_load(r->next_crt, &certs, NULL) &&
                estoc_slice_eq(estoc_blob_slice(certs.at[0]), r->now.cert.der);
    estoc_blobs_free(&certs);
    return same;
}

static int finish(const struct rollover *r)
{
    const char *const files[] = {r->next_key, r->next_crt};
    for (size_t i = 0; i < 2; i++) {
        if (estoc_file_remove(files[i])) {
            return estocd_say(COMMAND, "%s: %s", files[i], strerror(errno));
        }
    }
    fprintf(stderr,
            "the next root issues from SIGHUP on, and devices follow as they renew; what is left "
            "to do then is in docs/how-to/rollover.md\n");
    return 0;
}

static int switch_over(struct rollover *r)
{
    estoc_why why = {""};
    estoc_blobs certs = {NULL, 0};
    if (has_switched(r)) {
        return finish(r);
    }
    if (r->conf.rollover[0] == '\0' || !estoc_file_exists(r->next_crt)) {
        return estocd_say(COMMAND, "--switch: nothing is announced; first without --switch, and "
                                   "`rollover` set in estocd.conf");
    }
    int code =
        estoc_ca_pair_load(COMMAND, r->next_crt, r->next_key, r->conf.ca_passphrase, &r->next);
    if (!code && estoc_certs_load(r->file, &certs, &why)) {
        code = estocd_say(COMMAND, "%s", why.text);
    }
    estoc_slice link = code ? estoc_slice_of(NULL, 0) : find_new_with_old(r, &certs);
    if (!code && link.len == 0) {
        code = estocd_say(COMMAND,
                          "%s: does not have the next root certified by the present one; "
                          "announce it anew, without --switch",
                          r->file);
    }
    const estoc_slice root = r->next.cert.der;
    code = code ? code : estoc_add_cert(COMMAND, r->conf.client_anchors, root);
    code = code ? code : estoc_renew_server(COMMAND, &r->conf, &r->now.cert, &r->next, &link, 1);
    code = code ? code : estoc_ca_switch(COMMAND, &r->conf, r->next_key, &root, 1);
    code = code ? code : finish(r);
    estoc_blobs_free(&certs);
    return code;
}

int estocd_ca_rollover(int argc, char **argv)
{
    static struct rollover r = {.name = "", .years = ESTOC_CA_LIFE_YEARS};
    const char *unused;
    const estoc_arg options[] = {
        ESTOCD_DIR_OPTION(&r.dir),
        {.name = "name",
         .kind = ESTOC_ARG_TEXT,
         .metavar = "CA_NAME",
         .help = "common name of the next root",
         .to.text = &r.name},
        {.name = "years",
         .kind = ESTOC_ARG_UINT,
         .metavar = "N",
         .help = "how long it lasts (20)",
         .to.uint = &r.years,
         .min = 1,
         .max = ESTOC_CA_YEARS_MAX},
        {.name = "switch",
         .kind = ESTOC_ARG_FLAG,
         .help = "the second step: the next root issues",
         .to.flag = &r.go},
        {.kind = ESTOC_ARG_END},
    };
    const estoc_usage usage = {
        .program = "estocd",
        .command = COMMAND,
        .summary = "change the root whose key is here",
        .description =
            "First it makes the next root, DIR/ca.key.next and ca.crt.next, and the file for\n"
            "`rollover` in estocd.conf: both roots, and each certified by the other. Devices\n"
            "take it up as they renew. Then, with --switch, the next root issues; the server\n"
            "has a certificate by it that those who know the old root can follow; the pair\n"
            "before stays in DIR/ca.d. Either can be run again after it was interrupted.",
        .example = "  estocd ca rollover --dir ~/est --name \"Example CA 2\"\n"
                   "  estocd ca rollover --dir ~/est --switch",
        .options = options,
    };
    int code = estoc_args_parse(&usage, argc, argv, &unused);
    if (code != ESTOC_ARGS_RUN) {
        return code;
    }
    code = load_now(&r);
    code = code ? code : r.go ? switch_over(&r) : announce(&r);
    estoc_ca_pair_free(&r.now);
    estoc_ca_pair_free(&r.next);
    return code;
}

/* SPDX-License-Identifier: MIT
 *
 * estocd device: what a manufacturer would put into a device. The stand-in manufacturer's CA is one
 * of its own, so that a bootstrap certificate is never taken for one that our CA has issued (E4).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "credential.h"
#include "estocd.h"
#include "mint.h"
#include "text.h"

#define LIFE_S  (20 * ESTOC_MINT_YEAR)
#define COMMAND "device"

struct device {
    const char *dir, *subject, *out; /* the command line */
    char crt[ESTOC_PATH_MAX], key[ESTOC_PATH_MAX], ta[ESTOC_PATH_MAX];
    uint8_t name[512]; /* the subject, DER */
    size_t name_len;
    estoc_blobs maker;
    estoc_key *maker_key;
    estoc_blobs ca;
    bool encrypt; /* keys are made here, and can be encrypted to it */
};

static int take_subject(struct device *d)
{
    estoc_err err =
        estoc_name_build(d->subject, (estoc_buf){d->name, sizeof d->name}, &d->name_len);
    if (!err && estoc_name_is_empty(estoc_slice_of(d->name, d->name_len))) {
        err = ESTOC_E_MALFORMED;
    }
    return err ? estocd_say(COMMAND,
                            "--subject %.100s: %s; write it like CN=sensor-1,serialNumber=0001",
                            d->subject, err == ESTOC_E_MALFORMED ? "not a name" : "too long a name")
               : 0;
}

static int take_paths(struct device *d)
{
    if (estoc_credential_path(d->out, ".crt", d->crt) ||
        estoc_credential_path(d->out, ".key", d->key) ||
        estoc_credential_path(d->out, ".ta", d->ta)) {
        return estocd_say(COMMAND, "--out: the path is too long");
    }
    const char *const files[] = {d->key, d->crt, d->ta};
    for (size_t i = 0; i < 3; i++) {
        if (estoc_file_exists(files[i])) {
            return estocd_say(COMMAND,
                              "%s is there already, nothing was changed; choose another --out, or "
                              "remove it",
                              files[i]);
        }
    }
    return 0;
}

static int load(struct device *d)
{
    static estoc_config conf;
    char crt[sizeof conf.dir + 32], key[sizeof conf.dir + 32];
    estoc_why why = {""};
    if (!estocd_configure_ca(COMMAND, d->dir, &conf)) {
        return 1;
    }
    if (estoc_path_join(crt, sizeof crt, d->dir, ESTOCD_MAKER_CERT) ||
        estoc_path_join(key, sizeof key, d->dir, ESTOCD_MAKER_KEY)) {
        return estocd_say(COMMAND, "--dir: the path is too long");
    }
    estoc_err err = estoc_credential_load(crt, key, &d->maker, &d->maker_key, &why);
    err = err ? err : estoc_certs_load(conf.ca_chain, &d->ca, &why);
    if (!err && d->ca.n == 0) {
        estoc_why_set(&why, "%s: holds no certificate", conf.ca_chain);
        err = ESTOC_E_FILE;
    }
    d->encrypt = conf.profiles[0].profile.keygen;
    return err ? estocd_say(COMMAND, "%s", why.text[0] != '\0' ? why.text : estoc_err_text(err))
               : 0;
}

static int write_pem(const char *path, estoc_slice cert)
{
    estoc_blob pem;
    estoc_err err = estoc_certs_pem(&cert, 1, &pem);
    if (err) {
        return estocd_say(COMMAND, "%s: %s", path, estoc_err_text(err));
    }
    err = estoc_file_write(path, estoc_blob_slice(pem), 0644);
    estoc_blob_free(&pem);
    return err ? estocd_say(COMMAND, "%s: cannot be written: %s", path, strerror(errno)) : 0;
}

/* All three or none. */
static int write_files(const struct device *d, const estoc_key *key, estoc_slice cert)
{
    estoc_err err = estoc_key_save(key, d->key);
    int code = err ? estocd_say(COMMAND, "%s: cannot be written: %s", d->key,
                                err == ESTOC_E_FILE ? strerror(errno) : estoc_err_text(err))
                   : 0;
    code = code ? code : write_pem(d->crt, cert);
    /* the root: what stays when an intermediate changes */
    code = code ? code : write_pem(d->ta, estoc_blob_slice(d->ca.at[d->ca.n - 1]));
    if (code) {
        unlink(d->key);
        unlink(d->crt);
        unlink(d->ta);
    }
    return code;
}

static int make(const struct device *d)
{
    estoc_key *key = NULL;
    estoc_blob cert = {NULL, 0};
    estoc_err err = estoc_key_generate(ESTOC_KEY_P256, &key);
    const estoc_mint m = {.subject = estoc_slice_of(d->name, d->name_len),
                          .key = key,
                          .issuer_key = d->maker_key,
                          .issuer = estoc_blob_slice(d->maker.at[0]),
                          .life_s = LIFE_S,
                          .encrypt = d->encrypt};
    err = err ? err : estoc_mint_cert(&m, &cert);
    int code = err ? estocd_say(COMMAND, "the certificate cannot be made: %s", estoc_err_text(err))
                   : write_files(d, key, estoc_blob_slice(cert));
    estoc_key_free(key);
    estoc_blob_free(&cert);
    return code;
}

static void tell(const struct device *d)
{
    fprintf(stderr,
            "made %s (its certificate), %s (its private key), and\n"
            "%s (the anchor it knows the server by). Next, on the device:\n"
            "  estoc enroll coaps://HOST --cert %s --key %s --ta %s --out PREFIX\n",
            d->crt, d->key, d->ta, d->crt, d->key, d->ta);
}

int estocd_device(int argc, char **argv)
{
    static struct device d;
    const char *unused;
    const estoc_arg options[] = {
        ESTOCD_DIR_OPTION(&d.dir),
        {.name = "subject",
         .kind = ESTOC_ARG_TEXT,
         .metavar = "DN",
         .help = "the device's name, such as CN=sensor-1,serialNumber=0001",
         .to.text = &d.subject,
         .required = true},
        {.name = "out",
         .kind = ESTOC_ARG_TEXT,
         .metavar = "PREFIX",
         .help = "write PREFIX.crt, PREFIX.key and PREFIX.ta",
         .to.text = &d.out,
         .required = true},
        {.kind = ESTOC_ARG_END},
    };
    const estoc_usage usage = {
        .program = "estocd",
        .command = COMMAND,
        .summary = "make a bootstrap credential for a device",
        .description =
            "Stands in for a manufacturer: a certificate by DIR/manufacturer.crt, which is one of\n"
            "the client anchors, with a fresh P-256 key, for 20 years. PREFIX.ta is the root of\n"
            "this server's CA. A device enrolls under the subject it has here, and no other.\n"
            "Nothing that is there already is overwritten. For a real manufacturer, add the\n"
            "certificate of its CA to DIR/client-anchors.pem instead.",
        .example = "  estocd device --dir ~/est --subject CN=sensor-1,serialNumber=0001 \\\n"
                   "      --out sensor-1",
        .options = options,
    };
    int code = estoc_args_parse(&usage, argc, argv, &unused);
    if (code != ESTOC_ARGS_RUN) {
        return code;
    }
    code = take_subject(&d);
    code = code ? code : take_paths(&d);
    code = code ? code : load(&d);
    code = code ? code : make(&d);
    if (!code) {
        tell(&d);
    }
    estoc_blobs_free(&d.maker);
    estoc_blobs_free(&d.ca);
    estoc_key_free(d.maker_key);
    return code;
}

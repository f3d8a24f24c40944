/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <estoc/cert.h>

#include "conf_value.h"
#include "config.h"
#include "credential.h"
#include "estocd.h"
#include "init_registrar.h"
#include "text.h"

#define COMMAND   "init"
#define CERT      "registrar.crt"
#define KEY       "registrar.key"
#define ANCHORS   "upstream.ta"
#define CLIENTS   "client-anchors.pem"
#define CERTS_MAX 64 /* of the upstream and of the devices' CAs */

static const char *const made[] = {KEY, CERT, ANCHORS, CLIENTS, "store.db", ESTOCD_CONF};

struct making {
    const estocd_init_registrar_cfg *cfg;
    estocd_folder folder;
    char url[ESTOC_URL_MAX];
    estoc_blobs chain, anchors, clients;
    estoc_key *key;
    estoc_cert cert;
    bool for_servers, for_clients;
};

/* ---- what is given ---- */

static int explain_credential(const char *url)
{
    estocd_say(COMMAND, "--cert and --key are missing: what the EST server behind this registrar, "
                        "and devices, know it by");
    fprintf(
        stderr,
        "Make a key and a request,\n"
        "  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \\\n"
        "      -keyout registrar.key -out registrar.csr -subj /CN=HOST \\\n"
        "      -addext subjectAltName=DNS:HOST \\\n"
        "      -addext extendedKeyUsage=clientAuth,serverAuth,1.3.6.1.5.5.7.3.28\n"
        "and have it signed by the CA behind %s: with clientAuth for the\n"
        "way to it, serverAuth and the names for devices, and 1.3.6.1.5.5.7.3.28 (id-kp-cmcRA),\n"
        "by which it knows a registrar.\n",
        url);
    return 1;
}

bool estocd_cert_is_for(estoc_blob cert, estoc_purpose purpose)
{
    const estoc_blobs itself = {&cert, 1};
    estoc_cert parsed;
    /* just before it ends: this is not about dates */
    return !estoc_cert_parse(&parsed, estoc_blob_slice(cert)) &&
           !estoc_chain_verify(estoc_blob_slice(cert), NULL, &itself, purpose, parsed.not_after - 1,
                               NULL);
}

static int check_cert(struct making *m)
{
    const char *file = m->cfg->cert;
    char end[32];
    estoc_err err = estoc_cert_parse(&m->cert, estoc_blob_slice(m->chain.at[0]));
    if (err) {
        return estocd_say(COMMAND, "%s: %s", file, estoc_err_text(err));
    }
    if (m->cert.ca) {
        return estocd_say(COMMAND, "%s: the certificate of a CA, not of a registrar", file);
    }
    if (m->cert.not_after < estoc_unix_s()) {
        return estocd_say(COMMAND, "%s: not valid since %s", file,
                          estoc_time_text(m->cert.not_after, end, sizeof end));
    }
    m->for_servers = estocd_cert_is_for(m->chain.at[0], ESTOC_PURPOSE_SERVER);
    m->for_clients = estocd_cert_is_for(m->chain.at[0], ESTOC_PURPOSE_CLIENT);
    return 0;
}

static int load(struct making *m)
{
    const estocd_init_registrar_cfg *c = m->cfg;
    estoc_why why = {""};
    if (!estoc_conf_https(c->url, m->url, sizeof m->url)) {
        return estocd_say(COMMAND, "--upstream: must be https://HOST[:PORT]/PATH, such as "
                                   "https://est.example/.well-known/est, without user and query");
    }
    if (c->anchors == NULL) {
        return estocd_say(COMMAND, "--upstream-ta FILE is missing: the certificate of the CA that "
                                   "vouches for the server there; nobody else is trusted");
    }
    if (c->cert == NULL || c->key == NULL) {
        return explain_credential(m->url);
    }
    estoc_err err = estoc_certs_load(c->anchors, &m->anchors, &why);
    err = err ? err : estoc_credential_load(c->cert, c->key, &m->chain, &m->key, &why);
    if (!err && c->client_anchors != NULL) {
        err = estoc_certs_load(c->client_anchors, &m->clients, &why);
    }
    return err ? estocd_say(COMMAND, "%s", why.text[0] != '\0' ? why.text : estoc_err_text(err))
               : check_cert(m);
}

/* ---- what is made ---- */

static int put_certs(const struct making *m, const char *file, const estoc_blobs *some,
                     const estoc_blobs *more)
{
    estoc_slice list[CERTS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < some->n + more->n; i++) {
        estoc_slice cert = estoc_blob_slice(i < some->n ? some->at[i] : more->at[i - some->n]);
        size_t at = 0;
        while (at < n && !estoc_slice_eq(list[at], cert)) {
            at++;
        }
        if (at == CERTS_MAX) {
            return estocd_say(COMMAND, "%s: more than %d certificates", file, CERTS_MAX);
        }
        list[at] = cert;
        n += at == n;
    }
    return estocd_folder_certs(&m->folder, file, list, n);
}

static estoc_err write_conf(const struct making *m, estoc_blob *out)
{
    char url[sizeof m->url + 16];
    snprintf(url, sizeof url, "url = %s\n", m->url);
    const struct {
        const char *from, *to;
    } set[] = {{"#certificate = server.crt\n", "certificate = " CERT "\n"},
               {"#key = server.key\n", "key = " KEY "\n"},
               {"#url =\n", url},
               {"#certificate =\n", "certificate = " CERT "\n"},
               {"#key =\n", "key = " KEY "\n"},
               {"#anchors =\n", "anchors = " ANCHORS "\n"}};
    estoc_err err = ESTOC_OK;
    for (size_t i = 0; !err && i < sizeof set / sizeof set[0]; i++) {
        estoc_blob old = *out;
        const char *text =
            i == 0 ? estoc_config_template(ESTOC_AUTHORITY_REGISTRAR) : (const char *)old.ptr;
        err = estocd_fill_in(text, set[i].from, set[i].to, out);
        estoc_blob_free(&old);
    }
    return err;
}

static int make_files(const struct making *m)
{
    static const estoc_blobs none;
    estoc_blob conf = {NULL, 0};
    estoc_err err = estoc_key_save(m->key, estocd_folder_path(&m->folder, KEY));
    int code = err ? estocd_folder_fail(&m->folder, KEY, err) : 0;
    code = code ? code : put_certs(m, CERT, &m->chain, &none);
    code = code ? code : put_certs(m, ANCHORS, &m->anchors, &none);
    code = code ? code : put_certs(m, CLIENTS, &m->anchors, &m->clients);
    code = code ? code : estocd_folder_store(&m->folder);
    if (code) {
        return code;
    }
    err = write_conf(m, &conf);
    code = err ? estocd_folder_fail(&m->folder, ESTOCD_CONF, err)
               : estocd_folder_finish(&m->folder, estoc_blob_slice(conf), 0644);
    estoc_blob_free(&conf);
    return code;
}

/* ---- what is said ---- */

static void note(const struct making *m, const char *text)
{
    fprintf(stderr, "estocd " COMMAND ": note: %s: %s\n", m->cfg->cert, text);
}

static void tell_notes(const struct making *m)
{
    bool leads = !estoc_chain_verify(estoc_blob_slice(m->chain.at[0]), &m->chain, &m->anchors,
                                     ESTOC_PURPOSE_ANY, estoc_unix_s(), NULL);
    if (!m->for_clients) {
        note(m, "is not for clients (clientAuth): an EST server may refuse it");
    }
    if (!m->cert.cmc_ra) {
        note(m,
             "has no id-kp-cmcRA: an EST server that goes by RFC 7030 section 3.7 takes requests "
             "of other subjects from registrars alone");
    }
    if (!m->for_servers) {
        note(m, "is not for servers (serverAuth): devices will refuse this server; give [server] "
                "another certificate");
    }
    if (!leads) {
        note(m, "does not lead to the upstream's anchors: devices that have asked for the trust "
                "anchors may not go on");
    }
    for (size_t i = 0; i < m->cfg->hosts->n; i++) {
        const char *host = m->cfg->hosts->at[i];
        if (!estoc_cert_names_host(estoc_blob_slice(m->chain.at[0]), host)) {
            fprintf(stderr, "estocd " COMMAND ": note: %s: does not name %s%s\n", m->cfg->cert,
                    host,
                    m->cert.cmc_ra ? "; devices that have the trust anchors of /crts take it all "
                                     "the same, for its id-kp-cmcRA"
                                   : ": devices that call it so will refuse it");
        }
    }
    if (m->cfg->client_anchors == NULL) {
        fprintf(stderr,
                "estocd " COMMAND ": note: " CLIENTS ": has the upstream's anchors alone; put "
                "the CAs of the devices' makers into it\n");
    }
}

static void tell(const struct making *m)
{
    const char *dir = m->folder.dir;
    fprintf(stderr,
            "made %s:\n"
            "  " CERT ", " KEY "  what the upstream and devices know this registrar by\n"
            "  " ANCHORS "                   whom to trust at %s\n"
            "  " CLIENTS "            whose devices may connect: of the upstream's CA%s\n"
            "  store.db                      what goes upstream and comes back, nothing so far\n"
            "  estocd.conf                   the configuration, with comments\n",
            dir, m->url, m->cfg->client_anchors != NULL ? " and those given" : "");
    tell_notes(m);
    fprintf(stderr,
            "next:\n"
            "  estocd check --dir %s --online\n"
            "  estocd run --dir %s\n",
            dir, dir);
}

int estocd_init_registrar(const estocd_init_registrar_cfg *cfg)
{
    struct making m = {
        .cfg = cfg,
        .folder = {.dir = cfg->dir, .made = made, .made_n = sizeof made / sizeof made[0]}};
    int code = load(&m);
    code = code ? code : estocd_folder_open(&m.folder);
    if (!code) {
        code = make_files(&m);
        if (code) {
            estocd_folder_undo(&m.folder);
        } else {
            tell(&m);
        }
    }
    estoc_key_free(m.key);
    estoc_blobs_free(&m.chain);
    estoc_blobs_free(&m.anchors);
    estoc_blobs_free(&m.clients);
    return code;
}

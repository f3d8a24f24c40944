/* SPDX-License-Identifier: MIT
 *
 * estocd init: a folder to serve from, with a CA in it; or a registrar's (init_registrar.c).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "crypto.h"
#include "estocd.h"
#include "folder.h"
#include "init_registrar.h"
#include "mint.h"
#include "text.h"

#define COMMAND     "init"
#define CA_LIFE     (20 * ESTOC_MINT_YEAR)
#define SERVER_LIFE (10 * ESTOC_MINT_YEAR)
#define MAKER_LIFE  (30 * ESTOC_MINT_YEAR)
#define CA_NAME     "estoc CA"
#define MAKER_NAME  "Stand-in manufacturer"
#define PATH_SIZE   640
#define SOURCE_MAX  512 /* bytes of a passphrase's source, so that its line fits */

static const char *const made[] = {
    "ca.key",         "ca.crt",          "server.key",         "server.crt",
    ESTOCD_MAKER_KEY, ESTOCD_MAKER_CERT, "client-anchors.pem", "store.db",
    ESTOCD_CONF};

struct init {
    estocd_folder folder;   /* the command line: where, */
    const char *name;       /* the CA's name */
    const char *passphrase; /* of the CA's key: where it is; "": none */
    estoc_args_list hosts;
    char host_name[256];
    uint8_t ca_name[256], server_name[256], maker_name[256], san[4096];
    size_t ca_name_len, server_name_len, maker_name_len, san_len;
    estoc_key *ca_key, *server_key, *maker_key;
    estoc_blob ca, server, maker;
};

/* -------------------------------------------------------------------------------- the command line */

static void add_host(estoc_args_list *hosts, const char *host)
{
    for (size_t i = 0; i < hosts->n; i++) {
        if (strcmp(hosts->at[i], host) == 0) {
            return;
        }
    }
    hosts->at[hosts->n++] = host;
}

static void default_hosts(struct init *in)
{
    add_host(&in->hosts, "localhost");
    if (gethostname(in->host_name, sizeof in->host_name - 1) == 0 &&
        estoc_mint_is_host(in->host_name)) {
        add_host(&in->hosts, in->host_name);
    }
    add_host(&in->hosts, "127.0.0.1");
    add_host(&in->hosts, "::1");
}

static int take_names(struct init *in)
{
    if (in->hosts.n == 0) {
        default_hosts(in);
    }
    for (size_t i = 0; i < in->hosts.n; i++) {
        if (!estoc_mint_is_host(in->hosts.at[i])) {
            return estocd_say(COMMAND, "--host %.100s: neither a DNS name nor an IP address",
                              in->hosts.at[i]);
        }
    }
    estoc_err err =
        estoc_mint_name(in->name, (estoc_buf){in->ca_name, sizeof in->ca_name}, &in->ca_name_len);
    if (err) {
        return estocd_say(COMMAND, "--name %.100s: must be 1 to 64 characters of text", in->name);
    }
    const char *first = strlen(in->hosts.at[0]) <= 64 ? in->hosts.at[0] : "estocd";
    err = estoc_mint_name(first, (estoc_buf){in->server_name, sizeof in->server_name},
                          &in->server_name_len);
    err = err ? err
              : estoc_mint_name(MAKER_NAME, (estoc_buf){in->maker_name, sizeof in->maker_name},
                                &in->maker_name_len);
    err = err ? err
              : estoc_mint_hosts(in->hosts.at, in->hosts.n, (estoc_buf){in->san, sizeof in->san},
                                 &in->san_len);
    return err ? estocd_say(COMMAND, "the names: %s", estoc_err_text(err)) : 0;
}

/* ---------------------------------------------------------------------------------------- its files */

static int make_pair(const struct init *in, const char *key_file, const char *passphrase,
                     const char *cert_file, estoc_mint *m, estoc_key **key, estoc_blob *cert)
{
    estoc_why why = {""};
    estoc_err err = estoc_key_generate(ESTOC_KEY_P256, key);
    err = err ? err
              : estoc_key_save_sealed(*key, estocd_folder_path(&in->folder, key_file), passphrase,
                                      &why);
    if (err) {
        return why.text[0] != '\0' ? estocd_say(COMMAND, "%s", why.text)
                                   : estocd_folder_fail(&in->folder, key_file, err);
    }
    m->key = *key;
    err = estoc_mint_cert(m, cert);
    if (err) {
        return estocd_folder_fail(&in->folder, cert_file, err);
    }
    estoc_slice one = estoc_blob_slice(*cert);
    return estocd_folder_certs(&in->folder, cert_file, &one, 1);
}

static int make_pairs(struct init *in)
{
    estoc_mint ca = {
        .subject = estoc_slice_of(in->ca_name, in->ca_name_len), .life_s = CA_LIFE, .ca = true};
    int code = make_pair(in, "ca.key", in->passphrase, "ca.crt", &ca, &in->ca_key, &in->ca);
    estoc_mint server = {.subject = estoc_slice_of(in->server_name, in->server_name_len),
                         .san = estoc_slice_of(in->san, in->san_len),
                         .issuer_key = in->ca_key,
                         .issuer = estoc_blob_slice(in->ca),
                         .life_s = SERVER_LIFE,
                         .server = true};
    code =
        code ? code
             : make_pair(in, "server.key", "", "server.crt", &server, &in->server_key, &in->server);
    estoc_mint maker = {.subject = estoc_slice_of(in->maker_name, in->maker_name_len),
                        .life_s = MAKER_LIFE,
                        .ca = true};
    return code ? code
                : make_pair(in, ESTOCD_MAKER_KEY, "", ESTOCD_MAKER_CERT, &maker, &in->maker_key,
                            &in->maker);
}

/* The template, with the source of the passphrase set. */
static int write_conf(const struct init *in)
{
    char set[PATH_SIZE];
    const char *text = estoc_config_template(ESTOC_AUTHORITY_CA);
    if (in->passphrase[0] == '\0') {
        return estocd_folder_finish(&in->folder, estoc_slice_str(text), 0644);
    }
    snprintf(set, sizeof set, "key-passphrase = %s\n", in->passphrase);
    estoc_blob whole = {NULL, 0};
    estoc_err err = estocd_fill_in(text, "#key-passphrase =\n", set, &whole);
    int code = err ? estocd_folder_fail(&in->folder, ESTOCD_CONF, err)
                   : estocd_folder_finish(&in->folder, estoc_blob_slice(whole), 0644);
    estoc_blob_free(&whole);
    return code;
}

static int make_rest(const struct init *in)
{
    const estoc_slice anchors[] = {estoc_blob_slice(in->ca), estoc_blob_slice(in->maker)};
    int code = estocd_folder_certs(&in->folder, "client-anchors.pem", anchors, 2);
    code = code ? code : estocd_folder_store(&in->folder);
    return code ? code : write_conf(in);
}

static void tell(const struct init *in)
{
    fprintf(stderr,
            "made %s:\n"
            "  ca.crt, ca.key                      the CA \"%s\", for 20 years: keep its key safe\n"
            "  server.crt, server.key              what devices know this server by: ",
            in->folder.dir, in->name);
    for (size_t i = 0; i < in->hosts.n; i++) {
        fprintf(stderr, "%s%s", i > 0 ? ", " : "", in->hosts.at[i]);
    }
    fprintf(stderr,
            "\n"
            "  manufacturer.crt, manufacturer.key  stand in for a maker of devices\n"
            "  client-anchors.pem                  whose devices may connect: of both CAs\n"
            "  store.db                            what is issued, nothing so far\n"
            "  estocd.conf                         the configuration, with comments\n"
            "next:\n"
            "  estocd device --dir %s --subject CN=device-1 --out device-1\n"
            "  estocd run --dir %s\n",
            in->folder.dir, in->folder.dir);
}

/* Before anything is made; what it gives is asked for again when the key is written. A file's path is
 * made absolute: in estocd.conf it would be taken from DIR. */
static int take_passphrase(struct init *in)
{
    static char source[SOURCE_MAX + 1];
    estoc_passphrase p;
    estoc_why why = {""};
    if (in->passphrase[0] == '\0') {
        return 0;
    }
    estoc_err err = estoc_passphrase_read(in->passphrase, &p, &why);
    estoc_wipe(&p, sizeof p);
    if (err) {
        return estocd_say(COMMAND, "--passphrase: %s", why.text);
    }
    const char *path = estoc_passphrase_path(in->passphrase);
    if (path != NULL) {
        char *absolute = realpath(path, NULL);
        int n = absolute != NULL ? snprintf(source, sizeof source, "file:%s", absolute) : -1;
        free(absolute);
        if (n < 0 || (size_t)n >= sizeof source) {
            return estocd_say(COMMAND, "--passphrase: %s: the path is too long", in->passphrase);
        }
        if (strpbrk(source, ";\r\n") != NULL) {
            return estocd_say(COMMAND,
                              "--passphrase: %s: a path with ; in it cannot stand in " ESTOCD_CONF
                              "; choose another",
                              in->passphrase);
        }
        in->passphrase = source;
    }
    return 0;
}

static int make(struct init *in)
{
    int code = take_names(in);
    code = code ? code : take_passphrase(in);
    code = code ? code : estocd_folder_open(&in->folder);
    if (code) {
        return code;
    }
    code = make_pairs(in);
    code = code ? code : make_rest(in);
    if (code) {
        estocd_folder_undo(&in->folder);
    } else {
        tell(in);
    }
    return code;
}

/* What belongs to the other kind of folder. */
static int check_kind(const struct init *in, const estocd_init_registrar_cfg *ra)
{
    const char *given = ra->anchors != NULL          ? "--upstream-ta"
                        : ra->cert != NULL           ? "--cert"
                        : ra->key != NULL            ? "--key"
                        : ra->client_anchors != NULL ? "--client-ta"
                                                     : NULL;
    if (ra->url == NULL && given != NULL) {
        return estocd_say(COMMAND, "%s: is for a registrar: give --upstream URL, too", given);
    }
    given = in->name != NULL ? "--name" : in->passphrase[0] != '\0' ? "--passphrase" : NULL;
    if (ra->url != NULL && given != NULL) {
        return estocd_say(COMMAND, "%s: is for a CA, and a registrar has none", given);
    }
    return 0;
}

static int make_either(struct init *in, estocd_init_registrar_cfg *ra)
{
    int code = check_kind(in, ra);
    if (code) {
        return code;
    }
    if (ra->url != NULL) {
        ra->dir = in->folder.dir;
        return estocd_init_registrar(ra);
    }
    in->name = in->name != NULL ? in->name : CA_NAME;
    return make(in);
}

static const char description[] =
    "Makes in DIR all that `estocd run` needs: a root CA on P-256 for 20 years, a\n"
    "credential for the server signed by it, an empty store, and a commented\n"
    "estocd.conf; and a second CA that stands in for a manufacturer, for\n"
    "`estocd device`. Devices check that the server's certificate has the host of the\n"
    "URI they are given: name each with --host. Nothing that is there already is\n"
    "overwritten; private keys have mode 0600. With --passphrase the CA's key is\n"
    "encrypted, and estocd.conf says where the passphrase is; it never stands on a\n"
    "command line or in the environment.\n\n"
    "With --upstream there is no CA: DIR is that of a registrar, which asks an EST server\n"
    "over HTTPS for what devices ask it for. The files given are copied.";
static const char example[] =
    "  estocd init --dir ~/est --name \"My first CA\" --host est.example --host "
    "192.0.2.1\n"
    "  estocd init --dir ~/ra --upstream https://est.example/.well-known/est \\\n"
    "      --upstream-ta root.pem --cert ra.crt --key ra.key --client-ta makers.pem";

/* An option with a text. */
#define TEXT(name_, metavar_, help_, to_)                                                \
    {                                                                                    \
        .name = (name_), .kind = ESTOC_ARG_TEXT, .metavar = (metavar_), .help = (help_), \
        .to.text = (to_)                                                                 \
    }

static int parse(int argc, char **argv, struct init *in, estocd_init_registrar_cfg *ra)
{
    const char *unused;
    const estoc_arg options[] = {
        {.name = "dir",
         .kind = ESTOC_ARG_TEXT,
         .metavar = "DIR",
         .help = "where; made if it is not there",
         .to.text = &in->folder.dir,
         .required = true},
        TEXT("name", "CA_NAME", "common name of the CA (" CA_NAME ")", &in->name),
        {.name = "host",
         .kind = ESTOC_ARG_LIST,
         .metavar = "NAME_OR_IP",
         .help = "what devices call this server; repeatable (localhost, this host's name)",
         .to.list = &in->hosts},
        TEXT("passphrase", "SOURCE", "encrypt the CA's key by the first line of file:PATH or fd:N",
             &in->passphrase),
        TEXT("upstream", "URL",
             "a registrar's folder: the EST server that issues, https://HOST/.well-known/est",
             &ra->url),
        TEXT("upstream-ta", "FILE", "whom to trust there, PEM", &ra->anchors),
        TEXT("cert", "FILE", "what that server, and devices, know the registrar by, PEM",
             &ra->cert),
        TEXT("key", "FILE_OR_URI", "its private key, PEM or a pkcs11: URI", &ra->key),
        TEXT("client-ta", "FILE", "the CAs of the devices' makers, PEM", &ra->client_anchors),
        {.kind = ESTOC_ARG_END},
    };
    const estoc_usage usage = {
        .program = "estocd",
        .command = COMMAND,
        .summary = "make a CA, a server credential, a store and a configuration",
        .description = description,
        .example = example,
        .options = options,
    };
    return estoc_args_parse(&usage, argc, argv, &unused);
}

int estocd_init(int argc, char **argv)
{
    static struct init in = {.folder = {"", made, sizeof made / sizeof made[0], false},
                             .passphrase = ""};
    static estocd_init_registrar_cfg ra = {.hosts = &in.hosts};
    int code = parse(argc, argv, &in, &ra);
    if (code != ESTOC_ARGS_RUN) {
        return code;
    }
    code = make_either(&in, &ra);
    estoc_key_free(in.ca_key);
    estoc_key_free(in.server_key);
    estoc_key_free(in.maker_key);
    estoc_blob_free(&in.ca);
    estoc_blob_free(&in.server);
    estoc_blob_free(&in.maker);
    return code;
}

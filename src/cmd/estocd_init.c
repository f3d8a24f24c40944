/* SPDX-License-Identifier: MIT
 *
 * estocd init: a folder to serve from. A marker stands in it until all is there, so that an init that
 * was cut off is told from a folder in use; estocd.conf comes last.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "args.h"
#include "crypto.h"
#include "estocd.h"
#include "mint.h"
#include "text.h"

#define COMMAND     "init"
#define CA_LIFE     (20 * ESTOC_MINT_YEAR)
#define SERVER_LIFE (10 * ESTOC_MINT_YEAR)
#define MAKER_LIFE  (30 * ESTOC_MINT_YEAR)
#define MAKER_NAME  "Stand-in manufacturer"
#define DIR_MAX     480 /* with the names in it, less than what estocd.conf can hold */
#define PATH_SIZE   640
#define SOURCE_MAX  512 /* bytes of a passphrase's source, so that its line fits */

static const char *const made[] = {
    "ca.key",         "ca.crt",          "server.key",         "server.crt",
    ESTOCD_MAKER_KEY, ESTOCD_MAKER_CERT, "client-anchors.pem", "store.db",
    ESTOCD_CONF};
#define MADE (sizeof made / sizeof made[0])

struct init {
    const char *dir, *name; /* the command line */
    const char *passphrase; /* of the CA's key: where it is; "": none */
    estoc_args_list hosts;
    char host_name[256];
    bool own_dir; /* made by us */
    uint8_t ca_name[256], server_name[256], maker_name[256], san[4096];
    size_t ca_name_len, server_name_len, maker_name_len, san_len;
    estoc_key *ca_key, *server_key, *maker_key;
    estoc_blob ca, server, maker;
};

static int fail(const struct init *in, const char *file, estoc_err err)
{
    return estocd_say(COMMAND, "%s/%s: cannot be made: %s", in->dir, file,
                      err == ESTOC_E_FILE ? strerror(errno) : estoc_err_text(err));
}

static const char *path_of(const struct init *in, const char *file)
{
    static char path[PATH_SIZE];
    if (estoc_path_join(path, sizeof path, in->dir, file)) {
        path[0] = '\0'; /* take_names() has refused such a --dir */
    }
    return path;
}

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
    if (in->dir[0] == '\0' || strlen(in->dir) > DIR_MAX) {
        return estocd_say(COMMAND, "--dir: must be a path of at most %d bytes", DIR_MAX);
    }
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

/* --------------------------------------------------------------------------------------- the folder */

/* What an earlier run has left, for the message. */
static const char *leftovers(const struct init *in, char *out, size_t cap)
{
    size_t n = (size_t)snprintf(out, cap, ESTOCD_UNFINISHED);
    for (size_t i = 0; i < MADE; i++) {
        if (estoc_file_exists(path_of(in, made[i])) && n < cap) {
            n += (size_t)snprintf(out + n, cap - n, ", %s", made[i]);
        }
    }
    return out;
}

static int interrupted(const struct init *in)
{
    char list[256];
    return estocd_say(COMMAND,
                      "%s: an earlier init was interrupted, or is still at work; if it is not, "
                      "remove what it left there (%s) and run init again",
                      in->dir, leftovers(in, list, sizeof list));
}

static int check_free(const struct init *in)
{
    for (size_t i = 0; i < MADE; i++) {
        if (estoc_file_exists(path_of(in, made[i]))) {
            return estocd_say(COMMAND,
                              "%s/%s is there already, nothing was changed; choose another --dir",
                              in->dir, made[i]);
        }
    }
    return 0;
}

static int write_marker(const struct init *in)
{
    static const char text[] =
        "`estocd init` is at work here. If it is not, it was interrupted: remove this file and\n"
        "those it has made beside it, and run it again.\n";
    int fd = open(path_of(in, ESTOCD_UNFINISHED), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno == EEXIST
                   ? interrupted(in)
                   : estocd_say(COMMAND, "%s: cannot be written to: %s", in->dir, strerror(errno));
    }
    bool written = write(fd, text, sizeof text - 1) == (ssize_t)(sizeof text - 1);
    written = fsync(fd) == 0 && written;
    written = close(fd) == 0 && written;
    int code = written ? 0 : fail(in, ESTOCD_UNFINISHED, ESTOC_E_FILE);
    /* again: another init may have come and gone between */
    code = code ? code : check_free(in);
    if (code) {
        unlink(path_of(in, ESTOCD_UNFINISHED));
    }
    return code;
}

/* The folder, and in it the marker, which only one init can make. */
static int open_dir(struct init *in)
{
    in->own_dir = mkdir(in->dir, 0700) == 0;
    if (!in->own_dir && errno != EEXIST) {
        return estocd_say(COMMAND, "%s: cannot be made: %s", in->dir, strerror(errno));
    }
    int code = estoc_file_exists(path_of(in, ESTOCD_UNFINISHED)) ? interrupted(in) : check_free(in);
    return code ? code : write_marker(in);
}

/* After a failure: none of these files was there before. */
static void undo(const struct init *in)
{
    for (size_t i = 0; i < MADE; i++) {
        unlink(path_of(in, made[i]));
    }
    unlink(path_of(in, "store.db-wal"));
    unlink(path_of(in, "store.db-shm"));
    unlink(path_of(in, ESTOCD_UNFINISHED));
    if (in->own_dir) {
        rmdir(in->dir);
    }
}

/* ---------------------------------------------------------------------------------------- its files */

static int write_certs(const struct init *in, const char *file, const estoc_slice *certs, size_t n)
{
    estoc_blob pem;
    estoc_err err = estoc_certs_pem(certs, n, &pem);
    if (!err) {
        err = estoc_file_write(path_of(in, file), estoc_blob_slice(pem), 0644);
        estoc_blob_free(&pem);
    }
    return err ? fail(in, file, err) : 0;
}

static int make_pair(const struct init *in, const char *key_file, const char *passphrase,
                     const char *cert_file, estoc_mint *m, estoc_key **key, estoc_blob *cert)
{
    estoc_why why = {""};
    estoc_err err = estoc_key_generate(ESTOC_KEY_P256, key);
    err = err ? err : estoc_key_save_sealed(*key, path_of(in, key_file), passphrase, &why);
    if (err) {
        return why.text[0] != '\0' ? estocd_say(COMMAND, "%s", why.text) : fail(in, key_file, err);
    }
    m->key = *key;
    err = estoc_mint_cert(m, cert);
    if (err) {
        return fail(in, cert_file, err);
    }
    estoc_slice one = estoc_blob_slice(*cert);
    return write_certs(in, cert_file, &one, 1);
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
static estoc_err write_conf(const struct init *in)
{
    static const char unset[] = "#key-passphrase =\n";
    char set[PATH_SIZE];
    const char *text = estoc_config_template(ESTOC_AUTHORITY_CA);
    const char *at = strstr(text, unset);
    estoc_blob whole = {NULL, 0};
    if (in->passphrase[0] == '\0' || at == NULL) {
        return estoc_file_write(path_of(in, ESTOCD_CONF), estoc_slice_str(text), 0644);
    }
    size_t n = (size_t)snprintf(set, sizeof set, "key-passphrase = %s\n", in->passphrase);
    size_t before = (size_t)(at - text);
    size_t behind = strlen(at + sizeof unset - 1);
    whole.ptr = malloc(before + n + behind);
    if (whole.ptr == NULL) {
        return ESTOC_E_MEMORY;
    }
    memcpy(whole.ptr, text, before);
    memcpy(whole.ptr + before, set, n);
    memcpy(whole.ptr + before + n, at + sizeof unset - 1, behind);
    whole.len = before + n + behind;
    estoc_err err = estoc_file_write(path_of(in, ESTOCD_CONF), estoc_blob_slice(whole), 0644);
    estoc_blob_free(&whole);
    return err;
}

static int make_rest(const struct init *in)
{
    const estoc_slice anchors[] = {estoc_blob_slice(in->ca), estoc_blob_slice(in->maker)};
    char url[PATH_SIZE + 8];
    estoc_store *store;
    estoc_why why = {""};
    int code = write_certs(in, "client-anchors.pem", anchors, 2);
    if (code) {
        return code;
    }
    snprintf(url, sizeof url, "sqlite:%s", path_of(in, "store.db"));
    estoc_err err = estoc_store_open(url, &store, &why);
    if (err) {
        return estocd_say(COMMAND, "%s", why.text[0] != '\0' ? why.text : estoc_err_text(err));
    }
    estoc_store_close(store);
    err = write_conf(in);
    if (err) {
        return fail(in, ESTOCD_CONF, err);
    }
    return unlink(path_of(in, ESTOCD_UNFINISHED)) == 0 ? 0
                                                       : fail(in, ESTOCD_UNFINISHED, ESTOC_E_FILE);
}

static void tell(const struct init *in)
{
    fprintf(stderr,
            "made %s:\n"
            "  ca.crt, ca.key                      the CA \"%s\", for 20 years: keep its key safe\n"
            "  server.crt, server.key              what devices know this server by: ",
            in->dir, in->name);
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
            in->dir, in->dir);
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
    code = code ? code : open_dir(in);
    if (code) {
        if (in->own_dir) {
            rmdir(in->dir);
        }
        return code;
    }
    code = make_pairs(in);
    code = code ? code : make_rest(in);
    if (code) {
        undo(in);
    } else {
        tell(in);
    }
    return code;
}

int estocd_init(int argc, char **argv)
{
    static struct init in = {.dir = "", .name = "estoc CA", .passphrase = ""};
    const char *unused;
    const estoc_arg options[] = {
        {.name = "dir",
         .kind = ESTOC_ARG_TEXT,
         .metavar = "DIR",
         .help = "where; made if it is not there",
         .to.text = &in.dir,
         .required = true},
        {.name = "name",
         .kind = ESTOC_ARG_TEXT,
         .metavar = "CA_NAME",
         .help = "common name of the CA (estoc CA)",
         .to.text = &in.name},
        {.name = "host",
         .kind = ESTOC_ARG_LIST,
         .metavar = "NAME_OR_IP",
         .help = "what devices call this server; repeatable (localhost, this host's name)",
         .to.list = &in.hosts},
        {.name = "passphrase",
         .kind = ESTOC_ARG_TEXT,
         .metavar = "SOURCE",
         .help = "encrypt the CA's key by the first line of file:PATH or fd:N",
         .to.text = &in.passphrase},
        {.kind = ESTOC_ARG_END},
    };
    const estoc_usage usage = {
        .program = "estocd",
        .command = COMMAND,
        .summary = "make a CA, a server credential, a store and a configuration",
        .description =
            "Makes in DIR all that `estocd run` needs: a root CA on P-256 for 20 years, a\n"
            "credential for the server signed by it, an empty store, and a commented\n"
            "estocd.conf; and a second CA that stands in for a manufacturer, for\n"
            "`estocd device`. Devices check that the server's certificate has the host of the\n"
            "URI they are given: name each with --host. Nothing that is there already is\n"
            "overwritten; private keys have mode 0600. With --passphrase the CA's key is\n"
            "encrypted, and estocd.conf says where the passphrase is; it never stands on a\n"
            "command line or in the environment.",
        .example = "  estocd init --dir ~/est --name \"My first CA\" --host est.example --host "
                   "192.0.2.1",
        .options = options,
    };
    int code = estoc_args_parse(&usage, argc, argv, &unused);
    if (code != ESTOC_ARGS_RUN) {
        return code;
    }
    code = make(&in);
    estoc_key_free(in.ca_key);
    estoc_key_free(in.server_key);
    estoc_key_free(in.maker_key);
    estoc_blob_free(&in.ca);
    estoc_blob_free(&in.server);
    estoc_blob_free(&in.maker);
    return code;
}

/* SPDX-License-Identifier: MIT
 *
 * estocd check: all that `estocd run` would stumble over, told at once (X8).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access.h"
#include "args.h"
#include "check.h"
#include "conf_value.h"
#include "credential.h"
#include "dtls.h"
#include "estocd.h"
#include "text.h"
#include "trail.h"
#include "upstreams.h"

#define COMMAND      "check"
#define SOON_S       (30 * 86400)
#define IP_UDP_BYTES 48u

void estocd_fault(estocd_checking *c, const char *fmt, ...)
{
    char text[768];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    c->faults += (unsigned)estocd_say(COMMAND, "%s", text);
}

static const char *said(const estoc_why *why, estoc_err err)
{
    return why->text[0] != '\0' ? why->text : estoc_err_text(err);
}

void estocd_note(const char *file, const char *text)
{
    fprintf(stderr, "estocd " COMMAND ": note: %s: %s\n", file, text);
}

void estocd_check_dates(estocd_checking *c, const char *file, const estoc_cert *cert)
{
    char at[32];
    if (c->now < cert->not_before) {
        estocd_fault(c, "%s: not valid before %s; is the clock right?", file,
                     estoc_time_text(cert->not_before, at, sizeof at));
    } else if (c->now > cert->not_after) {
        estocd_fault(c, "%s: not valid since %s", file,
                     estoc_time_text(cert->not_after, at, sizeof at));
    } else if (cert->not_after - c->now < SOON_S) {
        estocd_note(file, "ends within 30 days");
    }
}

static void check_pair(estocd_checking *c, const char *cert_file, const char *key_file,
                       const char *passphrase, bool ca, estoc_blobs *chain, estoc_key **key)
{
    estoc_why why = {""};
    estoc_cert cert;
    estoc_err err = estoc_credential_load_sealed(cert_file, key_file, passphrase, chain, key, &why);
    if (err) {
        estocd_fault(c, "%s", said(&why, err));
        return;
    }
    err = estoc_cert_parse(&cert, estoc_blob_slice(chain->at[0]));
    if (err) {
        estocd_fault(c, "%s: %s", cert_file, estoc_err_text(err));
        return;
    }
    if (ca != cert.ca) {
        estocd_fault(c,
                     ca ? "%s: not the certificate of a CA"
                        : "%s: the certificate of a CA, not of a "
                          "server",
                     cert_file);
    }
    estocd_check_dates(c, cert_file, &cert);
}

static bool has_cert(const estoc_blobs *list, estoc_blob cert)
{
    for (size_t i = 0; i < list->n; i++) {
        if (estoc_slice_eq(estoc_blob_slice(list->at[i]), estoc_blob_slice(cert))) {
            return true;
        }
    }
    return false;
}

static void check_anchors(estocd_checking *c)
{
    const char *file = c->conf.client_anchors;
    estoc_why why = {""};
    estoc_err err = estoc_certs_load(file, &c->anchors, &why);
    if (err || c->anchors.n == 0) {
        estocd_fault(c, "%s",
                     err ? said(&why, err) : "client-anchors: no certificate, so no client");
        return;
    }
    for (size_t i = 0; i < c->anchors.n; i++) {
        estoc_cert cert;
        if (estoc_cert_parse(&cert, estoc_blob_slice(c->anchors.at[i])) || !cert.ca) {
            estocd_fault(c, "%s: certificate %zu is not that of a CA", file, i + 1);
        } else if (c->now > cert.not_after) {
            estocd_note(file, "a certificate in it is not valid any more");
        }
    }
    bool own = false; /* behind a registrar, `--online` tells */
    for (size_t i = 0; i < c->ca.n; i++) {
        own |= has_cert(&c->anchors, c->ca.at[i]);
    }
    if (c->ca.n > 0 && !own) {
        estocd_note(file, "has none of the CA's certificates: devices cannot come back to renew");
    }
}

/* Files of certificates that need not be there. */
static void check_more_certs(estocd_checking *c, const char *file, estoc_blobs *certs)
{
    estoc_why why = {""};
    estoc_err err = file[0] != '\0' ? estoc_certs_load(file, certs, &why) : ESTOC_OK;
    if (err) {
        estocd_fault(c, "%s", said(&why, err));
    }
}

static void check_client_crls(estocd_checking *c)
{
    const char *file = c->conf.client_crls;
    estoc_why why = {""};
    estoc_err err = file[0] != '\0' ? estoc_crls_load(file, &c->crls, &why) : ESTOC_OK;
    if (err) {
        estocd_fault(c, "%s", said(&why, err));
    }
    for (size_t i = 0; i < c->crls.n; i++) {
        estoc_crl_head head;
        if (!estoc_crl_read(estoc_blob_slice(c->crls.at[i]), &head) && head.next != 0 &&
            head.next < c->now) {
            estocd_note(file, "a list in it is out of date");
        }
    }
}

/* The files that say who may use a profile. */
static void check_access(estocd_checking *c)
{
    for (size_t i = 0; i < c->conf.profiles_n; i++) {
        estoc_why why = {""};
        estoc_access *access;
        estoc_err err = estoc_access_load(&c->conf.profiles[i], &c->anchors, &access, &why);
        if (err) {
            estocd_fault(c, "%s", said(&why, err));
        }
        estoc_access_free(access);
    }
}

/* HC 237 */
static void check_lists(estocd_checking *c)
{
    const estoc_config *conf = &c->conf;
    bool any = conf->crl_file[0] != '\0' || conf->crl_listen[0] != '\0';
    if (any && c->ca.n > 0 && !estoc_cert_signs_crls(estoc_blob_slice(c->ca.at[0]))) {
        estocd_fault(c, "%s: its key usage does not allow revocation lists (cRLSign)",
                     conf->ca_chain);
    }
    if (!any && conf->crl_url[0] != '\0') {
        estocd_note(conf->crl_url,
                    "no list is made here for it: set crl-file or crl-listen, or let a "
                    "timer run `estocd crl`");
    }
}

static void check_commands(estocd_checking *c)
{
    for (size_t i = 0; i < c->conf.profiles_n; i++) {
        const estoc_profile *p = &c->conf.profiles[i].profile;
        char path[ESTOC_COMMAND_MAX];
        snprintf(path, sizeof path, "%.*s", (int)strcspn(p->command, " \t"), p->command);
        if (p->approver == ESTOC_APPROVER_COMMAND && access(path, X_OK) != 0) {
            estocd_fault(c, "%s: %s", path, strerror(errno));
        }
    }
}

/* K1: after /crts a device checks the server against what it got. */
static void check_server_by_ca(const estocd_checking *c)
{
    estoc_blob list[32];
    estoc_blobs between = {list, 0};
    if (c->server.n == 0 || c->ca.n == 0) {
        return;
    }
    for (size_t i = 1; i < c->server.n && between.n < 32; i++) {
        list[between.n++] = c->server.at[i];
    }
    for (size_t i = 0; i + 1 < c->ca.n && between.n < 32; i++) {
        list[between.n++] = c->ca.at[i];
    }
    const estoc_blobs root = {&c->ca.at[c->ca.n - 1], 1};
    if (estoc_chain_verify(estoc_blob_slice(c->server.at[0]), &between, &root, ESTOC_PURPOSE_SERVER,
                           c->now, NULL)) {
        estocd_note(c->conf.server_chain,
                    "does not lead to the root of the CA: devices that have asked "
                    "for the trust anchors will not go on");
    }
}

static void check_dtls(estocd_checking *c)
{
    estoc_why why = {""};
    estoc_dtls_server *dtls;
    const estoc_dtls_server_cfg cfg = {.chain = &c->server,
                                       .key = c->server_key,
                                       .anchors = &c->anchors,
                                       .expired = &c->expired,
                                       .crls = &c->crls,
                                       .payload_max = c->conf.mtu - IP_UDP_BYTES,
                                       .timeout_ms = c->conf.dtls_timeout_ms};
    if (c->server_key == NULL || c->anchors.n == 0) {
        return; /* told already */
    }
    estoc_err err = estoc_dtls_server_new(&cfg, &dtls, &why);
    if (err) {
        estocd_fault(c, "%s", said(&why, err));
        return;
    }
    estoc_dtls_server_free(dtls);
}

static void check_decrypt_keys(estocd_checking *c)
{
    estoc_why why = {""};
    estoc_shared_keys keys;
    if (c->conf.decrypt_keys[0] == '\0') {
        return;
    }
    estoc_err err = estoc_shared_keys_load(c->conf.decrypt_keys, &keys, &why);
    if (err) {
        estocd_fault(c, "%s", said(&why, err));
    }
    estoc_shared_keys_free(&keys);
}

static void tell_published(void *ctx, int line, const char *text)
{
    estocd_fault(ctx, "the published profiles, line %d: %s", line, text);
}

/* Of another node's, by another version of this program. */
static void check_published(estocd_checking *c, estoc_store *store)
{
    int64_t version = 0;
    estoc_blob text;
    if (!c->conf.profiles_in_store) {
        return;
    }
    estoc_err err = estoc_store_policy_published(store, &version, &text);
    if (err == ESTOC_E_NOT_FOUND) {
        estocd_fault(c, "profiles = store, but none are published; see `estocd profiles publish`");
    } else if (err) {
        estocd_fault(c, "the store: %s", estoc_store_why(store));
    } else {
        err = estoc_config_profiles(&c->conf, estoc_blob_slice(text), tell_published, c);
        estoc_blob_free(&text);
        if (err && err != ESTOC_E_CONFIG) {
            estocd_fault(c, "%s", estoc_err_text(err));
        }
    }
}

/* Whether the address of a database has a password in it. */
static bool has_password(const char *url)
{
    const char *user = strstr(url, "://");
    const char *at = user != NULL ? strchr(user, '@') : NULL;
    return strstr(url, "password=") != NULL ||
           (at != NULL && memchr(user + 3, ':', (size_t)(at - user - 3)) != NULL);
}

static void check_password(const estocd_checking *c)
{
    char path[sizeof c->conf.dir + 16];
    struct stat st;
    if (has_password(c->conf.store) &&
        !estoc_path_join(path, sizeof path, c->conf.dir, ESTOCD_CONF) && stat(path, &st) == 0 &&
        (st.st_mode & 077) != 0) {
        estocd_note(path,
                    "has the database's password, and others may read it: chmod 600, or put the "
                    "password into ~/.pgpass");
    }
}

/* Whether the store is the one that the audit log is of. */
static void check_audit(estocd_checking *c, estoc_store *store)
{
    estoc_trail trail;
    estoc_audit_position pos = {.waiting = 0};
    estoc_why why = {""};
    estoc_trail_init(&trail, c->conf.audit, false);
    estoc_err err = estoc_trail_lock(&trail, false, &why);
    if (!err || err == ESTOC_E_NOT_FOUND) {
        why.text[0] = '\0';
        err = estoc_audit_look(&trail, store, c->conf.node, &pos, &why);
        if (!err) {
            estoc_audit_explain(&trail, &pos, &why);
        }
    }
    if (err || why.text[0] != '\0') {
        estocd_fault(c, "%s", said(&why, err));
    }
    estoc_trail_close(&trail);
}

static uint64_t check_store(estocd_checking *c)
{
    estoc_why why = {""};
    estoc_store *store;
    uint64_t n = 0;
    const char *path = estoc_store_path(c->conf.store);
    check_password(c);
    if (path != NULL && !estoc_file_exists(path)) {
        if (errno == ENOENT) {
            estocd_note(path, "is not there: `estocd run` begins a new one");
        } else {
            estocd_fault(c, "%s: %s", path, strerror(errno));
        }
        return 0;
    }
    estoc_err err = estoc_store_open(c->conf.store, &store, &why);
    if (err) {
        estocd_fault(c, "%s", said(&why, err));
        return 0;
    }
    err = estocd_issued(store, &n);
    if (err) {
        estocd_fault(c, "the store: %s", estoc_store_why(store));
    }
    if (c->conf.authority == ESTOC_AUTHORITY_CA) {
        check_published(c, store);
        check_audit(c, store);
    }
    estoc_store_close(store);
    return n;
}

static void print_cert(const char *what, estoc_blob der)
{
    estoc_cert cert;
    char name[256], end[32];
    if (!estoc_cert_parse(&cert, estoc_blob_slice(der))) {
        printf("%-8s %s, until %s\n", what,
               estoc_name_text(cert.subject, (estoc_buf){(uint8_t *)name, sizeof name}),
               estoc_time_text(cert.not_after, end, sizeof end));
    }
}

/* An address without what may be secret in it. */
static const char *shown_store(const estoc_config *conf)
{
    const char *path = estoc_store_path(conf->store);
    return path != NULL ? path : "PostgreSQL";
}

static void print_upstreams(const estocd_checking *c)
{
    for (size_t i = 0; i < c->services.n; i++) {
        const estoc_upstream *u = &c->services.at[i];
        for (size_t n = 0; n < u->url_n; n++) {
            printf("%-8s %s\n", "upstream", u->url[n]);
        }
    }
}

static void print_profile(const estocd_checking *c, const estoc_profile_conf *p)
{
    const char *name = p->profile.name[0] != '\0' ? p->profile.name : "(default)";
    char validity[24];
    if (c->conf.authority == ESTOC_AUTHORITY_CA) {
        printf("%-8s %s, for %s\n", "profile", name,
               estoc_conf_time_text((uint64_t)p->profile.validity_s * 1000, validity,
                                    sizeof validity));
    } else {
        printf("%-8s %s, from [upstream%s%s]%s%s\n", "profile", name,
               p->upstream[0] != '\0' ? " " : "", p->upstream,
               p->label[0] != '\0' ? ", by the label " : "", p->label);
    }
}

static void print_addresses(const char *what, const char (*at)[64], size_t n)
{
    if (n > 0) {
        printf("%-8s ", what);
    }
    for (size_t i = 0; i < n; i++) {
        printf("%s%s", at[i], i + 1 < n ? ", " : "\n");
    }
}

static void print_summary(const estocd_checking *c, uint64_t issued)
{
    const estoc_config *conf = &c->conf;
    print_addresses("listen", conf->listen, conf->listen_n);
    print_addresses("https", conf->https, conf->https_n);
    if (c->ca.n > 0) {
        print_cert("ca", c->ca.at[0]);
    }
    print_cert("server", c->server.at[0]);
    if (!c->online) { /* or it has told of each already */
        print_upstreams(c);
    }
    printf("%-8s %zu in %s\n", "anchors", c->anchors.n, conf->client_anchors);
    printf("%-8s %s, %llu issued\n", "store", shown_store(conf), (unsigned long long)issued);
    for (size_t i = 0; i < conf->profiles_n; i++) {
        print_profile(c, &conf->profiles[i]);
    }
    printf("no faults\n");
}

static int check(const char *dir, bool online)
{
    static estocd_checking c;
    c.now = estoc_unix_s();
    if (!estocd_configure(COMMAND, dir, &c.conf)) {
        return 1;
    }
    bool registrar = c.conf.authority == ESTOC_AUTHORITY_REGISTRAR;
    c.online = online && registrar;
    if (online && !registrar) {
        estocd_note("--online", "there is nobody to ask: this is a CA, not a registrar");
    }
    if (registrar) {
        estocd_check_upstreams(&c);
    } else {
        check_pair(&c, c.conf.ca_chain, c.conf.ca_key, c.conf.ca_passphrase, true, &c.ca,
                   &c.ca_key);
    }
    check_pair(&c, c.conf.server_chain, c.conf.server_key, NULL, false, &c.server, &c.server_key);
    check_anchors(&c);
    estoc_blobs denied = {NULL, 0}, rollover = {NULL, 0};
    check_more_certs(&c, c.conf.expired_anchors, &c.expired);
    check_more_certs(&c, c.conf.denied, &denied);
    check_more_certs(&c, c.conf.rollover, &rollover);
    check_client_crls(&c);
    check_access(&c);
    check_lists(&c);
    check_commands(&c);
    check_server_by_ca(&c);
    check_dtls(&c);
    check_decrypt_keys(&c);
    uint64_t issued = check_store(&c);
    if (c.online) {
        estocd_check_online(&c);
    }
    if (c.faults == 0) {
        print_summary(&c, issued);
    }
    estoc_blobs_free(&c.ca);
    estoc_blobs_free(&c.server);
    estoc_blobs_free(&c.anchors);
    estoc_blobs_free(&c.expired);
    estoc_blobs_free(&c.crls);
    estoc_blobs_free(&denied);
    estoc_blobs_free(&rollover);
    estoc_key_free(c.ca_key);
    estoc_key_free(c.server_key);
    estoc_services_free(&c.services);
    return c.faults > 0 ? 1 : estocd_finish(COMMAND);
}

int estocd_check(int argc, char **argv)
{
    const char *dir = NULL;
    const char *unused;
    bool online = false;
    const estoc_arg options[] = {
        ESTOCD_DIR_OPTION(&dir),
        {.name = "online",
         .kind = ESTOC_ARG_FLAG,
         .help = "of a registrar: ask the EST servers behind it, too",
         .to.flag = &online},
        {.kind = ESTOC_ARG_END},
    };
    const estoc_usage usage = {
        .program = "estocd",
        .command = COMMAND,
        .summary = "tell all faults of a configuration",
        .description =
            "Reads DIR/estocd.conf and tells each fault with its line; if there is none, the\n"
            "files it names: whether they can be read, keys belong to their certificates,\n"
            "certificates are valid now, the store opens. What may be meant so is a note. Exits\n"
            "with 1 if there is a fault. Use it before SIGHUP, too.\n\n"
            "Of a registrar, --online asks each EST server behind it for its certificates, and\n"
            "tells which ones answer, and what devices would run into. What does not answer is\n"
            "a fault.",
        .example = "  estocd check --dir ~/est && kill -HUP $(pidof estocd)",
        .options = options,
    };
    int code = estoc_args_parse(&usage, argc, argv, &unused);
    return code == ESTOC_ARGS_RUN ? check(dir, online) : code;
}

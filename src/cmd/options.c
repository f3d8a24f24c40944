/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <estoc/block.h>

#include "options.h"

#define TABLE_MAX 24

enum { MTU_MIN = 256, MTU_MAX = ESTOC_DATAGRAM_MAX, COUNT_MAX = 10000000, SLOTS_MAX = 10000 };

struct table {
    estoc_arg at[TABLE_MAX + 1]; /* the last one ends it */
    size_t n;
};

static void add(struct table *t, estoc_arg arg)
{
    if (t->n < TABLE_MAX) {
        t->at[t->n++] = arg;
    }
}

static void add_text(struct table *t, const char *name, const char *metavar, const char **to,
                     const char *help)
{
    add(t,
        (estoc_arg){
            .name = name, .kind = ESTOC_ARG_TEXT, .metavar = metavar, .help = help, .to.text = to});
}

static void add_uint(struct table *t, const char *name, const char *metavar, uint32_t *to,
                     uint32_t min, uint32_t max, const char *help)
{
    add(t, (estoc_arg){.name = name,
                       .kind = ESTOC_ARG_UINT,
                       .metavar = metavar,
                       .help = help,
                       .to.uint = to,
                       .min = min,
                       .max = max});
}

static void add_flag(struct table *t, const char *name, char letter, bool *to, const char *help)
{
    add(t,
        (estoc_arg){
            .name = name, .letter = letter, .kind = ESTOC_ARG_FLAG, .help = help, .to.flag = to});
}

static void add_own(struct table *t, unsigned takes, estoc_options *opt)
{
    if ((takes & ESTOC_TAKES_PREFIX) != 0) {
        add_text(t, "out", "PREFIX", &opt->out,
                 "keep the credential in PREFIX.crt, PREFIX.key, PREFIX.ta");
    }
    if ((takes & ESTOC_TAKES_OUT_FILE) != 0) {
        add_text(t, "out", "FILE", &opt->out, "write the PEM there, not to stdout");
    }
    if ((takes & ESTOC_TAKES_CACHE) != 0) {
        add_text(t, "cache", "FILE", &opt->cache,
                 "keep the answer there; if it still holds, it is not sent again");
    }
    if ((takes & ESTOC_TAKES_CSR) != 0) {
        add_text(t, "csr", "FILE", &opt->csr, "the request to send, PKCS#10 in PEM or DER");
    }
    if ((takes & ESTOC_TAKES_NAMES) != 0) {
        add_text(t, "subject", "DN", &opt->subject,
                 "such as CN=dev-1,O=Example; else that of --cert");
        add(t,
            (estoc_arg){.name = "san",
                        .kind = ESTOC_ARG_LIST,
                        .metavar = "NAME",
                        .help = "a further name: dns:, ip:, uri: or email: before it; repeatable",
                        .to.list = &opt->san});
    }
    if ((takes & ESTOC_TAKES_KEYGEN) != 0) {
        add_text(t, "decrypt-key", "FILE", &opt->decrypt_key,
                 "what the key is to be encrypted to: see above");
        add_flag(t, "single", 0, &opt->single, "ask /skc: the certificate alone, not in CMS");
    }
    if ((takes & ESTOC_TAKES_LOAD) != 0) {
        add_uint(t, "count", "N", &opt->count, 1, COUNT_MAX, "enrollments in all (100)");
        add_uint(t, "concurrency", "M", &opt->concurrency, 1, SLOTS_MAX,
                 "associations at a time (8)");
        add_uint(t, "retry", "S", &opt->retry_s, 0, 31536000,
                 "repeat what had no answer, or 5.xx, for so many seconds (0)");
        add_text(t, "journal", "FILE", &opt->journal, "add a line there for each certificate");
    }
    if ((takes & ESTOC_TAKES_DUE) != 0) {
        add_flag(t, "if-due", 0, &opt->if_due,
                 "only if it is time; after a failure not before the next try is due");
        add_uint(t, "due", "PERCENT", &opt->due_percent, 1, 99,
                 "of its life, from when on a certificate is due (66)");
    }
    if ((takes & ESTOC_TAKES_NEW_KEY) != 0) {
        add_text(t, "new-key", "KEY", &opt->new_key,
                 "certify this key, a file or pkcs11: URI, instead of making one");
    }
    if ((takes & ESTOC_TAKES_SAME_KEY) != 0) {
        add_flag(t, "same-key", 0, &opt->same_key,
                 (takes & ESTOC_TAKES_LOAD) != 0
                     ? "one key for each of the M, not for each of the N"
                     : "keep PREFIX.key instead of making a new key");
    }
}

static void add_common(struct table *t, unsigned takes, estoc_options *opt, const char **format)
{
    add_text(t, "cert", "FILE", &opt->cert, "certificate to show the server, PEM");
    add_text(t, "key", "KEY", &opt->key, "its private key, a PEM file or pkcs11: URI");
    add_text(t, "ta", "FILE", &opt->ta, "trust anchors to know the server by, PEM");
    add_text(t, "label", "LABEL", &opt->label, "the server's profile of that name");
    add_uint(t, "block-size", "N", &opt->block_size, 16, 1024,
             "bytes in a block: 16, 32, ... 1024 (1024)");
    add_uint(t, "mtu", "N", &opt->mtu, MTU_MIN, MTU_MAX, "bytes of the largest IP datagram (1280)");
    add_text(t, "format", "N", format, "281 for certs-only CMS, 287 for one certificate");
    add_uint(t, "timeout", "S", &opt->timeout_s, 1, 86400,
             "give up after so many seconds of silence (60)");
    add_uint(t, "wait", "S", &opt->wait_s, 0, 31536000,
             "wait out \"later\" for so many seconds, then exit 75 (0)");
    add_text(t, "resume", "FILE", &opt->resume,
             (takes & ESTOC_TAKES_LOAD) != 0
                 ? "resume the session that another command kept there"
                 : "keep the session there, and resume it the next time");
    add_flag(t, "pop", 0, &opt->pop, "link requests to the session, by challengePassword");
    add_flag(t, "json", 0, &opt->json, "the result as JSON on stdout");
    add_flag(t, "verbose", 'v', &opt->verbose, "show each message");
    add_text(t, "trace", "FILE", &opt->trace, "write each message there as text");
}

static int check(estoc_options *opt, unsigned takes, const char *format)
{
    if (opt->pop && opt->retry_s > 0) {
        return estoc_say(opt->command, ESTOC_EXIT_LOCAL,
                         "--retry: a request that is linked to a session is not repeated in "
                         "another; leave out --pop");
    }
    if (opt->pop && (takes & ESTOC_TAKES_CSR) != 0) {
        return estoc_say(opt->command, ESTOC_EXIT_LOCAL,
                         "--pop: a request in a file is signed already, and cannot be linked to a "
                         "session; leave it out, or let enroll make the request");
    }
    if (format != NULL && strcmp(format, "281") != 0 && strcmp(format, "287") != 0) {
        return estoc_say(opt->command, ESTOC_EXIT_LOCAL,
                         "--format %s: 281 for certs-only CMS, or 287 for one certificate", format);
    }
    if (format != NULL) {
        opt->format = strcmp(format, "281") == 0 ? ESTOC_FORMAT_CERTS : ESTOC_FORMAT_CERT;
    }
    if ((opt->block_size & (opt->block_size - 1)) != 0) {
        return estoc_say(opt->command, ESTOC_EXIT_LOCAL,
                         "--block-size %u: 16, 32, 64, 128, 256, 512 or 1024",
                         (unsigned)opt->block_size);
    }
    return ESTOC_ARGS_RUN;
}

int estoc_options_parse(const estoc_manual *m, int argc, char **argv, estoc_options *opt)
{
    struct table t = {.n = 0};
    const char *format = NULL;
    *opt = (estoc_options){.command = m->command,
                           .block_size = 1024,
                           .mtu = 1280,
                           .format = ESTOC_FORMAT_NONE,
                           .timeout_s = 60,
                           .due_percent = 66,
                           .count = 100,
                           .concurrency = 8};
    add_own(&t, m->takes, opt);
    add_common(&t, m->takes, opt, &format);
    estoc_usage usage = {.program = "estoc",
                         .command = m->command,
                         .positional = "URI",
                         .summary = m->summary,
                         .description = m->description,
                         .example = m->example,
                         .options = t.at};
    int code = estoc_args_parse(&usage, argc, argv, &opt->uri);
    return code == ESTOC_ARGS_RUN ? check(opt, m->takes, format) : code;
}

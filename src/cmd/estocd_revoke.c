/* SPDX-License-Identifier: MIT
 *
 * estocd revoke: a certificate is good no longer. A running server sees it in the store.
 */
#include <stdio.h>
#include <stdlib.h>

#include "args.h"
#include "books.h"
#include "estocd.h"
#include "relayed.h"

#define COMMAND "revoke"

static int tell(estoc_store *store, estoc_slice serial, bool json)
{
    estoc_record rec;
    estoc_blob cert;
    estoc_err err = estoc_store_by_serial(store, serial, &rec, &cert);
    if (err) {
        return estocd_store_failed(COMMAND, store, err);
    }
    char hex[2 * ESTOC_SERIAL_MAX + 1];
    int code = 0;
    if (json) {
        code = estocd_print_json(COMMAND, estocd_record_json(&rec));
    } else {
        fprintf(stderr, "revoked %s, %s, for the reason %s\n", estoc_hex(serial, hex, sizeof hex),
                rec.subject, estocd_reason_name(rec.reason));
    }
    estoc_blob_free(&cert);
    return code;
}

static estoc_err revoke_noted(estocd_books *books, estoc_slice serial, estoc_crl_reason reason)
{
    estoc_record rec;
    estoc_blob cert = {NULL, 0};
    estoc_audit_entry entry = {.op = COMMAND, .result = "revoked"};
    estoc_err err = estoc_store_revoke(books->store, serial, reason, estoc_unix_s());
    err = err ? err : estoc_store_by_serial(books->store, serial, &rec, &cert);
    if (!err) {
        entry.profile = rec.profile;
        entry.subject = rec.subject;
        entry.serial = serial;
        entry.not_after = rec.not_after;
        entry.reason = estocd_reason_name(reason);
    }
    err = estocd_books_enter(books, err, &entry);
    estoc_blob_free(&cert);
    return err;
}

/* What an upstream issued is on no list of ours, and a certificate that a CA does not call revoked is
 * good for all others. */
static int tell_whose(estoc_store *store, const char *id, estoc_slice serial)
{
    size_t n;
    char url[256];
    estoc_err err = estocd_relay_count(store, serial, &n, url);
    return err      ? estocd_store_failed(COMMAND, store, err)
           : n == 0 ? estocd_say(COMMAND, "%.100s: " ESTOCD_NO_SUCH_SERIAL, id)
                    : estocd_say(COMMAND,
                                 "%.100s: issued by %s, so whoever runs that CA must revoke it; "
                                 "`deny` or `client-crls` in estocd.conf(5) keep it out here",
                                 id, url);
}

/* All that a registrar's store has. */
static int revoke_elsewhere(const estoc_config *conf, const char *id, estoc_slice serial)
{
    estoc_store *store = estocd_open_store_of(COMMAND, conf);
    int code = store != NULL ? tell_whose(store, id, serial) : 1;
    estoc_store_close(store);
    return code;
}

static int revoke(const char *dir, const char *id, const char *why, bool json)
{
    uint8_t bytes[ESTOC_SERIAL_MAX];
    size_t len = estocd_serial_parse(id, bytes);
    estoc_slice serial = estoc_slice_of(bytes, len);
    estoc_crl_reason reason;
    if (len == 0) {
        return estocd_say(COMMAND, "%.100s: not a serial number; `estocd list` has them", id);
    }
    if (!estocd_reason_parse(why, &reason)) {
        return estocd_say(COMMAND, "--reason %.40s: must be one of " ESTOCD_REASONS, why);
    }
    static estocd_books books;
    if (!estocd_configure(COMMAND, dir, &books.conf)) {
        return 1;
    }
    if (books.conf.authority == ESTOC_AUTHORITY_REGISTRAR) {
        return revoke_elsewhere(&books.conf, id, serial);
    }
    if (!estocd_books_open(COMMAND, dir, &books)) {
        return 1;
    }
    estoc_err err = revoke_noted(&books, serial, reason);
    int code = !err                       ? tell(books.store, serial, json)
               : err == ESTOC_E_NOT_FOUND ? tell_whose(books.store, id, serial)
               : err == ESTOC_E_STATE     ? estocd_say(COMMAND, "%.100s: revoked already", id)
                                          : estocd_store_failed(COMMAND, books.store, err);
    estocd_books_close(&books);
    return code;
}

int estocd_revoke(int argc, char **argv)
{
    const char *dir = NULL;
    const char *reason = "unspecified";
    const char *id;
    bool json = false;
    const estoc_arg options[] = {
        ESTOCD_DIR_OPTION(&dir),
        {.name = "reason",
         .kind = ESTOC_ARG_TEXT,
         .metavar = "REASON",
         .help = "why, as RFC 5280 has it (unspecified)",
         .to.text = &reason},
        ESTOCD_JSON_OPTION("print the certificate's record as an object", &json),
        {.kind = ESTOC_ARG_END},
    };
    const estoc_usage usage = {
        .program = "estocd",
        .command = COMMAND,
        .positional = "SERIAL",
        .summary = "revoke a certificate, for good",
        .description =
            "Within a second a running estocd refuses whoever shows this certificate: in the\n"
            "handshake, and with 4.03 in open associations. The device can come back with its\n"
            "manufacturer's certificate, if that is still among the client anchors.\n"
            "What an upstream has issued can be revoked there only.\n"
            "REASON: " ESTOCD_REASONS ".",
        .example = "  estocd revoke 5c0ffee0123456789abcdef012345678 --dir ~/est \\\n"
                   "      --reason keyCompromise",
        .options = options,
    };
    int code = estoc_args_parse(&usage, argc, argv, &id);
    return code == ESTOC_ARGS_RUN ? revoke(dir, id, reason, json) : code;
}

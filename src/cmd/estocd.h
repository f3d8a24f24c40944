/* SPDX-License-Identifier: MIT
 *
 * estocd's subcommands, and what they share.
 */
#ifndef ESTOC_ESTOCD_H
#define ESTOC_ESTOCD_H

#include <cjson/cJSON.h>

#include "config.h"
#include "store.h"

/* Options that several take (args.h). */
#define ESTOCD_DIR_OPTION(to_)                                                \
    {                                                                         \
        .name = "dir", .kind = ESTOC_ARG_TEXT, .metavar = "DIR",              \
        .help = "what `estocd init` made", .to.text = (to_), .required = true \
    }
#define ESTOCD_JSON_OPTION(help_, to_)                                            \
    {                                                                             \
        .name = "json", .kind = ESTOC_ARG_FLAG, .help = (help_), .to.flag = (to_) \
    }

/* Each takes its own command line and returns the program's exit code: 0 or 1. */
int estocd_init(int argc, char **argv);
int estocd_run(int argc, char **argv);
int estocd_check(int argc, char **argv);
int estocd_device(int argc, char **argv);
int estocd_list(int argc, char **argv);
int estocd_show(int argc, char **argv);
int estocd_pending(int argc, char **argv);
int estocd_approve(int argc, char **argv);
int estocd_reject(int argc, char **argv);
int estocd_revoke(int argc, char **argv);
int estocd_audit(int argc, char **argv);
int estocd_stats(int argc, char **argv);
int estocd_backup(int argc, char **argv);
int estocd_restore(int argc, char **argv);
int estocd_crl(int argc, char **argv);
int estocd_profiles(int argc, char **argv);
int estocd_ca(int argc, char **argv);

/* What `init` makes in DIR beside the files that estocd.conf names. */
#define ESTOCD_CONF       "estocd.conf"
#define ESTOCD_UNFINISHED "init.unfinished"    /* as long as `init` is at work */
#define ESTOCD_RESTORING  "restore.unfinished" /* as long as `restore` is at work */
#define ESTOCD_MAKER_CERT "manufacturer.crt"
#define ESTOCD_MAKER_KEY  "manufacturer.key"

/** One line on stderr: "estocd COMMAND: ...". @return 1 */
int estocd_say(const char *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** Read DIR/estocd.conf, and tell all its faults on stderr. @return whether it has none */
bool estocd_configure(const char *command, const char *dir, estoc_config *conf);
/** The same for a command that needs a CA: tells a registrar's operator where to look instead. */
bool estocd_configure_ca(const char *command, const char *dir, estoc_config *conf);
/** Open the store of DIR, which must be there: a look makes nothing. What fails is told on stderr.
 *  @return NULL then                                                                               */
estoc_store *estocd_open_store(const char *command, const char *dir);
estoc_store *estocd_open_store_of(const char *command, const estoc_config *conf);

/** Tell on stderr what failed after that. @return 1 */
int estocd_store_failed(const char *command, const estoc_store *store, estoc_err err);

/** A serial number as people write it: either case, with or without colons, 0x or zeros in front.
 *  @return its bytes; 0: it is none                                                                */
size_t estocd_serial_parse(const char *text, uint8_t out[ESTOC_SERIAL_MAX]);
#define ESTOCD_NO_SUCH_SERIAL "no certificate has this serial number; `estocd list` has them"
#define ESTOCD_REASONS                                             \
    "unspecified, keyCompromise, affiliationChanged, superseded, " \
    "cessationOfOperation, privilegeWithdrawn"
/** @return whether it is one of these, in either case */
bool estocd_reason_parse(const char *text, estoc_crl_reason *out);
const char *estocd_reason_name(estoc_crl_reason reason);

/** "r12", or "12". @return whether it can be the number of a request that waits for a person */
bool estocd_request_parse(const char *text, int64_t *id);
/** Show it in full. @return 0, or 1 and a line on stderr */
int estocd_show_request(const char *command, estoc_store *store, int64_t id, bool json);

/** "valid", "expired", "revoked", "intent" (being signed) or "void" (never signed: X9). */
const char *estocd_record_state(const estoc_record *rec);
/** A record's fields as an object; NULL without memory. */
cJSON *estocd_record_json(const estoc_record *rec);
/** Print an object on stdout and free it. @return 0, or 1 and a line on stderr */
int estocd_print_json(const char *command, cJSON *json);
/** Print an object as element `i` of an array, on a line of its own, and free it: a large store is never
 *  in memory at once. @return false: out of memory, or stdout cannot be written                      */
bool estocd_print_element(size_t i, cJSON *json);
/** After the last of `n` elements. */
void estocd_print_end(size_t n);
/** Flush stdout. @return 0, or 1 and a line on stderr */
int estocd_finish(const char *command);

#endif

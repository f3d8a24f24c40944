/* SPDX-License-Identifier: MIT
 *
 * Results: PEM to a file or to stdout, JSON to stdout.
 */
#ifndef ESTOC_OUTPUT_H
#define ESTOC_OUTPUT_H

#include <cjson/cJSON.h>

#include "talk.h"

/** To --out, atomically, or to stdout. @return 0 or an exit code */
ESTOC_MUST_USE int estoc_put(const estoc_options *opt, estoc_slice text);
/** Certificates as PEM, or with --json as an object with their fields and the traffic (which goes to
 *  stdout beside the PEM in --out). @return 0 or an exit code                                      */
ESTOC_MUST_USE int estoc_put_certs(const estoc_talk *t, const estoc_slice *certs, size_t n);

/** {"subject", "issuer", "serial", "not_before", "not_after"}; NULL without memory */
cJSON *estoc_json_cert(estoc_slice der);
/** {"sent", "received", "bytes_sent", "bytes_received", "ms"} */
cJSON *estoc_json_traffic(const estoc_talk *t);
/** Print on stdout and delete. @return 0 or an exit code */
int estoc_json_print(const char *command, cJSON *json);

#endif

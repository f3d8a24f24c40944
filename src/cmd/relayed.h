/* SPDX-License-Identifier: MIT
 *
 * What went through a registrar, for the commands that look at the store.
 */
#ifndef ESTOC_RELAYED_H
#define ESTOC_RELAYED_H

#include "estocd.h"
#include "relay.h"

/** "valid" or "expired" once there is a certificate; until then "sent", "waiting" or "lost". */
const char *estocd_relay_state(const estoc_relay *r);
/** As estocd_record_json, and by which upstream; NULL without memory. */
cJSON *estocd_relay_json(const estoc_relay *r);
/** The same of a request without a certificate. */
cJSON *estocd_relay_request_json(const estoc_relay *r);

/** "u12". @return whether it can be the number of a request that went upstream */
bool estocd_relay_parse(const char *text, int64_t *id);
/** As the commands write and take it: no serial number begins with a u. */
const char *estocd_relay_name(const estoc_relay *r, char out[24]);

/** How many certificates upstreams issued with this serial number, which each counts for itself.
 *  @param[out] url  of the first; "": there is none  @return 0; ESTOC_E_STORE                       */
ESTOC_MUST_USE estoc_err estocd_relay_count(estoc_store *store, estoc_slice serial, size_t *n,
                                            char url[256]);
/** Show them all in full; with `json` one is an object, several are an array.
 *  @param n  as estocd_relay_count says  @return 0, or 1 and a line on stderr                       */
int estocd_show_relayed(const char *command, estoc_store *store, estoc_slice serial, size_t n,
                        bool json);
/** Show the request of this number. @return 0, or 1 and a line on stderr */
int estocd_show_relay(const char *command, estoc_store *store, int64_t id, bool json);
/** Tell that nobody here decides about it. @param advice  what to do instead @return 1 */
int estocd_relay_is_not_ours(const char *command, const char *dir, int64_t id, const char *advice);

#endif

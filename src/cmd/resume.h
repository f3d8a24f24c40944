/* SPDX-License-Identifier: MIT
 *
 * --resume FILE: a DTLS session kept from one run to the next. The file holds a secret, mode 0600, and
 * is good for one server, one client certificate and one set of trust anchors.
 */
#ifndef ESTOC_RESUME_H
#define ESTOC_RESUME_H

#include "talk.h"

/** Let associations of `dtls` resume what the file holds, if it fits; else there are full handshakes,
 *  and nothing is said. Does nothing without --resume.                                             */
void estoc_resume_load(const estoc_options *opt, const estoc_identity *id, estoc_dtls_client *dtls);
/** Keep the session of an open association that is not the file's already. A file that cannot be
 *  written is told on stderr; the run goes on.                                                     */
void estoc_resume_save(const estoc_options *opt, const estoc_identity *id, const estoc_dtls *d);

#endif

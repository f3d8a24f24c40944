/* SPDX-License-Identifier: MIT
 *
 * The subcommands of estoc. Each gets its options parsed and returns the program's exit code.
 */
#ifndef ESTOC_ESTOC_H
#define ESTOC_ESTOC_H

#include "talk.h"

int estoc_cmd_discover(estoc_options *opt);
int estoc_cmd_crts(estoc_options *opt);
int estoc_cmd_att(estoc_options *opt);
int estoc_cmd_sen(estoc_options *opt);
int estoc_cmd_sren(estoc_options *opt);
int estoc_cmd_enroll(estoc_options *opt);
int estoc_cmd_renew(estoc_options *opt);
int estoc_cmd_keygen(estoc_options *opt);
int estoc_cmd_bench(estoc_options *opt);

#endif

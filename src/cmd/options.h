/* SPDX-License-Identifier: MIT
 *
 * The options of estoc's subcommands: what all have in common, and what some add.
 */
#ifndef ESTOC_OPTIONS_H
#define ESTOC_OPTIONS_H

#include "args.h"
#include "talk.h"

/* What a command takes beyond the common options. */
enum {
    ESTOC_TAKES_OUT_FILE = 1,
    ESTOC_TAKES_PREFIX = 2,
    ESTOC_TAKES_CSR = 4,
    ESTOC_TAKES_NAMES = 8,
    ESTOC_TAKES_SAME_KEY = 16,
    ESTOC_TAKES_LOAD = 32,
    ESTOC_TAKES_DUE = 64,
    ESTOC_TAKES_CACHE = 128,
    ESTOC_TAKES_NEW_KEY = 256,
    ESTOC_TAKES_KEYGEN = 512
};

typedef struct estoc_manual {
    const char *command, *summary, *description, *example;
    unsigned takes;
} estoc_manual;

/** Defaults, then the command line. @return ESTOC_ARGS_RUN, or the exit code to end with */
ESTOC_MUST_USE int estoc_options_parse(const estoc_manual *m, int argc, char **argv,
                                       estoc_options *opt);

#endif

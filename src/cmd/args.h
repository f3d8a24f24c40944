/* SPDX-License-Identifier: MIT
 *
 * Command lines of both programs: a table of subcommands, a table of options for each. Long options
 * only, and -v and -h; --help and --version everywhere.
 */
#ifndef ESTOC_ARGS_H
#define ESTOC_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum estoc_arg_kind {
    ESTOC_ARG_END, /* ends the table */
    ESTOC_ARG_FLAG,
    ESTOC_ARG_TEXT,
    ESTOC_ARG_UINT,
    ESTOC_ARG_LIST
} estoc_arg_kind;

#define ESTOC_ARGS_LIST_MAX 16
/** Values of an option that may be given several times. */
typedef struct estoc_args_list {
    const char *at[ESTOC_ARGS_LIST_MAX];
    size_t n;
} estoc_args_list;

/** One option. Destinations hold the default before, the given value after. Texts point into argv. */
typedef struct estoc_arg {
    const char *name;    /* without the dashes */
    const char *metavar; /* "FILE"; NULL for a flag */
    const char *help;    /* one line */
    union {
        bool *flag;
        const char **text;
        uint32_t *uint;
        estoc_args_list *list;
    } to;
    uint32_t min, max; /* of a UINT */
    estoc_arg_kind kind;
    char letter; /* short form, or 0 */
    bool required;
} estoc_arg;

/** A subcommand's command line. */
typedef struct estoc_usage {
    const char *program;     /* "estoc" */
    const char *command;     /* "enroll" */
    const char *positional;  /* what must follow, one word: "URI"; NULL: nothing */
    const char *summary;     /* one sentence */
    const char *description; /* paragraphs, or NULL */
    const char *example;     /* lines, or NULL */
    const estoc_arg *options;
} estoc_usage;

#define ESTOC_ARGS_RUN (-1)
/** Take argv apart; argv[0] is the subcommand's name.
 *  @param[out] positional  the argument after the options, or NULL
 *  @return ESTOC_ARGS_RUN: go on; else exit with that code: 0 after --help or --version, 1 after a
 *          usage error (already told on stderr)                                                    */
int estoc_args_parse(const estoc_usage *u, int argc, char **argv, const char **positional);

typedef struct estoc_command {
    const char *name; /* NULL ends the table */
    const char *summary;
    int (*run)(int argc, char **argv); /* NULL: of a later version; `summary` tells what to do */
} estoc_command;
/** main() of a program with subcommands. @return its exit code */
int estoc_args_main(const char *program, const char *about, const estoc_command *commands, int argc,
                    char **argv);

#endif

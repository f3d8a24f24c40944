/* SPDX-License-Identifier: MIT */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"

#define OPTIONS_MAX 32
#define USAGE       1 /* exit code */

enum { HELP = 256, VERSION, FIRST };

static int usage_error(const estoc_usage *u, const char *what, const char *arg, const char *why)
{
    fprintf(stderr, "%s %s: %s%s%s; see `%s %s --help`\n", u->program, u->command, what, arg, why,
            u->program, u->command);
    return USAGE;
}

static void print_option(const char *name, char letter, const char *metavar, const char *help)
{
    char left[64];
    char prefix[8] = "    ";
    if (letter != 0) {
        snprintf(prefix, sizeof prefix, "-%c, ", letter);
    }
    snprintf(left, sizeof left, "%s--%s%s%s", prefix, name, metavar != NULL ? " " : "",
             metavar != NULL ? metavar : "");
    printf("  %-26s  %s\n", left, help);
}

static void print_help(const estoc_usage *u)
{
    printf("%s %s - %s\n\nUsage: %s %s", u->program, u->command, u->summary, u->program,
           u->command);
    for (const estoc_arg *a = u->options; a->kind != ESTOC_ARG_END; a++) {
        if (a->required) {
            printf(" --%s %s", a->name, a->metavar);
        }
    }
    printf("%s%s [options]\n", u->positional != NULL ? " " : "",
           u->positional != NULL ? u->positional : "");
    if (u->description != NULL) {
        printf("\n%s\n", u->description);
    }
    printf("\nOptions:\n");
    for (const estoc_arg *a = u->options; a->kind != ESTOC_ARG_END; a++) {
        print_option(a->name, a->letter, a->metavar, a->help);
    }
    print_option("help", 'h', NULL, "this text");
    print_option("version", 0, NULL, "the version");
    if (u->example != NULL) {
        printf("\nExample:\n%s\n", u->example);
    }
    printf("\nExit codes: 0 done, 1 usage or local error, 2 no answer, 3 authentication failed,\n"
           "4 refused by the server, 5 server failed, 75 try later.\n");
}

static bool parse_uint(const estoc_arg *a, const char *text)
{
    char *end;
    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    unsigned long long v = strtoull(text, &end, 10);
    if (*end != '\0' || v < a->min || v > a->max) {
        return false;
    }
    *a->to.uint = (uint32_t)v;
    return true;
}

static int take(const estoc_usage *u, const estoc_arg *a, const char *value)
{
    char why[80];
    switch (a->kind) {
    case ESTOC_ARG_FLAG:
        *a->to.flag = true;
        break;
    case ESTOC_ARG_TEXT:
        *a->to.text = value;
        break;
    case ESTOC_ARG_UINT:
        if (!parse_uint(a, value)) {
            snprintf(why, sizeof why, " takes a number from %u to %u", (unsigned)a->min,
                     (unsigned)a->max);
            return usage_error(u, "--", a->name, why);
        }
        break;
    case ESTOC_ARG_LIST:
        if (a->to.list->n == ESTOC_ARGS_LIST_MAX) {
            snprintf(why, sizeof why, " may be given at most %d times", ESTOC_ARGS_LIST_MAX);
            return usage_error(u, "--", a->name, why);
        }
        a->to.list->at[a->to.list->n++] = value;
        break;
    case ESTOC_ARG_END:
        break;
    }
    return ESTOC_ARGS_RUN;
}

/* Our table in getopt's terms. @return how many of ours there are */
static size_t translate(const estoc_usage *u, struct option *longs, char *shorts)
{
    size_t n = 0;
    char *s = shorts;
    *s++ = ':'; /* a missing value is told apart from an unknown option */
    *s++ = 'h';
    for (const estoc_arg *a = u->options; a->kind != ESTOC_ARG_END && n < OPTIONS_MAX; a++, n++) {
        longs[n] =
            (struct option){a->name, a->kind == ESTOC_ARG_FLAG ? no_argument : required_argument,
                            NULL, FIRST + (int)n};
        if (a->letter != 0) {
            *s++ = a->letter;
            if (a->kind != ESTOC_ARG_FLAG) {
                *s++ = ':'; /* it takes a value */
            }
        }
    }
    *s = '\0';
    longs[n] = (struct option){"help", no_argument, NULL, HELP};
    longs[n + 1] = (struct option){"version", no_argument, NULL, VERSION};
    longs[n + 2] = (struct option){NULL, 0, NULL, 0};
    return n;
}

static const estoc_arg *find_letter(const estoc_usage *u, int letter)
{
    const estoc_arg *a = u->options;
    while (a->kind != ESTOC_ARG_END && a->letter != letter) {
        a++;
    }
    return a;
}

static int one_option(const estoc_usage *u, int c, char **argv, bool *given)
{
    if (c == HELP || c == 'h') {
        print_help(u);
        return 0;
    }
    if (c == VERSION) {
        printf("%s %s\n", u->program, ESTOC_VERSION);
        return 0;
    }
    if (c == ':') {
        return usage_error(u, argv[optind - 1], "", " needs a value");
    }
    if (c == '?') {
        return usage_error(u, "unknown option ", argv[optind - 1], "");
    }
    const estoc_arg *a = c >= FIRST ? &u->options[c - FIRST] : find_letter(u, c);
    given[a - u->options] = true;
    return take(u, a, optarg);
}

int estoc_args_parse(const estoc_usage *u, int argc, char **argv, const char **positional)
{
    struct option longs[OPTIONS_MAX + 3];
    char shorts[2 * OPTIONS_MAX + 3];
    bool given[OPTIONS_MAX] = {false};
    size_t n = translate(u, longs, shorts);
    int c;
    *positional = NULL;
    optind = 0; /* GNU: begin anew */
    opterr = 0;
    while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        int code = one_option(u, c, argv, given);
        if (code != ESTOC_ARGS_RUN) {
            return code;
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (u->options[i].required && !given[i]) {
            return usage_error(u, "--", u->options[i].name, " is missing");
        }
    }
    int left = argc - optind;
    if (u->positional != NULL && left == 0) {
        return usage_error(u, u->positional, "", " is missing");
    }
    if (left > (u->positional != NULL)) {
        return usage_error(u, "unexpected argument ", argv[argc - 1], "");
    }
    *positional = left > 0 ? argv[optind] : NULL;
    return ESTOC_ARGS_RUN;
}

static void print_commands(const char *program, const char *about, const estoc_command *commands)
{
    printf("%s - %s\n\nUsage: %s COMMAND [options]\n\nCommands:\n", program, about, program);
    for (const estoc_command *c = commands; c->name != NULL; c++) {
        if (c->run != NULL) {
            printf("  %-10s  %s\n", c->name, c->summary);
        }
    }
    printf("\n`%s COMMAND --help` explains each.\n", program);
}

int estoc_args_main(const char *program, const char *about, const estoc_command *commands, int argc,
                    char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "%s: which command? See `%s --help`\n", program, program);
        return USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_commands(program, about, commands);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("%s %s\n", program, ESTOC_VERSION);
        return 0;
    }
    for (const estoc_command *c = commands; c->name != NULL; c++) {
        if (strcmp(c->name, argv[1]) == 0 && c->run != NULL) {
            return c->run(argc - 1, argv + 1);
        }
        if (strcmp(c->name, argv[1]) == 0) {
            fprintf(stderr, "%s: %s is not in this version: %s\n", program, c->name, c->summary);
            return USAGE;
        }
    }
    fprintf(stderr, "%s: unknown command %s; `%s --help` lists them\n", program, argv[1], program);
    return USAGE;
}

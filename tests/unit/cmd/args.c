/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "args.h"

/* What a call wrote. */
static char out[4096], err[4096];

static FILE *divert(FILE *stream, int *saved)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(stream);
    *saved = dup(fileno(stream));
    assert_true(*saved >= 0);
    assert_true(dup2(fileno(file), fileno(stream)) >= 0);
    return file;
}

static void restore(FILE *stream, FILE *file, int saved, char *text, size_t cap)
{
    fflush(stream);
    assert_true(dup2(saved, fileno(stream)) >= 0);
    close(saved);
    rewind(file);
    text[fread(text, 1, cap - 1, file)] = '\0';
    fclose(file);
}

static struct {
    bool force;
    const char *text;
    uint32_t number;
    estoc_args_list list;
    const char *positional;
} got;

static const estoc_arg options[] = {
    {.name = "force",
     .letter = 'f',
     .kind = ESTOC_ARG_FLAG,
     .help = "do it",
     .to.flag = &got.force},
    {.name = "text",
     .kind = ESTOC_ARG_TEXT,
     .metavar = "TEXT",
     .help = "some text",
     .to.text = &got.text},
    {.name = "number",
     .letter = 'n',
     .kind = ESTOC_ARG_UINT,
     .metavar = "N",
     .help = "a number",
     .to.uint = &got.number,
     .min = 16,
     .max = 1024},
    {.name = "item",
     .kind = ESTOC_ARG_LIST,
     .metavar = "ITEM",
     .help = "an item; repeatable",
     .to.list = &got.list},
    {.kind = ESTOC_ARG_END},
};

static const estoc_arg required[] = {
    {.name = "dir",
     .kind = ESTOC_ARG_TEXT,
     .metavar = "DIR",
     .help = "where",
     .to.text = &got.text,
     .required = true},
    {.kind = ESTOC_ARG_END},
};

static const estoc_usage with_uri = {
    "prog", "cmd", "URI", "do one thing", "Explains it.", "  prog cmd coaps://example", options};
static const estoc_usage bare = {"prog", "cmd", NULL, "do one thing", NULL, NULL, required};

static int collect(const estoc_usage *u, char **argv)
{
    int argc = 0;
    int saved_out, saved_err;
    while (argv[argc] != NULL) {
        argc++;
    }
    memset(&got, 0, sizeof got);
    got.number = 77;
    FILE *file_out = divert(stdout, &saved_out);
    FILE *file_err = divert(stderr, &saved_err);
    int code = estoc_args_parse(u, argc, argv, &got.positional);
    restore(stderr, file_err, saved_err, err, sizeof err);
    restore(stdout, file_out, saved_out, out, sizeof out);
    return code;
}

/* clang-format off */
#define PARSE(usage, ...) collect(usage, (char *[]){(char[]){"cmd"}, __VA_ARGS__, NULL})
#define A(text) ((char[]){text})
/* clang-format on */

/* One line on stderr with these words, nothing on stdout, exit code 1. */
static void assert_complains(int code, const char *words)
{
    assert_int_equal(code, 1);
    assert_string_equal(out, "");
    assert_non_null(strstr(err, words));
    assert_non_null(strstr(err, "`prog cmd --help`"));
    assert_ptr_equal(strchr(err, '\n'), err + strlen(err) - 1);
}

static void takes_all_kinds(void **state)
{
    (void)state;
    assert_int_equal(PARSE(&with_uri, A("--force"), A("--text=hello"), A("-n"), A("16"),
                           A("--item"), A("a"), A("coaps://h"), A("--item"), A("b")),
                     ESTOC_ARGS_RUN);
    assert_true(got.force);
    assert_string_equal(got.text, "hello");
    assert_int_equal(got.number, 16);
    assert_int_equal(got.list.n, 2);
    assert_string_equal(got.list.at[0], "a");
    assert_string_equal(got.list.at[1], "b");
    assert_string_equal(got.positional, "coaps://h");
    assert_string_equal(err, "");
}

static void keeps_defaults(void **state)
{
    (void)state;
    assert_int_equal(PARSE(&with_uri, A("u")), ESTOC_ARGS_RUN);
    assert_false(got.force);
    assert_null(got.text);
    assert_int_equal(got.number, 77);
    assert_int_equal(got.list.n, 0);
}

static void dash_dash(void **state)
{
    (void)state;
    assert_int_equal(PARSE(&with_uri, A("--"), A("--force")), ESTOC_ARGS_RUN);
    assert_string_equal(got.positional, "--force");
    assert_false(got.force);
}

static void numbers(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "15", "1025", "", "-20", "+20", " 20", "0x20", "20k", "99999999999999999999", "4294967312"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char value[32];
        strcpy(value, bad[i]);
        assert_complains(PARSE(&with_uri, A("--number"), value, A("u")),
                         "--number takes a number from 16 to 1024");
    }
    assert_int_equal(PARSE(&with_uri, A("--number"), A("1024"), A("u")), ESTOC_ARGS_RUN);
    assert_int_equal(got.number, 1024);
}

static void unknown_option(void **state)
{
    (void)state;
    assert_complains(PARSE(&with_uri, A("--foo"), A("u")), "unknown option --foo");
    assert_complains(PARSE(&with_uri, A("-x"), A("u")), "unknown option");
    assert_complains(PARSE(&with_uri, A("--force=1"), A("u")), "--force");
    assert_complains(PARSE(&with_uri, A("u"), A("-n")), "-n needs a value");
    assert_complains(PARSE(&with_uri, A("-n15"), A("u")), "--number takes a number");
}

static void missing(void **state)
{
    (void)state;
    assert_complains(PARSE(&with_uri, A("u"), A("--text")), "--text needs a value");
    assert_complains(PARSE(&with_uri, A("--force")), "URI is missing");
    assert_complains(PARSE(&bare, A("--dir")), "--dir needs a value");
    assert_complains(collect(&bare, (char *[]){A("cmd"), NULL}), "--dir is missing");
}

static void too_many(void **state)
{
    (void)state;
    assert_complains(PARSE(&with_uri, A("u"), A("v")), "unexpected argument v");
    assert_complains(PARSE(&bare, A("--dir"), A("d"), A("v")), "unexpected argument v");
    char item[] = "--item", x[] = "x";
    char *argv[2 * (ESTOC_ARGS_LIST_MAX + 1) + 3] = {A("cmd")};
    for (size_t i = 1; i < 2 * (ESTOC_ARGS_LIST_MAX + 1); i += 2) {
        argv[i] = item;
        argv[i + 1] = x;
    }
    assert_complains(collect(&with_uri, argv), "--item may be given at most 16 times");
}

static void help(void **state)
{
    (void)state;
    assert_int_equal(PARSE(&with_uri, A("--help")), 0);
    static const char *const words[] = {
        "prog cmd - do one thing",
        "Usage: prog cmd URI",
        "Explains it.",
        "-f, --force",
        "--number N",
        "--item ITEM",
        "some text",
        "--version",
        "prog cmd coaps://",
        "Exit codes: 0 done, 1 ",
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strstr(out, words[i]) == NULL) {
            fail_msg("no \"%s\" in:\n%s", words[i], out);
        }
    }
    assert_string_equal(err, "");
    assert_int_equal(PARSE(&bare, A("-h")), 0); /* before anything required is missed */
    assert_non_null(strstr(out, "Usage: prog cmd --dir DIR"));
}

static void version(void **state)
{
    (void)state;
    assert_int_equal(PARSE(&bare, A("--version")), 0);
    assert_string_equal(out, "prog " ESTOC_VERSION "\n");
}

/* ---- subcommands ---- */

static int seen_argc;
static const char *seen_name;

static int run(int argc, char **argv)
{
    seen_argc = argc;
    seen_name = argv[0];
    return 42;
}

static const estoc_command commands[] = {
    {"go", "goes", run}, {"fly", "walk for now", NULL}, {NULL, NULL, NULL}};

static int command(char **argv)
{
    int argc = 0;
    int saved_out, saved_err;
    while (argv[argc] != NULL) {
        argc++;
    }
    FILE *file_out = divert(stdout, &saved_out);
    FILE *file_err = divert(stderr, &saved_err);
    int code = estoc_args_main("prog", "moves", commands, argc, argv);
    restore(stderr, file_err, saved_err, err, sizeof err);
    restore(stdout, file_out, saved_out, out, sizeof out);
    return code;
}

static void runs_a_command(void **state)
{
    (void)state;
    assert_int_equal(command((char *[]){A("prog"), A("go"), A("--fast"), NULL}), 42);
    assert_int_equal(seen_argc, 2);
    assert_string_equal(seen_name, "go");
}

static void lists_commands(void **state)
{
    (void)state;
    assert_int_equal(command((char *[]){A("prog"), A("--help"), NULL}), 0);
    assert_non_null(strstr(out, "go "));
    assert_null(strstr(out, "fly")); /* of a later version */
    assert_int_equal(command((char *[]){A("prog"), A("--version"), NULL}), 0);
    assert_string_equal(out, "prog " ESTOC_VERSION "\n");
}

static void refuses_commands(void **state)
{
    (void)state;
    assert_int_equal(command((char *[]){A("prog"), NULL}), 1);
    assert_non_null(strstr(err, "which command?"));
    assert_int_equal(command((char *[]){A("prog"), A("dive"), NULL}), 1);
    assert_non_null(strstr(err, "unknown command dive"));
    assert_int_equal(command((char *[]){A("prog"), A("fly"), NULL}), 1);
    assert_non_null(strstr(err, "fly is not in this version: walk for now"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"flags, texts, numbers and lists, in any order", takes_all_kinds, NULL, NULL, NULL},
        {"what is not given keeps its default", keeps_defaults, NULL, NULL, NULL},
        {"after -- nothing is an option", dash_dash, NULL, NULL, NULL},
        {"numbers have a range and no decoration", numbers, NULL, NULL, NULL},
        {"an unknown option is one line with a hint", unknown_option, NULL, NULL, NULL},
        {"a missing value, option or argument is told", missing, NULL, NULL, NULL},
        {"too many of anything is told", too_many, NULL, NULL, NULL},
        {"--help teaches, on stdout", help, NULL, NULL, NULL},
        {"--version", version, NULL, NULL, NULL},
        {"a subcommand gets its own arguments", runs_a_command, NULL, NULL, NULL},
        {"the commands of this version are listed", lists_commands, NULL, NULL, NULL},
        {"no, unknown and later commands are refused in one line", refuses_commands, NULL, NULL,
         NULL},
    };
    return cmocka_run_group_tests_name("cmd/args", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sys.h"

static _Atomic int most = ESTOC_LOG_INFO;
static FILE *_Atomic target;

struct line {
    char text[1024];
    size_t len;
};

void estoc_log_level(estoc_level level)
{
    atomic_store(&most, (int)level);
}

void estoc_log_file(FILE *f)
{
    atomic_store(&target, f);
}

static void put(struct line *l, char c)
{
    /* room for the closing quote and the newline is kept */
    if (l->len + 3 < sizeof l->text) {
        l->text[l->len++] = c;
    }
}

static void put_text(struct line *l, const char *s)
{
    while (*s != '\0') {
        put(l, *s++);
    }
}

static bool is_plain(const char *s)
{
    if (*s == '\0') {
        return false;
    }
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;
        if (c <= ' ' || c == '"' || c == '\\' || c >= 0x7f) {
            return false;
        }
    }
    return true;
}

/* A value of a peer's making must not break the line nor the terminal: quoted, and all but printable
 * ASCII escaped. */
static void put_value(struct line *l, const char *s)
{
    static const char digits[] = "0123456789abcdef";
    if (is_plain(s)) {
        put_text(l, s);
        return;
    }
    put(l, '"');
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\') {
            put(l, '\\');
            put(l, (char)c);
        } else if (c < ' ' || c >= 0x7f) {
            put_text(l, "\\x");
            put(l, digits[c >> 4]);
            put(l, digits[c & 15]);
        } else {
            put(l, (char)c);
        }
    }
    l->text[l->len++] = '"';
}

static void put_time(struct line *l)
{
    struct timespec now;
    struct tm tm;
    char text[40];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, sizeof text - n, ".%03uZ", (unsigned)(now.tv_nsec / 1000000) % 1000u);
    put_text(l, text);
}

void estoc_log(estoc_level level, const char *source, const char *key, ...)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    if ((int)level > atomic_load(&most)) {
        return;
    }
    struct line l = {.len = 0};
    put_time(&l);
    put(&l, ' ');
    put_text(&l, names[level]);
    put(&l, ' ');
    put_text(&l, source);
    va_list args;
    va_start(args, key);
    for (; key != NULL; key = va_arg(args, const char *)) {
        const char *value = va_arg(args, const char *);
        if (value != NULL) {
            put(&l, ' ');
            put_text(&l, key);
            put(&l, '=');
            put_value(&l, value);
        }
    }
    va_end(args);
    l.text[l.len++] = '\n';
    FILE *f = atomic_load(&target);
    /* one write a line: lines of several threads and processes do not mix; a full or closed stderr
       must not stop the server */
    if (write(f != NULL ? fileno(f) : STDERR_FILENO, l.text, l.len) < 0) {
        return;
    }
}

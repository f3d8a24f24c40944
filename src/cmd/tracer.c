/* SPDX-License-Identifier: MIT */
#include <stdarg.h>

#include "trace.h"
#include "tracer.h"

#define TRACE_LINE_MAX 512

estoc_err estoc_tracer_open(estoc_tracer *t, bool verbose, const char *path, estoc_ms started)
{
    *t = (estoc_tracer){.verbose = verbose, .started = started};
    if (path != NULL) {
        t->file = fopen(path, "we");
    }
    return path == NULL || t->file != NULL ? ESTOC_OK : ESTOC_E_FILE;
}

void estoc_tracer_close(estoc_tracer *t)
{
    if (t->file != NULL) {
        fclose(t->file);
        t->file = NULL;
    }
}

void estoc_tracer_note(estoc_tracer *t, const char *fmt, ...)
{
    char line[TRACE_LINE_MAX];
    if (!t->verbose && t->file == NULL) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    unsigned long long at = estoc_now_ms() - t->started;
    if (t->verbose) {
        fprintf(stderr, "%7llu ms %s\n", at, line);
    }
    if (t->file != NULL) {
        fprintf(t->file, "%7llu ms %s\n", at, line);
        fflush(t->file);
    }
}

void estoc_tracer_message(estoc_tracer *t, bool sent, estoc_slice message)
{
    char line[TRACE_LINE_MAX];
    if (t->verbose || t->file != NULL) {
        estoc_tracer_note(t, "%s %s", sent ? "->" : "<-",
                          estoc_trace_text(message, line, sizeof line));
    }
}

void estoc_tracer_datagram(estoc_tracer *t, bool sent, estoc_slice datagram)
{
    char line[TRACE_LINE_MAX];
    if ((t->verbose || t->file != NULL) && estoc_trace_dtls(datagram, line, sizeof line)) {
        estoc_tracer_note(t, "%s %s", sent ? "->" : "<-", line);
    }
}

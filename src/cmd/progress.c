/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <unistd.h>

#include "progress.h"

#define AFTER_MS 2000
#define EVERY_MS 200

void estocd_progress_begin(estocd_progress *p, const char *what)
{
    *p = (estocd_progress){
        .what = what, .terminal = isatty(STDERR_FILENO) != 0, .started = estoc_now_ms()};
}

void estocd_progress_at(estocd_progress *p, uint64_t done, uint64_t all)
{
    if (!p->terminal) {
        return;
    }
    estoc_ms now = estoc_now_ms();
    if (now - p->started < AFTER_MS || now - p->last < EVERY_MS) {
        return;
    }
    p->last = now;
    p->shown = true;
    if (all > 0) {
        fprintf(stderr, "\r\033[K%3.0f %%, %llu %s", 100.0 * (double)done / (double)all,
                (unsigned long long)done, p->what);
    } else {
        fprintf(stderr, "\r\033[K%llu %s", (unsigned long long)done, p->what);
    }
}

void estocd_progress_end(estocd_progress *p)
{
    if (p->shown) {
        fputs("\r\033[K", stderr);
        p->shown = false;
    }
}

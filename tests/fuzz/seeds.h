/* SPDX-License-Identifier: MIT */
#ifndef FUZZ_SEEDS_H
#define FUZZ_SEEDS_H

#include <estoc/bytes.h>

/* One input of a target's corpus, named after the row of the table it comes from. */
void put(const char *target, const char *kind, const char *row, estoc_slice bytes);

/* seeds_mime.c: tests/unit/core/est/mime_rows.h. */
void put_mime(void);

/* seeds_requests.c, apart because the tables have macros of their own. */
void put_requests(void);

#endif

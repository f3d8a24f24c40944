/* SPDX-License-Identifier: MIT */
#include <time.h>

#include "text.h"

void estoc_der_put_time(estoc_writer *w, int64_t unix_s)
{
    const int64_t first = -631152000;  /* 1950: before it, no two digits say the year */
    const int64_t last = 253402300799; /* 9999-12-31T23:59:59Z */
    time_t t = (time_t)unix_s;
    struct tm tm;
    char text[16];
    if (unix_s < first || unix_s > last || gmtime_r(&t, &tm) == NULL) {
        estoc_writer_fail(w, ESTOC_E_USAGE);
        return;
    }
    size_t len = strftime(text, sizeof text, "%Y%m%d%H%M%SZ", &tm);
    if (tm.tm_year + 1900 < 2050) {
        estoc_der_put(w, ESTOC_DER_UTC_TIME, estoc_slice_of(text + 2, len - 2));
    } else {
        estoc_der_put(w, ESTOC_DER_GENERALIZED_TIME, estoc_slice_of(text, len));
    }
}

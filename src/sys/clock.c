/* SPDX-License-Identifier: MIT */
#include <time.h>

#include "sys.h"

estoc_ms estoc_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (estoc_ms)t.tv_sec * 1000u + (estoc_ms)t.tv_nsec / 1000000u;
}

int64_t estoc_unix_s(void)
{
    return (int64_t)time(NULL);
}

void estoc_wait_init(pthread_cond_t *wake)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

bool estoc_wait_until(pthread_cond_t *wake, pthread_mutex_t *lock, estoc_ms at)
{
    const struct timespec until = {.tv_sec = (time_t)(at / 1000u),
                                   .tv_nsec = (long)(at % 1000u) * 1000000L};
    return pthread_cond_timedwait(wake, lock, &until) == 0;
}

const char *estoc_time_text(int64_t unix_s, char *out, size_t cap)
{
    time_t t = (time_t)unix_s;
    struct tm tm;
    if (cap > 0 &&
        (gmtime_r(&t, &tm) == NULL || strftime(out, cap, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)) {
        out[0] = '\0';
    }
    return out;
}

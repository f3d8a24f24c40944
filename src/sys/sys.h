/* SPDX-License-Identifier: MIT
 *
 * The operating system's edge, for the programs (never for the core): clock, log, files, memory.
 */
#ifndef ESTOC_SYS_H
#define ESTOC_SYS_H

#include <pthread.h>
#include <stdio.h>

#include <estoc/bytes.h>

/** CLOCK_MONOTONIC in milliseconds. */
estoc_ms estoc_now_ms(void);
/** CLOCK_REALTIME in seconds, for certificates and records only. */
int64_t estoc_unix_s(void);
/** A condition for estoc_wait_until. */
void estoc_wait_init(pthread_cond_t *wake);
/** As pthread_cond_wait, but not longer than until this time, by estoc_now_ms().
 *  @return whether it was woken before                                                             */
bool estoc_wait_until(pthread_cond_t *wake, pthread_mutex_t *lock, estoc_ms at);

/** Heap memory that the holder frees with estoc_blob_free (which wipes it). */
typedef struct estoc_blob {
    uint8_t *ptr;
    size_t len;
} estoc_blob;
estoc_slice estoc_blob_slice(estoc_blob b);
ESTOC_MUST_USE estoc_err estoc_blob_copy(estoc_slice s, estoc_blob *out);
void estoc_blob_free(estoc_blob *b);

/** A list of blobs: certificates of a file, a chain. */
typedef struct estoc_blobs {
    estoc_blob *at;
    size_t n;
} estoc_blobs;
ESTOC_MUST_USE estoc_err estoc_blobs_add(estoc_blobs *list, estoc_slice s);
void estoc_blobs_free(estoc_blobs *list);

/** One line that says what failed, on what, why, and what to do; filled by functions that can. */
typedef struct estoc_why {
    char text[256];
} estoc_why;
void estoc_why_set(estoc_why *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Log lines: `2026-01-02T03:04:05.678Z level source key=value ...` on stderr, one write each, safe
 *  from several threads. Values with spaces or control characters are quoted and escaped; never log
 *  keys, PINs, tokens or whole messages.                                                           */
typedef enum estoc_level {
    ESTOC_LOG_ERROR,
    ESTOC_LOG_WARN,
    ESTOC_LOG_INFO,
    ESTOC_LOG_DEBUG
} estoc_level;
void estoc_log_level(estoc_level level);
void estoc_log_file(FILE *f); /**< NULL: stderr */
/** @param pairs  key, value, key, value, ..., NULL; a NULL value leaves the pair out              */
void estoc_log(estoc_level level, const char *source, const char *key, ...)
    __attribute__((sentinel));

/** Whole file, at most `max` bytes. @return 0; ESTOC_E_FILE; ESTOC_E_LIMIT; ESTOC_E_MEMORY */
ESTOC_MUST_USE estoc_err estoc_file_read(const char *path, size_t max, estoc_blob *out);
/** Replace a file atomically: temporary beside it, fsync, rename, fsync of the folder. What is no file,
 *  such as /dev/null or a pipe, is written to.
 *  @param mode  0600 for anything secret                                                           */
ESTOC_MUST_USE estoc_err estoc_file_write(const char *path, estoc_slice data, unsigned mode);
bool estoc_file_exists(const char *path);
/** Make the name of this file durable. @return 0; ESTOC_E_FILE */
ESTOC_MUST_USE estoc_err estoc_file_sync_folder(const char *path);
/** Replace whatever `path` is by a symbolic link, atomically and durably. @return 0; ESTOC_E_FILE */
ESTOC_MUST_USE estoc_err estoc_file_link(const char *target, const char *path);
/** Remove a file durably; one that is not there is removed. @return 0; ESTOC_E_FILE */
ESTOC_MUST_USE estoc_err estoc_file_remove(const char *path);
/** `dir/name` into `out`. @return 0; ESTOC_E_SPACE */
ESTOC_MUST_USE estoc_err estoc_path_join(char *out, size_t cap, const char *dir, const char *name);
/** Lower-case hex, NUL-terminated, cut to fit. @return out */
const char *estoc_hex(estoc_slice s, char *out, size_t cap);
/** ISO 8601 UTC, such as 2026-01-02T03:04:05Z. @return out */
const char *estoc_time_text(int64_t unix_s, char *out, size_t cap);

#endif

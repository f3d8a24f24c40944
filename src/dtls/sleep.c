/* SPDX-License-Identifier: MIT
 *
 * What an association that sleeps gives back. OpenSSL puts handshake messages together in a buffer of 16 KB,
 * and over DTLS it keeps that for good, as room for a flight that is repeated: nearly half of what an idle
 * association takes. Nothing is read from it that was not written there in the same call, so its pages may
 * become zeros.
 */
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include "association.h"

/* In OpenSSL up to 3.1 what is written here is the buffer itself, as malloc gave it. */
void estoc_dtls_note_scratch(int written, int version, int type, const void *bytes, size_t len,
                             SSL *ssl, void *arg)
{
    (void)version;
    (void)len;
    (void)arg;
    estoc_dtls *d = SSL_get_app_data(ssl);
    if (OPENSSL_VERSION_NUMBER < 0x30200000L && written == 1 && type == SSL3_RT_HANDSHAKE &&
        d != NULL) {
        d->scratch = (void *)(uintptr_t)bytes;
    }
}

void estoc_dtls_sleep(estoc_dtls *d)
{
    if (d->scratch == NULL || d->state != ESTOC_DTLS_OPEN || SSL_is_init_finished(d->ssl) != 1) {
        return;
    }
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = ((uintptr_t)d->scratch + page - 1) / page * page;
    uintptr_t to = ((uintptr_t)d->scratch + malloc_usable_size(d->scratch)) / page * page;
    if (to > from) {
        (void)madvise((void *)from, to - from, MADV_DONTNEED);
    }
}

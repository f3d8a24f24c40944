/* SPDX-License-Identifier: MIT
 *
 * Fills a store with records, for bench/million: numbers FROM to TO (excluded), every tenth of them
 * revoked. Each has the certificate of a file, and a serial, names and digests of its own.
 *
 *     bench-fill URL CERTIFICATE FROM TO
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto.h"
#include "store.h"

#define AT_ONCE 10000
#define YEAR    (365 * 86400)

static void must(estoc_err err, const char *what)
{
    if (err) {
        fprintf(stderr, "bench-fill: %s: error %d\n", what, (int)err);
        exit(1);
    }
}

static void put(estoc_store *s, long long n, estoc_slice cert)
{
    char subject[64];
    uint8_t digest[32];
    int64_t now = estoc_unix_s();
    snprintf(subject, sizeof subject, "CN=filled-%lld", n);
    must(estoc_sha256(estoc_slice_str(subject), digest), "digest");
    estoc_record rec = {.serial_len = 16,
                        .state = ESTOC_RECORD_ISSUED,
                        .profile = "",
                        .subject = subject,
                        .issued_at = now - YEAR / 2,
                        .not_before = now - YEAR / 2,
                        .not_after = now + YEAR / 2,
                        .cert = cert};
    memcpy(rec.serial, digest, 16);
    rec.serial[0] = (uint8_t)((rec.serial[0] & 0x7f) | 1); /* positive, of 16 bytes */
    memcpy(rec.identity, digest, 32);
    memcpy(rec.csr, digest, 32);
    memcpy(rec.key, digest, 32);
    if (n % 10 == 0) {
        rec.revoked_at = now - 86400;
        rec.reason = ESTOC_CRL_SUPERSEDED;
    }
    must(estoc_store_put(s, &rec), "put");
}

int main(int argc, char **argv)
{
    estoc_store *s = NULL;
    estoc_blobs certs = {NULL, 0};
    estoc_why why = {""};
    if (argc != 5) {
        fprintf(stderr, "usage: bench-fill URL CERTIFICATE FROM TO\n");
        return 1;
    }
    long long from = strtoll(argv[3], NULL, 10);
    long long to = strtoll(argv[4], NULL, 10);
    if (estoc_certs_load(argv[2], &certs, &why) || estoc_store_open(argv[1], &s, &why)) {
        fprintf(stderr, "bench-fill: %s\n", why.text);
        return 1;
    }
    for (long long n = from; n < to; n++) {
        if ((n - from) % AT_ONCE == 0) {
            must(n == from ? ESTOC_OK : estoc_store_commit(s), "commit");
            must(estoc_store_begin(s), "begin");
        }
        put(s, n, estoc_blob_slice(certs.at[0]));
    }
    must(estoc_store_commit(s), "commit");
    estoc_store_close(s);
    estoc_blobs_free(&certs);
    return 0;
}

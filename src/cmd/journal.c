/* SPDX-License-Identifier: MIT */
#include <estoc/cert.h>

#include "crypto.h"
#include "journal.h"
#include "text.h"

enum { DIGEST = 32, SERIAL_ROOM = 20 };

estoc_err estoc_journal_open(const char *file, FILE **out)
{
    *out = fopen(file, "ae");
    return *out != NULL ? ESTOC_OK : ESTOC_E_SYSTEM;
}

estoc_err estoc_journal_note(FILE *journal, estoc_slice request, estoc_slice cert)
{
    uint8_t digest[2][DIGEST];
    char hex[2][2 * DIGEST + 1];
    char serial[2 * SERIAL_ROOM + 1];
    estoc_cert c;
    estoc_err err = estoc_cert_parse(&c, cert);
    err = err ? err : estoc_sha256(request, digest[0]);
    err = err ? err : estoc_sha256(cert, digest[1]);
    if (err) {
        return err;
    }
    int n = fprintf(journal, "%s %s %s\n",
                    estoc_hex(estoc_slice_of(digest[0], DIGEST), hex[0], sizeof hex[0]),
                    estoc_hex(c.serial, serial, sizeof serial),
                    estoc_hex(estoc_slice_of(digest[1], DIGEST), hex[1], sizeof hex[1]));
    return n > 0 && fflush(journal) == 0 ? ESTOC_OK : ESTOC_E_SYSTEM;
}

/* SPDX-License-Identifier: MIT
 *
 * Input: base64 with blanks. What is taken, encoded again, is the input without its blanks.
 */
#include <string.h>

#include <estoc/mime.h>

#include "check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t room = size / 4 * 3;
    size_t len;
    uint8_t *out = malloc(room > 0 ? room : 1);
    uint8_t *again = malloc(size > 0 ? size : 1);
    CHECK(out != NULL && again != NULL);
    estoc_err err = estoc_base64_read(estoc_slice_of(data, size), (estoc_buf){out, room}, &len);
    CHECK(err == ESTOC_OK || err == ESTOC_E_TRUNCATED || err == ESTOC_E_MALFORMED);
    CHECK(len <= room && (err == ESTOC_OK || len == 0));
    if (err == ESTOC_OK) {
        size_t at = 0;
        estoc_writer w = estoc_writer_of((estoc_buf){again, size});
        estoc_base64_put(&w, estoc_slice_of(out, len));
        CHECK(w.err == ESTOC_OK);
        for (size_t i = 0; i < size; i++) {
            if (memchr(" \t\r\n", data[i], 4) == NULL) {
                CHECK(at < w.len && again[at++] == data[i]);
            }
        }
        CHECK(at == w.len);
    }
    free(out);
    free(again);
    return 0;
}

/* SPDX-License-Identifier: MIT
 *
 * Input: a CoAP message or a DTLS datagram, shown as a line of text.
 */
#include <string.h>

#include "check.h"
#include "trace.h"

static void check_line(const char *line, size_t cap)
{
    size_t len = strnlen(line, cap);
    CHECK(len < cap);
    for (size_t i = 0; i < len; i++) { /* it goes to a terminal */
        CHECK(line[i] >= ' ' && line[i] < 0x7f);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    estoc_slice input = estoc_slice_of(data, size);
    static const size_t caps[] = {1, 2, 40, 512};
    for (size_t i = 0; i < sizeof caps / sizeof caps[0]; i++) {
        char *line = malloc(caps[i]);
        CHECK(line != NULL);
        CHECK(estoc_trace_text(input, line, caps[i]) == line);
        check_line(line, caps[i]);
        (void)estoc_trace_dtls(input, line, caps[i]);
        check_line(line, caps[i]);
        free(line);
    }
    return 0;
}

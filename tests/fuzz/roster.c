/* SPDX-License-Identifier: MIT
 *
 * Input: a list of clients, its first byte whether it denies.
 */
#include <string.h>

#include "check.h"
#include "roster.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t name[] = {0x30, 0x0e, 0x31, 0x0c, 0x30, 0x0a, 0x06, 0x03,
                                   0x55, 0x04, 0x03, 0x0c, 0x03, 'd',  'e',  'v'};
    static const uint8_t serial[] = {0x12, 0x34};
    const estoc_cert cert = {.subject = {name, sizeof name}, .serial = {serial, sizeof serial}};
    estoc_roster *r;
    estoc_roster_fault fault;
    bool pem;
    if (size == 0) {
        return 0;
    }
    estoc_err err =
        estoc_roster_parse(estoc_slice_of(data + 1, size - 1), data[0] % 2 == 1, &r, &pem, &fault);
    CHECK(err == ESTOC_OK || (err == ESTOC_E_MALFORMED && r == NULL));
    CHECK((fault.text[0] == '\0') == (err == ESTOC_OK));
    CHECK(fault.line < size + 1);
    (void)estoc_roster_has(r, &cert);
    estoc_roster_free(r);
    return 0;
}

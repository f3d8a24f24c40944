/* SPDX-License-Identifier: MIT
 *
 * Seeds of the targets csr and der.
 */
#include <stdio.h>
#include <string.h>

#include "asn1/malformed.h"
#include "est/forged.h"

#include "seeds.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void put_values(const char *target, const char *prefix, const struct malformed_value *rows,
                       size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char name[100];
        snprintf(name, sizeof name, "%s%s", prefix, rows[i].name);
        put(target, "bad", name, rows[i].bytes);
    }
}

static void put_forged(const char *kind, const struct forged *rows, size_t n)
{
    static uint8_t room[4096];
    for (size_t i = 0; i < n; i++) {
        size_t len = forge(&rows[i], room, sizeof room);
        put("csr", kind, rows[i].name, estoc_slice_of(room, len));
    }
}

static void put_names(void)
{
    put_values("der", "name ", malformed_names, COUNT(malformed_names));
    for (size_t i = 0; i < COUNT(wellformed_names); i++) {
        char name[100];
        snprintf(name, sizeof name, "name %s", wellformed_names[i].name);
        put("der", "good", name, wellformed_names[i].bytes);
        snprintf(name, sizeof name, "text %s", wellformed_names[i].name);
        put("der", "good", name, estoc_slice_str(wellformed_names[i].text));
    }
    put("der", "good", "text with slashes", estoc_slice_str("/C=DE/O=a\\/b/CN=\\c3\\A9"));
}

void put_requests(void)
{
    put_values("der", "", malformed_elements, COUNT(malformed_elements));
    put_values("der", "", malformed_values, COUNT(malformed_values));
    for (size_t i = 0; i < COUNT(wellformed_elements); i++) {
        put("der", "good", wellformed_elements[i].name, wellformed_elements[i].bytes);
    }
    put_names();
    put_values("der", "key ", malformed_keys, COUNT(malformed_keys));
    put_values("der", "algorithm ", malformed_algorithms, COUNT(malformed_algorithms));
    put_values("csr", "", malformed_requests, COUNT(malformed_requests));
    put_forged("bad", forged_bad, COUNT(forged_bad));
    put_forged("good", forged_good, COUNT(forged_good));
    for (size_t i = 0; i < COUNT(wellformed_requests); i++) {
        estoc_csr csr;
        put("csr", "good", wellformed_requests[i].name, wellformed_requests[i].bytes);
        if (estoc_csr_parse(&csr, wellformed_requests[i].bytes) == ESTOC_OK) {
            put("der", "good-key", wellformed_requests[i].name, csr.spki.der);
            put("der", "good-info", wellformed_requests[i].name, csr.info);
        }
    }
}

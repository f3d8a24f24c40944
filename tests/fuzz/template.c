/* SPDX-License-Identifier: MIT
 *
 * Input: CSR attributes that may hold a template, or a template alone. What is taken is inside the
 * input, and each walk over it ends without an error.
 */
#include <string.h>

#include <estoc/csrattrs.h>

#include "check.h"
#include "template.h"

static void check_template(estoc_slice der, estoc_slice input)
{
    static const estoc_template nothing;
    estoc_template t;
    estoc_slice type, value;
    estoc_ext ext;
    estoc_csrattr attr;
    estoc_err err = estoc_template_parse(&t, der);
    if (err) {
        CHECK(memcmp(&t, &nothing, sizeof t) == 0);
        return;
    }
    CHECK(check_inside(t.subject, input) && check_inside(t.algorithm, input) &&
          check_inside(t.key, input) && check_inside(t.extensions, input) &&
          check_inside(t.attributes, input));
    (void)estoc_template_rsa_bits(t.key);
    estoc_reader r = estoc_reader_of(t.subject);
    while (estoc_template_rdn_next(&r, &type, &value)) {
        CHECK(type.len > 0 && check_inside(type, input) && check_inside(value, input));
    }
    CHECK(!r.err && type.len == 0 && value.len == 0);
    r = estoc_reader_of(t.extensions);
    while (estoc_template_ext_next(&r, &ext)) {
        CHECK(ext.oid.len > 0 && check_inside(ext.oid, input) && check_inside(ext.value, input));
    }
    CHECK(!r.err && ext.oid.len == 0);
    r = estoc_reader_of(t.attributes);
    while (estoc_csrattrs_next(&r, &attr)) {
        CHECK(attr.is_attribute);
    }
    CHECK(!r.err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    estoc_slice input = estoc_slice_of(data, size);
    estoc_slice found;
    estoc_err err = estoc_template_find(input, &found);
    CHECK(!err || found.len == 0);
    check_template(found, input);
    check_template(input, input);
    return 0;
}

/* SPDX-License-Identifier: MIT
 *
 * Input: a list of links, as a server sends it.
 */
#include <estoc/coap.h>

#include "check.h"
#include "roots.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const labels[] = {NULL, "L1"};
    estoc_uri server, root;
    estoc_why why;
    CHECK(estoc_uri_parse("coaps://h", &server, &why) == ESTOC_OK);
    for (size_t i = 0; i < 2; i++) {
        if (!estoc_root_find(estoc_slice_of(data, size), ESTOC_OP_SEN, labels[i], &server, "::1",
                             &root)) {
            continue;
        }
        CHECK(root.segment_n >= 1 + i && root.segment_n < ESTOC_URI_ROOT_MAX);
        for (size_t k = 0; k < root.segment_n; k++) {
            CHECK(root.segment[k].len > 0);
            CHECK(check_inside(root.segment[k], estoc_slice_of(root.root, sizeof root.root)));
        }
        CHECK(i == 0 ||
              estoc_slice_eq(root.segment[root.segment_n - 1], estoc_slice_str(labels[1])));
    }
    return 0;
}

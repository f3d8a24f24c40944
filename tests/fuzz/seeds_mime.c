/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "est/mime_rows.h"
#include "seeds.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void put_typed(const char *kind, const char *row, const char *type, const char *body)
{
    uint8_t room[2048];
    estoc_writer w = estoc_writer_of((estoc_buf){room, sizeof room});
    estoc_write_bytes(&w, estoc_slice_str(type));
    estoc_write_u8(&w, 0);
    estoc_write_bytes(&w, estoc_slice_str(body));
    put("mime", kind, row, estoc_writer_slice(&w));
}

void put_mime(void)
{
    for (size_t i = 0; i < COUNT(base64_rows); i++) {
        put("base64", base64_rows[i].err ? "bad" : "good", base64_rows[i].name,
            estoc_slice_str(base64_rows[i].text));
    }
    for (size_t i = 0; i < COUNT(mime_rows); i++) {
        put_typed(mime_rows[i].err ? "bad" : "good", mime_rows[i].name, mime_rows[i].type,
                  mime_rows[i].body);
    }
    for (size_t i = 0; i < COUNT(param_rows); i++) {
        put_typed("parameter", param_rows[i].name, param_rows[i].value, "");
    }
}

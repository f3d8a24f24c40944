/* SPDX-License-Identifier: MIT
 *
 * CoAP as bytes, for the conformance tests: a builder that also writes what is wrong, and a strict
 * parser. It shares nothing with estoc's core, so that a fault cannot hide on both sides.
 */
#ifndef ESTOC_TEST_WIRE_H
#define ESTOC_TEST_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CON = 0, NON = 1, ACK = 2, RST = 3 };
enum { GET = 1, POST = 2, PUT = 3, DELETE = 4 };

/** "4.04" as the byte on the wire. */
#define CODE(class_, detail) ((uint8_t)(((class_) << 5) + (detail)))

enum {
    OPT_URI_HOST = 3,
    OPT_ETAG = 4,
    OPT_URI_PORT = 7,
    OPT_OSCORE = 9,
    OPT_URI_PATH = 11,
    OPT_FORMAT = 12,
    OPT_MAX_AGE = 14,
    OPT_URI_QUERY = 15,
    OPT_HOP_LIMIT = 16,
    OPT_ACCEPT = 17,
    OPT_BLOCK2 = 23,
    OPT_BLOCK1 = 27,
    OPT_SIZE2 = 28,
    OPT_SIZE1 = 60,
    OPT_ECHO = 252,
    OPT_NO_RESPONSE = 258,
    OPT_REQUEST_TAG = 292
};

/** A message in the making; fields in the order of the wire. */
typedef struct wire_out {
    uint8_t bytes[20000];
    size_t len;
    unsigned last;
} wire_out;

void wire_begin(wire_out *o, unsigned type, unsigned code, unsigned mid, const void *token,
                size_t token_len);
/** Options of ascending numbers. */
void wire_opt(wire_out *o, unsigned number, const void *value, size_t len);
void wire_text(wire_out *o, unsigned number, const char *text);
void wire_uint(wire_out *o, unsigned number, uint32_t value);
/** Uri-Path options for "/a/b"; Uri-Query too if there is a '?'. */
void wire_path(wire_out *o, const char *path);
void wire_block(wire_out *o, unsigned number, unsigned num, bool more, unsigned szx);
void wire_payload(wire_out *o, const void *payload, size_t len);
/** Bytes as they are. */
void wire_raw(wire_out *o, const void *bytes, size_t len);

typedef struct wire_field {
    unsigned number;
    const uint8_t *value;
    size_t len;
} wire_field;

/** A message that came; points into the bytes it was parsed from. */
typedef struct wire_msg {
    unsigned type, code, mid;
    uint8_t token[8];
    size_t token_len;
    wire_field opts[48];
    size_t opts_n;
    const uint8_t *payload;
    size_t payload_len;
} wire_msg;

/** @return whether it is well-formed, to the letter of RFC 7252 section 3 */
bool wire_parse(wire_msg *m, const uint8_t *bytes, size_t len);
const wire_field *wire_find(const wire_msg *m, unsigned number);
/** The value of an unsigned option, or `otherwise` if it is absent. */
uint32_t wire_uint_of(const wire_msg *m, unsigned number, uint32_t otherwise);

typedef struct wire_blk {
    bool present, more;
    unsigned num, szx;
} wire_blk;
wire_blk wire_block_of(const wire_msg *m, unsigned number);

#endif

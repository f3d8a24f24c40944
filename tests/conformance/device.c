/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "device.h"

const fixture *server;
peer *dev;

int connect_dev(void **state)
{
    server = *state;
    dev = connect_as(server, "dev");
    return 0;
}

int drop_dev(void **state)
{
    (void)state;
    peer_free(dev);
    dev = NULL;
    return 0;
}

void get_crts(wire_out *o)
{
    ask(dev, o, GET);
    wire_path(o, EST "/crts");
}

void post_sen(wire_out *o, const body *csr)
{
    ask(dev, o, POST);
    wire_path(o, EST "/sen");
    wire_uint(o, OPT_FORMAT, 286);
    wire_payload(o, csr->bytes, csr->len);
}

void fresh_csr(body *csr)
{
    EVP_PKEY *key = key_new("P-256");
    csr_new(key, "CN=dev", NULL, csr);
    EVP_PKEY_free(key);
}

uint8_t put_block(const piece *b, reply *r)
{
    wire_out o;
    peer *p = b->p != NULL ? b->p : dev;
    ask(p, &o, POST);
    wire_path(&o, b->path != NULL ? b->path : EST "/sen");
    wire_uint(&o, OPT_FORMAT, 286);
    if (b->accept != 0) {
        wire_uint(&o, OPT_ACCEPT, (uint32_t)b->accept);
    }
    wire_block(&o, OPT_BLOCK1, b->num, b->more, b->szx);
    if (b->tag != NULL) {
        wire_text(&o, OPT_REQUEST_TAG, b->tag);
    }
    wire_payload(&o, b->at, b->len);
    answer_to(p, &o, r);
    if (r->m.code >= CODE(4, 0)) {
        check_diagnostic(&r->m);
    }
    return (uint8_t)r->m.code;
}

uint8_t put64(const body *csr, unsigned num, reply *r)
{
    size_t at = (size_t)num * 64;
    bool more = csr->len - at > 64;
    return put_block(&(piece){.at = csr->bytes + at,
                              .len = more ? 64 : csr->len - at,
                              .num = num,
                              .szx = 2,
                              .more = more},
                     r);
}

uint8_t get_block(const char *path, unsigned num, unsigned szx, reply *r)
{
    wire_out o;
    ask(dev, &o, GET);
    wire_path(&o, path);
    wire_block(&o, OPT_BLOCK2, num, false, szx);
    answer_to(dev, &o, r);
    return (uint8_t)r->m.code;
}

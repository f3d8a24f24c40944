/* SPDX-License-Identifier: MIT */
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

/* SPDX-License-Identifier: MIT
 *
 * estocd ca: the verbs.
 */
#include "args.h"
#include "ceremony.h"

int estocd_ca(int argc, char **argv)
{
    /* clang-format off */
    static const estoc_command commands[] = {
        {"show",     "the CA of a configuration, and what is under way with it", estocd_ca_show},
        {"root",     "offline: make a root", estocd_ca_root},
        {"csr",      "ask a root for the certificate of this CA", estocd_ca_csr},
        {"sign",     "offline: sign the certificate of an issuing CA", estocd_ca_sign},
        {"import",   "take the signed certificate, and its key, into use", estocd_ca_import},
        {"rollover", "change the root whose key is here", estocd_ca_rollover},
        {"cross",    "offline: certify two roots by each other", estocd_ca_cross},
        {NULL, NULL, NULL}};
    /* clang-format on */
    return estoc_args_main("estocd ca", "the keys and certificates of the CA", commands, argc,
                           argv);
}

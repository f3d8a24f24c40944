/* SPDX-License-Identifier: MIT
 *
 * estoc: the command-line client. Its subcommands and what they say about themselves.
 */
#include <signal.h>

#include "estoc.h"
#include "options.h"

#define WHERE                                                                                    \
    "URI is coaps://HOST[:PORT][/ROOT]; the port is 5684 and the root /.well-known/est unless\n" \
    "given. The server is known by --ta, and knows you by --cert and --key: `estocd device`\n"   \
    "makes the three."

static int run(const estoc_manual *m, int (*command)(estoc_options *), int argc, char **argv)
{
    estoc_options opt;
    int code = estoc_options_parse(m, argc, argv, &opt);
    return code == ESTOC_ARGS_RUN ? command(&opt) : code;
}

static int discover(int argc, char **argv)
{
    static const estoc_manual m = {
        "discover", "what the server offers",
        "Asks /.well-known/core for EST resources: path, type, content formats.\n" WHERE
        "\n\ncoap://HOST[:PORT] asks without DTLS and without a credential, where the server\n"
        "allows it; so does the address of a group, and all who answer are listed.",
        "  estoc discover coaps://est.example --cert dev.crt --key dev.key --ta dev.ta\n"
        "  estoc discover 'coap://[ff02::fd%25eth0]'",
        0};
    return run(&m, estoc_cmd_discover, argc, argv);
}

static int crts(int argc, char **argv)
{
    static const estoc_manual m = {
        "crts", "fetch the trust anchors",
        "Prints the CA's certificates as PEM, after checking that each leads to a root among\n"
        "them, and that the server does.\n" WHERE,
        "  estoc crts coaps://est.example --cert dev.crt --key dev.key --ta dev.ta --out ca.pem",
        ESTOC_TAKES_OUT_FILE | ESTOC_TAKES_CACHE};
    return run(&m, estoc_cmd_crts, argc, argv);
}

static int att(int argc, char **argv)
{
    static const estoc_manual m = {
        "att", "show what the server asks for in a request",
        "Prints the CSR attributes, one to a line; nothing if the server has none (4.04).\n" WHERE,
        "  estoc att coaps://est.example --cert dev.crt --key dev.key --ta dev.ta",
        ESTOC_TAKES_CACHE};
    return run(&m, estoc_cmd_att, argc, argv);
}

static int sen(int argc, char **argv)
{
    static const estoc_manual m = {
        "sen", "enroll with a request of your own",
        "Sends the PKCS#10 request in --csr, and prints the certificate and the intermediates "
        "that\n"
        "came with it as PEM. `estoc enroll` does the whole of it.\n" WHERE,
        "  estoc sen coaps://est.example --csr dev.csr --cert dev.crt --key dev.key --ta dev.ta",
        ESTOC_TAKES_CSR | ESTOC_TAKES_OUT_FILE};
    return run(&m, estoc_cmd_sen, argc, argv);
}

static int sren(int argc, char **argv)
{
    static const estoc_manual m = {
        "sren", "re-enroll with a request of your own",
        "Like sen, with a certificate of this server's CA: the request must have its subject and\n"
        "names. `estoc renew` does the whole of it.\n" WHERE,
        "  estoc sren coaps://est.example --csr dev.csr --cert dev.crt --key dev.key --ta dev.ta",
        ESTOC_TAKES_CSR | ESTOC_TAKES_OUT_FILE};
    return run(&m, estoc_cmd_sren, argc, argv);
}

static int enroll(int argc, char **argv)
{
    static const estoc_manual m = {
        "enroll", "get a certificate for a new key",
        "Fetches the trust anchors and checks the server against them, asks what the request "
        "should\n"
        "have, makes a key, sends the request, verifies the certificate, and stores PREFIX.crt,\n"
        "PREFIX.key and PREFIX.ta. Interrupted or told \"later\" (exit 75), run it again: it "
        "sends\n"
        "the same request. Once PREFIX.ta is there it is used instead of --ta.\n" WHERE,
        "  estoc enroll coaps://est.example --cert dev.crt --key dev.key --ta dev.ta --out op",
        ESTOC_TAKES_PREFIX | ESTOC_TAKES_NAMES | ESTOC_TAKES_NEW_KEY};
    return run(&m, estoc_cmd_enroll, argc, argv);
}

static int renew(int argc, char **argv)
{
    /* clang-format off */
    static const estoc_manual m = {
        "renew", "replace a certificate before it ends",
        "Renews the pair in PREFIX, which also is what the server knows you by: the same subject\n"
        "and names, a new key unless --same-key. --subject and --san ask for others\n"
        "(ChangeSubjectName), which the server may refuse. The old pair stays until the new one\n"
        "is complete. With --if-due, run it as often as you like: it exits with 0 if it is not\n"
        "time yet, and with 75 until the next try after a failure.\n" WHERE,
        "  estoc renew coaps://est.example --out op --if-due",
        ESTOC_TAKES_PREFIX | ESTOC_TAKES_NAMES | ESTOC_TAKES_SAME_KEY | ESTOC_TAKES_NEW_KEY |
            ESTOC_TAKES_DUE};
    /* clang-format on */
    return run(&m, estoc_cmd_renew, argc, argv);
}

static int keygen(int argc, char **argv)
{
    static const estoc_manual m = {
        "keygen", "get a key that the server makes, and its certificate",
        "Like enroll, but the server makes the key: for devices that cannot. It must be switched "
        "on\n"
        "there (keygen = yes). Stores PREFIX.crt, PREFIX.key and PREFIX.ta once key and "
        "certificate\n"
        "match and lead to the trust anchors. Without --decrypt-key the key is protected by DTLS\n"
        "alone. FILE of --decrypt-key is an AES key that the server has too, in one line\n"
        "\"IDENTIFIER KEY\" in hexadecimal, mode 0600; or a private key in PEM, whose certificate\n"
        "stands in the same file or is that of --cert, and was issued for encryption as "
        "well.\n" WHERE,
        "  estoc keygen coaps://est.example --cert dev.crt --key dev.key --ta dev.ta --out op \\\n"
        "      --decrypt-key dev.key",
        ESTOC_TAKES_PREFIX | ESTOC_TAKES_NAMES | ESTOC_TAKES_KEYGEN};
    return run(&m, estoc_cmd_keygen, argc, argv);
}

static int bench(int argc, char **argv)
{
    static const estoc_manual m = {
        "bench", "measure load and latency",
        "Makes N enrollments, each a full handshake and /sen with a fresh P-256 key, M at a time,\n"
        "each on its own socket. Prints latency percentiles (from the first ClientHello to the\n"
        "certificate), rate, datagrams and bytes of IP for each, and failures by reason.\n"
        "With --retry, a request that gets no answer, or 5.xx, is sent again as it is over\n"
        "another association, as devices do: the load goes on while the server restarts.\n"
        "--journal notes each certificate as it comes: SHA-256 of the request, serial number,\n"
        "SHA-256 of the certificate; what is there must be in the server's store.\n" WHERE,
        "  estoc bench coaps://127.0.0.1 --count 1000 --concurrency 16 \\\n"
        "      --cert dev.crt --key dev.key --ta dev.ta",
        ESTOC_TAKES_LOAD | ESTOC_TAKES_SAME_KEY};
    return run(&m, estoc_cmd_bench, argc, argv);
}

int main(int argc, char **argv)
{
    static const estoc_command commands[] = {
        {"discover", "what the server offers", discover},
        {"crts", "fetch the trust anchors", crts},
        {"att", "show what the server asks for in a request", att},
        {"enroll", "get a certificate for a new key: the whole of it", enroll},
        {"renew", "replace a certificate before it ends", renew},
        {"keygen", "get a key that the server makes, and its certificate", keygen},
        {"sen", "enroll with a request of your own", sen},
        {"sren", "re-enroll with a request of your own", sren},
        {"bench", "measure load and latency", bench},
        {NULL, NULL, NULL}};
    signal(SIGPIPE, SIG_IGN); /* stdout closed early is an error to report, not to die of */
    return estoc_args_main("estoc", "certificates for devices: EST over CoAPS (RFC 9148)", commands,
                           argc, argv);
}

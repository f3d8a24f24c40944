/* SPDX-License-Identifier: MIT
 *
 * A client that makes one full DTLS handshake after another, each from an address of its own, and leaves it
 * at that: the server is not told that it has gone, and has an idle association of each.
 *
 *     bench-handshakes PORT COUNT CERT KEY
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

enum { TRIES = 5, WAIT_S = 2, HOSTS = 250 };

static SSL_CTX *context(const char *cert, const char *key)
{
    SSL_CTX *ctx = SSL_CTX_new(DTLS_client_method());
    if (ctx == NULL || SSL_CTX_set_cipher_list(ctx, "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0") != 1 ||
        SSL_CTX_set1_groups_list(ctx, "P-256") != 1 ||
        SSL_CTX_use_certificate_file(ctx, cert, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1) {
        ERR_print_errors_fp(stderr);
        return NULL;
    }
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    return ctx;
}

/* 127.10.0.1 and on: a server that counts by prefix sees many. */
static int open_socket(unsigned i, const struct sockaddr_in *to)
{
    struct sockaddr_in me = {.sin_family = AF_INET};
    me.sin_addr.s_addr = htonl(0x7f0a0000u + (i / HOSTS << 8) + i % HOSTS + 1);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd >= 0 && (bind(fd, (struct sockaddr *)&me, sizeof me) != 0 ||
                    connect(fd, (const struct sockaddr *)to, sizeof *to) != 0)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static int shake(SSL_CTX *ctx, unsigned i, const struct sockaddr_in *to)
{
    struct timeval timeout = {.tv_sec = WAIT_S};
    int fd = open_socket(i, to);
    if (fd < 0) {
        perror("bench-handshakes");
        return 0;
    }
    SSL *ssl = SSL_new(ctx);
    BIO *bio = BIO_new_dgram(fd, BIO_NOCLOSE);
    BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_CONNECTED, 0, (void *)(uintptr_t)to);
    BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_RECV_TIMEOUT, 0, &timeout);
    SSL_set_bio(ssl, bio, bio);
    int rc = SSL_connect(ssl);
    for (int t = 0; rc <= 0 && t < TRIES && SSL_get_error(ssl, rc) == SSL_ERROR_WANT_READ; t++) {
        DTLSv1_handle_timeout(ssl);
        rc = SSL_connect(ssl);
    }
    if (rc <= 0) {
        ERR_print_errors_fp(stderr);
    }
    SSL_free(ssl); /* says nothing */
    close(fd);
    return rc == 1;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: bench-handshakes PORT COUNT CERT KEY\n");
        return 1;
    }
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    unsigned long count = strtoul(argv[2], NULL, 10);
    SSL_CTX *ctx = context(argv[3], argv[4]);
    unsigned i = 0;
    while (ctx != NULL && i < count && shake(ctx, i, &to)) {
        i++;
    }
    SSL_CTX_free(ctx);
    return ctx != NULL && i == count ? 0 : 1;
}

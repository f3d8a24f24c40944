/* SPDX-License-Identifier: MIT
 *
 * What a handshake costs a server that does nothing else: OpenSSL, DTLS 1.2, cookies, mutual
 * authentication, one client after another. No session is kept, nothing is asked, nothing is stored.
 *
 *     bench-bare CERT KEY ANCHORS     prints "ready PORT", serves until it is killed
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

enum { TIMEOUT_S = 5 };

static int fill_cookie(SSL *ssl, unsigned char *cookie, unsigned *len)
{
    (void)ssl;
    memset(cookie, 'c', *len = 16);
    return 1;
}

static int check_cookie(SSL *ssl, const unsigned char *cookie, unsigned len)
{
    (void)ssl;
    return len == 16 && cookie[0] == 'c';
}

static SSL_CTX *context(char **files)
{
    SSL_CTX *ctx = SSL_CTX_new(DTLS_server_method());
    if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, DTLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(ctx, "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0") != 1 ||
        SSL_CTX_set1_groups_list(ctx, "P-256") != 1 ||
        SSL_CTX_use_certificate_file(ctx, files[0], SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, files[1], SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_load_verify_locations(ctx, files[2], NULL) != 1) {
        ERR_print_errors_fp(stderr);
        return NULL;
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_QUERY_MTU | SSL_OP_COOKIE_EXCHANGE);
    SSL_CTX_set_cookie_generate_cb(ctx, fill_cookie);
    SSL_CTX_set_cookie_verify_cb(ctx, check_cookie);
    return ctx;
}

static int listen_anywhere(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) != 0) {
        perror("bench-bare");
        return -1;
    }
    printf("ready %u\n", ntohs(at.sin_port));
    fflush(stdout);
    return fd;
}

/* One handshake, with whoever comes. */
static void serve(SSL_CTX *ctx, int fd, BIO_ADDR *peer)
{
    const struct timeval timeout = {.tv_sec = TIMEOUT_S};
    SSL *ssl = SSL_new(ctx);
    BIO *bio = BIO_new_dgram(fd, BIO_NOCLOSE);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_mtu(ssl, 1232);
    BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_RECV_TIMEOUT, 0, (void *)(uintptr_t)&timeout);
    while (DTLSv1_listen(ssl, peer) <= 0) {
        ERR_clear_error();
    }
    BIO_dgram_set_peer(bio, peer); /* nobody else comes meanwhile */
    if (SSL_accept(ssl) != 1) {
        ERR_print_errors_fp(stderr);
    }
    SSL_free(ssl);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: bench-bare CERT KEY ANCHORS\n");
        return 1;
    }
    SSL_CTX *ctx = context(argv + 1);
    int fd = ctx != NULL ? listen_anywhere() : -1;
    BIO_ADDR *peer = BIO_ADDR_new();
    while (fd >= 0 && peer != NULL) {
        serve(ctx, fd, peer);
    }
    return 1;
}

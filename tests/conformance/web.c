/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>

#include "web.h"

enum { WAIT_S = 20 };

static int connect_to(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval wait = {.tv_sec = WAIT_S};
    to.sin_port = htons(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void set_credential(SSL_CTX *ctx, const web_cfg *cfg)
{
    if (cfg->cert != NULL) {
        assert_int_equal(SSL_CTX_use_certificate_chain_file(ctx, cfg->cert), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey_file(ctx, cfg->key, SSL_FILETYPE_PEM), 1);
    }
    if (cfg->own != NULL) {
        assert_int_equal(SSL_CTX_use_certificate(ctx, cfg->own), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(ctx, cfg->own_key), 1);
    }
    if (cfg->between != NULL) {
        assert_int_equal(SSL_CTX_add1_chain_cert(ctx, cfg->between), 1);
    }
}

web *web_try(const web_cfg *cfg)
{
    web *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->ctx = SSL_CTX_new(TLS_client_method());
    assert_int_equal(SSL_CTX_load_verify_file(w->ctx, cfg->ta), 1);
    SSL_CTX_set_verify(w->ctx, SSL_VERIFY_PEER, NULL);
    set_credential(w->ctx, cfg);
    if (cfg->version != 0) {
        SSL_CTX_set_min_proto_version(w->ctx, cfg->version);
        SSL_CTX_set_max_proto_version(w->ctx, cfg->version);
        SSL_CTX_set_security_level(w->ctx, 0);
    }
    if (cfg->ciphers != NULL) {
        assert_int_equal(SSL_CTX_set_cipher_list(w->ctx, cfg->ciphers), 1);
    }
    w->fd = connect_to(cfg->port);
    w->ssl = SSL_new(w->ctx);
    SSL_set_fd(w->ssl, w->fd);
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(w->ssl), "127.0.0.1");
    if (SSL_connect(w->ssl) != 1) {
        ERR_clear_error();
        web_free(w);
        return NULL;
    }
    return w;
}

web *web_open(const web_cfg *cfg)
{
    web *w = web_try(cfg);
    assert_non_null(w);
    return w;
}

void web_free(web *w)
{
    SSL_free(w->ssl);
    SSL_CTX_free(w->ctx);
    close(w->fd);
    free(w);
}

void web_send(web *w, const void *bytes, size_t len)
{
    (void)SSL_write(w->ssl, bytes, (int)len); /* it may be closed already */
    ERR_clear_error();
}

static bool receive(web *w, char *to, size_t len)
{
    size_t at = 0;
    while (at < len) {
        int n = SSL_read(w->ssl, to + at, (int)(len - at));
        if (n <= 0) {
            ERR_clear_error();
            return false;
        }
        at += (size_t)n;
    }
    return true;
}

const char *web_header(const web_answer *a, const char *name)
{
    static char values[8][256];
    static unsigned next;
    size_t len = strlen(name);
    for (const char *line = strstr(a->head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
            char *value = values[next++ % 8];
            const char *from = line + len + 1 + strspn(line + len + 1, " ");
            snprintf(value, sizeof values[0], "%.*s", (int)strcspn(from, "\r\n"), from);
            return value;
        }
    }
    return NULL;
}

bool web_hear(web *w, web_answer *a)
{
    size_t n = 0;
    memset(a, 0, sizeof *a);
    while (strstr(a->head, "\r\n\r\n") == NULL) {
        assert_true(n + 1 < sizeof a->head);
        if (!receive(w, a->head + n++, 1)) {
            return false;
        }
    }
    assert_int_equal(sscanf(a->head, "HTTP/1.1 %u", &a->status), 1);
    const char *len = web_header(a, "Content-Length");
    a->len = len != NULL ? (size_t)atol(len) : 0;
    assert_true(a->len < sizeof a->text);
    return receive(w, a->text, a->len);
}

unsigned web_ask(web *w, const char *path, const char *text, web_answer *a)
{
    static char request[65536];
    int n = snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: localhost\r\n",
                     text != NULL ? "POST" : "GET", path);
    if (text != NULL) {
        n += snprintf(request + n, sizeof request - (size_t)n,
                      "Content-Type: application/pkcs10\r\nContent-Length: %zu\r\n", strlen(text));
    }
    n += snprintf(request + n, sizeof request - (size_t)n, "\r\n%s", text != NULL ? text : "");
    web_send(w, request, (size_t)n);
    return web_hear(w, a) ? a->status : 0;
}

unsigned web_post(web *w, const char *path, const body *csr, web_answer *a)
{
    static char text[sizeof csr->bytes * 2];
    EVP_EncodeBlock((uint8_t *)text, csr->bytes, (int)csr->len);
    return web_ask(w, path, text, a);
}

void web_der(const char *text, size_t len, body *out)
{
    EVP_ENCODE_CTX *ctx = EVP_ENCODE_CTX_new();
    int n = 0, last = 0;
    assert_true(len < sizeof out->bytes);
    EVP_DecodeInit(ctx);
    assert_true(EVP_DecodeUpdate(ctx, out->bytes, &n, (const uint8_t *)text, (int)len) >= 0);
    assert_int_equal(EVP_DecodeFinal(ctx, out->bytes + n, &last), 1);
    out->len = (size_t)(n + last);
    EVP_ENCODE_CTX_free(ctx);
}

/* ---- the server of a fixture ---- */

web_answer got;
uint16_t web_port;

void web_serve(fixture *f)
{
    fixture_conf(f, "server", "listen-https", "127.0.0.1:0");
    fixture_start(f);
    web_port = fixture_https_port(f);
}

web_cfg web_as(const fixture *f, const char *name)
{
    static char files[2][PATH_LEN];
    web_cfg cfg = {.port = web_port, .ta = path_in(f, "srv/ca.crt")};
    if (name != NULL) {
        snprintf(files[0], PATH_LEN, "%s", path_in(f, "%s.crt", name));
        snprintf(files[1], PATH_LEN, "%s", path_in(f, "%s.key", name));
        cfg.cert = files[0];
        cfg.key = files[1];
    }
    return cfg;
}

web *web_open_as(const fixture *f, const char *name)
{
    const web_cfg cfg = web_as(f, name);
    return web_open(&cfg);
}

web *web_open_with(const fixture *f, X509 *cert, EVP_PKEY *key)
{
    web_cfg cfg = web_as(f, NULL);
    cfg.own = cert;
    cfg.own_key = key;
    return web_open(&cfg);
}

EVP_PKEY *web_csr(const char *subject, body *csr)
{
    EVP_PKEY *key = key_new("P-256");
    csr_new(key, subject, NULL, csr);
    return key;
}

unsigned web_enroll(web *w, const char *path, const char *subject)
{
    body csr;
    EVP_PKEY_free(web_csr(subject, &csr));
    return web_post(w, path, &csr, &got);
}

X509 *web_cert(const fixture *f, EVP_PKEY *key)
{
    body der;
    assert_string_equal(web_header(&got, "Content-Type"),
                        "application/pkcs7-mime; smime-type=certs-only");
    web_der(got.text, got.len, &der);
    X509 *cert = cert_for(&der, 281, key);
    assert_true(chains_to(cert, path_in(f, "srv/ca.crt")));
    return cert;
}

void web_write_pair(const fixture *f, const char *name, X509 *cert, EVP_PKEY *key)
{
    cert_write(cert, path_in(f, "%s.crt", name), "w");
    key_write(key, path_in(f, "%s.key", name));
}

void web_enroll_as(const fixture *f, const char *name)
{
    body csr;
    EVP_PKEY *key = web_csr("CN=dev", &csr);
    web *w = web_open_as(f, "dev");
    assert_int_equal(web_post(w, "/.well-known/est/simpleenroll", &csr, &got), 200);
    X509 *cert = web_cert(f, key);
    web_write_pair(f, name, cert, key);
    web_free(w);
    X509_free(cert);
    EVP_PKEY_free(key);
}

void web_refused(unsigned status)
{
    assert_int_equal(got.status, status);
    assert_string_equal(web_header(&got, "Content-Type"), "text/plain; charset=utf-8");
    assert_string_equal(web_header(&got, "Cache-Control"), "no-store");
    assert_true(got.len > 1 && got.len <= 66);
    assert_ptr_equal(strchr(got.text, '\n'), got.text + got.len - 1);
}

/* SPDX-License-Identifier: MIT */
#include "hostile.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>

#define SCRIPTS_MAX 16

typedef struct hostile_state {
    hostile_cfg cfg;
    unsigned used[SCRIPTS_MAX];
    const char *log;
    body request; /* Block1 in assembly */
    body made;    /* what was issued */
    bool renegotiate;
} hostile_state;

static int udp_bound(uint16_t *port)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

static const wire_field *last_segment(const wire_msg *m)
{
    const wire_field *last = NULL;
    for (size_t i = 0; i < m->opts_n; i++) {
        last = m->opts[i].number == OPT_URI_PATH ? &m->opts[i] : last;
    }
    return last;
}

static const script *find_script(hostile_state *s, const wire_field *name, bool first_block)
{
    const script *last = NULL;
    for (size_t i = 0; i < s->cfg.scripts_n; i++) {
        const script *c = &s->cfg.scripts[i];
        if (strlen(c->name) != name->len || memcmp(c->name, name->value, name->len) != 0) {
            continue;
        }
        last = c;
        if (c->times == 0 || s->used[i] < c->times) {
            s->used[i] += first_block;
            return c;
        }
    }
    return last;
}

static void issue(hostile_state *s)
{
    const unsigned char *at = s->request.bytes;
    X509_REQ *req = d2i_X509_REQ(NULL, &at, (long)s->request.len);
    s->made.len = 0;
    if (req == NULL) {
        return;
    }
    EVP_PKEY *key = X509_REQ_get_pubkey(req);
    X509 *cert = cert_new(
        key, &(cert_cfg){.cn = "dev", .issuer = s->cfg.issuer, .issuer_key = s->cfg.issuer_key});
    unsigned char *to = s->made.bytes;
    s->made.len = (size_t)i2d_X509(cert, &to);
    X509_free(cert);
    EVP_PKEY_free(key);
    X509_REQ_free(req);
}

static void add_payload(hostile_state *s, const script *c, const wire_msg *m, wire_out *o)
{
    wire_blk b = wire_block_of(m, OPT_BLOCK2), b1 = wire_block_of(m, OPT_BLOCK1);
    const body *all = c->payload != NULL ? c->payload : &s->made;
    unsigned szx = c->fault == SIZE_GROWS ? (b.num > 0 ? 6 : 0)
                   : c->fault != NO_FAULT ? 2
                   : b.present            ? b.szx
                                          : 6;
    size_t size = (size_t)16 << szx, from = b.num * size;
    bool more = c->fault == ENDLESS || from + size < all->len;
    if (b.present || more) {
        wire_block(o, OPT_BLOCK2, c->fault == WRONG_NUM && b.num > 0 ? 0 : b.num, more, szx);
    }
    if (b1.present) {
        wire_block(o, OPT_BLOCK1, b1.num, false, b1.szx);
    }
    from = c->fault == ENDLESS ? 0 : from;
    if (from < all->len) {
        wire_payload(o, all->bytes + from, all->len - from < size ? all->len - from : size);
    }
}

/* Whether the path is what this server has: below its root, or the list of links. */
static bool is_there(const hostile_state *s, const wire_msg *m)
{
    char path[512] = "";
    size_t n = 0, root = s->cfg.root != NULL ? strlen(s->cfg.root) : 0;
    for (size_t i = 0; i < m->opts_n; i++) {
        if (m->opts[i].number == OPT_URI_PATH && n + m->opts[i].len + 2 < sizeof path) {
            path[n++] = '/';
            memcpy(path + n, m->opts[i].value, m->opts[i].len);
            n += m->opts[i].len;
        }
    }
    return root == 0 || strcmp(path, "/.well-known/core") == 0 ||
           (strncmp(path, s->cfg.root, root) == 0 && path[root] == '/' &&
            strchr(path + root + 1, '/') == NULL);
}

/* The answer to a complete request. */
static void respond(hostile_state *s, const wire_msg *m, wire_out *o)
{
    const wire_field *name = is_there(s, m) ? last_segment(m) : NULL;
    wire_blk b = wire_block_of(m, OPT_BLOCK2);
    const script *c = name != NULL ? find_script(s, name, b.num == 0) : NULL;
    if (c == NULL) {
        wire_begin(o, ACK, CODE(4, 4), m->mid, m->token, m->token_len);
        return;
    }
    s->renegotiate = c->fault == RENEGOTIATE;
    if (c->fault == SILENT) {
        o->len = 0;
        return;
    }
    if (c->payload == NULL && b.num == 0) {
        issue(s);
    }
    uint8_t token[8];
    memcpy(token, m->token, sizeof token);
    token[0] ^= c->fault == WRONG_TOKEN;
    wire_begin(o, ACK, c->code, m->mid ^ (c->fault == WRONG_MID), token, m->token_len);
    wire_opt(o, OPT_ETAG, c->fault == ETAG_CHANGES && b.num > 0 ? "new" : "old", 3);
    if (c->format >= 0) {
        wire_uint(o, OPT_FORMAT, (uint32_t)c->format);
    }
    if (c->max_age >= 0) {
        wire_uint(o, OPT_MAX_AGE, (uint32_t)c->max_age);
    }
    if (c->code < CODE(4, 0)) {
        add_payload(s, c, m, o);
    }
}

static void note(const hostile_state *s, const void *text, size_t len)
{
    FILE *log = fopen(s->log, "a");
    if (log != NULL) {
        fprintf(log, "%.*s\n", (int)len, (const char *)text);
        fclose(log);
    }
}

static void note_request(const hostile_state *s, const wire_msg *m)
{
    const wire_field *name = last_segment(m);
    if (name != NULL && wire_block_of(m, OPT_BLOCK2).num == 0) {
        note(s, name->value, name->len);
    }
}

/* A ClientHello that comes now would begin a second handshake. */
static void see_hello(int write, int version, int type, const void *bytes, size_t len, SSL *ssl,
                      void *arg)
{
    (void)version;
    (void)ssl;
    if (write == 0 && type == SSL3_RT_HANDSHAKE && len > 0 &&
        *(const uint8_t *)bytes == SSL3_MT_CLIENT_HELLO) {
        note(arg, "renegotiated", 12);
    }
}

static void renegotiate(hostile_state *s, SSL *ssl)
{
    uint8_t byte;
    SSL_set_msg_callback(ssl, see_hello);
    SSL_set_msg_callback_arg(ssl, s);
    SSL_renegotiate(ssl);
    ERR_clear_error();
    SSL_do_handshake(ssl);         /* a quick refusal is read here already */
    for (int i = 0; i < 50; i++) { /* each read gives up after 200 ms */
        if (i > 0) {
            SSL_read(ssl, &byte, 1);
        }
        if (ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_NO_RENEGOTIATION) {
            note(s, "refused", 7);
            return;
        }
    }
}

static void serve_message(hostile_state *s, SSL *ssl, const uint8_t *bytes, size_t len)
{
    static wire_out o;
    wire_msg m;
    if (!wire_parse(&m, bytes, len) || m.type > NON || m.code == 0) {
        return;
    }
    wire_blk b1 = wire_block_of(&m, OPT_BLOCK1);
    if (b1.num == 0) {
        s->request.len = wire_block_of(&m, OPT_BLOCK2).num == 0 ? 0 : s->request.len;
        note_request(s, &m);
    }
    der_add(&s->request, m.payload, m.payload_len);
    if (b1.present && b1.more) {
        wire_begin(&o, ACK, CODE(2, 31), m.mid, m.token, m.token_len);
        wire_block(&o, OPT_BLOCK1, b1.num, true, b1.szx);
    } else {
        respond(s, &m, &o);
    }
    if (o.len > 0) {
        SSL_write(ssl, o.bytes, (int)o.len);
    }
    if (s->renegotiate) {
        s->renegotiate = false;
        renegotiate(s, ssl);
    }
}

static unsigned the_cookie_len;

static int make_cookie(SSL *ssl, unsigned char *cookie, unsigned *len)
{
    (void)ssl;
    memset(cookie, 'c', the_cookie_len);
    *len = the_cookie_len;
    return 1;
}

static int check_cookie(SSL *ssl, const unsigned char *cookie, unsigned len)
{
    (void)ssl;
    return len == the_cookie_len && cookie[0] == 'c';
}

static int accept_any(int ok, X509_STORE_CTX *ctx)
{
    (void)ok;
    (void)ctx;
    return 1;
}

static SSL_CTX *server_ctx(const hostile_cfg *c)
{
    SSL_CTX *ctx = SSL_CTX_new(DTLS_server_method());
    SSL_CTX_set_cipher_list(ctx, "ALL:@SECLEVEL=0");
    SSL_CTX_use_certificate(ctx, c->cert);
    SSL_CTX_use_PrivateKey(ctx, c->key);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, accept_any);
    if (c->cookie_len > 0) {
        the_cookie_len = c->cookie_len;
        SSL_CTX_set_options(ctx, SSL_OP_COOKIE_EXCHANGE);
        SSL_CTX_set_cookie_generate_cb(ctx, make_cookie);
        SSL_CTX_set_cookie_verify_cb(ctx, check_cookie);
    }
    return ctx;
}

/* One association after the other, until killed. */
static void serve(hostile_state *s, int fd)
{
    static uint8_t in[DATAGRAM_MAX];
    SSL_CTX *ctx = server_ctx(&s->cfg);
    struct timeval tv = {.tv_usec = 200000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    for (;;) {
        SSL *ssl = SSL_new(ctx);
        BIO *bio = BIO_new_dgram(fd, BIO_NOCLOSE);
        SSL_set_bio(ssl, bio, bio);
        SSL_set_options(ssl, SSL_OP_NO_QUERY_MTU);
        SSL_set_mtu(ssl, 1200);
        SSL_set_accept_state(ssl);
        int n;
        do {
            n = SSL_read(ssl, in, sizeof in);
            if (n > 0) {
                serve_message(s, ssl, in, (size_t)n);
            }
        } while (n > 0 || SSL_get_error(ssl, n) == SSL_ERROR_WANT_READ);
        SSL_free(ssl);
    }
}

void hostile_start(hostile *h, const fixture *f, const hostile_cfg *cfg)
{
    static unsigned number;
    static hostile_state s;
    uint16_t port;
    int fd = udp_bound(&port);
    assert_true(cfg->scripts_n <= SCRIPTS_MAX);
    snprintf(h->uri, sizeof h->uri, "coaps://127.0.0.1:%u", port);
    snprintf(h->log, sizeof h->log, "%s/hostile-%u.log", f->dir, ++number);
    memset(&s, 0, sizeof s);
    s.cfg = *cfg;
    s.log = h->log;
    h->pid = fork();
    assert_true(h->pid >= 0);
    if (h->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(&s, fd);
    }
    close(fd);
}

void hostile_stop(hostile *h)
{
    kill(h->pid, SIGKILL);
    waitpid(h->pid, NULL, 0);
    h->pid = 0;
}

unsigned hostile_asked(const hostile *h, const char *name)
{
    static char text[65536];
    unsigned n = 0;
    size_t len = strlen(name);
    read_file(h->log, text, sizeof text);
    for (char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
        n += strncmp(line, name, len) == 0 && line[len] == '\n';
    }
    return n;
}

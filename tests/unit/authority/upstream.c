/* SPDX-License-Identifier: MIT
 *
 * The client of EST servers against tests/registrar/scripted.py: who is asked, how often, and over how
 * many connections. What devices see of it is in tests/conformance.
 */
#include "parties.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "upstream.h"

enum { MANY = 60, CALLS_MAX = 80, CONNECTIONS = 4, PORTS = 8 };

/* ---- the server ---- */

static pid_t server;
static char urls[PORTS][64];
static const char *const ports[PORTS] = {"ready",      "second", "wrong-name", "expired",
                                         "unknown-ca", "tls12",  "plain",      "silent"};
enum { MAIN, SECOND, WRONG_NAME, EXPIRED, UNKNOWN_CA, TLS12, PLAIN, SILENT };
static char nobody[64]; /* where nobody listens */

static void read_ports(const char *line)
{
    for (size_t i = 0; i < PORTS; i++) {
        const char *at = strstr(line, ports[i]);
        assert_non_null(at);
        snprintf(urls[i], sizeof urls[i], "https://127.0.0.1:%lu/.well-known/est",
                 strtoul(at + strlen(ports[i]) + 1, NULL, 10));
    }
    snprintf(nobody, sizeof nobody, "https://127.0.0.1:1/.well-known/est/"); /* tcpmux */
}

static void start_server(void)
{
    const char *script = getenv("ESTOC_SCRIPTED");
    int fds[2];
    char line[512] = "";
    assert_non_null(script);
    assert_int_equal(pipe(fds), 0);
    server = fork();
    assert_true(server >= 0);
    if (server == 0) {
        dup2(fds[1], STDOUT_FILENO);
        close(fds[0]);
        execlp("python3", "python3", script, "--dir", folder, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    FILE *f = fdopen(fds[0], "r");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof line, f));
    fclose(f);
    read_ports(line);
}

/* How many lines of the journal have both texts. */
static unsigned noted(const char *a, const char *b)
{
    estoc_blob all;
    unsigned n = 0;
    assert_int_equal(estoc_file_read(in_folder("journal"), 64 << 20, &all), 0);
    const char *text = (const char *)all.ptr;
    for (size_t from = 0; from < all.len;) {
        const char *end = memchr(text + from, '\n', all.len - from);
        size_t len = end != NULL ? (size_t)(end - text) - from : all.len - from;
        n += memmem(text + from, len, a, strlen(a)) != NULL &&
             memmem(text + from, len, b, strlen(b)) != NULL;
        from += len + 1;
    }
    estoc_blob_free(&all);
    return n;
}

static unsigned posts(const char *port)
{
    char text[64];
    snprintf(text, sizeof text, "\"port\":\"%s\"", port);
    return noted("\"method\":\"POST\"", text);
}

/* ---- the client ---- */

static estoc_blobs chain, anchors;
static const estoc_blobs none;
static estoc_key *key;
static estoc_upstream services[2];
static estoc_upstreams *client;
static uint8_t csr_room[2048];
static estoc_slice csr;

struct outcome {
    unsigned calls;
    estoc_upstream_reply reply; /* but for its slices */
    size_t body_len, key_len;
};
static struct outcome outcomes[CALLS_MAX];
static unsigned ended;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void done(void *ctx, const estoc_upstream_reply *reply)
{
    struct outcome *o = ctx;
    pthread_mutex_lock(&lock);
    o->calls++;
    o->reply = *reply;
    o->body_len = reply->body.len;
    o->key_len = reply->key.len;
    ended++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void await(unsigned n)
{
    pthread_mutex_lock(&lock);
    while (ended < n) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
}

static estoc_err ask_as(struct outcome *o, size_t upstream, estoc_upstream_op op, const char *label,
                        const char *url)
{
    const estoc_upstream_call call = {.upstream = upstream,
                                      .op = op,
                                      .label = label,
                                      .csr = csr,
                                      .url = url,
                                      .about = "CN=device",
                                      .done = done,
                                      .ctx = o};
    return estoc_upstreams_ask(client, &call);
}

/* One call, and what came of it. */
static struct outcome result_of(estoc_upstream_op op, const char *label, const char *url)
{
    memset(outcomes, 0, sizeof outcomes);
    ended = 0;
    assert_int_equal(ask_as(&outcomes[0], 0, op, label, url), 0);
    await(1);
    assert_int_equal(outcomes[0].calls, 1);
    return outcomes[0];
}

static struct outcome enroll(const char *label)
{
    return result_of(ESTOC_UPSTREAM_ENROLL, label, NULL);
}

static void open_client(const char *first, const char *second, uint32_t queue)
{
    estoc_why why;
    services[0] = (estoc_upstream){.name = "",
                                   .url = {first, second},
                                   .url_n = second != NULL ? 2 : 1,
                                   .chain = &chain,
                                   .key = key,
                                   .anchors = &anchors,
                                   .connect_ms = 1000,
                                   .answer_ms = 4000};
    services[1] = services[0];
    services[1].name = "other";
    services[1].chain = &none;
    const estoc_upstreams_cfg cfg = {
        .at = services, .n = 2, .connections_max = CONNECTIONS, .queue_max = queue};
    assert_int_equal(estoc_upstreams_open(&cfg, &client, &why), 0);
}

static int close_client(void **state)
{
    (void)state;
    estoc_upstreams_close(client);
    client = NULL;
    return 0;
}

static int set_up(void **state)
{
    estoc_why why;
    estoc_key *device;
    if (folder_make(state) != 0) {
        return -1;
    }
    start_server();
    estoc_log_file(fopen(in_folder("log"), "w"));
    assert_int_equal(estoc_certs_load(in_folder("registrar.crt"), &chain, &why), 0);
    assert_int_equal(estoc_certs_load(in_folder("upstream.ta"), &anchors, &why), 0);
    assert_int_equal(estoc_key_load(in_folder("registrar.key"), &key, &why), 0);
    assert_int_equal(estoc_key_generate(ESTOC_KEY_P256, &device), 0);
    struct bytes made = csr_of(device, "CN=device", NULL);
    memcpy(csr_room, made.ptr, made.len);
    csr = estoc_slice_of(csr_room, made.len);
    estoc_key_free(device);
    return 0;
}

static int tear_down(void **state)
{
    int status;
    kill(server, SIGTERM);
    waitpid(server, &status, 0);
    estoc_blobs_free(&chain);
    estoc_blobs_free(&anchors);
    estoc_key_free(key);
    return folder_remove(state);
}

/* ---- tests ---- */

static void every_operation(void **state)
{
    (void)state;
    open_client(urls[MAIN], NULL, 0);
    static const estoc_upstream_op ops[] = {ESTOC_UPSTREAM_CACERTS, ESTOC_UPSTREAM_CSRATTRS,
                                            ESTOC_UPSTREAM_ENROLL, ESTOC_UPSTREAM_REENROLL,
                                            ESTOC_UPSTREAM_KEYGEN};
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        struct outcome o = result_of(ops[i], "", NULL);
        assert_int_equal(o.reply.err, 0);
        assert_false(o.reply.uncertain);
        assert_string_equal(o.reply.url, urls[MAIN]);
        assert_int_equal(o.body_len > 0, ops[i] != ESTOC_UPSTREAM_CSRATTRS);
        assert_int_equal(o.key_len > 0, ops[i] == ESTOC_UPSTREAM_KEYGEN);
    }
    /* all over one connection but the key, which has one of its own */
    assert_int_equal(noted("\"event\":\"open\"", "main"), 2);
    assert_int_equal(noted("\"method\":\"POST\"", "\"client\":\"commonName=registrar\""), 3);
    assert_int_equal(noted("\"method\":\"POST\"", "application/pkcs10"), 3);
    /* in lines, the last one ended, too: older readers need them */
    assert_int_equal(noted("\"method\":\"POST\"", "\"widest\":64,\"lines\":true"), 3);
}

/* Each service shows its own credential, on the same server. */
static void credentials_apart(void **state)
{
    (void)state;
    open_client(urls[MAIN], NULL, 0);
    assert_int_equal(enroll("").reply.err, 0);
    memset(outcomes, 0, sizeof outcomes);
    ended = 0;
    unsigned before = noted("\"event\":\"request\"", "main");
    assert_int_equal(ask_as(&outcomes[0], 1, ESTOC_UPSTREAM_ENROLL, "", NULL), 0);
    await(1);
    /* with TLS 1.3 it is told after the handshake, if the end of the connection is not faster */
    assert_true(outcomes[0].reply.code == ESTOC_COAP_BAD_GATEWAY ||
                outcomes[0].reply.code == ESTOC_COAP_UNAVAILABLE);
    assert_int_equal(noted("\"event\":\"request\"", "main"), before);
}

static void tls(void **state)
{
    (void)state;
    static const struct {
        size_t port;
        uint8_t code;
    } rows[] = {{WRONG_NAME, ESTOC_COAP_BAD_GATEWAY}, {EXPIRED, ESTOC_COAP_BAD_GATEWAY},
                {UNKNOWN_CA, ESTOC_COAP_BAD_GATEWAY}, {PLAIN, ESTOC_COAP_BAD_GATEWAY},
                {SILENT, ESTOC_COAP_GATEWAY_TIMEOUT}, {TLS12, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        open_client(urls[rows[i].port], NULL, 0);
        struct outcome o = enroll("");
        assert_int_equal(o.reply.code, rows[i].code);
        assert_false(o.reply.uncertain);
        assert_int_equal(posts(ports[rows[i].port]), rows[i].port == TLS12);
        close_client(NULL);
    }
}

/* What was sent is not sent again, whatever became of it. */
static void never_twice(void **state)
{
    (void)state;
    static const char *const labels[] = {"drop", "drop-early", "truncated", "status-504",
                                         "halfopen"};
    open_client(urls[MAIN], urls[SECOND], 0);
    assert_int_equal(enroll("").reply.err, 0); /* so that there is a connection to be used again */
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        unsigned before = posts("main");
        struct outcome o = enroll(labels[i]);
        assert_int_equal(o.reply.err != 0, 1);
        assert_true(o.reply.uncertain);
        assert_string_equal(o.reply.url, urls[MAIN]);
        assert_int_equal(posts("main"), before + 1);
        assert_int_equal(posts("second"), 0);
    }
}

static void next_server(void **state)
{
    (void)state;
    unsigned before = posts("second");
    open_client(nobody, urls[SECOND], 0);
    for (unsigned i = 0; i < 3; i++) {
        struct outcome o = enroll("");
        assert_int_equal(o.reply.err, 0);
        assert_string_equal(o.reply.url, urls[SECOND]);
    }
    assert_int_equal(posts("second"), before + 3);
    close_client(NULL);
    open_client(urls[EXPIRED], urls[SECOND], 0); /* not one to trust, but its neighbour is */
    assert_int_equal(enroll("").reply.err, 0);
    close_client(NULL);
    unsigned main_before = posts("main");
    open_client(urls[MAIN], urls[SECOND], 0);
    struct outcome o = enroll("status-503-7");
    assert_int_equal(o.reply.code, ESTOC_COAP_UNAVAILABLE);
    assert_int_equal(o.reply.retry_s, 7);
    assert_int_equal(posts("main"), main_before + 1);
    assert_int_equal(posts("second"), before + 5);
    /* the one that has seen it before */
    o = result_of(ESTOC_UPSTREAM_ENROLL, "", urls[SECOND]);
    assert_string_equal(o.reply.url, urls[SECOND]);
}

struct seen {
    unsigned n;
    estoc_upstream_state at[4];
};

static void look(void *ctx, const estoc_upstream_state *s)
{
    struct seen *seen = ctx;
    seen->at[seen->n++] = *s;
}

static void health(void **state)
{
    (void)state;
    struct seen seen = {.n = 0};
    open_client(nobody, urls[MAIN], 0);
    assert_int_equal(enroll("").reply.err, 0);
    assert_int_equal(enroll("status-400").reply.code, ESTOC_COAP_BAD_REQUEST);
    assert_int_equal(enroll("junk").reply.code, ESTOC_COAP_INTERNAL_ERROR);
    estoc_upstreams_each(client, look, &seen);
    assert_int_equal(seen.n, 4);
    assert_string_equal(seen.at[0].url, nobody);
    assert_false(seen.at[0].up);
    assert_int_equal(seen.at[0].calls, 1);
    assert_int_equal(seen.at[0].failures, 1);
    assert_true(seen.at[0].failed_at > 0 && seen.at[0].ok_at == 0);
    assert_non_null(strstr(seen.at[0].why, "cannot be reached"));
    assert_true(seen.at[1].up);
    assert_int_equal(seen.at[1].calls, 3);
    assert_int_equal(seen.at[1].failures, 1);
    assert_non_null(strstr(seen.at[1].why, "no certs-only"));
    assert_int_equal(seen.at[1].connections, 1);
    assert_string_equal(seen.at[2].upstream, "other");
    assert_int_equal(seen.at[2].calls, 0);
}

/* Nobody is there: all that wait are told at once, not one after another. */
static void all_away(void **state)
{
    (void)state;
    open_client(nobody, NULL, MANY * 2);
    memset(outcomes, 0, sizeof outcomes);
    ended = 0;
    estoc_ms before = estoc_now_ms();
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(ask_as(&outcomes[i], 0, ESTOC_UPSTREAM_ENROLL, "", NULL), 0);
    }
    await(MANY);
    assert_true(estoc_now_ms() - before < 3500); /* less than their time */
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(outcomes[i].calls, 1);
        assert_int_equal(outcomes[i].reply.code, ESTOC_COAP_UNAVAILABLE);
        assert_false(outcomes[i].reply.uncertain);
    }
}

static void bounded(void **state)
{
    (void)state;
    open_client(urls[MAIN], NULL, MANY);
    memset(outcomes, 0, sizeof outcomes);
    ended = 0;
    unsigned taken = 0;
    struct seen seen = {.n = 0};
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        estoc_err err = ask_as(&outcomes[taken], 0, ESTOC_UPSTREAM_ENROLL, "delay-100", NULL);
        assert_true(err == ESTOC_OK || err == ESTOC_E_BUSY);
        taken += err == ESTOC_OK;
    }
    assert_in_range(taken, 1, MANY);
    await(CONNECTIONS);
    estoc_upstreams_each(client, look, &seen);
    assert_in_range(seen.at[0].connections, 1, CONNECTIONS);
    await(taken);
    for (unsigned i = 0; i < taken; i++) {
        assert_int_equal(outcomes[i].calls, 1);
        assert_int_equal(outcomes[i].reply.err, 0);
    }
}

static void hurried(void **state)
{
    (void)state;
    open_client(urls[MAIN], NULL, MANY);
    memset(outcomes, 0, sizeof outcomes);
    ended = 0;
    for (unsigned i = 0; i < CONNECTIONS * 2; i++) {
        assert_int_equal(ask_as(&outcomes[i], 0, ESTOC_UPSTREAM_ENROLL, "halfopen", NULL), 0);
    }
    estoc_ms before = estoc_now_ms();
    estoc_upstreams_hurry(client);
    await(CONNECTIONS * 2);
    assert_true(estoc_now_ms() - before < 3500);
    for (unsigned i = 0; i < CONNECTIONS * 2; i++) {
        assert_int_equal(outcomes[i].reply.code, ESTOC_COAP_UNAVAILABLE);
    }
    ended = 0;
    assert_int_equal(ask_as(&outcomes[0], 0, ESTOC_UPSTREAM_ENROLL, "halfopen", NULL), 0);
    close_client(NULL);
    assert_int_equal(ended, 1);
}

static void *asker(void *arg)
{
    struct outcome *from = arg;
    for (unsigned i = 0; i < MANY / 4; i++) {
        assert_int_equal(ask_as(&from[i], 0, ESTOC_UPSTREAM_CACERTS, "", NULL), 0);
    }
    return NULL;
}

static void many_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    open_client(urls[MAIN], NULL, 0);
    memset(outcomes, 0, sizeof outcomes);
    ended = 0;
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, asker, &outcomes[i * (MANY / 4)]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    await(MANY);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(outcomes[i].calls, 1);
        assert_int_equal(outcomes[i].reply.err, 0);
        assert_true(outcomes[i].body_len > 0);
    }
}

static void bad_credentials(void **state)
{
    (void)state;
    estoc_why why;
    estoc_key *other;
    assert_int_equal(estoc_key_generate(ESTOC_KEY_P256, &other), 0);
    estoc_upstream u = {.name = "a",
                        .url = {urls[MAIN]},
                        .url_n = 1,
                        .chain = &chain,
                        .key = other,
                        .anchors = &anchors};
    const estoc_upstreams_cfg cfg = {.at = &u, .n = 1};
    assert_int_equal(estoc_upstreams_open(&cfg, &client, &why), ESTOC_E_KEY);
    assert_null(client);
    assert_non_null(strstr(why.text, "the key does not belong to the certificate"));
    u.key = NULL;
    assert_int_equal(estoc_upstreams_open(&cfg, &client, &why), ESTOC_E_KEY);
    u.key = key;
    u.anchors = &none;
    assert_int_equal(estoc_upstreams_open(&cfg, &client, &why), ESTOC_E_USAGE);
    assert_non_null(strstr(why.text, "no trust anchors"));
    estoc_key_free(other);
}

/* clang-format off */
#define CLOSED(name, f) {name, f, NULL, close_client, NULL}
/* clang-format on */

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLOSED("G1 every operation, over one connection, with our credential", every_operation),
        CLOSED("G1 services on one server keep their credentials apart", credentials_apart),
        CLOSED("G1 HC 257 a server that is not to be trusted gets no request", tls),
        CLOSED("G1 what was sent is sent once", never_twice),
        CLOSED("G1 the next server, where it is safe", next_server),
        CLOSED("G1 how servers do", health),
        CLOSED("G3 all are told when nobody is there", all_away),
        CLOSED("G1 queue and connections are bounded", bounded),
        CLOSED("G1 what is under way ends when the server does", hurried),
        CLOSED("G1 asked from several threads", many_threads),
        CLOSED("G1 a key that is another's, no anchors", bad_credentials),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("upstream", tests, set_up, tear_down);
}

/* SPDX-License-Identifier: MIT
 *
 * Private keys that stay in a token, which may go away and come back. When one cannot be used any more, all
 * that the engine has found are given up and the module starts anew; each key is looked for again when it
 * is wanted. Whoever uses one holds `users` for reading, whoever looks for one, for writing.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "key_parts.h"
#include "token.h"

#define LOOK_MS 1000

struct estoc_key_token {
    struct estoc_key_token *next; /* of all that there are */
    char *uri;
    atomic_uint refs;
    size_t spki_len;
    uint8_t spki[ESTOC_SPKI_MAX];
    EVP_PKEY *real; /* NULL: not found since the module started anew */
    unsigned found; /* how often it was */
    bool gone;
    bool pin_refused;  /* the last time it was looked for */
    estoc_ms tried_at; /* and that was then */
};

static pthread_rwlock_t users = PTHREAD_RWLOCK_INITIALIZER;
static struct estoc_key_token *all;
static estoc_pin_file refused; /* what a PIN was read from that a token has refused */

/* ------------------------------------------------------------------- under the lock, held for writing */

static void give_up_all(void)
{
    for (struct estoc_key_token *t = all; t != NULL; t = t->next) {
        estoc_token_give_back(t->real);
        t->real = NULL;
    }
    estoc_token_forget();
}

/* A token counts the wrong PINs, and locks itself after a few: one that was refused is not tried again
 * before somebody has written another, for whichever key. */
static bool is_refused(const char *uri)
{
    static const estoc_pin_file nothing;
    estoc_pin_file file;
    estoc_token_pin_file(uri, &file);
    return memcmp(&file, &nothing, sizeof file) != 0 && memcmp(&file, &refused, sizeof file) == 0;
}

/* What the engine finds, seen to be of use. */
static estoc_err find_now(const char *uri, estoc_key **out, bool *pin_refused, estoc_why *why)
{
    EVP_PKEY *native;
    estoc_pin_file file;
    *out = NULL;
    estoc_token_pin_file(uri, &file);
    estoc_err err = estoc_token_key(uri, &native, pin_refused, why);
    if (*pin_refused) {
        refused = file;
    }
    if (err) {
        return err;
    }
    err = estoc_key_take_native(uri, native, out, why);
    if (err) {
        estoc_key_free(*out);
        *out = NULL;
        estoc_token_give_back(native);
    } else {
        EVP_PKEY_free(native); /* the key has a reference of its own */
    }
    return err;
}

/* The same, once more with the module started anew if it may remember what is not so any more. */
static estoc_err find(const char *uri, bool started, estoc_key **out, bool *pin_refused,
                      estoc_why *why)
{
    bool remembers = !started && estoc_token_in_use();
    estoc_err err = find_now(uri, out, pin_refused, why);
    if (err == ESTOC_E_KEY && remembers && !*pin_refused) {
        give_up_all();
        err = find_now(uri, out, pin_refused, why);
    }
    return err;
}

/* Once for each change. */
static void log_look(const struct estoc_key_token *before, bool there, bool pin_refused,
                     const estoc_why *why)
{
    if (there && before->gone) {
        estoc_log(ESTOC_LOG_WARN, "crypto", "event", "token", "result", "back", NULL);
    } else if (!there && pin_refused) {
        estoc_log(ESTOC_LOG_ERROR, "crypto", "event", "token", "result",
                  "the PIN is refused; not tried again until its file changes", "why", why->text,
                  NULL);
    } else if (!there && (!before->gone || before->pin_refused)) {
        estoc_log(ESTOC_LOG_ERROR, "crypto", "event", "token", "result", "gone", "why",
                  why->text[0] != '\0' ? why->text : "another key has this name", NULL);
    }
}

/* Log in anew, find the key, see that it is the same. Not more than once a second: who waits for a
 * signature waits for this. @return whether it is there */
static bool look(struct estoc_key_token *t)
{
    estoc_why why = {""};
    estoc_key *key = NULL;
    bool pin_refused = false;
    estoc_ms now = estoc_now_ms();
    bool started = t->real != NULL;
    if ((t->gone && now - t->tried_at < LOOK_MS) || is_refused(t->uri)) {
        return false;
    }
    t->tried_at = now;
    if (started) { /* there, and of no use */
        give_up_all();
    }
    bool there = !find(t->uri, started, &key, &pin_refused, &why) && key->spki_len == t->spki_len &&
                 memcmp(key->spki, t->spki, t->spki_len) == 0;
    if (there) {
        t->real = key->native;
        t->found++;
        key->native = NULL; /* taken over */
    } else if (key != NULL) {
        estoc_token_give_back(key->native);
        key->native = NULL;
    }
    estoc_key_free(key);
    log_look(t, there, pin_refused, &why);
    t->gone = !there;
    t->pin_refused = pin_refused;
    return there;
}

/* ------------------------------------------------------------------------------------------------ use */

bool estoc_key_token_use(struct estoc_key_token *t, bool (*use)(void *ctx, EVP_PKEY *real),
                         void *ctx)
{
    bool done = false;
    bool there = true;
    for (int tries = 0; !done && there && tries < 2; tries++) {
        pthread_rwlock_rdlock(&users);
        unsigned found = t->found;
        done = t->real != NULL && use(ctx, t->real);
        pthread_rwlock_unlock(&users);
        if (!done && tries == 0) {
            pthread_rwlock_wrlock(&users);
            /* another thread may have been here meanwhile */
            there = (t->found != found && t->real != NULL) || look(t);
            pthread_rwlock_unlock(&users);
        }
    }
    return done;
}

struct estoc_key_token *estoc_key_token_hold(struct estoc_key_token *t)
{
    atomic_fetch_add(&t->refs, 1);
    return t;
}

void estoc_key_token_release(struct estoc_key_token *t)
{
    if (atomic_fetch_sub(&t->refs, 1) != 1) {
        return;
    }
    pthread_rwlock_wrlock(&users);
    struct estoc_key_token **at = &all;
    while (*at != t && *at != NULL) {
        at = &(*at)->next;
    }
    if (*at == t) {
        *at = t->next;
    }
    estoc_token_give_back(t->real);
    pthread_rwlock_unlock(&users);
    free(t->uri);
    free(t);
}

/* ----------------------------------------------------------------------------------------------- load */

static struct estoc_key_token *token_new(const char *uri, const estoc_key *key)
{
    struct estoc_key_token *t = calloc(1, sizeof *t);
    if (t != NULL) {
        t->uri = strdup(uri);
    }
    if (t != NULL && t->uri == NULL) {
        free(t);
        t = NULL;
    }
    if (t != NULL) {
        atomic_init(&t->refs, 1);
        t->spki_len = key->spki_len;
        memcpy(t->spki, key->spki, key->spki_len);
        t->next = all;
        all = t;
    }
    return t;
}

/* Make what was found the token's, and the key one that goes through it. */
static estoc_err settle(const char *uri, estoc_key *key)
{
    EVP_PKEY *real = key->native;
    struct estoc_key_token *t = token_new(uri, key);
    key->native = t != NULL ? estoc_key_wrap(real, t) : NULL;
    key->token = t;
    if (t != NULL) {
        t->real = real;
    } else {
        estoc_token_give_back(real);
    }
    return key->native != NULL ? ESTOC_OK : ESTOC_E_MEMORY;
}

estoc_err estoc_key_take_token(const char *uri, estoc_key **out, estoc_why *why)
{
    bool pin_refused = false;
    estoc_err err = ESTOC_E_KEY;
    *out = NULL;
    pthread_rwlock_wrlock(&users);
    if (is_refused(uri)) {
        estoc_why_set(why,
                      "%.120s: the token has refused its PIN; once it is right, write the PIN's "
                      "file anew",
                      uri);
    } else {
        err = find(uri, false, out, &pin_refused, why);
    }
    err = err ? err : settle(uri, *out);
    pthread_rwlock_unlock(&users);
    if (err) {
        estoc_key_free(*out);
        *out = NULL;
    }
    return err;
}

bool estoc_key_in_token(const estoc_key *key)
{
    return key->token != NULL;
}

const char *estoc_key_uri(const estoc_key *key)
{
    return key->token->uri;
}

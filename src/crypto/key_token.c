/* SPDX-License-Identifier: MIT
 *
 * Private keys that stay in a token, which may go away and come back.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "key_parts.h"
#include "token.h"

#define LOOK_MS 1000

/* A key in a token that went away is another object when it is back. One thread signs at a time. */
struct estoc_key_token {
    pthread_mutex_t lock;
    char *uri;
    unsigned engine;      /* which one has it */
    bool gone;            /* and that was logged */
    estoc_ms tried_at;    /* when it was looked for last */
    bool pin_refused;     /* and it was there */
    estoc_pin_file asked; /* what the PIN was read from then */
};

static struct estoc_key_token *token_new(const char *uri, unsigned engine)
{
    struct estoc_key_token *t = calloc(1, sizeof *t);
    if (t != NULL) {
        pthread_mutex_init(&t->lock, NULL);
        t->engine = engine;
        t->uri = strdup(uri);
    }
    if (t != NULL && t->uri == NULL) {
        pthread_mutex_destroy(&t->lock);
        free(t);
        t = NULL;
    }
    return t;
}

static estoc_err take(const char *uri, bool *pin_refused, estoc_key **out, estoc_why *why)
{
    EVP_PKEY *native;
    estoc_token_found found;
    *out = NULL;
    estoc_err err = estoc_token_key(uri, &native, &found, why);
    *pin_refused = found.pin_refused;
    if (err) {
        return err;
    }
    err = estoc_key_take_native(uri, native, out, why);
    if (!err) {
        (*out)->token = token_new(uri, found.engine);
        err = (*out)->token != NULL ? ESTOC_OK : ESTOC_E_MEMORY;
    }
    if (err) {
        estoc_key_free(*out);
        *out = NULL;
    }
    estoc_token_give_back(native, err ? found.engine : 0);
    return err;
}

estoc_err estoc_key_take_token(const char *uri, estoc_key **out, estoc_why *why)
{
    bool ignored;
    return take(uri, &ignored, out, why);
}

bool estoc_key_in_token(const estoc_key *key)
{
    return key->token != NULL;
}

const char *estoc_key_uri(const estoc_key *key)
{
    return key->token->uri;
}

void estoc_key_free_token(estoc_key *key)
{
    struct estoc_key_token *t = key->token;
    estoc_token_give_back(key->native, t->engine);
    pthread_mutex_destroy(&t->lock);
    free(t->uri);
    free(t);
}

/* A token counts the wrong PINs, and locks itself after a few: one that was refused is not tried again
 * before somebody has written another. */
static bool may_look(const struct estoc_key_token *t, estoc_ms now, const estoc_pin_file *file)
{
    return !t->gone || (now - t->tried_at >= LOOK_MS &&
                        (!t->pin_refused || memcmp(file, &t->asked, sizeof *file) != 0));
}

/* Once for each change. */
static void log_look(const struct estoc_key_token *before, bool there, bool refused,
                     const estoc_why *why)
{
    if (there && before->gone) {
        estoc_log(ESTOC_LOG_WARN, "crypto", "event", "token", "result", "back", NULL);
    } else if (!there && refused) {
        estoc_log(ESTOC_LOG_ERROR, "crypto", "event", "token", "result",
                  "the PIN is refused; not tried again until its file changes", "why", why->text,
                  NULL);
    } else if (!there && (!before->gone || before->pin_refused)) {
        estoc_log(ESTOC_LOG_ERROR, "crypto", "event", "token", "result", "gone", "why",
                  why->text[0] != '\0' ? why->text : "another key has this name", NULL);
    }
}

/* Look for a key that cannot sign any more: log in anew, find it, see that it is the same. Not more than
 * once a second: who waits for a signature waits for this. @return whether it is there */
static bool look_again(estoc_key *key)
{
    struct estoc_key_token *t = key->token;
    estoc_why why = {""};
    estoc_key *fresh = NULL;
    estoc_ms now = estoc_now_ms();
    estoc_pin_file file;
    bool refused = false;
    estoc_token_pin_file(t->uri, &file);
    if (!may_look(t, now, &file)) {
        return false;
    }
    t->tried_at = now;
    t->asked = file;
    estoc_token_give_back(key->native, t->engine);
    key->native = NULL;
    estoc_token_forget();
    bool there = !take(t->uri, &refused, &fresh, &why) && fresh->spki_len == key->spki_len &&
                 memcmp(fresh->spki, key->spki, key->spki_len) == 0;
    if (there) {
        key->native = fresh->native;
        t->engine = fresh->token->engine;
        fresh->native = NULL; /* taken over */
        fresh->token->engine = 0;
    }
    log_look(t, there, refused, &why);
    t->gone = !there;
    t->pin_refused = refused;
    estoc_key_free(fresh);
    return there;
}

estoc_err estoc_key_sign_token(const estoc_key *key, estoc_slice msg, estoc_buf sig,
                               size_t *sig_len)
{
    struct estoc_key_token *t = key->token;
    *sig_len = 0;
    pthread_mutex_lock(&t->lock);
    estoc_err err = t->gone ? ESTOC_E_CRYPTO : estoc_key_sign_native(key, msg, sig, sig_len);
    if (err == ESTOC_E_CRYPTO && look_again((estoc_key *)key)) {
        err = estoc_key_sign_native(key, msg, sig, sig_len);
    }
    pthread_mutex_unlock(&t->lock);
    return err;
}

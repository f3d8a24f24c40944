/* SPDX-License-Identifier: MIT
 *
 * PKCS#11 through libp11's engine, which is loaded when the first such key is asked for (ADR 0003).
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* engines: what OpenSSL 3.0 has for hardware on Debian 12 */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/engine.h>
#include <openssl/err.h>
#include <openssl/ui.h>

#include "text.h"
#include "token.h"

#define SCHEME  "pkcs11:"
#define PIN_MAX 255 /* bytes */

/* ------------------------------------------------------------------------------------------ the URI */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Percent-decoded, no NUL in it. @return false: it is malformed */
static bool decode(const char *from, size_t len, char out[ESTOC_KEY_URI_MAX + 1])
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        char c = from[i];
        if (c == '%') {
            int high = i + 2 < len ? hex_digit(from[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(from[i + 2]) : -1;
            if (low < 0 || (high == 0 && low == 0)) {
                return false;
            }
            c = (char)(high << 4 | low);
            i += 2;
        }
        out[n++] = c;
    }
    out[n] = '\0';
    return true;
}

static bool is_named(const char *at, size_t len, const char *name)
{
    return len == strlen(name) && memcmp(at, name, len) == 0;
}

/* One `name=value` of the query. */
static estoc_err take_attribute(const char *at, size_t len, estoc_token_uri *uri, estoc_why *why)
{
    const char *equals = memchr(at, '=', len);
    size_t name = equals != NULL ? (size_t)(equals - at) : len;
    const char *value = at + name + (equals != NULL);
    size_t value_len = len - name - (equals != NULL);
    if (is_named(at, name, "pin-value")) {
        estoc_why_set(why, "pkcs11: no PIN in the URI, where others see it; name a file that holds "
                           "it: pin-source=file:/PATH, or $ESTOC_PIN_FILE");
        return ESTOC_E_KEY;
    }
    bool pin = is_named(at, name, "pin-source");
    if (!pin && !is_named(at, name, "module-path")) {
        estoc_why_set(why, "pkcs11: %.*s: behind the ? there are pin-source and module-path",
                      (int)(name < 40 ? name : 40), at);
        return ESTOC_E_KEY;
    }
    if (pin && value_len >= 5 && memcmp(value, "file:", 5) == 0) {
        bool authority = value_len >= 7 && memcmp(value + 5, "//", 2) == 0; /* file:///PATH */
        value += authority ? 7 : 5;
        value_len -= authority ? 7 : 5;
    }
    if (value_len == 0 || value[0] == '|' ||
        !decode(value, value_len, pin ? uri->pin_source : uri->module)) {
        estoc_why_set(why, "pkcs11: %s: write the path of a file",
                      pin ? "pin-source" : "module-path");
        return ESTOC_E_KEY;
    }
    return ESTOC_OK;
}

estoc_err estoc_token_uri_parse(const char *text, estoc_token_uri *uri, estoc_why *why)
{
    memset(uri, 0, sizeof *uri);
    size_t len = strlen(text);
    const char *query = strchr(text, '?');
    size_t object = query != NULL ? (size_t)(query - text) : len;
    if (len > ESTOC_KEY_URI_MAX || strncmp(text, SCHEME, strlen(SCHEME)) != 0 ||
        object == strlen(SCHEME)) {
        estoc_why_set(why, "pkcs11: write pkcs11:token=LABEL;object=LABEL, at most %d bytes",
                      ESTOC_KEY_URI_MAX);
        return ESTOC_E_KEY;
    }
    memcpy(uri->object, text, object);
    estoc_err err = ESTOC_OK;
    while (!err && query != NULL) {
        const char *at = query + 1;
        size_t n = strcspn(at, "&");
        err = take_attribute(at, n, uri, why);
        query = at[n] == '&' ? at + n : NULL;
    }
    return err;
}

/* ------------------------------------------------------------------------------------------ the PIN */

/* The first line of the file. */
static estoc_err read_pin(const char *path, char pin[PIN_MAX + 1], estoc_why *why)
{
    estoc_blob text;
    estoc_err err = estoc_file_read(path, PIN_MAX + 2, &text);
    if (err) {
        estoc_why_set(why, "%s: no PIN can be read: %s", path,
                      err == ESTOC_E_FILE ? strerror(errno) : estoc_err_text(err));
        return ESTOC_E_FILE;
    }
    size_t n = 0;
    while (n < text.len && n < PIN_MAX && strchr("\r\n", text.ptr[n]) == NULL) {
        n++; /* strchr finds a NUL, too */
    }
    memcpy(pin, text.ptr, n);
    pin[n] = '\0';
    estoc_blob_free(&text);
    if (n == 0) {
        estoc_why_set(why, "%s: the first line is the PIN, and it is empty", path);
        return ESTOC_E_FILE;
    }
    return ESTOC_OK;
}

/* --------------------------------------------------------------------------------------- the engine */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static ENGINE *engine;
static size_t engine_keys; /* that were found by it, and not given back */
static bool chosen;        /* the module, and for good */
static char engine_module[ESTOC_KEY_URI_MAX + 1];
static UI_METHOD *nobody; /* answers no question: a PIN is never asked for on a terminal */

static int refuse(UI *ui)
{
    (void)ui;
    return 0;
}

static bool command(const char *name, const char *value)
{
    return ENGINE_ctrl_cmd_string(engine, name, value, 0) == 1;
}

static const char *reason(void)
{
    unsigned long code = ERR_peek_last_error();
    const char *text = ERR_reason_error_string(code);
    return text != NULL ? text : "no reason given";
}

static bool start(const char *module)
{
    module = module[0] != '\0' ? module : engine_module;
    bool ok = nobody != NULL && UI_method_set_opener(nobody, refuse) == 0 &&
              (module[0] == '\0' || command("MODULE_PATH", module)) && ENGINE_init(engine) == 1;
    if (ok) {
        (void)command("QUIET", NULL); /* what goes wrong we tell ourselves */
        memmove(engine_module, module, strlen(module) + 1);
        chosen = true;
    }
    return ok;
}

/* One engine, and so one module, for the process: there until it ends. */
static estoc_err open_engine(const char *module, estoc_why *why)
{
    if (chosen && module[0] != '\0' && strcmp(module, engine_module) != 0) {
        estoc_why_set(why, "pkcs11: %s: another module is in use already", module);
        return ESTOC_E_KEY;
    }
    if (engine != NULL) {
        return ESTOC_OK;
    }
    if (module[0] != '\0' && !estoc_file_exists(module)) {
        estoc_why_set(why, "pkcs11: %s: there is no such module", module);
        return ESTOC_E_KEY;
    }
    ENGINE_load_dynamic();
    engine = ENGINE_by_id("pkcs11");
    if (engine == NULL) {
        estoc_why_set(why,
                      "pkcs11: OpenSSL has no engine for it; install libengine-pkcs11-openssl");
        return ESTOC_E_KEY;
    }
    nobody = nobody != NULL ? nobody : UI_create_method("estoc");
    if (!start(module)) {
        estoc_why_set(why, "pkcs11: the module %s cannot be used: %s",
                      module[0] != '\0' ? module : "p11-kit-proxy", reason());
        ENGINE_free(engine);
        engine = NULL;
        return ESTOC_E_KEY;
    }
    return ESTOC_OK;
}

static const char *pin_path(const estoc_token_uri *uri)
{
    return uri->pin_source[0] != '\0' ? uri->pin_source : getenv("ESTOC_PIN_FILE");
}

/* CKR_PIN_INCORRECT to CKR_PIN_LOCKED, as the engine hands them on.          PKCS#11 section 5.1.6 */
static bool pin_was_refused(void)
{
    unsigned long code = ERR_peek_error();
    int at = ERR_GET_REASON(code);
    return ERR_GET_LIB(code) >= ERR_LIB_USER && at >= 0xa0 && at <= 0xa4;
}

static estoc_err load(const estoc_token_uri *uri, EVP_PKEY **out, bool *pin_refused, estoc_why *why)
{
    const char *file = pin_path(uri);
    char pin[PIN_MAX + 1] = "";
    estoc_err err = file != NULL ? read_pin(file, pin, why) : ESTOC_OK;
    err = err ? err : open_engine(uri->module, why);
    if (!err && pin[0] != '\0' && !command("PIN", pin)) {
        err = ESTOC_E_CRYPTO;
    }
    estoc_wipe(pin, sizeof pin);
    if (err) {
        return err;
    }
    ERR_clear_error();
    *out = ENGINE_load_private_key(engine, uri->object, nobody, NULL);
    if (*out == NULL) {
        *pin_refused = pin_was_refused();
        estoc_why_set(why, "%.120s: no such private key, or no PIN for it (%s)", uri->object,
                      reason());
        return ESTOC_E_KEY;
    }
    engine_keys++;
    return ESTOC_OK;
}

estoc_err estoc_token_key(const char *text, EVP_PKEY **out, bool *pin_refused, estoc_why *why)
{
    estoc_token_uri uri;
    *out = NULL;
    *pin_refused = false;
    estoc_err err = estoc_token_uri_parse(text, &uri, why);
    if (!err) {
        pthread_mutex_lock(&lock);
        err = load(&uri, out, pin_refused, why);
        pthread_mutex_unlock(&lock);
    }
    ERR_clear_error();
    return err;
}

void estoc_token_pin_file(const char *text, estoc_pin_file *out)
{
    estoc_token_uri uri;
    struct stat st;
    *out = (estoc_pin_file){0, 0, 0, 0, 0};
    const char *path = estoc_token_uri_parse(text, &uri, NULL) ? NULL : pin_path(&uri);
    if (path != NULL && stat(path, &st) == 0) {
        *out = (estoc_pin_file){st.st_dev, st.st_ino, (uint64_t)st.st_size,
                                (uint64_t)st.st_mtim.tv_sec, (uint64_t)st.st_mtim.tv_nsec};
    }
}

bool estoc_token_in_use(void)
{
    pthread_mutex_lock(&lock);
    bool open = engine != NULL;
    pthread_mutex_unlock(&lock);
    return open;
}

/* What the module remembers of a token that was away, sessions and log-ins, is of no use, and neither a
 * second engine (OpenSSL gives the same one) nor RE_ENUMERATE (it goes astray with two slots in libp11
 * 0.4.12) gets rid of it. */
void estoc_token_forget(void)
{
    pthread_mutex_lock(&lock);
    if (engine != NULL && engine_keys == 0) {
        ENGINE_finish(engine);
        ENGINE_free(engine);
        engine = NULL;
    }
    pthread_mutex_unlock(&lock);
    ERR_clear_error();
}

void estoc_token_give_back(EVP_PKEY *native)
{
    pthread_mutex_lock(&lock);
    engine_keys -= native != NULL && engine_keys > 0;
    EVP_PKEY_free(native);
    pthread_mutex_unlock(&lock);
}

/* SPDX-License-Identifier: MIT
 *
 * AES keys in a file, one to a line.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cms.h"
#include "text.h"

#define FILE_MAX 1048576
#define KEYS_MAX 10000
#define BLANKS   " \t\r"

static int digit(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The word at the front of the line, from hexadecimal. @return false: it is none, or too long */
static bool take_hex(estoc_slice *line, uint8_t *out, size_t cap, size_t *len)
{
    size_t at = 0;
    for (*len = 0; at + 1 < line->len && digit(line->ptr[at]) >= 0; at += 2) {
        int low = digit(line->ptr[at + 1]);
        if (low < 0 || *len == cap) {
            return false;
        }
        out[(*len)++] = (uint8_t)(digit(line->ptr[at]) << 4 | low);
    }
    size_t word = at;
    while (at < line->len && strchr(BLANKS, line->ptr[at]) != NULL && line->ptr[at] != '\0') {
        at++;
    }
    bool ended = at > word || at == line->len;
    *line = estoc_slice_sub(*line, at, line->len);
    return *len > 0 && ended;
}

/* Room for one more, twice as much as before where it was full. No copy is left behind. */
static estoc_err add(estoc_shared_keys *keys, const estoc_shared_key *key)
{
    if (keys->n == KEYS_MAX) {
        return ESTOC_E_LIMIT;
    }
    if ((keys->n & (keys->n - 1)) == 0) { /* 0, or a power of two: it is full */
        size_t room = keys->n > 0 ? 2 * keys->n : 1;
        estoc_shared_key *more = malloc(room * sizeof *more);
        if (more == NULL) {
            return ESTOC_E_MEMORY;
        }
        size_t n = keys->n;
        if (n > 0) {
            memcpy(more, keys->at, n * sizeof *more);
        }
        estoc_shared_keys_free(keys);
        *keys = (estoc_shared_keys){more, n};
    }
    keys->at[keys->n++] = *key;
    return ESTOC_OK;
}

static estoc_err take_line(estoc_shared_keys *keys, estoc_slice line, const char **what)
{
    estoc_shared_key key;
    while (line.len > 0 && strchr(BLANKS, line.ptr[0]) != NULL && line.ptr[0] != '\0') {
        line = estoc_slice_sub(line, 1, line.len);
    }
    if (line.len == 0 || line.ptr[0] == '#') {
        return ESTOC_OK;
    }
    estoc_err err = ESTOC_E_CONFIG;
    if (!take_hex(&line, key.id, sizeof key.id, &key.id_len) ||
        !take_hex(&line, key.key, sizeof key.key, &key.key_len) || line.len > 0) {
        *what = "must be IDENTIFIER-HEX KEY-HEX, the identifier of at most 64 bytes";
    } else if (key.key_len != 16 && key.key_len != 32) {
        *what = "the key must be 16 or 32 bytes long";
    } else if (estoc_shared_key_find(keys, estoc_slice_of(key.id, key.id_len)) != NULL) {
        *what = "this identifier stands above already";
    } else {
        err = add(keys, &key);
        *what = estoc_err_text(err);
    }
    estoc_wipe(&key, sizeof key);
    return err;
}

static estoc_err take_lines(const char *path, estoc_slice text, estoc_shared_keys *out,
                            estoc_why *why)
{
    estoc_err err = ESTOC_OK;
    for (int number = 1; !err && text.len > 0; number++) {
        const uint8_t *end = memchr(text.ptr, '\n', text.len);
        size_t len = end != NULL ? (size_t)(end - text.ptr) : text.len;
        const char *what;
        err = take_line(out, estoc_slice_of(text.ptr, len), &what);
        if (err) {
            estoc_why_set(why, "%s: line %d: %s", path, number, what);
        }
        text = estoc_slice_sub(text, len + 1, text.len);
    }
    if (!err && out->n == 0) {
        estoc_why_set(why, "%s: has no key in it", path);
        err = ESTOC_E_CONFIG;
    }
    return err;
}

estoc_err estoc_shared_keys_load(const char *path, estoc_shared_keys *out, estoc_why *why)
{
    struct stat st;
    estoc_blob text;
    *out = (estoc_shared_keys){NULL, 0};
    if (stat(path, &st) == 0 && (st.st_mode & 077) != 0) {
        estoc_why_set(why, "%s: others may read it; chmod 600", path);
        return ESTOC_E_CONFIG;
    }
    estoc_err err = estoc_file_read(path, FILE_MAX, &text);
    if (err) {
        estoc_why_set(why, "%s: cannot be read: %s", path,
                      err == ESTOC_E_FILE ? strerror(errno) : estoc_err_text(err));
        return err;
    }
    err = take_lines(path, estoc_blob_slice(text), out, why);
    estoc_blob_free(&text);
    if (err) {
        estoc_shared_keys_free(out);
    }
    return err;
}

const estoc_shared_key *estoc_shared_key_find(const estoc_shared_keys *keys, estoc_slice id)
{
    for (size_t i = 0; keys != NULL && i < keys->n; i++) {
        if (estoc_slice_eq(estoc_slice_of(keys->at[i].id, keys->at[i].id_len), id)) {
            return &keys->at[i];
        }
    }
    return NULL;
}

void estoc_shared_keys_free(estoc_shared_keys *keys)
{
    if (keys->at != NULL) {
        estoc_wipe(keys->at, keys->n * sizeof *keys->at);
        free(keys->at);
    }
    *keys = (estoc_shared_keys){NULL, 0};
}

/* SPDX-License-Identifier: MIT */
#include <estoc/mime.h>

/* ---- words ---- */

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

static bool is_word(estoc_slice s, const char *word)
{
    estoc_slice w = estoc_slice_str(word);
    bool same = s.len == w.len;
    for (size_t i = 0; same && i < s.len; i++) {
        same = lower(s.ptr[i]) == w.ptr[i];
    }
    return same;
}

/* Folding is white space, too. RFC 5322 section 2.2.3 */
static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Of a value, too: a boundary that has a `=` and no quotes is seen. */
static bool ends_word(uint8_t c)
{
    return c <= ' ' || c == ';' || c == ',' || c == '"' || c >= 0x7f;
}

static void skip_blanks(estoc_reader *r)
{
    while (r->rest.len > 0 && is_blank(r->rest.ptr[0])) {
        (void)estoc_read_u8(r);
    }
}

static estoc_slice read_word(estoc_reader *r, bool name)
{
    size_t len = 0;
    while (len < r->rest.len && !ends_word(r->rest.ptr[len]) &&
           !(name && r->rest.ptr[len] == '=')) {
        len++;
    }
    return estoc_read_bytes(r, len);
}

static bool read_sign(estoc_reader *r, uint8_t sign)
{
    skip_blanks(r);
    bool is = r->rest.len > 0 && r->rest.ptr[0] == sign;
    if (is) {
        (void)estoc_read_u8(r);
    }
    return is;
}

/* A quoted-string, behind its first quote. RFC 9110 section 5.6.4 */
static void read_quoted(estoc_reader *r, estoc_writer *w)
{
    uint8_t c = estoc_read_u8(r);
    while (!r->err && c != '"') {
        estoc_write_u8(w, c == '\\' ? estoc_read_u8(r) : c);
        c = estoc_read_u8(r);
    }
}

bool estoc_media_is(estoc_slice value, const char *type)
{
    estoc_reader r = estoc_reader_of(value);
    skip_blanks(&r);
    bool is = is_word(read_word(&r, true), type);
    skip_blanks(&r);
    return is && (r.rest.len == 0 || r.rest.ptr[0] == ';');
}

/* One `name=value`, or a name alone. @return whether it is this one */
static bool read_param(estoc_reader *r, const char *name, estoc_buf out, size_t *len, bool *fits)
{
    skip_blanks(r);
    bool is = is_word(read_word(r, true), name);
    estoc_writer w = is ? estoc_writer_of(out) : estoc_writer_counting();
    if (read_sign(r, '=')) {
        if (read_sign(r, '"')) {
            read_quoted(r, &w);
        } else {
            skip_blanks(r);
            estoc_write_bytes(&w, read_word(r, false));
        }
    }
    if (is) {
        *fits = !estoc_writer_end(&w, len) && !r->err;
        *len = *fits ? *len : 0;
    }
    return is;
}

bool estoc_media_param(estoc_slice value, const char *name, estoc_buf out, size_t *len)
{
    estoc_reader r = estoc_reader_of(value);
    bool found;
    bool fits = false;
    *len = 0;
    do { /* the type itself is passed over as a name */
        found = read_param(&r, name, out, len, &fits);
    } while (!found && (read_sign(&r, ';') || read_sign(&r, ',')));
    return found && fits;
}

/* ---- multipart/mixed ---- */

/* A line, without its end. */
static estoc_slice read_line(estoc_reader *r)
{
    size_t len = 0;
    while (len < r->rest.len && r->rest.ptr[len] != '\n') {
        len++;
    }
    estoc_slice line = estoc_read_bytes(r, len);
    if (r->rest.len > 0) {
        (void)estoc_read_u8(r);
    }
    line.len -= line.len > 0 && line.ptr[line.len - 1] == '\r';
    return line;
}

enum kind { TEXT, DELIMITER, CLOSE };

/* Blanks may follow it. RFC 2046 section 5.1.1 */
static enum kind kind_of(estoc_slice line, estoc_slice boundary)
{
    estoc_slice dashes = estoc_slice_str("--");
    size_t at = 2 + boundary.len;
    if (!estoc_slice_eq(estoc_slice_sub(line, 0, 2), dashes) ||
        !estoc_slice_eq(estoc_slice_sub(line, 2, boundary.len), boundary)) {
        return TEXT;
    }
    bool last = estoc_slice_eq(estoc_slice_sub(line, at, 2), dashes);
    at += last ? 2 : 0;
    while (at < line.len && is_blank(line.ptr[at])) {
        at++;
    }
    return at < line.len ? TEXT : last ? CLOSE : DELIMITER;
}

/* Lines up to the next delimiter, whose line's end before it is its own. */
static estoc_slice read_text(estoc_reader *r, estoc_slice boundary, enum kind *kind)
{
    const uint8_t *from = r->rest.ptr;
    size_t len = 0;
    estoc_slice line = {NULL, 0};
    *kind = TEXT;
    while (*kind == TEXT && r->rest.len > 0) {
        len = line.ptr != NULL ? (size_t)(line.ptr + line.len - from) : 0;
        line = read_line(r);
        *kind = kind_of(line, boundary);
    }
    if (*kind == TEXT) {
        estoc_reader_fail(r, ESTOC_E_TRUNCATED);
    }
    return estoc_slice_of(from, len);
}

/* A header field, with the lines that continue it. @return false: the empty line behind them all */
static bool read_field(estoc_reader *r, estoc_slice *name, estoc_slice *value)
{
    estoc_slice line = read_line(r);
    if (line.len == 0) {
        return false;
    }
    while (r->rest.len > 0 && (r->rest.ptr[0] == ' ' || r->rest.ptr[0] == '\t')) {
        estoc_slice more = read_line(r);
        line.len = (size_t)(more.ptr + more.len - line.ptr);
    }
    size_t colon = 0;
    while (colon < line.len && line.ptr[colon] != ':') {
        colon++;
    }
    if (colon == 0 || colon == line.len || is_blank(line.ptr[0])) {
        estoc_reader_malformed(r);
    }
    *name = estoc_slice_sub(line, 0, colon);
    *value = estoc_slice_sub(line, colon + 1, line.len);
    return !r->err;
}

/* Headers, an empty line, and the rest. */
static estoc_err split(estoc_slice text, estoc_mime_part *part)
{
    estoc_reader r = estoc_reader_of(text);
    estoc_slice name, value;
    bool typed = false;
    while (read_field(&r, &name, &value)) {
        if (is_word(name, "content-type")) {
            if (typed) {
                estoc_reader_malformed(&r);
            }
            typed = true;
            part->type = value;
        }
    }
    part->body = r.rest;
    return r.err;
}

static estoc_err parse(estoc_slice type, estoc_slice body, estoc_mime_part *parts, size_t room,
                       size_t *n)
{
    uint8_t boundary[ESTOC_BOUNDARY_MAX];
    size_t len;
    enum kind kind;
    estoc_reader r = estoc_reader_of(body);
    if (!estoc_media_is(type, "multipart/mixed") ||
        !estoc_media_param(type, "boundary", (estoc_buf){boundary, sizeof boundary}, &len) ||
        len == 0) {
        return ESTOC_E_MALFORMED;
    }
    (void)read_text(&r, estoc_slice_of(boundary, len), &kind);
    estoc_err err = r.err ? r.err : kind == CLOSE ? ESTOC_E_MALFORMED : ESTOC_OK;
    while (!err && kind != CLOSE) {
        estoc_slice text = read_text(&r, estoc_slice_of(boundary, len), &kind);
        err = r.err ? r.err : *n == room ? ESTOC_E_LIMIT : split(text, &parts[(*n)++]);
    }
    return err;
}

estoc_err estoc_mime_parse(estoc_slice type, estoc_slice body, estoc_mime_part *parts, size_t *n)
{
    const estoc_mime_part none = {{NULL, 0}, {NULL, 0}};
    size_t room = *n;
    *n = 0;
    for (size_t i = 0; i < room; i++) {
        parts[i] = none;
    }
    estoc_err err = parse(type, body, parts, room, n);
    while (err && *n > 0) {
        parts[--*n] = none;
    }
    return err;
}

static void put_text(estoc_writer *w, const char *text)
{
    estoc_write_bytes(w, estoc_slice_str(text));
}

estoc_err estoc_mime_build(const estoc_mime_part *parts, size_t n, const char *boundary,
                           estoc_buf out, size_t *len)
{
    estoc_writer w = estoc_writer_of(out);
    for (size_t i = 0; i < n; i++) {
        put_text(&w, "--");
        put_text(&w, boundary);
        put_text(&w, "\r\nContent-Type: ");
        estoc_write_bytes(&w, parts[i].type);
        put_text(&w, "\r\nContent-Transfer-Encoding: base64\r\n\r\n");
        estoc_base64_put(&w, parts[i].body);
        put_text(&w, "\r\n");
    }
    put_text(&w, "--");
    put_text(&w, boundary);
    put_text(&w, "--\r\n");
    return estoc_writer_end(&w, len);
}

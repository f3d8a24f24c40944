/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "naming.h"
#include "text.h"

#define VALUE_MAX   512
#define ENTRIES_MAX 32

enum {
    EMAIL = ESTOC_DER_CONTEXT(1),
    DNS = ESTOC_DER_CONTEXT(2),
    URI = ESTOC_DER_CONTEXT(6),
    IP = ESTOC_DER_CONTEXT(7)
};

/* ------------------------------------------------------------------------------ a rule, taken apart */

/* The next piece of a rule: a character, or a field between `${` and `}`. */
struct piece {
    bool field;
    uint8_t c;
    estoc_slice name;
};

/* @return false: the rule is over; or it is none, and not over */
static bool next_piece(estoc_slice *rule, struct piece *piece)
{
    const uint8_t *at = rule->ptr;
    size_t used = 1;
    *piece = (struct piece){.field = false};
    if (rule->len == 0) {
        return false;
    }
    if (at[0] == '\\') {
        if (rule->len < 2) {
            return false;
        }
        piece->c = at[1];
        used = 2;
    } else if (rule->len > 1 && at[0] == '$' && at[1] == '{') {
        const uint8_t *end = memchr(at, '}', rule->len);
        if (end == NULL) {
            return false;
        }
        piece->field = true;
        piece->name = estoc_slice_of(at + 2, (size_t)(end - at) - 2);
        used = (size_t)(end - at) + 1;
    } else {
        piece->c = at[0];
    }
    *rule = estoc_slice_sub(*rule, used, rule->len);
    return true;
}

/* The entries between commas, without the blanks around them; the first `room` of them. @return how many
 * there are */
static size_t entries_of(const char *rule, estoc_slice *entries, size_t room)
{
    size_t n = 0;
    for (const char *at = rule; at != NULL; n++) {
        const char *end = at;
        while (*end != '\0' && *end != ',') {
            end += end[0] == '\\' && end[1] != '\0' ? 2 : 1;
        }
        const char *next = *end != '\0' ? end + 1 : NULL;
        while (at < end && (*at == ' ' || *at == '\t')) {
            at++;
        }
        while (end > at && (end[-1] == ' ' || end[-1] == '\t') &&
               (end - at < 2 || end[-2] != '\\')) {
            end--;
        }
        if (n < room) {
            entries[n] = estoc_slice_of(at, (size_t)(end - at));
        }
        at = next;
    }
    return n;
}

static bool takes_from_request(const char *rule)
{
    return strstr(rule, "${request.") != NULL;
}

/* What comes before a separator, and behind it. @return false: it is not there */
static bool split(estoc_slice entry, char separator, estoc_slice *before, estoc_slice *behind)
{
    const uint8_t *at = entry.len > 0 ? memchr(entry.ptr, separator, entry.len) : NULL;
    if (at == NULL) {
        return false;
    }
    *before = estoc_slice_sub(entry, 0, (size_t)(at - entry.ptr));
    *behind = estoc_slice_sub(entry, before->len + 1, entry.len);
    return true;
}

/* ------------------------------------------------------------------------------ a value, put together */

/* Who is asked for the fields, and what is found wrong with them or with the name they make. */
struct making {
    const estoc_bearer *bearer; /* NULL: a look at the rule */
    estoc_ruling why;
};

static bool wrong(struct making *m, const char *text)
{
    m->why = (estoc_ruling){"X10", text};
    return false;
}

static bool find_field(struct making *m, estoc_slice name, estoc_field *field)
{
    switch (estoc_field_find(name, m->bearer, field)) {
    case ESTOC_FIELD_FOUND:
        return true;
    case ESTOC_FIELD_MISSING:
        return wrong(m, field->missing);
    case ESTOC_FIELD_TWICE:
        return wrong(m, "a part of your name that this path takes is there twice");
    case ESTOC_FIELD_UNKNOWN:
        break;
    }
    return wrong(m, "there is no such field");
}

/* NUL is none. */
static bool is_one_of(uint8_t c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static bool is_letter_or_digit(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* A field as a part of a URI: what is not unreserved there is written by its number.
 *                                                                          RFC 3986 section 2.1 */
static void put_quoted(estoc_writer *w, const estoc_field *f)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < f->len; i++) {
        uint8_t c = (uint8_t)f->value[i];
        if (is_letter_or_digit(c) || c == '-' || c == '.' || c == '_' || c == '~') {
            estoc_write_u8(w, c);
        } else {
            estoc_write_u8(w, '%');
            estoc_write_u8(w, (uint8_t)digits[c >> 4]);
            estoc_write_u8(w, (uint8_t)digits[c & 15]);
        }
    }
}

/* Whether all are letters, digits, or of these. */
static bool consists_of(const estoc_field *f, const char *more)
{
    for (size_t i = 0; i < f->len; i++) {
        if (!is_letter_or_digit((uint8_t)f->value[i]) && !is_one_of((uint8_t)f->value[i], more)) {
            return false;
        }
    }
    return true;
}

/* A field in a name of a kind (0: in an attribute). One that is a part of a name does not bring in more
 * parts of it; one that is the whole may have any. */
static bool put_field(struct making *m, estoc_writer *w, uint8_t kind, bool whole,
                      const estoc_field *f)
{
    bool as_it_is = kind == 0 || kind == IP || (whole && f->kind == kind);
    if (!as_it_is && kind == URI) {
        put_quoted(w, f);
        return true;
    }
    if (!as_it_is && !consists_of(f, kind == EMAIL ? "-._+" : whole ? "-." : "-")) {
        return wrong(m, "a part of your name cannot be a part of another name");
    }
    if (kind == DNS && memchr(f->value, '*', f->len) != NULL) {
        return wrong(m, "your name is that of many hosts");
    }
    estoc_write_bytes(w, estoc_slice_of(f->value, f->len));
    return true;
}

static bool put_value(struct making *m, estoc_writer *w, uint8_t kind, estoc_slice rule)
{
    struct piece piece;
    estoc_slice rest = rule;
    while (next_piece(&rest, &piece)) {
        estoc_field field;
        bool whole = piece.field && piece.name.len + 3 == rule.len;
        if (!piece.field) {
            estoc_write_u8(w, piece.c);
        } else if (!find_field(m, piece.name, &field) || !put_field(m, w, kind, whole, &field)) {
            return false;
        }
    }
    if (rest.len > 0) {
        return wrong(m, "a backslash or a brace without an end");
    }
    return (!w->err && w->len > 0) || wrong(m, "the name that this path gives you is too long");
}

/* ---------------------------------------------------------------------------------------- the subject */

/* The most characters of each.                                             RFC 5280 appendix A.1 */
static size_t most_of(estoc_slice type)
{
    static const struct {
        const char *type;
        size_t most;
    } bounds[] = {{"C", 2},   {"ST", 128},  {"L", 128},
                  {"DC", 63}, {"UID", 256}, {"emailAddress", 255}};
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        if (estoc_slice_eq(type, estoc_slice_str(bounds[i].type))) {
            return bounds[i].most;
        }
    }
    return 64;
}

static size_t characters(estoc_slice text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        n += text.ptr[i] >> 6 != 2;
    }
    return n;
}

static bool put_rdn(struct making *m, estoc_writer *w, estoc_slice entry)
{
    uint8_t room[VALUE_MAX];
    estoc_slice type, rule;
    if (!split(entry, '=', &type, &rule) || estoc_name_type(type).len == 0) {
        return wrong(m, "no such attribute");
    }
    estoc_writer value = estoc_writer_of((estoc_buf){room, sizeof room});
    if (!put_value(m, &value, 0, rule)) {
        return false;
    }
    size_t n = characters(estoc_writer_slice(&value));
    if (n > most_of(type) || (most_of(type) == 2 && n != 2)) {
        return wrong(m, "a part of the name that this path gives you is too long");
    }
    estoc_name_put(w, estoc_name_type(type), estoc_writer_slice(&value));
    return true;
}

/* As RFC 4514 writes a name: what stands first in the text comes last. */
static bool make_subject(struct making *m, const char *rule, estoc_writer *w, estoc_slice *at)
{
    estoc_slice entries[ENTRIES_MAX];
    size_t n = entries_of(rule, entries, ENTRIES_MAX);
    *at = estoc_slice_str(rule);
    size_t all = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    if (n > ESTOC_NAME_RDNS_MAX) {
        return wrong(m, "too many attributes");
    }
    for (size_t i = n; i > 0; i--) {
        *at = entries[i - 1];
        if (!put_rdn(m, w, entries[i - 1])) {
            return false;
        }
    }
    estoc_der_close(w, all);
    *at = estoc_slice_str(rule); /* the parts are good */
    return (!w->err && !estoc_name_check(estoc_writer_slice(w))) ||
           wrong(m, "the name that this path gives you cannot be one");
}

/* ------------------------------------------------------------------------------ the alternative names */

/* @return false: a value that can be no name of its kind */
static bool put_name(estoc_writer *w, uint8_t kind, estoc_slice value)
{
    char text[VALUE_MAX + sizeof "ip:"] = "ip:";
    switch (kind) {
    case DNS:
        estoc_der_put(w, kind, value);
        return estoc_text_is_host(value);
    case URI:
        estoc_der_put(w, kind, value);
        return estoc_text_is_uri(value);
    case EMAIL:
        estoc_der_put(w, kind, value);
        return estoc_text_is_mailbox(value);
    default:
        memcpy(text + 3, value.ptr, value.len);
        text[3 + value.len] = '\0';
        return memchr(value.ptr, '\0', value.len) == NULL && estoc_san_put(w, text, false);
    }
}

static bool put_entry(struct making *m, estoc_writer *w, estoc_slice entry)
{
    static const struct {
        const char *name;
        uint8_t kind;
    } kinds[] = {{"dns", DNS}, {"ip", IP}, {"uri", URI}, {"email", EMAIL}};
    uint8_t room[VALUE_MAX];
    estoc_slice name, rule;
    size_t i = 0;
    if (!split(entry, ':', &name, &rule)) {
        return wrong(m, "no kind of name");
    }
    while (i < sizeof kinds / sizeof kinds[0] &&
           !estoc_slice_eq(name, estoc_slice_str(kinds[i].name))) {
        i++;
    }
    if (i == sizeof kinds / sizeof kinds[0]) {
        return wrong(m, "no kind of name");
    }
    estoc_writer value = estoc_writer_of((estoc_buf){room, sizeof room});
    return put_value(m, &value, kinds[i].kind, rule) &&
           (put_name(w, kinds[i].kind, estoc_writer_slice(&value)) ||
            wrong(m, "the name that this path gives you cannot be one"));
}

static bool make_san(struct making *m, const char *rule, estoc_writer *w, estoc_slice *at)
{
    estoc_slice entries[ENTRIES_MAX];
    size_t n = entries_of(rule, entries, ENTRIES_MAX);
    *at = estoc_slice_str(rule);
    size_t all = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    if (n > ENTRIES_MAX) {
        return wrong(m, "too many names");
    }
    for (size_t i = 0; i < n; i++) {
        *at = entries[i];
        if (!put_entry(m, w, entries[i])) {
            return false;
        }
    }
    estoc_der_close(w, all);
    return !w->err || wrong(m, "the names that this path gives you are too long");
}

/* ------------------------------------------------------------------------------------- a look at a rule */

static bool good(bool (*make)(struct making *m, const char *rule, estoc_writer *w, estoc_slice *at),
                 const char *rule, estoc_slice *wrong_part)
{
    uint8_t room[ESTOC_NAMES_MAX];
    struct making m = {.bearer = NULL};
    estoc_writer w = estoc_writer_of((estoc_buf){room, sizeof room});
    return make(&m, rule, &w, wrong_part);
}

bool estoc_naming_subject_good(const char *rule, estoc_slice *wrong_part)
{
    return good(make_subject, rule, wrong_part);
}

bool estoc_naming_san_good(const char *rule, estoc_slice *wrong_part)
{
    return good(make_san, rule, wrong_part);
}

/* ----------------------------------------------------------------------------------------- the grant */

/* A device may ask for what it gets, or say who it is. */
static bool asked_subject_good(const estoc_petition *p, const estoc_csr *csr, estoc_slice made)
{
    return takes_from_request(p->profile->subject) || estoc_name_is_empty(csr->subject) ||
           estoc_policy_same_name(csr->subject, made) ||
           estoc_policy_same_name(csr->subject, p->client->subject);
}

static bool asked_san_good(const estoc_petition *p, const estoc_csr *csr, estoc_slice made)
{
    estoc_der el;
    estoc_reader r;
    if (takes_from_request(p->profile->san) || csr->san.len == 0) {
        return true;
    }
    if (estoc_der_begin(csr->san, &r)) {
        return false;
    }
    while (estoc_der_more(&r, &el)) {
        if (!estoc_policy_has_name(made, el.whole) &&
            !estoc_policy_has_name(p->client->san, el.whole)) {
            return false;
        }
    }
    return !r.err;
}

static estoc_err refuse(estoc_ruling *why, const char *text)
{
    return estoc_policy_refuse(why, ESTOC_E_FORBIDDEN, "X10", text);
}

estoc_err estoc_naming_grant(const estoc_petition *p, const estoc_csr *csr, estoc_grant *grant,
                             estoc_ruling *why)
{
    const estoc_bearer bearer = {p->client, csr};
    struct making m = {.bearer = &bearer};
    estoc_slice at;
    if (p->profile->subject[0] != '\0') {
        estoc_writer w =
            estoc_writer_of((estoc_buf){grant->made_subject, sizeof grant->made_subject});
        if (!make_subject(&m, p->profile->subject, &w, &at)) {
            return refuse(why, m.why.text);
        }
        grant->subject = estoc_writer_slice(&w);
        if (!asked_subject_good(p, csr, grant->subject)) {
            return refuse(why, "the subject is neither yours nor the one you get here");
        }
    }
    if (p->profile->san[0] != '\0') {
        estoc_writer w = estoc_writer_of((estoc_buf){grant->made_san, sizeof grant->made_san});
        if (!make_san(&m, p->profile->san, &w, &at)) {
            return refuse(why, m.why.text);
        }
        grant->san = estoc_writer_slice(&w);
        if (!asked_san_good(p, csr, grant->san)) {
            return refuse(why, "an alternative name is neither yours nor one you get here");
        }
    }
    return ESTOC_OK;
}

/* SPDX-License-Identifier: MIT */
#include <estoc/mime.h>

enum { NO_DIGIT = 0xff };

static uint8_t digit_of(uint8_t c)
{
    return (uint8_t)(c >= 'A' && c <= 'Z'   ? c - 'A'
                     : c >= 'a' && c <= 'z' ? c - 'a' + 26
                     : c >= '0' && c <= '9' ? c - '0' + 52
                     : c == '+'             ? 62
                     : c == '/'             ? 63
                                            : NO_DIGIT);
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Digits come in, bytes go out; the writer is never before the reader. */
struct decoder {
    estoc_writer to;
    uint32_t bits;   /* of the digits since the last whole group */
    unsigned digits; /* in that group */
    unsigned pads;
};

static void take_digit(struct decoder *d, uint8_t digit)
{
    if (digit == NO_DIGIT || d->pads > 0) {
        estoc_writer_fail(&d->to, ESTOC_E_MALFORMED);
    }
    d->bits = d->bits << 6 | digit;
    if (++d->digits == 4) {
        estoc_write_uint(&d->to, d->bits, 3);
        d->digits = 0;
        d->bits = 0;
    }
}

static void take_pad(struct decoder *d)
{
    if (d->digits < 2 || ++d->pads > 4 - d->digits) {
        estoc_writer_fail(&d->to, ESTOC_E_MALFORMED);
    }
}

/* Two digits are a byte and 4 bits, three are two bytes and 2 bits. RFC 4648 section 4 */
static void end(struct decoder *d)
{
    unsigned spare = d->digits == 2 ? 4 : 2;
    if (d->digits == 0) {
        return;
    }
    if (d->digits + d->pads < 4) {
        estoc_writer_fail(&d->to, ESTOC_E_TRUNCATED);
    } else if ((d->bits & ((1u << spare) - 1)) != 0) {
        estoc_writer_fail(&d->to, ESTOC_E_MALFORMED);
    } else {
        estoc_write_uint(&d->to, d->bits >> spare, d->digits - 1);
    }
}

estoc_err estoc_base64_read(estoc_slice text, estoc_buf out, size_t *len)
{
    uint8_t none;
    struct decoder d = {estoc_writer_of(out.ptr != NULL ? out : (estoc_buf){&none, 0}), 0, 0, 0};
    for (size_t i = 0; i < text.len && !d.to.err; i++) {
        uint8_t c = text.ptr[i];
        if (c == '=') {
            take_pad(&d);
        } else if (!is_blank(c)) {
            take_digit(&d, digit_of(c));
        }
    }
    if (!d.to.err) {
        end(&d);
    }
    return estoc_writer_end(&d.to, len);
}

void estoc_base64_put(estoc_writer *w, estoc_slice bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < bytes.len && !w->err; i += 3) {
        size_t left = bytes.len - i;
        uint32_t v = (uint32_t)bytes.ptr[i] << 16 |
                     (left > 1 ? (uint32_t)bytes.ptr[i + 1] << 8 : 0) |
                     (left > 2 ? bytes.ptr[i + 2] : 0);
        for (unsigned k = 0; k < 4; k++) {
            estoc_write_u8(w, k > left ? '=' : (uint8_t)digits[v >> (18 - 6 * k) & 63]);
        }
    }
}

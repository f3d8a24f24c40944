/* SPDX-License-Identifier: MIT
 *
 * Input: one certification request. What is taken lies inside, says the same when parsed again, and is
 * built again byte for byte from what was found in it.
 */
#include <string.h>

#include <estoc/csr.h>

#include "check.h"
#include "text.h"

static void check_refused(const estoc_csr *csr, estoc_err err)
{
    static const estoc_csr zero;
    CHECK(err == ESTOC_E_TRUNCATED || err == ESTOC_E_MALFORMED || err == ESTOC_E_TRAILING ||
          err == ESTOC_E_UNSUPPORTED || err == ESTOC_E_LIMIT);
    CHECK(memcmp(csr, &zero, sizeof zero) == 0);
}

static void check_insides(const estoc_csr *csr, estoc_slice der)
{
    CHECK(check_inside(csr->info, der) && check_inside(csr->signature, der));
    CHECK(check_inside(csr->subject, csr->info) && check_inside(csr->spki.der, csr->info));
    CHECK(check_inside(csr->spki.key, csr->spki.der) && check_inside(csr->attributes, csr->info));
    CHECK(check_inside(csr->extensions, csr->attributes));
    CHECK(check_inside(csr->challenge_password, csr->attributes));
    CHECK(check_inside(csr->san, csr->extensions));
    CHECK(csr->has_challenge_password == (csr->challenge_password.len > 0));
    CHECK(csr->challenge_password.len <= 255);
    CHECK(estoc_sig_fits_key(csr->sig, csr->spki.kind));
}

/* A part stands for itself. */
static void check_parts(const estoc_csr *csr)
{
    estoc_spki spki;
    CHECK(estoc_name_check(csr->subject) == ESTOC_OK);
    CHECK(estoc_spki_parse(&spki, csr->spki.der) == ESTOC_OK);
    CHECK(spki.kind == csr->spki.kind && estoc_slice_eq(spki.key, csr->spki.key));
    for (size_t cap = 0; cap < 80; cap += 9) {
        uint8_t *text = malloc(cap > 0 ? cap : 1);
        CHECK(text != NULL);
        const char *s = estoc_name_text(csr->subject, (estoc_buf){text, cap});
        CHECK(cap == 0 || memchr(s, 0, cap) != NULL);
        free(text);
    }
}

static void check_extensions(const estoc_csr *csr)
{
    estoc_reader outer = estoc_reader_of(csr->extensions);
    estoc_reader r = estoc_der_enter(&outer, ESTOC_DER_SEQUENCE);
    estoc_ext ext, other;
    size_t n = 0;
    bool san = false;
    while (estoc_ext_next(&r, &ext)) {
        CHECK(check_inside(ext.whole, csr->extensions) && check_inside(ext.oid, ext.whole));
        CHECK(check_inside(ext.value, ext.whole) && ++n <= 32);
        san = san || (ext.value.ptr == csr->san.ptr && ext.value.len == csr->san.len);
        estoc_reader rest = r;
        while (estoc_ext_next(&rest, &other)) {
            CHECK(!estoc_slice_eq(ext.oid, other.oid));
        }
    }
    CHECK(estoc_reader_end(&r) == ESTOC_OK && estoc_reader_end(&outer) == ESTOC_OK && n > 0);
    CHECK(san || csr->san.len == 0);
}

static estoc_err replay(void *ctx, estoc_slice msg, estoc_buf sig, size_t *sig_len)
{
    const estoc_csr *csr = ctx;
    CHECK(estoc_slice_eq(msg, csr->info));
    CHECK(csr->signature.len <= sig.cap);
    if (csr->signature.len > 0) {
        memcpy(sig.ptr, csr->signature.ptr, csr->signature.len);
    }
    *sig_len = csr->signature.len;
    return ESTOC_OK;
}

/* The attributes that the plan has no field for, the last one first. A password in a PrintableString
 * is one of them: the builder writes UTF8String. */
static size_t other_attributes(const estoc_csr *csr, uint8_t *out, bool *password)
{
    size_t at = csr->attributes.len;
    estoc_reader r = estoc_reader_of(csr->attributes);
    estoc_der el;
    *password = false;
    while (estoc_reader_left(&r) > 0 && estoc_der_next(&r, &el)) {
        bool secret =
            csr->has_challenge_password && check_inside(csr->challenge_password, el.whole);
        bool utf8 = secret && csr->challenge_password.ptr[-2] == ESTOC_DER_UTF8_STRING;
        bool longer = secret && csr->challenge_password.len >= 128;
        utf8 = utf8 || (longer && csr->challenge_password.ptr[-3] == ESTOC_DER_UTF8_STRING);
        *password = *password || utf8;
        if (!utf8 && !(csr->extensions.len > 0 && check_inside(csr->extensions, el.whole))) {
            at -= el.whole.len;
            memcpy(out + at, el.whole.ptr, el.whole.len);
        }
    }
    memmove(out, out + at, csr->attributes.len - at);
    return csr->attributes.len - at;
}

/* In a block of `cap` bytes, so that a sanitizer sees a write past it. */
static void check_room(const estoc_csr_plan *plan, const estoc_signer *signer, estoc_slice der,
                       size_t cap)
{
    uint8_t *room = malloc(cap);
    CHECK(room != NULL);
    size_t len;
    estoc_err err = estoc_csr_build(plan, signer, (estoc_buf){room, cap}, &len);
    if (cap < der.len) {
        CHECK(err == ESTOC_E_SPACE && len == 0);
    } else {
        CHECK(err == ESTOC_OK && estoc_slice_eq(estoc_slice_of(room, len), der));
    }
    free(room);
}

static void check_built(estoc_csr *csr, estoc_slice der)
{
    estoc_signer signer = {csr, csr->sig, replay};
    uint8_t *others = malloc(csr->attributes.len + 1);
    CHECK(others != NULL);
    bool password;
    size_t len = other_attributes(csr, others, &password);
    estoc_csr_plan plan = {.subject = csr->subject,
                           .spki = csr->spki.der,
                           .extensions = csr->extensions,
                           .more_attributes = estoc_slice_of(others, len)};
    if (password) {
        plan.challenge_password = csr->challenge_password;
    }
    check_room(&plan, &signer, der, der.len);
    check_room(&plan, &signer, der, der.len - 1);
    check_room(&plan, &signer, der, der.len / 2);
    free(others);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    estoc_slice der = estoc_slice_of(data, size);
    estoc_csr csr, again;
    memset(&csr, 0xa5, sizeof csr);
    estoc_err err = estoc_csr_parse(&csr, der);
    if (err != ESTOC_OK) {
        check_refused(&csr, err);
        return 0;
    }
    CHECK(estoc_csr_parse(&again, der) == ESTOC_OK && memcmp(&csr, &again, sizeof csr) == 0);
    check_insides(&csr, der);
    check_parts(&csr);
    if (csr.extensions.len > 0) {
        check_extensions(&csr);
    }
    if (csr.signature.len <= 512) {
        check_built(&csr, der);
    }
    return 0;
}

/* SPDX-License-Identifier: MIT
 *
 * Requests built: those of csr.c again, from their parts.
 */
#include <estoc/csr.h>

#include "coap/rows.h"

#include "forged.h"

static uint8_t room[70000];
static uint8_t more[20000];
static estoc_csr csr;

/* Gives a signature made before, for the message it was made for. */
struct replayed {
    estoc_slice msg, sig;
    estoc_err err;
    size_t claim; /* length said, if not 0 */
    unsigned calls;
};

static estoc_err replay(void *ctx, estoc_slice msg, estoc_buf sig, size_t *sig_len)
{
    struct replayed *r = ctx;
    r->calls++;
    *sig_len = r->claim > 0 ? r->claim : r->sig.len;
    if (r->err) {
        return r->err;
    }
    if (r->msg.len > 0) {
        assert_bytes(msg, r->msg);
    }
    assert_int_equal(sig.cap, 512);
    assert_true(r->sig.len <= sig.cap);
    memcpy(sig.ptr, r->sig.ptr, r->sig.len);
    return ESTOC_OK;
}

/* The attributes that are neither of the two known, the last one first: they have to be sorted. */
static size_t other_attributes(estoc_slice attributes, uint8_t *out, size_t cap)
{
    size_t at = cap;
    estoc_reader r = estoc_reader_of(attributes);
    estoc_der el;
    while (estoc_reader_left(&r) > 0 && estoc_der_next(&r, &el)) {
        estoc_reader in = estoc_reader_of(el.value);
        estoc_slice oid = estoc_der_oid(&in);
        uint8_t last = oid.ptr[oid.len - 1];
        if (oid.len != 9 || (last != 0x07 && last != 0x0e)) {
            at -= el.whole.len;
            memcpy(out + at, el.whole.ptr, el.whole.len);
        }
    }
    memmove(out, out + at, cap - at);
    return cap - at;
}

static estoc_csr_plan plan_of(const estoc_csr *parsed)
{
    size_t len = other_attributes(parsed->attributes, more, sizeof more);
    return (estoc_csr_plan){.subject = parsed->subject,
                            .spki = parsed->spki.der,
                            .extensions = parsed->extensions,
                            .challenge_password = parsed->challenge_password,
                            .more_attributes = estoc_slice_of(more, len)};
}

/* Taken apart and built again, with the signature it had, a request of OpenSSL is the same bytes; and
 * so in a buffer of each size, exactly, of which all but the last are too small. */
static void rebuilt(void **state)
{
    const struct wellformed_request *row = *state;
    assert_int_equal(estoc_csr_parse(&csr, row->bytes), 0);
    estoc_csr_plan plan = plan_of(&csr);
    struct replayed before = {.msg = csr.info, .sig = csr.signature};
    estoc_signer signer = {&before, csr.sig, replay};
    for (size_t cap = 0; cap <= row->bytes.len; cap++) {
        uint8_t *exact = malloc(cap > 0 ? cap : 1);
        assert_non_null(exact);
        memset(exact, 0, cap > 0 ? cap : 1);
        size_t len = 9;
        estoc_err err = estoc_csr_build(&plan, &signer, (estoc_buf){exact, cap}, &len);
        if (cap < row->bytes.len) {
            assert_int_equal(err, ESTOC_E_SPACE);
            assert_int_equal(len, 0);
            for (size_t i = 0; i < cap; i++) { /* the password does not stay behind */
                assert_int_equal(exact[i], 0);
            }
        } else {
            assert_int_equal(err, 0);
            assert_bytes(estoc_slice_of(exact, len), row->bytes);
        }
        free(exact);
    }
    assert_in_range(before.calls, 1, row->bytes.len);
}

/* An attribute of one value. */
static void put_attribute(estoc_writer *w, estoc_slice type, uint8_t tag, estoc_slice value)
{
    size_t attribute = estoc_der_open(w, ESTOC_DER_SEQUENCE);
    estoc_der_put(w, ESTOC_DER_OID, type);
    size_t set = estoc_der_open(w, ESTOC_DER_SET);
    estoc_der_put(w, tag, value);
    estoc_der_close(w, set);
    estoc_der_close(w, attribute);
}

static uint32_t seed;

static unsigned draw(unsigned below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

/* Whatever the order they are given in, the attributes come out in that of DER. */
static void attributes_sorted(void **state)
{
    (void)state;
    static const uint8_t spki[] = {TLV(0x30, ALG_P256, UNCOMPRESSED)};
    static const uint8_t extensions[] = {TLV(0x30, BC)};
    static uint8_t filler[300];
    struct replayed any = {.sig = estoc_slice_of("sig", 3)};
    estoc_signer signer = {&any, ESTOC_SIG_ECDSA_SHA256, replay};
    for (seed = 1; seed < 2000; seed++) {
        uint32_t again = seed;
        estoc_writer w = estoc_writer_of((estoc_buf){more, sizeof more});
        size_t n = draw(12);
        for (size_t i = 0; i < n; i++) {
            const uint8_t type[] = {(uint8_t)(0x2a + draw(2)), (uint8_t)(i * 37 % 100)};
            put_attribute(&w, estoc_slice_of(type, 2), ESTOC_DER_OCTET_STRING,
                          estoc_slice_of(filler, draw(draw(2) ? 300 : 20)));
        }
        estoc_csr_plan plan = {.spki = SLICE(spki), .more_attributes = estoc_writer_slice(&w)};
        if (draw(2)) {
            plan.extensions = SLICE(extensions);
        }
        if (draw(2)) {
            plan.challenge_password = estoc_slice_str("secret");
        }
        size_t len;
        assert_int_equal(estoc_csr_build(&plan, &signer, (estoc_buf){room, sizeof room}, &len), 0);
        assert_int_equal(estoc_csr_parse(&csr, estoc_slice_of(room, len)), 0);
        assert_true(estoc_name_is_empty(csr.subject));
        assert_bytes(csr.extensions, plan.extensions);
        assert_bytes(csr.challenge_password, plan.challenge_password);
        seed = again;
    }
}

static estoc_err build(const estoc_csr_plan *plan, estoc_sig_kind kind, struct replayed *r)
{
    estoc_signer signer = {r, kind, replay};
    size_t len = 9;
    estoc_err err = estoc_csr_build(plan, &signer, (estoc_buf){room, sizeof room}, &len);
    assert_int_equal(len == 0, err != 0);
    return err;
}

static void build_errors(void **state)
{
    (void)state;
    static uint8_t secret[256];
    static const uint8_t spki[] = {TLV(0x30, ALG_P256, UNCOMPRESSED)};
    static const uint8_t sig[512] = {1};
    const estoc_csr_plan good = {.spki = SLICE(spki)};
    estoc_csr_plan plan = good;
    struct replayed r = {.sig = SLICE(sig)};
    assert_int_equal(build(&good, ESTOC_SIG_ECDSA_SHA256, &r), 0);
    assert_int_equal(r.calls, 1);
    memset(secret, 's', sizeof secret);
    plan.challenge_password = estoc_slice_of(secret, 255);
    assert_int_equal(build(&plan, ESTOC_SIG_ECDSA_SHA256, &r), 0);
    plan.challenge_password = SLICE(secret);
    assert_int_equal(build(&plan, ESTOC_SIG_ECDSA_SHA256, &r), ESTOC_E_USAGE);
    plan = good;
    plan.more_attributes = estoc_slice_of("\x30\x05\x06", 3);
    assert_int_equal(build(&plan, ESTOC_SIG_ECDSA_SHA256, &r), ESTOC_E_MALFORMED);
    assert_int_equal(r.calls, 2); /* nothing is signed that is not sent */
    assert_int_equal(build(&good, ESTOC_SIG_UNKNOWN, &r), ESTOC_E_UNSUPPORTED);
    assert_int_equal(build(&good, (estoc_sig_kind)99, &r), ESTOC_E_UNSUPPORTED);
    assert_int_equal(r.calls, 2);
    r.claim = 513;
    assert_int_equal(build(&good, ESTOC_SIG_ECDSA_SHA256, &r), ESTOC_E_LIMIT);
    r.err = ESTOC_E_RANDOM;
    assert_int_equal(build(&good, ESTOC_SIG_ECDSA_SHA256, &r), ESTOC_E_RANDOM);
    estoc_signer signer = {&r, ESTOC_SIG_ECDSA_SHA256, replay};
    size_t len = 9;
    assert_int_equal(estoc_csr_build(&good, &signer, (estoc_buf){NULL, 0}, &len), ESTOC_E_SPACE);
    assert_int_equal(len, 0);
}

/* clang-format off */
static const struct CMUnitTest tests[] = {
    {"attributes come out in the order of DER", attributes_sorted, NULL, NULL, NULL},
    {"every error",                             build_errors, NULL, NULL, NULL},
};
/* clang-format on */

int main(void)
{
    for (size_t i = 0; i < COUNT(wellformed_requests); i++) {
        rows_add("built again:", wellformed_requests[i].name, rebuilt, &wellformed_requests[i]);
    }
    return rows_run("csr built", tests, COUNT(tests));
}

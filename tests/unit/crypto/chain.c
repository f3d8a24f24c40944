/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "crypto.h"
#include "short_memory.h"

#define NOW 1800000000 /* 2027-01-15 */
#define DAY 86400

/* What a test's certificate is made of. */
struct plan {
    const char *name;          /* common name */
    EVP_PKEY *key;             /* NULL: a new one on P-256 */
    const struct made *issuer; /* NULL: itself */
    const char *ca;            /* basicConstraints, or NULL */
    const char *usage, *ext_usage, *san;
    const char *ids; /* "none": no key identifiers */
    const EVP_MD *digest;
    int from, to; /* days from NOW; 0, 0: -1, 1 */
};

struct made {
    X509 *x;
    EVP_PKEY *key;
    estoc_slice der;
};

static struct made all[100];
static size_t all_n;

static void add_ext(X509 *x, const struct made *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    if (value == NULL) {
        return;
    }
    X509V3_set_ctx(&ctx, issuer != NULL ? issuer->x : x, x, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(ext);
    assert_int_equal(X509_add_ext(x, ext, -1), 1);
    X509_EXTENSION_free(ext);
}

static const struct made *make(struct plan p)
{
    assert_in_range(all_n, 0, sizeof all / sizeof all[0] - 1);
    struct made *m = &all[all_n++];
    const struct made *issuer = p.issuer != NULL ? p.issuer : m;
    bool days = p.from != 0 || p.to != 0;
    m->x = X509_new();
    m->key = p.key != NULL ? p.key : EVP_EC_gen("P-256");
    if (p.key != NULL) {
        EVP_PKEY_up_ref(p.key);
    }
    X509_set_version(m->x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(m->x), (long)all_n);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(m->x), "CN", MBSTRING_UTF8,
                               (const unsigned char *)p.name, -1, -1, 0);
    X509_set_issuer_name(m->x, X509_get_subject_name(issuer->x));
    ASN1_TIME_set(X509_getm_notBefore(m->x), NOW + (days ? p.from : -1) * DAY);
    ASN1_TIME_set(X509_getm_notAfter(m->x), NOW + (days ? p.to : 1) * DAY);
    X509_set_pubkey(m->x, m->key);
    add_ext(m->x, issuer, NID_basic_constraints, p.ca);
    add_ext(m->x, issuer, NID_key_usage, p.usage);
    add_ext(m->x, issuer, NID_ext_key_usage, p.ext_usage);
    add_ext(m->x, issuer, NID_subject_alt_name, p.san);
    if (p.ids == NULL) {
        add_ext(m->x, issuer, NID_subject_key_identifier, "hash");
        add_ext(m->x, issuer, NID_authority_key_identifier, "keyid");
    }
    bool pure = EVP_PKEY_is_a(issuer->key, "ED25519");
    const EVP_MD *md = p.digest != NULL ? p.digest : EVP_sha256();
    assert_true(X509_sign(m->x, issuer->key, pure ? NULL : md) > 0);
    unsigned char *der = NULL;
    int len = i2d_X509(m->x, &der);
    assert_true(len > 0);
    m->der = estoc_slice_of(der, (size_t)len);
    return m;
}

#define CA     "critical,CA:TRUE"
#define CA_USE "critical,keyCertSign,cRLSign"

static const struct made *root, *between, *device, *server;

static int set_up(void **state)
{
    (void)state;
    root = make((struct plan){.name = "root", .ca = CA, .usage = CA_USE});
    between = make((struct plan){.name = "between", .issuer = root, .ca = CA, .usage = CA_USE});
    device = make((struct plan){.name = "device",
                                .issuer = between,
                                .usage = "digitalSignature",
                                .ext_usage = "clientAuth"});
    server = make((struct plan){.name = "server",
                                .issuer = between,
                                .usage = "digitalSignature",
                                .ext_usage = "serverAuth",
                                .san = "DNS:est.example"});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < all_n; i++) {
        X509_free(all[i].x);
        EVP_PKEY_free(all[i].key);
        OPENSSL_free((void *)(uintptr_t)all[i].der.ptr);
    }
    return 0;
}

/* Up to four certificates, ended by NULL. */
typedef const struct made *list[5];

static estoc_blobs blobs_of(const list from)
{
    estoc_blobs out = {NULL, 0};
    for (size_t i = 0; i < 5 && from[i] != NULL; i++) {
        assert_int_equal(estoc_blobs_add(&out, from[i]->der), 0);
    }
    return out;
}

static estoc_why why;

static estoc_err verify_at(estoc_slice leaf, const list chain, const list anchors,
                           estoc_purpose purpose, int64_t at)
{
    estoc_blobs c = blobs_of(chain);
    estoc_blobs a = blobs_of(anchors);
    estoc_blob exact;
    memset(&why, 0, sizeof why);
    assert_int_equal(estoc_blob_copy(leaf, &exact), 0);
    estoc_err err = estoc_chain_verify(estoc_blob_slice(exact), &c, &a, purpose, at, &why);
    assert_int_equal(estoc_chain_verify(estoc_blob_slice(exact), &c, &a, purpose, at, NULL), err);
    assert_int_equal(ERR_peek_error(), 0);
    assert_null(strchr(why.text, '\n'));
    if (err) {
        assert_int_equal(err, ESTOC_E_UNTRUSTED);
        assert_int_not_equal(why.text[0], '\0');
    } else {
        assert_string_equal(why.text, "");
    }
    estoc_blob_free(&exact);
    estoc_blobs_free(&c);
    estoc_blobs_free(&a);
    return err;
}

static void assert_trusted(const struct made *leaf, const list chain, const list anchors,
                           estoc_purpose purpose)
{
    if (verify_at(leaf->der, chain, anchors, purpose, NOW)) {
        fail_msg("%s", why.text);
    }
}

static void assert_untrusted(const struct made *leaf, const list chain, const list anchors,
                             estoc_purpose purpose, const char *with)
{
    assert_int_equal(verify_at(leaf->der, chain, anchors, purpose, NOW), ESTOC_E_UNTRUSTED);
    if (strstr(why.text, with) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", why.text, with);
    }
}

#define ANY    ESTOC_PURPOSE_ANY
#define SERVER ESTOC_PURPOSE_SERVER
#define CLIENT ESTOC_PURPOSE_CLIENT

static void good_chains(void **state)
{
    (void)state;
    assert_trusted(device, (list){between}, (list){root}, CLIENT);
    assert_trusted(server, (list){between}, (list){root}, SERVER);
    assert_trusted(device, (list){between}, (list){root}, ANY);
    estoc_blobs anchors = blobs_of((list){between});
    assert_int_equal(estoc_chain_verify(device->der, NULL, &anchors, CLIENT, NOW, &why), 0);
    estoc_blobs_free(&anchors);
}

/* Hard case 311: the root sent along, out of order, twice. */
static void untidy_chains(void **state)
{
    (void)state;
    const struct made *other = make((struct plan){.name = "other", .ca = CA, .usage = CA_USE});
    assert_trusted(device, (list){root, other, between, between}, (list){root}, CLIENT);
    assert_trusted(device, (list){device, between, root}, (list){other, root, root}, CLIENT);
}

static void anchors_below_a_root(void **state)
{
    (void)state;
    assert_trusted(device, (list){NULL}, (list){between}, CLIENT);
    assert_trusted(device, (list){between, root}, (list){between}, CLIENT);
    assert_trusted(device, (list){NULL}, (list){device}, CLIENT);
}

static void missing_links(void **state)
{
    (void)state;
    const struct made *other = make((struct plan){.name = "other", .ca = CA, .usage = CA_USE});
    assert_untrusted(device, (list){NULL}, (list){root}, CLIENT, "CN=device: ");
    assert_untrusted(device, (list){between}, (list){other}, CLIENT, "issuer");
    assert_untrusted(device, (list){between, root}, (list){NULL}, CLIENT, "self-signed");
    assert_untrusted(device, (list){between}, (list){server}, CLIENT, "issuer");
}

/* Hard case 299. */
static void self_made(void **state)
{
    (void)state;
    const struct made *a = make((struct plan){.name = "device"});
    assert_untrusted(a, (list){NULL}, (list){root}, CLIENT, "self-signed");
    /* the name of the root */
    const struct made *b = make((struct plan){.name = "root"});
    assert_untrusted(b, (list){NULL}, (list){root}, CLIENT, "CN=root: ");
    b = make((struct plan){.name = "root", .ca = CA, .usage = CA_USE, .ids = "none"});
    assert_untrusted(b, (list){NULL}, (list){root}, ANY, "CN=root: ");
    const struct made *under = make((struct plan){.name = "device", .issuer = b, .ids = "none"});
    assert_untrusted(under, (list){b}, (list){root}, CLIENT, "");
    assert_untrusted(under, (list){NULL}, (list){root}, CLIENT, "CN=device: certificate signature");
    /* trusted only as itself */
    assert_trusted(a, (list){NULL}, (list){a}, CLIENT);
}

/* Hard case 299 (c): the root's name and its key identifiers. */
static void root_in_disguise(void **state)
{
    (void)state;
    X509 *x = X509_dup(root->x);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    unsigned char *der = NULL;
    X509_set_pubkey(x, key);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    int len = i2d_X509(x, &der);
    assert_int_equal(
        verify_at(estoc_slice_of(der, (size_t)len), (list){NULL}, (list){root}, ANY, NOW),
        ESTOC_E_UNTRUSTED);
    OPENSSL_free(der);
    X509_free(x);
    EVP_PKEY_free(key);
}

static void signature_changed(void **state)
{
    (void)state;
    uint8_t der[2048];
    memcpy(der, device->der.ptr, device->der.len);
    der[device->der.len - 1] ^= 1;
    assert_int_equal(
        verify_at(estoc_slice_of(der, device->der.len), (list){between}, (list){root}, CLIENT, NOW),
        ESTOC_E_UNTRUSTED);
    assert_non_null(strstr(why.text, "CN=device: certificate signature failure"));
}

static void times(void **state)
{
    (void)state;
    const struct made *old =
        make((struct plan){.name = "old", .issuer = root, .from = -9, .to = -1});
    assert_untrusted(old, (list){NULL}, (list){root}, CLIENT, "CN=old: certificate has expired");
    const struct made *new = make((struct plan){.name = "new", .issuer = root, .from = 1, .to = 9});
    assert_untrusted(new, (list){NULL}, (list){root}, CLIENT,
                     "CN=new: certificate is not yet valid");
    assert_int_equal(verify_at(device->der, (list){between}, (list){root}, CLIENT, NOW + 2 * DAY),
                     ESTOC_E_UNTRUSTED);
    assert_int_equal(verify_at(device->der, (list){between}, (list){root}, CLIENT, NOW - 2 * DAY),
                     ESTOC_E_UNTRUSTED);
    /* an anchor has an end, too */
    const struct made *dead =
        make((struct plan){.name = "dead", .ca = CA, .usage = CA_USE, .from = -9, .to = -1});
    const struct made *leaf = make((struct plan){.name = "leaf", .issuer = dead});
    assert_untrusted(leaf, (list){NULL}, (list){dead}, ANY, "CN=dead: certificate has expired");
}

static void time_unknown(void **state)
{
    (void)state;
    assert_int_equal(verify_at(device->der, (list){between}, (list){root}, ANY, 0),
                     ESTOC_E_UNTRUSTED);
    assert_non_null(strstr(why.text, "time is not known"));
    assert_int_equal(verify_at(device->der, (list){between}, (list){root}, ANY, -1),
                     ESTOC_E_UNTRUSTED);
}

/* Hard case 51. */
static void purposes(void **state)
{
    (void)state;
    assert_untrusted(server, (list){between}, (list){root}, CLIENT, "CN=server: ");
    assert_untrusted(device, (list){between}, (list){root}, SERVER, "CN=device: ");
    const struct made *plain = make((struct plan){.name = "plain", .issuer = root});
    assert_trusted(plain, (list){NULL}, (list){root}, CLIENT);
    assert_trusted(plain, (list){NULL}, (list){root}, SERVER);
    const struct made *mute =
        make((struct plan){.name = "mute", .issuer = root, .usage = "keyAgreement"});
    assert_untrusted(mute, (list){NULL}, (list){root}, CLIENT, "digital signatures");
    assert_untrusted(mute, (list){NULL}, (list){root}, SERVER, "digital signatures");
    assert_trusted(mute, (list){NULL}, (list){root}, ANY);
    const struct made *code = make((struct plan){
        .name = "code", .issuer = root, .usage = "digitalSignature", .ext_usage = "codeSigning"});
    assert_untrusted(code, (list){NULL}, (list){root}, CLIENT, "CN=code: ");
    assert_untrusted(code, (list){NULL}, (list){root}, SERVER, "CN=code: ");
    assert_trusted(code, (list){NULL}, (list){root}, ANY);
}

static void not_a_ca(void **state)
{
    (void)state;
    const struct made *leaf = make((struct plan){.name = "leaf", .issuer = device});
    assert_untrusted(leaf, (list){device, between}, (list){root}, ANY, "CN=device: ");
    const struct made *off = make((struct plan){.name = "off", .issuer = root, .ca = "CA:FALSE"});
    leaf = make((struct plan){.name = "leaf", .issuer = off});
    assert_untrusted(leaf, (list){off}, (list){root}, ANY, "CN=off: ");
    const struct made *no_sign = make(
        (struct plan){.name = "no sign", .issuer = root, .ca = CA, .usage = "digitalSignature"});
    leaf = make((struct plan){.name = "leaf", .issuer = no_sign});
    assert_untrusted(leaf, (list){no_sign}, (list){root}, ANY, "");
    const struct made *short_path = make((struct plan){
        .name = "short", .issuer = root, .ca = "critical,CA:TRUE,pathlen:0", .usage = CA_USE});
    const struct made *below =
        make((struct plan){.name = "below", .issuer = short_path, .ca = CA, .usage = CA_USE});
    leaf = make((struct plan){.name = "leaf", .issuer = below});
    assert_untrusted(leaf, (list){below, short_path}, (list){root}, ANY, "path length");
}

/* 112 bits: no RSA key below 2,048 bits anywhere, no SHA-1 but in an anchor's own signature. */
static void weakness(void **state)
{
    (void)state;
    EVP_PKEY *key = EVP_RSA_gen(1024);
    const struct made *weak = make((struct plan){.name = "weak", .issuer = root, .key = key});
    assert_untrusted(weak, (list){NULL}, (list){root}, ANY, "CN=weak: EE certificate key too weak");
    weak = make((struct plan){.name = "weak", .key = key, .ca = CA, .usage = CA_USE});
    const struct made *leaf = make((struct plan){.name = "leaf", .issuer = weak});
    assert_untrusted(leaf, (list){NULL}, (list){weak}, ANY, "CN=weak: CA certificate key too weak");
    EVP_PKEY_free(key);
    key = EVP_RSA_gen(2048);
    const struct made *old = make(
        (struct plan){.name = "old", .key = key, .ca = CA, .usage = CA_USE, .digest = EVP_sha1()});
    EVP_PKEY_free(key);
    leaf = make((struct plan){.name = "leaf", .issuer = old, .digest = EVP_sha1()});
    assert_untrusted(leaf, (list){NULL}, (list){old}, ANY, "digest algorithm too weak");
    leaf = make((struct plan){.name = "leaf", .issuer = old, .digest = EVP_md5()});
    assert_untrusted(leaf, (list){NULL}, (list){old}, ANY, "digest algorithm too weak");
    leaf = make((struct plan){.name = "leaf", .issuer = old});
    assert_trusted(leaf, (list){NULL}, (list){old}, ANY);
    leaf = make((struct plan){.name = "leaf", .issuer = root, .digest = EVP_sha1()});
    assert_untrusted(leaf, (list){NULL}, (list){root}, ANY, "digest algorithm too weak");
}

static void kinds_of_keys(void **state)
{
    (void)state;
    EVP_PKEY *keys[] = {EVP_EC_gen("P-384"), EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"),
                        EVP_RSA_gen(2048)};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const struct made *ca =
            make((struct plan){.name = "ca", .key = keys[i], .ca = CA, .usage = CA_USE});
        const struct made *leaf = make((struct plan){.name = "leaf", .issuer = ca, .key = keys[i]});
        assert_trusted(leaf, (list){NULL}, (list){ca}, CLIENT);
        EVP_PKEY_free(keys[i]);
    }
}

static void assert_key_refused(EVP_PKEY *key, const char *with)
{
    const struct made *leaf = make((struct plan){.name = "leaf", .issuer = root, .key = key});
    assert_untrusted(leaf, (list){NULL}, (list){root}, ANY, "key of a kind not supported");
    /* one such between is as if it were not there, one as an anchor is refused */
    const struct made *ca =
        make((struct plan){.name = "ca", .issuer = root, .key = key, .ca = CA, .usage = CA_USE});
    leaf = make((struct plan){.name = "leaf", .issuer = ca});
    assert_untrusted(leaf, (list){ca}, (list){root}, ANY, "CN=leaf: unable to get");
    assert_untrusted(leaf, (list){NULL}, (list){ca}, ANY, with);
    EVP_PKEY_free(key);
}

static void other_keys(void **state)
{
    (void)state;
    assert_key_refused(EVP_EC_gen("P-521"), "CN=ca: key of a kind not supported");
    assert_key_refused(EVP_EC_gen("secp256k1"), "CN=ca: key of a kind not supported");
}

/* Hard case 54, CVE-2022-0778. */
static void explicit_parameters(void **state)
{
    (void)state;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    assert_int_equal(EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_ENCODING, "explicit"),
                     1);
    assert_key_refused(key, "explicit ECC parameters");
}

/* A new key for a CA of the same name, and the old one's word for it. RFC 4210 section 4.4 */
static void changing_root(void **state)
{
    (void)state;
    const struct made *old = make((struct plan){.name = "R", .ca = CA, .usage = CA_USE});
    const struct made *new = make((struct plan){.name = "R", .ca = CA, .usage = CA_USE});
    const struct made *new_with_old =
        make((struct plan){.name = "R", .issuer = old, .key = new->key, .ca = CA, .usage = CA_USE});
    const struct made *leaf = make((struct plan){.name = "leaf", .issuer = new});
    assert_trusted(leaf, (list){NULL}, (list){new}, CLIENT);
    assert_trusted(leaf, (list){new_with_old}, (list){old}, CLIENT);
    assert_untrusted(leaf, (list){NULL}, (list){old}, CLIENT, "");
}

static void long_chain(void **state)
{
    (void)state;
    estoc_blobs chain = {NULL, 0};
    estoc_blobs anchors = blobs_of((list){root});
    const struct made *ca = root;
    for (size_t i = 0; i < 9; i++) {
        ca = make((struct plan){.name = "ca", .issuer = ca, .ca = CA, .usage = CA_USE});
        assert_int_equal(estoc_blobs_add(&chain, ca->der), 0);
        const struct made *leaf = make((struct plan){.name = "leaf", .issuer = ca});
        assert_int_equal(estoc_chain_verify(leaf->der, &chain, &anchors, ANY, NOW, &why),
                         i < 8 ? 0 : ESTOC_E_UNTRUSTED);
    }
    estoc_blobs_free(&chain);
    estoc_blobs_free(&anchors);
}

static void not_certificates(void **state)
{
    (void)state;
    assert_int_equal(verify_at(estoc_slice_of(NULL, 0), (list){NULL}, (list){root}, ANY, NOW),
                     ESTOC_E_UNTRUSTED);
    assert_string_equal(why.text, "the certificate cannot be read");
    for (size_t len = 0; len < device->der.len; len += 7) {
        assert_int_equal(verify_at(estoc_slice_of(device->der.ptr, len), (list){between},
                                   (list){root}, CLIENT, NOW),
                         ESTOC_E_UNTRUSTED);
    }
    estoc_blobs junk = {NULL, 0};
    assert_int_equal(estoc_blobs_add(&junk, estoc_slice_str("junk")), 0);
    assert_int_equal(estoc_blobs_add(&junk, between->der), 0);
    assert_int_equal(estoc_chain_verify(device->der, &junk, &junk, CLIENT, NOW, &why), 0);
    estoc_blobs_free(&junk);
}

/* Whatever is refused to OpenSSL: a chain that is none is not trusted, and a host is not named. */
static void no_memory(void **state)
{
    (void)state;
    unsigned failures = 0;
    estoc_blobs chain = blobs_of((list){between});
    estoc_blobs anchors = blobs_of((list){root});
    const struct made *fake = make((struct plan){.name = "between", .ca = CA, .usage = CA_USE});
    const struct made *bad = make((struct plan){.name = "device", .issuer = fake});
    for (long n = 1; n < 40000; n += n < 300 ? 1 : 531) {
        allocations_left = n;
        estoc_err good_err = estoc_chain_verify(device->der, &chain, &anchors, CLIENT, NOW, &why);
        allocations_left = n;
        estoc_err bad_err = estoc_chain_verify(bad->der, &chain, &anchors, CLIENT, NOW, &why);
        allocations_left = n;
        bool named = estoc_cert_names_host(server->der, "other.example");
        allocations_left = -1;
        assert_true(good_err == 0 || good_err == ESTOC_E_UNTRUSTED);
        assert_int_equal(bad_err, ESTOC_E_UNTRUSTED);
        assert_false(named);
        assert_int_equal(ERR_peek_error(), 0);
        failures += good_err != 0;
    }
    assert_in_range(failures, 100, 340);
    estoc_blobs_free(&chain);
    estoc_blobs_free(&anchors);
}

static void assert_names(const char *san, const char *host, bool want)
{
    const struct made *m = make((struct plan){.name = "cn.example", .issuer = root, .san = san});
    if (estoc_cert_names_host(m->der, host) != want) {
        fail_msg("%s %s %s", san != NULL ? san : "nothing", want ? "does not name" : "names", host);
    }
    assert_int_equal(ERR_peek_error(), 0);
    all_n--;
    X509_free(m->x);
    EVP_PKEY_free(m->key);
    OPENSSL_free((void *)(uintptr_t)m->der.ptr);
}

static void names(void **state)
{
    (void)state;
    static const struct {
        const char *san, *host;
        bool want;
    } rows[] = {
        /* clang-format off */
        {"DNS:est.example", "est.example", true},
        {"DNS:est.example", "EST.Example", true},
        {"DNS:est.example", "est.example.", true},
        {"DNS:a.example,DNS:est.example", "est.example", true},
        {"DNS:est.example", "est.example.org", false},
        {"DNS:est.example", "test.example", false},
        {"DNS:est.example", ".example", false},
        {"DNS:est.example", "", false},
        {"DNS:est.example", ".", false},
        {NULL, "cn.example", false},                     /* the subject does not count */
        {"IP:192.0.2.1", "cn.example", false},
        {"DNS:*.example.org", "est.example.org", true},
        {"DNS:*.example.org", "example.org", false},
        {"DNS:*.example.org", "a.est.example.org", false},
        {"DNS:*.example.org", ".example.org", false},
        {"DNS:est.*.org", "est.example.org", false},
        {"DNS:e*.example.org", "est.example.org", false},
        {"DNS:*t.example.org", "est.example.org", false},
        {"DNS:*", "est", false},
        {"DNS:*.org", "example.org", false},
        {"IP:192.0.2.1", "192.0.2.1", true},
        {"IP:192.0.2.1", "192.0.2.2", false},
        {"DNS:192.0.2.1", "192.0.2.1", false},           /* not as an address */
        {"IP:2001:db8::1", "2001:db8::1", true},
        {"IP:2001:db8::1", "2001:0DB8:0:0::1", true},
        {"IP:2001:db8::1", "2001:db8::2", false},
        {"IP:192.0.2.1", "::ffff:192.0.2.1", false},
        {"email:est.example", "est.example", false},
        {"URI:coaps://est.example", "est.example", false},
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_names(rows[i].san, rows[i].host, rows[i].want);
    }
    assert_false(estoc_cert_names_host(estoc_slice_str("junk"), "est.example"));
    char host[300];
    memset(host, 'a', sizeof host - 1);
    host[sizeof host - 1] = '\0';
    assert_names("DNS:est.example", host, false);
}

/* "est.example", a NUL, ".evil.example" */
static void nul_in_a_name(void **state)
{
    (void)state;
    X509 *x = X509_dup(server->x);
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();
    unsigned char *der = NULL;
    ASN1_STRING_set(text, "est.example\0.evil.example", 25);
    GENERAL_NAME_set0_value(name, GEN_DNS, text);
    sk_GENERAL_NAME_push(names, name);
    assert_int_equal(X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, X509V3_ADD_REPLACE), 1);
    assert_true(X509_sign(x, between->key, EVP_sha256()) > 0);
    int len = i2d_X509(x, &der);
    assert_false(estoc_cert_names_host(estoc_slice_of(der, (size_t)len), "est.example"));
    assert_true(estoc_cert_names_host(server->der, "est.example"));
    OPENSSL_free(der);
    GENERAL_NAMES_free(names);
    X509_free(x);
}

int main(void)
{
    if (!short_memory_ready()) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_chains),
        cmocka_unit_test(untidy_chains),
        cmocka_unit_test(anchors_below_a_root),
        cmocka_unit_test(missing_links),
        cmocka_unit_test(self_made),
        cmocka_unit_test(root_in_disguise),
        cmocka_unit_test(signature_changed),
        cmocka_unit_test(times),
        cmocka_unit_test(time_unknown),
        cmocka_unit_test(purposes),
        cmocka_unit_test(not_a_ca),
        cmocka_unit_test(weakness),
        cmocka_unit_test(kinds_of_keys),
        cmocka_unit_test(other_keys),
        cmocka_unit_test(explicit_parameters),
        cmocka_unit_test(changing_root),
        cmocka_unit_test(long_chain),
        cmocka_unit_test(not_certificates),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(names),
        cmocka_unit_test(nul_in_a_name),
    };
    return cmocka_run_group_tests_name("crypto chain", tests, set_up, tear_down);
}

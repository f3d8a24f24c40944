/* SPDX-License-Identifier: MIT
 *
 * OpenSSL's own provider, less what a DTLS server pays for and has no use of: docs/adr/0007.
 *
 * To read the key of one certificate, OpenSSL 3.0 asks each of some 80 decoders whether it is the one.
 * Here there are those of public keys in DER only, and one of our own, which makes keys on the curves that
 * devices have as src/crypto/verify.c does: a copy of the curve, with the point set. And a peer's point on these curves is not multiplied by their order: they are of prime order, so that each
 * point of the curve but infinity has it. NIST SP 800-56A revision 3 section 5.6.2.3.4
 *
 * A provider that filters another is public interface: provider(7), provider-keymgmt(7), provider-decoder(7).
 */
#include <string.h>

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#include "crypto.h"

#define NAME          "estoc"
#define FUNCTIONS_MAX 64
#define KEPT_MAX      16
#define INPUT_MAX     256 /* bytes of a key on one of the curves, and more */

static OSSL_LIB_CTX *lean;   /* NULL: the usual one is to be used */
static OSSL_PROVIDER *whole; /* the default one, in a context of its own */
static OSSL_DISPATCH ec_manager[FUNCTIONS_MAX];
static OSSL_FUNC_BIO_read_ex_fn *read_more;

/* What there is of each kind: each time a key is read, OpenSSL goes through all that it has met. It is what
 * the ciphers and groups of src/dtls and the certificates of whatever CA want. */
static struct kind {
    int operation;
    const char *names[KEPT_MAX]; /* the first of each */
    OSSL_ALGORITHM kept[KEPT_MAX];
} kinds[] = {
    {.operation = OSSL_OP_DECODER, .names = {"EC", "RSA", "RSA-PSS", "ED25519", "ED448", "DSA"}},
    {.operation = OSSL_OP_KEYMGMT,
     .names = {"EC", "X25519", "RSA", "RSA-PSS", "ED25519", "ED448", "DSA"}},
    {.operation = OSSL_OP_CIPHER, .names = {"AES-128-CCM", "AES-128-GCM", "ChaCha20-Poly1305"}},
    {.operation = OSSL_OP_DIGEST,
     .names = {"SHA1", "SHA2-224", "SHA2-256", "SHA2-384", "SHA2-512", "SHA2-512/256", "SHA3-224",
               "SHA3-256", "SHA3-384", "SHA3-512", "SHAKE-256"}},
    {.operation = OSSL_OP_KDF, .names = {"TLS1-PRF"}},
    {.operation = OSSL_OP_MAC, .names = {"HMAC"}},
};

#define KINDS (sizeof kinds / sizeof kinds[0])

/* What the default one's manager of EC keys can do. */
static struct {
    OSSL_FUNC_keymgmt_new_fn *make;
    OSSL_FUNC_keymgmt_free_fn *release;
    OSSL_FUNC_keymgmt_dup_fn *copy;
    OSSL_FUNC_keymgmt_import_fn *import;
    OSSL_FUNC_keymgmt_set_params_fn *set;
    OSSL_FUNC_keymgmt_get_params_fn *get;
    OSSL_FUNC_keymgmt_load_fn *load;
    OSSL_FUNC_keymgmt_validate_fn *validate;
    OSSL_FUNC_keymgmt_gen_set_params_fn *describe;
    OSSL_FUNC_keymgmt_gen_set_template_fn *imitate;
} ec;

static struct {
    const char *name; /* as OpenSSL calls it */
    estoc_key_kind kind;
    void *no_key; /* what the manager takes for a key: the curve */
} curves[] = {{"prime256v1", ESTOC_KEY_P256, NULL}, {"secp384r1", ESTOC_KEY_P384, NULL}};

#define CURVES (sizeof curves / sizeof curves[0])

/* ------------------------------------------------------------------------------------ reading a key */

/* How a key comes from our decoder to our manager, told by its size from those of others. */
struct handover {
    void *key;
    void *again; /* the same */
};

static void *new_reader(void *provider)
{
    return provider; /* it keeps nothing, but NULL would be a failure */
}

static void free_reader(void *reader)
{
    (void)reader;
}

static int reads(void *provider, int selection)
{
    (void)provider;
    return selection == 0 || (selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) != 0;
}

static size_t read_all(OSSL_CORE_BIO *in, uint8_t *out, size_t cap)
{
    size_t len = 0;
    size_t n = 0;
    while (len < cap && read_more(in, out + len, cap - len, &n) == 1 && n > 0) {
        len += n;
    }
    return len;
}

/* @return NULL: not a key of ours, or its point is not on the curve */
static void *key_of(estoc_slice der)
{
    estoc_spki spki;
    void *key = NULL;
    if (estoc_spki_parse(&spki, der)) {
        return NULL;
    }
    for (size_t i = 0; i < CURVES && key == NULL; i++) {
        key = curves[i].kind == spki.kind
                  ? ec.copy(curves[i].no_key, OSSL_KEYMGMT_SELECT_ALL_PARAMETERS)
                  : NULL;
    }
    const OSSL_PARAM point[] = {
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY,
                                          (void *)(uintptr_t)spki.key.ptr, spki.key.len),
        OSSL_PARAM_construct_end()};
    if (key != NULL && ec.set(key, point) != 1) {
        ec.release(key);
        key = NULL;
    }
    return key;
}

/* @return 1 without a call: something for another decoder */
static int read_key(void *reader, OSSL_CORE_BIO *in, int selection, OSSL_CALLBACK *give, void *arg,
                    OSSL_PASSPHRASE_CALLBACK *passphrase, void *passphrase_arg)
{
    uint8_t bytes[INPUT_MAX];
    int type = OSSL_OBJECT_PKEY;
    (void)reader;
    (void)selection;
    (void)passphrase;
    (void)passphrase_arg;
    void *key = key_of(estoc_slice_of(bytes, read_all(in, bytes, sizeof bytes)));
    if (key == NULL) {
        return 1;
    }
    char name[] = "EC";
    struct handover h = {key, key};
    const OSSL_PARAM object[] = {
        OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &type),
        OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_TYPE, name, 0),
        OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_REFERENCE, &h, sizeof h),
        OSSL_PARAM_construct_end()};
    int taken = give(object, arg);
    ec.release(h.key); /* NULL, if it was taken */
    return taken;
}

static const OSSL_DISPATCH reader_functions[] = {
    {OSSL_FUNC_DECODER_NEWCTX, (void (*)(void))new_reader},
    {OSSL_FUNC_DECODER_FREECTX, (void (*)(void))free_reader},
    {OSSL_FUNC_DECODER_DOES_SELECTION, (void (*)(void))reads},
    {OSSL_FUNC_DECODER_DECODE, (void (*)(void))read_key},
    {0, NULL},
};

/* ---------------------------------------------------------------------------------- managing EC keys */

static void *load(const void *reference, size_t len)
{
    struct handover *h = (struct handover *)(uintptr_t)reference;
    if (len != sizeof *h || h->key != h->again) {
        return ec.load(reference, len);
    }
    void *key = h->key;
    h->key = NULL;
    return key;
}

/* @return NULL: of another name, that one may have, too */
static void *curve_of(const char *name)
{
    for (size_t i = 0; i < CURVES; i++) {
        if (strcmp(name, curves[i].name) == 0) {
            return curves[i].no_key;
        }
    }
    return NULL;
}

static bool on_prime_curve(const void *key)
{
    char name[32] = "";
    OSSL_PARAM ask[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, name, sizeof name),
        OSSL_PARAM_construct_end()};
    return ec.get((void *)(uintptr_t)key, ask) == 1 && curve_of(name) != NULL;
}

/* A new key, too, is on a copy of the curve: the default one makes it anew. */
static int describe(void *making, const OSSL_PARAM params[])
{
    const OSSL_PARAM *name = OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_GROUP_NAME);
    const char *text = NULL;
    void *like = name != NULL && OSSL_PARAM_get_utf8_string_ptr(name, &text) == 1 && text != NULL
                     ? curve_of(text)
                     : NULL;
    return ec.describe(making, params) == 1 && (like == NULL || ec.imitate(making, like) == 1);
}

/* What is left is that the point is not infinity, its coordinates are of the field, and fit the curve. */
static int validate(const void *key, int selection, int kind)
{
    bool quick = selection == OSSL_KEYMGMT_SELECT_PUBLIC_KEY && on_prime_curve(key);
    return ec.validate(key, selection, quick ? OSSL_KEYMGMT_VALIDATE_QUICK_CHECK : kind);
}

/* ------------------------------------------------------------------------------------- the provider */

static const OSSL_PARAM *gettable(void *provider)
{
    (void)provider;
    return OSSL_PROVIDER_gettable_params(whole);
}

static int get(void *provider, OSSL_PARAM params[])
{
    (void)provider;
    return OSSL_PROVIDER_get_params(whole, params);
}

static int capabilities(void *provider, const char *capability, OSSL_CALLBACK *give, void *arg)
{
    (void)provider;
    return OSSL_PROVIDER_get_capabilities(whole, capability, give, arg);
}

static const OSSL_ALGORITHM *query(void *provider, int operation, int *no_cache)
{
    (void)provider;
    *no_cache = 0;
    for (size_t i = 0; i < KINDS; i++) {
        if (kinds[i].operation == operation) {
            return kinds[i].kept;
        }
    }
    return OSSL_PROVIDER_query_operation(whole, operation, no_cache);
}

static const OSSL_DISPATCH provider_functions[] = {
    {OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, (void (*)(void))gettable},
    {OSSL_FUNC_PROVIDER_GET_PARAMS, (void (*)(void))get},
    {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
    {OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))capabilities},
    {0, NULL},
};

/* Names of an algorithm stand one behind the other, between colons. */
static bool is_called(const OSSL_ALGORITHM *a, const char *const *names)
{
    size_t len = strcspn(a->algorithm_names, ":");
    while (*names != NULL &&
           (strlen(*names) != len || strncmp(a->algorithm_names, *names, len) != 0)) {
        names++;
    }
    return *names != NULL;
}

static bool is_ec(const OSSL_ALGORITHM *a)
{
    static const char *const names[] = {"EC", NULL};
    return is_called(a, names);
}

/* Decoders are for certificates: of public keys, in DER. */
static bool keep(const struct kind *k, const OSSL_ALGORITHM *a)
{
    return is_called(a, k->names) &&
           (k->operation != OSSL_OP_DECODER ||
            (strstr(a->property_definition, "input=der") != NULL &&
             strstr(a->property_definition, "structure=SubjectPublicKeyInfo") != NULL));
}

/* @return the end of the table, if there is none */
static OSSL_DISPATCH *find(OSSL_DISPATCH *functions, int id)
{
    while (functions->function_id != 0 && functions->function_id != id) {
        functions++;
    }
    return functions;
}

static bool take_functions(const OSSL_DISPATCH *from)
{
    OSSL_DISPATCH *to = ec_manager;
    for (size_t n = 0; from->function_id != 0 && n < FUNCTIONS_MAX - 1; n++) {
        to[n] = *from++;
    }
    ec.make = OSSL_FUNC_keymgmt_new(find(to, OSSL_FUNC_KEYMGMT_NEW));
    ec.release = OSSL_FUNC_keymgmt_free(find(to, OSSL_FUNC_KEYMGMT_FREE));
    ec.copy = OSSL_FUNC_keymgmt_dup(find(to, OSSL_FUNC_KEYMGMT_DUP));
    ec.import = OSSL_FUNC_keymgmt_import(find(to, OSSL_FUNC_KEYMGMT_IMPORT));
    ec.set = OSSL_FUNC_keymgmt_set_params(find(to, OSSL_FUNC_KEYMGMT_SET_PARAMS));
    ec.get = OSSL_FUNC_keymgmt_get_params(find(to, OSSL_FUNC_KEYMGMT_GET_PARAMS));
    ec.load = OSSL_FUNC_keymgmt_load(find(to, OSSL_FUNC_KEYMGMT_LOAD));
    ec.validate = OSSL_FUNC_keymgmt_validate(find(to, OSSL_FUNC_KEYMGMT_VALIDATE));
    ec.describe = OSSL_FUNC_keymgmt_gen_set_params(find(to, OSSL_FUNC_KEYMGMT_GEN_SET_PARAMS));
    ec.imitate = OSSL_FUNC_keymgmt_gen_set_template(find(to, OSSL_FUNC_KEYMGMT_GEN_SET_TEMPLATE));
    if (from->function_id != 0 || ec.describe == NULL || ec.imitate == NULL || ec.make == NULL ||
        ec.release == NULL || ec.copy == NULL || ec.import == NULL || ec.set == NULL ||
        ec.get == NULL || ec.load == NULL || ec.validate == NULL) {
        return false;
    }
    find(to, OSSL_FUNC_KEYMGMT_LOAD)->function = (void (*)(void))load;
    find(to, OSSL_FUNC_KEYMGMT_VALIDATE)->function = (void (*)(void))validate;
    find(to, OSSL_FUNC_KEYMGMT_GEN_SET_PARAMS)->function = (void (*)(void))describe;
    return true;
}

/* Of two that might do, OpenSSL tries the last one first. Ours leaves other curves to the default one's. */
static bool change(const struct kind *k, OSSL_ALGORITHM kept[2])
{
    if (k->operation == OSSL_OP_DECODER && is_ec(kept)) {
        kept[1] = kept[0];
        /* of two with the same properties, OpenSSL takes one */
        kept[1].property_definition = "provider=estoc,input=der,structure=SubjectPublicKeyInfo";
        kept[1].implementation = reader_functions;
        return true;
    }
    if (k->operation == OSSL_OP_KEYMGMT && is_ec(kept)) {
        bool good = take_functions(kept[0].implementation);
        kept[0].implementation = ec_manager;
        return good;
    }
    return true;
}

static bool take(struct kind *k)
{
    int no_cache;
    size_t n = 0;
    const OSSL_ALGORITHM *from = OSSL_PROVIDER_query_operation(whole, k->operation, &no_cache);
    bool good = from != NULL && no_cache == 0;
    for (; good && from->algorithm_names != NULL; from++) {
        if (keep(k, from)) {
            good = n + 2 < KEPT_MAX;
            k->kept[n] = good ? *from : k->kept[n];
            good = good && change(k, &k->kept[n]);
            n += k->kept[n + 1].algorithm_names != NULL ? 2 : 1;
        }
    }
    return good && n > 0;
}

static bool make_curves(void *provider)
{
    bool good = true;
    for (size_t i = 0; good && i < CURVES; i++) {
        OSSL_PARAM named[] = {OSSL_PARAM_construct_utf8_string(
                                  OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t)curves[i].name, 0),
                              OSSL_PARAM_construct_end()};
        curves[i].no_key = ec.make(provider);
        good = curves[i].no_key != NULL &&
               ec.import(curves[i].no_key, OSSL_KEYMGMT_SELECT_ALL_PARAMETERS, named) == 1;
    }
    return good;
}

static int start(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
                 void **provider)
{
    (void)handle;
    for (; in->function_id != 0; in++) {
        if (in->function_id == OSSL_FUNC_BIO_READ_EX) {
            read_more = OSSL_FUNC_BIO_read_ex(in);
        }
    }
    bool good = read_more != NULL;
    for (size_t i = 0; good && i < KINDS; i++) {
        good = take(&kinds[i]);
    }
    *provider = OSSL_PROVIDER_get0_provider_ctx(whole);
    *out = provider_functions;
    return good && ec.copy != NULL && make_curves(*provider);
}

/* -------------------------------------------------------------------------------------- the context */

static int is_default(OSSL_PROVIDER *p, void *only)
{
    *(bool *)only &= strcmp(OSSL_PROVIDER_get0_name(p), "default") == 0;
    return 1;
}

/* Who has set up other providers (FIPS, a token's) gets those. */
static bool is_usual(void)
{
    bool only = true;
    return OSSL_PROVIDER_do_all(NULL, is_default, &only) == 1 && only &&
           EVP_default_properties_is_fips_enabled(NULL) != 1;
}

static void init(void)
{
    OSSL_LIB_CTX *inner = is_usual() ? OSSL_LIB_CTX_new() : NULL;
    OSSL_LIB_CTX *outer = inner != NULL ? OSSL_LIB_CTX_new() : NULL;
    whole = outer != NULL ? OSSL_PROVIDER_load(inner, "default") : NULL;
    if (whole != NULL && OSSL_PROVIDER_add_builtin(outer, NAME, start) == 1 &&
        OSSL_PROVIDER_load(outer, NAME) != NULL) {
        lean = outer; /* all of it lasts as long as the process */
    } else {
        OSSL_LIB_CTX_free(outer);
        OSSL_LIB_CTX_free(inner);
    }
    ERR_clear_error();
}

void *estoc_crypto_lean(void)
{
    static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
    return CRYPTO_THREAD_run_once(&once, init) == 1 ? lean : NULL;
}

/* SPDX-License-Identifier: MIT */
#include "petition.h"

/* X3 */
static void kinds_of_keys(void **state)
{
    (void)state;
    static const estoc_key_kind kinds[] = {ESTOC_KEY_P256, ESTOC_KEY_P384, ESTOC_KEY_ED25519,
                                           ESTOC_KEY_RSA};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        estoc_key *key = NULL;
        assert_int_equal(estoc_key_generate(kinds[i], &key), 0);
        struct bytes csr = csr_of(key, "", NULL);
        profile.keys = 0;
        if (kinds[i] == ESTOC_KEY_P256) {
            assert_granted(SEN, &plain, &csr);
        } else {
            assert_refused(SEN, &plain, &csr, ESTOC_E_KEY, "X3");
        }
        profile.keys = ESTOC_KEY_BIT(kinds[i]);
        assert_granted(SEN, &plain, &csr);
        profile.keys = ~ESTOC_KEY_BIT(kinds[i]);
        assert_refused(SEN, &plain, &csr, ESTOC_E_KEY, "X3");
        profile.keys = 0;
        estoc_key_free(key);
    }
}

/* X3: also for keys that are made. */
static void bits_of_rsa(void **state)
{
    (void)state;
    static const uint32_t bits[] = {2048, 2056, 3072};
    profile.keys = ESTOC_KEY_BIT(ESTOC_KEY_RSA);
    profile.keygen = true;
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        estoc_key *key = NULL;
        assert_int_equal(estoc_key_generate_rsa(bits[i], &key), 0);
        struct bytes csr = csr_of(key, "", NULL);
        profile.rsa_bits = bits[i];
        assert_granted(SEN, &plain, &csr);
        profile.rsa_bits = bits[i] + 1;
        assert_refused(SEN, &plain, &csr, ESTOC_E_KEY, "X3");
        estoc_key_free(key);
    }
    struct bytes csr = csr_of(plain.key, "", NULL);
    profile.rsa_bits = 2048;
    assert_granted(ESTOC_OP_SKG, &plain, &csr);
    assert_int_equal(grant.make_bits, 3072); /* what is made is not the least there may be */
    profile.rsa_bits = 4096;
    assert_granted(ESTOC_OP_SKG, &plain, &csr);
    assert_int_equal(grant.make_bits, 4096);
    profile.rsa_bits = 0;
    profile.keys = 0;
    profile.keygen = false;
}

/* Hard cases 202, 204, 206. */
static void faulty_keys(void **state)
{
    (void)state;
    static const char bits[] = "\x03\x42\x00";
    struct bytes csr = csr_of(plain.key, "", NULL);
    uint8_t *point = find(&csr, bits, 3);
    point[64] ^= 1;
    assert_refused(SEN, &plain, &csr, ESTOC_E_KEY, "X3");
    point[64] ^= 1;
    point[0] = 0x06; /* hybrid */
    assert_refused(SEN, &plain, &csr, ESTOC_E_UNSUPPORTED, "X3");
    point[0] = 0x04;
    assert_granted(SEN, &plain, &csr);
    uint8_t *curve = find(&csr, "\x2a\x86\x48\xce\x3d\x03\x01", 7);
    *curve = 0x01; /* prime192v1 */
    assert_refused(SEN, &plain, &csr, ESTOC_E_UNSUPPORTED, "X3");
}

/* Hard cases 199, 201; C4: 4.00 */
static void faulty_signatures(void **state)
{
    (void)state;
    struct bytes csr = csr_of(plain.key, "", NULL);
    csr.ptr[csr.len - 1] ^= 1;
    assert_refused(SEN, &plain, &csr, ESTOC_E_SIGNATURE, "E4");
    assert_int_equal(estoc_err_coap_code(ESTOC_E_SIGNATURE), ESTOC_COAP_BAD_REQUEST);
    csr.ptr[csr.len - 1] ^= 1;
    uint8_t *alg = find(&csr, "\x2a\x86\x48\xce\x3d\x04\x03", 7);
    *alg = 3; /* SHA-384, where SHA-256 signed */
    assert_refused(SEN, &plain, &csr, ESTOC_E_SIGNATURE, "E4");
    *alg = 4; /* SHA-512: not taken */
    assert_refused(SEN, &plain, &csr, ESTOC_E_UNSUPPORTED, "X3");
    /* signed by another key than the one inside */
    struct bytes a = csr_of(plain.key, "", NULL);
    struct bytes b = csr_of(device.key, "", NULL);
    static const char bits[] = "\x03\x42\x00";
    memcpy(find(&a, bits, 3), find(&b, bits, 3), 65);
    assert_refused(SEN, &plain, &a, ESTOC_E_SIGNATURE, "E4");
}

/* Hard case 207. */
static void the_key_of_the_ca(void **state)
{
    (void)state;
    struct bytes csr = csr_of(ca.key, "", NULL);
    assert_refused(SEN, &plain, &csr, ESTOC_E_FORBIDDEN, "207");
}

/* Hard cases 109, 221, 222, 224, 231. */
static void not_requests(void **state)
{
    (void)state;
    struct bytes csr = csr_of(plain.key, "", NULL);
    for (size_t len = 0; len < csr.len; len++) {
        estoc_err err = ask(SEN, &plain, estoc_slice_of(csr.ptr, len));
        assert_int_equal(estoc_err_coap_code(err), ESTOC_COAP_BAD_REQUEST);
    }
    memcpy(csr.ptr + csr.len, csr.ptr, csr.len);
    csr.len += 1;
    assert_refused(SEN, &plain, &csr, ESTOC_E_TRAILING, "E4");
    csr.len += csr.len - 2;
    assert_refused(SEN, &plain, &csr, ESTOC_E_TRAILING, "E4");
    assert_int_equal(estoc_err_coap_code(ask(SEN, &plain, plain.cert.der)), ESTOC_COAP_BAD_REQUEST);
    assert_int_equal(estoc_err_coap_code(
                         ask(SEN, &plain, estoc_slice_str("-----BEGIN CERTIFICATE REQUEST-----"))),
                     ESTOC_COAP_BAD_REQUEST);
}

/* X6 */
static void other_operations(void **state)
{
    (void)state;
    struct bytes csr = csr_of(plain.key, "", NULL);
    static const estoc_op ops[] = {ESTOC_OP_NONE, ESTOC_OP_CRTS, ESTOC_OP_ATT, ESTOC_OP_SKG,
                                   ESTOC_OP_SKC};
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        assert_refused(ops[i], &plain, &csr, ESTOC_E_FORBIDDEN, "X6");
    }
}

/* E5, HC 187: key and signature say which kind is liked, and nothing else. */
static void keys_to_make(void **state)
{
    (void)state;
    struct bytes csr = csr_of(plain.key, "CN=dev-2", NULL);
    struct bytes own = csr_of(ca.key, "", NULL); /* 207 is about keys that are kept */
    profile.keygen = true;
    profile.keys = ESTOC_KEY_BIT(ESTOC_KEY_P384) | ESTOC_KEY_BIT(ESTOC_KEY_RSA);
    assert_granted(ESTOC_OP_SKG, &plain, &csr);
    assert_int_equal(grant.make, ESTOC_KEY_P384); /* no P-256: the first there is */
    assert_int_equal(grant.wish.cover, ESTOC_COVER_NONE);
    assert_int_equal(grant.spki.len, 0);
    profile.keys |= ESTOC_KEY_BIT(ESTOC_KEY_P256);
    csr.ptr[csr.len - 1] ^= 1; /* the signature */
    assert_granted(ESTOC_OP_SKC, &plain, &csr);
    assert_int_equal(grant.make, ESTOC_KEY_P256);
    assert_granted(ESTOC_OP_SKC, &plain, &own);
    profile.keys = ESTOC_KEY_BIT(ESTOC_KEY_RSA);
    assert_granted(ESTOC_OP_SKG, &plain, &csr);
    assert_int_equal(grant.make, ESTOC_KEY_RSA);
    struct bytes foreign = csr_of(plain.key, "CN=dev-1", NULL);
    assert_refused(ESTOC_OP_SKG, &plain, &foreign, ESTOC_E_FORBIDDEN, "X10");
    csr.len--;
    assert_int_equal(ask(ESTOC_OP_SKG, &plain, bytes_slice(&csr)), ESTOC_E_TRUNCATED);
    profile.keys = 0;
    profile.keygen = false;
}

static struct bytes csr_wishing(const estoc_key_wish *wish)
{
    struct bytes b = {.len = 0};
    uint8_t spki[ESTOC_SPKI_MAX], more[512];
    size_t spki_len = 0;
    estoc_writer w = estoc_writer_of((estoc_buf){more, sizeof more});
    estoc_key_wish_put(&w, wish);
    assert_int_equal(estoc_key_spki(plain.key, (estoc_buf){spki, sizeof spki}, &spki_len), 0);
    const estoc_csr_plan plan = {.spki = estoc_slice_of(spki, spki_len),
                                 .more_attributes = estoc_writer_slice(&w)};
    estoc_signer signer = estoc_key_signer(plain.key);
    assert_int_equal(estoc_csr_build(&plan, &signer, (estoc_buf){b.ptr, sizeof b.ptr}, &b.len), 0);
    return b;
}

static void decryption_keys(void **state)
{
    (void)state;
    const estoc_key_wish wish = {.cover = ESTOC_COVER_SYMMETRIC,
                                 .id = estoc_slice_str("kek-1"),
                                 .caps = ESTOC_CAP_AES128_CBC | ESTOC_CAP_AES128_WRAP};
    struct bytes csr = csr_wishing(&wish);
    profile.keygen = true;
    assert_granted(ESTOC_OP_SKG, &plain, &csr);
    assert_int_equal(grant.wish.cover, ESTOC_COVER_SYMMETRIC);
    assert_int_equal(grant.wish.id.len, 5);
    assert_int_equal(grant.wish.caps, wish.caps);
    for (size_t i = 0; i + 2 < csr.len; i++) { /* the OCTET STRING of the identifier */
        if (csr.ptr[i] == 0x04 && csr.ptr[i + 1] == 5 && csr.ptr[i + 2] == 'k') {
            csr.ptr[i] = 0x0c;
        }
    }
    assert_refused(ESTOC_OP_SKG, &plain, &csr, ESTOC_E_MALFORMED, "E5");
    profile.keygen = false;
}

/* ------------------------------------------------------------------- what has been issued before */

static estoc_store *store;

static int reopen_store(void)
{
    char url[600];
    estoc_why text = {""};
    snprintf(url, sizeof url, "sqlite:%s", in_folder("policy.db"));
    return estoc_store_open(url, &store, &text) ? -1 : 0;
}

static int open_store(void **state)
{
    (void)state;
    unlink(in_folder("policy.db"));
    unlink(in_folder("policy.db-wal"));
    unlink(in_folder("policy.db-shm"));
    return reopen_store();
}

static int close_store(void **state)
{
    (void)state;
    estoc_store_close(store);
    store = NULL;
    return 0;
}

static void record(const estoc_cert *cert, estoc_slice der, const char *subject, int64_t revoked)
{
    estoc_record rec = {.serial_len = cert->serial.len,
                        .state = ESTOC_RECORD_ISSUED,
                        .profile = "",
                        .subject = subject,
                        .issued_at = 1,
                        .not_before = cert->not_before,
                        .not_after = cert->not_after,
                        .revoked_at = revoked,
                        .cert = der};
    memcpy(rec.serial, cert->serial.ptr, cert->serial.len);
    assert_int_equal(estoc_sha256(cert->spki.der, rec.key), 0);
    assert_int_equal(estoc_store_put(store, &rec), 0);
}

static estoc_err recorded(estoc_op op, const struct party *client, const estoc_key *key,
                          const char *subject, int64_t now, bool *own)
{
    uint8_t spki[ESTOC_SPKI_MAX];
    uint8_t digest[32];
    size_t len = 0;
    const estoc_petition p = {op, &profile, &client->cert, &ca.cert, {NULL, 0}, unique};
    assert_int_equal(estoc_key_spki(key, (estoc_buf){spki, sizeof spki}, &len), 0);
    assert_int_equal(estoc_sha256(estoc_slice_of(spki, len), digest), 0);
    memset(&why, 0, sizeof why);
    static const uint8_t none[32];
    estoc_question q = {.client_serial = client->cert.serial,
                        .identity = none,
                        .csr = none,
                        .key = digest,
                        .profile = "",
                        .subject = subject,
                        .now = now};
    assert_int_equal(estoc_store_ask(store, &q, 1), 0);
    estoc_err err = estoc_policy_recorded(&p, &q, own, &why);
    estoc_question_free(&q);
    if (err == ESTOC_E_FORBIDDEN) {
        assert_in_range(strlen(why.text), 1, 64);
    }
    return err;
}

static void foreign_certificate(void **state)
{
    (void)state;
    bool own = true;
    int64_t now = estoc_unix_s();
    assert_int_equal(recorded(SEN, &plain, plain.key, "CN=dev-2", now, &own), 0);
    assert_false(own);
    assert_int_equal(recorded(SREN, &plain, plain.key, "CN=dev-2", now, &own), ESTOC_E_FORBIDDEN);
    assert_string_equal(why.rule, "E4");
    /* the serial number of ours in another's certificate */
    record(&plain.cert, device.cert.der, "CN=dev-2", 0);
    assert_int_equal(recorded(SREN, &plain, plain.key, "CN=dev-2", now, &own), ESTOC_E_FORBIDDEN);
    assert_false(own);
}

static void own_certificate(void **state)
{
    (void)state;
    bool own = false;
    int64_t now = estoc_unix_s();
    record(&plain.cert, plain.cert.der, "CN=dev-2", 0);
    assert_int_equal(recorded(SREN, &plain, plain.key, "CN=dev-2", now, &own), 0);
    assert_true(own);
    assert_int_equal(recorded(SEN, &plain, plain.key, "CN=dev-2", now, &own), 0);
    assert_true(own);
    assert_int_equal(recorded(SREN, &plain, plain.key, "CN=dev-2", plain.cert.not_after, &own), 0);
    assert_int_equal(recorded(SREN, &plain, plain.key, "CN=dev-2", plain.cert.not_after + 1, &own),
                     ESTOC_E_FORBIDDEN);
    assert_int_equal(recorded(SREN, &plain, plain.key, "CN=dev-2", plain.cert.not_before - 1, &own),
                     ESTOC_E_FORBIDDEN);
    assert_int_equal(recorded(SEN, &plain, plain.key, "CN=dev-2", plain.cert.not_after + 1, &own),
                     ESTOC_E_FORBIDDEN);
    /* a grace is for renewals, to its last second, and for what has been valid */
    profile.grace_s = 60;
    assert_int_equal(recorded(SREN, &plain, plain.key, "CN=dev-2", plain.cert.not_after + 60, &own),
                     0);
    assert_int_equal(recorded(SREN, &plain, plain.key, "CN=dev-2", plain.cert.not_after + 61, &own),
                     ESTOC_E_FORBIDDEN);
    assert_int_equal(recorded(SEN, &plain, plain.key, "CN=dev-2", plain.cert.not_after + 1, &own),
                     ESTOC_E_FORBIDDEN);
    assert_int_equal(recorded(SREN, &plain, plain.key, "CN=dev-2", plain.cert.not_before - 1, &own),
                     ESTOC_E_FORBIDDEN);
    profile.grace_s = 0;
}

/* Where names are given by rule, a certificate of another profile has others. */
static void own_certificate_of_another_profile(void **state)
{
    (void)state;
    bool own = false;
    int64_t now = estoc_unix_s();
    record(&plain.cert, plain.cert.der, "CN=dev-2", 0); /* of "" */
    strcpy(profile.name, "ruled");
    assert_int_equal(recorded(SREN, &plain, plain.key, "CN=dev-2", now, &own), 0);
    strcpy(profile.subject, "CN=x");
    assert_int_equal(recorded(SREN, &plain, plain.key, "CN=dev-2", now, &own), ESTOC_E_FORBIDDEN);
    assert_string_equal(why.rule, "X10");
    assert_int_equal(recorded(SEN, &plain, plain.key, "CN=dev-2", now, &own), 0);
    profile.name[0] = '\0';
    assert_int_equal(recorded(SREN, &plain, plain.key, "CN=dev-2", now, &own), 0);
    profile.subject[0] = '\0';
}

/* Hard case 171. */
static void revoked_certificate(void **state)
{
    (void)state;
    bool own = false;
    record(&plain.cert, plain.cert.der, "CN=dev-2", 5);
    assert_int_equal(recorded(SREN, &plain, plain.key, "CN=dev-2", estoc_unix_s(), &own),
                     ESTOC_E_FORBIDDEN);
    assert_string_equal(why.rule, "171");
    assert_int_equal(recorded(SEN, &plain, plain.key, "CN=dev-2", estoc_unix_s(), &own),
                     ESTOC_E_FORBIDDEN);
    assert_string_equal(why.rule, "171");
}

/* Hard case 207. */
static void key_of_another(void **state)
{
    (void)state;
    bool own = false;
    int64_t now = estoc_unix_s();
    record(&device.cert, device.cert.der, "CN=dev-1,O=Example", 0);
    assert_int_equal(recorded(SEN, &plain, device.key, "CN=dev-2", now, &own), ESTOC_E_FORBIDDEN);
    assert_string_equal(why.rule, "207");
    assert_int_equal(recorded(SEN, &device, device.key, "CN=dev-1,O=Example", now, &own), 0);
    /* under a name it had before, or is to have */
    assert_int_equal(recorded(SREN, &device, device.key, "CN=new", now, &own), 0);
    /* no longer in use */
    assert_int_equal(recorded(SEN, &plain, device.key, "CN=dev-2", device.cert.not_after + 1, &own),
                     0);
}

/* ---- D9 ---- */

static struct bytes csr_with_password(const struct party *p, const char *password)
{
    struct bytes b = {.len = 0}, name = name_of("CN=dev-2");
    uint8_t spki[ESTOC_SPKI_MAX];
    size_t spki_len = 0;
    assert_int_equal(estoc_key_spki(p->key, (estoc_buf){spki, sizeof spki}, &spki_len), 0);
    const estoc_csr_plan plan = {.subject = bytes_slice(&name),
                                 .spki = estoc_slice_of(spki, spki_len),
                                 .challenge_password = estoc_slice_str(password)};
    estoc_signer signer = estoc_key_signer(p->key);
    assert_int_equal(estoc_csr_build(&plan, &signer, (estoc_buf){b.ptr, sizeof b.ptr}, &b.len), 0);
    return b;
}

/* The unique value below in Base64 is "AAECAwQFBgcICQoL". */
static void linked_to_the_session(void **state)
{
    (void)state;
    static const uint8_t value[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    static const char *const wrong[] = {
        "AAECAwQFBgcICQo",   "AAECAwQFBgcICQoLA", "AAECAwQFBgcICQoM", "aAECAwQFBgcICQoL", "A",
        "AAECAwQFBgcICQoL=", " AAECAwQFBgcICQoL"};
    const struct bytes right = csr_with_password(&plain, "AAECAwQFBgcICQoL");
    const struct bytes none = csr_of(plain.key, "CN=dev-2", NULL);
    unique = estoc_slice_of(value, sizeof value);
    for (profile.pop = ESTOC_POP_OFF; profile.pop <= ESTOC_POP_REQUIRED; profile.pop++) {
        assert_granted(SEN, &plain, &right);
        assert_granted(SREN, &plain, &right);
        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
            const struct bytes csr = csr_with_password(&plain, wrong[i]);
            if (profile.pop == ESTOC_POP_OFF) {
                assert_granted(SEN, &plain, &csr);
            } else {
                assert_refused(SEN, &plain, &csr, ESTOC_E_SIGNATURE, "D9");
                assert_non_null(strstr(why.text, "identity linking"));
            }
        }
        if (profile.pop == ESTOC_POP_REQUIRED) {
            assert_refused(SEN, &plain, &none, ESTOC_E_SIGNATURE, "D9");
        } else {
            assert_granted(SEN, &plain, &none);
        }
    }
    profile.pop = ESTOC_POP_OPTIONAL;
    unique = estoc_slice_of(NULL, 0); /* an association that has none links nothing */
    assert_refused(SEN, &plain, &right, ESTOC_E_SIGNATURE, "D9");
    profile.pop = ESTOC_POP_OFF;
}

/* A registrar's association is not the device's. */
static void registrars_are_not_linked(void **state)
{
    (void)state;
    struct party ra = {.key = NULL};
    party_make(&ra, (struct plan){.issuer = &ca, .subject = "CN=dev-2"});
    ra.cert.cmc_ra = true;
    profile.pop = ESTOC_POP_REQUIRED;
    const struct bytes csr = csr_of(plain.key, "CN=dev-2", NULL);
    assert_refused(SEN, &plain, &csr, ESTOC_E_SIGNATURE, "D9");
    assert_granted(SEN, &ra, &csr);
    profile.pop = ESTOC_POP_OFF;
    party_drop(&ra);
}

/* Only where the profile says so, and only with a certificate of this CA. RFC 6402 section 2.10 */
static void registrars(void **state)
{
    (void)state;
    struct party ra = {.key = NULL}, foreign_ca = {.key = NULL}, foreign = {.key = NULL};
    party_make(&ra, (struct plan){.issuer = &ca, .subject = "CN=RA"});
    party_make(&foreign_ca, (struct plan){.subject = "CN=CA", .ca = true}); /* of the same name */
    party_make(&foreign, (struct plan){.issuer = &foreign_ca, .subject = "CN=RA"});
    const struct bytes csr = csr_of(plain.key, "CN=a device", "device.example");
    const struct bytes itself = csr_of(ra.key, "CN=RA", NULL);
    ra.cert.cmc_ra = foreign.cert.cmc_ra = true;
    assert_refused(SEN, &ra, &csr, ESTOC_E_FORBIDDEN, "X10");
    profile.registrars = true;
    profile.any_names = false;
    assert_refused(SEN, &foreign, &csr, ESTOC_E_FORBIDDEN, "X10");
    assert_refused(SEN, &plain, &csr, ESTOC_E_FORBIDDEN, "X10");
    assert_refused(SREN, &ra, &csr, ESTOC_E_FORBIDDEN, "E4");
    assert_granted(SEN, &ra, &itself);
    const estoc_petition p = {SEN, &profile, &ra.cert, &ca.cert, bytes_slice(&csr), unique};
    const struct bytes name = name_of("CN=a device");
    assert_true(estoc_policy_is_registrar(&p));
    assert_int_equal(estoc_policy_grant(&p, &grant, &why), 0);
    assert_slice(grant.subject, bytes_slice(&name));
    assert_true(grant.san.len > 0);
    profile.registrars = false;
    assert_false(estoc_policy_is_registrar(&p));
    party_drop(&ra);
    party_drop(&foreign_ca);
    party_drop(&foreign);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_of_keys),
        cmocka_unit_test(bits_of_rsa),
        cmocka_unit_test(faulty_keys),
        cmocka_unit_test(faulty_signatures),
        cmocka_unit_test(the_key_of_the_ca),
        cmocka_unit_test(not_requests),
        cmocka_unit_test(other_operations),
        {"D9 174 a request is linked to the session", linked_to_the_session, NULL, NULL, NULL},
        {"D9 not from a registrar", registrars_are_not_linked, NULL, NULL, NULL},
        {"D9 a registrar enrolls others, if it is ours", registrars, NULL, NULL, NULL},
        cmocka_unit_test(keys_to_make),
        cmocka_unit_test(decryption_keys),
        cmocka_unit_test_setup_teardown(foreign_certificate, open_store, close_store),
        cmocka_unit_test_setup_teardown(own_certificate, open_store, close_store),
        cmocka_unit_test_setup_teardown(own_certificate_of_another_profile, open_store,
                                        close_store),
        cmocka_unit_test_setup_teardown(revoked_certificate, open_store, close_store),
        cmocka_unit_test_setup_teardown(key_of_another, open_store, close_store),
    };
    return cmocka_run_group_tests_name("authority policy", tests, set_up, tear_down);
}

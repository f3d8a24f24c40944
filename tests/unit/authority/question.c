/* SPDX-License-Identifier: MIT */
#include "petition.h"

#include <cjson/cJSON.h>

#include "question.h"

static cJSON *question;

static int drop(void **state)
{
    (void)state;
    cJSON_Delete(question);
    question = NULL;
    profile.keygen = false;
    profile.keys = 0;
    profile.any_names = false;
    return 0;
}

static void write_for(estoc_op op, const struct party *client, const struct bytes *csr, bool own)
{
    estoc_blob text;
    const estoc_petition p = {op, &profile, &client->cert, &ca.cert, bytes_slice(csr), unique};
    if (estoc_policy_grant(&p, &grant, &why)) {
        fail_msg("%s", why.text);
    }
    assert_int_equal(estoc_question_write(&p, &grant, "[::1]:5", own, &text), 0);
    assert_int_equal(text.ptr[text.len - 1], '\n');
    assert_ptr_equal(memchr(text.ptr, '\n', text.len), text.ptr + text.len - 1);
    question = cJSON_ParseWithLength((const char *)text.ptr, text.len);
    assert_non_null(question);
    estoc_blob_free(&text);
}

/* "client.subject" */
static const cJSON *at(const char *path)
{
    const cJSON *node = question;
    char name[32];
    for (; node != NULL && *path != '\0'; path += *path == '.') {
        size_t len = strcspn(path, ".");
        snprintf(name, sizeof name, "%.*s", (int)len, path);
        node = cJSON_GetObjectItemCaseSensitive(node, name);
        path += len;
    }
    assert_non_null(node);
    return node;
}

static const char *text_at(const char *path)
{
    assert_true(cJSON_IsString(at(path)));
    return at(path)->valuestring;
}

static void whole(void **state)
{
    (void)state;
    char hex[80], base64[ESTOC_BASE64_LEN(4096)];
    uint8_t digest[32];
    profile.any_names = true;
    struct bytes csr = csr_of(plain.key, "CN=\"quoted\",O=x\\\\y", "a.b c.d");
    write_for(SEN, &device, &csr, true);
    assert_int_equal(at("version")->valueint, 1);
    assert_string_equal(text_at("op"), "sen");
    assert_string_equal(text_at("profile"), "");
    assert_string_equal(text_at("peer"), "[::1]:5");
    assert_string_equal(text_at("client.subject"), "CN=dev-1,O=Example");
    assert_string_equal(text_at("client.issuer"), "CN=CA");
    assert_string_equal(text_at("client.serial"), estoc_hex(device.cert.serial, hex, sizeof hex));
    assert_int_equal(estoc_sha256(device.cert.der, digest), 0);
    assert_string_equal(text_at("client.fingerprint"),
                        estoc_hex(estoc_slice_of(digest, 32), hex, sizeof hex));
    assert_true(cJSON_IsTrue(at("client.own")));
    assert_int_equal(cJSON_GetArraySize(at("client.names")), 2);
    assert_string_equal(cJSON_GetArrayItem(at("client.names"), 1)->valuestring,
                        "dns:alias.example");
    assert_string_equal(text_at("request.subject"), "CN=\\\"quoted\\\",O=x\\\\y");
    assert_int_equal(cJSON_GetArraySize(at("request.names")), 2);
    assert_string_equal(cJSON_GetArrayItem(at("request.names"), 0)->valuestring, "dns:a.b");
    assert_string_equal(text_at("request.key"), "P-256");
    estoc_base64(bytes_slice(&csr), base64);
    assert_string_equal(text_at("request.csr"), base64);
    assert_string_equal(text_at("grant.subject"), text_at("request.subject"));
    assert_int_equal(cJSON_GetArraySize(at("grant.names")), 2);
}

static void keys(void **state)
{
    (void)state;
    estoc_key *rsa = NULL;
    assert_int_equal(estoc_key_generate_rsa(2056, &rsa), 0);
    struct bytes csr = csr_of(rsa, "", NULL);
    profile.keys = ESTOC_KEY_BIT(ESTOC_KEY_RSA);
    write_for(SEN, &plain, &csr, false);
    assert_string_equal(text_at("request.key"), "RSA-2056");
    assert_string_equal(text_at("request.subject"), "");
    assert_string_equal(text_at("grant.subject"), "CN=dev-2");
    assert_int_equal(cJSON_GetArraySize(at("grant.names")), 0);
    assert_true(cJSON_IsFalse(at("client.own")));
    estoc_key_free(rsa);
    cJSON_Delete(question);
    profile.keygen = true;
    csr = csr_of(plain.key, "", NULL);
    csr.ptr[csr.len - 1] ^= 1;
    write_for(ESTOC_OP_SKG, &plain, &csr, false); /* the key that is to be made */
    assert_string_equal(text_at("op"), "skg");
    assert_string_equal(text_at("request.key"), "RSA-3072");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(whole, drop),
        cmocka_unit_test_teardown(keys, drop),
    };
    return cmocka_run_group_tests_name("authority question", tests, set_up, tear_down);
}

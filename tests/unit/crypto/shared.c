/* SPDX-License-Identifier: MIT */
#include "folder.h"

#include "cms.h"

static estoc_shared_keys keys;
static estoc_why why;

static estoc_err load(const char *text, mode_t mode)
{
    const char *path = file_with("keys", estoc_slice_str(text));
    assert_int_equal(chmod(path, mode), 0);
    why.text[0] = '\0';
    return estoc_shared_keys_load(path, &keys, &why);
}

#define K16 "000102030405060708090a0b0c0d0e0f"
#define K32 K16 "101112131415161718191A1B1C1D1E1F"

static void lines(void **state)
{
    (void)state;
    assert_int_equal(
        load("# comment\n\n 6b31 " K16 "\r\n\t6B32\t" K32 " \n#6b33 " K16 "\n00 " K16, 0600), 0);
    assert_int_equal(keys.n, 3);
    const estoc_shared_key *k = estoc_shared_key_find(&keys, estoc_slice_str("k1"));
    assert_int_equal(k->key_len, 16);
    assert_int_equal(k->key[15], 0x0f);
    k = estoc_shared_key_find(&keys, estoc_slice_str("k2"));
    assert_int_equal(k->key_len, 32);
    assert_int_equal(k->key[31], 0x1f);
    assert_non_null(estoc_shared_key_find(&keys, estoc_slice_of("", 1)));
    assert_null(estoc_shared_key_find(&keys, estoc_slice_str("k3")));
    assert_null(estoc_shared_key_find(&keys, estoc_slice_str("k")));
    assert_null(estoc_shared_key_find(NULL, estoc_slice_str("k")));
    estoc_shared_keys_free(&keys);
    assert_int_equal(keys.n, 0);
}

static void faults(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"", "has no key in it"},
        {"# only\n\n", "has no key in it"},
        {"6b31\n", "line 1: must be IDENTIFIER-HEX KEY-HEX"},
        {"\n6b3 " K16 "\n", "line 2: must be"},
        {"6b31 0001020\n", "line 1: must be"},
        {"6b31 " K16 " x\n", "line 1: must be"},
        {"6b31 " K16 "x\n", "line 1: must be"},
        {"6g31 " K16 "\n", "line 1: must be"},
        {" " K32 K32 "00 " K16 "\n", "at most 64 bytes"},
        {"6b31 " K32 "00\n", "line 1: must be"},
        {"6b31 " K16 "00\n", "16 or 32 bytes"},
        {"6b31 " K16 "\n6b31 " K32 "\n", "line 2: this identifier stands above already"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(load(rows[i].text, 0600), ESTOC_E_CONFIG);
        if (strstr(why.text, rows[i].words) == NULL || strstr(why.text, "keys") == NULL) {
            fail_msg("%s: %s", rows[i].text, why.text);
        }
        assert_null(strstr(why.text, "0001"));
        assert_null(keys.at);
    }
}

static void private_files(void **state)
{
    (void)state;
    assert_int_equal(load("6b31 " K16, 0640), ESTOC_E_CONFIG);
    assert_non_null(strstr(why.text, "others may read it"));
    assert_int_equal(load("6b31 " K16, 0604), ESTOC_E_CONFIG);
    assert_int_equal(load("6b31 " K16, 0400), 0);
    estoc_shared_keys_free(&keys);
    assert_int_equal(estoc_shared_keys_load(in_folder("none"), &keys, &why), ESTOC_E_FILE);
    assert_non_null(strstr(why.text, "No such file"));
}

static void many(void **state)
{
    (void)state;
    enum { MOST = 10000, LINE = 38 };
    static char text[(MOST + 1) * LINE + 1];
    for (unsigned i = 0; i <= MOST; i++) {
        sprintf(text + (size_t)i * LINE, "%04x " K16 "\n", i);
    }
    assert_int_equal(load(text, 0600), ESTOC_E_LIMIT);
    text[MOST * LINE] = '\0';
    assert_int_equal(load(text, 0600), 0);
    assert_int_equal(keys.n, MOST);
    assert_non_null(estoc_shared_key_find(&keys, estoc_slice_of("\x27\x0f", 2)));
    estoc_shared_keys_free(&keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"E5 keys by identifier, one to a line", lines, NULL, NULL, NULL},
        {"E5 faults are told with their line, and never the key", faults, NULL, NULL, NULL},
        {"E5 a file that others may read is refused", private_files, NULL, NULL, NULL},
        {"E5 ten thousand keys, and no more", many, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests_name("crypto/shared", tests, folder_make, folder_remove);
}

/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "table.h"

static estoc_path path_of(const char *address)
{
    estoc_path p = {.port = 5684};
    assert_int_equal(inet_pton(AF_INET6, address, p.peer), 1);
    return p;
}

static uint64_t prefix(const char *address, bool wide)
{
    estoc_path p = path_of(address);
    return estoc_path_prefix(&p, wide);
}

static void prefixes(void **state)
{
    (void)state;
    assert_true(prefix("2001:db8:0:1::1", false) == prefix("2001:db8:0:1:ffff::", false));
    assert_true(prefix("2001:db8:0:1::1", true) == prefix("2001:db8:0:1::2", true));
    assert_true(prefix("2001:db8:0:1::1", true) != prefix("2001:db8:0:2::1", true));
    assert_true(prefix("::ffff:192.0.2.1", false) != prefix("::ffff:192.0.2.2", false));
    assert_true(prefix("::ffff:192.0.2.1", true) == prefix("::ffff:192.0.2.2", true));
    assert_true(prefix("::ffff:192.0.2.1", true) != prefix("::ffff:192.0.3.1", true));
    assert_true(prefix("::ffff:0.0.0.0", true) != prefix("::1", true));
}

static void headers(void **state)
{
    (void)state;
    estoc_path v4 = path_of("::ffff:192.0.2.1");
    estoc_path v6 = path_of("2001:db8::1");
    char text[ESTOC_PATH_TEXT_MAX];
    assert_int_equal(estoc_path_header(&v4), 28);
    assert_int_equal(estoc_path_header(&v6), 48);
    assert_string_equal(estoc_path_text(&v4, text, sizeof text), "192.0.2.1:5684");
    assert_string_equal(estoc_path_text(&v6, text, sizeof text), "[2001:db8::1]:5684");
}

static void keys(void **state)
{
    (void)state;
    const estoc_table t = {.seed = 1};
    const estoc_table other = {.seed = 2};
    assert_true(estoc_table_hash(&t, 3, 4) == estoc_table_hash(&t, 3, 4));
    assert_true(estoc_table_hash(&t, 3, 4) != estoc_table_hash(&t, 4, 3));
    assert_true(estoc_table_hash(&t, 3, 4) != estoc_table_hash(&other, 3, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefixes),
        cmocka_unit_test(headers),
        cmocka_unit_test(keys),
    };
    return cmocka_run_group_tests_name("server/table", tests, NULL, NULL);
}

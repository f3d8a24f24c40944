/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "conf_value.h"
#include "config.h"

static void urls(void **state)
{
    (void)state;
    static const char *const good[] = {"https://est.example/.well-known/est",
                                       "https://est.example:443/.well-known/est",
                                       "https://192.0.2.1/a",
                                       "https://[::1]:8443/a",
                                       "https://localhost:1/a/b/c",
                                       "https://e/a%2Fb/c-_.~!$&'()*+,;=:@"};
    static const char *const bad[] = {"",
                                      "https://",
                                      "https:///a",
                                      "https://e",
                                      "https://e/",
                                      "https://e//",
                                      "http://e/a",
                                      "HTTPS://e/a",
                                      "coaps://e/a",
                                      "https://u@e/a",
                                      "https://u:p@e/a",
                                      "https://e/a?b",
                                      "https://e/a#b",
                                      "https://e?b/a",
                                      "https://e:0/a",
                                      "https://e:65536/a",
                                      "https://e:/a",
                                      "https://e:443x/a",
                                      "https://e:4434434434/a",
                                      "https://*.e/a",
                                      "https://-e/a",
                                      "https://e..f/a",
                                      "https://[::1/a",
                                      "https://[::g]/a",
                                      "https://[192.0.2.1]/a",
                                      "https://[]/a",
                                      "https://[0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0]/a",
                                      "https://e/a b",
                                      "https://e/a//b",
                                      "https://e/../b",
                                      "https://e/./b",
                                      "https://e/a/..",
                                      "https://e/a%2",
                                      "https://e/a%2/",
                                      "https://e/a%zz",
                                      "https://e/\xc3\xa4",
                                      "https://e/a\\b",
                                      "https://e/a\nb"};
    char out[ESTOC_URL_MAX];
    char text[ESTOC_URL_MAX + 8];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(estoc_conf_https(good[i], out, sizeof out));
        assert_string_equal(out, good[i]);
        snprintf(text, sizeof text, "%s//", good[i]); /* what people write at the end */
        assert_true(estoc_conf_https(text, out, sizeof out));
        assert_string_equal(out, good[i]);
        assert_true(estoc_conf_https(good[i], out, strlen(good[i]) + 1));
        assert_false(estoc_conf_https(good[i], out, strlen(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (estoc_conf_https(bad[i], out, sizeof out)) {
            fail_msg("%s", bad[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"G1 URLs of EST servers", urls, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests_name("server/conf_url", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * The folder of a registrar, made from a URL and a credential.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "registrar_folder.h"

static void folder(void **state)
{
    const fixture *f = *state;
    output o;
    struct stat st;
    char conf[65536], before[4096], after[4096];
    credential(f, "ra", ALL_PURPOSES, LONG_S);
    init_folder(f, &o, "reg", "ra");
    good(&o);
    says(o.err, "made ");
    says_not(o.err, "note:");
    assert_int_equal(stat(path_in(f, "reg/registrar.key"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(certs_in(path_in(f, "reg/registrar.crt")), 1);
    assert_int_equal(certs_in(path_in(f, "reg/upstream.ta")), 1);
    assert_int_equal(certs_in(path_in(f, "reg/client-anchors.pem")), 3); /* each once */
    read_file(path_in(f, "reg/estocd.conf"), conf, sizeof conf);
    says(conf, "\nauthority = registrar\n");
    says(conf, "\nurl = " URL "\n"); /* without the slash */
    says(conf, "\nanchors = upstream.ta\n");
    says(conf, "\n#reenroll = simpleenroll\n");
    says_not(conf, "\n[ca]");
    check_folder(f, &o, "reg");
    good(&o);
    assert_string_equal(o.err, "");
    says(o.out, "upstream " URL "\n");
    says(o.out, "profile  (default), from [upstream]\n");
    says_not(o.out, "\nca ");
    /* nothing is overwritten */
    read_file(path_in(f, "reg/registrar.key"), before, sizeof before);
    credential(f, "other", ALL_PURPOSES, LONG_S);
    init_folder(f, &o, "reg", "other");
    bad(&o, "registrar.key is there already, nothing was changed");
    read_file(path_in(f, "reg/registrar.key"), after, sizeof after);
    assert_string_equal(before, after);
    init_folder(f, &o, "srv", "ra");
    bad(&o, "is there already, nothing was changed");
}

static void lacking(void **state)
{
    const fixture *f = *state;
    static const struct {
        const char *eku;
        const char *notes[3];
    } rows[] = {
        {"clientAuth," CMC_RA, {"is not for servers (serverAuth)"}},
        {"serverAuth," CMC_RA, {"is not for clients (clientAuth)"}},
        {"serverAuth,clientAuth", {"has no id-kp-cmcRA"}},
        {"codeSigning",
         {"is not for servers (serverAuth)", "is not for clients (clientAuth)",
          "has no id-kp-cmcRA"}},
        {"", {"has no id-kp-cmcRA"}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        output o;
        unsigned n = 0;
        char dir[16];
        snprintf(dir, sizeof dir, "reg%zu", i);
        credential(f, "ra", rows[i].eku, LONG_S);
        init_folder(f, &o, dir, "ra");
        good(&o);
        for (size_t k = 0; k < 3 && rows[i].notes[k] != NULL; k++) {
            says(o.err, rows[i].notes[k]);
            n++;
        }
        for (const char *at = o.err; (at = strstr(at, "note:")) != NULL; at++) {
            n--;
        }
        assert_int_equal(n, 0);
    }
    /* another host's, and of another CA than the anchors have; no makers' CAs */
    output o;
    EVP_PKEY *key;
    X509 *cert =
        maker_cert(f, &(cert_cfg){.cn = "x", .san = "DNS:x", .eku = "serverAuth,clientAuth"}, &key);
    cert_write(cert, path_in(f, "x.crt"), "w");
    key_write(key, path_in(f, "x.key"));
    run(&o, "estocd", "init", "--dir", path_in(f, "regx"), "--upstream", URL, "--upstream-ta",
        path_in(f, "srv/ca.crt"), "--cert", path_in(f, "x.crt"), "--key", path_in(f, "x.key"),
        "--host", "localhost", "--host", "x", NULL);
    good(&o);
    says(o.err, "does not lead to the upstream's anchors");
    says(o.err, "does not name localhost: devices that call it so will refuse it");
    says_not(o.err, "does not name x");
    says(o.err, "client-anchors.pem: has the upstream's anchors alone");
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void refused(void **state)
{
    const fixture *f = *state;
    output o;
    char dir[PATH_LEN], ta[PATH_LEN], crt[PATH_LEN], key[PATH_LEN];
    snprintf(dir, sizeof dir, "%s", path_in(f, "reg"));
    snprintf(ta, sizeof ta, "%s", path_in(f, "srv/ca.crt"));
    snprintf(crt, sizeof crt, "%s", path_in(f, "ra.crt"));
    snprintf(key, sizeof key, "%s", path_in(f, "ra.key"));
    credential(f, "ra", ALL_PURPOSES, LONG_S);
    run(&o, "estocd", "init", "--dir", dir, "--upstream", URL, "--upstream-ta", ta, NULL);
    assert_int_equal(o.code, 1);
    says(o.err, "--cert and --key are missing");
    says(o.err, "openssl req -new");
    says(o.err, CMC_RA);
    run(&o, "estocd", "init", "--dir", dir, "--upstream", URL, "--cert", crt, "--key", key, NULL);
    bad(&o, "--upstream-ta FILE is missing");
    run(&o, "estocd", "init", "--dir", dir, "--upstream", "http://localhost/.well-known/est",
        "--upstream-ta", ta, "--cert", crt, "--key", key, NULL);
    bad(&o, "--upstream: must be https://");
    run(&o, "estocd", "init", "--dir", dir, "--upstream", URL, "--upstream-ta", ta, "--cert", crt,
        "--key", ca_key_file(f), NULL);
    bad(&o, "do not belong together");
    run(&o, "estocd", "init", "--dir", dir, "--upstream", URL, "--upstream-ta", key, "--cert", crt,
        "--key", key, NULL);
    bad(&o, "ra.key");
    run(&o, "estocd", "init", "--dir", dir, "--upstream", URL, "--upstream-ta", ta, "--cert", ta,
        "--key", ca_key_file(f), NULL);
    bad(&o, "the certificate of a CA");
    credential(f, "old", ALL_PURPOSES, -60);
    init_folder(f, &o, "reg", "old");
    bad(&o, "not valid since");
    run(&o, "estocd", "init", "--dir", dir, "--cert", crt, "--key", key, NULL);
    bad(&o, "--cert: is for a registrar");
    run(&o, "estocd", "init", "--dir", dir, "--upstream", URL, "--name", "x", NULL);
    bad(&o, "--name: is for a CA");
    assert_int_equal(access(dir, F_OK), -1); /* nothing was made */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED_ALONE("cli init makes a registrar's folder, and overwrites nothing", folder),
        NAMED_ALONE("cli init tells what a registrar's credential lacks", lacking),
        NAMED_ALONE("cli init says how to get a credential, and makes nothing of half of it",
                    refused),
    };
    return cmocka_run_group_tests_name("conformance registrar_init", tests, NULL, NULL);
}

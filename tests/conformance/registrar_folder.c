/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "registrar_folder.h"

const char *says(const char *text, const char *words)
{
    const char *at = strstr(text, words);
    if (at == NULL) {
        fail_msg("no \"%s\" in: %s", words, text);
    }
    return at;
}

void says_not(const char *text, const char *words)
{
    if (strstr(text, words) != NULL) {
        fail_msg("\"%s\" in: %s", words, text);
    }
}

void good(const output *o)
{
    if (o->code != 0) {
        fail_msg("%d: %s", o->code, o->err);
    }
}

/* One line, and nothing else. */
void bad(const output *o, const char *words)
{
    assert_int_equal(o->code, 1);
    assert_string_equal(o->out, "");
    says(o->err, words);
    if (strchr(o->err, '\n') != o->err + strlen(o->err) - 1) {
        fail_msg("not one line: %s", o->err);
    }
}

/* NAME.crt and NAME.key by the CA of the fixture, which is the upstream's. */
void credential(const fixture *f, const char *name, const char *eku, long until_s)
{
    EVP_PKEY *key = key_new("P-256");
    EVP_PKEY *ca_key = key_read(ca_key_file(f));
    X509 *issuer = cert_read(path_in(f, "srv/ca.crt"));
    X509 *cert = cert_new(key, &(cert_cfg){.cn = "registrar",
                                           .issuer = issuer,
                                           .issuer_key = ca_key,
                                           .san = "DNS:localhost",
                                           .eku = eku,
                                           .from_s = -90000,
                                           .until_s = until_s});
    cert_write(cert, path_in(f, "%s.crt", name), "w");
    unlink(path_in(f, "%s.key", name));
    key_write(key, path_in(f, "%s.key", name));
    X509_free(cert);
    X509_free(issuer);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(key);
}

/* `estocd init` with that credential. */
void init_folder(const fixture *f, output *o, const char *dir, const char *name)
{
    run(o, "estocd", "init", "--dir", path_in(f, "%s", dir), "--upstream", URL "/", "--upstream-ta",
        path_in(f, "srv/ca.crt"), "--cert", path_in(f, "%s.crt", name), "--key",
        path_in(f, "%s.key", name), "--client-ta", path_in(f, "srv/client-anchors.pem"), "--host",
        "localhost", NULL);
}

void made_folder(const fixture *f, const char *dir)
{
    output o;
    credential(f, "ra", ALL_PURPOSES, LONG_S);
    init_folder(f, &o, dir, "ra");
    good(&o);
}

void check_folder(const fixture *f, output *o, const char *dir)
{
    run(o, "estocd", "check", "--dir", path_in(f, "%s", dir), NULL);
}

unsigned certs_in(const char *file)
{
    char text[65536];
    unsigned n = 0;
    read_file(file, text, sizeof text);
    for (const char *at = text; (at = strstr(at, "BEGIN CERTIFICATE")) != NULL; at++) {
        n++;
    }
    return n;
}

void put_conf(const fixture *f, const char *dir, const char *text)
{
    write_file(path_in(f, "%s/estocd.conf", dir), text, strlen(text), "w");
}

/* SPDX-License-Identifier: MIT
 *
 * The estocd that $ESTOCD names, run as a user would, for what needs no device: init, check, list and
 * show on stores and folders in every state.
 */
#include "whole.h"

/* ------------------------------------------------------------------------------------------- init */

static void init_makes_what_it_says(void **state)
{
    (void)state;
    static const char *const files[] = {
        "ca.key",           "ca.crt",           "server.key",         "server.crt", "estocd.conf",
        "manufacturer.key", "manufacturer.crt", "client-anchors.pem", "store.db"};
    assert_string_equal(out, "");
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct stat st;
        assert_int_equal(stat(path(files[i]), &st), 0);
        bool secret = strstr(files[i], ".key") != NULL || strstr(files[i], ".db") != NULL;
        assert_int_equal(st.st_mode & 0777, secret ? 0600 : 0644);
        assert_says(files[i]); /* and it has said so */
    }
    assert_false(estoc_file_exists(path("init.unfinished")));
    assert_says("estocd run --dir srv");
    struct stat st;
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

static void init_names(void **state)
{
    (void)state;
    estoc_blobs certs = {NULL, 0};
    assert_good("init --dir a --host est.example --host 192.0.2.1 --host '[2001:db8::1]'");
    char file[80];
    snprintf(file, sizeof file, "%s/a/server.crt", top);
    assert_int_equal(estoc_certs_load(file, &certs, NULL), 0);
    estoc_slice cert = estoc_blob_slice(certs.at[0]);
    assert_true(estoc_cert_names_host(cert, "est.example"));
    assert_true(estoc_cert_names_host(cert, "192.0.2.1"));
    assert_true(estoc_cert_names_host(cert, "2001:db8::1"));
    assert_false(estoc_cert_names_host(cert, "localhost"));
    estoc_blobs_free(&certs);
    assert_good("init --dir b"); /* by itself */
    snprintf(file, sizeof file, "%s/b/server.crt", top);
    assert_int_equal(estoc_certs_load(file, &certs, NULL), 0);
    cert = estoc_blob_slice(certs.at[0]);
    assert_true(estoc_cert_names_host(cert, "localhost"));
    assert_true(estoc_cert_names_host(cert, "127.0.0.1"));
    assert_true(estoc_cert_names_host(cert, "::1"));
    estoc_blobs_free(&certs);
    assert_fails("init --dir c --host http://x", "--host http://x: neither a DNS name nor");
    assert_fails("init --dir c --name ''", "--name : must be 1 to 64 characters");
    assert_fails("init --dir ''", "--dir: must be a path of at most");
    assert_fails("init --dir none/c", "none/c: cannot be made: No such file or directory");
    snprintf(file, sizeof file, "%s/c", top);
    assert_false(estoc_file_exists(file)); /* a refused init leaves nothing */
}

static void init_keeps_what_is_there(void **state)
{
    (void)state;
    static const char *const files[] = {
        "ca.key",           "ca.crt",           "server.key",         "server.crt", "estocd.conf",
        "manufacturer.key", "manufacturer.crt", "client-anchors.pem", "store.db"};
    char words[64], text[16], file[80];
    assert_fails("init --dir srv", "srv/ca.key is there already, nothing was changed");
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(file, sizeof file, "%s/d", top);
        assert_int_equal(mkdir(file, 0700), 0);
        snprintf(file, sizeof file, "%s/d/%s", top, files[i]);
        spit(file, "mine");
        snprintf(words, sizeof words, "d/%s is there already", files[i]);
        assert_fails("init --dir d", words);
        slurp(file, text, sizeof text);
        assert_string_equal(text, "mine");
        assert_int_equal(unlink(file), 0);
        snprintf(file, sizeof file, "%s/d", top);
        assert_int_equal(rmdir(file), 0); /* nothing else is in it */
    }
    snprintf(file, sizeof file, "%s/e", top);
    assert_int_equal(mkdir(file, 0755), 0);
    snprintf(file, sizeof file, "%s/e/notes.txt", top);
    spit(file, "mine");
    assert_good("init --dir e"); /* what does not collide may be there */
}

static void init_interrupted(void **state)
{
    (void)state;
    assert_int_equal(unlink(path("estocd.conf")), 0);
    assert_int_equal(unlink(path("store.db")), 0);
    spit(path("init.unfinished"), "");
    assert_fails("init --dir srv", "an earlier init was interrupted, or is still at work");
    assert_says("init.unfinished, ca.key, ca.crt, server.key");
    assert_null(strstr(err, "store.db"));
    assert_fails("check --dir srv", "`estocd init` was interrupted there");
    assert_fails("list --dir srv", "`estocd init` was interrupted there");
}

/* A store that cannot be made: all that came before it is taken back. */
static void init_undone(void **state)
{
    (void)state;
    char file[80];
    assert_int_equal(estocd("init --dir f/"), 0);
    snprintf(file, sizeof file, "%s/g", top);
    assert_int_equal(mkdir(file, 0700), 0);
    snprintf(file, sizeof file, "%s/g/store.db-wal", top); /* a folder where SQLite writes */
    assert_int_equal(mkdir(file, 0700), 0);
    assert_fails("init --dir g", "store.db");
    assert_int_equal(rmdir(file), 0);
    snprintf(file, sizeof file, "%s/g", top);
    assert_int_equal(rmdir(file), 0);
}

static void init_encrypted(void **state)
{
    (void)state;
    char file[80], text[32768];
    assert_fails("init --dir h --passphrase 'open sesame'",
                 "--passphrase: a passphrase comes from");
    assert_null(strstr(err, "sesame"));
    assert_fails("init --dir h --passphrase file:none", "--passphrase: file:none: no passphrase");
    snprintf(file, sizeof file, "%s/a;b", top);
    spit(file, "open sesame\n");
    assert_fails("init --dir h --passphrase 'file:a;b'", "a path with ; in it cannot stand in");
    snprintf(file, sizeof file, "%s/h", top);
    assert_false(estoc_file_exists(file));
    snprintf(file, sizeof file, "%s/pass", top);
    spit(file, "open sesame\n");
    assert_good("init --dir h --passphrase file:pass");
    snprintf(file, sizeof file, "%s/h/ca.key", top);
    slurp(file, text, sizeof text);
    assert_memory_equal(text, "-----BEGIN ENCRYPTED PRIVATE KEY-----\n", 38);
    snprintf(file, sizeof file, "%s/h/estocd.conf", top);
    slurp(file, text, sizeof text);
    const char *line = strstr(text, "\nkey-passphrase = file:/"); /* absolute */
    assert_non_null(line);
    assert_non_null(strstr(line, "/pass\n"));
    assert_good("check --dir h");
    assert_good("init --dir i --passphrase fd:5 5<pass");
    assert_good("check --dir i 5<pass");
    assert_int_equal(estocd("check --dir i"), 1);
    assert_says("fd:5: no passphrase can be read: Bad file descriptor");
    snprintf(file, sizeof file, "%s/pass", top);
    spit(file, "open barley\n");
    assert_int_equal(estocd("check --dir h"), 1);
    assert_says("does not open it");
    assert_null(strstr(err, "barley"));
}

/* ------------------------------------------------------------------------------------------ check */

static void check_good(void **state)
{
    (void)state;
    assert_int_equal(estocd("check --dir srv"), 0);
    assert_string_equal(err, "");
    static const char *const words[] = {"[::]:5684", "CN=Test",           "CN=localhost",
                                        "0 issued",  "(default), for 1y", "no faults"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strstr(out, words[i]) == NULL) {
            fail_msg("no \"%s\" in: %s", words[i], out);
        }
    }
}

static void check_all_files(void **state)
{
    (void)state;
    char other[16384];
    assert_int_equal(unlink(path("ca.crt")), 0);
    slurp(path("manufacturer.key"), other, sizeof other);
    spit(path("server.key"), other); /* of another certificate */
    spit(path("client-anchors.pem"), "nothing\n");
    spit(path("store.db"), "this is no database, but it is a text of more than 100 bytes, and so "
                           "SQLite looks at what stands in it\n");
    assert_int_equal(estocd("check --dir srv"), 1);
    assert_string_equal(out, "");
    assert_says("srv/ca.crt: cannot be read");
    assert_says("srv/server.crt and srv/server.key do not belong together");
    assert_says("client-anchors");
    assert_says("store");
}

static void check_roles(void **state)
{
    (void)state;
    char text[16384];
    slurp(path("server.crt"), text, sizeof text);
    spit(path("client-anchors.pem"), text);
    spit(path("estocd.conf"), "[ca]\ncertificate = server.crt\nkey = server.key\n"
                              "[server]\ncertificate = ca.crt\nkey = ca.key\n");
    assert_int_equal(estocd("check --dir srv"), 1);
    assert_says("srv/server.crt: not the certificate of a CA");
    assert_says("srv/ca.crt: the certificate of a CA, not of a server");
    assert_says("certificate 1 is not that of a CA");
}

static void check_notes(void **state)
{
    (void)state;
    char text[16384];
    slurp(path("manufacturer.crt"), text, sizeof text);
    spit(path("client-anchors.pem"), text);
    assert_int_equal(unlink(path("store.db")), 0);
    assert_good("init --dir other");
    spit(path("estocd.conf"),
         "[server]\ncertificate = ../other/server.crt\nkey = ../other/server.key\n");
    assert_int_equal(estocd("check --dir srv"), 0);
    assert_says("note: srv/client-anchors.pem: has none of the CA's certificates");
    assert_says("note: srv/store.db: is not there");
    assert_says("note: srv/../other/server.crt: does not lead to the root of the CA");
    assert_false(estoc_file_exists(path("store.db"))); /* a check makes nothing */
}

static void no_folder(void **state)
{
    (void)state;
    assert_fails("check --dir none", "none: has no estocd.conf; make it with `estocd init");
    assert_fails("list --dir none", "none: has no estocd.conf");
    assert_fails("show 01 --dir none", "none: has no estocd.conf");
    assert_fails("device --dir none --subject CN=a --out a", "none: has no estocd.conf");
    spit(path("estocd.conf"), "[server]\nmtu = 1\nidle = 0\n");
    assert_int_equal(estocd("check --dir srv"), 1);
    assert_says("estocd check: srv/estocd.conf:2: mtu = 1");
    assert_says("estocd check: srv/estocd.conf:3: idle = 0");
    assert_int_equal(estocd("list --dir srv"), 1);
    assert_says("estocd list: srv/estocd.conf:2: mtu = 1");
}

/* ----------------------------------------------------------------------------------- list and show */

static void put(estoc_store *s, const char *subject, const char *profile, uint8_t first,
                int64_t not_after, int64_t revoked_at, estoc_slice cert)
{
    estoc_record rec = {.serial = {first, 0xbc, 0x0d},
                        .state = ESTOC_RECORD_ISSUED,
                        .serial_len = 3,
                        .profile = profile,
                        .subject = subject,
                        .identity = {1},
                        .csr = {2},
                        .key = {3},
                        .issued_at = 1000000000,
                        .not_before = 1000000000,
                        .not_after = not_after,
                        .revoked_at = revoked_at,
                        .cert = cert};
    assert_int_equal(estoc_store_put(s, &rec), 0);
}

static void fill_store(void)
{
    char url[128];
    estoc_store *s;
    estoc_blobs certs = {NULL, 0};
    assert_int_equal(estoc_certs_load(path("ca.crt"), &certs, NULL), 0);
    estoc_slice cert = estoc_blob_slice(certs.at[0]);
    snprintf(url, sizeof url, "sqlite:%s", path("store.db"));
    assert_int_equal(estoc_store_open(url, &s, NULL), 0);
    assert_int_equal(estoc_store_begin(s), 0);
    put(s, "CN=one", "", 0x0a, 4000000000, 0, cert);
    put(s, "CN=two \"2\"", "L1", 0x1a, 1100000000, 0, cert);
    put(s, "CN=three", "", 0x2a, 4000000000, 1050000000, cert);
    assert_int_equal(estoc_store_commit(s), 0);
    estoc_store_close(s);
    estoc_blobs_free(&certs);
}

static void list_rows(void **state)
{
    (void)state;
    assert_int_equal(estocd("list --dir srv"), 0);
    assert_string_equal(out, "");
    assert_says("no certificate so far");
    fill_store();
    assert_int_equal(estocd("list --dir srv"), 0);
    assert_string_equal(err, "");
    static const char *const rows[] = {
        "SERIAL                            ISSUED      EXPIRES     STATE    PROFILE       "
        "SUBJECT\n",
        "0abc0d                            2001-09-09  2096-10-02  valid    -             CN=one\n",
        "1abc0d                            2001-09-09  2004-11-09  expired  L1            CN=two "
        "\"2\"\n",
        "2abc0d                            2001-09-09  2096-10-02  revoked  -             "
        "CN=three\n",
    };
    const char *at = out;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_memory_equal(at, rows[i], strlen(rows[i]));
        at += strlen(rows[i]);
    }
    assert_string_equal(at, "");
    assert_int_equal(estocd("list --dir srv --match cn=TWO"), 0);
    assert_non_null(strstr(out, "1abc0d"));
    assert_null(strstr(out, "0abc0d"));
    assert_int_equal(estocd("list --dir srv --match nobody"), 0);
    assert_string_equal(out, "");
    assert_says("no certificate that has nobody");
}

static void list_json(void **state)
{
    (void)state;
    assert_int_equal(estocd("list --dir srv --json"), 0);
    assert_string_equal(out, "[]\n");
    fill_store();
    assert_int_equal(estocd("list --dir srv --json"), 0);
    cJSON *json = cJSON_Parse(out);
    assert_int_equal(cJSON_GetArraySize(json), 3);
    const cJSON *two = cJSON_GetArrayItem(json, 1);
    assert_string_equal(text_of(two, "serial"), "1abc0d");
    assert_string_equal(text_of(two, "subject"), "CN=two \"2\"");
    assert_string_equal(text_of(two, "profile"), "L1");
    assert_string_equal(text_of(two, "state"), "expired");
    assert_string_equal(text_of(two, "issued_at"), "2001-09-09T01:46:40Z");
    assert_string_equal(text_of(two, "not_before"), "2001-09-09T01:46:40Z");
    assert_string_equal(text_of(two, "not_after"), "2004-11-09T11:33:20Z");
    assert_null(text_of(two, "revoked_at"));
    assert_string_equal(text_of(cJSON_GetArrayItem(json, 2), "revoked_at"), "2003-04-10T18:40:00Z");
    cJSON_Delete(json);
}

static void show(void **state)
{
    (void)state;
    fill_store();
    /* one number, as people and programs write it */
    static const char *const same[] = {"0abc0d",   "abc0d",    "ABC0D",
                                       "0A:BC:0D", "0x0abc0d", "000abc0d"};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        char command[64];
        snprintf(command, sizeof command, "show %s --dir srv", same[i]);
        assert_good(command);
        assert_non_null(strstr(out, "serial    0abc0d\n"));
    }
    assert_non_null(strstr(out, "subject   CN=one\n"));
    assert_non_null(strstr(out, "Subject: CN = Test"));
    char pem[16384];
    slurp(path("ca.crt"), pem, sizeof pem);
    assert_string_equal(out + strlen(out) - strlen(pem), pem);
    assert_good("show 2abc0d --dir srv");
    assert_non_null(strstr(out, "revoked   2003-04-10T18:40:00Z, unspecified\n"));
    assert_good("show 2abc0d --dir srv --json");
    cJSON *json = cJSON_Parse(out);
    assert_string_equal(text_of(json, "serial"), "2abc0d");
    assert_string_equal(text_of(json, "pem"), pem);
    assert_int_equal(strlen(text_of(json, "key_sha256")), 64);
    assert_int_equal(strncmp(text_of(json, "identity_sha256"), "0100", 4), 0);
    assert_int_equal(strncmp(text_of(json, "request_sha256"), "0200", 4), 0);
    cJSON_Delete(json);
}

static void show_nothing(void **state)
{
    (void)state;
    fill_store();
    assert_fails("show 0abc --dir srv", "0abc: no certificate has this serial number");
    assert_fails("show 0abc0dg --dir srv", "0abc0dg: neither a serial number");
    assert_fails("show '' --dir srv", ": neither a serial number");
    assert_fails("show 0 --dir srv", "0: neither a serial number");
    assert_fails("show 11111111111111111111111111111111111111111 --dir srv",
                 "neither a serial number");
    assert_int_equal(unlink(path("store.db")), 0);
    assert_fails("show 0abc0d --dir srv", "srv/store.db: No such file or directory");
    assert_false(estoc_file_exists(path("store.db"))); /* looking makes nothing */
}

static void stdout_full(void **state)
{
    (void)state;
    fill_store();
    static const char *const commands[] = {"list --dir srv", "list --dir srv --json",
                                           "show 0abc0d --dir srv", "check --dir srv"};
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        char line[512];
        snprintf(line, sizeof line, "cd %s && \"$ESTOCD\" %s >/dev/full 2>err", top, commands[i]);
        int status = system(line);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 1);
        snprintf(line, sizeof line, "%s/err", top);
        slurp(line, err, sizeof err);
        assert_says("stdout cannot be written: No space left on device");
    }
}

/* ---------------------------------------------------------------------------------------- commands */

static void device_refuses(void **state)
{
    (void)state;
    assert_fails("device --dir srv --subject dev --out x", "--subject dev: not a name");
    assert_fails("device --dir srv --subject '' --out x", "--subject : not a name");
    assert_fails("device --dir srv --subject CN=a --out none/x", "none/x.key: cannot be written");
    assert_good("device --dir srv --subject CN=a --out x");
    assert_fails("device --dir srv --subject CN=a --out x", "x.key is there already");
    assert_int_equal(unlink(path("manufacturer.key")), 0);
    assert_fails("device --dir srv --subject CN=a --out y", "srv/manufacturer.key");
    char file[64];
    snprintf(file, sizeof file, "%s/y.key", top);
    assert_false(estoc_file_exists(file));
}

static void counts(void **state)
{
    (void)state;
    assert_good("stats --dir srv");
    assert_prints("waiting for a person: 0");
    fill_store();
    assert_good("stats --dir srv --json");
    assert_prints("\"issued\":");
    assert_prints("\"revoked\":");
    assert_prints("\"profiles\":");
    assert_good("stats --dir srv");
    assert_prints("PROFILE");
    assert_fails("stats --dir none", "none: has no estocd.conf");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ALONE("stats counts", counts),
        ALONE("init makes what it says, keys for its owner alone", init_makes_what_it_says),
        ALONE("init names the server as it is told", init_names),
        ALONE("init overwrites nothing", init_keeps_what_is_there),
        ALONE("init that was interrupted is told", init_interrupted),
        ALONE("init that fails leaves nothing", init_undone),
        ALONE("init that fails leaves nothing", init_encrypted),
        ALONE("check is silent about what is good", check_good),
        ALONE("check tells what is wrong with each file", check_all_files),
        ALONE("check knows a CA from a server", check_roles),
        ALONE("check notes what may be meant so", check_notes),
        ALONE("folders without a configuration, or with faults in it", no_folder),
        ALONE("list in columns", list_rows),
        ALONE("list as JSON", list_json),
        ALONE("show by serial number", show),
        ALONE("show what is not there", show_nothing),
        ALONE("a full stdout is an error", stdout_full),
        ALONE("device refuses what it cannot make", device_refuses),
    };
    if (getenv("ESTOCD") == NULL) {
        fprintf(stderr, "set ESTOCD to the program under test\n");
        return 1;
    }
    return cmocka_run_group_tests_name("cmd/estocd", tests, NULL, NULL);
}

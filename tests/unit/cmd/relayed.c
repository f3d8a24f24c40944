/* SPDX-License-Identifier: MIT
 *
 * What estocd's commands say of a registrar's store: its certificates, what waits, how upstreams do.
 */
#include "whole.h"

#include "relay.h"

#define ONE "https://one.example/.well-known/est"
#define TWO "https://two.example/.well-known/est"

static estoc_slice some_cert(void)
{
    static estoc_blobs certs;
    estoc_blobs_free(&certs);
    assert_int_equal(estoc_certs_load(path("ca.crt"), &certs, NULL), 0);
    return estoc_blob_slice(certs.at[0]);
}

static estoc_store *the_store(void)
{
    char url[128];
    estoc_store *s;
    snprintf(url, sizeof url, "sqlite:%s", path("store.db"));
    assert_int_equal(estoc_store_open(url, &s, NULL), 0);
    return s;
}

static void put(estoc_store *s, uint8_t n, const char *subject, const char *url,
                estoc_relay_state state, int64_t not_after)
{
    estoc_relay r = {.identity = {1},
                     .csr = {n},
                     .profile = n % 2 == 0 ? "" : "plant",
                     .op = "sen",
                     .state = state,
                     .subject = subject,
                     .upstream = url,
                     .node = "n1",
                     .asked_at = 1000000000,
                     .changed_at = 1000000060,
                     .retry_at = 1000000120,
                     .serial = {0x00, 0xbc, n}, /* as in DER: not negative */
                     .serial_len = 3,
                     .not_before = 1000000000,
                     .not_after = not_after,
                     .cert = some_cert()};
    assert_int_equal(estoc_relay_put(s, &r, 1), 0);
}

/* Numbers u1 to u5, in this order. */
static void fill(void)
{
    estoc_store *s = the_store();
    put(s, 0x10, "CN=one", ONE, ESTOC_RELAY_ISSUED, 4000000000);
    put(s, 0x11, "CN=two", TWO, ESTOC_RELAY_ISSUED, 1100000000);
    put(s, 0x12, "CN=three", ONE, ESTOC_RELAY_WAITING, 0);
    put(s, 0x13, "CN=four", TWO, ESTOC_RELAY_LOST, 0);
    put(s, 0x14, "CN=five", "", ESTOC_RELAY_SENT, 0);
    estoc_store_close(s);
}

static void put_own(void)
{
    estoc_store *s = the_store();
    const estoc_record rec = {.serial = {0x0a, 0xbc},
                              .serial_len = 2,
                              .state = ESTOC_RECORD_ISSUED,
                              .profile = "",
                              .subject = "CN=ours",
                              .issued_at = 1000000000,
                              .not_after = 4000000000,
                              .cert = some_cert()};
    assert_int_equal(estoc_store_put(s, &rec), 0);
    estoc_store_close(s);
}

static const char *get(const cJSON *list, int i, const char *name)
{
    return text_of(cJSON_GetArrayItem(list, i), name);
}

/* A line of `out` that begins with `begin` ends with `end`. */
static void assert_row(const char *begin, const char *end)
{
    const char *at = strstr(out, begin);
    while (at != NULL && at != out && at[-1] != '\n') {
        at = strstr(at + 1, begin);
    }
    if (at == NULL) {
        fail_msg("no row \"%s\" in: %s", begin, out);
        return;
    }
    const char *stop = at + strcspn(at, "\n");
    if ((size_t)(stop - at) < strlen(end) || strncmp(stop - strlen(end), end, strlen(end)) != 0) {
        fail_msg("\"%s\" does not end the row: %s", end, at);
    }
}

static void list(void **state)
{
    (void)state;
    fill();
    put_own();
    assert_good("list --dir srv");
    assert_row("0abc  ", "  valid    -             CN=ours");
    assert_row("00bc10  ", "2096-10-02  valid    -             CN=one  by " ONE);
    assert_row("00bc11  ", "2004-11-09  expired  plant         CN=two  by " TWO);
    assert_true(strstr(out, "0abc ") < strstr(out, "00bc10"));
    assert_null(strstr(out, "CN=three")); /* no certificates */
    assert_null(strstr(out, "CN=four"));
    assert_good("list --dir srv --match one.EXAMPLE");
    assert_row("00bc10  ", "");
    assert_null(strstr(out, "CN=two"));
    assert_good("list --dir srv --match CN=four");
    assert_string_equal(out, "");
    assert_says("no certificate that has CN=four");
    assert_good("list --dir srv --json --digests");
    cJSON *json = cJSON_Parse(out);
    assert_int_equal(cJSON_GetArraySize(json), 3);
    assert_string_equal(get(json, 0, "serial"), "0abc");
    assert_null(get(json, 0, "upstream"));
    assert_string_equal(get(json, 1, "serial"), "00bc10");
    assert_string_equal(get(json, 1, "upstream"), ONE);
    assert_string_equal(get(json, 1, "subject"), "CN=one");
    assert_string_equal(get(json, 1, "profile"), "");
    assert_string_equal(get(json, 1, "state"), "valid");
    assert_string_equal(get(json, 1, "issued_at"), "2001-09-09T01:47:40Z");
    assert_string_equal(get(json, 1, "not_after"), "2096-10-02T07:06:40Z");
    assert_int_equal(strncmp(get(json, 1, "request_sha256"), "1000", 4), 0);
    assert_int_equal(strlen(get(json, 1, "sha256")), 64);
    assert_string_equal(get(json, 2, "state"), "expired");
    cJSON_Delete(json);
}

static void show(void **state)
{
    (void)state;
    char pem[16384];
    fill();
    slurp(path("ca.crt"), pem, sizeof pem);
    assert_good("show bc:10 --dir srv");
    assert_row("serial ", "00bc10");
    assert_row("upstream ", ONE);
    assert_row("state ", "valid");
    assert_row("asked  ", "2001-09-09T01:46:40Z, to sen");
    assert_prints("Subject: CN = Test");
    assert_string_equal(out + strlen(out) - strlen(pem), pem);
    assert_good("show 00bc10 --dir srv --json");
    cJSON *json = cJSON_Parse(out);
    assert_string_equal(text_of(json, "upstream"), ONE);
    assert_string_equal(text_of(json, "node"), "n1");
    assert_string_equal(text_of(json, "pem"), pem);
    assert_int_equal(strncmp(text_of(json, "identity_sha256"), "0100", 4), 0);
    assert_int_equal(strlen(text_of(json, "key_sha256")), 64);
    cJSON_Delete(json);
    assert_good("show u2 --dir srv"); /* since it is issued */
    assert_row("serial ", "00bc11");
    assert_fails("show bc12 --dir srv", "bc12: no certificate has this serial number");
    assert_fails("show c1 --dir srv", "c1: no certificate has this serial number");
    assert_fails("show u0 --dir srv", "u0: neither a serial number");
    assert_fails("show u --dir srv", "u: neither a serial number");
    assert_fails("show u3x --dir srv", "u3x: neither a serial number");
    assert_fails("show u99 --dir srv", "u99: there is no such request");
}

/* Each CA counts for itself. */
static void show_twins(void **state)
{
    (void)state;
    fill();
    estoc_store *s = the_store();
    estoc_relay r = {.csr = {9},
                     .profile = "",
                     .op = "sren",
                     .state = ESTOC_RELAY_ISSUED,
                     .subject = "CN=twin",
                     .upstream = TWO,
                     .node = "n1",
                     .serial = {0xbc, 0x10},
                     .serial_len = 2,
                     .not_after = 4000000000,
                     .cert = some_cert()};
    assert_int_equal(estoc_relay_put(s, &r, 1), 0);
    estoc_store_close(s);
    assert_good("show bc10 --dir srv");
    assert_row("subject   CN=one", "");
    assert_row("subject   CN=twin", "");
    assert_good("show bc10 --dir srv --json");
    cJSON *json = cJSON_Parse(out);
    assert_int_equal(cJSON_GetArraySize(json), 2);
    assert_string_equal(get(json, 0, "upstream"), ONE);
    assert_string_equal(get(json, 1, "upstream"), TWO);
    assert_string_equal(get(json, 1, "op"), "sren");
    cJSON_Delete(json);
}

static void pending(void **state)
{
    (void)state;
    assert_good("pending --dir srv");
    assert_says("no request waits");
    fill();
    assert_good("pending --dir srv");
    assert_row("ID  ", "  SUBJECT");
    assert_row("u3  ", "  waiting   sen   -             CN=three  at " ONE);
    assert_row("u4  ", "  lost      sen   plant         CN=four  at " TWO);
    assert_null(strstr(out, "CN=one"));
    assert_null(strstr(out, "CN=five"));
    assert_good("pending --dir srv --all");
    assert_row("u5  ", "  sent      sen   -             CN=five");
    assert_null(strstr(out, "CN=one"));
    assert_good("pending --dir srv --json");
    cJSON *json = cJSON_Parse(out);
    assert_int_equal(cJSON_GetArraySize(json), 2);
    assert_string_equal(get(json, 0, "id"), "u3");
    assert_string_equal(get(json, 0, "state"), "waiting");
    assert_string_equal(get(json, 0, "upstream"), ONE);
    assert_string_equal(get(json, 0, "op"), "sen");
    assert_string_equal(get(json, 0, "node"), "n1");
    assert_string_equal(get(json, 0, "asked_at"), "2001-09-09T01:46:40Z");
    assert_string_equal(get(json, 0, "changed_at"), "2001-09-09T01:47:40Z");
    assert_string_equal(get(json, 0, "retry_at"), "2001-09-09T01:48:40Z");
    assert_null(get(json, 1, "retry_at"));
    assert_string_equal(get(json, 1, "state"), "lost");
    cJSON_Delete(json);
}

static void show_request(void **state)
{
    (void)state;
    fill();
    assert_good("show u3 --dir srv");
    assert_row("request   u3", "");
    assert_row("state     waiting", "");
    assert_row("upstream ", ONE);
    assert_row("again  ", "2001-09-09T01:48:40Z, at the earliest");
    assert_good("show U4 --dir srv");
    assert_row("state     lost", "the upstream may have issued");
    assert_null(strstr(out, "again "));
    assert_good("show u5 --dir srv --json");
    cJSON *json = cJSON_Parse(out);
    assert_string_equal(text_of(json, "id"), "u5");
    assert_string_equal(text_of(json, "state"), "sent");
    assert_int_equal(strncmp(text_of(json, "request_sha256"), "1400", 4), 0);
    cJSON_Delete(json);
}

/* Who decides, and who must revoke. */
static void not_ours(void **state)
{
    (void)state;
    fill();
    assert_fails("approve u3 --dir srv",
                 "u3: waits at " ONE ", and whoever runs that server decides; "
                 "there is nothing to approve here");
    assert_fails("reject u3 --dir srv", "to keep the device out here, see `deny`");
    assert_fails("approve u4 --dir srv", "u4: was sent, without an answer, to " TWO);
    assert_fails("approve u1 --dir srv", "u1: has a certificate of " ONE);
    assert_fails("reject u5 --dir srv", "u5: is on its way to an upstream");
    assert_fails("approve u99 --dir srv", "u99: there is no such request");
    assert_fails("approve 3 --dir srv", "3: there is no such request"); /* those are ours */
    assert_fails("revoke bc10 --dir srv",
                 "bc10: issued by " ONE ", so whoever runs that CA must revoke it; "
                 "`deny` or `client-crls` in estocd.conf(5) keep it out here");
    assert_fails("revoke bc12 --dir srv", "bc12: no certificate has this serial number");
    put_own();
    assert_good("revoke 0abc --dir srv");
    assert_good("pending --dir srv"); /* nothing has changed */
    assert_row("u3  ", "");
    assert_row("u4  ", "");
}

static void put_health(void)
{
    estoc_store *s = the_store();
    const estoc_health list[] = {
        {"n1", "", ONE, 1000000100, true, 120, 3, 1000000090, 1000000050, 52, 110, 2, "time-out"},
        {"n1", "", TWO, 1000000100, false, 4, 4, 0, 1000000060, 0, 0, 2, "certificate expired"},
        {"n2", "plant", ONE, 1000000101, false, 0, 0, 0, 0, 0, 0, 0, ""},
    };
    assert_int_equal(estoc_health_put(s, list, 3), 0);
    estoc_store_close(s);
}

static void stats(void **state)
{
    (void)state;
    assert_good("stats --dir srv");
    assert_null(strstr(out, "UPSTREAM"));
    put_health();
    assert_good("stats --dir srv");
    assert_null(strstr(out, "all ")); /* no CA here, and nothing passed on */
    assert_null(strstr(out, "person"));
    assert_int_equal(strncmp(out, "UPSTREAM ", 9), 0);
    assert_row("-            n1           up           120         3        52       110     2  "
               "2001-09-09T01:48:20Z  " ONE,
               "");
    assert_row("-            n1           down           4         4 ", TWO);
    assert_row("plant        n2           unused ", ONE);
    assert_prints("last failure 2001-09-09T01:47:30Z: time-out\n");
    assert_prints("last failure 2001-09-09T01:47:40Z: certificate expired\n");
    fill();
    assert_good("stats --dir srv");
    assert_row("BY UPSTREAMS ", "   LAST DAY");
    assert_row(
        "-                             1          1          0          1          0          0",
        "");
    assert_row(
        "plant                         1          0          1          0          1          0",
        "");
    assert_row(
        "all                           2          1          1          1          1          0",
        "");
    assert_null(strstr(out, "person"));
    put_own();
    assert_good("stats --dir srv");
    assert_int_equal(strncmp(out, "PROFILE ", 8), 0);
    assert_prints("waiting for a person: 0\n\nBY UPSTREAMS");
}

/* A registrar's store goes into a backup, and back. */
static void backup(void **state)
{
    (void)state;
    fill();
    put_own();
    assert_good("backup --dir srv --out b");
    assert_says("b: 3 certificates, ");
    assert_good("restore --in b --dir new");
    assert_good("list --dir new");
    assert_row("0abc  ", "");
    assert_row("00bc10  ", ONE);
    assert_good("pending --dir new");
    assert_row("u3  ", ONE);
    assert_row("u4  ", TWO);
}

static double number(const cJSON *json, const char *name)
{
    return cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(json, name));
}

static void stats_json(void **state)
{
    (void)state;
    assert_good("stats --dir srv --json");
    cJSON *json = cJSON_Parse(out);
    assert_null(cJSON_GetObjectItemCaseSensitive(json, "relayed"));
    assert_null(cJSON_GetObjectItemCaseSensitive(json, "upstreams"));
    cJSON_Delete(json);
    put_health();
    fill();
    assert_good("stats --dir srv --json");
    json = cJSON_Parse(out);
    assert_true(number(json, "issued") == 0); /* here */
    const cJSON *relayed = cJSON_GetObjectItemCaseSensitive(json, "relayed");
    assert_true(number(relayed, "issued") == 2);
    assert_true(number(relayed, "valid") == 1);
    assert_true(number(relayed, "expired") == 1);
    assert_true(number(relayed, "waiting") == 1);
    assert_true(number(relayed, "lost") == 1);
    assert_true(number(relayed, "issued_last_day") == 0);
    const cJSON *profiles = cJSON_GetObjectItemCaseSensitive(relayed, "profiles");
    assert_int_equal(cJSON_GetArraySize(profiles), 2);
    assert_string_equal(get(profiles, 1, "profile"), "plant");
    assert_true(number(cJSON_GetArrayItem(profiles, 1), "lost") == 1);
    const cJSON *upstreams = cJSON_GetObjectItemCaseSensitive(json, "upstreams");
    assert_int_equal(cJSON_GetArraySize(upstreams), 3);
    assert_string_equal(get(upstreams, 0, "node"), "n1");
    assert_string_equal(get(upstreams, 0, "url"), ONE);
    assert_string_equal(get(upstreams, 0, "state"), "up");
    assert_string_equal(get(upstreams, 0, "ok_at"), "2001-09-09T01:48:10Z");
    assert_string_equal(get(upstreams, 0, "failed_at"), "2001-09-09T01:47:30Z");
    assert_string_equal(get(upstreams, 0, "why"), "time-out");
    assert_true(number(cJSON_GetArrayItem(upstreams, 0), "calls") == 120);
    assert_true(number(cJSON_GetArrayItem(upstreams, 0), "failures") == 3);
    assert_true(number(cJSON_GetArrayItem(upstreams, 0), "median_ms") == 52);
    assert_true(number(cJSON_GetArrayItem(upstreams, 0), "p99_ms") == 110);
    assert_true(number(cJSON_GetArrayItem(upstreams, 0), "connections") == 2);
    assert_string_equal(get(upstreams, 1, "state"), "down");
    assert_null(get(upstreams, 1, "ok_at"));
    assert_string_equal(get(upstreams, 2, "state"), "unused");
    assert_string_equal(get(upstreams, 2, "upstream"), "plant");
    assert_null(get(upstreams, 2, "why"));
    cJSON_Delete(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ALONE("list: what upstreams issued, and which", list),
        ALONE("show: a certificate of an upstream", show),
        ALONE("show: of several CAs, with one number", show_twins),
        ALONE("L2 pending: what waits upstream, and what was lost", pending),
        ALONE("L2 show: a request upstream", show_request),
        ALONE("L2 approve, reject, revoke: who decides instead", not_ours),
        ALONE("G1 stats: what was passed on, and how upstreams do", stats),
        ALONE("G1 stats as JSON", stats_json),
        ALONE("286 a backup has what was passed on, too", backup),
    };
    if (getenv("ESTOCD") == NULL) {
        fprintf(stderr, "set ESTOCD to the program under test\n");
        return 1;
    }
    return cmocka_run_group_tests_name("cmd/relayed", tests, NULL, NULL);
}

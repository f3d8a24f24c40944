/* SPDX-License-Identifier: MIT
 *
 * A petition of a device to a CA, and what the rules say to it.
 */
#ifndef ESTOC_TEST_PETITION_H
#define ESTOC_TEST_PETITION_H

#include "parties.h"

#include "policy.h"
#include "text.h"

static struct party ca, device, plain, nameless;
static estoc_profile profile = {.name = "", .validity_s = DAY};
static estoc_grant grant;
static estoc_ruling why;
static estoc_slice unique; /* of the client's association */

static inline int set_up(void **state)
{
    party_make(&ca, (struct plan){.subject = "CN=CA", .ca = true});
    party_make(&device, (struct plan){.issuer = &ca,
                                      .subject = "CN=dev-1,O=Example",
                                      .dns = "dev-1.example alias.example"});
    party_make(&plain, (struct plan){.issuer = &ca, .subject = "CN=dev-2"});
    party_make(&nameless, (struct plan){.issuer = &ca, .subject = "", .dns = "dev-3.example"});
    return folder_make(state);
}

static inline int tear_down(void **state)
{
    party_drop(&ca);
    party_drop(&device);
    party_drop(&plain);
    party_drop(&nameless);
    return folder_remove(state);
}

static uint8_t *exact;

static inline estoc_err ask(estoc_op op, const struct party *client, estoc_slice csr)
{
    free(exact); /* not before: a grant may point into the request */
    exact = malloc(csr.len > 0 ? csr.len : 1);
    assert_non_null(exact);
    if (csr.len > 0) {
        memcpy(exact, csr.ptr, csr.len);
    }
    const estoc_petition p = {
        op, &profile, &client->cert, &ca.cert, estoc_slice_of(exact, csr.len), unique};
    memset(&grant, 0xa5, sizeof grant);
    memset(&why, 0, sizeof why);
    estoc_err err = estoc_policy_grant(&p, &grant, &why);
    if (err) {
        assert_null(grant.subject.ptr);
        assert_null(grant.spki.ptr);
        assert_in_range(strlen(why.text), 1, 64);
        assert_in_range(strlen(why.rule), 1, 8);
    } else if (!profile.any_names && !profile.change_subject && !profile.registrars &&
               profile.subject[0] == '\0') {
        assert_ptr_equal(grant.subject.ptr, client->cert.subject.ptr);
    }
    return err;
}

static inline void assert_granted(estoc_op op, const struct party *client, const struct bytes *csr)
{
    if (ask(op, client, bytes_slice(csr))) {
        fail_msg("%s: %s", why.rule, why.text);
    }
}

static inline void assert_refused(estoc_op op, const struct party *client, const struct bytes *csr,
                                  estoc_err want, const char *rule)
{
    estoc_err err = ask(op, client, bytes_slice(csr));
    if (err != want || strcmp(why.rule, rule) != 0) {
        fail_msg("%#x, not %#x; %s, not %s: %s", err, want, why.rule, rule, why.text);
    }
}

/* What comes after these bytes. */
static inline uint8_t *find(struct bytes *csr, const char *bytes, size_t len)
{
    uint8_t *at = memmem(csr->ptr, csr->len, bytes, len);
    assert_non_null(at);
    return at + len;
}

#define SEN  ESTOC_OP_SEN
#define SREN ESTOC_OP_SREN

#endif

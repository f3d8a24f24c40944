/* SPDX-License-Identifier: MIT
 *
 * Writes the seed corpora from the tables of the unit tests: one file for each row of malformed.h,
 * wellformed.h and answers.h, named after it. Run it (`ninja fuzz-seeds`) after a change there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coap/wellformed.h"
#include "est/answers.h"
#include "est/wishes.h"

#include "../unit/text/templates.h" /* after what it uses */
#include "../vectors/rfc9908.h"

#include "seeds.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const char *corpus;

void put(const char *target, const char *kind, const char *row, estoc_slice bytes)
{
    char name[100];
    char path[4096];
    snprintf(name, sizeof name, "%s-%s", kind, row);
    for (char *c = name; *c != '\0'; c++) {
        if (strchr(" ,", *c) != NULL) {
            *c = '-';
        }
    }
    snprintf(path, sizeof path, "%s/%s/%s", corpus, target, name);
    FILE *f = fopen(path, "wb");
    if (f == NULL ||
        fwrite(bytes.ptr != NULL ? bytes.ptr : (const uint8_t *)"", 1, bytes.len, f) != bytes.len ||
        fclose(f) != 0) {
        perror(path);
        exit(1);
    }
}

/* The option part of a message, behind header and token; `payload` and its marker may follow. */
static void put_options(const char *kind, const char *row, estoc_slice message)
{
    size_t header = message.len > 0 ? 4 + (message.ptr[0] & 0x0fu) : 4;
    if (message.len > header) {
        put("options", kind, row, estoc_slice_of(message.ptr + header, message.len - header));
    }
}

/* clang-format off */

/* Queries, each with RFC 9148's example. */
static const struct wellformed queries[] = {
    {"query rt exact",    TEXT("rt=ace.est.crts\n" DISCOVERY)},
    {"query rt prefix",   TEXT("rt=ace.est*\n" DISCOVERY)},
    {"query rt any",      TEXT("rt=*\n" DISCOVERY)},
    {"query href prefix", TEXT("href=/est/*\n" DISCOVERY)},
    {"query ct",          TEXT("ct=281\n" DISCOVERY)},
    {"query title",       TEXT("title=a\"b\n</a>;title=\"a\\\"b\"")},
    {"query no value",    TEXT("rt\n" DISCOVERY)},
};

/* Lists of options to write: delta of 2 bytes, length of 1, value. */
static const struct wellformed option_lists[] = {
    {"list path",      BYTES(0x00, 0x0b, 3, 'e', 's', 't', 0x00, 0x00, 4, 'c', 'r', 't', 's')},
    {"list extended",  BYTES(0x00, 0x0d, 0, 0x01, 0x0d, 13, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13)},
    {"list largest",   BYTES(0xff, 0xff, 1, 0x5a)},
    {"list past 65535", BYTES(0xff, 0xff, 0, 0x00, 0x01, 0)},
};

/* clang-format on */

/* ---- what servers answer: est/answers.h ---- */

static void put_values(const char *target, const struct malformed_value *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        put(target, "bad", rows[i].name, rows[i].bytes);
    }
}

static void put_good(const char *target, const struct wellformed *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        put(target, "good", rows[i].name, rows[i].bytes);
    }
}

static void put_certs(const char *kind, const struct cert_row *rows, size_t n)
{
    static uint8_t room[4096];
    for (size_t i = 0; i < n; i++) {
        put("cert", kind, rows[i].name, cert_of_row(&rows[i], (estoc_buf){room, sizeof room}));
    }
}

static void put_cms(const char *kind, const struct cms_row *rows, size_t n)
{
    static uint8_t room[4096];
    for (size_t i = 0; i < n; i++) {
        put("certs", kind, rows[i].name, cms_of_row(&rows[i], (estoc_buf){room, sizeof room}));
    }
}

static void put_answers(void)
{
    estoc_slice root = {rfc9148_a1_crts, sizeof rfc9148_a1_crts};
    estoc_slice device = {rfc9148_a2_sen, sizeof rfc9148_a2_sen};
    estoc_slice change = {rfc7030_a1_cacerts, sizeof rfc7030_a1_cacerts};
    put_certs("bad", malformed_certs, COUNT(malformed_certs));
    put_certs("good", wellformed_certs, COUNT(wellformed_certs));
    put("cert", "good", "RFC 9148 A.1", estoc_slice_sub(root, 45, 589));
    put("cert", "good", "RFC 9148 A.2", estoc_slice_sub(device, 45, device.len - 49));
    put("cert", "good", "RFC 7030 A.1", estoc_slice_sub(change, 45, 767));
    put_cms("bad", malformed_cms, COUNT(malformed_cms));
    put_cms("good", wellformed_cms, COUNT(wellformed_cms));
    put_values("certs", malformed_ber, COUNT(malformed_ber));
    put("certs", "good", "RFC 9148 A.1", root);
    put("certs", "good", "RFC 9148 A.2", device);
    put("certs", "good", "RFC 7030 A.1", change);
    put_values("csrattrs", malformed_attrs, COUNT(malformed_attrs));
    put_good("csrattrs", wellformed_attrs, COUNT(wellformed_attrs));
    put("template", "good", "RFC 9908 3.4",
        estoc_slice_of(rfc9908_template, sizeof rfc9908_template));
    for (size_t i = 0; i < COUNT(templates); i++) {
        put("template", templates[i].want ? "bad" : "good", templates[i].name, templates[i].der);
    }
    put_values("keygen", malformed_wishes, COUNT(malformed_wishes));
    put_good("keygen", wellformed_wishes, COUNT(wellformed_wishes));
    put_values("multipart", malformed_parts, COUNT(malformed_parts));
    put_good("multipart", wellformed_parts, COUNT(wellformed_parts));
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS_FOLDER\n", argv[0]);
        return 1;
    }
    corpus = argv[1];
    for (size_t i = 0; i < COUNT(malformed_messages); i++) {
        put("message", "bad", malformed_messages[i].name, malformed_messages[i].bytes);
        put_options("bad", malformed_messages[i].name, malformed_messages[i].bytes);
    }
    for (size_t i = 0; i < COUNT(wellformed_messages); i++) {
        put("message", "good", wellformed_messages[i].name, wellformed_messages[i].bytes);
        put_options("good", wellformed_messages[i].name, wellformed_messages[i].bytes);
    }
    for (size_t i = 0; i < COUNT(option_lists); i++) {
        put("options", "good", option_lists[i].name, option_lists[i].bytes);
    }
    for (size_t i = 0; i < COUNT(malformed_blocks); i++) {
        put("block", "bad", malformed_blocks[i].name, malformed_blocks[i].bytes);
    }
    for (size_t i = 0; i < COUNT(wellformed_blocks); i++) {
        put("block", "good", wellformed_blocks[i].name, wellformed_blocks[i].bytes);
    }
    for (size_t i = 0; i < COUNT(malformed_links); i++) {
        put("link", "bad", malformed_links[i].name, malformed_links[i].bytes);
    }
    for (size_t i = 0; i < COUNT(wellformed_links); i++) {
        put("link", "good", wellformed_links[i].name, wellformed_links[i].bytes);
    }
    for (size_t i = 0; i < COUNT(queries); i++) {
        put("link", "good", queries[i].name, queries[i].bytes);
    }
    put_answers();
    put_mime();
    put_requests();
    return 0;
}

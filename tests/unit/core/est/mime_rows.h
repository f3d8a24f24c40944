/* SPDX-License-Identifier: MIT
 *
 * What servers of EST over HTTPS send: base64, and multipart/mixed with the value of its Content-Type.
 * Inputs that must be refused and inputs that must be taken; they seed the corpora, too.
 */
#ifndef TESTS_MIME_ROWS_H
#define TESTS_MIME_ROWS_H

#include "coap/malformed.h"
#include "coap/wellformed.h"

/* clang-format off */
struct text_row {
    const char *name;
    estoc_err err;
    const char *text;
    const char *want; /* decoded */
};

static const struct text_row base64_rows[] = {
    {"no text",                    ESTOC_OK, "", ""},
    {"blanks alone",               ESTOC_OK, " \r\n\t\n", ""},
    {"a byte",                     ESTOC_OK, "Zg==", "f"},
    {"two bytes",                  ESTOC_OK, "Zm8=", "fo"},
    {"three bytes",                ESTOC_OK, "Zm9v", "foo"},
    {"RFC 4648 section 10",        ESTOC_OK, "Zm9vYmFy", "foobar"},
    {"every kind of digit",        ESTOC_OK, "YWJ+Pz8/Pz4+", "ab~???" "?>>"},
    {"lines with CRLF",            ESTOC_OK, "Zm9v\r\nYmE=\r\n", "fooba"},
    {"lines with LF",              ESTOC_OK, "Zm9v\nYmE=\n", "fooba"},
    {"lines with CR",              ESTOC_OK, "Zm9v\rYmE=\r", "fooba"},
    {"spaces and tabs",            ESTOC_OK, " Z m\t9v YmE= ", "fooba"},
    {"breaks inside of padding",   ESTOC_OK, "Zg=\r\n=", "f"},
    {"a break before the padding", ESTOC_OK, "Zg\r\n==", "f"},
    {"one digit",                  ESTOC_E_TRUNCATED, "Z", NULL},
    {"no padding, of two",         ESTOC_E_TRUNCATED, "Zg", NULL},
    {"no padding, of one",         ESTOC_E_TRUNCATED, "Zm8", NULL},
    {"half of the padding",        ESTOC_E_TRUNCATED, "Zg=", NULL},
    {"a digit too many",           ESTOC_E_TRUNCATED, "Zm9vY", NULL},
    {"padding alone",              ESTOC_E_MALFORMED, "=", NULL},
    {"padding where none belongs", ESTOC_E_MALFORMED, "Zm9v=", NULL},
    {"padding after a digit",      ESTOC_E_MALFORMED, "Z===", NULL},
    {"three pads",                 ESTOC_E_MALFORMED, "Zg===", NULL},
    {"two pads of one",            ESTOC_E_MALFORMED, "Zm8==", NULL},
    {"digits behind the padding",  ESTOC_E_MALFORMED, "Zg==Zg==", NULL},
    {"unused bits set, of two",    ESTOC_E_MALFORMED, "Zh==", NULL},
    {"unused bits set, of one",    ESTOC_E_MALFORMED, "Zm9=", NULL},
    {"the URL alphabet",           ESTOC_E_MALFORMED, "Zm-_", NULL},
    {"a form feed",                ESTOC_E_MALFORMED, "Zm9v\fYmFy", NULL},
    {"a byte over 127",            ESTOC_E_MALFORMED, "Zm9v\xc3\xa4==", NULL},
    {"PEM around it",              ESTOC_E_MALFORMED, "-----BEGIN PKCS7-----\nZm9v\n", NULL},
};

struct mime_row {
    const char *name;
    estoc_err err;
    const char *type, *body;
    const char *want[4]; /* type and body of each part, as they come */
};

#define MIXED      "multipart/mixed; boundary=b"
#define PKCS8      "application/pkcs8"
#define CERTS_ONLY "application/pkcs7-mime; smime-type=certs-only"

static const struct mime_row mime_rows[] = {
    {"RFC 7030 A.4 in short", ESTOC_OK, "multipart/mixed ; boundary=estServerExampleBoundary",
     "This is the preamble.  It is to be ignored, though it\r\nis a handy place for estServer to include "
     "an explanatory note,\r\nincluding contact or support information.\r\n"
     "--estServerExampleBoundary\r\nContent-Type: application/pkcs8\r\nContent-Transfer-Encoding: base64\r\n"
     "\r\nMIIE\r\nvwI=\r\n--estServerExampleBoundary\r\n"
     "Content-Type: application/pkcs7-mime; smime-type=certs-only\r\nContent-Transfer-Encoding: base64\r\n"
     "\r\nMIID\r\n--estServerExampleBoundary--\r\nThis is the epilogue.\r\nIt is also to be ignored.\r\n",
     {" " PKCS8, "MIIE\r\nvwI=", " " CERTS_ONLY, "MIID"}},
    {"quoted boundary",       ESTOC_OK, "Multipart/Mixed; charset=x; Boundary=\"a \\\"b\"", "--a \"b\n\nx\n--a \"b--",
     {"", "x"}},
    {"boundary with a sign",  ESTOC_OK, "multipart/mixed;boundary=----=_Part.1", "------=_Part.1\n\nx\n------=_Part.1--",
     {"", "x"}},
    {"lines with LF",         ESTOC_OK, MIXED, "--b\nContent-Type:text/plain\n\nx\ny\n--b--\n", {"text/plain", "x\ny"}},
    {"no break at the end",   ESTOC_OK, MIXED, "--b\r\n\r\nx\r\n--b--", {"", "x"}},
    {"a body of no bytes",    ESTOC_OK, MIXED, "--b\r\n\r\n\r\n--b--", {"", ""}},
    {"headers alone",         ESTOC_OK, MIXED, "--b\r\nX: y\r\n--b--", {"", ""}},
    {"nothing in a part",     ESTOC_OK, MIXED, "--b\r\n--b--", {"", ""}},
    {"blanks behind it",      ESTOC_OK, MIXED, "--b \t\r\n\r\nx\r\n--b-- \r\n", {"", "x"}},
    {"a folded header",       ESTOC_OK, MIXED, "--b\r\ncontent-TYPE: application/pkcs7-mime;\r\n\tsmime-type=\r\n certs-only\r\n"
     "X-Other:\r\n folded\r\n\r\nx\r\n--b--", {" application/pkcs7-mime;\r\n\tsmime-type=\r\n certs-only", "x"}},
    {"nearly a delimiter",    ESTOC_OK, MIXED, "--c\r\n--b\r\n\r\n--bb\r\n --b\r\n--b--x\r\n--b-\r\n--b--", {"", "--bb\r\n --b\r\n--b--x\r\n--b-"}},
    {"70 characters",         ESTOC_OK, "multipart/mixed; boundary=" "0123456789012345678901234567890123456789012345678901234567890123456789",
     "--0123456789012345678901234567890123456789012345678901234567890123456789\n\nx\n"
     "--0123456789012345678901234567890123456789012345678901234567890123456789--", {"", "x"}},
    {"71 characters",         ESTOC_E_MALFORMED, "multipart/mixed; boundary=" "01234567890123456789012345678901234567890123456789012345678901234567890",
     "--01234567890123456789012345678901234567890123456789012345678901234567890\n\nx\n", {NULL}},
    {"no boundary",           ESTOC_E_MALFORMED, "multipart/mixed", "--b\n\nx\n--b--", {NULL}},
    {"boundary of nothing",   ESTOC_E_MALFORMED, "multipart/mixed; boundary=", "--\n\nx\n----", {NULL}},
    {"boundary of quotes",    ESTOC_E_MALFORMED, "multipart/mixed; boundary=\"\"", "--\n\nx\n----", {NULL}},
    {"boundary not closed",   ESTOC_E_MALFORMED, "multipart/mixed; boundary=\"b", "--b\n\nx\n--b--", {NULL}},
    {"another multipart",     ESTOC_E_MALFORMED, "multipart/related; boundary=b", "--b\n\nx\n--b--", {NULL}},
    {"no type",               ESTOC_E_MALFORMED, "", "--b\n\nx\n--b--", {NULL}},
    {"no body",               ESTOC_E_TRUNCATED, MIXED, "", {NULL}},
    {"another boundary",      ESTOC_E_TRUNCATED, MIXED, "--c\n\nx\n--c--", {NULL}},
    {"not closed",            ESTOC_E_TRUNCATED, MIXED, "--b\n\nx\n--b\n\nx\n", {NULL}},
    {"closed at once",        ESTOC_E_MALFORMED, MIXED, "--b--\n", {NULL}},
    {"a header of no name",   ESTOC_E_MALFORMED, MIXED, "--b\n: x\n\nx\n--b--", {NULL}},
    {"a line for a header",   ESTOC_E_MALFORMED, MIXED, "--b\nMIIE\n\nx\n--b--", {NULL}},
    {"continues nothing",     ESTOC_E_MALFORMED, MIXED, "--b\n a: b\n\nx\n--b--", {NULL}},
    {"two types",             ESTOC_E_MALFORMED, MIXED, "--b\nContent-Type: a/b\nContent-Type: a/b\n\nx\n--b--", {NULL}},
    {"three parts",           ESTOC_E_LIMIT, MIXED, "--b\n\nx\n--b\n\ny\n--b\n\nz\n--b--", {NULL}},
};

struct param_row {
    const char *name, *value, *param;
    const char *want; /* NULL: not there, or over 16 bytes */
};

static const struct param_row param_rows[] = {
    {"a parameter",             "application/pkcs7-mime; smime-type=certs-only", "smime-type", "certs-only"},
    {"without a blank",         "application/pkcs7-mime;smime-type=certs-only", "smime-type", "certs-only"},
    {"blanks everywhere",       " application/pkcs7-mime ;\r\n smime-type = \"certs-only\" ; ", "smime-type", "certs-only"},
    {"in any case",             "A/B; SMIME-Type=Certs-Only", "smime-type", "Certs-Only"},
    {"the first of two",        "a/b; x=1; x=2", "x", "1"},
    {"behind others",           "a/b; y; z=\"q;x=0\"; x=1", "x", "1"},
    {"a quoted pair",           "a/b; x=\"1\\\"2\"", "x", "1\"2"},
    {"no value",                "a/b; x", "x", ""},
    {"none",                    "a/b; xx=1; y=x", "x", NULL},
    {"nothing",                 "", "x", NULL},
    {"behind a fault",          "a/b; y=\"1\"2; x=1", "x", NULL},
    {"quotes that do not end",  "a/b; x=\"1", "x", NULL},
    {"a pair that does not end", "a/b; x=\"1\\", "x", NULL},
    {"16 bytes",                "a/b; x=0123456789abcdef", "x", "0123456789abcdef"},
    {"17 bytes",                "a/b; x=0123456789abcdefg", "x", NULL},
    {"a directive",             "private, max-age=60", "max-age", "60"},
    {"the first directive",     "max-age=60,private", "max-age", "60"},
};

/* clang-format on */
#endif

/* SPDX-License-Identifier: MIT
 *
 * estocd show: one certificate, or one request that waits, as the store has it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "crypto.h"
#include "estocd.h"
#include "relayed.h"
#include "text.h"

#define COMMAND "show"

static char *pem_of(estoc_slice cert)
{
    estoc_blob pem;
    if (estoc_certs_pem(&cert, 1, &pem)) {
        return NULL;
    }
    char *text = strndup((const char *)pem.ptr, pem.len);
    estoc_blob_free(&pem);
    return text;
}

static const char *digest(const uint8_t bytes[32], char out[65])
{
    return estoc_hex(estoc_slice_of(bytes, 32), out, 65);
}

static int print_json(const estoc_record *rec, const char *pem)
{
    char hex[65];
    cJSON *json = estocd_record_json(rec);
    cJSON_AddStringToObject(json, "identity_sha256", digest(rec->identity, hex));
    cJSON_AddStringToObject(json, "request_sha256", digest(rec->csr, hex));
    cJSON_AddStringToObject(json, "key_sha256", digest(rec->key, hex));
    if (rec->state == ESTOC_RECORD_ISSUED) {
        cJSON_AddStringToObject(json, "pem", pem);
    }
    return estocd_print_json(COMMAND, json);
}

static int print_text(const estoc_record *rec, const char *pem)
{
    char hex[65], at[32];
    estoc_blob text;
    printf("serial    %s\n",
           estoc_hex(estoc_slice_of(rec->serial, rec->serial_len), hex, sizeof hex));
    printf("subject   %s\n", rec->subject);
    printf("profile   %s\n", rec->profile[0] != '\0' ? rec->profile : "-");
    if (rec->policy != 0) {
        printf("profiles  version %lld (`estocd profiles show %lld`)\n", (long long)rec->policy,
               (long long)rec->policy);
    }
    printf("state     %s\n", estocd_record_state(rec));
    printf("issued    %s\n", estoc_time_text(rec->issued_at, at, sizeof at));
    printf("valid     %s", estoc_time_text(rec->not_before, at, sizeof at));
    printf(" to %s\n", estoc_time_text(rec->not_after, at, sizeof at));
    if (rec->revoked_at != 0) {
        printf("revoked   %s, %s\n", estoc_time_text(rec->revoked_at, at, sizeof at),
               estocd_reason_name(rec->reason));
    }
    printf("asked by  %s (SHA-256 of the certificate)\n", digest(rec->identity, hex));
    printf("request   %s (SHA-256)\n", digest(rec->csr, hex));
    printf("key       %s (SHA-256)\n", digest(rec->key, hex));
    if (rec->state != ESTOC_RECORD_ISSUED) { /* X9 */
        printf("\nNo certificate: it was about to be signed, and %s.\n",
               rec->state == ESTOC_RECORD_VOID ? "that was given up" : "may be yet");
        return estocd_finish(COMMAND);
    }
    estoc_err err = estoc_cert_text(rec->cert, &text);
    if (err) {
        return estocd_say(COMMAND, "the certificate as text: %s", estoc_err_text(err));
    }
    printf("\n%.*s%s", (int)text.len, (const char *)text.ptr, pem);
    estoc_blob_free(&text);
    return estocd_finish(COMMAND);
}

static int show_relayed(estoc_store *store, const char *id, estoc_slice serial, bool json)
{
    size_t n;
    char url[256];
    estoc_err err = estocd_relay_count(store, serial, &n, url);
    return err      ? estocd_store_failed(COMMAND, store, err)
           : n == 0 ? estocd_say(COMMAND, "%.100s: " ESTOCD_NO_SUCH_SERIAL, id)
                    : estocd_show_relayed(COMMAND, store, serial, n, json);
}

static int show_cert(estoc_store *store, const char *id, estoc_slice serial, bool json)
{
    estoc_record rec;
    estoc_blob cert;
    int code;
    estoc_err err = estoc_store_by_serial(store, serial, &rec, &cert);
    if (err) {
        code = err == ESTOC_E_NOT_FOUND ? show_relayed(store, id, serial, json)
                                        : estocd_store_failed(COMMAND, store, err);
    } else {
        char *pem = pem_of(estoc_blob_slice(cert));
        code = pem == NULL ? estocd_say(COMMAND, "%s", estoc_err_text(ESTOC_E_MEMORY))
               : json      ? print_json(&rec, pem)
                           : print_text(&rec, pem);
        free(pem);
        estoc_blob_free(&cert);
    }
    return code;
}

static int show(const char *dir, const char *id, bool json)
{
    uint8_t serial[ESTOC_SERIAL_MAX];
    size_t len = estocd_serial_parse(id, serial);
    int64_t request = 0;
    bool upstream = len == 0 && estocd_relay_parse(id, &request);
    if (len == 0 && !upstream &&
        !((*id == 'r' || *id == 'R') && estocd_request_parse(id, &request))) {
        return estocd_say(COMMAND,
                          "%.100s: neither a serial number, as `estocd list` has them, nor a "
                          "request's, as `estocd pending` has them",
                          id);
    }
    estoc_store *store = estocd_open_store(COMMAND, dir);
    if (store == NULL) {
        return 1;
    }
    int code = len > 0    ? show_cert(store, id, estoc_slice_of(serial, len), json)
               : upstream ? estocd_show_relay(COMMAND, store, request, json)
                          : estocd_show_request(COMMAND, store, request, json);
    estoc_store_close(store);
    return code;
}

int estocd_show(int argc, char **argv)
{
    const char *dir = NULL;
    const char *id;
    bool json = false;
    const estoc_arg options[] = {
        ESTOCD_DIR_OPTION(&dir),
        ESTOCD_JSON_OPTION("an object, with what is shown in it as PEM", &json),
        {.kind = ESTOC_ARG_END},
    };
    const estoc_usage usage = {
        .program = "estocd",
        .command = COMMAND,
        .positional = "ID",
        .summary = "show one certificate, or one request",
        .description =
            "ID is its serial number in hexadecimal, as `estocd list` and `openssl x509 -serial`\n"
            "have it. Shows what the store knows about it, the certificate as text, and as PEM:\n"
            "the output can be given to openssl as it is. An ID such as r12 is a request's, as\n"
            "`estocd pending` has it: it is followed by the certificate that asked. One such as\n"
            "u7 is that of a request at an upstream.",
        .example = "  estocd show 5c0ffee0123456789abcdef012345678 --dir ~/est\n"
                   "  estocd show 5c0ffee0123456789abcdef012345678 --dir ~/est >device.pem\n"
                   "  estocd show r12 --dir ~/est | openssl req -text",
        .options = options,
    };
    int code = estoc_args_parse(&usage, argc, argv, &id);
    return code == ESTOC_ARGS_RUN ? show(dir, id, json) : code;
}

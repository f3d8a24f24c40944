/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "text.h"

int estoc_put(const estoc_options *opt, estoc_slice text)
{
    if (opt->out != NULL) {
        return estoc_file_write(opt->out, text, 0644)
                   ? estoc_say(opt->command, ESTOC_EXIT_LOCAL, "%s: cannot be written: %s",
                               opt->out, strerror(errno))
                   : ESTOC_EXIT_DONE;
    }
    bool good = fwrite(text.ptr, 1, text.len, stdout) == text.len && fflush(stdout) == 0;
    return good ? ESTOC_EXIT_DONE
                : estoc_say(opt->command, ESTOC_EXIT_LOCAL, "stdout cannot be written: %s",
                            strerror(errno));
}

cJSON *estoc_json_cert(estoc_slice der)
{
    estoc_cert cert;
    char text[1024];
    cJSON *json = cJSON_CreateObject();
    if (json == NULL || estoc_cert_parse(&cert, der)) {
        return json;
    }
    estoc_buf buf = {(uint8_t *)text, sizeof text};
    cJSON_AddStringToObject(json, "subject", estoc_name_text(cert.subject, buf));
    cJSON_AddStringToObject(json, "issuer", estoc_name_text(cert.issuer, buf));
    cJSON_AddStringToObject(json, "serial", estoc_hex(cert.serial, text, sizeof text));
    cJSON_AddStringToObject(json, "not_before",
                            estoc_time_text(cert.not_before, text, sizeof text));
    cJSON_AddStringToObject(json, "not_after", estoc_time_text(cert.not_after, text, sizeof text));
    return json;
}

cJSON *estoc_json_traffic(const estoc_talk *t)
{
    const estoc_figures *f = &t->conn.figures;
    cJSON *json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "sent", (double)f->sent);
    cJSON_AddNumberToObject(json, "received", (double)f->received);
    cJSON_AddNumberToObject(json, "bytes_sent", (double)f->sent_bytes);
    cJSON_AddNumberToObject(json, "bytes_received", (double)f->received_bytes);
    cJSON_AddNumberToObject(json, "ms", (double)(estoc_now_ms() - t->started));
    return json;
}

int estoc_json_print(const char *command, cJSON *json)
{
    char *text = cJSON_Print(json);
    cJSON_Delete(json);
    bool good = text != NULL && puts(text) >= 0 && fflush(stdout) == 0;
    free(text);
    return good ? ESTOC_EXIT_DONE
                : estoc_say(command, ESTOC_EXIT_LOCAL, "stdout cannot be written, or no memory");
}

static cJSON *json_certs(const estoc_slice *certs, size_t n)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < n; i++) {
        cJSON *one = estoc_json_cert(certs[i]);
        estoc_blob pem;
        if (!estoc_certs_pem(&certs[i], 1, &pem)) {
            char *text = strndup((const char *)pem.ptr, pem.len);
            cJSON_AddStringToObject(one, "pem", text != NULL ? text : "");
            free(text);
            estoc_blob_free(&pem);
        }
        cJSON_AddItemToArray(list, one);
    }
    return list;
}

int estoc_put_certs(const estoc_talk *t, const estoc_slice *certs, size_t n)
{
    const estoc_options *opt = t->opt;
    if (opt->out != NULL || !opt->json) {
        estoc_blob pem;
        estoc_err err = estoc_certs_pem(certs, n, &pem);
        if (err) {
            return estoc_talk_fail(t, err, "");
        }
        int code = estoc_put(opt, estoc_blob_slice(pem));
        estoc_blob_free(&pem);
        if (code || !opt->json) {
            return code;
        }
    }
    cJSON *json = cJSON_CreateObject();
    cJSON_AddItemToObject(json, "certificates", json_certs(certs, n));
    cJSON_AddBoolToObject(json, "unchanged", estoc_client_unchanged(&t->client));
    cJSON_AddItemToObject(json, "traffic", estoc_json_traffic(t));
    return estoc_json_print(opt->command, json);
}

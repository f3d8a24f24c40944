/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "resume.h"
#include "text.h"

/* What the file begins with; then what it is good for, then the session (dtls.h). */
static const char magic[16] = {'e', 's', 't', 'o', 'c', ' ', 's', 'e',
                               's', 's', 'i', 'o', 'n', ' ', '2', '\n'};
enum { HASH_LEN = 32, HEAD_LEN = sizeof magic + HASH_LEN, FILE_MAX = 65536 };

static void put(estoc_writer *w, estoc_slice s)
{
    estoc_write_u16(w, (uint16_t)s.len);
    estoc_write_bytes(w, s);
}

static void put_hashes(estoc_writer *w, const estoc_blobs *list)
{
    for (size_t i = 0; i < list->n; i++) {
        uint8_t hash[HASH_LEN];
        if (estoc_sha256(estoc_blob_slice(list->at[i]), hash)) {
            w->err = ESTOC_E_CRYPTO;
        }
        put(w, estoc_slice_of(hash, sizeof hash));
    }
}

/* Of client and anchors: RFC 9148 section 9.1 wants those of now. Not of the server's address: the nodes
 * of one service have several, and whether the server of the session is the one meant is verified. */
static estoc_err fingerprint(const estoc_identity *id, uint8_t hash[HASH_LEN])
{
    size_t room = 64 + (id->chain.n + id->anchors.n) * (HASH_LEN + 4);
    uint8_t *text = malloc(room);
    size_t len = 0;
    if (text == NULL) {
        return ESTOC_E_MEMORY;
    }
    estoc_writer w = estoc_writer_of((estoc_buf){text, room});
    put_hashes(&w, &id->chain);
    put(&w, estoc_slice_str("anchors"));
    put_hashes(&w, &id->anchors);
    estoc_err err = estoc_writer_end(&w, &len);
    err = err ? err : estoc_sha256(estoc_slice_of(text, len), hash);
    free(text);
    return err;
}

void estoc_resume_load(const estoc_options *opt, const estoc_identity *id, estoc_dtls_client *dtls)
{
    uint8_t head[HEAD_LEN];
    estoc_blob file;
    estoc_why why;
    memcpy(head, magic, sizeof magic);
    if (opt->resume == NULL || fingerprint(id, head + sizeof magic) ||
        estoc_file_read(opt->resume, FILE_MAX, &file)) {
        return;
    }
    estoc_slice all = estoc_blob_slice(file);
    if (estoc_slice_eq(estoc_slice_sub(all, 0, HEAD_LEN), estoc_slice_of(head, HEAD_LEN))) {
        estoc_err ignored = estoc_dtls_client_resume(dtls, estoc_slice_sub(all, HEAD_LEN, all.len),
                                                     &id->anchors, &why);
        (void)ignored; /* no session, then */
    }
    estoc_blob_free(&file);
}

void estoc_resume_save(const estoc_options *opt, const estoc_identity *id, const estoc_dtls *d)
{
    uint8_t *all = NULL;
    estoc_blob session;
    if (opt->resume == NULL || estoc_dtls_resumed(d) || estoc_dtls_session(d, &session)) {
        return; /* a server that keeps none leaves the file as it is, useless as it may be */
    }
    size_t len = HEAD_LEN + session.len;
    all = malloc(len);
    estoc_err err = all != NULL ? fingerprint(id, all + sizeof magic) : ESTOC_E_MEMORY;
    if (!err) {
        memcpy(all, magic, sizeof magic);
        memcpy(all + HEAD_LEN, session.ptr, session.len);
        err = estoc_file_write(opt->resume, estoc_slice_of(all, len), 0600);
    }
    if (all != NULL) {
        estoc_wipe(all, len);
        free(all);
    }
    estoc_blob_free(&session);
    if (err) {
        (void)estoc_say(opt->command, 0, "note: the session cannot be kept in %s: %s", opt->resume,
                        estoc_err_text(err));
    }
}

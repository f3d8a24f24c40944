/* SPDX-License-Identifier: MIT
 *
 * What the verbs of `estocd ca` share. Each verb can be run again after a crash: files are written
 * atomically, and what is there already is used or named.
 */
#ifndef ESTOC_CEREMONY_H
#define ESTOC_CEREMONY_H

#include "credential.h"
#include "estocd.h"
#include "mint.h"

#define ESTOC_CA_LIFE_YEARS 20
#define ESTOC_CA_YEARS_MAX  100

/* Each takes its command line and returns the program's exit code. */
int estocd_ca_root(int argc, char **argv);
int estocd_ca_sign(int argc, char **argv);
int estocd_ca_cross(int argc, char **argv);
int estocd_ca_csr(int argc, char **argv);
int estocd_ca_import(int argc, char **argv);
int estocd_ca_rollover(int argc, char **argv);
int estocd_ca_show(int argc, char **argv);

/** A CA's certificate, those above it, and its key. Zeroed is empty. */
typedef struct estoc_ca_pair {
    estoc_blobs chain;
    estoc_cert cert; /* the first of the chain; points into it */
    estoc_key *key;
} estoc_ca_pair;
void estoc_ca_pair_free(estoc_ca_pair *p);
/** Load and see that they belong together and are a CA's. What fails is told. @return 0 or 1 */
int estoc_ca_pair_load(const char *command, const char *cert_file, const char *key_file,
                       const char *passphrase, estoc_ca_pair *out);
/** The same for PREFIX.crt and PREFIX.key. */
int estoc_ca_pair_of_prefix(const char *command, const char *prefix, const char *passphrase,
                            estoc_ca_pair *out);

/** SHA-256 of the public key, in groups, for people to compare. */
typedef struct estoc_fingerprint {
    char text[80];
} estoc_fingerprint;
estoc_fingerprint estoc_fingerprint_of(estoc_slice spki_der);

/** Write certificates as PEM, mode 0644. What fails is told. @return 0 or 1 */
int estoc_write_certs(const char *command, const char *file, const estoc_slice *certs, size_t n);
/** Make a certificate, or tell what failed. @return 0 or 1 */
int estoc_mint_or_say(const char *command, const estoc_mint *m, estoc_blob *out);
/** Two roots and each one's key certified by the other, in this order: next, previous, previous with
 *  next, next with previous. @return 0 or 1                              RFC 4210 section 4.4 */
int estoc_write_rollover(const char *command, const char *file, const estoc_ca_pair *old,
                         const estoc_ca_pair *next);
/** Add a certificate to a file of them, unless it is there. @return 0 or 1 */
int estoc_add_cert(const char *command, const char *file, estoc_slice cert);

/** Where the next key of a configuration's CA is: beside the present one, ".next" behind it.
 *  @return 0, or 1 and it is told                                                                  */
int estoc_next_key_path(const char *command, const estoc_config *conf, char out[ESTOC_PATH_MAX]);
/** The key of that file, made and written (encrypted as the present one is) unless it is there.
 *  @param uri   of one in a token, which the file then names; or NULL
 *  @param make  if there is none
 *  @return 0, with *out NULL if there is none; or 1 and it is told                                  */
int estoc_next_key(const char *command, const estoc_config *conf, const char *uri, bool make,
                   estoc_key **out);
/** Make a chain the configuration's, and the key of `next_key` (NULL: the present one stays): both in
 *  one step that a crash does before or after, never half.  @return 0 or 1, told                    */
int estoc_ca_switch(const char *command, const estoc_config *conf, const char *next_key,
                    const estoc_slice *chain, size_t n);
/** A certificate for the server's key by this CA, with the names of the present one, and `more` behind it.
 *  Nothing is done if the present one is by this CA, or by none that was ours.
 *  @return 0 or 1, told                                                                            */
int estoc_renew_server(const char *command, const estoc_config *conf, const estoc_cert *was,
                       const estoc_ca_pair *ca, const estoc_slice *more, size_t more_n);

#endif

/* SPDX-License-Identifier: MIT
 *
 * A worker's associations: found by address, and in the order of their deadlines. Both are intrusive:
 * a session lends its `estoc_entry`. Used by one thread.
 */
#ifndef ESTOC_TABLE_H
#define ESTOC_TABLE_H

#include <estoc/bytes.h>

/** Where datagrams come from and go back to. IPv4 addresses are kept in their IPv6-mapped form. */
typedef struct estoc_path {
    uint8_t peer[16], local[16];
    uint16_t port;      /* of the peer, host order */
    uint16_t socket;    /* index of the worker's socket */
    uint32_t scope;     /* of a link-local peer */
    uint32_t interface; /* the datagram came in on; answers leave there */
    bool multicast;     /* the datagram was for a group: `local` is none of our addresses */
} estoc_path;

/** "192.0.2.1:5684" or "[2001:db8::1]:5684". @return out */
const char *estoc_path_text(const estoc_path *path, char *out, size_t cap);
#define ESTOC_PATH_TEXT_MAX 64
/** Of the peer: what one host or site has to itself. IPv6: /64. IPv4: the address, or if `wide` /24. */
uint64_t estoc_path_prefix(const estoc_path *path, bool wide);
/** Bytes of IP and UDP header of each datagram along it. */
size_t estoc_path_header(const estoc_path *path);

typedef struct estoc_entry {
    estoc_path path;
    struct estoc_entry *next; /* in its bucket */
    estoc_ms deadline;
    size_t at; /* in the heap */
} estoc_entry;

typedef struct estoc_table {
    estoc_entry **buckets;
    size_t buckets_n; /* a power of two */
    estoc_entry **heap;
    size_t n, cap;
    uint64_t seed; /* so that peers cannot choose their buckets */
} estoc_table;

/** @param max  entries at most */
ESTOC_MUST_USE estoc_err estoc_table_init(estoc_table *t, size_t max, uint64_t seed);
void estoc_table_free(estoc_table *t);
estoc_entry *estoc_table_find(const estoc_table *t, const estoc_path *path);
/** @return 0; ESTOC_E_LIMIT: the table is full */
ESTOC_MUST_USE estoc_err estoc_table_add(estoc_table *t, estoc_entry *e, estoc_ms deadline);
void estoc_table_remove(estoc_table *t, estoc_entry *e);
void estoc_table_move(estoc_table *t, estoc_entry *e, estoc_ms deadline);
/** A key nobody can guess, from these. */
uint64_t estoc_table_hash(const estoc_table *t, uint64_t a, uint64_t b);
/** The entry with the earliest deadline; NULL if there is none. */
estoc_entry *estoc_table_first(const estoc_table *t);

#endif

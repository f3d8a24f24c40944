/* SPDX-License-Identifier: MIT
 *
 * estocd.conf: one INI file, every key known or an error with its line number (X8).
 */
#ifndef ESTOC_CONFIG_H
#define ESTOC_CONFIG_H

#include "ca.h"
#include "limits.h"
#include "registrar.h"
#include "sys.h"

#define ESTOC_LISTEN_MAX    8
#define ESTOC_PROFILES_MAX  16
#define ESTOC_UPSTREAMS_MAX 8
#define ESTOC_URL_MAX       256   /* bytes, with the NUL */
#define ESTOC_NODE_MAX      64    /* bytes of a node's name, with the NUL */
#define ESTOC_POLICY_MAX    32768 /* bytes of the profiles as text, with the NUL */

/** Who answers enrollments: the CA in this program, or others over HTTPS (G1). */
enum { ESTOC_AUTHORITY_CA, ESTOC_AUTHORITY_REGISTRAR };

/** What becomes of a client whose certificate leads to no anchor. */
enum { ESTOC_REFUSE, ESTOC_ANSWER };

/** A profile as the file gives it; section [profile NAME], or [profile] for the default. */
typedef struct estoc_profile_conf {
    estoc_profile profile;
    uint8_t list[1024];    /* CsrAttrs of `attributes` */
    uint8_t request[1024]; /* the attribute of `template` */
    size_t list_len, request_len;
    uint8_t attributes[2048]; /* both: what profile.attributes points into */
    /* who may use it: files, and patterns with commas between; or "" */
    char client_anchors[512], allow[512], deny[512];
    char allow_subjects[512], deny_subjects[512];
    /* behind a registrar */
    char upstream[32];  /* name of the service; "": the default one */
    size_t upstream_at; /* and where it stands in `upstreams` */
    char label[32];     /* there; "": none */
    bool
        has_label; /* it was given; otherwise it is the profile's name, and stands in `label`, too */
    estoc_keygen keygen;
    bool reenroll; /* /sren becomes simplereenroll; default: simpleenroll */
} estoc_profile_conf;

/** Servers behind a registrar; section [upstream NAME], or [upstream] for the default. */
typedef struct estoc_upstream_conf {
    char name[32]; /* "" for the default */
    char url[ESTOC_UPSTREAM_URLS]
            [ESTOC_URL_MAX]; /* https, without a slash at the end; the best first */
    size_t url_n;
    char chain[512], key[512]; /* files, or the key's URI; both or none: "" */
    char anchors[512];
    uint32_t connect_ms, answer_ms; /* default 5 s, 60 s */
    bool http1;                     /* default no: HTTP/2 where the server has it */
} estoc_upstream_conf;

typedef struct estoc_config {
    char dir[512];
    unsigned authority;        /* ESTOC_AUTHORITY_CA (default) or ESTOC_AUTHORITY_REGISTRAR */
    char node[ESTOC_NODE_MAX]; /* what tells servers on one store apart; default the host's name */
    char listen[ESTOC_LISTEN_MAX][64]; /* "ADDR:PORT", "[::1]:5684"; default "[::]:5684" */
    size_t listen_n;
    char discovery[ESTOC_LISTEN_MAX]
                  [64]; /* R2: plain CoAP, for /.well-known/core only; default none */
    size_t discovery_n;
    char https[ESTOC_LISTEN_MAX][64]; /* EST over HTTPS; default none */
    size_t https_n;
    bool multicast;     /* R2: discovery answers the CoAP groups too; default no */
    unsigned workers;   /* 0: one per processor */
    uint32_t max_age_s; /* E2: of /crts and /att; default 86400 */
    uint32_t egress;    /* bits a second that the whole server sends; 0: no budget */
    uint32_t mtu;       /* IP packet bytes, 256 to 1500; default 1280 */
    char expired_anchors[512], denied[512]; /* D6: files, or "" */
    char client_crls[512];                  /* D6: a file, or "" */
    unsigned unrecognised;                  /* D3, D4: ESTOC_REFUSE (default) or ESTOC_ANSWER */
    uint32_t idle_s;                        /* D10; default 60 */
    uint32_t handshake_s;                   /* a handshake must finish within; default 60 */
    uint32_t answer_delay_ms;               /* L1; default 1000 */
    uint32_t resume_s;        /* D8: how long a session may be resumed; 0: never; default a day */
    uint32_t dtls_timeout_ms; /* X5; default 1000 */
    uint32_t sessions_max;    /* associations in all; default 20000 */
    uint32_t body_max;        /* B2; default 8192 */
    uint32_t bodies_max;      /* bodies in assembly in all; default 1000 */
    char root[64];            /* R1: short root, default "est"; empty: none */
    /* D10, X11 */
    uint32_t half_open_max;        /* handshakes under way from one prefix; default 1000 */
    uint32_t identity_sessions;    /* associations of one identity; default 256 */
    estoc_limit identity, address; /* requests; default 60 a minute and 1000, 6000 and 10000 */
    estoc_level log_level;
    /* files; relative ones are taken from dir */
    char ca_chain[512], ca_key[512];
    char ca_passphrase[600]; /* where that of the CA's key is: estoc_passphrase_is_source, or "" */
    char rollover[512];      /* E2; empty: no change of the root is under way */
    char server_chain[512], server_key[512];
    char client_anchors[512];
    char decrypt_keys[512];      /* E5; empty: none */
    char store[600];             /* "sqlite:PATH" */
    char crl_file[512];          /* empty: none */
    char crl_listen[64];         /* "ADDR:PORT"; empty: off */
    uint32_t crl_good_s;         /* from thisUpdate to nextUpdate; default 7 days */
    char crl_url[256];           /* in each certificate issued; empty: none */
    uint32_t retry_window_s;     /* E6; default 86400 */
    uint32_t commands_max;       /* programs asked at a time; default 16 */
    char audit[512];             /* a file; default audit.log */
    bool audit_syslog;           /* default no */
    estoc_pending_rules pending; /* L2; default 10000, 4 of one client, 30 days */
    bool profiles_in_store;      /* those published there are served, not these */
    /* of a registrar: calls to all services together, and how long a device waits for one */
    uint32_t connections_max, queue_max; /* default 16, 1024 */
    uint32_t patience_s;                 /* default 15 */
    uint32_t refresh_s;                  /* G3: of /crts and /att; default an hour */
    estoc_upstream_conf upstreams[ESTOC_UPSTREAMS_MAX];
    size_t upstreams_n;            /* at least one behind a registrar, else none */
    char policy[ESTOC_POLICY_MAX]; /* these profiles as text: what is not a default, in one order */
    estoc_profile_conf profiles[ESTOC_PROFILES_MAX];
    size_t profiles_n; /* at least the default */
} estoc_config;

/** Read DIR/estocd.conf. All faults are reported through `report`, one call each with its line number
 *  (0: the file as a whole), and then the first one is returned.
 *  @return 0; ESTOC_E_CONFIG; ESTOC_E_FILE                                                        */
ESTOC_MUST_USE estoc_err estoc_config_load(const char *dir, estoc_config *out,
                                           void (*report)(void *ctx, int line, const char *text),
                                           void *ctx);
/** Put the profiles of a text like config->policy in place of those that are there; line numbers are of
 *  the text. What `out` has after a failure is of no use.
 *  @return 0; ESTOC_E_CONFIG; ESTOC_E_MEMORY                                                       */
ESTOC_MUST_USE estoc_err estoc_config_profiles(estoc_config *out, estoc_slice text,
                                               void (*report)(void *ctx, int line,
                                                              const char *text),
                                               void *ctx);
/** The files that it names, each with its key. */
void estoc_config_files(const estoc_config *c,
                        void (*each)(void *ctx, const char *key, const char *path), void *ctx);
/** The commented file that `estocd init` writes, for a CA or a registrar; static text. A registrar's
 *  has the lines "#url =", "#certificate =" and so on under [upstream], which must be filled in.      */
const char *estoc_config_template(unsigned authority);

#endif

/* SPDX-License-Identifier: MIT */
#include "config.h"

/* Each key with its default, commented out: tests hold it against what is read (X8). */
/* clang-format off */
#define SERVER_TEXT \
    "# estocd.conf: KEY = VALUE under [SECTION]. `#` or `;` begins a comment, on a line of its\n" \
    "# own or, for `;`, behind a value and a blank. What stands commented out is the default.\n" \
    "# An unknown key is an error; `estocd check --dir DIR` tells each fault with its line.\n" \
    "# `kill -HUP` makes a running estocd read this file and those it names again. Relative\n" \
    "# paths are taken from the folder of this file. man 5 estocd.conf\n" \
    "#\n" \
    "# Times: 90d, 12h, 30m, 45s, 500ms, 2w, 1y (365 days); a bare number is seconds.\n" \
    "\n" \
    "[server]\n" \
    "# Who issues: ca, the CA in this program, see [ca]; registrar, EST servers over HTTPS, see\n" \
    "# [registrar] and [upstream]. Not changed by a reload.\n"

#define REST_OF_SERVER_TEXT \
    "\n" \
    "# Where to listen, ADDRESS:PORT, up to eight with commas between. [::] is IPv4, too.\n" \
    "#listen = [::]:5684\n" \
    "\n" \
    "# Where to serve EST over HTTPS (RFC 7030) as well, ADDRESS:PORT with commas between, or several\n" \
    "# lines; clients come with a TLS certificate that leads to one of the client anchors. Not\n" \
    "# changed by a reload.\n" \
    "#listen-https =\n" \
    "\n" \
    "# Where to tell without DTLS what is offered: /.well-known/core and nothing else, over plain\n" \
    "# CoAP, such as [::]:5683. multicast: also to those who ask the groups of all CoAP nodes,\n" \
    "# which takes [::] or 0.0.0.0. Neither is changed by a reload.\n" \
    "#discovery =\n" \
    "#multicast = no\n" \
    "\n" \
    "# What tells the servers on one store apart: letters, digits, - _ and . Each has its own. Empty:\n" \
    "# the host's name. Not changed by a reload.\n" \
    "#node =\n" \
    "\n" \
    "# What devices know this server by: its certificate, then intermediates without the root.\n" \
    "#certificate = server.crt\n" \
    "#key = server.key\n" \
    "\n" \
    "# Whose devices may connect: the certificates of their manufacturers' CAs, and of our own,\n" \
    "# by which they come back to renew. PEM.\n" \
    "#client-anchors = client-anchors.pem\n" \
    "\n" \
    "# The same for manufacturers whose devices may come with an expired certificate (devices keep\n" \
    "# theirs for life). Never a denied or revoked one. Empty: nobody may.\n" \
    "#expired-client-anchors =\n" \
    "\n" \
    "# Certificates, PEM, of clients that are refused, whoever vouches for them. Empty: none.\n" \
    "#deny =\n" \
    "\n" \
    "# Revocation lists of the CAs among the client anchors, PEM or one in DER: whose certificate is\n" \
    "# on one is refused. Put newer ones in the file and reload. Empty: none.\n" \
    "#client-crls =\n" \
    "\n" \
    "# Whoever shows another certificate: `refuse` ends the handshake with an alert; `answer` lets\n" \
    "# it through, and each EST resource says 4.01 in a few bytes.\n" \
    "#unrecognised = refuse\n" \
    "\n" \
    "# A short name for /.well-known/est in paths: fewer bytes. Empty: none.\n" \
    "#root = est\n" \
    "\n" \
    "# How long a client may keep what /crts and /att answered without asking again, up to 1y.\n" \
    "# One that asks all the same, and shows the ETag, gets 2.03 and no payload.\n" \
    "#max-age = 1d\n" \
    "\n" \
    "# Bits a second that the whole server sends at most, from 4k to 4G, such as 100k, with IP and\n" \
    "# UDP headers. What does not fit waits, and devices take turns. 0: as fast as it can.\n" \
    "#egress = 0\n" \
    "\n" \
    "# The largest IP packet sent, 256 to 1500 bytes. Handshakes and answers are cut to it.\n" \
    "#mtu = 1280\n" \
    "\n" \
    "# An association is closed when nothing has come for so long, 1s to 7d; and when its\n" \
    "# handshake is not done in time, 1s to 1d.\n" \
    "#idle = 60s\n" \
    "#handshake = 60s\n" \
    "\n" \
    "# How long a device may come back without a full handshake, up to 7d: a third of the bytes and\n" \
    "# no signatures. Whether it is revoked is asked all the same. 0: never. A reload that changes\n" \
    "# whom the server trusts ends all.\n" \
    "#resume = 1d\n" \
    "\n" \
    "# First wait before a handshake message is sent again, 50ms to 1m; it doubles each time.\n" \
    "# RFC 7925 advises 9s for constrained networks.\n" \
    "#dtls-timeout = 1s\n" \
    "\n" \
    "# An answer that takes longer is sent on its own, after an acknowledgement: 10ms to 1m. Devices\n" \
    "# repeat a request that is not acknowledged in 2s.\n" \
    "#answer-delay = 1s\n" \
    "\n" \
    "# Threads that serve, up to 256; 0: one for each processor. Not changed by a reload.\n" \
    "#workers = 0\n" \
    "\n" \
    "# Limits: associations at a time (not changed by a reload), bytes of a request's body (256\n" \
    "# to 65536), bodies that arrive in blocks at a time.\n" \
    "#sessions-max = 20000\n" \
    "#body-max = 8192\n" \
    "#bodies-max = 1000\n" \
    "\n" \
    "# Of one address prefix (IPv6 /64, IPv4 /24): handshakes under way; the oldest is given up\n" \
    "# for the next. Of one certificate: associations; the oldest is closed for the next.\n" \
    "#half-open-max = 1000\n" \
    "#identity-sessions = 256\n" \
    "\n" \
    "# Requests a minute, in the long run and after a quiet time, of one certificate and of one\n" \
    "# address (IPv6: one /64). More are told when to come again (4.29). Rate 0: no limit.\n" \
    "#identity-rate = 60\n" \
    "#identity-burst = 1000\n" \
    "#address-rate = 6000\n" \
    "#address-burst = 10000\n" \
    "\n" \
    "# error, warn, info or debug; to stderr.\n" \
    "#log = info\n" \
    "\n"

#define ACCESS_TEXT \
    "# Who may use it, of all who may connect; others get 4.03. client-anchors: PEM, one of these\n" \
    "# vouches for the client. deny, allow: files of certificates in PEM and of lines serial HEX,\n" \
    "# sha256 HEX (allow only) or subject PATTERN. The subjects: patterns TYPE=TEXT with * and ?, commas\n" \
    "# between, a plus where all are to match. What denies wins; of allow and allow-subjects either\n" \
    "# is enough. Empty: nobody is told apart by it.\n" \
    "#    allow-subjects = O=Example+CN=sensor-*, serialNumber=47??\n" \
    "#client-anchors =\n" \
    "#allow =\n" \
    "#allow-subjects =\n" \
    "#deny =\n" \
    "#deny-subjects =\n"

static const char with_ca[] =
    SERVER_TEXT
    "#authority = ca\n"
    REST_OF_SERVER_TEXT
    "[ca]\n"
    "# The CA: its certificate, then those up to the root; its key, mode 0600, or a pkcs11: URI.\n"
    "#certificate = ca.crt\n"
    "#key = ca.key\n"
    "\n"
    "# Where the passphrase of an encrypted key is, in the first line: file:PATH, credential:NAME\n"
    "# (what systemd gives the unit) or fd:N (a descriptor that estocd is started with). Empty: the\n"
    "# key is not encrypted.\n"
    "#key-passphrase =\n"
    "\n"
    "# While the root changes: what /crts gives besides, PEM. The other root, and each of the two\n"
    "# keys certified by the other. Empty: nothing.\n"
    "#rollover =\n"
    "\n"
    "# AES keys to which private keys made here are encrypted (see keygen), if the device names one:\n"
    "# lines IDENTIFIER KEY in hexadecimal, 16 or 32 bytes of key; mode 0600. Empty: none.\n"
    "#decrypt-keys =\n"
    "\n"
    "# Where each certificate is kept before it is sent.\n"
    "#store = sqlite:store.db\n"
    "\n"
    "# Where each decision is noted, a line of JSON in a chain of hashes (`estocd audit verify`); and\n"
    "# whether to syslog as well, yes or no.\n"
    "#audit = audit.log\n"
    "#audit-syslog = no\n"
    "\n"
    "# The list of the revoked, for those who verify certificates of this CA: a file, PEM if its\n"
    "# name ends in .pem; and served over plain HTTP, /crl at ADDRESS:PORT (not changed by a\n"
    "# reload). Made anew soon after a revocation, and at half of the time it is good for, 10s to\n"
    "# 1y. Both empty: only `estocd crl` makes one.\n"
    "#crl-file =\n"
    "#crl-listen =\n"
    "#crl-next-update = 7d\n"
    "\n"
    "# Where verifiers find that list, http://HOST/PATH: written into each\n"
    "# certificate issued from now on. Empty: nothing is.\n"
    "#crl-url =\n"
    "\n"
    "# Whose profiles are served: file, those below; store, what `estocd profiles publish` put there\n"
    "# last, here or at another node, as soon as it is there.\n"
    "#profiles = file\n"
    "\n"
    "# A device that repeats the same request within this time gets the same certificate, up to\n"
    "# 1y. 0: a new one each time.\n"
    "#retry-window = 1d\n"
    "\n"
    "# Requests that wait for a person, where a profile has `approval = manual`: how many at most,\n"
    "# in all and of one device; and how long one is kept after it was asked or decided, up to 10y.\n"
    "# And how many programs are asked at a time, up to 256 (approval = command).\n"
    "#approval-max = 16\n"
    "#pending-max = 10000\n"
    "#pending-per-client = 4\n"
    "#pending-keep = 30d\n"
    "\n"
    "# What is issued where the path has no label. [profile NAME] adds another for the path\n"
    "# /.well-known/est/NAME/...; what it leaves out has the default given here.\n"
    "[profile]\n"
    "# How long a certificate lasts, 1s to 100y; never longer than the CA's own.\n"
    "#validity = 1y\n"
    "\n"
    "# The keys that are certified: P-256, P-384, Ed25519, RSA (2048 bits and more) or RSA-3072\n"
    "# (3072 bits and more; as well 2048 to 4096).\n"
    "#keys = P-256\n"
    "\n"
    "# What certificates are good for (extended key usages: names or OIDs); a request may ask for some\n"
    "# of it. Without clientAuth a device cannot come back with it. And what their keys are: of\n"
    "# digitalSignature, nonRepudiation, keyEncipherment, dataEncipherment, keyAgreement what the\n"
    "# kind of key can do; empty: digitalSignature, and with keygen what it takes to encrypt to them.\n"
    "#eku = clientAuth\n"
    "#key-usage =\n"
    "\n"
    "# What else stands in them: OIDs of certificate policies, and extensions by OID and DER in\n"
    "# hexadecimal. Empty: nothing.\n"
    "#    extensions = 1.3.6.1.4.1.32473.1:0c0673656e736f72\n"
    "#policies =\n"
    "#extensions =\n"
    "\n"
    ACCESS_TEXT
    "\n"
    "# Whose names /sen grants: own, those of the client's certificate; or any it asks for, which\n"
    "# makes every device that may connect whatever it says it is.\n"
    "#names = own\n"
    "\n"
    "# Names by rule in their place, at /sen, /skg and /skc: parts of a subject, alternative names.\n"
    "# ${client.TYPE} (CN, serialNumber, O, ...), ${client.issuer.TYPE}, ${client.san.dns} (ip, uri,\n"
    "# email), ${client.serial} stand for what the client's certificate has, ${request.TYPE} and\n"
    "# ${request.san.dns} for what the request has; one that lacks it is refused. Empty: no rule.\n"
    "#    subject = CN=${client.serialNumber}, O=Example\n"
    "#    san = dns:${client.CN}.devices.example, uri:urn:dev:${client.serialNumber}\n"
    "#subject =\n"
    "#san =\n"
    "\n"
    "# Whether /sren grants another name to a device that asks for it (ChangeSubjectName,\n"
    "# RFC 6402): yes or no. It may then have any.\n"
    "#change-subject = no\n"
    "\n"
    "# How long after its end a certificate of this CA may still be renewed, up to 90d: for devices\n"
    "# that are switched off for long. It is good for nothing else then. A revoked one never is.\n"
    "#grace = 0s\n"
    "\n"
    "# In which last part of its life a certificate may be renewed: 40%, or a time such as 30d;\n"
    "# 100%: at any time. And certificates for one subject in 24 hours, at most; more are told when to\n"
    "# come again (4.29). 0: no limit.\n"
    "#renew-window = 100%\n"
    "#per-day = 0\n"
    "\n"
    "# Proof of possession linked to the session (RFC 7030 section 3.5): off; optional, a\n"
    "# challengePassword is the session's tls-unique or the request is refused; required, and there\n"
    "# must be one. /att then asks for it, unless `attributes` says something else.\n"
    "#pop = off\n"
    "\n"
    "# Whether who has a certificate of this CA with id-kp-cmcRA may enroll others: yes or no.\n"
    "#registrars = no\n"
    "\n"
    "# Who decides: auto, the rules here alone; manual, a person as well, with `estocd pending`,\n"
    "# `approve` and `reject`. Until then a device is told to ask again, this often (1s to 1w).\n"
    "# command: a program, which gets JSON on its standard input, and answers yes, no [REASON] or\n"
    "# later [SECONDS] in time (1s to 1m); no answer is later. Then a person may decide as well.\n"
    "#    approval-command = /usr/local/bin/known-devices --site 3\n"
    "#approval = auto\n"
    "#approval-command =\n"
    "#approval-timeout = 10s\n"
    "#retry-after = 60s\n"
    "\n"
    "# Whether private keys are made here for devices that ask, and sent to them (/skg, /skc). A key\n"
    "# that never leaves its device is better: yes only for those that cannot make one.\n"
    "#keygen = no\n"
    "\n"
    "# What requests should have, served by /att: OIDs, or names such as challengePassword;\n"
    "# values behind colons. None: /att is 4.04, and requests are free.\n"
    "#    attributes = ecPublicKey:secp256r1, ecdsa-with-SHA256\n"
    "#attributes =\n"
    "\n"
    "# The same as a template (RFC 9908), for clients that know it: parts of the subject, a key,\n"
    "# SAN, KU and EKU; what has no value is for the client to fill in.\n"
    "#    template = CN, O=Example, P-256, SAN=dns:, KU=digitalSignature, EKU=clientAuth\n"
    "#template =\n";

static const char with_registrar[] =
    SERVER_TEXT
    "authority = registrar\n"
    REST_OF_SERVER_TEXT
    "[registrar]\n"
    "# Where requests that went upstream and what came back are kept.\n"
    "#store = sqlite:store.db\n"
    "\n"
    "# A device that repeats the same request within this time gets the same certificate, up to\n"
    "# 1y. 0: the upstream is asked for a new one each time.\n"
    "#retry-window = 1d\n"
    "\n"
    "# How long a request that waits upstream is remembered after it was asked for, up to 10y.\n"
    "#pending-keep = 30d\n"
    "\n"
    "# AES keys to which private keys made here are encrypted (see keygen), if the device names one:\n"
    "# lines IDENTIFIER KEY in hexadecimal, 16 or 32 bytes of key; mode 0600. Empty: none.\n"
    "#decrypt-keys =\n"
    "\n"
    "# To all servers together: connections at a time, and requests that wait or are under way.\n"
    "#connections = 16\n"
    "#queue = 1024\n"
    "\n"
    "# How long a device waits for an answer from upstream, 1s to 4m; then it is told to come again,\n"
    "# while the request goes on.\n"
    "#patience = 15s\n"
    "\n"
    "# How often /crts and /att are asked for again, 1s to 30d, unless the upstream says when.\n"
    "#refresh = 1h\n"
    "\n"
    "# The EST servers behind this registrar. [upstream NAME] adds others, for profiles that name\n"
    "# them; up to eight.\n"
    "[upstream]\n"
    "# https://HOST[:PORT]/.well-known/est. Up to four lines: servers of the same service, the best\n"
    "# first; the next one is asked while one is away.\n"
    "#url =\n"
    "\n"
    "# What they know this registrar by: its certificate, then intermediates; its key, mode 0600, or a\n"
    "# pkcs11: URI. Both empty: none.\n"
    "#certificate =\n"
    "#key =\n"
    "\n"
    "# Whom to trust there, and nobody else: certificates, PEM.\n"
    "#anchors =\n"
    "\n"
    "# How long a connection with TLS may take, 100ms to 1m, and an answer in all, 100ms to 10m.\n"
    "#connect-timeout = 5s\n"
    "#timeout = 60s\n"
    "\n"
    "# HTTP/2 where the server has it, or 1.1 only.\n"
    "#http = 2\n"
    "\n"
    "# What is served where the path has no label. [profile NAME] adds another for the path\n"
    "# /.well-known/est/NAME/...; what it leaves out has the default given here.\n"
    "[profile]\n"
    "# Which [upstream NAME] issues; empty: [upstream]. And by which label of its own (a segment of\n"
    "# the path before simpleenroll and so on): without this line the name of the profile, empty: none.\n"
    "#upstream =\n"
    "#upstream-label =\n"
    "\n"
    "# What /sren becomes upstream, where it is this registrar that asks: simpleenroll, or\n"
    "# simplereenroll for an upstream that takes it from a registrar.\n"
    "#reenroll = simpleenroll\n"
    "\n"
    "# The keys that requests may have: P-256, P-384, Ed25519, RSA (2048 bits and more) or RSA-3072\n"
    "# (3072 bits and more; as well 2048 to 4096).\n"
    "#keys = P-256\n"
    "\n"
    "# What requests may ask to be good for (extended key usages: names or OIDs).\n"
    "#eku = clientAuth\n"
    "\n"
    ACCESS_TEXT
    "\n"
    "# Whose names a request may have: own, those of the client's certificate; or any, which makes\n"
    "# every device that may connect whatever it says it is, unless the upstream says no.\n"
    "#names = own\n"
    "\n"
    "# Whether /sren may ask for another name (ChangeSubjectName, RFC 6402): yes or no. It may then\n"
    "# have any.\n"
    "#change-subject = no\n"
    "\n"
    "# In which last part of its life a certificate may be renewed: 40%, or a time such as 30d;\n"
    "# 100%: at any time.\n"
    "#renew-window = 100%\n"
    "\n"
    "# Proof of possession linked to the session (RFC 7030 section 3.5): off; optional, a\n"
    "# challengePassword is the session's tls-unique or the request is refused; required, and there\n"
    "# must be one. Checked here: upstream it is another session's.\n"
    "#pop = off\n"
    "\n"
    "# Where private keys come from for devices that ask (/skg, /skc): no, nowhere; yes, they are made\n"
    "# here; upstream, by its serverkeygen. A key that never leaves its device is better.\n"
    "#keygen = no\n"
    "\n"
    "# What requests should have, served by /att in place of what the upstream says: OIDs, or names\n"
    "# such as challengePassword; values behind colons. And the same as a template (RFC 9908), for\n"
    "# clients that know it: parts of the subject, a key, SAN, KU and EKU; what has no value is for the\n"
    "# client to fill in. Both empty: the upstream's.\n"
    "#    attributes = ecPublicKey:secp256r1, ecdsa-with-SHA256\n"
    "#    template = CN, O=Example, P-256, SAN=dns:, KU=digitalSignature, EKU=clientAuth\n"
    "#attributes =\n"
    "#template =\n";
/* clang-format on */

const char *estoc_config_template(unsigned authority)
{
    return authority == ESTOC_AUTHORITY_REGISTRAR ? with_registrar : with_ca;
}

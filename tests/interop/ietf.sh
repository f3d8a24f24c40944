#!/bin/sh
# SPDX-License-Identifier: MIT
# The nine interoperability cases of the drafts before RFC 9148, TD_ACE_est-coaps_01 to _09, each
# with the blocks that both sides have by default and with those of 64 bytes:
# ietf.sh estoc | coap-client-openssl | coap-client-gnutls

tool=$1
here=$(dirname "$0")

# A network of our own, two ends of a cable, to ask a group in.
cable='ip link set lo up; ip link add v0 type veth peer name v1; ip link set v0 up
    ip link set v1 up; ip addr add 10.9.0.1/24 dev v0; ip route add 224.0.0.0/4 dev v0'
if [ -z "$OWN_NETWORK" ] && unshare -n sh -ec "$cable" 2>/dev/null; then
    OWN_NETWORK=yes exec unshare -n sh -ec "$cable; exec sh \"\$@\"" sh "$0" "$@"
fi

. "$here/server.sh"
. "$here/device.sh"
[ "$tool" = estoc ] || command -v "$tool" >/dev/null || skip_all "$tool is not installed"

make_server
cat >>"$dir/srv/estocd.conf" <<END
[profile manual]
approval = manual
retry-after = 1s
[profile attributes]
attributes = challengePassword, ecPublicKey:secp256r1, extensionRequest:subjectAltName:keyUsage, \
    ecdsa-with-SHA256, macAddress
END
if [ -n "$OWN_NETWORK" ]; then
    sed -i 's/^\[server\]$/&\ndiscovery = 0.0.0.0:0\nmulticast = yes/' "$dir/srv/estocd.conf"
    run_server 0.0.0.0 coap:
else
    run_server 127.0.0.1 coaps:
fi

# in_blocks CODE: answers of this code, and the request that they are for, have the size of $size
in_blocks() {
    cat "$dir/shown"
    code=$(echo "$1" | sed 's/\./\\./') # not 2004, which is a message ID
    grep -a "[ :]$code " "$dir/shown" >"$dir/answers"
    if [ -z "$size" ]; then
        [ "$(wc -l <"$dir/answers")" -eq 1 ] && ! grep -ai block "$dir/answers"
    else
        [ "$(wc -l <"$dir/answers")" -gt 1 ] && ! grep -aiv "block2.*/$size" "$dir/answers" &&
            { [ "$1" != 2.04 ] || grep -aiq "block1[:=][1-9][0-9]*/./$size" "$dir/answers"; }
    fi
}

approve() {
    "$ESTOCD" pending --dir "$dir/srv" >"$dir/pending"
    id=$(sed -n 's/^\(r[0-9]*\) .*/\1/p' "$dir/pending")
    "$ESTOCD" approve "$id" --dir "$dir/srv"
}

waits() {
    "$ESTOCD" pending --dir "$dir/srv" | grep -q '^r[0-9]'
}

# anchor PEM: is the CA's certificate
anchor() {
    openssl x509 -in "$1" -outform DER -out "$dir/got.der" &&
        openssl x509 -in "$dir/srv/ca.crt" -outform DER | cmp - "$dir/got.der"
}

# renewed OLD NEW: another certificate for the same subject
renewed() {
    [ "$(openssl x509 -in "$1" -noout -subject)" = "$(openssl x509 -in "$2" -noout -subject)" ] &&
        [ "$(openssl x509 -in "$1" -noout -serial)" != "$(openssl x509 -in "$2" -noout -serial)" ]
}

# has WORD...: each stands in $dir/text
has() {
    for word in "$@"; do
        grep -aq -e "$word" "$dir/text" || return 1
    done
}

# ---- libcoap's client: CoAP and DTLS are its own, the rest is openssl

coap_seen() {
    coap "$@" -v 6 ${size:+-b "$size"} >"$dir/shown" 2>&1
}

coap_crts() {
    coap_seen "$dir/got" -m get "$est/crts" && in_blocks 2.05 &&
        openssl pkcs7 -inform DER -in "$dir/got" -print_certs -out "$dir/got.pem" &&
        anchor "$dir/got.pem"
}

# posted PATH: the request of new_csr, and its certificate as $dir/got.pem
posted() {
    coap_seen "$dir/got" -m post -t 286 -A 281 -f "$dir/new.csr" "$est/$1" &&
        openssl pkcs7 -inform DER -in "$dir/got" -print_certs -out "$dir/got.pem"
}

# later PATH: not before a person says so, and then for the identical request
later() {
    new_csr
    coap_seen "$dir/got" -m post -t 286 -A 281 -f "$dir/new.csr" "$est/$1"
    grep -a 'c:5\.03 .*Max-Age:[1-9]' "$dir/shown" && waits && approve && posted "$1"
}

coap_enroll() {
    new_csr && posted "$1sen" && in_blocks 2.04 && verify "$dir/got.pem" &&
        cp "$dir/got.pem" "$dir/op$size.crt" && cp "$dir/new.key" "$dir/op$size.key"
}

coap_enroll_later() {
    later manual/sen && in_blocks 2.04 && verify "$dir/got.pem"
}

# as_op COMMAND...: with the certificate that coap_enroll got
as_op() {
    who=$dir/op$size
    "$@" && in_blocks 2.04 && verify "$dir/got.pem" && renewed "$who.crt" "$dir/got.pem"
    result=$?
    who=$dir/dev
    return $result
}

coap_renew() {
    new_csr && as_op posted sren
}

coap_renew_later() {
    as_op later manual/sren
}

coap_keygen() {
    made skg -v 6 ${size:+-b "$size"} >"$dir/shown" 2>&1 && in_blocks 2.04 &&
        openssl pkcs7 -inform DER -in "$dir/made.cert" -print_certs -out "$dir/got.pem" &&
        verify "$dir/got.pem"
}

coap_att() {
    coap_seen "$dir/got" -m get "$est/attributes/att" && in_blocks 2.05 &&
        openssl asn1parse -inform DER -in "$dir/got" >"$dir/text" &&
        has challengePassword id-ecPublicKey prime256v1 'Extension Request' ecdsa-with-SHA256 \
            'X509v3 Subject Alternative Name' 'X509v3 Key Usage'
}

coap_discover() {
    timeout 60 "$tool" -v 6 -B 9 -N ${size:+-b "$size"} -o "$1" -m get \
        "coap://224.0.1.187:$plain/.well-known/core?rt=ace.est*" >/dev/null
}

# ---- estoc

# estoc COMMAND OPTION...: as the device that enrolls
estoc() {
    command=$1
    shift
    "$ESTOC" "$command" "$uri" -v ${size:+--block-size "$size"} "$@" 2>"$dir/shown"
}

as_dev() {
    estoc "$@" --cert "$dir/dev.crt" --key "$dir/dev.key" --ta "$dir/dev.ta"
}

estoc_crts() {
    as_dev crts --out "$dir/got.pem" && in_blocks 2.05 && anchor "$dir/got.pem"
}

# posts CODES: as in_blocks 2.04, but for /crts and /att, which went before
posts() {
    sed -n '/ POST /,$p' "$dir/shown" >"$dir/posts" && mv "$dir/posts" "$dir/shown" &&
        in_blocks 2.04
}

estoc_enroll() {
    as_dev enroll --out "$dir/op$size" && posts && verify "$dir/op$size.crt" "$dir/op$size.key"
}

# approved COMMAND...: what a person has to approve while it waits
approved() {
    "$@" --label manual --wait 30 &
    waiting=$!
    wait_for waits && approve && wait "$waiting" && grep -a ' 5\.03 .*max-age=[1-9]' "$dir/shown"
}

estoc_enroll_later() {
    approved as_dev enroll --out "$dir/later$size" && posts &&
        verify "$dir/later$size.crt" "$dir/later$size.key"
}

# renew COMMAND...: a credential that estoc_enroll got
renew() {
    cp "$dir/op$size.crt" "$dir/old.crt"
    "$@" && verify "$dir/op$size.crt" "$dir/op$size.key" && renewed "$dir/old.crt" "$dir/op$size.crt"
}

estoc_renew() {
    renew estoc renew --out "$dir/op$size" && posts
}

estoc_renew_later() {
    renew approved estoc renew --out "$dir/op$size" && posts
}

estoc_keygen() {
    as_dev keygen --out "$dir/made$size" && posts &&
        verify "$dir/made$size.crt" "$dir/made$size.key"
}

estoc_att() {
    as_dev att --label attributes >"$dir/text" && in_blocks 2.05 &&
        has challengePassword ecPublicKey secp256r1 extensionRequest subjectAltName keyUsage \
            ecdsa-with-SHA256
}

estoc_discover() {
    "$ESTOC" discover "coap://224.0.1.187:$plain" ${size:+--block-size "$size"} >"$1"
}

# ---- the cases

side=coap
[ "$tool" != estoc ] || side=estoc

# They take their leisure, so both are asked while the others run.
if [ -n "$OWN_NETWORK" ]; then
    plain=$(sed -n 's/^ready coap:.*://p' "$dir/ready")
    size=
    "${side}_discover" "$dir/found" 2>"$dir/found.log" &
    first=$!
    size=64
    "${side}_discover" "$dir/found64" 2>"$dir/found64.log" &
    second=$!
fi

# found FILE PROCESS: links to this server, each whole
found() {
    wait "$2"
    cat "$1" "$1.log"
    cp "$1" "$dir/text"
    for path in crts sen sren skg manual/sen attributes/att; do
        has "coaps://10.9.0.1:${uri##*:}/est/${path}[ >]" || return 1
    done
}

size=
check "E2 B1 IETF 1 certificates, in one message: $tool" "${side}_crts"
size=64
check "E2 B1 IETF 2 certificates, 64-byte blocks: $tool" "${side}_crts"
for size in '' 64; do
    blocks=${size:+$size-byte}
    blocks="${blocks:-default} blocks: $tool"
    check "E4 B1 IETF 3 enroll, $blocks" "${side}_enroll"
    check "L2 B1 IETF 4 enroll with long delay, $blocks" "${side}_enroll_later"
    check "E4 B1 IETF 5 re-enroll, $blocks" "${side}_renew"
    check "L2 B1 IETF 6 re-enroll with long delay, $blocks" "${side}_renew_later"
    check "E5 B1 IETF 7 server key generation, $blocks" "${side}_keygen"
    check "E3 B1 IETF 8 CSR attributes, $blocks" "${side}_att"
done
if [ -n "$OWN_NETWORK" ]; then
    check "R2 B1 IETF 9 multicast discovery, default blocks: $tool" found "$dir/found" "$first"
    check "R2 B1 IETF 9 multicast discovery, 64-byte blocks: $tool" found "$dir/found64" "$second"
else
    skip 'R2 B1 IETF 9 multicast discovery' 'no network of our own'
fi
stop_server
plan

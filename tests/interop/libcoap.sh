#!/bin/sh
# SPDX-License-Identifier: MIT
# libcoap's client against estocd: libcoap.sh coap-client-openssl | coap-client-gnutls
# /crts and /sen in every block size and both formats; B1, E1, E4, D1.

tool=$1
here=$(dirname "$0")
. "$here/server.sh"
. "$here/device.sh"
command -v "$tool" >/dev/null || skip_all "$tool is not installed"
start_server

# one_der PEM DER: the first certificate of a PEM file
one_der() {
    openssl x509 -in "$1" -outform DER -out "$2"
}

# What estoc says the anchors are.
"$ESTOC" crts "$uri" --cert "$dir/dev.crt" --key "$dir/dev.key" --ta "$dir/dev.ta" \
    --out "$dir/crts.pem" 2>"$dir/said"
ok $? 'estoc crts'
one_der "$dir/crts.pem" "$dir/crts.der"

crts_281() {
    coap "$dir/got" -b "$1" -m get "$est/crts" &&
        openssl pkcs7 -inform DER -in "$dir/got" -print_certs -out "$dir/got.pem" &&
        one_der "$dir/got.pem" "$dir/got.der" && cmp "$dir/got.der" "$dir/crts.der" &&
        { [ -f "$dir/first" ] || cp "$dir/got" "$dir/first"; } && cmp "$dir/got" "$dir/first"
}

crts_287() {
    coap "$dir/got" -b "$1" -A 287 -m get "$est/crts" && cmp "$dir/got" "$dir/crts.der"
}

sen_281() {
    new_csr && coap "$dir/got" -b "$1" -m post -t 286 -A 281 -f "$dir/new.csr" "$est/sen" &&
        openssl pkcs7 -inform DER -in "$dir/got" -print_certs -out "$dir/got.pem" &&
        verify "$dir/got.pem"
}

sen_287() {
    new_csr && coap "$dir/got" -b "$1" -m post -t 286 -A 287 -f "$dir/new.csr" "$est/sen" &&
        openssl x509 -inform DER -in "$dir/got" -out "$dir/got.pem" && verify "$dir/got.pem"
}

skg() {
    made skg -b "$1" && openssl pkcs7 -inform DER -in "$dir/made.cert" -print_certs -out "$dir/got.pem" &&
        verify "$dir/got.pem"
}

skc() {
    made skc -b "$1" && openssl x509 -inform DER -in "$dir/made.cert" -out "$dir/got.pem" &&
        verify "$dir/got.pem"
}

discovery() {
    coap "$dir/got" -m get "$uri/.well-known/core?rt=ace.est*" &&
        grep -q 'rt="ace.est.crts"' "$dir/got" && grep -q 'rt="ace.est.sen"' "$dir/got"
}

# As the tool reads the numbers: FORMAT PATH OPTION...
format_is() {
    want=$1
    path=$2
    shift 2
    "$tool" -v 6 -B 30 -c "$dir/dev.crt" -j "$dir/dev.key" -C "$dir/dev.ta" -m get "$@" \
        "$uri/.well-known/$path" >"$dir/shown" 2>&1
    grep -a "t:ACK c:2.05 .*[[,] Content-Format:$want[ ,]" "$dir/shown"
}

# What the tool says of an error: CODE OPTION...
refused_with() {
    want=$1
    shift
    "$tool" -v 4 -B 30 -c "$dir/dev.crt" -j "$dir/dev.key" -C "$dir/dev.ta" "$@" \
        >"$dir/shown" 2>&1
    cat "$dir/shown"
    grep -aq "^$want " "$dir/shown"
}

issued() {
    "$ESTOCD" list --dir "$dir/srv" --json | grep -c '"serial"'
}

lossy_sen() { # datagrams that do not leave: a request in two blocks, sent again
    before=$(issued)
    new_csr && coap "$dir/got" -l "$1" -b 128 -m post -t 286 -A 287 -f "$dir/new.csr" \
        "$est/sen" &&
        openssl x509 -inform DER -in "$dir/got" -out "$dir/got.pem" && verify "$dir/got.pem" &&
        [ "$(issued)" = $((before + 1)) ]
}

for size in 16 32 64 128 256 512 1024; do
    check "B1 $tool: crts in blocks of $size, 281" crts_281 $size
    check "B1 $tool: crts in blocks of $size, 287" crts_287 $size
    check "B1 $tool: sen in blocks of $size, 281" sen_281 $size
    check "B1 $tool: sen in blocks of $size, 287" sen_287 $size
done
for size in 64 1024; do
    check "E5 $tool: skg in blocks of $size" skg $size
    check "E5 $tool: skc in blocks of $size" skc $size
done
check "R2 $tool: discovery" discovery
check "E1 $tool: crts is 281" format_is 281 est/crts
check "E1 $tool: crts is 287 if asked" format_is 287 est/crts -A 287
check "E3 $tool: att is 285" format_is 285 est/att
check "R2 $tool: discovery is 40, link format" format_is application/link-format core
check "C4 $tool: an Accept that is not available is 4.06" refused_with 4.06 -m get -A 60 "$est/crts"
check "C4 $tool: another Content-Format than 286 is 4.15" refused_with 4.15 -m post -t 0 \
    -f "$dir/new.csr" "$est/sen"
check "C4 $tool: an unknown path is 4.04" refused_with 4.04 -m get "$est/none"
check "C4 $tool: a wrong method is 4.05" refused_with 4.05 -m put -t 286 -f "$dir/new.csr" "$est/sen"
check "C1 $tool: sen with one datagram lost" lossy_sen 8
check "C1 $tool: sen with a datagram lost twice" lossy_sen 8,9
stop_server
plan

#!/bin/sh
# SPDX-License-Identifier: MIT
# OpenSSL's own DTLS client against estocd: each cipher suite and curve of D1.

here=$(dirname "$0")
. "$here/server.sh"
command -v openssl >/dev/null || skip_all 'openssl is not installed'
start_server

address=${uri#coaps://}

handshake() { # OPTION...: whether it completes, with the server verified
    sleep 1 | timeout 10 openssl s_client -dtls1_2 -connect "$address" -cert "$dir/dev.crt" \
        -key "$dir/dev.key" -CAfile "$dir/dev.ta" -verify_return_error \
        -verify_ip 127.0.0.1 -no_ticket "$@" >"$dir/s_client" 2>&1
    cat "$dir/s_client"
    grep -q 'Verify return code: 0 (ok)' "$dir/s_client" &&
        grep -q 'Extended master secret: yes' "$dir/s_client"
}

suite() {
    handshake -cipher "$1:@SECLEVEL=0" && grep -q "Cipher is $1" "$dir/s_client"
}

refused() {
    ! handshake "$@" && grep -q 'alert' "$dir/s_client"
}

for name in ECDHE-ECDSA-AES128-CCM8 ECDHE-ECDSA-AES128-CCM ECDHE-ECDSA-AES128-GCM-SHA256 \
    ECDHE-ECDSA-CHACHA20-POLY1305; do
    check "D1 openssl s_client with $name" suite $name
done
check 'D1 openssl s_client with P-384' handshake -groups P-384:P-256
check 'D1 openssl s_client with X25519' handshake -groups X25519:P-256
check 'D1 openssl s_client with its default list of suites' handshake
check 'D1 no suite in common is refused' refused -cipher 'ECDHE-ECDSA-AES256-SHA:@SECLEVEL=0'
check 'D7 openssl s_client with an MTU of 300' handshake -mtu 300
check 'D10 the server still serves estoc' "$ESTOC" crts "$uri" --cert "$dir/dev.crt" \
    --key "$dir/dev.key" --ta "$dir/dev.ta" --out "$dir/crts.pem"
stop_server
plan

# shellcheck shell=sh disable=SC2154 # used where this is sourced
# SPDX-License-Identifier: MIT
# Sourced after server.sh: what a device does with libcoap's client, $tool, and with openssl.

who=$dir/dev # whose certificate and key to show

# coap OUT OPTION...: one request
coap() {
    out=$1
    shift
    rm -f "$out"
    timeout 60 "$tool" -v 4 -B 30 -c "$who.crt" -j "$who.key" -C "$dir/dev.ta" -o "$out" "$@"
    [ -s "$out" ]
}

new_csr() {
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=dev \
        -keyout "$dir/new.key" -outform DER -out "$dir/new.csr" 2>/dev/null
}

# verify CERT [KEY]: chains to the anchor, and is for this key, or the one made last
verify() {
    openssl verify -CAfile "$dir/srv/ca.crt" "$1" &&
        openssl x509 -in "$1" -noout -pubkey >"$dir/pub.cert" &&
        openssl pkey -in "${2:-$dir/new.key}" -pubout -out "$dir/pub.key" &&
        cmp "$dir/pub.cert" "$dir/pub.key"
}

# made PATH OPTION...: a key in PKCS#8 and its certificate; the multipart-core is RFC 9148 A.3's
made() {
    path=$1
    shift
    new_csr && coap "$dir/got" "$@" -m post -t 286 -A 62 -f "$dir/new.csr" "$est/$path" &&
        [ "$(head -c 6 "$dir/got" | od -An -tx1 | tr -d ' ')" = 8419011c588a ] &&
        tail -c +7 "$dir/got" | head -c 138 >"$dir/made.p8" &&
        openssl pkey -inform DER -in "$dir/made.p8" -check -out "$dir/new.key" &&
        tail -c +151 "$dir/got" >"$dir/made.cert"
}

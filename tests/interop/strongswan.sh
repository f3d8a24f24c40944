#!/bin/sh
# SPDX-License-Identifier: MIT
# strongSwan's EST client, with a TLS of its own, against listen-https. It goes to a host's name by
# DNS, so "localhost".

here=$(dirname "$0")
. "$here/server.sh"
command -v pki >/dev/null && pki --est --help 2>&1 | grep -q 'pki --est ' ||
    skip_all "strongSwan's pki is not installed"
"$ESTOCD" init --dir "$dir/srv" --name 'Interop CA' --host localhost --host 127.0.0.1 \
    >"$dir/init.log" 2>&1 || exit 1
"$ESTOCD" device --dir "$dir/srv" --subject CN=dev --out "$dir/dev" >>"$dir/init.log" 2>&1 || exit 1
printf '[server]\nlisten-https = 127.0.0.1:0\n' >>"$dir/srv/estocd.conf"
run_server 127.0.0.1 https:
url=https://localhost:$(sed -n 's/^ready https:.*://p' "$dir/ready")

estca() {
    pki --estca --url "$url" --cacert "$dir/srv/ca.crt" --caout "$dir/got.pem" --outform pem --force &&
        openssl x509 -in "$dir"/got*.pem -outform DER | cmp - "$dir/ca.der"
}

enroll() { # CERT KEY OUT: /simplereenroll, as it always is with a certificate
    pki --gen --type ecdsa --size 256 --outform pem >"$dir/$3.key" &&
        pki --req --in "$dir/$3.key" --type ecdsa --dn CN=dev --outform pem >"$dir/$3.csr" &&
        pki --est --url "$url" --in "$dir/$3.csr" --cacert "$dir/srv/ca.crt" --cert "$1" --key "$2" \
            --outform pem >"$dir/$3.crt" && openssl verify -CAfile "$dir/srv/ca.crt" "$dir/$3.crt" &&
        openssl x509 -in "$dir/$3.crt" -noout -pubkey >"$dir/pub.cert" &&
        openssl pkey -in "$dir/$3.key" -pubout | cmp - "$dir/pub.cert"
}

openssl x509 -in "$dir/srv/ca.crt" -outform DER -out "$dir/ca.der"
"$ESTOC" enroll "$uri" --cert "$dir/dev.crt" --key "$dir/dev.key" --ta "$dir/dev.ta" \
    --out "$dir/first" >"$dir/said" 2>&1
check 'G1 pki --estca' estca
check 'E4 pki --est renews what was enrolled over CoAPS' enroll "$dir/first.crt" "$dir/first.key" second
check 'E4 and what it renewed' enroll "$dir/second.crt" "$dir/second.key" third
stop_server
plan

#!/bin/sh
# SPDX-License-Identifier: MIT
# An ordinary EST client (RFC 7030) of curl and openssl, against listen-https.

here=$(dirname "$0")
. "$here/server.sh"
command -v curl >/dev/null || skip_all 'curl is not installed'
make_server
printf '[server]\nlisten-https = 127.0.0.1:0\n[profile linked]\npop = required\n' \
    >>"$dir/srv/estocd.conf"
run_server 127.0.0.1 https:
https=$(sed -n 's/^ready https:/https:/p' "$dir/ready")
est=$https/.well-known/est

# get OUT PATH OPTION...: prints the status
ask() {
    out=$1
    path=$2
    shift 2
    curl -s -o "$out" -D "$dir/headers" -w '%{http_code}' --cacert "$dir/srv/ca.crt" "$@" "$est/$path"
}

as_device() { # OUT PATH OPTION...
    out=$1
    path=$2
    shift 2
    ask "$out" "$path" --cert "$dir/${who:-dev}.crt" --key "$dir/${who:-dev}.key" "$@"
}

post() { # OUT PATH CSR OPTION...
    out=$1
    path=$2
    csr=$3
    shift 3
    as_device "$out" "$path" -H 'Content-Type: application/pkcs10' --data-binary "@$csr" "$@"
}

has_header() {
    tr -d '\r' <"$dir/headers" | grep -qi "^$1\$" || {
        cat "$dir/headers"
        return 1
    }
}

certs() { # FILE OUT: base64 of certs-only, as PEM
    openssl base64 -d -A -in "$1" -out "$dir/p7" &&
        openssl pkcs7 -inform DER -in "$dir/p7" -print_certs -out "$2"
}

new_request() { # SUBJECT [OPTION...]: $dir/new.key, and $dir/new.b64 in lines of 64
    subject=$1
    shift
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$subject" \
        -keyout "$dir/new.key" -outform DER -out "$dir/new.csr" "$@" 2>/dev/null &&
        openssl base64 -in "$dir/new.csr" -out "$dir/new.b64"
}

issued() { # FILE PREFIX: for new.key, by the CA
    certs "$1" "$dir/$2.crt" && cp "$dir/new.key" "$dir/$2.key" &&
        openssl verify -CAfile "$dir/srv/ca.crt" "$dir/$2.crt" &&
        openssl x509 -in "$dir/$2.crt" -noout -pubkey >"$dir/pub.cert" &&
        openssl pkey -in "$dir/$2.key" -pubout -out "$dir/pub.key" &&
        cmp "$dir/pub.cert" "$dir/pub.key"
}

cacerts() {
    [ "$(ask "$dir/got" cacerts)" = 200 ] &&
        has_header 'content-type: application/pkcs7-mime; smime-type=certs-only' &&
        has_header 'cache-control: max-age=.*' &&
        certs "$dir/got" "$dir/cacerts.pem" &&
        openssl x509 -in "$dir/cacerts.pem" -outform DER | cmp - "$dir/ca.der"
}

enroll() { # OPTION...
    new_request /CN=dev && [ "$(post "$dir/got" simpleenroll "$dir/new.b64" "$@")" = 200 ] &&
        has_header 'content-type: application/pkcs7-mime; smime-type=certs-only' &&
        has_header 'cache-control: no-store' && issued "$dir/got" own
}

renew() {
    who=own
    new_request /CN=dev && [ "$(post "$dir/got" simplereenroll "$dir/new.b64")" = 200 ] &&
        issued "$dir/got" again
    done=$?
    who=dev
    return $done
}

again() { # E6: the same bytes, the same certificate
    new_request /CN=dev && [ "$(post "$dir/one" simpleenroll "$dir/new.b64")" = 200 ] &&
        openssl base64 -A -in "$dir/new.csr" -out "$dir/line.b64" &&
        [ "$(post "$dir/two" simpleenroll "$dir/line.b64")" = 200 ] &&
        cmp "$dir/one" "$dir/two"
}

attributes() {
    [ "$(as_device "$dir/got" csrattrs)" = 200 ] && has_header 'content-type: application/csrattrs' &&
        openssl base64 -d -A -in "$dir/got" | openssl asn1parse -inform DER | tee "$dir/said" &&
        grep -q prime256v1 "$dir/said"
}

no_attributes() {
    [ "$(as_device "$dir/got" linked/csrattrs)" = 200 ] &&
        openssl base64 -d -A -in "$dir/got" | openssl asn1parse -inform DER | grep challengePassword
}

part() { # N: the body of the n-th part, decoded
    tr -d '\r' <"$dir/got" | awk -v n="$1" -v b="--$boundary" '
        index($0, b) == 1 { k++; body = 0; next }
        k == n && body { print }
        k == n && $0 == "" { body = 1 }' | openssl base64 -d
}

server_key() {
    new_request /CN=dev && [ "$(post "$dir/got" serverkeygen "$dir/new.b64")" = 200 ] || return 1
    boundary=$(tr -d '\r' <"$dir/headers" |
        sed -n 's/^[Cc]ontent-[Tt]ype: multipart\/mixed; *boundary="\{0,1\}\([^"]*\)"\{0,1\}$/\1/p')
    part 1 | openssl pkey -inform DER -out "$dir/new.key" &&
        part 2 | openssl base64 -A -out "$dir/second" && issued "$dir/second" made
}

status_is() { # STATUS COMMAND...
    want=$1
    shift
    got=$("$@")
    [ "$got" = "$want" ] || {
        echo "HTTP $got"
        cat "$dir/got"
        return 1
    }
}

openssl x509 -in "$dir/srv/ca.crt" -outform DER -out "$dir/ca.der"
who=dev
new_request /CN=dev
check 'G1 cacerts without a certificate' cacerts
check 'E4 simpleenroll with TLS 1.3' enroll --tlsv1.3
check 'E4 simpleenroll with TLS 1.2' enroll --tls-max 1.2
check 'E4 simplereenroll with the certificate that is renewed' renew
check 'E6 the same request, in one line of base64, gets the same certificate' again
check 'E3 csrattrs' attributes
check 'D9 csrattrs of a profile that wants a proof of possession' no_attributes
check 'E5 serverkeygen' server_key
check 'D2 no certificate: 401' status_is 401 ask "$dir/got" simpleenroll \
    -H 'Content-Type: application/pkcs10' --data-binary "@$dir/new.b64"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=dev -days 1 \
    -keyout "$dir/stranger.key" -out "$dir/stranger.crt" 2>/dev/null
who=stranger
check 'D3 a certificate that leads to no anchor: 401' status_is 401 \
    post "$dir/got" simpleenroll "$dir/new.b64"
who=dev
new_request /CN=other
check 'X10 the name of another: 403' status_is 403 post "$dir/got" simpleenroll "$dir/new.b64"
new_request /CN=dev
check 'X6 another content type: 415' status_is 415 as_device "$dir/got" simpleenroll \
    -H 'Content-Type: text/plain' --data-binary "@$dir/new.b64"
check 'X6 GET of simpleenroll: 405' status_is 405 as_device "$dir/got" simpleenroll
check 'R1 no such path: 404' status_is 404 as_device "$dir/got" nothing
check 'R1 no such label: 404' status_is 404 as_device "$dir/got" nobody/cacerts
echo 'this is !no! base64' >"$dir/bad"
check 'E4 what is no base64: 400' status_is 400 post "$dir/got" simpleenroll "$dir/bad"
echo 'AAAA' >"$dir/bad"
check 'E4 what is no request: 400' status_is 400 post "$dir/got" simpleenroll "$dir/bad"
head -c 100000 /dev/zero | openssl base64 -out "$dir/bad"
check 'B2 a body that is too large: 413' status_is 413 post "$dir/got" simpleenroll "$dir/bad"
check 'D9 a linked request by TLS 1.3, which has no tls-unique: 400' status_is 400 \
    post "$dir/got" linked/simpleenroll "$dir/new.b64" --tlsv1.3
check 'D9 a request that is not linked: 400' status_is 400 \
    post "$dir/got" linked/simpleenroll "$dir/new.b64" --tls-max 1.2
check 'D1 TLS 1.1 is refused' sh -c "! curl -s --cacert '$dir/srv/ca.crt' --tls-max 1.1 \
    --ciphers DEFAULT@SECLEVEL=0 '$est/cacerts'"
check 'D10 CoAPS beside it' "$ESTOC" crts "$uri" --cert "$dir/dev.crt" --key "$dir/dev.key" \
    --ta "$dir/dev.ta" --out "$dir/crts.pem"
"$ESTOCD" revoke --dir "$dir/srv" "$(openssl x509 -in "$dir/own.crt" -noout -serial |
    sed 's/serial=//' | tr A-F a-f)" >/dev/null 2>&1
sleep 1.2
who=own
check 'D8 a revoked certificate: 403' status_is 403 post "$dir/got" simplereenroll "$dir/new.b64"
stop_server
plan

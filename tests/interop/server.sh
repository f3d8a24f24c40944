# shellcheck shell=sh disable=SC2034 # used where this is sourced
# SPDX-License-Identifier: MIT
# Sourced by the tests here: a directory, an estocd in it, and TAP. $ESTOCD and $ESTOC name the
# programs.

dir=$(mktemp -d)
pid=
tests=0
failed=0

clean_up() {
    if [ -n "$pid" ]; then
        kill "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    fi
    rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

# ok STATUS NAME: one test point
ok() {
    tests=$((tests + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $tests - $2"
    else
        echo "not ok $tests - $2"
        failed=$((failed + 1))
    fi
}

# check NAME COMMAND...: one test point, and what the command said if it failed
check() {
    name=$1
    shift
    if "$@" >"$dir/said" 2>&1; then
        ok 0 "$name"
    else
        ok 1 "$name"
        sed 's/^/# /' "$dir/said"
    fi
}

# skip NAME REASON: one test point that cannot be
skip() {
    tests=$((tests + 1))
    echo "ok $tests - $1 # SKIP $2"
}

plan() {
    echo "1..$tests"
    [ "$failed" -eq 0 ]
}

skip_all() {
    echo "1..0 # SKIP $1"
    exit 0
}

# wait_for COMMAND...: until it succeeds, for 20 seconds at most
wait_for() {
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ "$tries" -le 200 ] || return 1
        sleep 0.1
    done
}

# make_server: credentials of the device are $dir/dev.{crt,key,ta}
make_server() {
    "$ESTOCD" init --dir "$dir/srv" --name 'Interop CA' --host 127.0.0.1 >"$dir/init.log" 2>&1 &&
        "$ESTOCD" device --dir "$dir/srv" --subject CN=dev --out "$dir/dev" \
            >>"$dir/init.log" 2>&1 || {
        sed 's/^/# /' "$dir/init.log"
        echo 'Bail out! no server'
        exit 1
    }
    sed -i 's/^\[profile\]$/&\nkeygen = yes\nattributes = ecPublicKey:secp256r1/' "$dir/srv/estocd.conf"
}

# run_server ADDRESS READY: sets $uri and $est once the line that begins with READY is there
run_server() {
    : >"$dir/ready"
    "$ESTOCD" run --dir "$dir/srv" --listen "$1:0" >"$dir/ready" 2>"$dir/estocd.log" &
    pid=$!
    wait_for grep -q "^ready $2" "$dir/ready" || {
        sed 's/^/# /' "$dir/estocd.log"
        echo 'Bail out! estocd is not ready'
        exit 1
    }
    uri=coaps://127.0.0.1:$(sed -n 's/^ready coaps:.*://p' "$dir/ready" | head -n 1)
    est=$uri/.well-known/est
}

start_server() {
    make_server
    run_server 127.0.0.1 coaps:
}

# stop_server: one test point
stop_server() {
    kill "$pid"
    wait "$pid"
    ok $? 'estocd ends with 0'
    pid=
}

#!/bin/sh
# SPDX-License-Identifier: MIT
# The manual pages against the programs: each option of --help, each key of estocd.conf and its
# default, and nothing that is not there. manuals.sh DOCS_MAN; $ESTOCD and $ESTOC name the programs.
set -u
man=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
tests=0
failed=0

# same NAME FILE FILE: one test point
same() {
    tests=$((tests + 1))
    if [ -s "$2" ] && diff "$2" "$3" >"$dir/diff"; then
        echo "ok $tests - $1"
    else
        echo "not ok $tests - $1"
        sed 's/^/# /' "$dir/diff"
        failed=$((failed + 1))
    fi
}

# commands PROGRAM, or PROGRAM COMMAND for one that has its own
commands() {
    "$@" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'
}

for program in "$ESTOCD" "$ESTOC"; do
    name=$(basename "$program")
    page=$man/$name.1
    commands "$program" | sort >"$dir/commands"
    sed -n '/^\.Ss Commands/,/^\.Ss /s/^\.It Cm //p' "$page" | sed 's/ Ar .*//; s/ , /\n/g' | sort \
        >"$dir/described"
    same "$name.1 has each command" "$dir/commands" "$dir/described"
    for command in $(commands "$program"); do
        "$program" "$command" --help
        for verb in $(commands "$program" "$command"); do
            "$program" "$command" "$verb" --help
        done
    done | sed -n '/^Options:/,/^$/s/^ *\(-[a-z], \)*--\([a-z-]*\).*/\2/p' | sort -u >"$dir/options"
    sed -n '/^\.Sh DESCRIPTION/,/^\.Sh /p' "$page" |
        sed -n 's/^\.It Fl -\([a-z-]*\).*/\1/p; s/^\.It Fl [a-z] , Fl -\([a-z-]*\).*/\1/p' |
        sort -u >"$dir/described"
    same "$name.1 has each option" "$dir/options" "$dir/described"
done

# Both kinds of folder together have all keys.
"$ESTOCD" init --dir "$dir/srv" >"$dir/log" 2>&1 || sed 's/^/# /' "$dir/log"
"$ESTOCD" init --dir "$dir/ra" --upstream https://est.example/.well-known/est \
    --upstream-ta "$dir/srv/ca.crt" --cert "$dir/srv/server.crt" --key "$dir/srv/server.key" \
    >"$dir/log" 2>&1 || sed 's/^/# /' "$dir/log"
awk '/^\[/ { section = $1; gsub(/[][]/, "", section) }
     /^#[a-z-]+ =/ { sub(/^#/, ""); key = $1; sub(/^[a-z-]+ =[ ]*/, ""); print section, key, $0 }
    ' "$dir/srv/estocd.conf" "$dir/ra/estocd.conf" | sed 's/ $/ empty/' |
    grep -v '^profile upstream-label ' | sort -u >"$dir/keys" # its default is no value to write down
awk '/^\.Ss \[/ { section = $2; gsub(/[][]/, "", section) }
     /^\.It Ic/ { key = $3 }
     /^Default: / { sub(/^Default: /, ""); sub(/\.$/, ""); print section, key, $0 }
    ' "$man/estocd.conf.5" | sort >"$dir/described"
same "estocd.conf.5 has each key with its default" "$dir/keys" "$dir/described"

if command -v mandoc >/dev/null; then
    : >"$dir/nothing"
    mandoc -Tlint -W warning "$man"/*.[1-8] >"$dir/lint" 2>&1
    echo 'no warnings' | tee -a "$dir/nothing" >>"$dir/lint"
    same "the pages are clean" "$dir/lint" "$dir/nothing"
fi

echo "1..$tests"
[ "$failed" -eq 0 ]

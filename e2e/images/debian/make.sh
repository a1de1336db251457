#!/bin/bash
# make.sh IMAGE RECIPE-HASH: Debian with PostgreSQL and nginx, in the place of the official images that docker-compose.yml names.
set -euo pipefail
image=$1 recipe=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
command -v debootstrap >/dev/null || {
    echo "debootstrap is missing. Install it: apt install debootstrap" >&2
    exit 1
}
debootstrap --variant=minbase --include=postgresql-17,nginx,curl,ca-certificates trixie "$root" >"$work/log" 2>&1 || {
    tail -20 "$work/log" >&2
    exit 1
}
rm -rf "$root"/var/cache/apt "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale,info} "$root"/var/lib/postgresql/*
# PostgreSQL does without its compiler of queries, a third of it all.
rm -rf "$root"/usr/lib/*/libLLVM* "$root"/usr/lib/postgresql/*/lib/{bitcode,llvmjit*}
tar -C "$root" --numeric-owner --exclude=./dev/* --exclude=./proc/* --exclude=./sys/* -c . |
    docker import -c "LABEL raptor.recipe=$recipe" - "$image" >/dev/null

#!/usr/bin/env bash
# Licences, duplicates, sources and known vulnerabilities of everything we link (deny.toml).
# cargo-deny itself is built once, pinned, into .cache/cargo-tools.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.20.2
root=$PWD/.cache/cargo-tools/cargo-deny-$version
if ! "$root/bin/cargo-deny" --version >/dev/null 2>&1; then
	echo "building cargo-deny $version (once)"
	# Unoptimized: it is built more often than it runs for long.
	cargo install --quiet --debug --locked --root "$root" "cargo-deny@$version"
fi

deny() { "$root/bin/cargo-deny" --locked --log-level warn --workspace "$@"; }
deny check --hide-inclusion-graph bans licenses sources

# The advisory database is a git repository, which not every network reaches.
if timeout 60 "$root/bin/cargo-deny" --log-level off fetch db >/dev/null 2>&1; then
	deny check --hide-inclusion-graph advisories
else
	echo 'skipped: known vulnerabilities: the advisory database cannot be reached from here'
fi

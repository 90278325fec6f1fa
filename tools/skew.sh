#!/usr/bin/env bash
# Agent and operator of another version beside those of this one, and in their place, as in an upgrade and
# when one is taken back. `make skew REF=<tag or commit>` runs this; it builds the other version first, which
# takes minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

ref=${1:-}
if [[ -z $ref ]]; then
	ref=$(git describe --tags --abbrev=0 2>/dev/null) || {
		echo "error: there is no tag: say which version, as in make skew REF=HEAD~20" >&2
		exit 2
	}
fi
commit=$(git rev-parse --verify --quiet --short=12 "$ref^{commit}") || {
	echo "error: $ref is no commit of this repository" >&2
	exit 2
}
out=$(realpath "${CARGO_TARGET_DIR:-target}")/skew
tree=$out/source-$commit
mkdir -p "$out"
trap 'git worktree remove --force "$tree" 2>/dev/null || true' EXIT
git worktree add --quiet --force --detach "$tree" "$commit"
CARGO_TARGET_DIR=$out/build cargo build --locked --manifest-path "$tree/Cargo.toml" \
	-p fleet-operator -p fleet-agent --bin fleet-operator --bin fleet-agent
cargo build --locked --workspace --bins

other=$out/$commit
rm -rf "$other"
mkdir "$other"
cp "$out"/build/debug/{fleet-agent,fleet-operator} "$other/"
FLEET_OTHER_VERSION=$other cargo test --locked --workspace --test invariants -- --nocapture an_upgrade

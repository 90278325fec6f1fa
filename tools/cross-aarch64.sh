#!/usr/bin/env bash
# Builds a program for aarch64 as one static file, checks it, and runs it where qemu is there.
# Usage: tools/cross-aarch64.sh [package [profile [option of cargo build]...]]
# Default: fleet-agent. Flags, profiles and checks are those of tools/static.sh.
#
# The Rust standard library for aarch64 comes from rustup, or else from Debian's rustc-web
# (libstd-rust-web-dev:arm64). aws-lc-sys, and linking, want a C compiler for aarch64.
set -euo pipefail
cd "$(dirname "$0")/.."

package=${1:-fleet-agent}
shift $(($# < 1 ? $# : 1))
target=aarch64-unknown-linux-gnu
compiler=aarch64-linux-gnu-gcc
say() { echo "cross: $*"; }
skip() {
	echo "skipped: $package for aarch64: $*"
	exit 0
}

# install <package>...: installs Debian packages when root, else says how.
install() {
	command -v apt-get >/dev/null || return 1
	if [ "$(id -u)" = 0 ]; then
		say "installing $*"
		DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends "$@" >/dev/null
	else
		say "run as root: apt-get install $*"
		return 1
	fi
}

if ! command -v "$compiler" >/dev/null; then
	install gcc-aarch64-linux-gnu libc6-dev-arm64-cross ||
		skip "$compiler is missing (Debian: gcc-aarch64-linux-gnu, Fedora: gcc-aarch64-linux-gnu, Arch: aarch64-linux-gnu-gcc)"
fi

standard_library_from_rustup() {
	command -v rustup >/dev/null || return 1
	rustup target list --installed 2>/dev/null | grep -qx "$target" ||
		timeout 300 rustup target add "$target" >/dev/null 2>&1
}

standard_library_from_debian() {
	command -v dpkg >/dev/null || return 1
	if [ ! -d "/usr/lib/rustlib/$target/lib" ]; then
		[ "$(id -u)" = 0 ] || {
			say "run as root: dpkg --add-architecture arm64 && apt-get update && apt-get install rustc-web libstd-rust-web-dev:arm64"
			return 1
		}
		dpkg --add-architecture arm64 && apt-get update --quiet=2 || return 1
		install rustc-web libstd-rust-web-dev:arm64 || return 1
	fi
	export RUSTC=/usr/bin/rustc
}

if standard_library_from_rustup; then
	say "standard library from rustup, $(rustc --version)"
elif standard_library_from_debian; then
	say "standard library from Debian, $($RUSTC --version)"
else
	skip "neither rustup nor Debian's packages give the Rust standard library"
fi

export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$compiler
export CC_aarch64_unknown_linux_gnu=$compiler
exec tools/static.sh "$package" aarch64 "$@"

#!/usr/bin/env bash
# Builds a program as one static file whose bytes do not depend on where it was built, checks it,
# and starts it where this machine can.
# Usage: tools/static.sh <package> <x86_64|aarch64> [profile] [option of cargo build]...
#
# Profile: agent for fleet-agent, else release. For aarch64 elsewhere, tools/cross-aarch64.sh looks
# after compiler and standard library and then calls this.
set -euo pipefail
cd "$(dirname "$0")/.."

package=$1
architecture=$2
case $package in fleet-agent) profile=${3:-agent} ;; *) profile=${3:-release} ;; esac
shift $(($# < 3 ? $# : 3))
target=$architecture-unknown-linux-gnu
say() { echo "static: $*"; }

# Where sources lie shows in panic messages (Rust) and in error queues (the C of aws-lc). Of several
# that fit, compilers take the last. The folder of a registry is named after the registry's address,
# which differs between mirrors, so its name goes, too.
homes=("$PWD=/src" "$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}")=/target")
cargo_home=$(realpath "${CARGO_HOME:-$HOME/.cargo}")
homes+=("$cargo_home=/cargo")
for registry in "$cargo_home"/registry/src/*/; do
	homes+=("${registry%/}=/crates")
done
# Present where rust-src is installed; the name is the one that the standard library has without it.
sysroot=$("${RUSTC:-rustc}" --print sysroot)
commit=$("${RUSTC:-rustc}" --version --verbose | sed -n 's/^commit-hash: //p')
homes+=("$sysroot/lib/rustlib/src/rust=/rustc/$commit")

flags=(-C target-feature=+crt-static)
# Fewer pages of its own for a program that relocates itself at start; wants glibc 2.36 here.
[ "$profile" != agent ] || flags+=(-C link-arg=-Wl,-z,pack-relative-relocs)
c_flags=()
for home in "${homes[@]}"; do
	flags+=("--remap-path-prefix=$home")
	c_flags+=("-ffile-prefix-map=$home")
done

# With --target these flags reach the program alone, not build scripts and macros. Nothing of the
# caller's own flags: they would be in the bytes.
unset RUSTFLAGS
CARGO_ENCODED_RUSTFLAGS=$(
	IFS=$'\x1f'
	echo "${flags[*]}"
)
export CARGO_ENCODED_RUSTFLAGS
export "CFLAGS_${target//-/_}=${c_flags[*]}"
# Incremental builds split code differently than whole ones.
export CARGO_INCREMENTAL=0
cargo build --locked --profile "$profile" --target "$target" -p "$package" --bin "$package" "$@"

program=${CARGO_TARGET_DIR:-target}/$target/$profile/$package
[ -f "$program" ] || {
	say "cargo built no $program"
	exit 1
}
say "$program, $(stat --format %s "$program") bytes"
machine=$architecture
[ "$machine" != x86_64 ] || machine=X86-64
readelf --file-header "$program" | grep -qi "Machine:.*$machine" || {
	say "not a program for $architecture"
	exit 1
}
if readelf --program-headers "$program" | grep -q INTERP; then
	say "wants a dynamic loader, so it is not static"
	exit 1
fi

# What the tool chain put into it, for lists of components: "linked: <library> <version> [build]".
compiler=cc
[ "$architecture" = "$(uname -m)" ] || compiler=$architecture-linux-gnu-gcc
echo "linked: rust-std $("${RUSTC:-rustc}" --version --verbose | sed -n 's/^release: //p')"
libc=$("$compiler" -print-file-name=libc.a)
grep -aom1 'GNU C Library (.*) .* version [0-9.]*[0-9]' "$libc" |
	sed -E 's/^GNU C Library \((.*)\) .* version (.*)$/linked: glibc \2 \1/'
echo "linked: libgcc $("$compiler" -dumpfullversion)"

if [ "$architecture" = "$(uname -m)" ]; then
	say "it says $("$program" --version)"
elif qemu=$(command -v "qemu-$architecture-static" || command -v "qemu-$architecture"); then
	say "under qemu it says $("$qemu" "$program" --version)"
else
	echo "skipped: running $package for $architecture: qemu-$architecture is missing (Debian: qemu-user-static)"
fi

#!/usr/bin/env bash
# All tests, in phases; `make test` runs this. With `full`, also what takes longer.
set -uo pipefail
cd "$(dirname "$0")/.."
. .ci/phases.sh

full=${1:-}

# programs <file>...: options that choose the test programs with these main files, by name.
programs() {
	local file
	for file; do
		file=${file%/main.rs}
		printf -- '--test %s\n' "$(basename "$file" .rs)"
	done | sort -u
}

# Programs with the name of one of these run with these, wherever they are.
of_platforms() {
	programs e2e/tests/*.rs e2e/tests/*/main.rs
}

# A virtual machine without KVM takes all there is of the processor for minutes, and has a budget for that.
of_machines() {
	programs devices/tests/machines/main.rs
}

of_parts() {
	programs {*,*/*}/tests/*.rs {*,*/*}/tests/*/main.rs | grep -vxF -f <(of_platforms; of_machines)
}

everything() {
	phase "system packages" tools/system-packages.sh --with-machines || return
	phase "third-party servers" cargo run --quiet --locked -p fleet-tools -- ensure || return
	# One build for programs and tests: scenarios start the programs, and `cargo test` alone would
	# build only some of them.
	phase "build" cargo build --locked --workspace --all-targets || return
	phase "format" cargo fmt --all --check
	# Not beside the tests: in a folder of its own it would compile all C and all macros once more.
	phase "clippy" cargo clippy --locked --workspace --all-targets -- -D warnings
	beside "agent for aarch64" tools/cross-aarch64.sh
	beside "licences and duplicates" tools/deny.sh
	# Two at a time: each waits for its servers for much of its time. All of the workspace is
	# chosen each time, for the features of its dependencies are those of what is chosen.
	# shellcheck disable=SC2046 # one option, one value
	together "tests of platforms" cargo test --locked --workspace --no-fail-fast $(of_platforms)
	# shellcheck disable=SC2046
	phase "tests of parts" cargo test --locked --workspace --no-fail-fast --lib --bins $(of_parts)
	phase "examples in documents" cargo test --locked --workspace --no-fail-fast --doc
	joined
	# Booting takes minutes without KVM. Where all of this took over an hour already, it is left to
	# `make test-devices`, and says so: the whole has to end in time.
	[ "$full" = full ] || [ "$SECONDS" -lt 3600 ] || export FLEET_VM_BOOT=no
	# shellcheck disable=SC2046
	phase "tests of virtual machines" cargo test --locked --workspace --no-fail-fast $(of_machines)
	[ "$full" != full ] || longer
}

longer() {
	phase "images" make --no-print-directory images
	phase "tests: images" cargo test --locked -p fleet-images made
	# Each part of the chain away for ten minutes, with the life times of an installation.
	phase "tests: long outages" env FLEET_OUTAGE_SECONDS=600 cargo test --locked -p fleet-e2e --test outages
	phase "tests: Argo CD" make --no-print-directory e2e-argocd
	# With the agent inside; the second one's image is made under an emulator.
	phase "a device that is a machine: x86_64" make --no-print-directory bench-machines
	phase "a device that is a machine: aarch64" make --no-print-directory bench-machines ARCH=aarch64
	phase "benchmark: agent" make --no-print-directory bench-agent
	phase "benchmark: loop" make --no-print-directory bench-loop
	phase "benchmark: callout" make --no-print-directory bench-callout
	phase "benchmark: charts" make --no-print-directory bench-charts
	phase "benchmark: sizing" make --no-print-directory bench-sizing
}

phases_begin
everything
phases_summary

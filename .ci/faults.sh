#!/usr/bin/env bash
# Every scenario of the fault matrix (docs/reliability.md), also those that take minutes; `make faults` runs
# this. FLEET_SEED=<n> repeats one seed. Ends in a table and fails if a fault was not survived.
set -uo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT
FLEET_FAULTS=long cargo test --locked -p fleet-e2e --test faults -- --nocapture --test-threads=2 2>&1 | tee "$log"
outcome=$?

printf '\n%-44s %-8s %s\n' fault held? convergence
# "fault: <name>: held; converged in <text>; <remark>"
sed -n 's/^fault: \(.*\): held; converged in \([^;]*\);.*/\1\t\2/p' "$log" |
	while IFS=$'\t' read -r fault took; do printf '%-44s %-8s %s\n' "$fault" yes "$took"; done
sed -n 's/^test \([^ ]*\) \.\.\. FAILED$/\1/p' "$log" |
	while read -r test; do printf '%-44s %-8s %s\n' "$test" NO "see above"; done
sed -n 's/^skipped: \(.*\)/skipped: \1/p' "$log"
exit "$outcome"

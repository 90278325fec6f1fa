# Phases of a long run: each timed, each with its log, and what was skipped and why.
# Sourced by bash scripts. A command that cannot do its part prints "skipped: <what>: <why>" on a
# line of its own and succeeds; `phases_summary` lists those lines again.

REPORT=${REPORT:-target/test-report}
PHASE_NAMES=()
PHASE_SECONDS=()
PHASE_RESULTS=()
BESIDE=()
COMMANDS=()

phases_begin() {
	rm -rf "$REPORT"
	mkdir -p "$REPORT"
	: >"$REPORT/skipped"
	# What runs beside does not hear Ctrl-C by itself.
	trap 'for job in $(jobs -p); do pkill -P "$job"; done' EXIT
}

# phase <name> <command>...: runs a command; its output goes to the terminal and to a log.
phase() {
	local name=$1 log start result=0
	shift
	log=$(_log "$name")
	printf '\n== %s: %s\n' "$name" "$*"
	start=$SECONDS
	"$@" 2>&1 | tee "$log" || result=$?
	_phase_ended "$name" $((SECONDS - start)) "$result"
}

# together <name> <command>...: the same while the phases after it run, until `joined`; its output is
# shown then. Tests wait for much of their time.
together() {
	local name=$1
	shift
	BESIDE+=("$name")
	COMMANDS+=("$*")
	{
		local start=$SECONDS result=0
		"$@" </dev/null >"$(_log "$name")" 2>&1 || result=$?
		echo "$((SECONDS - start)) $result" >"$(_log "$name").ended"
	} &
}

# beside <name> <command>...: the same on what others leave of the processor.
beside() {
	local name=$1
	shift
	together "$name" nice -n 19 "$@"
}

# joined: waits for all of them.
joined() {
	local i name seconds result
	wait
	for i in "${!BESIDE[@]}"; do
		name=${BESIDE[i]}
		printf '\n== %s, beside the others: %s\n' "$name" "${COMMANDS[i]}"
		cat "$(_log "$name")"
		read -r seconds result <"$(_log "$name").ended"
		_phase_ended "$name" "$seconds" "$result"
	done
}

_log() {
	echo "$REPORT/${1// /-}.log"
}

_phase_ended() {
	PHASE_NAMES+=("$1")
	PHASE_SECONDS+=("$2")
	PHASE_RESULTS+=("$3")
	# With one test thread the harness has begun the line: "test name ... skipped: ...".
	grep -aoE '(^|\.\.\. )skipped: .*' "$(_log "$1")" | sed 's/^\.\.\. //' >>"$REPORT/skipped" || true
	return "$3"
}

# Ignored tests are skips too; cargo prints the reason given in #[ignore = "..."].
_ignored_tests() {
	grep -ahE '^test .* \.\.\. ignored' "$REPORT"/*.log 2>/dev/null |
		sed -E 's/^test (.*) \.\.\. ignored(, )?/skipped: \1: /' || true
}

# Sums one column ("passed", "failed", "ignored") of cargo's "test result:" lines.
_tests() {
	grep -ahE '^test result: ' "$REPORT"/*.log 2>/dev/null |
		grep -oE "[0-9]+ $1" | awk '{ sum += $1 } END { print sum + 0 }'
}

# Prints times, skips and, as the last line, "N passed, N failed, N skipped".
# A phase that failed without a failed test in it (a build that broke, a test program that
# crashed) counts as one failure.
phases_summary() {
	local i failed broken=0 skipped
	printf '\n== phases\n'
	for i in "${!PHASE_NAMES[@]}"; do
		printf '%6d s  %-28s %s\n' "${PHASE_SECONDS[i]}" "${PHASE_NAMES[i]}" \
			"$([ "${PHASE_RESULTS[i]}" = 0 ] && echo ok || echo FAILED)"
		if [ "${PHASE_RESULTS[i]}" != 0 ]; then
			grep -aqE '^test result: FAILED' "$REPORT/${PHASE_NAMES[i]// /-}.log" || broken=$((broken + 1))
		fi
	done
	printf '%6d s  total\n' "$SECONDS"
	_ignored_tests >>"$REPORT/skipped"
	skipped=$(wc -l <"$REPORT/skipped")
	if [ "$skipped" -gt 0 ]; then
		printf '\n== skipped\n'
		sed 's/^skipped: /  /' "$REPORT/skipped"
	else
		printf '\nnothing was skipped\n'
	fi
	failed=$(($(_tests failed) + broken))
	printf '\n%d passed, %d failed, %d skipped\n' "$(_tests passed)" "$failed" "$skipped" |
		tee "$REPORT/summary"
	[ "$failed" = 0 ]
}

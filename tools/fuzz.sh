#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs each fuzz target for some seconds: fuzz.sh SECONDS [TARGET...]. It starts
# from the corpus of the target and keeps what is new in build/fuzz-corpus, for
# the next run. What makes a target fail lies in build/fuzz-failures.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
[[ ${1:-} =~ ^[1-9][0-9]*$ ]] || {
	echo "usage: $0 SECONDS [TARGET...]" >&2
	exit 100
}
seconds=$1
shift

built=$("$top/tools/build.sh" fuzz)
failures=$top/build/fuzz-failures
mkdir -p "$failures"
targets=("$@")
[ $# -gt 0 ] || mapfile -t targets < <(find "$built/fuzz" -maxdepth 1 -type f -name 'fuzz_*' -executable -printf '%f\n' | sed 's/^fuzz_//' | sort)

passed=0 failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for target in "${targets[@]}"; do
	kept=$top/build/fuzz-corpus/$target
	mkdir -p "$kept"
	if "$built/fuzz/fuzz_$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$failures/$target-" "$kept" "$top/fuzz/corpus/$target" </dev/null >"$log" 2>&1; then
		passed=$((passed + 1))
		echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs in $seconds s, $(find "$kept" -type f | wc -l) kept"
	else
		failed=$((failed + 1))
		tail -40 "$log"
		echo "$target: failed; the input is in '$failures'"
	fi
done
[ $((passed + failed)) -gt 0 ] || {
	echo "no fuzz target was built" >&2
	failed=1
}
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the official TOML suite, valid and invalid halves for TOML 1.0, on a
# decoder: run.sh DECODER. Closes with 'N passed, N failed'. Any failure, and a
# half that ran nothing, is a failure.
set -eu

if [ $# -ne 1 ] || [ ! -x "$1" ]; then
	echo "usage: $0 DECODER (the program toml-test-decoder that the build made)" >&2
	exit 2
fi
decoder=$(realpath "$1")
cd "$(dirname "$0")"

# A slow or sanitized decoder on a busy machine is no infinite loop: 20 s each.
status=0
output=$(go tool toml-test -toml 1.0.0 -timeout 20s "$decoder" 2>&1) || status=$?
printf '%s\n' "$output"

# The number before a word in the closing line of one half; nothing if there is none.
count() {
	printf '%s\n' "$output" | sed -n "s/^ *$1 tests:.* \\([0-9][0-9]*\\) $2.*/\\1/p"
}
valid=$(count valid passed)
valid_failed=$(count valid failed)
invalid=$(count invalid passed)
invalid_failed=$(count invalid failed)
passed=$((${valid:-0} + ${invalid:-0}))
failed=$((${valid_failed:-0} + ${invalid_failed:-0}))
echo "$passed passed, $failed failed"
if [ $((${valid:-0} + ${valid_failed:-0})) -eq 0 ] || [ $((${invalid:-0} + ${invalid_failed:-0})) -eq 0 ]; then
	echo "toml-test left out a half, or its closing lines have changed" >&2
	exit 1
fi
[ "$failed" -eq 0 ] && [ "$status" -eq 0 ]

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Looks at all sources that git knows without running them: licence lines, what
# each folder includes, manual pages, shell scripts, Go code.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
tools/need-packages.sh build lint
bad=0
say() {
	echo "$*" >&2
	bad=1
}

while IFS= read -r file; do
	head -2 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' || say "'$file': the first line (after #!) must name the licence"
done < <(git ls-files '*.c' '*.h' '*.go' '*.sh' '*.py' .ci/run Makefile)

mapfile -t scripts < <(git ls-files '*.sh' .ci/run)
# Warnings and errors; not variables of the scripts that read these files in, nor paths found at run time.
shellcheck -s bash -S warning -e SC1090,SC1091,SC2034,SC2154 "${scripts[@]}" || bad=1

go=$(tools/go.sh)
unformatted=$(git ls-files -z '*.go' | xargs -0 "$(dirname "$go")/gofmt" -l)
[ -z "$unformatted" ] || say "not as gofmt has it: $unformatted"

tests/run.py lint || bad=1
exit $bad

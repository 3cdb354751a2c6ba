#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs a test program under valgrind, and a script as it is: what is looked for
# are the errors of our programs, not those of the shell. The processes that a
# program forks are looked at, too: each writes a report of its own.
set -eu
case $(head -c 4 "$1" | tr -d '\0\177') in
ELF) ;;
*) exec "$@" ;;
esac

reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
status=0
SEALPOD_TEST_SLOW=1 valgrind -q --vgdb=no --error-exitcode=99 --leak-check=full --show-leak-kinds=definite \
    --errors-for-leak-kinds=definite --log-file="$reports/%p" "$@" || status=$?
for report in "$reports"/*; do
    # A child that dies by a signal is meant to: its parent looks at how it ended.
    grep -q '^==.*Process terminating with default action of signal' "$report" && continue
    # Lines of another kind are valgrind's about itself, as of system calls that it does not know.
    if grep '^==' "$report"; then
        [ "$status" -ne 0 ] || status=99
    fi
done
exit "$status"

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs a test program under valgrind, and a script as it is: what is looked for
# are the errors of our programs, not those of the shell.
set -eu
case $(head -c 4 "$1" | tr -d '\0\177') in
ELF) exec valgrind -q --vgdb=no --error-exitcode=99 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite "$@" ;;
*) exec "$@" ;;
esac

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Shows that no function with a format takes a secret's bytes: line.c compiles
# with the project's own flags when its argument is text, and does not, by the
# format of each of its four calls, when it is the data of a secret.
#
# usage: run.sh BUILD-DIRECTORY SOURCE-DIRECTORY
set -eu
build=$1
source=$(cd "$2" && pwd)
cd "$build"

# How base/log.c is compiled, up to where the names of its files begin.
command=$(sed -n 's/^ *"command": "\(.*\) -MD .*base\/log\.c",$/\1/p' compile_commands.json |
    sed 's/\\\(["\\]\)/\1/g')
if [ -z "$command" ]; then
    echo "no command for base/log.c in $build/compile_commands.json" >&2
    exit 1
fi

compile() {
    LC_ALL=C sh -c "$command -Werror -fsyntax-only -fno-diagnostics-color '-DARGUMENT=$1' '$source/line.c'" 2>&1
}

if ! said=$(compile 'text'); then
    printf 'text is refused too, which proves nothing:\n%s\n' "$said" >&2
    exit 1
fi
if said=$(compile 'secret->data'); then
    echo 'the data of a secret compiles as text' >&2
    exit 1
fi
refused=$(printf '%s\n' "$said" | grep -c 'error: .*-W\(error=\)\?format' || true)
if [ "$refused" -ne 4 ]; then
    printf '%s of 4 calls are refused for their format:\n%s\n' "$refused" "$said" >&2
    exit 1
fi

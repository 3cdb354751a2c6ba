#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The builds that this project knows, by name: build.sh NAME makes or renews
# build/NAME and prints the path of that directory. Everything else goes to
# stderr. A directory that was set up with other options is set up anew.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
here=tools/build.sh

usage() {
	cat >&2 <<END
usage: $here NAME
  debug           for work: shared libraries of the distribution, debug information
  test            the same with tests and the sample attester; warnings are errors
  sanitize        'test' under AddressSanitizer and UndefinedBehaviorSanitizer
  fuzz            libFuzzer targets, by clang, under both sanitizers
  static          the release: musl, static-pie; build/sealpod and build/sealpodctl are its stripped copies
  static-sample   the release with the sample attester, for tests and demo only
END
	exit 100
}

# Sets 'groups' (of packages) and 'options' (of meson) for a build.
plan() {
	groups=(test)
	case $1 in
	debug) groups=(build) options=(-Dtests=false) ;;
	test) options=(-Dsample_attester=true -Dwerror=true) ;;
	# Instrumented code sees other paths, and gcc then warns of what cannot be.
	sanitize) options=(-Dsample_attester=true '-Db_sanitize=address,undefined' -Db_lundef=false -Dc_args=-fno-sanitize-recover=all) ;;
	fuzz)
		groups=(test fuzz)
		export CC=clang
		options=(-Dfuzzers=true '-Db_sanitize=address,undefined' -Db_lundef=false -Dc_args=-fno-sanitize-recover=all)
		;;
	static | static-sample)
		local prefix
		groups=(static)
		need
		prefix=$(static_prefix)
		options=(--cross-file "$prefix/meson-static.ini" -Doptimization=s -Ddebug=false -Dstatic=true -Dtests=false -Dwerror=true)
		[ "$1" = static ] || options+=(-Dsample_attester=true)
		;;
	*) usage ;;
	esac
}

# The libraries of the static build; of what is said meanwhile, only their own lines.
static_prefix() {
	local log
	log=$(mktemp)
	"$top/rootfs/static/build-deps.sh" 2> >(tee "$log" | grep --line-buffered '^static: ' >&2) || {
		cat "$log" >&2
		exit 1
	}
	rm -f "$log"
}

need() { "$top/tools/need-packages.sh" "${groups[@]}"; }

# A moved or copied tree must not build into the tree that it came from.
set_up() {
	local dir=$1 log record
	shift
	record="$(meson --version) $top $*"
	[ "$(cat "$dir/.set-up" 2>/dev/null)" = "$record" ] && return 0
	rm -rf "$dir"
	mkdir -p "$dir"
	log=$dir/.set-up.log
	meson setup "$dir" "$top" "$@" >"$log" 2>&1 || {
		cat "$log" >&2
		exit 1
	}
	printf '%s\n' "$record" >"$dir/.set-up"
}

compile() {
	local log=$1/.compile.log
	ninja -k 0 -C "$1" >"$log" 2>&1 || {
		cat "$log" >&2
		exit 1
	}
	grep -A 3 'warning:' "$log" >&2 || true
}

[ $# -eq 1 ] || usage
plan "$1"
need
dir=$top/build/$1
set_up "$dir" "${options[@]}"
compile "$dir"
# Only a new program gets a new copy, or make would think it changed.
if [ "$1" = static ]; then
	for program in agent/sealpod ctl/sealpodctl; do
		copy=$top/build/${program#*/}
		[ "$dir/$program" -nt "$copy" ] && strip -o "$copy" "$dir/$program"
	done
fi
echo "$dir"

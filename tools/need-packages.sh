#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that a job needs and this machine lacks:
# need-packages.sh GROUP... It says nothing and asks nobody if all are there.
# Not as root it goes through sudo.
set -euo pipefail
export LC_ALL=C

usage() {
	echo "usage: $0 build|static|test|demo|sanitize|valgrind|fuzz|bench|lint..." >&2
	exit 100
}

# The static build's own script installs what the libraries need beyond this.
packages() {
	case $1 in
	build) echo gcc libc6-dev meson ninja-build pkgconf python3 libssl-dev libcurl4-openssl-dev libcjson-dev libsodium-dev
		echo libprotobuf-c-dev protobuf-c-compiler zlib1g-dev libtss2-dev ;;
	static) echo gcc libc6-dev binutils meson ninja-build pkgconf python3 musl-tools linux-libc-dev protobuf-c-compiler ;;
	test) packages build && echo ca-certificates curl iproute2 libcmocka-dev make openssl swtpm ;;
	sanitize) packages test ;;
	valgrind) packages test && echo valgrind ;;
	fuzz) packages build && echo clang "$(fuzzer_runtime)" ;;
	demo) packages static && echo ca-certificates openssl swtpm util-linux ;;
	bench) packages demo && echo strace ;;
	lint) echo python3 shellcheck ;;
	*) usage ;;
	esac
}

# libFuzzer and the sanitizers for whatever version 'clang' stands for here;
# known only once clang is installed.
fuzzer_runtime() {
	dpkg-query -W -f '${Depends}' clang 2>/dev/null | sed -n 's/^clang-\([0-9][0-9]*\).*/libclang-rt-\1-dev/p'
}

# One query for all: reading dpkg's database is what takes the time.
# It fails when it does not know a name, which is what we ask about.
missing() {
	local names there
	names=$(for group in "$@"; do packages "$group"; done | tr ' ' '\n' | grep . | sort -u)
	# shellcheck disable=SC2086 # a list of names
	there=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $names 2>/dev/null | sed -n 's/ installed$//p' | sort -u) || true
	comm -23 <(echo "$names") <(echo "$there")
}

apt_get() {
	local as_root=()
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null || {
			echo "need-packages: 'sudo' is missing; as root, run: apt-get install ${wanted[*]}" >&2
			exit 1
		}
		as_root=(sudo)
	fi
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=600 "$@" </dev/null
}

install_all() {
	mapfile -t wanted < <(missing "$@")
	[ ${#wanted[@]} -gt 0 ] || return 0
	echo "installing ${wanted[*]}" >&2
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT
	# The lists of this machine may be missing or old: then the second try is the good one.
	apt_get install --no-install-recommends "${wanted[@]}" >"$log" 2>&1 && return 0
	if ! { apt_get update && apt_get install --no-install-recommends "${wanted[@]}"; } >>"$log" 2>&1; then
		cat "$log" >&2
		echo "need-packages: cannot install ${wanted[*]}: see above" >&2
		exit 1
	fi
}

[ $# -gt 0 ] || usage
for group in "$@"; do packages "$group" >/dev/null; done
install_all "$@"
# What clang needs beside it shows once it is there.
case " $* " in *" fuzz "*) install_all "$@" ;; esac

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Prints the path of a go command that can build everything under tests/: as new
# as the newest 'go' line in their go.mod. The first of these that is found:
#   1. GO, 'go' on PATH, /usr/local/go/bin/go, if new enough;
#   2. the Go of that version from the module proxy, fetched by one of them;
#   3. the same, fetched by the Go of a later Debian, which is unpacked into the
#      cache. The machine's own packages and package sources stay as they are.
# Any Go from 1.21 on fetches a newer one and checks it against Go's checksum
# database.
set -euo pipefail
export LC_ALL=C

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/sealpod
suite=trixie
# Newer than 1.20, and of any use since it can fetch the rest.
packages=(golang-1.24-go golang-1.24-src)

say() { printf 'go.sh: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

wanted_version() { cat "$top"/tests/*/go.mod | sed -n 's/^go //p' | sort -V | tail -1; }

# The version of a go command as such, whatever a go.mod asks for.
own_version() { (cd / && GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) | sed -n 's/^go\([0-9.]*\).*/\1/p'; }

at_least() { [ -n "$1" ] && [ "$(printf '%s\n' "$1" "$2" | sort -V | head -1)" = "$2" ]; }

candidates() {
	local name
	for name in ${GO:+"$GO"} go /usr/local/go/bin/go /usr/lib/go/bin/go; do
		command -v "$name" || true
	done
}

# Lets a go command fetch the wanted version, and prints where it lies.
fetched_by() {
	local root
	root=$(cd / && GOTOOLCHAIN=go$wanted+auto GOFLAGS='' "$1" env GOROOT) || return 1
	[ -x "$root/bin/go" ] && at_least "$(own_version "$root/bin/go")" "$wanted" || return 1
	echo "$root/bin/go"
}

# Downloads and unpacks Debian's packages through an apt of our own.
debian_go() {
	local dir=$cache/go-$suite-1.24 apt
	if [ ! -x "$dir/usr/lib/go-1.24/bin/go" ]; then
		say "no Go from 1.21 on here: unpacking Debian's ${packages[0]} into '$dir'"
		mkdir -p "$cache"
		apt=$(mktemp -d "$cache/go-apt.XXXXXX")
		trap 'rm -rf "$apt"' EXIT
		download_into "$apt" >&2
		mkdir "$apt/root"
		for deb in "$apt"/*.deb; do dpkg-deb -x "$deb" "$apt/root"; done
		rm -rf "$dir"
		chmod 0755 "$apt/root"
		mv -T "$apt/root" "$dir"
		rm -rf "$apt"
		trap - EXIT
	fi
	echo "$dir/usr/lib/go-1.24/bin/go"
}

# The mirror is the machine's; what it serves is checked against Debian's signature.
download_into() {
	local dir=$1 keyring=/usr/share/keyrings/debian-archive-keyring.gpg mirror
	# shellcheck disable=SC2016 # apt's own variables
	mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Identifier: Packages' |
		awk '$2 !~ /^cdrom:/ && $1 ~ /^(bookworm|trixie|forky|sid|oldstable|stable|testing|unstable)$/ { print $2; exit }')
	[ -n "$mirror" ] || die "apt on this machine knows no Debian archive; install Go 1.21 or newer by hand"
	[ -r "$keyring" ] || die "no Debian keyring at '$keyring'; install debian-archive-keyring"
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	echo "deb [signed-by=$keyring] $mirror $suite main" >"$dir/sources.list"
	cat >"$dir/apt.conf" <<END
Dir::State::lists "$dir/lists";
Dir::Cache "$dir/cache";
Dir::Etc::sourcelist "$dir/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Acquire::AllowInsecureRepositories "false";
Acquire::Retries "3";
APT::Sandbox::User "root";
END
	APT_CONFIG=$dir/apt.conf apt-get -qq update -o APT::Update::Error-Mode=any ||
		die "cannot fetch the package index of Debian $suite: see above"
	(cd "$dir" && APT_CONFIG=$dir/apt.conf apt-get -qq download "${packages[@]}") ||
		die "cannot download ${packages[*]} of Debian $suite: see above"
}

main() {
	local found=() go
	wanted=$(wanted_version)
	[ -n "$wanted" ] || die "no 'go' line in any tests/*/go.mod"
	mapfile -t found < <(candidates)
	for go in "${found[@]}"; do
		at_least "$(own_version "$go")" "$wanted" && { echo "$go"; return; }
	done
	for go in "${found[@]}"; do
		at_least "$(own_version "$go")" 1.21 && fetched_by "$go" && return
	done
	go=$(debian_go)
	fetched_by "$go" || die "'$go' could not fetch Go $wanted from the module proxy: see above"
}

main

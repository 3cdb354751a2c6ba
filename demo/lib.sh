# SPDX-License-Identifier: Apache-2.0
# What the demo's steps have in common: what they print, how they wait, and how
# everything ends. Read in by demo.sh, which owns the variables.
# shellcheck shell=bash

now() { echo "${EPOCHREALTIME/./}"; }

# step TEXT: what follows, until done_with, is this step.
step() {
	began=$(now)
	count=$((${count:-0} + 1))
	printf '%2d  %-78s' "$count" "$1"
}

done_with() { printf '%7.3f s\n' "$(($(now) - began))e-6"; }

fail() {
	printf '\n\ndemo: %s\n' "$*" >&2
	exit 1
}

# in_background NAME COMMAND...: starts it with its output in NAME.log and its
# process id in $last. It is ended with the demo, however that ends.
in_background() {
	local name=$1
	shift
	setpriv --pdeathsig KILL "$@" >"$work/$name.out" 2>"$work/$name.log" &
	last=$!
	started+=("$last")
}

# wait_until SECONDS NAME CONDITION...: polls until the condition holds; gives up
# when the time is over or the process started last, called NAME, has ended.
wait_until() {
	local limit=$(($(now) + $1 * 1000000)) name=$2
	shift 2
	until "$@"; do
		kill -0 "$last" 2>/dev/null || {
			cat "$work/$name.log" >&2
			fail "$name has ended: see above"
		}
		[ "$(now)" -lt "$limit" ] || {
			cat "$work/$name.log" >&2
			fail "$name is not ready in time: see above"
		}
		sleep 0.01
	done
}

clean_up() {
	local status=$?
	# A second signal, as make sends one, must not cut this short.
	trap - EXIT
	trap '' INT TERM HUP
	set +e
	cd /
	[ ${#started[@]} -eq 0 ] || kill "${started[@]}" 2>/dev/null
	# Asked nicely they are gone in milliseconds; who is not, is not asked.
	local limit=$(($(now) + 3000000))
	while [ ${#started[@]} -gt 0 ] && kill -0 "${started[@]}" 2>/dev/null && [ "$(now)" -lt "$limit" ]; do sleep 0.02; done
	[ ${#started[@]} -eq 0 ] || kill -KILL "${started[@]}" 2>/dev/null
	wait 2>/dev/null
	[ -n "$work" ] && [ "$(id -u)" -eq 0 ] && umount -l "$work"
	[ -n "$work" ] && rm -rf "$work"
	exit "$status"
}

# A place that is in memory and gone with the demo: as root a tmpfs in a mount
# namespace of our own, otherwise a directory in /dev/shm.
make_work() {
	if [ "$(id -u)" -eq 0 ]; then
		work=$(mktemp -d /tmp/sealpod-demo.XXXXXX)
		mount -t tmpfs -o nosuid,nodev,mode=0755 tmpfs "$work" || fail "cannot mount a tmpfs on '$work'"
	else
		[ "$(stat -f -c %T /dev/shm)" = tmpfs ] || fail "/dev/shm is no tmpfs: run the demo as root"
		work=$(mktemp -d /dev/shm/sealpod-demo.XXXXXX)
	fi
	chmod 0755 "$work"
}

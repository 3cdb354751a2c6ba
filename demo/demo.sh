#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The whole way on one machine: a key broker and a real SPIRE server on loopback,
# sealpod, which attests, fetches its credential and becomes the real SPIRE agent,
# and a workload that is given its X509-SVID. The TEE is emulated: the attester is
# 'sample', which proves nothing. TEE=snp, snp-ioctl or tdx takes the release build
# and an emulated machine instead (tests/tee), TEE=az-snp or az-tdx an emulated Azure
# VM (tests/tee/azure), which proves nothing either.
# FAULT=kbs-down stops the broker before sealpod asks it.
set -euo pipefail
export LC_ALL=C
umask 022

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [ "$(id -u)" -eq 0 ] && [ -z "${SEALPOD_DEMO_INSIDE:-}" ]; then
	"$top/tools/need-packages.sh" demo
	# What the demo mounts is nobody else's, and is gone when the demo is.
	SEALPOD_DEMO_INSIDE=1 exec "$top/tests/own_root.py" "$0" "$@"
fi

. "$top/demo/lib.sh"
started=()
work=''
domain=demo.test
workload_id=spiffe://$domain/workload
if [ "$(id -u)" -eq 0 ]; then
	agent_uid=65534 workload_uid=1001
else
	agent_uid=$(id -u) workload_uid=$(id -u)
fi

case ${FAULT:-} in
'' | kbs-down) ;;
*)
	echo "demo: FAULT='$FAULT' is unknown; there is 'kbs-down'" >&2
	exit 100
	;;
esac

case ${TEE:=sample} in
sample) tee_name='TEE' ;;
snp) tee_name='SEV-SNP guest (configfs-tsm)' ;;
snp-ioctl) tee_name='SEV-SNP guest (/dev/sev-guest)' ;;
tdx) tee_name='trust domain (TDX)' ;;
az-snp) tee_name='Azure VM with SEV-SNP (vTPM)' ;;
az-tdx) tee_name='Azure VM with TDX (vTPM)' ;;
*)
	echo "demo: TEE='$TEE' is unknown; there are 'sample', 'snp', 'snp-ioctl', 'tdx', 'az-snp' and 'az-tdx'" >&2
	exit 100
	;;
esac
if [ "$TEE" != sample ] && [ "$(id -u)" -ne 0 ]; then
	echo "demo: TEE=$TEE mounts an emulated machine; that takes root" >&2
	exit 100
fi

# Everything is built once and kept, SPIRE under the user's cache directory. What
# the builds have to say comes first.
programs() {
	local from
	from=$(now)
	build_programs 2> >(grep --line-buffered -v '^go: downloading' >&2)
	step "packages and programs (the first time builds SPIRE: a quarter of an hour)"
	began=$from
	# The agent's user and the workload's may not look into this one's home.
	cp "$spire/spire-agent" "$work/spire-agent"
	agent=$work/spire-agent
	done_with
}

build_programs() {
	"$top/tools/need-packages.sh" demo
	local build=static
	[ "$TEE" != sample ] || build=static-sample
	sealpod=("$("$top/tools/build.sh" "$build")/agent/sealpod")
	GO=$("$top/tools/go.sh")
	export GO
	(cd "$top/tests/kbs" && "$GO" build -o "$top/build/kbs" ./cmd/kbs)
	[ "$TEE" = sample ] || (cd "$top/tests/tee" && "$GO" build -o "$top/build/tee" ./cmd/tee)
	[ "$TEE" = "${TEE#az-}" ] || (cd "$top/tests/tee/azure" && "$GO" build -o "$top/build/azure" ./cmd/azure)
	spire=$("$top/tests/spire/build.sh")
}

# What follows runs on the machine by entering its namespaces. Azure's has a network of
# its own, for the metadata service: server and broker must be in it, too.
machine() {
	local command=("$top/build/tee" --kind "$TEE")
	verifier=()
	network=()
	[ "$TEE" != sample ] || return 0
	step "emulated $tee_name, and its throw-away roots"
	verifier=(--roots "$work/tee-roots")
	quiet "$top/build/tee" --make-roots "$work/tee-roots"
	case $TEE in az-*) command=("$top/build/azure" --kind "${TEE#az-}") ;; esac
	in_background machine "${command[@]}" --roots "$work/tee-roots" -- sleep infinity
	wait_until 30 machine machine_runs
	case $TEE in az-*) network=(nsenter --net="/proc/$inside/ns/net" --) ;; esac
	sealpod=("${network[@]}" nsenter --mount="/proc/$inside/ns/mnt" -- "${sealpod[@]}")
	done_with
}

# Its command is started when everything is in place.
machine_runs() {
	local children
	children=$(cat "/proc/$last/task/"*/children 2>/dev/null)
	for inside in $children; do
		[ "$(cat "/proc/$inside/comm")" != sleep ] || return 0
	done
	return 1
}

# The operator's part: a CA for nodes, and this node's credential, one PEM.
credential() {
	step "x509pop CA and the node's credential (openssl)"
	mkdir -p "$work/pki" "$work/resources/default/x509pop" "$work/resources/default/spire"
	cd "$work/pki"
	quiet openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout ca.key -out ca.pem -days 1 \
		-subj '/CN=demo x509pop CA' -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
	quiet openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout node.key -out node.csr -subj /CN=demo-node
	printf '%s\n' basicConstraints=critical,CA:FALSE keyUsage=critical,digitalSignature >node.ext
	quiet openssl x509 -req -in node.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile node.ext -out node.pem
	cat node.key node.pem >"$work/resources/default/x509pop/agent"
	node_id=spiffe://$domain/spire/agent/x509pop/$(openssl x509 -in node.pem -outform DER | sha1sum | cut -d' ' -f1)
	done_with
}

quiet() {
	"$@" >"$work/quiet.log" 2>&1 || {
		cat "$work/quiet.log" >&2
		fail "'$1' failed: see above"
	}
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

spire_server() {
	port=$(free_port)
	step "SPIRE server on 127.0.0.1:$port"
	mkdir -p "$work/server"
	cat >"$work/server/server.json" <<END
{"server": {"bind_address": "127.0.0.1", "bind_port": "$port", "socket_path": "$work/server/api.sock",
  "trust_domain": "$domain", "data_dir": "$work/server", "log_level": "INFO", "ca_ttl": "24h",
  "default_x509_svid_ttl": "1h", "ratelimit": {"attestation": false}, "experimental": {"cache_reload_interval": "1s"}},
 "plugins": {
  "DataStore": [{"sql": {"plugin_data": {"database_type": "sqlite3", "connection_string": "$work/server/datastore.sqlite3"}}}],
  "KeyManager": [{"disk": {"plugin_data": {"keys_path": "$work/server/keys.json"}}}],
  "NodeAttestor": [{"x509pop": {"plugin_data": {"ca_bundle_path": "$work/pki/ca.pem"}}}]}}
END
	in_background spire-server "${network[@]}" "$spire/spire-server" run -config "$work/server/server.json"
	wait_until 30 spire-server server_answers
	done_with
}

server() { "$spire/spire-server" "$@" -socketPath "$work/server/api.sock"; }
server_answers() { server bundle show >"$work/resources/default/spire/bundle" 2>/dev/null; }

# The server's bundle is the second resource: the node must know whom to trust.
key_broker() {
	step "key broker (KBS) with credential and trust bundle, TLS on loopback"
	in_background kbs "${network[@]}" "$top/build/kbs" --tls "$work/kbs-ca.pem" --resource-dir "$work/resources" \
		--resource-policy "$top/demo/allow.rego" "${verifier[@]}"
	kbs=$last
	wait_until 10 kbs grep -qs '"url"' "$work/kbs.out"
	kbs_url=$(sed -n 's/.*"url":"\([^"]*\)".*/\1/p' "$work/kbs.out")
	done_with
}

registration() {
	step "registration entry: uid $workload_uid on this node is $workload_id"
	quiet server entry create -parentID "$node_id" -spiffeID "$workload_id" -selector "unix:uid:$workload_uid"
	done_with
}

configuration() {
	mkdir "$work/run" "$work/public"
	chown "$agent_uid" "$work/public"
	cat >"$work/sealpod.toml" <<END
[kbs]
url = "$kbs_url"
ca_file = "$work/kbs-ca.pem"
[credential]
pem = "kbs:///default/x509pop/agent"
[spire]
trust_domain = "$domain"
server_address = "127.0.0.1"
server_port = $port
trust_bundle = "kbs:///default/spire/bundle"
[agent]
path = "$agent"
version = "1.15.2"
$(if [ "$(id -u)" -eq 0 ]; then printf 'uid = %s\ngid = %s\n' "$agent_uid" "$agent_uid"; fi)
runtime_dir = "$work/run"
socket_path = "$work/public/api.sock"
[agent.settings.experimental]
sync_interval = "1s"
END
}

became_agent() { [ "$(readlink "/proc/$last/exe")" = "$agent" ]; }

run_sealpod() {
	step "sealpod run: attests (emulated), fetches, checks, becomes spire-agent"
	in_background sealpod "${sealpod[@]}" run --unmeasured-config "$work/sealpod.toml"
	wait_until 30 sealpod became_agent
	done_with
	step "the agent attests to the SPIRE server and opens its socket"
	wait_until 30 sealpod test -S "$work/public/api.sock"
	done_with
}

as_workload() {
	if [ "$(id -u)" -ne 0 ]; then "$@"; else setpriv --reuid "$workload_uid" --regid "$workload_uid" --clear-groups "$@"; fi
}

fetch() { as_workload "$agent" api fetch x509 -socketPath "$work/public/api.sock" -timeout 5s >"$work/svid" 2>&1; }

workload() {
	step "a workload of uid $workload_uid is given its X509-SVID"
	wait_until 30 sealpod fetch
	done_with
	grep -q "SPIFFE ID:.*$workload_id\$" "$work/svid" || fail "the workload was given something else: $(cat "$work/svid")"
}

show() {
	printf '\nWhat sealpod said:\n'
	grep '^sealpod: ' "$work/sealpod.log" | sed 's/^/    /'
	printf '\nWhat the workload got:\n'
	grep -E 'SPIFFE ID|SVID Valid' "$work/svid" | sed 's/^/    /'
	printf '\nWhat lies in the runtime directory, a tmpfs (no key among it: that is in a sealed memfd of the agent):\n'
	(cd "$work/run" && find . -type f -printf '    %M %U:%G %6s  %P\n')
	find "/proc/$last/fd" -printf '    fd %f -> %l\n' 2>/dev/null | grep memfd || true
	if [ "$TEE" = sample ]; then
		printf '\nThe attestation was emulated: no TEE was asked, and this proves nothing about this machine.\n'
	else
		printf '\nThe %s was emulated, its evidence signed by throw-away roots: this proves nothing about this machine.\n' "$tee_name"
	fi
}

# The broker is gone: sealpod tries again until its deadline, then says so.
broken() {
	step "the broker is stopped"
	kill "$kbs"
	wait "$kbs" 2>/dev/null || true
	done_with
	step "sealpod run, with a deadline of 5 s"
	local status=0
	"${sealpod[@]}" run --unmeasured-config "$work/sealpod.toml" --deadline 5s >"$work/sealpod.out" 2>"$work/sealpod.log" || status=$?
	done_with
	printf '\nWhat sealpod said:\n'
	sed 's/^/    /' "$work/sealpod.log"
	printf '\nIts exit status: %d (sealpod help exit-codes)\n' "$status"
	local left
	left=$(find "$work/run" -mindepth 1 | wc -l)
	printf '\nWhat it left in the runtime directory: %d files\n' "$left"
	[ "$(grep -c '^sealpod: error: ' "$work/sealpod.log")" -eq 1 ] || fail "the manual page promises one line of error here"
	tail -n 1 "$work/sealpod.log" | grep -q '^sealpod: error: .*gave up at the deadline.*: Connection refused$' ||
		fail "the manual page promises that refused connections are tried again until the deadline"
	[ "$left" -eq 0 ] || fail "the manual page promises that nothing is left"
	[ "$status" -eq 111 ] || fail "the manual page promises exit status 111 here"
}

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
make_work
programs
machine
credential
spire_server
key_broker
registration
configuration
if [ "${FAULT:-}" = kbs-down ]; then
	broken
else
	run_sealpod
	workload
	show
fi

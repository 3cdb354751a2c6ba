#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# agent_json_validate.sh AGENT_JSON: does the real spire-agent, named by
# SPIRE_AGENT, take the files that AGENT_JSON (the program) prints, and does it
# notice a key that it does not know in each section where it looks?
set -eu
agent_json=$1
[ -n "${SPIRE_AGENT:-}" ] || exit 77

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

validate() {
    "$SPIRE_AGENT" validate -config "$dir/agent.json" >"$dir/out" 2>&1
}

# The agent is of one version, and must take what is written for it, and what is
# written for any and for the oldest.
real=$("$SPIRE_AGENT" --version 2>&1 | sed -n 's/^v*\([0-9][0-9.]*\).*/\1/p' | head -n 1)
[ -n "$real" ] || { echo "cannot tell the agent's version" >&2; exit 1; }
for version in any 1.9.0 "$real"; do
    if [ "$version" = any ]; then
        "$agent_json" "$dir" >"$dir/agent.json"
    else
        "$agent_json" "$dir" "$version" >"$dir/agent.json"
    fi
    validate || { echo "refused (for version $version):" >&2; cat "$dir/out" "$dir/agent.json" >&2; exit 1; }
done

# The file is read as we think: a strange key in a section is found there.
for where in '"agent":{' '"health_checks":{' '"ratelimit":{'; do
    "$agent_json" "$dir" "$real" | sed "s/$where/&\"strange\":1,/" >"$dir/agent.json"
    grep -q strange "$dir/agent.json" || { echo "no $where in the file" >&2; exit 1; }
    if validate; then
        echo "a strange key in $where is not noticed" >&2
        exit 1
    fi
    grep -q 'unknown configuration detected' "$dir/out" || { cat "$dir/out" >&2; exit 1; }
done
# Sections that the agent reads without looking for strange keys: by a value.
for edit in 's/"sync_interval":"[^"]*"/"sync_interval":"soon"/' \
    's/"disable_spiffe_cert_validation":true/"disable_spiffe_cert_validation":"true"/'; do
    "$agent_json" "$dir" "$real" | sed "$edit" >"$dir/agent.json"
    if validate; then
        echo "not noticed: $edit" >&2
        exit 1
    fi
done
echo "spire-agent $real takes agent.json"

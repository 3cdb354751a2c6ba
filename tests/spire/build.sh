#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the real SPIRE server and agent, as pinned by go.mod and go.sum here,
# once per content, and prints the directory that holds them.
#
# SPIRE_SERVER and SPIRE_AGENT (both) name binaries that are there already.
# A cold build costs about 14 minutes of two cores.
set -eu
cd "$(dirname "$0")"

cache="${XDG_CACHE_HOME:-$HOME/.cache}/sealpod"
if [ -n "${SPIRE_SERVER:-}" ] && [ -n "${SPIRE_AGENT:-}" ]; then
    key=$(printf '%s\n' "$SPIRE_SERVER" "$SPIRE_AGENT" | sha256sum | cut -c1-16)
    dir="$cache/spire-given-$key"
    mkdir -p "$dir"
    ln -sfn "$SPIRE_SERVER" "$dir/spire-server"
    ln -sfn "$SPIRE_AGENT" "$dir/spire-agent"
    echo "$dir"
    exit 0
fi

GO=${GO:-go}
key=$(cat go.mod go.sum build.sh | sha256sum | cut -c1-16)
dir="$cache/spire-$key"
if [ ! -x "$dir/spire-agent" ] || [ ! -x "$dir/spire-server" ]; then
    echo "building the SPIRE server and agent (once; about 14 minutes on two cores)" >&2
    mkdir -p "$cache"
    tmp=$(mktemp -d "$cache/spire-build.XXXXXX")
    trap 'rm -rf "$tmp"' EXIT
    # CGO must be on for the server (sqlite) and would only cost the agent its
    # static linking, so one setting serves both and they share compiled packages.
    GOBIN="$tmp" CGO_ENABLED=1 "$GO" install -trimpath \
        -ldflags="-s -w -X github.com/spiffe/spire/pkg/common/version.gittag=1.15.2" \
        github.com/spiffe/spire/cmd/spire-agent \
        github.com/spiffe/spire/cmd/spire-server >&2
    rm -rf "$dir"
    chmod 0755 "$tmp"
    mv "$tmp" "$dir"
    trap - EXIT
fi
echo "$dir"

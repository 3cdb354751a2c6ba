#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the real spiffe-helper, as pinned by go.mod and go.sum here, once per
# content, and prints the directory that holds it. SPIFFE_HELPER names a binary
# that is there already.
set -eu
cd "$(dirname "$0")"

cache="${XDG_CACHE_HOME:-$HOME/.cache}/sealpod"
if [ -n "${SPIFFE_HELPER:-}" ]; then
    key=$(printf '%s\n' "$SPIFFE_HELPER" | sha256sum | cut -c1-16)
    dir="$cache/spiffe-helper-given-$key"
    mkdir -p "$dir"
    ln -sfn "$SPIFFE_HELPER" "$dir/spiffe-helper"
    echo "$dir"
    exit 0
fi

GO=${GO:-go}
key=$(cat go.mod go.sum build.sh | sha256sum | cut -c1-16)
dir="$cache/spiffe-helper-$key"
if [ ! -x "$dir/spiffe-helper" ]; then
    echo "building spiffe-helper (once; about a minute)" >&2
    mkdir -p "$cache"
    tmp=$(mktemp -d "$cache/spiffe-helper-build.XXXXXX")
    trap 'rm -rf "$tmp"' EXIT
    GOBIN="$tmp" CGO_ENABLED=0 "$GO" install -trimpath -ldflags="-s -w" \
        github.com/spiffe/spiffe-helper/cmd/spiffe-helper >&2
    rm -rf "$dir"
    chmod 0755 "$tmp"
    mv "$tmp" "$dir"
    trap - EXIT
fi
echo "$dir"

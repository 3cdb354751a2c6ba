# SPDX-License-Identifier: Apache-2.0
# Fetches Debian source packages through an apt of our own: own lists, own sources, the machine's proxy and mirror.
# The mirror controls what it serves; apt checks it against the index that Debian signed, and the pin checks it once more.
# Must never touch the machine's own lists, and never hand out a package that neither the pin nor the signed index vouches for.

keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# Prints "main" or "security" and the address that this machine's apt uses for it. A fresh debootstrap knows no security archive;
# where main ends in /debian, its usual neighbour is tried ("guess").
machine_mirrors() {
    apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Identifier: Packages' | awk '
        $2 ~ /^cdrom:/ { next }
        $1 ~ /(-security|\/updates)$/ { if (!sec++) print "security", $2; next }
        $1 ~ /^(bookworm|trixie|forky|sid|oldstable|stable|testing|unstable)$/ { if (!main++) print "main", uri = $2 }
        END { if (!sec && sub(/\/debian\/?$/, "/debian-security/", uri)) print "guess", uri }'
}

# A private apt directory with deb-src lines for the suites of the lock. Fetching the lists takes seconds, so only when a source is missing.
private_apt() {
    local dir=$1 suite kind uri
    [ -e "$dir/ready" ] && return 0
    rm -rf "$dir"
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/get"
    [ -r "$keyring" ] || die "no Debian keyring at '$keyring'; install debian-archive-keyring"
    while read -r kind uri; do
        for suite in $(awk '!/^#/ && NF { print $2 }' "$lock" | sort -u); do
            [ "$kind" = main ] || suite=$suite-security
            echo "deb-src [signed-by=$keyring] $uri $suite main # $kind"
        done
    done < <(machine_mirrors) >"$dir/sources.list"
    [ -s "$dir/sources.list" ] || die "apt on this machine has no Debian archive configured (apt-get indextargets shows none)"
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
    say "fetching the indexes of Debian's source packages"
    update_lists "$dir" || die "cannot fetch the source indexes: see above; is the network up?"
    touch "$dir/ready"
}

# Every list or failure; only a guessed archive may be missing.
update_lists() {
    local update=(env APT_CONFIG="$1/apt.conf" apt-get -q update -o APT::Update::Error-Mode=any)
    "${update[@]}" >&2 && return 0
    grep -q '# guess$' "$1/sources.list" || return 1
    say "no security archive beside this machine's mirror; going on without"
    sed -i '/# guess$/d' "$1/sources.list"
    "${update[@]}" >&2
}

# Versions of a source package that the signed indexes know, newest first.
known_versions() {
    APT_CONFIG=$1/apt.conf apt-cache showsrc --only-source "$2" | awk '$1 == "Version:" { print $2 }' | sort -rVu
}

# Downloads one version into the source cache; fails quietly, since an index may name what the mirror no longer holds.
download() {
    local dir=$1 name=$2 version=$3
    rm -rf "$dir/get"
    mkdir -p "$dir/get" "$sources"
    (cd "$dir/get" && APT_CONFIG=$dir/apt.conf apt-get -q source --download-only --only-source "$name=$version") >"$dir/get.log" 2>&1 || return 1
    mv -f "$dir"/get/* "$sources/"
}

# The .dsc file name leaves out the epoch.
dsc_path() { echo "$sources/$1_${2#*:}.dsc"; }
has_hash() { echo "$2  $1" | sha256sum -c --status 2>/dev/null; }

# Prints the path of the .dsc to build: the pinned one, or an announced newer revision of the same series.
fetch_source() {
    local name=$1 version hash dsc
    version=$(lock_field "$name" 3) hash=$(lock_field "$name" 4) dsc=$(dsc_path "$name" "$version")
    if ! has_hash "$dsc" "$hash"; then
        private_apt "$partial/.apt"
        if ! download "$partial/.apt" "$name" "$version"; then
            fetch_newer "$partial/.apt" "$name" "$version"
            return
        fi
        has_hash "$dsc" "$hash" || die "'$dsc' is not what deps.lock pins (sha256 '$hash'): do not build it; find out who changed which"
    fi
    echo "$dsc"
}

fetch_newer() {
    local dir=$1 name=$2 pinned=$3 series candidate
    series=$(lock_field "$name" 5)
    for candidate in $(known_versions "$dir" "$name"); do
        [[ $candidate == "$series"* ]] && dpkg --compare-versions "$candidate" gt "$pinned" || continue
        download "$dir" "$name" "$candidate" || continue
        say "NOTE: $name $pinned is gone from the mirror; taking $candidate, which deps.lock does not pin"
        dsc_path "$name" "$candidate"
        return
    done
    tail -5 "$dir/get.log" >&2
    die "the mirror serves neither $name $pinned nor a newer revision of $series*"
}

# The lock with the newest revision that can be had, to be read before it is committed.
bump_lock() {
    local line name suite version hash series candidate
    partial=$cache/bump.$$
    trap 'rm -rf "$partial"' EXIT
    private_apt "$partial/.apt"
    while IFS= read -r line; do
        read -r name suite version hash series <<<"$line"
        [[ $line == '#'* || -z $name ]] && { printf '%s\n' "$line"; continue; }
        for candidate in $(known_versions "$partial/.apt" "$name"); do
            [[ $candidate == "$series"* ]] || continue
            if ! download "$partial/.apt" "$name" "$candidate"; then
                say "$name $candidate is in the index, but the mirror does not serve it"
                continue
            fi
            hash=$(sha256sum "$(dsc_path "$name" "$candidate")" | cut -d' ' -f1)
            [ "$candidate" = "$version" ] || say "$name: $version -> $candidate"
            version=$candidate
            break
        done
        printf '%-10s %-7s %-18s %s  %s\n' "$name" "$suite" "$version" "$hash" "$series"
    done <"$lock"
}

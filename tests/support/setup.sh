#!/bin/bash
# Installs what the named sets need and this machine lacks (Debian 12 or later), nothing else:
#
#   setup.sh build        compiler and libraries
#   setup.sh test         test tools, Java and Maven for a real Kafka node
#   setup.sh lint         clang tools, cppcheck, mandoc, ...
#
# As another user than root it uses sudo without a password, or prints the command and exits 1.
set -euo pipefail

build=(gcc libc6-dev make pkg-config ca-certificates librdkafka-dev libpcre2-dev libsqlite3-dev libevent-dev libinih-dev
       libxxhash-dev uthash-dev libcurl4-openssl-dev libmimalloc-dev libyaml-dev)
test=(libcmocka-dev python3 python3-confluent-kafka python3-pytest python3-jsonschema python3-yaml kcat jq sqlite3 util-linux
      openjdk-17-jre-headless maven mandoc unicode-data)
lint=(clang libclang-rt-dev clang-format clang-tidy cppcheck universal-ctags shellcheck mandoc valgrind gcovr)

[ $# -gt 0 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 64; }
wanted=()
for set in "$@"; do
    case $set in
    build) wanted+=("${build[@]}") ;;
    test) wanted+=("${test[@]}") ;;
    lint) wanted+=("${lint[@]}") ;;
    *) echo "setup.sh: no set is called $set (build, test, lint)" >&2; exit 64 ;;
    esac
done

missing=()
if command -v dpkg-query >/dev/null; then
    installed=$(dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n' 2>/dev/null | awk '$2 == "ii" { print $1 }')
    for package in "${wanted[@]}"; do
        grep -qx -- "$package" <<<"$installed" || missing+=("$package")
    done
else
    # Not Debian: look for the things themselves and name what is not there.
    for tool in gcc make pkg-config; do command -v $tool >/dev/null || missing+=("$tool"); done
    for module in rdkafka libpcre2-8 sqlite3 libevent inih libxxhash libcurl yaml-0.1; do
        pkg-config --exists $module 2>/dev/null || missing+=("$module")
    done
    [ ${#missing[@]} -eq 0 ] && exit 0
    echo "setup.sh: this is no Debian; install these yourself: ${missing[*]}" >&2
    exit 1
fi
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
command="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        as_root=(sudo -n)
    else
        echo "setup.sh: these packages are missing; run as root:" >&2
        echo "    $command" >&2
        exit 1
    fi
fi
echo "installing: ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
for try in 1 2 3; do # a mirror may fail for a moment
    if "${as_root[@]}" apt-get update -q -o Acquire::Retries=3 >&2 &&
        "${as_root[@]}" apt-get install -y -q --no-install-recommends -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 \
            "${missing[@]}" >&2; then
        exit 0
    fi
    echo "setup.sh: attempt $try failed" >&2
done
echo "setup.sh: could not install; the command was: $command" >&2
exit 1

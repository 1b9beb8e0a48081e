#!/usr/bin/env bash
# Installs what the tests need, runs them, and counts.
#
#   tools/test.sh                 all parts
#   tools/test.sh unit pep8       these parts
#
# Parts: pep8, docs, releasenotes, api-ref, samples, unit, functional,
# integration. Distribution packages that are missing (bindep.txt, profile
# "test") are installed where this runs as root; everything else is kept below
# .test. The last line is "N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
. tools/python.sh

all=(pep8 docs releasenotes api-ref samples unit functional integration)
parts=("$@")
[ $# -gt 0 ] || parts=("${all[@]}")
for part in "${parts[@]}"; do
    case " ${all[*]} " in
        *" $part "*) ;;
        *) sed -n '2,11s/^# \?//p' "$0" >&2; exit 2 ;;
    esac
done

work=$PWD/.test
venv=$work/venv
mkdir -p "$work"
trap 'exit 130' INT TERM

say() { printf '\n=== %s\n' "$*"; }

install_tools() {
    local tools=(bindep stestr subunit-stats tox) tool missing=
    for tool in "${tools[@]}"; do
        "$venv/bin/$tool" --help >/dev/null 2>&1 || missing=1
    done
    [ "$missing" ] || return 0
    say "tox and bindep, in $venv"
    "$python" -m venv --clear "$venv" &&
        "$venv/bin/python" -m pip install -q --disable-pip-version-check bindep python-subunit stestr tox
}

install_packages() {
    local missing
    missing=$("$venv/bin/bindep" -b test) && return
    say "distribution packages: ${missing//$'\n'/ }"
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "Install them, please: $missing" >&2
        return 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq &&
        # Services that a package brings are not started: tests start theirs.
        RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $missing >"$work/apt.log" 2>&1 ||
        { tail -20 "$work/apt.log"; return 1; }
}

passed=0 failed=0 skipped=0
broken=()

# Where stestr records a part.
results() { echo "$work/results/$1"; }

# Adds what stestr has recorded of a part, which ended with this status.
count() {
    local part=$1 status=$2 name number stats
    local -A of=()
    stats=$("$venv/bin/stestr" --repo-url "$(results "$part")" last --subunit 2>/dev/null |
        "$venv/bin/subunit-stats" 2>/dev/null)
    while IFS=: read -r name number; do
        of[${name%% *}]=${number//[^0-9]/}
    done <<<"$stats"
    if [ "${of[Total]:-0}" -eq 0 ]; then
        echo "$part: no test has run"
        failed=$((failed + 1)) broken+=("$part")
        return
    fi
    passed=$((passed + ${of[Passed]:-0}))
    failed=$((failed + ${of[Failed]:-0}))
    skipped=$((skipped + ${of[Skipped]:-0}))
    if [ "$status" -ne 0 ]; then
        broken+=("$part")
        # A worker that died has failed, though none of its tests says so.
        [ "${of[Failed]:-0}" -gt 0 ] || failed=$((failed + 1))
    fi
}

run() {
    local part=$1 envs=$1 status=0 started=$SECONDS
    case $part in
        unit) envs=py3 ;;
        samples) envs=genconfig,genpolicy ;;
    esac
    say "$part"
    rm -rf "$(results "$part")"
    mkdir -p "$(results "$part")"
    TOX_PYTHON=$python STESTR_REPOSITORY=$(results "$part") \
        "$venv/bin/tox" run -q --workdir "$work/tox" -e "$envs" || status=$?
    case $part in
        unit | functional | integration) count "$part" $status ;;
        *)
            if [ $status -eq 0 ]; then passed=$((passed + 1)); else
                failed=$((failed + 1)) broken+=("$part")
            fi ;;
    esac
    echo "$part: $((SECONDS - started)) s"
}

install_tools || { echo "0 passed, 1 failed"; exit 1; }
case " ${parts[*]} " in
    *" integration "*) install_packages || failed=$((failed + 1)) broken+=(bindep) ;;
esac
for part in "${parts[@]}"; do run "$part"; done

say "${broken[*]:+broken: ${broken[*]}; }$SECONDS s in all"
if [ $skipped -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ $failed -eq 0 ] && [ $passed -gt 0 ]

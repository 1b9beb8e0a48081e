#!/usr/bin/env bash
# Installs what the tests need, runs them, and counts.
#
#   tools/test.sh                 all parts
#   tools/test.sh unit pep8       these parts
#
# Parts: unit, functional, integration, pep8, docs, releasenotes, api-ref.
# Distribution packages that are missing (bindep.txt, profile "test") are
# installed where this runs as root; everything else is kept below .test and
# .tox. The last line is "N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
. tools/python.sh

parts=("$@")
[ $# -gt 0 ] || parts=(pep8 docs releasenotes api-ref unit functional integration)
for part in "${parts[@]}"; do
    case $part in
        unit | functional | integration | pep8 | docs | releasenotes | api-ref) ;;
        *) sed -n '2,11s/^# \?//p' "$0" >&2; exit 2 ;;
    esac
done

work=$PWD/.test
venv=$work/venv
mkdir -p "$work"

say() { printf '\n=== %s\n' "$*"; }

install_tools() {
    [ -x "$venv/bin/tox" ] && [ -x "$venv/bin/bindep" ] && return
    say "tox and bindep, in $venv"
    # A machine without the venv module's pip has no ensurepip: say so.
    "$python" -m venv "$venv" &&
        "$venv/bin/pip" install -q --disable-pip-version-check tox bindep python-subunit
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

# Adds what stestr has recorded of a part.
count() {
    local part=$1 env=$2 ok=$3 line name number stats
    stats=$("$PWD/.tox/$env/bin/stestr" last --subunit 2>/dev/null | "$venv/bin/subunit-stats" 2>/dev/null)
    local -A of=()
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
    if [ "$ok" -ne 0 ]; then
        broken+=("$part")
        # A worker that died has failed, though none of its tests says so.
        [ "${of[Failed]:-0}" -gt 0 ] || failed=$((failed + 1))
    fi
}

run() {
    local part=$1 env=$1 status=0 started=$SECONDS
    [ "$part" = unit ] && env=py3
    say "$part"
    rm -rf .stestr
    TOX_PYTHON=$python "$venv/bin/tox" run -q -e "$env" || status=$?
    case $part in
        unit | functional | integration) count "$part" "$env" $status ;;
        *)
            if [ $status -eq 0 ]; then passed=$((passed + 1)); else
                failed=$((failed + 1)) broken+=("$part")
            fi ;;
    esac
    echo "$part: $((SECONDS - started)) s"
}

install_tools || { echo "0 passed, 1 failed"; exit 1; }
case " ${parts[*]} " in
    *" integration "*) install_packages || failed=$((failed + 1)) ;;
esac
for part in "${parts[@]}"; do run "$part"; done

say "${broken[*]:+broken: ${broken[*]}; }$SECONDS s in all"
if [ $skipped -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ $failed -eq 0 ] && [ $passed -gt 0 ]

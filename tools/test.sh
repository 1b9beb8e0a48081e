#!/usr/bin/env bash
# Installs what the tests need, runs them, and counts.
#
#   tools/test.sh                 all parts
#   tools/test.sh unit pep8       these parts
#
# Parts: pep8, functional, unit, lower-constraints, docs, samples,
# releasenotes, api-ref, integration. Two run at a time; integration, which has
# workers of its own, runs last and alone. Distribution packages that are
# missing (bindep.txt, profile "test") are installed where this runs as root;
# everything else is kept below .test, the output of each part in .test/output.
# The last line is "N passed, N failed".
set -uo pipefail
# Each background job gets a process group, which stop() signals.
set -m
cd "$(dirname "$0")/.." || exit 1
. tools/python.sh

all=(pep8 functional unit lower-constraints docs samples releasenotes api-ref integration)
parts=("$@")
[ $# -gt 0 ] || parts=("${all[@]}")
for part in "${parts[@]}"; do
    case " ${all[*]} " in
        *" $part "*) ;;
        *) sed -n '2,12s/^# \?//p' "$0" >&2; exit 2 ;;
    esac
done

work=$PWD/.test
venv=$work/venv
output=$work/output
mkdir -p "$output"

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
    missing=$("$venv/bin/bindep" -b test)
    # Not in bindep.txt: other packages of nodejs than Debian's have npm inside.
    command -v npm >/dev/null || missing+=" npm"
    [ "$missing" ] || return 0
    echo "distribution packages: ${missing//$'\n'/ }"
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "Install them, please: $missing" >&2
        return 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    # Services that a package brings are not started: tests start theirs.
    apt-get update -qq &&
        RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $missing
}

# Installs what integration needs, while other parts run.
prepare() {
    install_packages && tools/build-web.sh && tox_run integration --notest
}

# tox_run ENVIRONMENTS ARGUMENT...
tox_run() {
    TOX_PYTHON=$python "$venv/bin/tox" run -q --workdir "$work/tox" -e "$@"
}

# Where stestr records a part.
results() { echo "$work/results/$1"; }

run() {
    local part=$1 envs=$1
    case $part in
        prepare) prepare; return ;;
        unit) envs=py3 ;;
        samples) envs=genconfig,genpolicy ;;
    esac
    rm -rf "$(results "$part")"
    mkdir -p "$(results "$part")"
    STESTR_REPOSITORY=$(results "$part") tox_run "$envs"
}

passed=0 failed=0 skipped=0
broken=()

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

# Process id -> part; part -> when it began, in seconds; part -> its duration.
declare -A running=() began=() took=()
ended=()

start() {
    local part=$1
    say "$part runs: .test/output/$part"
    began[$part]=$SECONDS
    run "$part" >"$output/$part" 2>&1 </dev/null &
    running[$!]=$part
}

# Prints the tests of a part that have failed, each with the end of its
# traceback. It comes last, as some CI systems keep only the end of a log.
failures() {
    "$venv/bin/stestr" --repo-url "$(results "$1")" last 2>/dev/null | awk '
        /output below:$/ { on = 1; next }
        !on { next }
        /^-+$/ { n--; show(); name = previous }
        /^Captured / { traceback = /traceback/; next }
        /^Totals$/ { show(); exit }
        traceback && NF && !/^[~=]+$/ { lines[++n] = $0 }
        { previous = $0 }
        function show(    i) {
            if (name) print name
            for (i = n > 6 ? n - 5 : 1; name && i <= n; i++) print "    " lines[i]
            n = traceback = 0
        }'
}

# Waits for one of the parts that run, and reports it.
finish() {
    local pid status=0 part
    wait -n -p pid "${!running[@]}" || status=$?
    part=${running[$pid]}
    unset "running[$pid]"
    took[$part]=$((SECONDS - began[$part]))
    ended+=("$part")
    if [ $status -ne 0 ]; then
        say "$part: failed, ${took[$part]} s; its output:"
        cat "$output/$part"
    else
        say "$part: passed, ${took[$part]} s; its output ends:"
        case $part in
            unit | functional | lower-constraints | integration) sed -n '/^Totals$/,$p' "$output/$part" ;;
            *) tail -n 3 "$output/$part" ;;
        esac
    fi
    case $part in
        unit | functional | lower-constraints | integration) count "$part" $status ;;
        *)
            if [ $status -ne 0 ]; then
                failed=$((failed + 1)) broken+=("$part")
            elif [ "$part" != prepare ]; then
                passed=$((passed + 1))
            fi ;;
    esac
}

# Ends the parts that run. The programs that tests start have sessions of their
# own; the test runners end them, and get 30 seconds for it.
stop() {
    local pid
    trap "" HUP INT TERM
    for pid in "${!running[@]}"; do kill -INT -- "-$pid" 2>/dev/null; done
    for _ in $(seq 300); do
        for pid in "${!running[@]}"; do
            kill -0 -- "-$pid" 2>/dev/null || unset "running[$pid]"
        done
        [ ${#running[@]} -gt 0 ] || break
        sleep 0.1
    done
    for pid in "${!running[@]}"; do kill -KILL -- "-$pid" 2>/dev/null; done
    exit 130
}
trap stop HUP INT TERM

install_tools || { echo "0 passed, 1 failed"; exit 1; }

quick=() last=
for part in "${parts[@]}"; do
    if [ "$part" = integration ]; then last=$part; else quick+=("$part"); fi
done
for part in ${last:+prepare} ${quick[@]+"${quick[@]}"}; do
    [ ${#running[@]} -lt 2 ] || finish
    start "$part"
done
while [ ${#running[@]} -gt 0 ]; do finish; done
if [ "$last" ]; then
    start integration
    finish
    say "the slowest tests of integration"
    "$venv/bin/stestr" --repo-url "$(results integration)" slowest --all | head -n 17
fi

say "seconds"
for part in "${ended[@]}"; do printf '%-12s %5d\n' "$part" "${took[$part]}"; done
printf '%-12s %5d\n' "in all" $SECONDS
if [ ${#broken[@]} -gt 0 ]; then
    say "broken: ${broken[*]}"
    for part in "${broken[@]}"; do failures "$part"; done
fi
echo
if [ $skipped -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ $failed -eq 0 ] && [ $passed -gt 0 ]

# To be sourced: sets $python to an interpreter that the package supports and,
# in a copy without .git, the version, which pbr would ask git for.
python=
for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11; do
    [ -n "$candidate" ] || continue
    if "$candidate" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$(command -v "$candidate")
        break
    fi
done
if [ -z "$python" ]; then
    echo "Python 3.11 or newer with the venv module is required." >&2
    exit 1
fi
if ! { [ -e .git ] && git rev-parse -q --verify HEAD >/dev/null 2>&1; }; then
    PBR_VERSION=${PBR_VERSION:-$(sed -n 's/^version = //p' setup.cfg)}
    export PBR_VERSION
fi

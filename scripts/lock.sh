#!/usr/bin/env bash
# Compiles both locks for Linux x86-64 and the image's Python, with hashes, and measures what they cost to download.
# Usage: scripts/lock.sh [--upgrade]
set -euo pipefail
cd "$(dirname "$0")/.."
UV=${UV:-uv}
PYTHON=${PYTHON:-python3}
PYTHON_VERSION=${PYTHON_VERSION:-3.11}

compile() { # INPUT OUTPUT FORMAT [uv's arguments]
    local input=$1 output=$2
    shift 2
    "$UV" pip compile "$input" --output-file "$output" --quiet \
        --python-version "$PYTHON_VERSION" --python-platform x86_64-manylinux_2_28 \
        --only-binary :all: --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" "$@"
}

compile requirements.in requirements.txt --generate-hashes --no-annotate --overrides runtime_overrides.txt "$@"
compile runtime_requirements.in runtime_requirements.txt --generate-hashes --no-annotate \
    --overrides runtime_overrides.txt "$@"

# The same resolution once more in the format that knows sizes; that one names addresses, so it is not kept.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for lock in requirements runtime_requirements; do
    "$UV" pip compile "$lock.txt" --output-file "$scratch/pylock.$lock.toml" --format pylock.toml --quiet --no-deps \
        --python-version "$PYTHON_VERSION" --python-platform x86_64-manylinux_2_28 --only-binary :all:
done
"$PYTHON" scripts/lock_sizes.py "$scratch/pylock.requirements.toml" "$scratch/pylock.runtime_requirements.toml"

if grep -nE 'https?://' requirements.txt runtime_requirements.txt; then
    echo "A lock names an address; it must hold versions and hashes only." >&2
    exit 1
fi

#!/usr/bin/env bash
# Builds layer 2 on a volume by hand: the environment and the models, with progress. Run it on a Pod that has the volume.
#
# Usage: scripts/setup_runtime.sh [ROOT]     ROOT: directory on the volume (default /workspace/f5tts, else /runpod-volume/f5tts)
# Any number of these and of workers may run at once; killing one at any moment does no harm.
set -euo pipefail
cd "$(dirname "$0")/.."

root=${1:-}
if [ -z "$root" ]; then
    for mount in /workspace /runpod-volume; do
        if [ -d "$mount" ]; then root=$mount/f5tts; break; fi
    done
fi
if [ -z "$root" ]; then
    echo "No volume at /workspace or /runpod-volume. Name a directory on it: $0 /mnt/volume/f5tts" >&2
    exit 2
fi

if command -v f5-serverless >/dev/null; then
    exec f5-serverless setup --root "$root"
fi
# A bare Pod: a small Python with uv is all that is needed.
python=${PYTHON:-python3.11}
command -v "$python" >/dev/null || { echo "$python is not installed; the environment needs the image's Python version." >&2; exit 2; }
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"$python" -m venv "$tools/venv"
"$tools/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$(grep -oE '^uv==[^ ]+' requirements.txt)"
F5_VOLUME_ROOT=$root F5_RUNTIME_LOCK=$PWD/runtime_requirements.txt PYTHONPATH=src \
    "$tools/venv/bin/python" -m f5_serverless.runtime.enter

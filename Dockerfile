# Layer 1: what starts a worker. Slim Python, the RunPod SDK, boto3, uv, PyAV, the preview engine and this package; no torch.
# The ML environment (layer 2) and the models live on the network volume and are put there by the first worker.
ARG PYTHON_VERSION=3.11

# ---------------------------------------------------------------------------------------------------------------- build
FROM python:${PYTHON_VERSION}-slim AS build

# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends binutils \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/f5
COPY requirements.txt ./
# The machine's own index and certificates, where it has any, come as a secret and are not written into a layer.
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf,required=false \
    python -m venv --without-pip venv \
    && pip --python venv/bin/python install --no-cache-dir --no-compile --disable-pip-version-check \
        --require-hashes --no-deps --only-binary :all: --requirement requirements.txt

COPY scripts/trim_site_packages.sh ./scripts/
RUN sh scripts/trim_site_packages.sh venv/lib/python*/site-packages && rm -r scripts requirements.txt

COPY src/f5_serverless ./lib/f5_serverless
COPY handler.py runtime_requirements.txt runtime_requirements.json LICENSE ./
# Bytecode for what a worker really imports: the worker's user cannot write here, and would compile at every start.
RUN PYTHONPATH=lib venv/bin/python -m f5_serverless.runtime.selftest --imports \
    && venv/bin/python -m compileall -q lib handler.py

# -------------------------------------------------------------------------------------------------------------- runtime
FROM python:${PYTHON_VERSION}-slim

LABEL org.opencontainers.image.title="f5-serverless" \
      org.opencontainers.image.description="Voice cloning with the time of every word, on RunPod Serverless" \
      org.opencontainers.image.licenses="MIT"

# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends fonts-dejavu-core tini zstd \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/* \
    && python -m compileall -q -x '/(test|tests|idlelib|lib2to3|ensurepip|turtledemo|site-packages|dist-packages)/' \
        "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
    && useradd --uid 1000 --user-group --create-home f5 \
    && install --directory --owner=f5 --group=f5 /var/lib/f5-serverless

COPY --from=build /opt/f5 /opt/f5
COPY scripts/f5-serverless /usr/local/bin/

ENV PATH=/opt/f5/venv/bin:$PATH \
    PYTHONPATH=/opt/f5/lib \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    RUNPOD_LOG_LEVEL=INFO \
    F5_LOCAL_DIR=/var/lib/f5-serverless \
    F5_OUTPUT_DIR=/var/lib/f5-serverless/out \
    F5_RUNTIME_LOCK=/opt/f5/runtime_requirements.txt

USER 1000:1000
WORKDIR /opt/f5
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 CMD ["python", "-m", "f5_serverless.runtime.health"]
ENTRYPOINT ["/usr/bin/tini", "-g", "--"]
CMD ["python", "/opt/f5/handler.py"]

# Everything but serving: `gaterank run`, `train`, `ingest`, `score` and their like.
#
#   docker build -f deployment/images/train.Dockerfile -t gaterank-train .
#   docker build -f deployment/images/train.Dockerfile --target train-gpu -t gaterank-train-gpu .
#   docker run -v "$PWD/data:/data" gaterank-train run /data/ranker.yaml --workspace /data/workspace

FROM python:3.11.14-slim-bookworm@sha256:65a93d69fa75478d554f4ad27c85c1e69fa184956261b4301ebaf6dbb0a3543d AS base
ENV HOME=/tmp MPLCONFIGDIR=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1

FROM base AS build
WORKDIR /opt/gaterank
RUN python3.11 -m venv .
COPY requirements.lock source/
# The headers that are removed are for those who compile operations of their own.
RUN bin/python -m pip install --quiet --no-cache-dir --no-compile --no-deps --require-hashes \
        -r source/requirements.lock \
    && rm -r lib/python3.11/site-packages/tensorflow/include
COPY . source/
# The file system is read-only later; Beam takes 3 s to import when compiled and 11 s when not.
RUN bin/python -m pip install --quiet --no-cache-dir --no-compile --no-deps --no-build-isolation ./source \
    && rm -r source \
    && { bin/python -m compileall -q lib >/dev/null || true; }

FROM build AS build-gpu
COPY deployment/images/cuda.lock source/
RUN bin/python -m pip install --quiet --no-cache-dir --no-compile --no-deps --require-hashes \
        -r source/cuda.lock && rm -r source

FROM base AS train-gpu
LABEL org.opencontainers.image.title="gaterank train, GPUs" org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build-gpu /opt/gaterank /opt/gaterank
WORKDIR /tmp
USER 65532:65532
ENTRYPOINT ["/opt/gaterank/bin/gaterank"]
CMD ["--help"]

FROM base AS train
LABEL org.opencontainers.image.title="gaterank train" org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/gaterank /opt/gaterank
WORKDIR /tmp
USER 65532:65532
ENTRYPOINT ["/opt/gaterank/bin/gaterank"]
CMD ["--help"]

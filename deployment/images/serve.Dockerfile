# `gaterank serve` and what it imports, for every folder of numbered versions:
#
#   docker build -f deployment/images/serve.Dockerfile -t gaterank-serve .
#   docker run --read-only --tmpfs /tmp -v "$PWD/demo/workspace/serving/demo:/models/ranker:ro" \
#       -p 127.0.0.1:8501:8501 -p 127.0.0.1:8500:8500 gaterank-serve

FROM python:3.11.14-slim-bookworm@sha256:65a93d69fa75478d554f4ad27c85c1e69fa184956261b4301ebaf6dbb0a3543d AS base
ENV HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1

FROM base AS build
WORKDIR /opt/gaterank
RUN python3.11 -m venv .
COPY requirements.lock deployment/images/choose_lock.py deployment/images/serve.packages source/
RUN bin/python source/choose_lock.py source/requirements.lock source/serve.packages > source/serve.lock
# The headers that are removed are for those who compile operations of their own.
RUN bin/python -m pip install --quiet --no-cache-dir --no-compile --no-deps --require-hashes \
        -r source/serve.lock \
    && rm -r lib/python3.11/site-packages/tensorflow/include
COPY . source/
# The file system is read-only later: what is not compiled here is compiled at every start.
RUN bin/python -m pip install --quiet --no-cache-dir --no-compile --no-deps --no-build-isolation ./source \
    && rm -r source \
    && bin/python -m pip uninstall --quiet --yes setuptools wheel pip \
    && { bin/python -m compileall -q lib >/dev/null || true; }

FROM base AS serve
LABEL org.opencontainers.image.title="gaterank serve" org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/gaterank /opt/gaterank
WORKDIR /tmp
USER 65532:65532
EXPOSE 8500 8501
ENTRYPOINT ["/opt/gaterank/bin/gaterank", "serve"]
CMD ["/models/ranker", "--host", "0.0.0.0", "--no-reload-requests"]

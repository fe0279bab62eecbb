# Two commands do everything: `make demo` runs the main job, `make test` runs the tests.
# Both make .venv first, from the hashed lock; python3.11, make and git are all they need.

.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python
DEMO ?= demo
IMPRESSIONS ?= 80000
PRESET ?= presets/demo.yaml
ENGINE ?= spark
AIRFLOW := build/airflow/venv
SUPPLY := build/supply_chain/venv
# A file's tests share costly fixtures, so a file stays with one worker. There are more workers
# than cores, for they often wait for processes that they have started.
WORKERS ?= $(shell echo $$(( $$(nproc) < 4 ? $$(nproc) + 1 : 4 )))
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist=loadfile --durations=15

.PHONY: help demo test test-fast test-long engine-test airflow-demo validate-deployment experiment \
	bench pictures sbom licences audit lint types check lock airflow-lock supply-lock clean

help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(READY): requirements.lock setup.py
	python3.11 -m venv $(VENV)
	# uv comes by its own lines of the lock. It takes a tenth of pip's time, but does not know
	# the mirrors of a pip.conf: where it fails, pip does the same.
	sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > $(VENV)/uv.lock
	$(PIP) --require-hashes -r $(VENV)/uv.lock
	$(UV) --no-deps --require-hashes -r requirements.lock || \
		$(PIP) --no-deps --require-hashes -r requirements.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	# Beam takes 3 s to import when compiled and 11 s when not.
	$(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null || true
	touch $@

demo: $(READY)  ## simulate logs, train, push, serve and rank: the main job
	$(BIN)/gaterank demo --out $(DEMO) --preset $(PRESET) --impressions $(IMPRESSIONS)

test: $(READY)  ## all tests
	$(PYTEST)

test-fast: $(READY)  ## the tests that need no pipeline run
	$(PYTEST) -m "not slow and not long"

test-long: $(READY)  ## what takes too long for every change: tuning, more strategies, twenty kills
	$(PYTEST) -m long
	$(PYTEST) tests/trainer/test_kill.py --kills 20

engine-test: $(READY)  ## ingestion on a cluster, workers killed: the same bytes? ENGINE=flink
	$(BIN)/python -m deployment.engines trial $(ENGINE) $(ARGS)

validate-deployment: $(READY)  ## images, charts, rules and dashboards, by tools that it gets first
	$(BIN)/python -m deployment.validation

# An environment of its own, from its own lock: $(1) the folder, $(2) the lock.
define make_environment
	python3.11 -m venv $(1)
	$(BIN)/uv pip install --quiet --python $(1)/bin/python --no-deps --require-hashes -r $(2) || \
		$(1)/bin/python -m pip install --quiet --no-deps --require-hashes -r $(2)
endef

$(AIRFLOW)/.ready: $(READY) deployment/airflow/requirements.lock
	$(call make_environment,$(AIRFLOW),deployment/airflow/requirements.lock)
	$(AIRFLOW)/bin/python -m compileall -q -j 0 $(AIRFLOW)/lib >/dev/null || true
	touch $@

airflow-demo: $(AIRFLOW)/.ready  ## two scheduled days by a real Airflow, on loopback
	$(BIN)/python -m deployment.airflow.demo --bin $(AIRFLOW)/bin $(ARGS)

$(SUPPLY)/.ready: $(READY) deployment/supply_chain/requirements.lock
	$(call make_environment,$(SUPPLY),deployment/supply_chain/requirements.lock)
	touch $@

sbom: $(SUPPLY)/.ready $(AIRFLOW)/.ready  ## bills of materials of the locks: build/sbom
	$(BIN)/python -m deployment.supply_chain sbom

licences: $(READY) $(AIRFLOW)/.ready  ## the licence of every package: docs/licences.md
	$(BIN)/python -m deployment.supply_chain licences

audit: $(SUPPLY)/.ready  ## known weaknesses of what the locks name; asks PyPI, SERVICE=osv
	$(BIN)/python -m deployment.supply_chain audit $(if $(SERVICE),--service $(SERVICE))

experiment: $(READY)  ## one of the papers' experiments: NAME=estimators ARGS="--quick"
	@test -n "$(NAME)" || { echo "NAME must be a file of benchmarks/experiments" >&2; exit 2; }
	$(BIN)/python -m benchmarks.experiments.$(NAME) $(ARGS)

bench: $(READY)  ## how long something takes: NAME=gates ARGS="--quick"
	@test -n "$(NAME)" || { echo "NAME must be a file of benchmarks" >&2; exit 2; }
	$(BIN)/python -m benchmarks.$(NAME) $(ARGS)

pictures: $(READY)  ## draw the pictures of docs/gates.md
	$(BIN)/python -m benchmarks.pictures.gates

lint: $(READY)  ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)  ## mypy, strict
	$(BIN)/mypy transforms trainer serving pipeline deployment benchmarks setup.py

check: lint types test  ## what CI runs

lock: $(READY)  ## resolve requirements.in and its overrides into requirements.lock
	$(BIN)/uv pip compile requirements.in --override requirements.overrides \
		--python-version 3.11 --generate-hashes --no-header --upgrade --quiet \
		--output-file requirements.lock

airflow-lock: $(READY)  ## the same for Airflow's own environment
	$(BIN)/uv pip compile deployment/airflow/requirements.in \
		--python-version 3.11 --generate-hashes --no-header --upgrade --quiet \
		--output-file deployment/airflow/requirements.lock

supply-lock: $(READY)  ## and for the tools of sbom and audit
	$(BIN)/uv pip compile deployment/supply_chain/requirements.in \
		--python-version 3.11 --generate-hashes --no-header --upgrade --quiet \
		--output-file deployment/supply_chain/requirements.lock

clean:  ## remove the environment and the demo
	rm -rf $(VENV) $(DEMO) build

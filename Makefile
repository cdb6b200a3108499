# Everything there is to do here; `make help` says what. The scripts are in .ci.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

# The Python to build for and test with, and the port of `make run`.
PYTHON ?= python3
PORT ?= 8000
# More options for loadtest/compare.py, how long each fuzz target runs, and which WebSocket cases.
BENCH ?=
FUZZ_S ?= 60
CASES ?= full
export PYTHON PORT BENCH FUZZ_S

.PHONY: help run test conformance bench fuzz clean

help: ## Say what there is to do
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20
	@echo
	@echo "Variables: PYTHON=$(PYTHON) PORT=$(PORT) BENCH='--rounds 1' FUZZ_S=$(FUZZ_S) CASES=quick"

run: ## Build, and serve examples/hello.py
	@exec .ci/run_example

test: ## Check and test everything
	@exec .ci/test

conformance: ## Run the 517 WebSocket cases of the Autobahn suite
	@exec .ci/conformance $(CASES)

bench: ## Compare with other servers, in CPU time per request
	@exec .ci/bench

fuzz: ## Run every fuzz target for a minute
	@exec .ci/fuzz

clean: ## Delete all that was built
	rm -rf target dist .venv .mypy_cache .ruff_cache .pytest_cache protocols/fuzz/target
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +

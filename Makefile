# `make help` prints this list. Each target makes what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SERVE_HOME ?= whyledger-data
SERVE_PORT ?= 8080
OURS := led-aiohttp-2rows,led-aiohttp-2rows-pg,whyledger,whyledger-pg

.PHONY: help setup demo serve test check sabotage verifier bench bench-guard bench-peers clean

help: ## print the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*##/\t/' | expand -t 14

$(VENV)/.ready: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the dependencies into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

setup: $(VENV)/.ready ## make the virtual environment with everything in it

demo: setup ## the whole product once, end to end (LIVE=1: with the provider whose key is in the environment)
	@sh .ci/system-packages pdf
	@$(BIN)/whyledger demo $(if $(LIVE),--live)

serve: setup ## gateway, pages and API docs (SERVE_PORT=8080, SERVE_HOME=whyledger-data; a new log is localhost/dev)
	@test -e $(SERVE_HOME)/secrets/root.key || $(BIN)/whyledger --home $(SERVE_HOME) init --origin localhost/dev
	@$(BIN)/whyledger --home $(SERVE_HOME) serve --port $(SERVE_PORT)

check: setup ## format, lint, types, import contracts, fast tests (under 60 s)
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache > .imports.log || { cat .imports.log; exit 1; }
	@$(BIN)/pytest -q -n 2 --dist loadfile -m "not slow"

test: setup ## everything: what CI runs
	@sh .ci/system-packages test
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache > .imports.log || { cat .imports.log; exit 1; }
	@$(BIN)/pytest -q -n 2 --dist loadfile
	@$(BIN)/python -m tests.sabotage --passed

sabotage: setup ## switch each mechanism off in a copy; a test must go red for each
	@$(BIN)/python -m tests.sabotage

verifier: setup ## build dist/whyledger-verify.pyz, the auditor's program in one file
	@mkdir -p dist
	@$(BIN)/whyledger verifier -o dist/whyledger-verify.pyz

bench: setup ## measure ledger and gateway, and print with commit and conditions
	@$(BIN)/python -m bench.ledger
	@$(BIN)/python -m bench.rig.compare --rounds $(or $(ROUNDS),1) --only $(OURS) $(BENCH_ARGUMENTS)

bench-guard: setup ## measure the detectors on labelled texts (GUARD=folder); the models also on sources held apart
	@$(BIN)/python -m pip install --quiet --editable '.[train]'
	@$(BIN)/python -m bench.guard $(GUARD)
	@$(BIN)/python -m bench.injection $(GUARD)

bench-peers: setup ## measure beside nginx, LiteLLM, Portkey and a bare baseline (PEERS=folder, ROUNDS=3)
	@PEERS=$(PEERS) $(BIN)/python -m bench.rig.compare --rounds $(or $(ROUNDS),3) $(BENCH_ARGUMENTS)

clean: ## remove what the other targets made
	rm -rf $(VENV) whyledger-demo build dist

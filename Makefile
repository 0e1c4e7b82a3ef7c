# make demo: see it work. make test: see it hold. `make help` lists the rest.
.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SAMPLE := var/sample.mp4
PYTEST_ARGS ?=

# TensorFlow has no wheels for Python 3.14 yet: an older one is taken where there is a choice.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& { command -v $$p; break; }; done)

.PHONY: help setup demo run test check audit format bench lock clean

help: ## list the commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1|\2/p' Makefile | column -t -s '|' 2>/dev/null \
	|| sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1: \2/p' Makefile

# uv is many times faster; behind a proxy with its own certificates plain pip has the last word.
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/all.txt

setup: $(READY) ## make .venv with everything in it

$(READY): requirements/all.txt requirements/uv.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Reeltag needs Python 3.11 or newer with the venv module" \
	"(Debian: apt install python3-venv)." >&2; exit 1; }
	@echo "Setting up $(VENV) with $(PYTHON) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(INSTALL) 2>/dev/null || $(INSTALL) --system-certs 2>/dev/null \
	|| $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/all.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

$(SAMPLE): $(READY) tests/media.py
	@mkdir -p var && $(BIN)/python -m tests.media sample $(SAMPLE)

demo: $(READY) $(SAMPLE) ## start the service, tag a sample film over the REST API, stop
	@$(BIN)/python -m app.demo $(SAMPLE)

run: $(READY) ## serve until stopped (Ctrl-C)
	@exec $(BIN)/reeltag serve

test: $(READY) ## run every test
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(READY) ## ruff, types, floors, known vulnerabilities
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tests.audit

audit: $(READY) ## known vulnerabilities among the dependencies
	@$(BIN)/python -m tests.audit

format: $(READY) ## let ruff lay out the code
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

bench: $(READY) ## measure us beside the peer and print ratios
	@$(BIN)/python -m benchmarks

COMPILE := $(BIN)/uv pip compile --universal --python-version 3.11 --upgrade --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet

lock: $(READY) ## pin every dependency anew, with hashes
	@$(COMPILE) pyproject.toml --all-extras --output-file requirements/all.txt
	@$(COMPILE) pyproject.toml --constraint requirements/all.txt --output-file requirements/service.txt
	@$(COMPILE) pyproject.toml --extra train --constraint requirements/all.txt --output-file requirements/training.txt
	@printf 'uv>=0.9,<1\n' | $(COMPILE) - --output-file requirements/uv.txt

clean: ## remove what the commands above made, not your data
	rm -rf $(VENV) var build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

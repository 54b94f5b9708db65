# `make run` and `make test` do everything; both make what they need.
.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help
help:  ## Show what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

.PHONY: run
run: $(READY)  ## Open the app on its embedded demo
	@$(BIN)/rheo-tui --demo

.PHONY: test
test: lint types arrows check  ## Run every check: style, types, architecture, tests with coverage

.PHONY: lint
lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: $(READY)
	$(BIN)/mypy

.PHONY: arrows
arrows: $(READY)
	$(BIN)/lint-imports

.PHONY: check
check: $(READY)
	$(BIN)/pytest --numprocesses=auto --cov --cov-report=term:skip-covered

.PHONY: bench
bench: $(READY)  ## Run this project beside its peers, 20 minutes or more (python -m benchmarks --help)
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.startup

.PHONY: screenshots
screenshots: $(READY)  ## Draw the pictures of the README
	$(BIN)/python -m screenshots

.PHONY: settings-docs
settings-docs: $(READY)  ## Write docs/SETTINGS.md and its schema anew
	@$(BIN)/python -m rheo_core.config.document docs

.PHONY: clean
clean:  ## Remove the virtual environment and every cache
	rm -rf $(VENV) .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

# `make run` and `make test` do everything; both make what they need.
.DEFAULT_GOAL := help
SHELL := /bin/bash

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LOCK := requirements-dev.lock
# uv installs in a fifth of the time. It ignores the configuration of pip: if it fails, pip tries.
UV := $(shell command -v uv)
INSTALL_BY_UV := $(UV) pip install --quiet --python $(BIN)/python
INSTALL_BY_PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
install = $(if $(UV),$(INSTALL_BY_UV) $1 ||) $(INSTALL_BY_PIP) $1
PYTEST = $(BIN)/pytest --numprocesses=auto --dist=worksteal
QUICK := tests/cli tests/config tests/demo tests/inputs tests/tui $(addprefix tests/core/, \
  test_engine_transfer.py test_redaction.py test_request_cookies.py test_request_proxies.py)
EFFORT := TEST_KILLS=100 TEST_ERRORS=100 TEST_SIGNALS=20 TEST_EXAMPLES=1000 \
  TEST_PAINT=all
unexport PYTHONDONTWRITEBYTECODE # each process of the tests would compile all of them
UV_COMPILE = $(BIN)/uv pip compile pyproject.toml --extra dev --quiet

# PYTHON=... chooses another one. Each must be asked: pyenv has commands for versions it lacks.
PYTHONS := python3.14 python3.13 python3.12 python3.11 python3 python
IS_NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))

.PHONY: help
help:  ## List these targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

.PHONY: run
run: $(READY)  ## Open the app with its built-in demo
	@$(BIN)/rheo-tui --demo

.PHONY: test
test: lint types arrows tests  ## Run all checks: style, types, layers, tests

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

.PHONY: tests
tests: $(READY)  ## Run only the tests
	$(PYTEST)

.PHONY: quick
quick: $(READY)  ## Run the tests that depend most on Python and on libraries
	$(PYTEST) $(QUICK)

.PHONY: engines
engines: $(READY)  ## Install Ray and an S3 server, whose tests are skipped without them
	@$(call install,'ray[client]' s3fs 'moto[server]')

.PHONY: coverage
coverage: $(READY)  ## Run the tests with branch coverage; fail below 95 %
	$(PYTEST) --cov --cov-report=term:skip-covered --cov-fail-under=95

.PHONY: test-all
test-all: lint types arrows  ## Run all checks and all tests, including the long ones
	$(EFFORT) $(PYTEST) -m '' -o faulthandler_timeout=7200
	TEST_CLIENT=aiohttp $(PYTEST) tests/wire tests/faults tests/core

.PHONY: fuzz
fuzz: $(READY)  ## Fuzz the HTTP client against its strict model, ten minutes (needs atheris)
	@$(call install,'atheris>=3')
	$(BIN)/python -m tests.wire.fuzz -max_total_time=600

.PHONY: bench
bench: $(READY)  ## Compare with curl, aria2 and others, 20 minutes or more
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.startup

.PHONY: screenshots
screenshots: $(READY)  ## Draw the pictures of the README
	$(BIN)/python -m screenshots

.PHONY: settings-docs
settings-docs: $(READY)  ## Update the tables of docs/SETTINGS.md and its schema
	@$(BIN)/python -m scripts.settings_docs

.PHONY: docs
docs: settings-docs  ## Update the generated parts of docs/
	@$(BIN)/python -m scripts.command_docs
	@$(BIN)/python -m scripts.event_docs
	@$(BIN)/python -m scripts.filter_docs
	@$(BIN)/python -m scripts.action_docs
	@$(BIN)/python -m scripts.module_docs

.PHONY: lock
lock: $(READY)  ## Update the versions and hashes in requirements-dev.lock
	@$(UV_COMPILE) --upgrade --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --custom-compile-command "make lock" --output-file $(LOCK)

.PHONY: audit
audit: $(READY)  ## Test with the lowest versions allowed, and look for known vulnerabilities
	@$(BIN)/python -m tests.audit

.PHONY: clean
clean:  ## Remove the virtual environment and all caches
	rm -rf $(VENV) .venv-* .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

$(READY): pyproject.toml $(LOCK)
	@found=; for python in $(or $(PYTHON),$(PYTHONS)); do \
	  "$$python" -c '$(IS_NEW_ENOUGH)' 2>/dev/null && found=$$python && break; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "$(if $(PYTHON),$(PYTHON) is not Python 3.11 or later,Python 3.11 or later was not found). Install one or name it: make PYTHON=/path/to/python3" >&2; \
	  exit 1; \
	fi; \
	if ! "$$found" -c 'import ensurepip, venv' 2>/dev/null; then \
	  version=$$("$$found" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	  echo "$$found cannot make virtual environments. On Debian and Ubuntu run: apt install python$$version-venv" >&2; \
	  exit 1; \
	fi; \
	echo "Making $(VENV) with $$("$$found" --version) ($$(command -v "$$found"))"; \
	"$$found" -m venv --clear $(VENV)
	@echo "Installing the $$(grep -c == $(LOCK)) packages of $(LOCK), about a minute"
	@$(call install,--require-hashes --requirement $(LOCK))
	@echo "Installing rheo-tui from this folder"
	@$(call install,--no-deps --no-build-isolation --editable .)
	@touch $@

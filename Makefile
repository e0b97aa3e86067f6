# Every target installs what it needs into .venv by itself. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt
TORCH ?= torch==2.13.0
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: demo test lint format bench clean help

help:  ## List the targets.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

$(BIN)/uv: constraints.txt
	@echo "==> Making a virtual environment in $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^uv==' constraints.txt)"
	@touch $@

$(VENV)/.demo: $(BIN)/uv pyproject.toml
	@echo "==> Installing the package with its embedded engine"
	@$(UV) --editable '.[preview]'
	@touch $@

# torch comes first and by pip, so that whatever CPU build the machine's configuration offers is the one that is used.
$(VENV)/.dev: $(VENV)/.demo
	@echo "==> Installing torch"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	@echo "==> Installing what the tests need"
	@$(UV) --editable '.[preview,f5,whisperx,serve,dev]'
	@touch $@

demo: $(VENV)/.demo  ## Run examples/job.json through the real pipeline; leaves a WAV and subtitles in ./out.
	@echo "==> Running examples/job.json"
	@$(BIN)/f5-serverless job examples/job.json

test: $(VENV)/.dev  ## Run all tests.
	@echo "==> Running the tests"
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.dev  ## ruff and mypy --strict.
	@echo "==> ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@echo "==> mypy --strict"
	@$(BIN)/mypy

format: $(VENV)/.dev  ## Let ruff lay out the code.
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/.dev  ## Print every benchmark's table, in its quick form.
	@for name in $$(ls benchmarks | sed -n 's/^\([a-z][a-z0-9_]*\)\.py$$/\1/p' | grep -vE '^(harness|truth)$$'); do \
		echo "==> python -m benchmarks.$$name --quick"; $(BIN)/python -m benchmarks.$$name --quick || exit 1; done

clean:  ## Remove the environment, caches and outputs.
	rm -rf $(VENV) out .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist

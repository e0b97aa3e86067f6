# Every target installs what it needs into .venv by itself. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt
TORCH ?= torch==2.13.0
PYTEST_ARGS ?= -n 2 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: demo f5 test lint format bench image lock constraints clean help

help:  ## List the targets.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

$(BIN)/uv: constraints.txt
	@echo "==> Making a virtual environment in $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) "$$(grep '^uv==' constraints.txt)"
	@touch $@

$(VENV)/.demo: $(BIN)/uv pyproject.toml
	@echo "==> Installing the package with its embedded engine"
	@$(UV) --editable '.[preview]'
	@touch $@

# torch comes first and by pip, so that the build the machine's configuration offers (a small CPU build, say) is the one
# that is used. WhisperX and the packages to compare with want other builds of torch, so they come without dependencies.
$(VENV)/.dev: $(VENV)/.demo tests/f5/requirements-oracle.txt
	@echo "==> Installing torch"
	@$(PIP) $(TORCH)
	@echo "==> Installing what the tests need"
	@$(UV) --editable '.[preview,f5,serve,dev]'
	@$(UV) --no-deps whisperx==3.8.6
	@echo "==> Installing the official F5-TTS, to compare with"
	@$(UV) --no-deps --target .oracle --requirement tests/f5/requirements-oracle.txt
	@touch $@

demo: $(VENV)/.demo  ## Run examples/job.json through the real pipeline; leaves a WAV and subtitles in ./out.
	@echo "==> Running examples/job.json"
	@$(BIN)/f5-serverless job examples/job.json

$(VENV)/.f5: $(VENV)/.demo
	@echo "==> Installing torch and what the f5 engine needs"
	@$(PIP) $(TORCH)
	@$(UV) --editable '.[preview,f5]' faster-whisper
	@touch $@

f5: $(VENV)/.f5  ## Install what cloning a voice needs, and say what is still missing.
	@$(BIN)/f5-serverless doctor

test: $(VENV)/.dev  ## Run all tests.
	@echo "==> Running the tests"
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.dev  ## ruff, mypy --strict, and the linters of the image and the workflows.
	@echo "==> ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@echo "==> mypy --strict"
	@$(BIN)/mypy
	@echo "==> hadolint, actionlint, zizmor"
	@UV=$(BIN)/uv bash scripts/lint_image.sh

format: $(VENV)/.dev  ## Let ruff lay out the code.
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

BENCHMARKS := f5 alignment verification gate overhead cache cold_start endurance races
bench: $(VENV)/.dev  ## Print every benchmark's table, in its quick form.
	@for name in $(BENCHMARKS); do \
		echo "==> python -m benchmarks.$$name --quick"; $(BIN)/python -m benchmarks.$$name --quick || exit 1; done

image: $(BIN)/uv  ## Build the container without a daemon (buildah), measure it, and run its self-test.
	@bash scripts/image.sh

lock: $(BIN)/uv  ## Compile the locks of both layers.
	@UV=$(BIN)/uv PYTHON=$(BIN)/python bash scripts/lock.sh

constraints:  ## Pin what is installed in .venv now.
	@(head -n 1 constraints.txt; $(BIN)/uv pip freeze --python $(BIN)/python | grep -v '^-e' | sed 's/+cpu//') > .constraints
	@mv .constraints constraints.txt

clean:  ## Remove the environment, caches and outputs.
	rm -rf $(VENV) .oracle out .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist

# Two commands matter: `make run` and `make test`. Each does all its own set-up.
# Needs Python 3.11 or newer (PYTHON=… chooses one) and nothing else.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
HOME_FOLDER ?= var

.PHONY: run test check bench crash day model format lock clean help

help:            ## Show what can be made
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 12

run: $(VENV)/run.stamp      ## Start the gateway with the sample shop on http://127.0.0.1:8080
	@$(BIN)/allears init --if-missing $(HOME_FOLDER)
	@$(BIN)/allears serve --config $(HOME_FOLDER)/allears.toml

test: $(VENV)/dev.stamp     ## Run all tests
	$(BIN)/pytest -q -n auto --dist loadfile --no-loadscope-reorder

check: $(VENV)/dev.stamp    ## Formatting, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/house

bench: $(VENV)/dev.stamp    ## Measure speed and memory beside their limits (takes minutes)
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench.scale
	@echo "Other engines beside it, installed from PyPI: $(BIN)/python -m tests.bench.peers"

crash: $(VENV)/dev.stamp    ## Kill the server 200 times under load and count what is lost (takes minutes)
	$(BIN)/python -m tests.crash --kills 200

day: $(VENV)/dev.stamp      ## A day on every simulated platform, with faults and two kills (takes minutes)
	$(BIN)/python -m tests.crash.day

model: $(VENV)/dev.stamp    ## Build the tiny speech model of the tests anew (wants espeak-ng; takes minutes)
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m transcription.tiny.build
	$(BIN)/pytest -q tests/transcription

format: $(VENV)/dev.stamp   ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url

lock: $(VENV)/dev.stamp     ## Renew the lock files after a change of pyproject.toml
	$(BIN)/pip install --quiet uv
	$(COMPILE) --output-file requirements-build.lock requirements-build.in
	$(COMPILE) --output-file requirements-synapse.lock requirements-synapse.in
	$(COMPILE) --extra all --output-file requirements.lock pyproject.toml
	$(COMPILE) --extra all --extra test --extra dev --output-file requirements-dev.lock pyproject.toml

clean:           ## Remove the virtual environment (never your data)
	rm -rf $(VENV)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Allears needs Python 3.11 or newer; call make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# Wheels only, so no compiler is needed; srt (of vosk) is pure Python and comes as source alone.
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
WHEELS := --only-binary :all: --no-binary srt --no-build-isolation --require-hashes

$(VENV)/run.stamp: requirements.lock requirements-build.lock pyproject.toml | $(BIN)/python
	$(PIP) --only-binary :all: --require-hashes -r requirements-build.lock
	$(PIP) $(WHEELS) -r requirements.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: requirements-dev.lock requirements-build.lock pyproject.toml | $(BIN)/python
	$(PIP) --only-binary :all: --require-hashes -r requirements-build.lock
	$(PIP) $(WHEELS) -r requirements-dev.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/run.stamp

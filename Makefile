# Start with `make run` and `make test`. Each creates the .venv that it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: run test test-slow reliability lint docs bench clean

run: $(VENV)/.demo  ## train the recommended head and its classical baselines on the included sentences
	$(BIN)/qllmft train

test: $(VENV)/.dev  ## run every test but the slow ones
	$(BIN)/python -m pytest -m "not slow"

test-slow: $(VENV)/.dev  ## run the slow tests
	$(BIN)/python -m pytest -m slow

reliability: $(VENV)/.dev  ## attack running commands at random; write docs/results/reliability.md
	$(BIN)/python -m pytest -m slow tests/reliability --page

lint: $(VENV)/.dev  ## check style, types and the layers of the packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.dev  ## build the site into build/site; a broken link or a failing example is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(VENV)/.dev  ## time one training step of qllmft and of TorchQuantum
	$(BIN)/python benchmarks/step.py

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else f"Python 3.11 or later is needed, this is {sys.version.split()[0]}; name another one: make run PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing qllmft and its packages into $(VENV) (about 1.5 GB on disk, once) ..."
	$(PIP) --editable '.[demo]'
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing qllmft and its development packages into $(VENV) ..."
	$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build dist

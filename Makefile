# Two commands to begin with: `make run` and `make test`. Each makes the .venv that it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: run test test-slow reliability lint docs bench clean

run: $(VENV)/.demo  ## train the recommended head on the embedded corpus, beside its classical baselines
	$(BIN)/qllmft train

test: $(VENV)/.dev  ## every test but the slow ones
	$(BIN)/python -m pytest -m "not slow"

test-slow: $(VENV)/.dev
	$(BIN)/python -m pytest -m slow

reliability: $(VENV)/.dev  ## kill, starve and confuse the commands; writes docs/results/reliability.md
	$(BIN)/python -m pytest -m slow tests/reliability --page

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.dev  ## the site, into build/site; a broken link or a failing example is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(VENV)/.dev  ## one training step beside TorchQuantum's
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

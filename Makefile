# Start with `make run` and `make test`. Each creates the .venv that it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# where this is set, each of the hundreds of processes of the tests compiles the whole package
unexport PYTHONDONTWRITEBYTECODE
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# `make test-floors` needs uv; it tries all versions before it fails; on a machine that does not reach PyTorch's own index,
# say TORCH_BACKEND= (nothing). The lowest version is the lowest with a wheel for that Python. uv reads its options from the environment: UV_FIND_LINKS, UV_CONSTRAINT, UV_OVERRIDE.
UV ?= uv
PYTHONS ?= 3.11 3.12 3.13 3.14
RESOLUTIONS ?= lowest-direct highest
FLOOR_TESTS ?=
# one more than the two cores of CI: an eighth of the time, tests wait for servers, files and other processes
TEST_PROCESSES ?= 3
TORCH_BACKEND ?= cpu
# `make test-processors` stands for other processors: instruction sets of torch, of BLAS and of numba,
# and numbers that differ by 1e-7. It tries all before it fails.
PROCESSORS ?= torch blas numba perturbed-1 perturbed-2 perturbed-3
PROCESSOR_TESTS ?=
SETTINGS_torch = ATEN_CPU_CAPABILITY=default
SETTINGS_blas = OPENBLAS_CORETYPE=Haswell
SETTINGS_numba = NUMBA_CPU_NAME=haswell NUMBA_CPU_FEATURES= NUMBA_CACHE_DIR=$(CURDIR)/build/processors/numba
SETTINGS_perturbed-1 = PYTHONPATH=tests/perturbation PYTEST_ADDOPTS='-p perturbed --perturb 1'
SETTINGS_perturbed-2 = PYTHONPATH=tests/perturbation PYTEST_ADDOPTS='-p perturbed --perturb 2'
SETTINGS_perturbed-3 = PYTHONPATH=tests/perturbation PYTEST_ADDOPTS='-p perturbed --perturb 3'
UV_INSTALL = $(UV) pip install --quiet --compile-bytecode --only-binary :all: $(if $(TORCH_BACKEND),--torch-backend $(TORCH_BACKEND))

.PHONY: run test test-slow test-floors test-floor test-processors test-processor test-machines reliability lint audit docs bench clean

run: $(VENV)/.demo  ## train a quantum head and its classical baselines on the included sentences
	$(BIN)/qllmft train --folds 5

test: $(VENV)/.dev  ## run every test but the slow ones
	$(BIN)/python -m pytest -m "not slow" --numprocesses $(TEST_PROCESSES) --dist loadfile

test-slow: $(VENV)/.dev  ## run the slow tests
	$(BIN)/python -m pytest -m slow

test-floors:  ## train and test with the lowest and the highest allowed versions, on each Python that is here
	@failed=; for python in $(PYTHONS); do \
		$(UV) python find --quiet --no-python-downloads $$python >/dev/null || { echo "Python $$python: not here, skipped"; continue; }; \
		for resolution in $(RESOLUTIONS); do \
			$(MAKE) --no-print-directory test-floor FLOOR=$$python-$$resolution || failed="$$failed $$python-$$resolution"; \
		done; \
	done; \
	if [ -n "$$failed" ]; then echo "failed:$$failed"; exit 1; fi

FLOOR_FOLDER = build/floors/$(FLOOR)
test-floor:  # one of them, FLOOR=3.11-lowest-direct
	@echo "Python and versions: $(FLOOR)"
	@$(UV) venv --quiet --clear --seed --python $(firstword $(subst -, ,$(FLOOR))) $(FLOOR_FOLDER)/venv
	@$(UV_INSTALL) --python $(FLOOR_FOLDER)/venv/bin/python --resolution $(FLOOR:$(firstword $(subst -, ,$(FLOOR)))-%=%) --editable '.[dev]'
	$(FLOOR_FOLDER)/venv/bin/qllmft train --epochs 5 --out $(FLOOR_FOLDER)/run
	$(FLOOR_FOLDER)/venv/bin/python -m pytest -q -m "not slow" --numprocesses $(TEST_PROCESSES) --dist loadfile $(FLOOR_TESTS)
	@rm -rf $(FLOOR_FOLDER)

test-processors: $(VENV)/.dev  ## run every test but the slow ones as on six other processors
	@failed=; for processor in $(PROCESSORS); do \
		$(MAKE) --no-print-directory test-processor PROCESSOR=$$processor || failed="$$failed $$processor"; \
	done; \
	if [ -n "$$failed" ]; then echo "failed:$$failed"; exit 1; fi

test-processor:  # one of them, PROCESSOR=blas
	$(if $(SETTINGS_$(PROCESSOR)),,$(error got PROCESSOR=$(PROCESSOR), expected one of $(patsubst SETTINGS_%,%,$(filter SETTINGS_%,$(.VARIABLES)))))
	$(SETTINGS_$(PROCESSOR)) $(BIN)/python -m pytest -q -m "not slow" --numprocesses $(TEST_PROCESSES) --dist loadfile $(PROCESSOR_TESTS)

test-machines:  ## test with the extras braket and ibm, and IonQ's clients, in a virtual environment of their own
	$(PYTHON) -m venv build/machines
	build/machines/bin/python -m pip install --quiet --editable '.[dev,braket,ibm]' \
		$$(grep -E '^(torch|ionq-core)==' constraints.txt) 'cirq-ionq>=1.7' 'pennylane-ionq>=0.45'
	build/machines/bin/python -m pip download --quiet --no-deps --no-binary :all: --dest build/machines \
		$$(grep '^ionq-core==' constraints.txt)
	tar -xzf build/machines/ionq_core-*.tar.gz -C build/machines
	QLLMFT_IONQ_CORE=$$(echo $(CURDIR)/build/machines/ionq_core-*/) build/machines/bin/python -m pytest \
		tests/machines/qiskit_machines tests/machines/ionq/test_ionq_clients.py

reliability: $(VENV)/.dev  ## attack running commands at random; write docs/results/reliability.md
	$(BIN)/python -m pytest -m slow tests/reliability --page

lint: $(VENV)/.dev  ## check style, types and the layers of the packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -m slow tests/docs/test_example_types.py  # mypy over the examples
	$(BIN)/lint-imports

audit:  ## compare constraints.txt with known vulnerabilities; exit code 1: there are some, 2: no advisories were reached
	@$(PYTHON) -m venv build/audit
	@build/audit/bin/python -m pip install --quiet --disable-pip-version-check 'pip-audit>=2.10'
	@build/audit/bin/python .github/audit.py constraints.txt

docs: $(VENV)/.dev  ## build the site into build/site; a broken link or a failing example is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(VENV)/.dev  ## time one training step of qllmft and of TorchQuantum
	$(BIN)/python benchmarks/step.py

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else f"Python 3.11 or later is needed, this is {sys.version.split()[0]}; name another one: make run PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing qllmft and its packages into $(VENV) (once; on disk about 2 GB with PyTorch for the CPU, 6 GB with PyPI's on Linux) ..."
	$(PIP) --editable '.[demo]'
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing qllmft and its development packages into $(VENV) ..."
	$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build dist

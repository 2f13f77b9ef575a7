# `make demo` and `make test` are all a newcomer needs; both make .venv first.
# PYTHON=... picks an interpreter, PIP_ARGS=... adds options to the installation.

.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
PIP_ARGS ?=
GROUP := test
PYTHONS := >=3.11,<3.15
# Threads spin only briefly while they wait: see docs/decisions/training.md.
export GOMP_SPINCOUNT ?= 1000
UV := $(shell command -v uv 2>/dev/null)

# The first that runs: a version manager may leave a python3.13 on the path that only complains.
PYTHON ?= $(shell for v in 11 12 13 14; do \
	if python3.$$v -c 'pass' >/dev/null 2>&1; then echo python3.$$v; break; fi; done)

.PHONY: help demo test pytest test-oldest test-newest lint types docs dist clean

help:
	@echo "make demo   the whole pipeline on built-in phantoms, with a table and two pictures"
	@echo "make test   lint, types, documentation and every test"
	@echo "make docs   the documentation, in docs/_build/html"
	@echo "make dist   source archive and wheel, in dist"
	@echo "make test-oldest, make test-newest"
	@echo "            the tests with the oldest releases supported, with the newest there are"
	@echo "make clean  remove .venv, .venvs and everything built"

$(BIN)/python:
ifneq ($(UV),)
	$(UV) venv --seed --python '$(PYTHONS)' $(VENV)
else
	@test -n "$(PYTHON)" || { echo "skxssr needs Python 3.11 to 3.14, and none was found: install one, or uv (https://docs.astral.sh/uv)."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) has no venv module: install it (Debian and Ubuntu: sudo apt install $(PYTHON)-venv)."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
endif

# One resolver run picks torch and torchvision together; they must match.
$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo "Installing skxssr with all extras. torch and its GPU libraries are about 3 GB to download"
	@echo "and 6 GB on disk; it takes 2 to 10 minutes, once. Without a GPU, less is possible:"
	@echo "  make demo PIP_ARGS='--extra-index-url https://download.pytorch.org/whl/cpu'"
ifneq ($(UV),)
	$(UV) pip install --python $(BIN)/python $(PIP_ARGS) -e '.[all]'
else
	$(BIN)/python -m pip install --progress-bar on $(PIP_ARGS) -e '.[all]'
endif
	@touch $@

$(VENV)/.installed-test: pyproject.toml $(VENV)/.installed
ifneq ($(UV),)
	$(UV) pip install --python $(BIN)/python $(PIP_ARGS) --group $(GROUP) -e '.[all]'
else
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) --group $(GROUP) -e '.[all]'
endif
	@touch $@

demo: $(VENV)/.installed
	@echo "The demo trains one autoencoder and seven small U-Nets on phantoms: under 6 minutes on two cores."
	$(BIN)/skxssr demo --out demo_out

test: lint types pytest

# A file at a time goes to one of at most four processes.
pytest: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

# In environments of their own: another 6 GB of disk each.
test-oldest:
	$(MAKE) pytest VENV=.venvs/oldest GROUP=checks PYTHON=python3.11 PYTHONS=3.11 \
		PIP_ARGS='$(PIP_ARGS) -c tests/constraints-oldest.txt'

test-newest:
	rm -rf .venvs/newest
	$(MAKE) pytest VENV=.venvs/newest

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-test
	$(BIN)/mypy

docs: $(VENV)/.installed-test
	$(BIN)/python -m sphinx -W -b html docs docs/_build/html

dist: $(VENV)/.installed-test
	$(BIN)/python -m build --outdir dist

clean:
	rm -rf $(VENV) .venvs build dist docs/_build docs/auto_examples docs/reference/generated demo_out .pytest_cache .mypy_cache .ruff_cache .hypothesis

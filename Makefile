# The two commands are `make book` and `make test`. Everything they install goes into .venv; nothing else on the machine changes.

PYTHON ?= python3
PORT ?= 8000
# Networks this small gain nothing from a second thread, and on a busy machine wait for it in a loop.
export OMP_NUM_THREADS ?= 1
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install -qq --constraint constraints.txt
CHAPTERS := $(sort $(basename $(notdir $(wildcard book/[0-9]*.md book/results.md notebooks/[0-9]*.ipynb))))
NOTEBOOKS := $(wildcard notebooks/[0-9]*.ipynb notebooks/results.ipynb notebooks/exercises/*-solutions.ipynb)
PACKAGE := $(shell find rulbook -name '*.py' -o -name '*.js' -o -name '*.css')
RESULTS := $(wildcard book/results/*.csv book/results/*.json)

.PHONY: help book serve lab sync setup test pin clean

help:
	@echo "make book    build the book from its stored outputs into _build/html"
	@echo "make test    install everything and run every check"
	@echo "make serve   build the book and serve it on http://127.0.0.1:$(PORT)/"
	@echo "make lab     open the notebooks in JupyterLab"
	@echo "make setup   install everything that the checks need"
	@echo "make sync    pair book/ with notebooks/ and rerun each chapter that changed"
	@echo "make pin     renew constraints.txt from the newest versions that fit"
	@echo "make clean   remove what was built; .venv stays"

book: $(VENV)/.book _build/outline
	$(BIN)/jupyter-book build . -W --keep-going --quiet >/dev/null
	@echo "Open $(CURDIR)/_build/html/index.html"

serve: book
	@echo "Serving on http://127.0.0.1:$(PORT)/ (Ctrl+C stops)"
	$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

lab: $(VENV)/.lab
	$(BIN)/jupyter lab notebooks

sync: $(CHAPTERS:%=_build/sync/%) _build/sync/exercises

setup: $(VENV)/.test

test: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not clock" --nbval --nbval-current-env --nbval-sanitize-with tests/nbval.cfg $(NOTEBOOKS) tests
	$(BIN)/python -m pytest -m clock tests

# Each set-up is a mark in .venv, older than what it was made from when that has changed.

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "Python 3.11, 3.12 or 3.13 is needed: name one with 'make PYTHON=python3.12 ...'." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.pip: $(VENV)/.python constraints.txt
	$(PIP_INSTALL) --upgrade pip
	@touch $@

$(VENV)/.book: $(VENV)/.pip pyproject.toml
	$(PIP_INSTALL) --group book
	@touch $@

$(VENV)/.lab: $(VENV)/.pip pyproject.toml
	$(PIP_INSTALL) --group lab --editable .
	@touch $@ $(VENV)/.book

$(VENV)/.test: $(VENV)/.pip pyproject.toml
	$(PIP_INSTALL) --group test --editable .
	@touch $@ $(VENV)/.lab $(VENV)/.book

# A new outline or setting changes every page, so the next build starts from nothing.
_build/outline: _toc.yml _config.yml
	@rm -rf _build/html _build/.doctrees
	@mkdir -p $(@D)
	@touch $@

# A chapter is rerun when its text, its notebook, a measurement or the package is newer than its last run.
.SECONDEXPANSION:
_build/sync/%: $$(wildcard book/$$*.md notebooks/$$*.ipynb) $(PACKAGE) $(RESULTS) $(VENV)/.lab
	@mkdir -p $(@D) notebooks
	$(BIN)/jupytext --quiet --sync $(firstword $(wildcard book/$*.md notebooks/$*.ipynb))
	$(BIN)/jupyter execute --inplace --NotebookClient.coalesce_streams=True notebooks/$*.ipynb
	$(BIN)/jupytext --quiet --sync notebooks/$*.ipynb
	@touch $@

_build/sync/exercises: $(wildcard book/exercises/[0-9]*.md) $(PACKAGE) $(VENV)/.lab
	@mkdir -p $(@D)
	$(BIN)/python -m rulbook.exercises build
	@touch $@

# The version of torch stays: change its line in constraints.txt by hand, then renew the rest around it.
pin:
	rm -rf .venv-pin
	$(PYTHON) -m venv .venv-pin
	.venv-pin/bin/python -m pip install --quiet --upgrade pip
	.venv-pin/bin/python -m pip install --quiet --group test --editable . $$(grep '^torch==' constraints.txt)
	{ sed '/^[^#]/,$$d' constraints.txt; .venv-pin/bin/python -m pip freeze --all --exclude-editable | sed 's/+cpu$$//'; } > .venv-pin/constraints.txt
	mv .venv-pin/constraints.txt constraints.txt
	rm -rf .venv-pin

clean:
	rm -rf _build

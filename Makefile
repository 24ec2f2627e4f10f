# The two commands are `make book` and `make test`. Everything they install goes into .venv; nothing else on the machine changes.

PYTHON ?= python3
PORT ?= 8000
# Networks this small gain nothing from a second thread, and on a busy machine wait for it in a loop.
export OMP_NUM_THREADS ?= 1
VENV := .venv
BIN := $(VENV)/bin
# Tools run as modules: their scripts remember where .venv was made, and a folder that was moved is elsewhere. This one has no `-m`.
JUPYTER_BOOK := $(BIN)/python -c 'from jupyter_book.cli.main import main; main()'
CHAPTERS := $(sort $(basename $(notdir $(wildcard book/[0-9]*.md book/results.md book/your-own-fleet.md notebooks/[0-9]*.ipynb))))
EXERCISES := $(sort $(basename $(notdir $(wildcard book/exercises/[0-9]*.md))))
# Scripts and styles of figures and walkthroughs are files of the site.
PROGRAMS := $(shell find rulbook/course -name '*.js' -o -name '*.css') rulbook/course/scripts.py rulbook/course/site.py
ASSETS := $(shell find book/assets book/templates -type f) $(PROGRAMS)
PAGES := $(sort $(shell find book notebooks -name '.*' -prune -o -type f -print))

.PHONY: help book serve lab sync setup test test-style test-unit test-notebooks test-browser pin clean clean-venv FORCE

help:
	@echo "make book        build the book from its stored outputs into _build/html"
	@echo "make test        install everything and run every check; its parts: test-style, test-unit, test-notebooks, test-browser"
	@echo "make serve       build the book and serve it on http://127.0.0.1:$(PORT)/"
	@echo "make lab         open the notebooks in JupyterLab"
	@echo "make setup       install everything that the checks need"
	@echo "make sync        pair book/ with notebooks/ and rerun each chapter that changed"
	@echo "make pin         renew constraints.txt from the newest versions that fit"
	@echo "make clean       remove what was built; .venv stays"
	@echo "make clean-venv  remove .venv: the next command sets it up anew"

book: _build/html/index.html
	@echo "Open $(CURDIR)/_build/html/index.html"

_build/html/index.html: $(VENV)/.book _build/outline _build/pages $(PAGES)
	$(JUPYTER_BOOK) build . -W --keep-going --quiet >/dev/null
	@touch $@

serve: book
	@$(BIN)/python -c 'import socket; socket.create_server(("127.0.0.1", $(PORT))).close()' 2>/dev/null || \
	  { echo "Port $(PORT) is taken: name another one with 'make serve PORT=8001'." >&2; exit 1; }
	@echo "Serving on http://127.0.0.1:$(PORT)/ (Ctrl+C stops)"
	@$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

lab: $(VENV)/.lab
	$(BIN)/python -m jupyterlab notebooks

sync: $(CHAPTERS:%=_build/synced/%) $(EXERCISES:%=_build/synced/exercises-%)

setup: $(VENV)/.test

# The parts of `make test`, so that CI can run them side by side. Two processes share a part; files stay together, for what
# they set up, but for those of the browser, one of which is longer than all others. What reads a clock runs alone.
PYTEST := $(BIN)/python -m pytest -n 2

test: test-style test-unit test-notebooks test-browser

test-style: setup
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m mypy

test-unit: setup
	$(PYTEST) --dist loadfile -m "not browser and not clock" tests
	$(BIN)/python -m pytest -m clock tests

test-notebooks: setup
	$(PYTEST) --dist loadfile --nbval --nbval-current-env --nbval-sanitize-with tests/nbval.cfg notebooks

test-browser: setup
	$(PYTEST) --dist worksteal -m "browser and not clock" tests

# Each set-up is a mark in .venv, older than what it was made from when that has changed.

# What pip says goes into a file: of a failure its end is shown, with what to do. Killed, it leaves `.unfinished` behind.
define install
@touch $(VENV)/.unfinished
@$(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt $(1) >$(VENV)/pip.log 2>&1 </dev/null || \
  { rc=$$?; [ $$rc -ge 128 ] || rm -f $(VENV)/.unfinished; tail -n 25 $(VENV)/pip.log >&2; \
    echo "Installing failed with the lines above; $(VENV)/pip.log has them all. If the network or the disk was at fault, repair" >&2; \
    echo "that and run the same command again. Else 'make clean-venv', and again." >&2; exit 1; }
@rm -f $(VENV)/.unfinished
endef

# venv.py touches the mark only when .venv is new or another one, so that nothing else is redone.
$(VENV)/.python: FORCE
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 8))' || \
	  { echo "Python 3.11, 3.12, 3.13 or 3.14 is needed: name one with 'make PYTHON=/path/to/python3.12 ...'. README.md says how to get one." >&2; exit 1; }
	@$(PYTHON) .ci/venv.py $(VENV) $(if $(filter file,$(origin PYTHON)),,--named)

$(VENV)/.pip: $(VENV)/.python constraints.txt
	$(call install,--upgrade pip)
	@touch $@

$(VENV)/.book: $(VENV)/.pip pyproject.toml
	@echo "Installing what the book needs into $(VENV): 260 MB, a minute or two. Watch it with: tail -f $(VENV)/pip.log"
	$(call install,--group book)
	@touch $@

$(VENV)/.lab: $(VENV)/.pip pyproject.toml
	@echo "Installing what the notebooks need into $(VENV): 2 GB, on Linux with CUDA 6 GB, some minutes. Watch it with: tail -f $(VENV)/pip.log"
	$(call install,--group lab --editable '.[all]')
	@touch $@ $(VENV)/.book

$(VENV)/.test: $(VENV)/.pip pyproject.toml
	@echo "Installing what the checks need into $(VENV): 2 GB, on Linux with CUDA 6 GB, some minutes. Watch it with: tail -f $(VENV)/pip.log"
	$(call install,--group test --editable '.[all]')
	@touch $@ $(VENV)/.lab $(VENV)/.book

# A new outline, setting, style or script changes every page, and Sphinx copies no file where no page is new: start from nothing.
_build/outline: _toc.yml _config.yml $(ASSETS)
	@rm -rf _build/html _build/.doctrees
	@mkdir -p $(@D)
	@touch $@

# A page that was removed leaves no newer file behind, but a shorter list.
_build/pages: FORCE
	@mkdir -p $(@D)
	@echo $(PAGES) | cmp -s - $@ || echo $(PAGES) > $@

# A chapter is rerun when its text, its notebook, or a file that it read in its last run is newer than that: NN.d names them.
.SECONDEXPANSION:
_build/synced/%: $$(wildcard book/$$*.md notebooks/$$*.ipynb) $(VENV)/.lab
	@mkdir -p $(@D) notebooks
	$(BIN)/python -m jupytext --quiet --sync $(firstword $(wildcard book/$*.md notebooks/$*.ipynb))
	$(BIN)/python -m rulbook.course.execution notebooks/$*.ipynb --target $@
	$(BIN)/python -m jupytext --quiet --sync notebooks/$*.ipynb
	@touch $@

# A list is written by the run, and never made for its own sake.
_build/synced/%.d: ;
-include $(wildcard _build/synced/*.d)

_build/synced/exercises-%: book/exercises/%.md $(wildcard rulbook/course/exercises/*.py) $(VENV)/.lab
	@mkdir -p $(@D)
	$(BIN)/python -m rulbook.exercises build $* --target $@
	@touch $@

# A release that asks for a newer Python than the oldest one promised is found by a test: pin the one before it by hand.
# The version of torch stays: change its line in constraints.txt by hand, then renew the rest around it.
pin:
	rm -rf .venv-pin
	$(PYTHON) -m venv .venv-pin
	.venv-pin/bin/python -m pip install --quiet --upgrade pip
	.venv-pin/bin/python -m pip install --quiet --group test --editable '.[all]' $$(grep '^torch==' constraints.txt)
	{ sed '/^[^#]/,$$d' constraints.txt; .venv-pin/bin/python -m pip freeze --all --exclude-editable | sed 's/+cpu$$//'; } > .venv-pin/constraints.txt
	mv .venv-pin/constraints.txt constraints.txt
	rm -rf .venv-pin

clean:
	rm -rf _build

clean-venv:
	rm -rf $(VENV)

# make demo        Chinese pictures in a few minutes, on a machine that has only Python 3.11 and make
# make test        the tests (JOBS=4: four at a time)     make quality    lint, format and types
# make test-slow   what takes long and rarely tells anything; 2,000 examples of every fuzzing test
# make lab         the notebooks, in JupyterLab
# make notebooks   every notebook, in full (build/notebooks; ARGS='03 --record')     make notebooks-sync  .py -> .ipynb
# make serve       the models over HTTP (ARGS='--port 8000')
# make bench       speed and memory       make evaluate   the table of the model card (hours; ARGS='--limit 32': minutes)
# make readme-pictures   the pictures of the README       make gallery   the pictures' site (build/gallery), after make notebooks
# make docs        the guides, tables of options and API reference as a site (build/docs)
# recipes/mini/Makefile holds the targets that made the shipped model.

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3.11)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --quiet --progress-bar off -c constraints.txt
OUTPUT ?= out/demo
JOBS ?= 2

CORE := $(VENV)/.core-installed
DEV := $(VENV)/.dev-installed
GALLERY := $(VENV)/.gallery-installed
DOCS := $(VENV)/.docs-installed
SERVE := $(VENV)/.serve-installed

.DELETE_ON_ERROR:
.PHONY: demo test test-slow quality format lab serve notebooks notebooks-sync bench evaluate readme-pictures gallery docs clean

demo: $(CORE)
	@$(BIN)/pai-modelscope demo --output $(OUTPUT)

test: $(DEV)
	@$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile $(TESTS)

test-slow: $(DEV)
	@FUZZ_EXAMPLES=2000 $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile -m 'slow or fuzz' $(TESTS)

quality: $(DEV)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo "run 'make format'" >&2; exit 1; }
	@$(BIN)/mypy pai_modelscope recipes

format: $(DEV)
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .

lab: $(DEV)
	@$(BIN)/python -m jupyterlab notebooks/01_first_picture.ipynb $(ARGS)

serve: $(SERVE)
	@$(BIN)/pai-modelscope serve $(ARGS)

notebooks: $(DEV)
	@$(BIN)/python -m notebooks.execute $(ARGS)

notebooks-sync: $(DEV)
	@$(BIN)/python -m notebooks.build

bench: $(CORE)
	@$(BIN)/python -m benchmarks.cpu $(ARGS)

evaluate: $(CORE)
	@$(BIN)/pai-modelscope evaluate $(ARGS)

readme-pictures: $(CORE)
	@$(BIN)/python -m docs.make_pictures
	@$(BIN)/pai-modelscope gallery cards

gallery: $(GALLERY)
	@$(BIN)/pai-modelscope gallery build $(ARGS)

docs: $(DOCS)
	@$(BIN)/python -m docs.build

clean:
	rm -rf build out .pytest_cache .ruff_cache .mypy_cache *.egg-info

# The stamps make the installation a matter of the first call, and of the call after the dependencies change.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "Python 3.11 or newer is needed ($(PYTHON) is not): try 'make demo PYTHON=/path/to/python3.11'" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ echo "no virtual environment could be made: install your system's python3-venv package" >&2; exit 1; }

$(CORE): setup.cfg pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing PyTorch, ModelScope and diffusers into $(VENV) (once; a few minutes)"
	@$(PIP) -e .
	@touch $@

$(DEV): setup.cfg pyproject.toml constraints.txt | $(CORE)
	@echo "Installing the tools for tests and notebooks into $(VENV) (once; a few minutes)"
	@$(PIP) -e '.[test,notebooks,safety,gallery,docs,serve,cluster,curation]'
	@touch $@

$(GALLERY): setup.cfg pyproject.toml constraints.txt | $(CORE)
	@$(PIP) -e '.[gallery]'
	@touch $@

$(SERVE): setup.cfg pyproject.toml constraints.txt | $(CORE)
	@$(PIP) -e '.[serve]'
	@touch $@

$(DOCS): setup.cfg pyproject.toml constraints.txt | $(CORE)
	@$(PIP) -e '.[docs]'
	@touch $@

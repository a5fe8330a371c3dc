# The book in six words: book test lab serve bench clean. Each is one or two commands you could type yourself.
# Needs Python 3.11 or newer, pip and make; everything else is installed into .venv on the first call.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
HTML := _build/html
PORT ?= 8000
# Spark needs Java: where there is none, pages and tests say so and go on.
SPARK := $(if $(shell command -v java),$(shell echo ,spark))

# 3.11 first, because constraints.txt was resolved on it. Name another one with: make book PYTHON=/path/to/python
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3 python; do \
  $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$python; break; }; done)

.PHONY: book test lab serve bench clean
.DELETE_ON_ERROR:

book: $(STAMP) ## fetch the small assets, execute every changed page, write the site and the notebooks
	$(BIN)/avrec fetch
	$(BIN)/jupyter-book build chapters --config book.yml --path-output . -W --keep-going
	$(BIN)/python -m avrec_lib.exercises.notebooks --student $(HTML)/notebooks/student --instructor _build/notebooks/instructor
	@echo "The book is in $(HTML): open $(CURDIR)/$(HTML)/index.html, or run make serve"

test: book ## style, types, spelling, then every test; the browser tests read the site that was just built
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -n 2
	$(BIN)/codespell
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --cov --cov-fail-under=95 --cov-report=term:skip-covered

lab: $(STAMP) ## the pages as notebooks, in JupyterLab
	JUPYTER_CONFIG_PATH="$(CURDIR)/.jupyter:$$JUPYTER_CONFIG_PATH" $(BIN)/jupyter lab chapters

serve: ## the built site at http://localhost:8000
	@test -f $(HTML)/index.html || { echo "There is no built book yet: run make book first"; exit 1; }
	$(or $(wildcard $(BIN)/python),$(PYTHON)) -m http.server $(PORT) --bind 127.0.0.1 --directory $(HTML)

bench: $(STAMP) ## our models and the peers', side by side, from one run
	$(BIN)/python -m benchmarks

clean: ## everything the build wrote; .venv and the asset cache stay
	rm -rf _build

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer was found. Install one, or name it: make book PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$(PYTHON) is not Python 3.11 or newer. Name one that is: make book PYTHON=/path/to/python3.11"; exit 1; }
	@# Debian's bare python3 has no ensurepip: there, an environment without pip is made and the system's pip fills it.
	test -x $(BIN)/pip || { $(PYTHON) -c 'import ensurepip' 2>/dev/null && $(PYTHON) -m venv $(VENV); } \
	  || { $(PYTHON) -m venv --clear --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install pip; } \
	  || { echo "$(PYTHON) can make no virtual environment. On Debian or Ubuntu: apt install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --upgrade pip
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[book,content,behaviour,algorithms,project,test,bench,tensorflow$(SPARK)]'
	@touch $@

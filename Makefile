# Needs Python 3.11 or newer and make; everything else is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/uv pip install --quiet --compile-bytecode --python .venv --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test scale check docs links rooms fmt bench constraints clean

help:
	@echo "make demo    train on data that ships with scikit-learn and show the evidence"
	@echo "make test    run every test"
	@echo "make scale   the tests of isotropy.scale, on clusters of Ray (no part of CI; on cores that are free)"
	@echo "make check   style, types and import directions"
	@echo "make docs    the documentation site in docs/site: pages, gallery, reference"
	@echo "make links   whether every address that the pages name answers (needs the network; no part of CI)"
	@echo "make rooms   the rooms of the house: sizes, imports, long files and functions"
	@echo "make fmt     format the code"
	@echo "make bench   measure speed beside the floor and beside peers"

demo: .venv/core
	@$(BIN)/isotropy demo

# Two processes with a thread each; what several threads change is then tried with all of them. Short waits of OpenMP
# threads: on a busy machine long ones make small steps a hundred times slower.
test: .venv/test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile
	GOMP_SPINCOUNT=1000 $(BIN)/python -m pytest tests/test_threads.py tests/evaluation/test_evaluate.py

scale: .venv/scale
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/scale

check: .venv/test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	cd papers && MYPYPATH=../src:. ../$(BIN)/mypy --config-file ../pyproject.toml --explicit-package-bases .
	$(BIN)/python -m pytest tests/test_imports.py

docs: .venv/docs
	GOMP_SPINCOUNT=1000 $(BIN)/python -m sphinx -q -W --keep-going -j auto -d build/doctrees -b html docs docs/site
	@echo docs/site/index.html

links: .venv/docs
	$(BIN)/python -m sphinx -q -D plot_gallery=0 -d build/links/doctrees -b linkcheck docs build/links

rooms:
	@$(PYTHON) tests/house.py

fmt: .venv/test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/bench
	$(BIN)/python benchmarks/run.py

# Exact versions of everything, for every platform, without the address of an index.
constraints: .venv/uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-header --no-annotate \
		--extra test --extra bench --extra docs --extra scale --upgrade pyproject.toml -o constraints.txt

clean:
	rm -rf .venv runs build docs/site docs/reference docs/auto_examples

.venv/uv:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@touch $@

.venv/core: .venv/uv pyproject.toml constraints.txt
	$(INSTALL) --editable .
	@touch $@

.venv/test: .venv/uv pyproject.toml constraints.txt
	$(INSTALL) --editable '.[test]'
	@touch $@

.venv/scale: .venv/uv pyproject.toml constraints.txt
	$(INSTALL) --editable '.[test,scale]'
	@touch $@

.venv/docs: .venv/uv pyproject.toml constraints.txt
	$(INSTALL) --editable '.[docs]'
	@touch $@

.venv/bench: .venv/uv pyproject.toml constraints.txt
	$(INSTALL) --editable '.[test,bench]'
	@touch $@

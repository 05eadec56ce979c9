# The one Makefile for people, hooks and CI.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: env demo up test lint train-small evaluate bench lock clean

env: .venv/.installed

.venv/.installed: requirements/dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11) and "Tagline needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e .
	touch $@

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/python -m pytest

up: env
	$(BIN)/tagline up

demo: env
	$(BIN)/tagline demo

# Recomputes every number of every card: make evaluate DATA=folder (training/README.md says what it holds)
evaluate: env
	$(BIN)/python -m training.evaluate --data $(DATA)

train-small: env
	$(BIN)/python -m training.train_small --out build/train-small

bench: env
	$(BIN)/python -m bench.throughput

lock:
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install -q uv==0.13.8
	build/lock/bin/uv pip compile -q --generate-hashes --no-header --python-version 3.11 requirements/dev.in -o requirements/dev.txt
	build/lock/bin/uv pip compile -q --generate-hashes --no-header --python-version 3.11 -c requirements/dev.txt requirements/training.in -o requirements/training.txt
	build/lock/bin/uv pip compile -q --generate-hashes --no-header --python-version 3.11 -c requirements/dev.txt requirements/service.in -o requirements/service.txt

clean:
	rm -rf build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

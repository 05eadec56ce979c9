# The one Makefile for people, hooks and CI.
PYTHON ?= python3
BIN := .venv/bin

# The Pythons for which every pinned package has a wheel; `make lock` asks again. TensorFlow has none for 3.14.
RUN_ON := 3.11 3.12 3.13 3.14
TRAIN_ON := 3.11 3.12 3.13

.PHONY: env demo up test check screenshots lint train-small evaluate bench bench-gpu lock clean

env: .venv/.installed-dev

# .venv grows by what a target needs: requirements/NAME.txt is in it when .venv/.installed-NAME is there.
purpose = Running Tagline
pythons = $(RUN_ON)
.venv/.installed-training .venv/.installed-dev: purpose = Training and testing
.venv/.installed-training .venv/.installed-dev: pythons = $(TRAIN_ON)

# One line, before anything is installed, instead of a page of the installer's.
refuse_other_pythons = $(1) -c 'import sys; this = "%d.%d" % sys.version_info[:2]; sys.exit(this not in "$(pythons)".split() \
	and "$(purpose) takes Python $(pythons), not " + this + ". Remove .venv, then: make PYTHON=python$(lastword $(pythons)) ...")'
VENV_WORKS = $(BIN)/python -m pip --version > /dev/null 2>&1

# A lock names everything, so --no-deps. uv is much faster than pip; pip knows its own settings, and tries where uv fails.
.venv/.installed-%: requirements/%.txt .venv/.tools
	@$(call refuse_other_pythons,$(BIN)/python)
	$(BIN)/uv pip install -q --python $(BIN)/python --compile-bytecode --no-deps --require-hashes -r $< \
	  || $(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

.venv/.tools: requirements/tools.txt pyproject.toml
	@$(VENV_WORKS) || $(call refuse_other_pythons,$(PYTHON))
	$(VENV_WORKS) || $(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements/tools.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

up: .venv/.installed-service
	$(BIN)/tagline up

demo: .venv/.installed-demo
	$(BIN)/tagline demo

bench: .venv/.installed-dev
	$(BIN)/python -m bench.every

# On a card, against its floor; without one it says so and changes nothing. docs/operations.md says what to install.
bench-gpu: .venv/.installed-service
	$(BIN)/python -m bench.gpu

train-small: .venv/.installed-training
	$(BIN)/python -m training.train_small --out build/train-small

# Recomputes every number of every card: make evaluate DATA=folder (training/README.md says what it holds)
evaluate: .venv/.installed-training
	$(BIN)/python -m training.evaluate --data $(DATA)

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# What to run between two edits; under a minute.
check: lint
	$(BIN)/python -m pytest tests/unit

# The README's two pictures, anew: docs/images. Needs a Chromium, as the tests of the pages do.
screenshots: env
	$(BIN)/python -m tests.screenshots

# What starts whole stacks runs by itself: two of them at once get in each other's way.
test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --durations=10 --ignore=tests/e2e --ignore=tests/browser
	$(BIN)/python -m pytest --durations=10 tests/e2e tests/browser

# One lock for all Pythons, with markers; then whether each Python finds a wheel of everything.
COMPILE = $(BIN)/uv pip compile -q --universal --python-version $(firstword $(RUN_ON)) --generate-hashes --no-header \
	--excludes requirements/excluded.in
FIND = $(BIN)/uv pip install -q --dry-run --target build/lock --python-platform linux --no-build --no-deps --require-hashes

lock: .venv/.tools
	$(COMPILE) requirements/dev.in -o requirements/dev.txt
	for name in training demo service tools; do \
	  $(COMPILE) -c requirements/dev.txt requirements/$$name.in -o requirements/$$name.txt || exit 1; done
	for python in $(RUN_ON); do $(FIND) --python-version $$python -r requirements/demo.txt || exit 1; done
	for python in $(TRAIN_ON); do $(FIND) --python-version $$python -r requirements/dev.txt || exit 1; done

clean:
	rm -rf build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# Two commands do all the set-up: `make doctor` and `make test`.

# The first interpreter that is new enough; `make PYTHON=/path/to/python doctor` names another.
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11 python3.10; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo "$$name" && break; done)
BIN := .venv/bin

.PHONY: doctor test test-real bench lint types format clean

# Findings are the answer, not an error: only a broken run (status 2) stops make.
doctor: .venv/installed
	@$(BIN)/envdoctor check || test $$? -ne 2

test: .venv/installed-test lint types
	$(BIN)/python -m pytest -n 2 --dist worksteal

# Real Caffe2 and real torch, fetched with pip into a cache outside the repository.
test-real: .venv/installed-test
	$(BIN)/python -m pytest -m real -rs

bench: .venv/installed-test
	$(BIN)/python -m benchmarks

lint: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/installed-test
	$(BIN)/mypy envdoctor checks recipes

format: .venv/installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "envdoctor needs Python 3.10 or newer; name one: make PYTHON=/path/to/python doctor" >&2; exit 2; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo "$(PYTHON) cannot make an environment; on Debian: sudo apt-get install python3-venv" >&2; exit 2; }

.venv/installed: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/installed-test: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,bench]'
	@touch $@ .venv/installed

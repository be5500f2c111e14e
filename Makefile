# Two commands are all that a newcomer needs: `make demo` and `make test`.
PYTHON ?= python3.11
BIN := .venv/bin
SHELL := bash

.PHONY: demo test check eval clean

demo: .venv/installed
	$(BIN)/rulegen demo --out out

test: .venv/developing check
	$(BIN)/pytest -n auto --dist loadfile

check: .venv/developing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Slow measures, each a table: on the shop history, and of the changes that people made; see evals/.
eval: .venv/developing
	$(BIN)/python -m evals.shop
	$(BIN)/python -m evals.tunings

.venv/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing: install Python 3.11 or later with its venv module, or run make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv

# llama-cpp-python has no wheel and compiles for about five minutes on two cores; --verbose shows that it works.
.venv/llama: .venv/bin/python
	@echo "Installing llama-cpp-python: where no wheel is cached it compiles for about five minutes, and says so below."
	@set -o pipefail; $(BIN)/pip install --verbose "llama-cpp-python>=0.3.16" 2>&1 | tee .venv/llama.log \
	  | grep --line-buffered -E '^ *\[[0-9]+/[0-9]+\]|Building wheel|Successfully|ERROR|CMake Error' \
	  | sed -u -E 's|^ *(\[[0-9]+/[0-9]+\]).*/([^/ ]+)$$|  \1 \2|' || { tail -30 .venv/llama.log; exit 1; }
	@touch $@

.venv/installed: .venv/llama pyproject.toml
	$(BIN)/pip install --quiet --editable .
	@touch $@

.venv/developing: .venv/installed
	$(BIN)/pip install --quiet --editable '.[compare,dev,forge,listen,otel,train]'
	@touch $@

clean:
	rm -rf .venv out build dist

# The commands to remember: make run, make test, make check.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test check format lint types imports bench lock install setup screenshots trl argilla argilla-stop

run: .venv/.installed  ## the dashboard, on this computer only
	$(BIN)/streamlit run dashboard/Home.py

.venv/.installed: requirements.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -r requirements.txt
	touch $@

install:  ## everything a developer needs, exactly as locked
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet "uv>=0.13"
	$(BIN)/uv sync --quiet --locked --inexact
	touch .venv/.installed

setup: install  ## what the browser, Postgres and Argilla tests need besides
	sh tests/setup.sh

test: setup  ## all tests, in two processes
	$(BIN)/python -m pytest -n 2

check: install lint types imports test  ## what CI runs

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: install
	$(BIN)/mypy

imports: install
	$(BIN)/lint-imports

bench: install  ## e.g. make bench NAME=pace
	$(BIN)/python -m tests.bench $(NAME)

TRL ?= $(HOME)/.cache/aya-preference-studio/trl
trl: install  ## TRL in an environment of its own (over 5 GB), to try a training; prints the Python to name in STUDIO_TRL_PYTHON
	test -x $(TRL)/bin/python || $(BIN)/uv venv --quiet --python $(BIN)/python $(TRL)
	$(BIN)/uv pip install --quiet --python $(TRL)/bin/python "trl==1.16.*" peft
	@echo $(TRL)/bin/python

lock:  ## after a change of pyproject.toml
	$(BIN)/uv lock
	$(BIN)/uv export --quiet --no-dev --no-hashes --no-annotate --no-header --format requirements-txt --output-file requirements.txt

screenshots: setup  ## the pictures in docs/screenshots
	$(BIN)/python -m tests.browser.screenshots

argilla: setup  ## a real Argilla on this computer, without docker: ARGILLA_PORT=6900 and others choose its ports
	$(BIN)/python -m tests.argilla.stack start

argilla-stop:
	$(BIN)/python -m tests.argilla.stack stop

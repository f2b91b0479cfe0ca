# make        the environment, the whole demo experiment, its accuracies
# make test   the environment with what the tests need, and the tests
# make quick  of these tests all but those of the whole DAG and of faults: about a third of the time
# make faults 200 kills, 2,000 damaged and odd videos through the decoder, videos of an hour, intervals simulated (an hour and more)
# make bench  what the stages achieve here beside what the machine could: some minutes (bench-scale: for 10^2 to 10^4
#             clips, 20 minutes); a line of benchmarks/results.jsonl for each machine and commit
PYTHON ?= python3
VENV := .venv
# the stages run `python`: it must be this environment's
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: all environment test quick faults bench bench-scale lint clean

all: environment
	tavlad doctor dvc
	dvc repro
	dvc metrics show

environment: $(VENV)/.installed

$(VENV)/.installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	pip install --editable .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	pip install --editable '.[test]'
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed-test
	pip install --editable '.[dev]'
	touch $@

test: $(VENV)/.installed-test
	python -m pytest

quick: $(VENV)/.installed-test
	python -m pytest -m "not long and not whole"

faults: $(VENV)/.installed-test
	python -m tests.faults.kills --kills 200
	python -m tests.faults.fuzz --files 2000
	python -m pytest -n 0 -s -m long tests/faults tests/experiments

bench: $(VENV)/.installed
	python -m benchmarks.bench

bench-scale: $(VENV)/.installed
	python -m benchmarks.scale

lint: $(VENV)/.installed-dev
	ruff check .
	ruff format --check .
	mypy

clean:
	rm -rf $(VENV) build *.egg-info

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
# Many tests wait for something, so three at a time keep two cores busy. A file stays together, and files go in
# their order: the long ones (chaos, contracts, kafka) before the many short ones, which then fill the end.
SIDE_BY_SIDE := -n 3 --dist loadfile --no-loadscope-reorder

.PHONY: help install demo test test-browser test-all nightly lint format bench bench-identity away chaos fuzz attacks clean
.DEFAULT_GOAL := help

help: ## show this
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

install: $(STAMP) ## make .venv with everything pinned in constraints.txt

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps ok-esputnik
	@touch $@

demo: $(STAMP) ## play a small shop's story; exit 0 only if all of it arrived
	$(BIN)/gateway demo

test: $(STAMP) ## the tests, on a real Kafka and a real PostgreSQL that it starts and stops itself
	$(BIN)/pytest $(SIDE_BY_SIDE)

test-browser: $(STAMP) ## web push and tracking in the machine's Chromium (Debian: chromium, chromium-driver)
	$(BIN)/pytest -m browser tests/browser

nightly: $(STAMP) ## identity on 20 000 generated histories each instead of 500; takes hours
	$(BIN)/pytest --hypothesis-profile nightly -rP tests/contracts/test_oracle.py tests/contracts/test_identity_properties.py

test-all: $(STAMP) ## what `make test` and `make test-browser` run, and the tests that take minutes (a feed of 1 GB, imports of 350 000 rows, eSputnik away for a minute)
	$(BIN)/pytest $(SIDE_BY_SIDE) -m ""

lint: $(STAMP) ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP) ## let ruff write what lint wants
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP) ## CPU per event of ingest on a real Kafka, beside the floor and the naive way
	$(BIN)/python -m tests.load.bench

bench-identity: $(STAMP) ## CPU per event of stitching, on both databases, with up to ten million links
	$(BIN)/python -m tests.load.bench_identity

away: $(STAMP) ## how long answers take while Kafka hangs, is gone and comes back
	$(BIN)/python -m tests.load.away

chaos: $(STAMP) ## faults at random while stores post; nothing accepted may be lost (SECONDS=60)
	$(BIN)/python -m tests.chaos.episodes --seconds $(or $(SECONDS),60)

fuzz: $(STAMP) ## broken requests at a real gateway (COUNT=100000); never a mistake of ours, one result an event
	$(BIN)/pytest tests/unit/test_validation_fuzz.py tests/service/test_fuzz.py
	$(BIN)/python -m tests.load.fuzz --count $(or $(COUNT),100000)

attacks: $(STAMP) ## what hostile clients do to ingest's memory, and to a neighbour's answers
	$(BIN)/python -m tests.load.attacks

clean: ## remove what install and the tests made
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis bench-results

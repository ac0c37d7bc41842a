# Everything here needs only Python 3.11 or newer, git, make and a package registry.
# `make help` lists the targets; `make test` and `make demo` set everything up themselves.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PY     := $(BIN)/python

# What is installed depends on pyproject.toml alone, so its checksum names the stamp: a changed
# dependency or entry point installs again, a fresh checkout's new timestamps do not.
STAMP  := $(VENV)/.installed-$(shell cksum < pyproject.toml | cut -d' ' -f1)

# Workers of pytest-xdist: a number, or `auto` for every available core.
JOBS   ?= auto
# Further arguments: `make test ARGS='-k stream'`.
ARGS   ?=

.DEFAULT_GOAL := help
.PHONY: help venv lint format test check demo bench bench-budgets versions frameworks vertexai soak collector wire prices accuracy coverage vocabulary semconv wheel build clean

help: ## List the targets
	@awk -F':.*## ' '/^[a-z -]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(STAMP) ## Make .venv with the project, all extras, test and lint tools

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: $(PYTHON) is older than Python 3.11; say which to use: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; \
	  exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv $(VENV) || { \
	  echo "make: 'python -m venv' failed; on Debian and Ubuntu install python3-venv first" >&2; \
	  exit 1; }
	@# Dependency groups need pip 25.1; a fresh Python may carry an older one.
	$(PY) -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(PY) -m pip install --quiet --disable-pip-version-check --group test --group lint --editable '.[all]'
	@rm -f $(VENV)/.installed-*
	@touch $@

lint: $(STAMP) ## Style, types, the one-way flow between the rooms, sizes
	$(BIN)/ruff check src tests tools
	$(BIN)/ruff format --check src tests tools
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(PY) tools/check_sizes.py src tests tools
	$(PY) -m tools.semconv.check

format: $(STAMP) ## Format and fix what can be fixed
	$(BIN)/ruff check --fix src tests tools
	$(BIN)/ruff format src tests tools

test: lint check ## Set everything up, then lint and every test

check: $(STAMP) ## The tests alone
	@$(PY) -m tools.collector.build --if-possible
	$(PY) -m pytest -n $(JOBS) $(ARGS)

demo: $(STAMP) ## Set everything up, then run an agent against canned replies and show what it cost
	@$(BIN)/tokenomics demo $(ARGS)

bench: $(STAMP) ## What one call and one streamed chunk cost, bare against instrumented
	$(PY) -m tests.bench $(ARGS)

RIVALS := .venvs/rivals/bin/python

bench-budgets: $(STAMP) ## Budgets: what a reservation costs, and what 50 calls at once spend, beside other libraries
	@test -x $(RIVALS) || { $(PYTHON) -m venv .venvs/rivals && \
	  $(RIVALS) -m pip install --quiet openai shekel agentbudget agenticmeter tokencap llm-cost-governor litellm; }
	$(PY) -m tests.bench.budgets --rivals $(RIVALS) $(ARGS)

versions: $(STAMP) ## Every client library on its oldest, each major and its newest version; the table in docs/coverage.md
	$(PY) -m tests.versions.run $(ARGS)
	$(PY) -m tools.coverage

frameworks: $(STAMP) ## The larger agent frameworks, each at work: calls are counted once and know their agent
	$(PY) -m tests.frameworks.run $(ARGS)

vertexai: $(STAMP) ## google-cloud-aiplatform's generative models, against a gRPC server on the loopback
	$(PY) -m tests.vertexai.run $(ARGS)

soak: $(STAMP) ## The long tests: bursts, many processes, kill -9
	$(PY) -m pytest -n 0 -m soak $(ARGS)

collector: $(STAMP) ## Build the OpenTelemetry Collector of collector-config/ into the user's cache, once (needs Go 1.26)
	@$(PY) -m tools.collector.build $(ARGS)

wire: $(STAMP) collector ## The tests with the real collector alone
	$(PY) -m pytest -n $(JOBS) tests/wire $(ARGS)

prices: $(STAMP) ## Rebuild the price cards from the catalogues, and the collector's table from the cards
	$(PY) tools/build_cards.py $(ARGS)
	$(PY) -m tools.collector.generate
	$(PY) -m tools.collector.boards

accuracy: $(STAMP) ## Our prices and other tools' on every golden case, into docs/accuracy.md
	$(PY) -m tools.accuracy $(ARGS)

coverage: $(STAMP) ## Rebuild docs/coverage.md from the tables of client libraries
	$(PY) -m tools.coverage $(ARGS)

vocabulary: $(STAMP) ## Rebuild the tokenizer's vocabulary from its published package
	$(PY) tools/build_vocabulary.py $(ARGS)

semconv: $(STAMP) ## Make code and documentation of the convention in semconv/; ARGS=--check only looks
	$(PY) -m tools.semconv $(ARGS)
	$(PY) -m tools.collector.generate $(ARGS)
	$(PY) -m tools.collector.boards $(ARGS)

wheel build: $(STAMP) ## Build the wheel and the source distribution into dist/
	$(PY) -m hatchling build -d dist

clean: ## Remove what these targets made
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

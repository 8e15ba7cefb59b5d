# Everything people and CI type. Each target makes what it needs; nothing has to be installed before but Python 3.11+.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
LEAN   := .venv-lean/.ready
MODELS := .venv-mcp/.ready
AXE    := $(VENV)/axe/.ready
AZURE  := $(VENV)/azurite/.ready
FUZZ   := $(VENV)/.fuzz-ready
FUZZ_S ?= 20

.PHONY: help install demo lint check test bench soak fuzz clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml harvester/__init__.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --quiet --editable '.[dev]'
	@touch $@

# Clients that are not ours judge the simulator. One that cannot be installed ends nothing: its tests are skipped with the reason.
$(LEAN): tests/judges/install
	PYTHON=$(PYTHON) tests/judges/install .venv-lean 'lean>=1.0.230'

$(MODELS): tests/judges/install
	PYTHON=$(PYTHON) tests/judges/install .venv-mcp 'pydantic>=2' 'httpx>=0.28' -- iflow-mcp-quantconnect-mcp-server==0.1.0

$(AXE): $(READY)
	@mkdir -p $(VENV)/axe
	@if command -v npm >/dev/null; then npm install --silent --no-fund --no-audit --prefix $(VENV)/axe axe-core; fi
	@touch $@

$(AZURE): $(READY)
	@mkdir -p $(VENV)/azurite
	@if command -v npm >/dev/null; then npm install --silent --no-fund --no-audit --prefix $(VENV)/azurite azurite; fi
	@touch $@

$(FUZZ): $(READY)
	$(BIN)/pip install --quiet --quiet --editable '.[fuzz]'
	@touch $@

install: $(READY) ## make .venv with everything the other targets need

demo: $(READY) ## run the main job against the built-in simulator
	$(BIN)/harvester demo

lint: $(READY) ## format the code and mend what ruff can mend
	$(BIN)/ruff format harvester tests
	$(BIN)/ruff check --fix harvester tests

check: $(READY) ## report format, lint, types and floors; changes nothing
	$(BIN)/ruff format --check harvester tests
	$(BIN)/ruff check harvester tests
	$(BIN)/mypy
	$(BIN)/lint-imports

test: $(READY) $(LEAN) $(MODELS) $(AXE) $(AZURE) ## run the tests with branch coverage (QuantConnect's clients have environments of their own)
	$(BIN)/pytest -n auto --ignore tests/browser -m 'not bench and not soak' --cov --cov-report=
	$(BIN)/pytest tests/browser --cov --cov-append --cov-report=term

bench: $(READY) ## print the measures, as ratios to a peer in the same run; BENCH=full for all sizes
	$(BIN)/pytest -m bench -s -p no:cacheprovider tests/benchmarks

soak: $(READY) ## kills at hundreds of moments, 320 damaged archives (15 min), then a simulated year with the machine to itself (22 min)
	$(BIN)/pytest -n auto -m soak --ignore tests/browser --ignore tests/soak
	$(BIN)/pytest -m soak tests/soak

fuzz: $(FUZZ) ## guided fuzzing of all that reads foreign bytes; FUZZ_S=seconds for each of its targets
	@for target in tests/fuzz/fuzz_*.py; do $(BIN)/python $$target $(FUZZ_S) || exit 1; done

clean: ## remove what the targets above have made
	rm -rf demo-archive $(VENV) .venv-lean .venv-mcp .fuzz .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .coverage .coverage.* .hypothesis dist
	find harvester tests -name __pycache__ -type d -prune -exec rm -rf {} +

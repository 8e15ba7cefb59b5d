# Everything people and CI type. Each target makes what it needs; nothing has to be installed before but Python 3.11+.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
LEAN   := .venv-lean/.ready
MODELS := .venv-mcp/.ready
AZURE  := $(VENV)/azurite/.ready
FUZZ   := $(VENV)/.fuzz-ready
DIST   := $(VENV)/dist
FUZZ_S ?= 20
PAUSE_S ?= 5
# Tests wait for disks, ports and processes most of the time, so twice as many as cores run at once.
TESTERS := $(shell echo $$((2 * $$(nproc 2>/dev/null || sysctl -n hw.ncpu))))

.PHONY: help install demo lint check test bench soak fuzz clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Downloads fail now and then: each is tried three times, and what pip or npm printed is not hidden.
define download
	@for attempt in 1 2 3; do \
	  $(1) && exit 0; \
	  echo "attempt $$attempt of 3 failed: $(1)" >&2; \
	  [ $$attempt = 3 ] || sleep $$((attempt * $(PAUSE_S))); \
	done; exit 1
endef

$(READY): pyproject.toml harvester/__init__.py
	$(PYTHON) -m venv $(VENV)
	$(call download,$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]')
	@touch $@

# Independent judges have environments of their own. One that cannot be installed ends nothing: its tests are skipped with the reason.
$(LEAN): tests/judges/install
	PYTHON=$(PYTHON) tests/judges/install .venv-lean 'lean>=1.0.230'

$(MODELS): tests/judges/install
	PYTHON=$(PYTHON) tests/judges/install .venv-mcp 'pydantic>=2' 'httpx>=0.28' -- iflow-mcp-quantconnect-mcp-server==0.1.0

$(AZURE): $(READY)
	@mkdir -p $(@D)
	-$(call download,{ ! command -v npm >/dev/null || npm install --loglevel=error --no-fund --no-audit --prefix $(@D) azurite; } && touch $@)

$(FUZZ): $(READY)
	$(call download,$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[fuzz]')
	@touch $@

install: $(READY) ## make .venv with everything the other targets need

demo: $(READY) ## run the main job against the built-in simulator
	$(BIN)/harvester demo

lint: $(READY) ## format the code and fix what ruff can fix
	$(BIN)/ruff format harvester tests
	$(BIN)/ruff check --fix harvester tests

check: $(READY) ## check format, lint, types, imports between rooms, and the packages built for PyPI
	$(BIN)/ruff format --check harvester tests
	$(BIN)/ruff check harvester tests
	$(BIN)/mypy
	$(BIN)/lint-imports
	rm -rf $(DIST)
	$(BIN)/python -m build --no-isolation --outdir $(DIST) >$(VENV)/build.log 2>&1 || { cat $(VENV)/build.log; exit 1; }
	$(BIN)/twine check --strict $(DIST)/*

test: $(READY) $(LEAN) $(MODELS) $(AZURE) ## run the tests with branch coverage
	$(BIN)/pytest -n $(TESTERS) --ignore tests/browser -m 'not bench and not soak' --cov --cov-report=
	$(BIN)/pytest tests/browser --cov --cov-append --cov-report=term

bench: $(READY) ## print the measures, as ratios to a peer in the same run; BENCH=full for all sizes
	$(BIN)/pytest -m bench -s -p no:cacheprovider tests/benchmarks

soak: $(READY) ## kill at hundreds of moments, 320 damaged archives (15 min), then a simulated year on an idle machine (22 min)
	$(BIN)/pytest -n auto -m soak --ignore tests/browser --ignore tests/soak
	$(BIN)/pytest -m soak tests/soak

fuzz: $(FUZZ) ## guided fuzzing of everything that reads foreign bytes; FUZZ_S=seconds per target
	@for target in tests/fuzz/fuzz_*.py; do $(BIN)/python $$target $(FUZZ_S) || exit 1; done

clean: ## remove what the other targets have made
	rm -rf demo-archive $(VENV) .venv-lean .venv-mcp .fuzz .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .coverage .coverage.* .hypothesis dist
	find harvester tests -name __pycache__ -type d -prune -exec rm -rf {} +

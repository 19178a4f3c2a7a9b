# The commands of the checkout; the same on a laptop and in CI.
.DEFAULT_GOAL := help
.PHONY: help install demo serve test test-all chaos check bench lock clean
.DELETE_ON_ERROR:

BIN := .venv/bin
INSTALLED := .venv/.installed
# Most tests wait for a server or a clock; each of the processes starts its own servers.
AT_ONCE := -n 4 --dist worksteal

help: ## show this
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 16

install: $(INSTALLED) ## .venv with everything for use and development

$(INSTALLED): setup.cfg pyproject.toml requirements-dev.lock .ci/install
	@bash .ci/install
	@touch $@

demo: install ## the main job, end to end, on embedded stand-ins
	@$(BIN)/drawbar demo

serve: install ## leave the demo's landscape running at http://127.0.0.1:8000
	@$(BIN)/drawbar demo --serve

test: install ## everything that is not slow, on real servers
	@bash tests/servers/install
	@$(BIN)/pytest -m "not slow" $(AT_ONCE)

test-all: install ## the slow tests too
	@bash tests/servers/install
	@$(BIN)/pytest $(AT_ONCE)

chaos: install ## processes, servers and lines die, nothing is lost or done twice; MINUTES=10 SEED= STATE=both
	@bash tests/servers/install
	@PYTHONPATH=tests $(BIN)/python -m chaos --minutes $(or $(MINUTES),10) --state $(or $(STATE),both) $(if $(SEED),--seed $(SEED))

check: install ## lint, types, import contracts, generated docs unchanged
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p drawbar -p servers -p chaos --exclude '/drawbar/(tests|examples|benchmarks|docs)/'
	$(BIN)/lint-imports --no-logo
	@if [ -f cli/reference.py ]; then set -x; $(BIN)/python -m drawbar.cli.reference --check; fi

bench: install ## the speed tables of benchmarks/
	@set -e; for table in benchmarks/[a-z]*.py; do $(BIN)/python $$table; done

lock: install ## newest libraries that setup.cfg allows, with their hashes
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip compile setup.cfg --all-extras --universal --python-version 3.11 --upgrade \
		--generate-hashes --no-header --no-emit-index-url --quiet --output-file requirements-dev.lock

clean: ## remove what the other targets made
	rm -rf .venv .servers .benchmarks build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

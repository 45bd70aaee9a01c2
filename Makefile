# Every command that works on the tree. `make install` comes first in each of them and costs nothing when it is done.

BIN := .venv/bin

# make install PYTHON=/path/to/python3.13 takes another Python than python3.
# What follows the target goes to the tool behind it: make test ARGS="-k attach", make serve ARGS="--port 9000".
ARGS ?=

PROJECTS := pyproject.toml $(wildcard plugins/*/pyproject.toml clients/*/pyproject.toml contrib/*/pyproject.toml)

# A Node that tools/node.sh had to install is in .venv.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# The tests start hundreds of processes; where none may keep what it has compiled, each compiles everything.
unexport PYTHONDONTWRITEBYTECODE
TS := clients/typescript
TS_SOURCES := $(shell find $(TS)/src -type f) $(wildcard $(TS)/scripts/*.mjs) $(TS)/package.json $(TS)/tsconfig.json $(TS)/tsconfig.build.json
PAGE := plugins/playground

.DEFAULT_GOAL := help
.PHONY: help install serve test test-browser client-ts page test-ts system lint format types docs pictures bench soak lives fuzz autobahn constraints clean

help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: .venv/.installed ## everything into .venv; needs Python 3.11 or newer and a C compiler

.venv/.installed: $(PROJECTS) requirements-dev.txt constraints.txt tools/install.sh
	@tools/install.sh
	@touch $@

serve: install ## the server with every plugin and the demo page, on port 8080
	$(BIN)/rtcore serve $(ARGS)

system: ## nginx and Chromium, which the tests use for real
	@tools/system.sh

test: install system test-ts ## every test
	$(BIN)/pytest $(ARGS)

test-browser: install system client-ts ## only the tests that drive a browser
	$(BIN)/pytest -m browser $(ARGS)

client-ts: $(TS)/dist/rtcore-client.js ## the TypeScript client, built; needs Node 20.10 or newer

page: client-ts ## the demo page's copy of that client, which its wheel carries: after every change of the client
	cp $(TS)/dist/rtcore-client.js $(PAGE)/rtcore_playground/static/

test-ts: install client-ts ## only the tests of the TypeScript client and the checks of the demo page: lint, types, size, units, a real server
	cd $(TS) && npm run --silent lint && npm run --silent types && npm run --silent sizes && npm run --silent test
	cd $(PAGE) && ../../$(TS)/node_modules/.bin/biome check --error-on-warnings . && ../../$(TS)/node_modules/.bin/tsc -p .

$(TS)/node_modules/.installed: $(TS)/package.json | .venv/.installed
	@tools/node.sh
	cd $(TS) && npm install --no-fund --no-audit --loglevel=error
	@touch $@

$(TS)/dist/rtcore-client.js: $(TS)/node_modules/.installed $(TS_SOURCES)
	cd $(TS) && npm run --silent build

lint: install ## ruff: rules and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: install ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: install ## mypy, strict
	$(BIN)/mypy

docs: install ## the documentation into site/, a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

pictures: install system ## the pictures of the demo page in docs/images, from a real one
	$(BIN)/python tools/pictures.py

bench: install ## the figures that the documentation quotes
	$(BIN)/python -m benchmarks $(ARGS)

soak: install ## ten minutes of everything at once, with churn: memory, tasks and descriptors stay flat
	$(BIN)/python -m tests.soak $(ARGS)

lives: install client-ts ## a day of 200 clients of both languages, 100,000 messages, bad networks, a drain and a crash
	$(BIN)/python -m tests.lives $(ARGS)

fuzz: install ## a parser (json, cbor, compressed) and inputs guided by coverage, for ten minutes
	$(BIN)/pip install --quiet -r tests/fuzz/requirements.txt
	$(BIN)/python -m tests.fuzz $(ARGS)

autobahn: install ## the WebSocket plugin against the Autobahn fuzzing client; needs a Python 2.7 to run that in
	$(BIN)/python plugins/websocket/autobahn/run.py $(ARGS)

constraints: install ## constraints.txt anew, from the newest versions that fit
	$(BIN)/python tools/constraints.py

clean: ## away with everything that was made
	rm -rf .venv .tox .mypy_cache .pytest_cache .ruff_cache .hypothesis .build site dist build
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

# The commands of this project; `make help` lists them. A fresh machine needs python3 (3.11 or newer) with venv, and make.
#
# Each command makes its own environment from a lock file with hashes. The wheel is built there, by the locked
# backend, and installed: what runs and what is tested is what would be shipped, not the checkout.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV ?= .venv
UV ?= uv
PORT ?= 10985
ARGS ?=
# Most of the time a test waits for a process it started, so half as many again as there are processors.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(len(os.sched_getaffinity(0)) * 3 // 2)')

BIN := $(VENV)/bin
PEERS := $(VENV)/peers
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Directories count too: a file that was removed shows in the time of its directory.
SOURCES := $(shell find agent -not -name '*.py[co]' -not -name __pycache__ -not -path '*/.*_cache*') pyproject.toml README.md LICENSE
CHECKED := agent demo tests $(wildcard tools)
PYTEST := HYPERJOBS_TEST_WHEEL=1 $(BIN)/python -m pytest

.PHONY: help
help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

.PHONY: run
run: $(VENV)/.stamp-wheel ## start the agent on a store of its own in var/ (PORT=10985)
	@mkdir -p var
	@echo "hyperjobs on var/jobs.db: http://127.0.0.1:$(PORT)/ for a person, http://127.0.0.1:$(PORT)/metrics for Prometheus; Ctrl-C ends it"
	@exec env HYPERJOBS_STORE__PATH=var/jobs.db HYPERJOBS_STORE__CREATE=true HYPERJOBS_STORE__STATE_DIR=var/state \
	HYPERJOBS_MAINTENANCE__BACKUP__DIRECTORY=var/backups \
	HYPERJOBS_WEB__LISTEN='["127.0.0.1:$(PORT)"]' \
	$(BIN)/hyperjobs run --config config/example.yaml $(ARGS)

.PHONY: demo
demo: $(VENV)/.stamp-wheel ## a fleet with a past, its agent, Prometheus if there is one, all in var/demo (ARGS=--help)
	@exec $(BIN)/python -m demo.run --port $(PORT) $(ARGS)

# The data of coverage is where everybody may write: some tests change to another user and are counted too.
.PHONY: test
test: lint ## lint, then every test that takes seconds, with coverage by branch (ARGS=… goes to pytest, WORKERS=1 is one after the other)
	@data=$$(mktemp -d) && trap 'rm -rf "$$data"' EXIT && chmod 1777 "$$data" && \
	COVERAGE_FILE="$$data/.coverage" HYPERJOBS_TEST_WHEEL=1 $(BIN)/python -m coverage run -m pytest -n $(WORKERS) --dist loadfile $(ARGS) && \
	$(BIN)/python -m coverage combine --quiet "$$data"
	@$(BIN)/python -m coverage report --skip-covered --skip-empty

.PHONY: test-long
test-long: $(VENV)/.stamp-test $(VENV)/.stamp-wheel ## the tests that take minutes
	$(PYTEST) -m long $(ARGS)

.PHONY: bench
bench: $(VENV)/.stamp-test $(VENV)/.stamp-wheel $(PEERS)/.stamp ## measure the figures of docs/performance.md on this machine
	$(BIN)/python tests/bench/run.py $(ARGS)

.PHONY: lint
lint: $(VENV)/.stamp-test $(VENV)/.stamp-wheel ## ruff, mypy and the import contracts
	$(BIN)/ruff check --quiet $(CHECKED)
	$(BIN)/ruff format --quiet --check $(CHECKED)
	$(BIN)/mypy --no-error-summary
	@PYTHONPATH=agent $(BIN)/lint-imports --no-cache > $(VENV)/imports.txt || { cat $(VENV)/imports.txt; exit 1; }

.PHONY: dashboards
dashboards: $(VENV)/.stamp-test $(VENV)/.stamp-wheel ## write grafana/dashboards/ from tools/dashboards/
	PYTHONPATH=tools $(BIN)/python -m dashboards

# Half a gigabyte of Grafana's components, so it is built where it is asked for and nowhere else.
.PHONY: screenshots
screenshots: $(VENV)/.stamp-test $(VENV)/.stamp-wheel ## draw the dashboards over a demo into docs/images/ (needs npm, Chromium, Prometheus)
	cd tools/rendering && npm install --no-audit --no-fund --no-package-lock --ignore-scripts --legacy-peer-deps && node node_modules/vite/bin/vite.js build
	PYTHONPATH=tools:. $(BIN)/python tools/rendering/shoot.py tools/rendering/dist $(ARGS)

.PHONY: lock
lock: ## rewrite requirements/ from pyproject.toml, newest versions that fit (needs uv)
	@command -v $(UV) > /dev/null || { echo "make lock needs uv: pip install uv, or make lock UV=/path/to/uv" >&2; exit 2; }
	$(COMPILE) pyproject.toml --group build -o requirements/run.txt
	$(COMPILE) pyproject.toml --group build --group test -c requirements/run.txt -o requirements/test.txt
	$(COMPILE) pyproject.toml --extra apprise --extra s3 -c requirements/test.txt -o requirements/deploy.txt
	$(COMPILE) --group pyproject.toml:peers -o requirements/peers.txt

COMPILE = $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

.PHONY: wheels
wheels: $(VENV)/.stamp-wheel ## everything that an installation needs, for a machine like this one, in dist/wheels
	@rm -rf dist/wheels && mkdir -p dist/wheels
	$(PIP) download --require-hashes --only-binary :all: --dest dist/wheels --requirement requirements/deploy.txt
	@cp $(VENV)/dist/hyperjobs-*.whl dist/wheels/ && cp requirements/deploy.txt dist/wheels/requirements.txt
	@cd dist/wheels && printf 'hyperjobs==%s --hash=sha256:%s\n' \
		"$(VERSION)" "$$(sha256sum hyperjobs-*.whl | cut -d' ' -f1)" >> requirements.txt

.PHONY: image
image: wheels ## build the container image, by docker, podman or buildah (IMAGE=…, BASE_IMAGE=…)
	@engine="$(ENGINE)"; [ -n "$$engine" ] || { echo "make image needs docker, podman or buildah, and one that runs" >&2; exit 2; }; \
	case "$$engine" in docker) set -- build ;; *) set -- build --format docker ;; esac; \
	"$$engine" "$$@" --file deploy/docker/Dockerfile --tag "$(IMAGE)" $(IMAGE_ARGS) \
		--build-arg BASE_IMAGE="$(BASE_IMAGE)" --build-arg VERSION="$(VERSION)" \
		--build-arg REVISION="$$(git rev-parse HEAD 2> /dev/null || echo unknown)" .

VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' agent/hyperjobs/__init__.py)
IMAGE ?= hyperjobs:$(VERSION)
IMAGE_ARGS ?=
# The wheels are for the Python of $(VENV), so the image needs the same.
BASE_IMAGE ?= docker.io/library/python:$(shell $(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')-slim-bookworm
# A client without a daemon builds nothing.
ENGINE ?= $(shell for each in docker podman buildah; do "$$each" info > /dev/null 2>&1 && echo "$$each" && break; done)

.PHONY: clean
clean: ## remove everything made here, except var/
	rm -rf $(VENV) dist tools/rendering/dist tools/rendering/node_modules .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find agent demo tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps: what they stand for is in the environment, so they live and go with it.

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "hyperjobs needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.stamp-run: requirements/run.txt | $(BIN)/python
	$(PIP) install --require-hashes -r requirements/run.txt
	@touch $@

$(VENV)/.stamp-wheel: $(SOURCES) $(VENV)/.stamp-run
	@rm -rf $(VENV)/dist
	$(PIP) wheel . --no-deps --no-build-isolation --no-index --wheel-dir $(VENV)/dist
	$(PIP) install --no-deps --no-index --force-reinstall $(VENV)/dist/hyperjobs-*.whl
	@touch $@

$(VENV)/.stamp-test: requirements/test.txt $(VENV)/.stamp-run
	$(PIP) install --require-hashes -r requirements/test.txt
	@touch $@

# What the bench compares with lives apart, so that its dependencies never decide ours.
$(PEERS)/.stamp: requirements/peers.txt | $(BIN)/python
	@rm -rf $(PEERS)
	$(BIN)/python -m venv $(PEERS)
	$(PEERS)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/peers.txt
	@touch $@

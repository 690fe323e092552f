# Every command of the project, once. `make` alone lists them; CI calls
# `make system` and `make check`.

PYTHON ?= python3
PORT ?= 8080
EXAMPLE ?= examples/showcase.py
PYTEST_ARGS ?=
# Processes of `make test`: one for each core; 0 is the process of pytest itself.
JOBS ?= auto
BENCH_ARGS ?=
FUZZ_ARGS ?=
SOAK_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
# Targets run at the same time (make -j) must not install at the same time.
LOCKED := $(shell command -v flock >/dev/null 2>&1 && echo flock $(VENV)/.lock)
PIP := $(LOCKED) $(BIN)/pip install -q --disable-pip-version-check -c constraints.txt
PACKAGING := setup.cfg pyproject.toml poorwsgi/state.py

SYSTEM_PACKAGES := apache2-bin build-essential chromium chromium-driver \
	libapache2-mod-wsgi-py3 nginx-light redis-server valgrind wrk

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-14s %s\n", $$1, $$2 }' \
		$(MAKEFILE_LIST) | sort

# -- environments: one stamp for each extra that is installed ----------------

.PHONY: venv
venv: $(VENV)/.ready ## Make the virtual environment .venv

$(VENV)/.ready: setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit( \
		"poorwsgi needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e '.[test]'
	@touch $@

$(VENV)/.dev $(VENV)/.doc $(VENV)/.fuzz $(VENV)/.servers: $(VENV)/.%: $(VENV)/.ready
	$(PIP) -e '.[$*]'
	@touch $@

$(VENV)/.uwsgi: $(VENV)/.ready
	@$(PIP) 'uwsgi>=2.0.28' || { \
		echo "uWSGI could not be built. It needs a C compiler and the headers of" \
			"Python (Debian: apt-get install build-essential python3-dev)." \
			"Without it: $(BIN)/poorwsgi run examples/showcase.py" >&2; \
		exit 1; }
	@touch $@

# -- the two commands of the README ------------------------------------------

.PHONY: run
run: $(VENV)/.uwsgi ## Serve the example application under uWSGI (PORT=8080, EXAMPLE=...)
	@rm -f $(VENV)/uwsgi.log; url=http://127.0.0.1:$(PORT); trap : INT; \
	$(BIN)/uwsgi --http-socket 127.0.0.1:$(PORT) --wsgi-file $(EXAMPLE) \
		--pythonpath $(dir $(EXAMPLE)) \
		--master --processes 2 --threads 4 --need-app --die-on-term \
		--worker-reload-mercy 3 \
		--logger file:logfile=$(VENV)/uwsgi.log --req-logger stdio \
		--hook-accepting1-once "exec:echo '$$url/ is open, debug page: \
	$$url/debug-info (log: $(VENV)/uwsgi.log, Ctrl-C stops)' >&3" 3>&1 \
	|| { tail -n 25 $(VENV)/uwsgi.log >&2; exit 1; }

.PHONY: test
test: $(VENV)/.ready ## Run the tests that need no server and no browser
	$(BIN)/pytest -n $(JOBS) --dist loadfile $(PYTEST_ARGS)

.PHONY: run-perimeterx
run-perimeterx: $(VENV)/.ready ## Serve a shop with bot enforcement, beside a fake service
	PORT=$(PORT) $(BIN)/python tests/fake_perimeterx.py examples/perimeterx/poorwsgi.py

.PHONY: run-moesif
run-moesif: $(VENV)/.ready ## Serve a recorded shop, show its events (MOESIF=poorwsgi, flask, ...)
	@$(BIN)/python tests/fake_collector.py --beside \
		examples/moesif/$(or $(MOESIF),poorwsgi)/app.py $(PORT)

# -- more tests --------------------------------------------------------------

.PHONY: test-pythons
test-pythons: $(VENV)/.ready ## Run them on every Python >= 3.11 of this machine
	$(BIN)/python tests/pythons.py $(PYTEST_ARGS)

.PHONY: live
live: $(VENV)/.servers $(VENV)/.uwsgi ## Run the tests against real servers
	$(BIN)/pytest tests/live $(PYTEST_ARGS)

.PHONY: browser
browser: $(VENV)/.ready ## Open our pages in headless Chromium
	$(BIN)/pytest tests/browser $(PYTEST_ARGS)

.PHONY: fuzz
fuzz: $(VENV)/.ready ## Mutate bodies, then all other inputs (FUZZ_ARGS=--seconds=600)
	$(BIN)/python -P tests/fuzz/fuzz_bodies.py $(FUZZ_ARGS)
	PYTHONPATH=tests $(BIN)/python -P tests/fuzz/fuzz_requests.py $(FUZZ_ARGS)

.PHONY: fuzz-guided
fuzz-guided: $(VENV)/.fuzz ## The same led by coverage, by atheris (FUZZ_ARGS=--seconds=600)
	PYTHONPATH=tests $(BIN)/python -P tests/fuzz/guided.py $(FUZZ_ARGS)

.PHONY: soak
soak: $(VENV)/.uwsgi ## Send 200,000 requests, then faults under uWSGI (SOAK_ARGS=)
	PYTHONPATH=tests $(BIN)/python -P tests/soak/soak.py $(SOAK_ARGS)

.PHONY: coverage
coverage: $(VENV)/.dev ## Show the lines and branches that no test runs
	$(BIN)/coverage run -m pytest -q $(PYTEST_ARGS)
	$(BIN)/coverage html -q
	$(BIN)/coverage report --skip-covered --show-missing

# -- style, types, documentation ---------------------------------------------

.PHONY: lint
lint: $(VENV)/.dev ## Check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: format
format: $(VENV)/.dev ## Format and sort imports
	$(BIN)/ruff check --fix-only -q .
	$(BIN)/ruff format .

.PHONY: types
types: $(VENV)/.dev ## Check types, for the oldest and the newest Python
	$(BIN)/mypy --python-version 3.11
	$(BIN)/mypy --python-version 3.15
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --project pyproject.toml

.PHONY: docs
docs: $(VENV)/.doc ## Build the documentation; a warning is an error
	$(BIN)/sphinx-build -q -W -n --keep-going -b html doc doc/_build/html
	@echo "doc/_build/html/index.html"

.PHONY: pictures
pictures: $(VENV)/.ready ## Take pictures of our pages for the documentation (needs Chromium)
	PYTHONPATH=tests $(BIN)/python -P tests/pictures.py

# -- speed -------------------------------------------------------------------

$(VENV)-bench/.ready: tests/bench/requirements.txt
	$(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/pip install -q --disable-pip-version-check -r $<
	@touch $@

.PHONY: bench
bench: $(VENV)/.ready $(VENV)-bench/.ready ## Compare with other frameworks (BENCH_ARGS=--quick)
	$(BIN)/python -m tests.bench --peers $(VENV)-bench/bin/python $(BENCH_ARGS)
	$(VENV)-bench/bin/python tests/bench/bench_session.py $(filter --quick,$(BENCH_ARGS))
	$(BIN)/python tests/bench/bench_perimeterx.py $(filter --quick,$(BENCH_ARGS))
	$(BIN)/python tests/bench/bench_moesif.py $(filter --quick,$(BENCH_ARGS))
	$(BIN)/python tests/bench/bench_openapi.py $(filter --quick,$(BENCH_ARGS))

.PHONY: bench-import
bench-import: $(VENV)/.ready $(VENV)-bench/.ready ## Compare what imports cost
	$(BIN)/python -m tests.bench --peers $(VENV)-bench/bin/python --imports $(BENCH_ARGS)

.PHONY: bench-instructions
bench-instructions: $(VENV)-bench/.ready ## Count instructions of a request (needs valgrind)
	$(VENV)-bench/bin/python tests/bench/instructions.py $(BENCH_ARGS)

.PHONY: bench-served
bench-served: $(VENV)/.uwsgi $(VENV)-bench/.ready ## Compare CPU time under uWSGI (needs wrk)
	$(BIN)/python tests/bench/served.py --peers $(VENV)-bench $(BENCH_ARGS)

.PHONY: budgets
budgets: $(VENV)/.ready ## Hold calls and instructions against those stored (needs valgrind)
	$(BIN)/pytest tests/bench $(PYTEST_ARGS)

.PHONY: bench-session
bench-session: $(VENV)-bench/.ready ## Compare sealed cookies with itsdangerous and Fernet
	$(VENV)-bench/bin/python tests/bench/bench_session.py $(BENCH_ARGS)

.PHONY: bench-openapi
bench-openapi: $(VENV)/.ready ## Compare checks by a document with openapi-core by hand
	$(BIN)/python tests/bench/bench_openapi.py $(BENCH_ARGS)

.PHONY: bench-security
bench-security: $(VENV)/.ready $(VENV)-bench/.ready ## Send hostile requests to us and to others
	$(BIN)/python -P tests/bench/bench_security.py --peers $(VENV)-bench/bin/python $(BENCH_ARGS)

.PHONY: bench-uploads
bench-uploads: $(VENV)/.ready $(VENV)-bench/.ready ## Compare uploads with others (BENCH_ARGS=--quick)
	$(BIN)/python -P tests/bench/bench_uploads.py --peers $(VENV)-bench/bin/python $(BENCH_ARGS)

# -- distribution ------------------------------------------------------------

.PHONY: build
build: $(VENV)/.dev ## Build wheel and sdist twice, equal, and try them in a clean environment
	rm -rf build dist
	$(BIN)/python tests/packaging/reproduce.py dist
	$(BIN)/python tests/packaging/check_build.py dist

.PHONY: build-check
build-check: build

.PHONY: clean
clean: ## Remove what was built; environments stay (rm -r .venv*)
	rm -rf build dist artifacts htmlcov doc/_build doc/_pictures doc/_reference \
		.coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find poorwsgi tests examples -name __pycache__ -prune -exec rm -rf {} +

# -- continuous integration --------------------------------------------------

.PHONY: system
system: ## Install the Debian packages that CI needs
	@missing=$$(for name in $(SYSTEM_PACKAGES); do \
		dpkg-query -W -f '$${Status}' $$name 2>/dev/null \
			| grep -q 'ok installed' || echo $$name; done); \
	if [ -z "$$missing" ]; then echo "All Debian packages are there."; \
	elif [ "$$(id -u)" != 0 ]; then \
		echo "Not root. Please run: apt-get install" $$missing; \
	else \
		export DEBIAN_FRONTEND=noninteractive; \
		apt-get -q -o DPkg::Lock::Timeout=300 update; \
		apt-get -q -y -o DPkg::Lock::Timeout=300 install \
			--no-install-recommends $$missing; \
	fi

.PHONY: check
check: ## Run what CI runs
	$(MAKE) lint
	$(MAKE) types
	$(MAKE) test
	$(MAKE) budgets
	$(MAKE) live
	$(MAKE) browser
	$(MAKE) docs
	$(MAKE) build-check

# Every target does its own set-up: Python 3.11 or newer and make are all that must be there.
PYTHON ?= python3
# `make test PYTHON=python3.13` means that Python: beside a .venv of another version it gets an environment of its own.
ASK := import sys; print(sys.version.split()[0] + "t" * (not getattr(sys, "_is_gil_enabled", lambda: True)()))
VENV := .venv
ifneq ($(origin PYTHON),file)
ifneq ($(wildcard .venv/bin/python),)
WANTED := $(shell $(PYTHON) -c '$(ASK)')
ifneq ($(WANTED),$(shell .venv/bin/python -c '$(ASK)'))
VENV := .venv-$(WANTED)
endif
endif
endif
CONFORMANCE := .venv-conformance
DEMO := .venv-demo
DOCS := .venv-docs
CHECKERS := .venv-checkers
FRAMEWORKS := .venv-frameworks
PACKAGES := .venv-packages
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# One more than there are processors: tests of real servers wait for a quarter of their time.
JOBS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2) + 1)
CLIENTS ?= *
CHECK_PYTHON = $(PYTHON) -c 'import sys; \
	sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'

CODE := codegen runtime tests benchmarks examples tools
TYPED := codegen/connpool_gen runtime/connpool_runtime runtime/connpool_pytest.py examples benchmarks tools tests/conftest.py \
	$(wildcard tests/typing) $(wildcard generated)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo fleet test pythons stress lint format bench simulation chaos conformance classifiers docs packages \
	checkers frameworks requirements clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Two stamps, each written last, so that an interrupted set-up is done again: the packages of others,
# which costs a minute, and this repository's own two, which costs seconds.
$(VENV)/.requirements: requirements/dev.txt
	@$(CHECK_PYTHON)
	@echo "Installing the pinned packages into $(VENV) (about a minute) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/.installed: $(VENV)/.requirements pyproject.toml runtime/pyproject.toml
	@echo "Installing connpool-runtime and connpool-gen into $(VENV) ..."
	@$(PIP) install --no-deps --no-build-isolation -e ./runtime -e .
	@touch $@

# Only what the demo shows; this repository's own two packages are run from their folders.
$(DEMO)/.requirements: requirements/demo.txt
	@$(CHECK_PYTHON)
	@echo "Installing what the demo shows into $(DEMO) (half a minute, 180 MB) ..."
	@$(PYTHON) -m venv --clear $(DEMO)
	@$(DEMO)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/demo.txt
	@touch $@

demo: $(DEMO)/.requirements ## Run a service and a cache on three servers each, kill one of each, bring it back
	@cd examples && PYTHONPATH="$(CURDIR):$(CURDIR)/codegen:$(CURDIR)/runtime" \
		../$(DEMO)/bin/python -m demo $(if $(PICTURE),--picture "$(abspath $(PICTURE))")

fleet: $(VENV)/.installed ## Run three services that a registry knows; replace and kill their servers under load
	@cd examples && PYTHONPATH=.. ../$(BIN)/python -m fleet

test: $(VENV)/.installed ## Run the tests (JOBS=3 at a time; THOROUGH=1 for all, as CI)
	$(BIN)/python -m pytest -n $(JOBS) --ignore tests/conformance

pythons: ## Run the tests of both packages on every Python found here (PYTHONS=path:path for more)
	@$(PYTHON) tools/pythons.py --jobs $(JOBS) $(if $(ONLY),--only $(ONLY)) $(TESTS)

stress: $(VENV)/.installed ## Everything at once for minutes: killed servers, many threads, a soak
	STRESS_SECONDS=60 $(BIN)/python -m pytest -m stress tests/runtime

# The clients of the corpus have an environment of their own, with the same tools. No dependency is
# looked up: one of the stub packages asks for another that would hide the types of `requests`.
$(CONFORMANCE)/.installed: requirements/conformance.txt pyproject.toml runtime/pyproject.toml
	@echo "Installing the clients of the corpus into $(CONFORMANCE) (a few minutes) ..."
	@$(PYTHON) -m venv --clear $(CONFORMANCE)
	@$(CONFORMANCE)/bin/python -m pip --disable-pip-version-check --quiet install \
		--no-deps --require-hashes -r requirements/conformance.txt
	@$(CONFORMANCE)/bin/python -m pip --disable-pip-version-check --quiet install \
		--no-deps --no-build-isolation -e ./runtime -e .
	@echo "$(CURDIR)/tests/conformance/clients_src" \
		> "$$($(CONFORMANCE)/bin/python -c 'import site; print(site.getsitepackages()[0])')/made_clients.pth"
	@touch $@

conformance: $(CONFORMANCE)/.installed ## Generate and check wrappers for a corpus of real clients
	CLIENTS="$(CLIENTS)" $(CONFORMANCE)/bin/python -m pytest -n $(JOBS) --confcutdir tests/conformance tests/conformance

classifiers: $(CONFORMANCE)/.installed ## Test how errors are judged and what only reads, with every library that is known
	CLASSIFIERS=all $(CONFORMANCE)/bin/python -m pytest -n $(JOBS) tests/runtime/classifiers tests/generated/test_reads.py \
		--deselect tests/generated/test_reads.py::test_what_reads_in_etcd_changes_nothing  # no etcd is there

# Beside the frameworks, what is in the development environment. Nothing may be skipped here.
$(FRAMEWORKS)/.installed: requirements/frameworks.txt $(VENV)/.installed
	@echo "Installing the frameworks into $(FRAMEWORKS) ..."
	@$(BIN)/python -m venv --clear $(FRAMEWORKS)
	@$(FRAMEWORKS)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/frameworks.txt
	@$(BIN)/python -c 'import sysconfig; print("$(CURDIR)/codegen", "$(CURDIR)/runtime", sysconfig.get_path("purelib"), sep="\n")' \
		> "$$($(FRAMEWORKS)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/development.pth"
	@touch $@

frameworks: $(FRAMEWORKS)/.installed ## Run the examples for frameworks, and log records through structlog and JSON formatters
	FRAMEWORKS=all $(FRAMEWORKS)/bin/python -m pytest tests/examples/test_frameworks.py tests/runtime/test_log_records.py

# Beside the tools of the site, what is in the development environment: modules are imported to be described.
$(DOCS)/.installed: requirements/docs.txt $(VENV)/.installed
	@echo "Installing Sphinx into $(DOCS) ..."
	@$(BIN)/python -m venv --clear $(DOCS)
	@$(DOCS)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/docs.txt
	@$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
		> "$$($(DOCS)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/development.pth"
	@touch $@

# Afresh each time: a page that Sphinx took over from the last build gives no warning.
docs: $(DOCS)/.installed ## Build the documentation as a site in build/site
	@$(DOCS)/bin/sphinx-build --quiet --fresh-env --fail-on-warning --keep-going -j auto -c docs . build/site
	@echo "Open build/site/docs/index.html"

$(PACKAGES)/.installed: requirements/packages.txt
	@$(CHECK_PYTHON)
	@$(PYTHON) -m venv --clear $(PACKAGES)
	@$(PACKAGES)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/packages.txt
	@touch $@

# The second build has to give the same bytes as the first: who has the sources can tell what was published.
packages: $(PACKAGES)/.installed ## Build what is published into dist, twice; check it and the release workflow
	@rm -rf dist build/again
	@for folder in dist build/again; do for project in . runtime; do \
		SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) \
			$(PACKAGES)/bin/python -m build --no-isolation --outdir $$folder $$project > /dev/null || exit 1; \
	done; done
	@diff --recursive dist build/again && echo "Built twice, the same bytes."
	@$(PACKAGES)/bin/twine check --strict dist/*
	@$(PACKAGES)/bin/check-wheel-contents dist/*.whl
	@$(PACKAGES)/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(PACKAGES)/bin/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/*_*.yml
	@$(PACKAGES)/bin/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff
	@$(PACKAGES)/bin/zizmor --offline --quiet .github

lint: $(VENV)/.installed ## Check style, types and derived text: ruff, black, mypy --strict, pyright
	$(BIN)/ruff check $(CODE) $(wildcard generated)
	$(BIN)/black --check --quiet --diff $(CODE)
	$(BIN)/mypy --strict $(TYPED)
	$(BIN)/pyright
	$(BIN)/python tools/strict_wrappers.py
	$(BIN)/python tools/derive_sync.py --check

format: $(VENV)/.installed ## Derive the synchronous modules, apply black and ruff's safe fixes
	$(BIN)/python tools/derive_sync.py
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/black --quiet $(CODE)

$(CHECKERS)/.installed: requirements/checkers.txt
	@$(CHECK_PYTHON)
	@echo "Installing six type checkers into $(CHECKERS) ..."
	@$(PYTHON) -m venv --clear $(CHECKERS)
	@$(CHECKERS)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/checkers.txt
	@touch $@

# What they check is imported from the development environment.
checkers: $(CHECKERS)/.installed $(VENV)/.installed ## Check wrappers and a user's program with six type checkers; write docs/type_checkers.md
	@$(BIN)/python -m tools.type_checkers $(CHECKERS)/bin $(if $(ONLY),--only $(ONLY),--write)

bench: $(VENV)/.installed ## Measure against the peers and write benchmarks/README.md
	@$(BIN)/python -m benchmarks

simulation: $(VENV)/.installed ## Play servers that are slow, gone or back; write benchmarks/simulation/README.md
	@$(BIN)/python -m benchmarks.simulation

chaos: $(VENV)/.installed ## Break real servers and their network; write docs/chaos.md
	@PYTHONPATH=examples $(BIN)/python -m benchmarks.chaos

COMPILE := build/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-emit-package connpool-runtime --no-annotate \
	--custom-compile-command "make requirements"

requirements: ## Make requirements/*.txt anew from pyproject.toml and the corpus
	@$(PYTHON) -m venv build/uv
	@build/uv/bin/python -m pip --disable-pip-version-check --quiet install "uv>=0.9"
	@$(COMPILE) --upgrade pyproject.toml --group dev --output-file requirements/dev.txt
	@$(COMPILE) --constraint requirements/dev.txt pyproject.toml --group demo --output-file requirements/demo.txt
	@$(COMPILE) --group docs --constraint requirements/dev.txt --output-file requirements/docs.txt
	@$(COMPILE) --group checkers --constraint requirements/dev.txt --output-file requirements/checkers.txt
	@$(COMPILE) --group frameworks --constraint requirements/dev.txt --output-file requirements/frameworks.txt
	@$(COMPILE) --group packages --constraint requirements/dev.txt --output-file requirements/packages.txt
	@$(PYTHON) tests/conformance/corpus.py > build/corpus.in
	@$(COMPILE) --constraint requirements/dev.txt --no-emit-package types-requests \
		--output-file requirements/conformance.txt pyproject.toml build/corpus.in

clean: ## Remove the environment, caches and build results
	@rm -rf .venv .venv-3.* $(CONFORMANCE) $(DEMO) $(DOCS) $(CHECKERS) $(FRAMEWORKS) $(PACKAGES) build dist runtime/dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

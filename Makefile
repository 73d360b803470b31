# Needs CPython 3.11 or newer and make. `make help` lists what there is.
#   GKOPEN_PIP_INDEX     a package index to use instead of the default one
#   GKOPEN_MAVEN_MIRROR  the root of a Maven repository for Solr's jars
#   GKOPEN_HOME          where servers and data live (default: var/, for root below /var/lib/gkopen)

.DEFAULT_GOAL := help
.PHONY: help demo test bench check torture search clean
SHELL := /bin/sh

VENV := .venv
RUN := $(VENV)/bin/python -m ckanext.gkopen.embedded
VERSION := $(shell cat requirements.lock setup.py pyproject.toml | cksum | cut -d' ' -f1)
VERSION_DEV := $(shell cat requirements.lock requirements-dev.lock setup.py pyproject.toml | cksum | cut -d' ' -f1)
RUNTIME := $(VENV)/.runtime-$(VERSION)
DEVELOPMENT := $(VENV)/.development-$(VERSION_DEV)

ifdef GKOPEN_PIP_INDEX
export PIP_INDEX_URL := $(GKOPEN_PIP_INDEX)
export UV_DEFAULT_INDEX := $(GKOPEN_PIP_INDEX)
endif
export UV_PYTHON := $(VENV)/bin/python
# CKAN takes twice as long to load where nothing keeps what was compiled, and each command loads it.
unexport PYTHONDONTWRITEBYTECODE

# uv is six times as fast, pip knows this machine's settings for mirrors and proxies.
INSTALL = { $(VENV)/bin/uv pip install --quiet --no-deps $(1) 2>$(VENV)/uv.log || \
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps $(1); } || \
	{ echo "The packages could not be installed: check the network, or set GKOPEN_PIP_INDEX to an index that you can reach." >&2; exit 1; }

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 18

demo: $(RUNTIME) ## everything from nothing: servers, a demo city, the portal; Ctrl-C stops all of it
	@$(RUN) demo

test: $(DEVELOPMENT) ## everything from nothing, then the tests on real servers; ARGS="-k money" picks some
	@$(RUN) test $(ARGS)

bench: $(DEVELOPMENT) ## the benchmarks, with a table; ONLY=b runs one of them
	@$(VENV)/bin/python -m bench $(ONLY)

check: $(DEVELOPMENT) ## lint, types, domain files, translations
	@$(VENV)/bin/ruff check
	@$(VENV)/bin/pyright
	@$(VENV)/bin/python -m ckanext.gkopen.domains
	@$(VENV)/bin/python -m ckanext.gkopen.i18n check

torture: $(DEVELOPMENT) ## the acceptance rows in their long forms, half an hour, with a table
	@$(RUN) test -m torture $(ARGS)

search: $(RUNTIME) ## a CKAN with only gkopen's search, to judge it by a corpus of your own
	@$(RUN) search

clean: ## forget the demo's and the tests' servers and data
	@if [ -x $(VENV)/bin/python ]; then $(RUN) clean; fi
	@rm -rf build dist *.egg-info .pytest_cache .ruff_cache

$(VENV)/bin/python:
	@python= ; for name in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
	  if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$name; break; fi; done; \
	if [ -z "$$python" ]; then echo "CPython 3.11 or newer is needed: install it, or name it: make PYTHON=/path/to/python3" >&2; exit 1; fi; \
	echo "environment: $$($$python --version) in $(VENV)"; \
	$$python -m venv --clear $(VENV) || \
	{ rm -rf $(VENV); echo "This Python cannot make a virtual environment: on Debian, install python3-venv." >&2; exit 1; }

$(RUNTIME): | $(VENV)/bin/python
	@echo "environment: installing packages"
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps "$$(grep '^uv==' requirements.lock)" || \
	  echo "environment: uv is not to be had, using pip alone"
	@$(call INSTALL,-r requirements.lock)
	@$(call INSTALL,--no-build-isolation -e .)
	@rm -f $(VENV)/.runtime-* && touch $@

$(DEVELOPMENT): $(RUNTIME)
	@$(call INSTALL,-r requirements-dev.lock)
	@rm -f $(VENV)/.development-* && touch $@

# make demo   the whole story, without a click          make test    every test (about 15 minutes on 2 cores)
# make hub    a hub to try by hand                      make bench   ratios against peers, side by side (BENCH=imaging: those alone)
# make check  format, lint, imports, docstrings         make fix     mend what a machine can mend
# All of them set the machine up first: system packages, Python environment, proxy. DEVELOPING.md explains.

SHELL := /bin/bash -o pipefail
.DEFAULT_GOAL := help

# The environment is also the image of a sealed session, so every session's user must be able to read it: never below a
# home directory, and never on an interpreter that lies in one.
PYTHON ?= $(firstword $(wildcard /usr/bin/python3.11 /usr/bin/python3.12) python3)
IMAGES ?= /opt/clinical-workbench
IMAGE  := $(IMAGES)/$(shell basename '$(CURDIR)' | tr A-Z a-z | tr -cd a-z0-9- | cut -c1-12)-$(shell printf %s '$(CURDIR)' | sha256sum | cut -c1-8)
STAMP  := $(IMAGE)/venv/.ready-$(shell cat constraints.txt pyproject.toml | sha256sum | cut -c1-12)
RUN    := .venv/bin/
SUDO   := $(if $(filter 0,$(shell id -u)),,sudo)
# What de-identification is measured against, apart: they ask for other packages than ours.
PEERS  := dcmanon==0.3.1 deid==0.4.13 dicognito==0.19.0 dicom-anonymizer==2.1.0
SYSTEM := bubblewrap chromium fonts-droid-fallback libgl1 libseccomp2 nodejs npm python3-venv

.PHONY: help setup demo hub test nightly bench check fix clean

help:
	@sed -n 's/^# \(make.*\)/\1/p' Makefile

setup: $(STAMP)
	@ln -sfn $(IMAGE)/venv .venv  # a new clone at an old clone's path finds the environment ready, yet has no link

$(STAMP):
	@echo "==> 1/4 system packages: $(SYSTEM)"
	@missing=""; for p in $(SYSTEM); do dpkg -s $$p >/dev/null 2>&1 || missing="$$missing $$p"; done; \
	  command -v node >/dev/null && missing="$${missing// nodejs/}"; command -v npm >/dev/null && missing="$${missing// npm/}"; \
	  [ -z "$$missing" ] || { $(SUDO) apt-get update -qq && DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends $$missing; } || \
	  { echo "could not install:$$missing -> install them by hand (needs root or sudo), then run make again"; exit 8; }
	@echo "==> 2/4 Python environment in $(IMAGE)"
	@$(SUDO) install -d -m 755 -o $$(id -u) -g $$(id -g) $(IMAGES) $(IMAGE)
	@umask 022; [ -x $(IMAGE)/venv/bin/python ] || $(PYTHON) -m venv $(IMAGE)/venv
	@$(IMAGE)/venv/bin/python -m pip install -q --upgrade 'pip>=25' 2>/dev/null
	@umask 022; $(IMAGE)/venv/bin/python -m pip install --prefer-binary -c constraints.txt -e '.[session,hub,text,risk,imaging,dev]' 2>&1 | \
	  grep --line-buffered -E '^  Downloading|^Installing collected|^Successfully|^ERROR' | cut -c1-100 ; test $${PIPESTATUS[0]} -eq 0
	@$(IMAGE)/venv/bin/python -m pip check
	@echo "==> 3/4 proxy (configurable-http-proxy)"
	@umask 022; npm install --silent --no-fund --no-audit --prefix $(IMAGE)/node configurable-http-proxy@5.3.0
	@echo "==> 4/4 ready"
	@rm -f $(IMAGE)/venv/.ready-*; touch $@

demo: setup
	@$(RUN)python -m hub_config.demo $(if $(DATA),--data '$(DATA)') $(if $(PATIENTS),--patients $(PATIENTS)) $(if $(LANGUAGE),--language $(LANGUAGE))

hub: setup
	@$(RUN)python -m hub_config.demo --stay $(if $(DATA),--data '$(DATA)') $(if $(PATIENTS),--patients $(PATIENTS)) $(if $(LANGUAGE),--language $(LANGUAGE))

test: check
	@$(RUN)python -m pytest -q -n 2 --dist loadfile -m 'not nightly'

nightly: check
	@WORKBENCH_HYPOTHESIS=nightly $(RUN)python -m pytest -q -n 2 --dist loadfile

bench: setup
	@$(IMAGE)/venv/bin/python -m pip install -q --prefer-binary -c constraints.txt -e '.[bench]'  # by its own path: programs begin with it, and sessions know no other
	@[ -x $(IMAGE)/peers/bin/python ] || { $(PYTHON) -m venv $(IMAGE)/peers && $(IMAGE)/peers/bin/python -m pip install -q $(PEERS); } || rm -rf $(IMAGE)/peers
	@missed=""; for b in tests/bench/bench_$(BENCH)*.py; do echo "==> $$b"; PYTHONPATH=. OMP_NUM_THREADS=1 DEIDENTIFY_PEERS=$(IMAGE)/peers/bin/python $(RUN)python $$b || missed="$$missed $$b"; done; \
	  [ -z "$$missed" ] || { echo "a figure that was wanted is missed, or a benchmark failed:$$missed"; exit 1; }

check: setup
	@$(RUN)ruff format --check -q . || { echo "run: make fix"; exit 1; }
	@$(RUN)ruff check -q .
	@$(RUN)lint-imports | tail -n +12
	@$(RUN)numpydoc lint $$(git ls-files "workbench/*.py" "hub_config/*.py" "nlp/*.py" "imaging/*.py") 2>/dev/null

fix: setup
	@$(RUN)ruff check -q --fix . ; $(RUN)ruff format -q .

clean:
	rm -rf .venv .demo .state .pytest_cache .ruff_cache .hypothesis
	$(SUDO) rm -rf $(IMAGE)

# Everything that a newcomer, a contributor and CI run. `make help` lists it; each long step tells its time and is
# skipped when it is up to date.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCAL := PYTHONPATH=local/src $(PYTHON) -m modelyard_local
HELM = $$($(LOCAL) tools --only helm --paths | cut -d' ' -f2)
# Two processes at most: a build or a browser beside the tests needs air on a small machine.
WORKERS ?= 2
# Tests on the node mostly wait for pods.
NODE_WORKERS ?= 3
PYTEST := $(BIN)/pytest -q
SOURCES := operator/src gateway/src model-server/src trainer/src local/src examples/word-scores
IMPORTED := $(SOURCES) tests/conformance/src
CHECKED := $(SOURCES) tests docs/generate charts bench model-server/generate-rpc.py

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {gsub(/[$$][$$]/, "$$"); printf "  make %-19s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  MODELYARD_CLUSTER=current REGISTRY=…   make demo on the cluster that kubectl talks to"
	@echo "  MODELYARD_HOME, MODELYARD_CACHE        where the local cluster and the built tools live"

.PHONY: demo
demo: supported-python ## From this machine to right predictions from a real model in a real cluster
	@PYTHONPATH=local/src $(PYTHON) -m modelyard_demo

.PHONY: test
test: ## Install what is needed and run all tests: static, unit, contract, chart, integration, scale, e2e
	@began=$$SECONDS; $(MAKE) -j2 prepare-python prepare-cluster; \
	$(MAKE) check; $(MAKE) test-integration; $(MAKE) test-scale MODELS=40; $(MAKE) test-e2e; \
	echo "all tests passed in $$((SECONDS - began)) s"

.PHONY: check
check: venv chart-tools ## What needs no cluster: static checks, unit, contract and chart tests
	@began=$$SECONDS; $(MAKE) static test-unit; echo "checked in $$((SECONDS - began)) s"

.PHONY: static
static: venv
	@echo "== static checks"
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/mypy $(SOURCES) tests docs/generate bench
	PYTHONPATH=operator/src:gateway/src:model-server/src:trainer/src $(BIN)/lint-imports
	$(BIN)/codespell

.PHONY: test-unit
test-unit: venv chart-tools
	@echo "== unit, contract and chart tests"
	$(PYTEST) -n $(WORKERS) --dist loadfile --cov --cov-report=term tests/unit tests/contract tests/chart
	@echo "== faults: 200 scenarios"
	$(PYTEST) -n $(WORKERS) tests/faults --ignore tests/faults/conformance

.PHONY: test-integration
test-integration: venv api-tools ## On a real etcd and API server, without a node
	@echo "== integration tests"
	$(PYTEST) -n $(WORKERS) --dist loadfile tests/integration tests/faults/conformance

N ?= 10000
.PHONY: faults
faults: venv ## N=10000 scenarios of the operator under faults; SEED=… ORACLE=O4 runs one again
	PYTHONPATH=tests:operator/src $(BIN)/python -m faults --count $(N) \
	  $(if $(SEED),--seed $(SEED)) $(if $(ORACLE),--oracle $(ORACLE))

.PHONY: test-scale
test-scale: venv scale-tools ## On a real control plane with simulated nodes: MODELS=200, crashes, rollbacks, two leaders
	@echo "== scale tests"
	MODELYARD_SCALE_MODELS=$(or $(MODELS),200) $(PYTEST) -n $(WORKERS) --dist loadfile --durations=5 tests/scale

.PHONY: test-e2e
test-e2e: venv cluster ## On a real node: brings the local cluster up
	@echo "== e2e tests"
	$(PYTEST) -n $(NODE_WORKERS) --dist loadfile --durations=5 tests/e2e

.PHONY: cluster
cluster: ## Bring the local Kubernetes up, or heal it
	@$(LOCAL) up

.PHONY: cluster-down
cluster-down: ## Remove the local Kubernetes and everything that it made
	@$(LOCAL) down

.PHONY: status
status: ## Show every part of the local Kubernetes
	@$(LOCAL) status

.PHONY: env
env: ## Print how a shell reaches the local cluster: eval "$$(make -s env)"
	@$(LOCAL) status | tail -n 1
	@echo 'export PATH='"$${MODELYARD_HOME:-/var/lib/modelyard-local}"'/bin:$$PATH'

.PHONY: images
images: ## Build the images and push them to the local registry, or to REGISTRY
	@$(LOCAL) images $(if $(REGISTRY),--registry $(REGISTRY))

.PHONY: bench
bench: bench-control-plane bench-model-server ## Measure operator and server; results go to bench/results

# About 20 minutes for all; PEERS="ours mlserver" measures these anew and keeps what is known of the others.
.PHONY: bench-model-server
bench-model-server: venv ## Measure the model server beside its peers: PEERS="ours mlserver" BENCH_SECONDS=4
	@command -v wrk >/dev/null || { echo "wrk is missing: install the package wrk"; exit 1; }
	$(BIN)/python -m bench.model_server $(if $(PEERS),--peers $(PEERS)) $(if $(MODELS),--models $(MODELS)) \
	  --seconds $(or $(BENCH_SECONDS),4) --repetitions $(or $(REPETITIONS),2)
	@echo "make generate writes docs/performance.md from the results"

# Begins no further peer after 9 minutes, and says which are left; PEERS="serve llama" measures these and keeps the others.
.PHONY: bench-llm
bench-llm: venv ## Measure text generation beside transformers and llama.cpp: PEERS, TOKENS=128, GGUF=FILE
	$(BIN)/python -m bench.llm $(if $(PEERS),--peers $(PEERS)) $(if $(GGUF),--gguf $(GGUF)) \
	  --tokens $(or $(TOKENS),128) --repetitions $(or $(REPETITIONS),2) --patience $(or $(PATIENCE),120)
	@echo "make generate writes docs/performance.md from the results"

.PHONY: bench-requirements
bench-requirements: venv ## Pin the peers of the benchmark anew, with hashes
	for peer in bench/*/requirements/*.in; do \
	  { echo "# Generated by make bench-requirements; do not edit."; \
	    $(BIN)/uv pip compile -q --upgrade --python-version 3.11 --generate-hashes --no-emit-index-url \
	      --no-header --no-annotate $$peer; } > $${peer%.in}.new && mv $${peer%.in}.new $${peer%.in}.txt; done

.PHONY: fuzz
fuzz: venv ## N=10000 random requests, messages and packages for each entrance of the model server
	MODELYARD_FUZZ_EXAMPLES=$(N) $(PYTEST) -n $(WORKERS) tests/contract/test_fuzz.py tests/contract/test_openapi_fuzz.py

.PHONY: conformance
conformance: venv ## Judge our server, MLServer and KServe's by the clauses of the protocols, and try KServe's clients
	$(BIN)/python -m bench.model_server.conformance
	$(BIN)/python -m docs.generate

.PHONY: bench-gateway
bench-gateway: venv api-tools ## Measure the gateway beside a direct call and Envoy alone
	@command -v wrk >/dev/null || { echo "wrk is missing: install the package wrk"; exit 1; }
	PYTHONPATH=.:tests $(BIN)/python -m bench.gateway --seconds $(or $(BENCH_SECONDS),4) --repetitions $(or $(REPETITIONS),2)
	@echo "make generate writes docs/performance.md from the results"

.PHONY: bench-control-plane
bench-control-plane: venv scale-tools ## Measure the operator with MODELS="100 1000", FULL=1 for 5000 as well
	$(BIN)/python -m bench.control_plane --models $(or $(MODELS),100 1000) $(if $(FULL),--full)
	@echo "make generate writes docs/performance.md from the results"

.PHONY: bench-failures
bench-failures: venv cluster ## Kill each part of the platform under load on the local cluster; what clients see
	PYTHONPATH=local/src $(BIN)/python -m bench.failures

.PHONY: generate
generate: venv chart-tools ## Write all generated files: CRDs, manifests, gRPC code, reference, chart README
	$(BIN)/python -m modelyard_operator.crd --manifests manifests/crds --chart charts/modelyard/templates/crds
	$(BIN)/python charts/render-readme.py
	MODELYARD_HELM=$(HELM) charts/render-install.sh >/dev/null
	$(BIN)/python model-server/generate-rpc.py
	$(BIN)/python -m docs.generate
	$(BIN)/python -m bench.report

.PHONY: requirements
requirements: venv ## Pin all dependencies anew, with hashes
	$(BIN)/uv lock --upgrade
	for wanted in operator gateway "model-server --extra generation --extra image --extra onnx --extra structured --extra text"; do \
	  set -- $$wanted; member=$$1; shift; \
	  { echo "# Generated by make requirements; do not edit."; \
	    cd $$member; ../$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	      --no-emit-index-url --no-emit-package modelyard-operator --no-header --no-annotate "$$@" pyproject.toml; } > .build/$$member.txt; \
	  mv .build/$$member.txt $$member/requirements.txt; done
	{ echo "# Generated by make requirements; do not edit."; \
	  $(BIN)/uv export -q --only-group envoy --no-emit-workspace --no-header --no-annotate \
	    --format requirements-txt; } > .build/envoy.txt && mv .build/envoy.txt gateway/envoy.txt
	{ echo "# Generated by make requirements; do not edit."; \
	  $(BIN)/uv export -q --all-packages --all-groups --all-extras --no-emit-workspace --no-header --no-annotate \
	    --format requirements-txt; } > .build/dev.txt && mv .build/dev.txt requirements/dev.txt

.PHONY: clean
clean: ## Remove what was built in this folder; built tools and the cluster stay
	rm -rf $(VENV) .build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +

# What the targets above stand on.
.PHONY: supported-python venv chart-tools api-tools scale-tools prepare-python prepare-cluster
supported-python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$$($(PYTHON) --version) is too old: install Python 3.11 or newer, or name one: make PYTHON=python3.13 …"; exit 1; }

venv: supported-python $(VENV)/.complete

$(VENV)/.complete: requirements/dev.txt requirements/uv.txt
	@mkdir -p .build; echo "== Python environment (several GB for torch, the first time)"; began=$$SECONDS; \
	$(PYTHON) -m venv $(VENV); \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt; \
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt requirements/uv.txt; \
	site=$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
	printf '%s\n' $(foreach source,$(IMPORTED),"$(CURDIR)/$(source)") > "$$site/modelyard.pth"; \
	touch $@; echo "Python environment ready in $$((SECONDS - began)) s"

chart-tools:
	@$(LOCAL) tools --only helm kubectl
	@command -v promtool >/dev/null || { echo "== installing promtool"; \
	  apt-get update -qq && apt-get install -qq --no-install-recommends prometheus >/dev/null; } || \
	  { echo "promtool is missing: install the package prometheus"; exit 1; }

api-tools:
	@$(LOCAL) tools --tier api
	@$(LOCAL) tools --only helm kube-controller-manager versitygw

scale-tools: api-tools
	@$(LOCAL) tools --only kube-scheduler kwok

prepare-python: venv
prepare-cluster:
	@$(LOCAL) up
	@$(LOCAL) tools --only kwok

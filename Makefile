# Every target that a person or .ci/run calls. `make help` lists them.
.DELETE_ON_ERROR:
.PHONY: help install build lint format test test-interop test-browser test-hub test-cpu demo fuzz bench clean soak bench-peers

# Tests and benchmarks execute ONNX Runtime without Assay too, which would report to its vendor, and leave files
# in the home and in /tmp.
export ORT_DISABLE_TELEMETRY := 1

STAMP := node_modules/.package-lock.json
APT := apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends
# $(call need,program,package): installs Debian's package unless the program is here. A target that needs
# more than npm has a target …-packages, which gets it or fails; .ci/run then leaves the former out.
need = @command -v $(1) >/dev/null || { $(APT) $(2); } || \
	{ echo "$@: $(1) is not here, and Debian's $(2) cannot be installed"; exit 1; }
# $(call compiled,arguments of find): what became of these sources. build/ also keeps files whose sources are gone.
compiled = $$(find $(1) | sort | sed 's|^|build/|; s|ts$$|js|')
TESTS = $(call compiled,test -name '*.test.ts' -not -path 'test/interop/*' -not -path 'test/browser/*')

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(STAMP): package.json package-lock.json .npmrc
	npm ci --no-progress
	@touch $@

install: $(STAMP) ## dependencies from the lockfile, without install scripts

build: $(STAMP) ## compile to build/
	npm run --silent build

lint: build ## format, lint, floors, unused exports and dependencies
	npm run --silent lint

format: $(STAMP) ## rewrite the sources in the house format
	npm run --silent format

# The runner leaves a core idle, which of two is half of the time.
test: lint ## everything but timing and peers
	node --test --test-reporter=spec --test-concurrency=$$(nproc) $(TESTS)

# Seconds for each decoder; `make fuzz FUZZ_SECONDS=600 FUZZ_SEED=1` goes deeper.
FUZZ_SECONDS ?= 20
FUZZ_SEED ?= 20261121

fuzz: build ## mutations against every decoder, for FUZZ_SECONDS each
	FUZZ_SECONDS=$(FUZZ_SECONDS) FUZZ_SEED=$(FUZZ_SEED) node --test --test-reporter=spec $(call compiled,test/fuzz -name '*.test.ts')

INTEROP := .cache/interop
BENCH := .cache/bench
# PyTorch from Debian's unstable suite: PyPI's wheels for Linux need several GB of CUDA libraries. With
# TORCH_PYTHON=/usr/bin/python3 and a release's python3-torch it is the older exporter, over TorchScript.
TORCH := .cache/torch
TORCH_PYTHON ?= $(CURDIR)/$(TORCH)/python

$(INTEROP)/.stamp: test/interop/requirements.txt
	@rm -f $@
	python3 -m venv $(INTEROP)
	$(INTEROP)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

PERF_ANALYZER := .cache/perf-analyzer/perf_analyzer

$(PERF_ANALYZER): test/interop/perf-analyzer.sh
	$<

# Peers are many and independent: one that cannot be had costs its own tests alone.
interop-packages: build $(BENCH)/.stamp
	-@command -v xmllint >/dev/null || { $(APT) libxml2-utils; }
	-@$(MAKE) --no-print-directory --keep-going $(INTEROP)/.stamp $(PERF_ANALYZER)
	-@test -x $(TORCH_PYTHON) || command -v mmdebstrap >/dev/null || { $(APT) mmdebstrap; }
	-@test -x $(TORCH_PYTHON) || timeout 300 test/interop/current-torch.sh $(TORCH)

test-interop: interop-packages ## clients, converters, other implementations and ONNX's operator cases against Assay
	TORCH_PYTHON=$(TORCH_PYTHON) PERF_ANALYZER=$(PERF_ANALYZER) \
	  INTEROP_PYTHON=$$(test ! -e $(INTEROP)/.stamp || echo $(INTEROP)/bin/python) \
	  node --test --test-reporter=spec --test-concurrency=1 \
	    $(call compiled,test/interop -name '*.test.ts' -not -name docker-registry.test.ts -not -name older-cpu.test.ts)

hub-packages:
	$(call need,docker-registry,docker-registry)

test-hub: build hub-packages ## hub round trips against Debian's docker-registry, with interruptions
	node --test --test-reporter=spec build/test/interop/docker-registry.test.js

cpu-packages:
	$(call need,qemu-x86_64,qemu-user)

test-cpu: build cpu-packages ## nodes on an older processor, emulated by Debian's qemu-user, against this one
	node --test --test-reporter=spec build/test/interop/older-cpu.test.js

browser-packages:
	$(call need,$${CHROMIUM:-chromium},chromium)

test-browser: build browser-packages ## the verifier in headless Chromium, over the same evidence as in Node
	node --test --test-reporter=spec build/test/browser/browser.test.js

$(BENCH)/.stamp: test/bench/peers/package.json test/bench/peers/package-lock.json
	@mkdir -p $(BENCH)
	cp test/bench/peers/package.json test/bench/peers/package-lock.json .npmrc $(BENCH)/
	-cd $(BENCH) && npm ci --no-progress && touch .stamp

# About twelve minutes on two cores. BENCH_MODELS=mlp,tiny  BENCH_ROUNDS=1  BENCH_SECONDS=0.3 take less.
bench: build $(BENCH)/.stamp h2load ## time, memory, throughput: tables, JSON lines and a plot in build/bench (BENCH_MODELS, BENCH_ROUNDS, BENCH_SECONDS)
	@for bench in $(call compiled,test/bench -maxdepth 1 -name '*.ts'); do node $$bench || exit 1; done

.PHONY: h2load interop-packages hub-packages cpu-packages browser-packages
h2load:
	-$(call need,h2load,nghttp2-client)

PEERS := .cache/peers

$(PEERS)/.stamp: test/bench/peers/requirements.txt
	python3 -m venv $(PEERS)
	$(PEERS)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

bench-peers: build h2load ## Assay next to Python servers of the same protocol, through one client
	@if command -v python3 >/dev/null; then \
	  $(MAKE) --no-print-directory $(PEERS)/.stamp $(PERF_ANALYZER) && \
	  PERF_ANALYZER=$$(ls $(PERF_ANALYZER)) PEERS_PYTHON=$(PEERS)/bin/python node build/test/bench/peers/serving-peers.js; \
	else echo "bench-peers: skipped, there is no python3 here"; fi

demo: build ## a real model, attested on the simulator, its answer verified, forgeries refused
	node build/demo/main.js

# --- the guest
.PHONY: image image-repro image-tools image-packages guest-packages test-guest
SPEC ?= enclave/image/image.yaml
IMAGE_TOOLS := dpkg-deb apt-get npm tar xz
BUILD_IMAGE = node build/src/cli/build-image.js

image-tools:
	@for tool in $(IMAGE_TOOLS); do command -v $$tool >/dev/null || missing="$$missing $$tool"; done; \
	if [ -n "$$missing" ]; then $(APT) dpkg xz-utils tar; fi

image: build image-tools ## the guest: kernel, initrd, unified kernel image (SPEC=file names the models)
	$(BUILD_IMAGE) $(SPEC) build/image .cache/packages

image-repro: image ## build the guest again, in another place, and compare every byte
	$(BUILD_IMAGE) $(SPEC) build/repro/image .cache/packages
	@for file in vmlinuz initrd.lz4 assay.efi launch-policy.yaml deployment.yaml contents.txt; do \
	  cmp build/image/$$file build/repro/image/$$file || exit 1; done
	@echo "byte-identical: $$(sha256sum build/image/initrd.lz4 build/image/assay.efi | cut -c1-16 | xargs)"
	@rm -rf build/repro

image-packages: build image-tools
	node build/test/guest/fetch-packages.js

guest-packages: image-packages
	test/guest/install.sh

test-guest: image ## boot the guest under emulation as SNP, TDX and Azure, attest, infer, tamper
	test/guest/setup.sh
	node --test --test-reporter=spec --test-concurrency=1 build/test/guest/network.js build/test/guest/launch-options.js build/test/guest/guest-boot.js build/test/guest/other-hardware.js build/test/guest/measured-boot.js build/test/guest/image-node.js

soak: build ## the service under mixed load, reloads and dying workers for SOAK_SECONDS (120)
	node build/test/soak/soak.js

clean: ## remove what a build makes
	rm -rf build

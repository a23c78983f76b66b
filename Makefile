# Every target that a person or .ci/run calls. `make help` lists them.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: help install build lint format test demo fuzz bench clean

STAMP := node_modules/.package-lock.json
TESTS = $$(find build/test -name '*.test.js' -not -path 'build/test/interop/*' | sort)

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

test: lint ## everything but timing and peers
	node --test --test-reporter=spec $(TESTS)

clean: ## remove what a build makes
	rm -rf build

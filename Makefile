# Skep. `make` alone lists the targets; the work is done by cargo and the scripts named here.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo demo-down test test-long fuzz lint bench schemas image

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: ## a Swarm of three nodes, Skep on it, and two clusters that serve one application each (root; DEMO=here: the Swarm of this machine's engine)
	@tests/tools/need.sh cargo cc $(if $(filter here,$(DEMO)),docker,lab)
	@tests/tools/image.sh
	@examples/demo/demo.sh up

demo-down: ## remove what `make demo` made (DEMO=here, if it was made so)
	@examples/demo/demo.sh down

test: ## everything: format, lints, licences, unit, golden and simulated tests, and the lab tests (root)
	@tests/tools/test.sh

test-long: ## the same with many more random cases
	@PROPTEST_CASES=20000 tests/tools/test.sh

fuzz: ## every fuzz target for FUZZ_SECONDS (default 300) each
	@tests/tools/need.sh cargo cc
	@tests/tools/fuzz.sh

lint: ## format check, clippy and cargo-deny
	@tests/tools/need.sh cargo cc
	@tests/tools/lint.sh

bench: ## the measurements of docs/performance.md, on a lab (root)
	@tests/tools/need.sh cargo cc lab bench
	@tests/tools/image.sh
	@benches/run.sh

schemas: ## write schemas/, docs/reference*.md and docs/labels.md anew from the types
	@tests/tools/need.sh cargo cc
	@UPDATE_SCHEMAS=1 cargo test -q --lib -- api::schema api::labels::tests::settings::the_page

image: ## target/images/skep.tar and whoami.tar, for `docker load`
	@tests/tools/need.sh cargo cc
	@tests/tools/image.sh

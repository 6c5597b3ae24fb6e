# The verbs of this repository. `make` lists them; `.ci/run` is `make ci` and nothing else.
#
# Everything is built into one cache outside the clone, so that `devnet`, `test` and `ci` share compiled
# dependencies and a second clone starts warm. Deleting the cache is always safe. ALLOD_CACHE moves it;
# CARGO_TARGET_DIR, if set, wins.

ALLOD_CACHE ?= $(HOME)/.cache/allod
export CARGO_TARGET_DIR ?= $(ALLOD_CACHE)/target
TOOLS := $(ALLOD_CACHE)/tools
CACHE_MIB_MAX ?= 20480

CARGO_DENY_VERSION := 0.20.2
CARGO_MUTANTS_VERSION := 27.1.0

# Without RocksDB 7's headers, `cargo` is told to compile the copy inside the rocksdb crate instead (docs/adr/0001).
# Expanded when a recipe runs, that is, after `system` has installed what it could.
ROCKSDB_ENV = $(shell scripts/rocksdb-env)
CARGO = $(ROCKSDB_ENV) cargo
LOCKED := --locked

# What `make sim` and `make bench` run, and how `make devnet` starts.
SEED ?=
SEEDS ?= 50
BENCH_ARGS ?=
SOAK_ARGS ?=
DEVNET_ARGS ?=
TEST_ARGS ?=
MODEL_ARGS ?=

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help system build devnet test test-js test-webauthn test-subxt test-python check model model-short fmt lint layers wasm wasm-if-possible deny mutants bench release reproducible packaging-check sbom pages deb image image-static packages sim ci cache-trim clean-cache

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

system: ## install the system packages that are missing, check the Rust toolchain
	@scripts/system build-essential pkg-config libclang-dev librocksdb-dev

build: system ## build every binary and put links to them in bin/
	$(CARGO) build --workspace --bins $(LOCKED)
	@scripts/link-binaries "$(CARGO_TARGET_DIR)/debug" allod allod-node allod-devnet allod-gateway allod-store

devnet: build ## build and run a local network of four validators (DEVNET_ARGS="--validators 1")
	bin/allod-devnet up $(DEVNET_ARGS)

test: build ## every Rust test, then the clients of other languages
	@scripts/system curl procps # the tutorial talks by curl, tests end processes by kill
	@scripts/system $(JUDGES)
	$(JUDGING) $(CARGO) test --workspace --no-fail-fast $(LOCKED) $(TEST_ARGS)
	@$(MAKE) --no-print-directory test-js test-webauthn test-subxt test-python

test-js: build ## smoke tests with the unmodified @polkadot/api, polkadot-api, did-resolver and did-jwt
	@command -v npm >/dev/null || scripts/system nodejs npm
	cd tests/js && npm ci --no-audit --no-fund && ALLOD_DEVNET_PROGRAM="$(CARGO_TARGET_DIR)/debug/allod-devnet" npm test

test-webauthn: build ## a passkey of a real browser (Chromium) controls an identity
	@command -v npm >/dev/null || scripts/system nodejs npm
	@[ -n "$(ALLOD_CHROMIUM)" ] || scripts/system chromium
	cd tests/webauthn && npm ci --no-audit --no-fund && ALLOD_DEVNET_PROGRAM="$(CARGO_TARGET_DIR)/debug/allod-devnet" \
		ALLOD_PASSKEY_PROGRAM="$(CARGO_TARGET_DIR)/debug/passkey" npm test

test-subxt: build ## the unmodified subxt, with types generated from a running node; a workspace of its own
	cd tests/subxt && ALLOD_DEVNET_PROGRAM="$(CARGO_TARGET_DIR)/debug/allod-devnet" \
		CARGO_TARGET_DIR="$(CARGO_TARGET_DIR)/subxt" cargo test $(LOCKED)

# Logs of identities, judged by an implementation written from spec/ alone: the vectors, what the random sequences of the
# `control` test leave, and a log of a devnet. Then schemathesis on the HTTP binding. What they depend on lives in the cache, beside
# the compiled ones.
PYTHON_VENV := $(ALLOD_CACHE)/python
test-python: build ## a second verifier of exported logs, in Python, agrees; schemathesis on the HTTP binding
	@python3 -c 'import ensurepip, venv' 2>/dev/null || scripts/system python3 python3-venv
	@tests/python/environment "$(PYTHON_VENV)"
	rm -rf "$(CARGO_TARGET_DIR)/control-exports"
	ALLOD_CONTROL_EXPORTS="$(CARGO_TARGET_DIR)/control-exports" $(CARGO) test $(LOCKED) -p allod-tests --test control -- --quiet
	cd tests/python && "$(PYTHON_VENV)/bin/python" -B judge_vectors.py
	cd tests/python && "$(PYTHON_VENV)/bin/python" -B judge_vectors.py "$(CARGO_TARGET_DIR)/control-exports"
	cd tests/python && ALLOD_PROGRAMS="$(CARGO_TARGET_DIR)/debug" "$(PYTHON_VENV)/bin/python" -B live.py
	cd tests/python && ALLOD_PROGRAMS="$(CARGO_TARGET_DIR)/debug" "$(PYTHON_VENV)/bin/python" -B integration.py
	cd tests/python && ALLOD_PROGRAMS="$(CARGO_TARGET_DIR)/debug" "$(PYTHON_VENV)/bin/python" -B openapi.py

check: fmt lint layers wasm-if-possible deny model-short ## format, lints, layers, dependency rules, the model of control: everything but the tests

model: system ## explore the model of control in every configuration (MODEL_ARGS="--json --depth 9")
	$(CARGO) run $(LOCKED) -p allod-control-model --bin control-model -- --full $(MODEL_ARGS)

model-short: system
	$(CARGO) run $(LOCKED) -p allod-control-model --bin control-model -- $(MODEL_ARGS)

fmt:
	cargo fmt --all --check

lint: system
	$(CARGO) clippy --workspace --all-targets $(LOCKED) -- -D warnings

layers:
	@scripts/layers

# Who judges what is shipped: on Debian they are installed, and a test that misses one fails. systemd is there for systemd-analyze alone.
JUDGES := dpkg-dev python3 systemd
JUDGING = ALLOD_PROMTOOL="$$(scripts/promtool "$(TOOLS)")" $(if $(wildcard /usr/bin/apt-get),ALLOD_JUDGES_REQUIRED=1)

packaging-check: build ## the packages' tests, with every judge there
	@scripts/system $(JUDGES)
	$(JUDGING) $(CARGO) test $(LOCKED) -p allod-tests --test packaging $(TEST_ARGS)

# Everything that is shipped comes from one release build, in a folder of its own: its flags are not those of the tests.
RELEASE_TARGET = $(CARGO_TARGET_DIR)/shipped
PACKAGES = $(CARGO_TARGET_DIR)/packages

release: system ## build what is shipped, the same bytes for everybody
	$(ROCKSDB_ENV) CARGO_TARGET_DIR="$(RELEASE_TARGET)" scripts/release

reproducible: system ## build the newest commit twice, in different places, and compare
	scripts/reproducible "$(CARGO_TARGET_DIR)/reproducible"

sbom: ## a bill of materials of what is shipped (CycloneDX)
	@command -v python3 >/dev/null || scripts/system python3
	@mkdir -p "$(PACKAGES)"
	packaging/sbom > "$(PACKAGES)/sbom.cdx.json"

pages: system ## manual pages and completions of every program
	$(CARGO) run $(LOCKED) -p allod-tests --bin pages -- "$(PACKAGES)/pages"

deb: release pages sbom ## the Debian package
	@command -v dpkg-shlibdeps >/dev/null || scripts/system dpkg-dev
	packaging/deb/build "$(RELEASE_TARGET)/release" "$(PACKAGES)/pages" "$(PACKAGES)" "$(PACKAGES)/sbom.cdx.json"

image: release ## an image of the node, by podman or docker
	rm -rf "$(PACKAGES)/image" && mkdir -p "$(PACKAGES)/image"
	packaging/oci/rootfs "$(RELEASE_TARGET)/release/allod-node" "$(PACKAGES)/image/rootfs"
	packaging/oci/build "$(PACKAGES)/image"

# The node without a shared library beside it: packaging/oci/README.md says when that is the better image.
image-static: system ## an image of the node as one static program, by podman or docker
	@scripts/system libsnappy-dev liblz4-dev libzstd-dev zlib1g-dev libbz2-dev
	CARGO_TARGET_DIR="$(RELEASE_TARGET)" scripts/release --static
	rm -rf "$(PACKAGES)/image-static" && mkdir -p "$(PACKAGES)/image-static"
	packaging/oci/rootfs "$(RELEASE_TARGET)"/*/release/allod-node "$(PACKAGES)/image-static/rootfs"
	IMAGE=allod-node-static packaging/oci/build "$(PACKAGES)/image-static"

packages: deb sbom ## package, pages, bill of materials, checksums
	cd "$(PACKAGES)" && sha256sum *.deb sbom.cdx.json > SHA256SUMS && cat SHA256SUMS

wasm: ## build the verifier kernel for WebAssembly and run its vectors in Node, installing Rust's targets if need be
	@command -v node >/dev/null || scripts/system nodejs
	@scripts/wasm

# Not every machine can fetch a Rust target: there, the dependencies are checked and nothing is built.
wasm-if-possible:
	@scripts/wasm --if-possible

deny: $(TOOLS)/bin/cargo-deny-$(CARGO_DENY_VERSION)
	@# No advisories: their database lies outside the package registries; run `cargo deny check advisories` by hand.
	$< --locked check --hide-inclusion-graph bans licenses sources

$(TOOLS)/bin/cargo-deny-$(CARGO_DENY_VERSION):
	cargo install cargo-deny --version $(CARGO_DENY_VERSION) --locked --root $(TOOLS)
	mv $(TOOLS)/bin/cargo-deny $@

# Not in CI: it takes an hour or two. What survives is in docs/mutants.md.
mutants: $(TOOLS)/bin/cargo-mutants-$(CARGO_MUTANTS_VERSION) ## by hand: break the code of control place by place, list what no test notices
	-$< mutants -p allod-primitives -f 'runtime/primitives/src/control/*.rs' -f runtime/primitives/src/guardian.rs \
		-o "$(CARGO_TARGET_DIR)/mutants-kernel" -- $(LOCKED) --lib control::
	-$< mutants -p allod-runtime -f 'runtime/src/did/*.rs' -o "$(CARGO_TARGET_DIR)/mutants-runtime" -- $(LOCKED) --lib did::

$(TOOLS)/bin/cargo-mutants-$(CARGO_MUTANTS_VERSION):
	cargo install cargo-mutants --version $(CARGO_MUTANTS_VERSION) --locked --root $(TOOLS)
	mv $(TOOLS)/bin/cargo-mutants $@

bench: system ## figures, each beside a limit measured in the same run (BENCH_ARGS=...)
	$(CARGO) build --release $(LOCKED) --workspace --bins
	$(CARGO) run --release $(LOCKED) -p allod-runtime --example light_bench
	$(CARGO) run --release $(LOCKED) -p allod-chain --example log_bench
	$(CARGO) run --release $(LOCKED) -p allod-tests --bin bench -- $(BENCH_ARGS)

# Real minutes, so no test. Aims that are missed are named, and end it with 1.
soak: system ## 200 WebSocket clients with every subscription for two minutes (SOAK_ARGS="--clients 50")
	$(CARGO) build --release $(LOCKED) --workspace --bins
	$(CARGO) run --release $(LOCKED) -p allod-tests --bin soak -- $(SOAK_ARGS)

sim: system ## the whole-node simulation: SEEDS=50 from the first, or one SEED=7
	$(if $(SEED),ALLOD_SIM_SEED=$(SEED)) ALLOD_SIM_SEEDS=$(SEEDS) \
		$(CARGO) test $(LOCKED) -p allod-tests --test simulation -- --nocapture --test-threads 1

ci: export CARGO_INCREMENTAL := 0
ci: export CARGO_TERM_COLOR := never
ci: cache-trim system check test ## what a submission must pass: check, then test

cache-trim:
	@scripts/cache-trim "$(CARGO_TARGET_DIR)" $(CACHE_MIB_MAX)

clean-cache: ## delete the shared build cache
	rm -rf "$(CARGO_TARGET_DIR)" "$(TOOLS)"

# The single entry. `make demo` and `make test` do all set-up that they need: Rust, a C compiler and make are enough.

CARGO ?= cargo
# Plugins, tests and the demo look for each other there.
export CARGO_TARGET_DIR := $(CURDIR)/target
PLUGINS := env exit-status artifacts livelog maxruntime
# How a pool's workers end: a pool chooses, by copying one into its plugin directory.
MORE_PLUGINS := stoponerror idle-shutdown lifetime
GUEST := $(CARGO) build --locked --target wasm32-wasip2 --profile plugin

.PHONY: demo build plugins test-plugins example-plugins test clients check-deployment lint doc bench soak fuzz clean wasm-target

demo: build ## Builds everything, runs a real task that compiles a plugin, and inspects what it built.
	sh examples/demo.sh

build: plugins ## The worker, with its plugins beside it in target/debug/plugins.
	$(CARGO) build --locked

plugins: wasm-target ## The plugins that come with the worker.
	$(GUEST) $(PLUGINS:%=-p plugin-%) $(MORE_PLUGINS:%=-p plugin-%)
	sh tests/install-plugins.sh target/debug/plugins $(PLUGINS)
	sh tests/install-plugins.sh target/debug/plugins/more $(MORE_PLUGINS)

test-plugins: wasm-target ## The guests that misbehave.
	$(GUEST) -p test-plugins --examples
	sh tests/install-plugins.sh target/test-plugins --examples

example-plugins: ## One in Python and one in JavaScript, where what builds them can be installed; says so where not.
	sh examples/plugins/build.sh

# The clients' crates ask more of what the worker is built of, such as a reqwest that decompresses: they are built by themselves.
OURS := --workspace --exclude test-plugins --exclude client-tests

test: plugins test-plugins example-plugins clients ## All tests. They build the worker themselves, with what tests need of its dependencies.
	$(CARGO) test --locked $(OURS) --doc
	$(CARGO) build --locked $(OURS) --examples # what tests start beside the worker
	$(CARGO) test --locked $(OURS) --tests --no-run
	$(CARGO) run --locked --quiet -p client-tests -- --embedded
	$(CARGO) test --locked $(OURS) --tests

clients: ## Taskcluster's own clients for Python and JavaScript, for the tests.
	sh tests/clients/install.sh

check-deployment: build clients ## Taskcluster's own clients against the deployment that the environment names.
	@test -n "$$TASKCLUSTER_ROOT_URL" || { echo "which deployment? docs/checking-a-deployment.md says what to set" >&2; exit 2; }
	$(CARGO) run --locked --quiet -p client-tests

lint: ## Formatting and clippy, warnings as errors.
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

doc: ## The documentation, warnings as errors.
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --document-private-items

bench: plugins test-plugins ## The numbers that the README quotes.
	$(CARGO) bench --locked -p taskcluster-worker --bench bench

soak: plugins test-plugins ## Ten thousand tasks under attack by mixtures of plugins: minutes. SOAK_SEED and SOAK_TASKS change what is drawn, and how many.
	$(CARGO) test --locked $(OURS) --test it -- attacks::soak --ignored --nocapture

MINUTES ?= 10
# Cargo compiles with the wrapper what is ours, and nothing else: the engine of the plugins stays as the tests have it.
FUZZ := RUSTC_WORKSPACE_WRAPPER=$(CURDIR)/tests/fuzz/instrument.sh $(CARGO) test --locked $(OURS) --features fuzz-targets/libfuzzer --test fuzz

fuzz: test-plugins ## All fuzz targets, MINUTES in all; 0 takes their corpora only. Or TARGET alone; or one INPUT of TARGET, such as a finding.
	@command -v "$${CXX:-c++}" > /dev/null || { echo "libFuzzer is written in C++: fuzzing takes a C++ compiler, c++ or what CXX says" >&2; exit 1; }
	$(FUZZ) -- $(if $(TARGET),--target $(TARGET)) $(or $(abspath $(INPUT)),$(if $(MERGE),--merge),--minutes $(MINUTES))

wasm-target:
	@test -d "$$(rustc --print sysroot)/lib/rustlib/wasm32-wasip2" || rustup target add wasm32-wasip2 || \
	    { echo "plugins are built for Rust's target wasm32-wasip2: add it with rustup, or with a package of your distribution" >&2; exit 1; }

clean:
	$(CARGO) clean

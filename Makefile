# The single entry. `make demo` and `make test` do all set-up that they need: Rust, a C compiler and make are enough.

CARGO ?= cargo
# Plugins, tests and the demo look for each other there.
export CARGO_TARGET_DIR := $(CURDIR)/target
PLUGINS := env exit-status artifacts livelog maxruntime
GUEST := $(CARGO) build --locked --target wasm32-wasip2 --profile plugin

.PHONY: demo build plugins test-plugins test clients check-deployment lint doc bench clean wasm-target

demo: build ## Builds everything, runs a real task that compiles a plugin, and inspects what it built.
	sh examples/demo.sh

build: plugins ## The worker, with its plugins beside it in target/debug/plugins.
	$(CARGO) build --locked

plugins: wasm-target ## The plugins that come with the worker.
	$(GUEST) $(PLUGINS:%=-p plugin-%)
	sh tests/install-plugins.sh target/debug/plugins $(PLUGINS)

test-plugins: wasm-target ## The guests that misbehave.
	$(GUEST) -p test-plugins --examples
	sh tests/install-plugins.sh target/test-plugins --examples

# The clients' crates ask more of what the worker is built of, such as a reqwest that decompresses: they are built by themselves.
OURS := --workspace --exclude test-plugins --exclude client-tests

test: plugins test-plugins clients ## All tests. They build the worker themselves, with what tests need of its dependencies.
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

wasm-target:
	@test -d "$$(rustc --print sysroot)/lib/rustlib/wasm32-wasip2" || rustup target add wasm32-wasip2 || \
	    { echo "plugins are built for Rust's target wasm32-wasip2: add it with rustup, or with a package of your distribution" >&2; exit 1; }

clean:
	$(CARGO) clean

//! The wasmtime engine, its ticker, and the runtime that guests run on: one of each for a process.

use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use wasmtime::{Config, Engine, PoolingAllocationConfig};

use crate::limits::Limits;

/// How much address space the pools of memories and of tables take at most, each. None of it costs anything before it is used.
const POOL_ADDRESSES: usize = 1 << 40;
/// How many components can be instantiated at a time: many times what a worker needs.
const POOL_COMPONENTS: u32 = 1_000;
/// How many slots keep the pages that they touched when they are free.
const WARM_SLOTS: u32 = 32;
/// How much of its pages such a slot keeps of a memory, a table and a stack: these are wiped, not given back.
const WARM_BYTES: [usize; 3] = [64 << 10, 8 << 10, 8 << 10];
const RESERVATION: u64 = 256 << 20;
const GUARD: u64 = 64 << 20;

/// The engine as the compiler's child process needs it. The worker's must have the same settings but for how instances are
/// allocated, or compiled code is refused.
///
/// # Errors
/// When wasmtime does not support the settings on this machine.
pub(crate) fn compiling_engine() -> wasmtime::Result<Engine> {
    Engine::new(&settings())
}

/// The engine that runs plugins with limits of at most `largest`. Instances come from a pool, which halves the time that
/// one takes; where there is no address space for the pool, each is allocated for itself.
///
/// # Errors
/// When wasmtime does not support the settings on this machine.
pub(crate) fn running_engine(largest: &Limits) -> wasmtime::Result<Engine> {
    pooled_engine(settings(), largest)
}

/// The same engine, but that it interrupts nobody: for measuring what interruption costs. It runs no plugin of a worker.
///
/// # Errors
/// When wasmtime does not support the settings on this machine.
pub(crate) fn engine_without_epochs(largest: &Limits) -> wasmtime::Result<Engine> {
    let mut config = settings();
    config.epoch_interruption(false);
    pooled_engine(config, largest)
}

fn pooled_engine(mut config: Config, largest: &Limits) -> wasmtime::Result<Engine> {
    let without_pool = config.clone();
    config.allocation_strategy(pool(largest));
    match Engine::new(&config) {
        Ok(engine) => Ok(engine),
        Err(error) => {
            tracing::info!(
                error = format!("{error:#}"),
                "plugins are instantiated without a pool, which takes a little longer"
            );
            Engine::new(&without_pool)
        }
    }
}

fn settings() -> Config {
    let mut config = Config::new();
    // Time is counted in epochs; deterministic fuel costs more and is not needed.
    config.epoch_interruption(true);
    // Component-model async costs four times per call and has had a sandbox escape.
    config.concurrency_support(false);
    config.max_wasm_stack(512 << 10);
    config.async_stack_size(2 << 20);
    config.async_stack_zeroing(true);
    // What no guest of ours needs is not there to be attacked.
    config
        .wasm_gc(false)
        .wasm_function_references(false)
        .wasm_exceptions(false);
    config.wasm_threads(false).shared_memory(false);
    config
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        .wasm_wide_arithmetic(false)
        .wasm_custom_page_sizes(false);
    config.memory_reservation(RESERVATION);
    config.memory_guard_size(GUARD);
    config
}

fn pool(largest: &Limits) -> PoolingAllocationConfig {
    let page = 64 << 10;
    let memory = usize::try_from(largest.memory_bytes)
        .unwrap_or(POOL_ADDRESSES)
        .clamp(page, 4 << 30)
        .next_multiple_of(page);
    let elements = usize::try_from(largest.table_elements).unwrap_or(POOL_ADDRESSES);
    // Room for as much as every component may have, so that none can take that of others, as far as there are addresses.
    let for_all = |each: u32, bytes: usize| {
        let fit = u32::try_from(POOL_ADDRESSES / bytes).unwrap_or(u32::MAX);
        each.saturating_mul(POOL_COMPONENTS).min(fit)
    };
    let memories = for_all(
        largest.memories(),
        memory.max(RESERVATION as usize) + GUARD as usize,
    );
    let tables = for_all(
        largest.tables(),
        elements.saturating_mul(size_of::<usize>()).max(page),
    );
    let [warm_memory, warm_table, warm_stack] = WARM_BYTES;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(POOL_COMPONENTS)
        .total_stacks(POOL_COMPONENTS)
        .total_core_instances(for_all(largest.instances, 1))
        .total_tables(tables)
        .total_memories(memories)
        .max_memory_size(memory)
        // How many there may be is a limit of the instance's.
        .max_memories_per_module(100)
        .max_tables_per_module(100)
        .table_elements(elements)
        .max_unused_warm_slots(WARM_SLOTS)
        .linear_memory_keep_resident(warm_memory)
        .table_keep_resident(warm_table)
        .async_stack_keep_resident(warm_stack);
    pool
}

/// Moves the engine's epoch every [`Limits::TICK`] while at least one guest computes, on a thread of its own, so that no
/// guest can starve it. Rests otherwise.
#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    active: AtomicUsize,
    state: Mutex<Stopping>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Stopping(bool);

impl Ticker {
    /// Starts the thread. It holds the engine weakly.
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let weak = engine.weak();
        let thread = thread::Builder::new().name("plugin-ticker".to_owned()).spawn({
            let shared = shared.clone();
            move || {
                let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
                while !state.0 {
                    if shared.active.load(Ordering::SeqCst) == 0 {
                        state = shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                        continue;
                    }
                    state = shared
                        .wake
                        .wait_timeout(state, Limits::TICK)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0;
                    if shared.active.load(Ordering::SeqCst) == 0 {
                        continue;
                    }
                    match weak.upgrade() {
                        Some(engine) => engine.increment_epoch(),
                        None => return,
                    }
                }
            }
        })?;
        Ok(Self {
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// A guest is called: the epoch moves until the guard is dropped.
    pub(crate) fn guest_called(self: &Arc<Self>) -> GuestCalled {
        self.guest_goes_on();
        GuestCalled(self.clone())
    }

    /// The guest of a [`GuestCalled`] waits in the host for what may take long. [`guest_goes_on`](Self::guest_goes_on) must
    /// follow before that guard is dropped.
    pub(crate) fn guest_waits(&self) {
        self.shared.active.fetch_sub(1, Ordering::SeqCst);
    }

    /// It waits no more.
    pub(crate) fn guest_goes_on(&self) {
        if self.shared.active.fetch_add(1, Ordering::SeqCst) == 0 {
            // The lock makes sure that the thread is either before its check of `active`, or waiting.
            drop(self.shared.state.lock().unwrap_or_else(PoisonError::into_inner));
            self.shared.wake.notify_one();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).0 = true;
        self.shared.wake.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the ticker of the plugins broke");
        }
    }
}

/// The ticker runs while this lives.
#[derive(Debug)]
pub(crate) struct GuestCalled(Arc<Ticker>);

impl Drop for GuestCalled {
    fn drop(&mut self) {
        self.0.shared.active.fetch_sub(1, Ordering::SeqCst);
    }
}

//! Ten thousand tasks of workers that have mixtures of plugins, well-behaved and hostile: `make soak`.
//!
//! Each task may do what a task does in the test of a row of the table, and ends as it does there. What is drawn follows from a
//! seed: `SOAK_SEED` sets another, and `SOAK_TASKS` another number of tasks.

use std::{collections::BTreeMap, env, time::Instant};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Value, json};

use super::{
    all,
    assault::{Assault, Engine, Strike},
    harness::{Siege, SiegeOptions},
    hostile::Hostile,
    measure::{held, memory, released},
};
use crate::kit::Plugin;

const SEED: u64 = 4;
const TASKS: usize = 10_000;
/// The engine of each of the workers that come one after the other. Each has a mixture of its own and its part of the tasks.
const WORKERS: [Engine; 4] = [Engine::Mock, Engine::Native, Engine::Mock, Engine::Mock];
/// How often each worker is measured.
const WINDOWS: usize = 20;
/// Windows until caches, the allocator and the pool of instances are full: places in it are taken for the first time whenever
/// more instances than ever before happen to be there at once.
const WARM_UP: usize = 8;
/// Tasks that are there at a time: some wait while eight run.
const BATCH: usize = 40;
/// By how many bytes the memory of the last windows may be above that of the first ones: in a run of ten thousand tasks
/// a leak of one KiB in each of them is more.
const NOISE: u64 = 1 << 20;
/// How often a plugin is not required, and a task in peace: one in so many.
const DISPENSABLE: u32 = 4;
const PEACEFUL: u32 = 3;

/// What one worker meets.
#[derive(Debug)]
struct Mixture {
    plugins: Vec<Hostile>,
    strikes: Vec<Strike>,
    engine: Engine,
}

impl Mixture {
    /// Some of what there is for an engine, two thirds of it, some of it not required.
    fn drawn(assaults: &[Assault], engine: Engine, random: &mut StdRng) -> Self {
        let mut mixture = Self {
            plugins: Vec::new(),
            strikes: Vec::new(),
            engine,
        };
        for assault in assaults.iter().filter(|assault| assault.engine == engine) {
            // There are but few for tasks with processes.
            if engine == Engine::Mock && random.random_ratio(1, 3) {
                continue;
            }
            let required =
                !random.random_ratio(1, DISPENSABLE) || assault.strikes.iter().any(ends_by_its_plugin);
            let plugins = assault.plugins.iter().cloned();
            mixture
                .plugins
                .extend(plugins.map(|plugin| plugin.set("required", json!(required))));
            let strikes = assault.strikes.iter().cloned();
            mixture.strikes.extend(strikes.map(|strike| match required {
                true => strike,
                false => Strike {
                    expected: strike.expected.of_a_plugin_that_is_not_required(),
                    ..strike
                },
            }));
        }
        mixture
    }

    /// A worker that has it, and all plugins that come with the worker.
    async fn siege(&self) -> Siege {
        SiegeOptions::by(self.plugins.iter().cloned())
            .engine(self.engine)
            .beside(Plugin::all_ordinary())
            // Long enough that no claim is lost, short enough that they are renewed.
            .claims_of("60s")
            .lay()
            .await
    }
}

/// Whether a task would run for ever if its plugin did not end it.
fn ends_by_its_plugin(strike: &Strike) -> bool {
    strike.payload["steps"] == json!(["forever"])
}

/// With what all plugins that come with the worker ask for.
fn complete(payload: &Value) -> Value {
    let mut payload = payload.clone();
    payload["maxRunTime"] = json!(600);
    payload
}

fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(variable: &str, default: T) -> T {
    env::var(variable).map_or(default, |text| text.parse().unwrap())
}

#[tokio::test]
#[ignore = "it takes minutes: make soak"]
async fn ten_thousand_tasks_end_as_the_table_says_and_the_workers_stay_flat() {
    let (seed, tasks) = (number("SOAK_SEED", SEED), number("SOAK_TASKS", TASKS));
    let assaults: Vec<Assault> = all()
        .iter()
        .filter_map(|row| row.assault)
        .map(|assault| assault())
        .collect();
    let mut random = StdRng::seed_from_u64(seed);
    println!("{tasks} tasks, SOAK_SEED={seed}");
    let mut ends = BTreeMap::new();
    for (number, engine) in WORKERS.into_iter().enumerate() {
        let mixture = Mixture::drawn(&assaults, engine, &mut random);
        println!(
            "worker {} of {}: engine {}, {} hostile plugins, {} ways to attack",
            number + 1,
            WORKERS.len(),
            engine.name(),
            mixture.plugins.len(),
            mixture.strikes.len()
        );
        soak(&mixture, tasks / WORKERS.len(), &mut random, &mut ends).await;
    }
    println!("as the table says: {ends:?}");
}

/// Runs tasks on one worker, counts how they end, and checks that the worker stays flat.
async fn soak(mixture: &Mixture, tasks: usize, random: &mut StdRng, ends: &mut BTreeMap<String, usize>) {
    let mut siege = mixture.siege().await;
    let pid = siege.worker().pid();
    let (began, mut before, mut bytes) = (Instant::now(), None, Vec::new());
    for window in 1..=WINDOWS {
        for batch in batches(tasks / WINDOWS) {
            let drawn: Vec<Strike> = (0..batch).map(|_| draw(mixture, &siege, random)).collect();
            let mut created = Vec::new();
            for strike in &drawn {
                created.push(siege.scene().create_task(&complete(&strike.payload)).await);
            }
            for (strike, task_id) in drawn.iter().zip(&created) {
                strike.check(siege.scene(), task_id).await;
                *ends.entry(strike.expected.to_string()).or_default() += 1;
            }
        }
        siege.rests().await;
        if window > WARM_UP {
            let before = &*before.get_or_insert_with(|| held(siege.scene().home(), pid));
            released(siege.scene().home(), pid, before, siege.connections()).await;
            bytes.push(memory(pid).await);
        }
        println!(
            "  {} of {tasks} tasks, {} s, {} KiB of memory",
            window * (tasks / WINDOWS),
            began.elapsed().as_secs(),
            memory(pid).await >> 10
        );
    }
    assert!(siege.worker().runs());
    if tasks < TASKS / WORKERS.len() {
        return println!("  too few tasks to tell a leak from what is filled for the first time");
    }
    let third = bytes.len() / 3;
    let (first, last) = (middle(&bytes[..third]), middle(&bytes[bytes.len() - third..]));
    assert!(last <= first + NOISE, "the worker's memory grows: {bytes:?}");
}

/// What is neither much nor little among them.
fn middle(windows: &[u64]) -> u64 {
    let mut sorted = windows.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

/// So many tasks in parts.
fn batches(mut tasks: usize) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let batch = tasks.min(BATCH);
        tasks -= batch;
        (batch > 0).then_some(batch)
    })
}

/// A task that attacks, or one in peace.
fn draw(mixture: &Mixture, siege: &Siege, random: &mut StdRng) -> Strike {
    match random.random_ratio(1, PEACEFUL) {
        true => siege.at_peace(),
        false => mixture.strikes.choose(random).unwrap().clone(),
    }
}

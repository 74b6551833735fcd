//! What plugins take of a worker's memory, with many tasks at a time.

use serde_json::json;

use super::{
    super::{
        kit::{Plugin, Scene, eventually},
        memory::pss_kib,
        table::row,
    },
    copies,
};

const TASKS: u32 = 64;
const PLUGINS: usize = 10;

pub(super) async fn run() {
    let (without, with) = (memory(0).await, memory(PLUGINS).await);
    row(
        &format!(
            "memory of a worker with {TASKS} tasks and {PLUGINS} plugins in each, more than without plugins (PSS)"
        ),
        &format!(
            "{:.1} MiB ({:.1} and {:.1})",
            (with - without) / 1024.0,
            with / 1024.0,
            without / 1024.0
        ),
        "< 64 MiB",
    );
}

/// Of a worker all of whose tasks run.
async fn memory(plugins: usize) -> f64 {
    let scene = Scene::new().await;
    let plugins: Vec<Plugin> = copies::fill(&scene.home().path().join("copies"), plugins);
    let options = scene.worker().mock().concurrency(TASKS);
    let worker = plugins
        .into_iter()
        .fold(options, |options, plugin| options.plugin(plugin))
        .start();
    let mut tasks = Vec::new();
    for _ in 0..TASKS {
        tasks.push(scene.create_task(&json!({"steps": ["forever"]})).await);
    }
    eventually("all tasks run", async || {
        let log = worker.err();
        let run = log
            .lines()
            .filter(|line| line.contains("stage=\"running\""))
            .count();
        (run >= tasks.len()).then_some(())
    })
    .await;
    pss_kib(worker.pid())
}

//! Attacks 25 to 32: taking memory, handles and room.

use std::iter::repeat_n;

use serde_json::json;

use super::{
    assault::Assault,
    files::{put, text},
    harness::SiegeOptions,
    hostile::{self, Hostile, around},
    table::{Attack, attack},
};
use crate::{
    kit::Expected,
    named_by_tests::{
        ATTACK_25_MANY_MEMORIES, ATTACK_26_GROWING_TABLE, ATTACK_26_HUGE_TABLE, ATTACK_27_HOARDED_HANDLES,
        ATTACK_27_OPEN_FILES, ATTACK_28_HUGE_TEXT, ATTACK_28_LIST_OF_TEXTS, ATTACK_29_MEMORY_HOARD,
        ATTACK_29_POOL_HOG, ATTACK_30_RECURSION, FILE_31_SHARED_MEMORY, FILE_32_GARBAGE_HEAP,
    },
};

pub(super) const ATTACKS: &[Attack] = &[
    attack!(
        25,
        "growing a memory to 4 GiB, or many memories each within the limit",
        "memory is summed over all memories of an instance",
        "`limits.memoryBytes`, `limits.instances`",
        memory_is_summed_over_all_memories,
        many_memories
    ),
    attack!(
        26,
        "a huge table, or tables that grow",
        "elements are summed over all tables of an instance",
        "`limits.tableElements`",
        elements_are_summed_over_all_tables,
        growing_tables
    ),
    attack!(
        27,
        "handles that are never dropped",
        "handles are counted, the guest's own and those of what the host holds",
        "`limits.handles`",
        handles_are_counted_whoever_holds_what_is_behind_them,
        hoarded_handles
    ),
    attack!(
        27,
        "files and folders that are opened and never closed",
        "what an instance has open is counted: the descriptors are the whole worker's",
        "64 readers, a folder counting as 16",
        what_is_open_is_counted,
        opened_files
    ),
    attack!(
        28,
        "texts and lists of gigabytes, or ones that are the same bytes a thousand times",
        "what one call carries is counted as it is copied; each function checks lengths again",
        "`limits.callBytes`; 1 MiB for a file",
        what_a_call_carries_is_counted,
        huge_texts
    ),
    attack!(
        29,
        "so many instances, memories or tables that other plugins find no room",
        "each is counted for an instance, of which a run has one for each plugin; there is room for a thousand at a time",
        "`limits.instances`, `worker.concurrency`",
        a_plugin_can_not_take_the_room_of_others
    ),
    attack!(
        30,
        "recursion without end",
        "a stack of 512 KiB, whose end is a trap; the host's own frames have three times as much",
        "512 KiB",
        recursion_without_end_is_a_trap,
        recursion
    ),
    attack!(
        31,
        "memory that threads share, which nobody counts",
        "components that have such memory are refused",
        "",
        shared_memory_is_refused
    ),
    attack!(
        32,
        "a heap that is collected, beside the memory that is counted",
        "components that have one are refused",
        "",
        a_heap_that_is_collected_is_refused
    ),
];

/// How a run ends whose required plugin broke, and what its log says.
fn broken(says: &'static str) -> Expected {
    Expected::broken().says(says)
}

fn many_memories() -> Assault {
    let small = Hostile::wat(ATTACK_25_MANY_MEMORIES).limits(json!({"memoryBytes": 8 << 20}));
    let large = Hostile::twin(ATTACK_25_MANY_MEMORIES, "25-large");
    let attacks = [
        (
            "three memories",
            small.payload(1),
            broken("the limit of memory, 8388608 (plugins.25-many-memories.limits.memoryBytes)"),
        ),
        ("with more memory", large.payload(1), Expected::completed()),
        (
            "four gigabytes",
            large.payload(2),
            broken("the limit of memory, 67108864 (plugins.25-large.limits.memoryBytes)"),
        ),
    ];
    Assault::by([small, large], attacks)
}

#[tokio::test]
async fn memory_is_summed_over_all_memories() {
    many_memories().is_withstood().await;
}

fn growing_tables() -> Assault {
    let small = Hostile::wat(ATTACK_26_GROWING_TABLE).limits(json!({"tableElements": 8_000}));
    let large = Hostile::twin(ATTACK_26_GROWING_TABLE, "26-large");
    let attacks = [
        (
            "two tables",
            small.payload(1),
            broken("the limit of table elements, 8000 (plugins.26-growing-table.limits.tableElements)"),
        ),
        ("with more elements", large.payload(1), Expected::completed()),
    ];
    Assault::by([small, large], attacks)
}

#[tokio::test]
async fn elements_are_summed_over_all_tables() {
    let assault = growing_tables();
    let mut siege = SiegeOptions::of(&assault).lay().await;
    siege.withstands(&assault).await;
    let huge = hostile::component(ATTACK_26_HUGE_TABLE, "huge");
    siege
        .repels_once(
            &[(
                "huge.wasm",
                "it begins with more than the limits of plugins allow",
            )],
            |directory| {
                put(directory, "huge.wasm", &huge);
            },
        )
        .await;
}

fn hoarded_handles() -> Assault {
    let few = Hostile::wat(ATTACK_27_HOARDED_HANDLES).limits(json!({"handles": 100}));
    let many = Hostile::twin(ATTACK_27_HOARDED_HANDLES, "27-many");
    let refused = "27: no more files";
    let attacks = [
        (
            "its own",
            few.payload(1),
            broken("the limit of handles, 100 (plugins.27-hoarded-handles.limits.handles)"),
        ),
        ("of files", few.payload(2), Expected::completed().says(refused)),
        ("its own, more of them", many.payload(1), Expected::completed()),
        (
            "of files, more of them",
            many.payload(2),
            Expected::completed().says_nothing_of(refused),
        ),
    ];
    Assault::by([few, many], attacks)
}

#[tokio::test]
async fn handles_are_counted_whoever_holds_what_is_behind_them() {
    hoarded_handles().is_withstood().await;
}

fn opened_files() -> Assault {
    let hostile = Hostile::wat(ATTACK_27_OPEN_FILES).granted(&["results"]);
    let mut folders = hostile.payload(2);
    folders["steps"] = json!([{"endlessFolder": "endless"}]);
    let attacks = [
        (
            "readers",
            hostile.payload(1),
            Expected::completed().says("27: opened 64 readers and no more"),
        ),
        (
            "folders",
            folders,
            Expected::completed().says("27: opened 4 folders and no more"),
        ),
    ];
    Assault::by([hostile], attacks)
}

#[tokio::test]
async fn what_is_open_is_counted() {
    opened_files().is_withstood().await;
}

fn huge_texts() -> Assault {
    let small = Hostile::wat(ATTACK_28_HUGE_TEXT).limits(json!({"callBytes": 1 << 20}));
    let large = Hostile::twin(ATTACK_28_HUGE_TEXT, "28-large");
    let exceeded = "bytes across one call, 1048576 (plugins.28-huge-text.limits.callBytes)";
    let attacks = [
        ("a text", small.payload(1), broken(exceeded)),
        ("a list", small.payload(2), broken(exceeded)),
        (
            "a text, with more bytes",
            large.payload(1),
            Expected::completed().says("xxx […]"),
        ),
        (
            "a list, with more bytes",
            large.payload(2),
            Expected::completed().says("28: too many bytes"),
        ),
    ];
    Assault::by([small, large], attacks)
}

#[tokio::test]
async fn what_a_call_carries_is_counted() {
    let assault = huge_texts();
    let mut siege = SiegeOptions::of(&assault).lay().await;
    siege.withstands(&assault).await;
    let list = hostile::component(ATTACK_28_LIST_OF_TEXTS, "list");
    siege
        .repels_once(&[("list.wasm", "its function `describe` failed")], |directory| {
            put(directory, "list.wasm", &list);
        })
        .await;
}

#[tokio::test]
async fn a_plugin_can_not_take_the_room_of_others() {
    let hog = Hostile::wat(ATTACK_29_POOL_HOG);
    let mut payload = hog.payload(1);
    payload["steps"] = json!(["forever"]);
    let mut siege = SiegeOptions::by([hog])
        .concurrency(41)
        .claims_of("3s")
        .rounds(2)
        .lay()
        .await;
    siege
        .stays_flat(async |siege, _| {
            let mut held = Vec::new();
            for payload in repeat_n(&payload, 40) {
                held.push(siege.scene().create_task(payload).await);
            }
            for task_id in &held {
                siege.worker().until_stage(task_id, "running").await;
            }
            siege.peace().await;
            for task_id in &held {
                siege.scene().queue.cancel_task(task_id).await.unwrap();
            }
            for task_id in &held {
                siege
                    .worker()
                    .until_err(&format!("run over run={task_id}/0"))
                    .await;
            }
        })
        .await;
    let hoard = hostile::component(ATTACK_29_MEMORY_HOARD, "hoard");
    siege
        .repels_once(&[("hoard.wasm", "its function `describe` failed")], |directory| {
            put(directory, "hoard.wasm", &hoard);
        })
        .await;
}

fn recursion() -> Assault {
    let hostile = Hostile::wat(ATTACK_30_RECURSION);
    let attacks = [("recursion", hostile.payload(1), broken("call stack exhausted"))];
    Assault::by([hostile], attacks)
}

#[tokio::test]
async fn recursion_without_end_is_a_trap() {
    recursion().is_withstood().await;
}

/// Checks that a plugin with a module inside is refused, and that the worker says these words.
async fn refused(file: &str, why: &str) {
    let plugin = around("odd", &wat::parse_str(text(file)).unwrap());
    let mut siege = SiegeOptions::by([]).lay().await;
    siege
        .repels(&[("odd.wasm", "it could not be compiled")], |directory| {
            put(directory, "odd.wasm", &plugin);
        })
        .await;
    let log = siege.worker().err();
    assert!(log.contains(why), "{log}");
}

#[tokio::test]
async fn shared_memory_is_refused() {
    refused(FILE_31_SHARED_MEMORY, "threads must be enabled").await;
}

#[tokio::test]
async fn a_heap_that_is_collected_is_refused() {
    refused(FILE_32_GARBAGE_HEAP, "gc").await;
}

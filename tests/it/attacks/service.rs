//! Attacks 48, 49 and 53, and one that has no number: what would take a plugin, or the worker, out of service or put another into it.

use std::{fs, path::Path};

use serde_json::json;

use super::{
    assault::Assault,
    files::{put, run, start},
    harness::SiegeOptions,
    hostile::Hostile,
    table::{Attack, attack},
};
use crate::{
    kit::{Expected, Plugin, check},
    named_by_tests::{
        ATTACK_48_CRASH_AT_START, ATTACK_FATAL_WITHOUT_A_GRANT, FILE_49_DELETION, FILE_53_HOT_SWAP,
        VERSIONED_A, VERSIONED_B,
    },
};

pub(super) const ATTACKS: &[Attack] = &[
    attack!(
        48,
        "a plugin that breaks whenever the worker starts",
        "faults are kept by the hash of the file, over restarts: a plugin with too many of them is in quarantine",
        "`plugins.faultLimit`, `plugins.faultWindow`",
        a_plugin_that_breaks_at_each_start_is_left_out
    ),
    attack!(
        49,
        "the plugin that keeps others in check is removed",
        "what the config requires stays in service without its file; a worker does not start without it",
        "`required`",
        a_required_plugin_that_is_removed_stays_in_service
    ),
    attack!(
        53,
        "a new version that meets the state of the old one",
        "a run keeps what it began with; a new version is taken up by the next run, after it has passed every check",
        "",
        a_swap_changes_no_run_that_has_begun
    ),
    attack!(
        0,
        "`fatal` from a plugin that may not stop the worker",
        "only a plugin with the grant `lifecycle` is believed; from others it is an internal error of one task",
        "`grants: [lifecycle]`",
        a_fatal_error_without_the_grant_does_not_stop_the_worker,
        fatal_without_a_grant
    ),
];

#[tokio::test]
async fn a_plugin_that_breaks_at_each_start_is_left_out() {
    let hostile = Hostile::built(ATTACK_48_CRASH_AT_START).set("required", json!(false));
    let mut siege = SiegeOptions::by([hostile])
        .set("/plugins/faultLimit", json!(3))
        .lay()
        .await;
    let left_out = "plugin refused: plugin attack-48-crash-at-start is in quarantine";
    for _ in 0..3 {
        siege.peace().await;
        siege.restart();
    }
    siege.peace().await;
    siege
        .until_said("attack-48-crash-at-start.wasm", left_out, 0)
        .await;
    siege.stays_flat(async |siege, _| siege.peace().await).await;
}

#[tokio::test]
async fn a_required_plugin_that_is_removed_stays_in_service() {
    let file = Plugin::misbehaving(VERSIONED_A, &[]).file;
    let plugin = fs::read(&file).unwrap();
    let mut siege = SiegeOptions::by([Hostile::of("versioned", plugin.clone())])
        .lay()
        .await;
    let missing = "plugin refused: no file in the plugin directory has a plugin of the name versioned";
    siege
        .stays_flat(async |siege, _| {
            let directory = siege.dropped(".");
            let before = siege.said("plugins.versioned", missing);
            run(FILE_49_DELETION, &[&directory, Path::new("versioned")]);
            let task_id = siege.create_peace().await;
            siege.check_peace(&task_id).await;
            let log = siege.scene().log(&task_id).await;
            assert!(log.contains("versioned 1.0.0: stopped"), "{log}");
            siege.until_said("plugins.versioned", missing, before).await;
            let before = siege.said("versioned.wasm", "plugin loaded");
            put(&directory, "versioned.wasm", &plugin);
            siege.peace().await;
            siege.until_said("versioned.wasm", "plugin loaded", before).await;
        })
        .await;
    run(FILE_49_DELETION, &[&siege.dropped("."), Path::new("versioned")]);
    siege.restart();
    assert_eq!(siege.worker().ended().await, Some(4));
    let said = siege.worker().err();
    assert!(
        said.contains("no file in the plugin directory has a plugin of the name versioned"),
        "{said}"
    );
}

#[tokio::test]
async fn a_swap_changes_no_run_that_has_begun() {
    let [old, new] = [VERSIONED_A, VERSIONED_B].map(|name| Plugin::misbehaving(name, &[]).file);
    let versioned = Hostile::of("versioned", fs::read(&old).unwrap());
    let mut siege = SiegeOptions::by([versioned]).lay().await;
    siege
        .stays_flat(async |siege, _| {
            let mut swapping = start(
                FILE_53_HOT_SWAP,
                &[&siege.dropped("."), Path::new("versioned"), &old, &new],
            );
            let payload = json!({"steps": [{"sleepMs": 30}]});
            let mut tasks = Vec::new();
            for _ in 0..4 {
                tasks.push(siege.scene().create_task(&payload).await);
            }
            siege.peace().await;
            for task_id in tasks {
                let expected = Expected::completed();
                check(siege.scene(), &task_id, "a task meanwhile", &expected).await;
                let log = siege.scene().log(&task_id).await;
                let of = |version: &str| {
                    ["new-task", "stopped"]
                        .map(|hook| log.matches(&format!("versioned {version}: {hook}")).count())
                };
                assert!(
                    matches!((of("1.0.0"), of("2.0.0")), ([1, 1], [0, 0]) | ([0, 0], [1, 1])),
                    "{log}"
                );
            }
            assert!(swapping.wait().unwrap().success());
        })
        .await;
    // However the two raced: this one it has seen.
    put(
        &siege.dropped("."),
        "versioned.wasm",
        &fs::read(&old).unwrap()[..5000],
    );
    siege.peace().await;
    siege
        .until_said("versioned.wasm", "it is not a whole, valid component", 0)
        .await;
}

fn fatal_without_a_grant() -> Assault {
    let hostile = Hostile::wat(ATTACK_FATAL_WITHOUT_A_GRANT);
    let expected = || {
        Expected::exception("internal-error")
            .says("internal error of plugin fatal-without-a-grant: the worker must stop")
    };
    let attacks = [
        ("while the sandbox runs", hostile.payload(1), expected()),
        ("once it has ended", hostile.payload(2), expected()),
    ];
    Assault::by([hostile], attacks)
}

#[tokio::test]
async fn a_fatal_error_without_the_grant_does_not_stop_the_worker() {
    fatal_without_a_grant().is_withstood().await;
}

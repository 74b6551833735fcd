//! Attacks 47 and 50 to 52: what comes after a failure, and failures of the host.

use serde_json::{Value, json};

use super::{
    assault::Assault,
    harness::SiegeOptions,
    hostile::Hostile,
    table::{Attack, attack},
};
use crate::{
    kit::{Expected, check},
    named_by_tests::{
        ATTACK_47_TRAP_THEN_CALL, ATTACK_50_REENTRANT, ATTACK_51_BLOCKED_CALL, ATTACK_52_HOST_PANIC,
    },
};

pub(super) const ATTACKS: &[Attack] = &[
    attack!(
        47,
        "a trap, after which the instance is in a state that nobody foresaw",
        "its store is dropped: there is nothing to call in this run, and the next has a fresh one; after some faults the plugin is in quarantine",
        "`plugins.faultLimit`, `plugins.faultWindow`",
        nothing_is_called_after_a_trap,
        trap
    ),
    attack!(
        50,
        "calling the host from within a call of the host",
        "the component model traps; no function of the host calls a guest",
        "",
        a_call_within_a_call_is_a_trap,
        call_within_a_call
    ),
    attack!(
        51,
        "a call that stays in the host for as long as it can, so that others wait for what it holds",
        "no lock is held while the host waits; an abort ends the wait at once, and the hook after its grace",
        "`plugins.abortGrace`",
        a_call_that_stays_in_the_host_holds_up_nobody
    ),
    attack!(
        52,
        "data that makes the host panic",
        "a panic ends the call, or the run, that it came of; every function of the host is fuzzed",
        "",
        a_panic_of_the_host_ends_one_run,
        panics_of_the_host
    ),
];

fn trap() -> Assault {
    let hostile = Hostile::wat(ATTACK_47_TRAP_THEN_CALL);
    let attacks = [(
        "the trap",
        hostile.payload(1),
        Expected::broken().says(
            "internal error of plugin 47-trap-then-call: started trapped: wasm trap: wasm `unreachable`",
        ),
    )];
    Assault::by([hostile], attacks)
}

#[tokio::test]
async fn nothing_is_called_after_a_trap() {
    let assault = trap();
    let mut siege = SiegeOptions::of(&assault).lay().await;
    siege.withstands(&assault).await;
    let log = siege.worker().err();
    assert!(!log.contains("47: called after a trap"));
    // What the engine says to whoever tries.
    assert!(!log.contains("cannot enter component instance"));
}

fn call_within_a_call() -> Assault {
    let hostile = Hostile::wat(ATTACK_50_REENTRANT);
    let attacks = [(
        "the call",
        hostile.payload(1),
        Expected::broken()
            .says("cannot leave component instance")
            .says_nothing_of("50: within a call"),
    )];
    Assault::by([hostile], attacks)
}

#[tokio::test]
async fn a_call_within_a_call_is_a_trap() {
    call_within_a_call().is_withstood().await;
}

#[tokio::test]
async fn a_call_that_stays_in_the_host_holds_up_nobody() {
    let hostile = Hostile::wat(ATTACK_51_BLOCKED_CALL);
    let mut payload = hostile.payload(1);
    payload["steps"] = json!(["forever"]);
    let mut siege = SiegeOptions::by([hostile])
        // A cancel is heard of when the claim is renewed.
        .claims_of("3s")
        .rounds(3)
        .lay()
        .await;
    siege
        .stays_flat(async |siege, _| {
            let task_id = siege.scene().create_task(&payload).await;
            siege.worker().until_stage(&task_id, "running").await;
            // It stays there until it is cancelled, and everybody else goes on.
            siege.peace().await;
            siege.scene().queue.cancel_task(&task_id).await.unwrap();
            check(
                siege.scene(),
                &task_id,
                "the task that is cancelled",
                &Expected::exception("canceled"),
            )
            .await;
            siege
                .worker()
                .until_err(&format!("run over run={task_id}/0"))
                .await;
        })
        .await;
    let log = siege.worker().err();
    assert!(
        log.contains("51: waits") && log.contains("did not return within 300ms of the abort"),
        "{log}"
    );
}

fn panics_of_the_host() -> Assault {
    let hostile = Hostile::wat(ATTACK_52_HOST_PANIC).granted(&["environment", "results"]);
    let with = |mode: u8, faults: Value| {
        let mut payload = hostile.payload(mode);
        payload["faults"] = faults;
        payload
    };
    let attacks = [
        (
            "on the guest's stack",
            with(1, json!({"setVariable": "panic"})),
            Expected::exception("internal-error").says("the worker failed in build-sandbox: it panicked"),
        ),
        (
            "beside the guest",
            with(2, json!({"extract": "panic"})),
            Expected::completed().says("52: it could not be taken out"),
        ),
    ];
    Assault::by([hostile], attacks)
}

#[tokio::test]
async fn a_panic_of_the_host_ends_one_run() {
    panics_of_the_host().is_withstood().await;
}

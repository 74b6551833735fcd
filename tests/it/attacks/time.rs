//! Attacks 17 to 24: taking CPU and time.

use serde_json::{Value, json};

use super::{
    assault::{Assault, Strike},
    files::{put, text},
    harness::SiegeOptions,
    hostile::{Hostile, around},
    table::{Attack, attack},
};
use crate::{
    kit::Expected,
    named_by_tests::{
        ATTACK_17_TIGHT_LOOP, ATTACK_18_SLOW_CALLS, ATTACK_19_SLOW_DRIP, ATTACK_20_ENDLESS_FILL,
        ATTACK_21_STARVED_TICKER, ATTACK_23_LOOPING_DESTRUCTOR, ATTACK_24_ENDLESS_WALK,
        FILE_22_ASYNC_FAN_OUT,
    },
};

pub(super) const ATTACKS: &[Attack] = &[
    attack!(
        17,
        "a hook that computes without end",
        "whoever computes is looked at every 10 ms, and charged for it; waiting is not charged",
        "`limits.cpuMs`",
        a_tight_loop_is_interrupted,
        tight_loop
    ),
    attack!(
        18,
        "a call of the host that does not return",
        "a limit for the whole hook, and one for each call of the host, which is answered",
        "`limits.hookMs`, `limits.callMs`",
        a_call_that_does_not_return_is_cut_short,
        slow_calls
    ),
    attack!(
        19,
        "a hook that calls the host without end, each call a short one",
        "the limit for the whole hook, whatever it is made of",
        "`limits.hookMs`, `limits.cpuMs`",
        a_drip_of_short_calls_is_interrupted,
        slow_drip
    ),
    attack!(
        20,
        "filling or copying gigabytes in one instruction, which nothing interrupts",
        "the memory is bounded, and with it the longest instruction",
        "`limits.memoryBytes`, `limits.cpuMs`",
        one_long_instruction_after_the_other_is_interrupted,
        endless_fill
    ),
    attack!(
        21,
        "so many hooks that compute at a time that nobody is left to interrupt them",
        "a thread that does nothing but tick; guests have threads of their own, apart from leases and timers",
        "`limits.cpuMs`",
        hooks_on_every_thread_of_the_guests_are_interrupted_and_their_claims_kept,
        hooks_on_every_thread
    ),
    attack!(
        22,
        "a million calls of the host under way at a time",
        "components that lift or lower asynchronously are refused: an instance has one call at a time",
        "",
        a_component_that_is_asynchronous_is_refused
    ),
    attack!(
        23,
        "a destructor that loops or traps",
        "no code of a guest runs when its store is dropped; within a hook a destructor is charged as the hook is",
        "`limits.cpuMs`",
        no_destructor_runs_outside_of_a_hook,
        looping_destructor
    ),
    attack!(
        24,
        "walking through a folder without end",
        "one entry for one call, within the limit for the whole hook",
        "`limits.hookMs`",
        a_walk_without_end_is_interrupted,
        endless_walk
    ),
];

/// How a run ends whose required plugin broke, and what its log says.
fn broken(says: &'static str) -> Expected {
    Expected::broken().says(says)
}

fn tight_loop() -> Assault {
    let short = Hostile::wat(ATTACK_17_TIGHT_LOOP).limits(json!({"cpuMs": 100}));
    // It may compute for longer than the hook may take.
    let long = Hostile::twin(ATTACK_17_TIGHT_LOOP, "17-long").limits(json!({"cpuMs": 60_000, "hookMs": 300}));
    let attacks = [
        (
            "the loop",
            short.payload(1),
            broken(
                "started exceeded the limit of CPU time of one hook, 100 (plugins.17-tight-loop.limits.cpuMs)",
            ),
        ),
        (
            "with more CPU time",
            long.payload(1),
            broken("plugins.17-long.limits.hookMs"),
        ),
    ];
    Assault::by([short, long], attacks)
}

#[tokio::test]
async fn a_tight_loop_is_interrupted() {
    tight_loop().is_withstood().await;
}

fn slow_calls() -> Assault {
    let sleeps = Hostile::wat(ATTACK_18_SLOW_CALLS)
        .granted(&["results"])
        .limits(json!({"hookMs": 300}));
    let hasty = Hostile::twin(ATTACK_18_SLOW_CALLS, "18-hasty")
        .granted(&["results"])
        .limits(json!({"callMs": 100}));
    let patient = Hostile::twin(ATTACK_18_SLOW_CALLS, "18-patient").granted(&["results"]);
    // An engine that takes a second to find a file.
    let late = |mut payload: Value| {
        payload["steps"] = json!([{"file": {"path": "late", "content": ""}}]);
        payload["faults"] = json!({"extract": {"delayMs": 1_000}});
        payload
    };
    let attacks = [
        (
            "ten hours in one call",
            sleeps.payload(1),
            broken(
                "started exceeded the limit of time of one hook, 300 (plugins.18-slow-calls.limits.hookMs)",
            ),
        ),
        (
            "an engine that is slow",
            late(hasty.payload(2)),
            Expected::completed()
                .says("18: cut short")
                .says_nothing_of("18: there it is"),
        ),
        (
            "with more time for a call",
            late(patient.payload(2)),
            Expected::completed().says("18: there it is"),
        ),
    ];
    Assault::by([sleeps, hasty, patient], attacks)
}

#[tokio::test]
async fn a_call_that_does_not_return_is_cut_short() {
    let assault = slow_calls();
    let mut siege = SiegeOptions::of(&assault).rounds(5).lay().await;
    siege.withstands(&assault).await;
}

fn slow_drip() -> Assault {
    let slow = Hostile::wat(ATTACK_19_SLOW_DRIP).limits(json!({"cpuMs": 60_000, "hookMs": 300}));
    let busy = Hostile::twin(ATTACK_19_SLOW_DRIP, "19-busy").limits(json!({"cpuMs": 100}));
    let attacks = [
        (
            "sleeping",
            slow.payload(1),
            broken("plugins.19-slow-drip.limits.hookMs"),
        ),
        (
            "opening files",
            slow.payload(3),
            broken("plugins.19-slow-drip.limits.hookMs"),
        ),
        (
            "making files",
            busy.payload(2),
            broken("plugins.19-busy.limits.cpuMs"),
        ),
    ];
    Assault::by([slow, busy], attacks)
}

#[tokio::test]
async fn a_drip_of_short_calls_is_interrupted() {
    slow_drip().is_withstood().await;
}

#[tokio::test]
async fn a_guest_that_sleeps_does_not_compute() {
    let idle = Hostile::twin(ATTACK_19_SLOW_DRIP, "19-idle").limits(json!({"cpuMs": 1_000, "hookMs": 2_500}));
    let strike = Strike::from(("asleep", idle.payload(1), broken("plugins.19-idle.limits.hookMs")));
    let siege = SiegeOptions::by([idle]).lay().await;
    siege.round(&[strike]).await;
}

fn endless_fill() -> Assault {
    let hostile = Hostile::wat(ATTACK_20_ENDLESS_FILL).limits(json!({"cpuMs": 100}));
    let attacks = [(
        "filling",
        hostile.payload(1),
        broken("plugins.20-endless-fill.limits.cpuMs"),
    )];
    Assault::by([hostile], attacks)
}

#[tokio::test]
async fn one_long_instruction_after_the_other_is_interrupted() {
    endless_fill().is_withstood().await;
}

fn hooks_on_every_thread() -> Assault {
    let hostile = Hostile::wat(ATTACK_21_STARVED_TICKER).limits(json!({"cpuMs": 1_000}));
    let expected = broken("new-task exceeded the limit of CPU time of one hook, 1000");
    let attacks = ["first", "second", "third", "fourth", "fifth", "sixth"]
        .map(|which| (which, hostile.payload(1), expected.clone()));
    // All together they compute for longer than a claim lasts: a lease that waited for them would be lost.
    Assault::by([hostile], attacks)
}

#[tokio::test]
async fn hooks_on_every_thread_of_the_guests_are_interrupted_and_their_claims_kept() {
    let assault = hooks_on_every_thread();
    let mut siege = SiegeOptions::of(&assault).claims_of("3s").rounds(2).lay().await;
    siege.withstands(&assault).await;
}

#[tokio::test]
async fn a_component_that_is_asynchronous_is_refused() {
    let inside = wat::parse_str(text(FILE_22_ASYNC_FAN_OUT)).unwrap();
    let fans_out = around("fans-out", &inside);
    let mut siege = SiegeOptions::by([]).lay().await;
    siege
        .repels(&[("fans-out.wasm", "it could not be compiled")], |directory| {
            put(directory, "fans-out.wasm", &fans_out);
        })
        .await;
    assert!(siege.worker().err().contains("async"));
}

fn looping_destructor() -> Assault {
    let hostile = Hostile::wat(ATTACK_23_LOOPING_DESTRUCTOR).limits(json!({"cpuMs": 100}));
    let attacks = [
        (
            "one that is dropped",
            hostile.payload(1),
            broken("plugins.23-looping-destructor.limits.cpuMs"),
        ),
        (
            "one that is left by a trap",
            hostile.payload(2),
            broken("unreachable"),
        ),
        ("one that is left", hostile.payload(3), Expected::completed()),
    ];
    Assault::by([hostile], attacks)
}

#[tokio::test]
async fn no_destructor_runs_outside_of_a_hook() {
    let assault = looping_destructor();
    let mut siege = SiegeOptions::of(&assault).lay().await;
    siege.withstands(&assault).await;
    let log = siege.worker().err();
    let ran_in = |mode: u8| log.contains(&format!("the destructor ran in mode {mode}"));
    assert_eq!([1, 2, 3].map(ran_in), [true, false, false]);
}

fn endless_walk() -> Assault {
    let hostile = Hostile::wat(ATTACK_24_ENDLESS_WALK)
        .granted(&["results"])
        .limits(json!({"cpuMs": 60_000, "hookMs": 300}));
    let mut payload = hostile.payload(1);
    payload["steps"] = json!([{"endlessFolder": "endless"}]);
    let attacks = [(
        "the walk",
        payload,
        broken("stopped exceeded the limit of time of one hook, 300 (plugins.24-endless-walk.limits.hookMs)"),
    )];
    Assault::by([hostile], attacks)
}

#[tokio::test]
async fn a_walk_without_end_is_interrupted() {
    endless_walk().is_withstood().await;
}

//! Whatever happens, in whatever order, a run has one resolution, at most one report, and is disposed of once.

use proptest::prelude::*;

use super::*;

const EXCEPTIONS: [Exception; 8] = [
    Exception::MalformedPayload,
    Exception::ResourceUnavailable,
    Exception::IntermittentTask,
    Exception::InternalError,
    Exception::Aborted(AbortReason::WorkerShutdown),
    Exception::Aborted(AbortReason::Canceled),
    Exception::Aborted(AbortReason::DeadlineExceeded),
    Exception::Aborted(AbortReason::ClaimLost),
];

fn exception() -> impl Strategy<Value = Exception> {
    (0..EXCEPTIONS.len()).prop_map(|index| EXCEPTIONS[index])
}

fn abort_reason() -> impl Strategy<Value = AbortReason> {
    prop_oneof![
        Just(AbortReason::WorkerShutdown),
        Just(AbortReason::Canceled),
        Just(AbortReason::DeadlineExceeded),
        Just(AbortReason::ClaimLost),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Engine(Ok(Made::Builder))),
        Just(Event::Engine(Ok(Made::Sandbox))),
        exception().prop_map(|e| Event::Engine(Err(e))),
        any::<bool>().prop_map(|success| Event::Ended { success }),
        Just(Event::Hook(Ok(Verdict::Success))),
        Just(Event::Hook(Ok(Verdict::Failure))),
        exception().prop_map(|e| Event::Hook(Err(e))),
        exception().prop_map(Event::HookFailed),
        abort_reason().prop_map(Event::Abort),
        Just(Event::Reported),
        Just(Event::Disposed),
    ]
}

/// What the driver would have to keep true, checked after each step.
#[derive(Default)]
struct Ledger {
    /// The effect that the engine has not answered yet.
    engine_in_flight: Option<Effect>,
    sandbox_runs: bool,
    hook_in_flight: bool,
    reports: Vec<Resolution>,
    exceptions_told: usize,
    disposals: usize,
    log_closed: bool,
    resolution: Option<Resolution>,
}

impl Ledger {
    fn record(&mut self, stage: &Stage, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::NewBuilder | Effect::StartSandbox | Effect::WaitForSandbox => {
                    assert_eq!(
                        self.engine_in_flight, None,
                        "two operations of the engine at a time"
                    );
                    self.engine_in_flight = Some(effect.clone());
                }
                Effect::Call(hook) => {
                    assert!(!self.hook_in_flight, "two hooks at a time");
                    assert_eq!(self.disposals, 0, "a hook after dispose");
                    if let Hook::Exception(_) | Hook::Finished { .. } = hook {
                        assert!(self.log_closed, "the log is closed before {hook:?}");
                    }
                    if let Hook::Exception(_) = hook {
                        assert!(!self.sandbox_runs, "plugins are told while the sandbox runs on");
                        self.exceptions_told += 1;
                    }
                    self.hook_in_flight = true;
                }
                Effect::CloseLog => self.log_closed = true,
                Effect::Interrupt(_) => {}
                Effect::Report(resolution) => {
                    assert!(
                        self.engine_in_flight.is_none() && !self.hook_in_flight,
                        "reported while something is in flight"
                    );
                    assert!(!self.sandbox_runs, "reported while the sandbox runs on");
                    self.reports.push(*resolution);
                }
                Effect::Dispose => {
                    assert!(
                        self.engine_in_flight.is_none() && !self.hook_in_flight,
                        "disposed while something is in flight"
                    );
                    assert!(!self.sandbox_runs, "disposed while the sandbox runs on");
                    self.disposals += 1;
                }
            }
        }
        let resolution = match stage {
            Stage::Abort { exception, .. } | Stage::Exception { exception } => {
                Some(Resolution::Exception(*exception))
            }
            Stage::Report { resolution } | Stage::Dispose { resolution } | Stage::Done { resolution } => {
                Some(*resolution)
            }
            _ => None,
        };
        assert!(
            self.resolution.is_none() || self.resolution == resolution,
            "the first resolution wins"
        );
        self.resolution = resolution;
    }
}

/// Runs a task to its end: `choices` pick which outstanding operation answers next and how, `aborts` come in between.
fn live(payload: Result<(), Exception>, choices: &[(u8, Event)]) -> Ledger {
    let mut ledger = Ledger::default();
    let (mut stage, effects) = begin(payload);
    ledger.record(&stage, &effects);
    let mut choices = choices.iter().copied();
    for _ in 0..10_000 {
        if let Stage::Done { .. } = stage {
            return ledger;
        }
        let event = match choices.next() {
            Some((_, event @ (Event::Abort(_) | Event::HookFailed(_)))) => match event {
                // Plugins fail only while a hook is under way.
                Event::HookFailed(_) if !ledger.hook_in_flight => continue,
                event => event,
            },
            Some((pick, event)) => answer(&stage, &ledger, pick, Some(event)),
            None => answer(&stage, &ledger, 0, None),
        };
        match event {
            Event::Engine(_) | Event::Ended { .. } => {
                ledger.engine_in_flight = None;
                ledger.sandbox_runs = event == Event::Engine(Ok(Made::Sandbox));
            }
            Event::Hook(_) => ledger.hook_in_flight = false,
            _ => {}
        }
        let (next, effects) = step(stage, event);
        stage = next;
        ledger.record(&stage, &effects);
    }
    panic!("the run never ends: {stage:?}");
}

/// An event that the driver could produce now: the answer to something outstanding.
fn answer(stage: &Stage, ledger: &Ledger, pick: u8, wish: Option<Event>) -> Event {
    let engine = || match (&ledger.engine_in_flight, wish) {
        (_, Some(event @ Event::Engine(Err(_)))) => event,
        (Some(Effect::WaitForSandbox), Some(event @ Event::Ended { .. })) => event,
        (Some(Effect::WaitForSandbox), _) => Event::Ended { success: true },
        (Some(Effect::StartSandbox), _) => STARTED,
        _ => READY,
    };
    let hook = || match wish {
        Some(event @ Event::Hook(_)) => event,
        _ => Event::Hook(Ok(Verdict::Success)),
    };
    match (ledger.engine_in_flight.is_some(), ledger.hook_in_flight) {
        (true, true) if pick.is_multiple_of(2) => engine(),
        (true, true) | (false, true) => hook(),
        (true, false) => engine(),
        (false, false) => match stage {
            Stage::Report { .. } => Event::Reported,
            _ => Event::Disposed,
        },
    }
}

proptest! {
    #[test]
    fn any_sequence_of_events_ends_in_one_resolution_and_one_dispose(
        payload in prop_oneof![3 => Just(Ok(())), 1 => Just(Err(Exception::MalformedPayload))],
        choices in prop::collection::vec((any::<u8>(), event()), 0..40),
    ) {
        let ledger = live(payload, &choices);
        prop_assert!(ledger.resolution.is_some());
        prop_assert_eq!(ledger.disposals, 1);
        match ledger.resolution {
            Some(Resolution::Exception(exception)) => {
                prop_assert_eq!(ledger.reports.len(), usize::from(exception.is_reported()));
                prop_assert_eq!(ledger.exceptions_told, 1);
            }
            resolution => {
                prop_assert_eq!(ledger.reports.first().copied(), resolution);
                prop_assert_eq!(ledger.reports.len(), 1);
                prop_assert_eq!(ledger.exceptions_told, 0);
            }
        }
        prop_assert!(ledger.log_closed);
    }

    /// Events that nothing asked for (a bug in the driver) may stall a run, but never resolve or dispose of it twice.
    #[test]
    fn events_out_of_nowhere_never_report_or_dispose_twice(events in prop::collection::vec(event(), 0..200)) {
        let (mut stage, effects) = begin(Ok(()));
        let mut all = effects;
        for event in events {
            let (next, effects) = step(stage, event);
            stage = next;
            all.extend(effects);
        }
        prop_assert!(all.iter().filter(|e| matches!(e, Effect::Report(_))).count() <= 1);
        prop_assert!(all.iter().filter(|e| matches!(e, Effect::Dispose)).count() <= 1);
    }
}

/// The stages that a list of events leads through.
fn path(events: &[Event]) -> (Vec<&'static str>, Stage) {
    let (mut stage, _) = begin(Ok(()));
    let mut names = vec![stage.name()];
    for event in events {
        let (next, _) = step(stage, *event);
        if next.name() != *names.last().unwrap() {
            names.push(next.name());
        }
        stage = next;
    }
    (names, stage)
}

const OK: Event = Event::Hook(Ok(Verdict::Success));
const READY: Event = Event::Engine(Ok(Made::Builder));
const STARTED: Event = Event::Engine(Ok(Made::Sandbox));

#[test]
fn a_task_that_succeeds_goes_through_every_stage_once() {
    let (names, stage) = path(&[
        READY,
        OK,
        OK,
        STARTED,
        Event::Ended { success: true },
        OK,
        OK,
        OK,
        Event::Reported,
        Event::Disposed,
    ]);
    let expected = [
        "prepare", "build", "start", "running", "stopped", "finished", "report", "dispose", "done",
    ];
    assert_eq!(names, expected);
    assert_eq!(
        stage,
        Stage::Done {
            resolution: Resolution::Completed
        }
    );
}

#[test]
fn one_plugin_that_objects_fails_the_task() {
    let (_, stage) = path(&[
        READY,
        OK,
        OK,
        STARTED,
        OK,
        Event::Ended { success: true },
        Event::Hook(Ok(Verdict::Failure)),
        OK,
    ]);
    assert_eq!(
        stage,
        Stage::Report {
            resolution: Resolution::Failed
        }
    );
}

#[test]
fn no_plugin_can_make_a_failed_sandbox_a_success() {
    let (_, stage) = path(&[
        READY,
        OK,
        OK,
        STARTED,
        OK,
        Event::Ended { success: false },
        OK,
        OK,
    ]);
    assert_eq!(
        stage,
        Stage::Report {
            resolution: Resolution::Failed
        }
    );
}

#[test]
fn stopped_waits_for_started_to_return() {
    let (_, stage) = path(&[READY, OK, OK, STARTED, Event::Ended { success: true }]);
    assert!(matches!(
        stage,
        Stage::Running {
            in_flight: InFlight {
                engine: false,
                hook: true
            },
            ..
        }
    ));
}

#[test]
fn an_abort_while_running_interrupts_at_once_and_waits_for_both() {
    let (stage, _) = begin(Ok(()));
    let mut stage = stage;
    for event in [READY, OK, OK, STARTED] {
        stage = step(stage, event).0;
    }
    let (stage, effects) = step(stage, Event::Abort(AbortReason::Canceled));
    assert_eq!(
        effects,
        [Effect::Interrupt(Exception::Aborted(AbortReason::Canceled))]
    );
    let (stage, effects) = step(stage, Event::Ended { success: true });
    assert_eq!(effects, []);
    let (stage, effects) = step(stage, OK);
    assert_eq!(stage.name(), "exception", "a canceled run is not reported");
    assert!(matches!(
        effects.as_slice(),
        [Effect::CloseLog, Effect::Call(Hook::Exception(_))]
    ));
}

#[test]
fn a_sandbox_that_starts_in_spite_of_the_abort_is_aborted_before_anything_else() {
    let (mut stage, _) = begin(Ok(()));
    for event in [READY, OK, OK, Event::Abort(AbortReason::WorkerShutdown)] {
        stage = step(stage, event).0;
    }
    let (stage, effects) = step(stage, STARTED);
    assert_eq!(
        (stage.name(), effects.as_slice()),
        ("abort", &[Effect::WaitForSandbox][..])
    );
    let (stage, _) = step(stage, Event::Ended { success: false });
    assert_eq!(stage.name(), "report");
}

#[test]
fn an_error_of_finished_replaces_the_result() {
    let (_, stage) = path(&[
        READY,
        OK,
        OK,
        STARTED,
        OK,
        Event::Ended { success: true },
        OK,
        Event::Hook(Err(Exception::ResourceUnavailable)),
    ]);
    assert_eq!(
        stage,
        Stage::Report {
            resolution: Resolution::Exception(Exception::ResourceUnavailable)
        }
    );
}

#[test]
fn an_invalid_payload_leaves_the_engine_out_and_still_tells_the_plugins() {
    let (stage, effects) = begin(Err(Exception::MalformedPayload));
    assert_eq!(effects, [Effect::Call(Hook::NewTask)]);
    let (stage, effects) = step(stage, OK);
    assert_eq!(
        effects,
        [Effect::Report(Resolution::Exception(Exception::MalformedPayload))]
    );
    let (_, effects) = step(stage, Event::Reported);
    assert!(matches!(
        effects.as_slice(),
        [Effect::CloseLog, Effect::Call(Hook::Exception(_))]
    ));
}

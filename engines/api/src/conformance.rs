//! The suite that every engine is run through: what the traits promise, checked from outside.
//!
//! An engine's tests make a [`Suite`] of the engine and describe, with a payload for each case, how that engine is told
//! to do what the case needs; then they call the cases one by one:
//!
//! ```ignore
//! #[tokio::test(flavor = "multi_thread")]
//! async fn logging() {
//!     let suite = Suite::new(engine(), || vec![]);
//!     conformance::logging(&suite, &LoggingCase { target: "hello", printing, failing, silent }).await;
//! }
//! ```
//!
//! The cases are for tests and panic where an engine breaks its contract. Each of them ends within a few minutes: what
//! hangs is a failure too.
#![expect(
    clippy::panic,
    reason = "a suite of assertions for tests: a broken contract is reported by panicking"
)]

mod artifacts;
mod ending;
mod log;
mod suite;

pub use artifacts::{ArtifactsCase, artifacts};
pub use ending::{EndlessCase, abort, discard, dispose, kill};
pub use log::MemoryLog;
pub use suite::Suite;

use serde_json::Value;

use crate::SetVariableError;

/// How an engine is told to print.
#[derive(Clone, Debug)]
pub struct LoggingCase {
    /// What is looked for in the log. No line of the engine's own about any of the payloads contains it.
    pub target: &'static str,
    /// Prints `target` and succeeds.
    pub printing: Value,
    /// Prints `target` and fails.
    pub failing: Value,
    /// Succeeds without printing `target`.
    pub silent: Value,
}

/// How an engine is told to print a variable of the environment.
#[derive(Clone, Debug)]
pub struct EnvironmentCase {
    /// The name of the variable. The suite sets it to words that are in none of the payloads.
    pub variable: &'static str,
    /// Prints the value of the variable and succeeds.
    pub printing: Value,
    /// Names that no environment of this engine can hold.
    pub invalid_names: Vec<&'static str>,
}

/// What a task prints is in its log, whether it succeeds or not, and nothing else is.
pub async fn logging(suite: &Suite, case: &LoggingCase) {
    for (payload, success, printed) in [
        (&case.printing, true, true),
        (&case.failing, false, true),
        (&case.silent, true, false),
    ] {
        let (log, results) = suite.run(payload.clone(), &[]).await;
        assert_eq!(
            results.success(),
            success,
            "success of {payload}; the log:\n{}",
            log.text()
        );
        assert_eq!(
            log.contains(case.target),
            printed,
            "{:?} in the log of {payload}:\n{}",
            case.target,
            log.text()
        );
        suite.dispose(results.as_ref()).await;
    }
}

/// Variables reach the task; none is set twice; names that can't be are refused; two runs do not share any.
pub async fn environment(suite: &Suite, case: &EnvironmentCase) {
    let variables = [
        [(case.variable, "Hello World")],
        [(case.variable, "Bonjour le monde")],
    ];
    let ((first, first_results), (second, second_results)) = tokio::join!(
        suite.run(case.printing.clone(), &variables[0]),
        suite.run(case.printing.clone(), &variables[1]),
    );
    for (log, results, own, other) in [
        (&first, &first_results, "Hello World", "Bonjour le monde"),
        (&second, &second_results, "Bonjour le monde", "Hello World"),
    ] {
        assert!(
            results.success(),
            "printing a variable failed; the log:\n{}",
            log.text()
        );
        assert!(log.contains(own), "{own:?} is not in the log:\n{}", log.text());
        assert!(
            !log.contains(other),
            "the variable of another run is in the log:\n{}",
            log.text()
        );
    }
    tokio::join!(
        suite.dispose_one(first_results.as_ref()),
        suite.dispose_one(second_results.as_ref())
    );
    suite.assert_nothing_left();

    let (_, builder) = suite.builder(case.printing.clone()).await;
    assert_eq!(builder.set_variable(case.variable, "once"), Ok(()));
    assert_eq!(
        builder.set_variable(case.variable, "twice"),
        Err(SetVariableError::Conflict(case.variable.to_owned())),
        "a variable was set twice"
    );
    for name in &case.invalid_names {
        let answer = builder.set_variable(name, "value");
        assert!(
            matches!(answer, Err(SetVariableError::Invalid(_))),
            "the name {name:?} was answered with {answer:?}"
        );
    }
    suite.discard(builder).await;
}

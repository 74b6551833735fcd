//! What a payload can ask for.

use std::time::Duration;

use engine_api::{DisposeError, EngineError, EngineErrorKind, ExtractError};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// The part of `task.payload` that this engine reads.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MockPayload {
    pub(crate) steps: Vec<Step>,
    #[serde(default)]
    pub(crate) faults: Faults,
}

/// What a sandbox does, one after the other.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Step {
    /// Prints the text and a line end.
    Log(String),
    /// Does nothing for so many milliseconds.
    SleepMs(u64),
    /// Does nothing until it is killed or aborted.
    Forever,
    /// Leaves a file, in place of one that was there before.
    File { path: String, content: String },
    /// Leaves a folder in which one empty file comes after the other, without end.
    EndlessFolder(String),
    /// Prints the value of a variable and a line end. One that is not set ends the sandbox with exit code 1.
    PrintVariable(String),
    /// Ends the sandbox; only 0 is success. After the last step it ends with 0.
    ExitCode(i32),
}

/// What goes wrong, by operation.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Faults {
    /// Instead of making a builder.
    pub(crate) new_builder: Option<Fault<EngineFault>>,
    /// Instead of setting a variable.
    pub(crate) set_variable: Option<Panics>,
    /// Instead of starting.
    pub(crate) start: Option<Fault<EngineFault>>,
    /// After the last step.
    pub(crate) wait: Option<Fault<EngineFault>>,
    /// Instead of taking out a file or a folder. What hangs here can't be interrupted.
    pub(crate) extract: Option<Fault<ExtractFault>>,
    /// Instead of discarding.
    pub(crate) discard: Option<Fault<DisposeFault>>,
    /// Instead of disposing of the result set.
    pub(crate) dispose: Option<Fault<DisposeFault>>,
}

/// How an operation goes wrong.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Fault<K> {
    /// It answers an error.
    Error { kind: K, message: String },
    /// It panics.
    Panic,
    /// It does not end before its token fires; without a token it never ends.
    Hang,
    /// It takes so many milliseconds longer, and then goes well.
    DelayMs(u64),
}

/// How an operation goes wrong that has nothing to wait for.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Panics {
    /// It panics.
    Panic,
}

/// The errors of taking something out of a result set.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ExtractFault {
    NotReadable,
}

/// The errors of all operations but those that release.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum EngineFault {
    MalformedPayload,
    ResourceUnavailable,
    Internal,
    Fatal,
}

/// The errors of the operations that release.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum DisposeFault {
    Files,
    Processes,
}

impl Fault<EngineFault> {
    /// Does what the fault says; an answer means that the operation goes on.
    pub(crate) async fn strike(
        &self,
        operation: &str,
        cancel: &CancellationToken,
    ) -> Result<(), EngineError> {
        match self {
            Self::Error { kind, message } => {
                let kind = match kind {
                    EngineFault::MalformedPayload => EngineErrorKind::MalformedPayload,
                    EngineFault::ResourceUnavailable => EngineErrorKind::ResourceUnavailable,
                    EngineFault::Internal => EngineErrorKind::Internal,
                    EngineFault::Fatal => EngineErrorKind::Fatal,
                };
                Err(EngineError::new(kind, message))
            }
            Self::Panic => panic_as_asked(operation),
            Self::Hang => {
                cancel.cancelled().await;
                Err(EngineError::cancelled())
            }
            Self::DelayMs(delay) => tokio::select! {
                () = cancel.cancelled() => Err(EngineError::cancelled()),
                () = tokio::time::sleep(Duration::from_millis(*delay)) => Ok(()),
            },
        }
    }
}

impl Fault<DisposeFault> {
    /// Does what the fault says; an answer means that the operation goes on.
    pub(crate) async fn strike(&self, operation: &str) -> Result<(), DisposeError> {
        match self {
            Self::Error {
                kind: DisposeFault::Files,
                message,
            } => Err(DisposeError::Files(message.clone())),
            Self::Error {
                kind: DisposeFault::Processes,
                message,
            } => Err(DisposeError::Processes(message.clone())),
            Self::Panic => panic_as_asked(operation),
            Self::Hang => std::future::pending().await,
            Self::DelayMs(delay) => {
                tokio::time::sleep(Duration::from_millis(*delay)).await;
                Ok(())
            }
        }
    }
}

impl Fault<ExtractFault> {
    /// Does what the fault says; an answer means that the operation goes on.
    pub(crate) async fn strike(&self, operation: &str) -> Result<(), ExtractError> {
        match self {
            Self::Error {
                kind: ExtractFault::NotReadable,
                message,
            } => Err(ExtractError::NotReadable(message.clone())),
            Self::Panic => panic_as_asked(operation),
            Self::Hang => std::future::pending().await,
            Self::DelayMs(delay) => {
                tokio::time::sleep(Duration::from_millis(*delay)).await;
                Ok(())
            }
        }
    }
}

impl Panics {
    /// Does what the fault says.
    pub(crate) fn strike(self, operation: &str) {
        match self {
            Self::Panic => panic_as_asked(operation),
        }
    }
}

#[expect(clippy::panic, reason = "the payload of the test asks for it")]
fn panic_as_asked(operation: &str) -> ! {
    panic!("the mock engine panics in {operation}, as its payload says")
}

/// The JSON schema of [`MockPayload`].
pub(crate) fn schema() -> Value {
    let fault = |kinds: Value| {
        json!({
            "oneOf": [
                {"enum": ["panic", "hang"]},
                {
                    "type": "object",
                    "properties": {"delayMs": {"type": "integer", "minimum": 0}},
                    "required": ["delayMs"],
                    "additionalProperties": false
                },
                {
                    "type": "object",
                    "properties": {"error": {
                        "type": "object",
                        "properties": {"kind": {"enum": kinds}, "message": {"type": "string"}},
                        "required": ["kind", "message"],
                        "additionalProperties": false
                    }},
                    "required": ["error"],
                    "additionalProperties": false
                }
            ]
        })
    };
    let engine = fault(json!([
        "malformedPayload",
        "resourceUnavailable",
        "internal",
        "fatal"
    ]));
    let dispose = fault(json!(["files", "processes"]));
    let extract = fault(json!(["notReadable"]));
    let step = |name: &str, value: Value| json!({"type": "object", "properties": {name: value}, "required": [name], "additionalProperties": false});
    json!({
        "type": "object",
        "properties": {
            "steps": {
                "type": "array",
                "description": "What the sandbox does, one after the other",
                "items": {"oneOf": [
                    {"const": "forever"},
                    step("log", json!({"type": "string"})),
                    step("sleepMs", json!({"type": "integer", "minimum": 0})),
                    step("file", json!({
                        "type": "object",
                        "properties": {"path": {"type": "string"}, "content": {"type": "string"}},
                        "required": ["path", "content"],
                        "additionalProperties": false
                    })),
                    step("endlessFolder", json!({"type": "string"})),
                    step("printVariable", json!({"type": "string"})),
                    step("exitCode", json!({"type": "integer", "minimum": i32::MIN, "maximum": i32::MAX}))
                ]}
            },
            "faults": {
                "type": "object",
                "description": "What goes wrong, by operation",
                "properties": {
                    "newBuilder": engine, "setVariable": {"const": "panic"}, "start": engine, "wait": engine,
                    "extract": extract, "discard": dispose, "dispose": dispose
                },
                "additionalProperties": false
            }
        },
        "required": ["steps"]
    })
}

//! The messages that worker and worker-runner send each other: one a line, `~` and a JSON object. Pure.

use std::collections::{BTreeMap, BTreeSet};

use queue::wire::Credentials;
use serde_json::{Map, Value, json};

/// How much of an error's description worker-manager is told, in bytes.
const MAX_DESCRIPTION: usize = 8 << 10;

/// A kind of message that one side knows how to receive. One is sent only where both sides have its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Capability {
    /// What is broken here is told to worker-manager.
    ErrorReport,
    /// The worker is to end.
    GracefulTermination,
    /// The worker's log.
    Log,
    /// The worker's credentials, before the former ones end.
    NewCredentials,
    /// The machine is not wanted any more.
    Shutdown,
}

impl Capability {
    /// All that this worker has, in the order of their names.
    pub(crate) const ALL: [Self; 5] = [
        Self::ErrorReport,
        Self::GracefulTermination,
        Self::Log,
        Self::NewCredentials,
        Self::Shutdown,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::ErrorReport => "error-report",
            Self::GracefulTermination => "graceful-termination",
            Self::Log => "log",
            Self::NewCredentials => "new-credentials",
            Self::Shutdown => "shutdown",
        }
    }
}

/// What becomes of running tasks when the worker is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunningTasks {
    /// They may end by themselves.
    Finish,
    /// There is no time for them.
    Abort,
}

/// What worker-runner says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    /// The first message: which of our capabilities it has.
    Welcome(BTreeSet<Capability>),
    /// The worker is to end.
    GracefulTermination(RunningTasks),
    /// What the worker is to sign with from now on.
    NewCredentials(Credentials),
    /// A message of a type that is not for a worker, or newer than this one.
    Unknown(String),
}

/// Why a line is no message. Holds nothing of the line: it may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotAMessage {
    #[error("it does not have the form ~{{…}}")]
    Form,
    #[error("it is no JSON object with a type")]
    Json,
    #[error("the welcome has no list of capabilities")]
    Welcome,
    #[error("the new credentials have no client-id or no access-token")]
    NewCredentials,
}

/// What this worker says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outgoing<'a> {
    /// The answer to a welcome.
    Hello,
    /// Something is broken here.
    ErrorReport(&'a ErrorReport),
    /// The machine is not wanted any more.
    Shutdown,
    /// A line of the log.
    Log(&'a str),
}

/// Something that is broken, for those who look after the worker's pool.
#[derive(Clone, Debug)]
pub(crate) struct ErrorReport {
    /// What it is. Cut where worker-manager would not take it.
    pub(crate) description: String,
    /// What else is known of the worker.
    pub(crate) extra: BTreeMap<&'static str, String>,
}

/// Reads a line.
///
/// # Errors
/// When it is no message.
pub(super) fn parse(line: &[u8]) -> Result<Incoming, NotAMessage> {
    let text = line.trim_ascii();
    let json = text
        .strip_prefix(b"~")
        .filter(|json| json.starts_with(b"{") && json.ends_with(b"}"))
        .ok_or(NotAMessage::Form)?;
    let message: Map<String, Value> = serde_json::from_slice(json).map_err(|_| NotAMessage::Json)?;
    let kind = message
        .get("type")
        .and_then(Value::as_str)
        .ok_or(NotAMessage::Json)?;
    Ok(match kind {
        "welcome" => Incoming::Welcome(capabilities(&message).ok_or(NotAMessage::Welcome)?),
        "graceful-termination" => Incoming::GracefulTermination(match message.get("finish-tasks") {
            Some(Value::Bool(true)) => RunningTasks::Finish,
            // A worker that is to end and does not is worse than one that ends too soon.
            _ => RunningTasks::Abort,
        }),
        "new-credentials" => {
            Incoming::NewCredentials(credentials(&message).ok_or(NotAMessage::NewCredentials)?)
        }
        other => Incoming::Unknown(other.chars().take(64).collect()),
    })
}

/// Those of ours that a welcome has.
fn capabilities(message: &Map<String, Value>) -> Option<BTreeSet<Capability>> {
    let names = message.get("capabilities")?.as_array()?;
    let has = |capability: &Capability| names.iter().any(|name| name == capability.name());
    Some(Capability::ALL.into_iter().filter(has).collect())
}

fn credentials(message: &Map<String, Value>) -> Option<Credentials> {
    let text = |key: &str| {
        let text = message.get(key)?.as_str()?;
        (!text.is_empty()).then(|| text.to_owned())
    };
    Some(Credentials {
        client_id: text("client-id")?,
        access_token: text("access-token")?,
        certificate: text("certificate"),
    })
}

impl Outgoing<'_> {
    /// The line, with its end.
    pub(super) fn line(self) -> Vec<u8> {
        // Members in the order of their names, as worker-runner itself writes them.
        let message = match self {
            Self::Hello => json!({
                "capabilities": Capability::ALL.map(Capability::name),
                "type": "hello",
            }),
            Self::ErrorReport(report) => json!({
                "description": cut(&report.description),
                "extra": report.extra,
                "kind": "worker-error",
                "title": "taskcluster-worker error",
                "type": "error-report",
            }),
            Self::Shutdown => json!({"type": "shutdown"}),
            Self::Log(text) => json!({"body": {"textPayload": text}, "type": "log"}),
        };
        format!("~{message}\n").into_bytes()
    }
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_DESCRIPTION))
        .unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(message: Outgoing<'_>) -> String {
        String::from_utf8(message.line()).unwrap()
    }

    #[test]
    fn messages_have_worker_runners_own_bytes() {
        assert_eq!(
            said(Outgoing::Hello),
            "~{\"capabilities\":[\"error-report\",\"graceful-termination\",\"log\",\"new-credentials\",\"shutdown\"],\
             \"type\":\"hello\"}\n"
        );
        assert_eq!(said(Outgoing::Shutdown), "~{\"type\":\"shutdown\"}\n");
        assert_eq!(
            said(Outgoing::Log("a \"b\"\nc")),
            "~{\"body\":{\"textPayload\":\"a \\\"b\\\"\\nc\"},\"type\":\"log\"}\n"
        );
        let report = ErrorReport {
            description: "it broke".to_owned(),
            extra: BTreeMap::from([("workerId", "w".to_owned()), ("engine", "native".to_owned())]),
        };
        assert_eq!(
            said(Outgoing::ErrorReport(&report)),
            "~{\"description\":\"it broke\",\"extra\":{\"engine\":\"native\",\"workerId\":\"w\"},\"kind\":\"worker-error\",\
             \"title\":\"taskcluster-worker error\",\"type\":\"error-report\"}\n"
        );
    }

    #[test]
    fn a_description_is_as_long_as_worker_manager_takes_it() {
        let report = ErrorReport {
            description: "ä".repeat(MAX_DESCRIPTION),
            extra: BTreeMap::new(),
        };
        let line = said(Outgoing::ErrorReport(&report));
        assert!(line.len() < MAX_DESCRIPTION + 200 && line.ends_with("}\n"));
    }

    #[test]
    fn what_worker_runner_says_is_understood() {
        let table = [
            (
                r#"~{"capabilities":["log","shutdown","from-tomorrow"],"type":"welcome"}"#,
                Incoming::Welcome([Capability::Log, Capability::Shutdown].into()),
            ),
            (
                " ~{\"type\": \"welcome\", \"capabilities\": []}\r",
                Incoming::Welcome(BTreeSet::new()),
            ),
            (
                r#"~{"finish-tasks":true,"type":"graceful-termination"}"#,
                Incoming::GracefulTermination(RunningTasks::Finish),
            ),
            (
                r#"~{"finish-tasks":false,"type":"graceful-termination"}"#,
                Incoming::GracefulTermination(RunningTasks::Abort),
            ),
            (
                r#"~{"type":"graceful-termination"}"#,
                Incoming::GracefulTermination(RunningTasks::Abort),
            ),
            (
                r#"~{"access-token":"t","certificate":"{}","client-id":"c","type":"new-credentials"}"#,
                Incoming::NewCredentials(Credentials {
                    client_id: "c".to_owned(),
                    access_token: "t".to_owned(),
                    certificate: Some("{}".to_owned()),
                }),
            ),
            (
                r#"~{"access-token":"t","certificate":"","client-id":"c","type":"new-credentials"}"#,
                Incoming::NewCredentials(Credentials {
                    client_id: "c".to_owned(),
                    access_token: "t".to_owned(),
                    certificate: None,
                }),
            ),
            (
                r#"~{"type":"tomorrow"}"#,
                Incoming::Unknown("tomorrow".to_owned()),
            ),
        ];
        for (line, expected) in table {
            assert_eq!(parse(line.as_bytes()), Ok(expected), "{line}");
        }
    }

    #[test]
    fn everything_else_is_no_message() {
        let table = [
            ("", NotAMessage::Form),
            ("~", NotAMessage::Form),
            ("hello", NotAMessage::Form),
            (r#"{"type":"welcome"}"#, NotAMessage::Form),
            ("~[]", NotAMessage::Form),
            ("~{", NotAMessage::Form),
            ("~{no}", NotAMessage::Json),
            ("~{}", NotAMessage::Json),
            (r#"~{"type":1}"#, NotAMessage::Json),
            (r#"~{"type":"welcome"}"#, NotAMessage::Welcome),
            (
                r#"~{"type":"welcome","capabilities":"log"}"#,
                NotAMessage::Welcome,
            ),
            (
                r#"~{"type":"new-credentials","client-id":"c"}"#,
                NotAMessage::NewCredentials,
            ),
            (
                r#"~{"type":"new-credentials","client-id":"c","access-token":""}"#,
                NotAMessage::NewCredentials,
            ),
        ];
        for (line, expected) in table {
            assert_eq!(parse(line.as_bytes()), Err(expected), "{line}");
        }
        assert_eq!(parse(b"~{\xff}"), Err(NotAMessage::Json));
    }
}

//! What a task says that is to be run.

use engine_api::{EngineError, EngineErrorKind};
use serde::Deserialize;
use serde_json::{Value, json};

/// The part of `task.payload` that this engine reads.
#[derive(Debug, Deserialize)]
pub(crate) struct NativePayload {
    pub(crate) command: Vec<Vec<String>>,
}

impl NativePayload {
    /// Reads a payload that is valid by [`schema`], and checks what a schema can't.
    pub(crate) fn read(payload: Value) -> Result<Self, EngineError> {
        let malformed = |message: String| EngineError::new(EngineErrorKind::MalformedPayload, message);
        let payload: Self = serde_json::from_value(payload).map_err(|error| {
            malformed("task.payload.command is not a list of commands".to_owned()).caused_by(error)
        })?;
        for (index, command) in payload.command.iter().enumerate() {
            if let Some(argument) = command.iter().position(|argument| argument.contains('\0')) {
                return Err(malformed(format!(
                    "task.payload.command[{index}][{argument}] contains a NUL character, which no argument can"
                )));
            }
        }
        Ok(payload)
    }
}

/// The JSON schema of what the engine reads of a task's payload.
pub fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "command": {
                "type": "array",
                "title": "Commands to run",
                "description": "One entry per command. Each is a list of the program and its arguments; no shell takes part \
                                unless it is the program: [[\"/bin/bash\", \"-c\", \"make && make check\"]]. They run one after \
                                the other, and the first that fails is the last.",
                "minItems": 1,
                "items": {
                    "type": "array",
                    "minItems": 1,
                    "items": {"type": "string"}
                }
            }
        },
        "required": ["command"]
    })
}

/// A command as one would type it into a shell.
pub(crate) fn display(command: &[String]) -> String {
    command
        .iter()
        .map(|argument| quoted(argument))
        .collect::<Vec<_>>()
        .join(" ")
}

fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_a_shell_would_read_it() {
        let command = ["/bin/sh", "-c", "echo 'a b'", "", "x=1"].map(str::to_owned);
        assert_eq!(display(&command), r"/bin/sh -c 'echo '\''a b'\''' '' x=1");
    }

    #[test]
    fn a_nul_in_an_argument_is_the_authors_error() {
        let error = NativePayload::read(json!({"command": [["true"], ["echo", "a\0b"]]})).unwrap_err();
        assert_eq!(error.kind(), EngineErrorKind::MalformedPayload);
        assert!(
            error.to_string().starts_with("task.payload.command[1][1] "),
            "{error}"
        );
    }
}

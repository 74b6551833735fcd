//! The protocol with a worker-runner at the other ends of the pipes.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::net::UnixStream,
};

use super::*;

const HELLO: &str = "~{\"capabilities\":[\"error-report\",\"graceful-termination\",\"log\",\"new-credentials\",\"shutdown\"],\
                     \"type\":\"hello\"}\n";
const PATIENCE: Duration = Duration::from_secs(60);

/// worker-runner, with what it says and hears.
struct Runner {
    says: UnixStream,
    hears: BufReader<UnixStream>,
}

impl Runner {
    fn connected(plain: Plain) -> (Self, Connection) {
        let (says, input) = UnixStream::pair().unwrap();
        let (hears, output) = UnixStream::pair().unwrap();
        let file = |stream: UnixStream| File::from(OwnedFd::from(stream));
        let connection = Connection::open(file(input), file(output), plain).unwrap();
        let hears = BufReader::new(hears);
        (Self { says, hears }, connection)
    }

    fn say(&mut self, line: &str) {
        self.says.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.hears.read_line(&mut line).unwrap();
        line
    }
}

#[tokio::test]
async fn nothing_is_said_before_the_welcome_and_then_hello_comes_first() {
    let (mut runner, connection) = Runner::connected(Plain::StandardError);
    let link = connection.link().clone();
    link.say("too early for a message");
    assert!(!link.shut_down() && !link.capable(Capability::Log));
    runner.say(r#"~{"type":"welcome","capabilities":["log","shutdown"]}"#);
    connection.greeted(PATIENCE).await;
    link.say("first");
    assert!(link.shut_down());
    assert_eq!(runner.hear(), HELLO);
    assert_eq!(
        runner.hear(),
        "~{\"body\":{\"textPayload\":\"first\"},\"type\":\"log\"}\n"
    );
    assert_eq!(runner.hear(), "~{\"type\":\"shutdown\"}\n");
    connection.end();
    assert_eq!(runner.hear(), "");
}

#[tokio::test]
async fn what_worker_runner_does_not_have_is_not_sent() {
    let (mut runner, connection) = Runner::connected(Plain::StandardError);
    runner.say(r#"~{"type":"welcome","capabilities":["graceful-termination"]}"#);
    connection.greeted(PATIENCE).await;
    let link = connection.link();
    let report = ErrorReport {
        description: "it broke".to_owned(),
        extra: [("engine", "native".to_owned())].into(),
    };
    link.say("to standard error");
    assert!(!link.report_error(&report) && !link.shut_down());
    assert_eq!(runner.hear(), HELLO);
    connection.end();
    assert_eq!(runner.hear(), "");
}

#[tokio::test]
async fn instructions_arrive_and_everything_else_is_passed_over() {
    let (mut runner, mut connection) = Runner::connected(Plain::StandardError);
    runner.say("not for you");
    runner.say("~{broken");
    runner.say(&"~".repeat(3 << 20));
    runner.say(r#"~{"type":"welcome","capabilities":[]}"#);
    runner.say(r#"~{"type":"from-tomorrow"}"#);
    runner.say(r#"~{"type":"new-credentials","client-id":"c","access-token":"t"}"#);
    runner.say(r#"~{"type":"graceful-termination","finish-tasks":true}"#);
    let Some(Instruction::UseCredentials(credentials)) = connection.instruction().await else {
        panic!("no credentials")
    };
    assert_eq!((&*credentials.client_id, credentials.certificate), ("c", None));
    assert_eq!(
        connection.instruction().await,
        Some(Instruction::Terminate(RunningTasks::Finish))
    );
    drop(runner.says);
    assert_eq!(connection.instruction().await, None);
    connection.end();
}

#[tokio::test]
async fn a_worker_runner_that_goes_without_a_welcome_is_not_waited_for() {
    let (runner, connection) = Runner::connected(Plain::StandardError);
    drop(runner.says);
    connection.greeted(Duration::MAX).await;
    assert!(!connection.link().capable(Capability::Log));
    connection.end();
}

#[tokio::test]
async fn lines_that_are_no_messages_can_not_be_taken_for_one() {
    let (mut runner, connection) = Runner::connected(Plain::Pipe);
    connection.link().say("~{\"type\":\"shutdown\"}\n ~{}\nplain");
    for expected in ["| ~{\"type\":\"shutdown\"}\n", "|  ~{}\n", "plain\n"] {
        assert_eq!(runner.hear(), expected);
    }
    connection.end();
}

#[test]
fn a_pipe_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = Connection::over_pipe(&folder.path().join("pipe")).unwrap_err();
    assert!(error.to_string().contains("pipe-input"), "{error}");
}

//! What an operator is told of a config that is not right.

use serde_json::json;

use super::{load::parse, outside::Outside, *};
use crate::schema::{Checker, Show};

const GOOD: &str = "\
taskcluster:
  rootUrl: https://tc.example.com/
  credentials:
    clientId: worker
    accessToken: {$env: TOKEN}
worker:
  taskQueueId: proj/linux
  directory: state
  concurrency: 8
engines:
  native: {killGrace: 500ms}
plugins:
  abortGrace: 1s
  env: {grants: [environment]}
";

fn parsed(text: &str) -> Result<Config, String> {
    let env = |name: &str| (name == "TOKEN").then(|| "s3cret".to_owned());
    let outside = Outside {
        env: &env,
        folder: "/etc/worker".into(),
    };
    parse(&"worker.yml", text, &outside).map_err(|error| error.to_string())
}

/// What is said of the good config with one thing in it replaced.
fn told(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from));
    parsed(&GOOD.replacen(from, to, 1)).unwrap_err()
}

#[test]
fn periods_that_would_stop_everything_are_refused() {
    let line = "  directory: state\n";
    assert_eq!(
        told(line, &format!("{line}  tick: 0s\n")),
        "worker.yml:9:9: worker.tick must be longer than no time at all"
    );
    assert!(parsed(&GOOD.replace("abortGrace: 1s", "abortGrace: 0s")).is_ok());
}

#[test]
fn what_can_not_be_had_hides_no_error_of_a_neighbour() {
    let told = told(
        "  env: {grants: [environment]}\n",
        "  env: {$env: UNSET}\n  env-more: {grant: []}\n",
    );
    assert!(
        told.contains("UNSET") && told.contains("env-more.grant"),
        "{told}"
    );
}

#[test]
fn a_config_is_read_with_its_defaults() {
    let config = parsed(GOOD).unwrap();
    assert_eq!(config.worker.concurrency, 8);
    assert_eq!(config.worker.worker_group, "local");
    assert_eq!(config.worker.directory, Path::new("/etc/worker/state"));
    assert_eq!(config.worker.tick, Period::seconds(10));
    assert_eq!(config.engine, EngineName::Native);
    assert_eq!(config.engines.native.kill_grace.to_string(), "500ms");
    assert_eq!(config.plugins.abort_grace, Period::seconds(1));
    assert!(config.plugins.by_name["env"].grants.contains("environment"));
    let Some(Source::Deployment {
        root_url,
        credentials,
    }) = config.taskcluster.source()
    else {
        panic!()
    };
    assert_eq!(
        (root_url.as_str(), credentials.access_token.as_str()),
        ("https://tc.example.com", "s3cret")
    );
    let host = config.plugin_host(Path::new("/plugins"));
    assert_eq!(host.directory, Path::new("/plugins"));
    assert_eq!(host.cache_directory, Path::new("/etc/worker/state/plugin-cache"));
}

#[test]
fn a_config_may_be_json() {
    let text = json!({
        "taskcluster": {"embedded": {"directory": "/q"}},
        "worker": {"taskQueueId": "a/b", "directory": "/w"},
    });
    let config = parsed(&text.to_string()).unwrap();
    assert!(matches!(config.taskcluster.source(), Some(Source::Embedded(_))));
}

#[test]
fn unknown_keys_are_told_with_the_nearest_known_one() {
    assert_eq!(
        told("concurrency", "concurency"),
        "worker.yml:9:3: worker.concurency is not known, did you mean concurrency?"
    );
    assert_eq!(
        told("killGrace", "kill_grace"),
        "worker.yml:11:12: engines.native.kill_grace is not known, did you mean killGrace?"
    );
    assert_eq!(
        told("abortGrace", "abortGrave"),
        "worker.yml:13:3: plugins.abortGrave is not known, did you mean abortGrace?"
    );
    assert!(
        told("grants", "grant")
            .starts_with("worker.yml:14:9: plugins.env.grant is not known, did you mean grants?")
    );
}

#[test]
fn a_boolean_given_as_a_string_is_an_error() {
    let told = told("concurrency: 8", "concurrency: 8\nliveLog: {enabled: \"true\"}");
    assert!(
        told.starts_with("worker.yml:10:20: liveLog.enabled must be true or false, not a string"),
        "{told}"
    );
}

#[test]
fn values_that_do_not_fit_are_told_with_their_path_and_purpose() {
    let told_count = told("concurrency: 8", "concurrency: 0");
    assert_eq!(
        told_count,
        "worker.yml:9:16: worker.concurrency must be at least 1, not a number (How many tasks run at a time.)"
    );
    assert!(told("500ms", "500").contains("engines.native.killGrace must be a string, not a number"));
    assert!(told("proj/linux", "linux").contains("worker.taskQueueId must match the pattern"));
    let engine = told("engines:", "engine: nativ\nengines:");
    assert!(
        engine.contains("engine must be one of \"native\", \"mock\", not a string, did you mean \"native\"?"),
        "{engine}"
    );
    let listen = told("engines:", "liveLog: {listen: \"nowhere\"}\nengines:");
    assert!(listen.contains("liveLog.listen must"), "{listen}");
}

#[test]
fn everything_that_is_wrong_is_told_at_once_in_the_order_of_the_file() {
    let told = parsed("taskcluster: {rootUrl: 5}\nworker:\n  concurrency: many\n").unwrap_err();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 5, "{told}");
    assert!(
        lines
            .iter()
            .any(|line| line.contains("taskcluster.credentials is missing")),
        "{told}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.contains("worker.taskQueueId is missing")),
        "{told}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.contains("worker.directory is missing")),
        "{told}"
    );
    assert!(
        lines
            .last()
            .unwrap()
            .contains("worker.concurrency must be an integer"),
        "{told}"
    );
}

#[test]
fn a_key_written_twice_is_an_error() {
    let told = told("concurrency: 8", "concurrency: 8\n  concurrency: 9");
    assert!(
        told.starts_with("worker.yml:10:3: ") && told.contains("duplicate"),
        "{told}"
    );
}

#[test]
fn values_that_can_not_be_had_are_told_once() {
    assert_eq!(
        told("$env: TOKEN", "$env: TOKN"),
        "worker.yml:5:18: taskcluster.credentials.accessToken comes from the environment variable TOKN, which is not set"
    );
    assert!(told("$env: TOKEN", "$secret: a, key: b").contains("secrets service"));
}

#[test]
fn secrets_are_in_no_message() {
    let config = parsed(GOOD).unwrap();
    assert!(!format!("{config:?}").contains("s3cret"));
    let told = told("clientId: worker", "clientId: {$env: TOKEN, type: list}");
    assert!(!told.contains("s3cret"), "{told}");
}

#[test]
fn two_sources_of_tasks_are_an_error() {
    let told = told("worker:", "  embedded: {directory: q}\nworker:");
    assert!(
        told.contains("taskcluster.rootUrl can't be given together with taskcluster.embedded"),
        "{told}"
    );
}

#[test]
fn the_schema_describes_every_key() {
    let schema = schema();
    let mut undescribed = Vec::new();
    let definitions = schema["$defs"].as_object().unwrap().iter();
    for (name, schema) in definitions
        .map(|(name, schema)| (name.as_str(), schema))
        .chain([("Config", &schema)])
    {
        for (key, property) in schema
            .get("properties")
            .and_then(|p| p.as_object())
            .into_iter()
            .flatten()
        {
            if property.get("description").is_none() {
                undescribed.push(format!("{name}.{key}"));
            }
        }
    }
    assert_eq!(undescribed, [""; 0]);
}

#[test]
fn the_example_is_a_valid_config() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/worker.yml");
    let text = std::fs::read_to_string(file).unwrap();
    parsed(&text).unwrap();
    Checker::new(super::schema(), Show::Nothing).unwrap();
}

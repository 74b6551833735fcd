//! What an operator is told of a config that is not right.

use plugin_host::Capability;
use serde_json::json;

mod trust;

use super::{outside::Outside, *};
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
    Draft::parse("worker.yml", text, &outside)
        .and_then(Draft::finish)
        .map_err(|error| error.to_string())
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
    assert!(
        config.plugins.by_name["env"]
            .grants
            .contains(Capability::Environment)
    );
    let taskcluster = &config.taskcluster;
    assert_eq!(taskcluster.root_url(), Some("https://tc.example.com"));
    let credentials = taskcluster.credentials.as_ref().unwrap();
    assert_eq!(credentials.access_token.expose(), "s3cret");
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
    assert!(config.taskcluster.embedded.is_some());
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
fn grants_are_words_or_words_with_their_names() {
    let config = |grants: &str| parsed(&GOOD.replace("[environment]", grants));
    for good in [
        "[]",
        "[kill, {environment: {names: [PATH, \"GECKO_*\"]}}]",
        "[{artifacts: {names: [public/build/*]}}]",
    ] {
        assert_eq!(config(good).map(drop), Ok(()), "{good}");
    }
    for (bad, at, expected) in [
        (
            "[enviroment]",
            "18",
            "plugins.env.grants[0] must be one of \"environment\"",
        ),
        ("[enviroment]", "18", "did you mean \"environment\"?"),
        (
            "[kill, {enviroment: {}}]",
            "25",
            "plugins.env.grants[1].enviroment is not known, did you mean environment?",
        ),
        (
            "[{kill: {names: [a]}}]",
            "26",
            "plugins.env.grants[0].kill.names is not known",
        ),
        (
            "[{environment: {name: [a]}}]",
            "33",
            "plugins.env.grants[0].environment.name is not known, did you mean names?",
        ),
        (
            "[{environment: {names: []}}]",
            "40",
            "plugins.env.grants[0].environment.names must not be empty",
        ),
        (
            "[{environment: {names: [5]}}]",
            "41",
            "plugins.env.grants[0].environment.names[0] must be a string",
        ),
        (
            "[kill, {kill: {}}]",
            "24",
            "plugins.env.grants[1] is granted a second time",
        ),
        ("kill", "17", "plugins.env.grants must be a list"),
    ] {
        let told = config(bad).unwrap_err();
        assert!(
            told.starts_with(&format!("worker.yml:14:{at}: ")) && told.contains(expected),
            "{bad}\n{told}"
        );
    }
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
    let short = told("engines:", "queue: {claimTimeout: 24s}\nengines:");
    assert!(
        short.contains("queue.claimTimeout must be at least 25s"),
        "{short}"
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
    assert_eq!(
        told("$env: TOKEN", "$secret: a, key: b"),
        "worker.yml:5:18: taskcluster.credentials.accessToken can't come from a secret: it is needed to ask the secrets service"
    );
    assert_eq!(
        told("concurrency: 8", "concurrency: {$secret: a, key: b}"),
        "worker.yml:9:16: worker.concurrency comes from the secret a, and there is no secrets service to ask here"
    );
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
fn a_registration_takes_the_place_of_credentials() {
    let registration =
        "workerManager: {providerType: static, providerId: p, staticSecret: {$env: TOKEN}}\n  ";
    let both = told("credentials:\n", &format!("{registration}credentials:\n"));
    assert!(
        both.contains("taskcluster.credentials can't be given together with a static workerManager"),
        "{both}"
    );
    let credentials = "credentials:\n    clientId: worker\n    accessToken: {$env: TOKEN}\n";
    let text = GOOD.replace(credentials, &format!("{}\n", registration.trim_end()));
    assert!(parsed(&text).unwrap().taskcluster.registers());
    let standalone = GOOD.replace(
        "credentials:\n",
        "workerManager: {providerType: standalone}\n  credentials:\n",
    );
    assert!(!parsed(&standalone).unwrap().taskcluster.registers());
    let unknown = parsed(&text.replace("static,", "statik,")).unwrap_err();
    let expected =
        "taskcluster.workerManager.providerType must be static or standalone, did you mean static?";
    assert!(
        unknown.ends_with(expected) && unknown.lines().count() == 1,
        "{unknown}"
    );
    let more = parsed(&text.replace("providerId: p", "providerId: p, providerID: q")).unwrap_err();
    assert!(more.contains("providerID is not known"), "{more}");
}

#[test]
fn what_layers_say_wrongly_is_told_with_their_name() {
    let env = |name: &str| (name == "TOKEN").then(|| "s3cret".to_owned());
    let folder = "/etc/worker".into();
    let outside = Outside { env: &env, folder };
    let lay = |over: serde_json::Value| {
        let mut draft = Draft::parse("worker.yml", GOOD, &outside).unwrap();
        let laid = draft.lay_over(&Layer::WorkerManager, over);
        laid.and_then(|()| draft.finish())
            .map(drop)
            .map_err(|error| error.to_string())
    };
    let origin = "the pool's config in worker-manager: ";
    let told =
        lay(json!({"worker": {"concurency": 1, "tick": "0s"}, "engines": {"native": {"killGrace": 5}}}));
    let told = told.unwrap_err();
    assert_eq!(told.lines().count(), 3, "{told}");
    assert!(told.lines().all(|line| line.starts_with(origin)), "{told}");
    assert!(
        told.contains("worker.concurency is not known, did you mean concurrency?"),
        "{told}"
    );
    let told = lay(json!({"worker": {"workerId": "other"}, "engine": {"$env": "PATH"}})).unwrap_err();
    assert!(
        told.contains(&format!("{origin}worker.workerId can't be set here")),
        "{told}"
    );
    assert!(
        told.contains(&format!(
            "{origin}engine can't come from the machine's environment"
        )),
        "{told}"
    );
    assert_eq!(lay(json!({"worker": {"concurrency": 9}})), Ok(()));
}

#[test]
fn a_config_is_looked_at_without_its_secrets() {
    let text = GOOD.replace("concurrency: 8", "concurrency: {$secret: a, key: b}");
    let env = |name: &str| (name == "TOKEN").then(|| "s3cret".to_owned());
    let folder = "/etc/worker".into();
    let draft = Draft::parse("worker.yml", &text, &Outside { env: &env, folder }).unwrap();
    assert_eq!(draft.secrets(), ["a"]);
    assert_eq!(draft.without_secrets().finish().unwrap().worker.concurrency, 1);
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

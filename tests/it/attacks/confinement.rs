//! Attacks 35 to 37, 39, 40 and 54: reaching what belongs to the worker, to other plugins or to other tasks.

use serde_json::json;

use super::{
    assault::Assault,
    files::{component, put},
    harness::SiegeOptions,
    hostile::Hostile,
    table::{Attack, attack},
};
use crate::{
    kit::Expected,
    named_by_tests::{
        ATTACK_37_CREDENTIALS, ATTACK_39_CONFUSED_DEPUTY, ATTACK_40_VARIABLES, ATTACK_54_ACCOMPLICE,
        FILE_35_WASI_FILES, FILE_36_WASI_NETWORK,
    },
};

pub(super) const ATTACKS: &[Attack] = &[
    attack!(
        35,
        "the files of the machine, by WASI",
        "that part of WASI is not served: a plugin that imports it is refused by name",
        "",
        a_plugin_that_imports_files_is_refused
    ),
    attack!(
        36,
        "the network, the cloud's metadata among it",
        "there is no capability that opens connections, and no such part of WASI: refused by name",
        "",
        a_plugin_that_imports_the_network_is_refused
    ),
    attack!(
        37,
        "the worker's credentials, or the task's",
        "a plugin is told the definition of its task and the worker's names: no environment, no arguments, no credentials, no other's config",
        "",
        a_plugin_finds_no_credentials,
        search_for_credentials
    ),
    attack!(
        39,
        "handles that were not given, of another kind, or of a phase that is over",
        "a handle is a number in the plugin's own table, with its kind: another ends the plugin; no function takes a task's id",
        "",
        a_handle_that_was_not_given_is_the_plugins_end,
        guessed_handles
    ),
    attack!(
        40,
        "variables that change which code the task runs",
        "such a name is denied unless the grant names it",
        "`grants: [{environment: {names: […]}}]`",
        a_variable_that_changes_what_is_run_needs_naming,
        variables_of_loaders
    ),
    attack!(
        54,
        "two plugins that pass something on, to each other or to the next task",
        "nothing is shared: each has its own memory and handles for each run; a variable is set by one",
        "",
        two_plugins_share_nothing,
        accomplices
    ),
];

#[tokio::test]
async fn a_plugin_that_imports_files_is_refused() {
    let files = component(FILE_35_WASI_FILES);
    let mut siege = SiegeOptions::by([]).lay().await;
    let refused = [(
        "files.wasm",
        "it imports wasi:filesystem/preopens@0.2.6, wasi:filesystem/types@0.2.6, and plugins get no environment, files",
    )];
    siege
        .repels(&refused, |directory| put(directory, "files.wasm", &files))
        .await;
}

#[tokio::test]
async fn a_plugin_that_imports_the_network_is_refused() {
    let network = component(FILE_36_WASI_NETWORK);
    let mut siege = SiegeOptions::by([]).lay().await;
    let refused = [(
        "network.wasm",
        "it imports wasi:http/types@0.2.6, wasi:http/outgoing-handler@0.2.6, wasi:sockets/tcp@0.2.6, \
         wasi:sockets/ip-name-lookup@0.2.6, and plugins get no environment, files, sockets or HTTP",
    )];
    siege
        .repels(&refused, |directory| put(directory, "network.wasm", &network))
        .await;
}

fn search_for_credentials() -> Assault {
    let hostile =
        Hostile::built(ATTACK_37_CREDENTIALS).granted(&["task-definition", "artifacts", "task-log"]);
    let payload = json!({"steps": [{"log": "x"}], "attack37": true});
    let expected = Expected::completed().says("37: 0 variables, 0 arguments");
    Assault::by([hostile], [("the search", payload, expected)])
}

#[tokio::test]
async fn a_plugin_finds_no_credentials() {
    let assault = search_for_credentials();
    let mut siege = SiegeOptions::of(&assault)
        .variable("CLOUD_SECRET", "of-the-worker")
        .lay()
        .await;
    siege.withstands(&assault).await;
    let strike = &assault.strikes[0];
    let task_id = siege.scene().create_task(&strike.payload).await;
    strike.check(siege.scene(), &task_id).await;
    let haul = siege.scene().fetch(&task_id, "public/haul").await.text;
    // It has looked, and found what is no secret.
    assert!(haul.contains(&task_id) && haul.contains("attack37"), "{haul}");
    let credentials = siege.scene().queue().credentials();
    for secret in [
        credentials.access_token.as_str(),
        "of-the-worker",
        "accessToken",
        "certificate",
    ] {
        assert!(!haul.contains(secret), "{secret}: {haul}");
    }
}

fn guessed_handles() -> Assault {
    let hostile = Hostile::wat(ATTACK_39_CONFUSED_DEPUTY);
    let broken = |why: &'static str| {
        Expected::broken()
            .says("internal error of plugin 39-confused-deputy")
            .says(why)
    };
    let mut holding = hostile.payload(1);
    holding["steps"] = json!([{"sleepMs": 100}]);
    let attacks = [
        ("one that has files", holding, Expected::completed()),
        (
            "one that guesses",
            hostile.payload(2),
            broken("unknown handle index"),
        ),
        (
            "another kind",
            hostile.payload(3),
            broken("used with the wrong type"),
        ),
        ("a phase that is over", hostile.payload(4), Expected::broken()),
    ];
    Assault::by([hostile], attacks)
}

#[tokio::test]
async fn a_handle_that_was_not_given_is_the_plugins_end() {
    let assault = guessed_handles();
    let mut siege = SiegeOptions::of(&assault).lay().await;
    siege.withstands(&assault).await;
    // The task's log is closed by then.
    siege
        .worker()
        .until_err("finished trapped: unknown handle index")
        .await;
}

fn variables_of_loaders() -> Assault {
    let hostile = Hostile::wat(ATTACK_40_VARIABLES).granted(&["environment"]);
    let mut payload = hostile.payload(1);
    payload["steps"] = json!([{"log": "runs"}]);
    let mut expected = Expected::completed()
        .says("[{environment: {names: [\"*\", LD_PRELOAD]}}] in plugins.40-variables.grants would grant it")
        .says_nothing_of("40: was allowed");
    for name in [
        "LD_PRELOAD",
        "LD_AUDIT",
        "PATH",
        "BASH_ENV",
        "ENV",
        "IFS",
        "GCONV_PATH",
        "NLSPATH",
        "PYTHONPATH",
        "PERL5OPT",
        "RUBYOPT",
        "NODE_OPTIONS",
        "JAVA_TOOL_OPTIONS",
        "GIT_SSH_COMMAND",
    ] {
        let denied: &'static str = format!("may not set the variable {name:?}, which").leak();
        expected = expected.says(denied);
    }
    let attacks = [("the variables", payload, expected)];
    Assault::by([hostile], attacks)
}

#[tokio::test]
async fn a_variable_that_changes_what_is_run_needs_naming() {
    variables_of_loaders().is_withstood().await;
}

fn accomplices() -> Assault {
    let one = Hostile::twin(ATTACK_54_ACCOMPLICE, "one").granted(&["environment"]);
    let other = Hostile::twin(ATTACK_54_ACCOMPLICE, "other").granted(&["environment"]);
    let mut payload = one.payload(1);
    payload["other"] = json!(2);
    payload["steps"] = json!(["forever"]);
    let expected = Expected::broken()
        .says("unknown handle index")
        .says("internal error of plugin other")
        .says("SHARED")
        .says_nothing_of("54: remembered");
    let attacks = [("the two", payload, expected)];
    Assault::by([one, other], attacks)
}

#[tokio::test]
async fn two_plugins_share_nothing() {
    accomplices().is_withstood().await;
}

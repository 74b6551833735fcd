//! What a command finds around it.

use std::collections::{BTreeMap, BTreeSet};

use engine_native::NativeConfig;
use serde_json::json;

use crate::{
    kit::{Ended, Kit},
    runner::tests,
};

tests![
    the_environment_is_the_documented_base_and_nothing_of_the_workers,
    plugins_and_the_operator_may_set_over_the_base,
    the_directory_is_the_tasks_own_and_closed_to_others,
    the_input_is_empty_and_no_descriptor_is_inherited,
    signals_have_their_default_effect,
    the_kernel_kills_tasks_before_the_worker,
    a_command_has_a_process_group_of_its_own,
];

fn variables(log: &str) -> BTreeMap<&str, &str> {
    log.lines()
        .filter(|line| !line.starts_with("[taskcluster"))
        .filter_map(|line| line.split_once('='))
        .collect()
}

async fn the_environment_is_the_documented_base_and_nothing_of_the_workers() {
    let kit = Kit::new();
    let (log, results) = kit.suite.run(json!({"command": [["/usr/bin/env"]]}), &[]).await;
    let directory = kit.directory();
    let text = log.text();
    let variables = variables(&text);
    let names: BTreeSet<_> = variables.keys().copied().collect();
    assert_eq!(
        names,
        BTreeSet::from(["HOME", "LOGNAME", "PATH", "TASK_WORKDIR", "USER"])
    );
    assert_eq!(variables["HOME"], directory.to_str().unwrap());
    assert_eq!(variables["TASK_WORKDIR"], directory.to_str().unwrap());
    assert_eq!(variables["PATH"], "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid())
        .unwrap()
        .unwrap()
        .name;
    assert_eq!(
        (variables["USER"], variables["LOGNAME"]),
        (user.as_str(), user.as_str())
    );
    kit.suite.dispose(results.as_ref()).await;
}

async fn plugins_and_the_operator_may_set_over_the_base() {
    let environment = [("LANG", "C.UTF-8"), ("USER", "operator"), ("LOGNAME", "operator")];
    let environment = environment
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let kit = Kit::with(NativeConfig {
        environment,
        ..NativeConfig::default()
    });
    let set = [("USER", "plugin"), ("HOME", "/elsewhere")];
    let (log, results) = kit.suite.run(json!({"command": [["/usr/bin/env"]]}), &set).await;
    let text = log.text();
    let variables = variables(&text);
    for (name, value) in [
        ("LANG", "C.UTF-8"),
        ("USER", "plugin"),
        ("LOGNAME", "operator"),
        ("HOME", "/elsewhere"),
    ] {
        assert_eq!(variables[name], value);
    }
    kit.suite.dispose(results.as_ref()).await;
}

async fn the_directory_is_the_tasks_own_and_closed_to_others() {
    let kit = Kit::new();
    let Ended { log, results } = kit.run("pwd -P; stat -c 'mode %a' .; ls -A | wc -l").await;
    let directory = kit.directory();
    assert!(
        log.contains(&format!("\n{}\nmode 700\n0\n", directory.display())),
        "{}",
        log.text()
    );
    kit.suite.dispose(results.as_ref()).await;
}

async fn the_input_is_empty_and_no_descriptor_is_inherited() {
    let kit = Kit::new();
    // Without a pipe, of which the shell would have an end open for a moment; and `ls` is not the last command, which the
    // shell would become.
    let Ended { log, results } = kit
        .run("cat; readlink /proc/$$/fd/0; ls /proc/$$/fd; echo end")
        .await;
    assert!(log.contains("\n/dev/null\n0\n1\n2\nend\n"), "{}", log.text());
    kit.suite.dispose(results.as_ref()).await;
}

async fn signals_have_their_default_effect() {
    let kit = Kit::new();
    let (log, results) = kit
        .suite
        .run(json!({"command": [["cat", "/proc/self/status"]]}), &[])
        .await;
    let text = log.text();
    for name in ["SigBlk:", "SigIgn:", "SigCgt:"] {
        let mask = text
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap()
            .trim();
        // Without the two that are libc's own (32, 33), which can't be changed.
        let mask = u64::from_str_radix(mask, 16).unwrap() & !(0b11 << 31);
        assert_eq!(mask, 0, "{text}");
    }
    kit.suite.dispose(results.as_ref()).await;
}

async fn the_kernel_kills_tasks_before_the_worker() {
    let own: i32 = std::fs::read_to_string("/proc/self/oom_score_adj")
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let kit = Kit::new();
    let Ended { log, results } = kit.run("sed 's/^/score /' /proc/self/oom_score_adj").await;
    assert!(
        log.contains(&format!("\nscore {}\n", own.max(500))),
        "{}",
        log.text()
    );
    kit.suite.dispose(results.as_ref()).await;
}

async fn a_command_has_a_process_group_of_its_own() {
    let kit = Kit::new();
    // The signal reaches the shell itself and not the supervisor.
    let Ended { log, results } = kit.run("kill -TERM 0; sleep 1000").await;
    assert!(
        log.contains("Exit Code: none, it was ended by SIGTERM"),
        "{}",
        log.text()
    );
    kit.suite.dispose(results.as_ref()).await;
}

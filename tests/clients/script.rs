//! Suites in other languages: programs that print what became of each check in the form of the Test Anything Protocol.

use std::{
    env,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Context as _;

use crate::{
    deployment::Deployment,
    process,
    report::{Outcome, Report},
    worker::Worker,
};

/// The checks' own folder.
fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What `install.sh` has installed; none where it could not, which it has told why.
fn installed(path: &str) -> anyhow::Result<Option<PathBuf>> {
    let program = process::program()?;
    let target = program.ancestors().nth(2).context("the program is nowhere")?;
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| target.to_owned(), PathBuf::from);
    let path = target.join("clients").join(path);
    Ok(path.exists().then_some(path))
}

fn is_on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// The checks in Python.
///
/// # Errors
///
/// If they can't be started.
pub(crate) fn python(deployment: &Deployment, report: &mut Report) -> anyhow::Result<()> {
    let Some(python) = installed("python/bin/python")? else {
        return missing("python", report);
    };
    let mut command = Command::new(python);
    command
        .arg(here().join("python/run.py"))
        .arg(here().join("python"));
    run("python", command, deployment, report)
}

/// The checks in JavaScript.
///
/// # Errors
///
/// If they can't be started.
pub(crate) fn node(deployment: &Deployment, report: &mut Report) -> anyhow::Result<()> {
    let Some(modules) = installed("node/package.json")? else {
        return missing("node", report);
    };
    let mut command = Command::new("node");
    command
        .arg("--test-reporter=tap")
        .arg(here().join("node/run.mjs"))
        .env("CHECKS_NODE", modules);
    run("node", command, deployment, report)
}

/// The decision task of taskgraph, and a worker for it and its graph.
///
/// # Errors
///
/// If they can't be started.
pub(crate) fn taskgraph(deployment: &Deployment, report: &mut Report) -> anyhow::Result<()> {
    let (Some(python), Some(taskgraph)) = (
        installed("python/bin/python")?,
        installed("python/bin/taskgraph")?,
    ) else {
        return missing("taskgraph", report);
    };
    // The tasks use them.
    if !["git", "curl"].into_iter().all(is_on_path) {
        return missing("taskgraph", report);
    }
    let worker = Worker::start(deployment)?;
    let failed = report.failed();
    let mut command = Command::new(python);
    command
        .arg(here().join("python/run.py"))
        .arg(here().join("taskgraph"))
        .env("CHECKS_CREDENTIALS", worker.credentials())
        .env("CHECKS_TASKGRAPH", taskgraph);
    run("taskgraph", command, deployment, report)?;
    if report.failed() > failed {
        report.say(&worker.log());
    }
    Ok(())
}

/// A language that is not installed is a failure where all must be.
fn missing(suite: &str, report: &mut Report) -> anyhow::Result<()> {
    let outcome = if env::var("CI").is_ok_and(|value| value == "true") {
        Outcome::Failed
    } else {
        Outcome::Skipped("not installed: `sh tests/clients/install.sh` says what is missing".to_owned())
    };
    report.add(suite, "all checks", outcome);
    Ok(())
}

/// Runs a suite to its end.
fn run(
    suite: &str,
    mut command: Command,
    deployment: &Deployment,
    report: &mut Report,
) -> anyhow::Result<()> {
    deployment.tell(&mut command);
    command
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut child = command
        .spawn()
        .with_context(|| format!("the checks in {suite} do not start"))?;
    let (before, failed) = (report.count(), report.failed());
    let output = child.stdout.take().context("no output")?;
    let mut in_failure = false;
    for line in BufReader::new(output).lines() {
        let line = line.with_context(|| format!("what the checks in {suite} print"))?;
        match result(&line) {
            Some((name, outcome)) => {
                in_failure = outcome == Outcome::Failed;
                report.add(suite, name, outcome);
            }
            // What is said below a check that failed.
            None if in_failure && !line.starts_with("# Subtest") => report.say(&line),
            None => in_failure = false,
        }
    }
    let status = child.wait()?;
    if report.count() == before || !status.success() && report.failed() == failed {
        report.add(suite, &format!("ends as it should ({status})"), Outcome::Failed);
    }
    Ok(())
}

/// What a line says of a check: `ok 1 - name # SKIP reason`.
fn result(line: &str) -> Option<(&str, Outcome)> {
    let (rest, passed) = match line.strip_prefix("not ok ") {
        Some(rest) => (rest, false),
        None => (line.strip_prefix("ok ")?, true),
    };
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = rest.trim_start().strip_prefix("- ")?;
    Some(match rest.split_once(" # SKIP") {
        Some((name, reason)) => (name, Outcome::Skipped(reason.trim().to_owned())),
        None if passed => (rest, Outcome::Passed),
        None => (rest, Outcome::Failed),
    })
}

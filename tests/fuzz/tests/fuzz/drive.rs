//! Fuzzes one target after the other, each in a process of its own, and says what came of it.

use std::{
    env,
    ffi::OsString,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use fuzz_targets::{Place, TARGETS, Target};

/// How long one input may take, in seconds. A machine may be loaded; a hang is for ever.
const TIMEOUT: u32 = 300;
/// How much memory a target may take, in MiB: a leak is a finding.
const MEMORY: u32 = 2048;
/// How the committed corpus grows: by what reaches other code, and not by what reaches the same more often.
const MERGE: [&str; 2] = ["-merge=1", "-use_counters=0"];
/// How many of the last lines of libFuzzer are shown of a finding.
const LAST_LINES: usize = 40;

/// What is to be done.
#[derive(Debug)]
pub(crate) struct Order {
    minutes: Option<f64>,
    target: Option<Target>,
    merge: bool,
    inputs: Vec<PathBuf>,
}

/// What came of one target.
#[derive(Debug)]
struct Outcome {
    name: &'static str,
    /// The inputs that are findings.
    findings: Vec<PathBuf>,
    ended_well: bool,
}

impl Order {
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> io::Result<Self> {
        let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidInput, what);
        let mut order = Self {
            minutes: None,
            target: None,
            merge: false,
            inputs: Vec::new(),
        };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--minutes" => {
                    let minutes = arguments.next().and_then(|minutes| minutes.parse().ok());
                    order.minutes =
                        Some(minutes.ok_or_else(|| wrong("--minutes takes a number".to_owned()))?);
                }
                "--target" => {
                    let name = arguments.next().unwrap_or_default();
                    let found = TARGETS.into_iter().find(|target| target.name == name);
                    order.target = Some(
                        found.ok_or_else(|| wrong(format!("there is no target {name:?}: {}", names())))?,
                    );
                }
                "--merge" => order.merge = true,
                file => order.inputs.push(file.into()),
            }
        }
        Ok(order)
    }

    /// Does it.
    pub(crate) fn perform(self) -> io::Result<ExitCode> {
        match (self.target, self.minutes) {
            (Some(target), _) if self.merge => once(target, &MERGE.map(OsString::from), &corpora(target)?),
            (Some(target), None) => once(target, &[], &self.inputs),
            (Some(target), Some(minutes)) => fuzz(&[target], minutes),
            (None, Some(minutes)) => fuzz(&TARGETS, minutes),
            (None, None) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "--minutes N, or --target NAME FILE",
            )),
        }
    }
}

/// Fuzzes targets, one after the other.
fn fuzz(targets: &[Target], minutes: f64) -> io::Result<ExitCode> {
    let shares: u32 = targets.iter().map(|target| target.share).sum();
    let mut outcomes = Vec::new();
    for target in targets {
        let seconds = minutes * 60.0 * f64::from(target.share) / f64::from(shares.max(1));
        outcomes.push(fuzz_one(*target, seconds)?);
    }
    let mut code = ExitCode::SUCCESS;
    for Outcome { name, findings, .. } in outcomes.iter().filter(|outcome| !outcome.ended_well) {
        code = ExitCode::FAILURE;
        if findings.is_empty() {
            tell(&format!(
                "{name} did not end well; see {}",
                place(&format!("{name}.log")).display()
            ));
        }
        for finding in findings {
            let finding = finding.display();
            tell(&format!(
                "a finding in {name}; to have it again: make fuzz TARGET={name} INPUT={finding}"
            ));
        }
    }
    Ok(code)
}

fn fuzz_one(target: Target, seconds: f64) -> io::Result<Outcome> {
    let Target { name, inputs, .. } = target;
    tell(&format!("{name}: {inputs}, for {seconds:.0} s"));
    let (found, log_file) = (place("findings"), place(&format!("{name}.log")));
    fs::create_dir_all(&found)?;
    let log = fs::File::create(&log_file)?;
    let before = of_target(&found, name)?;
    let mut command = libfuzzer(target)?;
    if seconds < 1.0 {
        command.arg("-runs=0");
    } else {
        command.arg(format!("-max_total_time={seconds:.0}"));
    }
    let ended = command
        .arg(format!("-artifact_prefix={}/{name}-", found.display()))
        .arg("-print_final_stats=1")
        .args(corpora(target)?.iter().rev())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .status()?;
    let said = String::from_utf8_lossy(&fs::read(&log_file)?).into_owned();
    let lines: Vec<&str> = said.lines().collect();
    for line in lines
        .iter()
        .filter(|line| line.contains("number_of_executed_units"))
    {
        tell(&format!("  {line}"));
    }
    if let Some(line) = lines.iter().rev().find(|line| line.contains(" cov: ")) {
        tell(&format!("  {line}"));
    }
    if !ended.success() {
        let last = lines
            .get(lines.len().saturating_sub(LAST_LINES)..)
            .unwrap_or_default();
        tell(&last.join("\n"));
    }
    let findings = of_target(&found, name)?
        .into_iter()
        .filter(|file| !before.contains(file))
        .collect();
    Ok(Outcome {
        name,
        findings,
        ended_well: ended.success(),
    })
}

/// Starts libFuzzer once, with its output here.
fn once(target: Target, arguments: &[OsString], inputs: &[PathBuf]) -> io::Result<ExitCode> {
    let ended = libfuzzer(target)?
        .args(arguments)
        .args(inputs)
        .stdin(Stdio::null())
        .status()?;
    Ok(if ended.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A process of a target, with what all of them have.
fn libfuzzer(target: Target) -> io::Result<Command> {
    // What a process that was killed leaves is removed by the next.
    let temporary = place("temporary").join(target.name);
    let _ = fs::remove_dir_all(&temporary);
    fs::create_dir_all(&temporary)?;
    let mut command = Command::new(env::current_exe()?);
    command
        .arg(format!("-max_len={}", target.max_len))
        .arg(format!("-timeout={TIMEOUT}"))
        .arg(format!("-rss_limit_mb={MEMORY}"))
        .env(crate::TARGET, target.name)
        .env("TMPDIR", temporary);
    Ok(command)
}

/// The committed corpus, and what was found since.
fn corpora(target: Target) -> io::Result<[PathBuf; 2]> {
    let grown = place("corpus").join(target.name);
    fs::create_dir_all(&grown)?;
    Ok([Place::corpus(target.name), grown])
}

/// Where everything is written.
fn place(name: &str) -> PathBuf {
    Place::repository().join("target/fuzz").join(name)
}

fn of_target(folder: &Path, name: &str) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_of_target = |file: &str| file.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'));
        if path
            .file_name()
            .and_then(|file| file.to_str())
            .is_some_and(is_of_target)
        {
            files.push(path);
        }
    }
    Ok(files)
}

fn names() -> String {
    let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    names.join(", ")
}

/// Says something to whoever fuzzes.
pub(crate) fn tell(text: &str) {
    // Nobody is left to be told when this fails.
    let _ = writeln!(io::stderr(), "{text}");
}

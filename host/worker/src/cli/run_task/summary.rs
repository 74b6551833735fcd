//! What is said when the task is over: how it ended, how long each stage took, and what it made.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use engine_api::RunKey;
use queue::wire::Artifact;

use super::{Ending, lock};
use crate::observe::RunObserver;

/// The stages of the run, with the time that each took. There is one run: the worker claims one task.
#[derive(Debug)]
pub(super) struct Stages {
    course: Mutex<Course>,
}

#[derive(Debug, Default)]
struct Course {
    entered: Vec<(&'static str, Instant)>,
    over: Option<Instant>,
}

impl Stages {
    /// None yet.
    pub(super) fn new() -> Self {
        Self {
            course: Mutex::default(),
        }
    }

    /// Each stage that was entered, and how long it took, in order. Entries of one stage that follow each other are one.
    fn durations(&self) -> Vec<(&'static str, Duration)> {
        let course = lock(&self.course);
        let ends = course
            .entered
            .iter()
            .skip(1)
            .map(|(_, at)| *at)
            .chain(course.over);
        let mut durations: Vec<(&'static str, Duration)> = Vec::new();
        for ((stage, begun), ended) in course.entered.iter().zip(ends) {
            let took = ended.saturating_duration_since(*begun);
            match durations.last_mut().filter(|(last, _)| last == stage) {
                Some((_, sum)) => *sum += took,
                None => durations.push((stage, took)),
            }
        }
        durations.retain(|(stage, _)| *stage != "done");
        durations
    }
}

impl RunObserver for Stages {
    fn stage(&self, _key: &RunKey, stage: &'static str) {
        lock(&self.course).entered.push((stage, Instant::now()));
    }

    fn resolved(&self, _key: &RunKey, _resolution: &str) {
        lock(&self.course).over = Some(Instant::now());
    }
}

/// The summary.
pub(super) fn text(task_id: &str, ending: &Ending, stages: &Stages, artifacts: &[Artifact]) -> String {
    let durations = stages.durations();
    let whole: Duration = durations.iter().map(|(_, took)| *took).sum();
    let mut lines = vec![format!(
        "\ntask {task_id}: {} in {}",
        ending.words(),
        duration(whole)
    )];
    if !durations.is_empty() {
        let stages = durations
            .iter()
            .map(|(stage, took)| format!("{stage} {}", duration(*took)));
        lines.push(format!("stages: {}", stages.collect::<Vec<_>>().join(", ")));
    }
    if !artifacts.is_empty() {
        lines.push("artifacts:".to_owned());
    }
    for artifact in artifacts {
        let what = match artifact.content_length {
            Some(length) => size(length),
            None => artifact.storage_type.clone(),
        };
        // The queue takes printable ASCII alone as names.
        lines.push(format!("  {what:>10}  {}", artifact.name));
    }
    lines.join("\n")
}

impl Ending {
    fn words(&self) -> String {
        match self.reason.as_str() {
            same @ ("completed" | "failed") => same.to_owned(),
            reason => format!("exception ({reason})"),
        }
    }
}

fn duration(duration: Duration) -> String {
    match duration.as_secs_f64() {
        seconds if seconds >= 60.0 => {
            let whole = duration.saturating_add(Duration::from_millis(500)).as_secs();
            format!("{} min {} s", whole / 60, whole % 60)
        }
        seconds if seconds >= 1.0 => format!("{seconds:.2} s"),
        seconds => format!("{:.1} ms", seconds * 1000.0),
    }
}

fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in UNITS {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

#[cfg(test)]
mod tests {
    use queue::wire::TaskState;

    use super::*;

    #[test]
    fn a_summary_has_the_ending_the_stages_and_the_artifacts() {
        let stages = Stages::new();
        let key = RunKey {
            task_id: "t".to_owned(),
            run_id: 0,
        };
        for stage in ["prepare", "prepare", "build", "done"] {
            stages.stage(&key, stage);
        }
        stages.resolved(&key, "completed");
        let artifact = |name: &str, content_length| Artifact {
            storage_type: "link".to_owned(),
            name: name.to_owned(),
            expires: chrono::Utc::now(),
            content_type: "text/plain".to_owned(),
            content_length,
        };
        let ending = Ending {
            state: TaskState::Completed,
            reason: "completed".to_owned(),
            run_id: 0,
        };
        let artifacts = [artifact("public/a", Some(1536)), artifact("public/b", None)];
        let text = text("t", &ending, &stages, &artifacts);
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert!(lines[0].starts_with("task t: completed in "), "{text}");
        assert_eq!(lines[1].matches("prepare").count(), 1);
        assert!(lines[1].contains("build ") && !lines[1].contains("done"));
        assert_eq!(lines[3..], ["     1.5 KiB  public/a", "        link  public/b"]);
    }

    #[test]
    fn exceptions_have_their_reason() {
        let ending = Ending {
            state: TaskState::Exception,
            reason: "canceled".to_owned(),
            run_id: 0,
        };
        assert_eq!(ending.words(), "exception (canceled)");
        assert_eq!(
            (duration(Duration::from_secs(125)), size(5)),
            ("2 min 5 s".to_owned(), "5 B".to_owned())
        );
        assert_eq!(duration(Duration::from_millis(119_700)), "2 min 0 s");
    }
}

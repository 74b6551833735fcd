//! Files that attack: what is under `tests/plugins/files`, and putting files into a worker's plugin directory.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command},
};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::harness::Siege;
use crate::kit::{Process, eventually, repository};

fn folder() -> PathBuf {
    repository().join("tests/plugins/files")
}

/// The text of a file, by its constant, such as `FILE_04_TEXT`.
pub(crate) fn text(file: &str) -> String {
    fs::read_to_string(folder().join(format!("{file}.wat"))).unwrap()
}

/// The bytes of a component whose whole text a file is. `(; repeat N ;) … (; end ;)` is written N times, with its number from 0
/// in place of `(; n ;)`.
pub(crate) fn component(file: &str) -> Vec<u8> {
    let mut text = text(file);
    // The last is not around another.
    while let Some((before, rest)) = text.rsplit_once("(; repeat ") {
        let (times, rest) = rest.split_once(" ;)").unwrap();
        let (what, after) = rest.split_once("(; end ;)").unwrap();
        let repeated: String = (0..times.parse::<usize>().unwrap())
            .map(|n| what.replace("(; n ;)", &n.to_string()))
            .collect();
        text = [before, &repeated, after].concat();
    }
    wat::parse_str(text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Starts a script that attacks, by its constant, such as `FILE_05_SWAP`.
pub(crate) fn start(file: &str, arguments: &[&Path]) -> Child {
    let script = folder().join(format!("{file}.sh"));
    Command::new("/bin/sh")
        .arg(script)
        .args(arguments)
        .spawn()
        .unwrap()
}

/// Runs such a script to its end.
pub(crate) fn run(file: &str, arguments: &[&Path]) {
    assert!(start(file, arguments).wait().unwrap().success(), "{file}");
}

/// Puts a file into the plugin directory in one step, as operators are told to.
pub(crate) fn put(directory: &Path, file: &str, bytes: &[u8]) {
    let new = directory.join(format!(".{file}.new"));
    fs::write(&new, bytes).unwrap();
    fs::rename(new, directory.join(file)).unwrap();
}

/// The hash of a file, as a config has it.
pub(crate) fn sha256(file: &Path) -> String {
    let digest = Sha256::digest(fs::read(file).unwrap());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A file that is dropped, and a part of what the worker says why it is refused.
pub(crate) type Refused = (&'static str, &'static str);

impl Siege {
    /// How often the worker has said something of a file.
    pub(crate) fn said(&mut self, file: &str, what: &str) -> usize {
        let file = format!("file={file:?}");
        let log = self.worker().err();
        log.lines()
            .filter(|line| line.contains(&file) && line.contains(what))
            .count()
    }

    /// Waits until it has said it more often than that.
    pub(crate) async fn until_said(&mut self, file: &str, what: &str, before: usize) {
        eventually(&format!("the worker says of {file} that {what}"), async || {
            (self.said(file, what) > before).then_some(())
        })
        .await;
    }

    /// Runs one task in peace.
    pub(crate) async fn peace(&self) {
        let task_id = self.create_peace().await;
        self.check_peace(&task_id).await;
    }

    /// Drops files into the plugin directory and takes them out again, once: each is refused for its reason, and tasks complete
    /// meanwhile. A file that was not dropped, since this machine does not have such files, is not asked for.
    pub(crate) async fn repels_once(&mut self, files: &[Refused], drop: impl Fn(&Path)) {
        let refused = |reason: &str| format!("plugin refused: {reason}");
        let mut before = Vec::new();
        for (file, reason) in files {
            let counts = (self.said(file, &refused(reason)), self.said(file, "file is gone"));
            before.push((*file, *reason, counts));
        }
        drop(&self.dropped("."));
        before.retain(|(file, ..)| fs::symlink_metadata(self.dropped(file)).is_ok());
        assert!(!before.is_empty());
        self.peace().await;
        for (file, reason, (refusals, _)) in &before {
            self.until_said(file, &refused(reason), *refusals).await;
        }
        for (file, ..) in &before {
            let path = self.dropped(file);
            if fs::remove_file(&path).is_err() {
                fs::remove_dir(&path).unwrap();
            }
        }
        self.peace().await;
        for (file, _, (_, gone)) in &before {
            self.until_said(file, "file is gone", *gone).await;
        }
    }

    /// Does that again and again, and checks that the worker holds no more afterwards than before, and that `plugin check` says
    /// the same of each file as the worker.
    pub(crate) async fn repels(&mut self, files: &[Refused], drop: impl Fn(&Path)) {
        self.stays_flat(async |siege, _| siege.repels_once(files, &drop).await)
            .await;
        assert!(self.worker().runs());
        drop(&self.dropped("."));
        let config = self.worker().config().to_owned();
        let arguments = ["plugin", "check", "--json", "--config", config.to_str().unwrap()];
        let mut check = Process::start(self.scene().home(), "check", arguments);
        assert_eq!(check.ended().await, Some(1));
        let reports: Value = serde_json::from_str(&check.out()).unwrap();
        // Not every machine has every kind of file.
        for (file, reason) in files
            .iter()
            .filter(|(file, _)| fs::symlink_metadata(self.dropped(file)).is_ok())
        {
            let is_said = |problem: &Value| problem["message"].as_str().unwrap().contains(reason);
            let report = reports
                .as_array()
                .unwrap()
                .iter()
                .find(|report| report["file"] == *file)
                .unwrap();
            assert!(
                report["problems"].as_array().unwrap().iter().any(is_said),
                "{report:#}"
            );
        }
    }
}

//! The target `task_log`: the first byte of each line of an input says who says it, and how much it matters.

use engine_api::{LogLevel, LogSink as _};
use services::{TaskLog, TemporaryStorage};

use crate::{Place, Ready, findings::OrFinding as _, place::folder};

/// The most that a log holds here, in bytes: some inputs are more.
const MAX_BYTES: u64 = 2 << 10;

pub(crate) fn ready(_place: &Place) -> Ready {
    let folder = folder();
    let storage = TemporaryStorage::open(&folder.path().join("temporary")).or_finding("there is no storage");
    let runtime = crate::log::runtime();
    Box::new(move |input| {
        let log = TaskLog::new(storage.file().or_finding("there is no file"), MAX_BYTES);
        let mut only_lines = true;
        for said in input.split(|byte| *byte == 0) {
            let Some((who, text)) = said.split_first() else {
                continue;
            };
            match who % 5 {
                0 => {
                    only_lines = false;
                    log.write(text);
                }
                1 => log.line(LogLevel::Debug, &String::from_utf8_lossy(text)),
                2 => log.line(LogLevel::Info, &String::from_utf8_lossy(text)),
                3 => log.line(LogLevel::Warn, &String::from_utf8_lossy(text)),
                _ => log.line(LogLevel::Error, &String::from_utf8_lossy(text)),
            }
        }
        log.close();
        let content = log.content().or_finding("a closed log has no content");
        let mut written = Vec::new();
        let mut reader = runtime.block_on(content.open()).or_finding("opening the log");
        runtime
            .block_on(tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut written))
            .or_finding("reading the log");
        assert_eq!(written.len() as u64, content.size(), "a log of another length");
        assert!(
            written.len() as u64 <= MAX_BYTES + 1024,
            "a log of {} bytes",
            written.len()
        );
        if only_lines {
            check(&String::from_utf8_lossy(&written));
        }
        let _kept = &folder;
    })
}

/// Every line that the worker writes looks like one, and does nothing to a terminal.
fn check(written: &str) {
    let lines: Vec<&str> = written.lines().collect();
    // A full log is cut after a byte; then comes the line that says so.
    let cut = lines
        .len()
        .checked_sub(2)
        .filter(|_| written.len() as u64 >= MAX_BYTES);
    for (number, line) in lines.iter().enumerate() {
        let has_prefix = ["[taskcluster 2", "[taskcluster:warn 2", "[taskcluster:error] "]
            .iter()
            .any(|prefix| line.starts_with(prefix));
        assert!(has_prefix || cut == Some(number), "{line:?} has no prefix");
        assert!(!line.chars().any(|c| c.is_control() && c != '\t'), "{line:?}");
    }
}

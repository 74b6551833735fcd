//! What can be relied on of a task's log.

use std::fs;

use futures_util::TryStreamExt as _;
use proptest::prelude::*;
use tokio::io::AsyncReadExt as _;

use super::*;
use crate::TemporaryStorage;

/// A log of at most `max_bytes`, in a directory that lasts as long as the test.
fn log(max_bytes: u64) -> (tempfile::TempDir, TaskLog) {
    let outer = tempfile::tempdir().unwrap();
    let storage = TemporaryStorage::open(&outer.path().join("storage")).unwrap();
    (outer, TaskLog::new(storage.file().unwrap(), max_bytes))
}

fn written(log: &TaskLog) -> Vec<u8> {
    fs::read(log.0.file.path()).unwrap()
}

fn text(log: &TaskLog) -> String {
    String::from_utf8(written(log)).unwrap()
}

#[test]
fn bytes_are_kept_as_they_are() {
    let (_outer, log) = log(u64::MAX);
    let bytes: Vec<u8> = (0..=255).collect();
    log.write(&bytes);
    log.write(b"\x1b[31mred\r\n");
    assert_eq!(written(&log), [&bytes[..], b"\x1b[31mred\r\n"].concat());
}

#[test]
fn lines_of_the_worker_begin_on_a_new_line_with_the_prefix_of_their_level() {
    let (_outer, log) = log(u64::MAX);
    log.line(LogLevel::Info, "begin");
    log.write(b"no line end");
    log.line(LogLevel::Error, "why");
    log.line(LogLevel::Warn, "odd");
    log.line(LogLevel::Debug, "for the worker's own log");
    let text = text(&log);
    let lines: Vec<&str> = text.lines().collect();
    let &[begin, task, why, odd] = &lines[..] else {
        panic!("{text}")
    };
    let stamp = begin
        .strip_prefix("[taskcluster ")
        .and_then(|rest| rest.strip_suffix("] begin"))
        .unwrap();
    assert!(
        stamp.len() == 24 && stamp.ends_with('Z') && chrono::DateTime::parse_from_rfc3339(stamp).is_ok(),
        "{begin}"
    );
    assert_eq!((task, why), ("no line end", "[taskcluster:error] why"));
    assert!(
        odd.starts_with("[taskcluster:warn 20") && odd.ends_with("Z] odd"),
        "{odd}"
    );
}

#[test]
fn what_a_line_holds_cannot_act_or_pass_for_another_line() {
    let (_outer, log) = log(u64::MAX);
    log.line(LogLevel::Error, "one\r\ntwo\x1b[2J\rthree\u{202e}\tfour\u{9b}");
    assert_eq!(
        text(&log),
        "[taskcluster:error] one\n[taskcluster:error] two\\u{1b}[2J\\u{d}three\\u{202e}\tfour\\u{9b}\n"
    );
}

#[test]
fn a_full_log_says_so_once_and_takes_no_more() {
    let (_outer, log) = log(10);
    log.write(b"0123456");
    log.write(b"789abc");
    log.write(b"more");
    log.line(LogLevel::Error, "more");
    let text = text(&log);
    let (kept, said) = text.split_once('\n').unwrap();
    assert_eq!(kept, "0123456789");
    assert!(
        said.starts_with("[taskcluster:warn ") && said.contains("10 bytes"),
        "{said}"
    );
    assert_eq!(said.matches('\n').count(), 1);
}

#[test]
fn a_log_that_fits_exactly_says_nothing() {
    let (_outer, log) = log(10);
    log.write(b"0123456789");
    assert_eq!(text(&log), "0123456789");
}

#[test]
fn a_full_disk_is_no_error_of_the_task() {
    let full = fs::OpenOptions::new()
        .read(true)
        .append(true)
        .open("/dev/full")
        .unwrap();
    let mut writer = Writer::new(Arc::new(full), u64::MAX);
    writer.bytes(b"lost");
    writer.lines("lost too\n");
    assert_eq!(
        writer.length(),
        LogLength {
            bytes: 0,
            closed: false
        }
    );
    writer.close();
    assert!(writer.length().closed);
}

#[tokio::test]
async fn there_is_content_once_the_log_is_closed_and_then_it_does_not_change() {
    let (_outer, log) = log(u64::MAX);
    log.write(b"all of it");
    assert!(log.content().is_none());
    log.close();
    log.write(b"too late");
    log.line(LogLevel::Error, "too late");
    let content = log.content().unwrap();
    drop(log);
    assert_eq!(content.size(), 9);
    for _ in 0..2 {
        let mut read = String::new();
        content
            .open()
            .await
            .unwrap()
            .read_to_string(&mut read)
            .await
            .unwrap();
        assert_eq!(read, "all of it");
    }
}

#[tokio::test]
async fn the_file_is_gone_when_nothing_reads_it_any_more() {
    let (_outer, log) = log(u64::MAX);
    log.write(b"x");
    let path = log.0.file.path().to_owned();
    let mut follower = log.follow(0);
    drop(log);
    assert_eq!(follower.next().await.unwrap().as_deref(), Some(&b"x"[..]));
    assert_eq!(
        follower.next().await.unwrap(),
        None,
        "a dropped log is a closed one"
    );
    drop(follower);
    assert!(!path.exists());
}

#[tokio::test]
async fn followers_get_every_byte_from_where_they_begin_until_the_log_is_closed() {
    let (_outer, log) = log(u64::MAX);
    log.write(b"abc");
    let followers =
        [0, 2, 3, 5].map(|from| tokio::spawn(log.follow(from).into_stream().try_collect::<Vec<_>>()));
    let mut first = log.follow(0);
    assert_eq!(first.next().await.unwrap().as_deref(), Some(&b"abc"[..]));
    log.write(b"def");
    assert_eq!(first.next().await.unwrap().as_deref(), Some(&b"def"[..]));
    log.close();
    assert_eq!(first.next().await.unwrap(), None);
    for (follower, expected) in followers.into_iter().zip(["abcdef", "cdef", "def", "f"]) {
        assert_eq!(follower.await.unwrap().unwrap().concat(), expected.as_bytes());
    }
}

#[tokio::test]
async fn a_follower_beyond_the_end_of_a_closed_log_ends() {
    let (_outer, log) = log(u64::MAX);
    log.write(b"abc");
    log.close();
    assert_eq!(log.follow(100).next().await.unwrap(), None);
    assert_eq!(
        log.reader().range(1, 2).next().await.unwrap().as_deref(),
        Some(&b"b"[..])
    );
}

#[tokio::test]
async fn a_dropped_wait_of_a_follower_loses_nothing() {
    let (_outer, log) = log(u64::MAX);
    let mut follower = log.follow(0);
    for _ in 0..3 {
        tokio::select! {
            biased;
            _ = follower.next() => panic!("there is nothing yet"),
            () = std::future::ready(()) => {}
        }
    }
    log.write(b"abc");
    assert_eq!(follower.next().await.unwrap().as_deref(), Some(&b"abc"[..]));
}

#[test]
fn a_reader_that_never_reads_does_not_hold_up_the_writer() {
    let (_outer, log) = log(u64::MAX);
    let _never_polled = log.follow(0);
    for _ in 0..1000 {
        log.write(&[b'x'; 4096]);
    }
    assert_eq!(log.reader().length().bytes, 1000 * 4096);
}

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<u8>),
    Line(String),
}

fn step() -> impl Strategy<Value = Step> {
    let byte = prop_oneof![Just(b'\n'), Just(b'a'), Just(b'\r'), any::<u8>()];
    prop_oneof![
        proptest::collection::vec(byte, 0..20).prop_map(Step::Write),
        "[a-z\n]{0,10}".prop_map(Step::Line),
    ]
}

proptest! {
    #[test]
    fn any_interleaving_keeps_the_bytes_and_puts_lines_on_new_lines(
        steps in proptest::collection::vec(step(), 0..30),
        max_bytes in prop_oneof![Just(u64::MAX), 0..600_u64],
    ) {
        let (_outer, log) = log(max_bytes);
        let mut expected: Vec<u8> = Vec::new();
        for step in &steps {
            match step {
                Step::Write(bytes) => {
                    log.write(bytes);
                    expected.extend(bytes);
                }
                Step::Line(text) => {
                    log.line(LogLevel::Error, text);
                    if !matches!(expected.last(), None | Some(b'\n')) {
                        expected.push(b'\n');
                    }
                    for line in text.split('\n') {
                        expected.extend(format!("[taskcluster:error] {line}\n").bytes());
                    }
                }
            }
        }
        let written = written(&log);
        prop_assert_eq!(log.reader().length().bytes, written.len() as u64);
        match usize::try_from(max_bytes).ok().filter(|max| *max < expected.len()) {
            None => prop_assert_eq!(written, expected),
            Some(max) => {
                prop_assert_eq!(&written[..max], &expected[..max]);
                prop_assert!(written.len() < max + 200);
                prop_assert!(written.ends_with(b"is not\n"));
            }
        }
    }
}

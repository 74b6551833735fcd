//! What a run lends to its plugins, as strict as the real things: what must not reach them is a finding.

use std::{
    io::Cursor,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use engine_api::{Content, ContentReader, LogLevel, LogSink};
use plugin_host::ports::{
    ArtifactError, ArtifactStore, Lifecycle, RunPorts, TaskInfo, TaskLog, Upload, Uploaded,
};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};
use tokio_util::sync::CancellationToken;

/// The words of the queue for why there is no artifact.
const REASONS: [&str; 4] = [
    "file-missing-on-worker",
    "invalid-resource-on-worker",
    "too-large-file-on-worker",
    "file-not-readable-on-worker",
];

/// Counts contents and readers that somebody holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held(pub(crate) Arc<AtomicUsize>);

/// One of those that are counted.
#[derive(Debug)]
struct OneHeld(Arc<AtomicUsize>);

impl Held {
    fn one(&self) -> OneHeld {
        self.0.fetch_add(1, Ordering::SeqCst);
        OneHeld(self.0.clone())
    }
}

impl Drop for OneHeld {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What one run lends.
pub(crate) struct Ports {
    pub(crate) log: Arc<Log>,
    pub(crate) abort: CancellationToken,
    artifacts: Arc<Artifacts>,
    definition: Arc<Value>,
}

impl Ports {
    pub(crate) fn new(held: &Held) -> Self {
        Self {
            log: Arc::new(Log {
                closed: AtomicBool::new(false),
                written: Mutex::default(),
                held: held.clone(),
            }),
            abort: CancellationToken::new(),
            artifacts: Arc::new(Artifacts),
            definition: Arc::new(json!({"taskQueueId": "local/fuzz", "payload": {"other": "s\u{1b}"}})),
        }
    }

    pub(crate) fn run(&self) -> RunPorts {
        let time = DateTime::<Utc>::UNIX_EPOCH;
        RunPorts {
            task: TaskInfo {
                task_id: "H6fuzzH6fuzzH6fuzzH6fg".to_owned(),
                run_id: 0,
                task_group_id: "H6fuzzH6fuzzH6fuzzH6fg".to_owned(),
                created: time,
                deadline: time,
                expires: time,
                scopes: Vec::new(),
            },
            definition: self.definition.clone(),
            log: self.log.clone(),
            artifacts: self.artifacts.clone(),
            abort: self.abort.clone(),
        }
    }

    /// What of it somebody else has, which nobody does once a run is over.
    pub(crate) fn lent(&self) -> Option<&'static str> {
        if Arc::strong_count(&self.log) > 1 {
            Some("the log")
        } else if Arc::strong_count(&self.artifacts) > 1 {
            Some("the artifact store")
        } else if Arc::strong_count(&self.definition) > 1 {
            Some("the task's definition")
        } else {
            None
        }
    }
}

/// The task's log, as lines.
#[derive(Debug)]
pub(crate) struct Log {
    closed: AtomicBool,
    written: Mutex<Vec<u8>>,
    held: Held,
}

impl Log {
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    fn written(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TaskLog for Log {
    fn line(&self, _level: LogLevel, text: &str) {
        assert!(
            !text.chars().any(|c| c.is_control() && c != '\t'),
            "the task's log gets {text:?}"
        );
        let mut written = self.written();
        written.extend_from_slice(text.as_bytes());
        written.push(b'\n');
        assert!(written.len() <= 1 << 20, "the task's log grows without end");
    }

    fn content(&self) -> Option<Arc<dyn Content>> {
        let closed = self.closed.load(Ordering::SeqCst);
        closed.then(|| -> Arc<dyn Content> {
            Arc::new(Bytes {
                bytes: self.written().clone(),
                held: self.held.clone(),
                _one: self.held.one(),
            })
        })
    }

    fn live_url(&self) -> Option<String> {
        Some("http://127.0.0.1:1/log".to_owned())
    }
}

/// A content that is counted, and so are its readers.
#[derive(Debug)]
struct Bytes {
    bytes: Vec<u8>,
    held: Held,
    _one: OneHeld,
}

struct Reader {
    bytes: Cursor<Vec<u8>>,
    _one: OneHeld,
}

impl AsyncRead for Reader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.bytes).poll_read(cx, buffer)
    }
}

#[async_trait]
impl Content for Bytes {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    async fn open(&self) -> std::io::Result<ContentReader> {
        Ok(Box::new(Reader {
            bytes: Cursor::new(self.bytes.clone()),
            _one: self.held.one(),
        }))
    }
}

/// Artifacts that go nowhere. What becomes of one is in its name.
#[derive(Debug)]
struct Artifacts;

impl Artifacts {
    async fn answer(name: &str, content_type: Option<&str>) -> Result<(), ArtifactError> {
        let is_printable = |text: &str| text.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
        assert!(
            (1..=1024).contains(&name.len()) && is_printable(name),
            "an artifact is named {name:?}"
        );
        if let Some(content_type) = content_type {
            assert!(
                (1..=255).contains(&content_type.len()) && is_printable(content_type),
                "an artifact is of the type {content_type:?}"
            );
        }
        match name.len() % 16 {
            1 => Err(ArtifactError::Invalid("the queue does not take it".to_owned())),
            2 => Err(ArtifactError::Conflict("there is another".to_owned())),
            3 => Err(ArtifactError::Unavailable("nobody answers".to_owned())),
            4 => Err(ArtifactError::Other("something else".to_owned())),
            5 => std::future::pending().await,
            6 | 7 => {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl ArtifactStore for Artifacts {
    async fn upload(&self, upload: Upload) -> Result<Uploaded, ArtifactError> {
        let size = upload.content.size();
        let mut reader = upload
            .content
            .open()
            .await
            .map_err(|error| ArtifactError::Other(error.to_string()))?;
        let mut bytes = Vec::new();
        reader
            .read_to_end(&mut bytes)
            .await
            .map_err(|error| ArtifactError::Other(error.to_string()))?;
        assert_eq!(bytes.len() as u64, size, "a content of another size");
        patient(Self::answer(&upload.name, Some(&upload.content_type))).await?;
        Ok(Uploaded {
            size,
            sha256: "0".repeat(64),
        })
    }

    async fn reference(
        &self,
        name: &str,
        url: &str,
        content_type: &str,
        _expires: Option<DateTime<Utc>>,
    ) -> Result<(), ArtifactError> {
        assert!(url.len() <= 1024, "an address of {} bytes", url.len());
        patient(Self::answer(name, Some(content_type))).await
    }

    async fn link(
        &self,
        name: &str,
        target: &str,
        content_type: &str,
        _expires: Option<DateTime<Utc>>,
    ) -> Result<(), ArtifactError> {
        assert!((1..=1024).contains(&target.len()), "a link to {target:?}");
        patient(Self::answer(name, Some(content_type))).await
    }

    async fn report_error(
        &self,
        name: &str,
        reason: &str,
        message: &str,
        _expires: Option<DateTime<Utc>>,
    ) -> Result<(), ArtifactError> {
        assert!(REASONS.contains(&reason), "the reason is {reason:?}");
        assert!(message.len() <= 1024, "a message of {} bytes", message.len());
        patient(Self::answer(name, None)).await
    }
}

/// As the real store is, which bounds its own calls.
async fn patient(call: impl Future<Output = Result<(), ArtifactError>>) -> Result<(), ArtifactError> {
    tokio::time::timeout(std::time::Duration::from_millis(2), call)
        .await
        .unwrap_or_else(|_elapsed| Err(ArtifactError::Unavailable("it took too long".to_owned())))
}

/// The worker's life, which goes on.
#[derive(Debug, Default)]
pub(crate) struct Life {
    reasons: Mutex<Vec<String>>,
    stopping: AtomicBool,
}

impl Life {
    fn stop(&self, why: &str) {
        self.stopping.store(true, Ordering::SeqCst);
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        reasons.push(why.to_owned());
    }

    /// What was said is fit for a log.
    pub(crate) fn check(&self) {
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        for why in reasons.drain(..) {
            let is_fit = why.starts_with("plugin calls") && why.len() < 16 << 10;
            assert!(
                is_fit && !why.chars().any(|c| c.is_control() && c != '\t'),
                "{why:?}"
            );
        }
    }

    /// The next run is of another worker.
    pub(crate) fn renew(&self) {
        self.check();
        self.stopping.store(false, Ordering::SeqCst);
    }
}

impl Lifecycle for Life {
    fn stop_gracefully(&self, why: &str) {
        self.stop(why);
    }

    fn stop_now(&self, why: &str) {
        self.stop(why);
    }

    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}

/// What the task prints goes nowhere.
#[derive(Debug)]
pub(crate) struct Sink;

impl LogSink for Sink {
    fn write(&self, _bytes: &[u8]) {}
    fn line(&self, _level: LogLevel, _text: &str) {}
}

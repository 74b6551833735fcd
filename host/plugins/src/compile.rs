//! Compiles plugins in child processes with limits, since a file of a few kilobytes can take a compiler minutes and
//! gigabytes, and since a bug of the compiler's must not be one of the worker's.
//!
//! The protocol: the length of the component as eight bytes, little end first, and the component on standard input; the
//! compiled code on standard output; a message on standard error when the exit status is not 0. Standard input stays open
//! while the child is wanted: it ends itself when that closes, so that it outlives no worker.

use std::{
    ffi::OsString,
    io,
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use nix::sys::signal::Signal;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
    sync::Semaphore,
    time::timeout,
};

mod child;

pub use child::child_main;

/// How many children there are at one time.
const CONCURRENCY: usize = 2;
/// How long one child may take, however loaded the machine is.
const WALL_LIMIT: Duration = Duration::from_secs(180);
/// The CPU time of one child, in seconds, over all its threads. An interpreter of 18 MiB takes 8.
const CPU_LIMIT: u64 = 90;
/// The address space of one child, in bytes.
const MEMORY_LIMIT: u64 = 2 << 30;
/// The largest compiled code, in bytes: four times the largest component, and a half more.
const MAX_COMPILED: u64 = 192 << 20;
/// The longest message that is kept of a child's, in bytes.
const MAX_MESSAGE: u64 = 8 << 10;

/// How the worker starts itself as a compiler: its own program, with arguments that lead to [`child_main`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompilerCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

/// Why a component could not be compiled.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CompileError {
    /// The compiler says that it is not valid.
    #[error("{0}")]
    Invalid(String),
    /// The child was ended by one of its limits, or by a bug.
    #[error("the compiler needed more than {limit} MiB of memory, or crashed: {0}", limit = MEMORY_LIMIT >> 20)]
    Crashed(String),
    /// The child was ended by its limit of CPU time.
    #[error("the compiler needed more than {CPU_LIMIT} seconds of CPU time")]
    TooSlow,
    /// The child did not end.
    #[error("the compiler took longer than {} seconds", WALL_LIMIT.as_secs())]
    TimedOut,
    /// The compiled code is too large.
    #[error("its compiled code is larger than {} MiB", MAX_COMPILED >> 20)]
    TooLarge,
    /// The child could not be started or talked to.
    #[error("the compiler process could not be {operation}")]
    Process {
        /// What was attempted.
        operation: &'static str,
        /// What the system says.
        #[source]
        source: Arc<io::Error>,
    },
}

/// Starts compilers, a few at a time.
#[derive(Debug)]
pub(crate) struct Compiler {
    command: CompilerCommand,
    permits: Semaphore,
}

impl Compiler {
    pub(crate) fn new(command: CompilerCommand) -> Self {
        Self {
            command,
            permits: Semaphore::new(CONCURRENCY),
        }
    }

    /// Compiles a component. `begun` is called when its turn has come.
    ///
    /// # Cancel safety
    /// May be dropped: the child is killed, and reaped by the runtime.
    pub(crate) async fn compile(&self, wasm: &[u8], begun: impl FnOnce()) -> Result<Vec<u8>, CompileError> {
        // The semaphore is never closed.
        let _permit = self.permits.acquire().await.ok();
        begun();
        self.run(wasm).await
    }

    async fn run(&self, wasm: &[u8]) -> Result<Vec<u8>, CompileError> {
        let mut child = self.spawn()?;
        let ended = timeout(WALL_LIMIT, converse(&mut child, wasm)).await;
        let Ok(ended) = ended else {
            child.kill().await.map_err(process("killed"))?;
            return Err(CompileError::TimedOut);
        };
        if ended.is_err() {
            // It may still run, with nobody to talk to.
            child.kill().await.map_err(process("killed"))?;
        }
        let Ended {
            status,
            compiled,
            message,
        } = ended?;
        judge(status, &message)?;
        if compiled.len() as u64 > MAX_COMPILED {
            Err(CompileError::TooLarge)
        } else {
            Ok(compiled)
        }
    }

    fn spawn(&self) -> Result<Child, CompileError> {
        Command::new(&self.command.program)
            .args(&self.command.args)
            .env_clear()
            // A thread for each of many processors would use up the address space with stacks and arenas alone.
            .env("RAYON_NUM_THREADS", "4")
            .env("MALLOC_ARENA_MAX", "2")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(process("started"))
    }
}

/// What a child leaves.
struct Ended {
    status: ExitStatus,
    compiled: Vec<u8>,
    message: String,
}

/// Writes the component, reads everything, and waits for the end. Standard input is open until then.
async fn converse(child: &mut Child, wasm: &[u8]) -> Result<Ended, CompileError> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let writing = async {
        let mut stdin = stdin?;
        // A child that has died says so by its status.
        let _ = stdin.write_all(&(wasm.len() as u64).to_le_bytes()).await;
        let _ = stdin.write_all(wasm).await;
        let _ = stdin.flush().await;
        Some(stdin)
    };
    let (stdin, compiled, message) = tokio::join!(
        writing,
        read_up_to(stdout, MAX_COMPILED + 1),
        read_up_to(stderr, MAX_MESSAGE)
    );
    let status = child.wait().await.map_err(process("awaited"))?;
    drop(stdin);
    let message = String::from_utf8_lossy(&message?).trim().to_owned();
    Ok(Ended {
        status,
        compiled: compiled?,
        message,
    })
}

async fn read_up_to(stream: Option<impl AsyncRead + Unpin>, limit: u64) -> Result<Vec<u8>, CompileError> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        // The end of the stream is dropped with what is left in it: a child that has more to say breaks on its pipe.
        stream
            .take(limit)
            .read_to_end(&mut bytes)
            .await
            .map_err(process("read"))?;
    }
    Ok(bytes)
}

fn judge(status: ExitStatus, message: &str) -> Result<(), CompileError> {
    if status.success() {
        return Ok(());
    }
    if status.signal() == Some(Signal::SIGXCPU as i32) {
        return Err(CompileError::TooSlow);
    }
    if status.code() == Some(child::REFUSED.into()) {
        return Err(CompileError::Invalid(message.to_owned()));
    }
    // The last line is where an abort or a panic says why.
    let last = message.lines().rfind(|line| !line.starts_with("note: "));
    let last = last.unwrap_or_default();
    Err(CompileError::Crashed(
        format!("{status} {last}").trim_end().to_owned(),
    ))
}

fn process(operation: &'static str) -> impl Fn(io::Error) -> CompileError {
    move |source| CompileError::Process {
        operation,
        source: Arc::new(source),
    }
}

#[cfg(test)]
pub(crate) mod tests;

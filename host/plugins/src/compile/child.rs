//! The compiler process itself: no runtime, no network, nothing but one component in and code out.

use std::{
    io::{self, Read, Write},
    process::ExitCode,
    thread,
};

use nix::sys::{
    resource::{Resource, setrlimit},
    signal::{Signal, raise},
};

use super::{CPU_LIMIT, MEMORY_LIMIT};
use crate::{directory, engine};

/// The exit status that says: the component is not valid, and standard error says why.
pub(super) const REFUSED: u8 = 10;
/// The exit status that says: this process is not fit to compile.
const FAILED: u8 = 11;

/// Compiles the component on standard input to standard output, under limits that it sets itself, and ends.
///
/// For the hidden command that [`CompilerCommand`](super::CompilerCommand) names; there must be nothing on standard output
/// before it.
pub fn child_main() -> ExitCode {
    let (status, message) = match compile() {
        Ok(()) => return ExitCode::SUCCESS,
        Err(ChildError::Invalid(error)) => (REFUSED, format!("{error:#}")),
        Err(ChildError::Process(what, error)) => (FAILED, format!("{what}: {error}")),
    };
    // Nobody is left to be told when this fails.
    let _ = io::stderr().write_all(message.as_bytes());
    ExitCode::from(status)
}

enum ChildError {
    Invalid(wasmtime::Error),
    Process(&'static str, io::Error),
}

fn compile() -> Result<(), ChildError> {
    limit().map_err(|error| ChildError::Process("setting limits", error))?;
    let wasm = read_component().map_err(|error| ChildError::Process("reading the component", error))?;
    end_with_the_worker().map_err(|error| ChildError::Process("watching standard input", error))?;
    // No fault of the component's: the next time it may do.
    let engine = engine::compiling_engine()
        .map_err(|error| ChildError::Process("making the compiler", io::Error::other(error)))?;
    let compiled = engine.precompile_component(&wasm).map_err(ChildError::Invalid)?;
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(&compiled)
        .and_then(|()| stdout.flush())
        .map_err(|error| ChildError::Process("writing compiled code", error))
}

fn limit() -> io::Result<()> {
    setrlimit(Resource::RLIMIT_AS, MEMORY_LIMIT, MEMORY_LIMIT)?;
    // SIGXCPU at the first, SIGKILL at the second.
    setrlimit(Resource::RLIMIT_CPU, CPU_LIMIT, CPU_LIMIT + 5)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    // It has its three, and opens none.
    setrlimit(Resource::RLIMIT_FSIZE, 0, 0)?;
    Ok(())
}

fn read_component() -> io::Result<Vec<u8>> {
    let mut stdin = io::stdin().lock();
    let mut length = [0; 8];
    stdin.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > directory::MAX_FILE {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut wasm = Vec::new();
    stdin.take(length).read_to_end(&mut wasm)?;
    if wasm.len() as u64 == length {
        Ok(wasm)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// The worker keeps our standard input open for as long as it wants us. The thread ends with the process.
fn end_with_the_worker() -> io::Result<()> {
    thread::Builder::new()
        .name("watch".to_owned())
        .spawn(|| {
            let _ = io::stdin().lock().read(&mut [0]);
            // A signal, since nothing that this process still does matters.
            let _ = raise(Signal::SIGKILL);
        })
        .map(drop)
}

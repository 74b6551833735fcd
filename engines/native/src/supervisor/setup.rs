//! What a supervisor does before it serves, and what it makes of the spec.

use std::{
    ffi::{CString, NulError},
    fs::{self, File},
    io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::{ffi::OsStrExt, net::UnixStream},
    },
    path::Path,
    time::Duration,
};

use nix::{
    sys::{
        prctl,
        signal::{SigSet, Signal},
        signalfd::{SfdFlags, SignalFd},
    },
    unistd::{close, dup2_stdin, setsid},
};

use crate::{
    linux::{
        cgroup::Cgroup,
        fork::{self, CgroupDirectory, Child, Program},
        open_files,
    },
    protocol::{Line, Spec},
};

/// How gladly a task's processes are killed when memory runs out, at least: before the worker and whatever else is not a
/// task. What runs the worker may have made it, and so all that it starts, immune.
const OOM_SCORE_ADJ: i32 = 500;

/// The supervisor's own things.
pub(super) struct Setup {
    pub(super) line: Line,
    pub(super) children: ChildSignals,
}

/// Tells that children have ended.
pub(super) struct ChildSignals(SignalFd);

/// The task's commands, ready to be run.
pub(super) struct Commands {
    commands: Vec<Prepared>,
    environment: Vec<CString>,
    oom_score_adj: i32,
    cgroup: Option<(Cgroup, CgroupDirectory)>,
}

struct Prepared {
    candidates: Vec<CString>,
    arguments: Vec<CString>,
}

/// One of them.
pub(super) struct Command<'a>(Program<'a>);

/// Makes this process what a supervisor must be.
pub(super) fn begin() -> io::Result<Setup> {
    close_inherited()?;
    // The copy is closed by exec; what commands get as their input is nothing.
    let control = io::stdin().as_fd().try_clone_to_owned()?;
    dup2_stdin(File::open("/dev/null")?)?;
    let _ = setsid();
    prctl::set_child_subreaper(true)?;
    // Ignored ones are inherited: an ignored SIGCHLD would let the kernel forget how commands end, and commands inherit them too.
    fork::reset_signals();
    // A signal that is sent to all processes of the user, or to the group by name, does not end a supervisor. SIGKILL does.
    SigSet::all().thread_set_mask()?;
    let mut child = SigSet::empty();
    child.add(Signal::SIGCHLD);
    let children = SignalFd::with_flags(&child, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    Ok(Setup {
        line: Line::new(UnixStream::from(control)),
        children: ChildSignals(children),
    })
}

/// Closes all descriptors but the three standard ones. Rust opens none that exec does not close, but libraries in C may have.
fn close_inherited() -> io::Result<()> {
    let mut open = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        open.extend(
            entry?
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<i32>().ok()),
        );
    }
    // Nothing in this process has opened one yet. That of the listing itself is closed by now, which is no error.
    open.into_iter()
        .filter(|&descriptor| descriptor > 2)
        .for_each(|descriptor| {
            let _ = close(descriptor);
        });
    Ok(())
}

/// What the spec says, and the grace of a kill.
pub(super) fn commands(spec: Spec) -> io::Result<(Commands, Duration)> {
    if let Some(soft) = spec.open_files {
        open_files::set(soft)?;
    }
    let path = spec.environment.get("PATH").map_or("", String::as_str);
    let commands = spec
        .commands
        .into_iter()
        .map(|command| prepare(command, path))
        .collect::<Result<_, _>>()?;
    let environment = spec
        .environment
        .iter()
        .map(|(name, value)| CString::new(format!("{name}={value}")))
        .collect::<Result<_, _>>()?;
    // Where the group can't be opened, the tree is ended without it.
    let cgroup = spec.cgroup.and_then(|path| {
        let directory = CgroupDirectory::open(&path).ok()?;
        Some((Cgroup::at(path), directory))
    });
    let own = fs::read_to_string("/proc/self/oom_score_adj")?;
    let own = own.trim().parse().map_err(io::Error::other)?;
    let commands = Commands {
        commands,
        environment,
        oom_score_adj: OOM_SCORE_ADJ.max(own),
        cgroup,
    };
    Ok((commands, spec.kill_grace))
}

fn prepare(command: Vec<String>, path: &str) -> Result<Prepared, NulError> {
    let program = command.first().map_or("", String::as_str);
    let candidates = if program.is_empty() || program.contains('/') {
        vec![CString::new(program)?]
    } else {
        path.split(':')
            // An empty part of PATH means the current directory.
            .map(|folder| CString::new(Path::new(folder).join(program).as_os_str().as_bytes()))
            .collect::<Result<_, _>>()?
    };
    let arguments = command.into_iter().map(CString::new).collect::<Result<_, _>>()?;
    Ok(Prepared {
        candidates,
        arguments,
    })
}

impl Commands {
    pub(super) fn get(&self, index: usize) -> Option<Command<'_>> {
        let prepared = self.commands.get(index)?;
        Some(Command(Program {
            candidates: &prepared.candidates,
            arguments: &prepared.arguments,
            environment: &self.environment,
            oom_score_adj: self.oom_score_adj,
            cgroup: self.cgroup.as_ref().map(|(_, directory)| directory),
        }))
    }

    pub(super) fn cgroup(&self) -> Option<&Cgroup> {
        self.cgroup.as_ref().map(|(cgroup, _)| cgroup)
    }
}

impl Command<'_> {
    pub(super) fn spawn(&self) -> io::Result<Child> {
        fork::spawn(&self.0)
    }
}

impl ChildSignals {
    /// Forgets what it told: ask for all children from now on.
    pub(super) fn clear(&self) -> io::Result<()> {
        while self.0.read_signal()?.is_some() {}
        Ok(())
    }
}

impl AsFd for ChildSignals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

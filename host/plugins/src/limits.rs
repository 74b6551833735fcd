//! What an instance may use. Each limit has a key under `plugins.<name>.limits`, a default, and a message that names both.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wasmtime::{ResourceLimiter, component::ResourceTableError};

/// The limits of one instance. A call that exceeds one is broken off, and the instance is dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of linear memory, summed over all memories of the instance. As many again may be held by the host in files
    /// that the plugin made of bytes.
    pub memory_bytes: u64,
    /// Elements of all tables together.
    pub table_elements: u64,
    /// Core instances. A quarter as many tables and a sixteenth as many memories, at least one of each: they are kept for all
    /// plugins together, and few need more than two.
    pub instances: u32,
    /// Handles that the guest holds at one time.
    pub handles: u32,
    /// Bytes that one call may carry between guest and host.
    pub call_bytes: u64,
    /// Milliseconds that one hook may compute. Waiting in the host does not count.
    pub cpu_ms: u64,
    /// Milliseconds that one hook may take. Time in `sandbox.wait` and while artifacts are stored does not count.
    pub hook_ms: u64,
    /// Milliseconds that one call of the host may take, `sandbox.wait` and those that store artifacts left out.
    pub call_ms: u64,
    /// Lines that the plugin may write in each of the two logs, for each run.
    pub log_lines: u64,
    /// Bytes that the plugin may write in each of the two logs, for each run.
    pub log_bytes: u64,
    /// Artifacts that the plugin may create for each run.
    pub artifacts: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            table_elements: 20_000,
            // A plugin in Python is linked of 38 modules, one made with Rust or in JavaScript of 3.
            instances: 64,
            handles: 1_000,
            call_bytes: 4 << 20,
            cpu_ms: 5_000,
            hook_ms: 120_000,
            call_ms: 60_000,
            log_lines: 10_000,
            log_bytes: 4 << 20,
            artifacts: 10_000,
        }
    }
}

impl Limits {
    /// How long an epoch is: how often a guest that computes is looked at.
    pub(crate) const TICK: Duration = Duration::from_millis(10);

    /// How long a hook may compute.
    pub(crate) fn cpu(&self) -> Duration {
        Duration::from_millis(self.cpu_ms)
    }

    /// What is large enough for both, as far as it concerns how instances are allocated.
    pub(crate) fn room_for(&self, other: &Self) -> Self {
        Self {
            memory_bytes: self.memory_bytes.max(other.memory_bytes),
            table_elements: self.table_elements.max(other.table_elements),
            instances: self.instances.max(other.instances),
            ..self.clone()
        }
    }

    /// How many tables an instance may have.
    pub(crate) fn tables(&self) -> u32 {
        (self.instances / 4).max(1)
    }

    /// How many memories an instance may have.
    pub(crate) fn memories(&self) -> u32 {
        (self.instances / 16).max(1)
    }

    /// Where the operator raises a limit of a plugin.
    pub(crate) fn path(plugin: &str, key: &str) -> String {
        format!("plugins.{plugin}.limits.{key}")
    }
}

/// A limit that breaks off the call that exceeds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the limit of {} is exceeded", self.what())]
pub(crate) enum LimitHit {
    Memory,
    TableElements,
    Instances,
    Handles,
    CallBytes,
    Cpu,
    Hook,
}

impl LimitHit {
    /// What there was too much of.
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::TableElements => "table elements",
            Self::Instances => "core instances (a quarter of it for tables, a sixteenth for memories)",
            Self::Handles => "handles",
            Self::CallBytes => "bytes across one call",
            Self::Cpu => "CPU time of one hook",
            Self::Hook => "time of one hook",
        }
    }

    /// Its word in the config.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Memory => "memoryBytes",
            Self::TableElements => "tableElements",
            Self::Instances => "instances",
            Self::Handles => "handles",
            Self::CallBytes => "callBytes",
            Self::Cpu => "cpuMs",
            Self::Hook => "hookMs",
        }
    }

    /// How much is allowed.
    pub(crate) fn allowed(self, limits: &Limits) -> u64 {
        match self {
            Self::Memory => limits.memory_bytes,
            Self::TableElements => limits.table_elements,
            Self::Instances => limits.instances.into(),
            Self::Handles => limits.handles.into(),
            Self::CallBytes => limits.call_bytes,
            Self::Cpu => limits.cpu_ms,
            Self::Hook => limits.hook_ms,
        }
    }

    /// The limit that an error of wasmtime's is about, if it is about one. Some have no type of their own: a test for each
    /// makes sure that their words are still these.
    pub(crate) fn of_error(error: &wasmtime::Error) -> Option<Self> {
        if let Some(hit) = error.downcast_ref::<Self>() {
            return Some(*hit);
        }
        if let Some(ResourceTableError::Full) = error.downcast_ref() {
            return Some(Self::Handles);
        }
        let text = error.root_cause().to_string();
        [
            ("store handle limit exceeded", Self::Handles),
            ("resource limit exceeded", Self::Instances),
            ("too much data is being copied", Self::CallBytes),
        ]
        .into_iter()
        .find_map(|(words, hit)| text.contains(words).then_some(hit))
    }
}

/// Sums what the instance has allocated; refuses what goes beyond, and remembers that it did.
#[derive(Debug)]
pub(crate) struct Allocations {
    memory_left: u64,
    table_left: u64,
    instances: usize,
    tables: usize,
    memories: usize,
    /// The limit that the hook in progress hit last: an allocator that is refused memory traps with a message that does not
    /// say why.
    pub(crate) hit: Option<LimitHit>,
}

impl Allocations {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory_left: limits.memory_bytes,
            table_left: limits.table_elements,
            instances: limits.instances as usize,
            tables: limits.tables() as usize,
            memories: limits.memories() as usize,
            hit: None,
        }
    }
}

/// Takes some of what is left, or nothing where that is too little; answers whether it did.
fn take(left: &mut u64, more: usize) -> bool {
    match left.checked_sub(more as u64) {
        Some(rest) => {
            *left = rest;
            true
        }
        None => false,
    }
}

impl ResourceLimiter for Allocations {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let granted = take(&mut self.memory_left, desired.saturating_sub(current));
        if !granted {
            self.hit = Some(LimitHit::Memory);
        }
        Ok(granted)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let granted = take(&mut self.table_left, desired.saturating_sub(current));
        if !granted {
            self.hit = Some(LimitHit::TableElements);
        }
        Ok(granted)
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn tables(&self) -> usize {
        self.tables
    }

    fn memories(&self) -> usize {
        self.memories
    }
}

/// What is left of the lines and bytes that a plugin may write.
#[derive(Debug)]
pub(crate) struct LogBudget {
    lines: u64,
    bytes: u64,
    exhausted: bool,
}

/// Whether a line may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// It may.
    Write,
    /// It may not, and that should be said.
    LastWord,
    /// It may not, which was said before.
    Drop,
}

impl LogBudget {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            lines: limits.log_lines,
            bytes: limits.log_bytes,
            exhausted: false,
        }
    }

    /// Takes a line of so many bytes out of the budget.
    pub(crate) fn take(&mut self, bytes: usize) -> Line {
        let bytes = bytes as u64;
        if self.exhausted {
            return Line::Drop;
        }
        if self.lines == 0 || bytes > self.bytes {
            self.exhausted = true;
            return Line::LastWord;
        }
        self.lines -= 1;
        self.bytes -= bytes;
        Line::Write
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_summed_over_all_memories() {
        let mut allocations = Allocations::new(&Limits {
            memory_bytes: 100,
            ..Limits::default()
        });
        assert!(allocations.memory_growing(0, 60, None).unwrap());
        assert!(!allocations.memory_growing(0, 60, None).unwrap());
        assert_eq!(allocations.hit, Some(LimitHit::Memory));
        assert!(allocations.memory_growing(0, 40, None).unwrap());
    }

    #[test]
    fn a_flood_of_lines_ends_with_one_last_word() {
        let mut budget = LogBudget::new(&Limits {
            log_lines: 2,
            ..Limits::default()
        });
        let taken: Vec<Line> = (0..5).map(|_| budget.take(1)).collect();
        assert_eq!(
            taken,
            [Line::Write, Line::Write, Line::LastWord, Line::Drop, Line::Drop]
        );
    }
}

//! A first look at a file's bytes, before anything of it is compiled: whether it is a component, what it imports and
//! exports, and whether it is a bomb.
//!
//! Two passes. [`surface`] reads what is at the top level and is cheap enough for every load; [`bodies`] reads every
//! instruction, and is needed only before the first compilation.

use wasmparser::{
    ComponentExternalKind, ComponentTypeRef, FunctionBody, Operator, Parser, Payload, TypeBounds,
};

use crate::{
    capabilities::Capability,
    contract::{self, Import, Name, Version},
    refusal::{NotAComponent, Refusal},
    refusals::Refusals,
    wasi,
};

/// The most functions of a file.
const MAX_FUNCTIONS: u64 = 100_000;
/// What a refusal says of a function that is too large, and of one that is too deep.
pub(crate) const FUNCTION: &str = "a function with code";
pub(crate) const BLOCKS: &str = "blocks in blocks";
/// How deep components may be nested.
const MAX_COMPONENTS: u64 = 16;
/// The most imports or exports that are read.
const MAX_NAMES: u64 = 1_000;

/// How large a function may be, and how deep blocks in it may be nested. A compiler's time and memory grow faster than both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BodyLimits {
    bytes: u64,
    blocks: u64,
}

impl BodyLimits {
    /// For the file of anybody. Compilers of real languages stay below fifty blocks; the worst that was made of these limits
    /// took 7 s and 430 MiB.
    pub(crate) const ANYBODYS: Self = Self {
        bytes: 128 << 10,
        blocks: 256,
    };
    /// For a file whose very bytes the operator vouches for: an interpreter has its loop in one function. CPython 3.14 has
    /// functions of 417 KiB, and of 781 blocks; SpiderMonkey of 168 KiB, and of 456 blocks; either takes 16 to 21 s of CPU
    /// time and 450 MiB as a whole. What is made to be bad at half of these limits takes all that the compiler's own limits
    /// have, and it is these that hold then.
    pub(crate) const VOUCHED_FOR: Self = Self {
        bytes: 1 << 20,
        blocks: 2_048,
    };
}

/// What a component imports and exports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Surface {
    /// The version of the contract that it is made for.
    pub(crate) contract: &'static Version,
    /// What needs a grant.
    pub(crate) capabilities: Vec<Capability>,
    /// Interfaces of WASI.
    pub(crate) wasi: Vec<String>,
    /// Interfaces of the contract.
    pub(crate) exports: Vec<String>,
}

/// Reads what a component imports and exports, and refuses what this worker can't serve.
pub(crate) fn surface(bytes: &[u8]) -> Result<Surface, Refusals> {
    check_kind(bytes)?;
    let mut names = Names::default();
    let mut depth = 0_u64;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|error| broken(&error))? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                depth += 1;
                within("components in components", depth, MAX_COMPONENTS)?;
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                within("imports", section.count().into(), MAX_NAMES)?;
                for import in section {
                    let import = import.map_err(|error| broken(&error))?;
                    names.import(import.name.name, &import.ty);
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                within("exports", section.count().into(), MAX_NAMES)?;
                for export in section {
                    let export = export.map_err(|error| broken(&error))?;
                    names.export(export.name.name, export.kind);
                }
            }
            _ => {}
        }
    }
    names.judge()
}

/// Reads every function, and refuses what would take the compiler's time and memory out of all proportion.
pub(crate) fn bodies(bytes: &[u8], limits: BodyLimits) -> Result<(), Refusal> {
    let mut functions = 0_u64;
    for payload in Parser::new(0).parse_all(bytes) {
        if let Payload::CodeSectionEntry(body) = payload.map_err(|error| broken(&error))? {
            functions += 1;
            within("functions", functions, MAX_FUNCTIONS)?;
            check_body(&body, limits)?;
        }
    }
    Ok(())
}

fn check_body(body: &FunctionBody<'_>, limits: BodyLimits) -> Result<(), Refusal> {
    within(FUNCTION, body.range().len() as u64, limits.bytes)?;
    let mut blocks = 0_u64;
    for operator in body.get_operators_reader().map_err(|error| broken(&error))? {
        match operator.map_err(|error| broken(&error))? {
            Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::TryTable { .. } => {
                blocks += 1;
                within(BLOCKS, blocks, limits.blocks)?;
            }
            Operator::End => blocks = blocks.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// Tells a component from all else by its first bytes.
fn check_kind(bytes: &[u8]) -> Result<(), Refusal> {
    let kind = if bytes.is_empty() {
        NotAComponent::Empty
    } else if Parser::is_component(bytes) {
        return Ok(());
    } else if Parser::is_core_wasm(bytes) {
        NotAComponent::CoreModule
    } else if bytes.starts_with(b"\0asm") {
        if bytes.len() < 8 {
            return Err(Refusal::Broken("it ends within its first eight bytes".to_owned()));
        }
        NotAComponent::OtherVersion
    } else if wasmtime::Engine::detect_precompiled(bytes).is_some() || bytes.starts_with(b"\x7fELF") {
        NotAComponent::Compiled
    } else if bytes.trim_ascii_start().starts_with(b"(") || bytes.trim_ascii_start().starts_with(b";;") {
        NotAComponent::Text
    } else {
        NotAComponent::Garbage
    };
    Err(Refusal::NotAComponent(kind))
}

/// The names at the top level, sorted by what they mean.
#[derive(Default)]
struct Names {
    capabilities: Vec<Capability>,
    wasi: Vec<String>,
    exports: Vec<String>,
    /// The versions of the contract that it speaks.
    versions: Vec<&'static Version>,
    unknown: Vec<String>,
    not_served: Vec<String>,
    other_version: Option<String>,
}

impl Names {
    fn import(&mut self, name: &str, ty: &ComponentTypeRef) {
        match ty {
            ComponentTypeRef::Instance(_) => {}
            // A name for a type: there is nothing behind it.
            ComponentTypeRef::Type(TypeBounds::Eq(_)) => return,
            _ => return self.unknown.push(shown(name)),
        }
        if let Some(name_of_contract) = contract::read(name) {
            let Some((version, interface)) = self.served(name, name_of_contract) else {
                return;
            };
            match version.import(interface) {
                Some(Import::Always) => {}
                Some(Import::Granted(capability)) => self.capabilities.push(capability),
                None => self.unknown.push(shown(name)),
            }
        } else if name.starts_with("wasi:") {
            let list = if is_served(name) {
                &mut self.wasi
            } else {
                &mut self.not_served
            };
            list.push(shown(name));
        } else {
            self.unknown.push(shown(name));
        }
    }

    fn export(&mut self, name: &str, kind: ComponentExternalKind) {
        // What a plugin exports beside the contract is nobody's business.
        if kind != ComponentExternalKind::Instance {
            return;
        }
        let of_contract = contract::read(name).and_then(|of_contract| self.served(name, of_contract));
        if let Some((_, interface)) = of_contract
            && EXPORTS.contains(&interface)
        {
            self.exports.push(interface.to_owned());
        }
    }

    /// The interface and its version, if that is served. Notes which are spoken.
    fn served<'n>(&mut self, name: &str, of_contract: Name<'n>) -> Option<(&'static Version, &'n str)> {
        match of_contract {
            Name::Served(version, interface) => {
                if !self.versions.contains(&version) {
                    self.versions.push(version);
                }
                Some((version, interface))
            }
            Name::NotServed => {
                self.other_version.get_or_insert_with(|| shown(name));
                None
            }
        }
    }

    /// What is wrong, in the order in which an author would mend it.
    fn judge(self) -> Result<Surface, Refusals> {
        let mut problems = Vec::new();
        if let Some(asked) = self.other_version {
            problems.push(Refusal::ContractVersion { asked });
        }
        if self.versions.len() > 1 {
            let versions = self.versions.iter().map(|version| version.to_string());
            problems.push(Refusal::MixedVersions(versions.collect()));
        }
        if !self.unknown.is_empty() {
            problems.push(Refusal::UnknownImports(self.unknown));
        }
        if !self.not_served.is_empty() {
            problems.push(Refusal::WasiNotServed(self.not_served));
        }
        let exports = |interface: &str| self.exports.iter().any(|export| export == interface);
        let is_of_another = problems
            .iter()
            .any(|problem| matches!(problem, Refusal::ContractVersion { .. }));
        // Those of another version are not known here.
        if !is_of_another && !exports("plugin") {
            problems.push(Refusal::MissingExport("taskcluster:plugin/plugin"));
        }
        if !is_of_another && !exports("task-hooks") && !exports("worker-hooks") {
            problems.push(Refusal::MissingExport(
                "taskcluster:plugin/task-hooks and no taskcluster:plugin/worker-hooks",
            ));
        }
        if let Some(refusals) = Refusals::of(problems) {
            return Err(refusals);
        }
        // What exports something of the contract speaks a version of it.
        let contract = self.versions.first().copied();
        Ok(Surface {
            contract: contract.ok_or(Refusal::MissingExport("taskcluster:plugin/plugin"))?,
            capabilities: self.capabilities,
            wasi: self.wasi,
            exports: self.exports,
        })
    }
}

/// What a plugin may export of the contract.
const EXPORTS: [&str; 3] = ["plugin", "task-hooks", "worker-hooks"];

/// Whether an interface of WASI is served. The patch version does not matter: 0.2 is stable.
fn is_served(name: &str) -> bool {
    wasi::SERVED.iter().any(|served| {
        name.strip_prefix(served).is_some_and(|rest| {
            // `wasi:cli/environment@0.2` must not stand for `@0.20.0`; a prefix of several interfaces ends before the name does.
            if served.contains('@') {
                rest.is_empty() || rest.starts_with('.')
            } else {
                rest.contains("@0.2.")
            }
        })
    })
}

/// A name of a file's, fit for a message.
fn shown(name: &str) -> String {
    name.chars().take(100).flat_map(char::escape_debug).collect()
}

fn within(what: &'static str, size: u64, limit: u64) -> Result<(), Refusal> {
    if size > limit {
        Err(Refusal::TooLarge { what, size, limit })
    } else {
        Ok(())
    }
}

fn broken(error: &wasmparser::BinaryReaderError) -> Refusal {
    Refusal::Broken(error.to_string())
}

#[cfg(test)]
mod tests;

//! A first look at a file's bytes, before anything of it is compiled: whether it is a component, what it imports and
//! exports, and whether it is a bomb.
//!
//! Two passes. [`surface`] reads what is at the top level and is cheap enough for every load; [`bodies`] reads every
//! instruction, and is needed only before the first compilation.

use wasmparser::{
    ComponentExternalKind, ComponentTypeRef, FunctionBody, Operator, Parser, Payload, TypeBounds,
};

use crate::{
    capabilities,
    refusal::{NotAComponent, Refusal},
    wasi,
};

/// A function of this many bytes compiles in seconds and in megabytes; memory grows faster than the size.
const MAX_BODY: u64 = 128 << 10;
/// The most functions of a file.
const MAX_FUNCTIONS: u64 = 100_000;
/// How deep blocks of a function may be nested. Compilers of real languages stay below fifty.
const MAX_BLOCKS: u64 = 256;
/// How deep components may be nested.
const MAX_COMPONENTS: u64 = 16;
/// The most imports or exports that are read.
const MAX_NAMES: u64 = 1_000;

/// What a component imports and exports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Surface {
    /// What needs a grant: words of the config.
    pub(crate) capabilities: Vec<String>,
    /// Interfaces of WASI.
    pub(crate) wasi: Vec<String>,
    /// Interfaces of the contract.
    pub(crate) exports: Vec<String>,
}

/// Reads what a component imports and exports, and refuses what this worker can't serve.
pub(crate) fn surface(bytes: &[u8]) -> Result<Surface, Refusal> {
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
pub(crate) fn bodies(bytes: &[u8]) -> Result<(), Refusal> {
    let mut functions = 0_u64;
    for payload in Parser::new(0).parse_all(bytes) {
        if let Payload::CodeSectionEntry(body) = payload.map_err(|error| broken(&error))? {
            functions += 1;
            within("functions", functions, MAX_FUNCTIONS)?;
            check_body(&body)?;
        }
    }
    Ok(())
}

fn check_body(body: &FunctionBody<'_>) -> Result<(), Refusal> {
    within("a function with code", body.range().len() as u64, MAX_BODY)?;
    let mut blocks = 0_u64;
    for operator in body.get_operators_reader().map_err(|error| broken(&error))? {
        match operator.map_err(|error| broken(&error))? {
            Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::TryTable { .. } => {
                blocks += 1;
                within("blocks in blocks", blocks, MAX_BLOCKS)?;
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
    surface: Surface,
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
        if let Some(interface) = self.of_contract(name) {
            if let Some(capability) = capabilities::ALL
                .iter()
                .find(|capability| capability.name == interface)
            {
                self.surface.capabilities.push(capability.name.to_owned());
            } else if !capabilities::ALWAYS.contains(&interface) {
                self.unknown.push(shown(name));
            }
        } else if name.starts_with(CONTRACT) {
            // Of another version, which is already noted.
        } else if name.starts_with("wasi:") {
            let list = if is_served(name) {
                &mut self.surface.wasi
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
        if let Some(interface) = self.of_contract(name)
            && EXPORTS.contains(&interface)
        {
            self.surface.exports.push(interface.to_owned());
        }
    }

    /// The interface, if the name is of the contract in the version that is served.
    fn of_contract<'n>(&mut self, name: &'n str) -> Option<&'n str> {
        let (interface, version) = name.strip_prefix(CONTRACT)?.split_once('@').unwrap_or((name, ""));
        if version == capabilities::VERSION {
            return Some(interface);
        }
        self.other_version.get_or_insert_with(|| shown(name));
        None
    }

    /// The first thing that is wrong, in the order in which an author would mend it.
    fn judge(self) -> Result<Surface, Refusal> {
        if let Some(asked) = self.other_version {
            return Err(Refusal::ContractVersion { asked });
        }
        if !self.unknown.is_empty() {
            return Err(Refusal::UnknownImports(self.unknown));
        }
        if !self.not_served.is_empty() {
            return Err(Refusal::WasiNotServed(self.not_served));
        }
        let exports = |interface: &str| self.surface.exports.iter().any(|export| export == interface);
        if !exports("plugin") {
            return Err(Refusal::MissingExport("taskcluster:plugin/plugin"));
        }
        if !exports("task-hooks") && !exports("worker-hooks") {
            return Err(Refusal::MissingExport(
                "taskcluster:plugin/task-hooks and no taskcluster:plugin/worker-hooks",
            ));
        }
        Ok(self.surface)
    }
}

/// What the names of the contract begin with.
const CONTRACT: &str = "taskcluster:plugin/";
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

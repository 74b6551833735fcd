//! Plugins that attack: made of a few lines of WebAssembly text under `tests/plugins/wat`, or built from Rust.

use std::{fs, path::Path};

use serde_json::{Value, json};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::kit::{Plugin, repository};

/// A plugin that attacks, with its part of the worker's config.
#[derive(Clone, Debug)]
pub(crate) struct Hostile {
    name: String,
    wasm: Vec<u8>,
    grants: Vec<&'static str>,
    config: Value,
}

impl Hostile {
    /// An attack by its constant, such as `ATTACK_17_TIGHT_LOOP`. The plugin is named as the file is.
    pub(crate) fn wat(file: &str) -> Self {
        Self::twin(file, file)
    }

    /// The same under another name, so that a test has it twice with different limits.
    pub(crate) fn twin(file: &str, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            wasm: component(file, name),
            grants: Vec::new(),
            config: json!({}),
        }
    }

    /// Any bytes under a name.
    pub(crate) fn of(name: &str, wasm: Vec<u8>) -> Self {
        Self {
            name: name.to_owned(),
            wasm,
            grants: Vec::new(),
            config: json!({}),
        }
    }

    /// One that was built from Rust, by its constant.
    pub(crate) fn built(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            wasm: fs::read(Plugin::misbehaving(name, &[]).file).unwrap(),
            grants: Vec::new(),
            config: json!({}),
        }
    }

    /// Grants it capabilities.
    pub(crate) fn granted(mut self, capabilities: &[&'static str]) -> Self {
        self.grants = capabilities.to_vec();
        self
    }

    /// Sets its limits, the others being the defaults.
    pub(crate) fn limits(self, limits: Value) -> Self {
        self.set("limits", limits)
    }

    /// Sets a key of its part of the config.
    pub(crate) fn set(mut self, key: &str, value: Value) -> Self {
        self.config[key] = value;
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its part of the config, but for the grants.
    pub(crate) fn config(&self) -> &Value {
        &self.config
    }

    /// Its bytes.
    pub(crate) fn wasm(&self) -> &[u8] {
        &self.wasm
    }

    /// The payload of a task without steps that asks an attack of text for a mode: a digit from 1 to 9.
    pub(crate) fn payload(&self, mode: u8) -> Value {
        let mut payload = json!({"steps": []});
        payload[&self.name] = mode.into();
        payload
    }

    /// Writes its file into a folder, to be installed from there.
    pub(crate) fn plugin(&self, folder: &Path) -> Plugin {
        let file = folder.join(format!("{}.hostile", self.name));
        fs::write(&file, &self.wasm).unwrap();
        Plugin {
            name: self.name.clone(),
            file,
            grants: self.grants.clone(),
        }
    }
}

/// The functions of an attack for which there is a default.
const HOOKS: [(&str, &str); 9] = [
    ("$describe", "(result i32) (i32.const 128)"),
    ("$payload_schema", "(param i32 i32) (result i32) (i32.const 192)"),
    ("$new_task", "(result i32) (call $ok)"),
    ("$build_sandbox", "(param i32) (result i32) (call $ok)"),
    ("$started", "(param i32) (result i32) (call $ok)"),
    ("$stopped", "(param i32) (result i32) (call $yes)"),
    ("$finished", "(param i32) (result i32) (call $ok)"),
    ("$exception", "(param i32) (result i32) (call $ok)"),
    ("$allocated", ""),
];

/// The bytes of a component made of an attack in its frame.
pub(crate) fn component(file: &str, name: &str) -> Vec<u8> {
    framed(&read(&format!("wat/{file}.wat")), name)
}

/// A file under `tests/plugins`.
fn read(path: &str) -> String {
    fs::read_to_string(repository().join("tests/plugins").join(path)).unwrap()
}

fn framed(attack: &str, name: &str) -> Vec<u8> {
    let defines = |hook: &str| {
        attack
            .split(&format!("(func {hook}"))
            .skip(1)
            .any(|rest| rest.starts_with(char::is_whitespace))
    };
    let defaults: String = HOOKS
        .iter()
        .filter(|(hook, _)| !defines(hook))
        .map(|(hook, code)| format!("(func {hook} {code})\n"))
        .collect();
    // The frame's memory comes before what the attack defines, and after what it imports.
    let (imports, rest): (Vec<&str>, Vec<&str>) =
        attack.lines().partition(|line| line.starts_with("(import "));
    let text = read("frame.wat")
        .replace("(; imports ;)", &imports.join("\n"))
        .replace("(; attack ;)", &rest.join("\n"))
        .replace("(; defaults ;)", &defaults)
        .replace("(; strings ;)", &strings(name));
    let mut module = wat::parse_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let world = if attack.contains("test:attacks/junk") {
        "attack-with-junk"
    } else {
        "attack"
    };
    let mut resolve = Resolve::default();
    resolve.push_dir(repository().join("wit")).unwrap();
    let package = resolve
        .push_str("world.wit", &read("world.wit"))
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let encoder = ComponentEncoder::default().module(&module);
    encoder
        .and_then(|mut encoder| encoder.encode())
        .unwrap_or_else(|error| panic!("{name}: {error:#}"))
}

/// What `describe` answers at 128 and `payload-schema` at 192, with their strings at 1024.
fn strings(name: &str) -> String {
    let mut property = json!({});
    property[name] = json!({"type": "integer", "minimum": 0, "maximum": 9, "description": "What to do"});
    let schema = json!({"type": "object", "properties": property}).to_string();
    let mut strings = Vec::new();
    let mut place = |text: &str| {
        let at = (1024 + strings.len()) as u32;
        strings.extend_from_slice(text.as_bytes());
        [at.to_le_bytes(), (text.len() as u32).to_le_bytes()].concat()
    };
    let mut description = [name, "1.0.0", "An attack."].map(&mut place).concat();
    // No documentation: a list of nothing.
    description.extend([0; 8]);
    description.extend(place("{}"));
    let payload_schema = [0_u32.to_le_bytes().to_vec(), place(&schema)].concat();
    assert!(strings.len() <= 1024, "{name} and its schema are too long");
    let data = |at: usize, bytes: &[u8]| {
        let bytes: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
        format!("(data (i32.const {at}) \"{bytes}\")\n")
    };
    [
        data(128, &description),
        data(192, &payload_schema),
        data(1024, &strings),
    ]
    .concat()
}

/// A plugin with nothing behind its hooks, and something inside of it that nobody uses: a core module or a component.
pub(crate) fn around(name: &str, inside: &[u8]) -> Vec<u8> {
    let mut wasm = framed("", name);
    // A module and a component differ in the layer, the last two bytes of their first eight.
    let section = if inside[6] == 0 { CORE_MODULE } else { COMPONENT };
    wasm.push(section);
    let mut left = inside.len();
    while left >= 0x80 {
        wasm.push(left as u8 | 0x80);
        left >>= 7;
    }
    wasm.push(left as u8);
    wasm.extend_from_slice(inside);
    wasm
}

/// The number of a section of a component that holds a core module.
const CORE_MODULE: u8 = 1;
/// The same of one that holds a component.
const COMPONENT: u8 = 4;

//! Files that get further than bytes do: plugins whose every answer is chosen, with code that computes something, with other
//! components in them, whole or a little damaged.

use arbitrary::{Result, Unstructured};

use crate::findings::OrFinding as _;

/// A plugin with nothing behind its hooks, with gaps.
const FRAME: &str = include_str!("../../../../host/plugins/src/host/tests/guest.wat");
/// Where the record that `describe` answers is in the plugin's memory; the strings come after it.
const DESCRIPTION: usize = 16;
/// Where the answer of `payload-schema` is.
const SCHEMA: usize = 64;
/// Where strings are.
const STRINGS: usize = 256;
/// The longest text, in bytes. All of them together are within the plugin's first page.
const MAX_TEXT: usize = 6 << 10;

/// Interfaces that a plugin may ask for.
const IMPORTS: [&str; 16] = [
    "taskcluster:plugin/environment@0.1.0",
    "taskcluster:plugin/task-definition@0.1.0",
    "taskcluster:plugin/kill@0.1.0",
    "taskcluster:plugin/results@0.1.0",
    "taskcluster:plugin/artifacts@0.1.0",
    "taskcluster:plugin/task-log@0.1.0",
    "taskcluster:plugin/lifecycle@0.1.0",
    "taskcluster:plugin/log@0.1.0",
    "taskcluster:plugin/files@0.1.0",
    "taskcluster:plugin/unknown@0.1.0",
    "taskcluster:plugin/log@0.2.0",
    "taskcluster:plugin/log@99999999999999999999.0.0",
    "wasi:cli/environment@0.2.6",
    "wasi:filesystem/types@0.2.0",
    "wasi:http/outgoing-handler@0.2.0",
    "wasi:io/streams@0.2.99",
];
/// What a plugin may say of itself.
const WORDS: [&str; 20] = [
    "granted",
    "configured",
    "a",
    "1.0.0",
    "Upper",
    "\u{430}",
    "a\u{1b}[2J",
    "a\nb",
    "\u{202e}",
    "{}",
    "[]",
    "{",
    r#"{"type": "object", "properties": {"a": {"type": "integer"}}}"#,
    r##"{"properties": {"a": {"$ref": "#/properties/a"}}}"##,
    r##"{"$ref": "#"}"##,
    r##"{"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"}"##,
    r##"{"$dynamicRef": "#a", "$dynamicAnchor": "a"}"##,
    r#"{"properties": {"a": {"pattern": "^(a|a?)+$"}, "b": {"items": {"$ref": "https://example.com/"}}}}"#,
    r#"{"required": ["a", "b"], "minProperties": 3, "unevaluatedProperties": false}"#,
    r#"{"properties": {"a": {"multipleOf": 1e-300}, "b": {"uniqueItems": true, "contains": {"not": {}}}}}"#,
];
/// What `describe` may do before it answers.
const DEEDS: [&str; 8] = [
    "",
    "",
    "",
    "(unreachable)",
    "(drop (memory.grow (i32.const 70000)))",
    "(drop (i32.div_s (i32.const 1) (i32.const 0)))",
    "(drop (i32.load (i32.const -4)))",
    "(memory.fill (i32.const 0) (i32.const 255) (i32.const 65536))",
];

/// The header of a component.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
/// The header of a module.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// A file.
pub(super) fn file(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    match u.int_in_range(0..=7)? {
        0 => sections(u, COMPONENT, 0),
        1 => {
            // What is in it is nobody's business, as long as it is valid.
            let mut wasm = plugin(u)?;
            let (id, header) = *u.choose(&[(1, MODULE), (4, COMPONENT)])?;
            section(&mut wasm, id, &sections(u, header, 0)?);
            Ok(wasm)
        }
        2..=5 => plugin(u),
        _ => {
            let mut wasm = plugin(u)?;
            damage(&mut wasm, u)?;
            Ok(wasm)
        }
    }
}

/// Sections of any kind with anything in them, among them components and modules of the same kind.
fn sections(u: &mut Unstructured<'_>, header: &[u8], depth: u32) -> Result<Vec<u8>> {
    let mut wasm = header.to_vec();
    for _ in 0..u.int_in_range(0..=4)? {
        match u.int_in_range(0..=13)? {
            id @ 0..=12 if u.ratio(1, 2)? => section(&mut wasm, id, u.arbitrary()?),
            _ if depth > 24 => {}
            // As deep as it likes.
            4 => section(&mut wasm, 4, &sections(u, COMPONENT, depth + 1)?),
            _ => section(&mut wasm, 1, &sections(u, MODULE, depth + 1)?),
        }
    }
    Ok(wasm)
}

/// Appends a section.
fn section(wasm: &mut Vec<u8>, id: u8, content: &[u8]) {
    wasm.push(id);
    let mut length = content.len();
    while length >= 0x80 {
        wasm.push(0x80 | u8::try_from(length & 0x7f).unwrap_or_default());
        length >>= 7;
    }
    wasm.push(u8::try_from(length).unwrap_or_default());
    wasm.extend_from_slice(content);
}

/// Cuts it off, changes some bytes, or puts some in.
fn damage(wasm: &mut Vec<u8>, u: &mut Unstructured<'_>) -> Result<()> {
    for _ in 0..u.int_in_range(1..=4)? {
        let last = wasm.len().saturating_sub(1);
        let at = u.int_in_range(0..=last)?;
        match u.int_in_range(0..=7)? {
            0 => wasm.truncate(at),
            1 => wasm.insert(at, u.arbitrary()?),
            _ => {
                let byte = u.arbitrary()?;
                if let Some(place) = wasm.get_mut(at) {
                    *place = byte;
                }
            }
        }
    }
    Ok(())
}

/// A plugin that says of itself what it likes.
fn plugin(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut imports = String::new();
    for _ in 0..u.int_in_range(0..=3)? {
        let name = u.choose(&IMPORTS)?;
        // Twice the same is no component.
        if !imports.contains(name) {
            imports.push_str(&format!("(import \"{name}\" (instance))"));
        }
    }
    let text = FRAME
        .replace("(; imports ;)", &imports)
        .replace("(; data ;)", &data(u)?)
        .replace("(; describe ;)", &deed(u)?);
    Ok(wat::parse_str(text).or_finding("the frame of a plugin"))
}

/// What `describe` does before it answers.
fn deed(u: &mut Unstructured<'_>) -> Result<String> {
    if u.ratio(1, 4)? {
        return Ok(format!("(drop {})", expression(u, 6)?));
    }
    Ok((*u.choose(&DEEDS)?).to_owned())
}

/// All that the plugin answers, as the canonical ABI lays it out; now and then with places that are not in its memory.
fn data(u: &mut Unstructured<'_>) -> Result<String> {
    let mut strings = Vec::new();
    let mut place = |u: &mut Unstructured<'_>, likely: &str| -> Result<Vec<u8>> {
        let text = if u.ratio(3, 4)? {
            likely.to_owned()
        } else {
            text(u)?
        };
        let mut at = u32::try_from(STRINGS + strings.len()).unwrap_or_default();
        let mut length = u32::try_from(text.len()).unwrap_or_default();
        strings.extend_from_slice(text.as_bytes());
        if u.ratio(1, 64)? {
            (at, length) = u.arbitrary()?;
        }
        Ok([at.to_le_bytes(), length.to_le_bytes()].concat())
    };
    let name = *u.choose(&["a", "granted", "configured"])?;
    let mut description = Vec::new();
    for likely in [name, "1.0.0", "for tests"] {
        description.extend(place(u, likely)?);
    }
    // Sections of documentation: as many as there may be records of strings in what lies there.
    let sections: u32 = if u.ratio(1, 16)? { u.arbitrary()? } else { 0 };
    let sections_at = u32::try_from(SCHEMA).unwrap_or_default();
    description.extend([sections_at.to_le_bytes(), sections.to_le_bytes()].concat());
    description.extend(place(u, "{}")?);
    let mut schema = u32::from(u.ratio(1, 16)?).to_le_bytes().to_vec();
    schema.extend(place(u, r#"{"properties": {"a": {"type": "string"}}}"#)?);
    let data = |at: usize, bytes: &[u8]| {
        let bytes: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
        format!("(data (i32.const {at}) \"{bytes}\")")
    };
    Ok([
        data(DESCRIPTION, &description),
        data(SCHEMA, &schema),
        data(STRINGS, &strings),
    ]
    .concat())
}

/// A text: a word, a word in a word, a character many times, or anything.
fn text(u: &mut Unstructured<'_>) -> Result<String> {
    Ok(match u.int_in_range(0..=5)? {
        0..=2 => (*u.choose(&WORDS)?).to_owned(),
        3 => {
            let inner = *u.choose(&WORDS)?;
            let keyword = *u.choose(&[
                "properties",
                "$defs",
                "items",
                "not",
                "if",
                "patternProperties",
                "enum",
            ])?;
            format!("{{\"{keyword}\": {{\"a\": {inner}}}}}")
        }
        4 => {
            let unit = *u.choose(&["x", "[", "{\"a\":", "é", "\0"])?;
            unit.repeat(u.int_in_range(0..=MAX_TEXT)? / unit.len())
        }
        _ => u.arbitrary::<&str>()?.chars().take(MAX_TEXT / 4).collect(),
    })
}

/// An expression of the type i32.
fn expression(u: &mut Unstructured<'_>, depth: u32) -> Result<String> {
    if depth == 0 || u.is_empty() {
        return Ok(format!("(i32.const {})", u.arbitrary::<i32>()?));
    }
    let mut inner = || expression(u, depth - 1);
    let (a, b) = (inner()?, inner()?);
    let operator = *u.choose(&[
        "add", "sub", "mul", "div_s", "rem_u", "and", "shl", "rotr", "eq", "lt_u", "ge_s",
    ])?;
    Ok(match u.int_in_range(0..=9)? {
        0..=3 => format!("(i32.{operator} {a} {b})"),
        4 => format!("(if (result i32) {a} (then {b}) (else {a}))"),
        5 => format!("(block (result i32) (br_if 0 {a} {b}))"),
        6 => format!("(i32.load {a})"),
        7 => format!("(select {a} {b} (i32.eqz {a}))"),
        8 => format!("(block (result i32) (i32.store16 {a} {b}) (memory.grow {b}))"),
        _ => format!("(i32.trunc_sat_f64_s (f64.sqrt (f64.convert_i32_u {a})))"),
    })
}

//! Every refusal that needs no compiler, by a file that causes exactly it.

use super::*;

/// A component with imports and exports of no content.
fn component(imports: &[&str], exports: &[&str]) -> Vec<u8> {
    let imports: String = imports
        .iter()
        .map(|name| format!(r#"(import "{name}" (instance))"#))
        .collect();
    let exports: String = exports
        .iter()
        .map(|name| format!(r#"(export "{name}" (instance $i))"#))
        .collect();
    wat::parse_str(format!(
        "(component {imports} (component $c) (instance $i (instantiate $c)) {exports})"
    ))
    .unwrap()
}

const PLUGIN: &str = "taskcluster:plugin/plugin@0.1.0";
const TASK_HOOKS: &str = "taskcluster:plugin/task-hooks@0.1.0";
const WORKER_HOOKS: &str = "taskcluster:plugin/worker-hooks@0.1.0";

fn refusal(imports: &[&str], exports: &[&str]) -> Refusal {
    surface(&component(imports, exports)).unwrap_err()
}

#[test]
fn what_a_plugin_imports_and_exports_is_seen_without_compiling_it() {
    let imports = [
        "taskcluster:plugin/types@0.1.0",
        "taskcluster:plugin/log@0.1.0",
        "taskcluster:plugin/environment@0.1.0",
        "taskcluster:plugin/task-log@0.1.0",
        "wasi:io/streams@0.2.6",
        "wasi:cli/terminal-stdin@0.2.6",
    ];
    let surface = surface(&component(&imports, &[PLUGIN, TASK_HOOKS, WORKER_HOOKS])).unwrap();
    assert_eq!(surface.capabilities, ["environment", "task-log"]);
    assert_eq!(
        surface.wasi,
        ["wasi:io/streams@0.2.6", "wasi:cli/terminal-stdin@0.2.6"]
    );
    assert_eq!(surface.exports, ["plugin", "task-hooks", "worker-hooks"]);
}

#[test]
fn what_is_no_component_is_named_for_what_it_is() {
    let kind = |bytes: &[u8]| match surface(bytes).unwrap_err() {
        Refusal::NotAComponent(kind) => kind,
        other => panic!("{other}"),
    };
    assert_eq!(kind(b""), NotAComponent::Empty);
    assert_eq!(
        kind(&wat::parse_str("(module)").unwrap()),
        NotAComponent::CoreModule
    );
    assert_eq!(kind(b"\n (component)"), NotAComponent::Text);
    assert_eq!(kind(b";; text"), NotAComponent::Text);
    assert_eq!(kind(b"\x7fELF\x02\x01"), NotAComponent::Compiled);
    assert_eq!(kind(b"PK\x03\x04"), NotAComponent::Garbage);
    assert_eq!(kind(b"\0asm\x09\0\x01\0"), NotAComponent::OtherVersion);
}

#[test]
fn a_half_copied_component_is_refused_unless_only_names_for_debugging_are_missing() {
    let whole = component(&[], &[PLUGIN, TASK_HOOKS]);
    let complete = surface(&whole).unwrap();
    for end in 1..whole.len() {
        match surface(&whole[..end]) {
            Ok(found) => assert_eq!(found, complete, "cut at {end}"),
            Err(Refusal::Broken(_) | Refusal::MissingExport(_) | Refusal::NotAComponent(_)) => {}
            Err(other) => panic!("cut at {end}: {other}"),
        }
    }
}

#[test]
fn another_version_of_the_contract_is_refused_with_the_version_that_is_served() {
    for version in ["0.2.0", "0.1.1", "1.0.0"] {
        let name = format!("taskcluster:plugin/plugin@{version}");
        let refused = refusal(&[], &[&name, TASK_HOOKS]);
        assert!(matches!(refused, Refusal::ContractVersion { .. }), "{refused}");
        assert!(
            refused.to_string().contains("taskcluster:plugin@0.1.0"),
            "{refused}"
        );
    }
    let refused = refusal(&["taskcluster:plugin/environment@0.2.0"], &[PLUGIN, TASK_HOOKS]);
    assert!(matches!(refused, Refusal::ContractVersion { .. }));
}

#[test]
fn unknown_imports_are_refused_by_name() {
    for name in [
        "taskcluster:plugin/omnipotence@0.1.0",
        "evil:corp/backdoor",
        "plain",
    ] {
        let refused = refusal(&[name, "taskcluster:plugin/log@0.1.0"], &[PLUGIN, TASK_HOOKS]);
        assert!(
            matches!(&refused, Refusal::UnknownImports(names) if names == &[name.to_owned()]),
            "{refused}"
        );
    }
}

#[test]
fn an_imported_function_is_refused() {
    let bytes = wat::parse_str(r#"(component (import "f" (func)))"#).unwrap();
    assert!(matches!(surface(&bytes).unwrap_err(), Refusal::UnknownImports(_)));
}

#[test]
fn wasi_beyond_clocks_and_output_is_refused_with_advice() {
    for name in [
        "wasi:filesystem/types@0.2.6",
        "wasi:sockets/tcp@0.2.0",
        "wasi:http/types@0.2.0",
        "wasi:io/streams@0.3.0",
    ] {
        let refused = refusal(&[name], &[PLUGIN, TASK_HOOKS]);
        assert!(matches!(refused, Refusal::WasiNotServed(_)), "{refused}");
        assert!(refused.advice().is_some());
    }
    assert!(!is_served("wasi:cli/stdout@0.20.0"));
}

#[test]
fn a_component_without_hooks_is_no_plugin() {
    assert!(matches!(refusal(&[], &[TASK_HOOKS]), Refusal::MissingExport(_)));
    assert!(matches!(refusal(&[], &[PLUGIN]), Refusal::MissingExport(_)));
    assert!(surface(&component(&[], &[PLUGIN, WORKER_HOOKS])).is_ok());
}

#[test]
fn a_name_of_the_file_cannot_write_in_the_terminal() {
    assert_eq!(shown("a\x1b[2Jb\n"), "a\\u{1b}[2Jb\\n");
}

fn module(body: &str) -> Vec<u8> {
    wat::parse_str(format!("(component (core module (func {body})))")).unwrap()
}

#[test]
fn a_function_that_is_a_bomb_for_compilers_is_refused() {
    assert!(bodies(&module(&"nop ".repeat(1_000))).is_ok());
    let large = bodies(&module(&"nop ".repeat(200_000))).unwrap_err();
    assert!(
        matches!(
            large,
            Refusal::TooLarge {
                what: "a function with code",
                ..
            }
        ),
        "{large}"
    );
    let nest = |levels: usize| module(&format!("{}{}", "block ".repeat(levels), "end ".repeat(levels)));
    assert!(bodies(&nest(200)).is_ok());
    let deep = bodies(&nest(1_000)).unwrap_err();
    assert!(
        matches!(
            deep,
            Refusal::TooLarge {
                what: "blocks in blocks",
                ..
            }
        ),
        "{deep}"
    );
}

#[test]
fn blocks_in_sequence_are_not_blocks_in_blocks() {
    assert!(bodies(&module(&"block end ".repeat(10_000))).is_ok());
}

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
    first(surface(&component(imports, exports)))
}

/// The first reason for which a component is refused.
fn first(surface: Result<Surface, Refusals>) -> Refusal {
    surface.unwrap_err().first().clone()
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
    assert_eq!(
        surface.capabilities,
        [Capability::Environment, Capability::TaskLog]
    );
    assert_eq!(
        surface.wasi,
        ["wasi:io/streams@0.2.6", "wasi:cli/terminal-stdin@0.2.6"]
    );
    assert_eq!(surface.exports, ["plugin", "task-hooks", "worker-hooks"]);
}

#[test]
fn what_is_no_component_is_named_for_what_it_is() {
    let kind = |bytes: &[u8]| match first(surface(bytes)) {
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
            Err(refusals) => match refusals.first() {
                Refusal::Broken(_) | Refusal::MissingExport(_) | Refusal::NotAComponent(_) => {}
                other => panic!("cut at {end}: {other}"),
            },
        }
    }
}

#[test]
fn another_version_of_the_contract_is_refused_with_the_version_that_is_served() {
    for version in ["0.3.0", "0.0.1", "0.1.1-rc.1", "1.0.0", "0.1", "latest"] {
        let name = format!("taskcluster:plugin/plugin@{version}");
        let refused = refusal(&[], &[&name, TASK_HOOKS]);
        assert!(matches!(refused, Refusal::ContractVersion { .. }), "{refused}");
        assert!(
            refused.to_string().contains("taskcluster:plugin@0.1.0"),
            "{refused}"
        );
    }
    for name in [
        "taskcluster:plugin/environment@0.3.0",
        "taskcluster:plugin/environment",
    ] {
        let refused = refusal(&[name], &[PLUGIN, TASK_HOOKS]);
        assert!(matches!(refused, Refusal::ContractVersion { .. }), "{refused}");
    }
}

#[test]
fn any_patch_of_a_version_will_do() {
    let exports = [
        "taskcluster:plugin/plugin@0.1.3",
        "taskcluster:plugin/task-hooks@0.1.3",
    ];
    let found = surface(&component(&["taskcluster:plugin/environment@0.1.9"], &exports)).unwrap();
    assert_eq!(found.capabilities, [Capability::Environment]);
    assert_eq!(found.contract.to_string(), "taskcluster:plugin@0.1.0");
}

#[test]
fn a_mixture_of_two_versions_is_refused_with_both() {
    for (imports, exports) in [
        (
            &["taskcluster:plugin/environment@0.2.0"][..],
            [PLUGIN, TASK_HOOKS],
        ),
        (&[], [PLUGIN, "taskcluster:plugin/task-hooks@0.2.0"]),
        (
            &["taskcluster:plugin/log@0.1.0", "taskcluster:plugin/log@0.2.0"],
            [PLUGIN, TASK_HOOKS],
        ),
    ] {
        let refused = refusal(imports, &exports);
        assert_eq!(refused.word(), "mixed-versions", "{refused}");
        let said = refused.to_string();
        assert!(said.contains("@0.1.0") && said.contains("@0.2.0"), "{said}");
    }
}

#[test]
fn what_one_version_has_another_need_not_have() {
    let of_trial = [
        "taskcluster:plugin/plugin@0.2.0",
        "taskcluster:plugin/task-hooks@0.2.0",
    ];
    let refused = refusal(&["taskcluster:plugin/kill@0.2.0"], &of_trial);
    assert!(matches!(refused, Refusal::UnknownImports(_)), "{refused}");
    assert!(surface(&component(&["taskcluster:plugin/environment@0.2.0"], &of_trial)).is_ok());
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
    assert!(matches!(first(surface(&bytes)), Refusal::UnknownImports(_)));
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

fn nested(levels: usize) -> Vec<u8> {
    module(&format!("{}{}", "block ".repeat(levels), "end ".repeat(levels)))
}

/// What there is too much of in a file.
fn too_much(bytes: &[u8], limits: BodyLimits) -> &'static str {
    match bodies(bytes, limits).unwrap_err() {
        Refusal::TooLarge { what, .. } => what,
        other => panic!("{other}"),
    }
}

#[test]
fn a_function_that_is_a_bomb_for_compilers_is_refused() {
    let limits = BodyLimits::ANYBODYS;
    assert!(bodies(&module(&"nop ".repeat(1_000)), limits).is_ok());
    assert_eq!(too_much(&module(&"nop ".repeat(200_000)), limits), FUNCTION);
    assert!(bodies(&nested(200), limits).is_ok());
    assert_eq!(too_much(&nested(1_000), limits), BLOCKS);
}

#[test]
fn functions_of_a_file_that_the_operator_vouches_for_may_be_those_of_an_interpreter_and_no_larger() {
    let limits = BodyLimits::VOUCHED_FOR;
    assert!(bodies(&module(&"nop ".repeat(430_000)), limits).is_ok());
    assert_eq!(too_much(&module(&"nop ".repeat(1_100_000)), limits), FUNCTION);
    assert!(bodies(&nested(800), limits).is_ok());
    assert_eq!(too_much(&nested(3_000), limits), BLOCKS);
}

#[test]
fn blocks_in_sequence_are_not_blocks_in_blocks() {
    assert!(bodies(&module(&"block end ".repeat(10_000)), BodyLimits::ANYBODYS).is_ok());
}

#[test]
fn everything_that_is_wrong_with_imports_and_exports_is_said_at_once() {
    let bytes = component(&["other:thing/a@1.0.0", "wasi:http/types@0.2.0"], &[PLUGIN]);
    let refusals = surface(&bytes).unwrap_err();
    let words: Vec<_> = refusals.iter().map(Refusal::word).collect();
    assert_eq!(words, ["unknown-imports", "wasi-not-served", "missing-export"]);
}

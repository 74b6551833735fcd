//! What is loaded, what is refused and why, and what a changed file does: through the compiler process and the cache.

mod fixture;
mod quarantine;
mod swapping;
mod vouching;

use std::fs;

use serde_json::json;

use super::*;
use crate::capabilities::Capability;
use crate::inspection::{inspect_directory, inspect_file};
use fixture::{Guest, Place, in_service, verdict, verdict_of};

async fn inspect(place: &Place, wasm: &[u8]) -> PluginReport {
    place.put("a.wasm", wasm);
    inspect_file(&place.path("a.wasm"), place.inspecting())
        .await
        .unwrap()
}

fn refusal(report: &PluginReport) -> (&'static str, String) {
    match &report.verdict {
        Verdict::Refused {
            reason,
            message,
            advice,
        } => (
            reason,
            format!("{message}\n{}", advice.clone().unwrap_or_default()),
        ),
        Verdict::Loaded => panic!("{report:?}"),
    }
}

#[tokio::test]
async fn a_plugin_that_needs_nothing_runs_by_being_dropped_in() {
    let place = Place::new();
    place.put("a.wasm", &Guest::default().wasm());
    let host = place.open().await.unwrap();
    let set = host.current().await;
    assert_eq!(in_service(&set), [("a".to_owned(), "a.wasm".to_owned())]);
    assert_eq!(
        set.schemas(),
        [("a".to_owned(), json!({"properties": {"a": {"type": "string"}}}))]
    );
    assert_eq!(set.reports()[0].version.as_deref(), Some("1.0.0"));
    host.shutdown().await;
}

#[tokio::test]
async fn a_plugin_is_compiled_once_and_then_loaded_from_the_cache() {
    let place = Place::new();
    place.put("a.wasm", &Guest::default().wasm());
    place.open().await.unwrap().shutdown().await;
    assert_eq!(place.compiled.take(), ["a.wasm"]);
    place.open().await.unwrap().shutdown().await;
    assert_eq!(place.compiled.take(), Vec::<String>::new());
}

#[tokio::test]
async fn a_capability_without_a_grant_is_refused_and_the_line_that_grants_it_is_named() {
    let guest = Guest {
        imports: &["log", "environment", "kill"],
        ..Guest::default()
    };
    let place = Place::new().with("a", json!({"grants": ["kill"]}));
    let (reason, text) = refusal(&inspect(&place, &guest.wasm()).await);
    assert_eq!(reason, "not-granted");
    assert!(
        text.starts_with("plugin a needs the capability environment,"),
        "{text}"
    );
    assert!(text.contains("plugins.a.grants: [environment, kill]"), "{text}");

    let place = Place::new().with("a", json!({"grants": ["kill", "environment"]}));
    let report = inspect(&place, &guest.wasm()).await;
    assert!(report.is_loaded(), "{report:?}");
    assert_eq!(report.capabilities, ["environment", "kill"]);
}

#[tokio::test]
async fn every_capability_needs_its_own_grant() {
    for capability in Capability::ALL {
        let word = capability.name();
        let imports: &'static [&'static str] = Box::leak(Box::new([word]));
        let wasm = Guest {
            imports,
            ..Guest::default()
        }
        .wasm();
        let (reason, text) = refusal(&inspect(&Place::new(), &wasm).await);
        assert_eq!(reason, "not-granted");
        assert!(
            text.contains(&format!("plugins.a.grants: [{word}]")) && text.contains(capability.allows()),
            "{text}"
        );
        let place = Place::new().with("a", json!({"grants": [word]}));
        assert!(inspect(&place, &wasm).await.is_loaded(), "{word}");
    }
}

#[tokio::test]
async fn what_a_plugin_says_of_itself_is_checked() {
    let schema = |text: &str| Guest {
        config_schema: text.to_owned(),
        ..Guest::default()
    };
    let cases = [
        (Guest::named("Upper"), "bad-name"),
        (Guest::named(""), "bad-name"),
        (Guest::named("а"), "bad-name"),
        (
            Guest {
                version: "1\n2",
                ..Guest::default()
            },
            "bad-description",
        ),
        (schema("{"), "bad-schema"),
        (schema(r#"{"$ref": "https://example.com/"}"#), "bad-schema"),
        (schema(r#"{"required": ["token"]}"#), "bad-config"),
        (
            Guest {
                payload_schema: Some("[]".to_owned()),
                ..Guest::default()
            },
            "bad-schema",
        ),
        (
            Guest {
                payload_schema: None,
                ..Guest::default()
            },
            "call-failed",
        ),
        (
            Guest {
                describe: "unreachable",
                ..Guest::default()
            },
            "call-failed",
        ),
    ];
    for (guest, expected) in cases {
        let report = inspect(&Place::new(), &guest.wasm()).await;
        assert_eq!(verdict(&report), expected, "{report:?}");
    }
}

#[tokio::test]
async fn a_describe_that_loops_is_interrupted() {
    let guest = Guest {
        describe: "(loop (br 0))",
        ..Guest::default()
    };
    let (reason, text) = refusal(&inspect(&Place::new(), &guest.wasm()).await);
    assert_eq!(reason, "call-failed");
    assert!(text.contains("CPU time"), "{text}");
}

#[tokio::test]
async fn a_config_is_validated_by_the_plugins_own_schema() {
    let schema = json!({"properties": {"depth": {"type": "integer"}}}).to_string();
    let wasm = Guest {
        config_schema: schema,
        ..Guest::default()
    }
    .wasm();
    let place = Place::new().with("a", json!({"config": {"depth": "deep"}}));
    let (reason, text) = refusal(&inspect(&place, &wasm).await);
    assert_eq!(reason, "bad-config");
    assert!(
        text.contains("plugins.a.config") && text.contains("/depth: "),
        "{text}"
    );
    let place = Place::new().with("a", json!({"config": {"depth": 3}}));
    assert!(inspect(&place, &wasm).await.is_loaded());
}

#[tokio::test]
async fn a_pin_admits_one_file_only() {
    let wasm = Guest::default().wasm();
    let sha256 = inspect(&Place::new(), &wasm).await.sha256.unwrap();
    let place = Place::new().with("a", json!({ "sha256": sha256.to_uppercase() }));
    assert!(inspect(&place, &wasm).await.is_loaded());
    let place = Place::new().with("a", json!({ "sha256": "0".repeat(64) }));
    let (reason, text) = refusal(&inspect(&place, &wasm).await);
    assert_eq!(reason, "pin-mismatch");
    assert!(text.contains(&sha256));
}

#[tokio::test]
async fn two_files_of_one_name_are_both_refused() {
    let place = Place::new();
    place.put("a.wasm", &Guest::default().wasm());
    place.put(
        "b.wasm",
        &Guest {
            version: "2.0.0",
            ..Guest::default()
        }
        .wasm(),
    );
    place.put("c.wasm", &Guest::named("c").wasm());
    let reports = inspect_directory(place.inspecting()).await.unwrap();
    let verdicts: Vec<_> = reports.iter().map(verdict).collect();
    assert_eq!(verdicts, ["duplicate", "duplicate", "loaded"]);
}

#[tokio::test]
async fn a_worker_does_not_start_without_what_its_config_requires() {
    let place = Place::new()
        .with("a", json!({}))
        .with("b", json!({}))
        .with("c", json!({"required": false}));
    place.put(
        "a.wasm",
        &Guest {
            imports: &["kill"],
            ..Guest::default()
        }
        .wasm(),
    );
    place.put("broken.wasm", b"\0asm");
    let error = place.open().await.unwrap_err();
    let OpenError::Plugins(reports) = &error else {
        panic!("{error}")
    };
    let found: Vec<_> = reports
        .iter()
        .map(|report| (report.file.as_str(), verdict(report)))
        .collect();
    assert_eq!(
        found,
        [
            ("a.wasm", "not-granted"),
            ("broken.wasm", "broken"),
            ("plugins.b", "missing")
        ]
    );
    assert!(error.to_string().contains("plugins.a.grants: [kill]"), "{error}");
}

#[tokio::test]
async fn a_changed_file_is_taken_up_and_former_sets_stay_as_they_are() {
    let place = Place::new();
    place.put("a.wasm", &Guest::default().wasm());
    let host = place.open().await.unwrap();
    let before = host.current().await;
    assert!(Arc::ptr_eq(&before, &host.current().await));
    place.put(
        "a.wasm",
        &Guest {
            version: "2.0.0",
            ..Guest::default()
        }
        .wasm(),
    );
    place.put("b.wasm", &Guest::named("b").wasm());
    let after = host.current().await;
    assert_eq!(after.reports()[0].version.as_deref(), Some("2.0.0"));
    assert_eq!(after.plugins.len(), 2);
    assert_eq!(before.plugins.len(), 1);
    place.remove("a.wasm");
    assert_eq!(
        in_service(&*host.current().await),
        [("b".to_owned(), "b.wasm".to_owned())]
    );
    host.shutdown().await;
}

#[tokio::test]
async fn a_file_that_is_only_touched_changes_nothing() {
    let place = Place::new();
    let wasm = Guest::default().wasm();
    place.put("a.wasm", &wasm);
    let host = place.open().await.unwrap();
    let before = host.current().await;
    place.put("a.wasm", &wasm);
    assert!(Arc::ptr_eq(&before, &host.current().await));
    host.shutdown().await;
}

#[tokio::test]
async fn a_new_version_that_is_unfit_leaves_the_old_one_in_service() {
    let place = Place::new();
    place.put("a.wasm", &Guest::default().wasm());
    let host = place.open().await.unwrap();
    let old = host.current().await.plugins[0].clone();
    let greedy = Guest {
        imports: &["kill"],
        ..Guest::default()
    }
    .wasm();
    let whole = Guest {
        version: "2.0.0",
        ..Guest::default()
    }
    .wasm();
    let half = &whole[..whole.len() / 2];
    for (bytes, reason) in [
        (&greedy[..], "not-granted"),
        (half, "broken"),
        (b"(component)", "not-a-component"),
    ] {
        place.put("a.wasm", bytes);
        let set = host.current().await;
        assert_eq!(verdict_of(set.reports(), "a.wasm"), reason);
        assert_eq!(set.reports()[0].kept.as_ref(), Some(&old.sha256));
        assert!(Arc::ptr_eq(&set.plugins[0], &old));
    }
    // The copy is whole at last, written over the half in place.
    fs::write(place.path("a.wasm"), &whole).unwrap();
    let set = host.current().await;
    assert_eq!(set.reports()[0].version.as_deref(), Some("2.0.0"));
    assert_ne!(set.plugins[0].sha256, old.sha256);
    host.shutdown().await;
}

#[tokio::test]
async fn a_required_plugin_stays_in_service_when_its_file_is_gone() {
    let place = Place::new().with("a", json!({}));
    place.put("a.wasm", &Guest::default().wasm());
    let host = place.open().await.unwrap();
    place.remove("a.wasm");
    let set = host.current().await;
    assert_eq!(in_service(&set), [("a".to_owned(), "a.wasm".to_owned())]);
    assert_eq!(verdict_of(set.reports(), "plugins.a"), "missing");
    host.shutdown().await;
}

#[tokio::test]
async fn a_second_file_cannot_take_a_name_that_is_in_service() {
    let place = Place::new();
    place.put("a.wasm", &Guest::default().wasm());
    let host = place.open().await.unwrap();
    let old = host.current().await.plugins[0].clone();
    place.put(
        "b.wasm",
        &Guest {
            version: "2.0.0",
            ..Guest::default()
        }
        .wasm(),
    );
    let set = host.current().await;
    assert_eq!(verdict_of(set.reports(), "b.wasm"), "duplicate");
    assert!(Arc::ptr_eq(&set.plugins[0], &old));
    host.shutdown().await;
}

#[tokio::test]
async fn a_directory_that_is_gone_leaves_everything_as_it_was() {
    let place = Place::new();
    place.put("a.wasm", &Guest::default().wasm());
    let host = place.open().await.unwrap();
    place.remove("a.wasm");
    fs::remove_dir(&place.config.directory).unwrap();
    assert_eq!(host.current().await.plugins.len(), 1);
    host.shutdown().await;
}

#[tokio::test]
async fn plugins_of_two_versions_of_the_contract_are_loaded_side_by_side() {
    let place = Place::new()
        .with("old", json!({"grants": ["environment"]}))
        .with("new", json!({"grants": ["environment"]}));
    for (name, contract) in [
        ("old", "0.1.0"),
        ("patched", "0.1.7"),
        ("new", "0.2.0"),
        ("newer", "0.3.0"),
    ] {
        let guest = Guest {
            contract,
            imports: if name.len() == 3 {
                &["log", "environment"]
            } else {
                &[]
            },
            ..Guest::named(name)
        };
        place.put(&format!("{name}.wasm"), &guest.wasm());
    }
    let host = place.open().await.unwrap();
    let set = host.current().await;
    let names: Vec<_> = in_service(&set).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["new", "old", "patched"]);
    assert_eq!(verdict_of(set.reports(), "newer.wasm"), "contract-version");
    host.shutdown().await;
}

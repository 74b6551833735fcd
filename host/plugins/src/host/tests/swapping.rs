//! Files that change while the host runs: what is taken up, when, and what stays.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use super::*;
use crate::{ports::PayloadSchemas, updater::Pace};

/// Waits until what is in service is as it should be, without asking for a look at the directory.
async fn until(host: &PluginHost, is_so: impl Fn(&PluginSet) -> bool) {
    let mut published = host.updater.published();
    let heard = published.wait_for(|published| is_so(&published.set));
    let heard = tokio::time::timeout(Duration::from_secs(60), heard).await;
    assert!(heard.is_ok_and(|heard| heard.is_ok()), "it did not come to it");
}

fn names(set: &PluginSet) -> Vec<String> {
    in_service(set).into_iter().map(|(name, _)| name).collect()
}

fn version(version: &'static str) -> Vec<u8> {
    Guest {
        version,
        ..Guest::default()
    }
    .wasm()
}

#[tokio::test]
async fn a_file_that_changes_is_taken_up_without_a_run() {
    let mut place = Place::new();
    // The kernel tells of it.
    place.pace.poll = Duration::from_hours(1);
    place.put("a.wasm", &version("1.0.0"));
    let host = place.open().await.unwrap();
    place.put("a.wasm", &version("2.0.0"));
    until(&host, |set| set.reports()[0].version.as_deref() == Some("2.0.0")).await;
    place.put("b.wasm", &Guest::named("b").wasm());
    until(&host, |set| names(set) == ["a", "b"]).await;
    place.remove("a.wasm");
    until(&host, |set| names(set) == ["b"]).await;
    host.shutdown().await;
}

#[tokio::test]
async fn a_change_of_which_the_kernel_tells_nothing_is_found_by_looking() {
    let mut place = Place::new();
    place.put("a.wasm", &version("1.0.0"));
    // The directory is what a link points at, and the link is turned.
    let link = place.config.directory.with_file_name("link");
    std::os::unix::fs::symlink(&place.config.directory, &link).unwrap();
    let other = place.config.directory.with_file_name("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("b.wasm"), Guest::named("b").wasm()).unwrap();
    place.config.directory.clone_from(&link);
    place.pace.poll = Duration::from_millis(50);
    let host = place.open().await.unwrap();
    // It has looked at the directory that it watches.
    assert_eq!(names(&*host.current().await), ["a"]);
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(&other, &link).unwrap();
    until(&host, |set| names(set) == ["b"]).await;
    host.shutdown().await;
}

#[tokio::test]
async fn what_takes_long_to_compile_holds_up_neither_runs_nor_other_files() {
    let mut place = Place::new();
    place.put("a.wasm", &version("1.0.0"));
    place.put("b.wasm", &Guest::named("b").wasm());
    place.open().await.unwrap().shutdown().await;
    let slow = version("2.0.0");
    place.remove("b.wasm");
    let gate = place.hold_compilations();
    place.pace = Pace {
        patience: Duration::from_millis(100),
        ..place.pace
    };
    let host = place.open().await.unwrap();
    place.put("a.wasm", &slow);
    // Of that the cache knows.
    place.put("b.wasm", &Guest::named("b").wasm());
    until(&host, |set| names(set) == ["a", "b"]).await;
    let set = host.current().await;
    assert_eq!(set.plugins[0].version.as_ref(), "1.0.0");
    // It was waited for once: this is the set of before.
    assert!(Arc::ptr_eq(&set, &host.current().await));
    fs::write(gate, "").unwrap();
    until(&host, |set| set.plugins[0].version.as_ref() == "2.0.0").await;
    host.shutdown().await;
}

#[tokio::test]
async fn a_file_that_is_being_written_is_not_loaded_and_the_former_one_stays() {
    let place = Place::new();
    place.put("a.wasm", &version("1.0.0"));
    let host = place.open().await.unwrap();
    // A copy in place, of a file that is valid as far as it goes.
    let whole = version("2.0.0");
    let mut copy = fs::File::create(place.path("a.wasm")).unwrap();
    std::io::Write::write_all(&mut copy, &whole).unwrap();
    let set = host.current().await;
    assert_eq!(verdict_of(set.reports(), "a.wasm"), "being-written");
    assert_eq!(set.plugins[0].version.as_ref(), "1.0.0");
    drop(copy);
    until(&host, |set| set.plugins[0].version.as_ref() == "2.0.0").await;
    host.shutdown().await;
}

#[tokio::test]
async fn a_worker_waits_at_its_start_for_a_file_that_is_being_written() {
    let place = Place::new().with("a", json!({}));
    let copy = fs::File::create(place.path("a.wasm")).unwrap();
    let write = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        fs::write(place.path("a.wasm"), version("1.0.0")).unwrap();
        drop(copy);
    };
    let (host, ()) = tokio::join!(place.open(), write);
    let host = host.unwrap();
    assert_eq!(names(&*host.current().await), ["a"]);
    host.shutdown().await;
}

#[tokio::test]
async fn what_could_not_be_compiled_is_not_tried_again_after_a_restart() {
    let place = Place::new();
    // Valid at a first look, with a function that is not.
    let text = include_str!("guest.wat").replacen(
        "(func (export \"hook\"))",
        "(func (export \"hook\")) (func (result i32))",
        1,
    );
    place.put("a.wasm", &wat::parse_str(text).unwrap());
    for expected in [vec!["a.wasm"], vec![]] {
        let report = inspect_directory(place.inspecting()).await.unwrap().remove(0);
        assert_eq!(verdict(&report), "not-compiled", "{report:?}");
        assert_eq!(place.compiled.take(), expected);
    }
}

#[tokio::test]
async fn a_version_that_needs_more_is_refused_with_the_difference() {
    let place = Place::new().with("a", json!({"grants": ["environment"]}));
    let needing = |version, imports| {
        Guest {
            version,
            imports,
            ..Guest::default()
        }
        .wasm()
    };
    place.put("a.wasm", &needing("1.0.0", &["environment"]));
    let host = place.open().await.unwrap();
    place.put("a.wasm", &needing("2.0.0", &["environment", "kill"]));
    let set = host.current().await;
    let (reason, text) = refusal(&set.reports()[0]);
    assert_eq!(reason, "not-granted");
    let difference = "plugin a needs the capability kill, which the config does not grant and its version 1.0.0, which \
                      stays in service, does without";
    assert!(text.starts_with(difference), "{text}");
    host.shutdown().await;
}

/// No two plugins may read one property with different schemas.
#[derive(Debug)]
struct OneOwner;

impl PayloadSchemas for OneOwner {
    fn go_together(&self, plugins: Vec<(String, Value)>) -> Result<(), String> {
        let mut owners = BTreeMap::new();
        for (plugin, schema) in plugins {
            for (property, schema) in schema["properties"].as_object().unwrap() {
                let (first, of_first) = owners
                    .entry(property.clone())
                    .or_insert((plugin.clone(), schema.clone()));
                if of_first != schema {
                    return Err(format!("{first} and {plugin} both read {property}"));
                }
            }
        }
        Ok(())
    }
}

fn reading(name: &'static str, property: &str, kind: &str) -> Vec<u8> {
    Guest {
        name,
        payload_schema: Some(json!({"properties": {property: {"type": kind}}}).to_string()),
        ..Guest::default()
    }
    .wasm()
}

#[tokio::test]
async fn a_new_version_whose_schema_conflicts_is_refused_and_its_old_one_stays_while_others_are_taken_up() {
    let mut place = Place::new();
    place.schemas = Arc::new(OneOwner);
    place.put("a.wasm", &reading("a", "a", "string"));
    place.put("b.wasm", &reading("b", "b", "string"));
    let host = place.open().await.unwrap();
    let old = host.current().await.plugins[0].clone();
    place.put("a.wasm", &reading("a", "b", "integer"));
    place.put("c.wasm", &reading("c", "c", "string"));
    until(&host, |set| names(set) == ["a", "b", "c"]).await;
    let set = host.current().await;
    assert!(Arc::ptr_eq(&set.plugins[0], &old));
    let (reason, text) = refusal(&set.reports()[0]);
    assert_eq!(reason, "schema-conflict");
    assert!(text.starts_with("b and a both read b"), "{text}");
    assert_eq!(set.reports()[0].kept.as_ref(), Some(&old.sha256));
    // A changed schema that goes together is merged anew.
    place.put("a.wasm", &reading("a", "d", "integer"));
    let set = host.current().await;
    assert_eq!(
        set.schemas()[0].1,
        json!({"properties": {"d": {"type": "integer"}}})
    );
    host.shutdown().await;
}

#[tokio::test]
async fn plugins_whose_schemas_conflict_are_an_error_at_the_start() {
    let mut place = Place::new();
    place.schemas = Arc::new(OneOwner);
    place.put("a.wasm", &reading("a", "a", "string"));
    place.put("b.wasm", &reading("b", "a", "integer"));
    let error = place.open().await.unwrap_err();
    assert!(matches!(error, OpenError::Conflict(_)), "{error}");
    assert!(
        error.to_string().contains("b.wasm: a and b both read a"),
        "{error}"
    );
}

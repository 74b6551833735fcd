//! Layers of config over the worker's own file: which part of them is ours, what they may not say, and how they are merged.

use serde_json::{Map, Value};

use super::{
    check::wrong,
    origins::{Layer, Origins, is_within},
    outside::is_reference,
};
use crate::{schema::Problem, yaml::child};

/// What only the worker's own file may say: who the worker is, whom it asks, and where on this machine its state and the code
/// that it runs are. Everything else is for the pool's owners to set, grants of plugins among it: the pool's config is as much
/// the operator's as the file is.
const OWN: [&str; 7] = [
    "/taskcluster",
    "/worker/taskQueueId",
    "/worker/workerGroup",
    "/worker/workerId",
    "/worker/directory",
    "/pluginDirectory",
    "/pluginCacheDirectory",
];
/// What the config of a worker may be called by where several kinds of worker read the same.
const OURS: &str = "taskclusterWorker";
/// The same of others: where one of them is there, what is beside it is not ours.
const OTHERS: [&str; 3] = ["genericWorker", "dockerWorker", "scriptWorker"];

/// What a config that others may read too says to this worker.
#[derive(Debug, PartialEq)]
pub(crate) struct Ours {
    /// Our config; none where it says nothing to us.
    pub(crate) config: Option<Value>,
    /// Why something of it is not used, for the log.
    pub(crate) warning: Option<String>,
}

/// The part of a pool's config that is ours: `taskclusterWorker.config`; or all of it, where it has keys of ours and nothing
/// that is another worker's. `keys` are those of a config.
pub(crate) fn ours(mut config: Map<String, Value>, keys: &[String]) -> Ours {
    let nothing = |warning: Option<String>| Ours {
        config: None,
        warning,
    };
    if let Some(ours) = config.remove(OURS) {
        let Value::Object(mut ours) = ours else {
            return nothing(Some(format!("{OURS} is no object")));
        };
        let config = ours.remove("config");
        let others: Vec<&str> = ours.keys().map(String::as_str).collect();
        let warning =
            (!others.is_empty()).then(|| format!("of {OURS} only config is used, not {}", others.join(", ")));
        return Ours { config, warning };
    }
    if config.is_empty() || OTHERS.iter().any(|other| config.contains_key(*other)) {
        return nothing(None);
    }
    if config.keys().any(|key| keys.contains(key)) {
        return Ours {
            config: Some(Value::Object(config)),
            warning: None,
        };
    }
    let found: Vec<&str> = config.keys().map(String::as_str).collect();
    nothing(Some(format!(
        "it is no config of this worker's, which would be in {OURS}.config: it has {}",
        found.join(", ")
    )))
}

/// What a layer says that only the worker's own file may say.
pub(super) fn trespasses(layer: &Value) -> Vec<Problem> {
    let what = "can't be set here: who and where the worker is, its own config says";
    OWN.iter()
        .filter_map(|own| {
            let known: Vec<String> = pointers(layer);
            // The value itself, or something that takes the place of all that is around it.
            known
                .into_iter()
                .find(|pointer| pointer == own || is_within(own, pointer) && replaces(layer, pointer))
        })
        .map(|pointer| wrong(layer, &pointer, what))
        .collect()
}

/// Lays one value over another: objects are merged member by member, anything else takes the other's place.
pub(super) fn merge(base: &mut Value, over: Value, pointer: &str, layer: &Layer, origins: &mut Origins) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) if !is_reference(base) && !is_reference(&over) => {
            for (key, value) in over {
                let pointer = child(pointer, &key);
                match base.get_mut(&key) {
                    Some(base) => merge(base, value, &pointer, layer, origins),
                    None => {
                        origins.laid_over(&pointer, &value, layer);
                        base.insert(key, value);
                    }
                }
            }
        }
        (base, over) => {
            origins.laid_over(pointer, &over, layer);
            *base = over;
        }
    }
}

/// Of a layer's first two levels, where everything is that it may not say.
fn pointers(layer: &Value) -> Vec<String> {
    let mut known = vec![String::new()];
    for (key, member) in layer.as_object().into_iter().flatten() {
        let pointer = child("", key);
        for key in member.as_object().into_iter().flatten().map(|(key, _)| key) {
            known.push(child(&pointer, key));
        }
        known.push(pointer);
    }
    known
}

/// Whether the value at a pointer would take the place of all that is there, and not be merged with it.
fn replaces(layer: &Value, pointer: &str) -> bool {
    layer
        .pointer(pointer)
        .is_some_and(|value| value.as_object().is_none_or(is_reference))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(config: Value) -> Ours {
        let keys = ["worker", "plugins"].map(str::to_owned);
        ours(config.as_object().unwrap().clone(), &keys)
    }

    fn config(config: Value) -> Option<Value> {
        found(config).config
    }

    #[test]
    fn our_part_of_a_pools_config_is_found() {
        let plain = json!({"worker": {"concurrency": 2}});
        let named = json!({"taskclusterWorker": {"config": plain}, "genericWorker": {"config": {}}, "x": 1});
        assert_eq!(config(named), Some(plain.clone()));
        assert_eq!(config(plain.clone()), Some(plain.clone()));
        // Another worker's, of which some keys are called as ours are.
        assert_eq!(config(json!({"genericWorker": {}, "worker": {}})), None);
        assert_eq!(
            found(json!({})),
            Ours {
                config: None,
                warning: None
            }
        );
    }

    #[test]
    fn what_is_not_used_of_a_pools_config_is_told() {
        let other = found(json!({"capacity": 1}));
        assert_eq!(other.config, None);
        assert!(other.warning.unwrap().contains("capacity"));
        let files = found(json!({"taskclusterWorker": {"config": {}, "files": []}}));
        assert!(files.warning.unwrap().contains("files"));
        // A mistyped key beside one of ours is for the check to find.
        assert!(config(json!({"worker": {}, "plugin": {}})).is_some());
    }

    #[test]
    fn a_layer_may_not_say_who_or_where_the_worker_is() {
        for layer in [
            json!({"taskcluster": {"rootUrl": "https://other.example.com"}}),
            json!({"taskcluster": null}),
            json!({"worker": {"workerId": "other", "concurrency": 2}}),
            json!({"worker": {"directory": "/"}}),
            json!({"worker": null}),
            json!({"worker": {"$secret": "all"}}),
            json!({"pluginDirectory": "/tmp"}),
            json!({"$secret": "all"}),
            json!(5),
        ] {
            assert!(!trespasses(&layer).is_empty(), "{layer}");
        }
        let layer = json!({
            "worker": {"concurrency": 2},
            "engines": {"native": {"environment": {"A": {"$secret": "a", "key": "b"}}}},
            "plugins": {"env": {"grants": ["environment"]}},
        });
        assert_eq!(trespasses(&layer), []);
    }

    #[test]
    fn objects_are_merged_and_everything_else_replaced() {
        let mut origins = Origins::of_value("test");
        let mut base = json!({"a": {"b": 1, "c": [1, 2]}, "d": {"$secret": "x", "key": "k"}, "e": 1});
        let over = json!({"a": {"c": [3], "n": {"m": 1}}, "d": {"p": 1}});
        merge(&mut base, over, "", &Layer::WorkerManager, &mut origins);
        let merged = json!({"a": {"b": 1, "c": [3], "n": {"m": 1}}, "d": {"p": 1}, "e": 1});
        assert_eq!(base, merged);
        for (pointer, label) in [
            ("/a/b", "test"),
            ("/a/c", "worker-manager"),
            ("/a/c/0", "worker-manager"),
            ("/a/n/m", "worker-manager"),
            ("/d/p", "worker-manager"),
            ("/e", "test"),
        ] {
            assert_eq!(origins.label(pointer), label, "{pointer}");
        }
    }
}

//! What the engine reads of a task's payload, held against what plugins read.

use plugin_host::ports::PayloadSchemas;
use serde_json::Value;

use crate::payload::PayloadSchema;

/// The payload schema of one engine.
#[derive(Clone, Debug)]
pub(crate) struct EngineSchema {
    engine: String,
    schema: Value,
}

impl EngineSchema {
    /// What the engine of this name reads.
    pub(crate) fn new(engine: &str, schema: Value) -> Self {
        Self {
            engine: engine.to_owned(),
            schema,
        }
    }
}

impl PayloadSchemas for EngineSchema {
    fn go_together(&self, plugins: Vec<(String, Value)>) -> Result<(), String> {
        PayloadSchema::go_together(&self.engine, self.schema.clone(), plugins)
            .map_err(|error| format!("{:#}", anyhow::Error::from(error)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_conflict_names_both_owners_and_the_property() {
        let engine = EngineSchema::new(
            "mock",
            json!({"type": "object", "properties": {"steps": {"type": "array"}}}),
        );
        let reading = |name: &str, property: &str| {
            let schema = json!({"type": "object", "properties": {property: {"type": "string"}}});
            (name.to_owned(), schema)
        };
        assert_eq!(engine.go_together(vec![reading("a", "a")]), Ok(()));
        let why = engine
            .go_together(vec![reading("a", "a"), reading("b", "steps")])
            .unwrap_err();
        for part in ["mock", "plugin b", "steps"] {
            assert!(why.contains(part), "{part}: {why}");
        }
    }
}

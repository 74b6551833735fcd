//! For the tests of plugins: that a JSON schema and the type that is read by it agree.

use jsonschema::{Draft, Validator};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Checks a plugin's schema and the type of its values on examples: the valid ones pass the schema and are read, the
/// invalid ones do not pass. Every property of the schema must say what it is for, since the worker prints that where a
/// value is wrong.
///
/// # Errors
/// The first thing that does not hold, in words.
pub fn agreement<T: DeserializeOwned>(
    schema: &str,
    valid: &[Value],
    invalid: &[Value],
) -> Result<(), String> {
    let schema: Value =
        serde_json::from_str(schema).map_err(|error| format!("the schema is no JSON: {error}"))?;
    described(&schema, "")?;
    let validator = validator(schema)?;
    for value in valid {
        validator
            .validate(value)
            .map_err(|error| format!("{value} should pass the schema: {error}"))?;
        serde_json::from_value::<T>(value.clone())
            .map_err(|error| format!("{value} passes the schema and can't be read: {error}"))?;
    }
    match invalid.iter().find(|value| validator.is_valid(value)) {
        Some(value) => Err(format!("{value} should not pass the schema")),
        None => Ok(()),
    }
}

/// As the worker checks payloads, where objects that declare properties have no others.
fn validator(mut schema: Value) -> Result<Validator, String> {
    close(&mut schema);
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .build(&schema)
        .map_err(|error| format!("the schema is none: {error}"))
}

/// Every property below `schema`, with the name of each.
fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(Map::iter)
}

fn described(schema: &Value, path: &str) -> Result<(), String> {
    for (name, property) in properties(schema) {
        let path = format!("{path}/{name}");
        if !["title", "description"]
            .iter()
            .all(|word| property.get(word).is_some_and(Value::is_string))
        {
            return Err(format!("{path} of the schema needs a title and a description"));
        }
        described(property, &path)?;
    }
    match schema.get("items") {
        Some(items) => described(items, &format!("{path}/items")),
        None => Ok(()),
    }
}

fn close(schema: &mut Value) {
    let Some(keywords) = schema.as_object_mut() else {
        return;
    };
    if let Some(Value::Object(properties)) = keywords.get_mut("properties") {
        properties.values_mut().for_each(close);
        keywords
            .entry("additionalProperties")
            .or_insert(Value::Bool(false));
    }
    if let Some(items) = keywords.get_mut("items") {
        close(items);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(serde::Deserialize)]
    struct Payload {
        #[expect(dead_code, reason = "only read")]
        count: u32,
    }

    fn schema(kind: &str) -> String {
        json!({"type": "object", "required": ["count"], "properties": {"count": {"title": "c", "description": "c", "type": kind}}})
            .to_string()
    }

    #[test]
    fn examples_that_schema_and_type_see_alike_agree() {
        agreement::<Payload>(
            &schema("integer"),
            &[json!({"count": 1})],
            &[json!({}), json!({"count": "1"}), json!({"count": 1, "cuont": 2})],
        )
        .unwrap();
    }

    #[test]
    fn a_type_that_can_not_read_what_its_schema_allows_is_found() {
        let told = agreement::<Payload>(&schema("integer"), &[json!({"count": -1})], &[]).unwrap_err();
        assert!(told.contains("can't be read"), "{told}");
    }

    #[test]
    fn a_schema_that_allows_too_much_or_too_little_is_found() {
        assert!(agreement::<Payload>(&schema("integer"), &[], &[json!({"count": 7})]).is_err());
        assert!(agreement::<Payload>(&schema("string"), &[json!({"count": 7})], &[]).is_err());
    }

    #[test]
    fn a_property_that_says_nothing_of_itself_is_found() {
        let schema = r#"{"type": "object", "properties": {"list": {"title": "l", "description": "l", "type": "array",
            "items": {"type": "object", "properties": {"count": {"title": "c"}}}}}}"#;
        let told = agreement::<Value>(schema, &[], &[]).unwrap_err();
        assert!(told.starts_with("/list/items/count "), "{told}");
    }
}

//! Values that come from the secrets service.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::outside::convert;

/// What a config says of a value that comes from a secret: `{$secret: NAME, key: PATH, type: …, default: …}`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SecretReference {
    /// Of the secret.
    pub(super) name: String,
    /// A member of it, or a path of members with dots between; none for all of it.
    pub(super) key: Option<String>,
    /// What it must be.
    pub(super) kind: Option<String>,
    /// What it is where there is no such secret or member.
    pub(super) default: Option<Value>,
}

/// Secrets that were asked for, by name; none for those that are not there. Never shows itself.
#[derive(Clone, Default)]
pub(crate) struct Secrets(BTreeMap<String, Result<Map<String, Value>, NoSecret>>);

/// Why a secret has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoSecret {
    /// There is none of that name, or not any more.
    Missing,
    /// The worker may not read it.
    Forbidden,
    /// The secrets service refuses, as it says.
    Refused(String),
}

impl Secrets {
    /// Whether it was asked for.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Takes note of what was answered.
    pub(crate) fn add(&mut self, name: &str, answer: Result<Map<String, Value>, NoSecret>) {
        self.0.insert(name.to_owned(), answer);
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl SecretReference {
    /// The value, or why there is none, in words that follow the path of where it is wanted.
    pub(super) fn value(&self, secrets: &Secrets) -> Result<Value, String> {
        let Self { name, key, .. } = self;
        let default = |why: String| self.default.clone().ok_or(why);
        let secret = match secrets.0.get(name) {
            Some(Ok(secret)) => secret,
            Some(Err(NoSecret::Forbidden)) => {
                return Err(format!(
                    "comes from the secret {name}, which the worker may not read: it takes the scope secrets:get:{name}"
                ));
            }
            Some(Err(NoSecret::Refused(why))) => {
                return Err(format!(
                    "comes from the secret {name}, which can't be read: {why}"
                ));
            }
            Some(Err(NoSecret::Missing)) => {
                return default(format!("comes from the secret {name}, which does not exist"));
            }
            None => {
                return Err(format!(
                    "comes from the secret {name}, and there is no secrets service to ask here"
                ));
            }
        };
        let found = match key {
            None => Value::Object(secret.clone()),
            Some(key) => match at(secret, key) {
                Some(value) => value.clone(),
                None => return default(format!("comes from the secret {name}, which has no {key:?}")),
            },
        };
        let kind = self.kind.as_deref();
        typed(found, kind).ok_or_else(|| {
            format!(
                "comes from the secret {name}, which is no {}",
                kind.unwrap_or("value")
            )
        })
    }
}

/// A member, or a member of a member.
fn at<'a>(secret: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    if let Some(value) = secret.get(key) {
        return Some(value);
    }
    let mut parts = key.split('.');
    let first = secret.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part))
}

/// A value as one of some type: text is turned into it, other values are of it or are not.
fn typed(value: Value, kind: Option<&str>) -> Option<Value> {
    let Some(kind) = kind else { return Some(value) };
    let fits = match (kind, &value) {
        (kind, Value::String(text)) => return convert(text, kind),
        ("json", _) => true,
        ("number", value) => value.is_number(),
        ("bool", value) => value.is_boolean(),
        ("list", value) => value.is_array(),
        _ => false,
    };
    fits.then_some(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(reference: Value) -> Result<Value, String> {
        let mut secrets = Secrets::default();
        let secret = json!({"a": "x", "b": {"c": 5, "list": "p q"}, "d.e": true});
        secrets.add("s/1", Ok(secret.as_object().unwrap().clone()));
        secrets.add("none", Err(NoSecret::Missing));
        secrets.add("hidden", Err(NoSecret::Forbidden));
        SecretReference::read(reference.as_object().unwrap())?.value(&secrets)
    }

    #[test]
    fn a_secret_is_used_whole_or_a_member_of_it() {
        assert_eq!(value(json!({"$secret": "s/1", "key": "a"})), Ok(json!("x")));
        assert_eq!(value(json!({"$secret": "s/1", "key": "b.c"})), Ok(json!(5)));
        assert_eq!(value(json!({"$secret": "s/1", "key": "d.e"})), Ok(json!(true)));
        assert_eq!(
            value(json!({"$secret": "s/1", "key": "b.list", "type": "list"})),
            Ok(json!(["p", "q"]))
        );
        assert_eq!(value(json!({"$secret": "s/1"})).unwrap()["b"]["c"], 5);
    }

    #[test]
    fn what_is_not_there_has_a_default_or_is_told() {
        assert_eq!(value(json!({"$secret": "none", "default": 1})), Ok(json!(1)));
        assert_eq!(
            value(json!({"$secret": "s/1", "key": "z", "default": null})),
            Ok(Value::Null)
        );
        let told = |reference| value(reference).unwrap_err();
        assert!(told(json!({"$secret": "none"})).contains("does not exist"));
        assert!(told(json!({"$secret": "s/1", "key": "b.z"})).contains("has no \"b.z\""));
        assert!(told(json!({"$secret": "hidden", "default": 1})).contains("secrets:get:hidden"));
        assert!(told(json!({"$secret": "other", "default": 1})).contains("no secrets service"));
        let wrong = told(json!({"$secret": "s/1", "key": "a", "type": "number"}));
        assert_eq!(wrong, "comes from the secret s/1, which is no number");
    }

    #[test]
    fn secrets_do_not_show_themselves() {
        let mut secrets = Secrets::default();
        secrets.add("name", Ok(json!({"k": "s3cret"}).as_object().unwrap().clone()));
        assert_eq!(format!("{secrets:?}"), "{\"name\"}");
    }
}

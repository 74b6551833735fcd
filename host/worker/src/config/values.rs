//! Kinds of values that YAML has no type for.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// What a period looks like.
const PERIOD: &str = "^[0-9]{1,9}(ms|s|m|h|d)$";
/// The longest period: ten years. Times that are farther off than a calendar goes can't be reckoned with.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);
/// What a plugin may be called.
const PLUGIN_NAME: &str = "^[a-z0-9-]{1,64}$";

/// A length of time, written with its unit: `500ms`, `2s`, `5m`, `1h`, `3d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Period(Duration);

/// Text that is no period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a time with its unit is expected, such as 500ms, 2s, 5m, 1h, of ten years at most")]
pub(crate) struct NotAPeriod;

/// Text that never shows itself.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl Period {
    /// So many seconds.
    pub(crate) const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// How long it is.
    pub(crate) fn duration(self) -> Duration {
        self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let digits = text.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = text.split_at_checked(digits)?;
        let number: u64 = number.parse().ok()?;
        let milliseconds: u64 = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60 * 1000,
            "h" => 60 * 60 * 1000,
            "d" => 24 * 60 * 60 * 1000,
            _ => return None,
        };
        number
            .checked_mul(milliseconds)
            .map(Duration::from_millis)
            .filter(|duration| *duration <= LONGEST)
            .map(Self)
    }
}

impl FromStr for Period {
    type Err = NotAPeriod;

    fn from_str(text: &str) -> Result<Self, NotAPeriod> {
        Self::parse(text).ok_or(NotAPeriod)
    }
}

impl From<Duration> for Period {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            whole if whole % 1000 == 0 => write!(f, "{}s", whole / 1000),
            odd => write!(f, "{odd}ms"),
        }
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Period {
    fn schema_name() -> Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A length of time with its unit: 500ms, 2s, 5m, 1h, 3d.",
            "type": "string",
            "pattern": PERIOD,
        })
    }
}

impl Secret {
    /// The text itself.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "writeOnly": true })
    }
}

/// The members of `plugins` that are no general settings have the names of plugins.
pub(super) fn close_plugins(schema: &mut Schema) {
    if let Some(plugin) = schema.remove("additionalProperties") {
        let mut by_name = serde_json::Map::new();
        by_name.insert(PLUGIN_NAME.to_owned(), plugin);
        schema.insert("patternProperties".to_owned(), by_name.into());
        schema.insert("additionalProperties".to_owned(), false.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_have_units() {
        assert_eq!(Period::parse("500ms"), Some(Period(Duration::from_millis(500))));
        assert_eq!(Period::parse("3d"), Some(Period::seconds(3 * 24 * 60 * 60)));
        for none in [
            "",
            "5",
            "s",
            "5 s",
            "-5s",
            "1.5s",
            "5x",
            "4000d",
            "99999999999999999999s",
        ] {
            assert_eq!(Period::parse(none), None, "{none}");
        }
        assert_eq!(Period::parse("90s").unwrap().to_string(), "90s");
    }

    #[test]
    fn secrets_do_not_show_themselves() {
        assert!(!format!("{:?}", Secret("s3cret".to_owned())).contains("s3cret"));
    }
}

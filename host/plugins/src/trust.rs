//! Whom a pool trusts: the keys that sign its plugins, and whether each plugin must be vouched for. As the config says it.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A minisign public key: the second line of a `minisign.pub` file, or both lines.
const KEY: &str = r"^(untrusted comment: [^\n]*\n)?RW[Q-T][A-Za-z0-9+/]{53}\n?$";
/// What a version looks like that can be compared with others.
const VERSION: &str =
    r"^(0|[1-9][0-9]{0,17})(\.(0|[1-9][0-9]{0,17})){2}(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$";

/// Whom the pool trusts to make plugins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TrustConfig {
    /// True: a plugin is loaded only where its `sha256` pins its file or its `signedBy` names a key that has signed it, and no
    /// file or directory that a group can write is used. False: both are up to `plugins.<name>`, and such a group is a
    /// warning.
    pub strict: bool,
    /// The keys that `signedBy` may name, by names of your own: minisign public keys, each the line of a `minisign.pub`
    /// file that begins with RW, or the whole file (`{$file: release.pub}`).
    pub keys: BTreeMap<String, PublicKey>,
}

/// A key by which signatures are verified.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey {
    text: String,
    pub(crate) key: minisign_verify::PublicKey,
}

/// Text that is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a minisign public key is expected, as the line of a minisign.pub file that begins with RW")]
pub struct NotAKey;

/// The names of keys, any one of which is enough: in the config one name, or a list of at least one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "OneOrMore", into = "Vec<String>")]
pub struct Signers(Vec<String>);

/// A list of nobody, which looks like a demand and is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at least one name of a key is expected")]
pub struct NoSigners;

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// A version that can be compared with others, as semver.org has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(semver::Version);

/// Text that is no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a version of three numbers is expected, such as 1.2.0")]
pub struct NotAVersion;

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PublicKey").field(&self.text).finish()
    }
}

impl TryFrom<String> for PublicKey {
    type Error = NotAKey;

    fn try_from(text: String) -> Result<Self, NotAKey> {
        let line = text.trim_end().lines().next_back().unwrap_or_default();
        let key = minisign_verify::PublicKey::from_base64(line).map_err(|_| NotAKey)?;
        Ok(Self { text, key })
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.text
    }
}

impl JsonSchema for PublicKey {
    fn schema_name() -> Cow<'static, str> {
        "PublicKey".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A minisign public key.",
            "type": "string",
            "pattern": KEY,
        })
    }
}

impl Signers {
    /// Whether one of them is this.
    pub(crate) fn contains(&self, key: &str) -> bool {
        self.0.iter().any(|name| name == key)
    }

    /// The names, as the config has them.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

impl TryFrom<OneOrMore> for Signers {
    type Error = NoSigners;

    fn try_from(names: OneOrMore) -> Result<Self, NoSigners> {
        match names {
            OneOrMore::One(name) => Ok(Self(vec![name])),
            OneOrMore::More(names) if names.is_empty() => Err(NoSigners),
            OneOrMore::More(names) => Ok(Self(names)),
        }
    }
}

impl From<Signers> for Vec<String> {
    fn from(signers: Signers) -> Self {
        signers.0
    }
}

impl fmt::Display for Signers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" or "))
    }
}

impl JsonSchema for Signers {
    fn schema_name() -> Cow<'static, str> {
        "Signers".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The name of a key, or a list of names.",
            "type": ["string", "array"],
            "items": { "type": "string" },
            "minItems": 1,
        })
    }
}

impl Version {
    /// Reads what a plugin says of itself.
    pub(crate) fn parse(text: &str) -> Result<Self, NotAVersion> {
        semver::Version::parse(text).map(Self).map_err(|_| NotAVersion)
    }
}

impl TryFrom<String> for Version {
    type Error = NotAVersion;

    fn try_from(text: String) -> Result<Self, NotAVersion> {
        Self::parse(&text)
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.0.to_string()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl JsonSchema for Version {
    fn schema_name() -> Cow<'static, str> {
        "Version".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A version of three numbers, such as 1.2.0.",
            "type": "string",
            "pattern": VERSION,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_is_the_line_of_a_file_or_the_whole_file() {
        let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
        let file = pair.pk.to_box().unwrap().to_string();
        let of = |text: &str| serde_json::from_value::<PublicKey>(json!(text)).map(|key| key.key);
        let line = pair.pk.to_base64();
        assert_eq!(of(&line).unwrap(), of(&file).unwrap());
        for none in ["", "RW", &line[1..], "untrusted comment: x"] {
            assert!(of(none).is_err(), "{none}");
        }
        let pattern = regex_of(&PublicKey::json_schema(&mut SchemaGenerator::default()));
        let fits =
            |text: &str| jsonschema::is_valid(&json!({ "type": "string", "pattern": pattern }), &json!(text));
        assert!(fits(&line) && fits(&file) && !fits(&line[1..]), "{file}");
    }

    fn regex_of(schema: &Schema) -> String {
        schema.get("pattern").unwrap().as_str().unwrap().to_owned()
    }

    #[test]
    fn one_signer_needs_no_list() {
        let signers = |value| serde_json::from_value::<Signers>(value).unwrap();
        assert_eq!(signers(json!("a")), signers(json!(["a"])));
        assert!(signers(json!(["a", "b"])).contains("b"));
        assert!(serde_json::from_value::<Signers>(json!([])).is_err());
    }

    #[test]
    fn versions_are_compared_by_their_numbers() {
        let version = |text| Version::parse(text).unwrap();
        assert!(version("1.10.0") > version("1.9.0"));
        assert!(version("1.0.0-rc.1") < version("1.0.0"));
        assert_eq!(Version::parse("1.2"), Err(NotAVersion));
    }
}

//! Names with `*` in them, which stands for any run of characters. Nothing else in a pattern is special.

use std::fmt;

/// The pattern that every name matches.
pub(crate) const ALL: &str = "*";

/// One or many names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(String);

impl Pattern {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the pattern of that name. The time is the product of both lengths at most.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let (pattern, name) = (self.0.as_bytes(), name.as_bytes());
        let (mut at, mut of_name) = (0, 0);
        // Where the last star was, and how far the name is taken to go in its run.
        let mut star: Option<(usize, usize)> = None;
        while of_name < name.len() {
            match (pattern.get(at), star) {
                (Some(b'*'), _) => {
                    star = Some((at, of_name));
                    at += 1;
                }
                (Some(byte), _) if Some(byte) == name.get(of_name) => {
                    at += 1;
                    of_name += 1;
                }
                (_, Some((place, taken))) => {
                    star = Some((place, taken + 1));
                    at = place + 1;
                    of_name = taken + 1;
                }
                (_, None) => return false,
            }
        }
        pattern
            .get(at..)
            .is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
    }

    /// Whether all names of the other are names of this one, as far as can be seen from the beginning: this one has a star
    /// at its end or none.
    pub(crate) fn includes(&self, other: &Self) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => other.0.starts_with(beginning),
            None => self == other,
        }
    }
}

impl From<&str> for Pattern {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// As it is written in YAML, between brackets.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./*".contains(c);
        let is_word = matches!(
            self.0.to_ascii_lowercase().as_str(),
            "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
        );
        if self.0.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && self.0.chars().all(is_plain)
            && !is_word
        {
            f.write_str(&self.0)
        } else {
            // Strings of JSON are strings of YAML.
            write!(f, "{}", serde_json::Value::from(self.0.as_str()))
        }
    }
}

//! What an operator grants a plugin: capabilities, some of them for certain names only.
//!
//! In the config it is a list. An item is the word of a capability, or a map of one word to its parameters:
//! `[kill, {environment: {names: [PATH, "GECKO_*"]}}, {artifacts: {names: [public/build/*]}}]`. What is not in it is denied.

mod in_config;
mod loading;
mod pattern;

use std::{collections::BTreeMap, fmt};

use self::pattern::Pattern;
use crate::{capabilities::Capability, refusal::Refusal};

/// What one plugin may use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants(BTreeMap<Capability, Grant>);

/// What one capability is granted for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Grant {
    /// None: for everything but what must be named.
    names: Option<Vec<Pattern>>,
}

/// A name that a plugin's grant is not for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("plugin {plugin} may not {what}{why}; {line} in plugins.{plugin}.grants would grant it")]
pub(crate) struct NotGranted {
    plugin: String,
    what: String,
    /// Empty, or what is special about the name.
    why: String,
    /// What would grant it.
    line: String,
}

impl Grants {
    /// Lets a plugin set every variable of a task, those that must be named too. For the plugin that sets what tasks say:
    /// a task may do in its own environment what it likes, as it may in its commands.
    #[must_use]
    pub fn every_variable() -> Self {
        let names = std::iter::once(pattern::ALL).chain(loading::NAMES.iter().map(|(name, _)| *name));
        Self::default().with_names(Capability::Environment, names)
    }

    /// The same, with a capability for these names. Names of a capability that has no such parameter mean nothing.
    #[must_use]
    pub fn with_names<'a>(
        mut self,
        capability: Capability,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let names = Some(names.into_iter().map(Pattern::from).collect());
        self.0.insert(capability, Grant { names });
        self
    }

    /// Whether the capability is granted, if only for certain names.
    #[must_use]
    pub fn contains(&self, capability: Capability) -> bool {
        self.0.contains_key(&capability)
    }

    /// What is needed and not granted; none where there is nothing of the kind.
    fn lacking(&self, needed: &[Capability]) -> Vec<Capability> {
        needed
            .iter()
            .copied()
            .filter(|capability| !self.contains(*capability))
            .collect()
    }

    /// Refuses a plugin that needs more.
    pub(crate) fn check(&self, plugin: &str, needed: &[Capability]) -> Result<(), Refusal> {
        let missing = self.lacking(needed);
        if missing.is_empty() {
            return Ok(());
        }
        Err(Refusal::NotGranted {
            name: plugin.to_owned(),
            grants: self.and(&missing),
            missing,
            former: None,
        })
    }

    /// The same, with these capabilities too.
    fn and(&self, more: &[Capability]) -> Self {
        let mut all = self.clone();
        for capability in more {
            all.0.entry(*capability).or_default();
        }
        all
    }

    /// Whether a plugin with these grants may set a variable of the task.
    pub(crate) fn may_set(&self, plugin: &str, name: &str) -> Result<(), NotGranted> {
        let loads = loading::which(name);
        let is_named = |pattern: &Pattern| {
            loads
                .as_ref()
                .is_none_or(|(loading, _)| loading.includes(pattern))
        };
        if self.covers(Capability::Environment, name, is_named) {
            return Ok(());
        }
        Err(NotGranted {
            plugin: plugin.to_owned(),
            what: format!("set the variable {name:?}"),
            why: loads.map_or_else(String::new, |(_, why)| {
                format!(", which {why} and so must be named")
            }),
            line: self.line_for(Capability::Environment, name),
        })
    }

    /// Whether a plugin with these grants may create an artifact of that name, or link to one.
    pub(crate) fn may_create(&self, plugin: &str, name: &str) -> Result<(), NotGranted> {
        if self.covers(Capability::Artifacts, name, |_| true) {
            return Ok(());
        }
        Err(NotGranted {
            plugin: plugin.to_owned(),
            what: format!("create or link to the artifact {name:?}"),
            why: String::new(),
            line: self.line_for(Capability::Artifacts, name),
        })
    }

    /// Whether a capability is granted for a name, by one of the patterns that count for it.
    fn covers(&self, capability: Capability, name: &str, counts: impl Fn(&Pattern) -> bool) -> bool {
        match self.0.get(&capability) {
            None => false,
            Some(Grant { names: None }) => counts(&Pattern::from(pattern::ALL)),
            Some(Grant { names: Some(names) }) => names
                .iter()
                .any(|pattern| pattern.matches(name) && counts(pattern)),
        }
    }

    /// What an operator would write to grant a name as well.
    fn line_for(&self, capability: Capability, name: &str) -> String {
        match self.0.get(&capability) {
            Some(Grant { names: Some(_) }) => {
                format!("{} among the names of {}", Pattern::from(name), capability.name())
            }
            Some(Grant { names: None }) => Self::default()
                .with_names(capability, [pattern::ALL, name])
                .to_string(),
            None => Self::default().with_names(capability, [name]).to_string(),
        }
    }
}

/// As an operator writes it.
impl fmt::Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (place, (capability, grant)) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str(", ")?;
            }
            match &grant.names {
                None => f.write_str(capability.name())?,
                Some(names) => {
                    let names: Vec<String> = names.iter().map(Pattern::to_string).collect();
                    write!(f, "{{{}: {{names: [{}]}}}}", capability.name(), names.join(", "))?;
                }
            }
        }
        f.write_str("]")
    }
}

/// Each without parameters.
impl FromIterator<Capability> for Grants {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        Self(
            capabilities
                .into_iter()
                .map(|capability| (capability, Grant::default()))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests;

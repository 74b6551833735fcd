//! Scopes: who has `a*` has every scope that begins with `a`.

use serde_json::{Value, json};

/// What a call requires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expression {
    /// This scope.
    Scope(String),
    /// All of these.
    All(Vec<Expression>),
    /// Any one of these.
    Any(Vec<Expression>),
}

impl From<String> for Expression {
    fn from(scope: String) -> Self {
        Self::Scope(scope)
    }
}

impl Expression {
    /// All of some scopes.
    pub(crate) fn all(scopes: impl IntoIterator<Item = String>) -> Self {
        Self::All(scopes.into_iter().map(Self::Scope).collect())
    }

    /// Any one of some scopes.
    pub(crate) fn any(scopes: impl IntoIterator<Item = String>) -> Self {
        Self::Any(scopes.into_iter().map(Self::Scope).collect())
    }

    /// Whether somebody with these scopes may.
    pub(crate) fn satisfied_by(&self, scopes: &[String]) -> bool {
        match self {
            Self::Scope(scope) => satisfies(scopes, scope),
            Self::All(parts) => parts.iter().all(|part| part.satisfied_by(scopes)),
            Self::Any(parts) => parts.iter().any(|part| part.satisfied_by(scopes)),
        }
    }

    /// What is left of it once what the scopes satisfy is taken away; nothing if that is all.
    pub(crate) fn unsatisfied_by(&self, scopes: &[String]) -> Option<Self> {
        if self.satisfied_by(scopes) {
            return None;
        }
        let left = |parts: &[Self]| {
            parts
                .iter()
                .filter_map(|part| part.unsatisfied_by(scopes))
                .collect()
        };
        Some(match self {
            Self::Scope(scope) => Self::Scope(scope.clone()),
            Self::All(parts) => Self::All(left(parts)),
            Self::Any(parts) => Self::Any(left(parts)),
        })
    }

    /// As Taskcluster writes it.
    pub(crate) fn to_json(&self) -> Value {
        let list = |parts: &[Self]| parts.iter().map(Self::to_json).collect::<Vec<_>>();
        match self {
            Self::Scope(scope) => json!(scope),
            Self::All(parts) => json!({ "AllOf": list(parts) }),
            Self::Any(parts) => json!({ "AnyOf": list(parts) }),
        }
    }
}

/// Whether one of the scopes is the one required, or begins it and ends in `*`.
pub(crate) fn satisfies(scopes: &[String], required: &str) -> bool {
    scopes.iter().any(|scope| covers(scope, required))
}

/// Whether who has `scope` has `required`. For one that ends in `*` all that it stands for must be covered: `a**` is less than
/// `a*`, though it is longer.
fn covers(scope: &str, required: &str) -> bool {
    let stem = required.strip_suffix('*').unwrap_or(required);
    scope == required
        || scope
            .strip_suffix('*')
            .is_some_and(|prefix| stem.starts_with(prefix))
}

/// The same authority in as few scopes as it takes: sorted, each once, none that another covers.
pub(crate) fn normal_form(mut scopes: Vec<String>) -> Vec<String> {
    // What begins with `a` follows `a*`: nothing else comes between.
    scopes.sort_unstable_by(|a, b| order(a).cmp(&order(b)));
    let mut wide: Option<String> = None;
    scopes.retain(|scope| {
        if wide.as_deref().is_some_and(|wide| covers(wide, scope)) {
            return false;
        }
        if scope.ends_with('*') {
            wide = Some(scope.clone());
        }
        true
    });
    scopes.dedup();
    scopes
}

/// By what comes before the `*`; with it first.
fn order(scope: &str) -> (&str, bool) {
    match scope.strip_suffix('*') {
        Some(stem) => (stem, false),
        None => (scope, true),
    }
}

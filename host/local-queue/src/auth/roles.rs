//! Roles: who has `assume:x` has all that the role `x` grants, and what that leads to.
//!
//! A role whose name ends in `*` is had by whoever has `assume:` and anything that begins so; where its scopes say `<..>`, the
//! rest of that name is filled in. A scope that itself ends in `*` stands for all that it begins, so it reaches every role that
//! one of these reaches. No role may lead back to itself, so there is an end to it: that is checked when roles are compiled.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use super::scopes::normal_form;

/// What a scope that assumes a role begins with.
const ASSUME: &str = "assume:";
/// Where the rest of the name is filled in.
const PARAMETER: &str = "<..>";
/// Roles can multiply scopes: an expansion that has become this large is cut off there.
const MAX_SCOPES: usize = 10_000;
/// How many expansions are remembered, and how long the scopes of one may be in all.
const REMEMBERED: usize = 1024;
const REMEMBERED_LENGTH: usize = 4096;

/// A role, as it is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Role {
    /// Its name; a `*` at its end makes it a role of many names.
    pub(crate) role_id: String,
    /// What it grants.
    pub(crate) scopes: Vec<String>,
}

/// Why roles can't be as they are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RoleError {
    /// There is one rest of the name, and one place for it.
    #[error("parameterized scope '{0}' contains multiple '<..>'")]
    TwoParameters(String),
    /// Filled in with nothing, its `*` would mean something else.
    #[error("parameterized scope '{0}' ends with '*<..>' which implies an ambiguous kleene")]
    StarBeforeParameter(String),
    /// Roles that lead to each other.
    #[error("Roles may not contain dependency cycles, found: '{}'", .0.join("' -> '"))]
    Cycle(Vec<String>),
}

/// All roles, ready to expand scopes.
#[derive(Debug, Default)]
pub(crate) struct Roles {
    rules: Vec<Rule>,
    /// Expansions of what assumes something.
    remembered: Mutex<HashMap<String, Arc<[String]>>>,
}

/// One role: which scopes it is reached by, and what it grants.
#[derive(Debug)]
struct Rule {
    name: Name,
    grants: Vec<Grant>,
}

/// The scope that a role is reached by.
#[derive(Debug)]
enum Name {
    /// This one.
    Exact(String),
    /// All that begin so.
    Prefix(String),
}

/// What a role grants.
#[derive(Debug)]
enum Grant {
    /// This scope.
    Fixed(String),
    /// What comes before and after the rest of the name.
    Around(String, String),
}

impl Roles {
    /// Checks roles, and makes them ready.
    ///
    /// # Errors
    /// For a scope that can't be filled in, and for roles that lead to themselves.
    pub(crate) fn compile<'a>(roles: impl IntoIterator<Item = &'a Role>) -> Result<Self, RoleError> {
        let rules = roles
            .into_iter()
            .map(Rule::compile)
            .collect::<Result<Vec<_>, _>>()?;
        check_acyclic(&rules)?;
        Ok(Self {
            rules,
            remembered: Mutex::default(),
        })
    }

    /// The scopes and all that they lead to, in normal form.
    pub(crate) fn expand(&self, scopes: &[String]) -> Vec<String> {
        self.expand_beside(scopes, &[])
    }

    /// The same, with scopes that are expanded already.
    pub(crate) fn expand_beside(&self, scopes: &[String], expanded: &[String]) -> Vec<String> {
        if scopes.iter().any(|scope| scope == "*") {
            return vec!["*".to_owned()];
        }
        let assumed: Vec<String> = scopes.iter().filter(|scope| can_assume(scope)).cloned().collect();
        let mut all = [scopes, expanded].concat();
        if !assumed.is_empty() {
            all.extend(self.granted(normal_form(assumed)).iter().cloned());
        }
        normal_form(all)
    }

    /// What scopes in normal form lead to: looked up, or found out and remembered.
    fn granted(&self, assumed: Vec<String>) -> Arc<[String]> {
        let key = assumed.join("\n");
        let remembered = || self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = remembered().get(&key) {
            return Arc::clone(known);
        }
        let granted: Arc<[String]> = self.follow(assumed).into();
        if key.len() <= REMEMBERED_LENGTH {
            let mut remembered = remembered();
            if remembered.len() >= REMEMBERED {
                remembered.clear();
            }
            remembered.insert(key, Arc::clone(&granted));
        }
        granted
    }

    fn follow(&self, assumed: Vec<String>) -> Vec<String> {
        let mut seen: HashSet<String> = assumed.iter().cloned().collect();
        let mut open = assumed;
        while let Some(scope) = open.pop() {
            for rule in &self.rules {
                let Some(rest) = rule.name.reached_by(&scope) else {
                    continue;
                };
                for scope in rule.grants.iter().map(|grant| grant.filled(&rest)) {
                    if seen.len() >= MAX_SCOPES {
                        tracing::warn!(
                            limit = MAX_SCOPES,
                            "roles lead to too many scopes: some are left out"
                        );
                        return normal_form(seen.into_iter().collect());
                    }
                    if seen.insert(scope.clone()) && can_assume(&scope) {
                        open.push(scope);
                    }
                }
            }
        }
        normal_form(seen.into_iter().collect())
    }
}

/// Whether a scope may lead to a role.
fn can_assume(scope: &str) -> bool {
    scope.starts_with(ASSUME)
        || scope
            .strip_suffix('*')
            .is_some_and(|prefix| ASSUME.starts_with(prefix))
}

impl Rule {
    fn compile(role: &Role) -> Result<Self, RoleError> {
        let name = format!("{ASSUME}{}", role.role_id);
        let Some(prefix) = name.strip_suffix('*') else {
            return Ok(Self {
                name: Name::Exact(name),
                grants: role.scopes.iter().cloned().map(Grant::Fixed).collect(),
            });
        };
        let grant = |scope: &String| match scope.split_once(PARAMETER) {
            None => Ok(Grant::Fixed(scope.clone())),
            Some((_, after)) if after.contains(PARAMETER) => Err(RoleError::TwoParameters(scope.clone())),
            Some((before, "")) if before.ends_with('*') => Err(RoleError::StarBeforeParameter(scope.clone())),
            Some((before, after)) => Ok(Grant::Around(before.to_owned(), after.to_owned())),
        };
        Ok(Self {
            name: Name::Prefix(prefix.to_owned()),
            grants: role.scopes.iter().map(grant).collect::<Result<_, _>>()?,
        })
    }
}

impl Name {
    /// Whether `scope` reaches the role, and what the rest of the name then is. One that ends in `*` stands for many.
    fn reached_by<'a>(&self, scope: &'a str) -> Option<Cow<'a, str>> {
        let stem = scope.strip_suffix('*');
        match (self, stem) {
            (Self::Exact(name), None) => (scope == name).then_some(Cow::Borrowed("")),
            (Self::Exact(name), Some(stem)) => name.starts_with(stem).then_some(Cow::Borrowed("")),
            (Self::Prefix(prefix), Some(stem)) if prefix.starts_with(stem) => Some(Cow::Borrowed("*")),
            (Self::Prefix(prefix), _) => scope.strip_prefix(prefix.as_str()).map(Cow::Borrowed),
        }
    }

    fn as_role_scope(&self) -> String {
        match self {
            Self::Exact(name) => name.clone(),
            Self::Prefix(prefix) => format!("{prefix}*"),
        }
    }
}

impl Grant {
    /// The scope for a rest of the name. If that stands for many, so does the scope, from there on.
    fn filled(&self, rest: &str) -> String {
        match self {
            Self::Fixed(scope) => scope.clone(),
            Self::Around(before, _) if rest.ends_with('*') => format!("{before}{rest}"),
            Self::Around(before, after) => format!("{before}{rest}{after}"),
        }
    }
}

/// Refuses rules that lead to themselves, whatever is filled in.
fn check_acyclic(rules: &[Rule]) -> Result<(), RoleError> {
    let leads_to: Vec<Vec<usize>> = rules.iter().map(|rule| reachable(rules, rule)).collect();
    let mut left: HashSet<usize> = (0..rules.len()).collect();
    loop {
        // What leads to nothing that is left is no part of a cycle.
        let ends: Vec<usize> = left
            .iter()
            .copied()
            .filter(|&at| next(&leads_to, at, &left).is_none())
            .collect();
        if ends.is_empty() {
            break;
        }
        for at in ends {
            left.remove(&at);
        }
    }
    // What is left leads on and on: sooner or later to where it has been.
    let mut path: Vec<usize> = left.iter().min().copied().into_iter().collect();
    while let Some(&at) = path.last() {
        let Some(following) = next(&leads_to, at, &left) else {
            break;
        };
        let been = path.iter().position(|&before| before == following);
        path.push(following);
        if let Some(start) = been {
            let names = path.iter().skip(start).filter_map(|&at| rules.get(at));
            return Err(RoleError::Cycle(
                names.map(|rule| rule.name.as_role_scope()).collect(),
            ));
        }
    }
    Ok(())
}

/// The first of the rules that one leads to that is among those left.
fn next(leads_to: &[Vec<usize>], at: usize, left: &HashSet<usize>) -> Option<usize> {
    leads_to
        .get(at)?
        .iter()
        .copied()
        .find(|following| left.contains(following))
}

/// The rules that one leads to at once, if whatever is filled in stands for everything.
fn reachable(rules: &[Rule], rule: &Rule) -> Vec<usize> {
    let scopes: Vec<String> = rule
        .grants
        .iter()
        .map(|grant| grant.filled("*"))
        .filter(|scope| can_assume(scope))
        .collect();
    let reached = |other: &Rule| scopes.iter().any(|scope| other.name.reached_by(scope).is_some());
    (0..)
        .zip(rules)
        .filter(|(_, other)| reached(other))
        .map(|(at, _)| at)
        .collect()
}

#[cfg(test)]
mod tests;

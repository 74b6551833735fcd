//! The environment of a task's commands: a base, and what plugins set.

use std::collections::BTreeMap;

use engine_api::SetVariableError;
use nix::unistd::{User, geteuid};

/// Where programs are looked for.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";

/// The variables of a task. Nothing comes from the environment of the worker.
#[derive(Debug)]
pub(crate) struct Environment {
    /// May be set over.
    base: BTreeMap<String, String>,
    set: BTreeMap<String, String>,
}

impl Environment {
    /// The base: `PATH`, `HOME` and `TASK_WORKDIR` (the task's directory), `USER` and `LOGNAME` (who the worker is), and the
    /// operator's additions in place of these.
    pub(crate) fn new(directory: &str, user: &str, additions: &BTreeMap<String, String>) -> Self {
        let base = [
            ("PATH", PATH),
            ("HOME", directory),
            ("TASK_WORKDIR", directory),
            ("USER", user),
            ("LOGNAME", user),
        ];
        let mut base: BTreeMap<_, _> = base
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        base.extend(additions.clone());
        Self {
            base,
            set: BTreeMap::new(),
        }
    }

    /// Sets a variable, once.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), SetVariableError> {
        check(name, value).map_err(SetVariableError::Invalid)?;
        if self.set.contains_key(name) {
            return Err(SetVariableError::Conflict(name.to_owned()));
        }
        self.set.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    /// All of it.
    pub(crate) fn into_variables(self) -> BTreeMap<String, String> {
        let mut variables = self.base;
        variables.extend(self.set);
        variables
    }
}

/// Why no environment can hold a variable.
pub(crate) fn check(name: &str, value: &str) -> Result<(), String> {
    if name.is_empty() {
        Err("an environment variable has an empty name".to_owned())
    } else if name.contains(['=', '\0']) {
        Err(format!(
            "{name:?} is no name of an environment variable: it contains '=' or NUL"
        ))
    } else if value.contains('\0') {
        Err(format!(
            "the value of the environment variable {name} contains NUL"
        ))
    } else {
        Ok(())
    }
}

/// Who the worker is: the name of the user, or its number where it has no name.
pub(crate) fn user() -> String {
    let id = geteuid();
    match User::from_uid(id) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => id.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_wins_over_additions_and_these_over_the_base() {
        let additions = BTreeMap::from([("PATH", "/opt/bin"), ("LANG", "C.UTF-8"), ("USER", "operator")])
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut environment = Environment::new("/tasks/a", "worker", &additions);
        environment.set("USER", "plugin").unwrap();
        assert_eq!(
            environment.set("USER", "other"),
            Err(SetVariableError::Conflict("USER".to_owned()))
        );
        let variables = environment.into_variables();
        let told: Vec<_> = variables
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(
            told,
            [
                "HOME=/tasks/a",
                "LANG=C.UTF-8",
                "LOGNAME=worker",
                "PATH=/opt/bin",
                "TASK_WORKDIR=/tasks/a",
                "USER=plugin"
            ]
        );
    }

    #[test]
    fn names_and_values_that_no_environment_can_hold_are_invalid() {
        for (name, value) in [("", "x"), ("A=B", "x"), ("A\0", "x"), ("A", "x\0")] {
            assert!(check(name, value).is_err(), "{name:?} {value:?}");
        }
        assert_eq!(check("BASH_FUNC_f%%", "() { echo\n}"), Ok(()));
    }
}

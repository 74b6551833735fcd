//! `--env NAME[=VALUE]`.

/// A variable for the task's environment.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Variable {
    name: String,
    value: Option<String>,
}

/// Why a variable can't be passed on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum VariableError {
    /// There is no name.
    #[error("a variable is NAME or NAME=VALUE")]
    NoName,
    /// It is not in our environment.
    #[error("--env {0}: this variable is not set here, or is not UTF-8; give it a value: --env {0}=VALUE")]
    NotSet(String),
}

impl Variable {
    /// Reads an argument.
    pub(super) fn parse(text: &str) -> Result<Self, VariableError> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        if name.is_empty() {
            return Err(VariableError::NoName);
        }
        Ok(Self {
            name: name.to_owned(),
            value,
        })
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Its value, or that of this process.
    pub(super) fn value(&self) -> Result<String, VariableError> {
        match &self.value {
            Some(value) => Ok(value.clone()),
            None => std::env::var(&self.name).map_err(|_| VariableError::NotSet(self.name.clone())),
        }
    }
}

impl std::fmt::Debug for Variable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The value may be a secret.
        f.debug_struct("Variable")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_has_a_value_or_takes_ours() {
        assert_eq!(Variable::parse("A=b=c").unwrap().value(), Ok("b=c".to_owned()));
        assert_eq!(Variable::parse("A=").unwrap().value(), Ok(String::new()));
        assert_eq!(
            Variable::parse("PATH").unwrap().value(),
            Ok(std::env::var("PATH").unwrap())
        );
        let unset = Variable::parse("NOT_SET_ANYWHERE_1").unwrap().value();
        assert!(matches!(unset, Err(VariableError::NotSet(_))));
        assert_eq!(Variable::parse("=b"), Err(VariableError::NoName));
    }
}

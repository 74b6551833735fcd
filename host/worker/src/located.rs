//! What is wrong with a file that a person wrote, each with line and column, as compilers say it.

use std::fmt;

use crate::{
    schema::{Part, Problem},
    yaml::{Document, Place, YamlError},
};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Located {
    place: Option<Place>,
    /// What is not in the file itself.
    elsewhere: Option<String>,
    text: String,
}

/// A file that is not right, with everything that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.file, .problems))]
pub(crate) struct LocatedError {
    file: String,
    problems: Vec<Located>,
}

impl Located {
    /// A problem with a value of the document, at its key where that is what is wrong.
    pub(crate) fn of_problem(document: &Document, problem: &Problem) -> Self {
        let place = match problem.part {
            Part::Value => document.place(&problem.pointer),
            Part::Key => document.key_place(&problem.pointer),
        };
        Self {
            place: Some(place),
            elsewhere: None,
            text: text(problem),
        }
    }

    /// A problem with a value that is not in the file, but in something else that counts over it.
    pub(crate) fn elsewhere(origin: &dyn fmt::Display, problem: &Problem) -> Self {
        Self {
            place: None,
            elsewhere: Some(origin.to_string()),
            text: text(problem),
        }
    }

    /// A file that is no YAML.
    pub(crate) fn of_yaml(error: &YamlError) -> Self {
        Self {
            place: error.place,
            elsewhere: None,
            text: error.message.clone(),
        }
    }

    /// A problem with the whole file.
    pub(crate) fn nowhere(text: &str) -> Self {
        Self {
            place: None,
            elsewhere: None,
            text: text.to_owned(),
        }
    }
}

impl LocatedError {
    /// What is wrong with a file, in the order of the file; what is wrong elsewhere comes last.
    pub(crate) fn new(file: &dyn fmt::Display, mut problems: Vec<Located>) -> Self {
        problems.sort_by(|a, b| (&a.elsewhere, a.place).cmp(&(&b.elsewhere, b.place)));
        Self {
            file: file.to_string(),
            problems,
        }
    }
}

/// The root has no name in these paths.
fn text(problem: &Problem) -> String {
    problem.to_string().trim_start().to_owned()
}

fn lines(file: &str, problems: &[Located]) -> String {
    let line = |problem: &Located| match (&problem.elsewhere, problem.place) {
        (Some(elsewhere), _) => format!("{elsewhere}: {}", problem.text),
        (None, Some(Place { line, column })) => format!("{file}:{line}:{column}: {}", problem.text),
        (None, None) => format!("{file}: {}", problem.text),
    };
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}

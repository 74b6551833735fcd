//! Everything that is wrong with a file, found at once.

use std::{fmt, iter};

use crate::{
    refusal::Refusal,
    report::{Problem, Verdict},
};

/// Why a file is not loaded: one reason or more, in the order in which they were found.
#[derive(Clone, Debug)]
pub struct Refusals {
    first: Box<Refusal>,
    more: Vec<Refusal>,
}

impl Refusals {
    /// None where nothing is wrong.
    pub(crate) fn of(found: Vec<Refusal>) -> Option<Self> {
        let mut found = found.into_iter();
        let first = Box::new(found.next()?);
        Some(Self {
            first,
            more: found.collect(),
        })
    }

    /// The one that was found first.
    #[must_use]
    pub fn first(&self) -> &Refusal {
        &self.first
    }

    /// All of them, at least one.
    pub fn iter(&self) -> impl Iterator<Item = &Refusal> {
        iter::once(&*self.first).chain(&self.more)
    }

    /// The same, each changed by a function.
    pub(crate) fn map(self, change: impl Fn(Refusal) -> Refusal) -> Self {
        Self {
            first: Box::new(change(*self.first)),
            more: self.more.into_iter().map(change).collect(),
        }
    }

    /// Whether the same bytes may fare better the next time.
    pub(crate) fn are_passing(&self) -> bool {
        self.iter().any(Refusal::is_passing)
    }

    /// Whether somebody was at the file, so that it is soon worth another look.
    pub(crate) fn are_of_motion(&self) -> bool {
        self.iter().any(Refusal::is_of_motion)
    }

    /// Each of them, for people and for `--json`.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        self.iter().map(Problem::from).collect()
    }

    /// The verdict, by the first of them.
    pub(crate) fn verdict(&self) -> Verdict {
        self.first().into()
    }
}

impl IntoIterator for Refusals {
    type Item = Refusal;
    type IntoIter = iter::Chain<iter::Once<Refusal>, std::vec::IntoIter<Refusal>>;

    fn into_iter(self) -> Self::IntoIter {
        iter::once(*self.first).chain(self.more)
    }
}

impl From<Refusal> for Refusals {
    fn from(refusal: Refusal) -> Self {
        Self {
            first: Box::new(refusal),
            more: Vec::new(),
        }
    }
}

impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, refusal) in self.iter().enumerate() {
            if number > 0 {
                f.write_str("; ")?;
            }
            refusal.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusals {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&*self.first)
    }
}

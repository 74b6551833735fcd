//! What a task says of its artifacts, and what of that can be wrong before it runs.

use chrono::{DateTime, ParseError, TimeDelta, Utc};
use serde::Deserialize;

use crate::{media, name::join};

/// What times may be wrong by that others have rounded.
const TOLERANCE: TimeDelta = TimeDelta::seconds(1);

/// The task's part.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Payload {
    #[serde(default)]
    pub(crate) artifacts: Vec<Listed>,
}

/// One entry of the list.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Listed {
    #[serde(rename = "type")]
    kind: Kind,
    path: String,
    name: Option<String>,
    expires: Option<String>,
    content_type: Option<String>,
    content_encoding: Option<ContentEncoding>,
    #[serde(default)]
    optional: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    File,
    Directory,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ContentEncoding {
    Identity,
    Gzip,
}

impl ContentEncoding {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
        }
    }
}

/// Whether the task can succeed without an artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Required,
    Optional,
}

/// An artifact, or a directory of them, that is to be published.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) kind: Kind,
    pub(crate) path: String,
    pub(crate) name: String,
    /// None: when the task expires.
    pub(crate) expires: Option<Time>,
    pub(crate) need: Need,
    content_type: Option<String>,
    content_encoding: Option<ContentEncoding>,
}

/// All that makes an artifact what it is, but its name. Two of one name must be the same in all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Definition {
    pub(crate) path: String,
    pub(crate) content_type: String,
    pub(crate) encoding: ContentEncoding,
    pub(crate) expires: Option<Time>,
}

impl Wanted {
    /// What a file becomes that is published as `name`: this one (`below` is empty), or one below this directory.
    pub(crate) fn definition(&self, below: &str, name: &str) -> Definition {
        let path = join(&self.path, below);
        Definition {
            content_type: match &self.content_type {
                Some(given) => given.clone(),
                None => media::content_type(&path, name).to_owned(),
            },
            encoding: self.content_encoding.unwrap_or_else(|| media::encoding(&path)),
            expires: self.expires.clone(),
            path,
        }
    }
}

/// A time, and how its author wrote it. Times are equal where they are the same, however they are written.
#[derive(Clone, Debug)]
pub(crate) struct Time {
    at: DateTime<Utc>,
    pub(crate) text: String,
}

impl PartialEq for Time {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Time {}

impl Time {
    /// From RFC 3339.
    pub(crate) fn parse(text: String) -> Result<Self, ParseError> {
        Ok(Self {
            at: DateTime::parse_from_rfc3339(&text)?.to_utc(),
            text,
        })
    }
}

/// The times of a task that bound when artifacts expire.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    pub(crate) deadline: Time,
    pub(crate) expires: Time,
}

impl Bounds {
    /// When an artifact is to expire, as the queue is told; none for when the task does.
    fn check(&self, expires: String) -> Result<Option<Time>, String> {
        let expires = Time::parse(expires).map_err(|_| "is no time by RFC 3339".to_owned())?;
        if expires.at + TOLERANCE < self.deadline.at {
            return Err(format!(
                "is before the task's deadline: {} is before {}",
                expires.text, self.deadline.text
            ));
        }
        if expires.at - TOLERANCE > self.expires.at {
            return Err(format!(
                "is after the task expires: {} is after {}",
                expires.text, self.expires.text
            ));
        }
        // The queue is exact about the end.
        Ok((expires.at < self.expires.at).then_some(expires))
    }
}

/// Reads the list.
///
/// # Errors
/// Everything that is wrong with it, a line each.
pub(crate) fn read(list: Vec<Listed>, bounds: &Bounds) -> Result<Vec<Wanted>, String> {
    let mut problems = String::new();
    let mut wanted: Vec<Wanted> = Vec::with_capacity(list.len());
    for (index, listed) in list.into_iter().enumerate() {
        let expires = listed.expires.map(|expires| bounds.check(expires));
        let expires = expires.transpose().unwrap_or_else(|problem| {
            add_line(
                &mut problems,
                &format!("task.payload.artifacts[{index}].expires {problem}"),
            );
            None
        });
        let new = Wanted {
            kind: listed.kind,
            name: listed.name.unwrap_or_else(|| listed.path.clone()),
            path: listed.path,
            expires: expires.flatten(),
            need: if listed.optional {
                Need::Optional
            } else {
                Need::Required
            },
            content_type: listed.content_type,
            content_encoding: listed.content_encoding,
        };
        if let Some(former) = wanted.iter().position(|former| contradict(former, &new)) {
            let name = &new.name;
            let problem = format!(
                "task.payload.artifacts[{index}] and task.payload.artifacts[{former}] are different artifacts with the same \
                 name, {name}"
            );
            add_line(&mut problems, &problem);
        }
        wanted.push(new);
    }
    if problems.is_empty() {
        Ok(wanted)
    } else {
        Err(problems)
    }
}

/// Adds a line to a text.
pub(crate) fn add_line(text: &mut String, line: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(line);
}

/// Whether two can't both be published. Of directories, and of what may be missing, nobody knows before the task has run.
fn contradict(one: &Wanted, other: &Wanted) -> bool {
    let is_certain = |it: &Wanted| it.kind == Kind::File && it.need == Need::Required;
    is_certain(one)
        && is_certain(other)
        && one.name == other.name
        && one.definition("", &one.name) != other.definition("", &other.name)
}

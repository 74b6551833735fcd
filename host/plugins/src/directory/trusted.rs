//! Whose files and directories are, and who else could write there.

use std::{
    collections::VecDeque,
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Component, Path, PathBuf},
};

use nix::{errno::Errno, sys::stat::FileStat};

use super::{DirectoryError, ReadError};

/// The most symbolic links on the way to the directory.
const MAX_LINKS: u32 = 40;

/// Who must not be able to change a file, or what is above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Nobody but root and the worker's user: what is read will be run. What a group could change is a warning.
    Demanded,
    /// The same, and no group either.
    Strict,
    /// Anybody may: what is read is only looked at.
    NotNeeded,
}

/// Refuses a file that somebody else could change; warns of a group that could.
pub(super) fn check_file(stat: &FileStat, trust: Trust) -> Result<Vec<String>, ReadError> {
    if trust == Trust::NotNeeded {
        return Ok(Vec::new());
    }
    let mut why = Vec::new();
    if !is_ours(stat.st_uid) {
        why.push(foreign(stat.st_uid));
    }
    if stat.st_mode & 0o002 != 0 {
        why.push("everybody can write it".to_owned());
    }
    let mut warnings = Vec::new();
    if stat.st_mode & 0o020 != 0 {
        let group = if trust == Trust::Strict {
            &mut why
        } else {
            &mut warnings
        };
        group.push(format!("the file can be written by its group, {}", stat.st_gid));
    }
    if why.is_empty() {
        Ok(warnings)
    } else {
        Err(ReadError::Untrusted(why.join("; ")))
    }
}

/// Walks from the root to a path, links followed by hand, and refuses what somebody else could have put on the way.
/// Returns warnings, of groups that could.
pub(crate) fn check_way(path: &Path, trust: Trust) -> Result<Vec<String>, DirectoryError> {
    if trust == Trust::NotNeeded {
        return Ok(Vec::new());
    }
    let os = |path: &Path, error: &io::Error| DirectoryError::Os {
        path: path.to_owned(),
        operation: "checked",
        errno: error.raw_os_error().map_or(Errno::EIO, Errno::from_raw),
    };
    let absolute = std::path::absolute(path).map_err(|error| os(path, &error))?;
    let mut links_left = MAX_LINKS;
    let mut groups = Groups {
        trust,
        warnings: Vec::new(),
    };
    let mut way = PathBuf::from("/");
    let mut steps: VecDeque<OsString> = steps_of(&absolute).collect();
    check_step(
        &way,
        &fs::symlink_metadata(&way).map_err(|error| os(&way, &error))?,
        Place::OnTheWay,
        &mut groups,
    )?;
    while let Some(step) = steps.pop_front() {
        if step == ".." {
            way.pop();
            continue;
        }
        let next = way.join(&step);
        let found = fs::symlink_metadata(&next).map_err(|error| os(&next, &error))?;
        check_step(&next, &found, Place::OnTheWay, &mut groups)?;
        if !found.is_symlink() {
            way = next;
            continue;
        }
        links_left = links_left.checked_sub(1).ok_or_else(|| DirectoryError::Os {
            path: path.to_owned(),
            operation: "checked",
            errno: Errno::ELOOP,
        })?;
        let target = fs::read_link(&next).map_err(|error| os(&next, &error))?;
        if target.is_absolute() {
            way = PathBuf::from("/");
        }
        for step in steps_of(&target).collect::<Vec<_>>().into_iter().rev() {
            steps.push_front(step);
        }
    }
    let found = fs::symlink_metadata(&way).map_err(|error| os(&way, &error))?;
    check_step(&way, &found, Place::Last, &mut groups)?;
    groups.warnings.dedup();
    Ok(groups.warnings)
}

/// What comes of a directory that a group can write.
struct Groups {
    trust: Trust,
    warnings: Vec<String>,
}

/// The names in a path, `..` among them.
fn steps_of(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsStr::from_bytes(b"..").to_owned()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

/// Where a step leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    OnTheWay,
    /// To the directory itself, with links followed.
    Last,
}

fn check_step(
    path: &Path,
    found: &fs::Metadata,
    place: Place,
    groups: &mut Groups,
) -> Result<(), DirectoryError> {
    let untrusted = |why| {
        Err(DirectoryError::Untrusted {
            path: path.to_owned(),
            why,
        })
    };
    if !is_ours(found.uid()) {
        return untrusted(foreign(found.uid()));
    }
    // The mode of a link means nothing.
    if found.is_symlink() {
        return Ok(());
    }
    // In a sticky directory nobody can touch what is ours, and on the way there nothing else is looked at. In the last one
    // everything is: what others put there would count.
    if found.mode() & 0o1000 != 0 && place == Place::OnTheWay {
        return Ok(());
    }
    if found.mode() & 0o002 != 0 {
        return untrusted("everybody can write there".to_owned());
    }
    if found.mode() & 0o020 == 0 {
        return Ok(());
    }
    if groups.trust == Trust::Strict {
        return untrusted(format!("it can be written by its group, {}", found.gid()));
    }
    groups.warnings.push(format!(
        "{} can be written by its group, {}",
        path.display(),
        found.gid()
    ));
    Ok(())
}

fn is_ours(uid: u32) -> bool {
    uid == 0 || uid == nix::unistd::geteuid().as_raw()
}

fn foreign(uid: u32) -> String {
    format!(
        "it belongs to user {uid}, neither to root nor to the worker's user, {}",
        nix::unistd::geteuid()
    )
}

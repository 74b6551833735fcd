//! Which folder a path is to be looked up in.

use std::{
    fs::File,
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt},
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use engine_api::ExtractError;
use nix::libc;

/// Where files may be taken from.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) directory: PathBuf,
    pub(crate) directory_handle: Arc<OwnedFd>,
    /// Absolute paths, from the config.
    pub(crate) roots: Vec<PathBuf>,
}

/// A path below a folder that must not be left.
#[derive(Clone, Debug)]
pub(crate) struct Located {
    pub(crate) root: Arc<OwnedFd>,
    /// Relative; not empty. It may hold `..`, which the lookup keeps inside.
    pub(crate) path: PathBuf,
}

impl Places {
    /// Finds the folder that `path` is in. Paths are compared part by part: `/tasks/a` is not the beginning of `/tasks/ab`.
    pub(crate) fn locate(&self, path: &str) -> Result<Located, ExtractError> {
        if path.is_empty() {
            return Err(ExtractError::Refused("the path is empty".to_owned()));
        }
        if path.contains('\0') {
            return Err(ExtractError::Refused("the path contains NUL".to_owned()));
        }
        let path = Path::new(path);
        if path.is_relative() {
            return Ok(Located {
                root: Arc::clone(&self.directory_handle),
                path: tidy(path),
            });
        }
        if let Ok(below) = path.strip_prefix(&self.directory) {
            return Ok(Located {
                root: Arc::clone(&self.directory_handle),
                path: tidy(below),
            });
        }
        // The longest: one root may be in another.
        let found = self
            .roots
            .iter()
            .filter_map(|root| Some((root, path.strip_prefix(root).ok()?)))
            .max_by_key(|(root, _)| root.components().count());
        let Some((root, below)) = found else {
            return Err(ExtractError::Refused(
                "the path is neither in the task's directory nor in a folder that the worker's config lists as a root of \
                 artifacts"
                    .to_owned(),
            ));
        };
        let handle = File::options()
            .read(true)
            .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
            .open(root);
        let handle = handle.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => ExtractError::Missing,
            _ => ExtractError::NotReadable(error.to_string()),
        })?;
        Ok(Located {
            root: Arc::new(handle.into()),
            path: tidy(below),
        })
    }
}

fn tidy(path: &Path) -> PathBuf {
    let tidy: PathBuf = path
        .components()
        .filter(|part| *part != Component::CurDir)
        .collect();
    if tidy.as_os_str().is_empty() {
        ".".into()
    } else {
        tidy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locate(path: &str) -> Result<PathBuf, ExtractError> {
        let directory_handle = Arc::new(File::open("/").unwrap().into());
        let places = Places {
            directory: "/tasks/a".into(),
            directory_handle,
            roots: vec!["/proc".into()],
        };
        places.locate(path).map(|located| located.path)
    }

    #[test]
    fn relative_paths_and_absolute_ones_inside_are_of_the_tasks_directory() {
        for (path, expected) in [
            ("out/x", "out/x"),
            ("./out//x/", "out/x"),
            ("/tasks/a/out/x", "out/x"),
            ("/tasks/a", "."),
            (".", "."),
            ("../b", "../b"),
            ("/proc/self", "self"),
        ] {
            assert_eq!(locate(path), Ok(expected.into()), "{path}");
        }
    }

    #[test]
    fn paths_elsewhere_are_refused_also_where_they_begin_with_the_same_letters() {
        for path in [
            "",
            "a\0b",
            "/tasks/ab/x",
            "/tasks",
            "/tasks/b",
            "/process/x",
            "/etc/passwd",
        ] {
            assert!(matches!(locate(path), Err(ExtractError::Refused(_))), "{path:?}");
        }
    }
}

//! Where things are that nobody has named: plugins, caches, this program.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use plugin_host::CompilerCommand;

/// The hidden command that compiles one plugin.
pub(super) const COMPILE: &str = "__compile";
/// Names the plugin directory.
const VARIABLE: &str = "TASKCLUSTER_WORKER_PLUGINS";

/// Why there is no plugin directory.
#[derive(Debug, thiserror::Error)]
#[error("there is no plugin directory: looked for {}; `make plugins` builds one, --plugins names another", list(.looked))]
pub(super) struct NoPlugins {
    looked: Vec<PathBuf>,
}

/// How this program starts itself as a compiler.
pub(super) fn compiler() -> io::Result<CompilerCommand> {
    Ok(CompilerCommand {
        program: std::env::current_exe()?,
        args: vec![COMPILE.into()],
    })
}

/// The plugin directory: the one that was named, that of the environment, the one beside the program, or the one where
/// packages put it.
pub(super) fn plugin_directory(named: Option<&Path>) -> Result<PathBuf, NoPlugins> {
    // A directory that was named is used whether it is there or not: what is wrong with it is said where it is read.
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    if let Some(named) = std::env::var_os(VARIABLE).filter(|named| !named.is_empty()) {
        return Ok(named.into());
    }
    let program = std::env::current_exe()
        .and_then(|program| program.canonicalize())
        .unwrap_or_default();
    let looked: Vec<PathBuf> = match program.parent() {
        Some(folder) => vec![
            folder.join("plugins"),
            folder.join("../lib/taskcluster-worker/plugins"),
        ],
        None => Vec::new(),
    };
    match looked.iter().find(|directory| directory.is_dir()) {
        Some(directory) => Ok(directory.clone()),
        None => Err(NoPlugins { looked }),
    }
}

/// Where compiled plugins are kept for this user between commands; none where the user has no home.
pub(super) fn user_cache() -> Option<PathBuf> {
    cache_below(std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME"))
}

fn cache_below(cache: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    // As the XDG specification says: what is not absolute is ignored.
    let absolute = |path: Option<OsString>| path.map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute(cache).or_else(|| Some(absolute(home)?.join(".cache")))?;
    Some(cache.join("taskcluster-worker/plugins"))
}

fn list(paths: &[PathBuf]) -> String {
    paths
        .iter()
        .map(|path| path.display().to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_directory_that_is_named_is_used() {
        assert_eq!(
            plugin_directory(Some(Path::new("mine"))).unwrap(),
            Path::new("mine")
        );
    }

    #[test]
    fn the_cache_follows_xdg() {
        let below = |cache: &str, home: &str| cache_below(Some(cache.into()), Some(home.into()));
        assert_eq!(
            below("/c", "/h").unwrap(),
            Path::new("/c/taskcluster-worker/plugins")
        );
        assert_eq!(
            below("relative", "/h").unwrap(),
            Path::new("/h/.cache/taskcluster-worker/plugins")
        );
        assert_eq!(cache_below(None, None), None);
    }
}

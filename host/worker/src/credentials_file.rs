//! The credentials of an embedded queue: made once, in a file that only its owner can read.

use std::{
    fs::{DirBuilder, File},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt},
    path::{Path, PathBuf},
};

use queue::wire::Credentials;

/// The name of the file in the queue's directory.
const NAME: &str = "credentials.json";
/// The client that may do everything.
const CLIENT_ID: &str = "root";

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialsFileError {
    /// The directory can't be made or written in.
    #[error("the queue's directory {path:?} can't be used")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The file is there, and can't be used.
    #[error("the credentials in {path:?} can't be read; remove the file to have new ones made")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Where the credentials of the queue in a directory are.
pub(crate) fn path(directory: &Path) -> PathBuf {
    directory.join(NAME)
}

/// The credentials of the queue in a directory, which is created if it is missing.
///
/// # Errors
/// When the directory or the file in it can't be used.
pub(crate) fn load_or_create(directory: &Path) -> Result<Credentials, CredentialsFileError> {
    let unusable = |source| CredentialsFileError::Directory {
        path: directory.to_owned(),
        source,
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(unusable)?;
    let file = path(directory);
    match std::fs::read(&file) {
        Ok(text) => read(&file, &text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(directory, &file).map_err(unusable),
        Err(source) => Err(CredentialsFileError::Unusable { path: file, source }),
    }
}

fn read(file: &Path, text: &[u8]) -> Result<Credentials, CredentialsFileError> {
    let unusable = |source| CredentialsFileError::Unusable {
        path: file.to_owned(),
        source,
    };
    let mode = file.metadata().map_err(unusable)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(unusable(io::Error::other(
            "others can read it; chmod 600 would help",
        )));
    }
    // The parser's message would show what is written there.
    serde_json::from_slice(text).map_err(|_| unusable(io::ErrorKind::InvalidData.into()))
}

fn create(directory: &Path, file: &Path) -> io::Result<Credentials> {
    // 244 random bits in the alphabet of access tokens.
    let access_token = format!("{}{}", slugid::v4(), slugid::v4());
    let credentials = Credentials {
        client_id: CLIENT_ID.to_owned(),
        access_token,
        certificate: None,
    };
    let mut new = tempfile::Builder::new()
        .permissions(PermissionsExt::from_mode(0o600))
        .tempfile_in(directory)?;
    serde_json::to_writer_pretty(&mut new, &credentials)?;
    new.write_all(b"\n")?;
    new.as_file().sync_all()?;
    new.persist(file)?;
    File::open(directory)?.sync_all()?;
    Ok(credentials)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_made_once_and_for_their_owner_alone() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("a/queue");
        let first = load_or_create(&directory).unwrap();
        assert_eq!(load_or_create(&directory).unwrap(), first);
        assert_eq!(first.access_token.len(), 44);
        let mode = path(&directory).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(
            !std::fs::read_to_string(path(&directory))
                .unwrap()
                .contains("certificate")
        );
    }

    #[test]
    fn credentials_that_others_can_read_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        load_or_create(directory.path()).unwrap();
        std::fs::set_permissions(path(directory.path()), PermissionsExt::from_mode(0o644)).unwrap();
        assert!(matches!(
            load_or_create(directory.path()),
            Err(CredentialsFileError::Unusable { .. })
        ));
    }

    #[test]
    fn a_file_that_holds_something_else_is_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        load_or_create(directory.path()).unwrap();
        std::fs::write(path(directory.path()), "{\"s3cret\": ").unwrap();
        let error = load_or_create(directory.path()).unwrap_err();
        assert!(!format!("{error:?}").contains("s3cret"));
    }
}

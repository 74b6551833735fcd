//! Files and folders that a task leaves.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::io::AsyncReadExt;

use super::{
    Suite,
    suite::{good, within},
};
use crate::{Content, ExtractError, FolderWalk, ResultSet};

/// How an engine is told to write files.
#[derive(Clone, Debug)]
pub struct ArtifactsCase {
    /// Writes all the files, and succeeds.
    pub payload: Value,
    /// The path of a file, and what is in it.
    pub file: (&'static str, &'static str),
    /// A path at which there is nothing.
    pub missing: &'static str,
    /// The path of a folder.
    pub folder: &'static str,
    /// Exactly the files below the folder, at any depth: their paths relative to it, and what is in them. There are at
    /// least two, and one of them is in a folder of its own.
    pub files: Vec<(&'static str, &'static str)>,
}

/// Files can be had with their content, as often as needed; folders as exactly the files below them; what is not there, or
/// is of the other kind, is told apart; and nothing can be opened once it was disposed of.
pub async fn artifacts(suite: &Suite, case: &ArtifactsCase) {
    let (log, results) = suite.run(case.payload.clone(), &[]).await;
    assert!(
        results.success(),
        "writing files failed; the log:\n{}",
        log.text()
    );
    let results = results.as_ref();

    let (path, expected) = case.file;
    let content = good(
        "extract_file",
        within("extract_file", results.extract_file(path)).await,
    );
    for _ in 0..2 {
        assert_eq!(read(content.as_ref()).await, expected, "the content of {path}");
    }
    assert_eq!(
        folder(results, case.folder).await,
        declared(case),
        "the files below {}",
        case.folder
    );
    absent_and_of_wrong_kind(results, case).await;

    // A walk that is given up half way holds nothing.
    let mut walk = good(
        "extract_folder",
        within("extract_folder", results.extract_folder(case.folder)).await,
    );
    good("next", within("next", walk.next()).await);
    drop(walk);

    suite.dispose(results).await;
    assert!(
        within("open", content.open()).await.is_err(),
        "content was opened after its result set was disposed of"
    );
}

async fn absent_and_of_wrong_kind(results: &dyn ResultSet, case: &ArtifactsCase) {
    let missing_file = within("extract_file", results.extract_file(case.missing))
        .await
        .err();
    assert_eq!(missing_file, Some(ExtractError::Missing), "of a missing file");
    let missing_folder = within("extract_folder", results.extract_folder(case.missing))
        .await
        .err();
    assert_eq!(missing_folder, Some(ExtractError::Missing), "of a missing folder");
    let folder_as_file = within("extract_file", results.extract_file(case.folder))
        .await
        .err();
    assert!(
        matches!(folder_as_file, Some(ExtractError::WrongKind(_))),
        "a folder as a file gave {folder_as_file:?}"
    );
    let file_as_folder = within("extract_folder", results.extract_folder(case.file.0))
        .await
        .err();
    assert!(
        matches!(file_as_folder, Some(ExtractError::WrongKind(_))),
        "a file as a folder gave {file_as_folder:?}"
    );
}

fn declared(case: &ArtifactsCase) -> BTreeMap<String, String> {
    case.files
        .iter()
        .map(|&(path, text)| (path.to_owned(), text.to_owned()))
        .collect()
}

async fn folder(results: &dyn ResultSet, path: &str) -> BTreeMap<String, String> {
    let mut walk: Box<dyn FolderWalk> = good(
        "extract_folder",
        within("extract_folder", results.extract_folder(path)).await,
    );
    let mut files = BTreeMap::new();
    while let Some(entry) = good("next", within("next", walk.next()).await) {
        let content = good(&entry.path, entry.content);
        let text = read(content.as_ref()).await;
        assert_eq!(
            files.insert(entry.path.clone(), text),
            None,
            "{} was listed twice",
            entry.path
        );
    }
    files
}

async fn read(content: &dyn Content) -> String {
    let mut reader = good("open", within("open", content.open()).await);
    let mut text = String::new();
    good("read", within("read", reader.read_to_string(&mut text)).await);
    assert_eq!(content.size(), text.len() as u64, "the size of {content:?}");
    text
}

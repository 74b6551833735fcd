//! Which files can be had, and which can not.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt};

use engine_api::ExtractError;
use engine_native::NativeConfig;
use nix::unistd::geteuid;

use crate::{
    kit::{Ended, Kit, read, walk},
    runner::tests,
};

tests![
    links_are_followed_as_long_as_they_stay_inside,
    no_link_and_no_path_leads_out,
    absolute_paths_are_fine_inside_and_in_a_root_of_the_config,
    what_is_no_file_is_told_and_not_opened,
    a_file_that_may_not_be_read_is_told,
    a_file_that_is_too_large_is_told_and_a_walk_goes_on,
    a_walk_goes_on_after_bad_entries_and_follows_no_link_to_a_folder,
    a_walk_of_many_files_and_levels_finds_all,
    a_file_that_changed_since_can_not_be_opened,
    a_task_that_moves_its_directory_away_publishes_nothing_else,
    what_a_task_made_hard_to_remove_is_removed,
];

async fn error(ended: &Ended, path: &str) -> ExtractError {
    match ended.results.extract_file(path).await {
        Ok(content) => panic!("{path} was handed out: {content:?}"),
        Err(error) => error,
    }
}

async fn links_are_followed_as_long_as_they_stay_inside() {
    let kit = Kit::new();
    let ended = kit
        .run("mkdir -p a/b; printf x >file; ln -s ../../file a/b/link; ln -s a/b folder")
        .await;
    for path in ["file", "a/b/link", "folder/link", "a/../file", "./a/b/../../file"] {
        let content = ended.results.extract_file(path).await.unwrap();
        assert_eq!(read(content.as_ref()).await, "x", "{path}");
    }
    kit.suite.dispose(ended.results.as_ref()).await;
}

async fn no_link_and_no_path_leads_out() {
    let kit = Kit::new();
    let script = "ln -s /etc/passwd file; ln -s /etc folder; ln -s ../.. up; ln -s /proc/self/root magic; ln -s $PWD inside
        ln -s file again; mkdir real; ln -s ../../../../../../../../etc/passwd real/dots; ln -s loop loop";
    let ended = kit.run(script).await;
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "").unwrap();
    let absolute = outside.path().join("secret").display().to_string();
    let directory = kit.directory().display().to_string();
    for path in [
        "file",
        "folder/passwd",
        "up/x",
        "magic/etc/passwd",
        "inside/real",
        "again",
        "real/dots",
        "loop",
        "..",
        "../x",
        "real/../../x",
        "/etc/passwd",
        &absolute,
        &format!("{directory}x/y"),
        &format!("{directory}/../x"),
        "",
        "a\0b",
    ] {
        let error = error(&ended, path).await;
        assert!(matches!(error, ExtractError::Refused(_)), "{path:?}: {error:?}");
    }
    for folder in ["folder", "up", "inside", "..", "/"] {
        let error = ended.results.extract_folder(folder).await.err();
        assert!(
            matches!(error, Some(ExtractError::Refused(_))),
            "{folder:?}: {error:?}"
        );
    }
    kit.suite.dispose(ended.results.as_ref()).await;
}

async fn absolute_paths_are_fine_inside_and_in_a_root_of_the_config() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("sub")).unwrap();
    fs::write(root.path().join("sub/file"), "of the root").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", root.path().join("out")).unwrap();
    let kit = Kit::with(NativeConfig {
        extract_roots: vec![root.path().to_owned()],
        ..NativeConfig::default()
    });
    let ended = kit.run("mkdir out; printf 'of the task' >out/file").await;

    let inside = kit.directory().join("out").display().to_string();
    let content = ended
        .results
        .extract_file(&format!("{inside}/file"))
        .await
        .unwrap();
    assert_eq!(read(content.as_ref()).await, "of the task");
    assert!(walk(ended.results.as_ref(), &inside).await.contains_key("file"));

    let root = root.path().display().to_string();
    let content = ended
        .results
        .extract_file(&format!("{root}/sub/file"))
        .await
        .unwrap();
    assert_eq!(read(content.as_ref()).await, "of the root");
    assert!(walk(ended.results.as_ref(), &root).await.contains_key("sub/file"));
    assert!(matches!(
        error(&ended, &format!("{root}/out")).await,
        ExtractError::Refused(_)
    ));
    assert!(matches!(
        error(&ended, &format!("{root}-not/file")).await,
        ExtractError::Refused(_)
    ));

    kit.suite.dispose(ended.results.as_ref()).await;
    assert!(
        content.open().await.is_err(),
        "content of a root was opened after the run was disposed of"
    );
}

async fn what_is_no_file_is_told_and_not_opened() {
    let kit = Kit::new();
    let ended = kit
        .run("mkfifo fifo; mkdir folder; ln -s fifo link; printf x >file")
        .await;
    assert_eq!(error(&ended, "fifo").await, ExtractError::WrongKind("a FIFO"));
    assert_eq!(error(&ended, "link").await, ExtractError::WrongKind("a FIFO"));
    assert_eq!(error(&ended, "folder").await, ExtractError::WrongKind("a folder"));
    assert_eq!(error(&ended, "file/below").await, ExtractError::Missing);
    kit.suite.dispose(ended.results.as_ref()).await;
}

async fn a_file_that_may_not_be_read_is_told() {
    if geteuid().is_root() {
        // Root may read everything. The second run of the tests is not root's.
        return;
    }
    let kit = Kit::new();
    let ended = kit
        .run("printf x >file; chmod 0 file; mkdir folder; printf x >folder/file; chmod 0 folder")
        .await;
    assert!(matches!(
        error(&ended, "file").await,
        ExtractError::NotReadable(_)
    ));
    assert!(matches!(
        error(&ended, "folder/file").await,
        ExtractError::NotReadable(_)
    ));
    let entries = walk(ended.results.as_ref(), ".").await;
    for path in ["file", "folder"] {
        assert!(
            matches!(entries[path].content, Err(ExtractError::NotReadable(_))),
            "{path}"
        );
    }
    kit.suite.dispose(ended.results.as_ref()).await;
}

async fn a_file_that_is_too_large_is_told_and_a_walk_goes_on() {
    let kit = Kit::with(NativeConfig {
        max_extract_bytes: 8,
        ..NativeConfig::default()
    });
    let ended = kit
        .run("mkdir out; printf 12345678 >out/fits; printf 123456789 >out/large; truncate -s 1T out/sparse")
        .await;
    let content = ended.results.extract_file("out/fits").await.unwrap();
    assert_eq!(read(content.as_ref()).await, "12345678");
    let too_large = ExtractError::TooLarge { limit: 8 };
    assert_eq!(error(&ended, "out/large").await, too_large);
    let entries = walk(ended.results.as_ref(), "out").await;
    assert!(entries["fits"].content.is_ok());
    for path in ["large", "sparse"] {
        assert_eq!(entries[path].content.as_ref().err(), Some(&too_large), "{path}");
    }
    kit.suite.dispose(ended.results.as_ref()).await;
}

async fn a_walk_goes_on_after_bad_entries_and_follows_no_link_to_a_folder() {
    let kit = Kit::new();
    let script = "mkdir -p out/sub other; printf x >out/sub/file; printf y >other/file
        cd out; mkfifo fifo; ln -s /etc/passwd leads-out; ln -s nothing dangling; ln -s ../other folder-link; ln -s sub/file link
        ln -s . self; printf z >$(printf 'not\\377utf8')";
    let ended = kit.run(script).await;
    let entries = walk(ended.results.as_ref(), "out").await;
    let told: Vec<_> = entries
        .iter()
        .map(|(path, entry)| (path.as_str(), entry.content.is_ok()))
        .collect();
    assert_eq!(
        told,
        [
            ("dangling", false),
            ("fifo", false),
            ("leads-out", false),
            ("link", true),
            (
                OsStr::from_bytes(b"not\xffutf8").to_string_lossy().as_ref(),
                false
            ),
            ("sub/file", true)
        ]
    );
    assert_eq!(
        entries["dangling"].content.as_ref().err(),
        Some(&ExtractError::Missing)
    );
    assert_eq!(
        entries["fifo"].content.as_ref().err(),
        Some(&ExtractError::WrongKind("a FIFO"))
    );
    assert!(matches!(
        entries["leads-out"].content,
        Err(ExtractError::Refused(_))
    ));
    for path in ["link", "sub/file"] {
        assert_eq!(
            read(entries[path].content.as_ref().unwrap().as_ref()).await,
            "x",
            "{path}"
        );
    }
    kit.suite.dispose(ended.results.as_ref()).await;
}

async fn a_walk_of_many_files_and_levels_finds_all() {
    let kit = Kit::new();
    let script = "i=0; while [ $i -lt 100 ]; do mkdir d; cd d; : >a; : >b; i=$((i+1)); done
        cd $TASK_WORKDIR; mkdir deep; cd deep; i=0; while [ $i -lt 200 ]; do mkdir d; cd d; i=$((i+1)); done; : >too-deep";
    let ended = kit.run(script).await;
    assert_eq!(walk(ended.results.as_ref(), "d").await.len(), 200);
    let entries = walk(ended.results.as_ref(), "deep").await;
    let only: Vec<_> = entries
        .values()
        .map(|entry| entry.content.as_ref().err())
        .collect();
    assert!(matches!(only[..], [Some(ExtractError::Refused(_))]), "{only:?}");
    kit.suite.dispose(ended.results.as_ref()).await;
}

async fn a_file_that_changed_since_can_not_be_opened() {
    let kit = Kit::new();
    let ended = kit.run("printf 0123456789 >file").await;
    let content = ended.results.extract_file("file").await.unwrap();
    assert_eq!(content.size(), 10);
    let file = kit.directory().join("file");
    fs::write(&file, "shorter").unwrap();
    assert!(content.open().await.is_err());
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &file).unwrap();
    assert!(content.open().await.is_err());
    kit.suite.dispose(ended.results.as_ref()).await;
}

async fn a_task_that_moves_its_directory_away_publishes_nothing_else() {
    let kit = Kit::new();
    let script = "printf mine >passwd; mv $TASK_WORKDIR $TASK_WORKDIR.moved; ln -s /etc $TASK_WORKDIR";
    let ended = kit.run(script).await;
    assert!(ended.results.success(), "{}", ended.log.text());
    let content = ended.results.extract_file("passwd").await.unwrap();
    assert_eq!(read(content.as_ref()).await, "mine");
    assert_eq!(error(&ended, "hostname").await, ExtractError::Missing);
    // The directory is removed wherever it is, and so is the link, which is not followed.
    kit.suite.dispose(ended.results.as_ref()).await;
    assert!(fs::exists("/etc/passwd").unwrap());
}

async fn what_a_task_made_hard_to_remove_is_removed() {
    let kit = Kit::new();
    let script = "mkdir -p a/b/c; : >a/b/c/file; chmod 0 a/b/c a/b a; mkdir x; cd x; i=0
        while [ $i -lt 1000 ]; do mkdir d; cd -P d; i=$((i+1)); done; chmod 0 $TASK_WORKDIR";
    let ended = kit.run(script).await;
    assert!(ended.results.success(), "{}", ended.log.text());
    kit.suite.dispose(ended.results.as_ref()).await;
}

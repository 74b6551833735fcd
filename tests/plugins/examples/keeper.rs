//! Keeps from `stopped` what it found at the path that the payload names (`keeper: PATH`, a folder): the walk, and the first
//! file of it. In `finished` the walk must answer `closed`, since the result set that it walks in is gone, while the file
//! belongs to the run and can still be read. Where it is otherwise, the run ends as an internal error with the reason in the
//! worker's log; where all is well, it says `keeper: the walk is closed, the file is not`.

use plugin_sdk::{
    Error, HookError, NewTask, NoConfig, Plugin, ResultSet, TaskPlugin,
    files::File,
    results::{Extract as _, ExtractError, Folder},
};
use serde::Deserialize;
use test_plugins::say;

struct Keeper {
    path: Option<String>,
    kept: Option<(Folder, File)>,
}

#[derive(Debug, Deserialize)]
struct Payload {
    keeper: Option<String>,
}

impl Plugin for Keeper {
    type Config = NoConfig;
    const NAME: &'static str = "keeper";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Keeps handles of a phase that is over.";
    const PAYLOAD_SCHEMA: &'static str =
        r#"{"type": "object", "properties": {"keeper": {"type": "string"}}}"#;
}

impl TaskPlugin for Keeper {
    type Payload = Payload;

    fn new_task(task: NewTask<Self>) -> Result<Self, HookError> {
        Ok(Self {
            path: task.payload.and_then(|payload| payload.keeper),
            kept: None,
        })
    }

    fn stopped(&mut self, results: &ResultSet) -> Result<bool, HookError> {
        let Some(path) = &self.path else { return Ok(true) };
        let folder = results.extract_folder(path).map_err(unexpected)?;
        let first = folder.next().map_err(unexpected)?;
        let first = first.ok_or_else(|| HookError::Internal(format!("{path} is empty")))?;
        let file = first.content.map_err(unexpected)?;
        self.kept = Some((folder, file));
        Ok(true)
    }

    fn finished(&mut self, _success: bool) -> Result<(), HookError> {
        let Some((folder, file)) = &self.kept else {
            return Ok(());
        };
        match folder.next() {
            Err(ExtractError::Refused(Error::Closed)) => {}
            other => return Err(wrong(format!("the walk answers {other:?}"))),
        }
        match file.read().and_then(|reader| reader.next(1)) {
            Ok(_) => say("keeper: the walk is closed, the file is not"),
            Err(error) => return Err(wrong(format!("the file answers {error:?}"))),
        }
        Ok(())
    }
}

fn unexpected(error: ExtractError) -> HookError {
    HookError::Internal(format!("{error:?}"))
}

fn wrong(what: String) -> HookError {
    say(&format!("keeper: {what}"));
    HookError::Internal(what)
}

plugin_sdk::export_task_plugin!(Keeper);

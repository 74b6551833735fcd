//! Files that are being loaded, each in a task of its own, so that one that takes long holds up no other.

use std::{collections::BTreeMap, sync::Arc};

use tokio::{
    task::{AbortHandle, JoinError, JoinSet},
    time::Instant,
};

use crate::{
    directory::Stamps,
    machine::Machine,
    refusal::Refusal,
    scan::{Files, Known, Listing},
};

/// The loads under way.
#[derive(Default)]
pub(super) struct Loads {
    tasks: JoinSet<Option<Known>>,
    under_way: BTreeMap<String, UnderWay>,
}

struct UnderWay {
    /// As it was listed.
    stamps: Stamps,
    begun: Instant,
    task: AbortHandle,
}

/// A load that is over.
pub(super) struct Over {
    file: String,
    /// None where the file has gone.
    known: Option<Known>,
}

impl Loads {
    /// Begins to load what is listed and not known as it is listed, and ends what is not listed so any more.
    pub(super) fn begin(&mut self, machine: &Arc<Machine>, listing: &Listing, files: &Files) {
        self.under_way.retain(|file, load| {
            let is_wanted = listing.files.get(file) == Some(&load.stamps);
            if !is_wanted {
                load.task.abort();
            }
            is_wanted
        });
        for (file, stamps) in &listing.files {
            let known = files.get(file);
            if known.is_some_and(|known| known.is(stamps)) || self.under_way.contains_key(file) {
                continue;
            }
            let (machine, listing, name, known) =
                (machine.clone(), listing.clone(), file.clone(), known.cloned());
            let task = self
                .tasks
                .spawn(async move { machine.take_up(listing, name, known).await });
            let load = UnderWay {
                stamps: *stamps,
                begun: Instant::now(),
                task,
            };
            self.under_way.insert(file.clone(), load);
        }
    }

    /// The next that is over; none where none is under way.
    ///
    /// # Cancel safety
    /// May be dropped and called again.
    pub(super) async fn next(&mut self) -> Option<Over> {
        loop {
            let (id, known) = match self.tasks.join_next_with_id().await? {
                Ok((id, known)) => (id, Ok(known)),
                Err(error) => (error.id(), Err(error)),
            };
            // What is not found was ended, because its file is another by now.
            let file = self.under_way.iter().find(|(_, load)| load.task.id() == id);
            let Some(file) = file.map(|(file, _)| file.clone()) else {
                continue;
            };
            let load = self.under_way.remove(&file)?;
            let known = known.unwrap_or_else(|error| Some(broken(&file, load.stamps, &error)));
            return Some(Over { file, known });
        }
    }

    /// When the newest began; none where none is under way.
    pub(super) fn newest(&self) -> Option<Instant> {
        self.under_way.values().map(|load| load.begun).max()
    }

    /// What is being loaded.
    pub(super) fn stamps(&self) -> impl Iterator<Item = (String, Stamps)> {
        self.under_way
            .iter()
            .map(|(file, load)| (file.clone(), load.stamps))
    }

    /// Ends all of them.
    pub(super) async fn shutdown(&mut self) {
        self.under_way.clear();
        self.tasks.shutdown().await;
    }
}

impl Over {
    /// Notes what came of the file. Answers whether anything that matters is different.
    pub(super) fn enter(self, files: &mut Files) -> bool {
        let Some(known) = self.known else {
            return files.remove(&self.file).is_some();
        };
        let is_same = files.get(&self.file).is_some_and(|former| former.is_same(&known));
        files.insert(self.file, known);
        !is_same
    }
}

fn broken(file: &str, stamps: Stamps, error: &JoinError) -> Known {
    Known::unread(file, stamps, vec![Refusal::HostFailed(error.to_string())])
}

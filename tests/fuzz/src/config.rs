//! The targets `config` and `generic_worker_config`.

use std::{collections::BTreeMap, fs};

use serde_json::{Map, Value};
use taskcluster_worker::fuzz::{self, Layers};

use crate::{Place, Ready, findings::OrFinding as _, place::folder};

/// What comes before each further part of an input.
const PART: &str = "\n#---\n";

/// A config; after it, each behind a line `#---`, the secret of its pool and a secret that is called `a`, in JSON.
pub(crate) fn ours(_place: &Place) -> Ready {
    let folder = folder();
    let file = folder.path().join("config.yml");
    Box::new(move |input| {
        let text = String::from_utf8_lossy(input);
        let mut parts = text.split(PART);
        fs::write(&file, parts.next().unwrap_or_default()).or_finding("writing the config");
        let mut object = || {
            parts
                .next()
                .and_then(|part| serde_json::from_str::<Map<String, Value>>(part).ok())
        };
        let layers = Layers {
            pool_secret: object().unwrap_or_default(),
            secrets: BTreeMap::from([("a".to_owned(), object())]),
        };
        let read = fuzz::config(&file, layers.clone());
        // A worker that starts again has the same config.
        assert_eq!(read, fuzz::config(&file, layers), "a config is read in two ways");
        let _kept = &folder;
    })
}

/// A config that worker-runner has written.
pub(crate) fn generic_worker(_place: &Place) -> Ready {
    let folder = folder();
    let file = folder.path().join("config.json");
    Box::new(move |input| {
        fs::write(&file, input).or_finding("writing the config");
        let _ = fuzz::generic_worker_config(&file);
        let _kept = &folder;
    })
}

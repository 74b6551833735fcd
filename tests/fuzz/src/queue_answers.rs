//! The target `queue_answers`: what Taskcluster's services answer. A deployment is trusted with the worker, its bytes are not:
//! there are proxies on the way.

use queue::wire;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Place, Ready, findings::OrFinding as _};

pub(crate) fn ready(_place: &Place) -> Ready {
    Box::new(|input| {
        let _ = serde_json::from_slice::<queue::Claims>(input);
        round::<wire::ClaimWorkResponse>(input);
        round::<wire::ReclaimResponse>(input);
        round::<wire::TaskStatusResponse>(input);
        round::<wire::StatusesResponse>(input);
        round::<wire::TaskDefinition>(input);
        round::<wire::CreateArtifactResponse>(input);
        round::<wire::CreateUploadResponse>(input);
        round::<wire::ListArtifactsResponse>(input);
        round::<wire::RegisterWorkerResponse>(input);
        round::<wire::ReregisterWorkerResponse>(input);
        round::<wire::ShouldWorkerTerminateResponse>(input);
        round::<wire::ScopeSet>(input);
        round::<wire::ErrorBody>(input);
    })
}

/// What was read and is written is read again.
fn round<T: Serialize + DeserializeOwned>(input: &[u8]) {
    if let Ok(answer) = serde_json::from_slice::<T>(input) {
        let written = serde_json::to_vec(&answer).or_finding("writing what was read");
        serde_json::from_slice::<T>(&written).or_finding("reading what was written");
    }
}

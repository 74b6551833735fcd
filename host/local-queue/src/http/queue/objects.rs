//! Artifacts whose bytes are with the object service: their names there, who may upload and download them, and their end.

use chrono::TimeDelta;
use queue::wire::Credentials;

use crate::{
    artifact::{Artifact, Details, ObjectDetails},
    auth::{self, TemporaryCredentials},
    clock,
    error::{ApiError, Failure},
    http::call::Call,
    objects,
    store::Db,
};

/// How long credentials for one upload last.
const UPLOAD: TimeDelta = TimeDelta::hours(24);
/// How long credentials for one download last.
const DOWNLOAD: TimeDelta = TimeDelta::hours(1);

/// The object's name.
pub(super) fn name(call: &Call, run_id: u32, artifact: &str) -> String {
    format!("t/{}/{run_id}/{artifact}", call.task_id())
}

/// Credentials that allow to upload one object, and nothing else.
pub(super) fn upload_credentials(
    call: &Call,
    project_id: &str,
    object: &str,
) -> Result<Credentials, Failure> {
    credentials(
        call,
        "upload",
        format!("object:upload:{project_id}:{object}"),
        UPLOAD,
    )
}

/// Credentials that allow to download one object, and nothing else.
pub(super) fn download_credentials(call: &Call, object: &str) -> Result<Credentials, Failure> {
    credentials(call, "download", format!("object:download:{object}"), DOWNLOAD)
}

fn credentials(call: &Call, what: &str, scope: String, lifetime: TimeDelta) -> Result<Credentials, Failure> {
    let (start, run) = (clock::now(), format!("{}/{}", call.task_id(), call.run_id()));
    let expiry = start + lifetime;
    let wanted = TemporaryCredentials {
        client_id: Some(format!("artifact-{what}/{run}/until/{}", expiry.timestamp())),
        start,
        expiry,
        scopes: vec![scope],
    };
    Ok(auth::issue(call.app.clients.root(), wanted)?)
}

/// Notes that the bytes of an artifact are there, if they are.
pub(super) fn finish(db: &Db<'_>, call: &Call, upload_id: &str) -> Result<(), Failure> {
    let (task_id, run_id, artifact_name) = (call.task_id(), call.run_id(), call.param("name"));
    let Some(artifact) = db.artifact(task_id, run_id, artifact_name)? else {
        return Err(Failure::Refused(ApiError::not_found("Artifact not found")));
    };
    let Details::Object(object) = &artifact.details else {
        return Err(Failure::Refused(ApiError::input(
            "Artifact does not have storageType \"object\"",
        )));
    };
    if object.upload_id != upload_id {
        return Err(Failure::Refused(ApiError::input("Invalid uploadId")));
    }
    if object.present {
        return Ok(());
    }
    if objects::finished(db, &name(call, run_id, artifact_name))?.is_none() {
        return Err(Failure::Refused(ApiError::input(
            "The upload of the artifact's object is not finished",
        )));
    }
    let details = Details::Object(ObjectDetails {
        present: true,
        ..object.clone()
    });
    db.save_artifact(task_id, run_id, &Artifact { details, ..artifact })
}

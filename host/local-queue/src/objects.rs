//! The rules of the object service: how an upload begins, goes on and ends. An object never changes once it is finished.

use chrono::{SubsecRound as _, TimeDelta};
use queue::wire::{CreateUploadRequest, FinishUploadRequest, Hashes};

use crate::{
    clock,
    error::{ApiError, Failure},
    store::{Agreed, Db, StoredBytes, StoredContent, StoredObject},
};

/// How long an upload may take.
const UPLOAD: TimeDelta = TimeDelta::days(1);

/// Begins an upload, or goes on with it. Bytes that came with the call are taken in by [`received`].
pub(crate) fn create(db: &Db<'_>, name: &str, request: &CreateUploadRequest) -> Result<(), Failure> {
    let now = clock::now();
    let known = db.object(name)?;
    let mut object = match known {
        Some(object) => {
            let same = object.project_id == request.project_id
                && object.upload_id.as_ref() == Some(&request.upload_id)
                && object.expires == request.expires.trunc_subsecs(3);
            if !same {
                return Err(Failure::Refused(ApiError::conflict("Object already exists")));
            }
            object
        }
        None => StoredObject {
            project_id: request.project_id.clone(),
            expires: request.expires,
            upload_id: Some(request.upload_id.clone()),
            promised: Hashes::new(),
            agreed: None,
            bytes: None,
        },
    };
    promise(&mut object, &request.hashes)?;
    let proposed = &request.proposed_upload_methods;
    // The way that is taken: see `http::object`.
    if let Some(inline) = &proposed.data_inline {
        object.agreed = Some(Agreed {
            content_type: inline.content_type.clone(),
            content_length: 0,
        });
    } else if let Some(put) = &proposed.put_url {
        object.agreed = Some(Agreed {
            content_type: put.content_type.clone(),
            content_length: put.content_length,
        });
    }
    db.save_object(name, &object, now + UPLOAD)?;
    Ok(())
}

/// Takes in the bytes of an object under way. Answers the file that had its bytes before, if any; nothing where there is no
/// such upload.
pub(crate) fn received(
    db: &Db<'_>,
    name: &str,
    bytes: StoredBytes,
) -> Result<Option<Option<String>>, Failure> {
    let Some(object) = db.object(name)?.filter(|object| object.upload_id.is_some()) else {
        return Ok(None);
    };
    let object = StoredObject {
        bytes: Some(bytes),
        ..object
    };
    db.save_object(name, &object, clock::now() + UPLOAD).map(Some)
}

/// Ends an upload. Asking again does no harm.
pub(crate) fn finish(db: &Db<'_>, name: &str, request: &FinishUploadRequest) -> Result<(), Failure> {
    let refuse = |error: ApiError| Err(Failure::Refused(error));
    let Some(mut object) = db.object(name)? else {
        return refuse(ApiError::not_found(format!("Object \"{name}\" not found")));
    };
    if object.project_id != request.project_id {
        return refuse(ApiError::input(format!(
            "Object \"{name}\" does not have projectId {}",
            request.project_id
        )));
    }
    let Some(upload_id) = &object.upload_id else {
        return check_finished(name, &object, &request.hashes);
    };
    if *upload_id != request.upload_id {
        return refuse(ApiError::conflict(format!(
            "Object \"{name}\" does not have uploadId {}",
            request.upload_id
        )));
    }
    promise(&mut object, &request.hashes)?;
    let Some(bytes) = &object.bytes else {
        return refuse(ApiError::input(format!(
            "The bytes of object \"{name}\" were not uploaded"
        )));
    };
    for (algorithm, promised) in &object.promised {
        if bytes.hashes.get(algorithm).is_some_and(|real| real != promised) {
            return refuse(ApiError::input(format!(
                "The bytes of object \"{name}\" have another {algorithm} than was told"
            )));
        }
    }
    object.upload_id = None;
    db.save_object(name, &object, clock::now())?;
    Ok(())
}

/// A finished object; none where there is none, or it is being uploaded, or it has expired.
pub(crate) fn finished(db: &Db<'_>, name: &str) -> Result<Option<StoredObject>, Failure> {
    let object = db.object(name)?;
    Ok(object.filter(|object| object.upload_id.is_none() && object.expires >= clock::now()))
}

/// Where the bytes of a finished object are.
pub(crate) fn finished_content(db: &Db<'_>, name: &str) -> Result<Option<StoredContent>, Failure> {
    Ok(finished(db, name)?
        .and_then(|object| object.bytes)
        .map(|bytes| bytes.content))
}

/// Notes hashes that the uploader tells: once told they stay.
fn promise(object: &mut StoredObject, hashes: &Hashes) -> Result<(), ApiError> {
    for (algorithm, hash) in hashes {
        let known = object
            .promised
            .entry(algorithm.clone())
            .or_insert_with(|| hash.clone());
        if known != hash {
            return Err(ApiError::conflict(
                "Content hash already exists with a different value",
            ));
        }
    }
    Ok(())
}

/// Whether somebody who finishes an object again means the same one.
fn check_finished(name: &str, object: &StoredObject, hashes: &Hashes) -> Result<(), Failure> {
    for (algorithm, hash) in hashes {
        let how = match object.promised.get(algorithm) {
            None => "without hash algorithm",
            Some(known) if known != hash => "with a different hash for algorithm",
            Some(_) => continue,
        };
        return Err(Failure::Refused(ApiError::conflict(format!(
            "Object \"{name}\" is already finished, but {how} {algorithm}"
        ))));
    }
    Ok(())
}

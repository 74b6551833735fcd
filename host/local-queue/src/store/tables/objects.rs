//! Version 4: objects, and the uploads that make them.

pub(in crate::store) const OBJECTS: &str = "
-- upload_id: of an upload that is not finished. promised: the hashes that the uploader told, a JSON object.
-- file and what follows it: of the bytes that are there; hashes: what they really have, a JSON object.
CREATE TABLE objects (
    name             TEXT PRIMARY KEY,
    project_id       TEXT NOT NULL,
    expires          INTEGER NOT NULL,
    upload_id        TEXT,
    upload_expires   INTEGER NOT NULL,
    promised         TEXT NOT NULL,
    content_type     TEXT,
    content_length   INTEGER,
    file             TEXT,
    length           INTEGER,
    content_encoding TEXT,
    hashes           TEXT
) WITHOUT ROWID;
CREATE INDEX objects_by_expiry ON objects (expires);
CREATE INDEX objects_by_upload_expiry ON objects (upload_expires) WHERE upload_id IS NOT NULL;
";

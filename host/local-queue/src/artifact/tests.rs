//! The rules of artifacts, without a queue.

use super::*;
use crate::{clock, error::Code};

fn at(seconds: i64) -> DateTime<Utc> {
    clock::from_millis(1_800_000_000_000) + TimeDelta::seconds(seconds)
}

fn s3(content_type: &str, expires: i64) -> Artifact {
    Artifact {
        name: "public/a".to_owned(),
        expires: at(expires),
        content_type: content_type.to_owned(),
        content_length: None,
        details: Details::S3,
    }
}

fn with(details: Details) -> Artifact {
    Artifact {
        details,
        ..s3("text/plain", 10)
    }
}

fn reference(url: &str) -> Artifact {
    with(Details::Reference { url: url.to_owned() })
}

fn link(target: &str) -> Artifact {
    Artifact {
        content_type: BINARY.to_owned(),
        ..with(Details::Link {
            artifact: target.to_owned(),
        })
    }
}

fn error(message: &str) -> Artifact {
    with(Details::Error {
        reason: "file-missing-on-worker".to_owned(),
        message: message.to_owned(),
    })
}

#[test]
fn the_same_again_is_allowed_and_may_last_longer() {
    for artifact in [
        s3("text/plain", 10),
        reference("http://a/"),
        link("b"),
        error("c"),
    ] {
        assert_eq!(artifact.replaced_by(artifact.clone()), Ok(artifact.clone()));
        let longer = Artifact {
            expires: at(20),
            ..artifact.clone()
        };
        assert_eq!(artifact.replaced_by(longer.clone()), Ok(longer.clone()));
        assert_eq!(
            longer.replaced_by(artifact).unwrap_err().code,
            Code::RequestConflict
        );
    }
}

#[test]
fn references_may_point_elsewhere_or_become_links() {
    let old = reference("http://a/");
    assert_eq!(
        old.replaced_by(reference("http://b/")),
        Ok(reference("http://b/"))
    );
    let linked = old.replaced_by(link("other")).unwrap();
    assert_eq!(linked.details, link("other").details);
    assert_eq!(linked.content_type, "text/plain");
}

#[test]
fn nothing_else_may_change() {
    for (old, new) in [
        (s3("text/plain", 10), s3("text/html", 10)),
        (s3("text/plain", 10), reference("http://a/")),
        (s3("text/plain", 10), link("b")),
        (s3("text/plain", 10), error("c")),
        (link("b"), link("c")),
        (link("b"), reference("http://a/")),
        (error("a"), error("b")),
        (reference("http://a/"), s3("text/plain", 10)),
        (reference("http://a/"), error("a")),
    ] {
        assert_eq!(
            old.replaced_by(new.clone()).unwrap_err().code,
            Code::RequestConflict,
            "{old:?} {new:?}"
        );
    }
}

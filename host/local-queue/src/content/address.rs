//! The addresses that bytes are put to and read from: whoever has one may use it for a while, as with S3's presigned ones.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, Mac as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;

use crate::{clock, mac::keyed};

/// What a segment keeps as it is. Slashes in names stay, so that a download gets its file's name.
const NAME: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// What an address is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// One PUT, or one again.
    Put,
    /// GET and HEAD.
    Get,
}

impl Purpose {
    fn word(self) -> &'static str {
        match self {
            Self::Put => "PUT",
            Self::Get => "GET",
        }
    }

    /// How long an address lasts.
    pub(crate) fn lifetime(self) -> TimeDelta {
        match self {
            Self::Put => TimeDelta::minutes(45),
            Self::Get => TimeDelta::minutes(30),
        }
    }
}

/// What an address is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The bytes of an artifact that the queue keeps.
    Artifact {
        /// Of the artifact.
        task_id: String,
        /// Of the artifact.
        run_id: u32,
        /// Unique in the run.
        name: String,
    },
    /// The bytes of an object.
    Object {
        /// Unique.
        name: String,
    },
}

impl Place {
    /// Its path below the root URL.
    fn path(&self) -> String {
        match self {
            Self::Artifact {
                task_id,
                run_id,
                name,
            } => {
                format!("artifacts/{task_id}/{run_id}/{}", encode_name(name))
            }
            Self::Object { name } => format!("objects/{}", encode_name(name)),
        }
    }

    /// What is signed of it.
    fn text(&self) -> String {
        match self {
            Self::Artifact {
                task_id,
                run_id,
                name,
            } => format!("{task_id}/{run_id}/{name}"),
            // No taskId is like this.
            Self::Object { name } => format!("object\n{name}"),
        }
    }
}

/// Signs addresses, and checks them.
pub(crate) struct Addresses {
    key: Vec<u8>,
}

impl std::fmt::Debug for Addresses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Addresses").finish_non_exhaustive()
    }
}

impl Addresses {
    pub(crate) fn new(key: Vec<u8>) -> Self {
        Self { key }
    }

    /// An address under `base`, good until `expires`.
    pub(crate) fn make(&self, base: &str, purpose: Purpose, place: &Place, expires: DateTime<Utc>) -> String {
        let expires = expires.timestamp();
        let signature = self.mac(purpose, &place.text(), expires);
        format!(
            "{base}/{}?expires={expires}&signature={}",
            place.path(),
            URL_SAFE_NO_PAD.encode(signature.finalize().into_bytes())
        )
    }

    /// Whether an address was made here for this purpose, and is still good.
    pub(crate) fn check(&self, purpose: Purpose, place: &Place, (expires, signature): (i64, &str)) -> bool {
        let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else {
            return false;
        };
        self.mac(purpose, &place.text(), expires)
            .verify_slice(&signature)
            .is_ok()
            && clock::now().timestamp() <= expires
    }

    fn mac(&self, purpose: Purpose, what: &str, expires: i64) -> Hmac<Sha256> {
        let mut mac = keyed(&self.key);
        mac.update(format!("{}\n{expires}\n{what}", purpose.word()).as_bytes());
        mac
    }
}

/// Every segment by itself. `.` and `..` would be resolved by whoever reads the address, unless encoded.
fn encode_name(name: &str) -> String {
    let segments: Vec<String> = name
        .split('/')
        .map(|segment| match segment {
            "" | "." | ".." => None,
            _ => Some(utf8_percent_encode(segment, NAME).to_string()),
        })
        .collect::<Option<_>>()
        .unwrap_or_else(|| {
            // One segment then, its slashes encoded.
            vec![utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()]
        });
    segments.join("/")
}

//! Detached signatures of plugins, as the tool minisign makes them: `NAME.wasm.minisig` beside `NAME.wasm`.
//!
//! A signature is verified over the very bytes that were read, before anything else looks at them. Which keys a plugin must
//! be signed by depends on its name, which is known only once it has been asked: by then it is known who signed it.

use engine_api::is_active;
use minisign_verify::{Error, Signature};

use crate::{directory::ReadError, report::SignatureReport, trust::TrustConfig};

/// The longest comment that is shown, in characters.
const MAX_COMMENT: usize = 256;

/// What is wrong with a signature.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SignatureError {
    /// The file can't be read, or must not be trusted.
    #[error("its signature can't be used: {0}")]
    Unreadable(#[source] ReadError),
    /// It is no signature.
    #[error("its signature is none of minisign's")]
    Malformed,
    /// The bytes or the comment are not those that were signed.
    #[error("its signature is not of this file: it claims to be by {key}, and does not verify")]
    Invalid {
        /// The name of the key that it claims to be by.
        key: String,
    },
    /// Made in a way that minisign keeps for old files only.
    #[error("its signature, by {key}, is of minisign's legacy format")]
    Legacy {
        /// The name of the key.
        key: String,
    },
}

/// Who signed the bytes. A signature by a key that the pool does not have is nobody's.
pub(crate) fn verify(
    bytes: &[u8],
    signature: &Result<impl AsRef<[u8]>, ReadError>,
    trust: &TrustConfig,
) -> Result<SignatureReport, SignatureError> {
    let text = signature
        .as_ref()
        .map_err(|error| SignatureError::Unreadable(error.clone()))?;
    let text = str::from_utf8(text.as_ref()).map_err(|_| SignatureError::Malformed)?;
    let signature = Signature::decode(text).map_err(|_| SignatureError::Malformed)?;
    for (name, key) in &trust.keys {
        let key = match key.key.verify(bytes, &signature, false) {
            Ok(()) => Some(name.clone()),
            Err(Error::UnexpectedKeyId) => None,
            Err(Error::UnexpectedAlgorithm) => return Err(SignatureError::Legacy { key: name.clone() }),
            Err(_) => return Err(SignatureError::Invalid { key: name.clone() }),
        };
        if key.is_some() {
            // Nobody has vouched for the comment before.
            let comment = signature.trusted_comment();
            let shown = |c: char| if is_active(c) { ' ' } else { c };
            return Ok(SignatureReport {
                key,
                comment: Some(comment.chars().take(MAX_COMMENT).map(shown).collect()),
            });
        }
    }
    Ok(SignatureReport::default())
}

#[cfg(test)]
mod tests;

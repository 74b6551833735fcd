//! Hashes of bytes that pass by.

use sha2::{Digest as _, Sha256, Sha512};

/// The hashes that somebody will ask for; no others are computed.
#[derive(Clone, Debug, Default)]
pub(super) struct Digest {
    sha256: Option<Sha256>,
    sha512: Option<Sha512>,
}

impl Digest {
    /// SHA-256 alone.
    pub(super) fn sha256() -> Self {
        Self {
            sha256: Some(Sha256::new()),
            sha512: None,
        }
    }

    /// Both that the object service takes.
    pub(super) fn both() -> Self {
        Self {
            sha256: Some(Sha256::new()),
            sha512: Some(Sha512::new()),
        }
    }

    /// Some more bytes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        if let Some(hash) = &mut self.sha256 {
            hash.update(bytes);
        }
        if let Some(hash) = &mut self.sha512 {
            hash.update(bytes);
        }
    }

    /// What was computed, hexadecimal.
    pub(super) fn finish(self) -> Digested {
        Digested {
            sha256: self.sha256.map(|hash| hexadecimal(&hash.finalize())),
            sha512: self.sha512.map(|hash| hexadecimal(&hash.finalize())),
        }
    }
}

/// Hashes of all bytes, hexadecimal. None of what was not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Digested {
    pub(super) sha256: Option<String>,
    pub(super) sha512: Option<String>,
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

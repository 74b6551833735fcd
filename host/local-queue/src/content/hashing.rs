//! Hashes of bytes that go by.

use queue::wire::Hashes;
use sha2::{Digest, Sha256, Sha512};

/// The hashes that objects have, computed while their bytes are received.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hashing {
    sha256: Sha256,
    sha512: Sha512,
}

impl Hashing {
    /// Takes in the next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.sha512.update(bytes);
    }

    /// What all bytes hash to.
    pub(crate) fn finish(self) -> Hashes {
        [
            ("sha256".to_owned(), hexadecimal(&self.sha256.finalize())),
            ("sha512".to_owned(), hexadecimal(&self.sha512.finalize())),
        ]
        .into()
    }
}

fn hexadecimal(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

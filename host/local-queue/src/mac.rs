//! HMAC-SHA256, keyed once and for all in a way that can't fail.

use hmac::{Hmac, KeyInit as _};
use sha2::{Digest as _, Sha256};

/// The block of SHA-256, in bytes.
const BLOCK: usize = 64;

/// An HMAC with a key of any length: a longer one than a block is hashed, a shorter one is filled up with zeros.
pub(crate) fn keyed(key: &[u8]) -> Hmac<Sha256> {
    let hashed;
    let key = if key.len() > BLOCK {
        hashed = Sha256::digest(key);
        &hashed
    } else {
        key
    };
    let mut block = [0_u8; BLOCK];
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    Hmac::new(&block.into())
}

#[cfg(test)]
mod tests {
    use hmac::Mac as _;

    use super::*;

    #[test]
    fn keys_of_every_length_are_those_of_the_standard() {
        for length in [0, 1, 63, 64, 65, 200] {
            let key = vec![7; length];
            let mut theirs = Hmac::<Sha256>::new_from_slice(&key).unwrap();
            let mut ours = keyed(&key);
            theirs.update(b"text");
            ours.update(b"text");
            assert_eq!(theirs.finalize().into_bytes(), ours.finalize().into_bytes());
        }
    }
}

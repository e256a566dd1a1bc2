//! The digest of a value by its meaning. Knows no value.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::Digest;

/// SHA-256 over the JSON of a value whose field order is fixed (our own structs and ordered maps).
pub fn digest_of(value: &impl Serialize) -> Digest {
    // A value of ours that does not serialise would be a bug; it then gets the digest of the error's text, equal to nothing real.
    let bytes = serde_json::to_vec(value).unwrap_or_else(|e| e.to_string().into_bytes());
    let hex: String = Sha256::digest(&bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    Digest::new(hex).unwrap_or_else(|e| unreachable_digest(&e))
}

fn unreachable_digest(error: &super::NameError) -> Digest {
    // 64 zeros are a valid digest, so this ends.
    debug_assert!(false, "sha-256 in hexadecimal is a digest: {error}");
    Digest::new("0".repeat(64)).unwrap_or_else(|e| unreachable_digest(&e))
}

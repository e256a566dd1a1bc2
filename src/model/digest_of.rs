//! The digest of a value by its meaning. Knows no value.

use std::io::{BufWriter, Write};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::Digest;

/// SHA-256 over the JSON of a value whose field order is fixed (our own structs and ordered maps).
pub fn digest_of(value: &impl Serialize) -> Digest {
    let mut hashed = BufWriter::with_capacity(4_096, Hashed(Sha256::new()));
    let written = serde_json::to_writer(&mut hashed, value).map_err(|e| e.to_string());
    let hashed = hashed.into_inner().map_err(|e| e.to_string());
    // A value of ours that does not serialise would be a bug; it then gets the digest of the error's text, equal to nothing real.
    let bytes = match written.and(hashed) {
        Ok(Hashed(hash)) => hash.finalize(),
        Err(error) => Sha256::digest(error.as_bytes()),
    };
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| {
        DIGITS
            .get(usize::from(nibble))
            .map_or('0', |d| char::from(*d))
    };
    let mut hex = String::with_capacity(64);
    for byte in bytes {
        hex.push(digit(byte >> 4));
        hex.push(digit(byte & 15));
    }
    Digest::new(hex).unwrap_or_else(|e| unreachable_digest(&e))
}

/// Bytes that are hashed as they come.
struct Hashed(Sha256);

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn unreachable_digest(error: &super::NameError) -> Digest {
    // 64 zeros are a valid digest, so this ends.
    debug_assert!(false, "sha-256 in hexadecimal is a digest: {error}");
    Digest::new("0".repeat(64)).unwrap_or_else(|e| unreachable_digest(&e))
}

//! Checksums of texts.

use sha2::{Digest as _, Sha256, Sha512};

use super::super::call::Entry;
use super::super::value::Value;

pub(super) const TABLE: &[Entry] = &[
    ("sha256sum", "s", |_, a| {
        Ok(Value::text(hex(&Sha256::digest(a.text(0)))))
    }),
    ("sha512sum", "s", |_, a| {
        Ok(Value::text(hex(&Sha512::digest(a.text(0)))))
    }),
    ("sha1sum", "s", |_, a| {
        Ok(Value::text(hex(&sha1(a.text(0).as_bytes()))))
    }),
    ("adler32sum", "s", |_, a| {
        Ok(Value::text(adler32(a.text(0).as_bytes()).to_string()))
    }),
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn adler32(bytes: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    let (low, high) = bytes.iter().fold((1_u32, 0_u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % MODULUS;
        (low, (high + low) % MODULUS)
    });
    high << 16 | low
}

/// FIPS 180-4. Not for secrets: only because templates name it.
fn sha1(bytes: &[u8]) -> Vec<u8> {
    let mut message = bytes.to_vec();
    message.push(0x80);
    while message.len() % 64 != 56 {
        message.push(0);
    }
    message.extend((bytes.len() as u64 * 8).to_be_bytes());
    let mut state: [u32; 5] = [
        0x6745_2301,
        0xefcd_ab89,
        0x98ba_dcfe,
        0x1032_5476,
        0xc3d2_e1f0,
    ];
    for block in message.chunks(64) {
        let mut words: Vec<u32> = block
            .chunks(4)
            .map(|c| c.iter().fold(0, |word, byte| word << 8 | u32::from(*byte)))
            .collect();
        for index in 16..80 {
            let at = |back: usize| words.get(index - back).copied().unwrap_or_default();
            let next = (at(3) ^ at(8) ^ at(14) ^ at(16)).rotate_left(1);
            words.push(next);
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (index, word) in words.iter().enumerate() {
            let (mixed, constant) = match index / 20 {
                0 => (b & c | !b & d, 0x5a82_7999),
                1 => (b ^ c ^ d, 0x6ed9_eba1),
                2 => (b & c | b & d | c & d, 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6_u32),
            };
            let next = a
                .rotate_left(5)
                .wrapping_add(mixed)
                .wrapping_add(e)
                .wrapping_add(constant)
                .wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        let rounds = [a, b, c, d, e];
        for (sum, round) in state.iter_mut().zip(rounds) {
            *sum = sum.wrapping_add(round);
        }
    }
    state.iter().flat_map(|word| word.to_be_bytes()).collect()
}

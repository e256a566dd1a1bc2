//! Chance without randomness: numbers drawn from a salt, a purpose and a counter. Keeps no state, so a draw never disturbs another.

/// The finisher of splitmix64 (Steele, Lea, Flood 2014): every input bit reaches every output bit.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A salt from a seed and names. Names are kept apart, so that `ab`,`c` and `a`,`bc` differ.
pub(super) fn salt(seed: u64, names: &[&str]) -> u64 {
    names.iter().fold(mix(seed), |salt, name| {
        mix(name.bytes().fold(salt, |s, byte| mix(s ^ u64::from(byte))) ^ 0xff00)
    })
}

/// The number drawn for a purpose, the `number`th time.
pub(super) fn draw(of: u64, purpose: &str, number: u64) -> u64 {
    mix(salt(of, &[purpose]) ^ mix(number))
}

/// A number from `low` to `high`, both included; `low` when the range is empty.
pub(super) fn between(of: u64, purpose: &str, number: u64, low: u32, high: u32) -> u32 {
    let width = u64::from(high.saturating_sub(low)) + 1;
    low.saturating_add(u32::try_from(draw(of, purpose, number) % width).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_depend_on_every_input_and_on_nothing_else() {
        let base = draw(salt(1, &["a", "bc"]), "boot", 1);
        assert_eq!(base, draw(salt(1, &["a", "bc"]), "boot", 1));
        for other in [
            draw(salt(2, &["a", "bc"]), "boot", 1),
            draw(salt(1, &["ab", "c"]), "boot", 1),
            draw(salt(1, &["a", "bc"]), "ready", 1),
            draw(salt(1, &["a", "bc"]), "boot", 2),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn ranges_are_reached_to_both_ends_and_never_left() {
        let seen: std::collections::BTreeSet<u32> =
            (0..500).map(|n| between(7, "x", n, 3, 6)).collect();
        assert_eq!(seen, [3, 4, 5, 6].into());
        assert_eq!(between(7, "x", 1, 6, 3), 6);
    }
}

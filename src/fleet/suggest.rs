//! The name that was probably meant. Knows only names.

/// The candidate closest to `wanted`, when one is close enough to be a slip of the fingers.
pub fn closest<'c>(wanted: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let wanted_lower = wanted.to_lowercase();
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let distance = strsim::damerau_levenshtein(&wanted_lower, &candidate.to_lowercase());
        let longest = wanted.chars().count().max(candidate.chars().count());
        // A third of the letters may be wrong, and one in a very short word.
        let allowed = (longest / 3).max(1);
        let better = best.is_none_or(|(d, c)| (distance, candidate) < (d, c));
        if distance <= allowed && distance < longest && candidate != wanted && better {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_mended_and_another_word_is_not() {
        let words = ["name", "environment", "region", "prod", "staging"];
        let cases = [
            ("nmae", Some("name")),
            ("Region", Some("region")),
            ("enviroment", Some("environment")),
            ("prd", Some("prod")),
            ("region", None),
            ("x", None),
            ("banana", None),
        ];
        for (wanted, expected) in cases {
            assert_eq!(closest(wanted, words), expected, "{wanted}");
        }
    }
}

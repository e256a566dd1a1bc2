//! The name that was probably meant. Knows only names.

/// The candidate closest to `wanted`, when one is close enough to be a slip of the fingers.
pub fn closest<'c>(wanted: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let (name, other) = without_common_domain(wanted, candidate);
        let distance = strsim::damerau_levenshtein(&name.to_lowercase(), &other.to_lowercase());
        let longest = name.chars().count().max(other.chars().count());
        // A third of the letters may be wrong, and one in a very short word.
        let allowed = (longest / 3).max(1);
        let better = best.is_none_or(|(d, c)| (distance, candidate) < (d, c));
        if distance <= allowed && distance < longest && candidate != wanted && better {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Names of clusters end alike: what they end with says nothing of whether one was meant for the other. The ending of a file's name is no domain.
fn without_common_domain<'n>(name: &'n str, other: &'n str) -> (&'n str, &'n str) {
    let mut ends = name.rsplit('.').zip(other.rsplit('.'));
    let alike: Vec<&str> = ends
        .by_ref()
        .map_while(|(a, b)| (a == b).then_some(a))
        .collect();
    let domain = alike.iter().map(|label| label.len() + 1).sum::<usize>();
    let short = |text: &'n str| {
        text.len()
            .checked_sub(domain)
            .and_then(|end| text.get(..end))
    };
    match (alike.len(), short(name), short(other)) {
        (2.., Some(a), Some(b)) => (a, b),
        (_, _, _) => (name, other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_cluster_of_the_same_domain_is_no_slip() {
        let clusters = ["prod-acme.k8s.foo.bar", "staging-acme.k8s.foo.bar"];
        assert_eq!(closest("prod-small.k8s.foo.bar", clusters), None);
        assert_eq!(
            closest("prod-acm.k8s.foo.bar", clusters),
            Some("prod-acme.k8s.foo.bar")
        );
        assert_eq!(
            closest("prod-acme.k8s.fo.bar", clusters),
            Some("prod-acme.k8s.foo.bar")
        );
    }

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

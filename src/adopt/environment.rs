//! Which environment a cluster's name speaks of, and in which order environments get a change. Knows no files.

/// Words for environments as they stand in names, the least careful first: that is the order in which they get a change.
const WORDS: [(&str, &[&str]); 6] = [
    ("sandbox", &["sandbox", "playground"]),
    ("dev", &["dev", "develop", "development"]),
    ("test", &["test", "testing", "qa", "int", "integration"]),
    ("staging", &["staging", "stage", "stg"]),
    ("preprod", &["preprod", "preproduction", "uat"]),
    ("prod", &["prod", "production", "prd", "live"]),
];

/// The environment that a name speaks of: one of its words, between dots and hyphens. None: no word, or two that disagree.
pub(super) fn of_name(name: &str) -> Option<&'static str> {
    let mut found = name.split(['.', '-']).filter_map(of_word);
    let first = found.next()?;
    found.all(|other| other == first).then_some(first)
}

fn of_word(word: &str) -> Option<&'static str> {
    WORDS
        .iter()
        .find(|(_, words)| words.contains(&word))
        .map(|(name, _)| *name)
}

/// Where an environment stands in the order of stages. One that is not known comes just before prod: with care, and not last.
pub(super) fn rank(environment: &str) -> usize {
    let known = of_word(environment).unwrap_or(environment);
    WORDS
        .iter()
        .position(|(name, _)| *name == known)
        .map_or(2 * WORDS.len() - 3, |i| 2 * i)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_its_environment_in_one_of_its_words() {
        assert_eq!(of_name("prod-acme.k8s.foo.bar"), Some("prod"));
        assert_eq!(of_name("acme.stg.foo.bar"), Some("staging"));
        assert_eq!(of_name("production.foo.bar"), Some("prod"));
        assert_eq!(of_name("products.foo.bar"), None);
        assert_eq!(of_name("dev-prod.foo.bar"), None);
    }

    #[test]
    fn what_is_not_known_comes_before_prod() {
        let mut order = vec!["prod", "other", "staging", "dev"];
        order.sort_by_key(|e| rank(e));
        assert_eq!(order, ["dev", "staging", "other", "prod"]);
    }
}

//! What the names of images mean in the simulated account. A pattern means a newer image every week, as those of the distributions do. Knows no groups.

use std::collections::BTreeSet;

use crate::kops::{floats, owner_and_name};
use crate::model::{Images, Timestamp, digest_of};

/// How often a pattern comes to mean a newer image.
const WEEK: i64 = 7 * 86_400_000;

/// What these names mean at that moment.
pub fn images(names: &BTreeSet<String>, now: Timestamp) -> Images {
    let mut images = Images::default();
    for name in names {
        let id = meant(name, now);
        if id != *name {
            images.named.insert(id.clone(), called(name, &id));
            images.meant.insert(name.clone(), id);
        }
    }
    images
}

/// The image's id: here a name without an alias in it is one.
fn meant(name: &str, now: Timestamp) -> String {
    let week = now.millis().div_euclid(WEEK).to_string();
    if name.starts_with("ami-") {
        return name.to_owned();
    }
    if name.starts_with("ssm:") {
        let digest = digest_of(&(name, week));
        return format!("ami-{}", digest.as_str().get(..17).unwrap_or_default());
    }
    let (owner, own) = owner_and_name(name);
    let own = match floats(name) {
        true => own.replacen('*', &week, 1).replace(['*', '?'], ""),
        false => own.to_owned(),
    };
    match owner {
        "self" => own,
        owner => format!("{owner}/{own}"),
    }
}

fn called(name: &str, id: &str) -> String {
    if id.starts_with("ami-") {
        name.to_owned()
    } else {
        id.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_moves_and_a_name_does_not() {
        let at = |week: i64, name: &str| meant(name, Timestamp::from_millis(week * WEEK));
        assert_eq!(at(3, "ubuntu/noble-*"), "099720109477/noble-3");
        assert_eq!(at(4, "099720109477/noble-*"), "099720109477/noble-4");
        assert_eq!(at(3, "ubuntu/noble-1"), at(9, "099720109477/noble-1"));
        assert_eq!(at(3, "ami-7"), "ami-7");
        assert_ne!(at(3, "ssm:/a"), at(4, "ssm:/a"));
        assert_ne!(at(3, "ssm:/a"), at(3, "ssm:/b"));
    }
}

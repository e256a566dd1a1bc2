//! Images by name and by id, and which one a name means now.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::Image;

use super::pairs::Unclear;
use crate::kops::owner_and_name;

/// An image, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ImageFacts {
    owner: String,
    name: String,
    root: Option<String>,
    created: String,
}

/// The images of an account and region that were asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Images {
    known: BTreeMap<String, ImageFacts>,
    /// The name that definitions use → the id it means now.
    named: BTreeMap<String, Result<String, Unclear>>,
}

impl Images {
    /// Whether an image was found, by id.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.known.contains_key(id)
    }

    /// The root device of an image; the outer none: the image was not found.
    pub(super) fn root(&self, id: &str) -> Option<Option<&str>> {
        self.known.get(id).map(|i| i.root.as_deref())
    }

    /// What names mean, as far as they mean one image.
    pub(super) fn meant(&self) -> BTreeMap<String, String> {
        let one = |(name, meant): (&String, &Result<String, Unclear>)| {
            Some((name.clone(), meant.clone().ok()?))
        };
        self.named.iter().filter_map(one).collect()
    }

    /// What people call an image: `owner/name`; none: nothing is known of it, or it has no name.
    pub(super) fn name(&self, id: &str) -> Option<String> {
        let image = self.known.get(id).filter(|i| !i.name.is_empty())?;
        Some(format!("{}/{}", image.owner, image.name))
    }

    /// The id that a name means.
    pub(super) fn by_id(&self, name: &str) -> Result<String, Unclear> {
        match self.named.get(name) {
            _ if name.starts_with("ami-") => Ok(name.to_owned()),
            Some(meant) => meant.clone(),
            None => Err(Unclear::None {
                kind: "image",
                name: name.to_owned(),
            }),
        }
    }

    /// Names of images that definitions use and that mean nothing here.
    pub(super) fn unclear(&self, images: &BTreeSet<String>) -> Vec<Unclear> {
        images
            .iter()
            .filter_map(|name| self.named.get(name)?.clone().err())
            .collect()
    }

    /// Keeps an image that AWS described.
    pub(super) fn add(&mut self, image: &Image) {
        let Some(id) = image.image_id() else { return };
        let text = |t: Option<&str>| t.unwrap_or_default().to_owned();
        let root = image
            .root_device_name()
            .filter(|r| !r.is_empty())
            .map(str::to_owned);
        let facts = ImageFacts {
            owner: text(image.owner_id()),
            name: text(image.name()),
            root,
            created: text(image.creation_date()),
        };
        self.known.insert(id.to_owned(), facts);
    }

    /// Settles what a name means, among the images known by now: the newest one that fits. Source: kops-facts, B.12.
    pub(super) fn settle(&mut self, name: &str) {
        let meant = if name.starts_with("ami-") {
            return;
        } else if name.starts_with("ssm:") {
            Err(Unclear::Parameter(name.to_owned()))
        } else {
            let (owner, pattern) = owner_and_name(name);
            let fits =
                |i: &ImageFacts| (owner == "self" || i.owner == owner) && matches(pattern, &i.name);
            let newest = self
                .known
                .iter()
                .filter(|(_, i)| fits(i))
                .max_by(|a, b| (&a.1.created, a.0).cmp(&(&b.1.created, b.0)));
            newest
                .map(|(id, _)| id.clone())
                .ok_or_else(|| Unclear::None {
                    kind: "image",
                    name: name.to_owned(),
                })
        };
        self.named.insert(name.to_owned(), meant);
    }
}

/// Whether a text fits a pattern of AWS's, with `*` for anything and `?` for one character.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    // For each prefix of the text, whether what of the pattern was taken so far fits it.
    let mut fits: Vec<bool> = std::iter::once(true)
        .chain(std::iter::repeat_n(false, text.len()))
        .collect();
    for p in pattern {
        let mut next = vec![p == '*' && fits.first() == Some(&true)];
        for (c, pair) in text.iter().zip(fits.windows(2)) {
            let (before, here) = (pair.first() == Some(&true), pair.last() == Some(&true));
            next.push(if p == '*' {
                here || next.last() == Some(&true)
            } else {
                before && (p == '?' || p == *c)
            });
        }
        fits = next;
    }
    fits.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_aws() {
        for (pattern, text, fits) in [
            ("", "", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("a**", "a", true),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn the_newest_image_that_fits_is_meant() {
        let image = |id: &str, owner: &str, name: &str, created: &str| {
            Image::builder()
                .image_id(id)
                .owner_id(owner)
                .name(name)
                .creation_date(created)
                .root_device_name("/dev/xvda")
                .build()
        };
        let mut names = Images::default();
        for i in [
            image("ami-1", "099720109477", "ubuntu/noble-1", "2026-01-01"),
            image("ami-2", "099720109477", "ubuntu/noble-2", "2026-02-01"),
            image("ami-3", "111122223333", "ubuntu/noble-3", "2026-03-01"),
        ] {
            names.add(&i);
        }
        for name in [
            "ubuntu/ubuntu/noble-*",
            "099720109477/ubuntu/noble-1",
            "ubuntu/noble-9",
            "ssm:/a/b",
            "ami-7",
        ] {
            names.settle(name);
        }
        let by_id = |name: &str| names.by_id(name).map_err(|e| e.to_string());
        assert_eq!(by_id("ubuntu/ubuntu/noble-*"), Ok("ami-2".into()));
        assert_eq!(by_id("099720109477/ubuntu/noble-1"), Ok("ami-1".into()));
        assert_eq!(by_id("ami-7"), Ok("ami-7".into()));
        assert_eq!(
            by_id("ubuntu/noble-9"),
            Err("there is no image `ubuntu/noble-9`".into())
        );
        assert!(by_id("ssm:/a/b").is_err_and(|e| e.contains("aws ssm get-parameter --name /a/b ")));
        let meant = names.meant();
        assert_eq!(
            meant.len(),
            2,
            "what means nothing is not among them: {meant:?}"
        );
        assert_eq!(
            names.name("ami-3").as_deref(),
            Some("111122223333/ubuntu/noble-3")
        );
        assert_eq!(names.name("ami-9"), None);
    }
}

//! Images by name and by id, and which one a name means now.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::Image;

use super::pairs::Unclear;

/// What kops means by these owners. Source: kops 1.37, `upup/pkg/fi/cloudup/awsup/aws_utils.go`.
const OWNERS: [(&str, &str); 10] = [
    ("amazon", "137112412989"),
    ("amazon.com", "137112412989"),
    ("debian", "136693071363"),
    ("debian11", "136693071363"),
    ("flatcar", "075585003325"),
    ("redhat", "309956199498"),
    ("redhat.com", "309956199498"),
    ("rocky", "792107900819"),
    ("rockylinux", "792107900819"),
    ("ubuntu", "099720109477"),
];

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

    /// An image as definitions call it, else as `owner/name`, else by its id.
    pub(super) fn by_name(&self, id: &str) -> String {
        if let Some((name, _)) = self
            .named
            .iter()
            .find(|(_, meant)| meant.as_deref() == Ok(id))
        {
            return name.clone();
        }
        match self.known.get(id) {
            Some(image) if !image.name.is_empty() => format!("{}/{}", image.owner, image.name),
            Some(_) | None => id.to_owned(),
        }
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

/// The owner and the name (or pattern) of an image; without an owner it is one's own.
pub(super) fn owner_and_name(image: &str) -> (&str, &str) {
    let Some((owner, name)) = image.split_once('/') else {
        return ("self", image);
    };
    (
        OWNERS
            .iter()
            .find(|(alias, _)| *alias == owner)
            .map_or(owner, |(_, id)| id),
        name,
    )
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
        assert!(by_id("ssm:/a/b").is_err_and(|e| e.contains("SSM")));
        let by_name = |id| names.by_name(id);
        assert_eq!(by_name("ami-2"), "ubuntu/ubuntu/noble-*");
        assert_eq!(by_name("ami-3"), "111122223333/ubuntu/noble-3");
        assert_eq!(by_name("ami-9"), "ami-9");
    }
}

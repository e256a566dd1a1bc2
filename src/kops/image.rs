//! The `image` of a group as kops reads it: whose it is and what it is called. Looks nothing up.

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

/// The owner and the name (or pattern) of an image; without an owner it is one's own.
pub fn owner_and_name(image: &str) -> (&str, &str) {
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

/// Whether the name may come to mean another image by itself: a pattern, or a parameter of SSM.
pub fn floats(image: &str) -> bool {
    image.starts_with("ssm:") || image.contains(['*', '?'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_and_its_number_are_one_owner() {
        for (image, owner, name) in [
            ("ubuntu/images/noble-1", "099720109477", "images/noble-1"),
            (
                "099720109477/images/noble-1",
                "099720109477",
                "images/noble-1",
            ),
            ("flatcar/x", "075585003325", "x"),
            ("x", "self", "x"),
        ] {
            assert_eq!(owner_and_name(image), (owner, name), "{image}");
        }
    }

    #[test]
    fn patterns_and_parameters_float() {
        for (image, moves) in [
            ("ubuntu/noble-*", true),
            ("ubuntu/noble-?", true),
            ("ssm:/aws/x", true),
            ("ami-1", false),
            ("ubuntu/noble-1", false),
        ] {
            assert_eq!(floats(image), moves, "{image}");
        }
    }
}

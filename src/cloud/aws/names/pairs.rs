//! Names that are one id each, or none: a name that means nothing or more than one thing is an error, never a guess.

use std::collections::BTreeSet;

/// A name that means nothing, or more than one thing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::cloud::aws) enum Unclear {
    /// Nothing has it.
    #[error("there is no {kind} `{name}`")]
    None {
        /// What it should be.
        kind: &'static str,
        name: String,
    },
    /// More than one has it.
    #[error("there is more than one {kind} `{name}`: {}", ids.join(", "))]
    Several {
        /// What it is.
        kind: &'static str,
        name: String,
        /// All that have it.
        ids: Vec<String>,
    },
    /// No call of EC2 that only reads says which image it is: `resolve:ssm:` counts at a launch, and in a launch template that is there already.
    /// Source: EC2 user guide, "Use a Systems Manager parameter instead of an AMI ID"; EC2 API, DescribeImages, ResponseLaunchTemplateData.
    #[error(
        "the image `{0}` is a parameter of SSM, which is not read, so it is not known which image it is: name the image itself, as \
         `aws ssm get-parameter --name {name} --query Parameter.Value` prints it",
        name = parameter(.0)
    )]
    Parameter(String),
}

fn parameter(image: &str) -> &str {
    image.strip_prefix("ssm:").unwrap_or(image)
}

/// Pairs of a name and an id, in one account and region.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pairs(BTreeSet<(String, String)>);

impl Pairs {
    pub(super) fn add(&mut self, name: &str, id: &str) {
        self.0.insert((name.to_owned(), id.to_owned()));
    }

    /// The id that a name means.
    pub(super) fn id(&self, kind: &'static str, name: &str) -> Result<String, Unclear> {
        let ids: Vec<String> = self
            .0
            .iter()
            .filter(|(n, _)| n == name)
            .map(|(_, id)| id.clone())
            .collect();
        match ids.as_slice() {
            [] => Err(Unclear::None {
                kind,
                name: name.to_owned(),
            }),
            [id] => Ok(id.clone()),
            _ => Err(Unclear::Several {
                kind,
                name: name.to_owned(),
                ids,
            }),
        }
    }

    /// The name of an id, when it has one and shares it with no other.
    pub(super) fn name(&self, id: &str) -> Option<&str> {
        let (name, _) = self.0.iter().find(|(_, i)| i == id)?;
        (self.0.iter().filter(|(n, _)| n == name).count() == 1).then_some(name.as_str())
    }
}

//! What was typed, completed by where it was typed and by the environment: the fleet's folder found upward, an empty variable taken for none, a
//! cluster named by its beginning. Reads the contents of no file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::ValueEnum as _;

use super::args::{Arguments, CloudArgument, Command};
use super::failure::Failure;
use crate::fleet::closest;
use crate::model::ClusterName;

const CLOUD: &str = "KFLEET_CLOUD";

impl Arguments {
    /// With what the environment says, and the fleet's folder.
    pub(super) fn completed(mut self) -> Result<Arguments, Failure> {
        if self.cloud.is_none() {
            self.cloud = cloud(std::env::var(CLOUD).ok().as_deref())?;
        }
        self.store = self.store.filter(|store| !store.is_empty());
        // A fleet is begun where one says, also below another one.
        if !matches!(self.command, Command::Init(_))
            && let Some(found) = upward(&self.directory, |folder| {
                folder.join("fleet.yaml").is_file()
            })
        {
            self.directory = found;
        }
        Ok(self)
    }
}

/// A variable that is empty is not set.
fn cloud(variable: Option<&str>) -> Result<Option<CloudArgument>, Failure> {
    let Some(text) = variable.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    CloudArgument::from_str(text, false).map(Some).map_err(|_| {
        Failure::new(format!("{CLOUD} is `{text}`, which is no cloud"))
            .hint("it may be `aws` or `local`, or empty")
    })
}

/// The first folder, from here upward, that is a fleet; as a path that begins here. As git finds its repository.
fn upward(from: &Path, is_fleet: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    let real = from.canonicalize().ok()?;
    let mut path = from.to_owned();
    for _ in real.ancestors() {
        if is_fleet(&path) {
            return Some(path);
        }
        path = if path == Path::new(".") {
            PathBuf::from("..")
        } else {
            path.join("..")
        };
    }
    None
}

/// The clusters that a fleet's folder has a file for, whatever is in it.
pub(super) fn of_files(fleet: &Path) -> impl Iterator<Item = ClusterName> {
    let files = std::fs::read_dir(fleet.join("clusters"));
    let files = files.into_iter().flatten().flatten();
    files.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        name.strip_suffix(".yaml")?.parse().ok()
    })
}

/// The cluster that is meant: the one of that name, or the only one whose name begins so. None: the error says which there are.
pub(super) fn meant(
    known: &BTreeSet<&ClusterName>,
    typed: &ClusterName,
) -> Result<ClusterName, Failure> {
    if known.contains(typed) {
        return Ok(typed.clone());
    }
    let begin = |name: &&&ClusterName| name.as_str().starts_with(typed.as_str());
    let found: Vec<&&ClusterName> = known.iter().filter(begin).collect();
    match found.as_slice() {
        [one] => Ok((**one).clone()),
        [] => {
            let near = closest(typed.as_str(), known.iter().map(|name| name.as_str()));
            let hint = near.map_or_else(
                || "`kfleet status` lists the clusters there are".to_owned(),
                |n| format!("did you mean `{n}`?"),
            );
            Err(Failure::new(format!("the fleet has no cluster `{typed}`")).hint(hint))
        }
        several => {
            let names: Vec<&str> = several.iter().map(|name| name.as_str()).collect();
            Err(
                Failure::new(format!("`{typed}` is the beginning of several clusters"))
                    .hint(format!("name one of {}", names.join(", "))),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_may_be_named_by_its_beginning() {
        let names: Vec<ClusterName> = ["prod-a.k8s", "prod-b.k8s", "staging.k8s"]
            .map(|n| n.parse().unwrap())
            .into();
        let known: BTreeSet<&ClusterName> = names.iter().collect();
        let typed = |text: &str| meant(&known, &text.parse().unwrap());
        assert_eq!(typed("stag").unwrap().as_str(), "staging.k8s");
        assert_eq!(typed("prod-b.k8s").unwrap().as_str(), "prod-b.k8s");
        let several = typed("prod").unwrap_err();
        assert_eq!(several.hints, ["name one of prod-a.k8s, prod-b.k8s"]);
        let none = typed("stagin.k8s").unwrap_err();
        assert_eq!(none.hints, ["did you mean `staging.k8s`?"]);
    }

    #[test]
    fn an_empty_variable_is_not_set() {
        assert_eq!(cloud(Some("")).unwrap(), None);
        assert_eq!(cloud(None).unwrap(), None);
        assert_eq!(cloud(Some("local")).unwrap(), Some(CloudArgument::Local));
        cloud(Some("azure")).unwrap_err();
    }
}

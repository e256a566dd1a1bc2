//! Which store is meant: that of the fleet, or the one named on the command line. What stops or takes back a rollout reads nothing else of the
//! fleet, so that a fault in its files does not stand in the way.

use std::path::{Path, PathBuf};

use super::args::{Arguments, CloudArgument};
use super::failure::Failure;
use super::output::Output;
use crate::fleet::Fleet;
use crate::store::{CloudKind, Store};

const S3: &str = "s3://";
const DEFAULT: &str = ".kfleet";

/// Where a store is.
enum StorePlace {
    Folder(PathBuf),
    Bucket(String),
}

impl StorePlace {
    /// `text` as it stands in `fleet.yaml` or on the command line; a folder is relative to `root`.
    fn new(text: &str, root: &Path) -> StorePlace {
        if text.starts_with(S3) {
            StorePlace::Bucket(text.to_owned())
        } else {
            StorePlace::Folder(root.join(text))
        }
    }

    fn named(arguments: &Arguments) -> Option<StorePlace> {
        let text = arguments.store.as_deref()?;
        Some(StorePlace::new(text, Path::new("")))
    }

    /// Without a look at anything else in the fleet.
    fn alone(arguments: &Arguments) -> Result<StorePlace, Failure> {
        if let Some(named) = StorePlace::named(arguments) {
            return Ok(named);
        }
        let path = arguments.directory.join("fleet.yaml");
        let hint = "`--store` names the store, and needs no checkout";
        let text = std::fs::read_to_string(&path)
            .map_err(|e| Failure::new(format!("cannot read {}: {e}", path.display())).hint(hint))?;
        let store = store_of_text(&text).ok_or_else(|| {
            Failure::new(format!(
                "{}: it cannot be read which store it names",
                path.display()
            ))
            .hint(hint)
        })?;
        Ok(StorePlace::new(&store, &arguments.directory))
    }
}

/// The store that the text of a `fleet.yaml` names. Where the text is no YAML as a whole, the line that names it still counts.
fn store_of_text(text: &str) -> Option<String> {
    if let Ok(value) = serde_yaml::from_str::<serde_yaml::Value>(text) {
        return match value.get("store") {
            Some(store) => store.as_str().map(str::to_owned),
            None => Some(DEFAULT.to_owned()),
        };
    }
    let line = text.lines().find_map(|l| l.strip_prefix("store:"))?;
    let value = serde_yaml::from_str::<serde_yaml::Value>(line).ok()?;
    value.as_str().map(str::to_owned)
}

/// The store of the fleet for the cloud asked for.
pub(super) fn store(arguments: &Arguments, fleet: &Fleet) -> Result<Store, Failure> {
    let place = StorePlace::named(arguments)
        .unwrap_or_else(|| StorePlace::new(&fleet.settings.store, &fleet.root));
    open(arguments, arguments.cloud, &place)
}

/// The store, without a look at anything else in the fleet. Where no cloud is named, the store says which one it is of.
pub(super) fn alone(arguments: &Arguments) -> Result<Store, Failure> {
    let place = StorePlace::alone(arguments)?;
    let cloud = match (arguments.cloud, &place) {
        (Some(cloud), _) => Some(cloud),
        (None, StorePlace::Bucket(_)) => Some(CloudArgument::Aws),
        (None, StorePlace::Folder(path)) => Store::kind_of(path)?.map(|kind| match kind {
            CloudKind::Aws => CloudArgument::Aws,
            CloudKind::Local => CloudArgument::Local,
        }),
    };
    open(arguments, cloud, &place)
}

fn open(
    arguments: &Arguments,
    cloud: Option<CloudArgument>,
    place: &StorePlace,
) -> Result<Store, Failure> {
    let kind = match cloud {
        Some(CloudArgument::Local) => CloudKind::Local,
        Some(CloudArgument::Aws) if cfg!(feature = "aws") => CloudKind::Aws,
        Some(CloudArgument::Aws) => {
            return Err(Failure::new("this build of kfleet has no AWS in it")
                .hint("build it with its default features; `--cloud local` acts on the embedded simulated account"));
        }
        None => {
            return Err(
                Failure::new("no cloud was named").hint("specify `--cloud aws`, or `--cloud local` for the simulated account, or set KFLEET_CLOUD")
            );
        }
    };
    match (place, kind) {
        (StorePlace::Folder(path), _) => Ok(Store::open(path, kind)?),
        (StorePlace::Bucket(url), CloudKind::Local) => Err(Failure::new(format!(
            "the simulated account keeps its state in a folder, and the store is {url}"
        ))
        .hint("specify `--cloud aws`, or name a folder as `store` in fleet.yaml")),
        (StorePlace::Bucket(url), CloudKind::Aws) => remote(arguments, url),
    }
}

#[cfg(feature = "aws")]
fn remote(arguments: &Arguments, url: &str) -> Result<Store, Failure> {
    use std::time::{SystemTime, UNIX_EPOCH};

    use crate::model::digest_of;
    use crate::store::{Leases, Terms};

    let objects = crate::run::objects_in_s3(url, &super::world::reach(arguments)?)
        .map_err(|why| Failure::new(format!("the store {url} cannot be used: {why}")))?;
    let nanoseconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos()
        .to_string();
    let owner = super::who::who();
    let token = digest_of(&(&owner, std::process::id(), nanoseconds))
        .short()
        .to_owned();
    let leases = Leases::new(objects, crate::run::ticks(), Terms::default(), owner, token);
    Ok(Store::of_objects(leases, CloudKind::Aws)?)
}

#[cfg(not(feature = "aws"))]
fn remote(_: &Arguments, url: &str) -> Result<Store, Failure> {
    Err(Failure::new(format!(
        "this build of kfleet has no AWS in it, and the store is {url}"
    )))
}

/// A folder does not keep other machines away from real clusters. A person is told so; in a pipeline, where the next run may be on another
/// machine, it has to be allowed.
///
/// # Errors
/// In CI, where it is not allowed.
pub(super) fn warn_of_folder(
    arguments: &Arguments,
    store: &Store,
    output: &Output,
) -> Result<(), Failure> {
    let Some(folder) = store.folder().filter(|_| store.kind() == CloudKind::Aws) else {
        return Ok(());
    };
    let said = format!(
        "the store {} is a folder: it keeps no other machine from changing the same clusters",
        folder.display()
    );
    let in_ci = std::env::var("CI").is_ok_and(|v| !matches!(v.as_str(), "" | "0" | "false"));
    if in_ci && !arguments.allow_folder_store {
        return Err(Failure::new(format!("{said}, and this is CI"))
            .hint("name `s3://BUCKET/PREFIX` as `store` in fleet.yaml; `--allow-folder-store` allows the folder"));
    }
    output.story(&format!("warning: {said}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::store_of_text;

    #[test]
    fn the_store_is_found_in_a_file_that_is_wrong() {
        let found = |text: &str| store_of_text(text);
        assert_eq!(
            found("version: 1\nstore: s3://b/p\n").as_deref(),
            Some("s3://b/p")
        );
        assert_eq!(found("stages: [").as_deref(), None);
        assert_eq!(
            found("store: 's3://b/p' # ours\nstages: [\n").as_deref(),
            Some("s3://b/p")
        );
        assert_eq!(found("vesion: 1\nsotre: x\n").as_deref(), Some(".kfleet"));
        assert_eq!(found("store: [a]\n").as_deref(), None);
    }
}

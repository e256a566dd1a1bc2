//! What kops has stored of the clusters: its state store read, whole or not at all. Compares nothing.
//!
//! `<store>/<cluster>/config` is the Cluster, `instancegroup/<name>` one group each, `clusteraddons/default` the additional objects; of
//! `igconfig/<role>/<name>/nodeupconfig.yaml` only the hash is taken. Beside them there are keys, secrets and what kops worked out; none of that is read.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::JoinSet;

#[cfg(feature = "aws")]
use crate::cloud::aws::bucket::Bucket;
use crate::kops::stored::{self, StoredObject};
use crate::model::{ClusterName, GroupName, Nodeup, NodeupHash, Stored};

/// Clusters read at a time: enough to hide the way to S3, few enough for its politeness.
const AT_ONCE: usize = 16;

/// A state store that can be read.
#[derive(Debug)]
pub enum DocumentStore {
    Folder(PathBuf),
    /// In S3.
    #[cfg(feature = "aws")]
    Bucket(Bucket),
    /// One that cannot: why.
    Unreadable(String),
}

/// What a state store has of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub documents: Stored,
    /// What new nodes boot with.
    pub nodeup: Nodeup,
}

/// What there is of every cluster, each from its store.
pub async fn documents(
    stores: BTreeMap<ClusterName, Arc<DocumentStore>>,
) -> BTreeMap<ClusterName, Kept> {
    const DIED: &str = "its reader died; this is a bug in kfleet";
    let mut found = BTreeMap::new();
    let mut reading = JoinSet::new();
    // Who is not heard of again was not read.
    for name in stores.keys() {
        found.insert(
            name.clone(),
            Kept {
                documents: Stored::Unknown(DIED.into()),
                nodeup: Nodeup::Unknown(DIED.into()),
            },
        );
    }
    for (name, store) in stores {
        if reading.len() >= AT_ONCE
            && let Some(Ok((name, stored))) = reading.join_next().await
        {
            found.insert(name, stored);
        }
        reading.spawn(async move {
            let documents = store
                .documents(&name)
                .await
                .map_or_else(Stored::Unknown, Stored::Known);
            let nodeup = store
                .nodeup(&name, &documents)
                .await
                .map_or_else(Nodeup::Unknown, Nodeup::Known);
            let kept = Kept { documents, nodeup };
            (name, kept)
        });
    }
    while let Some(read) = reading.join_next().await {
        if let Ok((name, stored)) = read {
            found.insert(name, stored);
        }
    }
    found
}

impl DocumentStore {
    async fn documents(
        &self,
        cluster: &ClusterName,
    ) -> Result<BTreeMap<String, serde_json::Value>, String> {
        let mut all = BTreeMap::new();
        let mut add =
            |path: &str, object: StoredObject| match all.insert(object.key.clone(), object.value) {
                None => Ok(()),
                Some(_) => Err(format!("{path}: {} is there twice", object.key)),
            };
        let path = format!("{cluster}/config");
        if let Some(text) = self.get(&path).await? {
            add(
                &path,
                stored::read(&text, "Cluster", cluster.as_str())
                    .map_err(|e| format!("{path}: {e}"))?,
            )?;
        }
        let folder = format!("{cluster}/instancegroup/");
        for path in self.list(&folder).await? {
            let text = self
                .get(&path)
                .await?
                .ok_or_else(|| format!("{path} went away while it was read"))?;
            let name = path.strip_prefix(&folder).unwrap_or(&path);
            add(
                &path,
                stored::read(&text, "InstanceGroup", name).map_err(|e| format!("{path}: {e}"))?,
            )?;
        }
        let path = format!("{cluster}/clusteraddons/default");
        if let Some(text) = self.get(&path).await? {
            for object in stored::read_all(&text).map_err(|e| format!("{path}: {e}"))? {
                add(&path, object)?;
            }
        }
        Ok(all)
    }

    /// The hashes of the configurations that nodes boot with, by group: `igconfig/<role>/<group>/nodeupconfig.yaml`.
    async fn nodeup(
        &self,
        cluster: &ClusterName,
        documents: &Stored,
    ) -> Result<BTreeMap<GroupName, NodeupHash>, String> {
        let Stored::Known(documents) = documents else {
            return Ok(BTreeMap::new());
        };
        let mut hashes = BTreeMap::new();
        for (key, group) in documents {
            let Some(name) = key.strip_prefix("InstanceGroup/") else {
                continue;
            };
            for role in stored::boot_roles(group) {
                let path = format!("{cluster}/igconfig/{role}/{name}/nodeupconfig.yaml");
                let (Some(bytes), Ok(name)) = (self.bytes(&path).await?, GroupName::new(name))
                else {
                    continue;
                };
                hashes.insert(name, NodeupHash::of_file(&bytes));
                break;
            }
        }
        Ok(hashes)
    }

    /// The store at `s3://BUCKET/PREFIX`, asked with the credentials of the operator.
    ///
    /// # Errors
    /// When it is no such address.
    #[cfg(feature = "aws")]
    pub async fn in_s3(
        url: &str,
        reach: &crate::cloud::aws::Reach,
    ) -> Result<DocumentStore, String> {
        Bucket::connect(url, reach, &crate::cloud::aws::Calls::default())
            .await
            .map(DocumentStore::Bucket)
            .map_err(|e| e.to_string())
    }

    /// The names of what may be clusters: folders that hold a `config`, as `kops get clusters` has it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn clusters(&self) -> Result<Vec<String>, String> {
        let folders = match self {
            DocumentStore::Folder(root) => folders(root)?,
            #[cfg(feature = "aws")]
            DocumentStore::Bucket(bucket) => {
                let children = bucket.children("").await.map_err(|e| e.to_string())?;
                let names = children.iter().filter_map(|c| c.strip_suffix('/'));
                names.map(str::to_owned).collect()
            }
            DocumentStore::Unreadable(why) => return Err(why.clone()),
        };
        let mut found = Vec::new();
        for name in folders {
            if self.bytes(&format!("{name}/config")).await?.is_some() {
                found.push(name);
            }
        }
        Ok(found)
    }

    /// The documents of a cluster as they are stored: path and text, its Cluster first.
    ///
    /// # Errors
    /// When the store cannot be read, or has no such cluster.
    pub async fn texts(&self, cluster: &str) -> Result<Vec<(String, String)>, String> {
        let config = format!("{cluster}/config");
        let mut paths = vec![config.clone()];
        paths.extend(self.list(&format!("{cluster}/instancegroup/")).await?);
        paths.push(format!("{cluster}/clusteraddons/default"));
        let mut texts = Vec::new();
        for path in paths {
            match self.get(&path).await? {
                Some(text) => texts.push((path, text)),
                None if path.ends_with("/clusteraddons/default") => {}
                None => return Err(format!("{path} is not there")),
            }
        }
        Ok(texts)
    }

    /// The release of kops that last updated the cluster, as it wrote it; none: none has.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn kops_version(&self, cluster: &ClusterName) -> Result<Option<String>, String> {
        let text = self.get(&format!("{cluster}/kops-version.txt")).await?;
        Ok(text.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()))
    }

    /// The text there; none: there is nothing.
    async fn get(&self, path: &str) -> Result<Option<String>, String> {
        let bytes = self.bytes(path).await?;
        bytes
            .map(|b| String::from_utf8(b).map_err(|_| format!("{path}: is no text")))
            .transpose()
    }

    async fn bytes(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(match self {
            DocumentStore::Folder(root) => file(root, path)?,
            #[cfg(feature = "aws")]
            DocumentStore::Bucket(bucket) => bucket
                .get(path)
                .await
                .map_err(|e| e.to_string())?
                .map(|object| object.bytes),
            DocumentStore::Unreadable(why) => return Err(why.clone()),
        })
    }

    /// The paths of what is in a folder, its own folders left out.
    async fn list(&self, folder: &str) -> Result<Vec<String>, String> {
        let paths = match self {
            DocumentStore::Folder(root) => files(root, folder)?,
            #[cfg(feature = "aws")]
            DocumentStore::Bucket(bucket) => {
                bucket.list(folder).await.map_err(|e| e.to_string())?
            }
            DocumentStore::Unreadable(why) => return Err(why.clone()),
        };
        let own = |path: &String| {
            path.strip_prefix(folder)
                .is_some_and(|name| !name.is_empty() && !name.contains('/'))
        };
        Ok(paths.into_iter().filter(own).collect())
    }
}

fn file(root: &Path, path: &str) -> Result<Option<Vec<u8>>, String> {
    there(root)?;
    match std::fs::read(root.join(path)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{path}: {error}")),
    }
}

fn folders(root: &Path) -> Result<Vec<String>, String> {
    there(root)?;
    let failed = |e: std::io::Error| format!("{}: {e}", root.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(root).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.path().is_dir()
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn files(root: &Path, folder: &str) -> Result<Vec<String>, String> {
    there(root)?;
    let entries = match std::fs::read_dir(root.join(folder)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("{folder}: {error}")),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| format!("{folder}: {e}"))?;
        let name = entry
            .file_name()
            .into_string()
            .map_err(|name| format!("{folder}: {} is no name of a group", name.display()))?;
        if !entry
            .file_type()
            .map_err(|e| format!("{folder}{name}: {e}"))?
            .is_dir()
        {
            paths.push(format!("{folder}{name}"));
        }
    }
    paths.sort();
    Ok(paths)
}

/// A folder that is not there is no empty store: it may not be mounted.
fn there(root: &Path) -> Result<(), String> {
    match std::fs::metadata(root) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(format!("{} is no folder", root.display())),
        Err(error) => Err(format!("{}: {error}", root.display())),
    }
}

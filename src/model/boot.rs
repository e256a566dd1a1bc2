//! What is said of user data instead of the user data itself: its digest, and the hash by which kops's nodeup knows its configuration. Reads nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Digest, digest_of};

/// The key under which kops's bootstrap script names the hash. Source: kops, `nodeup.BootConfig`.
const KEY: &str = "NodeupConfigHash:";

/// The user data of a launch template version, as far as it is compared and shown: it holds secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct UserDataDigest {
    /// SHA-256 of what an instance is given.
    pub sha256: Digest,
    /// The hash of the nodeup configuration that it boots with; none: it names none that can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodeup_config_hash: Option<NodeupHash>,
}

/// SHA-256 of a `nodeupconfig.yaml`, in base64 as kops writes it. A node whose user data names another one than the state store holds does not boot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeupHash(String);

impl NodeupHash {
    /// The hash of a `nodeupconfig.yaml` as it is stored.
    pub fn of_file(bytes: &[u8]) -> NodeupHash {
        NodeupHash(STANDARD.encode(Sha256::digest(bytes)))
    }
}

impl std::fmt::Display for NodeupHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl UserDataDigest {
    /// Of user data as AWS stores it: base64. What is no base64 counts as it is.
    pub fn of(stored: &str) -> UserDataDigest {
        let bytes = STANDARD
            .decode(stored.trim())
            .unwrap_or_else(|_| stored.as_bytes().to_vec());
        UserDataDigest {
            sha256: digest_of(&bytes),
            nodeup_config_hash: named_hash(&String::from_utf8_lossy(&bytes)),
        }
    }
}

/// The one hash that the script names. A script that is packed hides it, and one that names two says nothing.
fn named_hash(script: &str) -> Option<NodeupHash> {
    let mut named = script
        .lines()
        .filter_map(|line| line.trim().strip_prefix(KEY))
        .map(|value| value.trim().trim_matches(['"', '\'']))
        .filter(|value| STANDARD.decode(value).is_ok_and(|b| b.len() == 32));
    let first = named.next()?;
    named
        .all(|other| other == first)
        .then(|| NodeupHash(first.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "dPJzXo3bWrO/eoLP4BFf7dSpoWVIDAA9nIFSQDHXd3Q=";

    #[test]
    fn the_hash_is_the_one_the_script_names() {
        let script = |lines: &str| {
            let text = format!(
                "#!/bin/bash\ncat > conf/kube_env.yaml << '__EOF_KUBE_ENV'\n{lines}\n__EOF_KUBE_ENV\n"
            );
            UserDataDigest::of(&STANDARD.encode(text))
                .nodeup_config_hash
                .map(|h| h.to_string())
        };
        for (lines, hash) in [
            (
                format!("ClusterName: a\nNodeupConfigHash: {HASH}"),
                Some(HASH),
            ),
            (format!("  NodeupConfigHash: \"{HASH}\"\r"), Some(HASH)),
            (
                format!("NodeupConfigHash: {HASH}\nNodeupConfigHash: {HASH}"),
                Some(HASH),
            ),
            ("NodeupConfigHash: short".into(), None),
            ("ClusterName: a".into(), None),
            (
                format!(
                    "NodeupConfigHash: {HASH}\nNodeupConfigHash: {}",
                    NodeupHash::of_file(b"x")
                ),
                None,
            ),
        ] {
            assert_eq!(script(&lines).as_deref(), hash, "{lines}");
        }
    }

    #[test]
    fn the_hash_of_a_file_is_that_of_kops() {
        // `printf 'kops\n' | openssl dgst -sha256 -binary | base64`
        assert_eq!(
            NodeupHash::of_file(b"kops\n").to_string(),
            "4+Xx0Qyzi3Bzh8wq8rP11Eb6apQx8jbFKAha54CwQtM="
        );
    }

    #[test]
    fn the_digest_is_of_what_an_instance_is_given() {
        let of = |text: &str| UserDataDigest::of(text).sha256;
        assert_eq!(
            of("eA=="),
            of(" eA==\n"),
            "white space around base64 is none of it"
        );
        assert_ne!(of("eA=="), of("eQ=="));
        assert_ne!(of("no base64!"), of("other"));
    }
}

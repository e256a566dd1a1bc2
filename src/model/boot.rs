//! What is said of user data instead of the user data itself: its digest, and the hash by which kops's nodeup knows its configuration. Reads nothing.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Digest, digest_of};

/// The key under which kops's bootstrap script names the hash. Source: kops, `nodeup.BootConfig`.
const KEY: &str = "NodeupConfigHash:";
/// How the script of a group with `compressUserData` unpacks what names the hash. Source: kops, the nodeup script (`GzipBase64 KubeEnv`).
const UNPACKS: &str = "| base64 -d | gzip -d >";
/// User data has 16 KiB at most; what unpacks to more than this is no configuration of kops.
const UNPACKED_AT_MOST: u64 = 1 << 20;

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

/// The one hash that the script names, in its own lines or in what it unpacks. One that names two says nothing.
fn named_hash(script: &str) -> Option<NodeupHash> {
    let packed: Vec<String> = script.lines().filter_map(unpacked).collect();
    let mut named = std::iter::once(script)
        .chain(packed.iter().map(String::as_str))
        .flat_map(str::lines)
        .filter_map(|line| line.trim().strip_prefix(KEY))
        .map(|value| value.trim().trim_matches(['"', '\'']))
        .filter(|value| STANDARD.decode(value).is_ok_and(|b| b.len() == 32));
    let first = named.next()?;
    named
        .all(|other| other == first)
        .then(|| NodeupHash(first.to_owned()))
}

/// What a line such as `echo "..." | base64 -d | gzip -d > conf/kube_env.yaml` writes.
fn unpacked(line: &str) -> Option<String> {
    let (packed, _) = line.trim().strip_prefix("echo ")?.split_once(UNPACKS)?;
    let bytes = STANDARD
        .decode(packed.trim().trim_matches(['"', '\'']))
        .ok()?;
    let mut text = String::new();
    GzDecoder::new(bytes.as_slice())
        .take(UNPACKED_AT_MOST)
        .read_to_string(&mut text)
        .ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "dPJzXo3bWrO/eoLP4BFf7dSpoWVIDAA9nIFSQDHXd3Q=";

    #[test]
    fn the_hash_is_the_one_the_script_names() {
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
            assert_eq!(hash_in(&lines).as_deref(), hash, "{lines}");
        }
    }

    fn hash_in(lines: &str) -> Option<String> {
        let text = format!(
            "#!/bin/bash\ncat > conf/kube_env.yaml << '__EOF_KUBE_ENV'\n{lines}\n__EOF_KUBE_ENV\n"
        );
        UserDataDigest::of(&STANDARD.encode(text))
            .nodeup_config_hash
            .map(|h| h.to_string())
    }

    #[test]
    fn a_packed_configuration_is_unpacked() {
        use std::io::Write as _;
        let packed = |text: &str| {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            gzip.write_all(text.as_bytes()).unwrap();
            STANDARD.encode(gzip.finish().unwrap())
        };
        let hash = |script: &str| {
            UserDataDigest::of(&STANDARD.encode(script))
                .nodeup_config_hash
                .map(|h| h.to_string())
        };
        let line = |text: &str| {
            format!(
                "ensure-install-dir\n\necho \"{}\" | base64 -d | gzip -d > conf/kube_env.yaml\ndownload-release\n",
                packed(text)
            )
        };
        let env = format!("ClusterName: a\nNodeupConfigHash: {HASH}\n");
        assert_eq!(hash(&line(&env)).as_deref(), Some(HASH));
        let other = format!("NodeupConfigHash: {}\n", NodeupHash::of_file(b"x"));
        assert_eq!(hash(&(line(&env) + &other)), None, "it names two");
        let spec = line("kind: Cluster\n").replace("kube_env", "cluster_spec");
        assert_eq!(hash(&(spec + &line(&env))).as_deref(), Some(HASH));
        assert_eq!(hash("echo \"AAAA\" | base64 -d | gzip -d > x\n"), None);
        // What unpacks to more than user data could hold is not read on and on.
        assert_eq!(hash(&line(&"x".repeat(3_000_000))), None);
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
            "white space around base64 is not part of it"
        );
        assert_ne!(of("eA=="), of("eQ=="));
        assert_ne!(of("no base64!"), of("other"));
    }
}

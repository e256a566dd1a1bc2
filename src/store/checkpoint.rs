//! What lies beside a long journal: how its rollout stood after some record, so that a look need not read what comes before. It is written now and then by the
//! process that carries the rollout on, and never needed: where there is none, it is damaged, or another kfleet wrote it, the journal is read whole.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Store;
use super::line::digest;
use super::objects::replace;
use super::so_far::{Moved, SoFar};
use crate::model::RolloutId;
use crate::rollout::Rollout;

const FOLDER: &str = "checkpoints/";
/// A checkpoint is read by the kfleet that wrote it, and by no other: what it holds has no form of its own.
const WRITER: &str = env!("KFLEET_VERSION");
/// The outline of the rollout: it never changes.
const OUTLINE: &str = "rollout";
const MOVED: &str = "progress";

/// Whether what stays the same of it is there.
#[derive(Debug, Default)]
pub(super) struct Outlined(bool);

impl Store {
    /// Leaves a checkpoint. One that cannot be written is missed by nobody.
    pub(super) fn leave(&self, outlined: &mut Outlined, rollout: &Rollout, moved: &Moved) {
        let put = |what: &str, bytes: Option<Vec<u8>>| {
            let key = format!("{FOLDER}{}/{what}", rollout.id);
            bytes.is_some_and(|bytes| replace(&*self.objects, &key, &bytes).is_ok())
        };
        outlined.0 = outlined.0 || put(OUTLINE, packed(&rollout.outline()));
        if outlined.0 {
            put(MOVED, packed(moved));
        }
    }

    /// The last checkpoint of a rollout, where there is one that can be used.
    pub(super) fn checkpoint(&self, id: &str) -> Option<SoFar> {
        RolloutId::new(id).ok()?;
        let keys = [OUTLINE, MOVED].map(|what| format!("{FOLDER}{id}/{what}"));
        let mut found = self.objects.get_all(&keys).ok()?.into_iter().flatten();
        let rollout: Rollout = unpacked(&found.next()?.bytes)?;
        let moved: Moved = unpacked(&found.next()?.bytes)?;
        (rollout.id == id).then_some(SoFar { rollout, moved })
    }
}

/// A first line with the writer and the digest of what follows.
fn packed(value: &impl Serialize) -> Option<Vec<u8>> {
    let plain = serde_json::to_string(value).ok()?;
    let mut body = DeflateEncoder::new(Vec::new(), Compression::fast());
    body.write_all(plain.as_bytes()).ok()?;
    let body = body.finish().ok()?;
    let mut bytes = format!("{WRITER} {}\n", digest(&body)).into_bytes();
    bytes.extend(body);
    Some(bytes)
}

fn unpacked<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let end = bytes.iter().position(|b| *b == b'\n')?;
    let (head, body) = bytes.split_at_checked(end + 1)?;
    if head != format!("{WRITER} {}\n", digest(body)).as_bytes() {
        return None;
    }
    let mut plain = String::new();
    DeflateDecoder::new(body).read_to_string(&mut plain).ok()?;
    serde_json::from_str(&plain).ok()
}

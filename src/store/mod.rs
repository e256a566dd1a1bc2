//! What outlives a process: journals, locks, baselines, requests. A folder, or objects in S3 (`objects`: the trait; the SDK is not named
//! here). Decides nothing.
//!
//! ```text
//! .gitignore                         in a folder: no file of a store belongs into git
//! store.json                         which kind of cloud it belongs to; a store is never shared between a real and a simulated one
//! journals/<rollout>.jsonl           in a folder: one record a line, append-only
//! journals/<rollout>/<number>.jsonl  elsewhere: what was appended at once, by the number of its first record
//! checkpoints/<rollout>/              how the rollout of a long journal stood after some record, for who looks
//! carriers/<rollout>.json            elsewhere: the lease of the process that carries the rollout on
//! board.json                         how rollouts stand that are under way at the same time, for one another
//! baselines/<cluster>.json           what was last applied and verified
//! locks/<cluster>.json               who holds the cluster, with a fencing number that only grows
//! sequence/<number>                  which rollout was begun as which; numbers only grow
//! contents/<digest>                  user data that journals name by its digest
//! access/<rollout>.json              how the clusters of a rollout are reached, so that it can be taken back without the fleet's files
//! starting.json                      who is starting a rollout
//! requests/<rollout>/                approvals and aborts left for the process that runs the rollout
//! ended/<rollout>                    elsewhere: this rollout has ended, its journal need not be read to know
//! waits/<rollout>.json               what a rollout waited for when it last said so
//! notified/<rollout>.json            what webhooks were told of a rollout
//! warnings/<cluster>.json            what was wrong in a cluster when it was last looked at
//! hooks/<hook>@<place>.json          what a hook ran with when it ran there last
//! outputs/<rollout>/<name>.txt       what a command of a rollout printed, bounded and without secrets
//! drift/<cluster>.json               what the last look for drift found
//! forgotten/<cluster>.json           what was known of a cluster that was forgotten
//! probes/                            for a moment: whether conditional puts work
//! stops/                             who stopped the line, and why
//! ```

mod asides;
mod baselines;
mod batches;
mod board;
mod checkpoint;
mod damage;
mod drift;
mod error;
mod folder;
mod forgotten;
mod given;
mod holder;
mod hooks;
mod journal;
mod keeper;
mod kind;
mod lease;
mod line;
mod locks;
mod logs;
mod objects;
mod outlines;
mod probe;
mod requests;
mod so_far;
mod starting;
mod stop;
mod stops;
mod tail;
mod whole;

pub use crate::model::object::{Condition, Object, Put};
pub use asides::Warnings;
pub use damage::mending;
pub use error::StoreError;
pub use folder::Folder;
pub use forgotten::Forgotten;
pub use holder::{Holder, TakenOver};
pub use journal::Journal;
pub use keeper::Store;
pub use kind::CloudKind;
pub use lease::{Leases, Terms, Ticks};
pub use locks::Locks;
pub use objects::{ObjectError, Objects};
pub use probe::Probe;
pub use requests::Request;
pub use starting::{ClusterAccess, KopsAccess, Moment, Starting, StoreAccess};
pub use stop::Stop;

//! The files of a fleet that is begun: an empty one, or one around clusters that kops has made. Texts → texts. Pure: reads and writes no files, makes
//! no calls.

mod environment;
mod factor;
mod files;
mod group;
mod kops;
mod manifest;
mod migrate;
mod names;
mod start;
mod templates;

use std::collections::BTreeMap;

pub use kops::{AdoptError, Adoption, EnvironmentEvidence, KnownCluster, Placeholders, adopt};
pub use manifest::{Existing, Input, ManifestError, read};
pub use migrate::{Migration, migrate};
pub use start::{Start, StartError, start};
pub use templates::{TemplateCluster, TemplatesAround, TemplatesError, around_templates};

/// Files by their path below the fleet's folder, with their text.
pub type Files = BTreeMap<String, String>;

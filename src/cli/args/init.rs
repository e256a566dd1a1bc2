//! What can be typed of `kfleet init`.

use std::path::PathBuf;

use clap::Args;

use super::examples;
use crate::model::{ClusterName, Region};

#[derive(Debug, Args)]
#[command(after_help = examples::INIT)]
pub(in crate::cli) struct InitArguments {
    /// A cluster of the fleet: first the one that gets a change first (repeatable). Of what kops has: only these.
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) cluster: Vec<ClusterName>,
    /// The clusters' AWS account, or one cluster's as `CLUSTER=ID` (repeatable).
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) account: Vec<String>,
    /// Begin with the clusters in these files of `kops get -o yaml`; `-` is standard input. Without a file: with what --state-store has.
    #[arg(long, value_name = "FILE", num_args = 0..)]
    pub(in crate::cli) from_kops: Option<Vec<PathBuf>>,
    /// Begin with the clusters that kops keeps in this state store, `s3://BUCKET/PREFIX` or a folder.
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) state_store: Option<String>,
    /// Begin with the Go templates of `kops toolbox template` in this folder or file, unchanged (repeatable).
    #[arg(long, value_name = "PATH", conflicts_with_all = ["from_kops", "state_store"])]
    pub(in crate::cli) from_templates: Vec<PathBuf>,
    /// A file of values for the templates: one cluster's as `CLUSTER=FILE`, or of all; a later one wins (repeatable).
    #[arg(long, value_name = "FILE", requires = "from_templates")]
    pub(in crate::cli) values: Vec<String>,
    /// The snippets that the templates include, a folder or a file (repeatable).
    #[arg(long, value_name = "PATH", requires = "from_templates")]
    pub(in crate::cli) snippets: Vec<PathBuf>,
    /// The environment of clusters whose names do not say it, or one cluster's as `CLUSTER=ENVIRONMENT` (repeatable).
    #[arg(long, value_name = "ENVIRONMENT")]
    pub(in crate::cli) environment: Vec<String>,
    /// The clusters' region.
    #[arg(long, value_name = "REGION")]
    pub(in crate::cli) region: Option<Region>,
    /// Their zones; a, b and c when they are not given (repeatable, or separated by commas).
    #[arg(long, value_name = "ZONE", value_delimiter = ',')]
    pub(in crate::cli) zones: Vec<String>,
}

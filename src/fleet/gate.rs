//! A gate as resolved: what is asked, of whom, how often. Makes no calls.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::Span;

/// One gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateSpec {
    /// Its name, unique.
    pub name: String,
    /// What it looks at.
    pub kind: GateKind,
    /// How long it may say "wait" before that counts as a failure.
    pub deadline: Span,
    /// When it is asked; none: about canaries and about clusters.
    #[serde(default)]
    pub at: Option<GateAt>,
    /// How often it is asked.
    #[serde(default)]
    pub samples: Samples,
}

/// What a gate looks at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GateKind {
    /// In service = wanted in every group of the cluster, no failed scaling activity since the change.
    Asg,
    /// What `kops validate cluster` looks at: every instance has a Ready node, critical pods run, every control-plane node has its
    /// components; and no more pods are unready than before the change.
    Kubernetes,
    /// What `kops validate cluster` finds, of clusters whose engine is kops: nothing passes, anything waits. Other clusters are not asked.
    Kops,
    /// A command of the fleet: exit 0 passes, 75 waits, anything else fails.
    Command(
        /// Program and arguments; run in the fleet's folder.
        Vec<String>,
    ),
    /// An HTTP request: the status and text expected pass, no answer waits, anything else fails.
    Http(Box<HttpGate>),
    /// A question to Prometheus: values within their bounds pass.
    Promql(Box<PromqlGate>),
}

/// When a gate is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GateAt {
    /// About the canary of each group.
    Canary,
    /// About the whole cluster, once its groups are done.
    Cluster,
}

/// How often a gate that has to be asked is asked: all answers have to be a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Samples {
    /// At least this often, at least 1.
    pub times: u32,
    /// This far apart. A gate with more than one sample is asked all through the canary's bake.
    pub every: Span,
}

impl Default for Samples {
    fn default() -> Self {
        Samples {
            times: 1,
            every: Span::from_secs(30),
        }
    }
}

/// An HTTP request and what its answer has to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpGate {
    /// `http://…` or `https://…`; `{cluster}` and `{group}` are filled in.
    pub url: String,
    /// Headers by name.
    pub headers: BTreeMap<String, HeaderValue>,
    /// The status that passes.
    pub status: u16,
    /// Text that the body has to hold.
    pub body: Option<String>,
    /// How long the answer may take; none in that time is "wait".
    pub timeout: Span,
}

/// A question to Prometheus and what its answer has to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromqlGate {
    /// Prometheus, without `/api/v1/query`; `{cluster}` and `{group}` are filled in.
    pub url: String,
    /// The query; `{cluster}` and `{group}` are filled in, all other braces are PromQL's own. Every sample of its result counts.
    pub query: String,
    /// No sample may be below.
    pub min: Option<Bound>,
    /// No sample may be above.
    pub max: Option<Bound>,
    /// What an empty result says.
    pub empty: Empty,
    /// Headers by name.
    pub headers: BTreeMap<String, HeaderValue>,
    /// How long the answer may take; none in that time is "wait".
    pub timeout: Span,
}

/// What an empty result says. Missing evidence is never a pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Empty {
    /// Not yet.
    #[default]
    Wait,
    /// The gate has failed.
    Fail,
}

/// The value of a header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "kebab-case",
    untagged,
    expecting = "expected a text, or {env: NAME}"
)]
pub enum HeaderValue {
    /// As it stands.
    Text(String),
    /// What this environment variable of the process that drives the rollout holds. Only its name is ever written down.
    Env(FromEnv),
}

/// `{env: NAME}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FromEnv {
    /// The variable's name.
    pub env: String,
}

/// A finite number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Bound(f64);

impl Eq for Bound {}

impl Bound {
    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Bound {
    type Error = &'static str;
    fn try_from(value: f64) -> Result<Self, Self::Error> {
        if value.is_finite() {
            Ok(Bound(value))
        } else {
            Err("a bound has to be a finite number")
        }
    }
}

impl From<Bound> for f64 {
    fn from(bound: Bound) -> f64 {
        bound.0
    }
}

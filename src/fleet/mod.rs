//! Files → [`Fleet`]: settings, clusters, layered vars, template and snippet sources. Renders nothing, asks no cloud.

mod settings;

pub use settings::{Amount, Drain, Freeze, GateKind, GateSpec, OnTimeout, Rate, Rolling, Settings, Stage, Wave, Weekday};

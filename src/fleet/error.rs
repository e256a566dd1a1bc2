//! What can be wrong with the files of a fleet, and what to do about it. Prints nothing.

use std::collections::BTreeSet;

use crate::model::ClusterName;
use crate::yaml::Pos;

use super::suggest::closest;

/// A place in a file of the fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLocation {
    /// The file, relative to the fleet.
    pub file: String,
    /// Where in it; none: the file as a whole.
    pub pos: Option<Pos>,
}

impl std::fmt::Display for SourceLocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.pos {
            Some(pos) => write!(f, "{}:{pos}", self.file),
            None => f.write_str(&self.file),
        }
    }
}

/// A rule that the vars of some clusters break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VarFault {
    /// Where the value was set.
    pub place: SourceLocation,
    /// Its dotted path.
    pub path: String,
    /// The rule.
    pub message: String,
    /// What was probably meant.
    pub near: Option<String>,
    pub clusters: Vec<ClusterName>,
}

impl std::fmt::Display for VarFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let VarFault {
            place,
            path,
            message,
            clusters,
            ..
        } = self;
        let of = match clusters.as_slice() {
            [one] => one.to_string(),
            [one, two] => format!("{one} and {two}"),
            [one, rest @ ..] => format!("{one} and {} more", rest.len()),
            [] => String::new(),
        };
        let what = if path.is_empty() {
            "vars".to_owned()
        } else {
            format!("`{path}`")
        };
        write!(f, "{place}: {what} {message} (of {of})")
    }
}

/// A fault in the files of a fleet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FleetError {
    /// The folder is no fleet.
    #[error("{dir}: no fleet.yaml here")]
    NotAFleet {
        /// The folder.
        dir: String,
    },
    /// There is no cluster file.
    #[error("clusters/: no cluster file")]
    NoClusters,
    /// A file or folder could not be read.
    #[error("{file}: cannot be read: {why}")]
    Unreadable {
        file: String,
        /// The system's words.
        why: String,
    },
    /// A file is no YAML, or YAML that means two things.
    #[error("{place}: {message}")]
    Yaml {
        place: SourceLocation,
        message: String,
    },
    /// A key that has no meaning there.
    #[error("{place}: unknown key `{key}`")]
    UnknownKey {
        place: SourceLocation,
        key: String,
        /// The keys there are.
        known: Vec<String>,
    },
    /// A value of the wrong type or form, or a key that is missing.
    #[error("{place}: {message}")]
    Shape {
        place: SourceLocation,
        message: String,
    },
    /// A name that refers to nothing.
    #[error("{place}: no {what} is named `{name}`")]
    UnknownName {
        place: SourceLocation,
        /// What it should name.
        what: &'static str,
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// Two things with one name.
    #[error("{place}: the {what} `{name}` is already in {first}")]
    Twice {
        /// The second.
        place: SourceLocation,
        /// What it is.
        what: &'static str,
        name: String,
        /// Where it was before.
        first: String,
    },
    /// A value that is understood and makes no sense.
    #[error("{place}: {message}")]
    Invalid {
        place: SourceLocation,
        message: String,
        /// What to write instead.
        hint: String,
    },
    /// Something this version does not do.
    #[error("{place}: {what} is not available in this version")]
    NotAvailable {
        place: SourceLocation,
        what: String,
        /// What there is.
        instead: String,
    },
    /// A stage or wave that holds no cluster.
    #[error("{place}: {what} has no clusters")]
    Empty {
        place: SourceLocation,
        /// Stage, or stage and wave.
        what: String,
    },
    /// Clusters that no stage or wave holds.
    #[error("{place}: in no {what}: {}", .clusters.join(", "))]
    LeftOut {
        place: SourceLocation,
        /// What should hold them: stage, or wave of a stage.
        what: String,
        clusters: Vec<String>,
    },
    /// A schema for vars that cannot be used.
    #[error("{place}: {message}")]
    VarsSchema {
        place: SourceLocation,
        message: String,
        /// What to write instead.
        hint: Option<String>,
    },
    /// Vars that break the schema.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Vars(
        /// Every one of them.
        Vec<VarFault>,
    ),
    /// Several faults.
    #[error("{}", listed(.0))]
    Faults(
        /// Every one of them, at least two.
        Vec<FleetError>,
    ),
    /// A fault with the line it is in.
    #[error("{error}{}", excerpt(.line, .error.place()))]
    Shown {
        /// The fault.
        error: Box<FleetError>,
        /// The line as written.
        line: String,
    },
    /// Stages that wait for each other.
    #[error("{place}: {}", wait(.stages))]
    Cycle {
        /// The first of them.
        place: SourceLocation,
        /// All of them.
        stages: Vec<String>,
    },
}

impl FleetError {
    /// All of these faults as one; there is at least one.
    pub(super) fn all(faults: Vec<FleetError>) -> FleetError {
        let mut flat: Vec<FleetError> = Vec::new();
        for fault in faults {
            if let FleetError::Faults(more) = fault {
                flat.extend(more);
            } else {
                flat.push(fault);
            }
        }
        match <[FleetError; 1]>::try_from(flat) {
            Ok([one]) => one,
            Err(several) => FleetError::Faults(several),
        }
    }

    /// Where it is, when it is in one place.
    pub(super) fn place(&self) -> Option<&SourceLocation> {
        match self {
            FleetError::Yaml { place, .. }
            | FleetError::UnknownKey { place, .. }
            | FleetError::Shape { place, .. }
            | FleetError::UnknownName { place, .. }
            | FleetError::Twice { place, .. }
            | FleetError::Invalid { place, .. }
            | FleetError::NotAvailable { place, .. }
            | FleetError::Empty { place, .. }
            | FleetError::LeftOut { place, .. }
            | FleetError::VarsSchema { place, .. }
            | FleetError::Cycle { place, .. } => Some(place),
            FleetError::Shown { error, .. } => error.place(),
            FleetError::NotAFleet { .. }
            | FleetError::NoClusters
            | FleetError::Unreadable { .. }
            | FleetError::Vars(_)
            | FleetError::Faults(_) => None,
        }
    }

    /// The same with the lines that faults are in. `line` gives the line of a place, or none where it is not to be shown.
    #[must_use]
    pub(super) fn shown(self, line: &impl Fn(&SourceLocation) -> Option<String>) -> FleetError {
        if let FleetError::Faults(faults) = self {
            return FleetError::Faults(faults.into_iter().map(|f| f.shown(line)).collect());
        }
        match self.place().and_then(line) {
            Some(line) => FleetError::Shown {
                error: Box::new(self),
                line,
            },
            None => self,
        }
    }

    /// What to do about it, when that can be said.
    pub fn hint(&self) -> Option<String> {
        match self {
            FleetError::NotAFleet { .. } => Some("run in a fleet's folder, or name one with -C DIR".into()),
            FleetError::NoClusters => Some("add clusters/NAME.yaml with environment, region and account".into()),
            FleetError::Unreadable { .. } | FleetError::Yaml { .. } | FleetError::Shape { .. } => None,
            FleetError::UnknownKey { key, known, .. } => Some(did_you_mean(key, known, "the keys here are")),
            FleetError::UnknownName { what, name, known, .. } => {
                let all = did_you_mean(name, known, "there are");
                // One may be running, and must not be forgotten for the sake of this line.
                Some(if what.starts_with("cluster") && all.starts_with("there are") {
                    format!("{all}; a cluster that is still there needs its file back: clusters/{name}.yaml")
                } else {
                    all
                })
            }
            // Two mentions of one cluster: it is the mention that is too many, not the cluster.
            FleetError::Twice { what: "cluster", place, .. } if place.file == "fleet.yaml" => {
                Some("name it in one of them only; the cluster itself stays".into())
            }
            FleetError::Twice { .. } => Some("keep one of the two".into()),
            FleetError::Invalid { hint, .. } => Some(hint.clone()),
            FleetError::NotAvailable { instead, .. } => Some(instead.clone()),
            FleetError::Empty { .. } => Some("select clusters that exist, or remove the stage or wave".into()),
            FleetError::LeftOut { .. } => {
                Some("every cluster belongs to exactly one wave of one stage: add them, or leave `clusters` out of one wave".into())
            }
            FleetError::VarsSchema { hint, .. } => hint.clone(),
            FleetError::Vars(faults) => {
                let near: BTreeSet<String> = faults.iter().filter_map(|f| f.near.as_ref().map(|n| format!("`{n}`"))).collect();
                let near = near.into_iter().collect::<Vec<_>>().join(" and ");
                Some(if near.is_empty() { "vars/schema.json says what vars may be".into() } else { format!("did you mean {near}?") })
            }
            // They stand behind each fault.
            FleetError::Faults(_) => None,
            FleetError::Shown { error, .. } => error.hint(),
            FleetError::Cycle { .. } => Some("take `after` away from one of them".into()),
        }
    }
}

fn did_you_mean(name: &str, known: &[String], all: &str) -> String {
    match closest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "there are none".into(),
        None => format!("{all} {}", known.join(", ")),
    }
}

fn wait(stages: &[String]) -> String {
    match stages {
        [one] => format!("the stage {one} waits for itself"),
        _ => format!("the stages {} wait for each other", stages.join(", ")),
    }
}

/// The faults one below the other, each with what to do about it.
fn listed(faults: &[FleetError]) -> String {
    let one = |fault: &FleetError| match fault.hint() {
        Some(hint) => format!("{fault}\nhint: {hint}"),
        None => fault.to_string(),
    };
    faults.iter().map(one).collect::<Vec<_>>().join("\n")
}

/// The line with a caret below the place.
fn excerpt(line: &str, place: Option<&SourceLocation>) -> String {
    let Some(pos) = place.and_then(|p| p.pos) else {
        return String::new();
    };
    let number = pos.line.to_string();
    let gutter = " ".repeat(number.len());
    let taken = line.chars().take(pos.column.saturating_sub(1) as usize);
    // Tabs stay tabs, so that the caret stands where the eye looks.
    let pad: String = taken.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    format!("\n{gutter} |\n{number} | {line}\n{gutter} | {pad}^")
}

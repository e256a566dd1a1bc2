//! What others can do to the account, and how it is written in a scenario. What it does is in `acts`.

use std::str::FromStr;

use super::answers::PROCESSES;

/// Something that others do to the account, at once. A group is named by its AutoScalingGroup or its InstanceGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// `reclaim:GROUP:N`: AWS takes this many spot instances back.
    Reclaim(String, u32),
    /// `terminate:GROUP:N`: a person ends instances in the console, undrained.
    Terminate(String, u32),
    /// `detach:GROUP:N`: a person takes instances out of the group, which replaces them.
    Detach(String, u32),
    /// `node-down:GROUP:N`: nodes stop being Ready, until `node-up`.
    NodeDown(String, u32),
    /// `node-up:GROUP:N`: nodes that are down turn Ready again.
    NodeUp(String, u32),
    /// `unhealthy:GROUP:N`: health checks of instances fail, and AWS replaces them.
    Unhealthy(String, u32),
    /// `standby:GROUP:N`: a person puts instances on standby, and the group launches others.
    Standby(String, u32),
    /// `cordon:GROUP:N`: a person cordons nodes.
    Cordon(String, u32),
    /// `uncordon:GROUP:N`: a person uncordons nodes, whether the rollout or others cordoned them.
    Uncordon(String, u32),
    /// `leave:GROUP:N`: an autoscaler marks nodes as its to delete, and ends them two minutes later; desired capacity goes with them.
    Leave(String, u32),
    /// `rebalance:GROUP`: AWS ends an instance in the fullest zone to start one elsewhere, unless AZRebalance is suspended.
    Rebalance(String),
    /// `scale:GROUP:+N` or `-N`: an autoscaler moves desired capacity, between minimum and maximum.
    Scale(String, i64),
    /// `set:GROUP:FIELD=N`: a person sets MinSize, MaxSize or DesiredCapacity.
    Set(String, Field, u32),
    /// `repin:GROUP`: a person makes a launch template version with another image and points the group at it.
    Repin(String),
    /// `delete-version:GROUP`: a person deletes the oldest launch template version that the group does not launch from.
    DeleteVersion(String),
    /// `refresh:GROUP`: a person starts an instance refresh of the whole group.
    Refresh(String),
    /// `suspend:GROUP:PROCESS`: a person suspends a scaling process.
    Suspend(String, String),
    /// `resume:GROUP:PROCESS`: a person resumes a scaling process.
    Resume(String, String),
    /// `delete:GROUP`: a person deletes the group with everything in it.
    Delete(String),
    /// `kill`: the process dies where it stands, as by `kill -9`.
    Kill,
}

/// A size of a group that a person can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `MinSize`.
    Minimum,
    /// `MaxSize`.
    Maximum,
    /// `DesiredCapacity`.
    Desired,
}

impl Act {
    /// The group that it is about; none: the process.
    pub(super) fn group(&self) -> Option<&str> {
        match self {
            Act::Reclaim(group, _)
            | Act::Terminate(group, _)
            | Act::Detach(group, _)
            | Act::NodeDown(group, _)
            | Act::NodeUp(group, _)
            | Act::Unhealthy(group, _)
            | Act::Standby(group, _)
            | Act::Cordon(group, _)
            | Act::Uncordon(group, _)
            | Act::Leave(group, _)
            | Act::DeleteVersion(group)
            | Act::Refresh(group)
            | Act::Suspend(group, _)
            | Act::Resume(group, _)
            | Act::Rebalance(group)
            | Act::Scale(group, _)
            | Act::Set(group, ..)
            | Act::Repin(group)
            | Act::Delete(group) => Some(group),
            Act::Kill => None,
        }
    }
}

impl FromStr for Act {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, value) = text.split_once(':').unwrap_or((text, ""));
        let form = |form: &str| format!("act `{text}` is written {form}");
        let group = |shape: &str| {
            if value.is_empty() {
                Err(form(shape))
            } else {
                Ok(value.to_owned())
            }
        };
        let some = |shape: &str| {
            let (group, number) = value.rsplit_once(':').unwrap_or((value, "1"));
            let number = number
                .parse()
                .ok()
                .filter(|n: &u32| *n > 0 && !group.is_empty())
                .ok_or_else(|| form(shape))?;
            Ok::<_, String>((group.to_owned(), number))
        };
        match kind {
            "reclaim" => some("reclaim:GROUP:N").map(|(group, n)| Act::Reclaim(group, n)),
            "terminate" => some("terminate:GROUP:N").map(|(group, n)| Act::Terminate(group, n)),
            "detach" => some("detach:GROUP:N").map(|(group, n)| Act::Detach(group, n)),
            "node-down" => some("node-down:GROUP:N").map(|(group, n)| Act::NodeDown(group, n)),
            "node-up" => some("node-up:GROUP:N").map(|(group, n)| Act::NodeUp(group, n)),
            "unhealthy" => some("unhealthy:GROUP:N").map(|(group, n)| Act::Unhealthy(group, n)),
            "standby" => some("standby:GROUP:N").map(|(group, n)| Act::Standby(group, n)),
            "uncordon" => some("uncordon:GROUP:N").map(|(group, n)| Act::Uncordon(group, n)),
            "delete-version" => group("delete-version:GROUP").map(Act::DeleteVersion),
            "refresh" => group("refresh:GROUP").map(Act::Refresh),
            "suspend" => process(value)
                .map(|(group, process)| Act::Suspend(group, process))
                .ok_or_else(|| form("suspend:GROUP:PROCESS")),
            "resume" => process(value)
                .map(|(group, process)| Act::Resume(group, process))
                .ok_or_else(|| form("resume:GROUP:PROCESS")),
            "cordon" => some("cordon:GROUP:N").map(|(group, n)| Act::Cordon(group, n)),
            "leave" => some("leave:GROUP:N").map(|(group, n)| Act::Leave(group, n)),
            "rebalance" => group("rebalance:GROUP").map(Act::Rebalance),
            "repin" => group("repin:GROUP").map(Act::Repin),
            "delete" => group("delete:GROUP").map(Act::Delete),
            "scale" => scale(value).ok_or_else(|| form("scale:GROUP:+N or scale:GROUP:-N")),
            "set" => set(value).ok_or_else(|| {
                form("set:GROUP:FIELD=N, FIELD one of MinSize, MaxSize, DesiredCapacity")
            }),
            "kill" if value.is_empty() => Ok(Act::Kill),
            _ => Err(format!(
                "`{kind}` is no act; there are reclaim, terminate, detach, node-down, cordon, rebalance, scale, set, repin, delete, kill, node-up, unhealthy, standby, uncordon, delete-version, refresh, suspend, resume, leave"
            )),
        }
    }
}

fn process(value: &str) -> Option<(String, String)> {
    let (group, process) = value.rsplit_once(':')?;
    let known = PROCESSES.contains(&process) && !group.is_empty();
    known.then(|| (group.to_owned(), process.to_owned()))
}

fn scale(value: &str) -> Option<Act> {
    let (group, by) = value.rsplit_once(':')?;
    let signed = by.starts_with(['+', '-']);
    let by = by
        .parse::<i64>()
        .ok()
        .filter(|by| *by != 0 && by.unsigned_abs() <= 100_000)?;
    (signed && !group.is_empty()).then(|| Act::Scale(group.to_owned(), by))
}

fn set(value: &str) -> Option<Act> {
    let (group, setting) = value.rsplit_once(':')?;
    let (field, number) = setting.split_once('=')?;
    let field = match field {
        "MinSize" => Field::Minimum,
        "MaxSize" => Field::Maximum,
        "DesiredCapacity" => Field::Desired,
        _ => return None,
    };
    let number = number.parse().ok()?;
    (!group.is_empty()).then(|| Act::Set(group.to_owned(), field, number))
}

//! Scenario files: which fault or act, at or after what, how long, how often. Text → [`Scenario`], with the place of every mistake. Plays nothing.
//!
//! ```yaml
//! version: 1
//! scenario:
//!   - {fault: "throttle:3", after: 5m, for: 20m}                      # as `--fault`, for a time
//!   - {fault: "no-capacity:nodes", when: pin-version nodes, for: 1h}  # from the moment that the group is pinned
//!   - {act: "reclaim:nodes:2", after: 10m, every: 30m, times: 3}      # what happens at a moment
//!   - {act: kill, when: terminate, nth: 4}                            # the process dies in its fourth `terminate`
//! ```

use super::act::Act;
use super::faults::{Aim, Fault};
use crate::model::{CloudEffect, Effect, KopsEffect, NodeEffect, Span};
use crate::yaml::{self, Node, Pos, Schema, Value};

/// The version of scenario files that this program reads.
const VERSION: u64 = 1;

/// What goes wrong in a session of the simulated account, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scenario {
    /// In the order of the file.
    pub items: Vec<Item>,
}

impl Scenario {
    /// What its faults, acts and triggers are about.
    pub fn aims(&self) -> impl Iterator<Item = Aim<'_>> {
        self.items.iter().flat_map(|item| {
            let what = match &item.what {
                What::Fault(fault) => fault.aim(),
                What::Act(act) => act.group().map(Aim::Group),
            };
            let when = item
                .when
                .as_ref()
                .and_then(|when| when.group.as_deref())
                .map(Aim::Group);
            what.into_iter().chain(when)
        })
    }
}

/// One line of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What happens.
    pub what: What,
    /// The effect that it waits for; none: it counts from the moment that the session began.
    pub when: Option<Trigger>,
    /// How long after that it happens.
    pub after: Span,
    /// How long a fault lasts; none: for ever. An act takes no time.
    pub lasts: Option<Span>,
    /// From one time that it happens to the next.
    pub every: Span,
    /// How often, at least 1; for ever where only `every` is said.
    pub times: u32,
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A state of the account.
    Fault(Fault),
    /// Something that others do.
    Act(Act),
}

/// An effect that took place, e.g. the second `terminate` in group `nodes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// Its kind, as the journal writes it: `pin-version`, `terminate`, `cordon` …
    pub kind: String,
    /// In this group only, by its AutoScalingGroup or InstanceGroup.
    pub group: Option<String>,
    /// Which of them, from 1.
    pub nth: u32,
}

/// A text that is no scenario: where, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{pos}: {message}")]
pub struct ScenarioError {
    /// The file, as it was named.
    pub file: String,
    /// The place in it.
    pub pos: Pos,
    /// What is wrong.
    pub message: String,
}

impl Scenario {
    /// Reads a scenario; `file` is what errors call it.
    ///
    /// # Errors
    /// What is no YAML, of another version, or says something that no scenario can say.
    pub fn parse(file: &str, text: &str) -> Result<Scenario, ScenarioError> {
        let in_file = |(pos, message)| ScenarioError {
            file: file.to_owned(),
            pos,
            message,
        };
        let root = yaml::parse_one(text, Schema::Core).map_err(|e| in_file((e.pos, e.message)))?;
        read(&root).map_err(in_file)
    }
}

type Wrong = (Pos, String);

fn read(root: &Node) -> Result<Scenario, Wrong> {
    known(root, &["version", "scenario"])?;
    let version = root
        .get("version")
        .ok_or_else(|| (root.pos, "a scenario has a `version`: 1".to_owned()))?;
    if number(version)? != VERSION {
        return Err((version.pos, format!("this program reads version {VERSION}")));
    }
    let items = root.get("scenario").ok_or_else(|| {
        (
            root.pos,
            "`scenario` is missing: a list of faults and acts".to_owned(),
        )
    })?;
    let Value::List(items) = &items.value else {
        return Err((
            items.pos,
            format!("`scenario` is a list, and this is {}", items.kind()),
        ));
    };
    Ok(Scenario {
        items: items.iter().map(item).collect::<Result<_, _>>()?,
    })
}

fn item(node: &Node) -> Result<Item, Wrong> {
    known(
        node,
        &[
            "fault", "act", "when", "nth", "after", "for", "every", "times",
        ],
    )?;
    let what = match (node.get("fault"), node.get("act")) {
        (Some(fault), None) => What::Fault(
            string(fault)?
                .parse()
                .map_err(|e: super::faults::FaultError| (fault.pos, e.to_string()))?,
        ),
        (None, Some(act)) => What::Act(string(act)?.parse().map_err(|message| (act.pos, message))?),
        (None, None) | (Some(_), Some(_)) => {
            return Err((
                node.pos,
                "each item has either a `fault` or an `act`".into(),
            ));
        }
    };
    let lasts = node.get("for").map(span).transpose()?;
    if let (What::Act(_), Some(lasts)) = (&what, node.get("for")) {
        return Err((lasts.pos, "an act takes no time: leave `for` out".into()));
    }
    let every = node.get("every").map(span).transpose()?;
    let times = node
        .get("times")
        .map_or(Ok(if every.is_some() { u32::MAX } else { 1 }), count)?;
    match every {
        None if times > 1 => {
            return Err((
                node.pos,
                "`times` needs `every`: how long it is from one to the next".into(),
            ));
        }
        Some(every) if lasts.is_some_and(|lasts| lasts > every) => {
            return Err((node.pos, "`for` is longer than `every`".into()));
        }
        Some(every) if every.is_zero() => {
            return Err((node.pos, "`every` is no time at all".into()));
        }
        Some(_) if lasts.is_none() && matches!(what, What::Fault(_)) => {
            return Err((
                node.pos,
                "a fault that comes back has to end: say `for`".into(),
            ));
        }
        Some(_) | None => {}
    }
    Ok(Item {
        when: trigger(node)?,
        after: node.get("after").map_or(Ok(Span::ZERO), span)?,
        lasts,
        every: every.unwrap_or_default(),
        times,
        what,
    })
}

fn trigger(node: &Node) -> Result<Option<Trigger>, Wrong> {
    let Some(when) = node.get("when") else {
        return match node.get("nth") {
            Some(nth) => Err((
                nth.pos,
                "`nth` needs `when`: the effect that is counted".into(),
            )),
            None => Ok(None),
        };
    };
    let text = string(when)?;
    let (kind, group) = text.split_once(' ').map_or((text, None), |(kind, group)| {
        (kind, Some(group.trim().to_owned()))
    });
    if let Some(kinds) = unknown_kind(kind) {
        return Err((
            when.pos,
            format!("`{kind}` is no effect; there are {kinds}"),
        ));
    }
    Ok(Some(Trigger {
        kind: kind.to_owned(),
        group,
        nth: node.get("nth").map_or(Ok(1), count)?,
    }))
}

/// What there is instead, for a word that is no kind of effect. Effects are named as the journal writes them, so its own
/// reader is asked: what it is given is never a whole effect, and only the name can be unknown to it.
fn unknown_kind(kind: &str) -> Option<String> {
    let named = serde_json::json!({ kind: null });
    let unknown = |error: serde_json::Error| {
        let text = error.to_string();
        // Two are joined by `or`, more are listed.
        let (_, listed) = text
            .strip_prefix("unknown variant")?
            .split_once("expected ")?;
        let listed = listed.trim_start_matches("one of ").replace(" or ", ", ");
        Some(listed.replace('`', ""))
    };
    let cloud = serde_json::from_value::<CloudEffect>(named.clone())
        .err()
        .and_then(unknown)?;
    let node = serde_json::from_value::<NodeEffect>(named.clone())
        .err()
        .and_then(unknown)?;
    let kops = serde_json::from_value::<KopsEffect>(named)
        .err()
        .and_then(unknown)?;
    Some(format!("{cloud}, {node}, {kops}"))
}

/// The name of an effect, as the journal writes it.
pub(super) fn kind_of(effect: &Effect) -> String {
    let json = match effect {
        Effect::Cloud(effect) => serde_json::to_value(effect),
        Effect::Node(effect) => serde_json::to_value(effect),
        Effect::Kops(effect) => serde_json::to_value(effect),
    };
    json.ok()
        .and_then(|j| j.as_object()?.keys().next().cloned())
        .unwrap_or_default()
}

fn known(node: &Node, keys: &[&str]) -> Result<(), Wrong> {
    if !matches!(node.value, Value::Map(_)) {
        return Err((
            node.pos,
            format!(
                "this is {}, and should be a mapping with {}",
                node.kind(),
                keys.join(", ")
            ),
        ));
    }
    match node
        .entries()
        .iter()
        .find(|(key, _)| !keys.contains(&key.text.as_str()))
    {
        Some((key, _)) => Err((
            key.pos,
            format!("unknown key `{}`; there are {}", key.text, keys.join(", ")),
        )),
        None => Ok(()),
    }
}

fn string(node: &Node) -> Result<&str, Wrong> {
    node.as_str().ok_or_else(|| {
        (
            node.pos,
            format!("this is {}, and should be a text", node.kind()),
        )
    })
}

fn span(node: &Node) -> Result<Span, Wrong> {
    string(node)?
        .parse()
        .map_err(|e: crate::model::SpanError| (node.pos, e.to_string()))
}

fn number(node: &Node) -> Result<u64, Wrong> {
    node.to_json().as_u64().ok_or_else(|| {
        (
            node.pos,
            format!("this is {}, and should be a whole number", node.kind()),
        )
    })
}

fn count(node: &Node) -> Result<u32, Wrong> {
    let counted = number(node)?;
    u32::try_from(counted)
        .ok()
        .filter(|n| (1..=100_000).contains(n))
        .ok_or_else(|| (node.pos, "a number from 1 to 100000 is meant".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> String {
        match Scenario::parse("s.yaml", &format!("version: 1\nscenario:\n  - {text}\n")) {
            Ok(scenario) => format!("{:?}", scenario.items[0].what),
            Err(error) => error.to_string(),
        }
    }

    /// Each item, and what it is read as or what is said of it.
    const ITEMS: &[(&str, &str)] = &[
        (
            "{fault: \"throttle:3\", after: 5m, for: 20m}",
            "Fault(Throttle(3))",
        ),
        (
            "{act: \"reclaim:nodes:2\", when: pin-version nodes}",
            "Act(Reclaim(\"nodes\", 2))",
        ),
        ("{act: \"terminate:nodes\"}", "Act(Terminate(\"nodes\", 1))"),
        (
            "{act: \"scale:nodes:-2\", after: 1m, every: 5m, times: 3}",
            "Act(Scale(\"nodes\", -2))",
        ),
        (
            "{act: \"set:nodes:MaxSize=9\"}",
            "Act(Set(\"nodes\", Maximum, 9))",
        ),
        ("{act: kill, when: terminate, nth: 4}", "Act(Kill)"),
        (
            "{act: \"set:nodes:Max=9\"}",
            "s.yaml:3:11: act `set:nodes:Max=9` is written set:GROUP:FIELD=N, FIELD one of MinSize, MaxSize, DesiredCapacity",
        ),
        (
            "{act: \"suspend:nodes:Launch\"}",
            "Act(Suspend(\"nodes\", \"Launch\"))",
        ),
        (
            "{act: \"suspend:nodes:Lunch\"}",
            "s.yaml:3:11: act `suspend:nodes:Lunch` is written suspend:GROUP:PROCESS",
        ),
        (
            "{act: explode}",
            "s.yaml:3:11: `explode` is no act; there are reclaim, terminate, detach, node-down, cordon, rebalance, scale, set, repin, delete, kill, node-up, unhealthy, standby, uncordon, delete-version, refresh, suspend, resume, leave",
        ),
        (
            "{act: kill, for: 5m}",
            "s.yaml:3:22: an act takes no time: leave `for` out",
        ),
        (
            "{fault: \"throttle:3\", times: 3}",
            "s.yaml:3:5: `times` needs `every`: how long it is from one to the next",
        ),
        (
            "{fault: \"throttle:3\", every: 3m, times: 3}",
            "s.yaml:3:5: a fault that comes back has to end: say `for`",
        ),
        (
            "{fault: \"throttle:3\", after: 5}",
            "s.yaml:3:34: this is a number, and should be a text",
        ),
        (
            "{fault: \"throttle:3\", after: 5x}",
            "s.yaml:3:34: `5x` is not a length of time such as 30s, 15m, 1h30m or 2d",
        ),
        (
            "{fault: \"throttle:3\", nth: 5}",
            "s.yaml:3:32: `nth` needs `when`: the effect that is counted",
        ),
        (
            "{fault: \"throttle:3\", act: kill}",
            "s.yaml:3:5: each item has either a `fault` or an `act`",
        ),
        (
            "{fault: \"throttle:3\", until: 5m}",
            "s.yaml:3:27: unknown key `until`; there are fault, act, when, nth, after, for, every, times",
        ),
        (
            "5",
            "s.yaml:3:5: this is a number, and should be a mapping with fault, act, when, nth, after, for, every, times",
        ),
    ];

    #[test]
    fn items_are_read_and_mistakes_have_their_place() {
        for (text, read) in ITEMS {
            assert_eq!(check(text), *read, "{text}");
        }
        let said = check("{act: kill, when: explode}");
        assert!(
            said.starts_with(
                "s.yaml:3:23: `explode` is no effect; there are create-template-version, "
            ) && said.contains("cordon"),
            "{said}"
        );
        let said = Scenario::parse("s.yaml", "version: 2\nscenario: []\n")
            .unwrap_err()
            .to_string();
        assert_eq!(said, "s.yaml:1:10: this program reads version 1");
    }

    #[test]
    fn effects_are_called_as_the_journal_calls_them() {
        let group = "nodes.a.b".parse().unwrap();
        assert_eq!(
            kind_of(&Effect::Cloud(CloudEffect::PinVersion {
                group,
                from: 1,
                to: 2
            })),
            "pin-version"
        );
        assert_eq!(
            kind_of(&Effect::Node(NodeEffect::Cordon {
                node: "ip-1".parse().unwrap(),
                instance: "i-1".parse().unwrap(),
            })),
            "cordon"
        );
        assert_eq!(unknown_kind("cordon"), None);
        assert_eq!(unknown_kind("pin-version"), None);
    }

    #[test]
    fn what_kops_does_can_be_waited_for() {
        for kind in ["publish", "update", "delete-group", "evict"] {
            assert_eq!(unknown_kind(kind), None, "{kind}");
        }
        let listed = unknown_kind("explode").unwrap_or_default();
        assert!(listed.ends_with("publish, update"), "{listed}");
    }
}

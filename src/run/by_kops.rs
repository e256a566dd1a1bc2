//! What kops is asked, carried out: what is stored is looked at before, what came of it is read back after. What kops says of itself is believed
//! only where it says no.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::fence::place;
use crate::cloud::{Cloud, CloudError, Place};
use crate::engine::{Engine, EngineError};
use crate::kops::stored;
use crate::model::{
    Applied, AsgName, Boots, CloudEffect, DocumentStates, GroupName, KopsEffect,
    LaunchTemplateData, LiveGroup, Nodeup, NodeupHash, Stored,
};
use crate::plan::fields;
use crate::rollout::{ClusterRun, StepResult};

/// Why it has not come to what was wanted.
enum Halt {
    /// It is not known what it came to, or it has not come yet: it is looked at and asked again.
    Unknown(String),
    /// Others changed what it stands on, or kops made something else than was planned.
    Moved(String),
    /// kops refuses, in its words: these documents, where they are git's.
    Refused(String, Vec<String>),
    /// No account to ask.
    Cloud(CloudError),
}

impl From<EngineError> for Halt {
    fn from(error: EngineError) -> Self {
        if error.is_transient() {
            Halt::Unknown(error.to_string())
        } else {
            Halt::Refused(error.to_string(), Vec::new())
        }
    }
}

impl Halt {
    /// What is refused is one of these documents.
    fn of(self, documents: impl IntoIterator<Item = String>) -> Halt {
        match self {
            Halt::Refused(why, _) => Halt::Refused(why, documents.into_iter().collect()),
            Halt::Unknown(_) | Halt::Moved(_) | Halt::Cloud(_) => self,
        }
    }
}

/// What came of what kops was asked.
pub(super) struct Carried {
    pub(super) result: StepResult,
    /// What ends the run.
    pub(super) halts: Option<CloudError>,
    /// Documents of git that kops refuses, those that are meant first.
    pub(super) refused: Vec<String>,
}

/// Carries an effect out.
pub(super) async fn carry_out<W: Cloud + Engine>(
    world: &W,
    run: &ClusterRun,
    effect: &KopsEffect,
) -> Carried {
    let done = brought_about(world, run, effect).await;
    // On the way back it is not what git has.
    let refused = match &done {
        Err(Halt::Refused(_, documents)) if is_of_git(run, effect) => documents.clone(),
        Ok(_) | Err(_) => Vec::new(),
    };
    let (result, halts) = result(done);
    Carried {
        result,
        halts,
        refused,
    }
}

async fn brought_about<W: Cloud + Engine>(
    world: &W,
    run: &ClusterRun,
    effect: &KopsEffect,
) -> Result<Applied, Halt> {
    match effect {
        KopsEffect::Publish { from, to, .. } => publish(world, &place(run), from, to).await,
        KopsEffect::Update {
            group,
            groups,
            beside,
            stored,
            boots,
        } => {
            let asked = Asked {
                run,
                group,
                groups,
                beside,
                stored,
            };
            let done = update(world, &asked, boots).await;
            done.map_err(|halt| halt.of(asked.documents()))
        }
    }
}

/// Whether what kops is asked to store or carry out is what git has.
fn is_of_git(run: &ClusterRun, effect: &KopsEffect) -> bool {
    let asked = match effect {
        KopsEffect::Publish { to, .. } => to,
        KopsEffect::Update { stored, .. } => stored,
    };
    run.kops.as_ref().is_some_and(|kops| kops.to == *asked)
}

/// What kops would do to all groups of a cluster; where it cannot say, that.
pub(super) async fn dry_run<W: Engine>(world: &W, run: &ClusterRun) -> String {
    let groups = run.kops.iter().flat_map(|kops| kops.groups.iter().cloned());
    match world.left(&place(run), &groups.collect()).await {
        Ok(left) => left.text,
        Err(error) => format!("not known: {error}\n"),
    }
}

fn result(done: Result<Applied, Halt>) -> (StepResult, Option<CloudError>) {
    match done {
        Ok(applied) => (StepResult::Applied(applied), None),
        Err(Halt::Moved(found)) => (StepResult::Applied(Applied::Moved(found)), None),
        Err(Halt::Unknown(why)) => (StepResult::Unknown(why), None),
        Err(Halt::Refused(why, _)) => (StepResult::Refused(why), None),
        Err(Halt::Cloud(error)) => {
            let why = error.to_string();
            let halts = (!error.is_transient()).then_some(error);
            (StepResult::Unknown(why), halts)
        }
    }
}

/// The group that kops has stored and has to forget once AWS has deleted it; none: the step is another one, or kops does not know the group.
pub(super) fn forgotten<'r>(run: &'r ClusterRun, effect: &CloudEffect) -> Option<&'r GroupName> {
    let CloudEffect::DeleteGroup { group } = effect else {
        return None;
    };
    let task = run
        .groups
        .iter()
        .find(|g| g.asg == group.auto_scaling_group_name)?;
    let kops = run.kops.as_ref()?;
    // Made by this rollout, and taken back.
    let key = format!("InstanceGroup/{}", task.name);
    let is_new = kops.from.get(&key) == Some(&None);
    (is_new || kops.deleted.contains(&task.name)).then_some(&task.name)
}

/// Has kops forget a group, when AWS has none of it any more: kops itself would end what runs in it, without a look at it.
pub(super) async fn forget<W: Engine>(
    world: &W,
    run: &ClusterRun,
    group: &GroupName,
    done: (StepResult, Option<CloudError>),
) -> (StepResult, Option<CloudError>) {
    let StepResult::Applied(applied @ (Applied::Done | Applied::Already)) = done.0 else {
        return done;
    };
    result(not_stored(world, &place(run), group, applied).await)
}

async fn not_stored<W: Engine>(
    world: &W,
    place: &Place,
    group: &GroupName,
    by_aws: Applied,
) -> Result<Applied, Halt> {
    let key = format!("InstanceGroup/{group}");
    let (found, _) = documents(world, place).await?;
    if !found.contains_key(&key) {
        return Ok(by_aws);
    }
    let said = world.delete(place, group).await;
    let (found, _) = documents(world, place).await?;
    match (found.contains_key(&key), said) {
        (false, _) => Ok(Applied::Done),
        (true, Err(error)) => Err(error.into()),
        (true, Ok(())) => Err(Halt::Unknown(format!(
            "kops ended well, and {key} is still stored"
        ))),
    }
}

/// Whether a document is stored so, as far as kops keeps what it is given.
fn is_stored(found: Option<&Json>, wanted: &Json) -> bool {
    let wanted = stored::normal(wanted);
    found.is_some_and(|found| fields(&stored::aligned(&wanted, found), &wanted).is_empty())
}

async fn documents<W: Engine>(
    world: &W,
    place: &Place,
) -> Result<(std::collections::BTreeMap<String, Json>, Nodeup), Halt> {
    match world.stored(place).await {
        (Stored::Known(documents), nodeup) => Ok((documents, nodeup)),
        (Stored::Unknown(why), _) => Err(Halt::Unknown(why)),
        (Stored::NotAsked, _) => Err(EngineError::NoEngine(place.cluster.clone()).into()),
    }
}

async fn publish<W: Engine>(
    world: &W,
    place: &Place,
    from: &DocumentStates,
    to: &DocumentStates,
) -> Result<Applied, Halt> {
    let (found, _) = documents(world, place).await?;
    let mut missing = Vec::new();
    for (key, wanted) in to {
        let stored = found.get(key);
        match wanted {
            // Nothing takes a document away but a deletion.
            None => {}
            Some(wanted) if is_stored(stored, wanted) => {}
            Some(wanted) => {
                let before = from.get(key).and_then(Option::as_ref);
                let as_found = match before {
                    Some(before) => is_stored(stored, before),
                    None => stored.is_none(),
                };
                if !as_found {
                    return Err(Halt::Moved(format!(
                        "{key} in kops' state store is neither what it was nor what it should be"
                    )));
                }
                missing.push((key, wanted.clone()));
            }
        }
    }
    if missing.is_empty() {
        return Ok(Applied::Already);
    }
    let texts: Vec<Json> = missing.iter().map(|(_, wanted)| wanted.clone()).collect();
    let said = world.publish(place, &texts).await;
    let (found, _) = documents(world, place).await?;
    let lacking = missing
        .iter()
        .find(|(key, wanted)| !is_stored(found.get(*key), wanted));
    match (lacking, said) {
        (None, _) => Ok(Applied::Done),
        // kops stops at the first document that it refuses.
        (Some((key, _)), Err(error)) => Err(Halt::from(error).of([(*key).clone()])),
        (Some((key, _)), Ok(())) => Err(Halt::Unknown(format!(
            "kops ended well, and {key} is not stored as it was given"
        ))),
    }
}

/// A group that kops is asked to bring to its documents.
struct Asked<'a> {
    run: &'a ClusterRun,
    group: &'a AsgName,
    groups: &'a BTreeSet<GroupName>,
    beside: &'a BTreeSet<GroupName>,
    stored: &'a DocumentStates,
}

impl Asked<'_> {
    fn name(&self) -> Option<&GroupName> {
        let task = self.run.groups.iter().find(|g| g.asg == *self.group)?;
        Some(&task.name)
    }

    /// What kops may find wrong: the cluster's own, and those of the groups.
    fn documents(&self) -> Vec<String> {
        let groups = self.groups.iter().map(|g| format!("InstanceGroup/{g}"));
        let cluster = format!("Cluster/{}", self.run.cluster);
        groups.chain([cluster]).collect()
    }

    /// Those beside it that kops would leave as they are: a group whose turn it is not is not changed, whatever was expected of it.
    async fn quiet<W: Engine>(&self, world: &W) -> Result<BTreeSet<GroupName>, Halt> {
        if self.beside.is_empty() {
            return Ok(BTreeSet::new());
        }
        let left = world.left(&place(self.run), self.beside).await?;
        let cluster = self.run.cluster.as_str();
        let changes = |group: &GroupName| {
            // The name of a group of AWS is the InstanceGroup's, its role's and the cluster's.
            let of_template = |asg: &str| {
                let rest = asg.strip_prefix(group.as_str());
                rest.is_some_and(|r| r.starts_with('.') && r.ends_with(cluster))
            };
            left.tasks.iter().any(|task| {
                task.split_once('/').is_some_and(|(kind, name)| {
                    matches!(kind, "LaunchTemplate" | "AutoscalingGroup") && of_template(name)
                }) || is_of(task, "", group.as_str())
            })
        };
        let quiet = self.beside.iter().filter(|group| !changes(group));
        Ok(quiet.cloned().collect())
    }

    /// What nodes boot with, once what is stored is what was published: kops would carry out whatever others stored.
    async fn hash<W: Engine>(&self, world: &W) -> Result<Option<NodeupHash>, Halt> {
        let (found, nodeup) = documents(world, &place(self.run)).await?;
        let other = self.stored.iter().find(|(key, wanted)| match wanted {
            Some(wanted) => !is_stored(found.get(*key), wanted),
            None => false,
        });
        if let Some((key, _)) = other {
            return Err(Halt::Moved(format!(
                "{key} in kops' state store was changed since the rollout stored it"
            )));
        }
        match nodeup {
            Nodeup::Known(hashes) => Ok(self.name().and_then(|name| hashes.get(name).cloned())),
            Nodeup::Unknown(why) => Err(Halt::Unknown(why)),
            Nodeup::NotAsked => Ok(None),
        }
    }
}

/// Whether a task of kops makes what a group boots with.
fn is_of(task: &str, asg: &str, group: &str) -> bool {
    let template = task.strip_prefix("LaunchTemplate/");
    let configuration = task.strip_prefix("ManagedFile/nodeupconfig-");
    template == Some(asg) || configuration == Some(group)
}

async fn update<W: Cloud + Engine>(
    world: &W,
    asked: &Asked<'_>,
    boots: &Boots,
) -> Result<Applied, Halt> {
    asked.hash(world).await?;
    let beside = asked.quiet(world).await?;
    world
        .update(&place(asked.run), asked.groups, &beside)
        .await?;
    let hash = asked.hash(world).await?;
    let applied = match boots {
        Boots::Again(before) if hash == *before => Applied::Done,
        Boots::Again(_) => {
            return Err(Halt::Moved(format!(
                "kops has made another nodeup configuration of {} than the one it had before: what the group ran does not boot",
                asked.group
            )));
        }
        Boots::Anew {
            data,
            from,
            foreseen,
        } => {
            let group = read_group(world, asked).await?;
            let made = newest(&group, asked.group, hash.as_ref(), data)?;
            let moved = made != *from && !is_alike(&group, made, *from);
            if moved && !foreseen {
                return Err(Halt::Moved(format!(
                    "kops made version {made} of the launch template of {}, which no plan has foreseen",
                    asked.group
                )));
            }
            Applied::Version(made)
        }
    };
    let all = asked.groups.union(&beside).cloned().collect();
    let left = world.left(&place(asked.run), &all).await?;
    let name = asked.name().map(GroupName::as_str).unwrap_or_default();
    let is_own = |task: &&String| is_of(task, asked.group.as_str(), name);
    match left.tasks.iter().find(is_own) {
        Some(task) => Err(Halt::Unknown(format!(
            "kops ended well, and would still change {task}"
        ))),
        None => Ok(applied),
    }
}

async fn read_group<W: Cloud>(world: &W, asked: &Asked<'_>) -> Result<LiveGroup, Halt> {
    let place = place(asked.run);
    let live = world
        .read(std::slice::from_ref(&place))
        .await
        .map_err(Halt::Cloud)?;
    let found = live.clusters.get(&place.cluster);
    if let Some(gap) = found.and_then(|c| c.gaps.first()) {
        return Err(Halt::Unknown(format!("{}: {}", gap.what, gap.why)));
    }
    match found.and_then(|c| c.groups.get(asked.group)) {
        Some(group) => Ok(LiveGroup::clone(group)),
        None => Err(Halt::Unknown(format!(
            "kops ended well, and {} is not there",
            asked.group
        ))),
    }
}

/// The newest version, when it is what was wanted and boots with what is stored.
fn newest(
    group: &LiveGroup,
    name: &AsgName,
    hash: Option<&NodeupHash>,
    wanted: &LaunchTemplateData,
) -> Result<u64, Halt> {
    let newest = group.versions.get_key_value(&group.latest_version);
    let Some((number, version)) = newest else {
        return Err(Halt::Unknown(format!(
            "the newest version of the launch template of {name} was not read"
        )));
    };
    let has = version.data.user_data.as_ref();
    if has.and_then(|data| data.nodeup_config_hash.as_ref()) != hash {
        return Err(Halt::Unknown(format!(
            "kops ended well, and version {number} of the launch template of {name} does not boot with what is stored"
        )));
    }
    if !version.data.is(wanted) {
        return Err(Halt::Moved(format!(
            "kops made version {number} of the launch template of {name} otherwise than planned"
        )));
    }
    Ok(*number)
}

fn is_alike(group: &LiveGroup, one: u64, other: u64) -> bool {
    match (group.versions.get(&one), group.versions.get(&other)) {
        (Some(one), Some(other)) => one.data == other.data,
        (Some(_) | None, _) => false,
    }
}

//! The simulated kops: a state store for each cluster, and what `kops update cluster` makes of it. Manifests become definitions by the rules that
//! kfleet compiles by; user data names a nodeup configuration made of the fields that reach the group. Owns no clock, draws no chance.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

use super::cluster::SimulatedCluster;
use super::images::images;
use super::kept::Cached;
use super::templates::SimulatedTemplate;
use super::world::{Inner, World};
use crate::cloud::Place;
use crate::desired::{DesiredCluster, DesiredGroup};
use crate::engine::{Engine, EngineError, KopsCall, Left, Validation};
use crate::kops::{self, stored};
use crate::model::{
    AsgName, Boots, ClusterName, Definition, DocumentStates, Effect, GroupName, KopsEffect,
    KopsVersion, LaunchTemplateData, Nodes, Nodeup, Stored, TemplateVersion,
};
use crate::nodes::NodeApi as _;
use crate::plan::labelled;
use crate::yaml;

impl SimulatedCluster {
    /// The groups of what is stored.
    fn compiled(&self, release: KopsVersion) -> Result<DesiredCluster, String> {
        let cluster = self.place.cluster.as_str();
        let texts = self.state.kops.documents.iter();
        let texts = texts.map(|(key, d)| labelled(key, d, cluster).to_string());
        let text = texts.collect::<Vec<_>>().join("\n---\n");
        let documents = yaml::parse(&text, yaml::Schema::Kops).map_err(|e| e.to_string())?;
        let target = kops::KopsTarget {
            version: release,
            region: Some(self.place.region.clone()),
            accepted: BTreeSet::new(),
        };
        let manifests = kops::read_for(&documents, &target).map_err(|e| e.to_string())?;
        let (account, region) = (self.place.account.clone(), self.place.region.clone());
        DesiredCluster::new(&manifests, account, region, &BTreeMap::new())
            .map_err(|e| e.to_string())
    }

    /// The launch template data of a group as kops has them now, and the user data.
    fn wanted(&self, name: &GroupName, group: &DesiredGroup) -> (LaunchTemplateData, String) {
        let mut data = Definition::clone(&group.definition)
            .canonical()
            .launch_template;
        let image = &mut data.launch_template_data.image_id;
        let named = images(&BTreeSet::from([image.clone()]), self.at);
        if let Some(id) = named.meant.get(image) {
            image.clone_from(id);
        }
        let hash = self.state.kops.hash(name);
        let script = format!("#!/bin/bash\nInstanceGroupName: {name}\nNodeupConfigHash: {hash}\n");
        (data.launch_template_data, STANDARD.encode(script))
    }

    /// The version of the template that holds this; none: it has to be made.
    fn newest_is(&self, asg: &AsgName, data: &LaunchTemplateData, user_data: &str) -> bool {
        let newest = self
            .state
            .templates
            .get(asg)
            .and_then(|t| t.versions.last_key_value());
        newest.is_some_and(|(_, v)| {
            let made = TemplateVersion::new(data.clone(), Some(user_data.to_owned()), None);
            let boots = |v: &TemplateVersion| {
                let digest = v.data.user_data.clone();
                digest.and_then(|d| d.nodeup_config_hash)
            };
            let mut plain = data.clone();
            plain.user_data = None;
            v.data.is(&plain) && boots(v) == boots(&made)
        })
    }

    /// What would change of these groups.
    fn left(&self, groups: &BTreeSet<GroupName>, release: KopsVersion) -> Result<Left, String> {
        let compiled = self.compiled(release)?;
        let mut left = Left::default();
        if self.state.kops.addons != *groups {
            left.tasks.insert("ManagedFile/addons".into());
        }
        for (asg, group) in of(&compiled, groups) {
            let name = &group.definition.instance_group;
            let (data, user_data) = self.wanted(name, group);
            if !self.newest_is(asg, &data, &user_data) {
                left.tasks.insert(format!("LaunchTemplate/{asg}"));
            }
            if self.state.kops.nodeup.get(name) != Some(&self.state.kops.hash(name)) {
                left.tasks
                    .insert(format!("ManagedFile/nodeupconfig-{name}"));
            }
            if !self.state.groups.contains_key(asg) {
                left.tasks.insert(format!("AutoscalingGroup/{asg}"));
            }
        }
        left.text = shown(&left.tasks);
        Ok(left)
    }

    /// Templates first, then the groups that are not there; the rest of a group is as the rollout has made it.
    fn bring(
        &mut self,
        groups: &BTreeSet<GroupName>,
        (release, seed): (KopsVersion, u64),
    ) -> Result<(), String> {
        self.changed();
        let compiled = self.compiled(release)?;
        self.state.kops.addons.clone_from(groups);
        for (asg, group) in of(&compiled, groups) {
            let name = group.definition.instance_group.clone();
            let (data, user_data) = self.wanted(&name, group);
            if !self.newest_is(asg, &data, &user_data) {
                let kept = self
                    .state
                    .templates
                    .entry(asg.clone())
                    .or_insert_with(|| Cached::new(SimulatedTemplate::default()));
                let template = kept.change();
                let number = template.latest().saturating_add(1);
                let made = TemplateVersion::new(data, Some(user_data), None);
                template.versions.insert(number, made.into());
            }
            let hash = self.state.kops.hash(&name);
            self.state.kops.nodeup.insert(name, hash);
            if !self.state.groups.contains_key(asg) {
                let definition = Definition::clone(&group.definition).canonical();
                let newest = self.state.templates.get(asg).map_or(0, |t| t.latest());
                let desired = definition.auto_scaling_group.min_size;
                let created = self.create(&definition, newest, desired, seed);
                created.map_err(|e| e.to_string())?;
            }
        }
        Ok(())
    }
}

/// The tasks as a dry run shows them.
fn shown(tasks: &BTreeSet<String>) -> String {
    if tasks.is_empty() {
        return "No changes need to be applied\n".into();
    }
    let lines: String = tasks.iter().map(|task| format!("  {task}\n")).collect();
    format!("Will modify resources:\n{lines}\nMust specify --yes to apply changes\n")
}

fn of<'d>(
    compiled: &'d DesiredCluster,
    groups: &'d BTreeSet<GroupName>,
) -> impl Iterator<Item = (&'d AsgName, &'d DesiredGroup)> {
    let all = compiled.groups.iter();
    all.filter(|(_, g)| groups.contains(&g.definition.instance_group))
}

impl Inner {
    fn of_kops(&self, place: &Place) -> SimulatedCluster {
        let found = self.clusters.get(place).cloned();
        found.unwrap_or_else(|| SimulatedCluster::new(place.clone(), self.now))
    }

    fn release(&self, place: &Place) -> KopsVersion {
        let said = self.releases.get(&place.cluster);
        said.copied().unwrap_or_default()
    }

    /// A call that changes something: what it is asked, and what it prints.
    fn by_kops(
        &mut self,
        place: &Place,
        words: &str,
        effect: Effect,
        change: impl FnOnce(&mut SimulatedCluster, u64) -> Result<String, String>,
    ) -> Result<(), EngineError> {
        let command: Vec<&str> = words.split(' ').take(2).collect();
        let done = self.asked(place, &command.join(" "), effect, change);
        self.note(place, words, &done);
        done.map(drop)
    }

    /// The first document that kops refuses, by its place among them, and in which words.
    fn refused(&self, keyed: &[(String, Json)]) -> Option<(usize, String)> {
        let mut all = keyed.iter().enumerate();
        all.find_map(|(index, (key, document))| {
            let field = self.faults.kops_refuses(document)?;
            let kind = match key.starts_with("Cluster/") {
                true => "cluster",
                false => "instanceGroup",
            };
            let words = format!("error replacing {kind}: {field}: Forbidden: refused (simulated)");
            Some((index, words))
        })
    }

    /// Stores documents one after the other, up to the first that kops refuses.
    fn publish(
        &mut self,
        place: &Place,
        mut keyed: Vec<(String, Json)>,
    ) -> Result<(), EngineError> {
        let Ok(group) = AsgName::new(place.cluster.as_str()) else {
            return Err(EngineError::NoEngine(place.cluster.clone()));
        };
        let refused = self.refused(&keyed);
        keyed.truncate(refused.as_ref().map_or(usize::MAX, |(index, _)| *index));
        let keyed: BTreeMap<String, Json> = keyed.into_iter().collect();
        if !keyed.is_empty() {
            let effect = publishing(group, &keyed);
            self.by_kops(place, "replace", effect, |cluster, _| {
                let names: Vec<String> = keyed.keys().map(|key| format!("{key} stored")).collect();
                cluster.state.kops.documents.extend(keyed);
                Ok(names.join("\n"))
            })?;
        }
        let Some((_, words)) = refused else {
            return Ok(());
        };
        let refused = Err(refuses(words));
        self.note(place, "replace", &refused);
        refused.map(drop)
    }

    fn note(&mut self, place: &Place, words: &str, done: &Result<String, EngineError>) {
        let (text, ended) = match done {
            Ok(text) => (text.clone(), "exit code 0 (simulated)".to_owned()),
            Err(error) => (String::new(), error.to_string()),
        };
        let call = KopsCall::new(words, (&text, ""), &ended);
        self.printed
            .entry(place.cluster.clone())
            .or_default()
            .push(call);
    }

    /// What is asked of kops may be lost on its way, or its answer be.
    fn asked(
        &mut self,
        place: &Place,
        command: &str,
        effect: Effect,
        change: impl FnOnce(&mut SimulatedCluster, u64) -> Result<String, String>,
    ) -> Result<String, EngineError> {
        let failed = |words: String| EngineError::Failed {
            command: command.to_owned(),
            words,
        };
        self.effects = self.effects.saturating_add(1);
        if self.faults.swallows(self.effects) {
            return Err(failed("dial tcp: i/o timeout (simulated)".into()));
        }
        self.begin().map_err(|e| failed(e.to_string()))?;
        let mut cluster = self.of_kops(place);
        let text =
            change(&mut cluster, self.options.seed).map_err(|words| EngineError::Refused {
                command: command.to_owned(),
                words,
            })?;
        self.keep(cluster, effect)
            .map_err(|e| failed(e.to_string()))?;
        if self.faults.loses(self.effects) {
            return Err(EngineError::Killed {
                command: command.to_owned(),
            });
        }
        Ok(text)
    }
}

/// A list of groups, as an option of a call.
fn listed(groups: &BTreeSet<GroupName>) -> String {
    let names: Vec<&str> = groups.iter().map(GroupName::as_str).collect();
    format!("--instance-group {}", names.join(","))
}

/// What the log and a scenario hear of it. The group that it is about is the first one.
fn heard(groups: &BTreeSet<GroupName>) -> Option<Effect> {
    let group = AsgName::new(groups.first()?.as_str()).ok()?;
    Some(Effect::Kops(KopsEffect::Update {
        group,
        groups: groups.clone(),
        beside: BTreeSet::new(),
        stored: BTreeMap::new(),
        boots: Boots::Again(None),
    }))
}

impl World {
    /// Has other releases of kops than the newest make what is made of these clusters' manifests.
    pub fn set_releases(&self, releases: BTreeMap<ClusterName, KopsVersion>) {
        self.inner().releases = releases;
    }

    /// With the releases of another world.
    pub(super) fn released_as(self, other: &Inner) -> World {
        self.set_releases(other.releases.clone());
        self
    }
}

/// Ready nodes of a group against what is in service.
fn validated(nodes: &Nodes) -> Result<Validation, EngineError> {
    let Nodes::Known(seen) = nodes else {
        return Err(EngineError::Failed {
            command: "validate cluster".into(),
            words: "the API server does not answer (simulated)".into(),
        });
    };
    let sick = seen.nodes.iter().filter(|(_, node)| !node.ready);
    let failures = sick.map(|(name, _)| format!("Node {name}: node \"{name}\" is not ready"));
    Ok(Validation {
        nodes: seen.nodes.len(),
        failures: failures.collect(),
    })
}

impl Engine for World {
    async fn validate(&self, place: &Place) -> Result<Validation, EngineError> {
        let found = validated(&self.nodes(&place.cluster).await);
        let text = found.clone().map(|found| {
            let nodes = format!("{} nodes", found.nodes);
            found
                .failures
                .into_iter()
                .fold(nodes, |all, line| all + "\n" + &line)
        });
        self.inner().note(place, "validate cluster", &text);
        found
    }

    async fn ready(&self, _place: &Place) -> Result<(), EngineError> {
        Ok(())
    }

    async fn stored(&self, place: &Place) -> (Stored, Nodeup) {
        let store = self.inner().of_kops(place).state.kops;
        (Stored::Known(store.documents), Nodeup::Known(store.nodeup))
    }

    async fn publish(&self, place: &Place, documents: &[Json]) -> Result<(), EngineError> {
        let published = {
            let keyed = documents.iter().map(|document| {
                let word = |path: &str| document.pointer(path).and_then(Json::as_str);
                let (kind, name) = (word("/kind")?, word("/metadata/name")?);
                Some((format!("{kind}/{name}"), stored::normal(document)))
            });
            let keyed: Option<Vec<(String, Json)>> = keyed.collect();
            let Some(keyed) = keyed else {
                return Err(refuses("Object 'Kind' is missing (simulated)".into()));
            };
            self.inner().publish(place, keyed)
        };
        self.lives().await;
        published
    }

    async fn update(
        &self,
        place: &Place,
        groups: &BTreeSet<GroupName>,
        beside: &BTreeSet<GroupName>,
    ) -> Result<(), EngineError> {
        let Some(effect) = heard(groups) else {
            return Ok(());
        };
        let all = groups.union(beside).cloned().collect();
        let updated = {
            let mut inner = self.inner();
            let release = inner.release(place);
            let words = format!("update cluster --yes {}", listed(&all));
            inner.by_kops(place, &words, effect, |cluster, seed| {
                let left = cluster.left(&all, release)?;
                cluster.bring(&all, (release, seed)).map(|()| left.text)
            })
        };
        self.lives().await;
        updated
    }

    async fn delete(&self, place: &Place, group: &GroupName) -> Result<(), EngineError> {
        let key = format!("InstanceGroup/{group}");
        let Ok(asg) = AsgName::new(group.as_str()) else {
            return Err(EngineError::NoEngine(place.cluster.clone()));
        };
        let effect = Effect::Kops(KopsEffect::Publish {
            group: asg,
            from: BTreeMap::new(),
            to: BTreeMap::from([(key.clone(), None)]),
        });
        let deleted = {
            let mut inner = self.inner();
            inner.by_kops(
                place,
                &format!("delete instancegroup {group} --yes"),
                effect,
                |cluster, _| match cluster.state.kops.documents.remove(&key) {
                    Some(_) => Ok(format!("{key} deleted")),
                    None => Err(format!("InstanceGroup {group:?} not found (simulated)")),
                },
            )
        };
        self.lives().await;
        deleted
    }

    async fn preview(
        &self,
        place: &Place,
        documents: &DocumentStates,
        groups: &BTreeSet<GroupName>,
    ) -> Result<Left, EngineError> {
        let mut inner = self.inner();
        let mut cluster = inner.of_kops(place);
        for (key, document) in documents {
            let kept = &mut cluster.state.kops.documents;
            match document {
                Some(document) => drop(kept.insert(key.clone(), stored::normal(document))),
                None => drop(kept.remove(key)),
            }
        }
        let left = cluster.left(groups, inner.release(place));
        let left = left.map_err(|words| EngineError::Refused {
            command: "update cluster".into(),
            words,
        });
        let words = format!("update cluster {}", listed(groups));
        inner.note(place, &words, &left.clone().map(|left| left.text));
        left
    }

    async fn left(&self, place: &Place, groups: &BTreeSet<GroupName>) -> Result<Left, EngineError> {
        let mut inner = self.inner();
        let left = inner.of_kops(place).left(groups, inner.release(place));
        let left = left.map_err(|words| EngineError::Refused {
            command: "update cluster".into(),
            words,
        });
        let words = format!("update cluster {}", listed(groups));
        inner.note(place, &words, &left.clone().map(|left| left.text));
        left
    }

    async fn drain_calls(&self, place: &Place) -> Vec<KopsCall> {
        let found = self.inner().printed.remove(&place.cluster);
        found.unwrap_or_default()
    }
}

fn refuses(words: String) -> EngineError {
    EngineError::Refused {
        command: "replace".into(),
        words,
    }
}

fn publishing(group: AsgName, documents: &BTreeMap<String, Json>) -> Effect {
    let states = documents.iter().map(|(k, v)| (k.clone(), Some(v.clone())));
    Effect::Kops(KopsEffect::Publish {
        group,
        from: BTreeMap::new(),
        to: states.collect(),
    })
}

//! What `kops validate cluster` looks at, over data: whether groups, their nodes, critical pods and the control plane are whole. Makes no calls.
//!
//! The checks and their limits are kops's (`pkg/validation/validate_cluster.go`, and the filter of its rolling update): while
//! some groups are looked at, what is wrong counts when it is theirs, the control plane's, or belongs to no group. Two things are left
//! out: DNS, which is not read here, and warm-pool instances, which kops counts as members.

use std::collections::{BTreeMap, BTreeSet};

use crate::kops::Role;
use crate::model::{
    AsgName, Instance, InstanceId, Lifecycle, LiveCluster, LiveGroup, Node, NodeName, Seen,
    SickPod, Span, Timestamp, UnreadyPod, Unseen,
};
use crate::plan::PODS_COUNT_AFTER;
use crate::rollout::reason::Symptom;
use crate::rollout::round::NodeView;

/// What every ready control-plane node has to have a pod of, by the label `k8s-app`. Source: kops, `validate_cluster.go`.
pub const COMPONENTS: [&str; 3] = [
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
];

/// A pod that starts is unready for a while: only one that is so for longer counts.
pub(crate) const START: Span = PODS_COUNT_AFTER;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HealthFailure {
    /// The group that it is attributed to; none: the whole cluster suffers from it.
    pub group: Option<AsgName>,
    /// The node or the owner of pods that it is about, to know it again later; none: it is about the group or the cluster as a whole.
    pub subject: Option<String>,
    /// What is wrong, with names.
    pub symptom: Symptom,
    /// Since when, where that is known.
    pub since: Option<Timestamp>,
    /// The instance on which it is wrong, where it is one.
    pub instance: Option<InstanceId>,
    /// It is the node itself that is missing or not Ready.
    pub is_node: bool,
}

/// Whose condition counts.
#[derive(Clone, Copy, Debug)]
pub struct Limits<'a> {
    /// Every group that should be there, with its role.
    pub roles: &'a BTreeMap<AsgName, Role>,
    /// Those that are looked at; the control plane's are in any case.
    pub groups: &'a BTreeSet<&'a AsgName>,
}

impl Limits<'_> {
    fn role(&self, group: &AsgName) -> Option<Role> {
        self.roles.get(group).copied()
    }

    fn counts(&self, group: &AsgName) -> bool {
        let always = self.role(group).is_some_and(|r| r.rules().always_counts);
        self.groups.contains(group) || always
    }
}

/// Everything that is wrong with the groups looked at, the control plane and the cluster as a whole, sorted.
pub fn failures(live: &LiveCluster, seen: &Seen, limits: Limits<'_>) -> Vec<HealthFailure> {
    let nodes = NodeView::new(&live.nodes);
    let mut found = Vec::new();
    let mut owners: BTreeMap<&InstanceId, &AsgName> = BTreeMap::new();
    for (name, group) in &live.groups {
        owners.extend(group.instances.keys().map(|id| (id, name)));
    }
    for name in limits
        .roles
        .keys()
        .chain(limits.groups.iter().copied())
        .collect::<BTreeSet<_>>()
    {
        if !limits.counts(name) {
            continue;
        }
        match live.groups.get(name) {
            Some(group) => members(name, group, limits.role(name), &nodes, &mut found),
            // A group of the control plane may only be about to be made.
            None if !limits.groups.contains(name) => {}
            None => found.push(HealthFailure {
                group: Some(name.clone()),
                subject: None,
                symptom: Symptom::GroupMissing {
                    group: name.clone(),
                },
                since: None,
                instance: None,
                is_node: false,
            }),
        }
    }
    found.extend(
        seen.waiting
            .iter()
            .filter(|pod| pod.cluster_critical)
            .map(|pod| sick(None, None, pod)),
    );
    for (name, node) in &seen.nodes {
        // Of two nodes that say they are one instance, one is left over from another name.
        if nodes.of(&node.instance).is_some_and(|(its, _)| its != name) {
            continue;
        }
        if node.leaves_by.is_some() {
            continue;
        }
        let owner = owners.get(&node.instance).copied();
        on_node(name, node, owner, limits, &mut found);
    }
    found.sort();
    found
}

fn members(
    name: &AsgName,
    group: &LiveGroup,
    role: Option<Role>,
    nodes: &NodeView<'_>,
    found: &mut Vec<HealthFailure>,
) {
    let members = |(_, i): &(&InstanceId, &Instance)| i.lifecycle.rules().is_capacity;
    let count = u32::try_from(group.instances.iter().filter(members).count()).unwrap_or(u32::MAX);
    if count < group.desired {
        found.push(HealthFailure {
            group: Some(name.clone()),
            subject: None,
            symptom: Symptom::InstancesMissing {
                group: name.clone(),
                there: count,
                desired: group.desired,
            },
            since: None,
            instance: None,
            is_node: false,
        });
    }
    if role.is_some_and(|r| !r.rules().is_node) {
        return;
    }
    for (id, instance) in group.instances.iter().filter(members) {
        let mut since = Some(instance.launched_at);
        let group = name.clone();
        let symptom = match nodes.of(id) {
            None => Symptom::NoNode {
                group,
                instance: id.clone(),
            },
            // Its end was announced: what it is like meanwhile is not a failure.
            Some((_, found)) if found.leaves_by.is_some() => continue,
            Some((node, found)) if !found.ready => {
                // How long the instance is there says nothing about how long its node is NotReady.
                since = found.unready_since.or(since);
                Symptom::NotReady {
                    group,
                    instance: id.clone(),
                    node: node.clone(),
                    because: found.unready_because.clone(),
                }
            }
            Some(_) => continue,
        };
        found.push(HealthFailure {
            group: Some(name.clone()),
            subject: Some(id.to_string()),
            symptom,
            since,
            instance: Some(id.clone()),
            is_node: true,
        });
    }
}

/// Critical pods and components on one node. Of a node that is not Ready only that counts: its pods say nothing.
fn on_node(
    name: &NodeName,
    node: &Node,
    owner: Option<&AsgName>,
    limits: Limits<'_>,
    found: &mut Vec<HealthFailure>,
) {
    let mine = owner.is_some_and(|group| limits.counts(group));
    let of_cluster = node
        .sick
        .iter()
        .filter(|pod| pod.cluster_critical)
        .map(|pod| sick(None, Some(node), pod));
    let of_node = node
        .sick
        .iter()
        .filter(|pod| !pod.cluster_critical && mine)
        .map(|pod| sick(owner, Some(node), pod));
    found.extend(of_cluster.chain(of_node));
    if node.control_plane && node.ready {
        let missing = missing_components(node);
        if !missing.is_empty() {
            let symptom = Symptom::NoComponents {
                node: name.clone(),
                missing,
            };
            found.push(HealthFailure {
                group: owner.cloned(),
                subject: None,
                symptom,
                since: None,
                instance: Some(node.instance.clone()),
                is_node: false,
            });
        }
    }
}

/// The components of a control plane that a node has no pod of.
pub(crate) fn missing_components(node: &Node) -> Vec<String> {
    let all = COMPONENTS.into_iter();
    all.filter(|c| !node.components.contains(*c))
        .map(str::to_owned)
        .collect()
}

/// Pods of a DaemonSet, and static ones, belong to their node; others move, and are known by their owner.
fn sick(owner: Option<&AsgName>, node: Option<&Node>, pod: &SickPod) -> HealthFailure {
    let who = pod.owner.as_ref().unwrap_or(&pod.pod);
    let stays = ["DaemonSet ", "Node "]
        .iter()
        .any(|kind| who.starts_with(kind));
    let subject = match node.filter(|_| stays) {
        Some(node) => format!("{who} on {}", node.instance),
        None => who.clone(),
    };
    HealthFailure {
        group: owner.cloned(),
        subject: Some(subject),
        symptom: Symptom::CriticalPod { pod: pod.clone() },
        since: Some(pod.since),
        instance: node.map(|n| n.instance.clone()),
        is_node: false,
    }
}

/// Pods that should be Ready and are not, those that only start aside: how many of each owner. A bare pod stands for itself.
pub(crate) fn unready<'p>(
    pods: impl IntoIterator<Item = &'p UnreadyPod>,
    now: Timestamp,
) -> BTreeMap<String, u32> {
    let mut unready: BTreeMap<String, u32> = BTreeMap::new();
    for pod in pods.into_iter().filter(|pod| now.since(pod.since) > START) {
        let who = pod.owner.as_ref().unwrap_or(&pod.pod);
        let count = unready.entry(who.clone()).or_default();
        *count = count.saturating_add(1);
    }
    unready
}

/// What of these was so before already, as often as it was: the others.
pub(crate) fn since_then<'f>(
    failures: &'f [HealthFailure],
    before: &BTreeMap<String, u32>,
) -> Vec<&'f HealthFailure> {
    let mut left = before.clone();
    let mut was_so = |failure: &HealthFailure| {
        let subject = failure.subject.as_ref();
        match subject.and_then(|subject| left.get_mut(subject)) {
            Some(times) if *times > 0 => {
                *times -= 1;
                true
            }
            Some(_) | None => false,
        }
    };
    failures.iter().filter(|f| !was_so(f)).collect()
}

/// What the Kubernetes API said, refused where it is about another cluster: none of its nodes is an instance of this one.
pub fn of_this_cluster(live: &LiveCluster, nodes: crate::model::Nodes) -> crate::model::Nodes {
    use crate::model::Nodes;
    let Nodes::Known(seen) = &nodes else {
        return nodes;
    };
    let there = || live.groups.values().flat_map(|g| &g.instances);
    let known = seen
        .nodes
        .values()
        .any(|n| there().any(|(id, _)| *id == n.instance));
    let working = there().any(|(_, i)| i.lifecycle == Lifecycle::InService);
    if live.gaps.is_empty() && !seen.nodes.is_empty() && working && !known {
        let example = seen.nodes.values().next().map(|n| &n.instance);
        return Nodes::Unknown(Unseen::of_another_cluster(example));
    }
    nodes
}

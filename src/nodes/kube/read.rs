//! One look at a cluster: its nodes, pods and budgets, as the picture of it shows them, in our words. Judges nothing.

use std::collections::BTreeMap;

use super::budgets::{Budgets, holds};
use super::call::Fault;
use super::connect::Connection;
use super::evictions::Answers;
use super::foretell::{Spokesman, spokesmen};
use super::picture::{Picture, Shown};
use super::pods::Pod;
use super::table::Table;
use crate::model::{Node, PodBlock, Seen, Timestamp, UnreadyPod};

/// Begin of the label `k8s-app` of the pod that runs a member of an etcd cluster; its name follows. Source: kops, `pkg/model/components/etcdmanager/model.go`.
const ETCD: &str = "etcd-manager-";

/// What is known of the pods of one owner, to know of any one of them its siblings.
#[derive(Clone, Copy, Debug, Default)]
struct Siblings {
    /// When the youngest and the second youngest of them were started.
    youngest: Option<Timestamp>,
    second: Option<Timestamp>,
    /// How many are on their way out. Those on a node that does not answer do not count: their end will not be seen.
    leaving: u32,
}

type ByOwner<'a> = BTreeMap<&'a str, Siblings>;

/// All of it, or why not, and who may be asked about evictions. `answers`: what was refused when evictions were asked for.
pub(super) async fn seen(
    connection: &Connection,
    picture: &Picture,
    answers: &Answers,
    now: Timestamp,
) -> Result<(Seen, Vec<Spokesman>), Fault> {
    let shown = picture.look(connection, now, |shown| put_together(&shown, answers));
    let (mut seen, spokesmen) = shown.await?;
    seen.uid.clone_from(&connection.uid);
    seen.denied.clone_from(&connection.denied);
    seen.listed.clone_from(&connection.unwatched);
    seen.volumes_unseen.clone_from(&connection.volumes_unseen);
    Ok((seen, spokesmen))
}

fn put_together(shown: &Shown<'_>, answers: &Answers) -> (Seen, Vec<Spokesman>) {
    let Shown {
        nodes,
        pods: all_pods,
        budgets,
        attached,
    } = shown;
    let mut seen = Seen {
        nodes: nodes.all().filter_map(|n| n.node.clone()).collect(),
        ..Seen::default()
    };
    let budgets = Budgets::of(budgets.all());
    let siblings = siblings(all_pods, &seen);
    let staying = all_pods.all().filter(|p| !p.is_leaving());
    answers.keep(&staying.map(Pod::uid).collect());
    for pod in all_pods.all() {
        seen.unready.extend(unready(pod));
        let on = pod.node();
        match on.as_ref().and_then(|name| seen.nodes.get_mut(name)) {
            Some(node) => add(node, pod, &budgets, &siblings, answers),
            None => seen.waiting.extend(pod.sick()),
        }
        if let Some(name) = on.filter(|name| nodes.get(name.as_str()).is_none())
            && pod.has_to_go()
        {
            *seen.orphans.entry(name).or_default() += 1;
        }
    }
    for (name, volumes) in attached {
        if let Some(node) = seen.nodes.get_mut(name) {
            node.volumes.attached.clone_from(volumes);
        }
    }
    seen.nodes.values_mut().for_each(|node| {
        node.blocked.sort();
        node.sick.sort();
        node.leaving.sort();
        node.refused.sort();
    });
    seen.unready.sort();
    seen.waiting.sort();
    let spokesmen = spokesmen(all_pods.all(), &budgets);
    (seen, spokesmen)
}

fn unready(pod: &Pod) -> Option<UnreadyPod> {
    Some(UnreadyPod {
        since: pod.unready_since()?,
        pod: pod.name().to_string(),
        owner: pod.owner().map(str::to_owned),
        without_node: pod.bound_to().is_none(),
    })
}

fn add(
    node: &mut Node,
    pod: &Pod,
    budgets: &Budgets<'_>,
    siblings: &ByOwner<'_>,
    answers: &Answers,
) {
    node.sick.extend(pod.sick());
    if pod.namespace() == "kube-system"
        && let Some(app) = pod.label("k8s-app")
    {
        node.components.insert(app.to_owned());
        if let Some(name) = app.strip_prefix(ETCD) {
            // Two pods of one member: a new one beside one that is leaving. Either that is Ready does.
            *node.etcd.entry(name.to_owned()).or_default() |= pod.is_working();
        }
    }
    if !pod.has_to_go() {
        return;
    }
    node.evictable_pods = node.evictable_pods.saturating_add(1);
    node.volumes.claims.extend(pod.claims().map(str::to_owned));
    node.grace = node.grace.max(pod.grace());
    if let Some(leaving) = pod.leaving() {
        node.leaving_pods = node.leaving_pods.saturating_add(1);
        node.leaving.push(leaving);
        return;
    }
    node.refused.extend(answers.of(pod.uid()));
    let started_at = pod.started_at();
    let others = pod
        .owner()
        .and_then(|o| siblings.get(o))
        .copied()
        .unwrap_or_default();
    let sibling_started_at = if others.youngest == Some(started_at) {
        others.second
    } else {
        others.youngest
    };
    node.blocked
        .extend(holds(pod, budgets).into_iter().map(|hold| PodBlock {
            pod: pod.name().to_string(),
            uid: pod.uid().to_owned(),
            hold,
            owner: pod.owner().map(str::to_owned),
            started_at,
            sibling_started_at,
            siblings_leaving: others.leaving,
        }));
}

fn siblings<'a>(all: &'a Table<Pod>, seen: &Seen) -> ByOwner<'a> {
    let mut siblings = ByOwner::new();
    let is_silent = |pod: &Pod| {
        pod.node()
            .and_then(|name| seen.nodes.get(&name))
            .is_some_and(|node| node.silent_since.is_some())
    };
    for pod in all.all().filter(|p| !p.is_completed()) {
        let Some(owner) = pod.owner() else {
            continue;
        };
        let (at, of) = (pod.started_at(), siblings.entry(owner).or_default());
        if of.youngest.is_none_or(|youngest| at >= youngest) {
            (of.youngest, of.second) = (Some(at), of.youngest);
        } else {
            of.second = of.second.max(Some(at));
        }
        if pod.is_leaving() && !is_silent(pod) {
            of.leaving = of.leaving.saturating_add(1);
        }
    }
    siblings
}

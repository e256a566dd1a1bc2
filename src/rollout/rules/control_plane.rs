//! What a control plane lacks without one of its instances: components, critical pods, members of etcd. Judges; decides nothing.

use crate::kops::Role;
use crate::model::{Instance, InstanceId, Lifecycle, LiveCluster, Nodes, Seen};
use crate::rollout::COMPONENTS;
use crate::rollout::breach::PlaneLack;
use crate::rollout::progress::{Direction, Progress};
use crate::rollout::schedule::ClusterRun;

/// A node of the control plane that stays, and lacks a component, has a critical pod that is not Ready, or a member of etcd that is not
/// healthy. In the group of the instance itself those count that run what the rollout has pinned: they have been replaced.
pub(super) fn unproven(
    run: &ClusterRun,
    progress: &Progress,
    live: &LiveCluster,
    except: &InstanceId,
) -> Option<PlaneLack> {
    let Nodes::Known(seen) = &live.nodes else {
        return None;
    };
    let books = progress.clusters.get(&run.cluster);
    let planes = live
        .groups
        .iter()
        .filter(|(name, _)| run.roles.get(*name) == Some(&Role::ControlPlane));
    for (name, group) in planes {
        let mine = group.instances.contains_key(except);
        let forward = progress.direction == Direction::Forward;
        let replaced = books
            .and_then(|c| c.groups.get(name))
            .filter(|_| forward)
            .and_then(|g| g.version);
        let counts = |id: &InstanceId, i: &Instance| {
            let stays = !mine || (replaced.is_some() && i.version == replaced);
            i.lifecycle == Lifecycle::InService && id != except && stays
        };
        let there = seen.nodes.iter().filter(|(_, node)| {
            let instance = group.instances.get(&node.instance);
            instance.is_some_and(|i| counts(&node.instance, i))
        });
        for (node_name, node) in there {
            let whole = COMPONENTS.iter().all(|c| node.components.contains(*c));
            if !whole || !node.sick.is_empty() {
                return Some(PlaneLack::PlaneNodeSick {
                    node: node_name.clone(),
                    group: name.clone(),
                });
            }
        }
    }
    lost_members(run, live, seen, except)
}

/// An etcd cluster of which another member than that of this instance is not healthy, those on instances that go later among them.
pub(super) fn lost_members(
    run: &ClusterRun,
    live: &LiveCluster,
    seen: &Seen,
    except: &InstanceId,
) -> Option<PlaneLack> {
    run.etcd.iter().find_map(|(etcd, by_group)| {
        let (mut wanted, mut healthy) = (0, 0);
        for (name, members) in by_group {
            let Some(group) = live.groups.get(name) else {
                continue;
            };
            let own = u32::from(group.instances.contains_key(except));
            wanted += (*members).min(group.desired.saturating_sub(own));
            let members = seen.nodes.values().filter(|node| {
                let there = group.instances.get(&node.instance);
                there.is_some_and(|i| i.lifecycle == Lifecycle::InService)
                    && node.instance != *except
                    && node.etcd.get(etcd) == Some(&true)
            });
            healthy += u32::try_from(members.count()).unwrap_or(u32::MAX);
        }
        (healthy < wanted).then(|| PlaneLack::EtcdShort {
            etcd: etcd.clone(),
            healthy,
            wanted,
        })
    })
}

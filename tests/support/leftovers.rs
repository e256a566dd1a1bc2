//! What a rollout may not leave behind on the simulated account.

use super::*;

impl Scene {
    /// What must not be left behind, whatever happened.
    pub fn leftovers(&self) -> Vec<String> {
        let live = self.live(&self.world());
        let mut left = Vec::new();
        for (cluster, found) in &live.clusters {
            for (name, group) in &found.groups {
                if !group.suspended.is_empty() {
                    left.push(format!("{name} has {:?} suspended", group.suspended));
                }
                let going = |id| {
                    group
                        .instances
                        .get(id)
                        .is_none_or(|i| i.lifecycle == Lifecycle::Terminating)
                };
                let held = group
                    .instances
                    .iter()
                    .filter(|(_, i)| i.protected && i.lifecycle != Lifecycle::Terminating);
                let protects = group.group.new_instances_protected_from_scale_in;
                left.extend(
                    held.filter(|_| !protects)
                        .map(|(id, _)| format!("{id} is protected from scale-in")),
                );
                left.extend(
                    group
                        .instances
                        .iter()
                        .filter(|(_, i)| i.lifecycle == Lifecycle::Detached)
                        .map(|(id, _)| format!("{id} is detached")),
                );
                let Nodes::Known(seen) = &found.nodes else {
                    panic!("{cluster} cannot be seen")
                };
                let mine = seen
                    .nodes
                    .iter()
                    .filter(|(_, n)| group.instances.contains_key(&n.instance));
                for (name, node) in mine.filter(|(_, n)| !going(&n.instance)) {
                    left.extend(node.cordoned.then(|| format!("{name} is cordoned")));
                    left.extend(node.tainted.then(|| format!("{name} is tainted")));
                    left.extend(
                        node.ours
                            .iter()
                            .filter(|m| **m != NodeMark::Cordoned && **m != NodeMark::Tainted)
                            .map(|m| format!("{name} is {m:?}")),
                    );
                }
            }
        }
        left
    }

    /// What of ours must not be left behind where others act too: what they suspend, protect and cordon is theirs.
    pub fn leftovers_of_ours(&self, progress: &Progress) -> Vec<String> {
        let live = self.live(&self.world());
        let mut left = Vec::new();
        for (cluster, found) in &live.clusters {
            let Nodes::Known(seen) = &found.nodes else {
                panic!("{cluster} cannot be seen")
            };
            for (name, group) in &found.groups {
                let done = progress
                    .clusters
                    .get(cluster)
                    .and_then(|c| c.groups.get(name));
                let suspended = done
                    .map(|g| &g.outstanding.suspended)
                    .filter(|s| !s.is_empty());
                left.extend(suspended.map(|s| format!("{name} has {s:?} suspended")));
                let stays = |lifecycle: Lifecycle| lifecycle != Lifecycle::Terminating;
                for (id, instance) in group.instances.iter().filter(|(_, i)| stays(i.lifecycle)) {
                    let protects = group.group.new_instances_protected_from_scale_in;
                    if instance.protected && !protects {
                        left.push(format!("{id} of {name} is protected from scale-in"));
                    }
                    if instance.lifecycle == Lifecycle::Detached {
                        left.push(format!("{id} of {name} is detached"));
                    }
                    let node = seen.nodes.iter().find(|(_, n)| n.instance == *id);
                    if let Some((node, found)) = node.filter(|(_, n)| !n.ours.is_empty()) {
                        left.push(format!("{node} of {name} is marked {:?}", found.ours));
                    }
                }
            }
        }
        left
    }
}

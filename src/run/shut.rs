//! Clusters whose Kubernetes API stays shut until a person opens it: a wrong kubeconfig, refused credentials, a right that is missing. Decides only
//! when to stop waiting for that person.

use crate::model::{ClusterName, Live, Nodes, Span, Timestamp, Unseen};
use crate::rollout::{Decision, Waiting};

/// A way that was open in this process is given this long to open again: an API server that starts refuses everybody for a moment.
const GRACE: Span = Span::from_secs(30);

/// Since when nothing is left but to wait for a person, and whose cluster's nodes this process has seen.
#[derive(Debug, Default)]
pub(super) struct Shut {
    since: Option<Timestamp>,
    seen: bool,
}

impl Shut {
    /// What to stop for, when nothing else is left to do than to wait for it.
    pub(super) fn found(
        &mut self,
        next: &Decision,
        live: &Live,
        now: Timestamp,
    ) -> Option<(ClusterName, Unseen)> {
        let mut all = live.clusters.values();
        self.seen |= all.any(|cluster| matches!(cluster.nodes, Nodes::Known(_)));
        let idle = next.records.is_empty()
            && next.steps.is_empty()
            && next.checks.is_empty()
            && next.hooks.is_empty();
        let shut: Option<Vec<(ClusterName, Unseen)>> =
            next.waiting.iter().map(|w| shut(w, live)).collect();
        let first = shut.filter(|_| idle).and_then(|all| all.into_iter().next());
        let Some(found) = first else {
            self.since = None;
            return None;
        };
        let since = *self.since.get_or_insert(now);
        (!self.seen || now.since(since) >= GRACE).then_some(found)
    }
}

/// The cluster that is waited for, where only a person can end that.
fn shut(waiting: &Waiting, live: &Live) -> Option<(ClusterName, Unseen)> {
    let name = waiting.cluster.as_ref()?;
    match &live.clusters.get(name)?.nodes {
        Nodes::Unknown(unseen) if unseen.is_for_a_person() => Some((name.clone(), unseen.clone())),
        Nodes::Unknown(_) | Nodes::NotAsked | Nodes::Known(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::{LiveCluster, UnseenKind};
    use crate::rollout::State;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn live(nodes: [(&str, Nodes); 2]) -> Live {
        let cluster = |(name, nodes): (&str, Nodes)| {
            let cluster = LiveCluster {
                nodes,
                ..LiveCluster::default()
            };
            (name.parse().unwrap(), cluster)
        };
        Live {
            read_at: at(0),
            clusters: BTreeMap::from(nodes.map(cluster)),
            room: Vec::new(),
        }
    }

    fn waits(clusters: &[&str]) -> Decision {
        let waiting = |name: &&str| Waiting {
            cluster: Some(name.parse().unwrap()),
            group: None,
            why: crate::rollout::Reason::ClusterUnread,
            until: None,
        };
        Decision {
            records: Vec::new(),
            steps: Vec::new(),
            checks: Vec::new(),
            hooks: Vec::new(),
            waiting: clusters.iter().map(waiting).collect(),
            state: State::Going,
        }
    }

    fn unseen(kind: UnseenKind) -> Nodes {
        Nodes::Unknown(Unseen {
            kind,
            why: "so it is".into(),
        })
    }

    #[test]
    fn a_way_that_never_was_open_is_not_waited_for() {
        for (kind, stops) in [
            (UnseenKind::Credentials, true),
            (UnseenKind::Context, true),
            (UnseenKind::OtherCluster, true),
            (UnseenKind::Rights, true),
            (UnseenKind::Silent, false),
        ] {
            let live = live([("a.b", unseen(kind)), ("c.d", Nodes::NotAsked)]);
            let found = Shut::default().found(&waits(&["a.b"]), &live, at(0));
            assert_eq!(found.is_some(), stops, "{kind:?}");
        }
    }

    #[test]
    fn a_way_that_was_open_is_given_time() {
        let mut shut = Shut::default();
        let open = live([
            ("a.b", Nodes::Known(Default::default())),
            ("c.d", Nodes::NotAsked),
        ]);
        let closed = live([
            ("a.b", unseen(UnseenKind::Rights)),
            ("c.d", Nodes::NotAsked),
        ]);
        let next = waits(&["a.b"]);
        assert_eq!(shut.found(&next, &open, at(0)), None);
        assert_eq!(shut.found(&next, &closed, at(10)), None);
        assert_eq!(shut.found(&next, &open, at(30)), None);
        assert_eq!(shut.found(&next, &closed, at(40)), None);
        assert_eq!(shut.found(&next, &closed, at(69)), None);
        assert!(shut.found(&next, &closed, at(70)).is_some());
    }

    #[test]
    fn whoever_has_something_else_to_do_does_it() {
        let closed = || unseen(UnseenKind::Credentials);
        let one = live([("a.b", closed()), ("c.d", Nodes::NotAsked)]);
        assert_eq!(
            Shut::default().found(&waits(&["a.b", "c.d"]), &one, at(0)),
            None
        );
        let both = live([("a.b", closed()), ("c.d", closed())]);
        assert!(
            Shut::default()
                .found(&waits(&["a.b", "c.d"]), &both, at(0))
                .is_some()
        );
        assert_eq!(Shut::default().found(&waits(&[]), &both, at(0)), None);
    }
}

//! What kfleet has to be allowed in a cluster, and no more: the one list that is asked for, and that is printed. Makes no calls.

/// One rule of a ClusterRole: what may be done with a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// As RBAC writes it: `get`, `list`, `watch`, `patch`, `create`.
    pub verb: &'static str,
    /// API group; empty for the core.
    pub group: &'static str,
    /// Resource, with its subresource.
    pub resource: &'static str,
    /// The name of the object, where only one is asked for.
    pub name: Option<&'static str>,
}

/// The namespace whose uid says which cluster it is.
pub const SYSTEM_NAMESPACE: &str = "kube-system";

/// Without these nothing can be seen.
pub const LOOK_RIGHTS: [Right; 4] = [
    Right {
        name: Some(SYSTEM_NAMESPACE),
        ..core("get", "namespaces")
    },
    core("list", "nodes"),
    core("list", "pods"),
    budgets("list"),
];

/// Without these everything is listed at each look of a rollout.
pub const WATCH_RIGHTS: [Right; 3] = [
    core("watch", "nodes"),
    core("watch", "pods"),
    budgets("watch"),
];

/// What a drain needs beside them.
pub const DRAIN_RIGHTS: [Right; 4] = [
    core("get", "nodes"),
    core("patch", "nodes"),
    core("create", "pods/eviction"),
    core("delete", "pods"),
];

/// Without these kfleet cannot see which volumes are attached to a node that is emptied, and none is waited for.
pub const VOLUME_RIGHTS: [Right; 3] = [
    attachments("list"),
    attachments("watch"),
    core("get", "persistentvolumes"),
];

const fn attachments(verb: &'static str) -> Right {
    Right {
        group: "storage.k8s.io",
        ..core(verb, "volumeattachments")
    }
}

const fn budgets(verb: &'static str) -> Right {
    Right {
        group: "policy",
        ..core(verb, "poddisruptionbudgets")
    }
}

const fn core(verb: &'static str, resource: &'static str) -> Right {
    Right {
        verb,
        group: "",
        resource,
        name: None,
    }
}

/// `list nodes`, `get namespaces/kube-system`: as the API says it, and as a person asks `kubectl auth can-i`.
impl std::fmt::Display for Right {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        self.name.map_or(Ok(()), |name| write!(f, "/{name}"))
    }
}

//! What the instances of a group are for, and what follows from it for a roll: one table, asked by order, readiness, drains and validation. Decides nothing.

/// What the instances of a group are.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Way in by SSH.
    Bastion,
    /// Control plane with etcd.
    ControlPlane,
    /// API server only.
    ApiServer,
    /// A worker: everything that is not the control plane or a bastion.
    Node,
}

/// Who runs the instances, and what they are: every kind of machine that a cluster can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MachineKind {
    /// Of an AutoScalingGroup with this role.
    Group(Role),
    /// Of Karpenter, or joined by hand: of no group that kfleet rolls.
    Unmanaged,
}

/// When in a roll a group has its turn: the phases in the order of the way forward; the way back takes them from the end.
///
/// A kubelet may not be newer than an API server that it talks to, so everything that serves the API goes before the first node, and comes
/// back after the last one. Source: Kubernetes, "Version Skew Policy"; kops, `pkg/instancegroups/rollingupdate.go`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Control planes, one instance at a time over the whole cluster.
    ControlPlane,
    /// API servers without etcd.
    ApiServers,
    /// Everything that runs no API server.
    Workers,
}

/// What a kind of machine means for a roll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a row of a table: each column is a yes or no"
)]
pub struct MachineRules {
    /// When its turn comes; none: it is never rolled by kfleet.
    pub phase: Option<Phase>,
    /// It registers as a node, and is ready only when that is. A bastion is ready when it is in service and healthy.
    /// Source: kops, `pkg/instancegroups/instancegroups.go`: "they aren't part of the cluster".
    pub is_node: bool,
    /// Its node is cordoned and emptied before it ends.
    pub is_drained: bool,
    /// Another instance may be started beside it before it goes. A control plane's cannot: its name and its etcd volume are one of a kind.
    pub may_surge: bool,
    /// Its components and etcd members have to be whole before the next of its kind goes, whichever way.
    pub proves_control_plane: bool,
    /// What is wrong with its nodes counts against the cluster whichever groups are looked at.
    pub always_counts: bool,
}

/// Machines that run what the cluster is for: the other kinds say in what they differ.
const WORKER: MachineRules = MachineRules {
    phase: Some(Phase::Workers),
    is_node: true,
    is_drained: true,
    may_surge: true,
    proves_control_plane: false,
    always_counts: false,
};

impl MachineKind {
    /// All of them.
    pub const ALL: [MachineKind; 5] = [
        MachineKind::Group(Role::ControlPlane),
        MachineKind::Group(Role::ApiServer),
        MachineKind::Group(Role::Bastion),
        MachineKind::Group(Role::Node),
        MachineKind::Unmanaged,
    ];

    /// What it means.
    pub const fn rules(self) -> MachineRules {
        match self {
            MachineKind::Group(Role::ControlPlane) => MachineRules {
                phase: Some(Phase::ControlPlane),
                may_surge: false,
                proves_control_plane: true,
                always_counts: true,
                ..WORKER
            },
            MachineKind::Group(Role::ApiServer) => MachineRules {
                phase: Some(Phase::ApiServers),
                ..WORKER
            },
            MachineKind::Group(Role::Bastion) => MachineRules {
                is_node: false,
                is_drained: false,
                ..WORKER
            },
            MachineKind::Group(Role::Node) => WORKER,
            MachineKind::Unmanaged => MachineRules {
                phase: None,
                is_drained: false,
                may_surge: false,
                ..WORKER
            },
        }
    }
}

impl Phase {
    /// All of them, in the order of the way forward.
    pub const FORWARD: [Phase; 3] = [Phase::ControlPlane, Phase::ApiServers, Phase::Workers];
}

impl Role {
    /// All of them, in the order in which they are rolled and shown.
    pub const ALL: [Role; 4] = [
        Role::ControlPlane,
        Role::ApiServer,
        Role::Bastion,
        Role::Node,
    ];

    /// What it means for a roll.
    pub const fn rules(self) -> MachineRules {
        MachineKind::Group(self).rules()
    }

    /// Its place in [`Role::ALL`].
    pub fn rank(self) -> u8 {
        (0..)
            .zip(Role::ALL)
            .find(|(_, role)| *role == self)
            .map_or(u8::MAX, |(n, _)| n)
    }

    /// The role kops knows by this name. Manifests have to have it letter by letter.
    pub(super) fn parse(name: &str) -> Option<Role> {
        match name {
            "Master" | "ControlPlane" => Some(Role::ControlPlane),
            "APIServer" => Some(Role::ApiServer),
            "Node" => Some(Role::Node),
            "Bastion" => Some(Role::Bastion),
            _ => None,
        }
    }

    /// As kops calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Bastion => "Bastion",
            Role::ControlPlane => "ControlPlane",
            Role::ApiServer => "APIServer",
            Role::Node => "Node",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    #[test]
    fn every_kind_of_machine_has_its_row() {
        let mut table =
            String::from("kind          phase         node  drain surge proof always\n");
        for kind in MachineKind::ALL {
            let row = row(kind);
            writeln!(table, "{row}").unwrap();
        }
        assert_eq!(
            table,
            "\
kind          phase         node  drain surge proof always
ControlPlane  ControlPlane  yes   yes   -     yes   yes
APIServer     ApiServers    yes   yes   yes   -     -
Bastion       Workers       -     -     yes   -     -
Node          Workers       yes   yes   yes   -     -
unmanaged     never         yes   -     -     -     -
"
        );
    }

    fn row(kind: MachineKind) -> String {
        let MachineRules {
            phase,
            is_node,
            is_drained,
            may_surge,
            proves_control_plane,
            always_counts,
        } = kind.rules();
        let name = match kind {
            MachineKind::Group(role) => role.as_str(),
            MachineKind::Unmanaged => "unmanaged",
        };
        let phase = phase.map_or("never".into(), |p| format!("{p:?}"));
        let cells = [
            is_node,
            is_drained,
            may_surge,
            proves_control_plane,
            always_counts,
        ]
        .map(|yes| if yes { "yes  " } else { "-    " })
        .join(" ");
        format!("{name:<13} {phase:<13} {}", cells.trim_end())
    }

    #[test]
    fn every_role_has_a_phase_and_a_rank_in_its_order() {
        let ranks = Role::ALL.map(Role::rank);
        assert_eq!(ranks, [0, 1, 2, 3]);
        let phases = Role::ALL.map(|role| role.rules().phase);
        assert!(phases.is_sorted() && phases.iter().all(Option::is_some));
        assert!(Phase::FORWARD.is_sorted());
    }
}

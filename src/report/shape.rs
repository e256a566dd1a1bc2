//! One cluster's plan → its shape: what changes, without what differs from cluster to cluster by nature (names, ids and counts of instances, version numbers).

use std::collections::BTreeMap;

use super::field::{self, FieldLine};
use super::wording::{count, group, list, plain};
use super::{kops_fault, note, remark};
use crate::kops::Role;
use crate::model::{AsgName, ClusterName, Definition, InstanceId};
use crate::plan::{Blocked, ClusterPlan, DocumentChange, GroupChange};

/// Stands for the cluster's own name in every text of a shape.
pub(super) const SELF: char = '\u{e000}';

/// What changes in a cluster. Two clusters with equal shapes change in the same way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shape {
    /// Changes of groups, equal ones together: the change, and the groups' names.
    pub(super) groups: Vec<(GroupShape, Vec<String>)>,
    /// Changes of documents, by name.
    pub(super) documents: Vec<(String, DocumentShape)>,
    /// What stands in the way.
    pub(super) blocked: Vec<BlockedShape>,
    /// What a reader should know.
    pub(super) notes: Vec<String>,
}

/// A change, the names of the groups that have it, and their details.
type Changed = ((GroupShape, Vec<String>), Vec<Detail>);

/// The change of a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct GroupShape {
    /// Order in which groups begin.
    order: u8,
    /// In short: what happens.
    pub(super) kind: GroupChangeKind,
    pub(super) fields: Vec<FieldLine>,
}

/// What happens to a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum GroupChangeKind {
    /// It is made; says what it will be.
    Create(String),
    /// It is changed.
    Update {
        /// What happens to its launch template.
        template: TemplateShape,
        /// Whether instances are replaced now, or each only when it is launched next.
        replaces: bool,
    },
    /// It is drained and deleted.
    Retire,
}

/// What happens to a launch template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TemplateShape {
    /// No new version is made.
    Untouched,
    /// A version is made.
    New,
    /// The group goes to a version that is there.
    Existing,
}

/// The change of a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum DocumentShape {
    /// git has it and live does not.
    Added,
    /// Both have it, and these fields differ.
    Changed(Vec<FieldLine>),
    /// Live has it and git does not.
    Removed,
}

/// Something in the way, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BlockedShape {
    /// What and why.
    pub(super) text: String,
    /// The next step; the same for all of one kind.
    pub(super) hint: &'static str,
}

/// What the shape leaves out of one group's change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Detail {
    /// The existing launch template version, when it goes to one.
    pub(super) version: Option<u64>,
    /// Instances that are replaced or ended, by reason.
    pub(super) reasons: BTreeMap<String, Vec<InstanceId>>,
}

/// The shape of a cluster's plan, and the details of its groups: as many as the shape has, for each in the order of its names.
pub(super) fn of(cluster: &ClusterName, plan: &ClusterPlan) -> (Shape, Vec<Vec<Detail>>) {
    let own = |text: &str| text.replace(cluster.as_str(), SELF.encode_utf8(&mut [0; 4]));
    let mut by_change: BTreeMap<GroupShape, (Vec<String>, Vec<Detail>)> = BTreeMap::new();
    for (asg, change) in &plan.groups {
        let (shape, detail) = group_shape(plan, asg, change, &own);
        let (names, details) = by_change.entry(shape).or_default();
        names.push(own(group(asg, cluster)));
        details.push(detail);
    }
    let mut groups: Vec<Changed> = by_change
        .into_iter()
        .map(|(shape, (names, details))| ((shape, names), details))
        .collect();
    groups.sort_by(|((a, x), _), ((b, y), _)| {
        (a.order, a.kind == GroupChangeKind::Retire, x).cmp(&(
            b.order,
            b.kind == GroupChangeKind::Retire,
            y,
        ))
    });
    let (groups, details) = groups.into_iter().unzip();
    let documents = plan
        .documents
        .iter()
        .map(|(name, change)| (own(&plain(name)), document_shape(change, &own)))
        .collect();
    let blocked = plan
        .blocked
        .iter()
        .map(|b| blocked_shape(b, cluster, &own))
        .collect();
    let remarks = plan.remarks.iter();
    let remarks = remarks.filter_map(|r| Some(own(&remark::note(r, cluster)?)));
    let notes = plan.notes.iter().map(|n| own(&note::note(n, cluster)));
    let pending = remark::pending(plan).map(|n| own(&n));
    let notes = notes.chain(remarks).chain(pending).collect();
    (
        Shape {
            groups,
            documents,
            blocked,
            notes,
        },
        details,
    )
}

impl Shape {
    /// How many groups and documents change.
    pub(super) fn changes(&self) -> usize {
        self.groups
            .iter()
            .map(|(_, names)| names.len())
            .sum::<usize>()
            + self.documents.len()
    }
}

fn group_shape(
    plan: &ClusterPlan,
    asg: &AsgName,
    change: &GroupChange,
    own: &impl Fn(&str) -> String,
) -> (GroupShape, Detail) {
    let order = plan.roles.get(asg).copied().unwrap_or(Role::Node).rank();
    match change {
        GroupChange::Create { to } => (
            GroupShape {
                order,
                kind: GroupChangeKind::Create(own(&created(&to.definition, &plan.images))),
                fields: Vec::new(),
            },
            Detail::default(),
        ),
        GroupChange::Update {
            to,
            from: _,
            fields,
            existing_version,
            replace,
        } => {
            let fields = field::with_image_names(fields, &plan.images);
            let fields = lines(field::group_lines(&fields), own);
            let template = match (fields.iter().all(|f| f.in_place), existing_version) {
                (true, _) => TemplateShape::Untouched,
                (false, None) => TemplateShape::New,
                (false, Some(_)) => TemplateShape::Existing,
            };
            let mut reasons: BTreeMap<String, Vec<InstanceId>> = BTreeMap::new();
            for (id, why) in replace {
                reasons.entry(reason(why)).or_default().push(id.clone());
            }
            let kind = GroupChangeKind::Update {
                template,
                replaces: to.replace_instances,
            };
            (
                GroupShape {
                    order,
                    kind,
                    fields,
                },
                Detail {
                    version: *existing_version,
                    reasons,
                },
            )
        }
        GroupChange::Retire { from: _, instances } => {
            let reasons =
                BTreeMap::from([(String::new(), instances.iter().cloned().collect::<Vec<_>>())]);
            (
                GroupShape {
                    order,
                    kind: GroupChangeKind::Retire,
                    fields: Vec::new(),
                },
                Detail {
                    version: None,
                    reasons,
                },
            )
        }
    }
}

/// What a new group will be, in one line.
pub(super) fn created(to: &Definition, images: &BTreeMap<String, String>) -> String {
    let (asg, data) = (
        &to.auto_scaling_group,
        &to.launch_template.launch_template_data,
    );
    let types: Vec<&str> = asg
        .mixed_instances_policy
        .iter()
        .flat_map(|p| &p.overrides)
        .filter_map(|o| o.instance_type.as_deref())
        .collect();
    let types = if types.is_empty() {
        format!("type {}", plain(&data.instance_type))
    } else {
        format!("types {}", plain(&list(types, 4)))
    };
    format!(
        "min {}, max {}, {types}, image {}",
        asg.min_size,
        asg.max_size,
        plain(images.get(&data.image_id).unwrap_or(&data.image_id))
    )
}

/// Why an instance has to go, from the fields that differ, or from the plan's own sentence when there is no version to compare with.
fn reason(why: &[String]) -> String {
    let mut names: Vec<String> = Vec::new();
    for name in why.iter().map(|w| field::reason(w)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    match names.as_slice() {
        [one] if one.starts_with("was not launched") => format!("it {one}"),
        [one] => format!("{one} differs"),
        _ => format!("{} differ", list(&names, 4)),
    }
}

fn document_shape(change: &DocumentChange, own: &impl Fn(&str) -> String) -> DocumentShape {
    match change {
        DocumentChange::Added => DocumentShape::Added,
        DocumentChange::Changed(fields) => {
            DocumentShape::Changed(lines(field::document_lines(fields), own))
        }
        DocumentChange::Removed => DocumentShape::Removed,
    }
}

fn lines(mut lines: Vec<FieldLine>, own: &impl Fn(&str) -> String) -> Vec<FieldLine> {
    lines.iter_mut().for_each(|l| l.map_texts(own));
    lines
}

fn blocked_shape(
    blocked: &Blocked,
    cluster: &ClusterName,
    own: &impl Fn(&str) -> String,
) -> BlockedShape {
    BlockedShape {
        text: own(&blocked_text(blocked, cluster)),
        hint: hint(blocked),
    }
}

/// What stands in the way, as a sentence.
pub(super) fn blocked_text(blocked: &Blocked, cluster: &ClusterName) -> String {
    match blocked {
        Blocked::Gap { what, why } => format!("{} could not be read: {}", plain(what), plain(why)),
        Blocked::NotRead => "the cluster was not read".to_owned(),
        Blocked::VersionNotRead {
            group: asg,
            version,
        } => format!(
            "version {version} of the launch template of {} could not be read",
            group(asg, cluster)
        ),
        Blocked::StoreNotRead { why } => {
            format!("kops' state store could not be read: {}", plain(why))
        }
        Blocked::NodeupNotRead { why } => format!(
            "what kops' state store has new nodes boot with could not be read: {}",
            plain(why)
        ),
        // How many instances end stands at the group's own change, and would keep equal clusters apart here.
        Blocked::Retire {
            group: asg,
            instances: _,
        } => format!(
            "{} is not in git any more; retiring it ends its instances",
            group(asg, cluster)
        ),
        Blocked::Protected { group: asg } => format!(
            "{} is not in git any more, and is protected",
            group(asg, cluster)
        ),
        Blocked::Shrink {
            group: asg,
            desired,
            max,
        } => {
            let ends = desired.saturating_sub(*max);
            format!(
                "{}: a maximum of {max} ends {ends} of its {desired} instances",
                group(asg, cluster)
            )
        }
        Blocked::NoBootVersion { group: asg } => format!(
            "{}: no launch template version has the user data that kops' state store asks for: whatever it launches does not boot",
            group(asg, cluster)
        ),
        Blocked::NoKubernetes { groups } => format!(
            "no Kubernetes context is given, so nodes are not seen: {} cannot be drained, replaced or proven",
            count(*groups, "group")
        ),
        Blocked::NoUserData { group: asg } => format!(
            "{} is new and has no user data to boot with",
            group(asg, cluster)
        ),
        Blocked::Twin { group: asg, fault } => format!(
            "{}: no on-demand twin can stand in: {}",
            group(asg, cluster),
            note::twin_fault(fault)
        ),
        Blocked::NotCarriedOut { document } => format!(
            "{}: kops' state store has the change, and nothing in the account shows that kops has carried it out: groups boot as before",
            plain(document)
        ),
        Blocked::ByKops { why } => kops_fault::text(why),
        Blocked::NeedsKops { document } => format!(
            "{} differs, and only kops can carry that out",
            plain(document)
        ),
    }
}

/// What a person can do about something in the way.
pub(super) fn hint(blocked: &Blocked) -> &'static str {
    match blocked {
        Blocked::Gap { .. }
        | Blocked::NotRead
        | Blocked::VersionNotRead { .. }
        | Blocked::StoreNotRead { .. }
        | Blocked::NodeupNotRead { .. } => {
            "make it readable and plan again: nothing is planned on a guess"
        }
        Blocked::Retire { .. } => {
            "put it back into git, or allow it by name with --allow-retire GROUP, or `retire` in the cluster's file"
        }
        Blocked::Protected { .. } => "put it back into git, or take its protection away first",
        Blocked::Shrink { .. } => {
            "keep the maximum up until the group has shrunk, or allow it with --allow-shrink"
        }
        Blocked::NoBootVersion { .. } => {
            "let kops make one (kops update cluster --yes), then plan again"
        }
        Blocked::NoKubernetes { .. } => {
            "name one as kubernetes.context in the cluster's file; a rollout begins nothing that it could not see through"
        }
        Blocked::NoUserData { .. } => {
            "add a user_data snippet, or let kops make the group (engine: kops)"
        }
        Blocked::Twin { .. } => {
            "name another twin under rolling.groups, or choose the capacity policy wait or stop"
        }
        Blocked::NotCarriedOut { .. } => {
            "let kops carry it out (kops update cluster --yes); where that changes no node, --adopt-documents records it as applied"
        }
        Blocked::ByKops { why } => kops_fault::hint(why),
        Blocked::NeedsKops { .. } => {
            "let kops apply it (`engine: kops` has the rollout do it; by hand: kops replace, kops update); go on without with --adopt-documents, which records it as applied"
        }
    }
}

/// The kind of thing in the way, for counting.
pub(super) fn blocked_kind(blocked: &Blocked) -> &'static str {
    match blocked {
        Blocked::Gap { .. }
        | Blocked::NotRead
        | Blocked::VersionNotRead { .. }
        | Blocked::StoreNotRead { .. }
        | Blocked::NodeupNotRead { .. } => "live state unread",
        Blocked::Retire { .. } => "group to retire",
        Blocked::Protected { .. } => "protected group gone from git",
        Blocked::Shrink { .. } => "group to shrink",
        Blocked::NoBootVersion { .. } => "group without a version that boots",
        Blocked::NoKubernetes { .. } => "nodes that are not seen",
        Blocked::NoUserData { .. } => "new group without user data",
        Blocked::Twin { .. } => "on-demand twin that cannot stand in",
        Blocked::NotCarriedOut { .. } => "document that kops has stored and not carried out",
        Blocked::ByKops { .. } => "change by kops that is held back",
        Blocked::NeedsKops { .. } => "document that only kops can change",
    }
}

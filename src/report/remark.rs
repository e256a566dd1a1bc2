//! What a plan says of a cluster that kops and people work on, too, in sentences: warnings before everything else, the rest as notes.

use std::collections::BTreeMap;

use super::field;
use super::style::{Style, Tone};
use super::wording::{clock, count, group, list, plain};
use crate::model::ClusterName;
use crate::plan::{ClusterPlan, DocumentChange, Pending, Plan, Remark, Warned};

/// Groups named in a warning without `full`.
const GROUPS: usize = 10;

/// What is wrong already, whatever the plan changes: to be read first. Empty: nothing is.
pub(super) fn warnings(plan: &Plan, style: Style) -> Vec<String> {
    let clusters = plan.clusters.iter();
    clusters
        .flat_map(|(name, plan)| of_cluster(name, &plan.remarks, style))
        .collect()
}

/// The same as it stood when the clusters were last looked at, for a reader of the store. Empty: nothing was wrong.
pub fn warned_text(warned: &BTreeMap<ClusterName, Warned>, style: Style) -> String {
    let lines = warned.values().flat_map(|w| {
        let mut lines = of_cluster(&w.cluster, &w.remarks, style);
        let since = format!("    seen by a plan, since {}", clock(w.since));
        lines.extend((!lines.is_empty()).then_some(since));
        lines
    });
    lines.map(|line| line + "\n").collect()
}

/// What is left in the store for a reader of it and cannot be read, in one line. Empty: nothing.
pub fn asides_text(lost: &[String]) -> String {
    match lost {
        [] => String::new(),
        lost => format!(
            "not shown here: {}; nothing is decided by it, and the next plan or look of a rollout writes it anew\n",
            lost.iter()
                .map(|why| plain(why))
                .collect::<Vec<_>>()
                .join("; ")
        ),
    }
}

fn cannot_boot(cluster: &ClusterName, names: &str, groups: usize, style: Style) -> String {
    format!(
        "{} {cluster}: new nodes of {} cannot boot: {names}",
        style.paint(Tone::Bad, "warning:"),
        count(groups, "group"),
    )
}

fn of_cluster(cluster: &ClusterName, remarks: &[Remark], style: Style) -> Vec<String> {
    let most = if style.full { usize::MAX } else { GROUPS };
    let mut out = Vec::new();
    let groups = |fits: &dyn Fn(&Remark) -> bool| -> Vec<String> {
        remarks
            .iter()
            .filter(|r| fits(r))
            .map(|r| group(of(r), cluster).to_owned())
            .collect()
    };
    let sick = groups(&|r| matches!(r, Remark::CannotBoot { .. }));
    if !sick.is_empty() {
        out.push(cannot_boot(cluster, &list(&sick, most), sick.len(), style));
        out.push("    their launch template names another nodeup configuration (NodeupConfigHash) than kops' state store holds, as after `kops update`: a scale-up or a lost instance stays away until this is rolled out".to_owned());
    }
    let behind = groups(&|r| matches!(r, Remark::Unpublished { .. }));
    if !behind.is_empty() {
        out.push(format!(
            "{} {cluster}: kops' state store has {} otherwise than git, and the next `kops update` would set that:",
            style.paint(Tone::Bad, "warning:"),
            count(behind.len(), "group"),
        ));
        out.extend(unpublished(cluster, remarks, most));
        out.push(format!(
            "    publish what git wants first: kops replace -f rendered/{cluster}/manifests.yaml"
        ));
    }
    out
}

/// Groups with the same differences together.
fn unpublished(cluster: &ClusterName, remarks: &[Remark], most: usize) -> Vec<String> {
    let mut alike: BTreeMap<Vec<String>, Vec<&str>> = BTreeMap::new();
    for remark in remarks {
        if let Remark::Unpublished { group: asg, fields } = remark {
            let lines = field::short(fields);
            alike.entry(lines).or_default().push(group(asg, cluster));
        }
    }
    alike
        .into_iter()
        .map(|(lines, groups)| format!("    {}: {}", list(&groups, most), list(&lines, 4)))
        .collect()
}

/// What is no warning, as notes of its cluster.
pub(super) fn note(remark: &Remark, cluster: &ClusterName) -> Option<String> {
    let name = group(of(remark), cluster);
    let text = match remark {
        Remark::CannotBoot { .. } | Remark::Unpublished { .. } => return None,
        Remark::BootUnknown { .. } => format!(
            "{name}: its user data names no nodeup configuration that can be read, so whether its new nodes boot is not known"
        ),
        Remark::NotPinned {
            version,
            pinned,
            by_kops: true,
            ..
        } => format!(
            "{name}: kops made launch template version {version}, and the group refers to {pinned}: what kops put into user data is taken from {version}"
        ),
        Remark::NotPinned {
            version,
            pinned,
            by_kops: false,
            ..
        } => format!(
            "{name}: launch template version {version} was made by others, and the group refers to {pinned}: it is left as it is"
        ),
        Remark::Follows {
            reference,
            version,
            others,
            ..
        } => format!(
            "{name}: refers to {reference} (kops sets that when it rewrites a mixed policy): instances launched now run version {version}, and {} another one",
            if *others == 1 {
                "1 instance runs".to_owned()
            } else {
                format!("{others} instances run")
            }
        ),
        Remark::Carried { from, fields, .. } => format!(
            "{name}: taken over from launch template version {from}: {}",
            list(
                fields
                    .iter()
                    .map(|(k, v)| format!("{} = {}", plain(k), plain(v))),
                6
            )
        ),
    };
    Some(text)
}

/// The notes of all clusters, for a plan without changes.
pub(super) fn notes(plan: &Plan) -> Vec<String> {
    let of_cluster = |(cluster, plan): (&ClusterName, &ClusterPlan)| {
        let said = plan.remarks.iter().filter_map(|r| note(r, cluster));
        said.chain(pending(plan))
            .map(|text| format!("note: {cluster}: {text}"))
            .collect::<Vec<_>>()
    };
    plan.clusters.iter().flat_map(of_cluster).collect()
}

/// What was recorded as done by other means and no node shows yet, or ever will.
pub(super) fn pending(plan: &ClusterPlan) -> impl Iterator<Item = String> {
    plan.pending.iter().map(|(key, p)| pending_note(key, p))
}

fn pending_note(key: &str, pending: &Pending) -> String {
    let what = match &pending.change {
        DocumentChange::Added => "new".to_owned(),
        DocumentChange::Removed => "removed".to_owned(),
        DocumentChange::Changed(fields) => list(fields.iter().map(|f| plain(&f.field)), 6),
    };
    let said = match &pending.acknowledged {
        None => "it was recorded as done, and the nodes that it can reach still boot as before; `kfleet rollout acknowledge` is for what no node will show".to_owned(),
        Some(known) => format!(
            "no node shows it; acknowledged by {} at {}: {}",
            plain(&known.by),
            known.at,
            plain(&known.reason)
        ),
    };
    format!(
        "{} ({what}): only kops can carry it out; {said}",
        plain(key)
    )
}

fn of(remark: &Remark) -> &crate::model::AsgName {
    match remark {
        Remark::CannotBoot { group, .. }
        | Remark::BootUnknown { group, .. }
        | Remark::NotPinned { group, .. }
        | Remark::Follows { group, .. }
        | Remark::Unpublished { group, .. }
        | Remark::Carried { group, .. } => group,
    }
}

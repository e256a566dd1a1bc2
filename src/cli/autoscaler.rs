//! `kfleet autoscaler`: what cluster-autoscaler sees of a cluster, as text or JSON. Computes nothing of it: see `desired::autoscaler`.

use std::collections::BTreeSet;

use super::args::{Arguments, AutoscalerArguments};
use super::failure::Failure;
use super::formats::ViewFormat;
use super::output::Output;
use super::pipeline::{prepare_with_trees, target};
use super::{Exit, given};
use crate::desired::{self, Autoscaler, Discovery, Expander, ExpanderSource, NodeGroup};
use crate::kops;
use crate::yaml;

pub(super) fn run(
    arguments: &Arguments,
    command: &AutoscalerArguments,
    output: &Output,
) -> Result<Exit, Failure> {
    let prepared = prepare_with_trees(&arguments.directory)?;
    let name = &given::meant(&prepared.clusters.keys().collect(), &command.cluster)?;
    let documents: Vec<yaml::Document> = prepared
        .clusters
        .get(name)
        .iter()
        .flat_map(|c| &c.rendered.documents)
        .map(|d| d.document.clone())
        .collect();
    let target = prepared
        .fleet
        .clusters
        .get(name)
        .map(|cluster| target(cluster, &prepared.fleet.settings.accept))
        .unwrap_or_default();
    let manifests =
        kops::read_for(&documents, &target).map_err(|e| Failure::new(format!("{name}: {e}")))?;
    let seen = desired::autoscaler(&manifests).map_err(|e| Failure::new(format!("{name}: {e}")))?;
    match command.format {
        ViewFormat::Text => output.result(&text(&seen))?,
        ViewFormat::Json => output.result(&(json(&seen)? + "\n"))?,
    }
    Ok(Exit::Good)
}

fn json(seen: &Autoscaler) -> Result<String, Failure> {
    serde_json::to_string_pretty(seen)
        .map_err(|e| Failure::new(format!("the result cannot be written: {e}")))
}

fn text(seen: &Autoscaler) -> String {
    let scaled = seen.groups.iter().filter(|g| g.scaled).count();
    let mut text = format!(
        "{}: cluster-autoscaler scales {scaled} of {} groups\n\n",
        seen.cluster,
        seen.groups.len()
    );
    text.push_str(&discovery(&seen.discovery));
    text.push_str(
        &seen
            .expander
            .as_ref()
            .map_or_else(|| "\nno priority expander\n".into(), expander),
    );
    text.push_str("\nwhat it takes a new node for\n");
    text.push_str(&table(&seen.groups));
    text.push_str(&labels(&seen.groups));
    if seen.findings.is_empty() {
        text.push_str("\nno findings\n");
    } else {
        text.push_str(&format!("\nfindings: {}\n", seen.findings.len()));
        text.extend(seen.findings.iter().map(|f| format!("  {f}\n")));
    }
    text
}

fn discovery(discovery: &Discovery) -> String {
    match discovery {
        Discovery::Tags { argument, .. } => format!("{argument}\n"),
        Discovery::Names { arguments } => {
            format!(
                "kops' add-on names the groups:\n{}",
                arguments
                    .iter()
                    .map(|a| format!("  {a}\n"))
                    .collect::<String>()
            )
        }
    }
}

fn expander(expander: &Expander) -> String {
    let whose = match expander.source {
        ExpanderSource::Manifests => "from the manifests",
        ExpanderSource::Kops => "written by kops",
    };
    let mut rows = vec![];
    for priority in &expander.priorities {
        for (i, pattern) in priority.patterns.iter().enumerate() {
            let number = if i == 0 {
                priority.priority.to_string()
            } else {
                String::new()
            };
            rows.push(vec![
                number,
                pattern.pattern.clone(),
                format!("matches {}", pattern.matches.len()),
            ]);
        }
    }
    format!(
        "\npriorities, {whose} (ConfigMap kube-system/cluster-autoscaler-priority-expander)\n{}",
        columns(&rows)
    )
}

fn table(groups: &[NodeGroup]) -> String {
    let titles = [
        "GROUP", "SIZE", "PRIORITY", "TYPE", "CPU", "MEMORY", "GPU", "ARCH", "STORAGE", "TAINTS",
    ];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    for group in groups {
        rows.push(node_row(group));
    }
    columns(&rows)
}

fn node_row(group: &NodeGroup) -> Vec<String> {
    let or_unknown = |value: Option<String>| value.unwrap_or_else(|| "?".into());
    vec![
        group.group.to_string(),
        if group.scaled {
            format!("{}..{}", group.min_size, group.max_size)
        } else {
            "not scaled".into()
        },
        group.priority.map_or_else(|| "-".into(), |p| p.to_string()),
        or_unknown(group.instance_type.clone()),
        or_unknown(group.cpu.map(|n| n.to_string())),
        or_unknown(group.memory_mib.map(memory)),
        or_unknown(group.gpus.map(|n| n.to_string())),
        or_unknown(group.architecture.map(|a| a.as_str().to_owned())),
        group
            .resources
            .get("ephemeral-storage")
            .cloned()
            .unwrap_or_else(|| "-".into()),
        if group.taints.is_empty() {
            "-".into()
        } else {
            group.taints.join(" ")
        },
    ]
}

/// Labels, and resources given by tags: what all groups have once, then what each has beside.
fn labels(groups: &[NodeGroup]) -> String {
    let all: Vec<BTreeSet<String>> = groups.iter().map(words).collect();
    let common = all
        .iter()
        .skip(1)
        .fold(all.first().cloned().unwrap_or_default(), |common, words| {
            &common & words
        });
    let line = |name: &str, words: &BTreeSet<String>| {
        vec![
            name.to_owned(),
            words.iter().cloned().collect::<Vec<_>>().join(" "),
        ]
    };
    let own = groups
        .iter()
        .zip(&all)
        .map(|(group, words)| line(group.group.as_str(), &(words - &common)));
    let rows: Vec<Vec<String>> = std::iter::once(line("(all)", &common)).chain(own).collect();
    format!("\nits labels\n{}", columns(&rows))
}

/// Labels and resources of a new node, each as one word.
fn words(group: &NodeGroup) -> BTreeSet<String> {
    let labels = group.labels.iter().map(|(k, v)| format!("{k}={v}"));
    labels
        .chain(
            group
                .resources
                .iter()
                .map(|(k, v)| format!("resource:{k}={v}")),
        )
        .collect()
}

/// Memory in the larger unit that says it exactly.
fn memory(mib: u64) -> String {
    if mib.is_multiple_of(1024) {
        format!("{}Gi", mib / 1024)
    } else {
        format!("{mib}Mi")
    }
}

/// Cells in columns, two blanks apart and before each line.
fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("  {cell:<width$}"));
        cells.collect::<String>().trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

//! Room before a roll in words: what lacks and what is tight, one line otherwise.

use std::collections::BTreeSet;

use super::style::{Style, Tone};
use super::wording::{count, list};
use crate::plan::room::{Fit, Outlook, RoomLimit, RoomLine, WaveOutlook};

/// Clusters of one limit that are named.
const CLUSTERS: usize = 5;

/// What a plan says of the room that its waves need. Nothing where nothing is launched.
pub fn room_text(waves: &[WaveOutlook], style: Style) -> String {
    let mut out = Vec::new();
    for wave in waves {
        for region in &wave.regions {
            out.extend(of_region(wave, region, style));
        }
    }
    if out.is_empty() {
        out.extend(enough(waves));
    }
    out.into_iter().map(|line| format!("{line}\n")).collect()
}

fn of_region(wave: &WaveOutlook, region: &Outlook, style: Style) -> Vec<String> {
    let mut out = Vec::new();
    let bad = style.paint(Tone::Bad, "!");
    out.extend(region.lacks().iter().map(|lack| format!("  {bad} {lack}")));
    let unknown = region.unknown.iter();
    out.extend(unknown.map(|gap| format!("  ? {} not known: {}", gap.what, gap.why)));
    let tight = region.lines.iter().filter(|line| line.is_tight());
    out.extend(tight.map(tight_line));
    out.extend(region.notes().iter().map(|note| format!("  note: {note}")));
    if out.is_empty() {
        return out;
    }
    out.extend(what_follows(region));
    let head = format!(
        "room for wave {} of stage {} (account {}, {}, {} of {} at the same time):",
        wave.wave + 1,
        wave.stage,
        region.account,
        region.region,
        region.at_once,
        count(region.clusters, "cluster"),
    );
    out.insert(0, style.paint(Tone::Head, &head));
    out
}

fn tight_line(line: &RoomLine) -> String {
    let limit = line.limit.map(|l| format!(" of {l}")).unwrap_or_default();
    format!(
        "  tight: {} {} are needed at the same time, {} are left{limit}",
        line.peak,
        line.resource,
        line.room.unwrap_or(0)
    )
}

fn what_follows(region: &Outlook) -> Option<String> {
    if !region.is_possible() {
        return Some("  nothing of the wave is begun while that is so".into());
    }
    match &region.fit {
        Fit::Within(limit) => Some(format!("  there is room for {}", within(limit))),
        Fit::Whole | Fit::None => None,
    }
}

/// A limit in words.
fn within(limit: &RoomLimit) -> String {
    let bounds = limit.clusters.values().flatten();
    let bounds: BTreeSet<(u32, usize)> = bounds.map(|b| (b.most, b.groups.len())).collect();
    let surges: Vec<String> = bounds
        .into_iter()
        .map(|(most, groups)| {
            format!(
                "a surge of {most} over {} of a cluster",
                count(groups, "group")
            )
        })
        .collect();
    let together = count(limit.at_once, "cluster");
    if surges.is_empty() {
        format!("{together} at the same time")
    } else {
        format!(
            "{together} at the same time, with {}",
            list(&surges, CLUSTERS)
        )
    }
}

/// What the journal says of a wave that is rolled within limits.
pub(super) fn limited(
    wave: usize,
    limits: &[RoomLimit],
    lacks: &[String],
    unknown: &[String],
) -> String {
    let limits: Vec<String> = limits.iter().map(within).collect();
    let mut said = Vec::new();
    if !limits.is_empty() {
        said.push(format!(
            "there is room for {} ({})",
            limits.join("; "),
            lacks.join("; ")
        ));
    }
    if !unknown.is_empty() {
        said.push(format!(
            "whether there is room is not known: {}",
            unknown.join("; ")
        ));
    }
    format!("wave {}: {}", wave + 1, said.join("; "))
}

fn enough(waves: &[WaveOutlook]) -> Option<String> {
    let regions = waves.iter().flat_map(|w| &w.regions);
    let regions: BTreeSet<_> = regions.map(|r| (&r.account, &r.region)).collect();
    (!regions.is_empty()).then(|| {
        let named = regions
            .iter()
            .map(|(account, region)| format!("{account} {region}"));
        format!(
            "room: enough for every wave (addresses, vCPUs, instance types, images) in {}",
            list(named, CLUSTERS)
        )
    })
}

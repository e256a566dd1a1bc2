//! Room before a roll in words: what lacks and what is tight, one line otherwise.

use std::collections::BTreeSet;

use super::style::{Style, Tone};
use super::wording::{count, list};
use crate::plan::room::{
    Fit, ObstacleKind, Outlook, RegionLack, Resource, RoomLimit, RoomLine, RoomUnknown, Shortage,
    WaveOutlook,
};

/// Groups that are named for one obstacle.
const GROUPS: usize = 3;

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

/// The same for a comment on a pull request.
pub fn room_markdown(waves: &[WaveOutlook]) -> String {
    let text = room_text(waves, Style::default());
    match text.lines().count() {
        0 => text,
        1 => format!("- {text}"),
        _ => format!("\n**Room before the roll**\n\n```text\n{text}```\n"),
    }
}

fn of_region(wave: &WaveOutlook, region: &Outlook, style: Style) -> Vec<String> {
    let mut out = region_lines(region, style);
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

/// What is missing, not known or tight, and what else is worth a word.
fn region_lines(region: &Outlook, style: Style) -> Vec<String> {
    let mut out = Vec::new();
    let bad = style.paint(Tone::Bad, "!");
    let lack = region.lack();
    let lacks = lack.shortages.iter().map(shortage);
    out.extend(lacks.map(|lack| format!("  {bad} {lack}")));
    let unknown = lack.unknown.iter().map(not_known);
    out.extend(unknown.map(|what| format!("  ? {what}")));
    let tight = region.lines.iter().filter(|line| line.is_tight());
    out.extend(tight.map(tight_line));
    let notes = region.notes();
    out.extend(
        notes
            .iter()
            .map(|note| format!("  note: {}", shortage(note))),
    );
    out
}

fn tight_line(line: &RoomLine) -> String {
    let limit = line.limit.map(|l| format!(" of {l}")).unwrap_or_default();
    format!(
        "  tight: {} {} are needed at the same time, {} are left{limit}",
        line.peak,
        resource(&line.resource),
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
    lacks: &[Shortage],
    unknown: &[RoomUnknown],
) -> String {
    let joined = |said: Vec<String>| said.join("; ");
    let limits: Vec<String> = limits.iter().map(within).collect();
    let mut said = Vec::new();
    if !limits.is_empty() {
        said.push(format!(
            "there is room for {} ({})",
            limits.join("; "),
            joined(lacks.iter().map(shortage).collect())
        ));
    }
    if !unknown.is_empty() {
        said.push(format!(
            "whether there is room is not known: {}",
            joined(unknown.iter().map(not_known).collect())
        ));
    }
    format!("wave {}: {}", wave + 1, said.join("; "))
}

/// What is missing in an account and region.
pub(super) fn region_lack(lack: &RegionLack) -> String {
    let RegionLack {
        account,
        region,
        shortages,
        unknown,
    } = lack;
    let said = shortages.iter().map(shortage);
    let said: Vec<String> = said.chain(unknown.iter().map(not_known)).collect();
    format!("account {account}, {region}: {}", said.join("; "))
}

fn resource(resource: &Resource) -> String {
    match resource {
        Resource::Addresses { subnet, zone } => {
            format!("free addresses of subnet {subnet} ({zone})")
        }
        Resource::Vcpus(quota) => format!("vCPUs of the limit {quota}"),
    }
}

fn shortage(shortage: &Shortage) -> String {
    match shortage {
        Shortage::TooFew {
            resource: what,
            peak,
            room,
        } => format!(
            "{peak} {} are needed at the same time, {room} are there: {} are missing",
            resource(what),
            peak.saturating_sub(*room)
        ),
        Shortage::CannotLaunch { what, groups } => {
            format!("{} (of {})", obstacle(what), list(groups, GROUPS))
        }
    }
}

fn obstacle(what: &ObstacleKind) -> String {
    match what {
        ObstacleKind::NotOffered { zone, types } => {
            format!("zone {zone} does not offer {}", list(types, usize::MAX))
        }
        ObstacleKind::OfferedInPart { zone, missing } => format!(
            "zone {zone} offers other types of these groups, not {}",
            list(missing, usize::MAX)
        ),
        ObstacleKind::NoImage { image } => {
            format!("image {image} is not there, or cannot be launched")
        }
        ObstacleKind::OtherArchitecture {
            image,
            image_is,
            types_are,
        } => format!("image {image} is for {image_is}, and the instance types are {types_are}"),
        ObstacleKind::LaunchRefused { why } => {
            format!("AWS would refuse to launch an instance: {why}")
        }
    }
}

fn not_known(what: &RoomUnknown) -> String {
    match what {
        RoomUnknown::Addresses { why } => format!("free addresses are not known: {why}"),
        RoomUnknown::NoSubnet { cluster, subnet } => {
            format!("free addresses of {subnet} are not known: {cluster} has no such subnet")
        }
        RoomUnknown::Vcpus { quota, why } => {
            format!("vCPUs of the limit {quota} are not known: {why}")
        }
        RoomUnknown::NewTypes { group, types } => format!(
            "vCPUs of {group} are not known: this program's tables do not have {}, or the limit they count towards",
            list(types, usize::MAX)
        ),
        RoomUnknown::Attributes { group } => format!(
            "vCPUs of {group} are not known: it names attributes in place of instance types"
        ),
        RoomUnknown::Offers { why } => {
            format!("which zone offers which instance type is not known: {why}")
        }
        RoomUnknown::Images { why } => format!("which images there are is not known: {why}"),
        RoomUnknown::Launches { why, groups } => format!(
            "whether AWS takes the launches of {} could not be tried: {why}",
            list(groups, GROUPS)
        ),
    }
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

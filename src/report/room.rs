//! Room before a roll in words: what lacks and what is tight, one line otherwise.

use std::collections::BTreeSet;

use super::style::{Style, Tone};
use super::wording::{count, list};
use crate::model::{Reading, SpotScore};
use crate::plan::room::{
    Fit, ObstacleKind, Outlook, RegionLack, Resource, RoomLimit, RoomLine, RoomUnknown, Shortage,
    WaveOutlook,
};

/// Groups that are named for one obstacle.
const GROUPS: usize = 3;

/// Types that are named in advice.
const TYPES: usize = 4;

/// A placement score that is worth a word.
const LOW_SCORE: u32 = 3;

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

/// What to do about too little room.
pub const ROOM_ADVICE: &str = "see that the account has room, or ask for less: `rolling.max_surge`, `rolling.cluster_surge`, `parallel` of the wave";

/// Which wave, where.
pub fn room_subject(wave: &WaveOutlook, region: &Outlook) -> String {
    format!(
        "wave {} of stage {} (account {}, {}, {} of {} at the same time)",
        wave.wave + 1,
        wave.stage,
        region.account,
        region.region,
        region.at_once,
        count(region.clusters, "cluster"),
    )
}

/// What a roll of all instances would ask for, with what there is, a line each. Subnets with far more than that are only counted.
pub fn room_figures(region: &Outlook) -> String {
    let mut out = vec!["what it takes at most to replace every instance:".to_owned()];
    let (shown, ample): (Vec<&RoomLine>, Vec<&RoomLine>) =
        region.lines.iter().partition(|line| !is_ample(line));
    out.extend(shown.into_iter().map(figures));
    out.extend(ample.iter().max_by_key(|line| line.peak).map(|most| {
        format!(
            "{} free addresses at most of each of {}, which have more than twice that",
            most.peak,
            count(ample.len(), "subnet")
        )
    }));
    let lack = region.lack();
    let obstacles = lack.shortages.iter().filter(|s| match s {
        Shortage::CannotLaunch { .. } => true,
        // It stands among the figures.
        Shortage::TooFew { .. } => false,
    });
    out.extend(obstacles.map(shortage));
    out.extend(lack.unknown.iter().map(not_known));
    out.extend(region.notes().iter().map(shortage));
    out.extend(region.spot.iter().filter_map(spot));
    out.extend(what_follows(region).map(|line| line.trim_start().to_owned()));
    out.join("\n")
}

fn is_ample(line: &RoomLine) -> bool {
    let is_of_subnet = match line.resource {
        Resource::Addresses { .. } => true,
        Resource::Vcpus(_) => false,
    };
    is_of_subnet && line.room.is_some() && line.lacks() == 0 && !line.is_tight()
}

fn figures(line: &RoomLine) -> String {
    let what = resource(&line.resource);
    let missing = match line.lacks() {
        0 => String::new(),
        lacks => format!(": {lacks} are missing"),
    };
    match (line.room, line.limit) {
        (None, _) => format!("{} {what}, how many are left is not known", line.peak),
        (Some(room), Some(limit)) => {
            format!("{} {what}, {room} of {limit} are left{missing}", line.peak)
        }
        (Some(room), None) => format!("{} {what}, {room} are left{missing}", line.peak),
    }
}

fn of_region(wave: &WaveOutlook, region: &Outlook, style: Style) -> Vec<String> {
    let mut out = region_lines(region, style);
    if out.is_empty() {
        return out;
    }
    out.extend(what_follows(region));
    let head = format!("room for {}:", room_subject(wave, region));
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
    let scores: Vec<String> = region.spot.iter().filter_map(spot).collect();
    out.extend(scores.iter().map(|said| format!("  {said}")));
    let notes = region.notes();
    out.extend(
        notes
            .iter()
            .map(|note| format!("  note: {}", shortage(note))),
    );
    out
}

/// What AWS thinks of Spot Instances, where it is worth a word.
fn spot(score: &SpotScore) -> Option<String> {
    let SpotScore {
        types,
        instances,
        scores,
    } = score;
    let what = format!("{instances} Spot Instances of {}", list(types, TYPES));
    let scores = match scores {
        Reading::Known(scores) => scores,
        Reading::Unknown(why) => {
            return Some(format!(
                "advice: what placement score AWS gives {what} is not known: {why}"
            ));
        }
    };
    let low = scores.iter().filter(|(_, score)| **score <= LOW_SCORE);
    let low: Vec<String> = low
        .map(|(zone, score)| format!("{score} of 10 in {zone}"))
        .collect();
    (!low.is_empty()).then(|| {
        format!(
            "advice: AWS gives {what} a placement score of {}: they may not come",
            low.join(", ")
        )
    })
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
        ObstacleKind::ManyVersions { versions, limit } if versions >= limit => format!(
            "the launch template has {versions} versions, and AWS keeps {limit}: it takes no other one before some that nothing runs are deleted \
             (`aws ec2 delete-launch-template-versions`)"
        ),
        ObstacleKind::ManyVersions { versions, limit } => {
            format!("the launch template has {versions} versions of the {limit} that AWS keeps")
        }
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
        RoomUnknown::Versions { why, groups } => format!(
            "how many versions the launch templates of {} have is not known: {why}",
            list(groups, GROUPS)
        ),
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

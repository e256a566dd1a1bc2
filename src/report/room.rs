//! Room before a roll in words: what lacks and what is tight, one line otherwise.

use std::collections::BTreeSet;

use super::style::{Style, Tone};
use super::wording::{count, list};
use crate::fleet::OnLack;
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
pub fn room_figures(region: &Outlook, on_lack: OnLack) -> String {
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
    out.extend(spot(&region.spot));
    out.extend(what_follows(region, on_lack).map(|line| line.trim_start().to_owned()));
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
    out.extend(what_follows(region, wave.on_lack));
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
    out.extend(spot(&region.spot).iter().map(|said| format!("  {said}")));
    let notes = region.notes();
    out.extend(
        notes
            .iter()
            .map(|note| format!("  note: {}", shortage(note))),
    );
    out
}

/// What AWS thinks of Spot Instances, where it is worth a word.
fn spot(scores: &[SpotScore]) -> Vec<String> {
    let unknown: BTreeSet<&str> = scores
        .iter()
        .filter_map(|score| match &score.scores {
            Reading::Known(_) => None,
            Reading::Unknown(why) => Some(why.as_str()),
        })
        .collect();
    let unknown = unknown.into_iter();
    let unknown = unknown.map(|why| {
        format!("advice: AWS's placement scores of Spot Instances are not known: {why}")
    });
    unknown.chain(scores.iter().filter_map(low_score)).collect()
}

fn low_score(score: &SpotScore) -> Option<String> {
    let SpotScore {
        types,
        instances,
        scores,
    } = score;
    let low = scores.known()?.iter();
    let low: Vec<String> = low
        .filter(|(_, score)| **score <= LOW_SCORE)
        .map(|(zone, score)| format!("{score} of 10 in {zone}"))
        .collect();
    (!low.is_empty()).then(|| {
        format!(
            "advice: AWS gives {} of {} a placement score of {}: they may not come",
            count(
                usize::try_from(*instances).unwrap_or(usize::MAX),
                "Spot Instance"
            ),
            list(types, TYPES),
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

fn what_follows(region: &Outlook, on_lack: OnLack) -> Option<String> {
    if !region.is_possible() {
        let one = match &region.fit {
            Fit::None => "not even one cluster fits with a surge of 1: ",
            Fit::Whole | Fit::Within(_) => "",
        };
        return Some(format!(
            "  {one}nothing of the wave is begun while that is so"
        ));
    }
    let by_policy = |what: &str, word: &str| format!("  {what} (`rolling.room.on_lack: {word}`)");
    let is_known = region.unknown.is_empty();
    match (on_lack, &region.fit) {
        (OnLack::Shrink, Fit::Within(limit)) => {
            Some(format!("  there is room for {}", within(limit)))
        }
        (OnLack::Wait, Fit::Within(_)) => Some(by_policy(
            "the wave waits until there is room for all of it",
            "wait",
        )),
        (OnLack::Refuse, fit) if !is_known || *fit != Fit::Whole => Some(by_policy(
            "nothing of the wave is begun while that is so",
            "refuse",
        )),
        (
            OnLack::Shrink | OnLack::Wait | OnLack::Refuse,
            Fit::Whole | Fit::Within(_) | Fit::None,
        ) => None,
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
            least,
        } => {
            let few = match least.saturating_sub(*room) {
                0 => String::new(),
                few => format!(", {few} of them for one cluster with a surge of 1"),
            };
            format!(
                "{peak} {} are needed at the same time, {room} are there: {} are missing{few}",
                resource(what),
                peak.saturating_sub(*room)
            )
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_is_what_the_policy_says() {
        let limit = RoomLimit {
            account: "111122223333".parse().unwrap(),
            region: "eu-west-3".parse().unwrap(),
            at_once: 1,
            clusters: std::collections::BTreeMap::new(),
        };
        let outlook = |fit: &Fit, unknown| Outlook {
            account: limit.account.clone(),
            region: limit.region.clone(),
            clusters: 2,
            at_once: 2,
            lines: Vec::new(),
            obstacles: Vec::new(),
            unknown,
            spot: Vec::new(),
            fit: fit.clone(),
        };
        let within = Fit::Within(limit.clone());
        let unread = || vec![RoomUnknown::Offers { why: "no".into() }];
        for (fit, unknown, on_lack, said) in [
            (&Fit::Whole, Vec::new(), OnLack::Refuse, None),
            (&Fit::Whole, unread(), OnLack::Wait, None),
            (
                &Fit::Whole,
                unread(),
                OnLack::Refuse,
                Some("is begun while that is so (`rolling.room.on_lack: refuse`)"),
            ),
            (
                &within,
                Vec::new(),
                OnLack::Shrink,
                Some("there is room for 1 cluster at the same time"),
            ),
            (
                &within,
                Vec::new(),
                OnLack::Wait,
                Some("the wave waits until there is room for all of it"),
            ),
            (
                &within,
                Vec::new(),
                OnLack::Refuse,
                Some("nothing of the wave is begun"),
            ),
            (
                &Fit::None,
                Vec::new(),
                OnLack::Shrink,
                Some("not even one cluster fits with a surge of 1: nothing of the wave"),
            ),
        ] {
            let found = what_follows(&outlook(fit, unknown), on_lack);
            assert_eq!(found.is_some(), said.is_some(), "{found:?}");
            assert!(
                found.unwrap_or_default().contains(said.unwrap_or_default()),
                "{fit:?} {on_lack:?}"
            );
        }
    }

    #[test]
    fn only_low_scores_and_unknown_ones_are_told() {
        let score = |scores| SpotScore {
            types: ["m5.large", "m5a.large", "m6i.large"]
                .map(str::to_owned)
                .into(),
            instances: 1,
            scores,
        };
        let known = |n| Reading::Known([("a".to_owned(), 9), ("b".to_owned(), n)].into());
        assert_eq!(spot(&[score(known(4))]), Vec::<String>::new());
        assert_eq!(
            spot(&[score(known(3))]),
            [
                "advice: AWS gives 1 Spot Instance of m5.large, m5a.large, m6i.large a placement score of 3 of 10 in b: they may not come"
            ]
        );
        let unknown = || score(Reading::Unknown("no right".into()));
        assert_eq!(
            spot(&[unknown(), unknown()]),
            ["advice: AWS's placement scores of Spot Instances are not known: no right"]
        );
    }
}

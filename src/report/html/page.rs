//! What a page shows, as its template reads it: texts, classes and numbers. Knows no HTML.

use serde::Serialize;

/// A whole page.
#[derive(Debug, Serialize)]
pub(super) struct HtmlPage {
    pub(super) title: String,
    /// What has to be known before any of it is believed.
    pub(super) announcement: Option<&'static str>,
    pub(super) headline: Headline,
    /// Names and values: ids, commit, times.
    pub(super) facts: Vec<(&'static str, String)>,
    /// What is wrong already, or has to be known.
    pub(super) alerts: Vec<String>,
    /// Heads, then rows.
    pub(super) table: Vec<Vec<String>>,
    pub(super) map: Vec<MapStage>,
    pub(super) map_keys: Vec<LegendKey>,
    pub(super) chart: Option<Chart>,
    pub(super) gates: Vec<GateSection>,
    pub(super) zones: Vec<ZoneSection>,
    /// What the numbers of zones are.
    pub(super) zones_about: &'static str,
    pub(super) changes: Vec<ChangeSection>,
    /// Whole texts that are folded away.
    pub(super) texts: Vec<FoldedText>,
}

/// The verdict.
#[derive(Debug, Serialize)]
pub(super) struct Headline {
    pub(super) tone: HtmlTone,
    /// In a few words.
    pub(super) head: String,
    pub(super) lines: Vec<HeadlineLine>,
}

/// A line below the verdict.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct HeadlineLine {
    /// What follows belongs to it.
    pub(super) heads: bool,
    pub(super) text: String,
}

impl Headline {
    /// A line that is followed by lines set in from it is their heading.
    pub(super) fn new(tone: HtmlTone, head: String, lines: Vec<String>) -> Headline {
        let is_in = |line: &String| line.starts_with(' ');
        let heads = |nth: usize| {
            let next = lines.get(nth + 1);
            next.is_some_and(is_in) && lines.get(nth).is_some_and(|line| !is_in(line))
        };
        let heads: Vec<bool> = (0..lines.len()).map(heads).collect();
        let lines = heads.into_iter().zip(lines);
        let lines = lines
            .map(|(heads, text)| HeadlineLine { heads, text })
            .collect();
        Headline { tone, head, lines }
    }
}

/// How something went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum HtmlTone {
    /// Done, or nothing to do.
    Good,
    /// Under way, or waits.
    Change,
    /// Failed, or something is in the way.
    Bad,
}

/// A class, its sign, and what both stand for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct LegendKey {
    pub(super) class: &'static str,
    pub(super) sign: &'static str,
    pub(super) words: &'static str,
}

/// A stage on the map of the fleet.
#[derive(Debug, Serialize)]
pub(super) struct MapStage {
    pub(super) name: String,
    /// When it begins, and what it waits for.
    pub(super) about: String,
    pub(super) waves: Vec<MapWave>,
}

/// A wave on the map.
#[derive(Debug, Serialize)]
pub(super) struct MapWave {
    pub(super) name: String,
    pub(super) about: String,
    /// Too many clusters for their names.
    pub(super) dense: bool,
    pub(super) tiles: Vec<Tile>,
}

/// A cluster on the map.
#[derive(Debug, Serialize)]
pub(super) struct Tile {
    pub(super) name: String,
    pub(super) class: &'static str,
    pub(super) sign: &'static str,
    pub(super) words: String,
    /// Where its changes are told.
    pub(super) anchor: Option<String>,
}

/// The times of a rollout.
#[derive(Debug, Serialize)]
pub(super) struct Chart {
    pub(super) ticks: Vec<(String, String)>,
    pub(super) keys: Vec<LegendKey>,
    /// Whether stretches are drawn shorter than they were.
    pub(super) shortened: bool,
    /// Whether groups have a line of what was at work.
    pub(super) has_line: bool,
    pub(super) whole: ChartRow,
    pub(super) stages: Vec<ChartStage>,
}

/// A stage of the chart.
#[derive(Debug, Serialize)]
pub(super) struct ChartStage {
    pub(super) row: ChartRow,
    pub(super) waves: Vec<ChartWave>,
}

/// A wave of the chart.
#[derive(Debug, Serialize)]
pub(super) struct ChartWave {
    pub(super) row: ChartRow,
    pub(super) clusters: Vec<ChartCluster>,
}

/// A cluster of the chart, and its groups.
#[derive(Debug, Serialize)]
pub(super) struct ChartCluster {
    pub(super) row: ChartRow,
    pub(super) groups: Vec<ChartRow>,
}

/// A line of the chart.
#[derive(Debug, Serialize)]
pub(super) struct ChartRow {
    pub(super) name: String,
    pub(super) note: String,
    pub(super) bars: Vec<ChartBar>,
    /// Points of what was at work of what was wanted, in a box of 1000 by 20.
    pub(super) line: Option<String>,
}

/// A stretch of a line, in percent of the width.
#[derive(Debug, Serialize)]
pub(super) struct ChartBar {
    pub(super) left: String,
    pub(super) width: String,
    pub(super) class: &'static str,
    pub(super) words: String,
}

/// Answers of gates about a cluster.
#[derive(Debug, Serialize)]
pub(super) struct GateSection {
    pub(super) cluster: String,
    pub(super) in_short: String,
    pub(super) answers: Vec<GateAnswer>,
}

/// What a gate said, and about what.
#[derive(Debug, Serialize)]
pub(super) struct GateAnswer {
    pub(super) about: String,
    pub(super) gate: String,
    pub(super) tone: HtmlTone,
    pub(super) verdict: &'static str,
    pub(super) evidence: String,
    pub(super) at: String,
}

/// Instances of the groups of a cluster.
#[derive(Debug, Serialize)]
pub(super) struct ZoneSection {
    pub(super) cluster: String,
    /// Group, then each zone with its numbers.
    pub(super) groups: Vec<(String, Vec<(String, String)>)>,
}

/// The same change in some clusters.
#[derive(Debug, Serialize)]
pub(super) struct ChangeSection {
    pub(super) anchor: String,
    pub(super) heading: String,
    /// Class and text of each line.
    pub(super) lines: Vec<(&'static str, String)>,
}

/// A text under its heading.
#[derive(Debug, Serialize)]
pub(super) struct FoldedText {
    pub(super) heading: String,
    pub(super) text: String,
}

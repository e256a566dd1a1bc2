//! A plan as markdown for the comment of a pull request, within the size that hosts of git take. Nothing is cut in the middle.

use super::fold::folds;
use super::hooks;
use super::plan_text::{body, heading, nothing};
use super::remark;
use super::style::Style;
use super::summary::{Summary, kinds, not_compared, summary};
use super::unseen::unseen;
use super::wording::count;
use crate::fleet::Stage;
use crate::plan::Plan;

/// Most bytes of a comment. Hosts take 65,536 characters; the rest is left for what a job puts around it.
pub const MARKDOWN_LIMIT: usize = 60_000;

/// Bytes kept back for the line that says how much was left out.
const RESERVE: usize = 200;

/// The plan as a comment: the table by stage, what stands in the way, then each set of equal clusters folded away. At most
/// [`MARKDOWN_LIMIT`] bytes: what does not fit is left out whole and counted.
pub fn plan_markdown(plan: &Plan, stages: &[Stage]) -> String {
    let unseen: String = unseen(plan, Style::default())
        .iter()
        .map(|line| format!("> {}\n", escape(line)))
        .collect();
    let unseen = if unseen.is_empty() {
        unseen
    } else {
        format!("{unseen}\n")
    };
    if plan.is_empty() {
        let [first, second] = nothing(plan, stages);
        let said = remark::warnings(plan, Style::default())
            .into_iter()
            .chain(remark::notes(plan))
            .map(|line| format!("\n{}\n", escape(line.trim_start())));
        return format!(
            "{unseen}**{first}**: {second}\n{}",
            said.collect::<String>()
        );
    }
    let mut out = unseen + &head(plan, stages);
    let hooks = hooks::plan_lines(plan, Style::default());
    if let Some(line) = hooks::plan_line(plan) {
        out.push_str(&details(&line, &hooks));
    }
    let (mut left, mut clusters) = (0_usize, 0_usize);
    for fold in folds(plan, stages, false) {
        let item = details(
            &heading(&fold, Style::default()),
            &body(&fold, Style::default()),
        );
        if out.len() + item.len() + RESERVE > MARKDOWN_LIMIT {
            left += 1;
            clusters += fold.clusters.len();
        } else {
            out.push_str(&item);
        }
    }
    if left > 0 {
        let (items, clusters) = (count(left, "more item"), count(clusters, "cluster"));
        out.push_str(&format!(
            "\n**{items} ({clusters}) left out here for size**: the text or JSON of plan `{}` has all of them.\n",
            plan.id.short()
        ));
    }
    out
}

fn head(plan: &Plan, stages: &[Stage]) -> String {
    let mut out = format!(
        "### Plan `{}` of release `{}`\n\n",
        plan.id.short(),
        plan.release.short()
    );
    out.push_str(&table(&summary(plan, stages)));
    out.push('\n');
    let warnings = remark::warnings(plan, Style::default());
    if !warnings.is_empty() {
        out.push_str(&details("warnings", &warnings));
        out.push('\n');
    }
    out.extend(not_compared(&summary(plan, stages).total).map(|line| format!("{line}\n\n")));
    let kinds = kinds(plan);
    if !kinds.is_empty() {
        out.push_str("**Blocked**: this plan is not rolled out before that is cleared.\n\n");
        out.extend(
            kinds
                .iter()
                .map(|(kind, (n, hint))| format!("- {n} × {kind}: {}\n", escape(hint))),
        );
        out.push('\n');
    }
    out
}

fn table(summary: &Summary) -> String {
    let mut out = String::new();
    for (index, row) in summary.table().iter().enumerate() {
        out.push_str(&format!("| {} |\n", row.join(" | ")));
        if index == 0 {
            out.push_str(&format!(
                "|---|{}\n",
                "--:|".repeat(row.len().saturating_sub(1))
            ));
        }
    }
    out
}

fn details(heading: &str, body: &[String]) -> String {
    let text = body.join("\n");
    let fence = "`".repeat(longest_run(&text).max(2) + 1);
    format!(
        "<details><summary>{}</summary>\n\n{fence}text\n{text}\n{fence}\n\n</details>\n",
        escape(heading)
    )
}

/// The longest run of backticks: a fence has to be longer.
pub(super) fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

//! Plan, rollout, event and difference → text, JSON and markdown. Listens and writes strings; decides nothing, reads nothing, prints nothing.

mod around;
mod beside;
mod chart;
mod diff;
mod event;
mod explain;
mod field;
mod fold;
mod freezes;
mod history;
mod lint;
mod markdown;
mod plan_file;
mod plan_text;
mod progress;
mod rehearsal;
mod remark;
mod revision;
mod role;
mod rollback;
mod shape;
mod snapshot_file;
mod standing;
mod status;
mod style;
mod summary;
mod trouble;
mod unseen;
mod wording;
mod work;

pub use around::{Around, UnderWay, around_markdown, around_text, made_of_text};
pub use beside::Beside;
pub use chart::rehearsal_html;
pub use diff::{Compared, diff_json, diff_markdown, diff_text};
pub use event::{EVENT_VERSION, event_json, event_line};
pub use explain::{
    DocumentStory, Input, Replaced, ValueStory, WrittenLine, document_text, values_text,
};
pub use freezes::freezes_text;
pub use history::{history_text, rollout_summary};
pub use lint::{LintPlace, LintPlaces, lint_json, lint_sarif, lint_text, rule_text, rules_text};
pub use markdown::{MARKDOWN_LIMIT, plan_markdown};
pub use plan_file::{PlanFileError, plan_from_json, plan_json, whole_plan_json};
pub use plan_text::plan_text;
pub use progress::{progress_lines, still_waiting_line, waiting_lines};
pub use rehearsal::{Fate, Rehearsal, Runs, fates_text, rehearsal_text, runs_text};
pub use remark::{asides_text, warned_text};
pub use revision::{revision_line, unreviewed_lines};
pub use rollback::{rollback_id, rollback_json, rollback_text};
pub use snapshot_file::{SnapshotFileError, snapshot_from_json, snapshot_json};
pub use standing::{history_json, standing, status_json};
pub use status::{approve_command, status_text, whole_status_text};
pub use style::Style;
pub use summary::{Counts, StageSummary, Summary, summary};

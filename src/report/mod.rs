//! Plan, rollout, event and difference → text, JSON and markdown. Listens and writes strings; decides nothing, reads nothing, prints nothing.

mod around;
mod beside;
mod blocking;
mod breach;
mod diff;
mod doctor;
mod drift;
mod event;
mod explain;
mod field;
mod fleet_status;
mod fold;
mod freezes;
mod history;
mod hooks;
mod html;
mod junit;
mod kops_fault;
mod lint;
mod markdown;
mod migration;
mod note;
mod notice;
mod plan_file;
mod plan_text;
mod policy;
mod progress;
mod reason;
mod refused_field;
mod rehearsal;
mod rehearsal_json;
mod remark;
mod revision;
mod role;
mod rollback;
mod room;
mod shape;
mod shards;
mod snapshot_file;
mod standing;
mod status;
mod style;
mod summary;
mod trouble;
mod unseen;
mod wording;
mod work;

pub use around::{
    Around, UnderWay, around_markdown, around_text, dry_runs_text, made_of_text, under_way_text,
};
pub use beside::Beside;
pub use blocking::blocked_by_lint;
pub use breach::breach_text;
pub use diff::{Compared, diff_json, diff_markdown, diff_text, unreached_line};
pub use doctor::{CheckState, DoctorCheck, doctor_json, doctor_text};
pub use drift::{DriftFound, DriftOf, Trail, drift_json, drift_summary, drift_text};
pub use event::{EVENT_VERSION, event_json, event_line};
pub use explain::{
    DocumentStory, Replaced, ValueStory, VarInput, WrittenLine, document_text, values_text,
};
pub use fleet_status::{FleetStatus, fleet_status_json, fleet_status_text};
pub use freezes::freezes_text;
pub use history::{history_text, rollout_summary};
pub use hooks::{outputs_text, printed_text};
pub use html::{HtmlError, plan_html, rehearsal_html, rollout_html};
pub use junit::{drift_junit, lint_junit, plan_junit, rehearsal_junit, rollout_junit};
pub use lint::{
    LintPlace, LintPlaces, lint_json, lint_sarif, lint_shown, lint_text, rule_text, rules_text,
};
pub use markdown::{MARKDOWN_LIMIT, plan_markdown};
pub use migration::{Alike, TemplateOutcome, migration_text};
pub use note::drain_blocker_text;
pub use notice::{drift_notice_body, notice_body, test_notice_body, webhooks_text};
pub use plan_file::{
    PlanFileError, dry_runs_from_json, plan_from_json, plan_json, whole_plan_json,
};
pub use plan_text::plan_text;
pub use policy::{PolicyFacts, RightsSample, iam_policy, rights_questions};
pub use progress::{Looking, looking_line, progress_lines, still_waiting_line, waiting_lines};
pub use reason::{RESUME, advice_text, finding_text, ground_text, reason_text, symptom_text};
pub use refused_field::{RefusedField, refused_text};
pub use rehearsal::{Fate, Rehearsal, Runs, fates_text, rehearsal_text, runs_text};
pub use rehearsal_json::{rehearsal_json, runs_json};
pub use remark::{asides_text, warned_text};
pub use revision::{revision_line, unreviewed_lines};
pub use role::cluster_role;
pub use rollback::{rollback_id, rollback_json, rollback_text};
pub use room::{ROOM_ADVICE, room_figures, room_markdown, room_subject, room_text};
pub use shards::{JointSeen, ShardBegun, ShardSeen, joint_json, joint_text, seat_text};
pub use snapshot_file::{SnapshotFileError, snapshot_from_json, snapshot_json};
pub use standing::{history_json, standing, status_json};
pub use status::{approve_command, status_text, whole_status_text};
pub use style::Style;
pub use summary::{Counts, StageSummary, Summary, summary};
pub use wording::clock;

//! What can be typed of `kfleet rollout`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Selection, examples};
use crate::cli::formats::{FollowFormat, RecordsFormat, ViewFormat};
use crate::model::{ClusterName, RolloutId, Shard, Span, StageName};
use crate::rollout::HookVerdict;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum RolloutCommand {
    /// Plan (or take a saved plan) and carry it out: staging first, prod after approval.
    Start(Box<StartArguments>),
    /// Go on where a rollout stopped, whatever stopped it: what was left open is put right first.
    Resume(ResumeArguments),
    /// Approve the stage that a rollout waits for.
    Approve(ApproveArguments),
    /// Stop a rollout; what is half-done (cordons, surge, suspended processes) is undone, groups stay as they are.
    Abort(AbortArguments),
    /// Take a rollout back, running or finished: every cluster it touched, the newest wave first, returns to what it ran.
    Rollback(RollbackArguments),
    /// Acknowledge that no node will show a change which was recorded with `--adopt-documents`, such as one of an addon: no plan waits for it any more.
    Acknowledge(AcknowledgeArguments),
    /// Show where a rollout stands.
    ///
    /// Exit codes: 0 finished, or there was no rollout; 3 it is not finished; 4 it failed and was rolled back; 5 a person must act;
    /// 1 it was aborted.
    Status(StatusArguments),
    /// List all rollouts, the newest first.
    History(HistoryArguments),
    /// Show everything that happened in a rollout.
    Show(ShowArguments),
}

#[derive(Debug, Args)]
#[command(after_help = examples::ROLLOUT_START)]
pub(in crate::cli) struct StartArguments {
    #[command(flatten)]
    pub(in crate::cli) selection: Selection,
    /// Only this shard of the fleet: the third of eight is `3/8`. The runs of all shards, of one commit and on one store, carry out one release: none
    /// begins a stage or a wave before all of them have passed what comes before. What was begun already is carried on.
    #[arg(long, value_name = "I/N", env = "KFLEET_SHARD")]
    pub(in crate::cli) shard: Option<Shard>,
    /// Only this cluster (repeatable).
    #[arg(long = "cluster", value_name = "CLUSTER")]
    pub(in crate::cli) clusters: Vec<ClusterName>,
    /// Only this wave of a stage, counted from 1 (repeatable).
    #[arg(long = "wave", value_name = "STAGE/N")]
    pub(in crate::cli) waves: Vec<String>,
    /// Carry out this saved plan, if the live state is still the one it was made from.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["allow_retire", "allow_shrink", "no_way_back", "adopt_documents", "hooks"])]
    pub(in crate::cli) plan: Option<PathBuf>,
    /// Set the order of stages aside; the reason is recorded and shown for ever.
    #[arg(long, value_name = "REASON")]
    pub(in crate::cli) break_glass: Option<String>,
    /// Carry out again a release that was rolled back; the reason is recorded.
    #[arg(long, value_name = "REASON")]
    pub(in crate::cli) again: Option<String>,
    /// Roll out what is not committed, or a `rendered/` that is not up to date; the reason is recorded and shown for ever.
    #[arg(long, value_name = "REASON")]
    pub(in crate::cli) allow_dirty: Option<String>,
    /// Do not ask: at a terminal the plan is shown, and only `yes` carries it out. A saved plan was looked at, and `--auto-approve` says it too.
    #[arg(long)]
    pub(in crate::cli) yes: bool,
    #[command(flatten)]
    pub(in crate::cli) pace: Pace,
    /// The form of the output.
    #[arg(long, value_enum, default_value_t)]
    pub(in crate::cli) format: FollowFormat,
}

/// How long to stay.
#[derive(Debug, Args)]
pub(in crate::cli) struct Pace {
    /// Approve every stage by itself; on the simulated account only.
    #[arg(long)]
    pub(in crate::cli) auto_approve: bool,
    /// Longest wait for mere time (soak, freeze); beyond it the command exits with 3. Without it virtual time is waited out.
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) max_wait: Option<Span>,
}

#[derive(Debug, Args)]
#[command(after_help = examples::ROLLOUT_RESUME)]
pub(in crate::cli) struct ResumeArguments {
    /// The rollout; the unfinished one when none is named.
    pub(in crate::cli) rollout: Option<RolloutId>,
    #[command(flatten)]
    pub(in crate::cli) pace: Pace,
    /// Say what became of a hook that is in doubt or failed (repeatable): `NAME=done` where it did its work, `NAME=again` where it is to run once more.
    #[arg(long = "hook", value_name = "NAME=WORD")]
    pub(in crate::cli) hooks: Vec<HookWord>,
    /// Order a fault of the simulated account (repeatable).
    #[arg(
        long = "fault",
        value_name = "FAULT",
        help_heading = "Simulated account"
    )]
    pub(in crate::cli) faults: Vec<String>,
    /// Play a scenario on the simulated account: faults and acts with their times, from a YAML file.
    #[arg(long, value_name = "FILE", help_heading = "Simulated account")]
    pub(in crate::cli) scenario: Option<PathBuf>,
    /// The form of the output.
    #[arg(long, value_enum, default_value_t)]
    pub(in crate::cli) format: FollowFormat,
}

/// A person's word about a hook.
#[derive(Clone, Debug)]
pub(in crate::cli) struct HookWord {
    /// The hook's name, or its key where it runs at several places.
    pub(in crate::cli) hook: String,
    /// What comes of it.
    pub(in crate::cli) verdict: HookVerdict,
}

impl std::str::FromStr for HookWord {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let verdict = |word: &str| match word {
            "done" => Some(HookVerdict::Done),
            "again" => Some(HookVerdict::Again),
            _ => None,
        };
        let parts = text.split_once('=').filter(|(hook, _)| !hook.is_empty());
        let said = parts.and_then(|(hook, word)| Some((hook.to_owned(), verdict(word)?)));
        let (hook, verdict) = said.ok_or("write NAME=done or NAME=again")?;
        Ok(HookWord { hook, verdict })
    }
}

#[derive(Debug, Args)]
#[command(after_help = examples::ROLLOUT_APPROVE)]
pub(in crate::cli) struct ApproveArguments {
    /// The stage; the one the rollout waits for when none is named.
    pub(in crate::cli) stage: Option<StageName>,
    /// The rollout; the unfinished one when none is named.
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) rollout: Option<RolloutId>,
    /// The id of the plan that was looked at (its beginning is enough).
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) plan: String,
    /// How long the approval counts.
    #[arg(long, value_name = "TIME", default_value = "4h")]
    pub(in crate::cli) valid: Span,
}

#[derive(Debug, Args)]
#[command(after_help = examples::ROLLOUT_ACKNOWLEDGE)]
pub(in crate::cli) struct AcknowledgeArguments {
    /// The clusters.
    #[arg(required = true)]
    pub(in crate::cli) clusters: Vec<ClusterName>,
    /// The document, as the plan names it: `InstanceGroup/NAME`; `Cluster` is that of each cluster.
    #[arg(long, value_name = "KIND/NAME")]
    pub(in crate::cli) document: String,
    /// Why no node will show it; it is recorded, and every later plan says it.
    #[arg(long)]
    pub(in crate::cli) reason: String,
}

#[derive(Debug, Args)]
#[command(after_help = examples::ROLLOUT_ABORT)]
pub(in crate::cli) struct AbortArguments {
    /// The rollout; the unfinished one when none is named.
    pub(in crate::cli) rollout: Option<RolloutId>,
    /// Why; it is recorded.
    #[arg(long, default_value = "no reason given")]
    pub(in crate::cli) reason: String,
    /// The form of the output.
    #[arg(long, value_enum, default_value_t)]
    pub(in crate::cli) format: FollowFormat,
}

#[derive(Debug, Args)]
#[command(after_help = examples::ROLLOUT_ROLLBACK)]
pub(in crate::cli) struct RollbackArguments {
    /// The rollout; the unfinished one, or else the newest, when none is named.
    pub(in crate::cli) rollout: Option<RolloutId>,
    /// Why; it is recorded.
    #[arg(long)]
    pub(in crate::cli) reason: String,
    /// The id of the rollback that was looked at (its beginning is enough): a finished rollout is not taken back unseen.
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) plan: Option<String>,
    /// Allow this group, which the rollout made, to be drained and deleted again (repeatable): an InstanceGroup in every cluster, or an AutoScalingGroup.
    #[arg(long, value_name = "GROUP")]
    pub(in crate::cli) allow_retire: Vec<String>,
    /// Order a fault of the simulated account (repeatable).
    #[arg(
        long = "fault",
        value_name = "FAULT",
        help_heading = "Simulated account"
    )]
    pub(in crate::cli) faults: Vec<String>,
    /// The form of the output.
    #[arg(long, value_enum, default_value_t)]
    pub(in crate::cli) format: FollowFormat,
}

#[derive(Debug, Args)]
#[command(after_help = examples::ROLLOUT_STATUS)]
pub(in crate::cli) struct StatusArguments {
    /// The rollout; the unfinished one, or else the newest, when none is named.
    pub(in crate::cli) rollout: Option<RolloutId>,
    /// Print nothing but the id to approve: of the plan, or of what the plans of all shards come to.
    #[arg(long, conflicts_with = "format")]
    pub(in crate::cli) print_id: bool,
    /// The form of the output.
    #[arg(long, value_enum, default_value_t)]
    pub(in crate::cli) format: ViewFormat,
}

#[derive(Debug, Args)]
#[command(after_help = examples::ROLLOUT_HISTORY)]
pub(in crate::cli) struct HistoryArguments {
    /// The form of the output.
    #[arg(long, value_enum, default_value_t)]
    pub(in crate::cli) format: ViewFormat,
}

#[derive(Debug, Args)]
#[command(after_help = examples::ROLLOUT_SHOW)]
pub(in crate::cli) struct ShowArguments {
    /// The rollout; the unfinished one, or else the newest, when none is named.
    pub(in crate::cli) rollout: Option<RolloutId>,
    /// The form of the output.
    #[arg(long, value_enum, default_value_t)]
    pub(in crate::cli) format: RecordsFormat,
    /// The rollout of this plan (the beginning of its id is enough), and no other: for a pipeline whose plan may not have begun one.
    #[arg(long, value_name = "ID", conflicts_with = "rollout")]
    pub(in crate::cli) plan: Option<String>,
    /// Show what a hook or kops printed instead, by the name that the list of events ends with.
    #[arg(long, value_name = "NAME", conflicts_with = "format")]
    pub(in crate::cli) output: Option<String>,
}

//! What can be typed. Nothing here is resolved yet.

mod doctor;
mod drift;
mod examples;
mod forget;
mod init;
mod notify;
mod rollout;
mod selection;
mod shell;
mod state;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(super) use doctor::DoctorArguments;
pub(super) use drift::{DriftArguments, DriftFailOn};
pub(super) use forget::ForgetArguments;
pub(super) use init::InitArguments;
pub(super) use notify::NotifyArguments;
pub(super) use rollout::{
    AbortArguments, AcknowledgeArguments, ApproveArguments, HistoryArguments, HookWord, Pace,
    ResumeArguments, RollbackArguments, RolloutCommand, ShowArguments, StartArguments,
    StatusArguments,
};

pub(super) use selection::{Required, Selection};
pub(super) use shell::{CompletionsArguments, ManArguments};
pub(super) use state::FleetStatusArguments;

use super::formats::{
    DefinitionFormat, LintFormat, LogFormat, PlanFormat, ReportFormat, SchemaFormat, ViewFormat,
};
use crate::model::{ClusterName, KopsVersion, Span, StageName};

/// The variable that is `--log-format`.
pub(super) const LOG_FORMAT: &str = "KFLEET_LOG_FORMAT";

/// Keeps a fleet of kops-built Kubernetes clusters on AWS equal to a git repository, and changes it in stages.
///
/// Exit codes: 0 done or no changes, 1 error, 2 changes, 3 a rollout waits for a person or time, 4 a rollout failed and was
/// rolled back, 5 a rollout is stuck and a person must act.
#[derive(Debug, Parser)]
#[command(
    name = "kfleet",
    version = super::version::VERSION,
    max_term_width = 120,
    arg_required_else_help = true,
    after_help = examples::KFLEET
)]
pub(super) struct Arguments {
    /// The fleet's folder, or one below it.
    #[arg(
        short = 'C',
        long = "directory",
        value_name = "DIR",
        default_value = ".",
        global = true
    )]
    pub(super) directory: PathBuf,
    /// The cloud to look at and to act on; KFLEET_CLOUD in the environment does the same.
    #[arg(long, value_enum, global = true)]
    pub(super) cloud: Option<CloudArgument>,
    /// Another address than AWS's own, for every service; `AWS_ENDPOINT_URL` does the same.
    #[arg(long, value_name = "URL", global = true)]
    pub(super) endpoint_url: Option<String>,
    /// How much of the calls that AWS grants an account in a region may be used, in percent; half when it is not given.
    #[arg(long, value_name = "PERCENT", env = "KFLEET_CALL_SHARE", value_parser = clap::value_parser!(u32).range(1..=100), global = true)]
    pub(super) call_share: Option<u32>,
    /// The store, a folder or `s3://BUCKET/PREFIX`, instead of the one that `fleet.yaml` names. What stops, shows or takes back a rollout needs no
    /// checkout with it.
    #[arg(long, value_name = "STORE", env = "KFLEET_STORE", global = true)]
    pub(super) store: Option<String>,
    /// In CI, allow real clusters to be changed with a store in a folder, which does not keep other machines away.
    #[arg(long, env = "KFLEET_ALLOW_FOLDER_STORE", value_parser = clap::builder::FalseyValueParser::new(), global = true)]
    pub(super) allow_folder_store: bool,
    /// Only the result, no story.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    /// Everything: no list is shortened.
    #[arg(short, long, global = true)]
    pub(super) verbose: bool,
    /// How what goes to standard error is written.
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        env = LOG_FORMAT,
        default_value_t,
        global = true
    )]
    pub(super) log_format: LogFormat,
    /// Between two looks at a cloud while something is under way, instead of ten seconds.
    #[arg(
        long,
        value_name = "TIME",
        env = "KFLEET_POLL",
        hide = true,
        global = true
    )]
    pub(super) poll: Option<Span>,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Which cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum CloudArgument {
    /// Amazon's.
    Aws,
    /// The embedded simulated account, kept in the store.
    Local,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Render manifests and definitions into `rendered/`.
    Render(RenderArguments),
    /// Show what a change of git does to every cluster, without any cloud.
    Diff(DiffArguments),
    /// Show where a value or a document of a cluster comes from.
    Explain(ExplainArguments),
    /// Compile kops manifests into the AutoScalingGroups and launch templates that kops makes of them.
    Compile(CompileArguments),
    /// Show what cluster-autoscaler sees of a cluster: which groups, in which order, and what it takes their nodes for.
    Autoscaler(AutoscalerArguments),
    /// Render Go templates as `kops toolbox template` does: the same flags, the same bytes, and a warning where something is lost.
    Template(TemplateArguments),
    /// Translate the Go templates of a fleet into Jinja beside them, and compare what both render to. Exits with 2 when something differs or stays in Go.
    Migrate(MigrateArguments),
    /// Begin a fleet in a folder that has none. Never overwrites a file.
    Init(InitArguments),
    /// Hold the fleet's manifests and definitions against the rules that production taught. Exits with 2 when a finding is not waived.
    Lint(LintArguments),
    /// Print the JSON Schema of `fleet.yaml` or of a cluster's file, for editors.
    Schema(SchemaArguments),
    /// Show how the live state differs from what git wants, and what a rollout would do.
    Plan(PlanArguments),
    /// Write the live state of the fleet's clusters into a file, to rehearse on: user data replaced by its digest.
    Snapshot(SnapshotArguments),
    /// Carry a plan out on a simulated account, to see what it would do: nothing real is touched, and no store.
    Rehearse(RehearseArguments),
    /// Carry out a plan in stages.
    #[command(subcommand, after_help = examples::ROLLOUT)]
    Rollout(RolloutCommand),
    /// Stop the line: running rollouts halt at their next round, and none begins, until `kfleet go`.
    Stop(StopArguments),
    /// Let the line go on after `kfleet stop`.
    Go(GoArguments),
    /// Show what runs where: release, commit, since when, what is under way, the last drift.
    Status(FleetStatusArguments),
    /// Show what is live otherwise than it was last applied, and whose that is.
    Drift(DriftArguments),
    /// Check that everything is in place for a plan and a rollout, and print the IAM policies.
    Doctor(DoctorArguments),
    /// Show who is told what by webhook, or try a webhook.
    Notify(NotifyArguments),
    /// Forget a cluster that is gone from git and from its account, so that no plan names it any more.
    Forget(ForgetArguments),
    /// Print completions for a shell.
    Completions(CompletionsArguments),
    /// Print the manual page, or write those of all commands.
    Man(ManArguments),
    /// Run the command of a gate, and end it and what it started when standard input ends: for kfleet itself.
    #[command(hide = true)]
    Attend(AttendArguments),
}

#[derive(Debug, Args)]
pub(super) struct AttendArguments {
    /// The command.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub(super) command: Vec<OsString>,
}

#[derive(Debug, Args)]
#[command(after_help = examples::MIGRATE)]
pub(super) struct MigrateArguments {
    /// The fleet's folder; without it, the one of `-C`.
    #[arg(value_name = "DIR")]
    pub(super) fleet: Option<PathBuf>,
    /// Only say what would become of each template; write nothing.
    #[arg(long, conflicts_with = "replace")]
    pub(super) dry_run: bool,
    /// Delete each Go template and snippet whose translation renders to the same, once no template in Go is left that needs it.
    #[arg(long)]
    pub(super) replace: bool,
}

#[derive(Debug, Args)]
#[command(after_help = examples::LINT)]
pub(super) struct LintArguments {
    /// Clusters to tell of; all when none is named. Rules that compare clusters read all of them.
    pub(super) clusters: Vec<ClusterName>,
    /// Print a rule's whole story: why, where that is written, what to do.
    #[arg(long, value_name = "ID", conflicts_with_all = ["clusters", "list"])]
    pub(super) explain: Option<String>,
    /// Print every rule in a line.
    #[arg(long, conflicts_with = "clusters")]
    pub(super) list: bool,
    /// Show how vars, templates and snippets would be changed for findings with one safe answer, proven on a copy; at a terminal, `yes` writes it. Exits with 2
    /// when nothing was written.
    #[arg(long, conflicts_with_all = ["clusters", "explain", "list"])]
    pub(super) fix: bool,
    /// Look at the live state too, for rules about that; what cannot be read is said to be not checked.
    #[arg(long, conflicts_with_all = ["explain", "list", "fix"])]
    pub(super) live: bool,
    /// With `--fix`: write it.
    #[arg(long, requires = "fix")]
    pub(super) yes: bool,
    /// From which level on a finding makes the exit code 2.
    #[arg(long, value_enum, default_value_t)]
    pub(super) fail_on: FailOn,
    /// The form of the output.
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: LintFormat,
}

/// From which level on lint fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOn {
    /// From notes on.
    Note,
    /// From warnings on.
    Warning,
    /// At errors only.
    #[default]
    Error,
}

impl FailOn {
    /// The severity.
    pub(super) fn severity(self) -> crate::lint::Severity {
        match self {
            FailOn::Note => crate::lint::Severity::Note,
            FailOn::Warning => crate::lint::Severity::Warning,
            FailOn::Error => crate::lint::Severity::Error,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = examples::STOP)]
pub(super) struct StopArguments {
    /// In this cluster only: rollouts that change it.
    #[arg(long)]
    pub(super) cluster: Option<ClusterName>,
    /// Why; shown to everyone who is stopped by it.
    #[arg(long)]
    pub(super) reason: String,
}

#[derive(Debug, Args)]
#[command(after_help = examples::GO)]
pub(super) struct GoArguments {
    /// Lift the stop of this cluster; without it the stop of everything.
    #[arg(long)]
    pub(super) cluster: Option<ClusterName>,
}

#[derive(Debug, Args)]
#[command(after_help = examples::RENDER)]
pub(super) struct RenderArguments {
    /// Clusters to render; all when none is named.
    pub(super) clusters: Vec<ClusterName>,
    /// Write nothing; exit with 2 when the files are not up to date.
    #[arg(long, conflicts_with = "out")]
    pub(super) check: bool,
    /// Where to write, instead of `rendered/`; `-` prints the documents.
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = examples::DIFF)]
pub(super) struct DiffArguments {
    /// The revision to compare with, such as `origin/main` or `HEAD~1`; `LAST-ROLLOUT` is the commit of the last finished rollout.
    #[arg(long, value_name = "REV")]
    pub(super) since: String,
    /// The revision to look at, instead of the working tree.
    #[arg(long, value_name = "REV")]
    pub(super) until: Option<String>,
    /// The form of the output.
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: ReportFormat,
}

#[derive(Debug, Args)]
#[command(after_help = examples::EXPLAIN)]
pub(super) struct ExplainArguments {
    /// The cluster.
    pub(super) cluster: ClusterName,
    /// A var, such as `spot_nodes.4x_32Gb.max`; for a map, everything in it.
    #[arg(required_unless_present = "doc", conflicts_with = "doc")]
    pub(super) path: Option<String>,
    /// A document instead: which template made it, and what it depends on.
    #[arg(long, value_name = "KIND/NAME")]
    pub(super) doc: Option<String>,
    /// The form of the output.
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: ViewFormat,
}

#[derive(Debug, Args)]
#[command(after_help = examples::TEMPLATE)]
pub(super) struct TemplateArguments {
    /// The cluster's name; the values' own `clusterName` wins.
    pub(super) cluster: Option<String>,
    /// The cluster's name.
    #[arg(long)]
    pub(super) name: Option<String>,
    /// A template, or a folder of them (repeatable, or separated by commas).
    #[arg(long, value_name = "PATH", value_delimiter = ',')]
    pub(super) template: Vec<PathBuf>,
    /// A file of values, or a folder of them; a later one wins (repeatable, or separated by commas).
    #[arg(long, value_name = "PATH", value_delimiter = ',')]
    pub(super) values: Vec<PathBuf>,
    /// A snippet, or a folder of them (repeatable, or separated by commas).
    #[arg(long, value_name = "PATH", value_delimiter = ',')]
    pub(super) snippets: Vec<PathBuf>,
    /// Values such as `a.b=1,c[0]=x` (repeatable).
    #[arg(long, value_name = "KEY=VALUE", allow_hyphen_values = true)]
    pub(super) set: Vec<String>,
    /// The same, every value a text (repeatable).
    #[arg(long, value_name = "KEY=VALUE", allow_hyphen_values = true)]
    pub(super) set_string: Vec<String>,
    /// A key that is not there is an error.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub(super) fail_on_missing: bool,
    /// Write every document anew: keys sorted, comments gone.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub(super) format_yaml: bool,
    /// Print one value of the merged values, and nothing else.
    #[arg(long, value_name = "KEY")]
    pub(super) config_value: Option<String>,
    /// What the functions named after the channel look into: `stable` (built in), `none`, or `file:///path`.
    #[arg(long, default_value = "stable")]
    pub(super) channel: String,
    /// The file to write, instead of standard output.
    #[arg(long, alias = "output", value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// What is lost without a word by the original is an error, and not a warning.
    #[arg(long)]
    pub(super) strict: bool,
}

#[derive(Debug, Args)]
#[command(after_help = examples::SCHEMA)]
pub(super) struct SchemaArguments {
    /// Of which file.
    #[arg(value_enum, default_value_t = SchemaFile::Fleet)]
    pub(super) file: SchemaFile,
    /// The form of the output.
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: SchemaFormat,
}

/// A file that has a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum SchemaFile {
    /// `fleet.yaml`.
    Fleet,
    /// `clusters/NAME.yaml`.
    Cluster,
}

#[derive(Debug, Args)]
#[command(after_help = examples::COMPILE)]
pub(super) struct CompileArguments {
    /// Files with a kops Cluster and its InstanceGroups; `-` reads standard input.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// The kops whose rules count.
    #[arg(long, value_name = "VERSION", default_value_t)]
    pub(super) kops_version: KopsVersion,
    /// An instance type or an availability zone that is newer than this program's tables; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub(super) accept: Vec<String>,
    /// Print the mappings of the disks that come with an instance type (`ephemeral0`) too. They are written into each launch template version, and compared
    /// by no plan.
    #[arg(long)]
    pub(super) instance_store: bool,
    /// The form of the output.
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: DefinitionFormat,
}

#[derive(Debug, Args)]
#[command(after_help = examples::AUTOSCALER)]
pub(super) struct AutoscalerArguments {
    /// The cluster.
    pub(super) cluster: ClusterName,
    /// The form of the output.
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: ViewFormat,
}

#[derive(Debug, Args)]
#[command(after_help = examples::PLAN)]
pub(super) struct PlanArguments {
    /// Clusters to look at; all when none is named.
    pub(super) clusters: Vec<ClusterName>,
    #[command(flatten)]
    pub(super) selection: Selection,
    /// Save the plan, to be looked at and carried out later.
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Write the plan as one HTML file as well, for a browser.
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// Say how many calls were made, by API.
    #[arg(long)]
    pub(super) stats: bool,
    /// Ask kops what it would do to clusters whose engine it is, with the documents that git has (a dry run, of a private copy of what is stored): what this
    /// plan changes, and what else it would put right. Its own words with `--verbose` and in the file of `--out`. It takes as long as kops does.
    #[arg(long)]
    pub(super) kops_dry_run: bool,
    /// The form of the output.
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: PlanFormat,
    /// Print nothing but the plan's id on standard output: what an approval is bound to. The rest goes to standard error.
    #[arg(long, conflicts_with = "format")]
    pub(super) print_id: bool,
}

#[derive(Debug, Args)]
#[command(after_help = examples::SNAPSHOT)]
pub(super) struct SnapshotArguments {
    /// Clusters to copy; all when none is named.
    pub(super) clusters: Vec<ClusterName>,
    /// Where to write.
    #[arg(long, value_name = "FILE")]
    pub(super) out: PathBuf,
    /// Copy the lifecycle hooks of every group, however many there are: one call a group. Without it those of an account and region that has more than
    /// 100 groups are left out, and written down as not read.
    #[arg(long)]
    pub(super) hooks: bool,
    /// Copy what kops has stored of the clusters whose engine it is, for a rehearsal of what kops would do. The documents are copied as they are: what is
    /// secret in them is in the file.
    #[arg(long)]
    pub(super) documents: bool,
}

#[derive(Debug, Args)]
#[command(after_help = examples::REHEARSE)]
pub(super) struct RehearseArguments {
    /// Rehearse this saved plan; without it, what git wants now.
    #[arg(long, value_name = "FILE")]
    pub(super) plan: Option<PathBuf>,
    /// Begin with this snapshot; without it, with a copy of the store's simulated account.
    #[arg(long, value_name = "FILE")]
    pub(super) snapshot: Option<PathBuf>,
    /// Only this stage (repeatable).
    #[arg(long = "stage", value_name = "STAGE")]
    pub(super) stages: Vec<StageName>,
    /// Order a fault (repeatable): it is the case in the whole rehearsal, and what comes of each alone is shown as well.
    #[arg(long = "fault", value_name = "FAULT")]
    pub(super) faults: Vec<String>,
    /// Play a scenario: faults and acts with their times, from a YAML file.
    #[arg(long, value_name = "FILE")]
    pub(super) scenario: Option<PathBuf>,
    /// Run it this often, with as many seeds, and show them as one summary.
    #[arg(long, value_name = "N", conflicts_with_all = ["out", "junit"], value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(super) seeds: Option<u64>,
    /// Draw all chance from this number. Without it the copy of a simulated account meets what a rollout would meet there now.
    #[arg(long)]
    pub(super) seed: Option<u64>,
    /// Without the simulated autoscaler, which moves desired capacities on its own.
    #[arg(long)]
    pub(super) no_autoscaler: bool,
    /// Write verdict, timeline and report as one HTML file.
    #[arg(long, value_name = "FILE", visible_alias = "html")]
    pub(super) out: Option<PathBuf>,
    /// Write it for the test page of a pipeline as well, as JUnit.
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,
    /// The form of the output.
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: ViewFormat,
}

//! The forms of output that each command has: only those can be asked for, and its help lists them.

use clap::ValueEnum;

/// What a difference is printed as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum ReportFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON value.
    Json,
    /// For a pull-request comment.
    Markdown,
}

/// What a plan is printed as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum PlanFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON value.
    Json,
    /// For a pull-request comment.
    Markdown,
    /// For the test page of a pipeline.
    Junit,
    /// For a browser: one file that needs no network and no script.
    Html,
}

/// What drift is printed as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum DriftFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON value.
    Json,
    /// For the test page of a pipeline.
    Junit,
}

/// What a look at something is printed as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum ViewFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON value.
    Json,
}

/// What definitions are printed as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum DefinitionFormat {
    /// YAML.
    #[default]
    Yaml,
    /// One JSON value.
    Json,
}

/// What a rollout is followed as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum FollowFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON value a line, as things happen.
    Jsonl,
}

/// What the records of a rollout are printed as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum RecordsFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON list.
    Json,
    /// For machines: one JSON value a line.
    Jsonl,
    /// For the test page of a pipeline.
    Junit,
    /// For a browser: one file that needs no network and no script.
    Html,
}

/// What a schema is printed as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum SchemaFormat {
    /// JSON.
    #[default]
    Json,
}

/// What lint's findings are printed as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum LintFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON value.
    Json,
    /// For code review tools: SARIF 2.1.0.
    Sarif,
    /// For the test page of a pipeline.
    Junit,
}

/// What goes to standard error is written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON value a line, with time, level and message.
    Json,
}

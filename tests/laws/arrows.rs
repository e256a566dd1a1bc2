//! Arrows go only downwards: which module may name which.

use super::source::Source;
use super::{Found, Law, check, module};

/// Which modules a module may name; its own is always allowed.
const ARROWS: [(&str, &[&str]); 20] = [
    ("model", &[]),
    ("yaml", &[]),
    ("fleet", &["model", "yaml"]),
    ("gotemplate", &[]),
    ("toolbox", &["gotemplate", "yaml"]),
    (
        "render",
        &["gotemplate", "toolbox", "fleet", "model", "yaml"],
    ),
    ("kops", &["render", "fleet", "model", "yaml"]),
    ("desired", &["kops", "render", "fleet", "model", "yaml"]),
    (
        "lint",
        &["desired", "kops", "render", "fleet", "model", "yaml"],
    ),
    (
        "plan",
        &["desired", "kops", "render", "fleet", "model", "yaml"],
    ),
    (
        "impact",
        &[
            "plan", "desired", "kops", "render", "fleet", "model", "yaml",
        ],
    ),
    (
        "adopt",
        &["toolbox", "gotemplate", "kops", "fleet", "model", "yaml"],
    ),
    (
        "rollout",
        &[
            "plan", "desired", "kops", "render", "fleet", "model", "yaml",
        ],
    ),
    (
        "store",
        &[
            "rollout", "plan", "desired", "kops", "render", "fleet", "model", "yaml",
        ],
    ),
    (
        "cloud",
        &[
            "rollout", "plan", "desired", "kops", "render", "fleet", "model", "yaml",
        ],
    ),
    (
        "nodes",
        &[
            "rollout", "plan", "desired", "kops", "render", "fleet", "model", "yaml",
        ],
    ),
    ("engine", &["cloud", "model"]),
    (
        "run",
        &[
            "store", "cloud", "nodes", "engine", "rollout", "plan", "desired", "kops", "render",
            "fleet", "model", "yaml",
        ],
    ),
    (
        "report",
        &[
            "model", "plan", "impact", "rollout", "fleet", "kops", "lint",
        ],
    ),
    (
        "cli",
        &[
            "adopt",
            "run",
            "report",
            "lint",
            "impact",
            "store",
            "cloud",
            "nodes",
            "engine",
            "rollout",
            "plan",
            "desired",
            "kops",
            "render",
            "toolbox",
            "gotemplate",
            "fleet",
            "model",
            "yaml",
        ],
    ),
];

#[test]
fn arrows_go_only_downwards() {
    check(&Law {
        check: arrows,
        planted: &[
            ("src/plan/mod.rs", "use crate::rollout::Rollout;"),
            ("src/plan/mod.rs", "use crate::{model::Span, rollout};"),
            ("src/plan/compare.rs", "fn f() { crate::store::open() }"),
            ("src/plan/compare.rs", "use super::super::cloud::Cloud;"),
            ("src/plan/mod.rs", "use super::{model, run::run};"),
            ("src/report/mod.rs", "use crate::desired::DesiredCluster;"),
            ("src/run/mod.rs", "use crate::report::plan_text;"),
            ("src/cloud/mod.rs", "use crate::nodes::NodeApi;"),
            ("src/model/mod.rs", "use kfleet::yaml::Document;"),
            ("src/new.rs", "use crate::model::Span;"),
        ],
        fine: &[
            (
                "src/plan/mod.rs",
                "use crate::{desired::{self, Desired}, model::Span}; use super::model;",
            ),
            ("src/cloud/local/api.rs", "use crate::nodes::NodeApi;"),
            (
                "src/plan/mod.rs",
                "// crate::store\nconst A: &str = \"crate::store\";",
            ),
        ],
    });
}

fn arrows(path: &str, source: &Source) -> Found {
    let Some(module) = module(path) else {
        return Vec::new();
    };
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == module) else {
        return if matches!(path, "src/lib.rs" | "src/main.rs") {
            Vec::new()
        } else {
            vec![format!("{path}:1: a module without arrows: {module}")]
        };
    };
    // The simulated account is cloud and cluster in one.
    let both =
        |target: &str| path.starts_with("src/cloud/local/") && matches!(target, "nodes" | "engine");
    let ours = source
        .production_paths()
        .filter_map(|(line, parts)| Some((line, target(path, &parts)?)));
    let wrong = ours.filter(|(_, target)| {
        target != module && !allowed.contains(&target.as_str()) && !both(target)
    });
    wrong
        .map(|(line, target)| format!("{path}:{line}: {module} names {target}"))
        .collect()
}

/// The module of ours that a path in this file names.
fn target(path: &str, parts: &[String]) -> Option<String> {
    let own = path.strip_prefix("src/")?.trim_end_matches(".rs");
    let depth = own.split('/').filter(|p| *p != "mod").count();
    let supers = parts.iter().take_while(|p| *p == "super").count();
    match parts.first().map(String::as_str) {
        Some("crate" | "kfleet") => parts.get(1).cloned(),
        Some("super") if supers >= depth => parts.get(supers).cloned(),
        _ => None,
    }
    .filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase()))
}

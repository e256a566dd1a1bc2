//! Which rules a fleet is held against, and how much each counts: those that are built in, and the team's own. Looks at no cluster by itself.

use std::path::Path;

use super::failure::Failure;
use crate::fleet::{Fleet, Settings};
use crate::lint::{
    self, ClusterFacts, Date, Finding, FleetFacts, FleetWide, LintSettings, OwnRules, Rule,
};

/// The rules of a fleet, built in and its own, and what it says of them.
pub(super) struct LintRules {
    pub(super) rules: Vec<Rule>,
    pub(super) settings: LintSettings,
}

impl LintRules {
    pub(super) fn of(fleet: &Fleet) -> Result<LintRules, Failure> {
        let own = own(&fleet.root)?;
        Ok(LintRules {
            rules: own.with_built_in(),
            settings: settings(fleet, &own)?,
        })
    }

    /// Has the rules that look at no other cluster look at this one; what only they look at is let go.
    pub(super) fn look_ahead(&self, cluster: &mut ClusterFacts, fleet: &Settings) {
        let around = FleetWide {
            live: None,
            rolling: &fleet.rolling,
            accept: &fleet.accept,
        };
        lint::look_ahead(&self.rules, cluster, around, &self.settings);
    }

    /// What they find that blocks a rollout.
    pub(super) fn blocking(&self, facts: &FleetFacts, today: Date) -> Vec<Finding> {
        let report = lint::lint_by(&self.rules, facts, &self.settings, today);
        let is_blocking = |f: &Finding| self.settings.block.is_some_and(|b| f.severity >= b);
        let findings = report.findings.into_iter();
        findings.filter(is_blocking).collect()
    }
}

/// The rules of the team, from the folder `policies` of its fleet; none where there is no such folder.
pub(super) fn own(directory: &Path) -> Result<OwnRules, Failure> {
    let folder = directory.join(lint::POLICIES);
    let failed = |path: &Path, e: &std::io::Error| {
        Failure::new(format!("cannot read {}: {e}", path.display()))
    };
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(OwnRules::default()),
        Err(e) => return Err(failed(&folder, &e)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| failed(&folder, &e))?.path();
        let is_rules = path.extension().is_some_and(|e| e == "yaml" || e == "yml");
        if let Some(name) = path
            .file_name()
            .and_then(|n| n.to_str())
            .filter(|_| is_rules)
        {
            let text = std::fs::read_to_string(&path).map_err(|e| failed(&path, &e))?;
            files.push((format!("{}/{name}", lint::POLICIES), text));
        }
    }
    files.sort();
    OwnRules::read(&files).map_err(|e| {
        Failure::new(e.to_string()).hint("docs/policies.md says how rules of your own are written")
    })
}

pub(super) fn settings(fleet: &Fleet, own: &OwnRules) -> Result<LintSettings, Failure> {
    LintSettings::of(&fleet.settings.lint, own).map_err(|e| {
        Failure::new(format!("fleet.yaml: {e}")).hint("`kfleet lint --list` shows all rules")
    })
}

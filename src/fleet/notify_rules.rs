//! `notify:` of `fleet.yaml` as written → [`NotifyRule`]. An address that stands in the file is refused, and shown nowhere.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::document::{ParsedFile, invalid};
use super::gate::FromEnv;
use super::notify::{NotifyEvent, NotifyForm, NotifyRule};
use super::{FleetError, SourceLocation, Stage};
use crate::model::{Span, StageName};

/// How long a webhook may take to answer when its rule does not say.
const TIMEOUT: Span = Span::from_secs(5);
/// No rule may say more: what is not answered by then is sent again.
const LONGEST: Span = Span::from_secs(60);

/// One of `notify`, as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NotifyFile {
    name: String,
    url: FromEnv,
    #[serde(default)]
    form: NotifyForm,
    #[serde(default)]
    events: BTreeSet<NotifyEvent>,
    #[serde(default)]
    stages: BTreeSet<StageName>,
    timeout: Option<Span>,
}

/// Before decoding, and before any line is shown: an address that stands in the file is a secret in git.
pub(super) fn check_addresses(doc: &ParsedFile) -> Result<(), FleetError> {
    let rules = doc
        .node
        .get("notify")
        .map(|n| n.items())
        .unwrap_or_default();
    for rule in rules {
        if rule.get("url").is_some_and(|url| url.as_str().is_some()) {
            let name = rule.get("name").and_then(|n| n.as_str()).unwrap_or("?");
            return Err(FleetError::Invalid {
                // Without its line, which must not be shown.
                place: SourceLocation {
                    file: doc.file.clone(),
                    pos: None,
                },
                message: format!(
                    "notify `{name}`: the address of a webhook is a secret, and does not belong in git"
                ),
                hint: "name the environment variable that holds it: `url: {env: KFLEET_SLACK_URL}`; replace the address, it has been written down".into(),
            });
        }
    }
    Ok(())
}

/// The rules, in their order.
pub(super) fn resolve(
    doc: &ParsedFile,
    files: Vec<NotifyFile>,
    stages: &[Stage],
) -> Result<Vec<NotifyRule>, FleetError> {
    let mut rules: Vec<NotifyRule> = Vec::new();
    for (nth, file) in files.into_iter().enumerate() {
        let index = nth.to_string();
        if rules.iter().any(|rule| rule.name == file.name) {
            return Err(FleetError::Twice {
                place: doc.place(&["notify", &index, "name"]),
                what: "notify rule",
                name: file.name,
                first: "this list".into(),
            });
        }
        rules.push(rule(doc, &index, file, stages)?);
    }
    Ok(rules)
}

fn rule(
    doc: &ParsedFile,
    index: &str,
    file: NotifyFile,
    stages: &[Stage],
) -> Result<NotifyRule, FleetError> {
    let NotifyFile {
        name,
        url,
        form,
        events,
        stages: of,
        timeout,
    } = file;
    let known = |stage: &&StageName| !stages.iter().any(|s| s.name == **stage);
    if let Some(unknown) = of.iter().find(known) {
        return Err(FleetError::UnknownName {
            place: doc.place(&["notify", index, "stages"]),
            what: "stage",
            name: unknown.to_string(),
            known: stages.iter().map(|s| s.name.to_string()).collect(),
        });
    }
    let is_variable = |text: &str| {
        let fine = |c: char| c.is_ascii_alphanumeric() || c == '_';
        text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(fine)
    };
    if !is_variable(&url.env) {
        return Err(FleetError::Invalid {
            // It may be the address itself.
            place: SourceLocation {
                file: doc.file.clone(),
                pos: None,
            },
            message: format!(
                "notify `{name}`: `url.env` is not the name of an environment variable"
            ),
            hint: "write `url: {env: KFLEET_SLACK_URL}`".into(),
        });
    }
    let timeout = timeout.unwrap_or(TIMEOUT);
    if timeout.is_zero() || timeout > LONGEST {
        return Err(invalid(
            doc,
            &["notify", index, "timeout"],
            format!("a webhook has between 1s and {LONGEST} to answer"),
            "write 5s",
        ));
    }
    Ok(NotifyRule {
        name,
        url,
        form,
        events,
        stages: of,
        timeout,
    })
}

//! `kfleet notify`: who is told what, and a try of a webhook. Reads `fleet.yaml`; needs neither store nor cloud.

use super::Exit;
use super::args::{Arguments, NotifyArguments};
use super::clock::now_here;
use super::failure::Failure;
use super::output::Output;
use super::who::who;
use crate::fleet::{self, NotifyRule, closest};
use crate::report;
use crate::run::try_webhook;

fn held(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

pub(super) async fn run(
    arguments: &Arguments,
    command: &NotifyArguments,
    output: &Output,
) -> Result<Exit, Failure> {
    let fleet = fleet::load(&arguments.directory)?;
    let rules = &fleet.settings.notify;
    if command.test.is_empty() {
        if rules.is_empty() {
            output.story("nobody is told anything: fleet.yaml has no `notify`");
        }
        let is_set =
            |rule: &NotifyRule| held(&rule.url.env).is_some_and(|value| !value.trim().is_empty());
        output.result(&report::webhooks_text(rules, is_set))?;
        return Ok(Exit::Good);
    }
    let named: Vec<&NotifyRule> = command
        .test
        .iter()
        .map(|name| rule(rules, name))
        .collect::<Result<_, _>>()?;
    let mut left = Vec::new();
    for rule in named {
        if let Err(why) = try_out(rule, output).await? {
            left.push(format!("notify rule `{}`: {why}", rule.name));
        }
    }
    if left.is_empty() {
        return Ok(Exit::Good);
    }
    Err(Failure::new(left.join("; ")).hint(
        "look at the address in the rule's environment variable, and at what the server expects; docs/notifications.md has both forms",
    ))
}

fn rule<'r>(rules: &'r [NotifyRule], name: &str) -> Result<&'r NotifyRule, Failure> {
    rules.iter().find(|rule| rule.name == name).ok_or_else(|| {
        let near = closest(name, rules.iter().map(|rule| rule.name.as_str()));
        Failure::new(format!("fleet.yaml has no notify rule `{name}`"))
            .hints(near.map(|near| format!("did you mean `{near}`?")))
            .hint("`kfleet notify` lists them")
    })
}

/// One message; what is wrong where it was not taken.
async fn try_out(rule: &NotifyRule, output: &Output) -> Result<Result<(), String>, Failure> {
    let body = report::test_notice_body(rule, &who(), now_here());
    let answer = match try_webhook(rule, &body, held).await {
        Ok(answer) => answer,
        Err(fault) => return Ok(Err(fault.to_string())),
    };
    if !answer.is_taken() {
        return Ok(Err(answer.to_string()));
    }
    output.result(&format!("{}: taken, {answer}\n", rule.name))?;
    Ok(Ok(()))
}

//! What an empty fleet is made of: from the flags, and from a person where there is a terminal.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::str::FromStr;

use super::super::args::InitArguments;
use super::super::failure::Failure;
use crate::adopt::Start;
use crate::model::{AccountId, ClusterName, KnownRegion, Region, known_region};

/// Asks for what the flags do not say; without a terminal, says which flags are missing.
pub(super) fn facts(command: &InitArguments) -> Result<Start, Failure> {
    let [first, second] = clusters(command)?;
    let account = match command.account.as_slice() {
        [] => None,
        [one] => Some(
            AccountId::new(one.clone())
                .map_err(|e| Failure::new(format!("--account: {e}")).hint(ACCOUNT_HINT))?,
        ),
        [_, second, ..] => {
            return Err(Failure::new(format!(
                "--account {second}: an empty fleet begins with one account"
            ))
            .hint("change `account` in a cluster's file afterwards"));
        }
    };
    let is_missing = first.is_none() || account.is_none() || command.region.is_none();
    if is_missing && !std::io::stdin().is_terminal() {
        return Err(missing(first.is_none(), account.is_none(), command));
    }
    let mut person = Person;
    let first = or_ask(first, || {
        person.ask(
            "cluster that gets a change first",
            "staging.k8s.example.com",
        )
    })?;
    let suggestion = if first.as_str().contains("staging") {
        first.as_str().replacen("staging", "prod", 1)
    } else {
        "prod.k8s.example.com".into()
    };
    let second = or_ask(second, || {
        person.ask("cluster that gets it when the first is well", &suggestion)
    })?;
    let account = or_ask(account, || person.ask("AWS account", "111122223333"))?;
    let region: Region = or_ask(command.region.clone(), || person.ask("region", "eu-west-3"))?;
    let usual: Vec<String> = known_region(region.as_str())
        .into_iter()
        .flat_map(KnownRegion::zones)
        .take(3)
        .collect();
    if usual.is_empty() && command.zones.is_empty() {
        return Err(Failure::new(format!(
            "{region}: AWS has no such region, or it is newer than this kfleet"
        ))
        .hint("with --zones the region is taken as it is"));
    }
    let zones = if !command.zones.is_empty() {
        command.zones.clone()
    } else if is_missing {
        let text: String = person.ask("zones", &usual.join(","))?;
        text.split(',').map(|z| z.trim().to_owned()).collect()
    } else {
        usual
    };
    Ok(Start {
        clusters: [first, second],
        account,
        region,
        zones,
    })
}

const ACCOUNT_HINT: &str = "an account is twelve digits, such as 111122223333";

fn clusters(command: &InitArguments) -> Result<[Option<ClusterName>; 2], Failure> {
    match command.cluster.as_slice() {
        [] => Ok([None, None]),
        [first] => Ok([Some(first.clone()), None]),
        [first, second] => Ok([Some(first.clone()), Some(second.clone())]),
        [_, _, third, ..] => Err(Failure::new(format!(
            "--cluster {third}: an empty fleet begins with two clusters"
        ))
        .hint("one more is one more file in clusters/ and, with what is its own, one in vars/")),
    }
}

fn or_ask<T>(given: Option<T>, ask: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    given.map_or_else(ask, Ok)
}

fn missing(cluster: bool, account: bool, command: &InitArguments) -> Failure {
    let flags: Vec<&str> = [
        (cluster, "--cluster NAME (twice)"),
        (account, "--account ID"),
        (command.region.is_none(), "--region NAME"),
    ]
    .into_iter()
    .filter_map(|(is_missing, flag)| is_missing.then_some(flag))
    .collect();
    Failure::new(format!("no terminal to ask at; missing: {}", flags.join(", "))).hint(
        "kfleet init --cluster staging.k8s.example.com --cluster prod.k8s.example.com --account 111122223333 --region eu-west-3",
    )
}

/// A person at a terminal.
struct Person;

impl Person {
    /// Asks until the answer is one. An empty line takes the suggestion; the end of input ends the command.
    fn ask<T: FromStr<Err: std::fmt::Display>>(
        &mut self,
        what: &str,
        suggestion: &str,
    ) -> Result<T, Failure> {
        loop {
            say(&format!("{what} [{suggestion}]: "));
            let mut line = String::new();
            let read = std::io::stdin()
                .lock()
                .read_line(&mut line)
                .map_err(|e| Failure::new(format!("cannot read the answer: {e}")))?;
            if read == 0 {
                return Err(Failure::new(format!("no answer to: {what}")));
            }
            let answer = match line.trim() {
                "" => suggestion,
                answer => answer,
            };
            match answer.parse() {
                Ok(value) => return Ok(value),
                Err(error) => say(&format!("  {error}\n")),
            }
        }
    }
}

fn say(text: &str) {
    let mut err = anstream::stderr().lock();
    let _gone = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

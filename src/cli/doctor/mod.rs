//! `kfleet doctor`: is everything in place for a plan and a rollout? Changes nothing.

mod account;
mod check;
mod clock;
mod clusters;
mod home;
mod policy;
mod rights;
mod room;

use serde_json::json;

use check::{check, wrong};

use super::Exit;
use super::args::{Arguments, DoctorArguments};
use super::failure::Failure;
use super::formats::ViewFormat;
use super::output::Output;
use super::pipeline::{PreparedFleet, prepare};
use super::render::select;
use super::store;
use super::world;
use crate::model::AwsUse;
use crate::plan::room::WaveOutlook;
use crate::report::{self, DoctorCheck, Style};
use crate::store::Store;

pub(super) async fn run(
    arguments: &Arguments,
    command: &DoctorArguments,
    output: &Output,
) -> Result<Exit, Failure> {
    if let Some(policy) = command.policy {
        let document = match policy.needed() {
            Some(needed) => {
                let prepared = prepare(&arguments.directory)?;
                let facts = policy::facts(arguments, &prepared);
                format!("{:#}\n", report::iam_policy(needed, &facts))
            }
            None => report::cluster_role(),
        };
        output.result(&document)?;
        return Ok(Exit::Good);
    }
    let prepared = match prepare(&arguments.directory) {
        Ok(prepared) => prepared,
        Err(failure) => {
            let checks = [wrong("fleet", None, failure)];
            return end(arguments, command, (&checks, &[]), None, output);
        }
    };
    let named = select(&prepared.fleet, &command.clusters)?;
    let mut checks = vec![home::fleet(&prepared)];
    let opened = store::store(arguments, &prepared.fleet);
    let kind = opened.as_ref().ok().map(Store::kind);
    checks.insert(0, home::git(arguments, &prepared, kind));
    checks.push(home::regions(&prepared, &named));
    checks.push(home::kops(&prepared, &named));
    let mut room = Vec::new();
    match opened {
        Err(failure) => checks.push(wrong("store", None, failure)),
        Ok(store) => {
            let (found, time) = clock::store(&store);
            checks.extend(found);
            let places = prepared.places(&named);
            let world = world::open_to_look(arguments, &prepared, &store).await;
            match world {
                Err(failure) => checks.push(wrong("cloud", None, failure)),
                Ok(world) => {
                    let facts = policy::facts(arguments, &prepared);
                    let (found, cloud_time) =
                        account::credentials(&world, &prepared, &places).await;
                    checks.extend(found);
                    checks.push(clock::check(&store, time, cloud_time));
                    let found = clusters::look(&prepared, &world, &places, &facts, output).await;
                    checks.extend(found.0);
                    room = found.1;
                }
            }
        }
    }
    let found = (checks.as_slice(), room.as_slice());
    end(arguments, command, found, Some(&prepared), output)
}

fn end(
    arguments: &Arguments,
    command: &DoctorArguments,
    (checks, room): (&[DoctorCheck], &[WaveOutlook]),
    prepared: Option<&PreparedFleet>,
    output: &Output,
) -> Result<Exit, Failure> {
    match command.format {
        ViewFormat::Text => {
            let style = Style {
                colour: output.colour(),
                full: arguments.verbose,
            };
            output.cloud_result(&report::doctor_text(checks, style))?;
        }
        ViewFormat::Json => {
            output.result(&as_json(arguments, (checks, room), prepared))?;
        }
    }
    Ok(if checks.iter().any(DoctorCheck::is_wrong) {
        Exit::Changes
    } else {
        Exit::Good
    })
}

/// The checks, beside them the room for a roll of everything, and the policies that IAM and Kubernetes need.
fn as_json(
    arguments: &Arguments,
    (checks, room): (&[DoctorCheck], &[WaveOutlook]),
    prepared: Option<&PreparedFleet>,
) -> String {
    let policies = prepared.map(|prepared| {
        let facts = policy::facts(arguments, prepared);
        json!({
            "plan": report::iam_policy(AwsUse::Plan, &facts),
            "rollout": report::iam_policy(AwsUse::Rollout, &facts),
        })
    });
    let beside = [
        ("room", json!(room)),
        ("policies", json!(policies)),
        ("cluster_role", json!(report::cluster_role())),
    ];
    report::doctor_json(checks, &beside)
}

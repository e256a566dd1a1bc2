//! What a rollout has to be allowed, as IAM's simulation says: the account's policies are asked, no right is used.

#[cfg(any(feature = "aws", test))]
use std::collections::BTreeSet;

use super::check;
use crate::cli::pipeline::PreparedFleet;
use crate::cli::world::World;
use crate::cloud::Place;
use crate::report::{CheckState, DoctorCheck, PolicyFacts};

/// What the printed policies say, where nobody can be asked.
const PRINTED: &str = "`kfleet doctor --policy rollout` prints what the role has to be allowed";

/// A check for each account and role.
pub(super) async fn of_rollout(
    world: &World,
    prepared: &PreparedFleet,
    places: &[Place],
    facts: &PolicyFacts,
) -> Vec<DoctorCheck> {
    match world {
        World::Local(_) => {
            let _ = (prepared, places, facts);
            let why = format!("the simulated account allows everything; {PRINTED}");
            let state = CheckState::NotChecked(why);
            vec![check("permissions", Some("rollout".into()), state)]
        }
        #[cfg(feature = "aws")]
        World::Aws(real) => of_aws(&real.cloud, prepared, places, facts).await,
    }
}

#[cfg(feature = "aws")]
async fn of_aws(
    cloud: &crate::cloud::aws::Aws,
    prepared: &PreparedFleet,
    places: &[Place],
    facts: &PolicyFacts,
) -> Vec<DoctorCheck> {
    let mut known = BTreeSet::new();
    let mut checks = Vec::new();
    for place in places {
        let cluster = prepared.fleet.clusters.get(&place.cluster);
        let role = cluster.and_then(|c| c.role_arn.clone());
        if !known.insert((place.account.clone(), role.clone())) {
            continue;
        }
        let principal = match role.clone() {
            Some(role) => Ok(role),
            None => caller(cloud, place).await,
        };
        let state = match principal {
            Ok(principal) => match sample(prepared, place, facts, role.is_none()) {
                Some(sample) => simulated(cloud, place, &principal, &sample).await,
                None => CheckState::NotChecked(format!("{} has no group", place.cluster)),
            },
            Err(why) => CheckState::NotChecked(format!("{why}; {PRINTED}")),
        };
        let subject = format!("rollout in account {}", place.account);
        checks.push(check("permissions", Some(subject), state));
    }
    checks
}

/// The ARN of the caller as IAM knows it.
#[cfg(feature = "aws")]
async fn caller(cloud: &crate::cloud::aws::Aws, place: &Place) -> Result<String, String> {
    let identity = cloud.identity(place).await.map_err(|e| e.to_string())?;
    let named = principal(&identity.arn)?;
    match named.rsplit_once(":role/") {
        // Roles of single sign-on always have a path. Who may not look asks by the name alone, which is that of a role without one.
        Some((_, role)) => Ok(cloud.role(place, role).await.unwrap_or(named)),
        None => Ok(named),
    }
}

#[cfg(feature = "aws")]
async fn simulated(
    cloud: &crate::cloud::aws::Aws,
    place: &Place,
    principal: &str,
    sample: &crate::report::RightsSample,
) -> CheckState {
    let mut answers = Vec::new();
    for question in crate::report::rights_questions(sample) {
        match cloud.simulate(place, principal, &question).await {
            Ok(said) => answers.extend(said),
            Err(error) => return CheckState::NotChecked(not_asked(principal, &error.to_string())),
        }
    }
    judged(principal, &place.cluster, &answers)
}

/// Why IAM could not be asked, and what that takes.
#[cfg(any(feature = "aws", test))]
fn not_asked(principal: &str, said: &str) -> String {
    if said.contains("NoSuchEntity") {
        return format!(
            "IAM knows no {principal}; where that role has a path, which a session does not tell, this needs `iam:GetRole` on it; {PRINTED}"
        );
    }
    if super::check::is_denied(said) {
        return format!("needs `iam:SimulatePrincipalPolicy` on {principal}; {PRINTED}");
    }
    format!("IAM could not be asked: {said}; {PRINTED}")
}

/// Who is asked about: the user, or the role of a session, as if it had no path.
#[cfg(any(feature = "aws", test))]
fn principal(arn: &str) -> Result<String, String> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    if let [head, partition, service, _, account, what] = parts.as_slice() {
        let names: Vec<&str> = what.split('/').collect();
        match (*service, names.as_slice()) {
            ("iam", ["user", ..]) => return Ok(arn.to_owned()),
            ("sts", ["assumed-role", role, ..]) => {
                return Ok(format!("{head}:{partition}:iam::{account}:role/{role}"));
            }
            _ => {}
        }
    }
    Err(format!(
        "IAM can be asked about users and roles, and {arn} is neither; run doctor as the role that rolls out"
    ))
}

#[cfg(feature = "aws")]
fn sample(
    prepared: &PreparedFleet,
    place: &Place,
    facts: &PolicyFacts,
    is_caller: bool,
) -> Option<crate::report::RightsSample> {
    let desired = &prepared.clusters.get(&place.cluster)?.desired;
    let cluster = prepared.fleet.clusters.get(&place.cluster)?;
    let profiles = desired.groups.values().map(|group| {
        let data = &group.definition.launch_template.launch_template_data;
        data.iam_instance_profile.name.clone()
    });
    Some(crate::report::RightsSample {
        cluster: place.cluster.clone(),
        account: place.account.clone(),
        region: place.region.clone(),
        partition: facts.partition.clone(),
        group: desired.groups.keys().next()?.clone(),
        instance_profiles: profiles.collect(),
        // The store is kept by the caller, whatever role a cluster has.
        store: facts.store.clone().filter(|_| is_caller),
        state_store: super::policy::state_bucket(cluster),
    })
}

/// Rights that a policy may give on some resources only, which a question on all of them does not find. A launch is tried beside this.
#[cfg(any(feature = "aws", test))]
const ON_RESOURCES: [&str; 2] = ["ec2:CreateFleet", "ec2:RunInstances"];

#[cfg(any(feature = "aws", test))]
fn judged(
    principal: &str,
    cluster: &crate::model::ClusterName,
    answers: &[crate::model::RightAnswer],
) -> CheckState {
    let is_unclear = |answer: &&crate::model::RightAnswer| {
        let on_all = answer.resource == "*" && ON_RESOURCES.contains(&answer.right.as_str());
        on_all || !answer.lacks.is_empty()
    };
    let refused = || answers.iter().filter(|answer| !answer.is_allowed);
    let denied: BTreeSet<&str> = refused()
        .filter(|answer| !is_unclear(answer))
        .map(|answer| answer.right.as_str())
        .collect();
    let names = |rights: BTreeSet<&str>| rights.into_iter().collect::<Vec<_>>().join(", ");
    if !denied.is_empty() {
        return CheckState::Wrong {
            found: format!(
                "IAM's simulation does not allow {principal}, for {cluster}: {}",
                names(denied)
            ),
            advice: vec!["give its role what `kfleet doctor --policy rollout` prints".into()],
        };
    }
    let unclear: BTreeSet<&str> = refused().map(|answer| answer.right.as_str()).collect();
    let all: BTreeSet<&str> = answers.iter().map(|answer| answer.right.as_str()).collect();
    if !unclear.is_empty() {
        let count = all.len() - unclear.len();
        return CheckState::NotChecked(format!(
            "IAM's simulation allows {principal} {count} of {} rights for {cluster}, and says nothing certain of {}",
            all.len(),
            names(unclear)
        ));
    }
    CheckState::Ok(format!(
        "IAM's simulation allows {principal} all {} rights of a rollout of {cluster}",
        all.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RightAnswer;

    #[test]
    fn who_is_asked_about_follows_from_the_session() {
        assert_eq!(
            principal("arn:aws:sts::111122223333:assumed-role/deploy/anna").unwrap(),
            "arn:aws:iam::111122223333:role/deploy"
        );
        let user = "arn:aws-cn:iam::111122223333:user/ops/anna";
        assert_eq!(principal(user).unwrap(), user);
        for other in [
            "arn:aws:iam::111122223333:root",
            "arn:aws:sts::1:federated-user/x",
            "anna",
        ] {
            principal(other).unwrap_err();
        }
    }

    fn answer(right: &str, resource: &str, is_allowed: bool, lacks: &[&str]) -> RightAnswer {
        RightAnswer {
            right: right.into(),
            resource: resource.into(),
            is_allowed,
            lacks: lacks.iter().map(|l| (*l).to_owned()).collect(),
        }
    }

    #[test]
    fn only_what_is_certain_is_wrong() {
        let cluster = "a.k8s.foo.bar".parse().unwrap();
        let judge = |answers: &[RightAnswer]| judged("arn:r", &cluster, answers);
        let good = answer("ec2:DescribeImages", "*", true, &[]);
        assert!(matches!(
            judge(std::slice::from_ref(&good)),
            CheckState::Ok(_)
        ));
        for unclear in [
            answer("ec2:RunInstances", "*", false, &[]),
            answer(
                "autoscaling:DeleteTags",
                "arn:g",
                false,
                &["aws:SourceVpce"],
            ),
        ] {
            let state = judge(&[good.clone(), unclear]);
            assert!(matches!(state, CheckState::NotChecked(_)), "{state:?}");
        }
        let state = judge(&[good, answer("ec2:RunInstances", "arn:i", false, &[])]);
        assert!(
            matches!(&state, CheckState::Wrong { found, .. } if found.ends_with("for a.k8s.foo.bar: ec2:RunInstances")),
            "{state:?}"
        );
    }

    #[test]
    fn without_the_right_it_is_said_which() {
        let said = not_asked("arn:r", "refused for a: AccessDenied: no");
        assert!(
            said.starts_with("needs `iam:SimulatePrincipalPolicy` on arn:r"),
            "{said}"
        );
        let said = not_asked("arn:r", "refused for a: NoSuchEntity: no");
        assert!(said.contains("needs `iam:GetRole`"), "{said}");
    }
}

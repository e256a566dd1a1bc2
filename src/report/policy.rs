//! The least that AWS has to allow: IAM policies for those who only look and for those who roll out, from the list of calls and what the fleet names.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use crate::model::{AWS_CALLS, AccountId, AwsScope, AwsUse, ClusterName};

/// What of a fleet policies name. Where nothing is named, nothing is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyFacts {
    pub clusters: BTreeSet<ClusterName>,
    /// Their accounts.
    pub accounts: BTreeSet<AccountId>,
    /// The partition of their regions: `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
    /// Roles to assume, by ARN.
    pub cluster_roles: BTreeSet<String>,
    /// Instance profiles that definitions name. kops calls the role of a profile as the profile.
    pub instance_profiles: BTreeSet<String>,
    /// The store, where it is in S3: `bucket/prefix`.
    pub store: Option<String>,
    /// kops's state stores in S3: `bucket/prefix`.
    pub state_stores: BTreeSet<String>,
}

/// The policy document. What it names in `Resource` and `Condition` follows from the fleet; one statement for each kind of thing.
pub fn iam_policy(needed_for: AwsUse, facts: &PolicyFacts) -> Json {
    let mut rights: BTreeMap<AwsScope, BTreeSet<&str>> = BTreeMap::new();
    let needed = AWS_CALLS.iter().filter(|call| match needed_for {
        AwsUse::Plan => call.needed_for == AwsUse::Plan,
        AwsUse::Rollout => true,
    });
    for call in needed {
        rights.entry(call.on).or_default().insert(call.right);
    }
    let statements: Vec<Json> = rights
        .into_iter()
        .filter_map(|(scope, rights)| statement(scope, &rights, facts))
        .collect();
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn statement(scope: AwsScope, rights: &BTreeSet<&str>, facts: &PolicyFacts) -> Option<Json> {
    let resources = resources(scope, facts);
    if resources.is_empty() {
        return None;
    }
    let mut statement = json!({
        "Sid": sid(scope),
        "Effect": "Allow",
        "Action": rights,
        "Resource": resources,
    });
    if let (Some(condition), Some(object)) = (condition(scope, facts), statement.as_object_mut()) {
        object.insert("Condition".into(), condition);
    }
    Some(statement)
}

/// Where clusters have a role, statements that begin with `Caller` belong to the caller and the others to that role.
fn sid(scope: AwsScope) -> &'static str {
    match scope {
        AwsScope::Everything => "Everything",
        AwsScope::ClusterRoles => "CallerAssumesClusterRoles",
        AwsScope::Groups => "GroupsOfClusters",
        AwsScope::NewGroups => "NewGroupsOfClusters",
        AwsScope::Templates => "LaunchTemplatesOfClusters",
        AwsScope::NewTemplates => "NewLaunchTemplatesOfClusters",
        AwsScope::TemplatesAndInstances => "TagsInClusters",
        AwsScope::TagsOfNew => "TagsOfWhatIsMade",
        AwsScope::Instances => "InstancesOfClusters",
        AwsScope::InstanceRoles => "RolesOfInstances",
        AwsScope::StoreBucket => "CallerListsStore",
        AwsScope::StoreObjects => "CallerKeepsStore",
        AwsScope::StateBuckets => "ListKopsState",
        AwsScope::StateObjects => "ReadKopsState",
    }
}

fn resources(scope: AwsScope, facts: &PolicyFacts) -> Vec<String> {
    let partition = &facts.partition;
    let of_accounts = |what: &dyn Fn(&AccountId) -> String| -> Vec<String> {
        facts.accounts.iter().map(what).collect()
    };
    let groups = |account: &AccountId| {
        format!("arn:{partition}:autoscaling:*:{account}:autoScalingGroup:*:autoScalingGroupName/*")
    };
    let ec2 = |kind: &str, account: &AccountId| format!("arn:{partition}:ec2:*:{account}:{kind}/*");
    let templates = |account: &AccountId| ec2("launch-template", account);
    let instances = |account: &AccountId| ec2("instance", account);
    match scope {
        AwsScope::Everything => vec!["*".into()],
        AwsScope::ClusterRoles => facts.cluster_roles.iter().cloned().collect(),
        AwsScope::Groups | AwsScope::NewGroups => of_accounts(&groups),
        AwsScope::Templates | AwsScope::NewTemplates => of_accounts(&templates),
        AwsScope::Instances => of_accounts(&instances),
        AwsScope::TemplatesAndInstances => {
            let mut both = of_accounts(&templates);
            both.extend(of_accounts(&instances));
            both
        }
        AwsScope::TagsOfNew => of_accounts(&|account| ec2("*", account)),
        AwsScope::InstanceRoles => facts
            .accounts
            .iter()
            .flat_map(|account| {
                let role =
                    move |name: &String| format!("arn:{partition}:iam::{account}:role/{name}");
                facts.instance_profiles.iter().map(role)
            })
            .collect(),
        AwsScope::StoreBucket => facts.store.iter().map(|s| bucket(partition, s)).collect(),
        AwsScope::StoreObjects => facts.store.iter().map(|s| objects(partition, s)).collect(),
        AwsScope::StateBuckets => {
            let all: BTreeSet<String> = facts
                .state_stores
                .iter()
                .map(|s| bucket(partition, s))
                .collect();
            all.into_iter().collect()
        }
        AwsScope::StateObjects => facts
            .state_stores
            .iter()
            .map(|s| objects(partition, s))
            .collect(),
    }
}

fn bucket(partition: &str, store: &str) -> String {
    let name = store.split('/').next().unwrap_or_default();
    format!("arn:{partition}:s3:::{name}")
}

fn objects(partition: &str, store: &str) -> String {
    format!("arn:{partition}:s3:::{}/*", store.trim_end_matches('/'))
}

/// The tag by which kops, and kfleet, know what is a cluster's.
const CLUSTER_TAG: &str = "KubernetesCluster";

fn condition(scope: AwsScope, facts: &PolicyFacts) -> Option<Json> {
    let tagged =
        |key: &str| json!({"StringEquals": {format!("aws:{key}/{CLUSTER_TAG}"): facts.clusters}});
    match scope {
        AwsScope::Groups
        | AwsScope::Templates
        | AwsScope::Instances
        | AwsScope::TemplatesAndInstances => Some(tagged("ResourceTag")),
        AwsScope::NewGroups | AwsScope::NewTemplates => Some(tagged("RequestTag")),
        AwsScope::TagsOfNew => Some(json!({"StringEquals": {
            "ec2:CreateAction": ["CreateFleet", "CreateLaunchTemplate", "RunInstances"],
        }})),
        AwsScope::InstanceRoles => {
            Some(json!({"StringEquals": {"iam:PassedToService": ["ec2.amazonaws.com"]}}))
        }
        AwsScope::Everything
        | AwsScope::ClusterRoles
        | AwsScope::StoreBucket
        | AwsScope::StoreObjects
        | AwsScope::StateBuckets
        | AwsScope::StateObjects => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> PolicyFacts {
        PolicyFacts {
            clusters: ["a.k8s.foo.bar".parse().unwrap()].into(),
            accounts: [AccountId::new("111122223333").unwrap()].into(),
            partition: "aws".into(),
            instance_profiles: ["nodes.a.k8s.foo.bar".to_owned()].into(),
            store: Some("acme-kfleet/prod".into()),
            ..PolicyFacts::default()
        }
    }

    fn statement_of<'a>(policy: &'a Json, sid: &str) -> Option<&'a Json> {
        policy["Statement"]
            .as_array()?
            .iter()
            .find(|s| s["Sid"] == sid)
    }

    #[test]
    fn who_only_looks_may_change_nothing() {
        let policy = iam_policy(AwsUse::Plan, &facts());
        let statements = policy["Statement"].as_array().unwrap();
        let rights = statements
            .iter()
            .flat_map(|s| s["Action"].as_array().unwrap());
        for right in rights.map(|r| r.as_str().unwrap()) {
            let verb = right.split(':').nth(1).unwrap();
            let looks = ["Describe", "Get", "List", "AssumeRole"];
            assert!(looks.iter().any(|l| verb.starts_with(l)), "{right}");
        }
        // What the fleet does not have is not named.
        assert_eq!(statement_of(&policy, "CallerAssumesClusterRoles"), None);
        assert_eq!(statement_of(&policy, "ReadKopsState"), None);
    }

    #[test]
    fn who_rolls_out_may_change_what_is_tagged() {
        let policy = iam_policy(AwsUse::Rollout, &facts());
        let groups = statement_of(&policy, "GroupsOfClusters").unwrap();
        let rights = groups["Action"].as_array().unwrap();
        assert!(rights.contains(&json!("autoscaling:LaunchInstances")));
        assert_eq!(
            groups["Resource"],
            json!(["arn:aws:autoscaling:*:111122223333:autoScalingGroup:*:autoScalingGroupName/*"])
        );
        assert_eq!(
            groups["Condition"],
            json!({"StringEquals": {"aws:ResourceTag/KubernetesCluster": ["a.k8s.foo.bar"]}})
        );
        // Nothing that changes something is given on everything, but what AWS checks in no other way.
        let all = statement_of(&policy, "Everything").unwrap();
        let acts = rights_of(all);
        let acts: Vec<&&str> = acts
            .iter()
            .filter(|r| !r.contains(":Describe") && !r.contains(":Get"))
            .collect();
        assert_eq!(acts, [&"ec2:CreateFleet", &"ec2:RunInstances"]);
        let store = statement_of(&policy, "CallerKeepsStore").unwrap();
        assert_eq!(
            store["Resource"],
            json!(["arn:aws:s3:::acme-kfleet/prod/*"])
        );
    }

    fn rights_of(statement: &Json) -> Vec<&str> {
        let actions = statement["Action"].as_array().unwrap();
        actions.iter().filter_map(Json::as_str).collect()
    }
}

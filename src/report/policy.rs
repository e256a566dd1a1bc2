//! The least that AWS has to allow: IAM policies for those who only look and for those who roll out, from the list of calls and what the fleet names.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use crate::model::{
    AWS_CALLS, AccountId, AsgName, AwsScope, AwsUse, ClusterName, Region, RightsQuestion,
};

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
    let statements: Vec<Json> = rights(needed_for)
        .into_iter()
        .filter_map(|(scope, rights)| statement(scope, &rights, facts))
        .collect();
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// All rights that something needs, by what they are given on.
fn rights(needed_for: AwsUse) -> BTreeMap<AwsScope, BTreeSet<&'static str>> {
    let mut rights: BTreeMap<AwsScope, BTreeSet<&str>> = BTreeMap::new();
    let needed = AWS_CALLS.iter().filter(|call| match needed_for {
        AwsUse::Plan => call.needed_for == AwsUse::Plan,
        AwsUse::Rollout => matches!(call.needed_for, AwsUse::Plan | AwsUse::Rollout),
        AwsUse::Doctor => call.needed_for == AwsUse::Doctor,
    });
    for call in needed {
        rights.entry(call.on).or_default().insert(call.right);
    }
    rights
}

/// One cluster whose rights are asked about: IAM's simulation takes the names of things, and not patterns of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RightsSample {
    pub cluster: ClusterName,
    pub account: AccountId,
    pub region: Region,
    /// The partition of its region.
    pub partition: String,
    /// One of its groups.
    pub group: AsgName,
    /// The instance profiles that its definitions name.
    pub instance_profiles: BTreeSet<String>,
    /// The store, where it is in S3 and kept by who is asked about: `bucket/prefix`.
    pub store: Option<String>,
    /// kops's state store of the cluster, where it is in S3: `bucket/prefix`.
    pub state_store: Option<String>,
}

/// What a rollout of a cluster has to be allowed, as questions: the same rights as those of [`iam_policy`], on something that its resources cover.
pub fn rights_questions(sample: &RightsSample) -> Vec<RightsQuestion> {
    let question = |(scope, rights): (AwsScope, BTreeSet<&'static str>)| {
        let resources = sampled(scope, sample);
        (!resources.is_empty()).then(|| RightsQuestion {
            rights,
            resources,
            context: situation(scope, sample),
        })
    };
    rights(AwsUse::Rollout)
        .into_iter()
        .filter_map(question)
        .collect()
}

/// Things of the cluster; where only AWS knows their ids, ids that nothing has.
fn sampled(scope: AwsScope, sample: &RightsSample) -> Vec<String> {
    let RightsSample {
        cluster: _,
        account,
        region,
        partition,
        group,
        instance_profiles,
        store,
        state_store,
    } = sample;
    let ec2 = |what: &str| format!("arn:{partition}:ec2:{region}:{account}:{what}");
    let template = || ec2("launch-template/lt-00000000000000000");
    let instance = || ec2("instance/i-00000000000000000");
    let object = |store: &String| {
        format!(
            "{}/kfleet",
            objects(partition, store).trim_end_matches("/*")
        )
    };
    match scope {
        AwsScope::Everything => vec!["*".to_owned()],
        // Whoever is asked about has been assumed, or assumes nothing.
        AwsScope::ClusterRoles => Vec::new(),
        AwsScope::Groups | AwsScope::NewGroups => vec![format!(
            "arn:{partition}:autoscaling:{region}:{account}:autoScalingGroup:00000000-0000-0000-0000-000000000000:autoScalingGroupName/{group}"
        )],
        AwsScope::Templates | AwsScope::NewTemplates => vec![template()],
        AwsScope::TemplatesAndInstances | AwsScope::TagsOfNew => vec![template(), instance()],
        AwsScope::Instances => vec![instance()],
        AwsScope::InstanceRoles => {
            let role = |name: &String| format!("arn:{partition}:iam::{account}:role/{name}");
            instance_profiles.iter().map(role).collect()
        }
        AwsScope::StoreBucket => store.iter().map(|s| bucket(partition, s)).collect(),
        AwsScope::StoreObjects => store.iter().map(object).collect(),
        AwsScope::StateBuckets => state_store.iter().map(|s| bucket(partition, s)).collect(),
        AwsScope::StateObjects => state_store.iter().map(object).collect(),
    }
}

/// The condition keys that policies of kfleet's ask for, with what a call would have.
fn situation(scope: AwsScope, sample: &RightsSample) -> BTreeMap<String, String> {
    let cluster = sample.cluster.to_string();
    let (key, value) = match scope {
        AwsScope::Groups
        | AwsScope::Templates
        | AwsScope::Instances
        | AwsScope::TemplatesAndInstances => (format!("aws:ResourceTag/{CLUSTER_TAG}"), cluster),
        AwsScope::NewGroups | AwsScope::NewTemplates => {
            (format!("aws:RequestTag/{CLUSTER_TAG}"), cluster)
        }
        AwsScope::TagsOfNew => ("ec2:CreateAction".to_owned(), "RunInstances".to_owned()),
        AwsScope::InstanceRoles => (
            "iam:PassedToService".to_owned(),
            "ec2.amazonaws.com".to_owned(),
        ),
        AwsScope::Everything
        | AwsScope::ClusterRoles
        | AwsScope::StoreBucket
        | AwsScope::StoreObjects
        | AwsScope::StateBuckets
        | AwsScope::StateObjects => return BTreeMap::new(),
    };
    [(key, value)].into()
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

    /// What the printed policy gives is what is asked about: the same rights, and of each condition the key.
    #[test]
    fn every_right_of_the_policy_is_asked_about() {
        let sample = RightsSample {
            cluster: "a.k8s.foo.bar".parse().unwrap(),
            account: AccountId::new("111122223333").unwrap(),
            region: "eu-west-3".parse().unwrap(),
            partition: "aws".into(),
            group: "nodes.a.k8s.foo.bar".parse().unwrap(),
            instance_profiles: ["nodes.a.k8s.foo.bar".to_owned()].into(),
            store: Some("acme-kfleet/prod".into()),
            state_store: None,
        };
        let questions = rights_questions(&sample);
        let policy = iam_policy(AwsUse::Rollout, &facts());
        let statements = policy["Statement"].as_array().unwrap();
        assert_eq!(questions.len(), statements.len());
        for (question, statement) in questions.iter().zip(statements) {
            let rights: Vec<&str> = question.rights.iter().copied().collect();
            assert_eq!(rights, rights_of(statement));
            let keys: Vec<&String> = question.context.keys().collect();
            let condition = statement["Condition"]["StringEquals"].as_object();
            assert_eq!(
                keys,
                condition.iter().flat_map(|c| c.keys()).collect::<Vec<_>>()
            );
            for (asked, given) in question
                .resources
                .iter()
                .zip(statement["Resource"].as_array().unwrap())
            {
                let pattern = given.as_str().unwrap().split('*').next().unwrap();
                assert!(asked.starts_with(pattern), "{asked} {given}");
            }
        }
    }

    fn rights_of(statement: &Json) -> Vec<&str> {
        let actions = statement["Action"].as_array().unwrap();
        actions.iter().filter_map(Json::as_str).collect()
    }
}

//! Small plans and rollouts to report on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use kfleet::fleet::{Rolling, Stage, Wave};
use kfleet::kops::Role;
use kfleet::model::*;
use kfleet::plan::*;
use serde_json::Value as Json;

/// Compares with the file of that name beside this one.
pub(crate) fn check(file: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/report_cases")
        .join(file);
    if std::env::var_os("KFLEET_BLESS").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == found,
        "{file} should be:\n{expected}\nand is:\n{found}"
    );
}

pub(crate) fn cluster(name: &str) -> ClusterName {
    ClusterName::new(format!("{name}.k8s.foo.bar")).unwrap()
}

pub(crate) fn asg(group: &str, name: &str) -> AsgName {
    AsgName::new(format!("{group}.{name}.k8s.foo.bar")).unwrap()
}

pub(crate) fn stage(name: &str) -> StageName {
    StageName::new(name).unwrap()
}

pub(crate) fn at(text: &str) -> Timestamp {
    Timestamp::try_from(format!("2026-01-05T{text}Z")).unwrap()
}

pub(crate) fn stages(of: &[(&str, &[&str])]) -> Vec<Stage> {
    let one = |(name, clusters): &(&str, &[&str])| Stage {
        name: stage(name),
        after: None,
        waves: vec![Wave {
            clusters: clusters.iter().map(|c| cluster(c)).collect(),
            parallel: 1,
            soak: Span::ZERO,
        }],
        soak: Span::ZERO,
        approval: false,
        freeze: Vec::new(),
        on_failure: kfleet::fleet::OnFailure::Rollback,
    };
    of.iter().map(one).collect()
}

pub(crate) fn definition(group: &str, name: &str) -> Definition {
    let asg = asg(group, name);
    let json = serde_json::json!({
        "instanceGroup": group,
        "autoScalingGroup": {
            "AutoScalingGroupName": asg, "MinSize": 1, "MaxSize": 5, "VPCZoneIdentifier": ["eu-west-3a"],
            "NewInstancesProtectedFromScaleIn": false, "Tags": [], "EnabledMetrics": {"Granularity": "1Minute", "Metrics": []},
            "MixedInstancesPolicy": {"InstancesDistribution": {}, "Overrides": [{"InstanceType": "m5.xlarge"}, {"InstanceType": "m5a.xlarge"}]}
        },
        "launchTemplate": {"LaunchTemplateName": asg, "LaunchTemplateData": {
            "ImageId": "ami-2", "InstanceType": "m5.xlarge", "IamInstanceProfile": {"Name": "nodes"}, "BlockDeviceMappings": [],
            "MetadataOptions": {"HttpEndpoint": "enabled", "HttpProtocolIpv6": "disabled", "HttpPutResponseHopLimit": 1, "HttpTokens": "required"},
            "Monitoring": {"Enabled": false}, "NetworkInterfaces": [], "TagSpecifications": []
        }}
    });
    serde_json::from_value(json).unwrap()
}

/// A field by the last part of its path, with JSON values; an empty text: absent.
pub(crate) fn field(path: &str, from: &str, to: &str) -> FieldChange {
    let value = |t: &str| (!t.is_empty()).then(|| serde_json::from_str::<Json>(t).unwrap());
    FieldChange {
        field: path.into(),
        from: value(from),
        to: value(to),
    }
}

pub(crate) const LT: &str = "launchTemplate.LaunchTemplateData.";

pub(crate) fn image() -> FieldChange {
    field(&format!("{LT}ImageId"), "\"ami-1\"", "\"ami-2\"")
}

/// The same tag in the group and in all three specifications.
pub(crate) fn tag(key: &str, from: &str, to: &str) -> Vec<FieldChange> {
    let of = |kind: &str| {
        field(
            &format!("{LT}TagSpecifications[{kind}].Tags.{key}"),
            from,
            to,
        )
    };
    vec![
        field(&format!("autoScalingGroup.Tags[{key}].Value"), from, to),
        of("instance"),
        of("network-interface"),
        of("volume"),
    ]
}

pub(crate) struct Update<'a> {
    pub(crate) fields: Vec<FieldChange>,
    pub(crate) existing: Option<u64>,
    pub(crate) replace: &'a [(&'a str, &'a [&'a str])],
    pub(crate) rolls: bool,
}

impl Default for Update<'_> {
    fn default() -> Self {
        Update {
            fields: Vec::new(),
            existing: None,
            replace: &[],
            rolls: true,
        }
    }
}

fn target(group: &str, name: &str, replace_instances: bool) -> Box<Target> {
    let definition = definition(group, name);
    Box::new(Target {
        definition: definition.into(),
        role: Role::Node,
        user_data: UserData::CarriedFrom(3),
        rolling: Rolling::default(),
        replace_instances,
    })
}

fn found(group: &str, name: &str) -> Box<Found> {
    Box::new(Found {
        definition: definition(group, name).into(),
        version: VersionRef::Number(3),
        desired: 3,
    })
}

pub(crate) fn id(text: &str) -> InstanceId {
    InstanceId::new(text).unwrap()
}

/// The plan of one cluster, built step by step.
pub(crate) struct Cluster {
    pub(crate) name: String,
    pub(crate) plan: ClusterPlan,
}

impl Cluster {
    pub(crate) fn new(name: &str) -> Cluster {
        let roles = [
            ("cp", Role::ControlPlane),
            ("nodes", Role::Node),
            ("spot", Role::Node),
        ];
        let plan = ClusterPlan {
            kops: None,
            hooks_not_compared: 0,
            etcd: BTreeMap::new(),
            unchanged: BTreeMap::new(),
            pending: BTreeMap::new(),
            user_data: BTreeMap::new(),
            account: AccountId::new("111122223333").unwrap(),
            region: Region::new("eu-west-3").unwrap(),
            digest: digest_of(&name),
            fingerprint: digest_of(&(name, 1)),
            roles: roles
                .into_iter()
                .map(|(group, role)| (asg(group, name), role))
                .collect(),
            groups: BTreeMap::new(),
            twins: BTreeMap::new(),
            documents: BTreeMap::new(),
            blocked: Vec::new(),
            remarks: Vec::new(),
            images: BTreeMap::new(),
            notes: Vec::new(),
            unseen: None,
        };
        Cluster {
            name: name.into(),
            plan,
        }
    }

    pub(crate) fn update(mut self, group: &str, update: Update<'_>) -> Self {
        let replace = update
            .replace
            .iter()
            .map(|(i, why)| (id(i), why.iter().map(|w| (*w).to_owned()).collect()))
            .collect();
        let change = GroupChange::Update {
            to: target(group, &self.name, update.rolls),
            from: found(group, &self.name),
            fields: update.fields,
            existing_version: update.existing,
            replace,
        };
        self.plan.groups.insert(asg(group, &self.name), change);
        self
    }

    pub(crate) fn create(mut self, group: &str) -> Self {
        self.plan.groups.insert(
            asg(group, &self.name),
            GroupChange::Create {
                to: target(group, &self.name, true),
            },
        );
        self
    }

    pub(crate) fn retire(mut self, group: &str, instances: &[&str]) -> Self {
        let instances: BTreeSet<InstanceId> = instances.iter().map(|i| id(i)).collect();
        self.plan.groups.insert(
            asg(group, &self.name),
            GroupChange::Retire {
                from: found(group, &self.name),
                instances,
            },
        );
        self
    }

    pub(crate) fn document(mut self, name: &str, change: DocumentChange) -> Self {
        self.plan.documents.insert(name.into(), change);
        self
    }

    pub(crate) fn blocked(mut self, blocked: Blocked) -> Self {
        self.plan.blocked.push(blocked);
        self.plan.blocked.sort();
        self
    }

    pub(crate) fn unseen(mut self, kind: kfleet::model::UnseenKind, why: &str) -> Self {
        self.plan.unseen = Some(kfleet::model::Unseen {
            kind,
            why: why.into(),
        });
        self
    }

    pub(crate) fn hooks_not_compared(mut self, groups: usize) -> Self {
        self.plan.hooks_not_compared = groups;
        self
    }

    pub(crate) fn note(mut self, note: impl Into<Note>) -> Self {
        self.plan.notes.push(note.into());
        self
    }
}

pub(crate) fn plan(clusters: Vec<Cluster>) -> Plan {
    let release = digest_of(&"release");
    let clusters: BTreeMap<ClusterName, ClusterPlan> = clusters
        .into_iter()
        .map(|c| (cluster(&c.name), c.plan))
        .collect();
    let policy = Policy {
        stages: Vec::new(),
        gates: Vec::new(),
        rolling: Rolling::default(),
        rollback: kfleet::fleet::Rollback::default(),
    };
    Plan {
        version: PLAN_VERSION,
        id: digest_of(&(PLAN_VERSION, &release, &policy, &clusters)),
        release,
        policy,
        clusters,
        hooks: Vec::new(),
    }
}

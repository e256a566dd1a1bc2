//! `call_rates` of `fleet.yaml`: how fast AWS lets the fleet's accounts call it, where that is not what AWS publishes. Calls nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::document::{ParsedFile, invalid};
use super::{FleetError, closest};

/// How fast an API may be called: a token bucket, as AWS describes its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallRate {
    /// Calls at once after a pause.
    pub burst: u32,
    /// Calls a second from then on.
    pub per_second: u32,
}

/// Rates by what is called: `ec2:DescribeInstances`, or all calls of a service that read (`ec2:read`) or change something (`ec2:change`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRates(BTreeMap<String, CallRate>);

/// The calls whose pace is kept, by service: every one that kfleet makes, but for those of S3.
const CALLS: [(&str, &[&str]); 5] = [
    (
        "autoscaling",
        &[
            "AttachLoadBalancerTargetGroups",
            "AttachLoadBalancers",
            "CancelInstanceRefresh",
            "CreateAutoScalingGroup",
            "CreateOrUpdateTags",
            "DeleteAutoScalingGroup",
            "DeleteLifecycleHook",
            "DeleteTags",
            "DeleteWarmPool",
            "DescribeAutoScalingGroups",
            "DescribeInstanceRefreshes",
            "DescribeLifecycleHooks",
            "DescribeScalingActivities",
            "DescribeWarmPool",
            "DetachInstances",
            "DetachLoadBalancerTargetGroups",
            "DetachLoadBalancers",
            "DisableMetricsCollection",
            "EnableMetricsCollection",
            "LaunchInstances",
            "PutLifecycleHook",
            "PutWarmPool",
            "ResumeProcesses",
            "RollbackInstanceRefresh",
            "SetDesiredCapacity",
            "SetInstanceProtection",
            "StartInstanceRefresh",
            "SuspendProcesses",
            "TerminateInstanceInAutoScalingGroup",
            "UpdateAutoScalingGroup",
        ],
    ),
    (
        "ec2",
        &[
            "CreateLaunchTemplate",
            "CreateLaunchTemplateVersion",
            "CreateTags",
            "DeleteLaunchTemplate",
            "DeleteLaunchTemplateVersions",
            "DeleteTags",
            "DescribeImages",
            "DescribeInstanceTypeOfferings",
            "DescribeInstances",
            "DescribeLaunchTemplateVersions",
            "DescribeLaunchTemplates",
            "DescribeSecurityGroups",
            "DescribeSubnets",
            "GetSpotPlacementScores",
            "RunInstances",
            "TerminateInstances",
        ],
    ),
    (
        "elasticloadbalancing",
        &[
            "DescribeInstanceHealth",
            "DescribeLoadBalancers",
            "DescribeTags",
            "DescribeTargetGroups",
            "DescribeTargetHealth",
        ],
    ),
    (
        "servicequotas",
        &["GetAWSDefaultServiceQuota", "GetServiceQuota"],
    ),
    ("sts", &["AssumeRole", "GetCallerIdentity"]),
];

/// What stands for all calls of a service that read, or that change something.
const KINDS: [&str; 2] = ["read", "change"];

impl CallRates {
    /// What is said of a call, by its `service:Api`; what is said of it alone goes before what is said of all that read, or change something.
    pub fn of(&self, call: &str, reads: bool) -> Option<CallRate> {
        let service = call.split(':').next().unwrap_or_default();
        let of_kind = || {
            self.0.get(&format!(
                "{service}:{}",
                if reads { "read" } else { "change" }
            ))
        };
        self.0.get(call).or_else(of_kind).copied()
    }

    /// The rates as written, checked: a rate of a call that is never made would have no effect.
    pub(super) fn resolve(
        doc: &ParsedFile,
        given: BTreeMap<String, CallRate>,
    ) -> Result<CallRates, FleetError> {
        for (call, CallRate { burst, per_second }) in &given {
            if let Some(hint) = unknown(call) {
                return Err(invalid(
                    doc,
                    &["call_rates", call],
                    format!("kfleet makes no call `{call}`"),
                    hint,
                ));
            }
            if *burst == 0 || *per_second == 0 {
                let hint = "write how fast AWS lets you call, such as {burst: 100, per_second: 20}; `--call-share` says how much of it is used";
                return Err(invalid(
                    doc,
                    &["call_rates", call],
                    format!("this rate lets `{call}` never be called"),
                    hint,
                ));
            }
        }
        Ok(CallRates(given))
    }
}

/// What to write instead of a call that there is not.
fn unknown(call: &str) -> Option<String> {
    let (service, api) = call.split_once(':').unwrap_or((call, ""));
    let services: Vec<&str> = CALLS.iter().map(|(name, _)| *name).collect();
    match CALLS.iter().find(|(name, _)| *name == service) {
        None => Some(format!(
            "write SERVICE:Api, SERVICE:read or SERVICE:change; the services are {}",
            services.join(", ")
        )),
        Some((_, apis)) if KINDS.contains(&api) || apis.contains(&api) => None,
        Some((_, apis)) => Some(match closest(api, apis.iter().chain(&KINDS).copied()) {
            Some(near) => format!("did you mean `{service}:{near}`?"),
            None => format!(
                "its calls are {}; or write {service}:read, {service}:change",
                apis.join(", ")
            ),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_call_alone_goes_first() {
        let rate = |burst| CallRate {
            burst,
            per_second: 1,
        };
        let rates = CallRates(
            [
                ("ec2:read", 1),
                ("ec2:DescribeSubnets", 2),
                ("sts:change", 3),
            ]
            .map(|(call, burst)| (call.to_owned(), rate(burst)))
            .into(),
        );
        for (call, reads, burst) in [
            ("ec2:DescribeSubnets", true, Some(2)),
            ("ec2:DescribeImages", true, Some(1)),
            ("ec2:CreateTags", false, None),
            ("sts:AssumeRole", true, None),
            ("autoscaling:DescribeWarmPool", true, None),
        ] {
            assert_eq!(rates.of(call, reads), burst.map(rate), "{call}");
        }
    }
}

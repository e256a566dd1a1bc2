//! The rules of a rollout that an effect or a record breaks, in sentences. Names of others are not made safe to print here: whatever prints does that.

mod record;
mod step;

use crate::rollout::Breach;

/// A broken rule as a sentence without a full stop.
pub fn breach_text(breach: &Breach) -> String {
    match breach {
        Breach::Order(breach) => step::of_order(breach),
        Breach::Group(breach) => step::of_group(breach),
        Breach::Instance(breach) => step::of_instance(breach),
        Breach::Node(breach) => step::of_node(breach),
        Breach::Pod(breach) => step::of_pods(breach),
        Breach::Turn(breach) => record::of_turn(breach),
        Breach::Claim(breach) => record::of_claim(breach),
        Breach::Record(breach) => record::of_record(breach),
    }
}

/// A broken rule with its code, for who reports it.
pub(super) fn breach_line(breach: &Breach) -> String {
    let json = serde_json::to_value(breach).ok();
    let code = json.as_ref().and_then(|json| json.get("code")?.as_str());
    match code {
        Some(code) => format!("{} ({code})", breach_text(breach)),
        None => breach_text(breach),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::{PlaneLack, RecordBreach};

    #[test]
    fn a_broken_rule_is_told_with_its_code() {
        let early = RecordBreach::NotRestored {
            cluster: "a.k8s.test".parse().unwrap(),
        };
        assert_eq!(
            breach_line(&early.into()),
            "the rollout is rolled back before a.k8s.test is restored (not-restored)"
        );
    }

    #[test]
    fn a_lack_keeps_its_own_code() {
        let ends = crate::rollout::InstanceBreach::ControlPlaneEnds {
            instance: "i-00000000000000001".parse().unwrap(),
            lack: PlaneLack::EtcdShort {
                etcd: "main".into(),
                healthy: 1,
                wanted: 2,
            },
        };
        assert_eq!(
            breach_line(&ends.into()),
            "i-00000000000000001 of the control plane ends while etcd main has 1 of 2 other members healthy (control-plane-ends)"
        );
    }
}

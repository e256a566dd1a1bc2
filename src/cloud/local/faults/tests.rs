//! Faults as text.

use super::*;

fn check(text: &str) -> String {
    match text.parse::<Fault>() {
        Ok(fault) => format!("{fault:?}"),
        Err(error) => error.to_string(),
    }
}

fn all(cases: &[(&str, &str)]) {
    for (text, read) in cases {
        assert_eq!(check(text), *read);
    }
}

#[test]
fn faults_with_names_are_read_from_text() {
    all(&[
        ("sick-image:ami-1", "SickImage(\"ami-1\")"),
        (
            "dead-image:099720109477/ubuntu:24.04",
            "DeadImage(\"099720109477/ubuntu:24.04\")",
        ),
        ("sick-etcd:ami-1", "SickEtcd(\"ami-1\")"),
        ("no-etcd:cp-a", "NoEtcd(\"cp-a\")"),
        (
            "refuse-evictions:nodes:webhook",
            "RefuseEvictions(\"nodes\", Webhook)",
        ),
        (
            "refuse-evictions:nodes",
            "fault `refuse-evictions:nodes` is written refuse-evictions:GROUP:KIND, KIND one of right, webhook, busy, broken-webhook, many-budgets, ending-namespace",
        ),
    ]);
}

#[test]
fn faults_of_capacity_are_read_from_text() {
    all(&[
        ("no-capacity:nodes.a.b", "NoCapacity(\"nodes.a.b\")"),
        (
            "no-capacity:nodes:m5.large@eu-west-3a",
            "NoCapacityOf(Pool { group: Some(\"nodes\"), instance_type: Some(\"m5.large\"), zone: Some(\"eu-west-3a\") })",
        ),
        (
            "no-capacity:nodes:@eu-west-3a",
            "NoCapacityOf(Pool { group: Some(\"nodes\"), instance_type: None, zone: Some(\"eu-west-3a\") })",
        ),
        (
            "no-capacity:nodes:",
            "fault `no-capacity:nodes:` is written no-capacity:GROUP:TYPE@ZONE, type or zone left out",
        ),
    ]);
}

#[test]
fn faults_of_room_are_read_from_text() {
    all(&[
        (
            "few-addresses:eu-west-3a.a.b:3",
            "Lack(FewAddresses(\"eu-west-3a.a.b\", 3))",
        ),
        (
            "few-addresses:eu-west-3a",
            "fault `few-addresses:eu-west-3a` is written few-addresses:SUBNET:N",
        ),
        (
            "spot-score:eu-west-3a:2",
            "Lack(SpotScore(\"eu-west-3a\", 2))",
        ),
        (
            "many-versions:nodes.a.b:9990",
            "Lack(ManyVersions(\"nodes.a.b\", 9990))",
        ),
        ("few-vcpus:spot:8", "Lack(FewVcpus(Spot, 8))"),
        (
            "few-vcpus:dedicated:8",
            "fault `few-vcpus:dedicated:8` is written few-vcpus:MARKET:N, MARKET one of on-demand, spot",
        ),
        (
            "not-offered:m5.large@eu-west-3a",
            "Lack(NotOffered(Pool { group: None, instance_type: Some(\"m5.large\"), zone: Some(\"eu-west-3a\") }))",
        ),
    ]);
}

#[test]
fn faults_of_images_are_read_from_text() {
    all(&[
        ("no-image:ami-1", "Lack(NoImage(\"ami-1\"))"),
        ("no-image:", "fault `no-image:` is written no-image:IMAGE"),
        (
            "other-architecture:ami-1:arm64",
            "Lack(OtherArchitecture(\"ami-1\", \"arm64\"))",
        ),
        (
            "other-architecture:ami-1:mips",
            "fault `other-architecture:ami-1:mips` is written other-architecture:IMAGE:ARCHITECTURE, the last one of amd64, arm64",
        ),
        ("no-room-read:quotas", "Lack(NoRead(\"quotas\"))"),
        (
            "no-room-read:all",
            "fault `no-room-read:all` is written no-room-read:WHAT, WHAT one of subnets, quotas, offers, images, versions, scores, launches",
        ),
    ]);
}

#[test]
fn faults_with_numbers_are_read_from_text() {
    all(&[
        ("slow-boot:nodes:600", "SlowBoot(\"nodes\", Span(600000))"),
        (
            "slow-boot:nodes",
            "fault `slow-boot:nodes` is written slow-boot:GROUP:SECONDS",
        ),
        (
            "slow-boot::5",
            "fault `slow-boot::5` is written slow-boot:GROUP:SECONDS",
        ),
        ("throttle:3", "Throttle(3)"),
        (
            "throttle:1",
            "fault `throttle:1` is written throttle:N, N at least 2",
        ),
        (
            "lost-answer:x",
            "fault `lost-answer:x` is written lost-answer:N, N at least 2",
        ),
        ("no-read:a.b", "NoRead(ClusterName(\"a.b\"))"),
        (
            "stuck-drain",
            "fault `stuck-drain` is written stuck-drain:GROUP",
        ),
        (
            "no-capacity-of:m5.large@*",
            "NoCapacityOf(Pool { group: None, instance_type: Some(\"m5.large\"), zone: None })",
        ),
        (
            "no-capacity-of:m5.large",
            "fault `no-capacity-of:m5.large` is written no-capacity-of:TYPE@ZONE, either of them * for all",
        ),
        ("no-answer:2", "NoAnswer(2)"),
        ("slow-pods:nodes:30", "SlowPods(\"nodes\", Span(30000))"),
        (
            "deregistration:nodes:300",
            "Deregistration(\"nodes\", Span(300000))",
        ),
        (
            "slow-volumes:nodes:360",
            "SlowVolumes(\"nodes\", Span(360000))",
        ),
        (
            "balancer:nodes:300",
            "Balancer(\"nodes\", Some(Span(300000)))",
        ),
        ("balancer:nodes:unread", "Balancer(\"nodes\", None)"),
        (
            "balancer:nodes",
            "fault `balancer:nodes` is written balancer:GROUP:SECONDS, or balancer:GROUP:unread",
        ),
        ("shifting-pages:3", "ShiftingPages(3)"),
        ("lost-nodes:nodes:300", "LostNodes(\"nodes\", Span(300000))"),
        ("slow-end:nodes:300", "SlowEnd(\"nodes\", Span(300000))"),
        (
            "idle-scale-down:nodes:600",
            "IdleScaleDown(\"nodes\", Span(600000))",
        ),
        ("stale-reads:10", "StaleReads(Span(10000))"),
        (
            "stale-reads:x",
            "fault `stale-reads:x` is written stale-reads:SECONDS",
        ),
        ("expired-credentials", "ExpiredCredentials"),
        (
            "expired-credentials:x",
            "fault `expired-credentials:x` is written expired-credentials",
        ),
        ("no-kubernetes:a.b", "NoKubernetes(ClusterName(\"a.b\"))"),
    ]);
}

#[test]
fn what_is_no_fault_is_refused() {
    assert!(check("explode:x").starts_with("`explode` is no fault; there are sick-image,"));
    assert!(check("wrong-account:A B").contains("cluster name"));
}

//! Sizes and speeds of volumes that EBS takes. Source: Amazon EBS user guide, "Amazon EBS volume types" (gp3 as of September 2025, io2 Block Express).

use super::error::Problems;
use super::role::Role;
use super::view::View;

/// What EBS takes of a volume type.
struct Kind {
    name: &'static str,
    /// Least and most, in GiB.
    size: (i64, i64),
    /// IOPS: least, most, most a GiB. None: not to be chosen.
    iops: Option<(i64, i64, i64)>,
    /// MiB/s: least, most. None: not to be chosen.
    throughput: Option<(i64, i64)>,
}

const KINDS: [Kind; 7] = [
    Kind {
        name: "standard",
        size: (1, 1_024),
        iops: None,
        throughput: None,
    },
    Kind {
        name: "gp2",
        size: (1, 16_384),
        iops: None,
        throughput: None,
    },
    Kind {
        name: "gp3",
        size: (1, 65_536),
        iops: Some((3_000, 80_000, 500)),
        throughput: Some((125, 2_000)),
    },
    Kind {
        name: "io1",
        size: (4, 16_384),
        iops: Some((100, 64_000, 50)),
        throughput: None,
    },
    Kind {
        name: "io2",
        size: (4, 65_536),
        iops: Some((100, 256_000, 1_000)),
        throughput: None,
    },
    Kind {
        name: "st1",
        size: (125, 16_384),
        iops: None,
        throughput: None,
    },
    Kind {
        name: "sc1",
        size: (125, 16_384),
        iops: None,
        throughput: None,
    },
];

/// The field names of a volume in one of the three places where volumes stand.
struct Fields {
    size: &'static str,
    kind: &'static str,
    iops: &'static str,
    throughput: &'static str,
}

/// The root volume; kops raises its speeds to the least that EBS takes.
pub(super) fn root(spec: View<'_>, role: Role, problems: &mut Problems) {
    let fields = Fields {
        size: "rootVolumeSize",
        kind: "rootVolumeType",
        iops: "rootVolumeIops",
        throughput: "rootVolumeThroughput",
    };
    let default = i64::from(root_size(role));
    volume(spec, &fields, default, true, problems);
}

/// GiB of a root volume that says no size. Source: kops, `pkg/model/defaults/volumes.go`.
pub(crate) fn root_size(role: Role) -> u32 {
    match role {
        Role::ControlPlane => 64,
        Role::Node | Role::ApiServer => 128,
        Role::Bastion => 32,
    }
}

/// The other volumes: kops passes on what is written.
pub(super) fn others(spec: View<'_>, problems: &mut Problems) {
    let fields = Fields {
        size: "size",
        kind: "type",
        iops: "iops",
        throughput: "throughput",
    };
    for view in spec.list("volumes") {
        volume(view, &fields, 0, false, problems);
    }
}

/// The volumes of etcd members, 20 GiB of gp3 by default.
pub(super) fn etcd(spec: View<'_>, problems: &mut Problems) {
    let fields = Fields {
        size: "volumeSize",
        kind: "volumeType",
        iops: "volumeIops",
        throughput: "volumeThroughput",
    };
    for member in spec
        .list("etcdClusters")
        .flat_map(|etcd| etcd.list("etcdMembers"))
    {
        volume(member, &fields, 20, true, problems);
    }
}

/// `raised`: speeds below the least that EBS takes are raised by kops.
fn volume(
    view: View<'_>,
    fields: &Fields,
    default_size: i64,
    raised: bool,
    problems: &mut Problems,
) {
    let name = view.text(fields.kind).unwrap_or("gp3");
    let Some(kind) = KINDS.iter().find(|k| k.name == name) else {
        return;
    };
    let size = view
        .int(fields.size)
        .filter(|s| *s > 0)
        .unwrap_or(default_size);
    let (least, most) = kind.size;
    // A size that is missing or not positive has a fault of its own.
    if size > 0 && !(least..=most).contains(&size) {
        problems.error(
            view.at(fields.size),
            format!("a volume of type {name} has {least} to {most} GiB, and this one {size}"),
        );
        return;
    }
    let iops = speed(
        view,
        fields.iops,
        kind.iops.map(|(l, m, _)| (l, m)),
        raised,
        name,
        problems,
    );
    if let (Some(iops), Some((floor, _, a_gib))) = (iops, kind.iops)
        && size > 0
        && iops > floor.max(size.saturating_mul(a_gib))
    {
        problems.error(
            view.at(fields.iops),
            format!(
                "a volume of type {name} has {a_gib} IOPS a GiB at most: {} for its {size} GiB, and this one {iops}",
                floor.max(size.saturating_mul(a_gib))
            ),
        );
    }
    let throughput = speed(
        view,
        fields.throughput,
        kind.throughput,
        raised,
        name,
        problems,
    );
    if let (Some(throughput), Some(iops)) = (throughput, iops)
        && throughput > 125
        && throughput.saturating_mul(4) > iops
    {
        problems.error_hint(
            view.at(fields.throughput),
            format!("a volume of type {name} has 0.25 MiB/s an IOPS at most: {} for its {iops} IOPS, and this one {throughput}", iops / 4),
            format!("give it {} IOPS", throughput.saturating_mul(4)),
        );
    }
}

/// The speed in force, when the type has one to choose and it is in range.
fn speed(
    view: View<'_>,
    key: &str,
    range: Option<(i64, i64)>,
    raised: bool,
    kind: &str,
    problems: &mut Problems,
) -> Option<i64> {
    let (least, most) = range?;
    let Some(given) = view.int(key) else {
        return Some(least);
    };
    // A negative one has a fault of its own.
    let given = if raised { given.max(least) } else { given };
    if given >= 0 && !(least..=most).contains(&given) {
        problems.error(
            view.at(key),
            format!("`{key}` of a volume of type {kind} is {least} to {most}, and this is {given}"),
        );
        return None;
    }
    Some(given)
}

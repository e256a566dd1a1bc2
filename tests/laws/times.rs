//! The lease of a lock and the length of what is done under it, read off their constants: nothing of an attempt may be under way any more when another
//! process can take the lock.

use std::fs;
use std::path::Path;

/// The constants, in seconds.
#[derive(Clone, Debug)]
struct Times {
    /// How often the lock is looked at while an effect is carried out.
    watch: u64,
    /// One attempt of a call that changes something on AWS.
    attempt: u64,
    /// To reach a server at all.
    connect: u64,
    /// For the first byte of its answer.
    read: u64,
    /// One attempt of a call that changes something in Kubernetes.
    kubernetes: u64,
    /// Between two renewals.
    beat: u64,
    /// Without a renewal nobody acts on it after this.
    lease: u64,
    /// And nobody takes it over before this much more.
    margin: u64,
}

/// What does not hold.
fn wrong(times: &Times) -> Vec<String> {
    let Times {
        watch,
        attempt,
        connect,
        read,
        kubernetes,
        beat,
        lease,
        margin,
    } = *times;
    let mut wrong = Vec::new();
    // An effect is dropped at the latest one glance after the lease is over; what it had sent by then is answered, or given up, within one attempt.
    for (what, longest) in [("AWS", attempt), ("Kubernetes", kubernetes)] {
        if watch + longest >= margin {
            wrong.push(format!("an attempt at {what} ends {} s after the lease, and the lock may be taken after {margin} s", watch + longest));
        }
    }
    if attempt < connect + read {
        wrong.push("an attempt is shorter than its parts".into());
    }
    // One renewal that fails, and the next one, are no reason to stop.
    if lease < 3 * beat {
        wrong.push(format!(
            "a lease of {lease} s is over before two renewals of {beat} s have failed"
        ));
    }
    if margin + lease <= lease {
        wrong.push("there is no margin".into());
    }
    wrong
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The seconds in the first `Duration` or `Span` that follows `before` in a file.
fn seconds(path: &str, before: &str) -> u64 {
    let text = read(path);
    let (_, rest) = text
        .split_once(before)
        .unwrap_or_else(|| panic!("{path}: no `{before}`"));
    let (_, rest) = rest.split_once("from_secs(").unwrap();
    rest.split(')')
        .next()
        .unwrap()
        .replace('_', "")
        .parse()
        .unwrap()
}

fn times() -> Times {
    let aws = "src/cloud/aws/connect.rs";
    let lease = "src/store/lease.rs";
    Times {
        watch: seconds("src/run/execute.rs", "const WATCH: Duration"),
        attempt: seconds(aws, "const ATTEMPT: Duration"),
        connect: seconds(aws, "const CONNECT: Duration"),
        read: seconds(aws, "const READ: Duration"),
        kubernetes: seconds("src/nodes/kube/call.rs", "const PATIENCE: Duration"),
        beat: seconds(lease, "            beat: Span"),
        lease: seconds(lease, "            lease: Span"),
        margin: seconds(lease, "            margin: Span"),
    }
}

#[test]
fn a_leases_margin_covers_one_whole_attempt() {
    let is = times();
    assert_eq!(wrong(&is), Vec::<String>::new(), "{is:?}");
    // Each of them is found when it does not hold.
    let planted = [
        Times {
            attempt: is.margin,
            ..is.clone()
        },
        Times {
            margin: is.attempt,
            ..is.clone()
        },
        Times {
            kubernetes: is.margin,
            ..is.clone()
        },
        Times {
            watch: is.margin,
            ..is.clone()
        },
        Times {
            read: is.attempt,
            ..is.clone()
        },
        Times {
            lease: 2 * is.beat,
            ..is.clone()
        },
    ];
    for times in planted {
        assert!(!wrong(&times).is_empty(), "{times:?}");
    }
    // A change is sent once: whether one without an answer took effect is found out by looking.
    let hand = read("src/cloud/aws/apply/hand.rs");
    assert!(hand.contains("the SDK sends each of them once"));
}

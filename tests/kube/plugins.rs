//! Credential plugins: one run for all who share a user, never without an end, nothing left behind.

use std::time::{Duration, Instant};

use kfleet::model::{Nodes, UnseenKind};
use kfleet::nodes::kube::Clusters;
use kfleet::nodes::{NodeAccess, NodeApi};

use crate::api::{Api, cluster};

/// A kubeconfig with several contexts of one user, whose plugin runs this script. `RUNS` in it is a file that counts.
fn shared(api: &Api, script: &str) -> Clusters {
    api.with(|kept| kept.node("node-1", "i-1"));
    let path = api.dir.path().join("plugin.sh");
    let runs = api.dir.path().join("runs");
    std::fs::write(&path, format!("echo run >> {}\n{script}\n", runs.display())).unwrap();
    let text = format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- {{name: c, cluster: {{server: \"http://{}\"}}}}\nusers:\n- name: u\n  user: {{exec: \
         {{apiVersion: client.authentication.k8s.io/v1, command: sh, args: [\"{}\"], interactiveMode: IfAvailable}}}}\ncontexts:\n\
         - {{name: a, context: {{cluster: c, user: u}}}}\n- {{name: b, context: {{cluster: c, user: u}}}}\n",
        api.address,
        path.display()
    );
    std::fs::write(api.file(), text).unwrap();
    let access = |context: &str| NodeAccess {
        context: context.into(),
        uid: None,
    };
    let clusters = [
        (cluster(), access("a")),
        ("two.k8s.foo.bar".parse().unwrap(), access("b")),
    ];
    Clusters::new(clusters.into(), Some(api.file()), api.clock())
}

fn runs(api: &Api) -> usize {
    std::fs::read_to_string(api.dir.path().join("runs"))
        .unwrap_or_default()
        .lines()
        .count()
}

const GIVES: &str = "echo '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"t\"}}'";

#[tokio::test]
async fn a_plugin_runs_once_for_all_who_share_the_user() {
    let api = Api::new();
    api.with(|kept| kept.token = Some("t".into()));
    let client = shared(&api, GIVES);
    for name in [cluster(), "two.k8s.foo.bar".parse().unwrap(), cluster()] {
        assert!(matches!(client.nodes(&name).await, Nodes::Known(_)));
    }
    assert_eq!(runs(&api), 1);
}

#[tokio::test]
async fn a_plugin_that_fails_is_not_run_at_every_look() {
    let api = Api::new();
    let client = shared(&api, "echo 'log in first' >&2; exit 1");
    for name in [cluster(), "two.k8s.foo.bar".parse().unwrap(), cluster()] {
        let Nodes::Unknown(unseen) = client.nodes(&name).await else {
            panic!()
        };
        assert_eq!(unseen.kind, UnseenKind::Credentials);
        assert!(unseen.why.contains("log in first"), "{unseen}");
    }
    assert_eq!(runs(&api), 1);
}

#[tokio::test]
async fn a_credential_that_ends_soon_is_not_used_for_long() {
    let api = Api::new();
    let client = shared(
        &api,
        "echo '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"t\",\"expirationTimestamp\":\"2020-01-01T00:00:00Z\"}}'",
    );
    for times in 1..3 {
        assert!(matches!(client.nodes(&cluster()).await, Nodes::Known(_)));
        assert_eq!(runs(&api), times);
    }
}

/// Two users, two plugins, two clusters: one that hangs keeps the other cluster's nodes from nobody.
#[tokio::test]
async fn a_plugin_that_hangs_keeps_no_other_user_waiting() {
    let api = Api::new();
    shared(&api, GIVES);
    let hangs = api.dir.path().join("hangs.sh");
    std::fs::write(&hangs, "sleep 300\n").unwrap();
    let script = api.dir.path().join("plugin.sh");
    let user = |name: &str, script: &std::path::Path| {
        format!(
            "- name: {name}\n  user: {{exec: {{apiVersion: client.authentication.k8s.io/v1, command: sh, args: [\"{}\"], interactiveMode: \
             Never}}}}\n",
            script.display()
        )
    };
    let text = format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- {{name: c, cluster: {{server: \"http://{}\"}}}}\nusers:\n{}{}contexts:\n\
         - {{name: a, context: {{cluster: c, user: slow}}}}\n- {{name: b, context: {{cluster: c, user: quick}}}}\n",
        api.address,
        user("slow", &hangs),
        user("quick", &script)
    );
    std::fs::write(api.file(), text).unwrap();
    let access = |context: &str| NodeAccess {
        context: context.into(),
        uid: None,
    };
    let two: kfleet::model::ClusterName = "two.k8s.foo.bar".parse().unwrap();
    let clusters = [(cluster(), access("a")), (two.clone(), access("b"))];
    let client = Clusters::new(clusters.into(), Some(api.file()), api.clock());
    let name = cluster();
    let hanging = client.nodes(&name);
    let other = async {
        // The one that hangs is asked first.
        tokio::time::sleep(Duration::from_millis(200)).await;
        tokio::time::timeout(Duration::from_secs(10), client.nodes(&two)).await
    };
    tokio::select! {
        _ = hanging => panic!("it hangs"),
        quick = other => assert!(matches!(quick, Ok(Nodes::Known(_))), "{quick:?}"),
    }
}

/// What it printed counts, though something that it started holds its pipe open; that is ended, and kept waiting for by nobody.
#[tokio::test]
async fn what_a_plugin_leaves_behind_with_our_pipe_is_ended() {
    let api = Api::new();
    api.with(|kept| kept.token = Some("t".into()));
    let pid = api.dir.path().join("pid");
    let client = shared(
        &api,
        &format!("sleep 300 & echo $! > {}; {GIVES}", pid.display()),
    );
    let began = Instant::now();
    let nodes = client.nodes(&cluster()).await;
    assert!(matches!(nodes, Nodes::Known(_)), "{nodes:?}");
    assert!(began.elapsed() < Duration::from_secs(10));
    ended(&pid).await;
}

#[tokio::test]
async fn a_plugin_that_fails_is_run_again_after_pauses_that_grow() {
    let api = Api::new();
    let client = shared(&api, "exit 1");
    let mut at = Vec::new();
    for second in 0..200 {
        let before = runs(&api);
        client.nodes(&cluster()).await;
        if runs(&api) > before {
            at.push(second);
        }
        api.with(|kept| kept.pass(1));
    }
    assert_eq!(at, [0, 5, 15, 35, 75, 135, 195]);
}

/// Whose process id this file holds has ended, or ends soon.
async fn ended(file: &std::path::Path) {
    let began = Instant::now();
    let left: u32 = std::fs::read_to_string(file)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let lives = || {
        std::fs::read_to_string(format!("/proc/{left}/stat"))
            .is_ok_and(|stat| !stat.contains(") Z "))
    };
    while lives() {
        assert!(began.elapsed() < Duration::from_secs(10), "{left} lives on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Time stands still but for the wait: the plugin sleeps in real time, and what it started sleeps on unless it is ended too.
#[tokio::test]
async fn a_plugin_that_is_given_up_is_ended_with_all_that_it_started() {
    let api = Api::new();
    let pid = api.dir.path().join("pid");
    let client = shared(
        &api,
        &format!("sleep 300 & echo $! > {}; sleep 300", pid.display()),
    );
    let name = cluster();
    // Whoever waits goes away: as when the command is interrupted, or its own limit is over.
    let gave_up = tokio::time::timeout(Duration::from_secs(2), client.nodes(&name)).await;
    assert!(gave_up.is_err());
    ended(&pid).await;
}

/// By way of our own program: what it prints and how it fails is as without, and it is ended with whoever waits.
#[tokio::test]
async fn a_plugin_is_attended_to_by_our_own_program() {
    let own = || Some(std::path::PathBuf::from(env!("CARGO_BIN_EXE_kfleet")));
    let api = Api::new();
    api.with(|kept| kept.token = Some("t".into()));
    let client = shared(&api, GIVES).attended_by(own());
    let nodes = client.nodes(&cluster()).await;
    assert!(matches!(nodes, Nodes::Known(_)), "{nodes:?}");

    let why = |nodes: Nodes| match nodes {
        Nodes::Unknown(unseen) => unseen.to_string(),
        other => panic!("{other:?}"),
    };
    let client = shared(&api, "echo 'log in first' >&2; exit 7").attended_by(own());
    let said = why(client.nodes(&cluster()).await);
    assert!(
        said.contains("exit status: 7") && said.contains("log in first"),
        "{said}"
    );
    let client = shared(&api, GIVES).attended_by(own());
    let text = std::fs::read_to_string(api.file()).unwrap();
    std::fs::write(
        api.file(),
        text.replace("command: sh", "command: no-such-plugin"),
    )
    .unwrap();
    let said = why(client.nodes(&cluster()).await);
    assert!(
        said.contains("the credential plugin cannot be run: No such file"),
        "{said}"
    );

    let pid = api.dir.path().join("pid");
    let script = format!("sleep 300 & echo $! > {}; sleep 300", pid.display());
    let client = shared(&api, &script).attended_by(own());
    let name = cluster();
    let gave_up = tokio::time::timeout(Duration::from_secs(2), client.nodes(&name)).await;
    assert!(gave_up.is_err());
    ended(&pid).await;
}

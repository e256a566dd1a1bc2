//! Hooks around stages, waves and clusters: at their moment, in doubt, failing, taken back. Their commands are real ones.

use std::collections::BTreeSet;
use std::path::Path;

use kfleet::fleet::{HookAt, HookFailure, HookSpec, HookWhen};
use kfleet::rollout::{HookEvent, HookResult, HookState, HookVerdict, HookWay};

use super::*;

fn sh(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).to_vec()
}

/// A hook that writes down that it ran.
fn hook(name_: &str, at: HookAt) -> HookSpec {
    let said = |what: &str| sh(&format!("echo {what} $KFLEET_HOOK $KFLEET_CLUSTER >> ran"));
    HookSpec {
        name: name(name_),
        at,
        stages: BTreeSet::new(),
        clusters: BTreeSet::new(),
        run: said("run"),
        undo: said("undo"),
        when: HookWhen::Always,
        files: Vec::new(),
        timeout: Span::from_secs(20),
        retries: 0,
        repeatable: false,
        on_failure: None,
        environment: BTreeSet::new(),
        skip_without: None,
        simulated: false,
    }
}

fn failing(name_: &str, at: HookAt) -> HookSpec {
    HookSpec {
        run: sh("echo run $KFLEET_HOOK >> ran; echo it is broken >&2; exit 3"),
        ..hook(name_, at)
    }
}

fn ran(dir: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(dir.join("ran")).unwrap_or_default();
    text.lines().map(|l| l.trim().to_owned()).collect()
}

fn small(dir: &Path, hooks: Vec<HookSpec>) -> Scene {
    let mut scene = Scene::small(dir, &[NODES]).made();
    scene.hooks = hooks;
    scene
}

#[test]
fn hooks_run_at_their_moment() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES]);
    scene.prod = vec![name("prod-a.k8s.test"), name("prod-b.k8s.test")];
    let mut scene = scene.made();
    let all = [
        ("after-stage", HookAt::AfterStage),
        ("after-wave", HookAt::AfterWave),
        ("after-cluster", HookAt::AfterCluster),
        ("before-cluster", HookAt::BeforeCluster),
        ("before-wave", HookAt::BeforeWave),
        ("between", HookAt::BetweenWaves),
        ("before-stage", HookAt::BeforeStage),
    ];
    scene.hooks = all.map(|(name, at)| hook(name, at)).to_vec();
    let records = rolls(&scene, "r2");
    let expected = [
        "run before-stage",
        "run before-wave",
        "run before-cluster staging.k8s.test",
        "run after-cluster staging.k8s.test",
        "run after-wave",
        "run after-stage",
        "run before-stage",
        "run before-wave",
        "run before-cluster prod-a.k8s.test",
        "run after-cluster prod-a.k8s.test",
        "run after-wave",
        "run between",
        "run before-wave",
        "run before-cluster prod-b.k8s.test",
        "run after-cluster prod-b.k8s.test",
        "run after-wave",
        "run after-stage",
    ];
    assert_eq!(ran(dir.path()), expected);
    in_order(
        &records,
        &[
            "stage-started staging",
            "hook-started before-stage staging",
            "wave-started staging 0",
            "hook-started before-wave staging 0",
            "hook-ended before-wave staging 0",
            "cluster-started staging",
            "hook-started before-cluster staging 0 staging",
            "hook-ended before-cluster staging 0 staging",
            "group-started staging/control-plane-a",
            "cluster-rolled staging",
            "hook-started after-cluster staging 0 staging",
            "cluster-verified staging",
            "hook-started after-wave staging 0",
            "wave-passed staging 0",
            "hook-started after-stage staging",
            "stage-passed staging",
            "approved prod",
            "hook-started before-stage prod",
        ],
    );
}

#[test]
fn a_failed_hook_goes_back_with_what_was_before_it() {
    let dir = folder();
    let scene = small(
        dir.path(),
        vec![
            hook("stage", HookAt::BeforeStage),
            hook("before", HookAt::BeforeCluster),
            failing("after", HookAt::AfterCluster),
        ],
    );
    let records = goes_back(&scene);
    assert_eq!(
        ran(dir.path()),
        [
            "run stage",
            "run before staging.k8s.test",
            "run after",
            // It may have done half of its work.
            "undo after staging.k8s.test",
            "undo before staging.k8s.test",
            "undo stage",
        ]
    );
    says(
        &records,
        "hook `after` (staging.k8s.test) failed with exit code 3",
    );
    assert_eq!(scene.store().hook_marks().unwrap().len(), 0);
    let printed = scene.store().output("r2", "after@staging.k8s.test.run.1");
    assert_eq!(printed.unwrap().as_deref(), Some("it is broken\n"));
}

#[test]
fn a_hook_that_never_began_is_not_taken_back() {
    let dir = folder();
    let scene = small(
        dir.path(),
        vec![
            HookSpec {
                run: vec!["./is-not-there".into()],
                ..hook("missing", HookAt::BeforeCluster)
            },
            hook("after", HookAt::AfterCluster),
        ],
    );
    let records = goes_back(&scene);
    assert_eq!(ran(dir.path()), Vec::<String>::new());
    says(&records, "could not be run");
}

#[test]
fn what_follows_a_failed_hook_is_its_own_to_say() {
    for (policy, ending) in [
        (HookFailure::Continue, Ending::Finished),
        (HookFailure::Stop, Ending::Aborted),
        (HookFailure::Rollback, Ending::RolledBack),
    ] {
        let dir = folder();
        let scene = small(
            dir.path(),
            vec![HookSpec {
                on_failure: Some(policy),
                ..failing("checks", HookAt::AfterCluster)
            }],
        );
        ends(scene.start("r2"), ending);
        clean(&scene);
    }
    let dir = folder();
    let mut scene = small(
        dir.path(),
        vec![HookSpec {
            on_failure: Some(HookFailure::Hold),
            ..failing("checks", HookAt::AfterCluster)
        }],
    );
    let (outcome, _) = scene.start("r2");
    assert_eq!(outcome.unwrap(), Outcome::Held);
    // A person who resumes has it run again.
    scene.hooks = Vec::new();
    let (outcome, _) = scene.resume("r2");
    assert_eq!(outcome.unwrap(), Outcome::Held);
    assert_eq!(ran(dir.path()), ["run checks", "run checks"]);
}

#[test]
fn a_repeatable_hook_is_tried_again() {
    let dir = folder();
    let scene = small(
        dir.path(),
        vec![HookSpec {
            run: sh("echo run $KFLEET_ATTEMPT >> ran; test $KFLEET_ATTEMPT -gt 2"),
            repeatable: true,
            retries: 2,
            ..hook("tools", HookAt::BeforeCluster)
        }],
    );
    rolls(&scene, "r2");
    assert_eq!(ran(dir.path()), ["run 1", "run 2", "run 3"]);
    // One more is too many.
    let dir = folder();
    let scene = small(
        dir.path(),
        vec![HookSpec {
            repeatable: true,
            retries: 2,
            ..failing("tools", HookAt::BeforeCluster)
        }],
    );
    let records = goes_back(&scene);
    assert_eq!(count(&records, "hook-started tools staging 0 staging"), 4);
    says(&records, "failed with exit code 3 (attempt 3)");
}

/// A rollout whose process was killed in the middle of the hook.
fn killed_in(scene: &Scene) {
    let (world, store) = (scene.world(), scene.store());
    let rollout = scene.rollout(&world, "r2", &[]);
    let place = rollout.hooks().next().unwrap().place.clone();
    let (mut journal, _) = Journal::begin(&store, &rollout).unwrap();
    let began = HookEvent::Started {
        way: HookWay::Run,
        attempt: 1,
    };
    let stage = Event::Stage(place.stage.clone(), StageEvent::Started);
    let events = vec![stage, Event::Hook(place, began)];
    journal.append(world.now(), events).unwrap();
}

fn doubtful(dir: &Path, repeatable: bool) -> Scene {
    let scene = small(
        dir,
        vec![HookSpec {
            repeatable,
            ..hook("tools", HookAt::BeforeStage)
        }],
    );
    killed_in(&scene);
    scene
}

#[test]
fn a_hook_that_was_killed_waits_for_a_person() {
    for verdict in [HookVerdict::Done, HookVerdict::Again] {
        let dir = folder();
        let scene = doubtful(dir.path(), false);
        sticks(scene.resume("r2"), "whether it did its work is not known");
        // A resume that says nothing about it changes nothing.
        sticks(scene.resume("r2"), "whether it did its work is not known");
        assert_eq!(ran(dir.path()), Vec::<String>::new());
        let store = scene.store();
        let mut journal = Journal::take_up(&store, "r2").unwrap();
        let place = journal.progress().hooks.keys().next().unwrap().clone();
        let said = HookEvent::Settled {
            way: HookWay::Run,
            by: "anna".into(),
            verdict,
        };
        let at = journal.progress().at;
        journal.append(at, vec![Event::Hook(place, said)]).unwrap();
        drop(journal);
        let _ended = scene.resume("r2");
        let hook = scene.progress("r2").hooks.into_values().next().unwrap();
        let runs = match verdict {
            HookVerdict::Done => vec![],
            HookVerdict::Again => vec!["run tools".to_owned()],
        };
        assert_eq!(ran(dir.path()), runs);
        assert!(
            matches!(
                hook.run.state,
                HookState::Settled(_) | HookState::Ended(_, HookResult::Done)
            ),
            "{hook:?}"
        );
    }
}

#[test]
fn a_hook_that_may_run_twice_is_repeated() {
    let dir = folder();
    let scene = doubtful(dir.path(), true);
    let _ended = scene.resume("r2");
    assert_eq!(ran(dir.path()), ["run tools"]);
}

#[test]
fn a_hook_ends_at_its_time_with_its_children() {
    let dir = folder();
    let scene = small(
        dir.path(),
        vec![HookSpec {
            run: sh("(sleep 3; echo late >> ran) & sleep 60"),
            undo: Vec::new(),
            timeout: Span::from_millis(300),
            ..hook("slow", HookAt::BeforeCluster)
        }],
    );
    let records = goes_back(&scene);
    says(&records, "had not ended after");
    std::thread::sleep(std::time::Duration::from_secs(4));
    assert_eq!(ran(dir.path()), Vec::<String>::new());
}

#[test]
fn a_hook_knows_its_place_and_no_secrets_are_kept() {
    let dir = folder();
    let scene = small(
        dir.path(),
        vec![HookSpec {
            run: sh(
                "env | grep -v '^PATH=' | sort > told; echo $KFLEET_TEST_TOKEN; echo password=$(printf hu)sh; head -c 400000 /dev/zero | tr '\\0' x",
            ),
            environment: ["KFLEET_TEST_*".to_owned()].into(),
            ..hook("tools", HookAt::BeforeCluster)
        }],
    );
    rolls(&scene, "r2");
    let told = std::fs::read_to_string(dir.path().join("told")).unwrap();
    for part in [
        "KFLEET_CLUSTER=staging.k8s.test",
        "KFLEET_STAGE=staging",
        "KFLEET_WAVE=1",
        "KFLEET_ROLLOUT=r2",
        "KFLEET_HOOK=tools",
        "KFLEET_WAY=run",
        "KFLEET_REGION=eu-west-3",
        "KFLEET_TEST_TOKEN=s3cret-token",
    ] {
        assert!(told.contains(part), "nothing about {part} in\n{told}");
    }
    assert!(!told.contains("OTHER"), "{told}");
    let name = "tools@staging.k8s.test.run.1";
    let printed = scene.store().output("r2", name).unwrap().unwrap();
    assert!(
        printed.starts_with("***\npassword=***\n"),
        "{}",
        &printed[..60]
    );
    assert!(printed.len() < 250_000, "{}", printed.len());
    let journal = std::fs::read_to_string(dir.path().join("journals/r2.jsonl")).unwrap();
    assert!(!journal.contains("s3cret") && !journal.contains("hush"));
}

#[test]
fn a_changed_hook_is_a_change_of_its_own() {
    let dir = folder();
    let mut scene = Scene::small(dir.path(), &[NODES]);
    scene.hooks = vec![HookSpec {
        when: HookWhen::Changed,
        ..hook("tools", HookAt::AfterCluster)
    }];
    rolls(&scene, "r1");
    assert_eq!(ran(dir.path()), ["run tools staging.k8s.test"]);
    // Another command of the hook, and nothing else.
    scene.hooks[0].run = sh("echo other >> ran");
    let plan = scene.plan(&scene.world(), Allow::default());
    assert!(!plan.is_empty() && plan.hooks.len() == 1);
    let before = scene.store().hook_marks().unwrap();
    let records = rolls(&scene, "r2");
    never(&records, &["group-started staging/nodes"]);
    in_order(
        &records,
        &[
            "cluster-started staging",
            "cluster-rolled staging",
            "hook-ended tools staging 0 staging",
            "cluster-verified staging",
            "finished",
        ],
    );
    assert_eq!(ran(dir.path())[1..], ["other"]);
    // What goes back is what every later plan compares with.
    let (outcome, _) = asked_back(&scene);
    assert_eq!(outcome.unwrap(), Outcome::Ended(Ending::RolledBack));
    assert_eq!(scene.store().hook_marks().unwrap(), before);
    assert_eq!(ran(dir.path())[2..], ["undo tools staging.k8s.test"]);
}

/// The finished rollout is taken back by a person.
fn asked_back(scene: &Scene) -> Ran {
    let store = scene.store();
    let mut journal = Journal::take_up(&store, "r2").unwrap();
    let asked = RolloutEvent::RollbackAsked {
        by: "anna".into(),
        reason: "why not".into(),
    };
    let at = journal.progress().at;
    journal.append(at, vec![Event::Rollout(asked)]).unwrap();
    drop(journal);
    scene.resume("r2")
}

#[test]
fn an_undo_that_fails_needs_a_person() {
    let dir = folder();
    let scene = small(
        dir.path(),
        vec![
            HookSpec {
                undo: sh("test -f mended"),
                ..hook("before", HookAt::BeforeCluster)
            },
            failing("after", HookAt::AfterCluster),
        ],
    );
    sticks(scene.start("r2"), "the undo of hook `before`");
    std::fs::write(dir.path().join("mended"), "").unwrap();
    ends(scene.resume("r2"), Ending::RolledBack);
    clean(&scene);
}

#[test]
fn a_missing_program_skips_what_may_be_skipped() {
    let dir = folder();
    let scene = small(
        dir.path(),
        vec![HookSpec {
            skip_without: Some("no-such-program".into()),
            ..hook("tools", HookAt::BeforeCluster)
        }],
    );
    rolls(&scene, "r2");
    assert_eq!(ran(dir.path()), Vec::<String>::new());
    // It has not run: nothing says that it has.
    assert!(scene.store().hook_marks().unwrap().is_empty());
}

#[test]
fn a_hook_of_a_cluster_can_reach_that_cluster_alone() {
    let dir = folder();
    let seen = "echo $KFLEET_HOOK $(cat \"$KUBECONFIG\") $(stat -c %a \"$KUBECONFIG\") $(stat -c %a \"$(dirname \"$KUBECONFIG\")\") >> ran; echo $KUBECONFIG >> where";
    let of = |name_: &str, at| HookSpec {
        run: sh(seen),
        undo: Vec::new(),
        ..hook(name_, at)
    };
    let mut scene = small(
        dir.path(),
        vec![
            of("cluster", HookAt::BeforeCluster),
            HookSpec {
                run: sh("echo $KFLEET_HOOK ${KUBECONFIG-none} >> ran"),
                ..of("stage", HookAt::AfterStage)
            },
        ],
    );
    scene.hook_context = Some("staging");
    rolls(&scene, "r2");
    assert_eq!(
        ran(dir.path()),
        ["cluster current-context: staging 600 700", "stage none"]
    );
    let path = std::fs::read_to_string(dir.path().join("where")).unwrap();
    assert!(!Path::new(path.trim()).exists(), "{path} is left");

    // One whose cluster cannot be reached does not run with a kubeconfig that leads elsewhere.
    let dir = folder();
    let mut scene = small(dir.path(), vec![of("cluster", HookAt::BeforeCluster)]);
    scene.hook_context = Some("gone");
    let records = goes_back(&scene);
    says(&records, "the kubeconfig has no context `gone`");
    assert_eq!(ran(dir.path()), Vec::<String>::new());
}

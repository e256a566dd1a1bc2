//! Rollouts on the simulated account: what happens, in which order, and what is left afterwards.

mod support;

use kfleet::plan::Allow;
use kfleet::rollout::Ending;
use kfleet::run::Outcome;
use support::{Scene, facts};

#[test]
fn a_fleet_is_made_changed_and_then_there_is_nothing_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let mut scene = Scene::new(dir.path());
    let (outcome, records) = scene.start("r1");
    eprintln!("{}", facts(&records).join("\n"));
    assert_eq!(outcome.unwrap(), Outcome::Ended(Ending::Finished));
    assert!(scene.plan(&scene.world(), Allow::default()).is_empty());

    scene.image = "image-2".into();
    let (outcome, records) = scene.start("r2");
    eprintln!("{}", facts(&records).join("\n"));
    assert_eq!(outcome.unwrap(), Outcome::Ended(Ending::Finished));
    assert!(scene.plan(&scene.world(), Allow::default()).is_empty());
}

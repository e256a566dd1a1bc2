//! `kfleet autoscaler` on the fleet that comes with the project: the manifests and cluster-autoscaler agree.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::process::Command;

fn run(arguments: &[&str]) -> (String, Option<i32>) {
    let run = Command::new(env!("CARGO_BIN_EXE_kfleet"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .output()
        .unwrap();
    (
        String::from_utf8(run.stdout).unwrap() + &String::from_utf8(run.stderr).unwrap(),
        run.status.code(),
    )
}

#[test]
fn every_cluster_of_the_fleet_is_scaled_whole() {
    let mut seen = 0;
    for file in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("clusters")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let (text, code) = run(&["autoscaler", name]);
        assert_eq!(code, Some(0), "{text}");
        assert!(
            text.contains(&format!(
                "asg:tag=k8s.io/cluster-autoscaler/enabled,k8s.io/cluster-autoscaler/{name}\n"
            )),
            "{text}"
        );
        assert!(text.ends_with("\nno findings\n"), "{text}");
        assert!(
            !text.contains('?'),
            "an instance type is not known:\n{text}"
        );
        let (json, _) = run(&["autoscaler", name, "--format", "json"]);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert!(
            json["groups"]
                .as_array()
                .unwrap()
                .iter()
                .all(|g| g["scaled"] == true && g["cpu"].is_number()),
            "{json}"
        );
        seen += 1;
    }
    assert!(seen > 0);
}

#[test]
fn a_cluster_that_is_not_there_is_an_error() {
    let (text, code) = run(&["autoscaler", "prod-acme.k8s.foo.baz"]);
    assert_eq!(code, Some(1));
    assert!(
        text.contains("did you mean `prod-acme.k8s.foo.bar`?"),
        "{text}"
    );
}

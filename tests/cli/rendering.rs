//! `render` and `compile`: files, comparison with files, and standard output.

use std::fs;

use crate::bed::{Bed, assert_same};

#[test]
fn rendered_files_are_written_compared_and_tidied() {
    let bed = Bed::new();
    let said = bed.run("render").ends(0);
    assert_eq!(
        (said.out.as_str(), said.err.as_str()),
        (
            "",
            "5 clusters rendered, 61 files: 61 written, 0 removed, 0 as they were\n"
        )
    );
    let golden = fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/rendered/prod-small.k8s.foo.bar/manifests.yaml"
    ))
    .unwrap();
    assert_eq!(
        bed.read("rendered/prod-small.k8s.foo.bar/manifests.yaml"),
        golden
    );

    let before = bed.tree();
    assert_eq!(
        bed.run("render").ends(0).err,
        "5 clusters rendered, 61 files: 0 written, 0 removed, 61 as they were\n"
    );
    assert_eq!(
        bed.run("render --check").ends(0).err,
        "rendered files are up to date\n"
    );
    assert_same(&before, &bed.tree());

    let group = "rendered/prod-small.k8s.foo.bar/groups/admin-nodes.yaml";
    bed.write(group, "changed by hand\n");
    bed.write(
        "rendered/prod-small.k8s.foo.bar/groups/old.yaml",
        "a group that was\n",
    );
    bed.write(
        "rendered/gone.k8s.foo.bar/manifests.yaml",
        "a cluster that was\n",
    );
    fs::remove_file(bed.path("rendered/prod-acme.k8s.foo.bar/manifests.yaml")).unwrap();
    let broken = bed.tree();
    let said = bed.run("render --check").ends(2);
    assert_eq!(
        said.err,
        "\
DIR/rendered/prod-acme.k8s.foo.bar/manifests.yaml is missing
DIR/rendered/prod-small.k8s.foo.bar/groups/admin-nodes.yaml differs
DIR/rendered/gone.k8s.foo.bar/manifests.yaml should not be there
DIR/rendered/prod-small.k8s.foo.bar/groups/old.yaml should not be there
4 files are not up to date; run `kfleet render` and commit the result
"
    );
    assert_same(&broken, &bed.tree());
    assert_eq!(
        bed.run("render").ends(0).err,
        "5 clusters rendered, 61 files: 2 written, 2 removed, 59 as they were\n"
    );
    assert_same(&before, &bed.tree());
    assert!(!bed.path("rendered/gone.k8s.foo.bar").exists());
}

#[test]
fn one_cluster_to_standard_output() {
    let bed = Bed::new();
    let before = bed.tree();
    let said = bed.run("render prod-small.k8s.foo.bar --out -").ends(0);
    let golden = fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/rendered/prod-small.k8s.foo.bar/manifests.yaml"
    ))
    .unwrap();
    assert_eq!(said.out, golden);
    assert_eq!(said.err, "");
    assert_same(&before, &bed.tree());
    bed.refuses(
        "render prod-smal.k8s.foo.bar",
        &[
            "the fleet has no cluster `prod-smal.k8s.foo.bar`",
            "did you mean `prod-small.k8s.foo.bar`?",
        ],
    );
}

#[test]
fn kops_manifests_are_compiled() {
    let bed = Bed::new();
    bed.run("render").ends(0);
    let file = bed
        .path("rendered/prod-small.k8s.foo.bar/manifests.yaml")
        .display()
        .to_string();
    let yaml = bed.run(&format!("compile {file}")).ends(0);
    assert!(
        yaml.out
            .contains("AutoScalingGroupName: spot-4x-16gb.prod-small.k8s.foo.bar\n"),
        "{}",
        yaml.out
    );
    assert_eq!(yaml.err, "");
    let json = bed.run(&format!("compile {file} --format json")).ends(0);
    serde_json::from_str::<serde_json::Value>(&json.out).unwrap();
    bed.write("bad.yaml", "apiVersion: kops.k8s.io/v1alpha2\nkind: InstanceGroup\nmetadata: {name: a}\nspec: {role: Nod}\n");
    let bad = bed.path("bad.yaml").display().to_string();
    bed.refuses(&format!("compile {bad}"), &["DIR/bad.yaml:"]);
    bed.refuses("compile nowhere.yaml", &["cannot read nowhere.yaml"]);
}

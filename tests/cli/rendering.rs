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
    let text = fs::read_to_string(&file).unwrap();
    let odd = text.replacen("\nspec:\n", "\nspec:\n  additionalSANs: []\n", 1);
    bed.write("odd.yaml", &odd);
    let odd = bed.path("odd.yaml").display().to_string();
    let odd = bed.run(&format!("compile {odd}")).ends(0);
    assert!(
        odd.err.contains("/odd.yaml:") && odd.err.contains("(did you mean `additionalSans`?)"),
        "{}",
        odd.err
    );
    bed.refuses("compile nowhere.yaml", &["cannot read nowhere.yaml"]);
}

/// What `render` remembers of the fleet, and where.
fn memory(bed: &Bed) -> (std::path::PathBuf, serde_json::Value) {
    let entries = fs::read_dir(bed.path(".git")).unwrap();
    let mut paths = entries.map(|e| e.unwrap().path());
    let is_it = |p: &std::path::PathBuf| p.to_string_lossy().contains("kfleet-render-");
    let path = paths.find(is_it).unwrap();
    let json = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    (path, json)
}

#[test]
fn what_is_as_it_was_is_not_rendered_again() {
    use std::os::unix::fs::MetadataExt as _;

    let bed = Bed::new();
    fs::create_dir(bed.path(".git")).unwrap();
    bed.run("render").ends(0);
    // Files that are younger than a step of the clock are not trusted: nothing, or little, is remembered of the first run.
    std::thread::sleep(std::time::Duration::from_millis(200));
    bed.run("render").ends(0);
    assert_eq!(memory(&bed).1.as_object().unwrap().len(), 5);

    // What is edited is rendered, and so is what was made from it.
    let group = "prod-small.k8s.foo.bar/groups/admin-nodes.yaml";
    let file = format!("rendered/{group}");
    let golden = bed.read(&file);
    let other = golden.replacen("MinSize: 2", "MinSize: 3", 1);
    assert!(other != golden && other.len() == golden.len());
    bed.write(&file, &other);
    bed.run("render --check").ends(2);
    let said = bed.run("render").ends(0);
    assert_eq!(
        said.err,
        "5 clusters rendered, 61 files: 1 written, 0 removed, 60 as they were\n"
    );
    assert_eq!(bed.read(&file), golden);
    let vars = "vars/prod-small.k8s.foo.bar.yaml";
    let text = bed.read(vars);
    bed.write(vars, &format!("{text}\nkubelet: {{max_pods: 110}}\n"));
    bed.write("rendered/prod-small.k8s.foo.bar/groups/old.yaml", "gone\n");
    let said = bed.run("render").ends(0);
    assert_eq!(
        said.err,
        "5 clusters rendered, 61 files: 0 written, 1 removed, 61 as they were\n"
    );

    // A memory that lies is believed by `render`: so it is asked at all. `--check` looks itself.
    bed.write(vars, &text);
    bed.run("render").ends(0);
    std::thread::sleep(std::time::Duration::from_millis(200));
    bed.run("render").ends(0);
    let (path, mut book) = memory(&bed);
    bed.write(&file, &other);
    let meta = fs::metadata(bed.path(&file)).unwrap();
    book["prod-small.k8s.foo.bar"]["files"][group] = serde_json::json!({
        "size": meta.len(),
        "inode": meta.ino(),
        "modified": [meta.mtime(), meta.mtime_nsec()],
        "changed": [meta.ctime(), meta.ctime_nsec()],
    });
    fs::write(&path, serde_json::to_vec(&book).unwrap()).unwrap();
    let lied = bed.run("render").ends(0);
    assert!(lied.err.contains(" 0 written"), "{}", lied.err);
    assert_eq!(bed.read(&file), other, "it was not rendered again");
    let said = bed.run("render --check").ends(2);
    assert!(
        said.err.contains("admin-nodes.yaml differs"),
        "{}",
        said.err
    );
}

#[test]
fn a_fault_anywhere_leaves_every_file_as_it_was() {
    let bed = Bed::new();
    bed.write(
        "vars/prod-acme.k8s.foo.bar.yaml",
        "spot_nodes: {no_such: {min: 1, max: 2}}\n",
    );
    bed.run("render").ends(1);
    assert!(
        !bed.path("rendered").exists(),
        "not even the folder is made"
    );
}

//! `kfleet init`: a fleet out of flags, out of what kops has, and nothing of anybody's overwritten.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::bed::Said;

/// The binary in a folder, with nobody at the terminal.
pub(crate) fn kfleet(dir: &Path, arguments: &str) -> Said {
    let ended = Command::new(env!("CARGO_BIN_EXE_kfleet"))
        .args(arguments.split_whitespace())
        .current_dir(dir)
        .env_remove("KFLEET_CLOUD")
        .env_remove("KFLEET_STORE")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Said {
        code: ended.status.code(),
        out: String::from_utf8_lossy(&ended.stdout).into_owned(),
        err: String::from_utf8_lossy(&ended.stderr).into_owned(),
    }
}

const TWO: &str = "init --cluster staging.k8s.example.com --cluster prod.k8s.example.com --account 111122223333 --region eu-west-3";

#[test]
fn an_empty_fleet_rolls_out_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    kfleet(dir, TWO).ends(0);
    let ignored = fs::read_to_string(dir.join(".gitignore")).unwrap();
    assert!(ignored.lines().any(|l| l == "/.kfleet/"), "{ignored}");
    kfleet(dir, "render").ends(0);
    kfleet(dir, "render --check").ends(0);
    kfleet(dir, "plan --cloud local").ends(2);
    let said = kfleet(dir, "rollout start --cloud local --auto-approve").ends(0);
    assert!(!said.err.contains("warning"), "{}", said.err);
    kfleet(dir, "plan --cloud local").ends(0);
}

#[test]
fn every_word_of_a_new_fleet_is_known_to_it() {
    for zones in [
        "eu-west-3a",
        "eu-west-3a,eu-west-3b",
        "eu-west-3c,eu-west-3a,eu-west-3b",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        kfleet(dir, &format!("{TWO} --zones {zones}")).ends(0);
        kfleet(dir, "render").ends(0);
        let files = ["fleet.yaml", "Jenkinsfile", "vars/defaults.yaml"];
        for file in files {
            let text = fs::read_to_string(dir.join(file)).unwrap();
            assert!(!text.contains("@@"), "{file}:\n{text}");
        }
    }
}

#[test]
fn nothing_that_is_there_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join(".gitignore"), "mine\n").unwrap();
    fs::write(dir.join("README.md"), "mine\n").unwrap();
    let said = kfleet(dir, TWO).ends(0);
    assert!(
        said.err.contains(".gitignore is there already"),
        "{}",
        said.err
    );
    assert_eq!(
        fs::read_to_string(dir.join(".gitignore")).unwrap(),
        "mine\n"
    );
    kfleet(dir, TWO).refuses(&["fleet.yaml: there is a fleet already"]);
}

#[test]
fn what_would_become_part_of_the_fleet_stops_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::create_dir(dir.join("templates")).unwrap();
    fs::write(dir.join("templates/old.yaml.j2"), "a: b\n").unwrap();
    kfleet(dir, TWO).refuses(&["templates", "would be part of the fleet"]);
    assert_eq!(fs::read_dir(dir).unwrap().count(), 1);
}

#[test]
fn facts_that_do_not_fit_write_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let here = "--account 111122223333 --region eu-west-3";
    for (arguments, naming) in [
        (
            String::new(),
            "--cluster NAME (twice), --account ID, --region NAME",
        ),
        (
            format!("--cluster a.x --cluster a.x {here}"),
            "two clusters cannot have one name",
        ),
        (
            format!("--cluster staging --cluster prod.x {here}"),
            "the name of a domain",
        ),
        (
            format!("--cluster a.x --cluster b.x --cluster c.x {here}"),
            "two clusters",
        ),
        (
            format!("--cluster a.x --cluster b.x {here} --zones eu-west-1a"),
            "is no zone of eu-west-3",
        ),
        (
            format!("--cluster a.x --cluster b.x {here} --zones eu-west-3a,eu-west-3a"),
            "named twice",
        ),
        (
            "--cluster a.x --cluster b.x --account 1 --region eu-west-3".into(),
            "twelve digits",
        ),
    ] {
        kfleet(dir, &format!("init {arguments}")).refuses(&[naming]);
    }
    assert_eq!(kfleet(dir, "init --cluster Prod.x").code, Some(1));
    assert_eq!(fs::read_dir(dir).unwrap().count(), 0);
}

/// What `kops get -o yaml` says of the five clusters of this repository.
fn five(into: &Path) -> String {
    let rendered = Path::new(env!("CARGO_MANIFEST_DIR")).join("rendered");
    let mut files = Vec::new();
    for entry in fs::read_dir(rendered).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{}.yaml", entry.file_name().display());
        fs::copy(entry.path().join("manifests.yaml"), into.join(&name)).unwrap();
        files.push(name);
    }
    files.sort();
    assert_eq!(files.len(), 5);
    files.join(" ")
}

#[test]
fn clusters_of_kops_render_to_what_was_read() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let files = five(dir);
    let said = kfleet(
        dir,
        &format!("-C fleet init --account 111122223333 --from-kops {files}"),
    )
    .ends(0);
    assert!(
        said.err
            .contains("5 clusters rendered from this fleet: equal to what was read."),
        "{}",
        said.err
    );
    assert!(!said.err.contains("warning"), "{}", said.err);
    let defaults = fs::read_to_string(dir.join("fleet/vars/defaults.yaml")).unwrap();
    for shared in [
        "kubernetesVersion: ",
        "image: 099720109477",
        "<cluster>",
        "instanceMetadata:",
    ] {
        assert!(defaults.contains(shared), "{shared} is not in\n{defaults}");
    }
    assert!(!defaults.contains("networkCIDR"), "{defaults}");
    let prod = fs::read_to_string(dir.join("fleet/vars/prod.yaml")).unwrap();
    assert!(prod.contains("maxRequestsInflight: 1600"), "{prod}");
    kfleet(dir, "-C fleet render").ends(0);
    let wanted = |fleet: &Path| -> Vec<String> {
        let path = fleet.join("rendered/prod-small.k8s.foo.bar/groups");
        let mut files: Vec<_> = fs::read_dir(path)
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        files.sort();
        files
            .iter()
            .map(|f| fs::read_to_string(f).unwrap())
            .collect()
    };
    let ours = wanted(Path::new(env!("CARGO_MANIFEST_DIR")));
    let theirs = wanted(&dir.join("fleet"));
    assert_eq!(ours, theirs);
}

#[test]
fn a_state_store_is_read_whole_or_by_cluster() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for name in ["a.x.org", "b.x.org"] {
        let at = dir.join("state").join(name);
        fs::create_dir_all(at.join("instancegroup")).unwrap();
        fs::write(at.join("config"), cluster(name)).unwrap();
        for (group, role) in [("control-plane", "Master"), ("nodes", "Node")] {
            let text = instances(name, group, role);
            fs::write(at.join("instancegroup").join(group), text).unwrap();
        }
    }
    fs::create_dir(dir.join("state/not-a-cluster")).unwrap();
    // What it makes of manifests depends on the release.
    fs::write(dir.join("state/a.x.org/kops-version.txt"), "1.32.0\n").unwrap();
    let said = kfleet(dir, "-C both init --from-kops --state-store state --account a.x.org=111122223333 --account b.x.org=444455556666").ends(0);
    assert!(
        said.err.contains("nothing says which it is"),
        "{}",
        said.err
    );
    let of_b = fs::read_to_string(dir.join("both/clusters/b.x.org.yaml")).unwrap();
    assert!(of_b.contains("account: \"444455556666\""), "{of_b}");
    assert!(of_b.contains("kops: {state_store: "), "{of_b}");
    let of_a = fs::read_to_string(dir.join("both/clusters/a.x.org.yaml")).unwrap();
    assert!(
        of_a.contains("kops: {version: \"1.32\", state_store: "),
        "{of_a}"
    );
    kfleet(
        dir,
        "-C one init --state-store state --cluster a.x.org --account 111122223333",
    )
    .ends(0);
    assert!(!dir.join("one/clusters/b.x.org.yaml").exists());
    kfleet(
        dir,
        "-C none init --state-store state --cluster c.x.org --account 111122223333",
    )
    .refuses(&["c.x.org/config is not there"]);
    kfleet(
        dir,
        "-C none init --state-store nowhere --account 111122223333",
    )
    .refuses(&["nowhere"]);
    assert!(!dir.join("none").exists());
}

pub(super) fn cluster(name: &str) -> String {
    format!(
        "apiVersion: kops.k8s.io/v1alpha2\nkind: Cluster\nmetadata:\n  creationTimestamp: \"2026-01-01T00:00:00Z\"\n  generation: 3\n  name: {name}\nspec:\n  api:\n    loadBalancer:\n      class: Network\n      type: Public\n  cloudProvider: aws\n  configBase: s3://state/{name}\n  etcdClusters:\n  - etcdMembers:\n    - instanceGroup: control-plane\n      name: a\n    name: main\n  kubernetesVersion: 1.34.0\n  masterPublicName: api.{name}\n  networkCIDR: 10.0.0.0/16\n  networking:\n    cilium: {{}}\n  subnets:\n  - cidr: 10.0.32.0/19\n    name: eu-west-3a\n    type: Private\n    zone: eu-west-3a\n  - cidr: 10.0.0.0/22\n    name: utility-eu-west-3a\n    type: Utility\n    zone: eu-west-3a\n"
    )
}

pub(super) fn instances(cluster: &str, name: &str, role: &str) -> String {
    format!(
        "apiVersion: kops.k8s.io/v1alpha2\nkind: InstanceGroup\nmetadata:\n  labels:\n    kops.k8s.io/cluster: {cluster}\n  name: {name}\nspec:\n  image: ubuntu\n  machineType: m5.large\n  maxSize: 1\n  minSize: 1\n  nodeLabels:\n    kops.k8s.io/instancegroup: {name}\n  role: {role}\n  subnets:\n  - eu-west-3a\n"
    )
}

#[test]
fn odd_files_of_kops_are_named_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let c = cluster("a.x.org");
    let g = instances("a.x.org", "nodes", "Node");
    for (text, naming) in [
        (String::new(), "no document of kind Cluster in f.yaml"),
        ("--- \n# nothing\n".into(), "no document of kind Cluster"),
        ("a: [".into(), "f.yaml:"),
        ("a: b\n".into(), "f.yaml:1: is no object"),
        (
            format!("{c}---\n{c}"),
            "Cluster/a.x.org is there already, at f.yaml:1",
        ),
        (
            format!("{c}---\n{g}---\n{g}"),
            "InstanceGroup/nodes is there already",
        ),
        (c.replace("a.x.org", "A.x.org"), "not a valid cluster name"),
        (
            c.replace("v1alpha2", "v1alpha3"),
            "kops writes kops.k8s.io/v1alpha2",
        ),
        (
            format!(
                "{c}---\n{}",
                g.replace("cluster: a.x.org", "cluster: b.x.org")
            ),
            "the cluster b.x.org, which was not read",
        ),
        (
            format!("{c}---\n{g}extra: 1\n"),
            "`extra` is no field of a InstanceGroup",
        ),
        (
            c.replace("zone: eu-west-3a", "zone: moon-1a"),
            "the region of a.x.org is not known",
        ),
        (
            c.replace("cloudProvider: aws", "cloudProvider: gce"),
            "a.x.org is on `gce`",
        ),
        (format!("{c}{g}"), "is a line `---` missing above it?"),
    ] {
        fs::write(dir.join("f.yaml"), text).unwrap();
        kfleet(
            dir,
            "-C fleet init --account 111122223333 --from-kops f.yaml",
        )
        .refuses(&[naming]);
    }
    fs::write(dir.join("f.yaml"), format!("{c}---\n{g}")).unwrap();
    kfleet(dir, "-C fleet init --from-kops f.yaml")
        .refuses(&["the AWS account of a.x.org is not known"]);
    assert!(!dir.join("fleet").exists());
}

#[test]
fn a_cluster_without_a_store_has_the_kops_of_its_kubernetes() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let scheduler = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nclientConnection: {qps: 100}\n";
    // Classic, as what is left out was until kops 1.36.
    let c = cluster("a.x.org")
        .replace("class: Network\n      ", "")
        .replace("1.34.0", "1.28.3");
    let text = [
        c,
        instances("a.x.org", "control-plane", "Master"),
        instances("a.x.org", "nodes", "Node"),
        scheduler.into(),
    ];
    fs::write(dir.join("f.yaml"), text.join("---\n")).unwrap();
    kfleet(
        dir,
        "-C fleet init --account 111122223333 --from-kops f.yaml",
    )
    .ends(0);
    kfleet(dir, "-C fleet render").ends(0);
    let file = fs::read_to_string(dir.join("fleet/clusters/a.x.org.yaml")).unwrap();
    assert!(file.contains("kops: {version: \"1.33\"}"), "{file}");
    let rendered = fs::read_to_string(dir.join("fleet/rendered/a.x.org/manifests.yaml")).unwrap();
    assert!(
        rendered.contains("KubeSchedulerConfiguration"),
        "{rendered}"
    );
}

#[test]
fn text_that_looks_like_a_template_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let script = "  additionalUserData:\n  - name: x.sh\n    type: text/x-shellscript\n    content: |\n      #!/bin/sh\n      echo ${#list[@]} {{ not_a_var }} <cluster> {% raw %}\n      this line makes the piece long enough to be worth sharing between groups\n";
    let mut text = cluster("a.x.org");
    for (name, role) in [
        ("control-plane", "Master"),
        ("n1", "Node"),
        ("n2", "Node"),
        ("n3", "Node"),
    ] {
        text.push_str("---\n");
        text.push_str(&instances("a.x.org", name, role));
        if name != "n3" {
            text.push_str(script);
        }
    }
    fs::write(dir.join("f.yaml"), text).unwrap();
    kfleet(
        dir,
        "-C fleet init --account 111122223333 --from-kops f.yaml",
    )
    .ends(0);
    let rendered = kfleet(dir, "-C fleet render --out -").ends(0).out;
    assert_eq!(
        rendered
            .matches("{{ not_a_var }} <cluster> {% raw %}")
            .count(),
        3
    );
}

/// The folder of a team that uses `kops toolbox template`: two templates, a snippet, values of all and of each cluster.
pub(crate) fn toolbox(dir: &Path) {
    let name = "@@";
    let template = |text: String| text.replace(name, "{{.clusterName}}");
    let groups =
        instances(name, "{{$group}}", "Node").replace("maxSize: 1\n", "maxSize: {{$sizes.max}}\n");
    let groups = template(groups).replace(
        "spec:\n",
        "spec:\n  {{ include \"labels.yaml\" $ | indent 2 }}\n",
    );
    // The groups of a range: the cluster's name is the root's.
    let groups = groups.replace("{{.clusterName}}", "{{$.clusterName}}");
    let all = format!("{{{{- range $group, $sizes := .groups }}}}\n---\n{groups}{{{{- end }}}}\n");
    for (path, text) in [
        (
            "kops/templates/cluster.yaml",
            template(cluster(name).replace("10.0.", "{{.network}}.")),
        ),
        (
            "kops/templates/control-plane.yaml",
            template(instances(name, "control-plane", "Master")),
        ),
        ("kops/templates/nodes.yaml", all),
        (
            "kops/snippets/labels.yaml",
            "cloudLabels:\n  team: {{ .team }}".into(),
        ),
        (
            "kops/values/common.yaml",
            "team: web\ngroups:\n  nodes: {max: 3}\n".into(),
        ),
        ("kops/values/staging.yaml", "network: \"10.1\"\n".into()),
        (
            "kops/values/prod.yaml",
            "network: \"10.2\"\ngroups:\n  nodes: {max: 9}\n  batch: {max: 2}\n".into(),
        ),
    ] {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

pub(crate) const OF_TEMPLATES: &str = "-C fleet init --from-templates kops/templates --snippets kops/snippets --values kops/values/common.yaml --values staging.example.com=kops/values/staging.yaml --values prod.example.com=kops/values/prod.yaml --account 111122223333 --region eu-west-3";

#[test]
fn templates_of_the_toolbox_become_a_fleet() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    toolbox(dir);
    let said = kfleet(dir, OF_TEMPLATES).ends(0);
    for line in [
        "staging.example.com: 3 documents, the same as from `kops toolbox template`",
        "prod.example.com: 4 documents, the same as from `kops toolbox template`",
    ] {
        assert!(said.err.contains(line), "{line}\n{}", said.err);
    }
    assert!(!said.err.contains("warning"), "{}", said.err);
    for (before, after) in [
        ("templates/nodes.yaml", "templates/nodes.yaml.tpl"),
        ("snippets/labels.yaml", "snippets/labels.yaml"),
        ("values/prod.yaml", "vars/prod.yaml"),
    ] {
        let before = fs::read_to_string(dir.join("kops").join(before)).unwrap();
        let after = fs::read_to_string(dir.join("fleet").join(after)).unwrap();
        assert_eq!(before, after, "unchanged");
    }
    kfleet(dir, "-C fleet render").ends(0);
    let rendered = dir.join("fleet/rendered/prod.example.com/manifests.yaml");
    let rendered = fs::read_to_string(rendered).unwrap();
    assert!(
        rendered.contains("maxSize: 9") && rendered.contains("team: web"),
        "{rendered}"
    );
    kfleet(dir, "-C fleet plan --cloud local").ends(2);
    // Whoever has it already keeps it.
    kfleet(dir, OF_TEMPLATES).refuses(&["there is a fleet already"]);
}

#[test]
fn what_templates_lack_is_named_and_nothing_is_written() {
    for (from, to, naming) in [
        (
            " --values kops/values/common.yaml",
            "",
            vec!["kops/templates/nodes.yaml"],
        ),
        (" --region eu-west-3", "", vec!["region", "--region"]),
        (" --account 111122223333", "", vec!["account", "--account"]),
        (
            "staging.example.com=",
            "edge.example.com=",
            vec!["edge.example.com", "--environment"],
        ),
        (
            "kops/values/prod.yaml",
            "kops/values/nothing.yaml",
            vec!["nothing.yaml"],
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        toolbox(dir);
        let said = kfleet(dir, &OF_TEMPLATES.replace(from, to)).ends(1);
        for part in naming {
            assert!(said.err.contains(part), "{part}\n{}", said.err);
        }
        assert!(!dir.join("fleet").exists(), "nothing is written");
    }
}

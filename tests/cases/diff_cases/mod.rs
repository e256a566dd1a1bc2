//! `kfleet diff` on a git repository made of the bundled fleet: an edit in, the report out. `KFLEET_BLESS=1` writes the expected texts anew.

mod reach;
mod repository;
mod size;

use repository::Repository;

/// What an edit does to the fleet.
enum Edit {
    /// Replaces a text that is there.
    Replace(&'static str, &'static str, &'static str),
    /// Copies a file, with some texts replaced.
    Copy(
        &'static str,
        &'static str,
        &'static [(&'static str, &'static str)],
    ),
    /// Moves a file.
    Move(&'static str, &'static str),
    /// Removes a file.
    Remove(&'static str),
    /// Writes a new file.
    Write(&'static str, &'static str),
}

use Edit::{Copy, Move, Remove, Replace, Write};

fn apply(repository: &Repository, edits: &[Edit]) {
    for edit in edits {
        match edit {
            Replace(file, from, to) => repository.replace(file, from, to),
            Copy(from, to, texts) => {
                let mut text = repository.read(from);
                for (old, new) in *texts {
                    text = text.replace(old, new);
                }
                repository.write(to, &text);
            }
            Move(from, to) => {
                let text = repository.read(from);
                repository.write(to, &text);
                repository.remove(from);
            }
            Remove(file) => repository.remove(file),
            Write(file, text) => repository.write(file, text),
        }
    }
}

/// The edits change the working tree; the report is the expected one, and the exit code 2.
fn check(name: &str, edits: &[Edit], arguments: &[&str]) {
    let repository = Repository::of_bundled_fleet();
    apply(&repository, edits);
    let (code, out, err) = repository.diff(&[&["--since", "main"], arguments].concat());
    let of_skipping = |line: &&str| line.contains(" not rendered: nothing that they are made from");
    let err: Vec<&str> = err.lines().filter(|l| !of_skipping(l)).collect();
    assert_eq!((code, err.as_slice()), (2, [].as_slice()), "{name}");
    repository::expect(&format!("{name}.txt"), &out);
}

#[test]
fn new_instance_types_name_their_groups() {
    check(
        "instance_types",
        &[Replace(
            "snippets/spot_8x_32Gb_machine_type.yaml",
            "- m7i.2xlarge\n",
            "- m7i.2xlarge\n- m8i.2xlarge\n",
        )],
        &[],
    );
}

#[test]
fn a_comment_means_nothing() {
    check(
        "comment",
        &[Replace(
            "templates/3_admin-nodes.yaml.j2",
            "spec:\n",
            "spec:\n  # Here is a comment.\n",
        )],
        &[],
    );
}

#[test]
fn a_maximum_is_changed_in_place() {
    check(
        "maximum",
        &[Replace(
            "vars/prod-acme.k8s.foo.bar.yaml",
            "max: 80",
            "max: 90",
        )],
        &[],
    );
}

#[test]
fn an_image_replaces_instances_and_a_sysctl_is_for_kops() {
    let edits = [
        Replace(
            "snippets/node_group.yaml.j2",
            "image: {{ image }}",
            "image: {{ image }}-x",
        ),
        Replace("snippets/sysctl.yaml", "somaxconn=32768", "somaxconn=65535"),
    ];
    check("image", &edits, &[]);
}

#[test]
fn order_alone_is_said_to_be_order() {
    let edits = [
        Replace(
            "snippets/spot_8x_32Gb_machine_type.yaml",
            "- m5a.2xlarge\n- m5d.2xlarge\n",
            "- m5d.2xlarge\n- m5a.2xlarge\n",
        ),
        Replace(
            "templates/1_cluster.yaml.j2",
            "    - key: dedicated\n      operator: Equal\n",
            "    - operator: Equal\n      key: dedicated\n",
        ),
    ];
    check("order", &edits, &[]);
    // A template that is rendered later: no document is rewritten.
    check(
        "moved",
        &[Move(
            "templates/3_admin-nodes.yaml.j2",
            "templates/9_admin-nodes.yaml.j2",
        )],
        &[],
    );
}

#[test]
fn clusters_come_and_go() {
    let edits = [
        Copy(
            "clusters/staging-acme.k8s.foo.bar.yaml",
            "clusters/staging-new.k8s.foo.bar.yaml",
            &[],
        ),
        Copy(
            "vars/staging-acme.k8s.foo.bar.yaml",
            "vars/staging-new.k8s.foo.bar.yaml",
            &[("10.10", "10.12")],
        ),
        Remove("clusters/staging-acme.k8s.foo.bar.yaml"),
        Replace(
            "clusters/prod-acme.k8s.foo.bar.yaml",
            "protect: [control-plane-eu-west-3a, ",
            "protect: [",
        ),
    ];
    check("clusters", &edits, &[]);
}

#[test]
fn a_group_under_another_name_is_a_new_group() {
    let edits = [
        Replace("vars/defaults.yaml", "  prometheus: {", "  metrics: {"),
        Replace("vars/prod.yaml", "  prometheus: {", "  metrics: {"),
    ];
    let rest = [
        Replace(
            "vars/prod-globex.k8s.foo.bar.yaml",
            "  prometheus: {",
            "  metrics: {",
        ),
        Replace(
            "vars/prod-small.k8s.foo.bar.yaml",
            "  prometheus: {",
            "  metrics: {",
        ),
    ];
    check(
        "renamed",
        &edits.into_iter().chain(rest).collect::<Vec<_>>(),
        &[],
    );
}

#[test]
fn what_only_a_new_group_boots_with_is_said() {
    check(
        "user_data",
        &[Replace(
            "snippets/user_data.sh.j2",
            "#!/bin/bash\n",
            "#!/bin/bash\n# Hello.\n",
        )],
        &[],
    );
}

#[test]
fn what_only_kops_can_carry_out_is_marked() {
    let edits = [
        Replace(
            "vars/defaults.yaml",
            "kubernetes_version: \"1.34.2\"",
            "kubernetes_version: \"1.34.3\"",
        ),
        Replace(
            "templates/3_admin-nodes.yaml.j2",
            "\"dedicated=admin:NoSchedule\"",
            "\"dedicated=admin:NoExecute\"",
        ),
        Replace(
            "templates/3_admin-nodes.yaml.j2",
            "  role: Node\n",
            "  role: Node\n  # Slowly.\n  detailedInstanceMonitoring: true\n",
        ),
        Write(
            "templates/z_new.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: new, namespace: default}\n",
        ),
    ];
    check("kops", &edits, &[]);
}

#[test]
fn links_are_followed_as_long_as_they_stay_in_the_fleet() {
    let repository = Repository::of_bundled_fleet();
    repository.remove("vars/customers/globex.yaml");
    repository.link("acme.yaml", "vars/customers/globex.yaml");
    repository.commit("a link");
    assert_eq!(repository.diff(&["--since", "main"]).0, 0);
    repository.remove("vars/customers/globex.yaml");
    repository.link("../../../outside.yaml", "vars/customers/globex.yaml");
    repository.commit("a link that leads out");
    let (code, _, err) = repository.diff(&["--since", "main"]);
    let expected = "error: vars/customers/globex.yaml at main (COMMIT) is a link that leads out of the fleet, which `diff` does not follow\n";
    assert_eq!((code, err.as_str()), (1, expected));
    assert_eq!(repository.left_behind(), Vec::<String>::new());
}

#[test]
fn how_changes_are_rolled_out_is_said() {
    check(
        "settings",
        &[
            Replace("fleet.yaml", "soak: 30m", "soak: 45m"),
            Replace("fleet.yaml", "max_surge: 1", "max_surge: 2"),
        ],
        &[],
    );
}

#[test]
fn a_comment_for_a_pull_request_and_json() {
    let edits = [Replace(
        "vars/prod-acme.k8s.foo.bar.yaml",
        "max: 80",
        "max: 90",
    )];
    check("comment_markdown", &edits, &["--format", "markdown"]);
    check("json", &edits, &["--format", "json"]);
}

#[test]
fn no_difference_is_0() {
    let repository = Repository::of_bundled_fleet();
    repository.replace(
        "vars/defaults.yaml",
        "# For every cluster.",
        "# For each cluster.",
    );
    let (code, out, _) = repository.diff(&["--since", "HEAD"]);
    assert_eq!(
        (code, out.as_str()),
        (
            0,
            "no difference between HEAD (COMMIT) and the working tree\nlooked at 5 clusters\n"
        )
    );
    let (code, out, _) = repository.diff(&["--since", "HEAD", "--format", "markdown"]);
    assert_eq!(
        (code, out.as_str()),
        (
            0,
            "**no difference** between HEAD (COMMIT) and the working tree in 5 clusters\n"
        )
    );
}

#[test]
fn two_revisions_are_compared_without_the_working_tree() {
    let repository = Repository::of_bundled_fleet();
    repository.replace("vars/prod-acme.k8s.foo.bar.yaml", "max: 80", "max: 90");
    repository.commit("two");
    repository.replace("vars/prod-acme.k8s.foo.bar.yaml", "max: 90", "max: 100");
    let (code, out, _) = repository.diff(&["--since", "main~1", "--until", "main"]);
    assert_eq!(code, 2);
    assert!(out.contains("      MaxSize: 80 → 90\n"), "{out}");
    let (code, _, _) = repository.diff(&["--since", "main", "--until", "main"]);
    assert_eq!(code, 0);
    assert_eq!(
        repository.left_behind(),
        Vec::<String>::new(),
        "the folders of revisions are removed"
    );
}

#[test]
fn errors_say_which_side() {
    let repository = Repository::of_bundled_fleet();
    let failure = |arguments: &[&str]| {
        let (code, out, err) = repository.diff(arguments);
        assert_eq!((code, out.as_str()), (1, ""), "{arguments:?}");
        err
    };
    assert_eq!(
        failure(&["--since", "mian"]),
        "error: git knows no revision `mian`\nhint: did you mean `main`?\n"
    );
    assert_eq!(
        failure(&["--since=--help"]),
        "error: git knows no revision `--help`\n"
    );
    assert_eq!(
        failure(&["--since", "main", "--format", "yaml"]),
        "error: invalid value 'yaml' for '--format <FORMAT>'\n  [possible values: text, json, markdown]\n\nFor more information, try '--help'.\n"
    );
    repository.replace("vars/defaults.yaml", "zones: [", "zonse: [");
    let schema = "`zonse` is unknown (of prod-acme.k8s.foo.bar and 4 more)";
    let err = failure(&["--since", "main"]);
    assert!(
        err.starts_with(
            "error: the fleet of the working tree does not render:\nvars/defaults.yaml:"
        ),
        "{err}"
    );
    assert!(err.contains(schema), "{err}");
    repository.commit("broken");
    repository.replace("vars/defaults.yaml", "zonse: [", "zones: [");
    let err = failure(&["--since", "main"]);
    assert!(
        err.starts_with("error: the fleet of main (COMMIT) does not render:\nvars/defaults.yaml:"),
        "{err}"
    );
    repository.remove("fleet.yaml");
    repository.commit("no fleet");
    let err = failure(&["--since", "main"]);
    assert_eq!(
        err,
        "error: the fleet of main (COMMIT) does not render:\nno fleet.yaml here\nhint: run in a fleet's folder, or name one with -C DIR\n"
    );
    assert_eq!(repository.left_behind(), Vec::<String>::new());
    let elsewhere = tempfile::tempdir().unwrap();
    let (code, _, err) = repository::kfleet(elsewhere.path(), &["diff", "--since", "main"]);
    assert_eq!(code, 1);
    assert!(err.ends_with(": not in a git repository\nhint: `diff` compares revisions of git; `git init` and a first commit make one\n"), "{err}");
}

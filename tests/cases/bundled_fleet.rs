//! The repository's own fleet: loads, renders to the same bytes every time, and to the documents of `bundled_fleet/documents.txt`.

use std::path::Path;

use kfleet::fleet::{Fleet, load};
use kfleet::model::{ClusterName, GroupName};
use kfleet::render::{Rendered, Renderer};

fn fleet() -> Fleet {
    load(Path::new(env!("CARGO_MANIFEST_DIR")))
        .unwrap_or_else(|e| panic!("{e}\nhint: {:?}", e.hint()))
}

fn rendered(fleet: &Fleet, cluster: &ClusterName) -> Rendered {
    Renderer::new(fleet)
        .and_then(|r| r.render(cluster))
        .unwrap_or_else(|e| panic!("{e}\nhint: {:?}", e.hint()))
}

#[test]
fn renders_to_the_same_documents_every_time() {
    let (first, second) = (fleet(), fleet());
    let mut list = String::new();
    for cluster in first.clusters.keys() {
        let once = rendered(&first, cluster);
        assert_eq!(once.text, rendered(&second, cluster).text, "{cluster}");
        list.push_str(&format!("{cluster}\n"));
        for document in &once.documents {
            list.push_str(&format!(
                "  {} {} {}\n",
                document.template, document.kind, document.name
            ));
        }
    }
    let golden = include_str!("../bundled_fleet/documents.txt");
    assert!(list == golden, "the documents are now:\n{list}");
}

#[test]
fn raising_the_maximum_of_one_spot_group_changes_one_document() {
    let before = fleet();
    let mut after = before.clone();
    let cluster = ClusterName::new("prod-acme.k8s.foo.bar").unwrap();
    let layers = &mut after.clusters.get_mut(&cluster).unwrap().vars.layers;
    let own = layers
        .iter_mut()
        .find(|l| l.path == "vars/prod-acme.k8s.foo.bar.yaml")
        .unwrap();
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&own.path)).unwrap();
    assert!(text.contains("max: 80"));
    std::sync::Arc::make_mut(own).node = kfleet::yaml::parse_one(
        &text.replace("max: 80", "max: 120"),
        kfleet::yaml::Schema::Core,
    )
    .unwrap();
    let mut changed = Vec::new();
    for name in before.clusters.keys() {
        let (old, new) = (rendered(&before, name), rendered(&after, name));
        assert_eq!(old.documents.len(), new.documents.len());
        for (a, b) in old.documents.iter().zip(&new.documents) {
            if old.text_of(a) != new.text_of(b) {
                changed.push(format!("{name} {}", a.name));
            }
        }
    }
    assert_eq!(changed, ["prod-acme.k8s.foo.bar spot-8x-32gb"]);
}

#[test]
fn new_groups_get_a_bootstrap() {
    let fleet = fleet();
    let renderer = Renderer::new(&fleet).unwrap();
    let cluster = ClusterName::new("prod-acme.k8s.foo.bar").unwrap();
    let text = renderer
        .user_data(&cluster, &GroupName::new("spot-16x-64gb").unwrap(), "Node")
        .unwrap()
        .unwrap();
    let master = renderer
        .user_data(
            &cluster,
            &GroupName::new("control-plane-eu-west-3d").unwrap(),
            "Master",
        )
        .unwrap()
        .unwrap();
    assert!(
        master.contains("igconfig/control-plane/control-plane-eu-west-3d/nodeupconfig.yaml"),
        "{master}"
    );
    assert!(text.starts_with("#!/bin/bash\n"), "{text}");
    assert!(
        text.contains("igconfig/node/spot-16x-64gb/nodeupconfig.yaml"),
        "{text}"
    );
    assert!(
        text.contains("\nInstanceGroupName: spot-16x-64gb\nInstanceGroupRole: Node\n"),
        "{text}"
    );
}

#[test]
fn every_line_of_the_text_is_of_one_document_and_one_template() {
    let fleet = fleet();
    for cluster in fleet.clusters.keys() {
        let rendered = rendered(&fleet, cluster);
        let joined: String = rendered
            .documents
            .iter()
            .map(|d| rendered.text_of(d))
            .collect();
        let without_markers: String = rendered
            .text
            .split_inclusive('\n')
            .filter(|l| *l != "---\n")
            .collect();
        assert_eq!(joined, without_markers, "{cluster}");
        for document in &rendered.documents {
            assert_eq!(
                rendered.origin(document.document.root.pos.line),
                Some(document.template.as_str())
            );
        }
    }
}

//! What is known of the objects of one kind, and up to which version. Makes no calls.

use std::collections::BTreeMap;

use super::kinds::{Kind, Version};
use super::pods::Words;
use super::wire;

/// The objects of one kind: everything that happened up to a version, and nothing that happened after it.
pub(super) struct Table<K> {
    /// By `namespace/name`.
    items: BTreeMap<Box<str>, K>,
    words: Words,
    /// Everything up to here is in it. None: the API's versions are no numbers.
    version: Option<Version>,
}

/// An event that cannot come after what is known: the stream is not that of the list. The watch that meets it lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OutOfOrder;

impl<K: Kind> Table<K> {
    /// Nothing yet.
    pub(super) fn new() -> Table<K> {
        Table {
            items: BTreeMap::new(),
            words: Words::default(),
            version: None,
        }
    }

    /// One of a list.
    pub(super) fn put(&mut self, found: K::Wire) {
        let key = key(K::meta(&found));
        if let Some(facts) = K::facts(found, &mut self.words) {
            self.items.insert(key, facts);
        }
    }

    /// The list is whole, and of this version.
    pub(super) fn listed_at(&mut self, version: Option<Version>) {
        self.version = version;
    }

    /// There is a new one, or one has changed.
    pub(super) fn changed(&mut self, found: K::Wire) -> Result<(), OutOfOrder> {
        let version = self.next(K::meta(&found))?;
        self.put(found);
        self.version = Some(version);
        Ok(())
    }

    /// One is gone. Its version is that of its end. Source: kube-apiserver, `storage/cacher/cache_watcher.go`.
    pub(super) fn gone(&mut self, found: &K::Wire) -> Result<(), OutOfOrder> {
        let meta = K::meta(found);
        let version = self.next(meta)?;
        self.items.remove(&key(meta));
        self.version = Some(version);
        Ok(())
    }

    /// Everything up to this version was told. Source: Kubernetes, API concepts, "Watch bookmarks".
    pub(super) fn reached(&mut self, version: Option<Version>) -> Result<(), OutOfOrder> {
        if version.is_none() || version < self.version {
            return Err(OutOfOrder);
        }
        self.version = version;
        Ok(())
    }

    /// Events of one kind come in the order of their versions, each once.
    fn next(&self, meta: &wire::Meta) -> Result<Version, OutOfOrder> {
        let version = Version::new(meta.resource_version.as_deref()).ok_or(OutOfOrder)?;
        match self.version {
            Some(known) if known < version => Ok(version),
            Some(_) | None => Err(OutOfOrder),
        }
    }

    pub(super) fn version(&self) -> Option<Version> {
        self.version
    }

    /// Lets go of words that are not used.
    pub(super) fn tidy(&mut self) {
        self.words.tidy();
    }

    pub(super) fn get(&self, key: &str) -> Option<&K> {
        self.items.get(key)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &K> {
        self.items.values()
    }

    pub(super) fn into_items(self) -> Vec<K> {
        self.items.into_values().collect()
    }
}

/// `namespace/name`; the name alone of what has no namespace.
fn key(meta: &wire::Meta) -> Box<str> {
    let name = meta.name.as_deref().unwrap_or_default();
    match meta.namespace.as_deref() {
        None | Some("") => name.into(),
        Some(namespace) => format!("{namespace}/{name}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::kube::pods::Pod;

    fn pod(name: &str, version: &str) -> wire::Pod {
        serde_json::from_value(serde_json::json!({
            "metadata": {"name": name, "namespace": "default", "uid": format!("{name}-{version}"), "resourceVersion": version},
        }))
        .unwrap()
    }

    fn listed(version: &str) -> Table<Pod> {
        let mut table = Table::new();
        table.put(pod("a", "5"));
        table.listed_at(Version::new(Some(version)));
        table
    }

    fn shown(table: &Table<Pod>) -> Vec<&str> {
        table.all().map(Pod::uid).collect()
    }

    #[test]
    fn events_are_taken_in_their_order() {
        let mut table = listed("10");
        table.changed(pod("b", "11")).unwrap();
        table.gone(&pod("a", "12")).unwrap();
        table.changed(pod("a", "13")).unwrap();
        assert_eq!(shown(&table), ["a-13", "b-11"]);
        table.reached(Version::new(Some("20"))).unwrap();
        table.reached(Version::new(Some("20"))).unwrap();
        assert_eq!(table.version(), Version::new(Some("20")));
    }

    /// Whatever they would change, what is known is not touched by them.
    #[test]
    fn what_is_out_of_order_changes_nothing() {
        let mut table = listed("10");
        let wrong = [
            table.changed(pod("b", "9")),
            table.changed(pod("a", "10")),
            table.gone(&pod("a", "7")),
            table.changed(pod("b", "")),
            table.changed(pod("b", "x9")),
            table.reached(Version::new(Some("9"))),
            table.reached(None),
        ];
        assert_eq!(wrong, [Err(OutOfOrder); 7]);
        assert_eq!(
            (shown(&table), table.version()),
            (vec!["a-5"], Version::new(Some("10")))
        );
        let mut unnumbered = listed("of another kind");
        assert_eq!(unnumbered.changed(pod("b", "11")), Err(OutOfOrder));
    }

    /// Tens of thousands of pods have few labels and owners between them.
    #[test]
    fn words_are_kept_once_and_let_go() {
        let labelled = |name: &str, at: u64, app: &str| {
            let mut pod = pod(name, &at.to_string());
            pod.metadata.labels = Some([("app".to_owned(), app.to_owned())].into());
            pod
        };
        let mut table: Table<Pod> = Table::new();
        table.listed_at(Version::new(Some("1")));
        for n in 0..100 {
            table
                .changed(labelled(&format!("pod-{n}"), n + 2, "web"))
                .unwrap();
        }
        assert_eq!(table.words.kept(), (2, 1));
        for n in 0..100 {
            table
                .changed(labelled("job", n + 200, &format!("job-{n}")))
                .unwrap();
        }
        table.tidy();
        assert_eq!(table.words.kept(), (3, 2), "that of the last job");
    }
}

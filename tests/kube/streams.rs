//! Watches, as a kube-apiserver answers them: events of each kind in the order of their versions, a bookmark before the end, 410, streams that break,
//! stand still or lag; and answers compressed as it does it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use crate::api::{Kept, status};
use crate::eviction::{crowded, forbidden};

/// Answers from this size on are compressed for whoever takes it. Source: kube-apiserver, `endpoints/handlers/responsewriters`.
const WORTH_IT: usize = 128 * 1024;

/// A bookmark comes so long before the end of a watch. Source: kube-apiserver, `storage/cacher/cache_watcher.go`.
const BEFORE_THE_END: Duration = Duration::from_secs(2);

/// What happened to the objects of one kind.
#[derive(Default)]
struct Log {
    known: BTreeMap<String, Json>,
    /// Version, type and object.
    events: Vec<(u64, &'static str, Json)>,
}

/// The bookmark of a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bookmark {
    /// As new as everything, at once. A real one takes a second or two.
    Prompt,
    /// The same, when a real one sends it.
    Timely,
    /// As new as the last event of the kind: a server before Kubernetes 1.31 whose etcd reports no progress.
    Behind,
}

/// How watches behave beside what is asked of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    Good,
    /// Open, without a word, without an end.
    Still,
    /// The cache of the API server has not got further than this version.
    Lagging(u64),
    /// The connection breaks after so many lines.
    Torn(usize),
    /// At an end after so many lines, as if its time were over.
    Ended(usize),
    /// An event of type ERROR with this code, first of all.
    Error(u16),
    /// Refused with this code.
    Refused(u16),
    /// Priority and fairness lets no watch through.
    Crowded,
    /// So long between two lines.
    Slow(Duration),
    /// The last event is told again at the end.
    Twice,
    /// Every line is no JSON.
    Garbled,
}

/// What was told to watches, and how they behave.
pub struct Logs {
    logs: BTreeMap<&'static str, Log>,
    /// The newest version: of all kinds, counted together.
    version: u64,
    /// What came before is forgotten.
    compacted: u64,
    news: tokio::sync::watch::Sender<u64>,
    pub behaviour: Behaviour,
    pub bookmark: Bookmark,
    /// A watch from a version that is forgotten: 410 as the code of the answer, not as an event.
    pub gone_by_code: bool,
    /// Versions that are no numbers.
    pub unnumbered: bool,
    /// Nobody writes anything by itself: no leases.
    pub quiet: bool,
    /// Open watches.
    pub open: usize,
}

impl Default for Logs {
    fn default() -> Logs {
        Logs {
            logs: BTreeMap::new(),
            version: 0,
            compacted: 0,
            news: tokio::sync::watch::Sender::new(0),
            behaviour: Behaviour::Good,
            bookmark: Bookmark::Prompt,
            gone_by_code: false,
            unnumbered: false,
            quiet: false,
            open: 0,
        }
    }
}

impl Logs {
    /// What there is of a kind now.
    pub fn changed<'a>(
        &mut self,
        kind: &'static str,
        now: impl Iterator<Item = (String, &'a mut Json)>,
    ) {
        let gone: Vec<String> = {
            let mut before = self.keys(kind);
            for (key, one) in now {
                before.remove(&key);
                self.is(kind, key, one);
            }
            before.into_iter().collect()
        };
        for key in gone {
            self.is_gone(kind, &key);
        }
    }

    fn keys(&self, kind: &str) -> BTreeSet<String> {
        let log = self.logs.get(kind);
        log.into_iter()
            .flat_map(|log| log.known.keys().cloned())
            .collect()
    }

    /// What one object is now.
    fn is(&mut self, kind: &'static str, key: String, one: &mut Json) {
        let log = self.logs.entry(kind).or_default();
        let what = match log.known.get(&key) {
            Some(known) => {
                one["metadata"]["resourceVersion"] = known["metadata"]["resourceVersion"].clone();
                if known == one {
                    return;
                }
                if known["metadata"]["uid"] == one["metadata"]["uid"] {
                    "MODIFIED"
                } else {
                    // Another object under the same name: the one before had to go first.
                    self.is_gone(kind, &key);
                    "ADDED"
                }
            }
            None => "ADDED",
        };
        self.version += 1;
        one["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let log = self.logs.entry(kind).or_default();
        log.events.push((self.version, what, one.clone()));
        log.known.insert(key, one.clone());
        self.news.send_modify(|n| *n += 1);
    }

    /// One object is no more.
    fn is_gone(&mut self, kind: &'static str, key: &str) {
        let log = self.logs.entry(kind).or_default();
        let Some(mut gone) = log.known.remove(key) else {
            return;
        };
        self.version += 1;
        gone["metadata"]["resourceVersion"] = json!(self.version.to_string());
        log.events.push((self.version, "DELETED", gone));
        self.news.send_modify(|n| *n += 1);
    }

    pub fn version(&self) -> u64 {
        self.version
    }

    /// The same, as it is written.
    pub fn written(&self, version: u64) -> String {
        if self.unnumbered {
            return format!("v{version}");
        }
        version.to_string()
    }

    /// Objects of other kinds are written: leases, for one.
    pub fn others_write(&mut self) {
        self.version += u64::from(!self.quiet);
    }

    /// What has happened until now cannot be told again.
    pub fn forget(&mut self) {
        self.compacted = self.version;
    }

    /// The same, and it takes no room any more. Only while nobody watches.
    pub fn trim(&mut self) {
        self.forget();
        self.logs.values_mut().for_each(|log| log.events.clear());
    }

    /// Everything was put back from a backup: versions begin anew.
    pub fn restored(&mut self) {
        self.logs.clear();
        self.version = 0;
    }
}

impl Kept {
    /// Gives versions to what has changed, and tells the watches; of pods only to those that are noted as touched, where the others cannot have changed.
    pub fn publish(&mut self, touched_only: bool) {
        let nodes = self.nodes.iter_mut().map(|(key, one)| (key.clone(), one));
        self.watches.changed("nodes", nodes);
        let touched = std::mem::take(&mut self.touched);
        if touched_only {
            self.publish_pods(touched);
        } else {
            let pods = self.pods.iter_mut();
            let pods = pods.map(|((namespace, name), one)| (format!("{namespace}/{name}"), one));
            self.watches.changed("pods", pods);
        }
        let attachments = self.attachments.iter_mut();
        let attachments = attachments.map(|(key, one)| (key.clone(), one));
        self.watches.changed("volumeattachments", attachments);
        let named = |b: Json| {
            let name = &b["metadata"];
            (format!("{}/{}", name["namespace"], name["name"]), b)
        };
        let mut budgets: Vec<(String, Json)> = self.pod_budgets().into_iter().map(named).collect();
        let budgets = budgets.iter_mut().map(|(key, one)| (key.clone(), one));
        self.watches.changed("poddisruptionbudgets", budgets);
    }

    fn publish_pods(&mut self, touched: BTreeSet<(String, String)>) {
        for (namespace, name) in touched {
            let key = format!("{namespace}/{name}");
            match self.pods.get_mut(&(namespace, name)) {
                Some(pod) => self.watches.is("pods", key, pod),
                None => self.watches.is_gone("pods", &key),
            }
        }
    }
}

/// From where which kind is to be watched.
pub struct From {
    kind: &'static str,
    version: u64,
    bookmarks: bool,
    seconds: u64,
}

/// Whether it is a watch that is asked for, and why not.
pub fn asked(
    kept: &Kept,
    path: &[&str],
    query: &BTreeMap<String, String>,
) -> Option<Result<From, Response>> {
    query.get("watch").filter(|w| *w == "true")?;
    let kind = ["nodes", "pods", "poddisruptionbudgets", "volumeattachments"]
        .into_iter()
        .find(|kind| path.last() == Some(kind))?;
    if kept.denied.contains(&format!("watch {kind}")) {
        return Some(Err(forbidden(kind, "watch", kind, "at the cluster scope")));
    }
    match kept.watches.behaviour {
        Behaviour::Refused(code) => return Some(Err(status(code, "Broken", "no watches today"))),
        Behaviour::Crowded => return Some(Err(crowded())),
        _ => {}
    }
    let version: u64 = query["resourceVersion"].parse().unwrap();
    if version < kept.watches.compacted && kept.watches.gone_by_code {
        return Some(Err(status(410, "Expired", "too old resource version")));
    }
    let is = |name: &str| query.get(name).is_some_and(|b| b == "true");
    let seconds = query.get("timeoutSeconds").map(|s| s.parse().unwrap());
    Some(Ok(From {
        kind,
        version,
        bookmarks: is("allowWatchBookmarks"),
        seconds: seconds.unwrap_or(1800),
    }))
}

/// One open watch.
struct Open {
    kept: Arc<Mutex<Kept>>,
    news: tokio::sync::watch::Receiver<u64>,
    from: From,
    /// Events that it has gone through, and lines that it has told.
    through: usize,
    told: usize,
    marked: bool,
    began: Instant,
    over: bool,
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Ok(mut kept) = self.kept.lock() {
            kept.watches.open -= 1;
        }
    }
}

type Line = Result<Bytes, std::io::Error>;

fn line(what: &str, object: &Json) -> Bytes {
    format!("{}\n", json!({"type": what, "object": object})).into()
}

fn error(code: u16) -> Bytes {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "told by the stream", "reason": "Expired", "code": code});
    line("ERROR", &status)
}

impl Open {
    fn ends_at(&self) -> Instant {
        self.began + Duration::from_secs(self.from.seconds)
    }

    /// When the bookmark comes; none: never.
    fn marks_at(&self, bookmark: Bookmark) -> Option<Instant> {
        let whole = Duration::from_secs(self.from.seconds);
        match bookmark {
            _ if self.marked || !self.from.bookmarks => None,
            Bookmark::Prompt => Some(self.began),
            // The server looks once a second.
            Bookmark::Timely | Bookmark::Behind => {
                let before = whole.checked_sub(BEFORE_THE_END)?;
                (!before.is_zero()).then(|| self.began + before.min(Duration::from_secs(60)))
            }
        }
    }

    fn end(&mut self, line: Option<Line>) -> Option<Option<Line>> {
        self.over = true;
        Some(line)
    }

    /// What is to be said now; none: nothing yet.
    fn next(&mut self) -> Option<Option<Line>> {
        let kept = Arc::clone(&self.kept);
        let mut kept = kept.lock().unwrap();
        if self.over {
            return Some(None);
        }
        let mut newest = kept.watches.version;
        match kept.watches.behaviour {
            Behaviour::Still => return None,
            Behaviour::Error(code) => return self.end(Some(Ok(error(code)))),
            Behaviour::Torn(after) if self.told >= after => {
                return self.end(Some(Err(std::io::Error::other("torn"))));
            }
            Behaviour::Ended(after) if self.told >= after => return self.end(None),
            Behaviour::Garbled => return self.end(Some(Ok("so many words\n".into()))),
            Behaviour::Lagging(version) => newest = newest.min(version),
            _ => {}
        }
        if self.from.version < kept.watches.compacted && self.told == 0 {
            return self.end(Some(Ok(error(410))));
        }
        let empty = Log::default();
        let log = kept.watches.logs.get(self.from.kind).unwrap_or(&empty);
        while let Some((version, what, object)) = log.events.get(self.through) {
            if *version > newest {
                break;
            }
            self.through += 1;
            if *version > self.from.version {
                let said = line(what, &laden(&kept, object));
                return self.say(&mut kept, said);
            }
        }
        let last = log.events.last().map(|(version, ..)| *version);
        if kept.watches.behaviour == Behaviour::Twice
            && self.told > 0
            && let Some((_, what, object)) = log.events.last()
        {
            let said = line(what, object);
            return self.say(&mut kept, said);
        }
        if self
            .marks_at(kept.watches.bookmark)
            .is_some_and(|at| at <= Instant::now())
        {
            self.marked = true;
            let version = match kept.watches.bookmark {
                Bookmark::Prompt | Bookmark::Timely => newest,
                Bookmark::Behind => last.unwrap_or_default().min(newest),
            };
            let version = version.max(self.from.version);
            let mark = json!({"kind": "Any", "apiVersion": "v1", "metadata": {"resourceVersion": version.to_string()}});
            return self.say(&mut kept, line("BOOKMARK", &mark));
        }
        if self.ends_at() <= Instant::now() {
            return self.end(None);
        }
        None
    }

    fn say(&mut self, kept: &mut Kept, line: Bytes) -> Option<Option<Line>> {
        self.told += 1;
        kept.bytes += line.len() as u64;
        kept.unpacked += line.len() as u64;
        Some(Some(Ok(line)))
    }

    /// Until when there is nothing to say, unless something happens.
    fn wakes_at(&self) -> Instant {
        let bookmark = self.kept.lock().unwrap().watches.bookmark;
        self.marks_at(bookmark)
            .unwrap_or(self.ends_at())
            .min(self.ends_at())
    }
}

/// An object with all that a real one has beside.
pub fn laden(kept: &Kept, object: &Json) -> Json {
    let mut object = object.clone();
    if let Some(ballast) = (kept.ballast)(&object) {
        object["metadata"]["managedFields"] = ballast;
    }
    object
}

/// The answer to a watch.
pub fn stream(kept: &Arc<Mutex<Kept>>, locked: &mut Kept, from: From) -> Response {
    locked.watches.open += 1;
    let open = Open {
        kept: Arc::clone(kept),
        news: locked.watches.news.subscribe(),
        from,
        through: 0,
        told: 0,
        marked: false,
        began: Instant::now(),
        over: false,
    };
    let slow = match locked.watches.behaviour {
        Behaviour::Slow(pause) => pause,
        _ => Duration::ZERO,
    };
    let lines = futures_util::stream::unfold(open, move |mut open| async move {
        tokio::time::sleep(slow).await;
        loop {
            open.news.mark_unchanged();
            if let Some(line) = open.next() {
                return line.map(|line| (line, open));
            }
            let wakes_at = open.wakes_at();
            tokio::select! {
                changed = open.news.changed() => if changed.is_err() { return None },
                () = tokio::time::sleep_until(wakes_at.max(Instant::now() + Duration::from_millis(1))) => {}
            }
        }
    });
    Body::from_stream(lines).into_response()
}

/// An answer as it goes over the wire.
pub async fn sent(kept: &Arc<Mutex<Kept>>, headers: &HeaderMap, response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let mut body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let unpacked = body.len();
    let takes = headers
        .get("accept-encoding")
        .is_some_and(|e| e.to_str().is_ok_and(|e| e.contains("gzip")));
    if takes && body.len() >= WORTH_IT {
        // Source: kube-apiserver: level 1.
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&body).unwrap();
        body = packed.finish().unwrap().into();
        parts.headers.remove("content-length");
        parts
            .headers
            .insert("content-encoding", "gzip".parse().unwrap());
    }
    let mut locked = kept.lock().unwrap();
    locked.bytes += body.len() as u64;
    locked.unpacked += unpacked as u64;
    drop(locked);
    Response::from_parts(parts, Body::from(body))
}

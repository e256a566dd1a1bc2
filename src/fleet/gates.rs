//! `gates:` of `fleet.yaml` as written → [`GateSpec`], checked as far as a file can be. Makes no calls.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::FleetError;
use super::document::{ParsedFile, invalid};
use super::gate::{
    Bound, Empty, GateAt, GateKind, GateSpec, HeaderValue, HttpGate, PromqlGate, Samples,
};
use crate::model::Span;

/// How long a gate may say "wait" when it does not say itself.
const DEADLINE: Span = Span::from_secs(30 * 60);
/// How long an HTTP answer may take when the gate does not say.
const TIMEOUT: Span = Span::from_secs(10);
/// Kinds of gates.
const KINDS: [&str; 6] = ["asg", "kubernetes", "kops", "command", "http", "promql"];
/// Headers that carry secrets: a journal must never hold them.
const SECRET_HEADERS: [&str; 4] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-api-key",
];

/// One of `gates`. Its kind was checked before.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GateFile {
    name: String,
    kind: KindFile,
    deadline: Option<Span>,
    at: Option<GateAt>,
    samples: Option<u32>,
    every: Option<Span>,
    run: Option<Vec<String>>,
    url: Option<String>,
    headers: Option<BTreeMap<String, HeaderValue>>,
    timeout: Option<Span>,
    status: Option<u16>,
    body: Option<String>,
    query: Option<String>,
    min: Option<Bound>,
    max: Option<Bound>,
    empty: Option<Empty>,
}

/// `gates[].kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KindFile {
    Asg,
    Kubernetes,
    Kops,
    Command,
    Http,
    Promql,
}

/// Before decoding: a gate of another kind has other keys, and the kind is what has to be said.
pub(super) fn check_kinds(doc: &ParsedFile) -> Result<(), FleetError> {
    let gates = doc.node.get("gates").map(|n| n.items()).unwrap_or_default();
    for (i, gate) in gates.iter().enumerate() {
        if let Some(kind) = gate.get("kind").and_then(|k| k.as_str())
            && !KINDS.contains(&kind)
        {
            return Err(FleetError::NotAvailable {
                place: doc.place(&["gates", &i.to_string(), "kind"]),
                what: format!("the gate kind `{kind}`"),
                instead: format!(
                    "the kinds are {}; a command can ask anything",
                    KINDS.join(", ")
                ),
            });
        }
    }
    Ok(())
}

/// The gates, in their order.
pub(super) fn resolve(doc: &ParsedFile, files: &[GateFile]) -> Result<Vec<GateSpec>, FleetError> {
    let mut gates: Vec<GateSpec> = Vec::new();
    for (i, file) in files.iter().enumerate() {
        let index = i.to_string();
        if gates.iter().any(|g| g.name == file.name) {
            let place = doc.place(&["gates", &index, "name"]);
            return Err(FleetError::Twice {
                place,
                what: "gate",
                name: file.name.clone(),
                first: "this list".into(),
            });
        }
        let reader = Reader {
            doc,
            index: &index,
            file,
        };
        reader.only_own_keys()?;
        let kind = reader.kind()?;
        gates.push(GateSpec {
            name: file.name.clone(),
            samples: reader.samples()?,
            kind,
            deadline: file.deadline.unwrap_or(DEADLINE),
            at: file.at,
        });
    }
    Ok(gates)
}

struct Reader<'a> {
    doc: &'a ParsedFile,
    index: &'a str,
    file: &'a GateFile,
}

impl Reader<'_> {
    fn wrong(&self, key: &str, message: String, hint: impl Into<String>) -> FleetError {
        invalid(self.doc, &["gates", self.index, key], message, hint)
    }

    /// A key that the kind does not read would be a rule without effect.
    fn only_own_keys(&self) -> Result<(), FleetError> {
        let own = self.own_keys();
        let common = ["name", "kind", "deadline", "at"];
        let gate = self
            .doc
            .node
            .get("gates")
            .map(|n| n.items())
            .unwrap_or_default()
            .get(self.index.parse::<usize>().unwrap_or_default());
        for (key, _) in gate.map(|g| g.entries()).unwrap_or_default() {
            let key = key.text.as_str();
            if !common.contains(&key) && !own.contains(&key) {
                let hint = match key {
                    "run" => "write `kind: command`, or remove `run`".into(),
                    _ if own.is_empty() => format!("remove `{key}`"),
                    _ => format!("a gate of this kind has {}", own.join(", ")),
                };
                let what = if key == "run" {
                    "has a command, and its kind runs none".into()
                } else {
                    format!("has `{key}`, which its kind does not read")
                };
                return Err(self.wrong(key, format!("the gate `{}` {what}", self.file.name), hint));
            }
        }
        Ok(())
    }

    /// The keys that the kind of this gate reads.
    fn own_keys(&self) -> Vec<&'static str> {
        let web = ["url", "headers", "timeout"];
        match self.file.kind {
            KindFile::Asg | KindFile::Kubernetes => Vec::new(),
            KindFile::Kops => vec!["samples", "every"],
            KindFile::Command => vec!["run", "samples", "every"],
            KindFile::Http => [web.as_slice(), &["status", "body", "samples", "every"]].concat(),
            KindFile::Promql => [
                web.as_slice(),
                &["query", "min", "max", "empty", "samples", "every"],
            ]
            .concat(),
        }
    }

    fn kind(&self) -> Result<GateKind, FleetError> {
        Ok(match self.file.kind {
            KindFile::Asg => GateKind::Asg,
            KindFile::Kubernetes => GateKind::Kubernetes,
            KindFile::Kops => GateKind::Kops,
            KindFile::Command => GateKind::Command(self.command()?),
            KindFile::Http => GateKind::Http(Box::new(HttpGate {
                url: self.url()?,
                headers: self.headers()?,
                status: self.status()?,
                body: self.file.body.clone(),
                timeout: self.timeout()?,
            })),
            KindFile::Promql => GateKind::Promql(Box::new(self.promql()?)),
        })
    }

    fn command(&self) -> Result<Vec<String>, FleetError> {
        match &self.file.run {
            Some(run) if run.first().is_some_and(|p| !p.is_empty()) => Ok(run.clone()),
            Some(_) | None => {
                let hint =
                    "give it `run: [\"./smoke.sh\"]`: exit 0 passes, 75 waits, anything else fails";
                Err(invalid(
                    self.doc,
                    &["gates", self.index],
                    format!("the gate `{}` has no command", self.file.name),
                    hint,
                ))
            }
        }
    }

    fn promql(&self) -> Result<PromqlGate, FleetError> {
        let file = self.file;
        let Some(query) = file.query.clone().filter(|q| !q.trim().is_empty()) else {
            return Err(self.wrong(
                "query",
                format!("the gate `{}` has no query", file.name),
                "write `query: 'up{job=\"shop\"}'` and a bound",
            ));
        };
        self.group_needs_canary("query", &query)?;
        match (file.min, file.max) {
            (None, None) => {
                return Err(self.wrong(
                    "query",
                    format!("the gate `{}` would pass whatever the answer is", file.name),
                    "give it `min` or `max`",
                ));
            }
            (Some(min), Some(max)) if min.get() > max.get() => {
                return Err(self.wrong(
                    "min",
                    format!("the gate `{}` can never pass: min is above max", file.name),
                    "exchange them",
                ));
            }
            (Some(_), _) | (None, Some(_)) => {}
        }
        let (url, headers, timeout) = (
            self.url()?.trim_end_matches('/').to_owned(),
            self.headers()?,
            self.timeout()?,
        );
        Ok(PromqlGate {
            url,
            query,
            min: file.min,
            max: file.max,
            empty: file.empty.unwrap_or_default(),
            headers,
            timeout,
        })
    }

    fn url(&self) -> Result<String, FleetError> {
        let name = &self.file.name;
        let Some(url) = &self.file.url else {
            return Err(invalid(
                self.doc,
                &["gates", self.index],
                format!("the gate `{name}` has no url"),
                "write `url: https://…`",
            ));
        };
        let rest = url
            .strip_prefix("https://")
            .or_else(|| url.strip_prefix("http://"));
        let host = rest
            .map(|r| r.split(['/', '?', '#']).next().unwrap_or_default())
            .unwrap_or_default();
        if host.is_empty()
            || host.starts_with(':')
            || url.chars().any(|c| c.is_whitespace() || c.is_control())
        {
            return Err(self.wrong(
                "url",
                format!("the gate `{name}` has an url that cannot be asked"),
                "write http://HOST/PATH or https://HOST/PATH",
            ));
        }
        if host.contains('@') {
            let hint = "write a header instead: `headers: {Authorization: {env: NAME}}`";
            return Err(self.wrong(
                "url",
                format!("the gate `{name}` has a user or password in its url"),
                hint,
            ));
        }
        if url
            .replace("{cluster}", "")
            .replace("{group}", "")
            .contains(['{', '}'])
        {
            let message =
                format!("the gate `{name}` has a placeholder in its url that means nothing");
            return Err(self.wrong("url", message, "the placeholders are {cluster} and {group}"));
        }
        self.group_needs_canary("url", url)?;
        Ok(url.clone())
    }

    /// Only a canary is of one group.
    fn group_needs_canary(&self, key: &str, text: &str) -> Result<(), FleetError> {
        if text.contains("{group}") && self.file.at != Some(GateAt::Canary) {
            let message = format!(
                "the gate `{}` names {{group}}, and is also asked about whole clusters",
                self.file.name
            );
            return Err(self.wrong(key, message, "write `at: canary`"));
        }
        Ok(())
    }

    fn headers(&self) -> Result<BTreeMap<String, HeaderValue>, FleetError> {
        let headers = self.file.headers.clone().unwrap_or_default();
        let name = &self.file.name;
        for (header, value) in &headers {
            let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
            if header.is_empty() || !header.chars().all(token) {
                return Err(self.wrong(
                    "headers",
                    format!("the gate `{name}` has a header `{header}`, which is no header's name"),
                    "write `Authorization`",
                ));
            }
            match value {
                HeaderValue::Text(_)
                    if SECRET_HEADERS.contains(&header.to_lowercase().as_str()) =>
                {
                    let hint = format!(
                        "write `{header}: {{env: NAME}}`, and put the value into that environment variable"
                    );
                    return Err(self.wrong(
                        "headers",
                        format!("the gate `{name}` has the value of `{header}` in the file"),
                        hint,
                    ));
                }
                HeaderValue::Text(text) if text.chars().any(char::is_control) => {
                    return Err(self.wrong(
                        "headers",
                        format!("the gate `{name}` has a control character in `{header}`"),
                        "remove it",
                    ));
                }
                HeaderValue::Env(from) if from.env.is_empty() || from.env.contains(['=', '\0']) => {
                    return Err(self.wrong(
                        "headers",
                        format!("the gate `{name}` names no environment variable for `{header}`"),
                        "write {env: NAME}",
                    ));
                }
                HeaderValue::Text(_) | HeaderValue::Env(_) => {}
            }
        }
        Ok(headers)
    }

    fn status(&self) -> Result<u16, FleetError> {
        match self.file.status.unwrap_or(200) {
            status @ 100..=599 => Ok(status),
            other => Err(self.wrong(
                "status",
                format!(
                    "the gate `{}` waits for status {other}, which there is not",
                    self.file.name
                ),
                "write 200",
            )),
        }
    }

    fn timeout(&self) -> Result<Span, FleetError> {
        match self.file.timeout.unwrap_or(TIMEOUT) {
            none if none.is_zero() => Err(self.wrong(
                "timeout",
                format!("the gate `{}` gives no time to answer", self.file.name),
                "write 10s",
            )),
            timeout => Ok(timeout),
        }
    }

    fn samples(&self) -> Result<Samples, FleetError> {
        let Samples { times, every } = Samples::default();
        let samples = Samples {
            times: self.file.samples.unwrap_or(times),
            every: self.file.every.unwrap_or(every),
        };
        if samples.times == 0 || samples.every.is_zero() {
            return Err(self.wrong(
                "samples",
                format!("the gate `{}` is never asked", self.file.name),
                "write `samples: 5` and `every: 1m`",
            ));
        }
        Ok(samples)
    }
}

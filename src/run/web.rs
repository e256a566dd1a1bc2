//! Gates asked over HTTP: the request, and what its answer proves. No answer waits; an answer that proves nothing never passes.
//! Redirects are not followed: a header with a token goes to the server that the fleet names, and to no other.

use serde::Deserialize;

#[cfg(feature = "http")]
use crate::fleet::HeaderValue;
use crate::fleet::{Empty, HttpGate, PromqlGate};
use crate::rollout::{Ground, Verdict};

/// What a server said.
struct Said {
    status: u16,
    body: String,
}

/// Looks an environment variable up.
type Environment = fn(&str) -> Option<String>;

/// Asks an HTTP server.
pub(super) async fn http(gate: &HttpGate, environment: Environment) -> Verdict {
    let said = match get(&gate.url, &[], &gate.headers, gate.timeout, environment).await {
        Ok(said) => said,
        Err(verdict) => return verdict,
    };
    if said.status != gate.status {
        return other_status(gate, said.status);
    }
    match &gate.body {
        Some(text) if !said.body.contains(text) => Verdict::Fail(Ground::Words(format!(
            "{} answers {} without `{text}`",
            bare(&gate.url),
            said.status
        ))),
        Some(_) | None => Verdict::Pass(Ground::Words(format!(
            "{} answers {}",
            bare(&gate.url),
            said.status
        ))),
    }
}

/// A server that is overloaded or being restarted may say something else in a minute.
fn other_status(gate: &HttpGate, status: u16) -> Verdict {
    let text = format!("{} answers {status}, not {}", bare(&gate.url), gate.status);
    if matches!(status, 429 | 502 | 503 | 504) {
        Verdict::Wait(Ground::Words(text))
    } else {
        Verdict::Fail(Ground::Words(text))
    }
}

/// Asks Prometheus.
pub(super) async fn promql(gate: &PromqlGate, environment: Environment) -> Verdict {
    let url = format!("{}/api/v1/query", gate.url);
    match get(
        &url,
        &[("query", &gate.query)],
        &gate.headers,
        gate.timeout,
        environment,
    )
    .await
    {
        Ok(said) => judge(gate, &said),
        Err(verdict) => verdict,
    }
}

/// The answer of `/api/v1/query`. Source: Prometheus documentation, "HTTP API", "Instant queries".
#[derive(Deserialize)]
struct Answer {
    status: String,
    data: Option<Data>,
    #[serde(rename = "errorType")]
    error_type: Option<String>,
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Vector(Vec<Series>),
    Scalar((f64, String)),
    /// A range of values, or a text: no number to compare.
    Matrix(serde::de::IgnoredAny),
    String(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
struct Series {
    #[serde(default)]
    metric: std::collections::BTreeMap<String, String>,
    value: (f64, String),
}

fn judge(gate: &PromqlGate, said: &Said) -> Verdict {
    let answer: Answer = match serde_json::from_str(&said.body) {
        Ok(answer) => answer,
        Err(_) if matches!(said.status, 429 | 500..=599) => {
            return Verdict::Wait(Ground::Words(format!(
                "{} answers {}",
                bare(&gate.url),
                said.status
            )));
        }
        Err(_) => {
            return Verdict::Fail(Ground::Words(format!(
                "{} answers {} with something that is no answer of Prometheus",
                bare(&gate.url),
                said.status
            )));
        }
    };
    if answer.status != "success" || said.status != 200 {
        let (kind, why) = (
            answer.error_type.unwrap_or_default(),
            short(&answer.error.unwrap_or_default()),
        );
        let text = format!("Prometheus answers {} {kind}: {why}", said.status);
        // A query that cannot be understood will not be understood in a minute either.
        return if matches!(said.status, 400 | 401 | 403 | 404 | 422) {
            Verdict::Fail(Ground::Words(text))
        } else {
            Verdict::Wait(Ground::Words(text))
        };
    }
    let values: Vec<(String, String)> = match answer.data {
        Some(Data::Vector(series)) => series
            .into_iter()
            .map(|s| (labels(&s.metric), s.value.1))
            .collect(),
        Some(Data::Scalar((_, value))) => vec![(String::new(), value)],
        Some(Data::Matrix(_) | Data::String(_)) | None => {
            return Verdict::Fail(Ground::Words(
                "the query gives no instant vector and no number: nothing to compare".into(),
            ));
        }
    };
    compare(gate, &values)
}

/// Whether one value of the answer is a number within the bounds.
fn check_bounds(gate: &PromqlGate, labels: &str, text: &str) -> Result<(), String> {
    let Ok(value) = text.parse::<f64>() else {
        return Err(format!("`{}`{labels} is no number", short(text)));
    };
    let min = gate.min.map(f64::from).filter(|min| value < *min);
    let max = gate.max.map(f64::from).filter(|max| value > *max);
    match (min, max) {
        _ if value.is_nan() => Err(format!("the value{labels} is NaN: nothing was measured")),
        (Some(min), _) => Err(format!("{value}{labels} is below {min}")),
        (None, Some(max)) => Err(format!("{value}{labels} is above {max}")),
        (None, None) => Ok(()),
    }
}

fn compare(gate: &PromqlGate, values: &[(String, String)]) -> Verdict {
    if values.is_empty() {
        let text = "the query has no result".to_owned();
        return match gate.empty {
            Empty::Wait => Verdict::Wait(Ground::Words(text)),
            Empty::Fail => Verdict::Fail(Ground::Words(text)),
        };
    }
    for (labels, text) in values {
        if let Err(fault) = check_bounds(gate, labels, text) {
            return Verdict::Fail(Ground::Words(fault));
        }
    }
    let first = values.first().map_or("", |(_, value)| value);
    Verdict::Pass(Ground::Words(if values.len() == 1 {
        format!("the value is {first}")
    } else {
        format!("{} values are within their bounds", values.len())
    }))
}

fn labels(metric: &std::collections::BTreeMap<String, String>) -> String {
    let all: Vec<String> = metric
        .iter()
        .take(4)
        .map(|(name, value)| format!("{}={}", short(name), short(value)))
        .collect();
    if all.is_empty() {
        String::new()
    } else {
        format!(" of {}", all.join(","))
    }
}

/// An url without its query: that may hold a secret.
fn bare(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or(url)
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// A body longer than this is cut: no gate needs more.
#[cfg(feature = "http")]
const MOST: usize = 1 << 20;

#[cfg(feature = "http")]
async fn get(
    url: &str,
    query: &[(&str, &str)],
    headers: &std::collections::BTreeMap<String, HeaderValue>,
    timeout: crate::model::Span,
    environment: Environment,
) -> Result<Said, Verdict> {
    let timeout = std::time::Duration::from_millis(timeout.millis().max(0).unsigned_abs());
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(timeout)
        .build();
    let client = client.map_err(|_| {
        Verdict::Fail(Ground::Words(
            "no HTTP client can be made on this machine".into(),
        ))
    })?;
    let mut url: reqwest::Url = url
        .parse()
        .map_err(|_| Verdict::Fail(Ground::Words(format!("{} is no url", bare(url)))))?;
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    let subject = bare(url.as_str()).to_owned();
    let mut request = client.get(url);
    for (name, value) in headers {
        let value = match value {
            HeaderValue::Text(text) => text.clone(),
            HeaderValue::Env(from) => environment(&from.env)
                .filter(|v| !v.is_empty())
                .ok_or_else(|| {
                    Verdict::Fail(Ground::Words(format!(
                        "the environment variable {} of the header {name} is not set",
                        from.env
                    )))
                })?,
        };
        let value = reqwest::header::HeaderValue::from_str(&value);
        let mut value = value.map_err(|_| {
            Verdict::Fail(Ground::Words(format!(
                "the value of the header {name} cannot be sent"
            )))
        })?;
        value.set_sensitive(true);
        request = request.header(name, value);
    }
    // The error's own text may hold the whole url: only its kind is said.
    let no_answer = |e: &reqwest::Error| {
        let why = if e.is_timeout() {
            "does not answer in time"
        } else if e.is_connect() {
            "cannot be reached"
        } else {
            "breaks off"
        };
        Verdict::Wait(Ground::Words(format!("{subject} {why}")))
    };
    let mut response = request.send().await.map_err(|e| no_answer(&e))?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| no_answer(&e))? {
        body.extend_from_slice(&chunk);
        if body.len() > MOST {
            body.truncate(MOST);
            break;
        }
    }
    Ok(Said {
        status,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

#[cfg(not(feature = "http"))]
async fn get(
    url: &str,
    _query: &[(&str, &str)],
    _headers: &std::collections::BTreeMap<String, crate::fleet::HeaderValue>,
    _timeout: crate::model::Span,
    _environment: Environment,
) -> Result<Said, Verdict> {
    std::future::ready(Err(Verdict::Fail(Ground::Words(format!(
        "{} cannot be asked: this kfleet was built without the feature `http`",
        bare(url)
    )))))
    .await
}

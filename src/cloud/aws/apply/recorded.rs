//! The requests that effects come to, word for word: sent to a server that answers from a script and writes down what it is asked.
//! Cases are in `tests/aws_requests`, one file each; `KFLEET_BLESS=1` rewrites what comes out: read it.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials;
use aws_types::region::Region;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;

use super::hand::Hand;
use crate::cloud::aws::connect::Clients;
use crate::cloud::{CloudError, Place};
use crate::model::{Applied, CloudEffect};

/// What is answered to calls of an API, one after the other; the last answer stays.
type Script = Vec<(String, VecDeque<(u16, String)>)>;

#[derive(Clone, Default)]
struct Account {
    script: Arc<Mutex<Script>>,
    asked: Arc<Mutex<String>>,
}

impl Account {
    /// Writes the request down and takes the next answer.
    fn answer(&self, body: &str) -> (u16, String) {
        let pairs: Vec<(String, String)> = body
            .split('&')
            .filter_map(|p| p.split_once('='))
            .map(|(k, v)| (decoded(k), decoded(v)))
            .collect();
        let action = pairs
            .iter()
            .find(|(k, _)| k == "Action")
            .map(|(_, v)| v.clone())
            .unwrap_or_default();
        let mut asked = self.asked.lock().unwrap();
        writeln!(asked, "{action}").unwrap();
        for (key, value) in pairs
            .iter()
            .filter(|(k, _)| k != "Action" && k != "Version")
        {
            writeln!(asked, "    {key}={value}").unwrap();
        }
        let mut script = self.script.lock().unwrap();
        let answers = script
            .iter_mut()
            .find(|(name, _)| *name == action)
            .map(|(_, answers)| answers);
        match answers {
            Some(answers) if answers.len() > 1 => answers.pop_front().unwrap(),
            Some(answers) => answers.front().cloned().unwrap(),
            None => (
                200,
                format!("<{action}Response><{action}Result/></{action}Response>"),
            ),
        }
    }
}

async fn answer(State(account): State<Account>, body: Bytes) -> (StatusCode, String) {
    let (status, text) = account.answer(std::str::from_utf8(&body).unwrap());
    (StatusCode::from_u16(status).unwrap(), text)
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits: Vec<u8> = rest.by_ref().take(2).collect();
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
        } else {
            bytes.push(if byte == b'+' { b' ' } else { byte });
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn clients(address: SocketAddr) -> Clients {
    let config = aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(Region::new("eu-west-3"))
        .endpoint_url(format!("http://{address}"))
        .credentials_provider(
            aws_credential_types::provider::SharedCredentialsProvider::new(Credentials::new(
                "x", "x", None, None, "test",
            )),
        )
        .http_client(crate::cloud::aws::connect::http_client(None).unwrap())
        .build();
    Clients {
        autoscaling: aws_sdk_autoscaling::Client::new(&config),
        ec2: aws_sdk_ec2::Client::new(&config),
        classic: aws_sdk_elasticloadbalancing::Client::new(&config),
        elb: aws_sdk_elasticloadbalancingv2::Client::new(&config),
        quotas: aws_sdk_servicequotas::Client::new(&config),
        iam: aws_sdk_iam::Client::new(&config),
        sts: aws_sdk_sts::Client::new(&config),
    }
}

fn told(outcome: Result<Applied, CloudError>) -> String {
    match outcome {
        Ok(Applied::Done) => "done".into(),
        Ok(Applied::Already) => "already".into(),
        Ok(Applied::Version(n)) => format!("version {n}"),
        Ok(Applied::Launched { instances, refused }) => {
            format!("launched {instances:?}, refused {refused:?}")
        }
        Ok(Applied::Moved(found)) => format!("moved: {found}"),
        Ok(Applied::NotYet(found)) => format!("not yet: {found}"),
        Err(error) => error.to_string(),
    }
}

/// A case: the effect as JSON, then the answers, each after a line `-- Api [status]`, `@name` from `answers`; in its `.out` what came of it and what was asked.
fn parse(text: &str) -> (CloudEffect, Script) {
    let mut parts = text.split("\n-- ");
    let effect = serde_json::from_str(parts.next().unwrap()).unwrap();
    let mut script: Script = Vec::new();
    for part in parts {
        let (head, body) = part.split_once('\n').unwrap_or((part, ""));
        let (api, status) = head.trim().split_once(' ').unwrap_or((head.trim(), "200"));
        let body = match body.trim().strip_prefix('@') {
            Some(name) => {
                std::fs::read_to_string(folder().join(format!("answers/{name}.xml"))).unwrap()
            }
            None => body.to_owned(),
        };
        let answer = (status.parse().unwrap(), body);
        match script.iter_mut().find(|(name, _)| name == api) {
            Some((_, answers)) => answers.push_back(answer),
            None => script.push((api.to_owned(), VecDeque::from([answer]))),
        }
    }
    (effect, script)
}

async fn outcome(text: &str) -> String {
    let (effect, script) = parse(text);
    let account = Account {
        script: Arc::new(Mutex::new(script)),
        ..Account::default()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(
        axum::serve(
            listener,
            Router::new().fallback(answer).with_state(account.clone()),
        )
        .into_future(),
    );
    let place = Place {
        cluster: "a.b".parse().unwrap(),
        account: "111122223333".parse().unwrap(),
        region: "eu-west-3".parse().unwrap(),
    };
    let mut hand = Hand::new(&place, effect.group(), clients(address));
    hand.waits = Default::default();
    let told = told(hand.carry_out(&effect).await).replace(&address.to_string(), "ADDRESS");
    server.abort();
    let asked = account.asked.lock().unwrap().clone();
    format!("{told}\n\n{asked}")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aws_requests")
}

fn cases() -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "case"))
        .collect();
    all.sort();
    all
}

#[tokio::test]
async fn requests_are_as_written_down() {
    let cases = cases();
    assert!(cases.len() > 20, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let found = outcome(&std::fs::read_to_string(&case).unwrap()).await;
        let expected = case.with_extension("out");
        if option_env!("KFLEET_BLESS").is_some() {
            std::fs::write(&expected, &found).unwrap();
        }
        if std::fs::read_to_string(&expected).unwrap_or_default() != found {
            wrong.push(format!("{}:\n{found}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

//! Every call to AWS passes here just before it is sent: it waits its turn, is counted, and in a world that only looks it is refused
//! when it would change something. Knows calls by their names, and of what is in them only whether they are tried without being done.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::{
    RuntimeComponents, RuntimeComponentsBuilder,
};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::config_bag::ConfigBag;

use crate::fleet::{CallRate, CallRates};
use crate::model::{AccountId, Region};

/// Calls sent so far, attempts again among them, by `service:Api`.
pub(super) type Counts = BTreeMap<String, u64>;

/// What all clients of one process share: the turns and the counts.
#[derive(Debug)]
pub(super) struct Politeness {
    started: tokio::time::Instant,
    read_only: bool,
    /// What may be used of what AWS grants, in percent.
    share: u32,
    rates: CallRates,
    turns: Mutex<BTreeMap<(AccountId, Region, String), Bucket>>,
    counts: Mutex<Counts>,
    writes: Mutex<BTreeMap<(AccountId, Region), u64>>,
}

impl Politeness {
    /// Nothing sent yet. `read_only`: no call that changes anything ever will be. `share`: what may be used of what AWS grants, in percent.
    /// `rates`: what AWS grants, where that is not what it publishes.
    pub(super) fn new(read_only: bool, share: u32, rates: CallRates) -> Politeness {
        Politeness {
            started: tokio::time::Instant::now(),
            read_only,
            share,
            rates,
            turns: Mutex::default(),
            counts: Mutex::default(),
            writes: Mutex::default(),
        }
    }

    /// Calls sent so far.
    pub(super) fn counts(&self) -> Counts {
        unpoisoned(&self.counts).clone()
    }

    /// Calls that changed something in an account and region.
    pub(super) fn writes(&self, account: &AccountId, region: &Region) -> u64 {
        unpoisoned(&self.writes)
            .get(&(account.clone(), region.clone()))
            .copied()
            .unwrap_or(0)
    }

    /// Counts a call and says how long it has to wait for its turn.
    fn turn(&self, account: &AccountId, region: &Region, api: &str, changes: bool) -> Duration {
        *unpoisoned(&self.counts).entry(api.to_owned()).or_default() += 1;
        if changes {
            *unpoisoned(&self.writes)
                .entry((account.clone(), region.clone()))
                .or_default() += 1;
        }
        let mut turns = unpoisoned(&self.turns);
        let bucket = turns
            .entry((account.clone(), region.clone(), api.to_owned()))
            .or_insert_with(|| Bucket::full(Rate::of(api, &self.rates, self.share)));
        bucket.take(self.started.elapsed())
    }
}

/// What is behind these locks is whole between any two statements: a panic elsewhere does not spoil it.
fn unpoisoned<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How fast an API may be called.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rate {
    /// Calls at once after a pause.
    burst: f64,
    /// Calls a second from then on.
    per_second: f64,
}

impl Rate {
    /// A share of what AWS grants an account in a region, in percent: kops, autoscalers and people live on the same.
    ///
    /// Published by AWS, as burst and calls a second of one account and region:
    /// - EC2, developer guide, "Request throttling for the Amazon EC2 API": calls that read, with a filter or pages, 100 and 20; calls that read everything
    ///   at once, 50 and 10; calls that change something, 50 and 5 (some 200 and 5). There are buckets of resources beside (`RunInstances`,
    ///   `TerminateInstances`: 1,000 instances, refilled by the second), which nothing here comes near to: launches are Auto Scaling's.
    ///   kfleet reads by filter, by id or in pages; what AWS takes for a reading of everything all the same is safe with the half that is used by default.
    /// - Elastic Load Balancing, user guide, "API throttling": calls that read, 40 and 10.
    ///
    /// Not published, for Auto Scaling and STS: they get EC2's figures for calls with a filter. That Auto Scaling takes about 10 calls a second of
    /// a reading API is what people see, and half of 20. Who knows better, or has other quotas, says so in `call_rates` of `fleet.yaml`.
    fn of(api: &str, rates: &CallRates, share: u32) -> Rate {
        let reads = is_read(api);
        let (burst, per_second) = match (rates.of(api, reads), api.split(':').next()) {
            (Some(CallRate { burst, per_second }), _) => (f64::from(burst), f64::from(per_second)),
            (None, Some("elasticloadbalancing")) if reads => (40.0, 10.0),
            (None, _) if reads => (100.0, 20.0),
            (None, _) => (50.0, 5.0),
        };
        let part = f64::from(share.clamp(1, 100)) / 100.0;
        Rate {
            burst: (burst * part).max(1.0),
            per_second: per_second * part,
        }
    }
}

/// A token bucket that lends: who finds it empty is told when its token will be there.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    rate: Rate,
    tokens: f64,
    /// Since the start of the process.
    at: Duration,
}

impl Bucket {
    fn full(rate: Rate) -> Bucket {
        Bucket {
            rate,
            tokens: rate.burst,
            at: Duration::ZERO,
        }
    }

    /// Takes a token and says how long it is until it is there.
    fn take(&mut self, now: Duration) -> Duration {
        let gained = now.saturating_sub(self.at).as_secs_f64() * self.rate.per_second;
        self.tokens = (self.tokens + gained).min(self.rate.burst) - 1.0;
        self.at = self.at.max(now);
        Duration::from_secs_f64((-self.tokens / self.rate.per_second).max(0.0))
    }
}

/// Whether a call, by its `service:Api`, only reads. What is not known to read is taken to change something.
fn is_read(api: &str) -> bool {
    let name = api.split_once(':').map_or(api, |(_, name)| name);
    ["Describe", "Get", "List", "Head", "AssumeRole", "Simulate"]
        .iter()
        .any(|verb| name.starts_with(verb))
}

/// Whether a call is only tried: EC2 checks it, and does nothing. No other service has this field. Source: EC2 API reference, common query parameters, `DryRun`.
fn is_tried(request: &HttpRequest) -> bool {
    field(request, "Version") == "2016-11-15" && field(request, "DryRun") == "true"
}

/// The HTTP client of one account and region.
#[derive(Clone)]
pub(super) struct PoliteClient {
    pub(super) inner: SharedHttpClient,
    pub(super) account: AccountId,
    pub(super) region: Region,
    pub(super) politeness: Arc<Politeness>,
}

impl fmt::Debug for PoliteClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoliteClient")
            .field("account", &self.account)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

impl HttpClient for PoliteClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(PoliteConnector {
            client: self.clone(),
            inner: self.inner.http_connector(settings, components),
        })
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        cfg: &ConfigBag,
    ) -> Result<(), aws_smithy_runtime_api::box_error::BoxError> {
        self.inner.validate_base_client_config(components, cfg)
    }

    fn validate_final_config(
        &self,
        components: &RuntimeComponents,
        cfg: &ConfigBag,
    ) -> Result<(), aws_smithy_runtime_api::box_error::BoxError> {
        self.inner.validate_final_config(components, cfg)
    }
}

#[derive(Debug)]
struct PoliteConnector {
    client: PoliteClient,
    inner: SharedHttpConnector,
}

impl HttpConnector for PoliteConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let PoliteClient {
            inner: _,
            account,
            region,
            politeness,
        } = &self.client;
        let api = name(&request);
        let changes = !is_read(&api) && !is_tried(&request);
        if politeness.read_only && changes {
            return HttpConnectorFuture::ready(Err(ConnectorError::user(
                format!("{api} changes something and was not sent: this command only looks").into(),
            )));
        }
        let wait = politeness.turn(account, region, &api, changes);
        let inner = self.inner.clone();
        HttpConnectorFuture::new(async move {
            tokio::time::sleep(wait).await;
            whole(inner.call(request).await?).await
        })
    }
}

/// The answer with all of its body there. One that broke off in the middle would be taken for a shorter list: the SDK's reader of XML does not mind.
async fn whole(mut answer: HttpResponse) -> Result<HttpResponse, ConnectorError> {
    let body = std::mem::replace(answer.body_mut(), SdkBody::taken());
    let bytes = ByteStream::new(body)
        .collect()
        .await
        .map_err(|e| ConnectorError::io(e.into()))?
        .into_bytes();
    if let Some(root) = broken_off(&bytes) {
        return Err(ConnectorError::io(
            format!("the answer broke off: it does not end with </{root}>").into(),
        ));
    }
    *answer.body_mut() = SdkBody::from(bytes);
    Ok(answer)
}

/// The root element of an answer of AWS's that lacks its end.
fn broken_off(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    // What comes before the root begins with `<?` or `<!`.
    let begin = text.match_indices('<').find(|(i, _)| {
        text.get(i + 1..)
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()))
    });
    let root: String = text
        .get(begin?.0 + 1..)?
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect();
    let ours = root.is_empty() || root.ends_with("Response");
    (ours && !text.trim_end().ends_with(&format!("</{root}>"))).then_some(root)
}

/// `service:Api` of a request. The services asked through here put the name into the form they send; a request that has none is not known to read.
fn name(request: &HttpRequest) -> String {
    // Services that take JSON have it in a header: `ServiceQuotasV20190624.GetServiceQuota`.
    if let Some(api) = request
        .headers()
        .get("x-amz-target")
        .and_then(|target| target.strip_prefix("ServiceQuotasV20190624."))
    {
        return format!("servicequotas:{api}");
    }
    // The version of an API is the name of its service: it has been the same since there is an SDK.
    let service = match field(request, "Version") {
        "2010-05-08" => "iam",
        "2011-01-01" => "autoscaling",
        "2016-11-15" => "ec2",
        "2012-06-01" | "2015-12-01" => "elasticloadbalancing",
        "2011-06-15" => "sts",
        _ => "unknown",
    };
    let action = field(request, "Action");
    format!(
        "{service}:{}",
        if action.is_empty() {
            request.method()
        } else {
            action
        }
    )
}

/// A field of the form that a request sends; empty where it has none of that name.
fn field<'r>(request: &'r HttpRequest, key: &str) -> &'r str {
    let form = request
        .body()
        .bytes()
        .and_then(|b| std::str::from_utf8(b).ok())
        .unwrap_or_default();
    form.split('&')
        .find_map(|pair| pair.split_once('=').filter(|(k, _)| *k == key))
        .map_or("", |(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_lends_what_it_has_not() {
        let mut bucket = Bucket::full(Rate {
            burst: 2.0,
            per_second: 4.0,
        });
        let mut waits = |times: usize, at: u64| {
            (0..times)
                .map(|_| bucket.take(Duration::from_millis(at)).as_millis())
                .collect::<Vec<_>>()
        };
        assert_eq!(waits(4, 0), [0, 0, 250, 500]);
        assert_eq!(waits(1, 500), [250], "two came back and two were owed");
        assert_eq!(waits(3, 60_000), [0, 0, 250], "never more than the burst");
    }

    #[test]
    fn what_is_not_known_to_read_changes_something() {
        let read = [
            "ec2:DescribeInstances",
            "sts:GetCallerIdentity",
            "sts:AssumeRoleWithWebIdentity",
            "ec2:GetLaunchTemplateData",
        ];
        let change = [
            "ec2:CreateLaunchTemplate",
            "autoscaling:SetDesiredCapacity",
            "ec2:DescribelessDelete:Describe",
            "unknown:POST",
            "unknown:PUT",
            "",
        ];
        assert!(read.iter().all(|api| is_read(api)));
        assert!(
            change
                .iter()
                .skip(3)
                .chain(&change[..2])
                .all(|api| !is_read(api))
        );
    }

    #[test]
    fn calls_are_known_by_name() {
        let named = |body: &str| name(&HttpRequest::new(SdkBody::from(body)));
        assert_eq!(
            named("Action=DescribeInstances&Version=2016-11-15&Filter.1.Name=Action"),
            "ec2:DescribeInstances"
        );
        assert_eq!(
            named("Action=TerminateInstanceInAutoScalingGroup&Version=2011-01-01"),
            "autoscaling:TerminateInstanceInAutoScalingGroup"
        );
        assert_eq!(
            named("Action=DescribeTargetGroups&Version=2015-12-01"),
            "elasticloadbalancing:DescribeTargetGroups"
        );
        assert_eq!(
            named("Action=DescribeLoadBalancers&Version=2012-06-01"),
            "elasticloadbalancing:DescribeLoadBalancers"
        );
        assert_eq!(
            named("Action=GetCallerIdentity&Version=2011-06-15"),
            "sts:GetCallerIdentity"
        );
        assert_eq!(named("{\"Action\":1}"), "unknown:GET");
    }

    /// Answers everything, and says what it was asked.
    #[derive(Clone, Debug, Default)]
    struct Heard(Arc<Mutex<Vec<String>>>);

    impl HttpConnector for Heard {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            unpoisoned(&self.0).push(name(&request));
            let body = SdkBody::from("<Response></Response>");
            HttpConnectorFuture::ready(Ok(HttpResponse::new(200.try_into().unwrap(), body)))
        }
    }

    #[tokio::test]
    async fn who_only_looks_sends_no_change() {
        for (read_only, heard) in [
            (true, "ec2:DescribeTags ec2:RunInstances"),
            (
                false,
                "ec2:DescribeTags ec2:RunInstances ec2:RunInstances ec2:CreateTags autoscaling:SetDesiredCapacity",
            ),
        ] {
            let inner = Heard::default();
            let told = inner.clone();
            let politeness = Arc::new(Politeness::new(read_only, 50, CallRates::default()));
            let client = PoliteClient {
                inner: aws_smithy_runtime_api::client::http::http_client_fn(|_, _| {
                    SharedHttpConnector::new(Heard::default())
                }),
                account: AccountId::new("111122223333").unwrap(),
                region: Region::new("eu-west-1").unwrap(),
                politeness: Arc::clone(&politeness),
            };
            let polite = PoliteConnector {
                client,
                inner: SharedHttpConnector::new(inner),
            };
            let ask = |body: &str| polite.call(HttpRequest::new(SdkBody::from(body)));
            assert!(ask("Action=DescribeTags&Version=2016-11-15").await.is_ok());
            let tried = "Action=RunInstances&Version=2016-11-15&DryRun=true";
            assert!(ask(tried).await.is_ok());
            assert_eq!(
                ask(&tried.replace("true", "false")).await.is_err(),
                read_only
            );
            assert_eq!(
                politeness.writes(
                    &AccountId::new("111122223333").unwrap(),
                    &Region::new("eu-west-1").unwrap()
                ),
                u64::from(!read_only)
            );
            for change in [
                "Action=CreateTags&Version=2016-11-15",
                // Auto Scaling tries nothing: it would do it.
                "Action=SetDesiredCapacity&Version=2011-01-01&DryRun=true",
            ] {
                let answer = ask(change).await;
                assert_eq!(
                    answer.is_err_and(|e| e.is_user() && e.to_string() != ""),
                    read_only
                );
            }
            assert_eq!(unpoisoned(&told.0).join(" "), heard);
            assert_eq!(politeness.counts().len(), if read_only { 2 } else { 4 });
        }
    }

    #[test]
    fn an_answer_that_broke_off_is_none() {
        for (body, root) in [
            (
                "<?xml version=\"1.0\"?>\n<DescribeSubnetsResponse xmlns=\"x\"><a/></DescribeSubnetsResponse>\n",
                None,
            ),
            (
                "<?xml version=\"1.0\"?>\n<DescribeSubnetsResponse xmlns=\"x\"><subnetSet><item>",
                Some("DescribeSubnetsResponse"),
            ),
            (
                "<?xml version=\"1.0\"?><ErrorResponse><Error><Code>Thrott",
                Some("ErrorResponse"),
            ),
            ("<Response><Errors/></Response>", None),
            ("<Response><Errors/></Respon", Some("Response")),
            ("<!doctype html><html><p>busy", None),
            ("", None),
            ("busy", None),
            ("<", None),
            ("<?xml", None),
        ] {
            assert_eq!(broken_off(body.as_bytes()).as_deref(), root, "{body}");
        }
    }

    #[test]
    fn accounts_regions_and_apis_have_their_own_turns() {
        let politeness = Politeness::new(false, 50, CallRates::default());
        let account = |id: &str| AccountId::new(id).unwrap();
        let (here, there) = (
            Region::new("eu-west-1").unwrap(),
            Region::new("eu-west-3").unwrap(),
        );
        let ask = |id: &str, region: &Region, api: &str| {
            politeness.turn(&account(id), region, api, true) > Duration::ZERO
        };
        let create = "ec2:CreateLaunchTemplate";
        let burst: Vec<bool> = (0..26)
            .map(|_| ask("111122223333", &here, create))
            .collect();
        assert_eq!(
            burst.iter().filter(|waits| **waits).count(),
            1,
            "the burst is 25"
        );
        assert!(
            !ask("444455556666", &here, create)
                && !ask("111122223333", &there, create)
                && !ask("111122223333", &here, "ec2:CreateTags")
        );
        assert_eq!(
            politeness.counts(),
            Counts::from([(create.to_owned(), 28), ("ec2:CreateTags".to_owned(), 1)])
        );
    }

    #[test]
    fn rates_are_as_published_or_as_the_fleet_says() {
        let said: CallRates = serde_json::from_value(serde_json::json!({
            "ec2:read": {"burst": 8, "per_second": 4},
            "autoscaling:DescribeLifecycleHooks": {"burst": 2, "per_second": 1},
        }))
        .unwrap();
        for (api, rates, share, burst, per_second) in [
            (
                "ec2:DescribeImages",
                &CallRates::default(),
                100,
                100.0,
                20.0,
            ),
            ("ec2:DescribeImages", &CallRates::default(), 50, 50.0, 10.0),
            ("ec2:CreateTags", &CallRates::default(), 50, 25.0, 2.5),
            (
                "elasticloadbalancing:DescribeTargetGroups",
                &CallRates::default(),
                50,
                20.0,
                5.0,
            ),
            ("ec2:DescribeImages", &said, 50, 4.0, 2.0),
            ("ec2:CreateTags", &said, 50, 25.0, 2.5),
            ("autoscaling:DescribeLifecycleHooks", &said, 25, 1.0, 0.25),
            (
                "autoscaling:DescribeAutoScalingGroups",
                &said,
                50,
                50.0,
                10.0,
            ),
        ] {
            assert_eq!(
                Rate::of(api, rates, share),
                Rate { burst, per_second },
                "{api} {share}"
            );
        }
    }
}

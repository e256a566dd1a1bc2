//! The way to AWS: settings and credentials as the AWS CLI takes them, the role of each cluster, one set of clients for each account, role and region.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{AppName, BehaviorVersion, Region as SdkRegion, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sdk_autoscaling::config::retry::{RetryPartition, TokenBucket};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::DateTime;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use tokio::sync::{Mutex, OnceCell};

use super::error::cloud_error;
use super::options::{Access, AwsOptions, Reach, Session};
use super::polite::{Counts, PoliteClient, Politeness};
use crate::cloud::{CloudError, Place};
use crate::model::{AccountId, ClusterName, Region, Span, Timestamp};

/// Tries of one call, the first among them. With the SDK's waits (doubling from a second, by chance between none and all, twenty seconds at most) the
/// last one comes after half a minute.
const ATTEMPTS: u32 = 6;
/// To reach a server at all.
const CONNECT: Duration = Duration::from_secs(5);
/// For the first byte of an answer.
const READ: Duration = Duration::from_secs(30);
/// For one try, its turn among other calls included.
const ATTEMPT: Duration = Duration::from_secs(60);
/// For a call with all its tries.
const OPERATION: Duration = Duration::from_secs(240);
/// For a login: a `credential_process` may have to ask somewhere.
const LOGIN: Duration = Duration::from_secs(30);
/// Credentials are renewed when they are good for less than this.
const RENEW: Duration = Duration::from_secs(120);
/// Credentials have to be good for at least this long before a wave begins: none of its steps shall be the one that finds them over.
const ENOUGH: Span = Span::from_secs(300);
/// Longest name of a session. Source: STS API reference, AssumeRole, `RoleSessionName`.
const SESSION_NAME: usize = 64;

/// The clients of one account, role and region.
#[derive(Clone, Debug)]
pub(super) struct Clients {
    /// For the API Auto Scaling.
    pub(super) autoscaling: aws_sdk_autoscaling::Client,
    /// Launch templates, instances, networks, images.
    pub(super) ec2: aws_sdk_ec2::Client,
    /// Classic load balancers.
    pub(super) classic: aws_sdk_elasticloadbalancing::Client,
    /// Target groups.
    pub(super) elb: aws_sdk_elasticloadbalancingv2::Client,
    /// Limits of the account.
    pub(super) quotas: aws_sdk_servicequotas::Client,
    /// What a role would be allowed.
    pub(super) iam: aws_sdk_iam::Client,
    /// Who we are.
    pub(super) sts: aws_sdk_sts::Client,
}

/// What clients are kept by.
pub(super) type Door = (AccountId, Option<String>, Region);

/// All ways into a fleet's accounts.
#[derive(Debug)]
pub(super) struct Connection {
    reach: Reach,
    session: Mutex<Session>,
    read_only: bool,
    http: SharedHttpClient,
    clusters: BTreeMap<ClusterName, Access>,
    politeness: Arc<Politeness>,
    /// Settings and credentials of the caller; read when first needed.
    base: OnceCell<SdkConfig>,
    /// One login a role, whatever the region.
    roles: Mutex<BTreeMap<String, SharedCredentialsProvider>>,
    clients: Mutex<BTreeMap<Door, Clients>>,
}

impl Connection {
    /// Gets ready; asks nothing yet.
    pub(super) fn new(options: AwsOptions) -> Result<Connection, CloudError> {
        let AwsOptions {
            clusters,
            reach,
            session,
            hooks: _,
        } = options;
        Ok(Connection {
            http: http_client(reach.ca_bundle.as_deref())?,
            politeness: Arc::new(Politeness::new(
                session.read_only,
                reach.share.unwrap_or(50),
                reach.rates.clone(),
            )),
            reach,
            read_only: session.read_only,
            session: Mutex::new(session),
            clusters,
            base: OnceCell::new(),
            roles: Mutex::default(),
            clients: Mutex::default(),
        })
    }

    /// Calls sent so far.
    pub(super) fn counts(&self) -> Counts {
        self.politeness.counts()
    }

    /// Calls that changed something in a cluster's account and region.
    pub(super) fn writes(&self, place: &Place) -> u64 {
        self.politeness.writes(&place.account, &place.region)
    }

    /// Whether nothing will ever be written.
    pub(super) fn only_reads(&self) -> bool {
        self.read_only
    }

    /// What is known of a cluster.
    pub(super) fn access(&self, cluster: &ClusterName) -> Access {
        self.clusters.get(cluster).cloned().unwrap_or_default()
    }

    /// What the clients of a cluster are kept by: clusters with the same are read together.
    pub(super) fn door(&self, place: &Place) -> Door {
        let role = self
            .clusters
            .get(&place.cluster)
            .and_then(|a| a.role_arn.clone());
        (place.account.clone(), role, place.region.clone())
    }

    /// Takes on another name: roles are assumed anew when they are next needed.
    pub(super) async fn act_for(&self, session: Session) {
        *self.session.lock().await = session;
        self.roles.lock().await.clear();
        self.clients.lock().await.clear();
    }

    /// The clients for a cluster.
    ///
    /// # Errors
    /// When the settings of the environment make no sense. Credentials are looked for by the first call.
    pub(super) async fn clients(&self, place: &Place) -> Result<Clients, CloudError> {
        let door = self.door(place);
        if let Some(clients) = self.clients.lock().await.get(&door) {
            return Ok(clients.clone());
        }
        let config = self.config(place).await?;
        let clients = Clients::new(&config, &place.account, &place.region);
        Ok(self
            .clients
            .lock()
            .await
            .entry(door)
            .or_insert(clients)
            .clone())
    }

    /// The settings for calls about a cluster: in its account (by its role), its region, at the pace of both.
    pub(super) async fn config(&self, place: &Place) -> Result<SdkConfig, CloudError> {
        let region = SdkRegion::new(place.region.as_str().to_owned());
        let base = self.base(&region).await;
        let polite = PoliteClient {
            inner: self.http.clone(),
            account: place.account.clone(),
            region: place.region.clone(),
            politeness: Arc::clone(&self.politeness),
        };
        let own = base.to_builder().region(region).http_client(polite).build();
        match self.access(&place.cluster).role_arn {
            None => Ok(own),
            Some(role) => {
                let provider = self.assumed(&role, &own).await;
                Ok(own.into_builder().credentials_provider(provider).build())
            }
        }
    }

    /// As [`Connection::config`], for services that have paces and answers of another kind.
    pub(super) async fn plain(&self, place: &Place) -> Result<SdkConfig, CloudError> {
        Ok(self
            .config(place)
            .await?
            .into_builder()
            .http_client(self.http.clone())
            .build())
    }

    async fn base(&self, region: &SdkRegion) -> &SdkConfig {
        self.base
            .get_or_init(|| settings(&self.reach, self.http.clone(), Some(region.clone())))
            .await
    }

    /// Whether the caller's credentials, asked for anew, are good for a while yet, as far as their provider says so. Those of a role
    /// are renewed with them. What cannot be said here is said by the next call.
    ///
    /// # Errors
    /// When they are not.
    async fn lasts(&self, place: &Place, now: Timestamp) -> Result<(), CloudError> {
        let region = SdkRegion::new(place.region.as_str().to_owned());
        let Some(provider) = self.base(&region).await.credentials_provider() else {
            return Ok(());
        };
        let Ok(Ok(credentials)) = tokio::time::timeout(LOGIN, provider.provide_credentials()).await
        else {
            return Ok(());
        };
        // No credentials are good for longer than a number can say: those would be as good as for ever.
        let end = credentials
            .expiry()
            .and_then(|end| DateTime::from(end).to_millis().ok())
            .map(Timestamp::from_millis);
        match end.and_then(|end| over_soon(end, now)) {
            Some(message) => Err(CloudError::Credentials {
                account: place.account.clone(),
                message,
            }),
            None => Ok(()),
        }
    }

    /// The account that the caller is in. Credentials that will be over before anything is done are as good as none.
    pub(super) async fn account(
        &self,
        place: &Place,
        now: Timestamp,
    ) -> Result<AccountId, CloudError> {
        self.lasts(place, now).await?;
        let answer = self.clients(place).await?.sts.get_caller_identity().send();
        let identity = answer
            .await
            .map_err(|e| cloud_error(place, &place.cluster, &e))?;
        AccountId::new(identity.account.unwrap_or_default()).map_err(|e| CloudError::Unknown {
            subject: place.cluster.to_string(),
            message: format!("GetCallerIdentity names no account: {e}"),
        })
    }

    /// The credentials of a role; the SDK asks for them when they are needed, and again before they end.
    async fn assumed(&self, role: &str, config: &SdkConfig) -> SharedCredentialsProvider {
        if let Some(known) = self.roles.lock().await.get(role) {
            return known.clone();
        }
        let Session {
            name,
            tags,
            read_only: _,
        } = self.session.lock().await.clone();
        let mut builder = AssumeRoleProvider::builder(role)
            .configure(config)
            .session_name(session_name(&name));
        if !tags.is_empty() {
            builder = builder.tags(tags);
        }
        let provider = SharedCredentialsProvider::new(builder.build().await);
        self.roles
            .lock()
            .await
            .entry(role.to_owned())
            .or_insert(provider)
            .clone()
    }
}

impl Clients {
    fn new(config: &SdkConfig, account: &AccountId, region: &Region) -> Clients {
        // The SDK's own share of tries is one for all accounts of a region: one that is throttled would use up what the others need.
        let share = |service: &str| {
            RetryPartition::custom(format!("{service}-{account}-{region}"))
                .token_bucket(TokenBucket::new(500))
                .build()
        };
        let autoscaling = aws_sdk_autoscaling::config::Builder::from(config)
            .retry_partition(share("autoscaling"))
            .build();
        let ec2 = aws_sdk_ec2::config::Builder::from(config)
            .retry_partition(share("ec2"))
            .build();
        let classic = aws_sdk_elasticloadbalancing::config::Builder::from(config)
            .retry_partition(share("elb-classic"))
            .build();
        let elb = aws_sdk_elasticloadbalancingv2::config::Builder::from(config)
            .retry_partition(share("elb"))
            .build();
        let iam = aws_sdk_iam::config::Builder::from(config)
            .retry_partition(share("iam"))
            .build();
        let quotas = aws_sdk_servicequotas::config::Builder::from(config)
            .retry_partition(share("servicequotas"))
            .build();
        let sts = aws_sdk_sts::config::Builder::from(config)
            .retry_partition(share("sts"))
            .build();
        Clients {
            autoscaling: aws_sdk_autoscaling::Client::from_conf(autoscaling),
            ec2: aws_sdk_ec2::Client::from_conf(ec2),
            classic: aws_sdk_elasticloadbalancing::Client::from_conf(classic),
            elb: aws_sdk_elasticloadbalancingv2::Client::from_conf(elb),
            quotas: aws_sdk_servicequotas::Client::from_conf(quotas),
            iam: aws_sdk_iam::Client::from_conf(iam),
            sts: aws_sdk_sts::Client::from_conf(sts),
        }
    }
}

/// Settings and credentials of the caller: environment, profiles, web identity, SSO, processes, containers, instance role, in the SDK's order, which
/// is that of the AWS CLI. Without a region: the one that the environment or the profile names.
pub(super) async fn settings(
    reach: &Reach,
    http: SharedHttpClient,
    region: Option<SdkRegion>,
) -> SdkConfig {
    let timeouts = timeouts();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .identity_cache(
            IdentityCache::lazy()
                .load_timeout(LOGIN)
                .buffer_time(RENEW)
                .build(),
        );
    if let Ok(name) = AppName::new(concat!("kfleet-", env!("CARGO_PKG_VERSION"))) {
        loader = loader.app_name(name);
    }
    if let Some(region) = region {
        loader = loader.region(region);
    }
    if let Some(url) = &reach.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    loader.load().await
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .read_timeout(READ)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(OPERATION)
        .build()
}

/// One HTTP client for everything: proxies of the environment, and its certificates.
///
/// # Errors
/// When the certificates cannot be read.
pub(super) fn http_client(ca_bundle: Option<&Path>) -> Result<SharedHttpClient, CloudError> {
    let trusted = ca_bundle.map(trusted).transpose()?;
    Ok(
        Builder::new().build_with_connector_fn(move |settings, components| {
            let mut builder =
                Connector::builder().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
            builder.set_connector_settings(settings.cloned());
            builder.set_sleep_impl(components.and_then(|c| c.sleep_impl()));
            builder.set_proxy_config(Some(ProxyConfig::from_env()));
            if let Some(trusted) = &trusted {
                builder.set_tls_context(trusted.clone());
            }
            builder.build()
        }),
    )
}

/// The certificates of a bundle, tried out: the SDK would not say what is wrong with them.
fn trusted(path: &Path) -> Result<TlsContext, CloudError> {
    let refused = |message: String| CloudError::Refused {
        subject: format!("the certificates of AWS_CA_BUNDLE, {}", path.display()),
        message,
    };
    let pem = std::fs::read(path).map_err(|e| refused(e.to_string()))?;
    if !pem.windows(27).any(|w| w == b"-----BEGIN CERTIFICATE-----") {
        return Err(refused("the file holds no certificate".into()));
    }
    let store = TrustStore::empty().with_pem_certificate(pem);
    let context = TlsContext::builder()
        .with_trust_store(store)
        .build()
        .map_err(|e| refused(e.to_string()))?;
    let tried = context.clone();
    let connector = || {
        drop(
            Connector::builder()
                .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
                .tls_context(tried)
                .build(),
        )
    };
    catch_unwind(AssertUnwindSafe(connector))
        .map_err(|_| refused("one of them is broken".into()))?;
    Ok(context)
}

/// Why credentials that end then are none to begin anything with.
fn over_soon(end: Timestamp, now: Timestamp) -> Option<String> {
    (end < now + ENOUGH).then(|| {
        format!("they are good until {end} only, less than {ENOUGH}, and were not renewed")
    })
}

/// What AWS takes for the name of a session: letters, digits and `_+=,.@-`, 64 at most.
fn session_name(name: &str) -> String {
    let fits = |c: char| {
        if c.is_ascii_alphanumeric() || "_+=,.@-".contains(c) {
            c
        } else {
            '-'
        }
    };
    name.chars().map(fits).take(SESSION_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_names_are_what_aws_takes() {
        assert_eq!(
            session_name("kfleet-20261122-1/é b"),
            "kfleet-20261122-1---b"
        );
        assert_eq!(session_name(&"a".repeat(99)).len(), 64);
    }

    #[test]
    fn credentials_have_to_last_for_five_minutes() {
        let now = Timestamp::from_millis(1_767_600_000_000);
        let ends = |seconds: i64| over_soon(now + Span::from_secs(seconds), now);
        assert_eq!(
            ends(299).unwrap(),
            "they are good until 2026-01-05T08:04:59.000Z only, less than 5m, and were not renewed"
        );
        assert_eq!((ends(300), ends(86_400)), (None, None));
        assert!(over_soon(Timestamp::from_millis(0), now).is_some());
    }

    #[test]
    fn broken_certificates_are_no_panic() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let mut said = Vec::new();
        for content in [
            None,
            Some("no certificate"),
            Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            Some("-----BEGIN CERTIFICATE-----\n%\n"),
        ] {
            if let Some(text) = content {
                std::fs::write(&path, text).unwrap();
            }
            said.push(http_client(Some(&path)).unwrap_err().to_string());
        }
        assert!(
            said.iter()
                .all(|s| s.starts_with("refused for the certificates of AWS_CA_BUNDLE, ")),
            "{said:?}"
        );
    }
}

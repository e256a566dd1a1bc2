//! The cloud that was asked for, and the store that belongs to it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::args::{Arguments, CloudArgument, Pace};
use super::failure::Failure;
use super::pipeline::PreparedFleet;
use crate::cloud::local::{self, Fault, Scenario};
use crate::cloud::{Cloud, CloudError, Place};
use crate::fleet::Fleet;
use crate::model::{
    AccountId, Applied, CloudEffect, ClusterName, Live, NodeEffect, Nodes, Span, Timestamp,
};
#[cfg(feature = "aws")]
use crate::nodes::Access;
use crate::nodes::{NodeApi, NodeError};
use crate::rollout::{Rollout, Task};
use crate::store::{CloudKind, Store};

/// The world that is looked at and acted upon.
pub(super) enum World {
    /// The simulated account, with its simulated clusters.
    Local(Box<local::World>),
    /// AWS, and the clusters' own APIs.
    #[cfg(feature = "aws")]
    Aws(Box<Real>),
}

/// AWS, and the clusters' own APIs.
#[cfg(feature = "aws")]
pub(super) struct Real {
    pub(super) cloud: crate::cloud::aws::Aws,
    nodes: Clusters,
}

#[cfg(all(feature = "aws", feature = "kubernetes"))]
use crate::nodes::kube::Clusters;

/// What stands for the clusters' own APIs in a build that cannot ask them.
#[cfg(all(feature = "aws", not(feature = "kubernetes")))]
struct Clusters {
    access: BTreeMap<ClusterName, Access>,
}

#[cfg(all(feature = "aws", not(feature = "kubernetes")))]
impl Clusters {
    fn new(
        access: BTreeMap<ClusterName, Access>,
        _: Option<std::path::PathBuf>,
        _: fn() -> Timestamp,
    ) -> Clusters {
        Clusters { access }
    }
}

#[cfg(all(feature = "aws", not(feature = "kubernetes")))]
fn no_client() -> crate::model::Unseen {
    crate::model::Unseen {
        kind: crate::model::UnseenKind::Context,
        why: "this build has no Kubernetes client".into(),
    }
}

#[cfg(all(feature = "aws", not(feature = "kubernetes")))]
impl NodeApi for Clusters {
    async fn nodes(&self, cluster: &ClusterName) -> Nodes {
        if self.access.contains_key(cluster) {
            Nodes::Unknown(no_client())
        } else {
            Nodes::NotAsked
        }
    }

    async fn act(&self, cluster: &ClusterName, _: &NodeEffect) -> Result<Applied, NodeError> {
        Err(NodeError::Shut {
            cluster: cluster.clone(),
            unseen: no_client(),
        })
    }
}

/// What only the simulated account takes.
pub(super) struct Simulated<'a> {
    pub(super) seed: u64,
    pub(super) faults: &'a [String],
    pub(super) scenario: Option<&'a Path>,
}

/// Images by the cluster whose definitions name them.
pub(super) type Images = BTreeMap<ClusterName, BTreeSet<String>>;

/// The store of the fleet for the cloud asked for.
pub(super) fn store(arguments: &Arguments, fleet: &Fleet) -> Result<Store, Failure> {
    store_of(arguments, arguments.cloud, fleet)
}

/// The store of the fleet for a cloud.
pub(super) fn store_of(
    arguments: &Arguments,
    cloud: Option<CloudArgument>,
    fleet: &Fleet,
) -> Result<Store, Failure> {
    let kind = match cloud {
        Some(CloudArgument::Local) => CloudKind::Local,
        Some(CloudArgument::Aws) if cfg!(feature = "aws") => CloudKind::Aws,
        Some(CloudArgument::Aws) => {
            return Err(Failure::new("this build of kfleet has no AWS in it")
                .hint("build it with its default features; `--cloud local` acts on the embedded simulated account"));
        }
        None => {
            return Err(
                Failure::new("no cloud was named").hint("say `--cloud aws`, or `--cloud local` for the simulated account, or set KFLEET_CLOUD")
            );
        }
    };
    let place = &fleet.settings.store;
    match (place.starts_with(S3), kind) {
        (false, _) => Ok(Store::open(&fleet.root.join(place), kind)?),
        (true, CloudKind::Local) => Err(Failure::new(format!(
            "the simulated account keeps its state in a folder, and the store is {place}"
        ))
        .hint("say `--cloud aws`, or name a folder as `store` in fleet.yaml")),
        (true, CloudKind::Aws) => remote(arguments, place),
    }
}

const S3: &str = "s3://";

#[cfg(feature = "aws")]
fn remote(arguments: &Arguments, url: &str) -> Result<Store, Failure> {
    Ok(Store::of_objects(
        super::bucket::leases(url, who(), &reach(arguments)?)?,
        CloudKind::Aws,
    )?)
}

#[cfg(not(feature = "aws"))]
fn remote(_: &Arguments, url: &str) -> Result<Store, Failure> {
    Err(Failure::new(format!(
        "this build of kfleet has no AWS in it, and the store is {url}"
    )))
}

/// The cloud that the fleet's store belongs to, where that is known without being told.
pub(super) fn cloud_of_store(fleet: &Fleet) -> Result<Option<CloudArgument>, Failure> {
    let place = &fleet.settings.store;
    let kind = if place.starts_with(S3) {
        Some(CloudKind::Aws)
    } else {
        Store::kind_of(&fleet.root.join(place))?
    };
    Ok(kind.map(|kind| match kind {
        CloudKind::Aws => CloudArgument::Aws,
        CloudKind::Local => CloudArgument::Local,
    }))
}

/// A stage that approves itself is a toy: only the simulated account takes it.
pub(super) fn may_approve_itself(arguments: &Arguments, pace: &Pace) -> Result<(), Failure> {
    match arguments.cloud {
        Some(CloudArgument::Aws) if pace.auto_approve => {
            Err(Failure::new("a real cloud refuses `--auto-approve`")
                .hint("look at the plan, then `kfleet rollout approve STAGE --plan ID`"))
        }
        Some(CloudArgument::Aws | CloudArgument::Local) | None => Ok(()),
    }
}

/// The cloud asked for.
pub(super) async fn open(
    arguments: &Arguments,
    fleet: &Fleet,
    store: &Store,
    images: Images,
    simulated: &Simulated<'_>,
) -> Result<World, Failure> {
    match arguments.cloud {
        Some(CloudArgument::Aws)
            if !simulated.faults.is_empty() || simulated.scenario.is_some() =>
        {
            Err(
                Failure::new("faults can be ordered from the simulated account only")
                    .hint("leave `--fault` and `--scenario` out, or say `--cloud local`"),
            )
        }
        Some(CloudArgument::Aws) => real(arguments, fleet, store, images).await,
        Some(CloudArgument::Local) | None => {
            Ok(World::Local(Box::new(simulate(store, simulated)?)))
        }
    }
}

/// What time it is here.
fn now_here() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

/// What time it is in the cloud that the store belongs to.
pub(super) fn now(store: &Store) -> Result<Timestamp, Failure> {
    match store.kind() {
        CloudKind::Aws => Ok(now_here()),
        CloudKind::Local => Ok(simulate(
            store,
            &Simulated {
                seed: 1,
                faults: &[],
                scenario: None,
            },
        )?
        .now()),
    }
}

/// Longest wait for mere time where the caller names none: virtual time costs nothing, and a pipeline's worker does.
pub(super) fn patience(arguments: &Arguments) -> Span {
    match arguments.cloud {
        Some(CloudArgument::Aws) => Span::from_secs(1_800),
        Some(CloudArgument::Local) | None => Span::from_secs(366 * 86_400),
    }
}

fn simulate(store: &Store, simulated: &Simulated<'_>) -> Result<local::World, Failure> {
    let folder = store.local_state().ok_or_else(|| {
        Failure::new("the simulated account keeps its state in a folder, and the store is none")
    })?;
    let world = local::World::open(
        &folder,
        local::Options {
            seed: simulated.seed,
            ..local::Options::default()
        },
    )?;
    world.set_faults(faults(simulated.faults)?);
    if simulated.scenario.is_some() {
        world.set_scenario(scenario(simulated.scenario)?)?;
    }
    Ok(world)
}

/// Faults as they were ordered.
pub(super) fn faults(ordered: &[String]) -> Result<Vec<Fault>, Failure> {
    ordered
        .iter()
        .map(|f| f.parse())
        .collect::<Result<_, _>>()
        .map_err(|e| Failure::new(format!("{e}")))
}

/// The scenario in a file; none: nothing happens.
pub(super) fn scenario(path: Option<&Path>) -> Result<Scenario, Failure> {
    let Some(path) = path else {
        return Ok(Scenario::default());
    };
    let text = std::fs::read_to_string(path)
        .map_err(|e| Failure::new(format!("cannot read {}: {e}", path.display())))?;
    Scenario::parse(&path.display().to_string(), &text).map_err(|e| Failure::new(e.to_string()))
}

impl World {
    /// Comes when a scenario of the simulated account kills the process.
    pub(super) async fn killed(&self) {
        match self {
            World::Local(world) => world.killed().await,
            #[cfg(feature = "aws")]
            World::Aws(_) => std::future::pending().await,
        }
    }
}

/// How AWS is reached: what the SDK does not read from the environment by itself. It does read addresses there, and dies of one that is none.
#[cfg(feature = "aws")]
fn reach(arguments: &Arguments) -> Result<crate::cloud::aws::Reach, Failure> {
    let of_environment =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let of_environment = of_environment
        .filter(|(name, _)| name == "AWS_ENDPOINT_URL" || name.starts_with("AWS_ENDPOINT_URL_"));
    let mut addresses: Vec<(String, String)> = of_environment
        .map(|(name, value)| (name, value.to_string_lossy().into_owned()))
        .collect();
    addresses.extend(
        arguments
            .endpoint_url
            .iter()
            .map(|url| ("--endpoint-url".to_owned(), url.clone())),
    );
    let is_address = |url: &str| {
        ["http://", "https://"]
            .iter()
            .any(|scheme| url.len() > scheme.len() && url.starts_with(scheme))
    };
    if let Some((name, _)) = addresses.iter().find(|(_, url)| !is_address(url)) {
        let hint = format!(
            "leave {name} away, or give it an address that begins with https:// or http://"
        );
        return Err(Failure::new(format!("{name} is no address")).hint(hint));
    }
    let ca_bundle = std::env::var_os("AWS_CA_BUNDLE")
        .filter(|p| !p.is_empty())
        .map(Into::into);
    let rates = crate::fleet::CallRates::default();
    Ok(crate::cloud::aws::Reach {
        endpoint_url: arguments.endpoint_url.clone(),
        ca_bundle,
        share: arguments.call_share,
        rates,
    })
}

#[cfg(feature = "aws")]
async fn real(
    arguments: &Arguments,
    fleet: &Fleet,
    store: &Store,
    mut images: Images,
) -> Result<World, Failure> {
    use crate::cloud::aws::{Access as Credentials, Aws, Options, Reach, Session};

    let access = |c: &crate::fleet::Cluster| Credentials {
        role_arn: c.role_arn.clone(),
        images: images.remove(&c.name).unwrap_or_default(),
    };
    let clusters = fleet.clusters.values().map(access);
    // Whatever is no rollout only looks.
    let acts = matches!(arguments.command, super::args::Command::Rollout(_));
    let name = if acts {
        "kfleet-rollout"
    } else {
        "kfleet-plan"
    };
    let session = Session {
        name: name.into(),
        read_only: !acts,
        ..Session::default()
    };
    let reach = Reach {
        rates: fleet.settings.call_rates.clone(),
        ..reach(arguments)?
    };
    let options = Options {
        clusters: fleet.clusters.keys().cloned().zip(clusters).collect(),
        reach,
        session,
        hooks: hooks_of(&arguments.command),
    };
    let baselines = store.baselines()?;
    let access = fleet.clusters.values().filter_map(|c| {
        let uid = baselines.get(&c.name).and_then(|b| b.kubernetes.clone());
        Some((
            c.name.clone(),
            Access {
                context: c.kubernetes.as_ref()?.context.clone(),
                uid,
            },
        ))
    });
    Ok(World::Aws(Box::new(Real {
        cloud: Aws::connect(options).await?,
        nodes: Clusters::new(access.collect(), None, now_here),
    })))
}

/// Whose lifecycle hooks the command wants to be read.
#[cfg(feature = "aws")]
fn hooks_of(command: &super::args::Command) -> crate::cloud::aws::HooksOf {
    use super::args::{Command, RolloutCommand};
    use crate::cloud::aws::HooksOf;

    let everybody = match command {
        Command::Plan(plan) => plan.selection.hooks,
        Command::Rollout(RolloutCommand::Start(start)) => start.selection.hooks,
        Command::Snapshot(snapshot) => snapshot.hooks,
        Command::Rollout(
            RolloutCommand::Resume(_)
            | RolloutCommand::Approve(_)
            | RolloutCommand::Abort(_)
            | RolloutCommand::Rollback(_)
            | RolloutCommand::Status(_)
            | RolloutCommand::History
            | RolloutCommand::Show(_),
        )
        | Command::Render(_)
        | Command::Diff(_)
        | Command::Explain(_)
        | Command::Compile(_)
        | Command::Autoscaler(_)
        | Command::Schema(_)
        | Command::Rehearse(_)
        | Command::Stop(_)
        | Command::Go(_)
        | Command::Template(_) => false,
    };
    if everybody {
        HooksOf::Everybody
    } else {
        HooksOf::Few
    }
}

#[cfg(not(feature = "aws"))]
async fn real(_: &Arguments, _: &Fleet, _: &Store, _: Images) -> Result<World, Failure> {
    Err(Failure::new("this build of kfleet has no AWS in it"))
}

impl World {
    /// Calls sent so far, by API. The simulated account is asked without any.
    pub(super) fn calls(&self) -> BTreeMap<String, u64> {
        match self {
            World::Local(_) => BTreeMap::new(),
            #[cfg(feature = "aws")]
            World::Aws(real) => real.cloud.calls(),
        }
    }

    /// Has what follows seen as done by this rollout, of this revision of git.
    #[cfg_attr(
        not(feature = "aws"),
        expect(unused_variables, reason = "only AWS is told")
    )]
    pub(super) async fn act_for(&self, rollout: &Rollout, revision: Option<&str>) {
        match self {
            World::Local(_) => {}
            #[cfg(feature = "aws")]
            World::Aws(real) => {
                let revision = revision.map(|r| ("kfleet-revision".to_owned(), r.to_owned()));
                let tags = revision
                    .into_iter()
                    .chain([("kfleet-rollout".to_owned(), rollout.id.clone())])
                    .collect();
                let session = crate::cloud::aws::Session {
                    name: format!("kfleet-{}", rollout.id),
                    tags,
                    read_only: false,
                };
                let by_aws = |g: &&crate::rollout::GroupTask| {
                    g.rolling.strategy == crate::fleet::Strategy::InstanceRefresh
                };
                let refreshed = rollout.clusters().flat_map(|c| &c.groups).filter(by_aws);
                real.cloud
                    .act_for(session, refreshed.map(|g| g.asg.clone()).collect())
                    .await;
            }
        }
    }

    /// One look, and again a while later where a real cloud gave no answer at all.
    pub(super) async fn patient_look(
        &self,
        places: &[Place],
        output: &super::output::Output,
    ) -> Result<Live, Failure> {
        const WAITS: [i64; 2] = [15_000, 45_000];
        for wait in WAITS {
            match crate::run::look(self, places).await {
                Err(error) if error.is_transient() && !matches!(self, World::Local(_)) => {
                    output.cloud_story(&format!(
                        "{error}; asking again in {} seconds",
                        wait / 1_000
                    ));
                    self.wait(Timestamp::from_millis(self.now().millis() + wait))
                        .await?;
                }
                answer => return Ok(answer?),
            }
        }
        Ok(crate::run::look(self, places).await?)
    }
}

/// The images that the definitions of a fleet name.
pub(super) fn images(prepared: &PreparedFleet) -> Images {
    let of = |c: &super::pipeline::Prepared| {
        c.desired
            .groups
            .values()
            .map(|g| {
                g.definition
                    .launch_template
                    .launch_template_data
                    .image_id
                    .clone()
            })
            .collect()
    };
    prepared
        .clusters
        .iter()
        .map(|(name, c)| (name.clone(), of(c)))
        .collect()
}

/// The images that a rollout's definitions name.
pub(super) fn images_of(rollout: &Rollout) -> Images {
    let mut images = Images::new();
    for run in rollout.clusters() {
        let of_cluster = images.entry(run.cluster.clone()).or_default();
        for task in &run.groups {
            let definitions = match &task.task {
                Task::Create { to, .. } => vec![to],
                Task::Update { from, to, .. } => vec![from, to],
                Task::Retire { from } => vec![from],
            };
            of_cluster.extend(
                definitions
                    .into_iter()
                    .map(|d| d.launch_template.launch_template_data.image_id.clone()),
            );
        }
    }
    images
}

impl Cloud for World {
    fn now(&self) -> Timestamp {
        match self {
            World::Local(world) => world.now(),
            #[cfg(feature = "aws")]
            World::Aws(real) => real.cloud.now(),
        }
    }

    async fn wait(&self, until: Timestamp) -> Result<(), CloudError> {
        match self {
            World::Local(world) => world.wait(until).await,
            #[cfg(feature = "aws")]
            World::Aws(real) => real.cloud.wait(until).await,
        }
    }

    async fn account(&self, place: &Place) -> Result<AccountId, CloudError> {
        match self {
            World::Local(world) => world.account(place).await,
            #[cfg(feature = "aws")]
            World::Aws(real) => real.cloud.account(place).await,
        }
    }

    async fn read(&self, places: &[Place]) -> Result<Live, CloudError> {
        match self {
            World::Local(world) => world.read(places).await,
            #[cfg(feature = "aws")]
            World::Aws(real) => real.cloud.read(places).await,
        }
    }

    async fn apply(&self, place: &Place, effect: &CloudEffect) -> Result<Applied, CloudError> {
        match self {
            World::Local(world) => world.apply(place, effect).await,
            #[cfg(feature = "aws")]
            World::Aws(real) => real.cloud.apply(place, effect).await,
        }
    }
}

impl NodeApi for World {
    fn expect(&self, cluster: &ClusterName, uid: &str) {
        match self {
            World::Local(world) => world.expect(cluster, uid),
            #[cfg(feature = "aws")]
            World::Aws(real) => real.nodes.expect(cluster, uid),
        }
    }

    async fn nodes(&self, cluster: &ClusterName) -> Nodes {
        match self {
            World::Local(world) => world.nodes(cluster).await,
            #[cfg(feature = "aws")]
            World::Aws(real) => real.nodes.nodes(cluster).await,
        }
    }

    async fn act(&self, cluster: &ClusterName, effect: &NodeEffect) -> Result<Applied, NodeError> {
        match self {
            World::Local(world) => world.act(cluster, effect).await,
            #[cfg(feature = "aws")]
            World::Aws(real) => real.nodes.act(cluster, effect).await,
        }
    }
}

/// Who asks: for journals, locks and approvals.
pub(super) fn who() -> String {
    let name = ["KFLEET_USER", "BUILD_USER_ID", "USER", "LOGNAME"]
        .iter()
        .find_map(|v| std::env::var(v).ok().filter(|v| !v.is_empty()));
    let host = std::env::var("HOSTNAME")
        .ok()
        .filter(|h| !h.is_empty())
        .map(|h| format!("@{h}"))
        .unwrap_or_default();
    format!(
        "{}{host} (process {})",
        name.unwrap_or_else(|| "somebody".into()),
        std::process::id()
    )
}

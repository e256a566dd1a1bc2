//! The cloud that was asked for: the simulated account, or AWS with the clusters' own APIs.

#[cfg(feature = "aws")]
mod aws;
mod by_kops;
mod forward;
mod images;
mod patience;
mod simulated;

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::aims;
use crate::cli::args::{Arguments, Pace};
use crate::cli::clock::now_here;
use crate::cli::failure::Failure;
use crate::cli::pipeline::PreparedFleet;
use crate::cloud::{Cloud as _, Place, local};
use crate::fleet::Fleet;
use crate::model::{AsgName, ClusterName, KopsVersion, Live, Span, Timestamp};
use crate::rollout::Rollout;
use crate::store::{CloudKind, ClusterAccess, KopsAccess, Store, StoreAccess};

#[cfg(feature = "aws")]
pub(in crate::cli) use aws::reach;
pub(in crate::cli) use images::{ImagesByCluster, images, images_of};
pub(in crate::cli) use simulated::{Simulated, faults, scenario};

/// The world that is looked at and acted upon.
pub(in crate::cli) enum World {
    /// The simulated account, with its simulated clusters.
    Local(Box<local::World>),
    /// AWS, and the clusters' own APIs.
    #[cfg(feature = "aws")]
    Aws(Box<aws::Real>),
}

/// A stage that approves itself is a toy: only the simulated account takes it.
pub(in crate::cli) fn may_approve_itself(store: &Store, pace: &Pace) -> Result<(), Failure> {
    match store.kind() {
        CloudKind::Aws if pace.auto_approve => {
            Err(Failure::new("a real cloud refuses `--auto-approve`")
                .hint("look at the plan, then `kfleet rollout approve STAGE --plan ID`"))
        }
        CloudKind::Aws | CloudKind::Local => Ok(()),
    }
}

/// How the clusters of a fleet are reached.
pub(in crate::cli) fn access_of(fleet: &Fleet) -> StoreAccess {
    let of = |c: &crate::fleet::Cluster| ClusterAccess {
        role_arn: c.role_arn.clone(),
        context: c.kubernetes.as_ref().map(|k| k.context.clone()),
        kops: kops_of(c),
    };
    StoreAccess {
        version: 1,
        clusters: fleet
            .clusters
            .iter()
            .map(|(name, c)| (name.clone(), of(c)))
            .collect(),
        call_rates: fleet.settings.call_rates.clone(),
        again: None,
        notify: fleet.settings.notify.clone(),
    }
}

/// How kops is run for a cluster, where it is the engine.
fn kops_of(cluster: &crate::fleet::Cluster) -> Option<KopsAccess> {
    let state = match cluster.state_store.as_ref()? {
        crate::fleet::StateStore::Bucket(url) => url.clone(),
        crate::fleet::StateStore::Folder(path) => {
            let whole = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            format!("file://{}", whole.display())
        }
    };
    (cluster.engine == crate::fleet::Engine::Kops).then(|| KopsAccess {
        binary: cluster.kops.binary.clone(),
        state,
        version: cluster.kops_version,
        time_limit: cluster.kops.time_limit,
    })
}

/// The cloud asked for.
pub(in crate::cli) async fn open(
    arguments: &Arguments,
    access: &StoreAccess,
    store: &Store,
    images: ImagesByCluster,
    simulated: &Simulated<'_>,
) -> Result<World, Failure> {
    match store.kind() {
        CloudKind::Aws if !simulated.faults.is_empty() || simulated.scenario.is_some() => Err(
            Failure::new("faults can be ordered from the simulated account only")
                .hint("leave `--fault` and `--scenario` out, or specify `--cloud local`"),
        ),
        #[cfg(feature = "aws")]
        CloudKind::Aws => {
            let real = aws::real(arguments, access, store, images).await?;
            Ok(World::Aws(Box::new(real)))
        }
        #[cfg(not(feature = "aws"))]
        CloudKind::Aws => {
            let _ = (arguments, access, images);
            Err(Failure::new("this build of kfleet has no AWS in it"))
        }
        CloudKind::Local => {
            let world = simulated::open(store, simulated)?;
            world.set_releases(releases(access));
            Ok(World::Local(Box::new(world)))
        }
    }
}

/// The releases of kops that the fleet names.
pub(in crate::cli) fn releases(access: &StoreAccess) -> BTreeMap<ClusterName, KopsVersion> {
    let named = access.clusters.iter().filter_map(|(name, cluster)| {
        let release = cluster.kops.as_ref()?.version?;
        Some((name.clone(), release))
    });
    named.collect()
}

/// The cloud of the fleet as it is, to be looked at.
pub(in crate::cli) async fn open_to_look(
    arguments: &Arguments,
    prepared: &PreparedFleet,
    store: &Store,
) -> Result<World, Failure> {
    let access = access_of(&prepared.fleet);
    let images = images(prepared);
    open(arguments, &access, store, images, &Simulated::AS_IT_IS).await
}

/// What time it is in the cloud that the store belongs to.
pub(in crate::cli) fn now(store: &Store) -> Result<Timestamp, Failure> {
    match store.kind() {
        CloudKind::Aws => Ok(now_here()),
        CloudKind::Local => Ok(simulated::open(store, &Simulated::AS_IT_IS)?.now()),
    }
}

/// Longest wait for mere time where the caller names none: virtual time costs nothing, and a pipeline's worker does.
pub(in crate::cli) fn patience(store: &Store) -> Span {
    match store.kind() {
        CloudKind::Aws => Span::from_secs(1_800),
        CloudKind::Local => Span::from_secs(366 * 86_400),
    }
}

impl World {
    /// Comes when a scenario of the simulated account kills the process.
    pub(in crate::cli) async fn killed(&self) {
        match self {
            World::Local(world) => world.killed().await,
            #[cfg(feature = "aws")]
            World::Aws(_) => std::future::pending().await,
        }
    }
}

impl World {
    /// Refuses faults and scenarios about what neither the account has nor is `named`.
    pub(in crate::cli) fn knows(
        &self,
        simulated: &Simulated<'_>,
        named: impl FnOnce() -> local::Named,
    ) -> Result<(), Failure> {
        match self {
            World::Local(world) => {
                let faults = faults(simulated.faults)?;
                let scenario = scenario(simulated.scenario)?;
                // All names of a large fleet are many, and mostly nobody asks for one.
                let aims =
                    faults.iter().any(|f| f.aim().is_some()) || scenario.aims().next().is_some();
                if aims {
                    aims::known(&world.named(named()), &faults, &scenario)?;
                }
                Ok(())
            }
            #[cfg(feature = "aws")]
            World::Aws(_) => Ok(()),
        }
    }

    /// Nothing more is done: a simulated account writes down how it stands.
    pub(in crate::cli) fn rest(&self) -> Result<(), Failure> {
        match self {
            World::Local(world) => Ok(world.rest()?),
            #[cfg(feature = "aws")]
            World::Aws(_) => Ok(()),
        }
    }

    /// Calls sent so far, by API. The simulated account is asked without any.
    pub(in crate::cli) fn calls(&self) -> BTreeMap<String, u64> {
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
    pub(in crate::cli) async fn act_for(&self, rollout: &Rollout, revision: Option<&str>) {
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
    pub(in crate::cli) async fn patient_look(
        &self,
        places: &[Place],
        expected: &[(ClusterName, BTreeSet<AsgName>)],
        output: &crate::cli::output::Output,
    ) -> Result<Live, Failure> {
        const WAITS: [i64; 2] = [15_000, 45_000];
        for wait in WAITS {
            match patience::look(self, places, expected, output).await {
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
        Ok(patience::look(self, places, expected, output).await?)
    }
}

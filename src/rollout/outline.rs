//! The outline of a rollout: enough to say how it stands, not enough to carry it out.

use std::collections::BTreeMap;

use super::places::Places;
use super::schedule::{
    ClusterRun, GroupTask, KopsRun, Rollout, StageRun, Task, VersionSource, Watched, WaveRun,
};
use crate::model::UserData;

impl Rollout {
    /// The same stages, waves, clusters, groups and hooks, without what only carrying it out and taking it back need: of definitions what they are
    /// called and how large they are, no user data, no documents, no baselines. Of 12,000 groups it is a tenth.
    #[must_use]
    pub fn outline(&self) -> Rollout {
        let mut outline = self.clone_without_stages();
        outline.stages = self.stages.iter().map(stage).collect();
        outline.watched = self.watched.iter().map(watched).collect();
        outline
    }

    fn clone_without_stages(&self) -> Rollout {
        let Rollout {
            version,
            id,
            plan,
            release,
            started_at,
            started_by,
            break_glass,
            revision,
            stages: _,
            gates,
            rollback,
            watched: _,
            part,
            places: _,
        } = self;
        Rollout {
            version: *version,
            id: id.clone(),
            plan: plan.clone(),
            release: release.clone(),
            started_at: *started_at,
            started_by: started_by.clone(),
            break_glass: break_glass.clone(),
            revision: revision.clone(),
            stages: Vec::new(),
            gates: gates.clone(),
            rollback: *rollback,
            watched: Vec::new(),
            part: part.clone(),
            places: Places::default(),
        }
    }
}

fn stage(stage: &StageRun) -> StageRun {
    let StageRun {
        name,
        approval,
        soak,
        freeze,
        on_failure,
        waves,
        hooks,
    } = stage;
    StageRun {
        name: name.clone(),
        approval: *approval,
        soak: *soak,
        freeze: freeze.clone(),
        on_failure: *on_failure,
        waves: waves.iter().map(wave).collect(),
        hooks: hooks.clone(),
    }
}

fn wave(wave: &WaveRun) -> WaveRun {
    let WaveRun {
        parallel,
        soak,
        clusters,
        hooks,
    } = wave;
    WaveRun {
        parallel: *parallel,
        soak: *soak,
        clusters: clusters.iter().map(cluster).collect(),
        hooks: hooks.clone(),
    }
}

fn watched(watched: &Watched) -> Watched {
    let Watched { before, run } = watched;
    Watched {
        before: before.clone(),
        run: cluster(run),
    }
}

fn cluster(run: &ClusterRun) -> ClusterRun {
    let ClusterRun {
        cluster,
        account,
        region,
        digest,
        since,
        roles: _,
        etcd: _,
        unchanged: _,
        pending: _,
        user_data: _,
        rolling,
        groups,
        documents: _,
        kops,
        hooks,
        previous: _,
    } = run;
    ClusterRun {
        cluster: cluster.clone(),
        account: account.clone(),
        region: region.clone(),
        digest: digest.clone(),
        since: *since,
        roles: BTreeMap::new(),
        etcd: BTreeMap::new(),
        unchanged: BTreeMap::new(),
        pending: BTreeMap::new(),
        user_data: BTreeMap::new(),
        rolling: rolling.clone(),
        groups: groups.iter().map(group).collect(),
        documents: BTreeMap::new(),
        kops: kops.as_deref().map(|run| Box::new(by_kops(run))),
        hooks: hooks.clone(),
        previous: None,
    }
}

fn by_kops(run: &KopsRun) -> KopsRun {
    let KopsRun {
        from: _,
        to: _,
        groups,
        deleted,
        no_way_back,
    } = run;
    KopsRun {
        from: BTreeMap::new(),
        to: BTreeMap::new(),
        groups: groups.clone(),
        deleted: deleted.clone(),
        no_way_back: *no_way_back,
    }
}

fn group(group: &GroupTask) -> GroupTask {
    let GroupTask {
        name,
        asg,
        role,
        rolling,
        task,
        shrink,
        twin,
        lends,
    } = group;
    GroupTask {
        name: name.clone(),
        asg: asg.clone(),
        role: *role,
        rolling: rolling.clone(),
        task: change(task),
        shrink: *shrink,
        twin: twin.clone(),
        lends: lends.clone(),
    }
}

fn change(task: &Task) -> Task {
    match task {
        Task::Create { to, user_data } => Task::Create {
            to: to.outline().into(),
            user_data: untold(user_data),
        },
        Task::Update {
            from,
            to,
            from_version,
            version,
            replace,
        } => Task::Update {
            from: from.outline().into(),
            to: to.outline().into(),
            from_version: *from_version,
            version: match version {
                VersionSource::Existing(version) => VersionSource::Existing(*version),
                VersionSource::New(user_data) => VersionSource::New(untold(user_data)),
            },
            replace: *replace,
        },
        Task::Retire { from } => Task::Retire {
            from: from.outline().into(),
        },
    }
}

/// Where it comes from, and not what it is.
fn untold(user_data: &UserData) -> UserData {
    match user_data {
        UserData::CarriedFrom(version) => UserData::CarriedFrom(*version),
        UserData::Given(_) => UserData::Given(String::new().into()),
        UserData::ByKops { foreseen } => UserData::ByKops {
            foreseen: *foreseen,
        },
    }
}

//! The hooks of a scene at all their places.

use kfleet::model::{ClusterName, digest_of};
use kfleet::plan::HookTask;

use super::Scene;

impl Scene {
    /// The hooks at all their places. What they read is their command.
    pub fn hook_tasks(&self) -> Vec<HookTask> {
        let marks = self.store().hook_marks().unwrap();
        let mut tasks = Vec::new();
        for stage in &self.settings().stages {
            for spec in &self.hooks {
                let mut add = |wave: Option<usize>, cluster: Option<&ClusterName>| {
                    let place = kfleet::model::HookPlace {
                        hook: spec.name.clone(),
                        stage: stage.name.clone(),
                        wave,
                        cluster: cluster.cloned(),
                    };
                    tasks.push(HookTask {
                        digest: digest_of(&(&spec.run, &spec.undo)),
                        before: marks.get(&place.key()).cloned(),
                        context: cluster.and(self.hook_context).map(str::to_owned),
                        state_store: None,
                        spec: spec.clone(),
                        place,
                    });
                };
                let first = usize::from(spec.at == kfleet::fleet::HookAt::BetweenWaves);
                if spec.at.is_of_cluster() {
                    for (wave, of) in stage.waves.iter().enumerate() {
                        of.clusters.iter().for_each(|c| add(Some(wave), Some(c)));
                    }
                } else if spec.at.is_of_wave() {
                    (first..stage.waves.len()).for_each(|wave| add(Some(wave), None));
                } else {
                    add(None, None);
                }
            }
        }
        tasks
    }
}

/// Every hook runs, with these variables to know of.
pub(super) fn drive() -> kfleet::run::HookDrive {
    kfleet::run::HookDrive {
        running: kfleet::run::HookRunning::All,
        environment: [
            ("PATH".into(), std::env::var_os("PATH").unwrap_or_default()),
            ("KFLEET_TEST_TOKEN".into(), "s3cret-token".into()),
            ("OTHER".into(), "not told".into()),
        ]
        .into(),
        kubeconfig: Some(kfleet::run::Kubeconfigs {
            of: |context| match context {
                "gone" => Err("the kubeconfig has no context `gone`".into()),
                context => Ok(format!("current-context: {context}")),
            },
            folder: std::env::temp_dir().join(format!("kfleet-test-{}", std::process::id())),
        }),
    }
}

//! An error on its way to the person: what, because of what, and what to do next.

use crate::cloud::{CloudError, StateFault};
use crate::fleet::FleetError;
use crate::render::RenderError;
use crate::report::HtmlError;
use crate::rollout::{BuildError, RollbackError};
use crate::run::RunError;
use crate::store::{ObjectError, StoreError, mending};

/// What ends a command with exit code 1.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(super) text: String,
    pub(super) hints: Vec<String>,
}

impl Failure {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Failure {
            text: text.into(),
            hints: Vec::new(),
        }
    }

    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    #[must_use]
    pub(super) fn hints(mut self, hints: impl IntoIterator<Item = String>) -> Self {
        self.hints.extend(hints);
        self
    }
}

/// What to do when credentials are missing or over: whose they are is what the operator has to know. In the order in which the SDK looks for them.
fn log_in() -> String {
    let set = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let whose = match (
        set("AWS_ACCESS_KEY_ID"),
        set("AWS_PROFILE"),
        set("AWS_WEB_IDENTITY_TOKEN_FILE"),
    ) {
        (Some(_), _, _) => "those of AWS_ACCESS_KEY_ID in the environment".to_owned(),
        (None, Some(profile), _) => format!("those of profile `{profile}`"),
        (None, None, Some(file)) => format!("the web identity in {file}"),
        (None, None, None) => {
            "those of profile `default`, or of this container or machine".to_owned()
        }
    };
    format!("log in again: the credentials are {whose}")
}

impl From<FleetError> for Failure {
    fn from(error: FleetError) -> Self {
        let hint = error.hint();
        Failure::new(error.to_string()).hints(hint)
    }
}

impl From<RenderError> for Failure {
    fn from(error: RenderError) -> Self {
        let hint = error.hint();
        Failure::new(error.to_string()).hints(hint)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let hint = match &error {
            StoreError::OtherCloud { .. } => Some("name another folder as `store` in fleet.yaml".to_owned()),
            StoreError::Locked { .. } | StoreError::Running(_) => Some(
                "wait for it, or see `kfleet rollout status`; in a store in S3 the locks of a process that died are free three minutes later".into(),
            ),
            StoreError::NoSuchRollout(_) => Some("`kfleet rollout history` lists them".into()),
            StoreError::LockLost { .. } | StoreError::Overtaken(_) => {
                Some("nothing more was done; see `kfleet rollout status`, then `kfleet rollout resume` if no other process carries it on".into())
            }
            StoreError::SuchRollout(_) => Some("begin it again".into()),
            StoreError::Stopped(stop) => Some(format!("`{}` lifts it", stop.go())),
            StoreError::Journal { place, source } => Some(mending(place, &source.to_string())),
            StoreError::Damaged { place, why } => Some(mending(place, why)),
            StoreError::Id(_) => Some("`kfleet rollout history` lists the rollouts there are".into()),
            StoreError::Starting { .. } => Some("wait for it, then see `kfleet rollout status`; in a store in S3 a process that died is waited for no longer than three minutes".into()),
            StoreError::StartedMeanwhile => Some("nothing was begun; see `kfleet rollout status`, then plan again".into()),
            StoreError::Object(ObjectError::Credentials { .. }) => {
                Some(format!("{}; then `kfleet rollout resume` if a rollout was under way", log_in()))
            }
            StoreError::Object(ObjectError::NoAnswer { .. }) => Some("try again; a rollout goes on with `kfleet rollout resume`".into()),
            StoreError::Object(ObjectError::Refused { .. }) => None,
        };
        Failure::new(error.to_string()).hints(hint)
    }
}

impl From<HtmlError> for Failure {
    fn from(error: HtmlError) -> Self {
        Failure::new(error.to_string()).hint("the other forms of the report do not need it")
    }
}

impl From<CloudError> for Failure {
    fn from(error: CloudError) -> Self {
        let hint = match &error {
            CloudError::Throttled { .. } | CloudError::Unknown { .. } => {
                Some("try again; a rollout goes on with `kfleet rollout resume`".to_owned())
            }
            CloudError::Credentials { .. } => Some(format!(
                "{}; then `kfleet rollout resume` if a rollout was under way",
                log_in()
            )),
            CloudError::State { fault, .. } => Some(
                match fault {
                    StateFault::System => {
                        "put that right (room on the disk, rights to the folder) and say it again: what the simulated account holds is sound"
                    }
                    StateFault::Busy => "wait for it, or see `kfleet rollout status`",
                    StateFault::Content => {
                        "remove the store's `local` folder to begin with an empty simulated account"
                    }
                }
                .into(),
            ),
            CloudError::Refused { .. } => None,
        };
        Failure::new(error.to_string()).hints(hint)
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Store(error) => error.into(),
            RunError::Cloud(error) => error.into(),
            error @ RunError::WrongAccount { .. } => Failure::new(error.to_string())
                .hint("nothing was written; use the credentials of the cluster's account, or correct `account` in the cluster's file"),
        }
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        let hint = match &error {
            BuildError::Blocked(_) => {
                "the plan says what stands in the way, and what to do about it"
            }
            BuildError::NotPromoted { .. } | BuildError::WaveBefore { .. } => {
                "roll the earlier stage out first; `--break-glass REASON` sets the order aside, and is recorded"
            }
        };
        Failure::new(error.to_string()).hint(hint)
    }
}

impl From<RollbackError> for Failure {
    fn from(error: RollbackError) -> Self {
        let hint = match &error {
            RollbackError::OnItsWay { id, .. } => {
                format!("`kfleet rollout resume {id}` goes on with it")
            }
            RollbackError::Nothing { .. } => "`kfleet rollout history` lists the others".into(),
            RollbackError::Later { later, .. } => {
                format!(
                    "take that one back first (`kfleet rollout rollback {later}`), or revert the change in git and roll that out"
                )
            }
            RollbackError::Made { group, .. } => {
                format!(
                    "look at `kfleet rollout status`, then add `--allow-retire {group}` if that is what you want"
                )
            }
            RollbackError::NotMade { .. } => {
                "name a group that it made, by its InstanceGroup or its AutoScalingGroup".into()
            }
            RollbackError::KubernetesStays { .. } => {
                "mend what is wrong with a change in git and roll that out; `kfleet rollout resume` goes on with one that is under way".into()
            }
            RollbackError::Deleted { .. } => {
                "revert the change in git and roll that out: it makes the group anew".into()
            }
        };
        Failure::new(error.to_string()).hint(hint)
    }
}

//! AWS as this process reaches it: addresses, roles, sessions, and the clusters' own APIs beside it.

use super::images::ImagesByCluster;
use crate::cli::args::Arguments;
use crate::cli::failure::Failure;
#[cfg(feature = "kubernetes")]
use crate::nodes::kube::Clusters;
use crate::store::{Store, StoreAccess};

#[cfg(not(feature = "kubernetes"))]
use no_kubernetes::Clusters;

#[cfg(not(feature = "kubernetes"))]
mod no_kubernetes;

/// AWS, and the clusters' own APIs.
pub(in crate::cli) struct Real {
    pub(in crate::cli) cloud: crate::cloud::aws::Aws,
    pub(super) nodes: Clusters,
    pub(super) kops: super::by_kops::Programs,
}

/// How AWS is reached: what the SDK does not read from the environment by itself. It does read addresses there, and dies of one that is not valid.
pub(in crate::cli) fn reach(arguments: &Arguments) -> Result<crate::cloud::aws::Reach, Failure> {
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

pub(super) async fn real(
    arguments: &Arguments,
    reached: &StoreAccess,
    store: &Store,
    mut images: ImagesByCluster,
) -> Result<Real, Failure> {
    use crate::cloud::aws::{Access as Credentials, Aws, AwsOptions, Reach, Session};
    use crate::nodes::NodeAccess;

    let clusters = reached.clusters.iter().map(|(name, c)| {
        let credentials = Credentials {
            role_arn: c.role_arn.clone(),
            images: images.remove(name).unwrap_or_default(),
        };
        (name.clone(), credentials)
    });
    let clusters = clusters.collect();
    // Whatever is no rollout only looks.
    let acts = matches!(arguments.command, crate::cli::args::Command::Rollout(_));
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
        rates: reached.call_rates.clone(),
        ..reach(arguments)?
    };
    let options = AwsOptions {
        clusters,
        reach,
        session,
        hooks: hooks_of(&arguments.command),
    };
    let kops = super::by_kops::programs(reached)?;
    let baselines = store.baselines()?;
    let contexts = reached.clusters.iter().filter_map(|(name, c)| {
        let uid = baselines.get(name).and_then(|b| b.kubernetes.clone());
        let context = c.context.clone()?;
        Some((name.clone(), NodeAccess { context, uid }))
    });
    Ok(Real {
        kops,
        cloud: Aws::connect(options).await?,
        nodes: Clusters::new(contexts.collect(), None, crate::cli::clock::now_here)
            .attended_by(crate::cli::attend::program()),
    })
}

/// Whose lifecycle hooks the command wants to be read.
fn hooks_of(command: &crate::cli::args::Command) -> crate::cloud::aws::HooksOf {
    use crate::cli::args::{Command, RolloutCommand};
    use crate::cloud::aws::HooksOf;

    let everybody = match command {
        Command::Plan(plan) => plan.selection.hooks,
        Command::Rollout(RolloutCommand::Start(start)) => start.selection.hooks,
        Command::Snapshot(snapshot) => snapshot.hooks,
        Command::Rollout(
            RolloutCommand::Resume(_)
            | RolloutCommand::Approve(_)
            | RolloutCommand::Acknowledge(_)
            | RolloutCommand::Abort(_)
            | RolloutCommand::Rollback(_)
            | RolloutCommand::Status(_)
            | RolloutCommand::History(_)
            | RolloutCommand::Show(_),
        )
        | Command::Render(_)
        | Command::Diff(_)
        | Command::Explain(_)
        | Command::Lint(_)
        | Command::Compile(_)
        | Command::Autoscaler(_)
        | Command::Schema(_)
        | Command::Rehearse(_)
        | Command::Stop(_)
        | Command::Go(_)
        | Command::Template(_)
        | Command::Migrate(_)
        | Command::Completions(_)
        | Command::Man(_)
        | Command::Drift(_)
        | Command::Status(_)
        | Command::Doctor(_)
        | Command::Notify(_)
        | Command::Forget(_)
        | Command::Attend(_)
        | Command::Init(_) => false,
    };
    if everybody {
        HooksOf::Everybody
    } else {
        HooksOf::Few
    }
}

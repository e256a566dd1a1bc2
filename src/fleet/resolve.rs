//! `fleet.yaml` as written → [`Settings`]: rolling policy, gates, the store. Stages are in `stages`. Reads no files.

use super::document::{ParsedFile, invalid};
use super::file::{AmountFile, DrainFile, FleetFile, RollingFile};
use super::{
    Amount, CallRates, Cluster, DrainPolicy, FleetError, Rollback, Rolling, Settings,
    SourceLocation, gates, hooks, notify_rules, policy, policy_check, stages,
};
use crate::model::{ClusterName, Eviction};
use std::collections::BTreeMap;

/// The settings, checked against the clusters there are.
pub(super) fn settings(
    doc: &ParsedFile,
    clusters: &BTreeMap<ClusterName, Cluster>,
) -> Result<Settings, FleetError> {
    check_version(doc)?;
    gates::check_kinds(doc)?;
    notify_rules::check_addresses(doc)?;
    check_selectors(doc)?;
    let file: FleetFile = doc.decode()?;
    let mut faults = Vec::new();
    let store = kept(store(doc, file.store), &mut faults);
    let stages = kept(
        stages::resolve(
            doc,
            &file.stages,
            file.on_failure.unwrap_or_default(),
            clusters,
        ),
        &mut faults,
    );
    let rolling = kept(rolling(doc, &file.rolling), &mut faults);
    let gates = kept(gates::resolve(doc, &file.gates), &mut faults);
    let call_rates = kept(CallRates::resolve(doc, file.call_rates), &mut faults);
    // Without the stages it is not known which of them a rule or a hook may name.
    let notify = match &stages {
        Some(stages) => kept(notify_rules::resolve(doc, file.notify, stages), &mut faults),
        None => None,
    };
    let known = hooks::HookScope {
        stages: stages.as_deref().unwrap_or_default(),
        clusters,
    };
    let hooks = match &stages {
        Some(_) => kept(hooks::resolve(doc, &file.hooks, &known), &mut faults),
        None => None,
    };
    let beside = notify.zip(hooks);
    match (store, stages, rolling, gates, call_rates, beside) {
        (
            Some(store),
            Some(stages),
            Some(rolling),
            Some(gates),
            Some(call_rates),
            Some((notify, hooks)),
        ) => Ok(Settings {
            store,
            stages,
            rolling,
            gates,
            hooks,
            rollback: Rollback {
                control_plane: file.rollback.control_plane.unwrap_or_default(),
            },
            call_rates,
            accept: file.accept,
            lint: file.lint,
            notify,
        }),
        _ => Err(FleetError::all(faults)),
    }
}

/// The value; a fault is kept for later.
fn kept<T>(result: Result<T, FleetError>, faults: &mut Vec<FleetError>) -> Option<T> {
    result.map_err(|fault| faults.push(fault)).ok()
}

/// A folder, or a bucket with a prefix. Source of what a bucket may be called: S3, "General purpose bucket naming rules".
fn store(doc: &ParsedFile, given: Option<String>) -> Result<String, FleetError> {
    const EXAMPLE: &str = "name a folder, such as .kfleet, or a bucket: s3://bucket/prefix";
    let store = given.unwrap_or_else(|| ".kfleet".into());
    let fine = match store.split_once("://") {
        None => !store.is_empty(),
        Some(("s3", rest)) => {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let letters = bucket
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.'));
            let ends = |c: char| c.is_ascii_alphanumeric();
            (3..=63).contains(&bucket.len())
                && letters
                && bucket.starts_with(ends)
                && bucket.ends_with(ends)
                && !prefix.contains("//")
        }
        Some(_) => false,
    };
    if fine {
        Ok(store)
    } else {
        Err(invalid(
            doc,
            &["store"],
            format!("`{store}` is no place for a store"),
            EXAMPLE,
        ))
    }
}

/// Before anything else: the file of a later version would only give misleading errors.
fn check_version(doc: &ParsedFile) -> Result<(), FleetError> {
    let Some(version) = doc.node.get("version") else {
        return Err(invalid(
            doc,
            &[],
            "missing key `version`",
            "begin the file with `version: 1`",
        ));
    };
    if version.to_json() == serde_json::json!(1) {
        return Ok(());
    }
    let place = doc.place(&["version"]);
    Err(FleetError::NotAvailable {
        place,
        what: format!("version {} of fleet.yaml", version.to_json()),
        instead: "write `version: 1`".into(),
    })
}

/// Before decoding: of a value with several forms serde can only say that none fitted.
fn check_selectors(doc: &ParsedFile) -> Result<(), FleetError> {
    let known = ["environment", "clusters"];
    let stages = doc
        .node
        .get("stages")
        .map(|n| n.items())
        .unwrap_or_default();
    for (key, _) in stages
        .iter()
        .filter_map(|s| s.get("clusters"))
        .flat_map(|c| c.entries())
    {
        if !known.contains(&key.text.as_str()) {
            let place = SourceLocation {
                file: doc.file.clone(),
                pos: Some(key.pos),
            };
            return Err(FleetError::UnknownKey {
                place,
                key: key.text.clone(),
                known: known.map(str::to_owned).into(),
            });
        }
    }
    Ok(())
}

fn rolling(doc: &ParsedFile, file: &RollingFile) -> Result<Rolling, FleetError> {
    let base = Rolling::default();
    let rolling = Rolling {
        max_surge: amount(doc, "max_surge", file.max_surge.as_ref(), base.max_surge)?,
        max_unavailable: amount(
            doc,
            "max_unavailable",
            file.max_unavailable.as_ref(),
            base.max_unavailable,
        )?,
        cluster_surge: file.cluster_surge.unwrap_or(base.cluster_surge),
        canary: file.canary.unwrap_or(base.canary),
        bake: file.bake.unwrap_or(base.bake),
        rate: file.rate.map_or(base.rate, Into::into),
        drain: drain(doc, file.drain, base.drain)?,
        ready_timeout: file.ready_timeout.unwrap_or(base.ready_timeout),
        tolerance: amount(doc, "tolerance", file.tolerance.as_ref(), base.tolerance)?,
        standby: file.standby.unwrap_or(base.standby),
        zones: file.zones.unwrap_or(base.zones),
        old_nodes: file.old_nodes.unwrap_or(base.old_nodes),
        strategy: file.strategy.unwrap_or(base.strategy),
        capacity: file.capacity.clone().map_or(base.capacity, Into::into),
        room: file.room.unwrap_or(base.room),
        keep_versions: policy_check::keep_versions(doc, file.keep_versions, base.keep_versions)?,
        groups: policy::groups(&file.groups),
    };
    policy_check::check_twins(doc, &rolling)?;
    let nothing = |a: Amount| matches!(a, Amount::Count(0) | Amount::Percent(0));
    if nothing(rolling.max_surge) && nothing(rolling.max_unavailable) {
        let hint = "one of max_surge and max_unavailable has to be above 0";
        return Err(invalid(
            doc,
            &["rolling"],
            "neither surge nor unavailability is allowed, so nothing could ever be replaced",
            hint,
        ));
    }
    if rolling.rate.instances == 0 || rolling.rate.per.is_zero() {
        return Err(invalid(
            doc,
            &["rolling", "rate"],
            "this rate lets nothing be replaced",
            "write {instances: 20, per: 10m}",
        ));
    }
    if rolling.cluster_surge == 0 && !nothing(rolling.max_surge) {
        return Err(invalid(
            doc,
            &["rolling", "cluster_surge"],
            "no surge in the cluster contradicts the surge of its groups",
            "allow at least 1",
        ));
    }
    Ok(rolling)
}

fn drain(
    doc: &ParsedFile,
    file: Option<DrainFile>,
    base: DrainPolicy,
) -> Result<DrainPolicy, FleetError> {
    let Some(DrainFile {
        timeout,
        on_timeout,
        min_pod_age,
        parallel,
        empty_dir,
        unmanaged,
        preflight,
        dead_nodes,
        volumes,
        balancers,
    }) = file
    else {
        return Ok(base);
    };
    if parallel == Some(0) {
        return Err(invalid(
            doc,
            &["rolling", "drain", "parallel"],
            "no eviction at a time is never",
            "write 1 or more",
        ));
    }
    let eviction = Eviction {
        empty_dir: empty_dir.unwrap_or(base.eviction.empty_dir),
        unmanaged: unmanaged.unwrap_or(base.eviction.unmanaged),
        parallel: parallel.unwrap_or(base.eviction.parallel),
    };
    Ok(DrainPolicy {
        timeout: timeout.unwrap_or(base.timeout),
        on_timeout: on_timeout.unwrap_or(base.on_timeout),
        min_pod_age: min_pod_age.unwrap_or(base.min_pod_age),
        eviction,
        preflight: preflight.unwrap_or(base.preflight),
        dead_nodes: dead_nodes.unwrap_or(base.dead_nodes),
        volumes: volumes.unwrap_or(base.volumes),
        balancers: balancers.unwrap_or(base.balancers),
    })
}

fn amount(
    doc: &ParsedFile,
    key: &str,
    file: Option<&AmountFile>,
    base: Amount,
) -> Result<Amount, FleetError> {
    match file {
        None => Ok(base),
        Some(AmountFile::Count(n)) => Ok(Amount::Count(*n)),
        Some(AmountFile::Text(text)) => {
            let digits = |t: &str| t.parse::<u32>().ok();
            let parsed = match text.strip_suffix('%') {
                Some(percent) => digits(percent).filter(|p| *p <= 100).map(Amount::Percent),
                None => digits(text).map(Amount::Count),
            };
            let wrong = || {
                invalid(
                    doc,
                    &["rolling", key],
                    format!("`{text}` is neither a count nor a percentage"),
                    "write 1 or 25%",
                )
            };
            parsed.ok_or_else(wrong)
        }
    }
}

//! `fleet.yaml` as written → [`Settings`]: rolling policy, gates, freezes, the layering of vars. Stages are in `stages`. Reads no files.

use super::document::Document;
use super::file::{AmountFile, DrainFile, FleetFile, FreezeFile, RollingFile};
use super::{
    Amount, CallRates, Cluster, Drain, FleetError, Freeze, Place, Rollback, Rolling, Settings,
    Weekday, cluster, gates, policy, stages,
};
use crate::model::{ClusterName, Eviction};
use std::collections::BTreeMap;

/// Which files of `vars/` a cluster reads, before its own extra ones.
pub(super) struct Layering(Vec<String>);

impl Layering {
    /// The patterns of `vars:`, or the standard ones.
    pub(super) fn of(doc: &Document) -> Result<Self, FleetError> {
        let Some(node) = doc.node.get("vars") else {
            return Ok(Layering(
                ["defaults.yaml", "{environment}.yaml", "{cluster}.yaml"]
                    .map(|p| format!("vars/{p}"))
                    .into(),
            ));
        };
        let mut patterns = Vec::new();
        for (i, item) in node.items().iter().enumerate() {
            let place = doc.place(&["vars", &i.to_string()]);
            // A pattern that is no string is refused when the file is decoded.
            let Some(pattern) = item.as_str() else {
                continue;
            };
            let rest = pattern
                .replace("{environment}", "")
                .replace("{cluster}", "");
            if rest.contains(['{', '}']) {
                let message = format!("`{pattern}` has a placeholder that means nothing");
                return Err(FleetError::Invalid {
                    place,
                    message,
                    hint: "the placeholders are {environment} and {cluster}".into(),
                });
            }
            patterns.push(cluster::below_vars(pattern, &place)?);
        }
        Ok(Layering(patterns))
    }

    /// The paths for one cluster, lowest first.
    pub(super) fn paths(&self, environment: &str, cluster: &str) -> Vec<String> {
        self.0
            .iter()
            .map(|p| {
                p.replace("{environment}", environment)
                    .replace("{cluster}", cluster)
            })
            .collect()
    }
}

/// The settings, checked against the clusters there are.
pub(super) fn settings(
    doc: &Document,
    clusters: &BTreeMap<ClusterName, Cluster>,
) -> Result<Settings, FleetError> {
    check_version(doc)?;
    gates::check_kinds(doc)?;
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
    match (store, stages, rolling, gates, call_rates) {
        (Some(store), Some(stages), Some(rolling), Some(gates), Some(call_rates)) => Ok(Settings {
            store,
            stages,
            rolling,
            gates,
            rollback: Rollback {
                control_plane: file.rollback.control_plane.unwrap_or_default(),
            },
            call_rates,
            accept: file.accept,
            lint: file.lint,
        }),
        _ => Err(FleetError::all(faults)),
    }
}

/// The value; a fault is kept for later.
fn kept<T>(result: Result<T, FleetError>, faults: &mut Vec<FleetError>) -> Option<T> {
    result.map_err(|fault| faults.push(fault)).ok()
}

/// A folder, or a bucket with a prefix. Source of what a bucket may be called: S3, "General purpose bucket naming rules".
fn store(doc: &Document, given: Option<String>) -> Result<String, FleetError> {
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

pub(super) fn invalid(
    doc: &Document,
    path: &[&str],
    message: impl Into<String>,
    hint: impl Into<String>,
) -> FleetError {
    FleetError::Invalid {
        place: doc.place(path),
        message: message.into(),
        hint: hint.into(),
    }
}

/// Before anything else: the file of a later version would only give misleading errors.
fn check_version(doc: &Document) -> Result<(), FleetError> {
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
fn check_selectors(doc: &Document) -> Result<(), FleetError> {
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
            let place = Place {
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

fn rolling(doc: &Document, file: &RollingFile) -> Result<Rolling, FleetError> {
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
        strategy: file.strategy.unwrap_or(base.strategy),
        capacity: file.capacity.clone().map_or(base.capacity, Into::into),
        room: file.room.unwrap_or(base.room),
        keep_versions: policy::keep_versions(doc, file.keep_versions, base.keep_versions)?,
        groups: policy::groups(&file.groups),
    };
    policy::check_twins(doc, &rolling)?;
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

fn drain(doc: &Document, file: Option<DrainFile>, base: Drain) -> Result<Drain, FleetError> {
    let Some(DrainFile {
        timeout,
        on_timeout,
        min_pod_age,
        parallel,
        empty_dir,
        unmanaged,
        preflight,
        dead_nodes,
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
    Ok(Drain {
        timeout: timeout.unwrap_or(base.timeout),
        on_timeout: on_timeout.unwrap_or(base.on_timeout),
        min_pod_age: min_pod_age.unwrap_or(base.min_pod_age),
        eviction,
        preflight: preflight.unwrap_or(base.preflight),
        dead_nodes: dead_nodes.unwrap_or(base.dead_nodes),
    })
}

fn amount(
    doc: &Document,
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

/// A weekly window.
pub(super) fn freeze(
    doc: &Document,
    path: [&str; 4],
    file: &FreezeFile,
) -> Result<Freeze, FleetError> {
    let at = |key: &'static str| doc.place(&path.iter().copied().chain([key]).collect::<Vec<_>>());
    if jiff::tz::TimeZone::get(&file.timezone).is_err() {
        let message = format!("there is no time zone `{}`", file.timezone);
        return Err(FleetError::Invalid {
            place: at("timezone"),
            message,
            hint: "write an IANA name such as Europe/Paris or UTC".into(),
        });
    }
    let (from, to) = (moment(&file.from, at("from"))?, moment(&file.to, at("to"))?);
    if from == to {
        let hint = "an empty window or a whole week? Write the end a minute earlier or later";
        return Err(FleetError::Invalid {
            place: at("to"),
            message: "the window ends when it begins".into(),
            hint: hint.into(),
        });
    }
    Ok(Freeze {
        from,
        to,
        timezone: file.timezone.clone(),
    })
}

fn moment(text: &str, place: Place) -> Result<(Weekday, u16), FleetError> {
    let parsed = text.split_once(' ').and_then(|(day, clock)| {
        let (hour, minute) = clock.split_once(':')?;
        let two_digits = |t: &str| (t.len() == 2).then(|| t.parse::<u16>().ok()).flatten();
        let (hour, minute) = (two_digits(hour)?, two_digits(minute)?);
        (hour < 24 && minute < 60).then_some((weekday(day)?, hour * 60 + minute))
    });
    parsed.ok_or_else(|| FleetError::Invalid {
        place,
        message: format!("`{text}` is not a weekday and a time"),
        hint: "write it as \"Fri 16:00\": Mon, Tue, Wed, Thu, Fri, Sat or Sun, and 24 hours".into(),
    })
}

fn weekday(text: &str) -> Option<Weekday> {
    Some(match text {
        "Mon" => Weekday::Mon,
        "Tue" => Weekday::Tue,
        "Wed" => Weekday::Wed,
        "Thu" => Weekday::Thu,
        "Fri" => Weekday::Fri,
        "Sat" => Weekday::Sat,
        "Sun" => Weekday::Sun,
        _ => return None,
    })
}

//! An instance, as its group lists it and as EC2 describes it → ours.

use aws_sdk_autoscaling::types as sdk;
use aws_sdk_ec2::types as ec2;

use super::group::TemplateReference;
use super::{Strange, needed, time};
use crate::model::{Health, Instance, InstanceId, Lifecycle, Market, Timestamp};

/// What EC2 knows and the group does not; never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cloud::aws) struct Details {
    /// Spot or on-demand.
    pub(in crate::cloud::aws) market: Market,
    /// When it was launched.
    pub(in crate::cloud::aws) launched_at: Timestamp,
}

/// What EC2 knows of an instance.
pub(in crate::cloud::aws) fn details(
    given: &ec2::Instance,
) -> Result<(InstanceId, Details), Strange> {
    let id = id(given.instance_id())?;
    let market = match given.instance_lifecycle() {
        Some(ec2::InstanceLifecycleType::Spot) => Market::Spot,
        // Scheduled ones and capacity blocks are paid for at a fixed price, too.
        Some(_) | None => Market::OnDemand,
    };
    Ok((
        id,
        Details {
            market,
            launched_at: time(needed(given.launch_time(), "LaunchTime")?, "LaunchTime")?,
        },
    ))
}

/// An instance's id.
pub(in crate::cloud::aws) fn id(given: Option<&str>) -> Result<InstanceId, Strange> {
    InstanceId::new(needed(given, "InstanceId")?).map_err(|e| Strange {
        what: e.to_string(),
    })
}

/// An instance of a group. `template`: what its group refers to; a version of another template says nothing. Without details (EC2 does not know it
/// yet, or no longer) it is as if launched at `now`, on-demand.
pub(in crate::cloud::aws) fn member(
    given: &sdk::Instance,
    template: Option<&TemplateReference>,
    details: Option<Details>,
    now: Timestamp,
) -> Result<(InstanceId, Instance), Strange> {
    let id = id(given.instance_id())?;
    let details = details.unwrap_or(Details {
        market: Market::OnDemand,
        launched_at: now,
    });
    let instance = Instance {
        lifecycle: lifecycle(given.lifecycle_state())?,
        health: if given
            .health_status()
            .is_some_and(|h| h.eq_ignore_ascii_case("unhealthy"))
        {
            Health::Unhealthy
        } else {
            Health::Healthy
        },
        zone: given.availability_zone.clone().unwrap_or_default(),
        instance_type: given.instance_type.clone().unwrap_or_default(),
        market: details.market,
        version: version(given, template),
        launched_at: details.launched_at,
        protected: given.protected_from_scale_in.unwrap_or(false),
    };
    Ok((id, instance))
}

/// The version it was launched from, when it is one of this template.
fn version(given: &sdk::Instance, template: Option<&TemplateReference>) -> Option<u64> {
    let own = TemplateReference::of(given.launch_template()?);
    let same = template.is_some_and(|t| {
        if t.id.is_some() && own.id.is_some() {
            t.id == own.id
        } else {
            t.name == own.name
        }
    });
    own.version.filter(|_| same)?.parse().ok()
}

/// Source: Auto Scaling user guide, "Amazon EC2 Auto Scaling instance lifecycle".
fn lifecycle(state: Option<&sdk::LifecycleState>) -> Result<Lifecycle, Strange> {
    let text = needed(state, "LifecycleState")?.as_str();
    // What follows the colon says how far it is: `Pending:Wait`, `Warmed:Stopped`; also that it leaves the pool for good.
    if text.starts_with("Warmed:Terminat") {
        return Ok(Lifecycle::Terminating);
    }
    Ok(match text.split(':').next().unwrap_or(text) {
        "Pending" | "Quarantined" => Lifecycle::Pending,
        "InService" => Lifecycle::InService,
        "Standby" | "EnteringStandby" => Lifecycle::Standby,
        "Warmed" => Lifecycle::Warmed,
        "Detaching" | "Detached" => Lifecycle::Detached,
        "Terminating" | "Terminated" | "ReplacingRootVolume" | "RootVolumeReplaced" => {
            Lifecycle::Terminating
        }
        _ => {
            return Err(Strange {
                what: format!("LifecycleState is {text}"),
            });
        }
    })
}

fn tag<'i>(given: &'i ec2::Instance, key: &str) -> Option<&'i str> {
    let tags = given.tags().iter();
    let mut named = tags.filter(|t| t.key() == Some(key));
    named.next().and_then(|t| t.value())
}

/// An instance that we took out of its group.
pub(in crate::cloud::aws) fn detached(
    given: &ec2::Instance,
    template: Option<&TemplateReference>,
) -> Result<(InstanceId, Instance), Strange> {
    let (id, details) = details(given)?;
    let tag = |key: &str| tag(given, key);
    // AWS tags every instance with what it was launched from. Source: EC2 user guide, launch templates.
    let same = template
        .and_then(|t| t.id.as_deref())
        .is_some_and(|id| tag("aws:ec2launchtemplate:id") == Some(id));
    let instance = Instance {
        lifecycle: Lifecycle::Detached,
        health: Health::Healthy,
        zone: given
            .placement()
            .and_then(|p| p.availability_zone())
            .unwrap_or_default()
            .to_owned(),
        instance_type: given.instance_type().map_or("", |t| t.as_str()).to_owned(),
        market: details.market,
        version: tag("aws:ec2launchtemplate:version")
            .filter(|_| same)
            .and_then(|v| v.parse().ok()),
        launched_at: details.launched_at,
        protected: false,
    };
    Ok((id, instance))
}

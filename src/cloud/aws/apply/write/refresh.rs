//! How an instance refresh goes about it, as Auto Scaling is told.

use aws_sdk_autoscaling::types as sdk;

use super::{TooMuch, list, number};
use crate::model::{RefreshPreferences, Span};

/// Its own rollback is off, protected instances are replaced, those in standby waited for: what the effect stands for.
pub(in crate::cloud::aws::apply) fn preferences(
    preferences: &RefreshPreferences,
) -> Result<sdk::RefreshPreferences, TooMuch> {
    let RefreshPreferences {
        min_healthy_percent,
        max_healthy_percent,
        warmup,
        checkpoints,
        checkpoint_delay,
        skip_matching,
    } = preferences;
    let percentages: Vec<i32> = checkpoints
        .iter()
        .map(|c| number("CheckpointPercentages", *c))
        .collect::<Result<_, _>>()?;
    let delay = delay_between(&percentages, *checkpoint_delay)?;
    Ok(sdk::RefreshPreferences::builder()
        .min_healthy_percentage(number("MinHealthyPercentage", *min_healthy_percent)?)
        .max_healthy_percentage(number("MaxHealthyPercentage", *max_healthy_percent)?)
        .instance_warmup(seconds("InstanceWarmup", *warmup)?)
        .set_checkpoint_percentages(list(percentages))
        .set_checkpoint_delay(delay)
        .skip_matching(*skip_matching)
        .auto_rollback(false)
        .scale_in_protected_instances(sdk::ScaleInProtectedInstances::Refresh)
        .standby_instances(sdk::StandbyInstances::Wait)
        .build())
}

/// AWS refuses a delay without checkpoints.
fn delay_between(percentages: &[i32], delay: Span) -> Result<Option<i32>, TooMuch> {
    let has_checkpoints = !percentages.is_empty();
    has_checkpoints
        .then(|| seconds("CheckpointDelay", delay))
        .transpose()
}

fn seconds(field: &'static str, span: Span) -> Result<i32, TooMuch> {
    number(field, span.millis().div_euclid(1000))
}

//! What groups did of late: their scaling activities.

use aws_sdk_autoscaling::types as sdk;

use super::reading::Reading;
use crate::cloud::CloudError;
use crate::cloud::aws::convert::past;
use crate::cloud::aws::error::cloud_error;
use crate::model::{AsgName, Timestamp};

/// Largest page. Source: AWS API reference, DescribeScalingActivities.
const PAGE: i32 = 100;
/// How far back scaling activities are read, in milliseconds.
const SINCE: i64 = 2 * 3_600_000;
/// Most pages of them.
const PAGES: usize = 50;

impl Reading<'_> {
    /// Scaling activities of the last hours, newest last.
    pub(super) async fn activities(&mut self) -> Result<(), CloudError> {
        if self.haul.groups.is_empty() {
            return Ok(());
        }
        let since = Timestamp::from_millis(self.haul.now.millis() - SINCE);
        let from = aws_smithy_types::DateTime::from_millis(since.millis());
        let from = from
            .fmt(aws_smithy_types::date_time::Format::DateTime)
            .unwrap_or_default();
        let since_then = sdk::Filter::builder()
            .name("StartTimeLowerBound")
            .values(from)
            .build();
        let call = self
            .clients
            .autoscaling
            .describe_scaling_activities()
            .filters(since_then)
            .max_records(PAGE);
        let mut pages = call.into_paginator().send();
        let mut read = 0;
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| cloud_error(self.place, "scaling activities", &e))?;
            for given in page.activities() {
                let (Some(name), Ok(activity)) =
                    (given.auto_scaling_group_name(), past::activity(given))
                else {
                    continue;
                };
                if let (Ok(name), true) = (AsgName::new(name), activity.at >= since) {
                    let refresh = given
                        .cause()
                        .is_some_and(|c| c.contains("instance refresh"));
                    self.haul.refreshed.extend(refresh.then(|| name.clone()));
                    self.haul.activities.entry(name).or_default().push(activity);
                }
            }
            read += 1;
            if read == PAGES {
                let message = format!("more than {} in two hours", PAGES * 100);
                return Err(CloudError::Unknown {
                    subject: "scaling activities".into(),
                    message,
                });
            }
        }
        self.haul
            .activities
            .values_mut()
            .for_each(|a| a.sort_by_key(|a| a.at));
        Ok(())
    }
}

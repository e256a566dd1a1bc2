//! Who the caller is to AWS, for how long, and what time it is there. Changes nothing.

use std::sync::{Arc, Mutex, PoisonError};

use aws_credential_types::provider::ProvideCredentials as _;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::Format;

use super::Aws;
use super::error::cloud_error;
use crate::cloud::{CloudError, Place};
use crate::model::{AccountId, Timestamp};

/// Who the caller is in a cluster's account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub account: AccountId,
    /// The user or the session of a role.
    pub arn: String,
    /// When the credentials end, where their provider says so.
    pub expires: Option<Timestamp>,
    /// What time it is at AWS, to the second.
    pub time: Option<Timestamp>,
}

impl Aws {
    /// Who the caller is where this cluster lives.
    ///
    /// # Errors
    /// When AWS refuses, or gives no answer.
    pub async fn identity(&self, place: &Place) -> Result<Identity, CloudError> {
        let clock = Clock::default();
        let sts = self.connection.clients(place).await?.sts;
        let asked = sts
            .get_caller_identity()
            .customize()
            .interceptor(clock.clone());
        let answer = asked
            .send()
            .await
            .map_err(|e| cloud_error(place, &place.cluster, &e))?;
        let account = answer.account.unwrap_or_default();
        let account = AccountId::new(account).map_err(|e| CloudError::Unknown {
            subject: place.cluster.to_string(),
            message: format!("GetCallerIdentity names no account: {e}"),
        })?;
        let config = self.connection.config(place).await?;
        let expires = match config.credentials_provider() {
            Some(provider) => provider.provide_credentials().await.ok(),
            None => None,
        };
        let expires = expires
            .and_then(|credentials| credentials.expiry())
            .and_then(|end| DateTime::from(end).to_millis().ok());
        Ok(Identity {
            account,
            arn: answer.arn.unwrap_or_default(),
            expires: expires.map(Timestamp::from_millis),
            time: clock.seen(),
        })
    }
}

/// Reads the time off an answer's header.
#[derive(Clone, Debug, Default)]
struct Clock(Arc<Mutex<Option<Timestamp>>>);

impl Clock {
    fn seen(&self) -> Option<Timestamp> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for Clock {
    fn name(&self) -> &'static str {
        "Clock"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let time = date
            .and_then(|text| DateTime::from_str(text, Format::HttpDate).ok())
            .and_then(|time| time.to_millis().ok());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = time.map(Timestamp::from_millis);
        Ok(())
    }
}

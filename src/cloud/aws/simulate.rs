//! What a principal would be allowed, as IAM's policy simulator says. Uses none of the rights.
//!
//! Source: IAM API reference, SimulatePrincipalPolicy: the policies of the principal, its permissions boundary and what of the organisation's policies
//! has no condition; policies of resources are not part of it.

use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, PolicyEvaluationDecisionType};

use super::Aws;
use super::error::cloud_error;
use crate::cloud::{CloudError, Place};
use crate::model::{RightAnswer, RightsQuestion};

impl Aws {
    /// The ARN of a role by its name: that of a session has not its path.
    ///
    /// # Errors
    /// When the caller may not look at it, or there is none of that name.
    pub async fn role(&self, place: &Place, name: &str) -> Result<String, CloudError> {
        let iam = self.connection.clients(place).await?.iam;
        let answer = iam.get_role().role_name(name).send().await;
        let answer = answer.map_err(|e| cloud_error(place, name, &e))?;
        answer
            .role
            .map(|role| role.arn)
            .ok_or_else(|| CloudError::Unknown {
                subject: name.to_owned(),
                message: "GetRole names no role".to_owned(),
            })
    }

    /// What a principal of a cluster's account, by its ARN, would be allowed.
    ///
    /// # Errors
    /// When the caller may not ask, IAM knows no such principal, or gives no answer.
    pub async fn simulate(
        &self,
        place: &Place,
        principal: &str,
        question: &RightsQuestion,
    ) -> Result<Vec<RightAnswer>, CloudError> {
        let iam = self.connection.clients(place).await?.iam;
        let RightsQuestion {
            rights,
            resources,
            context,
        } = question;
        let entry = |(key, value): (&String, &String)| {
            ContextEntry::builder()
                .context_key_name(key)
                .context_key_type(ContextKeyTypeEnum::String)
                .context_key_values(value)
                .build()
        };
        let asked = iam
            .simulate_principal_policy()
            .policy_source_arn(principal)
            .set_action_names(Some(rights.iter().map(|r| (*r).to_owned()).collect()))
            .set_resource_arns(Some(resources.clone()))
            .set_context_entries(Some(context.iter().map(entry).collect()));
        let mut answers = Vec::new();
        let mut pages = asked.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| cloud_error(place, principal, &e))?;
            for result in page.evaluation_results() {
                answers.push(RightAnswer {
                    right: result.eval_action_name().to_owned(),
                    resource: result.eval_resource_name().unwrap_or("*").to_owned(),
                    is_allowed: *result.eval_decision() == PolicyEvaluationDecisionType::Allowed,
                    lacks: result.missing_context_values().to_vec(),
                });
            }
        }
        Ok(answers)
    }
}

//! Endpoints in the table, and the count of them that bounds an app.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
    Update,
};
use jiff::Timestamp;

use super::endpoint_item::{
    ENDPOINT, EndpointItem, app_key, app_partition, endpoint_key, live_endpoint,
};
use super::transaction::Transacted;
use super::{Table, collect, encode, number, text};
use crate::aws::AwsError;
use crate::aws::error::condition_failed;
use crate::domain::endpoint::{
    Disabled, Endpoint, EndpointPatch, MAX_ENDPOINTS_PER_APP, SecretVersion,
};
use crate::domain::id::{AppId, EndpointId};
use crate::domain::time::iso_millis;

/// What became of a creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateOutcome {
    /// The endpoint is stored.
    Created,
    /// The app has all the endpoints it may have.
    LimitReached,
}

/// What became of pointing an endpoint at a new version of its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotateOutcome {
    /// From now on the new version signs.
    Rotated,
    /// Another rotation came first.
    Lost,
    /// The endpoint was deleted meanwhile.
    Missing,
}

impl Table {
    /// Stores a new endpoint and counts it, both or neither. One
    /// `TransactWriteItems`, repeated while other creations of the app are in
    /// its way.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn create_endpoint(&self, endpoint: &Endpoint) -> Result<CreateOutcome, AwsError> {
        const OPERATION: &str = "TransactWriteItems of a new endpoint";
        let item = encode(OPERATION, &EndpointItem::from(endpoint))?;
        let count = Update::builder()
            .table_name(&self.name)
            .set_key(Some(app_key(endpoint.app_id)))
            .update_expression("SET endpointCount = if_not_exists(endpointCount, :zero) + :one")
            .condition_expression("attribute_not_exists(endpointCount) OR endpointCount < :most")
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":most", number(MAX_ENDPOINTS_PER_APP))
            .build()
            .map_err(|error| AwsError::unexpected(OPERATION, error))?;
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .map_err(|error| AwsError::unexpected(OPERATION, error))?;
        let writes = vec![
            TransactWriteItem::builder().put(put).build(),
            TransactWriteItem::builder().update(count).build(),
        ];
        match self.transact(OPERATION, writes).await? {
            Transacted::Done => Ok(CreateOutcome::Created),
            // The id is a new one, so it was stored by an earlier try, which may
            // have taken the last place.
            Transacted::ConditionFailed { write: 0 } => Ok(CreateOutcome::Created),
            Transacted::ConditionFailed { .. } => Ok(CreateOutcome::LimitReached),
        }
    }

    /// An endpoint of an app. One strongly consistent `GetItem`.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn endpoint(
        &self,
        app_id: AppId,
        id: EndpointId,
    ) -> Result<Option<Endpoint>, AwsError> {
        const OPERATION: &str = "GetItem of an endpoint";
        let found = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(endpoint_key(app_id, id)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| AwsError::new(OPERATION, error))?;
        match found.item {
            Some(item) => live_endpoint(OPERATION, item),
            None => Ok(None),
        }
    }

    /// An app's endpoints, newest first. One strongly consistent `Query`, a
    /// second one only beyond 1 MB (AWS's page).
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn endpoints(&self, app_id: AppId) -> Result<Vec<Endpoint>, AwsError> {
        const OPERATION: &str = "Query of endpoints";
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .key_condition_expression("pk = :app AND begins_with(sk, :endpoint)")
            .expression_attribute_values(":app", text(app_partition(app_id)))
            .expression_attribute_values(":endpoint", text(ENDPOINT))
            .scan_index_forward(false)
            .consistent_read(true);
        collect(OPERATION, query)
            .await?
            .into_iter()
            .filter_map(|item| live_endpoint(OPERATION, item).transpose())
            .collect()
    }

    /// Changes an endpoint. `None` when there is no such endpoint. One
    /// `UpdateItem`.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn update_endpoint(
        &self,
        app_id: AppId,
        id: EndpointId,
        patch: &EndpointPatch,
        now: Timestamp,
    ) -> Result<Option<Endpoint>, AwsError> {
        const OPERATION: &str = "UpdateItem of an endpoint";
        let mut changes = vec!["updatedAt = :now"];
        let mut update = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(endpoint_key(app_id, id)))
            .condition_expression(LIVE)
            .expression_attribute_values(":now", text(iso_millis(now)))
            .return_values(ReturnValue::AllNew);
        if let Some(url) = &patch.url {
            // `url` is a reserved word of DynamoDB's expressions.
            changes.push("#url = :url");
            update = update
                .expression_attribute_names("#url", "url")
                .expression_attribute_values(":url", text(url));
        }
        if let Some(events) = &patch.events {
            changes.push("events = :events");
            let events = events.iter().map(text).collect();
            update = update.expression_attribute_values(":events", AttributeValue::L(events));
        }
        if let Some(active) = patch.active {
            changes.push("active = :active");
            update = update.expression_attribute_values(":active", AttributeValue::Bool(active));
        }
        let mut expression = format!("SET {}", changes.join(", "));
        if patch.active == Some(true) {
            expression.push_str(" REMOVE disabledReason, disabledAt, failingSince");
        }
        let updated = update.update_expression(expression).send().await;
        match updated {
            Ok(updated) => live_endpoint(OPERATION, updated.attributes.unwrap_or_default()),
            Err(error) if condition_failed(&error) => Ok(None),
            Err(error) => Err(AwsError::new(OPERATION, error)),
        }
    }

    /// Makes `next` the version that signs, if `current` still is. One
    /// `UpdateItem`.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn set_secret_version(
        &self,
        app_id: AppId,
        id: EndpointId,
        current: &SecretVersion,
        next: &SecretVersion,
        now: Timestamp,
    ) -> Result<RotateOutcome, AwsError> {
        const OPERATION: &str = "UpdateItem of an endpoint's secret version";
        let updated = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(endpoint_key(app_id, id)))
            .update_expression("SET secretVersion = :next, updatedAt = :now")
            .condition_expression(format!("{LIVE} AND secretVersion = :current"))
            .expression_attribute_values(":current", text(current))
            .expression_attribute_values(":next", text(next))
            .expression_attribute_values(":now", text(iso_millis(now)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let error = match updated {
            Ok(_) => return Ok(RotateOutcome::Rotated),
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                let found = failed.item.clone().unwrap_or_default();
                if found.get("secretVersion") == Some(&text(next)) {
                    // An SDK retry of a call that had taken effect.
                    Ok(RotateOutcome::Rotated)
                } else if found.is_empty() || found.contains_key("deletedAt") {
                    Ok(RotateOutcome::Missing)
                } else {
                    Ok(RotateOutcome::Lost)
                }
            }
            _ => Err(AwsError::new(OPERATION, error)),
        }
    }

    /// Makes an endpoint inactive, with the reason. `false` when it is inactive
    /// or gone already. With `failing_since`, only if it still fails since then.
    /// One `UpdateItem`.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn disable_endpoint(
        &self,
        app_id: AppId,
        id: EndpointId,
        disabled: Disabled,
        failing_since: Option<Timestamp>,
    ) -> Result<bool, AwsError> {
        let mut condition = format!("{LIVE} AND active = :true");
        let mut update = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(endpoint_key(app_id, id)))
            .update_expression(
                "SET active = :false, disabledReason = :reason, disabledAt = :at, updatedAt = :at",
            )
            .expression_attribute_values(":true", AttributeValue::Bool(true))
            .expression_attribute_values(":false", AttributeValue::Bool(false))
            .expression_attribute_values(":reason", text(disabled.reason.as_str()))
            .expression_attribute_values(":at", text(iso_millis(disabled.at)));
        if let Some(since) = failing_since {
            condition.push_str(" AND failingSince = :since");
            update = update.expression_attribute_values(":since", text(iso_millis(since)));
        }
        match update.condition_expression(condition).send().await {
            Ok(_) => Ok(true),
            Err(error) if condition_failed(&error) => Ok(false),
            Err(error) => Err(AwsError::new("UpdateItem of a disabled endpoint", error)),
        }
    }

    /// Notes since when an endpoint fails (`Some`), unless that is noted
    /// already, or that it no longer does (`None`). One `UpdateItem`.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn note_failing(
        &self,
        app_id: AppId,
        id: EndpointId,
        since: Option<Timestamp>,
    ) -> Result<(), AwsError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(endpoint_key(app_id, id)));
        let update = match since {
            Some(since) => update
                .update_expression("SET failingSince = :since")
                .condition_expression(format!("{LIVE} AND attribute_not_exists(failingSince)"))
                .expression_attribute_values(":since", text(iso_millis(since))),
            None => update
                .update_expression("REMOVE failingSince")
                .condition_expression(LIVE),
        };
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error) if condition_failed(&error) => Ok(()),
            Err(error) => Err(AwsError::new("UpdateItem of a failing endpoint", error)),
        }
    }
}

/// Condition: the item exists and is not being deleted.
const LIVE: &str = "attribute_exists(pk) AND attribute_not_exists(deletedAt)";

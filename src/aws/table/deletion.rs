//! Deletion of endpoints, in two steps: an endpoint is marked first (from then
//! on it is missing to everyone), and removed when its secret is gone. What an
//! interrupted deletion leaves is a marked item; a repeated one finishes the
//! work, or else an operator's sweep, which finds marked items by the index.

use aws_sdk_dynamodb::types::{Delete, TransactWriteItem, Update};
use jiff::Timestamp;
use serde::Deserialize;

use super::endpoint_item::{app_key, endpoint_key, endpoint_of_key};
use super::{INDEX, Table, collect, decode, number, text};
use crate::aws::AwsError;
use crate::aws::error::condition_failed;
use crate::domain::id::{AppId, EndpointId};
use crate::domain::time::{iso_millis, serde_millis};

/// Whether an endpoint is in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It is, and in use.
    Live,
    /// It is marked as deleted and waits for the rest of its deletion.
    Marked,
    /// It is not.
    Missing,
}

/// An endpoint whose deletion was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarkedEndpoint {
    /// The app that it was of.
    pub app_id: AppId,
    /// Its id.
    pub endpoint_id: EndpointId,
    /// When it was registered.
    pub created_at: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MarkedItem {
    pk: String,
    sk: String,
    #[serde(with = "serde_millis")]
    created_at: Timestamp,
}

impl Table {
    /// Whether an endpoint is in the table, a marked one included. Says so also
    /// of an item that can't be read as an endpoint. One strongly consistent
    /// `GetItem`.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn endpoint_presence(
        &self,
        app_id: AppId,
        id: EndpointId,
    ) -> Result<Presence, AwsError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(endpoint_key(app_id, id)))
            .projection_expression("pk, deletedAt")
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| AwsError::new("GetItem of an endpoint's presence", error))?;
        Ok(match found.item {
            None => Presence::Missing,
            Some(item) if item.contains_key("deletedAt") => Presence::Marked,
            Some(_) => Presence::Live,
        })
    }

    /// First step of a deletion. `false` when there is no such endpoint; `true`
    /// also when it was marked before. One `UpdateItem`.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn mark_endpoint_deleted(
        &self,
        app_id: AppId,
        id: EndpointId,
        now: Timestamp,
    ) -> Result<bool, AwsError> {
        let updated = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(endpoint_key(app_id, id)))
            .update_expression(
                "SET deletedAt = if_not_exists(deletedAt, :now), \
                 gsi1pk = :marked, gsi1sk = if_not_exists(gsi1sk, :sort)",
            )
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":now", text(iso_millis(now)))
            .expression_attribute_values(":marked", text(MARKED))
            .expression_attribute_values(":sort", text(format!("{}#{id}", iso_millis(now))))
            .send()
            .await;
        match updated {
            Ok(_) => Ok(true),
            Err(error) if condition_failed(&error) => Ok(false),
            Err(error) => Err(AwsError::new("UpdateItem of a deleted endpoint", error)),
        }
    }

    /// Last step of a deletion: removes a marked endpoint and counts it off,
    /// both or neither. Does nothing when it is already removed. One
    /// `TransactWriteItems`.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn remove_endpoint(&self, app_id: AppId, id: EndpointId) -> Result<(), AwsError> {
        const OPERATION: &str = "TransactWriteItems of a deleted endpoint";
        let delete = Delete::builder()
            .table_name(&self.name)
            .set_key(Some(endpoint_key(app_id, id)))
            .condition_expression("attribute_exists(deletedAt)")
            .build()
            .map_err(|error| AwsError::unexpected(OPERATION, error))?;
        let count = Update::builder()
            .table_name(&self.name)
            .set_key(Some(app_key(app_id)))
            .update_expression("SET endpointCount = endpointCount - :one")
            .expression_attribute_values(":one", number(1))
            .build()
            .map_err(|error| AwsError::unexpected(OPERATION, error))?;
        let writes = vec![
            TransactWriteItem::builder().delete(delete).build(),
            TransactWriteItem::builder().update(count).build(),
        ];
        // A failed condition means that a concurrent deletion was faster.
        self.transact(OPERATION, writes).await.map(|_| ())
    }

    /// The endpoints of all apps that were marked before `until` and are not
    /// removed. One `Query` of the index.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn marked_endpoints(
        &self,
        until: Timestamp,
    ) -> Result<Vec<MarkedEndpoint>, AwsError> {
        const OPERATION: &str = "Query of marked endpoints";
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(INDEX)
            .key_condition_expression("gsi1pk = :marked AND gsi1sk < :until")
            .expression_attribute_values(":marked", text(MARKED))
            .expression_attribute_values(":until", text(iso_millis(until)));
        collect(OPERATION, query)
            .await?
            .into_iter()
            .map(|item| {
                let item: MarkedItem = decode(OPERATION, item)?;
                let (app_id, endpoint_id) =
                    endpoint_of_key(&item.pk, &item.sk).ok_or_else(|| {
                        AwsError::unexpected(OPERATION, "not the keys of an endpoint")
                    })?;
                Ok(MarkedEndpoint {
                    app_id,
                    endpoint_id,
                    created_at: item.created_at,
                })
            })
            .collect()
    }
}

/// Partition of the index that marked endpoints are in, oldest mark first.
const MARKED: &str = "DELETED";

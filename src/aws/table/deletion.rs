//! Deletion of endpoints.
//!
//! An endpoint whose item holds its secrets is removed in one step, unless deliveries wait
//! for it. Any other endpoint takes two: it is first marked, which hides it from every
//! caller, and then removed once its secret is gone from Secrets Manager. If the deletion
//! is interrupted in between, the marked item remains, and a repeated call or the next
//! sweep finishes the job. The sweep finds marked items in their own shard of the schedule.

use aws_sdk_dynamodb::types::{
    Delete, ReturnValue, ReturnValuesOnConditionCheckFailure as OnFailure, TransactWriteItem,
};
use jiff::Timestamp;

use super::batch_get::id_of;
use super::fields::{Fields, text};
use super::keys::attribute::{
    CREATED_AT, DELETED_AT, ENDPOINT_COUNT, PK, PREVIOUS_SECRET, SEALING_KEY, SK, previous,
};
use super::keys::{self, DELETIONS, SCHEDULE};
use super::secret_item::names_a_stored_secret;
use super::transaction::Transacted;
use super::update::Update;
use super::{Item, Table, UnreadableItem, collect};
use crate::aws::error::{During, Malformed, StoreError, has_code};
use crate::domain::endpoint::EndpointKey;
use crate::domain::time::iso_millis;

/// Whether an endpoint is in the table, and where its secrets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// In use, with a secret in Secrets Manager.
    Live,
    /// In use, with all of its secrets in its item.
    Sealed,
    /// Marked as deleted, but not removed yet.
    Marked,
    /// Not in the table.
    Missing,
}

/// The outcome of [`Table::mark_endpoint_deleted`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marked {
    /// The endpoint is marked, by this call or an earlier one.
    Done {
        /// Whether deliveries may be waiting for it. Also true on a repeated call: the
        /// earlier one may have been interrupted before it ended them.
        had_waiting: bool,
        /// Whether all of its secrets are in its item, and none in Secrets Manager.
        is_sealed: bool,
    },
    /// There is no such endpoint.
    Missing,
}

/// The outcome of [`Table::delete_sealed_endpoint`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeletedSealed {
    /// The endpoint is deleted.
    Done,
    /// There is no such endpoint.
    Missing,
    /// The endpoint needs several steps: one of its secrets is in Secrets Manager,
    /// deliveries may be waiting for it, or its deletion has already begun.
    NotInOneStep,
}

/// An endpoint whose deletion has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarkedEndpoint {
    /// The app and the endpoint's id.
    pub key: EndpointKey,
    /// When the endpoint was registered.
    pub created_at: Timestamp,
}

impl Table {
    /// Whether an endpoint is in the table, even if its item cannot be decoded, and where
    /// the secrets that sign at `now` are kept. One strongly consistent `GetItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn endpoint_presence(
        &self,
        endpoint: EndpointKey,
        now: Timestamp,
    ) -> Result<Presence, StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(keys::endpoint(endpoint)))
            .projection_expression("#pk, #deleted, #key, #previous")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#key", SEALING_KEY)
            .expression_attribute_names("#previous", PREVIOUS_SECRET)
            .expression_attribute_names("#deleted", DELETED_AT)
            .consistent_read(true)
            .send()
            .await
            .during("GetItem of an endpoint's presence")?;
        Ok(match found.item {
            None => Presence::Missing,
            Some(item) if item.contains_key(DELETED_AT) => Presence::Marked,
            Some(item) if names_a_stored_secret(&item, now) => Presence::Live,
            Some(_) => Presence::Sealed,
        })
    }

    /// Marks an endpoint as deleted, the first of two steps. One `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn mark_endpoint_deleted(
        &self,
        endpoint: EndpointKey,
        now: Timestamp,
    ) -> Result<Marked, StoreError> {
        const OPERATION: &str = "UpdateItem of a deleted endpoint";
        let at = text(iso_millis(now));
        let update = Update::existing()
            .set_once(DELETED_AT, at.clone())
            // Replaces the entry of a paused endpoint, if there is one.
            .set(SCHEDULE.pk, text(DELETIONS))
            // Sorts by the time of the first mark. With the time of this call, a client
            // that keeps repeating it would keep hiding the endpoint from the sweep.
            .set_to_first(SCHEDULE.sk, DELETED_AT, at);
        let updated = self
            .update_item(keys::endpoint(endpoint), update)
            .return_values(ReturnValue::AllOld)
            .send()
            .await;
        match updated {
            Ok(updated) => {
                let old = updated.attributes.unwrap_or_default();
                Ok(Marked::Done {
                    // The old entry is either that of waiting deliveries or of an earlier mark.
                    had_waiting: old.contains_key(SCHEDULE.pk),
                    // `MIN`, because a previous secret must be removed even if it no longer
                    // signs.
                    is_sealed: !names_a_stored_secret(&old, Timestamp::MIN),
                })
            }
            Err(error) if has_code(&error, "ConditionalCheckFailedException") => {
                Ok(Marked::Missing)
            }
            Err(error) => Err(error).during(OPERATION),
        }
    }

    /// Removes a marked endpoint and decrements its app's count, in one transaction: the
    /// last step of a deletion. Does nothing if the endpoint is already gone. One
    /// `TransactWriteItems`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn remove_endpoint(&self, endpoint: EndpointKey) -> Result<(), StoreError> {
        const OPERATION: &str = "TransactWriteItems of a deleted endpoint";
        let writes = || -> Result<_, Malformed> {
            let delete = Delete::builder()
                .table_name(&self.name)
                .set_key(Some(keys::endpoint(endpoint)))
                .condition_expression("attribute_exists(#deleted)")
                .expression_attribute_names("#deleted", DELETED_AT)
                .build()?;
            self.removal(endpoint, delete)
        };
        let writes = writes().during(OPERATION)?;
        // If the condition failed, a concurrent deletion has removed and counted it.
        self.transact(OPERATION, writes).await.map(|_| ())
    }

    /// Removes an endpoint whose item holds all of its secrets, and decrements its app's
    /// count, in one transaction. It needs no mark, because no other step follows. One
    /// `TransactWriteItems`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn delete_sealed_endpoint(
        &self,
        endpoint: EndpointKey,
    ) -> Result<DeletedSealed, StoreError> {
        const OPERATION: &str = "TransactWriteItems of a deleted endpoint";
        let writes = || -> Result<_, Malformed> {
            let delete = Delete::builder()
                .table_name(&self.name)
                .set_key(Some(keys::endpoint(endpoint)))
                // A schedule entry means that deliveries are waiting, or that the endpoint is
                // marked. A path into a missing map counts as not existing, so the last
                // condition also holds without a previous secret.
                .condition_expression(
                    "attribute_exists(#key) AND attribute_not_exists(#deleted) \
                     AND attribute_not_exists(#scheduled) \
                     AND attribute_not_exists(#previous.#stored)",
                )
                .expression_attribute_names("#previous", PREVIOUS_SECRET)
                .expression_attribute_names("#stored", previous::STORED_VERSION)
                .expression_attribute_names("#key", SEALING_KEY)
                .expression_attribute_names("#deleted", DELETED_AT)
                .expression_attribute_names("#scheduled", SCHEDULE.pk)
                .return_values_on_condition_check_failure(OnFailure::AllOld)
                .build()?;
            self.removal(endpoint, delete)
        };
        let writes = writes().during(OPERATION)?;
        Ok(match self.transact(OPERATION, writes).await? {
            Transacted::Done => DeletedSealed::Done,
            Transacted::ConditionFailed { item, .. } => match item {
                Some(item) if !item.is_empty() => DeletedSealed::NotInOneStep,
                _ => DeletedSealed::Missing,
            },
        })
    }

    /// The writes that remove an endpoint and decrement its app's count.
    fn removal(
        &self,
        endpoint: EndpointKey,
        delete: Delete,
    ) -> Result<Vec<TransactWriteItem>, Malformed> {
        let count = Update::default().add(ENDPOINT_COUNT, -1);
        let count = self.transact_update(keys::app(endpoint.app_id), count)?;
        Ok(vec![
            TransactWriteItem::builder().delete(delete).build(),
            TransactWriteItem::builder().update(count).build(),
        ])
    }

    /// Endpoints of all apps that were marked before `until` and are not removed yet. An
    /// item that cannot be decoded is returned as its key. One `Query` of the schedule per
    /// 1 MB.
    ///
    /// # Errors
    /// If a call fails.
    pub async fn marked_endpoints(
        &self,
        until: Timestamp,
    ) -> Result<Vec<Result<MarkedEndpoint, UnreadableItem>>, StoreError> {
        const OPERATION: &str = "Query of marked endpoints";
        let items = self.deletions_before(OPERATION, DELETIONS, until).await?;
        let marked = items.into_iter().map(|item| {
            let (pk, sk) = id_of(&item);
            marked_endpoint(item).map_err(|_| UnreadableItem { pk, sk })
        });
        Ok(marked.collect())
    }

    /// The entries of a schedule partition before `until`. One `Query` per 1 MB.
    pub(super) async fn deletions_before(
        &self,
        operation: &'static str,
        partition: &str,
        until: Timestamp,
    ) -> Result<Vec<Item>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(SCHEDULE.name)
            .key_condition_expression("#pk = :deletions AND #sk < :until")
            .expression_attribute_names("#pk", SCHEDULE.pk)
            .expression_attribute_names("#sk", SCHEDULE.sk)
            .expression_attribute_values(":deletions", text(partition))
            .expression_attribute_values(":until", text(iso_millis(until)));
        collect(operation, query).await
    }
}

fn marked_endpoint(item: Item) -> Result<MarkedEndpoint, Malformed> {
    let mut fields = Fields::of(item);
    let (pk, sk): (String, String) = (fields.read(PK)?, fields.read(SK)?);
    Ok(MarkedEndpoint {
        key: keys::endpoint_of(&pk, &sk).ok_or("not the keys of an endpoint")?,
        created_at: fields.read(CREATED_AT)?,
    })
}

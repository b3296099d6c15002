//! Deletion of endpoints. One whose item holds its secret is removed in one step, unless
//! deliveries wait for it. Otherwise there are two steps: an endpoint is marked first (from then on
//! it is missing to everyone), and removed once its secret is gone. An interrupted
//! deletion leaves a marked item, which a repeated call or the next sweep finishes. The
//! sweep finds marked items by a shard of the schedule.

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

/// Whether an endpoint is in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It is, in use, and needs its secret in Secrets Manager.
    Live,
    /// It is, in use, and its item holds all of its secrets.
    Sealed,
    /// It is marked as deleted, and waits for the rest of its deletion.
    Marked,
    /// It is not.
    Missing,
}

/// What became of marking an endpoint as deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marked {
    /// It is marked, by this call or an earlier one.
    Done {
        /// Whether deliveries may have waited for it until this call, or until an
        /// earlier one, which may have broken off before it had them seen to.
        had_waiting: bool,
        /// Whether its item holds its secrets, so that none is in Secrets Manager.
        is_sealed: bool,
    },
    /// There is no such endpoint.
    Missing,
}

/// What became of deleting an endpoint in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeletedSealed {
    /// It is deleted.
    Done,
    /// There is no such endpoint.
    Missing,
    /// It takes several steps: a secret of it is in Secrets Manager, deliveries may wait
    /// for it, or its deletion has begun.
    NotInOneStep,
}

/// An endpoint whose deletion has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarkedEndpoint {
    /// Its app and id.
    pub key: EndpointKey,
    /// When it was registered.
    pub created_at: Timestamp,
}

impl Table {
    /// Whether an endpoint is in the table, even if its item cannot be read as an
    /// endpoint, and where its secrets are that sign at this time. One strongly consistent
    /// `GetItem`.
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

    /// First step of a deletion. One `UpdateItem`.
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
            // In place of the entry that a paused endpoint has.
            .set(SCHEDULE.pk, text(DELETIONS))
            // The time of the first mark, or a client that keeps repeating the call
            // would keep the sweep from finishing it.
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
                    had_waiting: old.contains_key(SCHEDULE.pk),
                    // One that no longer signs has to be removed as well.
                    is_sealed: !names_a_stored_secret(&old, Timestamp::MIN),
                })
            }
            Err(error) if has_code(&error, "ConditionalCheckFailedException") => {
                Ok(Marked::Missing)
            }
            Err(error) => Err(error).during(OPERATION),
        }
    }

    /// Last step of a deletion: removes a marked endpoint and subtracts it from
    /// its app's count, both or neither. Does nothing if it was removed before.
    /// One `TransactWriteItems`.
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
        // If the condition failed, a concurrent deletion was faster.
        self.transact(OPERATION, writes).await.map(|_| ())
    }

    /// Removes an endpoint whose item holds its secrets, and subtracts it from its app's
    /// count, both or neither: without a mark, because nothing else has to follow. One
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
                // An entry in the schedule stands for waiting deliveries or for a mark.
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

    /// The writes that remove an endpoint.
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

    /// The endpoints of all apps that were marked before `until` and have not been
    /// removed, or the key of an item that cannot be read. One `Query` of the schedule
    /// for each 1 MB.
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

    /// What a partition of the schedule has before `until`. One `Query` for each 1 MB.
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

//! Deletion of apps.
//!
//! An app is first marked, so that nothing more can be created in it. Then its keys,
//! endpoints, secrets and histories are removed, in steps of one message each, and its own
//! item last, because it is how an interrupted deletion is found. Marked apps have their
//! own shard of the schedule. The time of an entry is when a sweep may resume the deletion.

use std::collections::BTreeSet;
use std::future::ready;

use aws_sdk_dynamodb::types::{DeleteRequest, ReturnValue, WriteRequest};
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use super::apps::app;
use super::batch_get::id_of;
use super::fields::{Fields, Readable, text, time};
use super::keys::attribute::{CREATED_AT, DELETED_AT, EVENT_ID, PK, SK, TEST_PING};
use super::keys::{self, APP_DELETIONS, ENDPOINT, SCHEDULE};
use super::update::Update;
use super::{Item, Table, collect};
use crate::aws::error::{During, Malformed, StoreError, has_code, written};
use crate::domain::api_key::ApiKeyHash;
use crate::domain::app::App;
use crate::domain::endpoint::EndpointKey;
use crate::domain::id::{AppId, EventId};
use crate::domain::time::iso_millis;

/// Concurrent updates and deletions of single items.
const AT_ONCE: usize = 10;

/// What [`Table::remove_history`] removed.
#[derive(Debug, Clone, Copy)]
pub struct RemovedHistory {
    /// How many deliveries were removed.
    pub deliveries: usize,
    /// Whether that was all of the history.
    pub is_all: bool,
}

impl Table {
    /// Marks an app as deleted, the first step. `None` if it was never created explicitly. A
    /// repeated call keeps the first mark, but lets the next sweep resume the deletion, in case
    /// it was interrupted. One `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn mark_app_deleted(
        &self,
        app_id: AppId,
        now: Timestamp,
    ) -> Result<Option<App>, StoreError> {
        const OPERATION: &str = "UpdateItem of a deleted app";
        let update = Update::default()
            .only_if_present(CREATED_AT)
            .set_once(DELETED_AT, time(now))
            .set(SCHEDULE.pk, text(APP_DELETIONS))
            .set(SCHEDULE.sk, text(keys::schedule_sort(now, app_id)));
        let updated = self.update_item(keys::app(app_id), update);
        match updated.return_values(ReturnValue::AllNew).send().await {
            Ok(updated) => app(updated.attributes.unwrap_or_default()).during(OPERATION),
            Err(error) if has_code(&error, "ConditionalCheckFailedException") => Ok(None),
            Err(error) => Err(error).during(OPERATION),
        }
    }

    /// Revokes all keys and sessions of an app. May miss those created within the last second,
    /// because the index is eventually consistent. One `Query`, and an `UpdateItem` for each.
    ///
    /// # Errors
    /// If a call fails.
    pub async fn revoke_keys_of(&self, app_id: AppId, now: Timestamp) -> Result<(), StoreError> {
        let keys = self.credentials_of(app_id).await?;
        let in_use = keys.iter().filter(|key| key.is_in_use(now));
        let revocations = in_use.map(|key| self.revoke_api_key(&key.hash, now));
        stream::iter(revocations.collect::<Vec<_>>())
            .buffer_unordered(AT_ONCE)
            .try_for_each(|_| ready(Ok(())))
            .await
    }

    /// Keeps sweeps from resuming a deletion before `until`. Returns when the app was marked.
    /// `None` if it is not, because its deletion is complete. One `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn claim_app_deletion(
        &self,
        app_id: AppId,
        until: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        const OPERATION: &str = "UpdateItem of an app's deletion";
        let update = Update::default()
            .only_if_present(DELETED_AT)
            .set(SCHEDULE.sk, text(keys::schedule_sort(until, app_id)));
        let updated = self.update_item(keys::app(app_id), update);
        match updated.return_values(ReturnValue::AllNew).send().await {
            Ok(updated) => {
                let item = updated.attributes.unwrap_or_default();
                Fields::of(item).read_some(DELETED_AT).during(OPERATION)
            }
            Err(error) if has_code(&error, "ConditionalCheckFailedException") => Ok(None),
            Err(error) => Err(error).during(OPERATION),
        }
    }

    /// The apps whose deletion may be resumed before `until`. One `Query` of the schedule per
    /// 1 MB.
    ///
    /// # Errors
    /// If a call fails, or an item cannot be decoded.
    pub async fn app_deletions(&self, until: Timestamp) -> Result<Vec<AppId>, StoreError> {
        const OPERATION: &str = "Query of apps that are being deleted";
        let deletions = self.deletions_before(OPERATION, APP_DELETIONS, until);
        let items = deletions.await?;
        let app_ids = items.iter().map(|item| keys::app_of(&id_of(item).0));
        let app_ids: Option<Vec<_>> = app_ids.collect();
        app_ids
            .ok_or(Malformed::from("not the keys of an app"))
            .during(OPERATION)
    }

    /// Removes all keys and sessions of an app, revoked ones included. One `Query`, and a
    /// `DeleteItem` for each.
    ///
    /// # Errors
    /// If a call fails.
    pub async fn remove_keys_of(&self, app_id: AppId) -> Result<(), StoreError> {
        let keys = self.credentials_of(app_id).await?;
        let removals = keys.iter().map(|key| self.remove_key(key.hash));
        stream::iter(removals.collect::<Vec<_>>())
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    async fn remove_key(&self, hash: ApiKeyHash) -> Result<(), StoreError> {
        self.client
            .delete_item()
            .table_name(&self.name)
            .set_key(Some(keys::api_key(&hash)))
            .send()
            .await
            .during("DeleteItem of an API key")?;
        Ok(())
    }

    /// The keys of an app's endpoints, including those marked as deleted. One strongly
    /// consistent `Query` per 1 MB.
    ///
    /// # Errors
    /// If the call fails, or a key cannot be decoded.
    pub async fn all_endpoints_of(&self, app_id: AppId) -> Result<Vec<EndpointKey>, StoreError> {
        const OPERATION: &str = "Query of a deleted app's endpoints";
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .key_condition_expression("#pk = :app AND begins_with(#sk, :endpoint)")
            .projection_expression("#pk, #sk")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#sk", SK)
            .expression_attribute_values(":app", text(keys::app_partition(app_id)))
            .expression_attribute_values(":endpoint", text(ENDPOINT));
        let items = collect(OPERATION, query).await?;
        let endpoints = items.iter().map(|item| {
            let (pk, sk) = id_of(item);
            keys::endpoint_of(&pk, &sk).ok_or(Malformed::from("not the keys of an endpoint"))
        });
        let endpoints: Result<_, _> = endpoints.collect();
        endpoints.during(OPERATION)
    }

    /// Marks an endpoint as deleted, as part of its app's deletion. Removes it from the
    /// schedule: a sweep would only remove the endpoint and leave its history, which the app's
    /// deletion then could not find. One `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn mark_endpoint_of_app(
        &self,
        endpoint: EndpointKey,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let update = Update::existing()
            .set_once(DELETED_AT, text(iso_millis(now)))
            .remove(SCHEDULE.pk)
            .remove(SCHEDULE.sk);
        let updated = self.update_item(keys::endpoint(endpoint), update);
        // If it is gone, the endpoint's own deletion was faster.
        written(updated.send().await).during("UpdateItem of a deleted app's endpoint")?;
        Ok(())
    }

    /// Removes up to `limit` deliveries of an endpoint, and their events: fewer if they are larger
    /// than the 1 MB that a `Query` reads. Events are removed first, because only their deliveries
    /// lead to them: after an interruption, the next call must still find them. One `Query`, and a
    /// `BatchWriteItem` for every 25 items.
    ///
    /// # Errors
    /// If a call fails, or a key cannot be decoded.
    pub async fn remove_history(
        &self,
        endpoint: EndpointKey,
        limit: u16,
    ) -> Result<RemovedHistory, StoreError> {
        const OPERATION: &str = "Query of a deleted app's history";
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .key_condition_expression("#pk = :history")
            .projection_expression("#pk, #sk, #ping, #id")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#sk", SK)
            .expression_attribute_names("#ping", TEST_PING)
            .expression_attribute_names("#id", EVENT_ID)
            .expression_attribute_values(":history", text(keys::delivery_partition(endpoint)))
            .limit(limit.into());
        let page = query.send().await.during(OPERATION)?;
        let deliveries = page.items.unwrap_or_default();
        let events: BTreeSet<_> = deliveries.iter().filter_map(stored_event).collect();
        let app_id = endpoint.app_id;
        // Other endpoints' deliveries share these events, but all of them go with the app.
        let events = events
            .into_iter()
            .flat_map(|id| [keys::event(app_id, id), keys::fanned_out(app_id, id)]);
        self.remove_all(events).await?;
        let removed = RemovedHistory {
            deliveries: deliveries.len(),
            is_all: page.last_evaluated_key.is_none(),
        };
        self.remove_all(deliveries.into_iter().map(key_of)).await?;
        Ok(removed)
    }

    async fn remove_all(&self, keys: impl Iterator<Item = Item>) -> Result<(), StoreError> {
        let writes: Result<Vec<_>, _> = keys.map(deletion).collect();
        let writes = writes.during("BatchWriteItem of a deleted app's history")?;
        self.write_all(writes).await
    }

    /// Removes the app's own item, the last step of a deletion. From then on, the app does not
    /// exist. One `DeleteItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn remove_app(&self, app_id: AppId) -> Result<(), StoreError> {
        let removed = self
            .client
            .delete_item()
            .table_name(&self.name)
            .set_key(Some(keys::app(app_id)))
            .condition_expression("attribute_exists(#deleted)")
            .expression_attribute_names("#deleted", DELETED_AT)
            .send()
            .await;
        // If the item is not marked, a copy of the message has removed the app, and somebody
        // may have created it again.
        match removed {
            Err(error) if !has_code(&error, "ConditionalCheckFailedException") => {
                Err(error).during("DeleteItem of an app")
            }
            _ => Ok(()),
        }
    }
}

/// The id of a delivery's event. `None` for a ping, whose event is not stored.
fn stored_event(delivery: &Item) -> Option<EventId> {
    let is_ping = delivery.contains_key(TEST_PING);
    EventId::of(delivery.get(EVENT_ID)?.clone()).filter(|_| !is_ping)
}

fn key_of(mut item: Item) -> Item {
    item.retain(|name, _| name == PK || name == SK);
    item
}

fn deletion(key: Item) -> Result<WriteRequest, Malformed> {
    let request = DeleteRequest::builder().set_key(Some(key)).build()?;
    Ok(WriteRequest::builder().delete_request(request).build())
}

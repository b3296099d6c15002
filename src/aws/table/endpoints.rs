//! Endpoints in the table, and the count of them that limits an app.

use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValue, TransactWriteItem};
use jiff::Timestamp;
use tracing::error;

use super::batch_get::id_of;
use super::endpoint_item::{self, live_endpoint};
use super::fields::{number, text, time};
use super::health::HEALTH;
use super::keys::attribute::{
    ACTIVE, DELETED_AT, DISABLED_AT, DISABLED_REASON, ENDPOINT_COUNT, EVENTS, FAILING_SINCE,
    INACTIVE_SINCE, PK, RATE_LIMIT, SK, UPDATED_AT, URL,
};
use super::keys::{self, ENDPOINT};
use super::transaction::Transacted;
use super::update::Update;
use super::{Table, UnreadableItem, collect};
use crate::aws::error::{During, Malformed, StoreError, has_code, written};
use crate::domain::endpoint::{
    Disabled, Endpoint, EndpointKey, EndpointPatch, MAX_ENDPOINTS_PER_APP,
};
use crate::domain::id::AppId;
use crate::domain::secret::SecretPlace;

/// What became of a creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateOutcome {
    /// The endpoint is stored.
    Created,
    /// The app already has as many endpoints as it may have, or is being deleted.
    LimitReached,
    /// Its secret is sealed to a key that is no longer the current one.
    KeyReplaced,
}

/// An app's endpoints.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Newest first.
    pub endpoints: Vec<Endpoint>,
    /// Those that cannot be read.
    pub unreadable: Vec<UnreadableItem>,
}

impl Table {
    /// Stores a new endpoint and counts it, both or neither. One
    /// `TransactWriteItems`, repeated while it conflicts with other creations of
    /// the app.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn create_endpoint(&self, endpoint: &Endpoint) -> Result<CreateOutcome, StoreError> {
        const OPERATION: &str = "TransactWriteItems of a new endpoint";
        let writes = || -> Result<_, Malformed> {
            let put = Put::builder()
                .table_name(&self.name)
                .set_item(Some(endpoint_item::item_of(endpoint)))
                .condition_expression("attribute_not_exists(#pk)")
                .expression_attribute_names("#pk", PK)
                .build()?;
            let count = Update::default()
                .add(ENDPOINT_COUNT, 1)
                .only_below(ENDPOINT_COUNT, number(MAX_ENDPOINTS_PER_APP))
                .or_absent(ENDPOINT_COUNT)
                .only_if_absent(DELETED_AT);
            let count = self.transact_update(keys::app(endpoint.key.app_id), count)?;
            let mut writes = vec![
                TransactWriteItem::builder().put(put).build(),
                TransactWriteItem::builder().update(count).build(),
            ];
            if let SecretPlace::Sealed(sealed) = &endpoint.secret.place {
                writes.push(self.only_if_current(sealed.key_id)?);
            }
            Ok(writes)
        };
        let writes = writes().during(OPERATION)?;
        match self.transact(OPERATION, writes).await? {
            Transacted::Done => Ok(CreateOutcome::Created),
            // The id is new, so an earlier try of the SDK stored the endpoint, and
            // may have taken the last place.
            Transacted::ConditionFailed { write: 0, .. } => Ok(CreateOutcome::Created),
            Transacted::ConditionFailed { write: 1, .. } => Ok(CreateOutcome::LimitReached),
            Transacted::ConditionFailed { .. } => Ok(CreateOutcome::KeyReplaced),
        }
    }

    /// How many endpoints an app has. `None` if it is being deleted. One strongly
    /// consistent `GetItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn endpoint_count(&self, app_id: AppId) -> Result<Option<u32>, StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(keys::app(app_id)))
            .projection_expression("#count, #deleted")
            .expression_attribute_names("#count", ENDPOINT_COUNT)
            .expression_attribute_names("#deleted", DELETED_AT)
            .consistent_read(true)
            .send()
            .await
            .during("GetItem of an app's endpoint count")?;
        let app = found.item.unwrap_or_default();
        if app.contains_key(DELETED_AT) {
            return Ok(None);
        }
        let count = app.get(ENDPOINT_COUNT);
        let count = count.and_then(|count| count.as_n().ok()?.parse().ok());
        Ok(Some(count.unwrap_or(0)))
    }

    /// An endpoint. One strongly consistent `GetItem`.
    ///
    /// # Errors
    /// If the call fails, or the item cannot be read.
    pub async fn endpoint(&self, endpoint: EndpointKey) -> Result<Option<Endpoint>, StoreError> {
        const OPERATION: &str = "GetItem of an endpoint";
        let found = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(keys::endpoint(endpoint)))
            .consistent_read(true)
            .send()
            .await
            .during(OPERATION)?;
        found.item.map_or(Ok(None), live_endpoint).during(OPERATION)
    }

    /// An app's endpoints, newest first, without those that cannot be read. One
    /// strongly consistent `Query` for each 1 MB (AWS's page).
    ///
    /// # Errors
    /// If the call fails.
    pub async fn endpoints(&self, app_id: AppId) -> Result<Vec<Endpoint>, StoreError> {
        Ok(self.readable_endpoints(app_id).await?.endpoints)
    }

    /// Like [`Self::endpoints`], and which cannot be read. An endpoint that somebody
    /// edited by hand must not stop the app's others, so it is skipped, and its key
    /// logged.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn readable_endpoints(&self, app_id: AppId) -> Result<Endpoints, StoreError> {
        const OPERATION: &str = "Query of endpoints";
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .key_condition_expression("#pk = :app AND begins_with(#sk, :endpoint)")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#sk", SK)
            .expression_attribute_values(":app", text(keys::app_partition(app_id)))
            .expression_attribute_values(":endpoint", text(ENDPOINT))
            .scan_index_forward(false)
            .consistent_read(true);
        let mut found = Endpoints::default();
        for item in collect(OPERATION, query).await? {
            let (pk, sk) = id_of(&item);
            match live_endpoint(item) {
                Ok(endpoint) => found.endpoints.extend(endpoint),
                // Not the reason, which might quote a value. Reading the endpoint by
                // itself tells it.
                Err(_) => {
                    error!(
                        pk,
                        sk,
                        operational_event = "item.unreadable",
                        "skipped an unreadable endpoint"
                    );
                    found.unreadable.push(UnreadableItem { pk, sk });
                }
            }
        }
        Ok(found)
    }

    /// Changes an endpoint. `None` if there is no such endpoint. One `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails, or the item cannot be read.
    pub async fn update_endpoint(
        &self,
        endpoint: EndpointKey,
        patch: &EndpointPatch,
        now: Timestamp,
    ) -> Result<Option<Endpoint>, StoreError> {
        const OPERATION: &str = "UpdateItem of an endpoint";
        let mut update = Update::live().set(UPDATED_AT, time(now));
        if let Some(url) = &patch.url {
            update = update.set(URL, text(url));
        }
        if let Some(events) = &patch.events {
            update = update.set(EVENTS, endpoint_item::events(events));
        }
        if let Some(active) = patch.active {
            update = update.set(ACTIVE, AttributeValue::Bool(active));
        }
        if let Some(limit) = patch.rate_limit {
            let limit = limit.map(|limit| number(limit.per_second()));
            // The next turn stays: the limit may be the same as before.
            update = update.set_or_remove(RATE_LIMIT, limit);
        }
        match patch.active {
            Some(true) => {
                update = update
                    .remove(INACTIVE_SINCE)
                    .remove(DISABLED_REASON)
                    .remove(DISABLED_AT);
            }
            Some(false) => update = update.set_once(INACTIVE_SINCE, time(now)),
            None => {}
        }
        if patch.active == Some(true) || patch.url.is_some() {
            // What failed was the old URL, or is said to work again. The place in the
            // schedule stays: what waits is still to be seen to.
            update = HEALTH.into_iter().fold(update, Update::remove);
        }
        let updated = self
            .update_item(keys::endpoint(endpoint), update)
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        match updated {
            Ok(updated) => live_endpoint(updated.attributes.unwrap_or_default()).during(OPERATION),
            Err(error) if has_code(&error, "ConditionalCheckFailedException") => Ok(None),
            Err(error) => Err(error).during(OPERATION),
        }
    }

    /// Deactivates an endpoint, with the reason. `false` if it is inactive or
    /// deleted already. With `failing_since`, only if it still has been failing
    /// since then. One `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn disable_endpoint(
        &self,
        endpoint: &Endpoint,
        disabled: Disabled,
        failing_since: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        let at = time(disabled.at);
        let mut update = Update::live()
            .set(ACTIVE, AttributeValue::Bool(false))
            .set(DISABLED_REASON, text(disabled.reason.as_str()))
            .set(DISABLED_AT, at.clone())
            .set(INACTIVE_SINCE, at.clone())
            .set(UPDATED_AT, at)
            .only_if(ACTIVE, AttributeValue::Bool(true))
            // An attempt that began before a change of the URL says nothing about the
            // new one, nor does one that began before the endpoint was reactivated.
            .only_if(URL, text(&endpoint.url))
            .only_if(UPDATED_AT, time(endpoint.updated_at));
        if let Some(since) = failing_since {
            update = update.only_if(FAILING_SINCE, time(since));
        }
        let updated = self
            .update_item(keys::endpoint(endpoint.key), update)
            .send()
            .await;
        written(updated).during("UpdateItem of a disabled endpoint")
    }
}

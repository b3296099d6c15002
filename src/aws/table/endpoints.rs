//! Endpoints, and the count on the app's item that enforces their limit.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, Put, ReturnValue, ReturnValuesOnConditionCheckFailure as OnFailure,
    TransactWriteItem,
};
use jiff::Timestamp;
use tracing::error;

use super::batch_get::id_of;
use super::endpoint_item::{self, live_endpoint};
use super::endpoint_patch::update_of;
use super::fields::{number, text, time};
use super::keys::attribute::{
    ACTIVE, DELETED_AT, DISABLED_AT, DISABLED_REASON, ENDPOINT_COUNT, FAILING_SINCE, HEADERS,
    INACTIVE_SINCE, PK, SK, UPDATED_AT, URL,
};
use super::keys::{self, ENDPOINT};
use super::secret_item::headers_item;
use super::transaction::Transacted;
use super::transitions::{logged, logging};
use super::update::Update;
use super::{Table, UnreadableItem, collect};
use crate::aws::error::{During, Malformed, StoreError};
use crate::domain::endpoint::{
    Disabled, Endpoint, EndpointKey, EndpointPatch, MAX_ENDPOINTS_PER_APP,
};
use crate::domain::id::AppId;
use crate::domain::secret::KeptHeaders;
use crate::domain::transition::Transition;

/// The outcome of [`Table::create_endpoint`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateOutcome {
    /// The endpoint is stored.
    Created,
    /// The app has reached its limit of endpoints, or is being deleted.
    LimitReached,
    /// The secret or the headers are sealed to a key that is no longer the current one.
    KeyReplaced,
}

/// What an update does to an endpoint's own headers.
#[derive(Debug, Clone, Copy)]
pub enum HeadersChange<'a> {
    /// Leaves them unchanged. If there are any, the update must not change the URL.
    Keep,
    /// Removes all of them.
    Remove,
    /// Replaces all of them.
    Set(&'a KeptHeaders),
}

/// The outcome of [`Table::update_endpoint`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpdateOutcome {
    /// The endpoint is changed. Contains its new state.
    Updated(Box<Endpoint>),
    /// There is no such endpoint.
    Missing,
    /// The update changes the URL of an endpoint with own headers, but does not say what
    /// happens to them.
    HeadersNeeded,
    /// The headers are sealed to a key that is no longer the current one.
    KeyReplaced,
}

impl UpdateOutcome {
    fn of(endpoint: Option<Endpoint>) -> Self {
        endpoint.map_or(Self::Missing, |endpoint| Self::Updated(Box::new(endpoint)))
    }
}

/// An app's endpoints.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Newest first.
    pub endpoints: Vec<Endpoint>,
    /// Items that cannot be decoded.
    pub unreadable: Vec<UnreadableItem>,
}

impl Table {
    /// Stores a new endpoint and increments the app's count, in one transaction, so that
    /// concurrent creations cannot exceed the limit. One `TransactWriteItems`, retried while it
    /// conflicts with other creations in the app.
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
            // Everything in a new endpoint is sealed to the same key.
            if let Some(key) = endpoint.sealing_keys().next() {
                writes.push(self.only_if_current(key)?);
            }
            Ok(writes)
        };
        let writes = writes().during(OPERATION)?;
        match self.transact(OPERATION, writes).await? {
            Transacted::Done => Ok(CreateOutcome::Created),
            // The id is new, so it was an earlier try of the SDK that stored the endpoint.
            // Checked before the limit, which that try may have used up.
            Transacted::ConditionFailed { write: 0, .. } => Ok(CreateOutcome::Created),
            Transacted::ConditionFailed { write: 1, .. } => Ok(CreateOutcome::LimitReached),
            Transacted::ConditionFailed { .. } => Ok(CreateOutcome::KeyReplaced),
        }
    }

    /// The number of an app's endpoints. `None` if it is being deleted. One strongly
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

    /// Reads an endpoint. `None` if it does not exist or is being deleted. One strongly
    /// consistent `GetItem`.
    ///
    /// # Errors
    /// If the call fails, or the item cannot be decoded.
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

    /// An app's endpoints, newest first, without those that cannot be decoded. One strongly
    /// consistent `Query` per 1 MB.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn endpoints(&self, app_id: AppId) -> Result<Vec<Endpoint>, StoreError> {
        Ok(self.readable_endpoints(app_id).await?.endpoints)
    }

    /// Like [`Self::endpoints`], but also returns the keys of items that cannot be decoded. One
    /// item that somebody edited by hand must not stop the app's other endpoints, so it is
    /// skipped and its key is logged.
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
                // Does not log the reason, which might quote a value. Reading the
                // endpoint by itself reports it.
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

    /// Changes an endpoint. One `UpdateItem`; if the headers are set, one
    /// `TransactWriteItems` and one strongly consistent `GetItem`.
    ///
    /// # Errors
    /// If a call fails, or the item cannot be decoded.
    pub async fn update_endpoint(
        &self,
        endpoint: EndpointKey,
        patch: &EndpointPatch,
        headers: HeadersChange<'_>,
        now: Timestamp,
    ) -> Result<UpdateOutcome, StoreError> {
        const OPERATION: &str = "UpdateItem of an endpoint";
        let update = update_of(patch, now);
        let update = match (headers, &patch.url) {
            (HeadersChange::Set(kept), _) => {
                let update = update.set(HEADERS, headers_item(kept));
                return self.update_with_headers(endpoint, update, kept).await;
            }
            (HeadersChange::Remove, _) => update.remove(HEADERS),
            // Headers can hold credentials that the API never returns. A caller who could
            // redirect them to another URL would learn them, so a new URL needs new headers.
            (HeadersChange::Keep, Some(url)) => {
                update.only_if_any(|either| either.only_if_absent(HEADERS).only_if(URL, text(url)))
            }
            (HeadersChange::Keep, None) => update,
        };
        let updated = self
            .update_item(keys::endpoint(endpoint), update)
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(OnFailure::AllOld)
            .send()
            .await;
        let item = match updated {
            Ok(updated) => updated.attributes.unwrap_or_default(),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    let item = failed.item.as_ref();
                    let is_live =
                        item.is_some_and(|item| !item.is_empty() && !item.contains_key(DELETED_AT));
                    return Ok(match is_live {
                        true => UpdateOutcome::HeadersNeeded,
                        false => UpdateOutcome::Missing,
                    });
                }
                _ => return Err(error).during(OPERATION),
            },
        };
        let endpoint = live_endpoint(item).during(OPERATION)?;
        Ok(UpdateOutcome::of(endpoint))
    }

    /// Changes an endpoint and sets its own headers, provided that the key they are sealed to
    /// is the current one.
    async fn update_with_headers(
        &self,
        endpoint: EndpointKey,
        update: Update,
        headers: &KeptHeaders,
    ) -> Result<UpdateOutcome, StoreError> {
        const OPERATION: &str = "TransactWriteItems of an endpoint";
        let writes = || -> Result<_, Malformed> {
            let update = self.transact_update(keys::endpoint(endpoint), update)?;
            Ok(vec![
                TransactWriteItem::builder().update(update).build(),
                self.only_if_current(headers.sealed.key_id)?,
            ])
        };
        let writes = writes().during(OPERATION)?;
        match self.transact(OPERATION, writes).await? {
            // A transaction does not return the item.
            Transacted::Done => Ok(UpdateOutcome::of(self.endpoint(endpoint).await?)),
            Transacted::ConditionFailed { write: 0, .. } => Ok(UpdateOutcome::Missing),
            Transacted::ConditionFailed { .. } => Ok(UpdateOutcome::KeyReplaced),
        }
    }

    /// Deactivates an endpoint, with the reason. `false` if it is already inactive or deleted,
    /// was changed since it was read, or, with `failing_since`, has not been failing since
    /// then. Logs the transition if the operator will be notified of it; then also `true` if
    /// an earlier try of the SDK took effect. One `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails. The endpoint may still have been disabled.
    pub async fn disable_endpoint(
        &self,
        endpoint: &Endpoint,
        disabled: Disabled,
        failing_since: Option<Timestamp>,
        transition: Option<Transition>,
    ) -> Result<bool, StoreError> {
        let at = time(disabled.at);
        let mut update = Update::live()
            .set(ACTIVE, AttributeValue::Bool(false))
            .set(DISABLED_REASON, text(disabled.reason.as_str()))
            .set(DISABLED_AT, at.clone())
            .set(INACTIVE_SINCE, at.clone())
            .set(UPDATED_AT, at)
            .only_if(ACTIVE, AttributeValue::Bool(true))
            // The attempt says nothing about an endpoint whose URL was changed, or which was
            // reactivated, after it began.
            .only_if(URL, text(&endpoint.url))
            .only_if(UPDATED_AT, time(endpoint.updated_at));
        if let Some(since) = failing_since {
            update = update.only_if(FAILING_SINCE, time(since));
        }
        if let Some(transition) = transition {
            update = logging(update, endpoint, transition);
        }
        let updated = self
            .update_item(keys::endpoint(endpoint.key), update)
            .set_return_values_on_condition_check_failure(transition.map(|_| OnFailure::AllOld));
        let operation = "UpdateItem of a disabled endpoint";
        logged(operation, updated.send().await, transition)
    }
}

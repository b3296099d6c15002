//! The signing secrets that an endpoint's item names or holds.
//!
//! A secret that was just sealed is only ever written together with a check that its key
//! is the current one. A rotation that keeps the former secret copies it within the item,
//! if that is still sealed to the key that it was read with. So once another key is current
//! and an item was resealed, nothing in it is sealed to the old one any more, however slow
//! the process that read it was.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    ReturnValue, ReturnValuesOnConditionCheckFailure as OnFailure, TransactWriteItem,
};
use jiff::Timestamp;

use super::endpoint_item::live_endpoint;
use super::fields::{number, text, time};
use super::keys;
use super::keys::attribute::{
    DELETED_AT, HEADERS, PREVIOUS_SECRET, ROTATIONS, ROTATIONS_SINCE, SEALED_SECRET, SEALING_KEY,
    SECRET_VERSION, STORED_VERSION, UPDATED_AT, headers,
};
use super::secret_item::{headers_item, previous_item, version_id};
use super::transaction::Transacted;
use super::update::Update;
use super::{Item, Table};
use crate::aws::error::{During, Malformed, StoreError};
use crate::domain::endpoint::{Endpoint, EndpointKey};
use crate::domain::id::SealingKeyId;
use crate::domain::secret::{KeptHeaders, KeptSecret, PreviousSecret, SecretPlace};

/// What became of giving an endpoint another secret, or its secret another place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetSecret {
    /// All attempts that start from now on use it.
    Done,
    /// A concurrent rotation came first.
    Lost,
    /// The secret is the same and was moved elsewhere meanwhile. The endpoint as it is
    /// now.
    Moved(Box<Endpoint>),
    /// The endpoint was deleted meanwhile.
    Missing,
    /// The secret is sealed to a key that is no longer the current one.
    KeyReplaced,
}

/// The secrets that an endpoint is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextSecrets {
    /// The one that signs.
    pub current: KeptSecret,
    /// The one before it, while it signs as well.
    pub previous: Option<PreviousSecret>,
    /// The own headers, if they were resealed. Otherwise they stay as they are.
    pub headers: Option<KeptHeaders>,
    /// The key of what was sealed for this write, if anything was.
    pub sealed_to: Option<SealingKeyId>,
}

impl Table {
    /// Makes `next` the secrets that sign, if the endpoint still has the version that
    /// [`Table::reserve_rotation`] found, in the same place. One `UpdateItem`, or one
    /// `TransactWriteItems` if something was sealed.
    ///
    /// # Errors
    /// If the call fails, or the item cannot be read.
    pub async fn set_rotated_secret(
        &self,
        found: &Endpoint,
        next: &NextSecrets,
        now: Timestamp,
    ) -> Result<SetSecret, StoreError> {
        let mut update = replacement(found, next).set(UPDATED_AT, time(now));
        let rotations = found.usage.rotations;
        if rotations.is_some_and(|rotations| rotations.are_over(now)) {
            update = update
                .set(ROTATIONS, number(1))
                .set(ROTATIONS_SINCE, time(now));
        }
        self.set_secrets(found, next, update).await
    }

    /// Keeps the same secrets in other places, or sealed to another key, on the same
    /// conditions. The app sees no change. One `UpdateItem`, or one `TransactWriteItems`
    /// if something was sealed.
    ///
    /// # Errors
    /// If the call fails, or the item cannot be read.
    pub async fn move_secrets(
        &self,
        found: &Endpoint,
        next: &NextSecrets,
    ) -> Result<SetSecret, StoreError> {
        let update = replacement(found, next);
        // An overlap that ended meanwhile must not begin again.
        let update = match &found.previous_secret {
            Some(previous) => update.only_if(PREVIOUS_SECRET, previous_item(previous)),
            None => update.only_if_absent(PREVIOUS_SECRET),
        };
        let update = match &next.headers {
            Some(kept) => update.set(HEADERS, headers_item(kept)).only_if(
                &format!("{HEADERS}.{}", headers::VERSION),
                version_id(&kept.version),
            ),
            None => update,
        };
        self.set_secrets(found, next, update).await
    }

    /// Ends an overlap. The endpoint as it was before, which may have none; `None` if
    /// there is no such endpoint. One `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails, or the item cannot be read.
    pub async fn remove_previous_secret(
        &self,
        endpoint: EndpointKey,
        now: Timestamp,
    ) -> Result<Option<Endpoint>, StoreError> {
        const OPERATION: &str = "UpdateItem of a previous secret";
        let update = Update::live()
            .remove(PREVIOUS_SECRET)
            .set(UPDATED_AT, time(now))
            .only_if_present(PREVIOUS_SECRET);
        let updated = self
            .update_item(keys::endpoint(endpoint), update)
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(OnFailure::AllOld)
            .send()
            .await;
        let item = match updated {
            Ok(updated) => updated.attributes,
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    failed.item.clone()
                }
                _ => return Err(error).during(OPERATION),
            },
        };
        match item.filter(|item| !item.is_empty()) {
            Some(item) => live_endpoint(item).during(OPERATION),
            None => Ok(None),
        }
    }

    async fn set_secrets(
        &self,
        found: &Endpoint,
        next: &NextSecrets,
        update: Update,
    ) -> Result<SetSecret, StoreError> {
        const OPERATION: &str = "UpdateItem of an endpoint's secret";
        if let Some(key) = next.sealed_to {
            return self.set_sealed_secrets(found, next, key, update).await;
        }
        let updated = self
            .update_item(keys::endpoint(found.key), update)
            .return_values_on_condition_check_failure(OnFailure::AllOld)
            .send()
            .await;
        let error = match updated {
            Ok(_) => return Ok(SetSecret::Done),
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                not_set(found, next, failed.item.clone()).during(OPERATION)
            }
            _ => Err(error).during(OPERATION),
        }
    }

    async fn set_sealed_secrets(
        &self,
        found: &Endpoint,
        next: &NextSecrets,
        sealed_to: SealingKeyId,
        update: Update,
    ) -> Result<SetSecret, StoreError> {
        const OPERATION: &str = "TransactWriteItems of an endpoint's secret";
        let writes = || -> Result<_, Malformed> {
            let mut update = self.transact_update(keys::endpoint(found.key), update)?;
            update.return_values_on_condition_check_failure = Some(OnFailure::AllOld);
            Ok(vec![
                TransactWriteItem::builder().update(update).build(),
                self.only_if_current(sealed_to)?,
            ])
        };
        let writes = writes().during(OPERATION)?;
        match self.transact(OPERATION, writes).await? {
            Transacted::Done => Ok(SetSecret::Done),
            Transacted::ConditionFailed { write: 0, item } => {
                not_set(found, next, item).during(OPERATION)
            }
            Transacted::ConditionFailed { .. } => Ok(SetSecret::KeyReplaced),
        }
    }
}

/// Whoever writes this also has to make sure that the key is current of what was sealed.
fn replacement(found: &Endpoint, next: &NextSecrets) -> Update {
    let current = &next.current;
    let update = Update::live()
        .set(SECRET_VERSION, version_id(&current.version))
        .set_or_remove(PREVIOUS_SECRET, next.previous.as_ref().map(previous_item))
        .only_if(SECRET_VERSION, version_id(&found.secret.version));
    // Whoever takes a secret out of Secrets Manager removes it there, and whoever reseals
    // one removes the key. So one that was moved meanwhile has to be seen.
    let update = match &found.secret.place {
        SecretPlace::SecretsManager { .. } => update.only_if_absent(SEALED_SECRET),
        SecretPlace::Sealed(sealed) => update.only_if(SEALING_KEY, text(sealed.key_id)),
    };
    match &current.place {
        SecretPlace::SecretsManager { version } => {
            let stored = (*version != current.version).then(|| version_id(version));
            update
                .set_or_remove(STORED_VERSION, stored)
                .remove(SEALED_SECRET)
                .remove(SEALING_KEY)
        }
        SecretPlace::Sealed(sealed) => update
            .remove(STORED_VERSION)
            .set(SEALED_SECRET, text(sealed.as_str()))
            .set(SEALING_KEY, text(sealed.key_id)),
    }
}

/// Why the conditions of [`replacement`] did not hold for this item.
fn not_set(
    found: &Endpoint,
    next: &NextSecrets,
    item: Option<Item>,
) -> Result<SetSecret, Malformed> {
    let Some(item) = item.filter(|item| !item.is_empty() && !item.contains_key(DELETED_AT)) else {
        return Ok(SetSecret::Missing);
    };
    let Some(endpoint) = live_endpoint(item)? else {
        return Ok(SetSecret::Missing);
    };
    let is_rotation = next.current.version != found.secret.version;
    let has_rest = endpoint.previous_secret == next.previous
        && (next.headers.is_none() || next.headers == endpoint.headers);
    Ok(
        if endpoint.secret == next.current && (is_rotation || has_rest) {
            // The SDK repeated a call that had taken effect.
            SetSecret::Done
        } else if endpoint.secret.version == found.secret.version {
            SetSecret::Moved(Box::new(endpoint))
        } else {
            SetSecret::Lost
        },
    )
}

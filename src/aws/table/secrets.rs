//! Changes of the signing secrets in an endpoint's item.
//!
//! A slow process may try to write a secret that it sealed to a key that was replaced
//! meanwhile. Once the operator has resealed all items, the old private key is removed, and
//! such a secret could never be opened again. Two rules prevent that. A newly sealed secret
//! is only written in a transaction that checks that its key is still the current one. And
//! a rotation that keeps the old secret is conditional on that secret still being sealed to
//! the same key as when it was read. So once an item is resealed, no late write can bring
//! the old key back.

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

/// The outcome of a rotation or a move of an endpoint's secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetSecret {
    /// The secrets are written. All attempts that start from now on use them.
    Done,
    /// A concurrent rotation came first.
    Lost,
    /// The secret is still the same, but was moved or resealed meanwhile. Contains the
    /// endpoint as it is now, so that the caller can try again.
    Moved(Box<Endpoint>),
    /// The endpoint was deleted meanwhile.
    Missing,
    /// The new secret is sealed to a key that is no longer the current one.
    KeyReplaced,
}

/// The secrets that an endpoint will have after a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextSecrets {
    /// The secret that signs.
    pub current: KeptSecret,
    /// The secret before the rotation, as long as it signs too.
    pub previous: Option<PreviousSecret>,
    /// The own headers, if they were resealed. `None` leaves them unchanged.
    pub headers: Option<KeptHeaders>,
    /// The key that something was sealed to for this write. `None` if nothing was.
    pub sealed_to: Option<SealingKeyId>,
}

impl Table {
    /// Completes a rotation: makes `next` the secrets that sign, provided that the current
    /// secret is still the one in `found`, and in the same place. `found` comes from
    /// [`Table::reserve_rotation`]. One `UpdateItem`, or one `TransactWriteItems` if something
    /// was sealed.
    ///
    /// # Errors
    /// If the call fails, or the item cannot be decoded.
    pub async fn set_rotated_secret(
        &self,
        found: &Endpoint,
        next: &NextSecrets,
        now: Timestamp,
    ) -> Result<SetSecret, StoreError> {
        let mut update = replacement(found, next).set(UPDATED_AT, time(now));
        // `reserve_rotation` could only increment the count. If its 24 hours are over, start
        // a new count with this rotation.
        let rotations = found.usage.rotations;
        if rotations.is_some_and(|rotations| rotations.are_over(now)) {
            update = update
                .set(ROTATIONS, number(1))
                .set(ROTATIONS_SINCE, time(now));
        }
        self.set_secrets(found, next, update).await
    }

    /// Moves secrets, or seals them to another key, on the same conditions as a rotation. The
    /// app sees no change. One `UpdateItem`, or one `TransactWriteItems` if something was
    /// sealed.
    ///
    /// # Errors
    /// If the call fails, or the item cannot be decoded.
    pub async fn move_secrets(
        &self,
        found: &Endpoint,
        next: &NextSecrets,
    ) -> Result<SetSecret, StoreError> {
        let update = replacement(found, next);
        // Must not bring back a previous secret that was removed meanwhile.
        let update = match &found.previous_secret {
            Some(previous) => update.only_if(PREVIOUS_SECRET, previous_item(previous)),
            None => update.only_if_absent(PREVIOUS_SECRET),
        };
        // Nor overwrite headers that were changed meanwhile.
        let update = match &next.headers {
            Some(kept) => update.set(HEADERS, headers_item(kept)).only_if(
                &format!("{HEADERS}.{}", headers::VERSION),
                version_id(&kept.version),
            ),
            None => update,
        };
        self.set_secrets(found, next, update).await
    }

    /// Removes the previous secret, so that only the current one signs. Returns the endpoint
    /// as it was before, which may have had no previous secret. `None` if there is no such
    /// endpoint. One `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails, or the item cannot be decoded.
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

/// The update that replaces the secrets of `found`. The caller must also check that the key
/// of newly sealed secrets is current.
fn replacement(found: &Endpoint, next: &NextSecrets) -> Update {
    let current = &next.current;
    let update = Update::live()
        .set(SECRET_VERSION, version_id(&current.version))
        .set_or_remove(PREVIOUS_SECRET, next.previous.as_ref().map(previous_item))
        .only_if(SECRET_VERSION, version_id(&found.secret.version));
    // A move out of Secrets Manager is followed by the removal of the secret there, and a
    // resealing by the removal of the old key. A write based on the old place would name what
    // is gone, so the place must be unchanged, not only the version.
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

/// Why the conditions of [`replacement`] failed for this item.
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
    // Only a rotation writes a version that nobody else can write. A move keeps it, so to
    // recognize its own first try, everything it wrote is compared.
    let is_rotation = next.current.version != found.secret.version;
    let has_rest = endpoint.previous_secret == next.previous
        && (next.headers.is_none() || next.headers == endpoint.headers);
    Ok(
        if endpoint.secret == next.current && (is_rotation || has_rest) {
            // The first try took effect, and the SDK repeated it.
            SetSecret::Done
        } else if endpoint.secret.version == found.secret.version {
            SetSecret::Moved(Box::new(endpoint))
        } else {
            SetSecret::Lost
        },
    )
}

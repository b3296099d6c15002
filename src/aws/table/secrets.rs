//! The signing secret that an endpoint's item names or holds.
//!
//! A sealed secret is only ever written together with a check that its key is the
//! current one. So once another key is current, no item is sealed to the old one any
//! more, however slow the process that read it was.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    ReturnValuesOnConditionCheckFailure as OnFailure, TransactWriteItem,
};
use jiff::Timestamp;

use super::endpoint_item::{live_endpoint, version_id};
use super::fields::{number, text, time};
use super::keys;
use super::keys::attribute::{
    DELETED_AT, ROTATIONS, ROTATIONS_SINCE, SEALED_SECRET, SEALING_KEY, SECRET_VERSION,
    STORED_VERSION, UPDATED_AT,
};
use super::transaction::Transacted;
use super::update::Update;
use super::{Item, Table};
use crate::aws::error::{During, Malformed, StoreError};
use crate::domain::endpoint::Endpoint;
use crate::domain::sealing::SealedSecret;
use crate::domain::secret::{KeptSecret, SecretPlace};

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

impl Table {
    /// Makes `next` the secret that signs, if the endpoint still has the version that
    /// [`Table::reserve_rotation`] found, in the same kind of place. One `UpdateItem`, or
    /// one `TransactWriteItems` if `next` is sealed.
    ///
    /// # Errors
    /// If the call fails, or the item cannot be read.
    pub async fn set_rotated_secret(
        &self,
        found: &Endpoint,
        next: &KeptSecret,
        now: Timestamp,
    ) -> Result<SetSecret, StoreError> {
        let mut update = replacement(found, next).set(UPDATED_AT, time(now));
        let rotations = found.usage.rotations;
        if rotations.is_some_and(|rotations| rotations.are_over(now)) {
            update = update
                .set(ROTATIONS, number(1))
                .set(ROTATIONS_SINCE, time(now));
        }
        self.set_secret(found, next, update).await
    }

    /// Keeps the same secret in another place, or sealed to another key, on the same
    /// conditions. The app sees no change. One `UpdateItem`, or one `TransactWriteItems`
    /// if it is sealed.
    ///
    /// # Errors
    /// If the call fails, or the item cannot be read.
    pub async fn move_secret(
        &self,
        found: &Endpoint,
        to: SecretPlace,
    ) -> Result<SetSecret, StoreError> {
        let next = KeptSecret {
            version: found.secret.version.clone(),
            place: to,
        };
        self.set_secret(found, &next, replacement(found, &next))
            .await
    }

    async fn set_secret(
        &self,
        found: &Endpoint,
        next: &KeptSecret,
        update: Update,
    ) -> Result<SetSecret, StoreError> {
        const OPERATION: &str = "UpdateItem of an endpoint's secret";
        if let SecretPlace::Sealed(sealed) = &next.place {
            return self.set_sealed_secret(found, next, sealed, update).await;
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

    async fn set_sealed_secret(
        &self,
        found: &Endpoint,
        next: &KeptSecret,
        sealed: &SealedSecret,
        update: Update,
    ) -> Result<SetSecret, StoreError> {
        const OPERATION: &str = "TransactWriteItems of an endpoint's secret";
        let writes = || -> Result<_, Malformed> {
            let mut update = self.transact_update(keys::endpoint(found.key), update)?;
            update.return_values_on_condition_check_failure = Some(OnFailure::AllOld);
            Ok(vec![
                TransactWriteItem::builder().update(update).build(),
                self.only_if_current(sealed.key_id)?,
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

/// Whoever writes this also has to make sure that a sealed secret's key is current.
fn replacement(found: &Endpoint, next: &KeptSecret) -> Update {
    let update = Update::live()
        .set(SECRET_VERSION, version_id(&next.version))
        .only_if(SECRET_VERSION, version_id(&found.secret.version));
    // Whoever takes a secret out of Secrets Manager removes it there. So one that was
    // moved meanwhile has to be seen.
    let update = match found.secret.place {
        SecretPlace::SecretsManager { .. } => update.only_if_absent(SEALED_SECRET),
        SecretPlace::Sealed(_) => update.only_if_present(SEALED_SECRET),
    };
    match &next.place {
        SecretPlace::SecretsManager { version } => {
            let stored = (*version != next.version).then(|| version_id(version));
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
    next: &KeptSecret,
    item: Option<Item>,
) -> Result<SetSecret, Malformed> {
    let Some(item) = item.filter(|item| !item.is_empty() && !item.contains_key(DELETED_AT)) else {
        return Ok(SetSecret::Missing);
    };
    let Some(endpoint) = live_endpoint(item)? else {
        return Ok(SetSecret::Missing);
    };
    Ok(if endpoint.secret == *next {
        // The SDK repeated a call that had taken effect.
        SetSecret::Done
    } else if endpoint.secret.version == found.secret.version {
        SetSecret::Moved(Box::new(endpoint))
    } else {
        SetSecret::Lost
    })
}

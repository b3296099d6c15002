//! Budgets: slots and counts on an endpoint's own item, and a count of pings per app and
//! minute.
//!
//! A slot is taken by one conditional update, so of two concurrent requests one is refused.
//! The update stores an id that is unique to the request. If the SDK repeats a call that
//! took effect, the condition fails, but the stored id shows that the slot is the caller's
//! own. Slots are leases: if their holder crashes, they become free by themselves.

use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure as OnFailure,
};
use jiff::Timestamp;

use super::Table;
use super::endpoint_item::live_endpoint;
use super::fields::{id as id_bytes, number, time};
use super::keys;
use super::keys::attribute::{
    DELETED_AT, EXPIRES_AT, PING_ID, PING_UNTIL, PINGS, PK, RECOVERY_ASKED_AT, RECOVERY_ID,
    RECOVERY_UNTIL, ROTATED_AT, ROTATION_ID, ROTATIONS, ROTATIONS_SINCE,
};
use super::update::Update;
use crate::aws::error::{During, StoreError, written};
use crate::domain::budget::{Budgets, DAY, RECOVERY_LEASE, RecoveryKey};
use crate::domain::endpoint::{Endpoint, EndpointKey};
use crate::domain::id::{AppId, DeliveryId, EventId};
use crate::domain::message::DeliveryTask;

const MINUTE: i64 = 60;

/// The outcome of a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// Reserved. Contains the endpoint as it is now.
    Granted(Box<Endpoint>),
    /// Over budget. Contains the endpoint, whose usage says why.
    Refused(Box<Endpoint>),
    /// There is no such endpoint.
    Missing,
}

impl Table {
    /// Takes an endpoint's slot for a test ping, provided that it is free, its lease has
    /// expired, or its holder is `ended`, a ping that is known to have ended. One
    /// `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails, or the item cannot be decoded.
    pub async fn take_ping_slot(
        &self,
        ping: &DeliveryTask,
        lease: Duration,
        ended: Option<DeliveryId>,
    ) -> Result<Reserved, StoreError> {
        let now = ping.created_at;
        // Nothing is written when a ping ends. The next caller finds its recorded outcome and
        // passes its id as `ended`. Of several such callers, the first to write wins, because
        // the slot then holds another id.
        let update = Update::default()
            .set(PING_UNTIL, time(now + lease))
            .only_if_any(|either| {
                let either = either
                    .only_if_absent(PING_UNTIL)
                    .only_up_to(PING_UNTIL, time(now));
                match ended {
                    Some(ended) => either.only_if(PING_ID, id_bytes(ended.as_bytes())),
                    None => either,
                }
            });
        let own = (PING_ID, id_bytes(ping.delivery_id.as_bytes()));
        self.reserve("UpdateItem of a ping slot", ping.endpoint, update, own)
            .await
    }

    /// Frees the slot of a ping that was not sent. Does nothing if the ping does not hold it.
    /// One `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn free_ping_slot(&self, ping: &DeliveryTask) -> Result<(), StoreError> {
        let update = Update::live()
            .remove(PING_ID)
            .remove(PING_UNTIL)
            .only_if(PING_ID, id_bytes(ping.delivery_id.as_bytes()));
        self.update_if(ping.endpoint, update)
            .await
            .during("UpdateItem of a freed ping slot")
    }

    /// Counts a test ping of an app. `false` if the app has already sent `most` of them in the
    /// current minute. One `UpdateItem`. If its response is lost and the SDK repeats it, the
    /// ping counts twice.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn count_ping(
        &self,
        app_id: AppId,
        most: u32,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let minute = now.as_second() / MINUTE;
        let update = Update::default()
            .add(PINGS, 1)
            // Each minute has its own item, which DynamoDB removes some time after it.
            .set(EXPIRES_AT, number((minute + 1) * MINUTE))
            .only_below(PINGS, number(most))
            .or_absent(PINGS);
        let key = keys::pings(app_id, minute);
        let updated = self.update_item(key, update).send().await;
        written(updated).during("UpdateItem of an app's pings")
    }

    /// Takes an endpoint's slot for a recovery, provided that none is in progress. One
    /// `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails, or the item cannot be decoded.
    pub async fn begin_recovery(
        &self,
        recovery: impl Into<RecoveryKey>,
    ) -> Result<Reserved, StoreError> {
        let recovery = recovery.into();
        let now = recovery.asked_at;
        let update = Update::default()
            .set(RECOVERY_ASKED_AT, time(now))
            .set(RECOVERY_UNTIL, time(now + RECOVERY_LEASE))
            .only_if_any(|either| {
                either
                    .only_if_absent(RECOVERY_UNTIL)
                    .only_up_to(RECOVERY_UNTIL, time(now))
            });
        let own = (RECOVERY_ID, id_bytes(recovery.id.as_bytes()));
        self.reserve("UpdateItem of a recovery", recovery.endpoint, update, own)
            .await
    }

    /// Renews the lease of a recovery in progress. Does nothing if another recovery has the
    /// slot. One `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn renew_recovery(
        &self,
        recovery: impl Into<RecoveryKey>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let recovery = recovery.into();
        let update = Update::live()
            .set(RECOVERY_UNTIL, time(now + RECOVERY_LEASE))
            .only_if(RECOVERY_ID, id_bytes(recovery.id.as_bytes()));
        self.update_if(recovery.endpoint, update)
            .await
            .during("UpdateItem of a renewed recovery")
    }

    /// Frees the slot of a recovery. Does nothing if another recovery has it. One
    /// `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn end_recovery(&self, recovery: impl Into<RecoveryKey>) -> Result<(), StoreError> {
        let recovery = recovery.into();
        let update = Update::live()
            .remove(RECOVERY_ID)
            .remove(RECOVERY_ASKED_AT)
            .remove(RECOVERY_UNTIL)
            .only_if(RECOVERY_ID, id_bytes(recovery.id.as_bytes()));
        self.update_if(recovery.endpoint, update)
            .await
            .during("UpdateItem of an ended recovery")
    }

    /// Counts a rotation of an endpoint's secret, provided that the budgets allow one. A
    /// rotation that fails later counts too, because it may have stored a version. One
    /// `UpdateItem`.
    ///
    /// One update cannot both increment a current count and reset an old one. So this always
    /// increments it, and if
    /// [`Rotations::are_over`](crate::domain::budget::Rotations::are_over), the write of the
    /// new secret resets it.
    ///
    /// # Errors
    /// If the call fails, or the item cannot be decoded.
    pub async fn reserve_rotation(
        &self,
        endpoint: EndpointKey,
        budgets: &Budgets,
        now: Timestamp,
    ) -> Result<Reserved, StoreError> {
        let mut update = Update::default()
            .add(ROTATIONS, 1)
            .set(ROTATED_AT, time(now))
            .set_once(ROTATIONS_SINCE, time(now))
            .only_if_any(|either| {
                either
                    .only_if_absent(ROTATIONS)
                    .only_below(ROTATIONS, number(budgets.rotations_per_day))
                    .only_up_to(ROTATIONS_SINCE, time(now - DAY))
            });
        if !budgets.rotation_pause.is_zero() {
            let latest = time(now - budgets.rotation_pause);
            update = update.only_if_any(|either| {
                either
                    .only_if_absent(ROTATED_AT)
                    .only_up_to(ROTATED_AT, latest)
            });
        }
        let own = (ROTATION_ID, id_bytes(EventId::new().as_bytes()));
        self.reserve("UpdateItem of a rotation", endpoint, update, own)
            .await
    }

    /// Updates a live endpoint, and stores the request's id in `attribute`.
    async fn reserve(
        &self,
        operation: &'static str,
        endpoint: EndpointKey,
        update: Update,
        (attribute, id): (&'static str, AttributeValue),
    ) -> Result<Reserved, StoreError> {
        let update = update
            .set(attribute, id.clone())
            .only_if_present(PK)
            .only_if_absent(DELETED_AT);
        let updated = self
            .update_item(keys::endpoint(endpoint), update)
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(OnFailure::AllOld)
            .send()
            .await;
        let (item, is_done) = match updated {
            Ok(updated) => (updated.attributes, true),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    (failed.item.clone(), false)
                }
                _ => return Err(error).during(operation),
            },
        };
        let Some(item) = item.filter(|item| !item.is_empty()) else {
            return Ok(Reserved::Missing);
        };
        // The condition may have failed because the first try of the SDK took effect.
        let is_own = is_done || item.get(attribute) == Some(&id);
        Ok(match live_endpoint(item).during(operation)? {
            Some(endpoint) if is_own => Reserved::Granted(Box::new(endpoint)),
            Some(endpoint) => Reserved::Refused(Box::new(endpoint)),
            None => Reserved::Missing,
        })
    }

    /// Updates an endpoint. Does nothing if a condition fails.
    async fn update_if(
        &self,
        endpoint: EndpointKey,
        update: Update,
    ) -> Result<(), SdkError<UpdateItemError>> {
        let key = keys::endpoint(endpoint);
        let updated = self.update_item(key, update).send().await;
        written(updated).map(|_| ())
    }
}

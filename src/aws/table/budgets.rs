//! Budgets in the table: slots and counts on the endpoints' own items, and one count
//! of pings per app and minute.
//!
//! A slot is taken by one conditional update, so of two requests at the same time
//! one is refused. The update stores an id that nobody else has: if the SDK repeats
//! a call that had taken effect, the slot turns out to be the caller's own.

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

/// What became of reserving something that an endpoint has a budget for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// It is reserved. The endpoint as it is now.
    Granted(Box<Endpoint>),
    /// It is over the budget. The endpoint, which says what the budget is used for.
    Refused(Box<Endpoint>),
    /// There is no such endpoint.
    Missing,
}

impl Table {
    /// Takes an endpoint's slot for a test ping, if it is free, if its lease has run
    /// out, or if `ended` holds it. One `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails, or the item cannot be read.
    pub async fn take_ping_slot(
        &self,
        ping: &DeliveryTask,
        lease: Duration,
        ended: Option<DeliveryId>,
    ) -> Result<Reserved, StoreError> {
        let now = ping.created_at;
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

    /// Gives back the slot of a ping that was not sent. Does nothing if the ping does
    /// not hold it. One `UpdateItem`.
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
            .during("UpdateItem of a free ping slot")
    }

    /// Counts a test ping of an app. `false` if the app has sent `most` of them in
    /// this minute of the clock. One `UpdateItem`; if its answer is lost, the SDK
    /// repeats it, and the ping counts twice.
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
            .set(EXPIRES_AT, number((minute + 1) * MINUTE))
            .only_below(PINGS, number(most))
            .or_absent(PINGS);
        let key = keys::pings(app_id, minute);
        let updated = self.update_item(key, update).send().await;
        written(updated).during("UpdateItem of an app's pings")
    }

    /// Takes an endpoint's slot for a recovery, if none is under way. One
    /// `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails, or the item cannot be read.
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

    /// Renews the lease of a recovery that goes on. Does nothing if another one has
    /// the slot. One `UpdateItem`.
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
            .during("UpdateItem of a recovery that goes on")
    }

    /// Frees the slot of a recovery. Does nothing if another one has it. One
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
            .during("UpdateItem of a recovery that ended")
    }

    /// Counts a rotation of an endpoint's secret, if the budgets allow one. A failed
    /// rotation counts too, because it may have made a version. One `UpdateItem`.
    ///
    /// An update can't tell a new day from an old one in what it writes. So if
    /// [`Rotations::are_over`](crate::domain::budget::Rotations::are_over), the caller
    /// starts the count over together with the new version.
    ///
    /// # Errors
    /// If the call fails, or the item cannot be read.
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

    /// Updates a live endpoint, and stores the caller's own id in an attribute.
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
        let is_own = is_done || item.get(attribute) == Some(&id);
        Ok(match live_endpoint(item).during(operation)? {
            Some(endpoint) if is_own => Reserved::Granted(Box::new(endpoint)),
            Some(endpoint) => Reserved::Refused(Box::new(endpoint)),
            None => Reserved::Missing,
        })
    }

    /// Updates an endpoint, if the conditions hold.
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

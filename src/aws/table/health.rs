//! Writes of an endpoint's health, and of its place in the schedule while deliveries wait
//! for it.

use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure as OnFailure;
use jiff::Timestamp;

use super::Table;
use super::fields::{number, text, time};
use super::keys::attribute::{
    FAILING_SINCE, FAILURES, LAST_FAILURE_AT, PAUSED_AT, PROBE_AT, PROBES, SLOW_SINCE, URL,
};
use super::keys::{self, SCHEDULE};
use super::transitions::{logged, logging};
use super::update::Update;
use crate::aws::error::{During, StoreError, written};
use crate::domain::endpoint::{Endpoint, EndpointKey, Place};
use crate::domain::health::Health;
use crate::domain::transition::Transition;

/// The attributes that a [`Health`] is stored in.
pub(super) const HEALTH: [&str; 7] = [
    SLOW_SINCE,
    FAILING_SINCE,
    LAST_FAILURE_AT,
    FAILURES,
    PAUSED_AT,
    PROBE_AT,
    PROBES,
];

/// The values of the attributes in [`HEALTH`], in the same order.
fn values(health: &Health) -> [Option<super::AttributeValue>; 7] {
    let (failing, pause) = (health.failing, health.pause);
    [
        health.slow_since.map(time),
        failing.map(|failing| time(failing.since)),
        failing.map(|failing| time(failing.last)),
        failing.map(|failing| number(failing.failures)),
        pause.map(|pause| time(pause.since)),
        pause.and_then(|pause| pause.probe_at).map(time),
        pause.map(|pause| number(pause.probes)),
    ]
}

impl Table {
    /// Changes an endpoint's health from the one that was read to `new`. If the pause changes,
    /// also sets the endpoint's place in the schedule: the time of the next probe while it is
    /// paused, and `now` once it works again, so that the waiting deliveries are sent. Returns
    /// `false` if what `new` changes was changed concurrently, if the endpoint was deleted, or
    /// if its URL changed, because this is the health of the old URL. One `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn set_health(
        &self,
        endpoint: &Endpoint,
        new: &Health,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.set_health_and_log(endpoint, new, None, now).await
    }

    /// Like [`Self::set_health`], and logs a transition that the operator will be notified of.
    /// Also `true` if an earlier try of the SDK took effect. One `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails. The health may still have been written.
    pub async fn set_health_and_log(
        &self,
        endpoint: &Endpoint,
        new: &Health,
        transition: Option<Transition>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (key, old) = (endpoint.key, &endpoint.health);
        let mut update = Update::live().only_if(URL, text(&endpoint.url));
        let pause_changes = old.pause != new.pause;
        let pause_goes_on = old.pause.is_some() && new.pause.is_some();
        // Writes, and compares with what was read, only attributes that change. So an attempt
        // that notes that the endpoint is slow does not conflict with one that counts a failure.
        for ((attribute, old), new) in HEALTH.into_iter().zip(values(old)).zip(values(new)) {
            let is_new = old != new;
            // A pause is identified by when it began (`PAUSED_AT`). Comparing that is enough
            // when a pause begins or ends, so the next probe is overwritten whatever it is.
            let is_overwritten =
                pause_changes && !pause_goes_on && [PROBE_AT, PROBES].contains(&attribute);
            let is_checked = is_new || pause_changes && attribute == PAUSED_AT;
            if is_checked && !is_overwritten {
                update = match old {
                    Some(old) => update.only_if(attribute, old),
                    None => update.only_if_absent(attribute),
                };
            }
            if is_new || is_overwritten {
                update = update.set_or_remove(attribute, new);
            }
        }
        let due_at = match new.pause {
            _ if !pause_changes => None,
            // Without a probe, the step that dropped it keeps the place that it claimed.
            Some(pause) => pause.probe_at,
            None => Some(now),
        };
        if let Some(at) = due_at {
            update = with_place(update, key, Some(Place::at(at)));
        }
        if let Some(transition) = transition {
            update = logging(update, endpoint, transition);
        }
        let updated = self
            .update_item(keys::endpoint(key), update)
            .set_return_values_on_condition_check_failure(transition.map(|_| OnFailure::AllOld));
        let operation = "UpdateItem of an endpoint's health";
        logged(operation, updated.send().await, transition)
    }

    /// Moves an endpoint in the schedule from `old` to `new`, or removes it. Returns `false` if
    /// the endpoint is no longer at `old`, so another step has claimed it, or if it was
    /// deleted. One `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn set_place(
        &self,
        endpoint: EndpointKey,
        old: Option<Place>,
        new: Option<Place>,
    ) -> Result<bool, StoreError> {
        let update = match old {
            Some(old) => Update::live().only_if(SCHEDULE.sk, text(sort(endpoint, old))),
            None => Update::live().only_if_absent(SCHEDULE.sk),
        };
        let update = with_place(update, endpoint, new);
        let key = keys::endpoint(endpoint);
        let updated = self.update_item(key, update).send().await;
        written(updated).during("UpdateItem of an endpoint's place in the schedule")
    }
}

fn sort(endpoint: EndpointKey, place: Place) -> String {
    keys::place_sort(place, endpoint.endpoint_id)
}

fn with_place(update: Update, endpoint: EndpointKey, place: Option<Place>) -> Update {
    let shard = keys::schedule_partition_of(endpoint.endpoint_id.as_bytes());
    update
        .set_or_remove(SCHEDULE.pk, place.map(|_| text(shard)))
        .set_or_remove(SCHEDULE.sk, place.map(|place| text(sort(endpoint, place))))
}

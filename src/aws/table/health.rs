//! The health of endpoints in the table, and their place in the schedule while
//! deliveries wait for them.

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

/// The values of [`HEALTH`].
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
    /// Changes the health of an endpoint, as it was read, to `new`, and with it the
    /// endpoint's place in the schedule if its pause changes: the time of its probe while
    /// it is paused, and `now` once it works again. `false` if what changes is no longer
    /// as it was read, if the URL is another by now, whose health this is not, or if the
    /// endpoint was deleted. One `UpdateItem`.
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

    /// The same, and logs a transition that is to be told. `true` also if an earlier try
    /// of the SDK wrote it, whose answer was lost. One `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails. The health may be written then.
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
        for ((attribute, old), new) in HEALTH.into_iter().zip(values(old)).zip(values(new)) {
            let is_new = old != new;
            // A pause is identified by its beginning. When one begins or ends, what is
            // left of another one is overwritten.
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
        let seen_to_at = match new.pause {
            _ if !pause_changes => None,
            // Without a probe, whoever dropped it has a place of its own.
            Some(pause) => pause.probe_at,
            None => Some(now),
        };
        if let Some(at) = seen_to_at {
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

    /// Moves an endpoint in the schedule from `old` to `new`, or takes it off.
    /// `false` if it is not at `old`, so that somebody else sees to it, or if it was
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

//! The errors of requests that exceed a budget.

use std::time::Duration;

use jiff::Timestamp;

use super::error::ApiError;
use crate::domain::budget::{Budgets, DAY, PingSlot, RecoverySlot, Rotations};
use crate::domain::time::iso_millis;

/// Upper limit of `Retry-After` for a ping in flight. Most pings end within seconds, long before
/// their lease does.
const PING_ENDS_WITHIN: Duration = Duration::from_secs(5);

/// The endpoint has a test ping in flight.
pub(super) fn ping_in_flight(slot: &PingSlot, now: Timestamp) -> ApiError {
    ApiError::OverBudget {
        message: "A test ping of this endpoint is in flight. Wait for its outcome.".into(),
        retry_after: until(slot.until, now).min(PING_ENDS_WITHIN),
    }
}

/// The app has used up its test pings of this clock minute.
pub(super) fn too_many_pings(budgets: &Budgets, now: Timestamp) -> ApiError {
    let into_minute = Duration::from_millis(now.as_millisecond().rem_euclid(60_000).unsigned_abs());
    ApiError::OverBudget {
        message: format!(
            "An app can send {} test pings a minute.",
            budgets.pings_per_minute
        )
        .into(),
        retry_after: Duration::from_secs(60) - into_minute,
    }
}

/// The secret was rotated a moment ago, or has used up its rotations of a day.
pub(super) fn too_many_rotations(budgets: &Budgets, made: &Rotations, now: Timestamp) -> ApiError {
    let (message, again_at) = if made.count >= budgets.rotations_per_day && !made.are_over(now) {
        let most = budgets.rotations_per_day;
        let message = format!("A secret can be rotated {most} times in 24 hours.");
        (message, made.since + DAY)
    } else {
        let pause = budgets.rotation_pause.as_secs();
        let message = format!("A secret can be rotated every {pause} seconds.");
        (message, made.last + budgets.rotation_pause)
    };
    ApiError::OverBudget {
        message: message.into(),
        retry_after: until(again_at, now),
    }
}

/// The endpoint already has a recovery or replay.
pub(super) fn recovery_under_way(slot: &RecoverySlot) -> ApiError {
    let (id, asked_at) = (slot.id, iso_millis(slot.asked_at));
    ApiError::Conflict(
        format!(
            "Recovery or replay {id} of this endpoint, requested at {asked_at}, is still under way."
        )
        .into(),
    )
}

/// A bug: the table refused a reservation, but the endpoint's item does not show why.
pub(super) fn unexplained() -> ApiError {
    ApiError::internal("a budget is used up, but the endpoint does not say by what")
}

fn until(at: Timestamp, now: Timestamp) -> Duration {
    // A time in the past gives a negative duration, which does not convert.
    Duration::try_from(at.duration_since(now)).unwrap_or_default()
}

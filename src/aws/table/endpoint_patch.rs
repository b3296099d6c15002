//! Translates changes of an endpoint to an update of its item.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use super::endpoint_item;
use super::fields::{channels, number, text, time};
use super::health::HEALTH;
use super::keys::attribute::{
    ACTIVE, CHANNELS, DESCRIPTION, DISABLED_AT, DISABLED_REASON, EVENTS, FILTER, INACTIVE_SINCE,
    METADATA, RATE_LIMIT, UPDATED_AT, URL,
};
use super::update::Update;
use crate::domain::endpoint::EndpointPatch;

/// The update for a patch.
pub(super) fn update_of(patch: &EndpointPatch, now: Timestamp) -> Update {
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
        // Keeps the next turn. If the limit does not change, turns already taken still
        // count; if it does, the old number is recognizably out of range.
        update = update.set_or_remove(RATE_LIMIT, limit);
    }
    if let Some(description) = &patch.description {
        update = update.set_or_remove(DESCRIPTION, description.as_ref().map(text));
    }
    if let Some(metadata) = &patch.metadata {
        update = update.set_or_remove(METADATA, endpoint_item::metadata(metadata));
    }
    if let Some(new) = &patch.channels {
        update = update.set_or_remove(CHANNELS, channels(new));
    }
    if let Some(filter) = &patch.filter {
        let filter = filter.as_ref().map(endpoint_item::filter_text);
        update = update.set_or_remove(FILTER, filter);
    }
    activation(update, patch, now)
}

/// Resets what the patch makes obsolete: the reason of an earlier deactivation, and the
/// health.
fn activation(mut update: Update, patch: &EndpointPatch, now: Timestamp) -> Update {
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
        // The health was that of the old URL, or the caller says that the endpoint works
        // again. The place in the schedule stays, because deliveries may still be waiting.
        update = HEALTH.into_iter().fold(update, Update::remove);
    }
    update
}

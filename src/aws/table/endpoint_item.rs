//! The DynamoDB item of an endpoint.

use jiff::Timestamp;

use super::apps::map;
use super::fields::{Draft, Fields, channels, number, text, time};
use super::keys::attribute::{
    ACTIVE, CHANNELS, CREATED_AT, DELETED_AT, DESCRIPTION, DISABLED_AT, DISABLED_REASON, EVENTS,
    FAILING_SINCE, FAILURES, FILTER, HEADERS, INACTIVE_SINCE, LAST_FAILURE_AT, METADATA, NEXT_TURN,
    PAUSED_AT, PING_ID, PING_UNTIL, PK, PROBE_AT, PROBES, RATE_LIMIT, RECOVERY_ASKED_AT,
    RECOVERY_ID, RECOVERY_UNTIL, ROTATED_AT, ROTATIONS, ROTATIONS_SINCE, SK, SLOW_SINCE,
    TRANSITIONS, UPDATED_AT, URL,
};
use super::keys::{self, SCHEDULE};
use super::secret_item::{headers_item, own_headers, previous_secret, secret, with_secret};
use super::{AttributeValue, Item};
use crate::aws::error::Malformed;
use crate::domain::app::Metadata;
use crate::domain::budget::{PingSlot, RecoverySlot, Rotations, Usage};
use crate::domain::endpoint::{Disabled, DisabledReason, Endpoint};
use crate::domain::event_type::Subscriptions;
use crate::domain::filter::Filter;
use crate::domain::health::{Failing, Health, Pause};
use crate::domain::id::{DeliveryId, EventId};
use crate::domain::labels::Labels;
use crate::domain::rate_limit::RateLimit;
use crate::domain::target_url::TargetUrl;

/// Decodes an endpoint. `None` if it is being deleted.
pub(super) fn live_endpoint(item: Item) -> Result<Option<Endpoint>, Malformed> {
    if item.contains_key(DELETED_AT) {
        return Ok(None);
    }
    endpoint(Fields::of(item)).map(Some)
}

/// The item of a new endpoint. Leaves out health and budgets, because a new endpoint is
/// well and has used nothing.
pub(super) fn item_of(endpoint: &Endpoint) -> Item {
    let limit = endpoint.rate_limit.map(|limit| number(limit.per_second()));
    let disabled = endpoint.disabled;
    with_secret(Draft::of(keys::endpoint(endpoint.key)), &endpoint.secret)
        .set(URL, text(&endpoint.url))
        .set(EVENTS, events(&endpoint.events))
        .set(ACTIVE, AttributeValue::Bool(endpoint.active))
        .set_some(INACTIVE_SINCE, endpoint.inactive_since.map(time))
        .set_some(HEADERS, endpoint.headers.as_ref().map(headers_item))
        .set(CREATED_AT, time(endpoint.created_at))
        .set(UPDATED_AT, time(endpoint.updated_at))
        .set_some(
            DISABLED_REASON,
            disabled.map(|disabled| text(disabled.reason.as_str())),
        )
        .set_some(DISABLED_AT, disabled.map(|disabled| time(disabled.at)))
        .set_some(RATE_LIMIT, limit)
        .set_some(DESCRIPTION, endpoint.labels.description.as_ref().map(text))
        .set_some(METADATA, metadata(&endpoint.labels.metadata))
        .set_some(CHANNELS, channels(&endpoint.channels))
        .set_some(FILTER, endpoint.filter.as_ref().map(filter_text))
        .item()
}

pub(super) fn events(subscriptions: &Subscriptions) -> AttributeValue {
    AttributeValue::L(subscriptions.iter().map(text).collect())
}

pub(super) fn filter_text(filter: &Filter) -> AttributeValue {
    text(filter.as_str())
}

/// `None` if there is no metadata, because an item without the attribute is smaller.
pub(super) fn metadata(metadata: &Metadata) -> Option<AttributeValue> {
    (!metadata.is_empty()).then(|| map(metadata))
}

fn labels(fields: &mut Fields) -> Result<Labels, Malformed> {
    Ok(Labels {
        description: fields.read_some(DESCRIPTION)?,
        metadata: fields.read_some(METADATA)?.unwrap_or_default(),
    })
}

fn health(fields: &mut Fields) -> Result<Health, Malformed> {
    let failing_since: Option<Timestamp> = fields.read_some(FAILING_SINCE)?;
    let last_failure: Option<Timestamp> = fields.read_some(LAST_FAILURE_AT)?;
    let failures: Option<u32> = fields.read_some(FAILURES)?;
    let paused_at: Option<Timestamp> = fields.read_some(PAUSED_AT)?;
    let probe_at: Option<Timestamp> = fields.read_some(PROBE_AT)?;
    let probes: Option<u32> = fields.read_some(PROBES)?;
    Ok(Health {
        slow_since: fields.read_some(SLOW_SINCE)?,
        failing: failing_since.map(|since| Failing {
            since,
            last: last_failure.unwrap_or(since),
            failures: failures.unwrap_or(1),
        }),
        pause: paused_at.map(|since| Pause {
            since,
            probe_at,
            probes: probes.unwrap_or(0),
        }),
    })
}

fn usage(fields: &mut Fields) -> Result<Usage, Malformed> {
    let ping: Option<DeliveryId> = fields.read_some(PING_ID)?;
    let ping = ping.zip(fields.read_some(PING_UNTIL)?);
    let recovery: Option<EventId> = fields.read_some(RECOVERY_ID)?;
    let recovery = recovery.zip(fields.read_some(RECOVERY_ASKED_AT)?);
    let recovery = recovery.zip(fields.read_some(RECOVERY_UNTIL)?);
    let rotations: Option<Timestamp> = fields.read_some(ROTATED_AT)?;
    let rotations = rotations.zip(fields.read_some(ROTATIONS_SINCE)?);
    let rotations = rotations.zip(fields.read_some(ROTATIONS)?);
    Ok(Usage {
        ping: ping.map(|(ping, until)| PingSlot { ping, until }),
        recovery: recovery.map(|((id, asked_at), until)| RecoverySlot {
            id,
            asked_at,
            until,
        }),
        rotations: rotations.map(|((last, since), count)| Rotations { last, since, count }),
    })
}

fn endpoint(mut fields: Fields) -> Result<Endpoint, Malformed> {
    let (pk, sk): (String, String) = (fields.read(PK)?, fields.read(SK)?);
    let (url, events): (String, Vec<String>) = (fields.read(URL)?, fields.read(EVENTS)?);
    let events = Subscriptions::parse("events", events.iter().map(String::as_str));
    let place: Option<String> = fields.read_some(SCHEDULE.sk)?;
    let active = fields.read(ACTIVE)?;
    let updated_at = fields.read(UPDATED_AT)?;
    let disabled_at: Option<Timestamp> = fields.read_some(DISABLED_AT)?;
    let inactive_since: Option<Timestamp> = fields.read_some(INACTIVE_SINCE)?;
    let reason: Option<String> = fields.read_some(DISABLED_REASON)?;
    let disabled = reason.zip(disabled_at).map(|(reason, at)| {
        let reason = DisabledReason::parse(&reason);
        reason.map(|reason| Disabled { reason, at })
    });
    let rate_limit: Option<u64> = fields.read_some(RATE_LIMIT)?;
    let filter: Option<String> = fields.read_some(FILTER)?;
    Ok(Endpoint {
        key: keys::endpoint_of(&pk, &sk).ok_or("not the keys of an endpoint")?,
        // Need not satisfy today's rules. The sender checks it before each attempt.
        url: TargetUrl::registered(&url)?,
        events: events.map_err(|_| "not the subscriptions of an endpoint")?,
        active,
        // Older items do not have the attribute. Deactivation also set one of these two times,
        // so they are the best estimate; a later change makes it too late, never too early.
        inactive_since: (!active).then(|| inactive_since.or(disabled_at).unwrap_or(updated_at)),
        secret: secret(&mut fields)?,
        previous_secret: previous_secret(&mut fields)?,
        headers: own_headers(&mut fields)?,
        created_at: fields.read(CREATED_AT)?,
        updated_at,
        disabled: match disabled {
            Some(disabled) => Some(disabled.ok_or("not a reason for disabling an endpoint")?),
            None => None,
        },
        rate_limit: rate_limit.map(RateLimit::new).transpose()?,
        labels: labels(&mut fields)?,
        channels: fields.read_some(CHANNELS)?.unwrap_or_default(),
        filter: filter.as_deref().map(Filter::stored),
        next_turn: fields.read_some(NEXT_TURN)?,
        health: health(&mut fields)?,
        transitions: fields.read_some(TRANSITIONS)?.unwrap_or_default(),
        place: place.as_deref().and_then(keys::place_of_sort),
        usage: usage(&mut fields)?,
    })
}

//! The log of an endpoint's transitions: one binary attribute, with 33 bytes per transition.
//!
//! The log makes the operator's notices reliable. The write that changes the health also
//! logs the transition, with the id of the delivery whose attempt caused it. If the function
//! ends before it has sent the notice, that attempt's message comes back, finds its
//! transition in the log, and sends the notice then.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use super::fields::Readable;
use super::keys::attribute::TRANSITIONS;
use super::update::Update;
use crate::aws::error::{During, StoreError, written};
use crate::domain::endpoint::{DisabledReason, Endpoint};
use crate::domain::id::DeliveryId;
use crate::domain::transition::{Transition, TransitionKind, Transitions};

/// Kind, `at` and `failing_since` in milliseconds, and the delivery's id.
const BYTES: usize = 1 + 8 + 8 + 16;

const KINDS: [(u8, TransitionKind); 5] = [
    (b'f', TransitionKind::Failing),
    (b'p', TransitionKind::Paused),
    (b'r', TransitionKind::Recovered),
    (b'g', TransitionKind::Disabled(DisabledReason::Gone)),
    (b'd', TransitionKind::Disabled(DisabledReason::Failing)),
];

/// Encodes a missing `failing_since`.
const NO_TIME: i64 = 0;

/// Encodes the log. `None` if it is empty.
fn log(transitions: &Transitions) -> Option<AttributeValue> {
    let mut bytes = Vec::new();
    for transition in transitions.iter() {
        let kind = KINDS.iter().find(|(_, kind)| *kind == transition.kind);
        bytes.extend(kind.map(|(letter, _)| *letter));
        let since = transition.failing_since.map(Timestamp::as_millisecond);
        bytes.extend(transition.at.as_millisecond().to_be_bytes());
        bytes.extend(since.unwrap_or(NO_TIME).to_be_bytes());
        bytes.extend(transition.by.as_bytes());
    }
    (!bytes.is_empty()).then(|| AttributeValue::B(Blob::new(bytes)))
}

impl Readable for Transitions {
    fn of(value: AttributeValue) -> Option<Self> {
        let log = value.as_b().ok()?.as_ref();
        let (entries, rest) = log.as_chunks::<BYTES>();
        let entries: Option<Vec<_>> = entries.iter().map(transition).collect();
        entries.filter(|_| rest.is_empty()).map(Self::last_of)
    }
}

fn transition(entry: &[u8; BYTES]) -> Option<Transition> {
    // Inverse of `log`.
    let (letter, rest) = entry.split_first()?;
    let (at, rest) = rest.split_first_chunk::<8>()?;
    let (since, by) = rest.split_first_chunk::<8>()?;
    let (_, kind) = KINDS.iter().find(|(known, _)| known == letter)?;
    let time = |bytes: &[u8; 8]| match i64::from_be_bytes(*bytes) {
        NO_TIME => Some(None),
        millis => Timestamp::from_millisecond(millis).ok().map(Some),
    };
    Some(Transition {
        kind: *kind,
        at: time(at)??,
        failing_since: time(since)?,
        by: DeliveryId::from_bytes(by.try_into().ok()?),
    })
}

/// Adds a transition to the log, on condition that the log is still as it was read.
/// Otherwise a concurrent transition would be overwritten.
pub(super) fn logging(update: Update, endpoint: &Endpoint, transition: Transition) -> Update {
    let update = match log(&endpoint.transitions) {
        Some(old) => update.only_if(TRANSITIONS, old),
        None => update.only_if_absent(TRANSITIONS),
    };
    let new = log(&endpoint.transitions.with(transition));
    update.set_or_remove(TRANSITIONS, new)
}

/// Whether the update took effect. If the response to an update was lost, the SDK repeats
/// it, and its condition fails because of the first try. The logged transition tells that
/// case from a real conflict, so the update must return the item if its condition fails.
pub(super) fn logged(
    operation: &'static str,
    updated: Result<UpdateItemOutput, SdkError<UpdateItemError>>,
    transition: Option<Transition>,
) -> Result<bool, StoreError> {
    if let (Err(error), Some(transition)) = (&updated, transition)
        && let Some(UpdateItemError::ConditionalCheckFailedException(failed)) =
            error.as_service_error()
    {
        let log = failed.item.as_ref().and_then(|item| item.get(TRANSITIONS));
        let log = log.cloned().and_then(Transitions::of).unwrap_or_default();
        return Ok(log.iter().any(|logged| *logged == transition));
    }
    written(updated).during(operation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::transition::KEPT;

    #[test]
    fn logs_round_trip_at_33_bytes_per_transition() {
        let at = |millis| Timestamp::from_millisecond(millis).unwrap();
        let mut transitions = Transitions::default();
        assert_eq!(log(&transitions), None);
        for (index, (_, kind)) in KINDS.into_iter().enumerate() {
            transitions = transitions.with(Transition {
                kind,
                at: at(1_800_000_000_123),
                failing_since: (index % 2 == 0).then(|| at(1_800_000_000_001)),
                by: DeliveryId::new(),
            });
            let stored = log(&transitions).unwrap();
            let bytes = stored.as_b().unwrap().as_ref().len();
            assert_eq!(bytes, BYTES * KEPT.min(index + 1));
            assert_eq!(Transitions::of(stored), Some(transitions.clone()));
        }
    }

    #[test]
    fn malformed_logs_are_rejected() {
        let bytes = |bytes: &[u8]| AttributeValue::B(Blob::new(bytes));
        for wrong in [
            AttributeValue::S("f".to_owned()),
            bytes(&[b'f'; BYTES - 1]),
            bytes(&[b'x'; BYTES]),
            bytes(&[0xff; BYTES]),
        ] {
            assert_eq!(Transitions::of(wrong), None);
        }
    }
}

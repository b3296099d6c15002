//! The turns of an endpoint with a rate limit; see
//! [`rate_limit`](crate::domain::rate_limit).
//!
//! Turns are numbered from 1970, as many per second as the limit allows. The endpoint's item
//! stores the next free one, and a function takes turns by advancing that number. If the
//! response to an update is lost, the SDK's next try takes further turns. The first ones are
//! then wasted, but the limit is never exceeded.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use jiff::Timestamp;

use super::fields::number;
use super::keys;
use super::keys::attribute::{NEXT_TURN, RATE_LIMIT};
use super::update::Update;
use super::{Item, Table};
use crate::aws::error::{AwsError, During, StoreError};
use crate::domain::endpoint::Endpoint;
use crate::domain::rate_limit::RateLimit;

/// Tries while other functions take turns at the same time.
const TRIES: usize = 5;

/// The outcome of [`Table::take_turns`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turns {
    /// Consecutive turns: as many as requested, or all that were free in the next 15
    /// minutes.
    Some {
        /// The first of them.
        first: u64,
        /// The number of turns. Zero if none was free.
        count: u64,
    },
    /// None, because the limit was changed or the endpoint was deleted.
    Changed,
}

impl Table {
    /// Takes up to `count` turns of an endpoint with this limit. One `UpdateItem`. One more
    /// whenever another function takes turns at the same moment and the stored number had
    /// fallen behind the current second, or when the last free turns are taken.
    ///
    /// # Errors
    /// If a call fails.
    pub async fn take_turns(
        &self,
        endpoint: &Endpoint,
        limit: RateLimit,
        count: usize,
        now: Timestamp,
    ) -> Result<Turns, StoreError> {
        const OPERATION: &str = "UpdateItem of an endpoint's turns";
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let (first, full) = (limit.first_turn(now), limit.full(now));
        let mut next = endpoint.next_turn;
        for _ in 0..TRIES {
            let from = limit.next_free(next, now);
            // Turns that are too far away for the queue cannot be used, so take none of them.
            let count = count.min(full.saturating_sub(from));
            if count == 0 {
                return Ok(Turns::Some { first: from, count });
            }
            let update = Update::live().only_if(RATE_LIMIT, number(limit.per_second()));
            let update = match next {
                // Advances the number, whatever it is now. Other functions may have taken turns
                // since `endpoint` was read; these then come after theirs. The range excludes a
                // number that has fallen behind, and turns too far away.
                Some(next) if limit.is_current(next, now) => update
                    .only_between(NEXT_TURN, number(first), number(full - count))
                    .add(NEXT_TURN, count),
                // The number is in the past, or counts in another limit's turns. Replace it,
                // provided that nobody else has.
                Some(next) => update
                    .only_if(NEXT_TURN, number(next))
                    .set(NEXT_TURN, number(from + count)),
                None => update
                    .only_if_absent(NEXT_TURN)
                    .set(NEXT_TURN, number(from + count)),
            };
            let updated = self
                .update_item(keys::endpoint(endpoint.key), update)
                .return_values(ReturnValue::UpdatedOld)
                .return_values_on_condition_check_failure(
                    ReturnValuesOnConditionCheckFailure::AllOld,
                )
                .send()
                .await;
            let error = match updated {
                Ok(updated) => {
                    // The turns begin at the number that this update advanced from.
                    let old = updated.attributes.as_ref().and_then(next_turn);
                    let old = old.filter(|old| limit.is_current(*old, now));
                    let first = old.unwrap_or(from).max(from);
                    return Ok(Turns::Some { first, count });
                }
                Err(error) => error,
            };
            match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    let found = failed.item.clone().unwrap_or_default();
                    if found.get(RATE_LIMIT) != Some(&number(limit.per_second())) {
                        return Ok(Turns::Changed);
                    }
                    // Decide again from the current number, which the failure returned.
                    next = next_turn(&found);
                }
                _ => return Err(error).during(OPERATION),
            }
        }
        Err(AwsError::from_code(OPERATION, "ConditionalCheckFailedException").into())
    }
}

fn next_turn(item: &Item) -> Option<u64> {
    item.get(NEXT_TURN)?.as_n().ok()?.parse().ok()
}

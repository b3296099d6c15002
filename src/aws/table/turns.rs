//! The turns of an endpoint that limits its rate.

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

/// Tries to take turns while others take some, too.
const TRIES: usize = 5;

/// Turns that were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turns {
    /// So many, from this one on: as many as were asked for, or all that were left of
    /// the next 15 minutes.
    Some {
        /// The first one.
        first: u64,
        /// How many: none if all have been taken.
        count: u64,
    },
    /// None, because the limit is another by now, or the endpoint was deleted.
    Changed,
}

impl Table {
    /// Takes so many turns of an endpoint that has this limit. One `UpdateItem`, and
    /// another whenever somebody else takes turns at the same moment after a second
    /// in which nobody did.
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
            // None that is too far away to be used: it would be lost.
            let count = count.min(full.saturating_sub(from));
            if count == 0 {
                return Ok(Turns::Some { first: from, count });
            }
            let update = Update::live().only_if(RATE_LIMIT, number(limit.per_second()));
            let update = match next {
                // Others may have taken some more since: these are behind theirs.
                Some(next) if limit.is_current(next, now) => update
                    .only_between(NEXT_TURN, number(first), number(full - count))
                    .add(NEXT_TURN, count),
                // One of the past, or of another limit.
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

//! Assigns turns to attempts at endpoints with a rate limit. All attempts of a batch at
//! one endpoint take their turns with one write. An attempt that gets no turn within the
//! queue's longest delay waits in the table, where the drain finds it.

use std::time::Duration;

use jiff::Timestamp;

use super::Deliverer;
use crate::aws::StoreError;
use crate::aws::table::Turns;
use crate::domain::decision::BeforeAttempt;
use crate::domain::endpoint::Endpoint;
use crate::domain::message::{DeliveryTask, Lane, MAX_DELAY, Source};
use crate::domain::rate_limit::RateLimit;

/// How long an attempt on the slow lane may wait in the function. The lane collects its
/// batches for two seconds, so attempts that are due within that time arrive together.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// When to make an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Immediately.
    Now,
    /// After this wait, in the function.
    After(Duration),
    /// Not in this batch. Its message comes back after this delay, when it has its turn.
    Queue(Duration),
    /// There is none within the longest delay of a message, or earlier deliveries wait
    /// for one. The delivery waits in the table.
    Wait,
}

impl Turn {
    fn after(wait: Duration) -> Self {
        match wait {
            Duration::ZERO => Self::Now,
            wait => Self::After(wait),
        }
    }
}

impl Deliverer {
    /// Assigns turns to attempts at one endpoint, in their order. One `UpdateItem` if the
    /// endpoint has a rate limit and any attempt has no turn yet.
    pub(super) async fn turns(
        &self,
        lane: Lane,
        attempts: &[(&DeliveryTask, &BeforeAttempt)],
        now: Timestamp,
    ) -> Result<Vec<Turn>, StoreError> {
        let mut limited = attempts.iter().filter_map(|(task, it)| limit_of(task, it));
        let Some((endpoint, limit)) = limited.next() else {
            return Ok(vec![Turn::Now; attempts.len()]);
        };
        let longest = match lane {
            Lane::Fast => Duration::ZERO,
            Lane::Slow => LONGEST_WAIT,
        };
        let mut returned = 0;
        let turns = attempts.iter().map(|(task, decision)| {
            if limit_of(task, decision).is_none() {
                return Some(Turn::Now);
            }
            if !task.has_turn {
                return waits_behind(task, endpoint).then_some(Turn::Wait);
            }
            // These had turns, but may come late and all at once. So spread them over
            // seconds without taking new turns.
            let wait = limit.spread(returned);
            returned += 1;
            (wait <= longest).then(|| Turn::after(wait))
        });
        let mut turns: Vec<_> = turns.collect();
        let open = turns.iter_mut().filter(|turn| turn.is_none());
        let open: Vec<_> = open.collect();
        if !open.is_empty() {
            let table = &self.stores.table;
            // Boxed, because rustc can't compute the layout of the unboxed future.
            let taken = Box::pin(table.take_turns(endpoint, limit, open.len(), now)).await?;
            for (place, turn) in (0..).zip(open) {
                *turn = Some(turn_of(taken, place, limit, longest, now));
            }
        }
        Ok(turns.into_iter().flatten().collect())
    }
}

/// The endpoint and its limit, if the attempt will be made and needs a turn. Test pings
/// need none: there are few of them.
fn limit_of<'a>(
    task: &DeliveryTask,
    decision: &'a BeforeAttempt,
) -> Option<(&'a Endpoint, RateLimit)> {
    match (&task.source, decision) {
        (Source::Event(_), BeforeAttempt::Send(ready)) => {
            Some((&ready.endpoint, ready.endpoint.rate_limit?))
        }
        _ => None,
    }
}

/// Whether deliveries that wait for turns come before this one. A retry or a resend does
/// not wait behind them.
fn waits_behind(task: &DeliveryTask, endpoint: &Endpoint) -> bool {
    endpoint.has_backlog() && task.attempt == 1 && !task.resend
}

fn turn_of(taken: Turns, place: u64, limit: RateLimit, longest: Duration, now: Timestamp) -> Turn {
    match taken {
        // No turn is left within the longest delay of a message.
        Turns::Some { count, .. } if place >= count => Turn::Wait,
        Turns::Some { first, .. } => match limit.wait_for(first + place, now) {
            wait if wait <= longest => Turn::after(wait),
            delay => Turn::Queue(delay.min(MAX_DELAY)),
        },
        // The limit changed, or the endpoint was deleted. Attempt it now: the next batch
        // reads the new limit.
        Turns::Changed => Turn::Now,
    }
}

//! When attempts at endpoints that limit their rate have their turn. One write for an
//! endpoint and batch, whose attempts take turns together. What has no turn soon enough
//! for the queue waits in the table, where the drain finds it.

use std::time::Duration;

use jiff::Timestamp;

use super::Deliverer;
use crate::aws::StoreError;
use crate::aws::table::Turns;
use crate::domain::decision::BeforeAttempt;
use crate::domain::endpoint::Endpoint;
use crate::domain::message::{DeliveryTask, Lane, MAX_DELAY, Source};
use crate::domain::rate_limit::RateLimit;

/// How long an attempt on the slow lane waits in the function: that lane collects its
/// batches for two seconds, so what is due within them comes at once.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// When an attempt is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Now.
    Now,
    /// After this wait, in the function.
    After(Duration),
    /// Not in this batch: its message comes again after this delay, for its turn.
    Queue(Duration),
    /// It has none within the time that a queue can delay a message, or others wait that
    /// have none. The delivery waits in the table.
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
    /// When the attempts at one endpoint, on which was decided, have their turns. One
    /// `UpdateItem` if the endpoint limits its rate and any of them has no turn yet.
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
            // Those that waited for their turns may come late, and together.
            let wait = limit.spread(returned);
            returned += 1;
            (wait <= longest).then(|| Turn::after(wait))
        });
        let mut turns: Vec<_> = turns.collect();
        let open = turns.iter_mut().filter(|turn| turn.is_none());
        let open: Vec<_> = open.collect();
        if !open.is_empty() {
            let table = &self.stores.table;
            // Boxed, like the read of a batch, because rustc could not lay it out.
            let taken = Box::pin(table.take_turns(endpoint, limit, open.len(), now)).await?;
            for (place, turn) in (0..).zip(open) {
                *turn = Some(turn_of(taken, place, limit, longest, now));
            }
        }
        Ok(turns.into_iter().flatten().collect())
    }
}

/// The endpoint and its limit, if the attempt is to be made and has to have a turn.
/// Test pings need none: there are few of them.
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

/// Whether others wait for their turns that come before this one. A retry, or what
/// somebody asked for, does not wait behind them.
fn waits_behind(task: &DeliveryTask, endpoint: &Endpoint) -> bool {
    endpoint.has_backlog() && task.attempt == 1 && !task.resend
}

fn turn_of(taken: Turns, place: u64, limit: RateLimit, longest: Duration, now: Timestamp) -> Turn {
    match taken {
        // None is left within the time that a queue can delay a message.
        Turns::Some { count, .. } if place >= count => Turn::Wait,
        Turns::Some { first, .. } => match limit.wait_for(first + place, now) {
            wait if wait <= longest => Turn::after(wait),
            delay => Turn::Queue(delay.min(MAX_DELAY)),
        },
        // The next batch reads what it is by then.
        Turns::Changed => Turn::Now,
    }
}

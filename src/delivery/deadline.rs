//! The deadlines of the work on a batch.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use super::HandleError;

/// When Lambda ends the function. If the work on a batch is not done by then, the whole
/// batch comes back, including messages that were handled. So each message's work ends a
/// little earlier.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    /// When the function is ended.
    at: Instant,
    /// How long one attempt can take at most.
    attempt: Duration,
}

/// Reserved after the work on messages: time to return those that failed.
const RETURN_ROOM: Duration = Duration::from_secs(3);

/// Reserved after failed messages were returned to the queue: time for the response.
const RESPONSE_ROOM: Duration = Duration::from_millis(500);

/// Reserved after an attempt: its record at worst. That is the message for the next
/// attempt and the write, with 8 seconds for each call (see [`crate::aws::timeouts`]).
const RECORD_ROOM: Duration = Duration::from_secs(16);

/// Reserved after optional work: time to finish its message before all work ends.
const OPTIONAL_ROOM: Duration = Duration::from_secs(1);

tokio::task_local! {
    /// The deadline of the message that this task handles. Not a parameter, because
    /// attempts are made from several places, and few functions need the deadline.
    static DEADLINE: Deadline;
}

impl Deadline {
    /// A deadline at this time, for attempts that take at most `attempt`.
    #[must_use]
    pub fn new(at: Instant, attempt: Duration) -> Self {
        Self { at, attempt }
    }

    /// Lambda's deadline, from an invocation's context: milliseconds since the epoch.
    /// `None` if it has passed. Since the function still runs, something other than
    /// Lambda made it up.
    #[must_use]
    pub fn of_invocation(epoch_millis: u64, now: Timestamp, attempt: Duration) -> Option<Self> {
        let now = u64::try_from(now.as_millisecond()).ok()?;
        let left = epoch_millis.checked_sub(now).filter(|left| *left > 0)?;
        // The wall clock may jump, so count from the monotonic clock from here on.
        let at = Instant::now() + Duration::from_millis(left);
        Some(Self::new(at, attempt))
    }

    /// When the work on messages ends.
    fn of_work(self) -> Instant {
        self.before(RETURN_ROOM)
    }

    /// When failed messages have to be given back.
    pub(super) fn of_return(self) -> Instant {
        self.before(RESPONSE_ROOM)
    }

    /// The latest time to begin an attempt, so that no request is sent and then not
    /// recorded.
    fn of_posting(self) -> Instant {
        self.before(RETURN_ROOM + RECORD_ROOM + self.attempt)
    }

    /// When optional work has to end.
    fn of_optional_work(self) -> Instant {
        self.before(RETURN_ROOM + OPTIONAL_ROOM)
    }

    fn before(self, room: Duration) -> Instant {
        self.at.checked_sub(room).unwrap_or(self.at)
    }
}

/// Works until the deadline.
///
/// # Errors
/// [`HandleError::OutOfTime`], and the work's own errors.
pub(super) async fn within<T, E: Into<HandleError>>(
    deadline: Option<Deadline>,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, HandleError> {
    let Some(deadline) = deadline else {
        return work.await.map_err(Into::into);
    };
    // Work that takes too long is dropped where it awaits, as if the function had crashed
    // there. Its message comes back.
    let work = DEADLINE.scope(deadline, work);
    match timeout_at(deadline.of_work(), work).await {
        Ok(done) => done.map_err(Into::into),
        Err(_) => Err(HandleError::OutOfTime),
    }
}

/// Whether an attempt that began now could be recorded in time. If not, it might be made
/// twice.
pub(super) fn leaves_room_for_an_attempt() -> bool {
    let latest = DEADLINE.try_with(|deadline| deadline.of_posting());
    latest.map_or(true, |latest| Instant::now() <= latest)
}

/// Fails if there is no time for an attempt.
///
/// # Errors
/// [`HandleError::OutOfTime`].
pub(super) fn must_leave_room_for_an_attempt() -> Result<(), HandleError> {
    match leaves_room_for_an_attempt() {
        true => Ok(()),
        false => Err(HandleError::OutOfTime),
    }
}

/// When optional work has to end: after `most`, or earlier if the message that this task
/// handles runs out of time.
pub(super) fn end_of_optional_work(most: Duration) -> Instant {
    let end = Instant::now() + most;
    let latest = DEADLINE.try_with(|deadline| deadline.of_optional_work());
    latest.map_or(end, |latest| latest.min(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn longest_attempts_may_begin_within_ten_seconds() {
        // The function's timeout, and the most that DELIVERY_TIMEOUT_SECONDS allows.
        let begun = Instant::now();
        let deadline = Deadline::new(begun + 60 * SECOND, 30 * SECOND);
        assert!(deadline.of_posting() >= begun + 10 * SECOND);
        assert!(deadline.of_posting() < deadline.of_work());
        assert!(deadline.of_work() < deadline.of_return());
        assert!(deadline.of_return() < deadline.at);
    }

    #[tokio::test]
    async fn past_deadlines_are_ignored() {
        let now = Timestamp::from_second(1_000).unwrap();
        for millis in [0, 600_000, 1_000_000] {
            assert!(Deadline::of_invocation(millis, now, SECOND).is_none());
        }
        let deadline = Deadline::of_invocation(1_060_000, now, SECOND).unwrap();
        let left = deadline.at - Instant::now();
        assert!((59 * SECOND..=60 * SECOND).contains(&left), "{left:?}");
    }
}

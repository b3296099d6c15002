//! The source of the current time, which tests can replace.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::time::whole_millis;

/// The system clock, or one that a test controls. Cheap to clone.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// A clock that returns the system time.
    #[must_use]
    pub fn system() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "the only place that reads the system time"
        )]
        Self(Arc::new(Timestamp::now))
    }

    /// A clock that calls `now` for the time.
    pub fn from_fn(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The current time, truncated to whole milliseconds.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        whole_millis((self.0)())
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

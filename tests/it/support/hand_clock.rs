//! A clock that only moves when a test advances it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use webhook_endpoints::clock::Clock;

/// Milliseconds since the epoch. Clones share them.
#[derive(Clone)]
pub struct HandClock(Arc<AtomicI64>);

impl HandClock {
    /// A clock that starts at this time.
    pub fn at(text: &str) -> Self {
        let time: Timestamp = text.parse().expect("parse the time");
        Self(Arc::new(AtomicI64::new(time.as_millisecond())))
    }

    /// A clock that starts at the current time. Needed to verify signatures, because
    /// libraries compare timestamps with the system clock.
    pub fn at_now() -> Self {
        let now = Clock::system().now();
        Self(Arc::new(AtomicI64::new(now.as_millisecond())))
    }

    pub fn now(&self) -> Timestamp {
        self.clock().now()
    }

    pub fn advance(&self, by: Duration) {
        self.advance_millis(
            by.as_millis()
                .try_into()
                .expect("convert the duration to milliseconds"),
        );
    }

    /// Sets the clock to a time that the API returned.
    pub fn set_to(&self, shown: &Value) {
        let time: Timestamp = shown
            .as_str()
            .expect("read the time")
            .parse()
            .expect("parse the time");
        self.0.store(time.as_millisecond(), Ordering::SeqCst);
    }

    pub fn advance_millis(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }

    /// Returns a clock for the service that follows this one.
    pub fn clock(&self) -> Clock {
        let millis = Arc::clone(&self.0);
        Clock::from_fn(move || {
            Timestamp::from_millisecond(millis.load(Ordering::SeqCst))
                .expect("convert the milliseconds to a time")
        })
    }
}

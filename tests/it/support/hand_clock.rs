//! A clock that stands still until a test moves it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use webhook_endpoints::clock::Clock;

/// Clones show the same time.
#[derive(Clone)]
pub struct HandClock(Arc<AtomicI64>);

impl HandClock {
    /// A clock that shows this time.
    pub fn at(text: &str) -> Self {
        let time: Timestamp = text.parse().expect("parse the time");
        Self(Arc::new(AtomicI64::new(time.as_millisecond())))
    }

    /// A clock that shows the time at which it was made, for signatures that a
    /// library compares with its own clock.
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

    /// Shows the time that the API shows somewhere.
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

    /// For the service.
    pub fn clock(&self) -> Clock {
        let millis = Arc::clone(&self.0);
        Clock::from_fn(move || {
            Timestamp::from_millisecond(millis.load(Ordering::SeqCst))
                .expect("convert the milliseconds to a time")
        })
    }
}

//! A clock that stands still until a test moves it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use webhook_endpoints::clock::Clock;

/// Clones show the same time.
#[derive(Clone)]
pub struct HandClock(Arc<AtomicI64>);

impl HandClock {
    /// A clock that shows this time.
    pub fn at(text: &str) -> Self {
        let time: Timestamp = text.parse().expect("a time");
        Self(Arc::new(AtomicI64::new(time.as_millisecond())))
    }

    pub fn advance_millis(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }

    /// For the service.
    pub fn clock(&self) -> Clock {
        let millis = Arc::clone(&self.0);
        Clock::from_fn(move || {
            Timestamp::from_millisecond(millis.load(Ordering::SeqCst)).expect("a time")
        })
    }
}

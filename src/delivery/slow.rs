//! Marks an endpoint as slow while an attempt is still in flight, so that its later
//! deliveries are kept away from the others at once.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::endpoint::EndpointKey;
use crate::ttl_cache::TtlCache;

/// How long a mark is not repeated: a batch may have many attempts at one endpoint.
const LIFETIME: Duration = Duration::from_secs(10);

/// The endpoints that this process has recently marked as slow.
pub struct SlowNotes(TtlCache<EndpointKey, ()>);

impl Default for SlowNotes {
    fn default() -> Self {
        Self(TtlCache::new(LIFETIME))
    }
}

impl SlowNotes {
    /// Whether to mark the endpoint now: nothing in this process has done so recently.
    pub(super) fn begin(&self, endpoint: EndpointKey, now: Timestamp) -> bool {
        if self.0.get(&endpoint, now).is_some() {
            return false;
        }
        self.0.put(endpoint, (), now);
        true
    }
}

impl fmt::Debug for SlowNotes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SlowNotes")
    }
}

//! Deliverers that differ in one setting.

use webhook_endpoints::delivery::Deliverer;
use webhook_endpoints::delivery::notices::NotifiedFailures;
use webhook_endpoints::delivery::slow::SlowNotes;

/// Returns a deliverer that shares the stores and connections, but has not noted any slow
/// endpoint or failed delivery yet.
pub fn copy_of(deliverer: &Deliverer) -> Deliverer {
    Deliverer {
        stores: deliverer.stores.clone(),
        sender: deliverer.sender.clone(),
        clock: deliverer.clock.clone(),
        retention: deliverer.retention,
        policy: deliverer.policy.clone(),
        webhook_headers: deliverer.webhook_headers.clone(),
        payload_format: deliverer.payload_format,
        chunks: deliverer.chunks,
        drain_per_second: deliverer.drain_per_second,
        stragglers: deliverer.stragglers,
        fan_out_lease: deliverer.fan_out_lease,
        slow_notes: SlowNotes::default(),
        notified_failures: NotifiedFailures::default(),
        metrics: deliverer.metrics.clone(),
    }
}

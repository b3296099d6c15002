//! The `deliver` function: handles the messages of the delivery queues.

use std::sync::Arc;

use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{LambdaEvent, service_fn};
use tracing::{Instrument, error_span};
use webhook_endpoints::aws::{QueueUrls, StoreNames, Stores, sdk_config};
use webhook_endpoints::clock::Clock;
use webhook_endpoints::config::{self, DeliverConfig};
use webhook_endpoints::delivery::metrics::Metrics;
use webhook_endpoints::delivery::notices::NotifiedFailures;
use webhook_endpoints::delivery::sender::{Sender, SenderOptions};
use webhook_endpoints::delivery::slow::SlowNotes;
use webhook_endpoints::delivery::{
    ChunkSizes, Deadline, Deliverer, STRAGGLERS, batch::handle_batch,
};
use webhook_endpoints::domain::decision::Policy;
use webhook_endpoints::domain::event::FAN_OUT_LEASE;
use webhook_endpoints::domain::health::HealthPolicy;
use webhook_endpoints::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init(config::log_level()?);
    let config = DeliverConfig::from_env()?;
    let common = config.common;
    let sdk = sdk_config(common.region, common.endpoint_url);
    let names = StoreNames {
        table: common.table_name,
        secret_prefix: common.secret_prefix,
        queues: QueueUrls {
            fast: common.queue_url,
            slow: common.slow_queue_url,
            dead_letter: Some(config.dead_letter_queue_url),
            operational: config.operational_queue_url,
        },
    };
    let deliverer = Arc::new(Deliverer {
        stores: Stores::new(&sdk, names),
        sender: Sender::new(SenderOptions::new(
            common.address_policy,
            config.delivery_timeout,
        ))?,
        clock: Clock::system(),
        retention: common.retention,
        policy: Policy {
            schedule: config.schedule,
            health: HealthPolicy {
                slow_after: config.slow_after,
                pause_after: config.pause_after,
                disable_after: config.disable_after,
                ..HealthPolicy::default()
            },
        },
        webhook_headers: config.webhook_headers,
        payload_format: common.payload_format,
        chunks: ChunkSizes::default(),
        drain_per_second: config.drain_per_second,
        stragglers: STRAGGLERS,
        fan_out_lease: FAN_OUT_LEASE,
        slow_notes: SlowNotes::default(),
        notified_failures: NotifiedFailures::default(),
        metrics: Metrics::to_stdout(Clock::system(), config.metrics_namespace.as_deref()),
    });
    lambda_runtime::run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        // An ERROR span is enabled at every log level, so that every line has the request
        // id.
        let span = error_span!("batch", request_id = event.context.request_id);
        let now = deliverer.clock.now();
        let deadline =
            Deadline::of_invocation(event.context.deadline, now, config.delivery_timeout);
        handle_batch(&deliverer, event.payload, deadline)
            .instrument(span)
            .await
            .map_err(lambda_runtime::Error::from)
    }))
    .await
}

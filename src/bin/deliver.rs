//! The `deliver` function: reads the delivery queue, signs and sends.

use std::sync::Arc;

use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{LambdaEvent, service_fn};
use tracing::{Instrument, error_span};
use webhook_endpoints::aws::{OnDemand, queue::Queue, sdk_config, secrets::Secrets, table::Table};
use webhook_endpoints::clock::Clock;
use webhook_endpoints::config::{self, DeliverConfig};
use webhook_endpoints::delivery::metrics::Metrics;
use webhook_endpoints::delivery::sender::{Sender, SenderOptions};
use webhook_endpoints::delivery::{Deliverer, batch::handle_batch};
use webhook_endpoints::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init(config::log_level()?);
    let config = DeliverConfig::from_env()?;
    let sdk = sdk_config(config.common.region, config.common.endpoint_url);
    let deliverer = Arc::new(Deliverer {
        table: Table::new(
            OnDemand::of(&sdk, aws_sdk_dynamodb::Client::new),
            config.common.table_name,
        ),
        secrets: Secrets::new(
            OnDemand::of(&sdk, aws_sdk_secretsmanager::Client::new),
            config.common.secret_prefix,
        ),
        sender: Sender::new(SenderOptions::new(
            config.common.address_policy,
            config.delivery_timeout,
        ))?,
        queue: Queue::new(
            OnDemand::of(&sdk, aws_sdk_sqs::Client::new),
            config.common.queue_url,
        ),
        clock: Clock::system(),
        retention: config.common.retention,
        schedule: config.schedule,
        disable_after: config.disable_after,
        metrics: Metrics::to_stdout(Clock::system()),
    });
    lambda_runtime::run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        // At the highest level, so that it names the lines of every level.
        let span = error_span!("batch", request_id = event.context.request_id);
        handle_batch(&deliverer, event.payload)
            .instrument(span)
            .await
            .map_err(lambda_runtime::Error::from)
    }))
    .await
}

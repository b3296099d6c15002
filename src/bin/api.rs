//! The `api` function: HTTP API on API Gateway.

use webhook_endpoints::api::{ApiOptions, gateway, router};
use webhook_endpoints::aws::{OnDemand, queue::Queue, sdk_config, secrets::Secrets, table::Table};
use webhook_endpoints::clock::Clock;
use webhook_endpoints::config::{self, ApiConfig};
use webhook_endpoints::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init(config::log_level()?);
    let config = ApiConfig::from_env()?;
    let sdk = sdk_config(config.common.region, config.common.endpoint_url);
    let router = router(ApiOptions {
        table: Table::new(
            OnDemand::of(&sdk, aws_sdk_dynamodb::Client::new),
            config.common.table_name,
        ),
        secrets: Secrets::new(
            OnDemand::of(&sdk, aws_sdk_secretsmanager::Client::new),
            config.common.secret_prefix,
        ),
        queue: Queue::new(
            OnDemand::of(&sdk, aws_sdk_sqs::Client::new),
            config.common.queue_url,
        ),
        clock: Clock::system(),
        address_policy: config.common.address_policy,
        ping_wait: config.ping_wait,
        api_key_cache: config.api_key_cache,
        retention: config.common.retention,
    });
    lambda_runtime::run(gateway::function(router)).await
}

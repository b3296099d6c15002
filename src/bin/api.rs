//! The `api` function: the HTTP API behind API Gateway.

use webhook_endpoints::api::{ApiOptions, lambda, router};
use webhook_endpoints::aws::{QueueUrls, StoreNames, Stores, sdk_config};
use webhook_endpoints::clock::Clock;
use webhook_endpoints::config::{self, ApiConfig};
use webhook_endpoints::domain::budget::Budgets;
use webhook_endpoints::domain::event::UNDER_WAY;
use webhook_endpoints::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init(config::log_level()?);
    let config = ApiConfig::from_env()?;
    let common = config.common;
    let sdk = sdk_config(common.region, common.endpoint_url);
    let names = StoreNames {
        table: common.table_name,
        secret_prefix: common.secret_prefix,
        queues: QueueUrls {
            fast: common.queue_url,
            slow: common.slow_queue_url,
            dead_letter: None,
            operational: None,
        },
    };
    let router = router(ApiOptions {
        stores: Stores::new(&sdk, names),
        clock: Clock::system(),
        address_policy: common.address_policy,
        ping_wait: config.ping_wait,
        api_key_cache: config.api_key_cache,
        retention: common.retention,
        budgets: Budgets::default(),
        under_way: UNDER_WAY,
        secret_storage: config.secret_storage,
        cors: config.cors,
        portal_url: config.portal_url,
        strict_event_types: config.strict_event_types,
        branding: config.branding,
        payload_format: common.payload_format,
    });
    lambda_runtime::run(lambda::function(router)).await
}

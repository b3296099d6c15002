//! Access to DynamoDB, Secrets Manager and SQS, with one method per access pattern.
//!
//! Methods return conflicts as outcomes and missing items as `None`. A [`StoreError`] means
//! that AWS failed, or that stored data is malformed.
//!
//! The SDK retries failed calls, including those whose response was lost. So the condition
//! of a write may fail because its own first try took effect. Where that makes a
//! difference, a method tells it from a conflict by a value that only this call writes.

mod error;
mod http;
mod lazy_client;
pub mod queue;
pub(crate) mod retry;
pub mod sealing_keys;
mod secret_cache;
pub mod secrets;
mod stores;
pub mod table;

use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::SharedCredentialsProvider;

pub use error::{AwsError, AwsErrorKind, StoreError};
pub use lazy_client::LazyClient;
pub use queue::QueueUrls;
pub use stores::{SecretStores, StoreNames, Stores};

/// SDK configuration of a function. `endpoint_url` replaces the endpoints of `region`.
/// Credentials come from the environment, where Lambda puts them.
///
/// We don't use the SDK's default loader, which tries several sources for each setting and
/// so adds code and time to every cold start.
#[must_use]
pub fn sdk_config(region: String, endpoint_url: Option<String>) -> SdkConfig {
    let region = Region::new(region);
    let http_client = http::http_client(&region, endpoint_url.as_deref());
    let credentials = EnvironmentVariableCredentialsProvider::new();
    let mut config = sdk_defaults()
        .to_builder()
        .region(region)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http_client);
    config.set_endpoint_url(endpoint_url);
    config.build()
}

/// The settings that do not depend on the environment.
#[must_use]
pub fn sdk_defaults() -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .timeout_config(timeouts())
        // It watches how fast bodies arrive, which takes a timer for each call. Ours are small,
        // and the timeouts include the time to read them.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build()
}

/// Timeouts of AWS calls: 3 s per attempt, and 8 s per call including retries. Even the
/// longest chain of calls ends within the API's limit of 29 s.
#[must_use]
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(Duration::from_secs(3))
        .operation_timeout(Duration::from_secs(8))
        .build()
}

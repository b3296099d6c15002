//! AWS: the table, the secrets and the queue, one method per access pattern.
//! A conflict is an outcome and absence an `Option`; an [`AwsError`] is a
//! fault.

mod error;
mod http;
mod on_demand;
pub mod queue;
pub mod secrets;
pub mod table;

use std::time::Duration;

use aws_config::environment::{
    EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider,
};
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};

pub use error::{AwsError, Fault};
pub use on_demand::OnDemand;

/// SDK configuration of a function, from the environment that Lambda gives it
/// (Region, credentials, `AWS_ENDPOINT_URL`), with deadlines that leave a caller
/// time for an answer. It looks for credentials nowhere else: each place costs a
/// client of its own.
pub async fn sdk_config() -> SdkConfig {
    let found = aws_config::defaults(BehaviorVersion::latest())
        .region(EnvironmentVariableRegionProvider::new())
        .credentials_provider(EnvironmentVariableCredentialsProvider::new())
        .timeout_config(timeouts())
        .load()
        .await;
    let http_client = http::http_client(found.region(), found.endpoint_url());
    found.into_builder().http_client(http_client).build()
}

/// An attempt that hangs is given up after 3 s, a call with all its attempts
/// after 8 s: even the longest chain of calls ends within the API's 29 s.
#[must_use]
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(Duration::from_secs(3))
        .operation_timeout(Duration::from_secs(8))
        .build()
}

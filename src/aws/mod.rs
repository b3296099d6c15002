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

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::SharedCredentialsProvider;

pub use error::{AwsError, Fault};
pub use on_demand::OnDemand;

/// SDK configuration of a function: AWS in `region`, or at `endpoint_url` in its
/// place, with the credentials that Lambda puts into the environment and deadlines
/// that leave a caller time for an answer.
///
/// Put together by hand, because the SDK's loader would look for all this in more
/// places, each of which has code and time to start of its own.
#[must_use]
pub fn sdk_config(region: String, endpoint_url: Option<String>) -> SdkConfig {
    let region = Region::new(region);
    let http_client = http::http_client(&region, endpoint_url.as_deref());
    let credentials = EnvironmentVariableCredentialsProvider::new();
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(region)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .timeout_config(timeouts())
        .http_client(http_client);
    config.set_endpoint_url(endpoint_url);
    config.build()
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

//! Variables of the `deliver` function.

use std::time::Duration;

use super::variables::{Lookup, days, number, required, seconds};
use super::{CommonConfig, ConfigError, process_env, read_webhook_headers};
use crate::domain::retry::{InvalidSchedule, RetrySchedule};
use crate::domain::webhook_headers::WebhookHeaders;

/// Configuration of the `deliver` function.
#[derive(Debug, Clone)]
pub struct DeliverConfig {
    /// Configuration shared by both functions.
    pub common: CommonConfig,
    /// `DEAD_LETTER_QUEUE_URL`: the queue for messages that are given up.
    pub dead_letter_queue_url: String,
    /// `OPERATIONAL_QUEUE_URL`: the queue for notices to the operator's event bus. None by
    /// default.
    pub operational_queue_url: Option<String>,
    /// `DELIVERY_TIMEOUT_SECONDS`: the deadline of an attempt, 1 to 30. It covers everything
    /// from resolving the host name to the last byte of the response.
    pub delivery_timeout: Duration,
    /// `RETRY_SCHEDULE_SECONDS`: the waits between attempts, separated by commas.
    pub schedule: RetrySchedule,
    /// `DISABLE_AFTER_DAYS`: an endpoint is disabled after failing for this long
    /// without a success, 1 to 90 days.
    pub disable_after: Duration,
    /// `SLOW_AFTER_SECONDS`: how long an attempt may take before its endpoint counts as
    /// slow, 1 to 30.
    pub slow_after: Duration,
    /// `PAUSE_AFTER_SECONDS`: how long an endpoint must fail without a success before it
    /// is paused, 1 to 86,400.
    pub pause_after: Duration,
    /// `DRAIN_PER_SECOND`: waiting deliveries sent per second to an endpoint that works
    /// again, 1 to 1,000.
    pub drain_per_second: u16,
    /// The headers that sign and identify a delivery:
    ///
    /// - `STANDARD_HEADERS`: whether to send `webhook-id`, `webhook-timestamp` and
    ///   `webhook-signature`, `true` (default) or `false`.
    /// - `HEADER_PREFIX`: a prefix to send the same three under, `webhook` by default.
    /// - `SIGNATURE_HEADERS`: more signatures, as a JSON list.
    /// - `EVENT_HEADERS`: more headers, as a JSON object.
    pub webhook_headers: WebhookHeaders,
    /// `METRICS_NAMESPACE`: the CloudWatch namespace of the metrics,
    /// `WebhookEndpoints` by default.
    pub metrics_namespace: Option<String>,
}

impl DeliverConfig {
    /// Reads the environment of the process.
    ///
    /// # Errors
    /// Returns the first variable that is missing or invalid.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::read(&process_env)
    }

    /// Reads the variables through `lookup`.
    ///
    /// # Errors
    /// Returns the first variable that is missing or invalid.
    pub fn read(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        let config = Self {
            common: CommonConfig::read(lookup)?,
            dead_letter_queue_url: required(lookup, "DEAD_LETTER_QUEUE_URL")?,
            operational_queue_url: lookup("OPERATIONAL_QUEUE_URL").filter(|url| !url.is_empty()),
            delivery_timeout: seconds(lookup, "DELIVERY_TIMEOUT_SECONDS", 15, 1, 30)?,
            schedule: schedule(lookup)?,
            disable_after: days(lookup, "DISABLE_AFTER_DAYS", 5, 1, 90)?,
            slow_after: seconds(lookup, "SLOW_AFTER_SECONDS", 3, 1, 30)?,
            pause_after: seconds(lookup, "PAUSE_AFTER_SECONDS", 60, 1, 86_400)?,
            drain_per_second: drain_per_second(lookup)?,
            webhook_headers: read_webhook_headers(lookup)?,
            metrics_namespace: lookup("METRICS_NAMESPACE").filter(|name| !name.is_empty()),
        };
        config.check_retention()?;
        Ok(config)
    }

    /// Deliveries must not expire while they are pending, or they would disappear without a
    /// trace. One can wait for all its retries, and for an endpoint that stays paused until
    /// it is disabled.
    fn check_retention(&self) -> Result<(), ConfigError> {
        const DAY: u64 = 24 * 60 * 60;
        let pending = self.schedule.longest() + self.disable_after;
        let retention = self.common.retention;
        if retention >= pending {
            return Ok(());
        }
        let least = pending.as_secs().div_ceil(DAY);
        Err(ConfigError::Invalid {
            name: "RETENTION_DAYS",
            value: (retention.as_secs() / DAY).to_string(),
            takes: format!(
                "at least {least}, because a delivery can be pending for so long \
                 (RETRY_SCHEDULE_SECONDS, DISABLE_AFTER_DAYS)"
            ),
        })
    }
}

fn drain_per_second(lookup: Lookup<'_>) -> Result<u16, ConfigError> {
    let number = number(lookup, "DRAIN_PER_SECOND", 20, 1, 1_000)?;
    Ok(u16::try_from(number).unwrap_or(u16::MAX))
}

fn schedule(lookup: Lookup<'_>) -> Result<RetrySchedule, ConfigError> {
    const NAME: &str = "RETRY_SCHEDULE_SECONDS";
    let Some(value) = lookup(NAME) else {
        return Ok(RetrySchedule::default());
    };
    value
        .parse()
        .map_err(|error: InvalidSchedule| ConfigError::Invalid {
            name: NAME,
            value,
            takes: error.to_string(),
        })
}

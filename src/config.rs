//! Environment variables of the two functions. No other module reads the
//! environment.

mod egress;
mod portal;
mod webhook_headers;

use std::str::FromStr;
use std::time::Duration;

use crate::domain::address::AddressPolicy;
use crate::domain::branding::Branding;
use crate::domain::cors::AllowedOrigins;
use crate::domain::payload_format::PayloadFormat;
use crate::domain::portal_url::PortalUrl;
use crate::domain::retry::{InvalidSchedule, RetrySchedule};
use crate::domain::secret::SecretStorage;
use crate::domain::webhook_headers::WebhookHeaders;
pub use webhook_headers::read_webhook_headers;

/// A missing or invalid environment variable.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A required variable is unset or empty.
    #[error("environment variable {0} is not set")]
    Missing(&'static str),
    /// A variable has a value outside its valid range.
    #[error("environment variable {name} is {value:?}, but must be {takes}")]
    Invalid {
        /// Name of the variable.
        name: &'static str,
        /// The invalid value.
        value: String,
        /// The valid values. Completes the sentence "must be …".
        takes: String,
    },
    /// A variable has JSON that is invalid at some place.
    #[error("environment variable {name} is invalid: {flaw}")]
    Flawed {
        /// Name of the variable.
        name: &'static str,
        /// Where, and what must be there.
        flaw: String,
    },
}

/// Configuration shared by both functions.
#[derive(Debug, Clone)]
pub struct CommonConfig {
    /// `AWS_REGION`. Lambda sets it.
    pub region: String,
    /// `AWS_ENDPOINT_URL`: replaces the AWS endpoints. For development only; the
    /// template never sets it.
    pub endpoint_url: Option<String>,
    /// `TABLE_NAME`: the DynamoDB table.
    pub table_name: String,
    /// `SECRET_PREFIX`: prefix of every secret name in Secrets Manager.
    pub secret_prefix: String,
    /// `QUEUE_URL`: the queue of the fast lane.
    pub queue_url: String,
    /// `SLOW_QUEUE_URL`: the queue of the slow lane.
    pub slow_queue_url: String,
    /// `RETENTION_DAYS`: how long deliveries and their payloads are kept, 1 to 365
    /// days.
    pub retention: Duration,
    /// Which addresses and ports endpoints may have:
    ///
    /// - `ALLOWED_PORTS`: ports and ranges of them; 443 and 1024 to 65535 by default.
    /// - `BLOCKED_CIDRS`: blocks that are refused although they are public.
    /// - `ALLOWED_PRIVATE_CIDRS`: private blocks that are not refused.
    /// - `ALLOW_LOOPBACK_TARGETS`: `true` allows `http` URLs, loopback addresses and all
    ///   ports, whatever the others say. For development only; the template never sets
    ///   it.
    pub address_policy: AddressPolicy,
    /// `PAYLOAD_FORMAT`: the form in which receivers get an event, `standard` (default),
    /// `data` or `flat`.
    pub payload_format: PayloadFormat,
}

/// Configuration of the `api` function.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Configuration shared by both functions.
    pub common: CommonConfig,
    /// `PING_WAIT_SECONDS`: how long a test ping waits for its outcome by
    /// default, 0 to 20.
    pub ping_wait: Duration,
    /// `API_KEY_CACHE_SECONDS`: how long a valid key is cached, 0 to 300. A
    /// revoked key may work for this long.
    pub api_key_cache: Duration,
    /// `SECRET_STORAGE`: how new signing secrets are kept, `PerEndpoint` (default) or
    /// `Sealed`.
    pub secret_storage: SecretStorage,
    /// `CORS_ALLOW_ORIGINS`: origins whose web pages may call the API, separated by
    /// commas, or `*`. None by default.
    pub cors: AllowedOrigins,
    /// `PORTAL_URL`: base of links to the portal, which add `/portal/`. By default, the
    /// address that API Gateway was called by.
    pub portal_url: Option<PortalUrl>,
    /// `STRICT_EVENT_TYPES`: whether events and subscriptions have to be of types that are
    /// in the catalogue, `true` or `false` (default).
    pub strict_event_types: bool,
    /// How the portal looks, and who may embed it:
    ///
    /// - `PORTAL_TITLE`: 1 to 64 characters; `Webhooks` by default.
    /// - `PORTAL_LOGO_URL`: the https URL of an image.
    /// - `PORTAL_ACCENT_COLOR`: the colour of buttons and links, `#rrggbb`.
    /// - `PORTAL_FRAME_ANCESTORS`: origins that may show it in a frame, separated by
    ///   commas; none by default.
    pub branding: Branding,
}

/// Configuration of the `deliver` function.
#[derive(Debug, Clone)]
pub struct DeliverConfig {
    /// Configuration shared by both functions.
    pub common: CommonConfig,
    /// `DEAD_LETTER_QUEUE_URL`: the queue for messages that are given up.
    pub dead_letter_queue_url: String,
    /// `OPERATIONAL_QUEUE_URL`: the queue for notices that go to an event bus of the
    /// operator's. None by default.
    pub operational_queue_url: Option<String>,
    /// `DELIVERY_TIMEOUT_SECONDS`: deadline of an attempt, 1 to 30. It covers
    /// everything from resolving the host name to the last byte of the response.
    pub delivery_timeout: Duration,
    /// `RETRY_SCHEDULE_SECONDS`: the waits between attempts, separated by
    /// commas.
    pub schedule: RetrySchedule,
    /// `DISABLE_AFTER_DAYS`: an endpoint is disabled after failing for this long
    /// without a success, 1 to 90 days.
    pub disable_after: Duration,
    /// `SLOW_AFTER_SECONDS`: how long an attempt may be under way before its endpoint
    /// counts as slow, 1 to 30.
    pub slow_after: Duration,
    /// `PAUSE_AFTER_SECONDS`: how long an endpoint has to fail without a success
    /// before it is paused, 1 to 86,400.
    pub pause_after: Duration,
    /// `DRAIN_PER_SECOND`: deliveries that are sent a second to an endpoint that works
    /// again, 1 to 1,000.
    pub drain_per_second: u16,
    /// What tells receivers that a delivery is authentic, and what it is:
    ///
    /// - `STANDARD_HEADERS`: whether deliveries have `webhook-id`, `webhook-timestamp` and
    ///   `webhook-signature`, `true` (default) or `false`.
    /// - `HEADER_PREFIX`: another prefix by which they have the same; `webhook` by default.
    /// - `SIGNATURE_HEADERS`: further signatures, a list in JSON.
    /// - `EVENT_HEADERS`: further headers, an object in JSON.
    pub webhook_headers: WebhookHeaders,
    /// `METRICS_NAMESPACE`: the CloudWatch namespace of the metrics.
    pub metrics_namespace: Option<String>,
}

impl ApiConfig {
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
    pub fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        Ok(Self {
            common: CommonConfig::read(lookup)?,
            ping_wait: seconds(lookup, "PING_WAIT_SECONDS", 10, 0, 20)?,
            api_key_cache: seconds(lookup, "API_KEY_CACHE_SECONDS", 10, 0, 300)?,
            secret_storage: secret_storage(lookup)?,
            cors: parsed(lookup, "CORS_ALLOW_ORIGINS")?.unwrap_or_default(),
            portal_url: parsed(lookup, "PORTAL_URL")?,
            strict_event_types: flag(lookup, "STRICT_EVENT_TYPES", false)?,
            branding: portal::branding(lookup)?,
        })
    }
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
    pub fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
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
        config.must_outlast_what_is_pending()?;
        Ok(config)
    }

    /// Whatever is pending must be kept: an expired delivery would disappear without a
    /// trace. It can wait for all retries, and for an endpoint that is paused until it
    /// is disabled.
    fn must_outlast_what_is_pending(&self) -> Result<(), ConfigError> {
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

impl CommonConfig {
    fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        Ok(Self {
            region: required(lookup, "AWS_REGION")?,
            endpoint_url: lookup("AWS_ENDPOINT_URL").filter(|url| !url.is_empty()),
            table_name: required(lookup, "TABLE_NAME")?,
            secret_prefix: required(lookup, "SECRET_PREFIX")?,
            queue_url: required(lookup, "QUEUE_URL")?,
            slow_queue_url: required(lookup, "SLOW_QUEUE_URL")?,
            retention: days(lookup, "RETENTION_DAYS", 30, 1, 365)?,
            address_policy: egress::address_policy(lookup)?,
            payload_format: parsed(lookup, "PAYLOAD_FORMAT")?.unwrap_or_default(),
        })
    }
}

/// `LOG_LEVEL`: `error`, `warn`, `info` (default) or `debug`.
///
/// # Errors
/// If it has any other value.
pub fn log_level() -> Result<tracing::Level, ConfigError> {
    read_log_level(&process_env)
}

/// Reads `LOG_LEVEL` through `lookup`.
///
/// # Errors
/// If it has a value that [`log_level`] does not accept.
pub fn read_log_level(
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<tracing::Level, ConfigError> {
    let Some(value) = lookup("LOG_LEVEL") else {
        return Ok(tracing::Level::INFO);
    };
    match value.as_str() {
        "error" => Ok(tracing::Level::ERROR),
        "warn" => Ok(tracing::Level::WARN),
        "info" => Ok(tracing::Level::INFO),
        "debug" => Ok(tracing::Level::DEBUG),
        _ => Err(ConfigError::Invalid {
            name: "LOG_LEVEL",
            value,
            takes: "error, warn, info or debug".to_owned(),
        }),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the only place that reads the environment"
)]
fn process_env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn required(
    lookup: &dyn Fn(&str) -> Option<String>,
    name: &'static str,
) -> Result<String, ConfigError> {
    lookup(name)
        .filter(|value| !value.is_empty())
        .ok_or(ConfigError::Missing(name))
}

/// A variable that may be unset or empty.
fn parsed<T: FromStr<Err: ToString>>(
    lookup: &dyn Fn(&str) -> Option<String>,
    name: &'static str,
) -> Result<Option<T>, ConfigError> {
    let Some(value) = lookup(name).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    match value.parse::<T>() {
        Ok(parsed) => Ok(Some(parsed)),
        Err(error) => Err(ConfigError::Invalid {
            name,
            value,
            takes: error.to_string(),
        }),
    }
}

fn number(
    lookup: &dyn Fn(&str) -> Option<String>,
    name: &'static str,
    default: u64,
    least: u64,
    most: u64,
) -> Result<u64, ConfigError> {
    let Some(value) = lookup(name) else {
        return Ok(default);
    };
    match value.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(ConfigError::Invalid {
            name,
            value,
            takes: format!("a whole number from {least} to {most}"),
        }),
    }
}

fn seconds(
    lookup: &dyn Fn(&str) -> Option<String>,
    name: &'static str,
    default: u64,
    least: u64,
    most: u64,
) -> Result<Duration, ConfigError> {
    number(lookup, name, default, least, most).map(Duration::from_secs)
}

fn days(
    lookup: &dyn Fn(&str) -> Option<String>,
    name: &'static str,
    default: u64,
    least: u64,
    most: u64,
) -> Result<Duration, ConfigError> {
    number(lookup, name, default, least, most).map(|days| Duration::from_secs(days * 24 * 60 * 60))
}

fn drain_per_second(lookup: &dyn Fn(&str) -> Option<String>) -> Result<u16, ConfigError> {
    let number = number(lookup, "DRAIN_PER_SECOND", 20, 1, 1_000)?;
    Ok(u16::try_from(number).unwrap_or(u16::MAX))
}

fn secret_storage(lookup: &dyn Fn(&str) -> Option<String>) -> Result<SecretStorage, ConfigError> {
    const NAME: &str = "SECRET_STORAGE";
    let Some(value) = lookup(NAME) else {
        return Ok(SecretStorage::PerEndpoint);
    };
    SecretStorage::parse(&value).ok_or_else(|| ConfigError::Invalid {
        name: NAME,
        value,
        takes: "PerEndpoint or Sealed".to_owned(),
    })
}

/// A variable that is `true` or `false`.
fn flag(
    lookup: &dyn Fn(&str) -> Option<String>,
    name: &'static str,
    default: bool,
) -> Result<bool, ConfigError> {
    match lookup(name).as_deref() {
        None => Ok(default),
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(value) => Err(ConfigError::Invalid {
            name,
            value: value.to_owned(),
            takes: "true or false".to_owned(),
        }),
    }
}

fn schedule(lookup: &dyn Fn(&str) -> Option<String>) -> Result<RetrySchedule, ConfigError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    const REQUIRED: [(&str, &str); 5] = [
        ("AWS_REGION", "eu-central-1"),
        ("TABLE_NAME", "table"),
        ("SECRET_PREFIX", "prefix"),
        ("QUEUE_URL", "https://sqs.example/1/queue"),
        ("SLOW_QUEUE_URL", "https://sqs.example/1/slow-queue"),
    ];

    fn lookup(variables: &[(&str, &str)], name: &str) -> Option<String> {
        let mut all = variables.iter().chain(&REQUIRED);
        let (_, value) = all.find(|(key, _)| *key == name)?;
        Some((*value).to_owned())
    }

    fn read_with(more: &[(&str, &str)]) -> Result<ApiConfig, ConfigError> {
        ApiConfig::read(&|name| lookup(more, name))
    }

    #[test]
    fn retention_is_refused_if_pending_deliveries_outlive_it() {
        const HALF_DAYS: &str = "43200,43200";
        for (schedule, disable_after, least) in [
            (None, None, 15),
            (None, Some("90"), 100),
            (Some("1"), Some("1"), 2),
            (Some(HALF_DAYS), Some("5"), 7),
            // Jitter makes more than a day of it.
            (Some("86400"), Some("5"), 7),
        ] {
            for (days, fits) in [(least - 1, false), (least, true)] {
                let days = days.to_string();
                let variables = [
                    ("DEAD_LETTER_QUEUE_URL", Some("https://sqs.example/1/dead")),
                    ("RETENTION_DAYS", Some(days.as_str())),
                    ("RETRY_SCHEDULE_SECONDS", schedule),
                    ("DISABLE_AFTER_DAYS", disable_after),
                ];
                let set = variables
                    .iter()
                    .filter_map(|(name, value)| Some((*name, (*value)?)));
                let set: Vec<_> = set.collect();
                let read = DeliverConfig::read(&|name| lookup(&set, name));
                assert_eq!(read.is_ok(), fits, "{set:?}");
                if let Err(error) = read {
                    let says =
                        format!("RETENTION_DAYS is \"{days}\", but must be at least {least},");
                    assert!(error.to_string().contains(&says), "{error}");
                }
            }
        }
    }

    #[test]
    fn defaults_match_the_documentation() {
        let config = read_with(&[]).unwrap();
        assert_eq!(config.common.endpoint_url, None);
        assert_eq!(config.ping_wait, Duration::from_secs(10));
        assert_eq!(config.api_key_cache, Duration::from_secs(10));
        assert_eq!(config.secret_storage, SecretStorage::PerEndpoint);
        assert_eq!(config.cors, AllowedOrigins::None);
        assert_eq!(config.portal_url, None);
        assert!(!config.strict_event_types);
        assert_eq!(config.common.payload_format, PayloadFormat::Standard);
        assert_eq!(config.common.retention, Duration::from_secs(30 * 86_400));
        assert_eq!(config.common.address_policy, AddressPolicy::PublicOnly);
    }

    #[test]
    fn errors_name_the_invalid_variable() {
        let missing = read_with(&[("TABLE_NAME", "")]).unwrap_err();
        assert_eq!(missing, ConfigError::Missing("TABLE_NAME"));
        for (name, value) in [
            ("PING_WAIT_SECONDS", "21"),
            ("PING_WAIT_SECONDS", "-1"),
            ("RETENTION_DAYS", "0"),
            ("RETENTION_DAYS", "a month"),
            ("API_KEY_CACHE_SECONDS", "301"),
            ("SECRET_STORAGE", "sealed"),
            ("SECRET_STORAGE", ""),
            ("CORS_ALLOW_ORIGINS", "https://app.example.com/"),
            ("PORTAL_URL", "http://example.com"),
            ("STRICT_EVENT_TYPES", "yes"),
            ("PAYLOAD_FORMAT", "plain"),
            ("ALLOW_LOOPBACK_TARGETS", "yes"),
            ("ALLOWED_PORTS", "443,https"),
            ("BLOCKED_CIDRS", "198.51.100.7"),
            ("ALLOWED_PRIVATE_CIDRS", "169.254.0.0/16"),
            ("PORTAL_TITLE", "   "),
            ("PORTAL_LOGO_URL", "https://example.com;script-src"),
            ("PORTAL_ACCENT_COLOR", "red}*{x:y"),
            ("PORTAL_FRAME_ANCESTORS", "https://*"),
        ] {
            let error = read_with(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(value), "{error}");
        }
    }
}

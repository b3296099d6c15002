//! Environment variables of the two functions. No other module reads the environment.

mod api;
mod common;
mod deliver;
mod egress;
mod portal;
mod variables;
mod webhook_headers;

pub use api::ApiConfig;
pub use common::CommonConfig;
pub use deliver::DeliverConfig;
use variables::Lookup;
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
    /// A variable has invalid JSON, or JSON with an invalid value.
    #[error("environment variable {name} is invalid: {flaw}")]
    Flawed {
        /// Name of the variable.
        name: &'static str,
        /// The place in the JSON, and what must be there.
        flaw: String,
    },
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
/// If it has any other value than [`log_level`] accepts.
pub fn read_log_level(lookup: Lookup<'_>) -> Result<tracing::Level, ConfigError> {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::address::AddressPolicy;
    use crate::domain::cors::AllowedOrigins;
    use crate::domain::payload_format::PayloadFormat;
    use crate::domain::secret::SecretStorage;

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
    fn retention_must_cover_pending_deliveries() {
        const HALF_DAYS: &str = "43200,43200";
        for (schedule, disable_after, least) in [
            (None, None, 15),
            (None, Some("90"), 100),
            (Some("1"), Some("1"), 2),
            (Some(HALF_DAYS), Some("5"), 7),
            // Jitter takes the wait beyond a day.
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

//! Readers of single variables. Each error names the variable and what it must be.

use std::str::FromStr;
use std::time::Duration;

use super::ConfigError;

/// Looks up a variable by name: in the environment of the process, or in a test's values.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A variable that must be set and not empty.
pub(super) fn required(lookup: Lookup<'_>, name: &'static str) -> Result<String, ConfigError> {
    lookup(name)
        .filter(|value| !value.is_empty())
        .ok_or(ConfigError::Missing(name))
}

/// A variable that may be unset or empty. A parse error completes "must be …".
pub(super) fn parsed<T: FromStr<Err: ToString>>(
    lookup: Lookup<'_>,
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

/// A whole number from `least` to `most`.
pub(super) fn number(
    lookup: Lookup<'_>,
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

pub(super) fn seconds(
    lookup: Lookup<'_>,
    name: &'static str,
    default: u64,
    least: u64,
    most: u64,
) -> Result<Duration, ConfigError> {
    number(lookup, name, default, least, most).map(Duration::from_secs)
}

pub(super) fn days(
    lookup: Lookup<'_>,
    name: &'static str,
    default: u64,
    least: u64,
    most: u64,
) -> Result<Duration, ConfigError> {
    number(lookup, name, default, least, most).map(|days| Duration::from_secs(days * 24 * 60 * 60))
}

/// A variable that is `true` or `false`.
pub(super) fn flag(
    lookup: Lookup<'_>,
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

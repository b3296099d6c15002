//! The event source mappings that the template declares: how Lambda polls the queues.

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;
use serde_norway::Value;
use webhook_endpoints::domain::message::Lane;

use crate::template::{TemplateError, properties, template};

/// The event source mapping of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping {
    /// `MaximumConcurrency`: how many batches are handled at the same time.
    pub concurrency: usize,
    /// `BatchSize`.
    pub batch_size: usize,
    /// `MaximumBatchingWindowInSeconds`: how long to collect a batch after its first message.
    pub window: Duration,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Function {
    events: HashMap<String, Event>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    properties: Properties,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Properties {
    batch_size: usize,
    #[serde(default)]
    maximum_batching_window_in_seconds: u64,
    scaling_config: ScalingConfig,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ScalingConfig {
    maximum_concurrency: Value,
}

/// Reads the event source mapping of a lane, with the default concurrency.
///
/// # Errors
/// If the mapping is missing or has an unexpected form.
pub fn mapping(lane: Lane) -> Result<Mapping, TemplateError> {
    let name = match lane {
        Lane::Fast => "Queue",
        Lane::Slow => "SlowQueue",
    };
    let mut function: Function = properties("DeliverFunction")?;
    let event = function.events.remove(name);
    let event = event.ok_or(TemplateError::Missing("event source mapping"))?;
    let Properties {
        batch_size,
        maximum_batching_window_in_seconds,
        scaling_config,
    } = event.properties;
    // `!Ref parameter`
    let parameter = match &scaling_config.maximum_concurrency {
        Value::Tagged(tagged) => tagged.value.as_str(),
        _ => None,
    };
    let parameter = parameter.ok_or(TemplateError::Missing("parameter for a concurrency"))?;
    let concurrency = usize::try_from(number(parameter)?);
    Ok(Mapping {
        concurrency: concurrency.map_err(|_| TemplateError::Missing("concurrency"))?,
        batch_size,
        window: Duration::from_secs(maximum_batching_window_in_seconds),
    })
}

/// Reads the default of a numeric parameter.
///
/// # Errors
/// If there is no such parameter, or its default is not a whole number.
pub fn number(parameter: &str) -> Result<u64, TemplateError> {
    let template = template()?;
    let parameters = template.get("Parameters");
    parameters
        .and_then(|parameters| parameters.get(parameter)?.get("Default")?.as_u64())
        .ok_or(TemplateError::Missing("such number as a default"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_lane_has_larger_batches_and_less_concurrency() {
        let [fast, slow] = [Lane::Fast, Lane::Slow].map(|lane| mapping(lane).unwrap());
        // The fast lane must not delay messages.
        assert_eq!(fast.window, Duration::ZERO);
        assert!(slow.window > Duration::ZERO);
        assert!(slow.batch_size > fast.batch_size);
        assert!(fast.concurrency > slow.concurrency);
    }
}

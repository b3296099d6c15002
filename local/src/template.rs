//! Reads resources from `template.yaml`, so that the emulators match a deployment without a second
//! declaration of anything.

use std::collections::HashMap;
use std::sync::OnceLock;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, GlobalSecondaryIndex, KeySchemaElement, Projection,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_norway::Value;
use webhook_endpoints::domain::message::Lane;

const TEMPLATE: &str = include_str!("../../template.yaml");

/// The template lacks something that the emulators need.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The template is not valid YAML, or a resource has an unexpected form.
    #[error("template.yaml: {0}")]
    Yaml(#[from] serde_norway::Error),
    /// A resource is missing.
    #[error("template.yaml has no {0}")]
    Missing(&'static str),
    /// The SDK rejects a value of a resource.
    #[error("template.yaml: {0}")]
    Build(#[from] aws_sdk_dynamodb::error::BuildError),
}

/// The table, as the template declares it.
#[derive(Debug)]
pub struct TableTemplate {
    /// The key attributes of the table and its indexes.
    pub attributes: Vec<AttributeDefinition>,
    /// The table's key.
    pub key: Vec<KeySchemaElement>,
    /// The global secondary indexes.
    pub indexes: Vec<GlobalSecondaryIndex>,
    /// The time-to-live attribute.
    pub ttl_attribute: String,
}

/// The queue of a lane, as the template declares it.
#[derive(Debug)]
pub struct QueueTemplate {
    /// How long a received message stays hidden, in seconds.
    pub visibility_timeout: u32,
    /// How many times a message is received before it moves to the dead-letter queue.
    pub max_receive_count: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Table {
    attribute_definitions: Vec<Attribute>,
    key_schema: Vec<Key>,
    global_secondary_indexes: Vec<Index>,
    time_to_live_specification: Ttl,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute {
    attribute_name: String,
    attribute_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Key {
    attribute_name: String,
    key_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Index {
    index_name: String,
    key_schema: Vec<Key>,
    projection: IndexProjection,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IndexProjection {
    projection_type: String,
    #[serde(default)]
    non_key_attributes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Ttl {
    attribute_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Queue {
    visibility_timeout: u32,
    redrive_policy: Redrive,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Redrive {
    max_receive_count: u32,
}

/// Reads the declaration of the table.
///
/// # Errors
/// If the table is missing or has an unexpected form.
pub fn table() -> Result<TableTemplate, TemplateError> {
    let table: Table = properties("Table")?;
    Ok(TableTemplate {
        attributes: table
            .attribute_definitions
            .iter()
            .map(|attribute| {
                AttributeDefinition::builder()
                    .attribute_name(&attribute.attribute_name)
                    .attribute_type(attribute.attribute_type.as_str().into())
                    .build()
            })
            .collect::<Result<_, _>>()?,
        key: key_schema(&table.key_schema)?,
        indexes: table
            .global_secondary_indexes
            .iter()
            .map(|index| {
                let attributes = &index.projection.non_key_attributes;
                let projection = Projection::builder()
                    .projection_type(index.projection.projection_type.as_str().into())
                    .set_non_key_attributes((!attributes.is_empty()).then(|| attributes.clone()))
                    .build();
                GlobalSecondaryIndex::builder()
                    .index_name(&index.index_name)
                    .set_key_schema(Some(key_schema(&index.key_schema)?))
                    .projection(projection)
                    .build()
            })
            .collect::<Result<_, _>>()?,
        ttl_attribute: table.time_to_live_specification.attribute_name,
    })
}

/// Reads the declaration of a lane's queue.
///
/// # Errors
/// If the queue is missing or has an unexpected form.
pub fn queue(lane: Lane) -> Result<QueueTemplate, TemplateError> {
    let queue: Queue = properties(match lane {
        Lane::Fast => "DeliveryQueue",
        Lane::Slow => "SlowQueue",
    })?;
    Ok(QueueTemplate {
        visibility_timeout: queue.visibility_timeout,
        max_receive_count: queue.redrive_policy.max_receive_count,
    })
}

/// Reads the names of a function's environment variables, sorted.
///
/// # Errors
/// If the function is missing or has an unexpected form.
pub fn variables(function: &'static str) -> Result<Vec<String>, TemplateError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Function {
        environment: Environment,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Environment {
        variables: HashMap<String, Value>,
    }
    let function: Function = properties(function)?;
    let mut names: Vec<_> = function.environment.variables.into_keys().collect();
    names.sort_unstable();
    Ok(names)
}

/// The period of the sweep, and what else its timing depends on. All in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepTiming {
    /// The time from one sweep to the next.
    pub period: u64,
    /// The delivery function's timeout.
    pub timeout: u64,
    /// How long a received message of the slow queue stays hidden.
    pub visibility_timeout: u64,
}

/// Reads the timing of the sweep.
///
/// # Errors
/// If a resource is missing or has an unexpected form.
pub fn sweep_timing() -> Result<SweepTiming, TemplateError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Rule {
        schedule_expression: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Function {
        timeout: u64,
    }
    let rule: Rule = properties("SweepRule")?;
    let minutes = rule.schedule_expression.strip_prefix("rate(");
    let minutes = minutes.and_then(|rest| rest.strip_suffix(" minutes)"));
    let minutes = minutes.and_then(|minutes| minutes.parse::<u64>().ok());
    let function: Function = properties("DeliverFunction")?;
    let queue: Queue = properties("SlowQueue")?;
    Ok(SweepTiming {
        period: minutes.ok_or(TemplateError::Missing("rate in minutes of SweepRule"))? * 60,
        timeout: function.timeout,
        visibility_timeout: queue.visibility_timeout.into(),
    })
}

/// Reads the format of the API's access log.
///
/// # Errors
/// If the API has no access log.
pub fn access_log_format() -> Result<String, TemplateError> {
    let api: Value = properties("HttpApi")?;
    let format = api
        .get("AccessLogSettings")
        .and_then(|log| log.get("Format"));
    let format = format.and_then(Value::as_str);
    Ok(format
        .ok_or(TemplateError::Missing("access log format"))?
        .to_owned())
}

/// Reads the paths by which the pipe to the operator's event bus takes an event's type, time and
/// detail out of a message.
///
/// # Errors
/// If the pipe is missing or has an unexpected form.
pub fn pipe_paths() -> Result<[String; 3], TemplateError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Pipe {
        target_parameters: Target,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Target {
        event_bridge_event_bus_parameters: Event,
        input_template: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Event {
        detail_type: String,
        time: String,
    }
    let pipe: Pipe = properties("OperationalPipe")?;
    let Target {
        event_bridge_event_bus_parameters: event,
        input_template: detail,
    } = pipe.target_parameters;
    Ok([event.detail_type, event.time, detail])
}

/// Reads the values of a parameter that a rule rejects while the parameters on which the rule
/// depends have their defaults.
///
/// # Errors
/// If there is no such rule.
pub fn refused_values(rule: &'static str) -> Result<Vec<String>, TemplateError> {
    let rule = template()?.get("Rules").and_then(|rules| rules.get(rule));
    let values = rule
        .and_then(|rule| {
            rule.get("Assertions")?
                .get(0)?
                .get("Assert")?
                .get("Fn::Not")
        })
        .and_then(|not| not.get(0)?.get("Fn::Contains")?.get(0));
    let values = values.ok_or(TemplateError::Missing("such rule"))?;
    Ok(texts(values).into_iter().map(str::to_owned).collect())
}

/// All strings in a value, with intrinsic functions replaced by their arguments: `!Sub x` is `x`.
pub(crate) fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Sequence(values) => values.iter().flat_map(texts).collect(),
        Value::Tagged(tagged) => texts(&tagged.value),
        _ => Vec::new(),
    }
}

fn key_schema(keys: &[Key]) -> Result<Vec<KeySchemaElement>, aws_sdk_dynamodb::error::BuildError> {
    keys.iter()
        .map(|key| {
            KeySchemaElement::builder()
                .attribute_name(&key.attribute_name)
                .key_type(key.key_type.as_str().into())
                .build()
        })
        .collect()
}

/// The parsed template. It is parsed once per process, because every test starts a set of
/// emulators, and each set looks up several resources.
pub(crate) fn template() -> Result<&'static Value, TemplateError> {
    static PARSED: OnceLock<Value> = OnceLock::new();
    if let Some(parsed) = PARSED.get() {
        return Ok(parsed);
    }
    let parsed = serde_norway::from_str(TEMPLATE)?;
    Ok(PARSED.get_or_init(|| parsed))
}

/// The properties of a resource.
pub(crate) fn properties<T: DeserializeOwned>(resource: &'static str) -> Result<T, TemplateError> {
    let properties = template()?
        .get("Resources")
        .and_then(|resources| resources.get(resource))
        .and_then(|resource| resource.get("Properties"))
        .ok_or(TemplateError::Missing(resource))?;
    Ok(serde_norway::from_value(properties.clone())?)
}

//! The alarms that the template declares.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_norway::Value;

use crate::template::{TemplateError, template, texts};

/// An alarm that watches a single metric.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Alarm {
    namespace: Value,
    /// The name of the metric.
    pub metric_name: String,
    #[serde(default)]
    dimensions: Vec<Dimension>,
    /// The watched statistic, unless it is a percentile.
    pub statistic: Option<String>,
    /// The watched percentile, such as `p99`.
    pub extended_statistic: Option<String>,
    /// The value that the statistic is compared with.
    pub threshold: f64,
    /// The length of a period, in seconds.
    pub period: u64,
    /// How many periods in a row must breach the threshold.
    pub evaluation_periods: u64,
    /// How a period without data counts, such as `notBreaching`.
    pub treat_missing_data: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Dimension {
    name: String,
    value: Value,
}

impl Alarm {
    /// The metric's namespace, as written in the template.
    #[must_use]
    pub fn namespace(&self) -> String {
        texts(&self.namespace).concat()
    }

    /// The names and values of the metric's dimensions, as written in the template.
    #[must_use]
    pub fn dimensions(&self) -> Vec<(&str, String)> {
        let dimensions = self.dimensions.iter();
        dimensions
            .map(|dimension| (dimension.name.as_str(), texts(&dimension.value).concat()))
            .collect()
    }
}

/// Reads all alarms that watch a single metric, by resource name.
///
/// # Errors
/// If an alarm has an unexpected form.
pub fn alarms() -> Result<BTreeMap<String, Alarm>, TemplateError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Template {
        resources: BTreeMap<String, Resource>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Resource {
        r#type: String,
        #[serde(default)]
        properties: Value,
    }
    let template: Template = serde_norway::from_value(template()?.clone())?;
    let resources = template.resources.into_iter();
    resources
        .filter(|(_, resource)| resource.r#type == "AWS::CloudWatch::Alarm")
        .filter(|(_, alarm)| alarm.properties.get("MetricName").is_some())
        .map(|(name, alarm)| Ok((name, serde_norway::from_value(alarm.properties)?)))
        .collect()
}

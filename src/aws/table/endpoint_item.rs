//! The form of an endpoint in the table.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Item, decode, key};
use crate::aws::AwsError;
use crate::domain::address::AddressPolicy;
use crate::domain::endpoint::{Disabled, DisabledReason, Endpoint, SecretVersion};
use crate::domain::event_type::Subscriptions;
use crate::domain::id::{AppId, EndpointId};
use crate::domain::target_url::TargetUrl;
use crate::domain::time::serde_millis;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EndpointItem {
    pk: String,
    sk: String,
    url: String,
    events: Vec<String>,
    active: bool,
    secret_version: String,
    #[serde(with = "serde_millis")]
    created_at: Timestamp,
    #[serde(with = "serde_millis")]
    updated_at: Timestamp,
    #[serde(
        with = "serde_millis::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    deleted_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    disabled_reason: Option<String>,
    #[serde(
        with = "serde_millis::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    disabled_at: Option<Timestamp>,
    #[serde(
        with = "serde_millis::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    failing_since: Option<Timestamp>,
}

/// First part of the sort key.
pub(super) const ENDPOINT: &str = "ENDPOINT#";

pub(super) fn app_partition(app_id: AppId) -> String {
    format!("APP#{app_id}")
}

pub(super) fn app_key(app_id: AppId) -> Item {
    key(app_partition(app_id), "APP".to_owned())
}

/// Key of an endpoint's item.
pub(super) fn endpoint_key(app_id: AppId, id: EndpointId) -> Item {
    key(app_partition(app_id), format!("{ENDPOINT}{id}"))
}

/// The ids in the key of an endpoint's item.
pub(super) fn endpoint_of_key(pk: &str, sk: &str) -> Option<(AppId, EndpointId)> {
    let app_id = AppId::parse(pk.strip_prefix("APP#")?).ok()?;
    let id = EndpointId::parse(sk.strip_prefix(ENDPOINT)?).ok()?;
    Some((app_id, id))
}

/// The endpoint of an item, unless it is being deleted.
pub(super) fn live_endpoint(
    operation: &'static str,
    item: Item,
) -> Result<Option<Endpoint>, AwsError> {
    let item: EndpointItem = decode(operation, item)?;
    if item.deleted_at.is_some() {
        return Ok(None);
    }
    item.into_endpoint()
        .map(Some)
        .map_err(|reason| AwsError::unexpected(operation, reason))
}

impl From<&Endpoint> for EndpointItem {
    fn from(endpoint: &Endpoint) -> Self {
        Self {
            pk: app_partition(endpoint.app_id),
            sk: format!("{ENDPOINT}{}", endpoint.id),
            url: endpoint.url.to_string(),
            events: endpoint.events.iter().map(str::to_owned).collect(),
            active: endpoint.active,
            secret_version: endpoint.secret_version.to_string(),
            created_at: endpoint.created_at,
            updated_at: endpoint.updated_at,
            deleted_at: None,
            disabled_reason: endpoint
                .disabled
                .map(|disabled| disabled.reason.as_str().to_owned()),
            disabled_at: endpoint.disabled.map(|disabled| disabled.at),
            failing_since: endpoint.failing_since,
        }
    }
}

impl EndpointItem {
    fn into_endpoint(self) -> Result<Endpoint, &'static str> {
        const KEYS: &str = "not the keys of an endpoint";
        let (app_id, id) = endpoint_of_key(&self.pk, &self.sk).ok_or(KEYS)?;
        let events = self.events.iter().map(String::as_str);
        let disabled = match (self.disabled_reason, self.disabled_at) {
            (Some(reason), Some(at)) => Some(Disabled {
                reason: DisabledReason::parse(&reason).ok_or("not the reason of a disabling")?,
                at,
            }),
            _ => None,
        };
        Ok(Endpoint {
            id,
            app_id,
            // What was registered stays readable under a stricter policy; the
            // sender asks the policy of the day.
            url: TargetUrl::parse(&self.url, AddressPolicy::PublicAndLoopback)?,
            events: Subscriptions::parse("events", events)
                .map_err(|_| "not the events of an endpoint")?,
            active: self.active,
            secret_version: SecretVersion::new(self.secret_version),
            created_at: self.created_at,
            updated_at: self.updated_at,
            disabled,
            failing_since: self.failing_since,
        })
    }
}

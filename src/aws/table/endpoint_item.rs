//! The DynamoDB item of an endpoint.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys;
use super::{Item, decode};
use crate::aws::error::Malformed;
use crate::domain::budget::{PingSlot, RecoverySlot, Rotations, Usage};
use crate::domain::endpoint::{Disabled, DisabledReason, Endpoint, SecretVersion};
use crate::domain::event_type::Subscriptions;
use crate::domain::health::{Failing, Health, Pause};
use crate::domain::id::{DeliveryId, EventId, SealingKeyId};
use crate::domain::rate_limit::RateLimit;
use crate::domain::sealing::SealedSecret;
use crate::domain::secret::{KeptSecret, SecretPlace};
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
    #[serde(
        with = "serde_millis::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    inactive_since: Option<Timestamp>,
    secret_version: String,
    /// The version's `VersionId` in Secrets Manager, if that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stored_version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed_secret: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealing_key: Option<SealingKeyId>,
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
    #[serde(
        with = "serde_millis::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    last_failure_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failures: Option<u32>,
    #[serde(
        with = "serde_millis::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    slow_since: Option<Timestamp>,
    #[serde(
        with = "serde_millis::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    paused_at: Option<Timestamp>,
    #[serde(
        with = "serde_millis::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    probe_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    probes: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rate_limit: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_turn: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ping_id: Option<DeliveryId>,
    #[serde(
        with = "serde_millis::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    ping_until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recovery_id: Option<EventId>,
    #[serde(
        with = "serde_millis::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    recovery_asked_at: Option<Timestamp>,
    #[serde(
        with = "serde_millis::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    recovery_until: Option<Timestamp>,
    #[serde(
        with = "serde_millis::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    rotated_at: Option<Timestamp>,
    #[serde(
        with = "serde_millis::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    rotations_since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rotations: Option<u32>,
    /// Place in the schedule, while deliveries wait for the endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gsi2sk: Option<String>,
}

/// Decodes an endpoint. `None` if it is being deleted.
pub(super) fn live_endpoint(item: Item) -> Result<Option<Endpoint>, Malformed> {
    let item: EndpointItem = decode(item)?;
    match item.deleted_at {
        Some(_) => Ok(None),
        None => item.into_endpoint().map(Some),
    }
}

impl From<&Endpoint> for EndpointItem {
    fn from(endpoint: &Endpoint) -> Self {
        let KeptSecret { version, place } = &endpoint.secret;
        let (stored_version, sealed) = match place {
            SecretPlace::SecretsManager { version: stored } => {
                ((stored != version).then(|| stored.to_string()), None)
            }
            SecretPlace::Sealed(sealed) => (None, Some(sealed)),
        };
        Self {
            pk: keys::app_partition(endpoint.key.app_id),
            sk: keys::endpoint_sort(endpoint.key.endpoint_id),
            url: endpoint.url.to_string(),
            events: endpoint.events.iter().map(str::to_owned).collect(),
            active: endpoint.active,
            inactive_since: endpoint.inactive_since,
            secret_version: version.to_string(),
            stored_version,
            sealed_secret: sealed.map(|sealed| sealed.as_str().to_owned()),
            sealing_key: sealed.map(|sealed| sealed.key_id),
            created_at: endpoint.created_at,
            updated_at: endpoint.updated_at,
            deleted_at: None,
            disabled_reason: endpoint
                .disabled
                .map(|disabled| disabled.reason.as_str().to_owned()),
            disabled_at: endpoint.disabled.map(|disabled| disabled.at),
            rate_limit: endpoint.rate_limit.map(|limit| limit.per_second().into()),
            next_turn: None,
            // A new endpoint is well, and has used nothing.
            failing_since: None,
            last_failure_at: None,
            failures: None,
            slow_since: None,
            paused_at: None,
            probe_at: None,
            probes: None,
            ping_id: None,
            ping_until: None,
            recovery_id: None,
            recovery_asked_at: None,
            recovery_until: None,
            rotated_at: None,
            rotations_since: None,
            rotations: None,
            gsi2sk: None,
        }
    }
}

impl EndpointItem {
    fn health(&self) -> Health {
        Health {
            slow_since: self.slow_since,
            failing: self.failing_since.map(|since| Failing {
                since,
                last: self.last_failure_at.unwrap_or(since),
                failures: self.failures.unwrap_or(1),
            }),
            pause: self.paused_at.map(|since| Pause {
                since,
                probe_at: self.probe_at,
                probes: self.probes.unwrap_or(0),
            }),
        }
    }

    fn usage(&self) -> Usage {
        let ping = self.ping_id.zip(self.ping_until);
        let recovery = self.recovery_id.zip(self.recovery_asked_at);
        let rotations = self.rotated_at.zip(self.rotations_since);
        Usage {
            ping: ping.map(|(ping, until)| PingSlot { ping, until }),
            recovery: recovery
                .zip(self.recovery_until)
                .map(|((id, asked_at), until)| RecoverySlot {
                    id,
                    asked_at,
                    until,
                }),
            rotations: rotations
                .zip(self.rotations)
                .map(|((last, since), count)| Rotations { last, since, count }),
        }
    }

    fn secret(&self) -> Result<KeptSecret, Malformed> {
        let version = SecretVersion::new(&self.secret_version);
        let place = match (&self.sealed_secret, self.sealing_key) {
            (Some(sealed), Some(key_id)) => SecretPlace::Sealed(SealedSecret::new(key_id, sealed)),
            (None, None) => SecretPlace::SecretsManager {
                version: match &self.stored_version {
                    Some(stored) => SecretVersion::new(stored),
                    None => version.clone(),
                },
            },
            _ => return Err("a sealed secret without its key, or the reverse".into()),
        };
        Ok(KeptSecret { version, place })
    }

    fn into_endpoint(self) -> Result<Endpoint, Malformed> {
        let key = keys::endpoint_of(&self.pk, &self.sk);
        let place = self.gsi2sk.as_deref().and_then(keys::place_of_sort);
        let health = self.health();
        let usage = self.usage();
        let secret = self.secret()?;
        // Endpoints that became inactive before this was recorded changed then, or later.
        let inactive_since = self.inactive_since.or(self.disabled_at);
        let inactive_since = (!self.active).then(|| inactive_since.unwrap_or(self.updated_at));
        let events = self.events.iter().map(String::as_str);
        let disabled = match (self.disabled_reason, self.disabled_at) {
            (Some(reason), Some(at)) => Some(Disabled {
                reason: DisabledReason::parse(&reason)
                    .ok_or("not a reason for disabling an endpoint")?,
                at,
            }),
            _ => None,
        };
        Ok(Endpoint {
            key: key.ok_or("not the keys of an endpoint")?,
            // The sender checks it before each attempt.
            url: TargetUrl::registered(&self.url)?,
            events: Subscriptions::parse("events", events)
                .map_err(|_| "not the events of an endpoint")?,
            active: self.active,
            inactive_since,
            secret,
            created_at: self.created_at,
            updated_at: self.updated_at,
            disabled,
            rate_limit: self.rate_limit.map(RateLimit::new).transpose()?,
            next_turn: self.next_turn,
            health,
            place,
            usage,
        })
    }
}

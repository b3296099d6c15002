//! Keys, attributes and indexes of the table. Their names are defined only here.
//!
//! | Item | `pk` | `sk` | `gsi1pk` | `gsi1sk` |
//! |---|---|---|---|---|
//! | API key of an app | `KEY#<sha-256>` | `KEY` | `APP#<app>#KEYS` | `KEY#<key id>` |
//! | API key of the platform | `PLATFORM#<sha-256>` | `KEY` | `PLATFORM#KEYS` | `KEY#<key id>` |
//! | Portal session of an app | `SESSION#<sha-256>` | `KEY` | `APP#<app>#KEYS` | `SESSION#<session id>` |
//! | Sealing key | `SEALING#KEY` | `SEALING#KEY` | | |
//! | Event type | `TYPES#ALL` | `T#<type>` | | |
//! | Names of all event types | `TYPES#ALL` | `NAMES` | | |
//! | App | `APP#<app>` | `APP` | `APPS#ALL`, if it was created explicitly | `APP#<app>` |
//! | Count of an app's pings in a minute | `APP#<app>` | `PINGS#<minute>` | | |
//! | Endpoint | `APP#<app>` | `E#<endpoint>` | | |
//! | Event | `APP#<app>#V#<event>` | `V` | | |
//! | Fan-out record of an event | `APP#<app>#V#<event>` | `F` | | |
//! | Repeated delivery of an event | `APP#<app>#V#<event>` | `R#<endpoint>#<delivery>` | | |
//! | Delivery | `APP#<app>#E#<endpoint>` | `D#<delivery>` | `APP#<app>#E#<endpoint>#<status>`, unless it is delivered | `D#<delivery>` |
//!
//! Every partition with a tenant's data begins with the app, in the table and in the
//! first index. Whatever ids a caller sends, the service never reads another app's
//! partition, and IAM can enforce it (`dynamodb:LeadingKeys`). No part of a key can
//! contain `#`. Ids are stored as text, which costs 14 bytes each, so that an operator can
//! find an item by the id in a log line or a customer's report. The platform's keys have
//! their own prefix, so that IAM can keep the API from creating one. The catalogue of event
//! types is a single partition: it belongs to the platform, is small, and is rarely
//! written.
//!
//! Ids of endpoints and deliveries are version 7 UUIDs, so key order is time order.
//!
//! The first index lists apps, an app's API keys, and an endpoint's pending and failed
//! deliveries. Delivered ones, by far the most, have no entry, which saves a write each.
//! They are listed from the table, where few others are among them.
//!
//! The second index is the schedule: `gsi2pk` is `DUE#<shard>` and `gsi2sk` is
//! `<time>#<id>`, with a suffix once claimed. It holds deliveries whose next attempt is
//! due later than SQS can delay a message, endpoints with waiting deliveries, and, in their
//! own shards, endpoints and apps that are being deleted. The time is when the entry is
//! due; after a sweep has claimed an attempt, it is when other sweeps may claim it again.

pub mod attribute;
mod of_event;

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

pub(super) use of_event::{REPEAT, event, event_partition, fanned_out, repeat, repeat_of_sort};

use super::Item;
use crate::domain::api_key::{ApiKeyHash, KeyKind};
use crate::domain::delivery::DeliveryStatus;
use crate::domain::endpoint::{Claim, EndpointKey, Place};
use crate::domain::event_type::EventType;
use crate::domain::id::{AppId, DeliveryId, EndpointId, KeyId};
use crate::domain::scope::Owner;
use crate::domain::time::iso_millis;

/// A global secondary index and the attributes that are its keys.
pub(super) struct Index {
    pub(super) name: &'static str,
    pub(super) pk: &'static str,
    pub(super) sk: &'static str,
}

/// The first index: lists apps, API keys, and deliveries by status.
pub(super) const LISTS: Index = Index {
    name: "gsi1",
    pk: "gsi1pk",
    sk: "gsi1sk",
};

/// The second index: what is due, and when.
pub(super) const SCHEDULE: Index = Index {
    name: "gsi2",
    pk: "gsi2pk",
    sk: "gsi2sk",
};

/// Number of shards of the schedule. One partition takes 1,000 writes a second (AWS quota),
/// and an index that falls behind throttles writes to the table. When receivers fail in
/// large numbers, every failed attempt writes an entry; eight shards take 8,000 a second. A
/// sweep queries each shard, so more of them would cost more reads.
pub(super) const SCHEDULE_SHARDS: u8 = 8;

/// The schedule shard of endpoints that are being deleted.
pub(super) const DELETIONS: &str = "DUE#DELETIONS";

/// The schedule shard of apps that are being deleted.
pub(super) const APP_DELETIONS: &str = "DUE#APPS";

/// Prefix of an endpoint's sort key.
pub(super) const ENDPOINT: &str = "E#";

const DELIVERY: &str = "D#";
const PLATFORM: &str = "PLATFORM#";
const SESSION: &str = "SESSION#";

/// Prefix of an API key's partition key, and of its sort key in the first index.
pub(super) const KEY: &str = "KEY#";

fn key(pk: String, sk: String) -> Item {
    HashMap::from([
        (attribute::PK.to_owned(), AttributeValue::S(pk)),
        (attribute::SK.to_owned(), AttributeValue::S(sk)),
    ])
}

pub(super) fn api_key_partition(hash: &ApiKeyHash) -> String {
    match hash.kind {
        KeyKind::App => format!("{KEY}{hash}"),
        KeyKind::Platform => format!("{PLATFORM}{hash}"),
        KeyKind::Session => format!("{SESSION}{hash}"),
    }
}

/// Inverse of [`api_key_partition`], with the hash still encoded.
pub(super) fn api_key_hash(pk: &str) -> Option<(KeyKind, &str)> {
    let kinds = [
        (KEY, KeyKind::App),
        (PLATFORM, KeyKind::Platform),
        (SESSION, KeyKind::Session),
    ];
    let mut found = kinds
        .into_iter()
        .filter_map(|(prefix, kind)| Some((kind, pk.strip_prefix(prefix)?)));
    found.next()
}

pub(super) const API_KEY_SORT: &str = "KEY";

pub(super) fn api_key(hash: &ApiKeyHash) -> Item {
    key(api_key_partition(hash), API_KEY_SORT.to_owned())
}

/// Partition of the first index that lists an owner's API keys and sessions.
pub(super) fn api_keys_of(owner: Owner) -> String {
    match owner {
        Owner::Platform => format!("{PLATFORM}KEYS"),
        Owner::App(app_id) => format!("APP#{app_id}#KEYS"),
    }
}

/// Sort key of an API key or session in [`api_keys_of`].
pub(super) fn key_id_sort(kind: KeyKind, id: KeyId) -> String {
    match kind {
        KeyKind::App | KeyKind::Platform => format!("{KEY}{id}"),
        KeyKind::Session => format!("{SESSION}{id}"),
    }
}

/// Inverse of [`key_id_sort`], for API keys.
pub(super) fn key_id_of_sort(sk: &str) -> Option<KeyId> {
    KeyId::parse(sk.strip_prefix(KEY)?).ok()
}

/// Partition and sort key of the current sealing key.
pub(super) const SEALING: &str = "SEALING#KEY";

pub(super) fn sealing_key() -> Item {
    key(SEALING.to_owned(), SEALING.to_owned())
}

/// Partition of the catalogue of event types.
pub(super) const TYPES: &str = "TYPES#ALL";

const TYPE: &str = "T#";

/// Prefix of the sort keys of all types whose names start with `prefix`.
pub(super) fn type_sort(prefix: &str) -> String {
    format!("{TYPE}{prefix}")
}

pub(super) fn event_type(name: &EventType) -> Item {
    key(TYPES.to_owned(), type_sort(name.as_str()))
}

/// Inverse of [`type_sort`] with a whole name.
pub(super) fn event_type_of_sort(sk: &str) -> Option<EventType> {
    EventType::parse(sk.strip_prefix(TYPE)?).ok()
}

/// The item that holds the names of all types in the catalogue.
pub(super) fn type_names() -> Item {
    key(TYPES.to_owned(), "NAMES".to_owned())
}

pub(super) fn app_partition(app_id: AppId) -> String {
    format!("APP#{app_id}")
}

pub(super) const APP_SORT: &str = "APP";

pub(super) fn app(app_id: AppId) -> Item {
    key(app_partition(app_id), APP_SORT.to_owned())
}

/// Inverse of [`app_partition`].
pub(super) fn app_of(pk: &str) -> Option<AppId> {
    AppId::parse(pk.strip_prefix("APP#")?).ok()
}

/// Partition of the first index that lists the apps.
pub(super) const APPS: &str = "APPS#ALL";

/// Prefix of the list's sort keys of all apps whose ids start with `prefix`.
pub(super) fn app_list_sort(prefix: &str) -> String {
    format!("APP#{prefix}")
}

/// The item that counts an app's test pings in one minute, numbered from 1970.
pub(super) fn pings(app_id: AppId, minute: i64) -> Item {
    key(app_partition(app_id), format!("PINGS#{minute}"))
}

pub(super) fn endpoint_sort(id: EndpointId) -> String {
    format!("{ENDPOINT}{id}")
}

pub(super) fn endpoint(endpoint: EndpointKey) -> Item {
    let EndpointKey {
        app_id,
        endpoint_id,
    } = endpoint;
    key(app_partition(app_id), endpoint_sort(endpoint_id))
}

/// Inverse of [`endpoint`].
pub(super) fn endpoint_of(pk: &str, sk: &str) -> Option<EndpointKey> {
    Some(EndpointKey {
        app_id: AppId::parse(pk.strip_prefix("APP#")?).ok()?,
        endpoint_id: EndpointId::parse(sk.strip_prefix(ENDPOINT)?).ok()?,
    })
}

/// Partition of an endpoint's delivery history.
pub(super) fn delivery_partition(endpoint: EndpointKey) -> String {
    let EndpointKey {
        app_id,
        endpoint_id,
    } = endpoint;
    format!("APP#{app_id}#{ENDPOINT}{endpoint_id}")
}

/// Whether the first index lists deliveries of this status.
pub(super) fn is_listed(status: DeliveryStatus) -> bool {
    status != DeliveryStatus::Delivered
}

/// Partition of the first index that lists an endpoint's deliveries of one status.
pub(super) fn status_partition(endpoint: EndpointKey, status: DeliveryStatus) -> String {
    format!("{}#{}", delivery_partition(endpoint), status_letter(status))
}

/// The stored form of a status: its first letter.
pub(super) fn status_letter(status: DeliveryStatus) -> &'static str {
    match status {
        DeliveryStatus::Pending => "P",
        DeliveryStatus::Delivered => "D",
        DeliveryStatus::Failed => "F",
    }
}

pub(super) fn status_of_letter(letter: &str) -> Option<DeliveryStatus> {
    let mut all = DeliveryStatus::ALL.into_iter();
    all.find(|status| status_letter(*status) == letter)
}

/// Inverse of [`delivery_partition`].
pub(super) fn endpoint_of_delivery(pk: &str) -> Option<EndpointKey> {
    let (app_id, endpoint_id) = pk.strip_prefix("APP#")?.split_once("#E#")?;
    Some(EndpointKey {
        app_id: AppId::parse(app_id).ok()?,
        endpoint_id: EndpointId::parse(endpoint_id).ok()?,
    })
}

pub(super) fn delivery_sort(id: DeliveryId) -> String {
    format!("{DELIVERY}{id}")
}

pub(super) fn delivery_of_sort(sk: &str) -> Option<DeliveryId> {
    DeliveryId::parse(sk.strip_prefix(DELIVERY)?).ok()
}

pub(super) fn delivery(endpoint: EndpointKey, id: DeliveryId) -> Item {
    key(delivery_partition(endpoint), delivery_sort(id))
}

pub(super) fn schedule_partition(shard: u8) -> String {
    format!("DUE#{shard}")
}

/// The schedule partition of a delivery or an endpoint.
pub(super) fn schedule_partition_of(id: &[u8; 16]) -> String {
    // An id starts with its time. The last byte is random, or from a hash, so ids spread
    // evenly over the shards.
    let [.., last] = *id;
    schedule_partition(last % SCHEDULE_SHARDS)
}

/// Sort key in the schedule: orders by time, then by id.
pub(super) fn schedule_sort(due_at: Timestamp, id: impl std::fmt::Display) -> String {
    format!("{}#{id}", iso_millis(due_at))
}

/// Sort key of an attempt that a sweep has claimed until `until`. The random `claim` tells
/// one claim from any other, so that a sweep recognizes its own.
pub(super) fn claim_sort(until: Timestamp, id: DeliveryId, claim: u64) -> String {
    format!("{}#{claim:016x}", schedule_sort(until, id))
}

/// Sort key of an endpoint in the schedule.
pub(super) fn place_sort(place: Place, id: EndpointId) -> String {
    let sort = schedule_sort(place.at, id);
    match place.claim {
        Some(claim) => format!("{sort}#{}", claim.as_str()),
        None => sort,
    }
}

/// Inverse of [`place_sort`].
pub(super) fn place_of_sort(sort: &str) -> Option<Place> {
    let mut parts = sort.split('#');
    let (at, _id) = (parts.next()?, parts.next()?);
    let claim = match parts.next() {
        // One that this version does not know is not the same as none: whoever took it for
        // none would wait for it without a word.
        Some(claim) => Some(Claim::parse(claim)?),
        None => None,
    };
    Some(Place {
        at: at.parse().ok()?,
        claim,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::EventId;

    #[test]
    fn keys_round_trip() {
        let key = EndpointKey {
            app_id: AppId::parse("Acme_1-eu").unwrap(),
            endpoint_id: EndpointId::new(),
        };
        let id = DeliveryId::new();
        let sort = endpoint_sort(key.endpoint_id);
        assert_eq!(endpoint_of(&app_partition(key.app_id), &sort), Some(key));
        assert_eq!(endpoint_of_delivery(&delivery_partition(key)), Some(key));
        assert_eq!(delivery_of_sort(&delivery_sort(id)), Some(id));
        let repeated = repeat(key, EventId::new(), id);
        let sort = repeated[attribute::SK].as_s().unwrap();
        assert_eq!(repeat_of_sort(sort), Some((key.endpoint_id, id)));
        let at: Timestamp = "2026-01-31T09:30:00.000Z".parse().unwrap();
        for claim in [
            None,
            Some(Claim::Probe),
            Some(Claim::Drain),
            Some(Claim::LastOfDrain),
            Some(Claim::Backlog),
        ] {
            let place = Place { at, claim };
            let sort = place_sort(place, key.endpoint_id);
            assert_eq!(place_of_sort(&sort), Some(place));
        }
        let unknown = format!("{}#NEWER", schedule_sort(at, key.endpoint_id));
        assert_eq!(place_of_sort(&unknown), None);
        for status in DeliveryStatus::ALL {
            assert_eq!(status_of_letter(status_letter(status)), Some(status));
        }
    }

    #[test]
    fn partitions_of_tenant_data_begin_with_the_app() {
        let app_id = AppId::parse("acme").unwrap();
        let endpoint = EndpointKey {
            app_id,
            endpoint_id: EndpointId::new(),
        };
        for partition in [
            app_partition(app_id),
            api_keys_of(Owner::App(app_id)),
            delivery_partition(endpoint),
            status_partition(endpoint, DeliveryStatus::Failed),
            event_partition(app_id, EventId::new()),
        ] {
            let rest = partition.strip_prefix("APP#acme").unwrap();
            assert!(rest.is_empty() || rest.starts_with('#'), "{partition}");
        }
    }
}

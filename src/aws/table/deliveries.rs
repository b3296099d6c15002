//! Deliveries in the table.

use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::endpoints::{endpoint_key, live_endpoint};
use super::{INDEX, Item, Table, collect, decode, encode, key, number, text};
use crate::aws::AwsError;
use crate::aws::error::condition_failed;
use crate::domain::delivery::{Attempt, Delivery, DeliveryStatus, Failure, Verdict};
use crate::domain::endpoint::Endpoint;
use crate::domain::event_type::EventType;
use crate::domain::id::{AppId, DeliveryId, EndpointId};
use crate::domain::{iso_millis, serde_millis};

/// What became of recording an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is recorded.
    Written,
    /// The same attempt, or a later one, was recorded before; nothing changed.
    Stale,
}

/// A page of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Newest first.
    pub deliveries: Vec<Delivery>,
    /// Whether older ones follow.
    pub more: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeliveryItem {
    pk: String,
    sk: String,
    gsi1pk: String,
    gsi1sk: String,
    event: String,
    status: String,
    attempts: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response_status: Option<u16>,
    #[serde(with = "serde_millis")]
    created_at: Timestamp,
    #[serde(
        with = "serde_millis::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    delivered_at: Option<Timestamp>,
    #[serde(
        with = "serde_millis::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    next_retry_at: Option<Timestamp>,
    /// Unix seconds, by which DynamoDB removes the item.
    expires_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    attempt_log: Vec<AttemptItem>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AttemptItem {
    number: u32,
    #[serde(with = "serde_millis")]
    started_at: Timestamp,
    duration_ms: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response_status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response_body: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

impl Table {
    /// Records an accepted delivery, unless something is recorded already: the
    /// delivery function may have been faster. One `PutItem`.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn record_pending(
        &self,
        delivery: &Delivery,
        payload: &str,
        retention: Duration,
    ) -> Result<Recorded, AwsError> {
        const OPERATION: &str = "PutItem of a delivery";
        let item = DeliveryItem::new(delivery, payload, retention);
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(encode(OPERATION, &item)?))
            .condition_expression("attribute_not_exists(pk)")
            .send()
            .await;
        match put {
            Ok(_) => Ok(Recorded::Written),
            Err(error) if condition_failed(&error) => Ok(Recorded::Stale),
            Err(error) => Err(AwsError::new(OPERATION, error)),
        }
    }

    /// Records an attempt and where the delivery stands after it, also when
    /// the delivery was not recorded before. One `UpdateItem`.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn record_attempt(
        &self,
        delivery: &Delivery,
        attempt: &Attempt,
        payload: &str,
        retention: Duration,
    ) -> Result<Recorded, AwsError> {
        const OPERATION: &str = "UpdateItem of a delivery";
        let item = DeliveryItem::new(delivery, payload, retention);
        let entry = encode(OPERATION, &AttemptItem::from(attempt))?;
        let mut update = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key(item.pk, item.sk)))
            .condition_expression("attribute_not_exists(attempts) OR attempts < :attempts")
            // Names that DynamoDB reserves are given by placeholders.
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#event", "event")
            .expression_attribute_values(":gsi1pk", text(item.gsi1pk))
            .expression_attribute_values(":gsi1sk", text(item.gsi1sk))
            .expression_attribute_values(":event", text(item.event))
            .expression_attribute_values(":status", text(item.status))
            .expression_attribute_values(":attempts", number(item.attempts))
            .expression_attribute_values(":createdAt", text(iso_millis(item.created_at)))
            .expression_attribute_values(":expiresAt", number(item.expires_at))
            .expression_attribute_values(":payload", text(payload))
            .expression_attribute_values(":none", AttributeValue::L(Vec::new()))
            .expression_attribute_values(
                ":entry",
                AttributeValue::L(vec![AttributeValue::M(entry)]),
            );
        let mut set = "gsi1pk = :gsi1pk, gsi1sk = :gsi1sk, #event = :event, #status = :status, \
             attempts = :attempts, createdAt = if_not_exists(createdAt, :createdAt), \
             expiresAt = if_not_exists(expiresAt, :expiresAt), \
             payload = if_not_exists(payload, :payload), \
             attemptLog = list_append(if_not_exists(attemptLog, :none), :entry)"
            .to_owned();
        let mut remove = Vec::new();
        let optional = [
            ("responseStatus", item.response_status.map(number)),
            ("deliveredAt", item.delivered_at.map(iso_millis).map(text)),
            ("nextRetryAt", item.next_retry_at.map(iso_millis).map(text)),
        ];
        for (name, value) in optional {
            match value {
                Some(value) => {
                    set.push_str(&format!(", {name} = :{name}"));
                    update = update.expression_attribute_values(format!(":{name}"), value);
                }
                None => remove.push(name),
            }
        }
        let mut expression = format!("SET {set}");
        if !remove.is_empty() {
            expression.push_str(&format!(" REMOVE {}", remove.join(", ")));
        }
        match update.update_expression(expression).send().await {
            Ok(_) => Ok(Recorded::Written),
            Err(error) if condition_failed(&error) => Ok(Recorded::Stale),
            Err(error) => Err(AwsError::new(OPERATION, error)),
        }
    }

    /// What an attempt has to know: the endpoint as it is now, and how many
    /// attempts of the delivery are recorded. One strongly consistent
    /// `BatchGetItem`.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn attempt_context(
        &self,
        app_id: AppId,
        endpoint_id: EndpointId,
        delivery_id: DeliveryId,
    ) -> Result<(Option<Endpoint>, u32), AwsError> {
        const OPERATION: &str = "BatchGetItem of an endpoint and a delivery";
        let mut keys = vec![
            endpoint_key(app_id, endpoint_id),
            delivery_key(endpoint_id, delivery_id),
        ];
        let (mut endpoint, mut attempts) = (None, 0);
        for pause in UNPROCESSED_PAUSES {
            tokio::time::sleep(pause).await;
            let request = KeysAndAttributes::builder()
                .set_keys(Some(keys))
                .consistent_read(true)
                .build()
                .map_err(|error| AwsError::unexpected(OPERATION, error))?;
            let found = self
                .client
                .batch_get_item()
                .request_items(&self.name, request)
                .send()
                .await
                .map_err(|error| AwsError::new(OPERATION, error))?;
            for item in found.responses.unwrap_or_default().into_values().flatten() {
                if item.contains_key("secretVersion") {
                    endpoint = live_endpoint(OPERATION, item)?;
                } else {
                    attempts = decode::<DeliveryItem>(OPERATION, item)?.attempts;
                }
            }
            // DynamoDB answers in part when it throttles.
            keys = found
                .unprocessed_keys
                .unwrap_or_default()
                .into_values()
                .flat_map(|rest| rest.keys)
                .collect();
            if keys.is_empty() {
                return Ok((endpoint, attempts));
            }
        }
        Err(AwsError::from_code(OPERATION, "ThrottlingException"))
    }

    /// A delivery with its attempts, oldest first. One strongly consistent
    /// `GetItem`.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn delivery(
        &self,
        endpoint_id: EndpointId,
        id: DeliveryId,
    ) -> Result<Option<(Delivery, Vec<Attempt>)>, AwsError> {
        const OPERATION: &str = "GetItem of a delivery";
        let found = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(delivery_key(endpoint_id, id)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| AwsError::new(OPERATION, error))?;
        let Some(item) = found.item else {
            return Ok(None);
        };
        let mut item: DeliveryItem = decode(OPERATION, item)?;
        let attempts = std::mem::take(&mut item.attempt_log)
            .into_iter()
            .map(AttemptItem::into_attempt)
            .collect::<Result<_, _>>()
            .map_err(|reason| AwsError::unexpected(OPERATION, reason))?;
        let delivery = item
            .into_delivery()
            .map_err(|reason| AwsError::unexpected(OPERATION, reason))?;
        Ok(Some((delivery, attempts)))
    }

    /// A page of an endpoint's deliveries, newest first, from the one before
    /// `before` on, of one status if one is given. What has expired is left
    /// out, also before DynamoDB removes it. One `Query`, more only where that
    /// passes over expired items.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn deliveries(
        &self,
        endpoint_id: EndpointId,
        status: Option<DeliveryStatus>,
        before: Option<DeliveryId>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page, AwsError> {
        const OPERATION: &str = "Query of deliveries";
        let (pk, sk, partition) = match status {
            None => ("pk", "sk", partition(endpoint_id)),
            Some(status) => ("gsi1pk", "gsi1sk", status_partition(endpoint_id, status)),
        };
        // The item after the page tells whether there is another page.
        let wanted = limit + 1;
        let mut query = self
            .client
            .query()
            .table_name(&self.name)
            .set_index_name(status.map(|_| INDEX.to_owned()))
            .key_condition_expression(match before {
                None => format!("{pk} = :partition"),
                Some(_) => format!("{pk} = :partition AND {sk} < :before"),
            })
            .expression_attribute_values(":partition", text(partition))
            .filter_expression("expiresAt > :now")
            .expression_attribute_values(":now", number(now.as_second()))
            .projection_expression(
                "pk, sk, gsi1pk, gsi1sk, #event, #status, attempts, responseStatus, createdAt, \
                 deliveredAt, nextRetryAt, expiresAt",
            )
            .expression_attribute_names("#event", "event")
            .expression_attribute_names("#status", "status")
            .scan_index_forward(false)
            .limit(i32::try_from(wanted).unwrap_or(i32::MAX));
        if let Some(before) = before {
            query = query.expression_attribute_values(":before", text(sort(before)));
        }
        let mut deliveries = collect(OPERATION, query, wanted)
            .await?
            .into_iter()
            .map(|item| {
                decode::<DeliveryItem>(OPERATION, item)?
                    .into_delivery()
                    .map_err(|reason| AwsError::unexpected(OPERATION, reason))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let more = deliveries.len() > limit;
        deliveries.truncate(limit);
        Ok(Page { deliveries, more })
    }
}

/// Pauses before the tries of a batch that DynamoDB answers in part.
const UNPROCESSED_PAUSES: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
];

fn partition(endpoint_id: EndpointId) -> String {
    format!("ENDPOINT#{endpoint_id}")
}

fn status_partition(endpoint_id: EndpointId, status: DeliveryStatus) -> String {
    format!("ENDPOINT#{endpoint_id}#{status}")
}

fn sort(id: DeliveryId) -> String {
    format!("DELIVERY#{id}")
}

fn delivery_key(endpoint_id: EndpointId, id: DeliveryId) -> Item {
    key(partition(endpoint_id), sort(id))
}

impl DeliveryItem {
    fn new(delivery: &Delivery, payload: &str, retention: Duration) -> Self {
        Self {
            pk: partition(delivery.endpoint_id),
            sk: sort(delivery.id),
            gsi1pk: status_partition(delivery.endpoint_id, delivery.status),
            gsi1sk: sort(delivery.id),
            event: delivery.event.to_string(),
            status: delivery.status.to_string(),
            attempts: delivery.attempts,
            response_status: delivery.response_status,
            created_at: delivery.created_at,
            delivered_at: delivery.delivered_at,
            next_retry_at: delivery.next_retry_at,
            expires_at: (delivery.created_at + retention).as_second(),
            payload: Some(payload.to_owned()),
            attempt_log: Vec::new(),
        }
    }

    fn into_delivery(self) -> Result<Delivery, &'static str> {
        const KEYS: &str = "not the keys of a delivery";
        let id = self.sk.strip_prefix("DELIVERY#").ok_or(KEYS)?;
        let endpoint_id = self.pk.strip_prefix("ENDPOINT#").ok_or(KEYS)?;
        Ok(Delivery {
            id: DeliveryId::parse(id).map_err(|_| KEYS)?,
            endpoint_id: EndpointId::parse(endpoint_id).map_err(|_| KEYS)?,
            event: EventType::parse(&self.event)?,
            status: self
                .status
                .parse()
                .map_err(|_| "not the status of a delivery")?,
            response_status: self.response_status,
            attempts: self.attempts,
            created_at: self.created_at,
            delivered_at: self.delivered_at,
            next_retry_at: self.next_retry_at,
        })
    }
}

impl From<&Attempt> for AttemptItem {
    fn from(attempt: &Attempt) -> Self {
        let (response_body, failure) = match &attempt.verdict {
            Verdict::Answered { body, .. } => (Some(body.clone()), None),
            Verdict::Failed(failure) => (None, Some(failure.code().to_owned())),
        };
        Self {
            number: attempt.number,
            started_at: attempt.started_at,
            duration_ms: attempt.duration_ms,
            response_status: attempt.verdict.response_status(),
            response_body,
            failure,
        }
    }
}

impl AttemptItem {
    fn into_attempt(self) -> Result<Attempt, &'static str> {
        let verdict = match (self.response_status, self.failure) {
            (Some(status), _) => Verdict::Answered {
                status,
                body: self.response_body.unwrap_or_default(),
            },
            (None, Some(code)) => {
                Verdict::Failed(Failure::from_code(&code).ok_or("not the failure of an attempt")?)
            }
            (None, None) => return Err("an attempt without status and failure"),
        };
        Ok(Attempt {
            number: self.number,
            started_at: self.started_at,
            duration_ms: self.duration_ms,
            verdict,
        })
    }
}

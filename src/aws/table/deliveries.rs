//! Deliveries in the table.

use std::time::Duration;

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, Select};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::endpoints::{endpoint_key, live_endpoint};
use super::events::{StoredEvent, event_key, stored_event};
use super::schedule::{partition_of, sort_of};
use super::{INDEX, Item, Table, decode, encode, key, number, text};
use crate::aws::AwsError;
use crate::aws::error::condition_failed;
use crate::domain::delivery::{Abandoned, Attempt, Delivery, DeliveryStatus, Failure, Verdict};
use crate::domain::endpoint::Endpoint;
use crate::domain::event_type::EventType;
use crate::domain::id::{AppId, DeliveryId, EndpointId, EventId};
use crate::domain::message::{DeliveryTask, Recovery};
use crate::domain::{iso_millis, serde_millis};

/// What became of recording an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is recorded.
    Written,
    /// The same attempt, or a later one, was recorded before; nothing changed.
    Stale,
}

/// Which deliveries of an endpoint to list. All bounds hold at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Of one status.
    pub status: Option<DeliveryStatus>,
    /// Of one type.
    pub event: Option<EventType>,
    /// From this one on.
    pub from: DeliveryId,
    /// Up to this one.
    pub to: DeliveryId,
}

/// A page of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Newest first.
    pub deliveries: Vec<Delivery>,
    /// The delivery that the next page begins after, unless this is the last.
    pub next: Option<DeliveryId>,
}

/// A delivery in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullDelivery {
    /// Where it stands.
    pub delivery: Delivery,
    /// Its attempts, oldest first.
    pub attempts: Vec<Attempt>,
    /// What is sent, where it is not the payload of a stored event.
    pub payload: Option<String>,
}

/// What an attempt has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptContext {
    /// The endpoint as it is now, unless it is gone.
    pub endpoint: Option<Endpoint>,
    /// The delivery as it is recorded, if it is.
    pub delivery: Option<Delivery>,
    /// The event, if it was asked for and is still kept.
    pub event: Option<StoredEvent>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeliveryItem {
    pk: String,
    sk: String,
    gsi1pk: String,
    gsi1sk: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    app_id: Option<AppId>,
    event_id: EventId,
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
    abandoned: Option<String>,
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
    pub async fn record_accepted(&self, task: &DeliveryTask) -> Result<Recorded, AwsError> {
        const OPERATION: &str = "PutItem of a delivery";
        let item = DeliveryItem {
            app_id: Some(task.app_id),
            payload: task.payload.clone(),
            ..DeliveryItem::from(&task.delivery())
        };
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
    /// the delivery was not recorded before. With `scheduled`, the next attempt
    /// waits in the table's schedule. One `UpdateItem`.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn record_attempt(
        &self,
        task: &DeliveryTask,
        delivery: &Delivery,
        attempt: &Attempt,
        scheduled: bool,
    ) -> Result<Recorded, AwsError> {
        const OPERATION: &str = "UpdateItem of a delivery";
        let mut changes = Changes::of(task, delivery);
        changes.set("attempts", number(delivery.attempts));
        changes.append(
            "attemptLog",
            encode(OPERATION, &AttemptItem::from(attempt))?,
        );
        changes.set_or_remove("responseStatus", delivery.response_status.map(number));
        let delivered_at = delivery.delivered_at.map(iso_millis);
        changes.set_or_remove("deliveredAt", delivered_at.map(text));
        let due_at = delivery.next_retry_at;
        changes.set_or_remove("nextRetryAt", due_at.map(iso_millis).map(text));
        let due_at = due_at.filter(|_| scheduled);
        changes.set_or_remove("gsi2pk", due_at.map(|_| text(partition_of(delivery.id))));
        changes.set_or_remove("gsi2sk", due_at.map(|at| text(sort_of(at, delivery.id))));
        self.write_outcome(OPERATION, task, changes).await
    }

    /// Records that a delivery ends without the attempt of the task, also when
    /// it was not recorded before. One `UpdateItem`.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn record_abandoned(
        &self,
        task: &DeliveryTask,
        reason: Abandoned,
    ) -> Result<Recorded, AwsError> {
        let delivery = Delivery {
            status: DeliveryStatus::Failed,
            ..task.delivery()
        };
        let mut changes = Changes::of(task, &delivery);
        changes.set("abandoned", text(reason.code()));
        changes.set_once("attempts", number(0));
        for name in ["nextRetryAt", "gsi2pk", "gsi2sk"] {
            changes.set_or_remove(name, None);
        }
        self.write_outcome("UpdateItem of an abandoned delivery", task, changes)
            .await
    }

    /// Writes an outcome unless the delivery has come as far as the task's
    /// attempt already, or has ended.
    async fn write_outcome(
        &self,
        operation: &'static str,
        task: &DeliveryTask,
        changes: Changes,
    ) -> Result<Recorded, AwsError> {
        let updated = changes
            .apply(self.client.update_item())
            .table_name(&self.name)
            .set_key(Some(delivery_key(task.endpoint_id, task.delivery_id)))
            .condition_expression(
                "attribute_not_exists(pk) OR (attempts < :attempt AND #status = :pending)",
            )
            .expression_attribute_values(":attempt", number(task.attempt))
            .expression_attribute_values(":pending", text(DeliveryStatus::Pending))
            .send()
            .await;
        match updated {
            Ok(_) => Ok(Recorded::Written),
            Err(error) if condition_failed(&error) => Ok(Recorded::Stale),
            Err(error) => Err(AwsError::new(operation, error)),
        }
    }

    /// What an attempt has to know. One strongly consistent `BatchGetItem` of
    /// endpoint, delivery and, unless the task has its payload, event.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn attempt_context(
        &self,
        task: &DeliveryTask,
        now: Timestamp,
    ) -> Result<AttemptContext, AwsError> {
        const OPERATION: &str = "BatchGetItem of an endpoint, a delivery and an event";
        let mut keys = vec![
            endpoint_key(task.app_id, task.endpoint_id),
            delivery_key(task.endpoint_id, task.delivery_id),
        ];
        if task.payload.is_none() {
            keys.push(event_key(task.app_id, task.event_id));
        }
        let mut context = AttemptContext {
            endpoint: None,
            delivery: None,
            event: None,
        };
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
                context.take(OPERATION, item, now)?;
            }
            // DynamoDB answers in part when it throttles, or beyond 16 MB.
            keys = found
                .unprocessed_keys
                .unwrap_or_default()
                .into_values()
                .flat_map(|rest| rest.keys)
                .collect();
            if keys.is_empty() {
                return Ok(context);
            }
        }
        Err(AwsError::from_code(OPERATION, "ThrottlingException"))
    }

    /// A delivery in full. One strongly consistent `GetItem`.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn delivery(
        &self,
        endpoint_id: EndpointId,
        id: DeliveryId,
    ) -> Result<Option<FullDelivery>, AwsError> {
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
        let payload = item.payload.take();
        let attempts = std::mem::take(&mut item.attempt_log)
            .into_iter()
            .map(AttemptItem::into_attempt)
            .collect::<Result<_, _>>()
            .map_err(|reason| AwsError::unexpected(OPERATION, reason))?;
        let delivery = item
            .into_delivery()
            .map_err(|reason| AwsError::unexpected(OPERATION, reason))?;
        Ok(Some(FullDelivery {
            delivery,
            attempts,
            payload,
        }))
    }

    /// A page of an endpoint's deliveries, newest first. What has expired is
    /// left out, also before DynamoDB removes it.
    ///
    /// One `Query`, more only where that passes over expired items or other
    /// event types. After [`MOST_PAGES`] of them the page is cut short, so that
    /// a rare type in a long history costs bounded time and the caller still
    /// gets ahead.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn deliveries(
        &self,
        endpoint_id: EndpointId,
        wanted: &HistoryQuery,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page, AwsError> {
        const OPERATION: &str = "Query of deliveries";
        let mut deliveries = Vec::new();
        if wanted.from > wanted.to {
            return Ok(Page {
                deliveries,
                next: None,
            });
        }
        let (pk, sk, partition) = match wanted.status {
            None => ("pk", "sk", partition(endpoint_id)),
            Some(status) => ("gsi1pk", "gsi1sk", status_partition(endpoint_id, status)),
        };
        let mut query = self
            .client
            .query()
            .table_name(&self.name)
            .set_index_name(wanted.status.map(|_| INDEX.to_owned()))
            // An index can't be read consistently; the table is, so that an
            // outcome that a caller was told of is in the list.
            .consistent_read(wanted.status.is_none())
            .key_condition_expression(format!("{pk} = :partition AND {sk} BETWEEN :from AND :to"))
            .expression_attribute_values(":partition", text(partition))
            .expression_attribute_values(":from", text(sort(wanted.from)))
            .expression_attribute_values(":to", text(sort(wanted.to)))
            .expression_attribute_values(":now", number(now.as_second()))
            .projection_expression(
                "pk, sk, gsi1pk, gsi1sk, eventId, #event, #status, attempts, responseStatus, \
                 createdAt, deliveredAt, nextRetryAt, expiresAt",
            )
            .expression_attribute_names("#event", "event")
            .expression_attribute_names("#status", "status")
            .scan_index_forward(false);
        let filter = "expiresAt > :now";
        // The item after the page tells whether there is another page.
        query = match &wanted.event {
            None => query
                .filter_expression(filter)
                .limit(i32::try_from(limit + 1).unwrap_or(i32::MAX)),
            Some(event) => query
                .filter_expression(format!("{filter} AND #event = :event"))
                .expression_attribute_values(":event", text(event)),
        };
        let mut start = None;
        for _ in 0..MOST_PAGES {
            let page = query
                .clone()
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| AwsError::new(OPERATION, error))?;
            for item in page.items.unwrap_or_default() {
                let delivery = decode::<DeliveryItem>(OPERATION, item)?
                    .into_delivery()
                    .map_err(|reason| AwsError::unexpected(OPERATION, reason))?;
                deliveries.push(delivery);
            }
            start = page.last_evaluated_key;
            if start.is_none() || deliveries.len() > limit {
                break;
            }
        }
        let next = if deliveries.len() > limit {
            deliveries.truncate(limit);
            deliveries.last().map(|last| last.id)
        } else {
            start.and_then(|key| delivery_of_sort(key.get("sk")?.as_s().ok()?))
        };
        Ok(Page { deliveries, next })
    }
}

impl Table {
    /// How many deliveries a recovery will make again. One `Query` of the index
    /// for each 1 MB of it.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn count_failed(&self, recovery: &Recovery, now: Timestamp) -> Result<u32, AwsError> {
        const OPERATION: &str = "Query of failed deliveries";
        let to = recovery.before.predecessor();
        if recovery.from > to {
            return Ok(0);
        }
        let partition = status_partition(recovery.endpoint_id, DeliveryStatus::Failed);
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(INDEX)
            .select(Select::Count)
            .key_condition_expression("gsi1pk = :partition AND gsi1sk BETWEEN :from AND :to")
            .filter_expression("expiresAt > :now AND #event <> :ping")
            .expression_attribute_names("#event", "event")
            .expression_attribute_values(":partition", text(partition))
            .expression_attribute_values(":from", text(sort(recovery.from)))
            .expression_attribute_values(":to", text(sort(to)))
            .expression_attribute_values(":now", number(now.as_second()))
            .expression_attribute_values(":ping", text(EventType::test_ping()));
        let (mut count, mut start) = (0, None);
        loop {
            let page = query
                .clone()
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| AwsError::new(OPERATION, error))?;
            count += u32::try_from(page.count).unwrap_or(0);
            start = page.last_evaluated_key;
            if start.is_none() || count >= recovery.remaining {
                return Ok(count.min(recovery.remaining));
            }
        }
    }
}

/// Pages of DynamoDB (1 MB each) that one page of a history may read.
const MOST_PAGES: usize = 40;

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

/// The endpoint of a delivery's partition.
pub(super) fn endpoint_of_partition(pk: &str) -> Option<EndpointId> {
    EndpointId::parse(pk.strip_prefix("ENDPOINT#")?).ok()
}

fn delivery_of_sort(sk: &str) -> Option<DeliveryId> {
    DeliveryId::parse(sk.strip_prefix("DELIVERY#")?).ok()
}

/// Key of a delivery's item.
pub(super) fn delivery_key(endpoint_id: EndpointId, id: DeliveryId) -> Item {
    key(partition(endpoint_id), sort(id))
}

impl From<&Delivery> for DeliveryItem {
    fn from(delivery: &Delivery) -> Self {
        Self {
            pk: partition(delivery.endpoint_id),
            sk: sort(delivery.id),
            gsi1pk: status_partition(delivery.endpoint_id, delivery.status),
            gsi1sk: sort(delivery.id),
            app_id: None,
            event_id: delivery.event_id,
            event: delivery.event.to_string(),
            status: delivery.status.to_string(),
            attempts: delivery.attempts,
            response_status: delivery.response_status,
            created_at: delivery.created_at,
            delivered_at: delivery.delivered_at,
            next_retry_at: delivery.next_retry_at,
            expires_at: delivery.expires_at.as_second(),
            abandoned: None,
            payload: None,
            attempt_log: Vec::new(),
        }
    }
}

impl DeliveryItem {
    fn into_delivery(self) -> Result<Delivery, &'static str> {
        const KEYS: &str = "not the keys of a delivery";
        Ok(Delivery {
            id: delivery_of_sort(&self.sk).ok_or(KEYS)?,
            endpoint_id: endpoint_of_partition(&self.pk).ok_or(KEYS)?,
            event_id: self.event_id,
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
            expires_at: Timestamp::from_second(self.expires_at)
                .map_err(|_| "not the time of an expiry")?,
            abandoned: match self.abandoned {
                None => None,
                Some(code) => Some(
                    Abandoned::from_code(&code).ok_or("not the reason of an abandoned delivery")?,
                ),
            },
        })
    }
}

impl AttemptContext {
    fn take(
        &mut self,
        operation: &'static str,
        item: Item,
        now: Timestamp,
    ) -> Result<(), AwsError> {
        let sk = item.get("sk").and_then(|sk| sk.as_s().ok());
        let kind = sk.and_then(|sk| sk.split('#').next()).unwrap_or_default();
        match kind {
            "ENDPOINT" => self.endpoint = live_endpoint(operation, item)?,
            "DELIVERY" => {
                let delivery = decode::<DeliveryItem>(operation, item)?
                    .into_delivery()
                    .map_err(|reason| AwsError::unexpected(operation, reason))?;
                self.delivery = Some(delivery);
            }
            _ => {
                let event = stored_event(operation, item)?;
                self.event = Some(event).filter(|event| event.expires_at > now);
            }
        }
        Ok(())
    }
}

/// An update expression in the making.
struct Changes {
    set: Vec<String>,
    remove: Vec<&'static str>,
    values: Vec<(String, AttributeValue)>,
}

impl Changes {
    /// What every outcome writes: status and index; and, the first time, what
    /// identifies the delivery.
    fn of(task: &DeliveryTask, delivery: &Delivery) -> Self {
        let mut changes = Self {
            // `status` and `event` have placeholders because DynamoDB reserves
            // such words.
            set: vec!["#status = :status".to_owned(), "#event = :event".to_owned()],
            remove: Vec::new(),
            values: vec![
                (":status".to_owned(), text(delivery.status)),
                (":event".to_owned(), text(&delivery.event)),
            ],
        };
        changes.set(
            "gsi1pk",
            text(status_partition(delivery.endpoint_id, delivery.status)),
        );
        changes.set("gsi1sk", text(sort(delivery.id)));
        changes.set_once("appId", text(task.app_id));
        changes.set_once("eventId", text(delivery.event_id));
        changes.set_once("createdAt", text(iso_millis(delivery.created_at)));
        changes.set_once("expiresAt", number(delivery.expires_at.as_second()));
        if let Some(payload) = &task.payload {
            changes.set_once("payload", text(payload));
        }
        changes
    }

    fn set(&mut self, name: &str, value: AttributeValue) {
        self.set.push(format!("{name} = :{name}"));
        self.values.push((format!(":{name}"), value));
    }

    fn set_once(&mut self, name: &str, value: AttributeValue) {
        self.set
            .push(format!("{name} = if_not_exists({name}, :{name})"));
        self.values.push((format!(":{name}"), value));
    }

    fn set_or_remove(&mut self, name: &'static str, value: Option<AttributeValue>) {
        match value {
            Some(value) => self.set(name, value),
            None => self.remove.push(name),
        }
    }

    fn append(&mut self, name: &str, entry: Item) {
        self.set.push(format!(
            "{name} = list_append(if_not_exists({name}, :none), :{name})"
        ));
        let entry = AttributeValue::L(vec![AttributeValue::M(entry)]);
        self.values.push((format!(":{name}"), entry));
        self.values
            .push((":none".to_owned(), AttributeValue::L(Vec::new())));
    }

    fn apply(self, mut update: UpdateItemFluentBuilder) -> UpdateItemFluentBuilder {
        let mut expression = format!("SET {}", self.set.join(", "));
        if !self.remove.is_empty() {
            expression.push_str(&format!(" REMOVE {}", self.remove.join(", ")));
        }
        for (name, value) in self.values {
            update = update.expression_attribute_values(name, value);
        }
        update
            .update_expression(expression)
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#event", "event")
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
                retry_after: None,
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

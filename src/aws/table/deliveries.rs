//! Deliveries in the table: what is recorded of them.

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;

use super::delivery_item::{AttemptItem, DeliveryItem, delivery_key, sort, status_partition};
use super::schedule::{partition_of, sort_of};
use super::{Item, Table, decode, encode, number, text};
use crate::aws::AwsError;
use crate::aws::error::condition_failed;
use crate::domain::delivery::{Abandoned, Attempt, Delivery, DeliveryStatus};
use crate::domain::id::{DeliveryId, EndpointId};
use crate::domain::message::DeliveryTask;
use crate::domain::time::iso_millis;

/// What became of recording an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is recorded.
    Written,
    /// The same attempt, or a later one, was recorded before; nothing changed.
    Stale,
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
        found
            .item
            .map(|item| FullDelivery::of_item(OPERATION, item))
            .transpose()
    }
}

impl FullDelivery {
    /// The delivery of an item.
    pub(super) fn of_item(operation: &'static str, item: Item) -> Result<Self, AwsError> {
        let mut item: DeliveryItem = decode(operation, item)?;
        let payload = item.payload.take();
        let attempts = std::mem::take(&mut item.attempt_log)
            .into_iter()
            .map(AttemptItem::into_attempt)
            .collect::<Result<_, _>>()
            .map_err(|reason| AwsError::unexpected(operation, reason))?;
        let delivery = item
            .into_delivery()
            .map_err(|reason| AwsError::unexpected(operation, reason))?;
        Ok(Self {
            delivery,
            attempts,
            payload,
        })
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

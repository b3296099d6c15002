//! An endpoint's history in the table, page by page.

use aws_sdk_dynamodb::types::Select;
use jiff::Timestamp;

use super::delivery_item::{delivery, delivery_of_sort, partition, sort, status_partition};
use super::{INDEX, Table, number, text};
use crate::aws::AwsError;
use crate::domain::delivery::{Delivery, DeliveryStatus};
use crate::domain::event_type::EventType;
use crate::domain::id::{DeliveryId, EndpointId};
use crate::domain::message::Recovery;

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

impl Table {
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
        // The item after the page tells whether there is another page. What does not
        // suffice although little is filtered out has met expired items, which may
        // be many: from there on as much is read as DynamoDB gives at once.
        let mut at_once = None;
        query = match &wanted.event {
            None => {
                at_once = Some(i32::try_from(limit + 1).unwrap_or(i32::MAX));
                query.filter_expression(filter)
            }
            Some(event) => query
                .filter_expression(format!("{filter} AND #event = :event"))
                .expression_attribute_values(":event", text(event)),
        };
        let mut start = None;
        for _ in 0..MOST_PAGES {
            let page = query
                .clone()
                .set_limit(at_once.take())
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| AwsError::new(OPERATION, error))?;
            for item in page.items.unwrap_or_default() {
                deliveries.push(delivery(OPERATION, item)?);
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

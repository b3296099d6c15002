//! Queries for an endpoint's delivery history.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::Select;
use jiff::Timestamp;
use tokio::time::Instant;

use super::delivery_item::delivery;
use super::fields::{number, text};
use super::keys::attribute::{
    ATTEMPTS, CREATED_AT, DELIVERED_AT, EPHEMERAL, EVENT, EVENT_ID, EXPIRES_AT, NEXT_RETRY_AT,
    PAYLOAD_DELETED_AT, PK, RESPONSE_STATUS, SK, STATUS, TEST_PING, WAITING_SINCE,
};
use super::keys::{self, LISTS};
use super::{Item, Table};
use crate::aws::error::{During, StoreError};
use crate::domain::delivery::{Delivery, DeliveryStatus};
use crate::domain::endpoint::EndpointKey;
use crate::domain::event_type::EventType;
use crate::domain::id::DeliveryId;
use crate::domain::message::Recovery;

/// Which deliveries of an endpoint to list. All conditions must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Only deliveries with this status.
    pub status: Option<DeliveryStatus>,
    /// Only deliveries of this event type.
    pub event: Option<EventType>,
    /// The oldest id to list, inclusive.
    pub from: DeliveryId,
    /// The newest id to list, inclusive.
    pub to: DeliveryId,
    /// When to stop searching, and return what was found. `None` for no limit.
    pub search_until: Option<Instant>,
}

/// The number of deliveries that a recovery will resend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailedCount {
    /// The count so far.
    pub deliveries: u32,
    /// Whether time ran out before the count was complete.
    pub at_least: bool,
}

/// A page of an endpoint's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Newest first.
    pub deliveries: Vec<Delivery>,
    /// The next page starts after this delivery. `None` on the last page. Otherwise the
    /// next page may still be empty, if the search stopped early.
    pub next: Option<DeliveryId>,
}

/// Truncates a page to `limit` deliveries and returns the position that the next page
/// starts after: the last delivery of this page, or where DynamoDB stopped reading.
/// `None` if everything was read.
pub(super) fn cut(
    deliveries: &mut Vec<Delivery>,
    limit: usize,
    stopped_at: Option<Item>,
) -> Option<DeliveryId> {
    if deliveries.len() > limit {
        deliveries.truncate(limit);
        deliveries.last().map(|last| last.id)
    } else {
        // Everything found fits. `LastEvaluatedKey` may lie beyond the last delivery found,
        // because filtered items advance it too; resuming there skips nothing.
        let stopped_at = stopped_at?;
        keys::delivery_of_sort(stopped_at.get(SK)?.as_s().ok()?)
    }
}

impl Table {
    /// Lists an endpoint's deliveries, newest first. Skips expired deliveries that
    /// DynamoDB has not removed yet.
    ///
    /// Usually one `Query`. It takes more if the filter drops items: expired ones, other
    /// event types, or, in a list of delivered ones, the few that are pending or failed.
    /// After [`MAX_PAGES`] queries, or at `search_until`, the page is returned short. This
    /// bounds a search for something rare in a long history, and the caller can continue
    /// from where it stopped.
    ///
    /// # Errors
    /// If the call fails or an item cannot be decoded.
    pub async fn deliveries(
        &self,
        endpoint: EndpointKey,
        wanted: &HistoryQuery,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        const OPERATION: &str = "Query of deliveries";
        let mut deliveries = Vec::new();
        if wanted.from > wanted.to {
            return Ok(Page {
                deliveries,
                next: None,
            });
        }
        let query = self.history_query(endpoint, wanted, now);
        let mut reads = Reads::of(wanted, limit);
        let mut start = None;
        for count in 1..=MAX_PAGES {
            let page = query
                .clone()
                .set_limit(reads.next())
                .set_exclusive_start_key(start)
                .send()
                .await
                .during(OPERATION)?;
            for item in page.items.unwrap_or_default() {
                deliveries.push(delivery(item).during(OPERATION)?);
            }
            start = page.last_evaluated_key;
            let time_is_up = wanted.search_until.is_some_and(is_past);
            // The page is full, and the search goes on only to learn whether another one
            // follows. Rather than search for long, return a cursor whose page may be empty.
            let is_enough = deliveries.len() >= limit && count >= PAGES_TO_FIND_NEXT;
            if start.is_none() || deliveries.len() > limit || is_enough || time_is_up {
                break;
            }
        }
        let next = cut(&mut deliveries, limit, start);
        Ok(Page { deliveries, next })
    }

    /// The query of [`Table::deliveries`], without a limit.
    fn history_query(
        &self,
        endpoint: EndpointKey,
        wanted: &HistoryQuery,
        now: Timestamp,
    ) -> QueryFluentBuilder {
        // Pending and failed deliveries have an index entry. Delivered ones do not, but are
        // by far the most, so the table's own order finds them with a cheap filter.
        let listed = wanted.status.filter(|status| keys::is_listed(*status));
        let (pk, sk, partition) = match listed {
            None => (PK, SK, keys::delivery_partition(endpoint)),
            Some(status) => (LISTS.pk, LISTS.sk, keys::status_partition(endpoint, status)),
        };
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .set_index_name(listed.map(|_| LISTS.name.to_owned()))
            // DynamoDB has no consistent reads of a global index. The table is read
            // consistently, so the list includes every outcome the caller has seen.
            .consistent_read(listed.is_none())
            .key_condition_expression("#pk = :partition AND #sk BETWEEN :from AND :to")
            .expression_attribute_names("#pk", pk)
            .expression_attribute_names("#sk", sk)
            .expression_attribute_values(":partition", text(partition))
            .expression_attribute_values(":from", text(keys::delivery_sort(wanted.from)))
            .expression_attribute_values(":to", text(keys::delivery_sort(wanted.to)))
            .expression_attribute_names("#expires", EXPIRES_AT)
            .expression_attribute_values(":now", number(now.as_second()))
            .scan_index_forward(false);
        let mut filter = "#expires > :now".to_owned();
        let mut query = shown(query);
        if let Some(event) = &wanted.event {
            filter.push_str(" AND #event = :event");
            query = query
                .expression_attribute_names("#event", EVENT)
                .expression_attribute_values(":event", text(event));
        }
        if let (Some(status), None) = (wanted.status, listed) {
            filter.push_str(" AND #status = :status");
            query = query
                .expression_attribute_names("#status", STATUS)
                .expression_attribute_values(":status", text(keys::status_letter(status)));
        }
        query.filter_expression(filter)
    }

    /// Counts the deliveries that a recovery will resend, until `search_until`. One `Query`
    /// of the index per 1 MB.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn count_failed(
        &self,
        recovery: &Recovery,
        now: Timestamp,
        search_until: Instant,
    ) -> Result<FailedCount, StoreError> {
        const OPERATION: &str = "Query of failed deliveries";
        // `before` is exclusive, `BETWEEN` inclusive.
        let to = recovery.before.predecessor();
        if recovery.from > to {
            return Ok(FailedCount {
                deliveries: 0,
                at_least: false,
            });
        }
        let partition = keys::status_partition(recovery.endpoint, DeliveryStatus::Failed);
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(LISTS.name)
            .select(Select::Count)
            .key_condition_expression("#pk = :partition AND #sk BETWEEN :from AND :to")
            // Test pings, and deliveries whose payload is gone, cannot be resent.
            .filter_expression(
                "#expires > :now AND attribute_not_exists(#ping) \
                 AND attribute_not_exists(#deleted) AND attribute_not_exists(#ephemeral)",
            )
            .expression_attribute_names("#deleted", PAYLOAD_DELETED_AT)
            .expression_attribute_names("#ephemeral", EPHEMERAL)
            .expression_attribute_names("#pk", LISTS.pk)
            .expression_attribute_names("#sk", LISTS.sk)
            .expression_attribute_names("#ping", TEST_PING)
            .expression_attribute_names("#expires", EXPIRES_AT)
            .expression_attribute_values(":partition", text(partition))
            .expression_attribute_values(":from", text(keys::delivery_sort(recovery.from)))
            .expression_attribute_values(":to", text(keys::delivery_sort(to)))
            .expression_attribute_values(":now", number(now.as_second()));
        let (mut count, mut start) = (0, None);
        loop {
            let page = query
                .clone()
                .set_exclusive_start_key(start)
                .send()
                .await
                .during(OPERATION)?;
            count += u32::try_from(page.count).unwrap_or(0);
            start = page.last_evaluated_key;
            let is_known = start.is_none() || count >= recovery.remaining;
            if is_known || is_past(search_until) {
                return Ok(FailedCount {
                    deliveries: count.min(recovery.remaining),
                    at_least: !is_known,
                });
            }
        }
    }
}

/// The `Limit` of the queries for one page.
enum Reads {
    /// This many items, or 1 MB, whichever comes first.
    Items(i32),
    /// 1 MB, the most that DynamoDB reads in one query.
    Most,
}

impl Reads {
    /// Starts with one item more than the page holds, to learn whether another page follows.
    /// A search for an event type reads as much as it can.
    fn of(wanted: &HistoryQuery, limit: usize) -> Self {
        match wanted.event {
            None => Self::Items(i32::try_from(limit + 1).unwrap_or(i32::MAX)),
            Some(_) => Self::Most,
        }
    }

    /// The limit of the next query, four times the previous one. If a query did not fill the
    /// page, the filter dropped items, and how many more it will drop is unknown: few if
    /// some deliveries failed, many if they have expired.
    fn next(&mut self) -> Option<i32> {
        match *self {
            Self::Most => None,
            Self::Items(count) => {
                *self = match count.saturating_mul(4) {
                    5000.. => Self::Most,
                    more => Self::Items(more),
                };
                Some(count)
            }
        }
    }
}

/// Limits a query to the attributes of a list. DynamoDB charges for whole items all the
/// same, but less data is transferred: the attempt log stays behind.
pub(super) fn shown(query: QueryFluentBuilder) -> QueryFluentBuilder {
    let names = SHOWN.iter().enumerate();
    let names: Vec<_> = names.map(|(i, name)| (format!("#{i}"), *name)).collect();
    let list: Vec<_> = names.iter().map(|(name, _)| name.as_str()).collect();
    let query = query.projection_expression(list.join(", "));
    names.into_iter().fold(query, |query, (name, attribute)| {
        query.expression_attribute_names(name, attribute)
    })
}

/// The attributes of a [`Delivery`].
const SHOWN: [&str; 15] = [
    PK,
    SK,
    EVENT_ID,
    EVENT,
    TEST_PING,
    STATUS,
    ATTEMPTS,
    RESPONSE_STATUS,
    CREATED_AT,
    DELIVERED_AT,
    NEXT_RETRY_AT,
    WAITING_SINCE,
    EXPIRES_AT,
    PAYLOAD_DELETED_AT,
    EPHEMERAL,
];

fn is_past(time: Instant) -> bool {
    time <= Instant::now()
}

/// Maximum number of queries (up to 1 MB each) for one page.
const MAX_PAGES: usize = 40;

/// After this many, a full page is returned without knowing whether another one follows.
const PAGES_TO_FIND_NEXT: usize = 6;

//! Deliveries that wait for their endpoint, because it is paused or because its rate limit
//! leaves no turn. A waiting delivery is a pending one with [`WAITING_SINCE`], so the index
//! of pending deliveries finds it and waiting needs no index of its own.

use jiff::Timestamp;
use tracing::error;

use super::Table;
use super::batch_get::id_of;
use super::delivery_item::delivery;
use super::fields::{number, text, time};
use super::history::cut;
use super::keys::attribute::{EXPIRES_AT, WAITING_SINCE};
use super::keys::{self, LISTS};
use super::update::Update;

use crate::aws::error::{During, StoreError, written};
use crate::domain::delivery::{Delivery, DeliveryStatus};
use crate::domain::endpoint::EndpointKey;
use crate::domain::id::DeliveryId;

/// A page of the deliveries that wait for an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Oldest first.
    pub deliveries: Vec<Delivery>,
    /// How many deliveries were skipped because they cannot be decoded.
    pub unreadable: usize,
    /// The next page starts after this delivery. `None` on the last page.
    pub next: Option<DeliveryId>,
}

impl Waiting {
    /// Shortens the page to `count` deliveries, but to no fewer than one.
    pub fn keep(&mut self, count: usize) {
        if self.deliveries.len() > count.max(1) {
            self.deliveries.truncate(count.max(1));
            self.next = self.deliveries.last().map(|last| last.id);
        }
    }
}

/// Pending deliveries that one query reads. While an endpoint is paused, nearly all of its
/// pending deliveries wait.
const PAGE: i32 = 300;

/// Maximum number of queries for one page.
const MAX_PAGES: usize = 5;

impl Table {
    /// Up to `limit` deliveries that wait for an endpoint, oldest first, starting after
    /// `after`. One `Query` of the index; more if many of the endpoint's pending deliveries do
    /// not wait. The index is eventually consistent, so a delivery that began to wait within
    /// the last second may be missing. A delivery that somebody edited by hand must not stop
    /// the others, so it is skipped and its key is logged.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn waiting(
        &self,
        endpoint: EndpointKey,
        after: Option<DeliveryId>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Waiting, StoreError> {
        const OPERATION: &str = "Query of waiting deliveries";
        let after = after.unwrap_or(DeliveryId::MIN);
        let pending = keys::status_partition(endpoint, DeliveryStatus::Pending);
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(LISTS.name)
            .key_condition_expression("#pk = :pending AND #sk > :after")
            .filter_expression("attribute_exists(#waiting) AND #expires > :now")
            .expression_attribute_names("#pk", LISTS.pk)
            .expression_attribute_names("#sk", LISTS.sk)
            .expression_attribute_names("#waiting", WAITING_SINCE)
            .expression_attribute_names("#expires", EXPIRES_AT)
            .expression_attribute_values(":pending", text(pending))
            .expression_attribute_values(":after", text(keys::delivery_sort(after)))
            .expression_attribute_values(":now", number(now.as_second()))
            // DynamoDB applies the limit before the filter, so this counts all pending ones.
            .limit(PAGE);
        let (mut deliveries, mut unreadable) = (Vec::new(), 0);
        let mut start = None;
        for _ in 0..MAX_PAGES {
            let page = query.clone().set_exclusive_start_key(start).send().await;
            let page = page.during(OPERATION)?;
            for item in page.items.unwrap_or_default() {
                let (pk, sk) = id_of(&item);
                match delivery(item) {
                    Ok(delivery) => deliveries.push(delivery),
                    Err(_) => {
                        unreadable += 1;
                        error!(
                            pk,
                            sk,
                            operational_event = "item.unreadable",
                            "skipped an unreadable delivery"
                        );
                    }
                }
            }
            start = page.last_evaluated_key;
            if start.is_none() || deliveries.len() >= limit {
                break;
            }
        }
        let next = cut(&mut deliveries, limit, start);
        Ok(Waiting {
            deliveries,
            unreadable,
            next,
        })
    }

    /// Records that a delivery no longer waits, once its message is on the queue. Does nothing
    /// if its attempt was made meanwhile, or if it began to wait again. One `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn end_waiting(&self, delivery: &Delivery) -> Result<(), StoreError> {
        let Some(since) = delivery.waiting_since else {
            return Ok(());
        };
        // The time identifies the wait: a delivery that waits again has a later one.
        let update = Update::existing()
            .only_if(WAITING_SINCE, time(since))
            .remove(WAITING_SINCE);
        let key = keys::delivery(delivery.endpoint, delivery.id);
        let updated = self.update_item(key, update).send().await;
        written(updated).during("UpdateItem of a delivery that no longer waits")?;
        Ok(())
    }
}

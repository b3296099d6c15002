//! Deliveries that wait for their endpoint: while it is paused, or because more are to
//! be sent than its rate limit allows. They are those of the endpoint's
//! pending ones that say so, so waiting costs no index of its own.

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

/// Some of the deliveries that wait for an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Oldest first.
    pub deliveries: Vec<Delivery>,
    /// How many were skipped because they cannot be read.
    pub unreadable: usize,
    /// The delivery to go on after, unless there are no more.
    pub next: Option<DeliveryId>,
}

impl Waiting {
    /// Leaves all but so many for later. At least one stays.
    pub fn keep(&mut self, count: usize) {
        if self.deliveries.len() > count.max(1) {
            self.deliveries.truncate(count.max(1));
            self.next = self.deliveries.last().map(|last| last.id);
        }
    }
}

/// Pending deliveries that are read at once to find those that wait. Few of an
/// endpoint's pending ones do not.
const PAGE: i32 = 300;

/// Such pages that are read before the caller goes on from there.
const MOST_PAGES: usize = 5;

impl Table {
    /// Up to `limit` deliveries that wait for an endpoint, oldest first, from the one
    /// behind `after` on. One `Query` of the index, more only if many of the
    /// endpoint's pending deliveries do not wait. One that began to wait within the
    /// last second may be missing. One that somebody edited by hand must not stop the
    /// others, so it is skipped, and its key logged.
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
            // Of items before the filter: those that do not wait count as well.
            .limit(PAGE);
        let (mut deliveries, mut unreadable) = (Vec::new(), 0);
        let mut start = None;
        for _ in 0..MOST_PAGES {
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

    /// Records that a delivery no longer waits, once it is on the queue. Does nothing
    /// if its attempt was made meanwhile, or if it waits again. One `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn end_waiting(&self, delivery: &Delivery) -> Result<(), StoreError> {
        let Some(since) = delivery.waiting_since else {
            return Ok(());
        };
        let update = Update::existing()
            .only_if(WAITING_SINCE, time(since))
            .remove(WAITING_SINCE);
        let key = keys::delivery(delivery.endpoint, delivery.id);
        let updated = self.update_item(key, update).send().await;
        written(updated).during("UpdateItem of a delivery that waited")?;
        Ok(())
    }
}

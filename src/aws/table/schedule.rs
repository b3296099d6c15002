//! The schedule: attempts that are due later than SQS can delay a message, and endpoints
//! whose waiting deliveries need the next step. They wait in the table, at no cost, until
//! they are due soon enough for the queue.

use jiff::Timestamp;

use super::batch_get::id_of;
use super::fields::{Fields, text};
use super::keys::attribute::{
    ATTEMPTS, CREATED_AT, EPHEMERAL, EVENT, EVENT_ID, EXPIRES_AT, NEXT_RETRY_AT, PK, SK,
};
use super::keys::{self, ENDPOINT, SCHEDULE, SCHEDULE_SHARDS};
use super::update::Update;
use super::{Item, Table, UnreadableItem};
use crate::aws::error::{During, Malformed, StoreError, written};
use crate::domain::endpoint::EndpointKey;
use crate::domain::event_type::EventType;
use crate::domain::message::{DeliveryTask, Source};
use crate::domain::time::iso_millis;

/// An entry of the schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// A delivery's next attempt.
    Attempt(DueAttempt),
    /// An endpoint with waiting deliveries.
    Endpoint(DueEndpoint),
    /// An item that cannot be decoded as either.
    Unreadable(UnreadableItem),
}

/// An attempt on the schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueAttempt {
    /// What to attempt.
    pub task: DeliveryTask,
    /// When the attempt is due. Claiming it does not change this.
    pub due_at: Timestamp,
    /// The sort key in the schedule. Changes with every claim.
    sort: String,
}

/// An endpoint with waiting deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueEndpoint {
    /// The app and the endpoint's id.
    pub key: EndpointKey,
    /// When the next step for its waiting deliveries is due.
    pub due_at: Timestamp,
}

/// Maximum number of queries per call, so that a sweep ends in time. With 500 entries each,
/// they cover 80,000 paused endpoints in all shards. Entries after that are found once the
/// ones before them have moved on.
const MAX_PAGES: usize = 20;

impl Table {
    /// The number of shards. They are numbered from 0.
    pub const SCHEDULE_SHARDS: u8 = SCHEDULE_SHARDS;

    /// Up to `limit` attempts of a shard that are due before `until`, most overdue first.
    /// Endpoints and unreadable items are returned in addition and do not count: they stay on
    /// the schedule, and must not hide the attempts behind them. One `Query`; more only if
    /// there are many of those.
    ///
    /// # Errors
    /// If a call fails.
    pub async fn due(
        &self,
        shard: u8,
        until: Timestamp,
        limit: i32,
    ) -> Result<Vec<Due>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(SCHEDULE.name)
            .key_condition_expression("#pk = :shard AND #sk < :until")
            .expression_attribute_names("#pk", SCHEDULE.pk)
            .expression_attribute_names("#sk", SCHEDULE.sk)
            .expression_attribute_values(":shard", text(keys::schedule_partition(shard)))
            .expression_attribute_values(":until", text(iso_millis(until)));
        let (mut found, mut attempts, mut start) = (Vec::new(), 0, None);
        for _ in 0..MAX_PAGES {
            // Reads whole pages even if few attempts are missing, because many other entries
            // may be in between.
            let page = query.clone().limit(limit).set_exclusive_start_key(start);
            let page = page.send().await.during("Query of due entries")?;
            for item in page.items.unwrap_or_default() {
                let entry = due(item);
                let is_attempt = matches!(entry, Due::Attempt(_));
                if !is_attempt || attempts < limit {
                    attempts += i32::from(is_attempt);
                    found.push(entry);
                }
            }
            start = page.last_evaluated_key;
            if start.is_none() || attempts >= limit {
                break;
            }
        }
        Ok(found)
    }

    /// Claims an attempt by moving it to `until` in the schedule. `None` if it is no longer
    /// where it was found: another sweep has claimed it, or the attempt was made. One
    /// `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn claim(
        &self,
        due: DueAttempt,
        until: Timestamp,
    ) -> Result<Option<DueAttempt>, StoreError> {
        let task = &due.task;
        let sort = keys::claim_sort(until, task.delivery_id, rand::random());
        // Every claim has a unique sort key, which the condition also allows. So if a response
        // is lost, the SDK's next try succeeds.
        let update = Update::default()
            .set(SCHEDULE.sk, text(&sort))
            .only_if_either(SCHEDULE.sk, text(&due.sort), text(&sort));
        let key = keys::delivery(task.endpoint, task.delivery_id);
        let updated = self.update_item(key, update).send().await;
        let claimed = written(updated).during("UpdateItem of a claimed attempt")?;
        Ok(claimed.then_some(DueAttempt { sort, ..due }))
    }

    /// Removes an attempt from the schedule, once it is on the queue. Does nothing if it is no
    /// longer where it was found or claimed. One `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn unschedule(&self, due: &DueAttempt) -> Result<(), StoreError> {
        let task = &due.task;
        let update = Update::default()
            .remove(SCHEDULE.pk)
            .remove(SCHEDULE.sk)
            .only_if(SCHEDULE.sk, text(&due.sort));
        let key = keys::delivery(task.endpoint, task.delivery_id);
        let updated = self.update_item(key, update).send().await;
        written(updated).during("UpdateItem of a due attempt")?;
        Ok(())
    }
}

fn due(item: Item) -> Due {
    let (pk, sk) = id_of(&item);
    let read = if sk.starts_with(ENDPOINT) {
        due_endpoint(item).map(Due::Endpoint)
    } else {
        due_attempt(item).map(Due::Attempt)
    };
    read.unwrap_or(Due::Unreadable(UnreadableItem { pk, sk }))
}

fn due_endpoint(item: Item) -> Result<DueEndpoint, Malformed> {
    const KEYS: &str = "not the keys of an endpoint in the schedule";
    let mut fields = Fields::of(item);
    let (pk, sk): (String, String) = (fields.read(PK)?, fields.read(SK)?);
    let sort: String = fields.read(SCHEDULE.sk)?;
    Ok(DueEndpoint {
        key: keys::endpoint_of(&pk, &sk).ok_or(KEYS)?,
        due_at: keys::place_of_sort(&sort).ok_or(KEYS)?.at,
    })
}

fn due_attempt(item: Item) -> Result<DueAttempt, Malformed> {
    const KEYS: &str = "not the keys of a due attempt";
    let mut fields = Fields::of(item);
    let (pk, sk): (String, String) = (fields.read(PK)?, fields.read(SK)?);
    let event: String = fields.read(EVENT)?;
    let attempts: u32 = fields.read(ATTEMPTS)?;
    Ok(DueAttempt {
        due_at: fields.read(NEXT_RETRY_AT)?,
        sort: fields.read(SCHEDULE.sk)?,
        task: DeliveryTask {
            endpoint: keys::endpoint_of_delivery(&pk).ok_or(KEYS)?,
            delivery_id: keys::delivery_of_sort(&sk).ok_or(KEYS)?,
            // Pings are never retried, so none is on the schedule.
            source: Source::Event(fields.read(EVENT_ID)?),
            event: EventType::parse(&event)?,
            created_at: fields.read(CREATED_AT)?,
            expires_at: Timestamp::from_second(fields.read(EXPIRES_AT)?)?,
            attempt: attempts + 1,
            resend: false,
            has_turn: false,
            if_owed: false,
            ephemeral: fields.read_some(EPHEMERAL)?.unwrap_or(false),
        },
    })
}

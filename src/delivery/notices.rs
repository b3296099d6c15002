//! Tells the operator what became of endpoints, deliveries and apps, by events of the
//! reserved app, which take the same way as all others.
//!
//! What happened is recorded first and told then, because only who recorded it knows that
//! it happened. If it cannot be told, its message comes back, and the record says that it
//! is still to be told:
//!
//! | What | The record | Who tells it again |
//! |---|---|---|
//! | a transition of an endpoint | the log in its item, by the delivery that brought it about | the attempt's message, which finds the attempt made; the event's, if the attempt was made at once; or tend, for a probe |
//! | a delivery that used up its attempts | its status | the last attempt's message, which finds it made |
//! | an app that is deleted | its mark, which is removed last | the message of the deletion, or the next sweep's |
//!
//! Told twice, it is the same event, by its id. An event bus does not know that, so what
//! is told twice is there twice, with the same id in it.

use std::fmt;
use std::time::Duration;

use super::received::MessageMeta;
use super::{Deliverer, HandleError};
use crate::domain::delivery::Delivery;
use crate::domain::endpoint::{Endpoint, EndpointKey};
use crate::domain::id::DeliveryId;
use crate::domain::message::{Lane, Message};
use crate::domain::notice::{BusMessage, Notice};
use crate::ttl_cache::TtlCache;

/// How long failed deliveries of an endpoint are not told again. An endpoint that answers
/// some events with an error, and others not, is never paused, and every event that it
/// refuses uses up its attempts.
const FAILURES_ONCE_IN: Duration = Duration::from_secs(60);

/// How far the clocks of the queue and of this function may be apart.
const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// The endpoints whose failed deliveries this process has told recently.
pub struct ToldFailures(TtlCache<EndpointKey, ()>);

impl Default for ToldFailures {
    fn default() -> Self {
        Self(TtlCache::new(FAILURES_ONCE_IN))
    }
}

impl fmt::Debug for ToldFailures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ToldFailures")
    }
}

impl Deliverer {
    /// Publishes a notice. One `SendMessage`, and another one if the operator has an event
    /// bus. Whatever becomes of the one, the other is made.
    pub(super) async fn tell(&self, notice: &Notice) -> Result<(), HandleError> {
        let (queues, now) = (&self.stores.queues, self.clock.now());
        let event = notice.event(now)?;
        let message = Message::Event(event.clone());
        let for_bus = BusMessage::of(&event, now);
        let (to_endpoints, to_bus) = tokio::join!(
            queues.send(Lane::Fast, &message),
            queues.send_to_bus(&for_bus),
        );
        to_endpoints?;
        Ok(to_bus?)
    }

    /// Publishes notices, whatever becomes of the others.
    pub(super) async fn tell_all(
        &self,
        notices: impl IntoIterator<Item = Notice>,
    ) -> Result<(), HandleError> {
        let mut told = Ok(());
        for notice in notices {
            told = told.and(self.tell(&notice).await);
        }
        told
    }

    /// Tells that a delivery used up its attempts, if it did; but only once a minute for
    /// each endpoint and process.
    pub(super) async fn tell_if_exhausted(
        &self,
        delivery: &Delivery,
        endpoint: &Endpoint,
    ) -> Result<(), HandleError> {
        let Some(notice) = Notice::of_exhausted(delivery, Some(endpoint)) else {
            return Ok(());
        };
        let (told, now) = (&self.told_failures.0, self.clock.now());
        if told.get(&endpoint.key, now).is_some() {
            return Ok(());
        }
        self.tell(&notice).await?;
        told.put(endpoint.key, (), now);
        Ok(())
    }

    /// The same for an attempt whose record was refused, because another one was there: if
    /// the answer to an earlier try of the SDK was lost, that one is its own. One `GetItem`,
    /// if the delivery would have used up its attempts.
    pub(super) async fn tell_if_recorded(
        &self,
        delivery: &Delivery,
        endpoint: &Endpoint,
    ) -> Result<(), HandleError> {
        if Notice::of_exhausted(delivery, None).is_none() {
            return Ok(());
        }
        let table = &self.stores.table;
        match table.delivery(delivery.endpoint, delivery.id).await? {
            Some(found) => self.tell_if_exhausted(&found.delivery, endpoint).await,
            None => Ok(()),
        }
    }

    /// Tells transitions of an endpoint again that this delivery brought about.
    pub(super) async fn tell_again_of(
        &self,
        endpoint: &Endpoint,
        by: DeliveryId,
    ) -> Result<(), HandleError> {
        let notices = Notice::of_transitions(endpoint, |transition| transition.by == by);
        self.tell_all(notices.collect::<Vec<_>>()).await
    }

    /// Tells transitions of an endpoint again that a message may have brought about, if it
    /// came back: none that is older than the message.
    pub(super) async fn tell_again(
        &self,
        endpoint: &Endpoint,
        meta: &MessageMeta,
    ) -> Result<(), HandleError> {
        if meta.back.is_empty() {
            return Ok(());
        }
        let since = meta.sent_at.map(|sent_at| sent_at - CLOCK_SKEW);
        let notices = Notice::of_transitions(endpoint, |transition| {
            since.is_none_or(|since| since <= transition.at)
        });
        self.tell_all(notices.collect::<Vec<_>>()).await
    }
}

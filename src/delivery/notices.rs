//! Notifies the operator about endpoints, deliveries and apps. A notice is an event of
//! the reserved app, and is delivered like any other event.
//!
//! A change is recorded first and its notice sent then, because only the one that
//! recorded the change knows that it happened. If the notice can't be sent, the message
//! that caused it comes back, and the record tells that a notice may still be due:
//!
//! | Change | Record | What sends the notice again |
//! |---|---|---|
//! | a transition of an endpoint | the log in its item, with the delivery that caused it | the attempt's message, which finds the attempt made; the event's message, if the attempt was made at once; or tend, for a probe |
//! | a delivery that used up its attempts | its status | the last attempt's message, which finds the attempt made |
//! | an app that is deleted | its mark, which is removed last | the message of the deletion, or the next sweep's |
//!
//! A notice that is sent twice is the same event, because its id follows from its
//! content. An event bus does not deduplicate, so it gets both, with the same id in them.

use std::fmt;
use std::time::Duration;

use super::received::MessageMeta;
use super::{Deliverer, HandleError};
use crate::domain::delivery::Delivery;
use crate::domain::endpoint::{Endpoint, EndpointKey};
use crate::domain::id::DeliveryId;
use crate::domain::message::{Lane, Message};
use crate::domain::notice::{BusMessage, Notice};
use crate::domain::time::CLOCK_SKEW;
use crate::ttl_cache::TtlCache;

/// How long an endpoint's failed deliveries are not notified again. An endpoint that
/// answers only some events with an error is never paused, and each event that it rejects
/// uses up its attempts.
const FAILURES_ONCE_IN: Duration = Duration::from_secs(60);

/// The endpoints whose failed deliveries this process has recently notified.
pub struct NotifiedFailures(TtlCache<EndpointKey, ()>);

impl Default for NotifiedFailures {
    fn default() -> Self {
        Self(TtlCache::new(FAILURES_ONCE_IN))
    }
}

impl fmt::Debug for NotifiedFailures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NotifiedFailures")
    }
}

impl Deliverer {
    /// Publishes a notice. One `SendMessage`, and another one if the operator has an
    /// event bus. Each is sent even if the other fails.
    pub(super) async fn notify(&self, notice: &Notice) -> Result<(), HandleError> {
        let (queues, now) = (&self.stores.queues, self.clock.now());
        let event = notice.event(now)?;
        let message = Message::Event(event.clone());
        let for_bus = BusMessage::of(&event, now);
        // Not `try_join!`, which would drop the other call when one fails.
        let (to_endpoints, to_bus) = tokio::join!(
            queues.send(Lane::Fast, &message),
            queues.send_to_bus(&for_bus),
        );
        to_endpoints?;
        Ok(to_bus?)
    }

    /// Publishes notices, each even if others fail. Returns the first failure.
    pub(super) async fn notify_all(
        &self,
        notices: impl IntoIterator<Item = Notice>,
    ) -> Result<(), HandleError> {
        let mut notified = Ok(());
        for notice in notices {
            notified = notified.and(self.notify(&notice).await);
        }
        notified
    }

    /// Notifies that a delivery used up its attempts, if it did, but at most once a
    /// minute for each endpoint and process.
    pub(super) async fn notify_if_exhausted(
        &self,
        delivery: &Delivery,
        endpoint: &Endpoint,
    ) -> Result<(), HandleError> {
        let Some(notice) = Notice::of_exhausted(delivery, Some(endpoint)) else {
            return Ok(());
        };
        let (recent, now) = (&self.notified_failures.0, self.clock.now());
        if recent.get(&endpoint.key, now).is_some() {
            return Ok(());
        }
        self.notify(&notice).await?;
        // Only once it is sent, so that a failure does not suppress the next try.
        recent.put(endpoint.key, (), now);
        Ok(())
    }

    /// Does the same for an attempt whose record was refused because a record exists. It
    /// may be the attempt's own, if the response to it was lost and the SDK tried again.
    /// One `GetItem`, if the delivery would have used up its attempts.
    pub(super) async fn notify_if_recorded(
        &self,
        delivery: &Delivery,
        endpoint: &Endpoint,
    ) -> Result<(), HandleError> {
        if Notice::of_exhausted(delivery, None).is_none() {
            return Ok(());
        }
        let table = &self.stores.table;
        match table.delivery(delivery.endpoint, delivery.id).await? {
            Some(found) => self.notify_if_exhausted(&found.delivery, endpoint).await,
            None => Ok(()),
        }
    }

    /// Notifies again of the endpoint's transitions that this delivery caused.
    pub(super) async fn notify_again_of(
        &self,
        endpoint: &Endpoint,
        by: DeliveryId,
    ) -> Result<(), HandleError> {
        let notices = Notice::of_transitions(endpoint, |transition| transition.by == by);
        self.notify_all(notices.collect::<Vec<_>>()).await
    }

    /// Notifies again of the endpoint's transitions that a message may have caused, if it
    /// came back. Transitions before the message was sent are not among them.
    pub(super) async fn notify_again(
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
        self.notify_all(notices.collect::<Vec<_>>()).await
    }
}

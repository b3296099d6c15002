//! A replay: sends, in the background, stored events that an endpoint subscribes to but
//! never got, because it was created or its subscriptions were widened later.
//!
//! It goes through the deliveries of the app's other endpoints, oldest first, in chunks
//! of one message each. An event is then delivered as if the endpoint had existed at the
//! time, under the same delivery id and time. So an event that is found twice, through
//! two other endpoints or in two replays, makes one delivery.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use tracing::{info, warn};

use super::fan_out::first_attempt;
use super::{Deliverer, HandleError};
use crate::aws::StoreError;
use crate::domain::message::{DeliveryTask, Lane, Message};
use crate::domain::replay::Replay;

const WRITES_AT_ONCE: usize = 25;

impl Deliverer {
    /// Calls: a `GetItem` of the endpoint, those that find the events of a chunk, a
    /// `SendMessageBatch` for every ten and a `PutItem` for each, an `UpdateItem` of the
    /// endpoint, which marks the replay as in progress, and a `SendMessage` if there is
    /// more to do.
    pub(super) async fn replay(&self, replay: Replay) -> Result<(), HandleError> {
        let (table, queues, now) = (&self.stores.table, &self.stores.queues, self.clock.now());
        let endpoint = table.endpoint(replay.endpoint).await?;
        // An inactive or deleted endpoint gets nothing, so the replay ends.
        let Some(endpoint) = endpoint.filter(|endpoint| endpoint.active) else {
            self.note_replay(&replay, false).await;
            return Ok(());
        };
        let chunk = replay.remaining.min(self.chunks.recovery.into());
        let chunk = usize::try_from(chunk).unwrap_or(usize::MAX);
        let unsent = table.unsent(&endpoint, &replay, chunk, now).await?;
        let mut tasks = Vec::new();
        for (id, event) in &unsent.events {
            if self.is_for(&endpoint, event)? {
                tasks.push(first_attempt(*id, event, endpoint.key));
            }
        }
        let sent = u32::try_from(tasks.len()).unwrap_or(u32::MAX);
        self.send_unsent(tasks).await?;
        info!(
            app_id = %replay.endpoint.app_id,
            endpoint_id = %replay.endpoint.endpoint_id,
            replay_id = %replay.id,
            deliveries = sent,
            "replay"
        );
        let rest = replay.clone().rest(unsent.next, sent);
        self.note_replay(&replay, rest.is_some()).await;
        match rest {
            Some(rest) => Ok(queues.send(Lane::Slow, &Message::Replay(rest)).await?),
            None => Ok(()),
        }
    }

    /// Enqueues first attempts, then records their deliveries, so that no other chunk
    /// finds these events missing.
    async fn send_unsent(&self, tasks: Vec<DeliveryTask>) -> Result<(), StoreError> {
        let messages = tasks.iter().cloned().map(Message::Delivery);
        let messages: Vec<_> = messages.map(|message| (message, Duration::ZERO)).collect();
        // The messages first: if this breaks off, the replay's message comes back and
        // finds the events still missing. The same events then make the same deliveries.
        self.stores.queues.send_all(Lane::Slow, messages).await?;
        let table = &self.stores.table;
        stream::iter(tasks)
            .map(|task| async move { table.record_accepted(&task).await })
            .buffer_unordered(WRITES_AT_ONCE)
            .try_collect::<Vec<_>>()
            .await?;
        Ok(())
    }

    /// Renews the replay's lease, or ends it. This never fails a chunk: at worst, the
    /// lease expires too early or too late.
    async fn note_replay(&self, replay: &Replay, goes_on: bool) {
        let table = &self.stores.table;
        let noted = match goes_on {
            true => table.renew_recovery(replay, self.clock.now()).await,
            false => table.end_recovery(replay).await,
        };
        if let Err(error) = noted {
            warn!(%error, replay_id = %replay.id, "failed to note a replay's progress");
        }
    }
}

//! Returns messages that could not be handled to their queue, or moves them to the
//! dead-letter queue.
//!
//! | What failed | Comes back | Dead letter |
//! |---|---|---|
//! | AWS, or a call to it took too long | after [`delay_after`] its receives | after `maxReceiveCount` receives, by SQS: an outage of more than a week |
//! | This code (an error, a panic), or stored data | the same | after [`DEFECT_RECEIVES`] receives |
//! | Parsing the message | | at once |
//! | The whole function (killed, out of memory) | after the visibility timeout | after `maxReceiveCount` receives, by SQS: within a day |

use aws_lambda_events::sqs::SqsBatchResponse;
use futures_util::future::join_all;
use tokio::time::timeout_at;
use tracing::{error, warn};

use super::batch::NamelessMessage;
use super::deadline::Deadline;
use super::received::Received;
use super::running::{Cause, Failed};
use super::{Deliverer, HandleError};
use crate::aws::queue::DeadLetter;
use crate::domain::message::Lane;
use crate::domain::redelivery::{DEFECT_RECEIVES, delay_after, with_jitter};
use crate::domain::unreadable::Unreadable;

impl Deliverer {
    /// Returns failed messages to their lane's queue, each with a delay, and names them
    /// in the response. If setting the delays takes too long or fails, the messages still
    /// come back, after the visibility timeout.
    ///
    /// # Errors
    /// [`NamelessMessage`].
    pub(super) async fn give_back(
        &self,
        lane: Lane,
        failed: Vec<Failed>,
        deadline: Option<Deadline>,
    ) -> Result<SqsBatchResponse, NamelessMessage> {
        let (mut back, mut given_up) = (Vec::new(), Vec::new());
        for failed in failed {
            let Failed {
                message,
                cause,
                reason,
            } = &failed;
            error!(
                message_id = message.id,
                receive_count = message.receive_count,
                ?cause,
                reason,
                "failed to handle a message"
            );
            if *cause == Cause::Defect && message.receive_count >= DEFECT_RECEIVES {
                given_up.push(failed);
            } else {
                back.push(failed.message);
            }
        }
        // Both run concurrently: only seconds are left.
        let hiding = before(deadline, self.hide(lane, &back));
        let burying = given_up.into_iter().map(|failed| async move {
            let Failed {
                message, reason, ..
            } = failed;
            let buried = before(deadline, self.dead_letter(lane, &message, &reason)).await;
            (!buried).then_some(message)
        });
        // A message that can't be moved to the dead-letter queue comes back instead.
        let (_, unburied) = tokio::join!(hiding, join_all(burying));
        back.extend(unburied.into_iter().flatten());
        let mut response = SqsBatchResponse::default();
        for message in back {
            response.add_failure(message.id.ok_or(NamelessMessage)?);
        }
        Ok(response)
    }

    async fn hide(&self, lane: Lane, messages: &[Received]) -> Result<(), HandleError> {
        let delays = messages.iter().filter_map(|message| {
            let delay = with_jitter(delay_after(message.receive_count), &mut rand::rng());
            Some((message.receipt_handle.clone()?, delay))
        });
        let delays: Vec<_> = delays.collect();
        Ok(self.stores.queues.hide_all(lane, delays).await?)
    }

    /// Moves a message that can't be read to the dead-letter queue. It then counts as
    /// handled, so SQS deletes the original.
    pub(super) async fn reject(
        &self,
        lane: Lane,
        message: &Received,
        unreadable: &Unreadable,
    ) -> Result<(), HandleError> {
        let reason = unreadable.to_string();
        self.dead_letter(lane, message, &reason).await?;
        error!(
            message_id = message.id,
            flaw = unreadable.flaw.code(),
            reason,
            operational_event = "message.rejected",
            "rejected a message"
        );
        self.metrics.message_rejected(unreadable.flaw);
        Ok(())
    }

    async fn dead_letter(
        &self,
        lane: Lane,
        message: &Received,
        reason: &str,
    ) -> Result<(), HandleError> {
        let origin = &message.origin;
        let letter = DeadLetter {
            lane,
            message_id: origin.id.as_deref().unwrap_or_default(),
            sent_at: origin.sent_at.as_deref().unwrap_or_default(),
            body: &message.body,
            reason,
        };
        Ok(self.stores.queues.dead_letter(letter).await?)
    }
}

/// Whether `work` succeeds before the function has to respond. Logs why not.
async fn before(
    deadline: Option<Deadline>,
    work: impl Future<Output = Result<(), HandleError>>,
) -> bool {
    let done = match deadline {
        None => work.await,
        Some(deadline) => timeout_at(deadline.of_return(), work)
            .await
            .unwrap_or(Err(HandleError::OutOfTime)),
    };
    if let Err(error) = &done {
        warn!(%error, "failed to give messages back; they return after the visibility timeout");
    }
    done.is_ok()
}

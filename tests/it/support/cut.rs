//! Functions that are cut off halfway, as by a crash or Lambda's timeout.

use std::sync::Arc;

use aws_lambda_events::sqs::SqsMessage;
use tokio::sync::Notify;

use super::queue::Queue;
use super::wire::{Fault, Wire};

impl Queue {
    /// Handles a batch, and drops the future just before the `nth` call of `operation`,
    /// counted from 1. Neither that call nor any later one reaches AWS. Returns `false` if
    /// handling the batch took fewer calls.
    pub async fn cut_off(
        &self,
        wire: &Wire,
        operation: &'static str,
        nth: u32,
        messages: impl IntoIterator<Item = SqsMessage>,
    ) -> bool {
        let cut = Arc::new(Notify::new());
        let cutting = Arc::clone(&cut);
        let mut calls = 0;
        wire.disturb(move |call| {
            calls += u32::from(call == operation);
            if calls < nth {
                return None;
            }
            cutting.notify_one();
            // The select below sees the notification only when it is polled again. Until
            // then, this call and all later ones fail instead of reaching AWS.
            Some(Fault::Before)
        });
        let is_cut = tokio::select! {
            // If both are ready, the cut wins: handling that ended because its call failed
            // was cut off.
            biased;
            () = cut.notified() => true,
            handled = self.handle(messages) => {
                assert_eq!(handled, Ok(Vec::new()), "the batch failed without being cut off");
                false
            }
        };
        wire.mend();
        is_cut
    }
}

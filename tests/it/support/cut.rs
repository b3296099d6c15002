//! Functions that end in the middle of their work, as in a crash or at Lambda's timeout.

use std::sync::Arc;

use aws_lambda_events::sqs::SqsMessage;
use tokio::sync::Notify;

use super::queue::Queue;
use super::wire::{Fault, Wire};

impl Queue {
    /// Handles a batch, and drops everything as it is about to make the `nth` call of
    /// `operation`, counted from 1. Neither that call nor any later one reaches AWS.
    /// Returns `false` if the batch was handled with fewer calls.
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
            Some(Fault::Before)
        });
        let is_cut = tokio::select! {
            biased;
            () = cut.notified() => true,
            handled = self.handle(messages) => {
                assert_eq!(handled, Ok(Vec::new()), "fail without being cut off");
                false
            }
        };
        wire.mend();
        is_cut
    }
}

//! Work in progress.

use std::collections::HashMap;

use tokio::task::JoinSet;
use tracing::Instrument;

use super::HandleError;
use super::deadline::{Deadline, within};
use super::received::Received;

/// The work in progress for the messages of a batch. Each runs in a task of its own, so
/// that a panic fails one message and not the batch.
#[derive(Default)]
pub(super) struct Running {
    pub(super) deadline: Option<Deadline>,
    tasks: JoinSet<Result<(), HandleError>>,
    copies: HashMap<tokio::task::Id, Vec<Received>>,
    failed: Vec<Failed>,
}

/// A message that could not be handled.
pub(super) struct Failed {
    pub(super) message: Received,
    pub(super) cause: Cause,
    /// Never quotes the message.
    pub(super) reason: String,
}

/// Why a message could not be handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// AWS failed or took too long. It passes by itself.
    Outage,
    /// A defect of this code or of stored data. Somebody has to repair it.
    Defect,
}

impl Running {
    pub(super) fn until(deadline: Option<Deadline>) -> Self {
        Self {
            deadline,
            ..Self::default()
        }
    }

    /// Starts the work that these messages, which are copies of each other, ask for.
    pub(super) fn spawn<E: Into<HandleError> + 'static>(
        &mut self,
        copies: Vec<Received>,
        work: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        // The span has the request id, which a spawned task would not log otherwise.
        let work = within(self.deadline, work).in_current_span();
        let task = self.tasks.spawn(work);
        self.copies.insert(task.id(), copies);
    }

    pub(super) fn fail(&mut self, copies: Vec<Received>, error: &HandleError) {
        let cause = match error.is_outage() {
            true => Cause::Outage,
            false => Cause::Defect,
        };
        self.fail_for(copies, cause, &error.to_string());
    }

    fn fail_for(&mut self, copies: Vec<Received>, cause: Cause, reason: &str) {
        self.failed.extend(copies.into_iter().map(|message| Failed {
            message,
            cause,
            reason: reason.to_owned(),
        }));
    }

    /// Waits until all messages have been handled. Returns those that failed.
    pub(super) async fn failures(mut self) -> Vec<Failed> {
        while let Some(done) = self.tasks.join_next_with_id().await {
            match done {
                Ok((_, Ok(()))) => {}
                Ok((task, Err(error))) => {
                    let copies = self.copies.remove(&task).unwrap_or_default();
                    self.fail(copies, &error);
                }
                Err(panic) => {
                    let copies = self.copies.remove(&panic.id()).unwrap_or_default();
                    // The panic itself may quote a payload.
                    self.fail_for(copies, Cause::Defect, "handling the message panicked");
                }
            }
        }
        self.failed
    }
}

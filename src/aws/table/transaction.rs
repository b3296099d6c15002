//! Writes that happen all together or not at all.

use std::time::Duration;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::TransactWriteItem;
use rand::RngExt;

use super::Table;
use crate::aws::AwsError;

/// What became of a transaction.
pub(super) enum Transacted {
    Done,
    ConditionFailed { write: usize },
}

impl Table {
    /// Writes all or nothing. DynamoDB refuses a transaction that meets another
    /// one on the same item, so it is tried again after a short random pause.
    pub(super) async fn transact(
        &self,
        operation: &'static str,
        writes: Vec<TransactWriteItem>,
    ) -> Result<Transacted, AwsError> {
        let mut tries_left = TRANSACTION_TRIES;
        loop {
            tries_left -= 1;
            let error = match self
                .client
                .transact_write_items()
                .set_transact_items(Some(writes.clone()))
                .send()
                .await
            {
                Ok(_) => return Ok(Transacted::Done),
                Err(error) => error,
            };
            let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
                error.as_service_error()
            else {
                return Err(AwsError::new(operation, error));
            };
            let codes: Vec<&str> = cancelled
                .cancellation_reasons()
                .iter()
                .filter_map(|reason| reason.code())
                .collect();
            if let Some(write) = codes
                .iter()
                .position(|code| *code == "ConditionalCheckFailed")
            {
                return Ok(Transacted::ConditionFailed { write });
            }
            let reason = codes.into_iter().find(|code| *code != "None");
            if reason != Some("TransactionConflict") || tries_left == 0 {
                return Err(AwsError::from_code(operation, reason.unwrap_or("None")));
            }
            let pause = rand::rng().random_range(10..100);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }
}

const TRANSACTION_TRIES: u32 = 8;

//! Writes that happen all together or not at all.

use std::iter::repeat_with;
use std::time::Duration;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::TransactWriteItem;
use rand::RngExt;

use super::{Item, Table};
use crate::aws::error::{AwsError, During, StoreError};
use crate::aws::retry::Retries;

/// What became of a transaction.
pub(super) enum Transacted {
    Done,
    /// Of the first write whose condition failed.
    ConditionFailed {
        write: usize,
        /// What is stored, if the write asked for it and something is.
        item: Option<Item>,
    },
}

/// Error code of a transaction that met another one on the same item.
const CONFLICT: &str = "TransactionConflict";

const CONFLICT_RETRIES: usize = 7;

impl Table {
    /// Writes all or nothing. DynamoDB refuses a transaction that meets another
    /// one on the same item, so it is retried after a short random pause.
    pub(super) async fn transact(
        &self,
        operation: &'static str,
        writes: Vec<TransactWriteItem>,
    ) -> Result<Transacted, StoreError> {
        let pauses = repeat_with(|| Duration::from_millis(rand::rng().random_range(10..100)));
        let mut retries = Retries::after(pauses.take(CONFLICT_RETRIES));
        while retries.next().await {
            let call = self.client.transact_write_items();
            let error = match call.set_transact_items(Some(writes.clone())).send().await {
                Ok(_) => return Ok(Transacted::Done),
                Err(error) => error,
            };
            let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
                error.as_service_error()
            else {
                return Err(error).during(operation);
            };
            let reasons = cancelled.cancellation_reasons();
            let codes: Vec<_> = reasons.iter().filter_map(|reason| reason.code()).collect();
            let failed = |code: &&str| *code == "ConditionalCheckFailed";
            if let Some(write) = codes.iter().position(failed) {
                let item = reasons.get(write).and_then(|reason| reason.item.clone());
                return Ok(Transacted::ConditionFailed { write, item });
            }
            match codes.into_iter().find(|code| *code != "None") {
                Some(CONFLICT) => {}
                code => {
                    let code = code.unwrap_or("TransactionCanceledException");
                    return Err(AwsError::from_code(operation, code).into());
                }
            }
        }
        Err(AwsError::from_code(operation, CONFLICT).into())
    }
}

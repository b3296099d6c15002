//! Atomic writes of several items.

use std::iter::repeat_with;
use std::time::Duration;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::TransactWriteItem;
use rand::RngExt;

use super::{Item, Table};
use crate::aws::error::{AwsError, During, StoreError};
use crate::aws::retry::Retries;

/// The outcome of a transaction.
pub(super) enum Transacted {
    Done,
    ConditionFailed {
        /// The index of the first write whose condition failed.
        write: usize,
        /// The stored item, if there is one and the write asked for it.
        item: Option<Item>,
    },
}

/// The cancellation reason if another transaction holds one of the items.
const CONFLICT: &str = "TransactionConflict";

const CONFLICT_RETRIES: usize = 7;

impl Table {
    /// Makes all of the writes or none. DynamoDB cancels a transaction that meets another one
    /// on the same item, and the SDK does not retry that. So this does, after a short pause,
    /// random so that the two do not meet again.
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
            // There is one reason for each write, in order. The code of a write that had
            // no part in the cancellation is the string "None".
            let reasons = cancelled.cancellation_reasons();
            let codes: Vec<_> = reasons.iter().filter_map(|reason| reason.code()).collect();
            let failed = |code: &&str| *code == "ConditionalCheckFailed";
            // A failed condition outweighs a conflict on another item: it would fail
            // again.
            if let Some(write) = codes.iter().position(failed) {
                let item = reasons.get(write).and_then(|reason| reason.item.clone());
                return Ok(Transacted::ConditionFailed { write, item });
            }
            match codes.into_iter().find(|code| *code != "None") {
                // Goes on to the next try.
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

//! Paging of lists.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;

use super::Item;
use crate::aws::error::{During, Malformed, StoreError};

pub(super) struct ListPage<T> {
    pub(super) items: Vec<T>,
    /// Whether more items follow.
    pub(super) more: bool,
}

/// Reads up to `limit` items of a query, starting after `start`. Skips items for which
/// `read` returns `None`.
///
/// One `Query`, unless items are skipped or filtered out; then more, each for four times
/// as many items. A page ends early at the first query that reaches DynamoDB's limit of
/// 1 MB: a Lambda response holds at most 6 MB, and escaping the JSON in it adds to its
/// size.
///
/// # Errors
/// If a call fails, or an item cannot be decoded.
pub(super) async fn list_page<T>(
    operation: &'static str,
    query: QueryFluentBuilder,
    mut start: Option<Item>,
    limit: usize,
    read: impl Fn(Item) -> Result<Option<T>, Malformed>,
) -> Result<ListPage<T>, StoreError> {
    let mut items = Vec::new();
    // One more than the page holds, to learn whether it is the last page.
    let mut wanted = i32::try_from(limit + 1).unwrap_or(i32::MAX);
    loop {
        let page = query.clone().limit(wanted).set_exclusive_start_key(start);
        let page = page.send().await.during(operation)?;
        // If DynamoDB read fewer items than asked and did not reach the end (`start` below),
        // it stopped at 1 MB.
        let met_limit = page.scanned_count < wanted;
        for item in page.items.unwrap_or_default() {
            items.extend(read(item).during(operation)?);
        }
        start = page.last_evaluated_key;
        if start.is_none() || items.len() > limit || (met_limit && !items.is_empty()) {
            let more = items.len() > limit || start.is_some();
            items.truncate(limit);
            return Ok(ListPage { items, more });
        }
        wanted = wanted.saturating_mul(4);
    }
}

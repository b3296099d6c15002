//! Pages of lists.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;

use super::Item;
use crate::aws::error::{During, Malformed, StoreError};

/// A page of a list.
pub(super) struct ListPage<T> {
    pub(super) items: Vec<T>,
    /// Whether others follow.
    pub(super) more: bool,
}

/// The first `limit` items of a query, from the one after `start` on, as far as `read`
/// makes something of them.
///
/// One `Query`, unless some are passed over; then more of them, each for more items. A
/// page ends early at the first one that meets its limit of 1 MB: an answer of Lambda has
/// 6 MB at most, in which the quotes of the API's JSON are escaped.
///
/// # Errors
/// If a call fails, or an item cannot be read.
pub(super) async fn list_page<T>(
    operation: &'static str,
    query: QueryFluentBuilder,
    mut start: Option<Item>,
    limit: usize,
    read: impl Fn(Item) -> Result<Option<T>, Malformed>,
) -> Result<ListPage<T>, StoreError> {
    let mut items = Vec::new();
    // One more than the page has, to tell whether it is the last one.
    let mut wanted = i32::try_from(limit + 1).unwrap_or(i32::MAX);
    loop {
        let page = query.clone().limit(wanted).set_exclusive_start_key(start);
        let page = page.send().await.during(operation)?;
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

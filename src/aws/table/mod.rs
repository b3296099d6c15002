//! The DynamoDB table. One table holds everything:
//!
//! | Item | `pk` | `sk` | `gsi1pk` | `gsi1sk` |
//! |---|---|---|---|---|
//! | API key | `KEY#<sha-256>` | `KEY` | `APP#<app>#KEYS` | `KEY#<key id>` |
//! | App | `APP#<app>` | `APP` | | |
//! | Endpoint | `APP#<app>` | `ENDPOINT#<endpoint>` | | |
//! | Endpoint being deleted | the same | the same | `DELETED` | `<time>#<endpoint>` |
//! | Event | `APP#<app>#EVENT#<event>` | `EVENT` | | |
//! | Delivery | `ENDPOINT#<endpoint>` | `DELIVERY#<delivery>` | `ENDPOINT#<endpoint>#<status>` | `DELIVERY#<delivery>` |
//!
//! Ids of endpoints and deliveries are UUIDv7, so key order is time order. An
//! endpoint is found only below its app: another tenant's is missing by
//! construction. The first index lists an app's keys, an endpoint's deliveries
//! of one status, and deletions that are not finished. The second one (`gsi2pk` = `DUE#<shard>`, `gsi2sk`
//! = `<time>#<delivery>`) holds the deliveries whose next attempt is due later
//! than a queue can delay a message.

mod api_keys;
mod deletion;
mod deliveries;
mod delivery_item;
mod endpoint_item;
mod endpoints;
mod events;
mod history;
mod schedule;
mod together;
mod transaction;

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodb::{Client, operation::query::builders::QueryFluentBuilder};

use super::{AwsError, OnDemand};
pub use deletion::{MarkedEndpoint, Presence};
pub use deliveries::{FullDelivery, Recorded};
pub use endpoints::{CreateOutcome, RotateOutcome};
pub use events::StoredEvent;
pub use history::{HistoryQuery, Page};
pub use schedule::DueAttempt;
pub use together::AttemptContext;

/// Name of the index.
const INDEX: &str = "gsi1";

type Item = HashMap<String, AttributeValue>;

/// The table of one deployment. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Table {
    client: OnDemand<Client>,
    name: String,
}

impl Table {
    /// The table of this name.
    pub fn new(client: impl Into<OnDemand<Client>>, name: impl Into<String>) -> Self {
        Self {
            client: client.into(),
            name: name.into(),
        }
    }
}

fn text(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn key(pk: String, sk: String) -> Item {
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S(pk)),
        ("sk".to_owned(), AttributeValue::S(sk)),
    ])
}

/// Serializes an item.
fn encode(operation: &'static str, item: &impl serde::Serialize) -> Result<Item, AwsError> {
    serde_dynamo::to_item(item).map_err(|error| AwsError::unexpected(operation, error))
}

/// Deserializes an item.
fn decode<T: serde::de::DeserializeOwned>(
    operation: &'static str,
    item: Item,
) -> Result<T, AwsError> {
    serde_dynamo::from_item(item).map_err(|error| AwsError::unexpected(operation, error))
}

/// All items of a query, page by page.
async fn collect(
    operation: &'static str,
    query: QueryFluentBuilder,
) -> Result<Vec<Item>, AwsError> {
    let mut items = Vec::new();
    let mut start = None;
    loop {
        let page = query
            .clone()
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|error| AwsError::new(operation, error))?;
        items.extend(page.items.unwrap_or_default());
        start = page.last_evaluated_key;
        if start.is_none() {
            return Ok(items);
        }
    }
}

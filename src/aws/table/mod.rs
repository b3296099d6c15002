//! The DynamoDB table. A single table holds everything; [`keys`] describes its layout.

mod api_keys;
mod app_deletion;
mod apps;
mod batch_get;
mod budgets;
mod deletion;
mod deliveries;
mod delivery_item;
mod endpoint_item;
mod endpoint_patch;
mod endpoints;
mod ephemeral;
mod erasure;
mod event_types;
mod events;
mod fields;
mod health;
mod history;
mod keys;
mod missed;
mod packing;
mod paging;
mod scan;
mod schedule;
mod sealing_key;
mod secret_item;
mod secrets;
mod sessions;
mod transaction;
mod transitions;
mod turns;
mod unsent;
mod update;
mod waiting;

use std::collections::HashMap;
use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodb::{Client, operation::query::builders::QueryFluentBuilder};

use super::LazyClient;
use super::error::{During, StoreError};
use crate::domain::endpoint::EndpointKey;
pub use api_keys::KeyCreated;
pub use app_deletion::RemovedHistory;
pub use apps::{AppPut, AppsPage};
pub use batch_get::AttemptItems;
pub use budgets::Reserved;
pub use deletion::{DeletedSealed, Marked, MarkedEndpoint, Presence};
pub use deliveries::Recorded;
pub use delivery_item::FullDelivery;
pub use endpoints::{CreateOutcome, Endpoints, HeadersChange, UpdateOutcome};
pub use event_types::{TypeFilter, TypePut, TypesPage};
pub use history::{FailedCount, HistoryQuery, Page};
pub use keys::attribute;
pub use scan::{ScanPosition, ScannedEndpoint, ScannedPage};
pub use schedule::{Due, DueAttempt, DueEndpoint};
pub use sealing_key::CurrentKey;
pub use secrets::{NextSecrets, SetSecret};
pub use turns::Turns;
pub use unsent::Unsent;
pub use waiting::Waiting;

type Item = HashMap<String, AttributeValue>;

/// The table of one deployment. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Table {
    client: LazyClient<Client>,
    name: String,
}

impl Table {
    /// A handle to the table with this name. Makes no call.
    pub fn new(client: impl Into<LazyClient<Client>>, name: impl Into<String>) -> Self {
        Self {
            client: client.into(),
            name: name.into(),
        }
    }

    /// The DynamoDB table's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The key of an item that cannot be decoded. Leaves out the other attributes, which may
/// hold a customer's data, and the error, which may quote them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableItem {
    /// The partition key.
    pub pk: String,
    /// The sort key.
    pub sk: String,
}

impl UnreadableItem {
    /// The endpoint, if it is one's.
    #[must_use]
    pub fn endpoint(&self) -> Option<EndpointKey> {
        keys::endpoint_of(&self.pk, &self.sk)
    }
}

impl fmt::Display for UnreadableItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pk {}, sk {}", self.pk, self.sk)
    }
}

/// Reads all pages of a query.
async fn collect(
    operation: &'static str,
    query: QueryFluentBuilder,
) -> Result<Vec<Item>, StoreError> {
    let mut items = Vec::new();
    let mut start = None;
    loop {
        let page = query.clone().set_exclusive_start_key(start).send().await;
        let page = page.during(operation)?;
        items.extend(page.items.unwrap_or_default());
        start = page.last_evaluated_key;
        if start.is_none() {
            return Ok(items);
        }
    }
}

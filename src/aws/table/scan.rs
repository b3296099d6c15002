//! Reads all endpoints of all apps, for the operator. A scan, because no index lists them.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::batch_get::id_of;
use super::endpoint_item::live_endpoint;
use super::fields::text;
use super::keys::ENDPOINT;
use super::keys::attribute::{DELETED_AT, SK};
use super::secret_item::sealing_keys_in;
use super::{Item, Table, UnreadableItem};
use crate::aws::error::{During, StoreError};
use crate::domain::endpoint::Endpoint;
use crate::domain::id::SealingKeyId;

/// Where a scan continues.
#[derive(Debug, Clone)]
pub struct ScanPosition(HashMap<String, AttributeValue>);

/// The endpoints in a part of the table.
#[derive(Debug)]
pub struct ScannedPage {
    /// In no particular order, without those being deleted.
    pub endpoints: Vec<ScannedEndpoint>,
    /// Where the next part begins. `None` at the end of the table.
    pub next: Option<ScanPosition>,
}

/// An endpoint that a scan found.
#[derive(Debug)]
pub enum ScannedEndpoint {
    /// A valid endpoint.
    Read(Box<Endpoint>),
    /// An item that cannot be decoded.
    Unreadable {
        /// The item's key.
        item: UnreadableItem,
        /// The keys that something in the item is sealed to, as far as they are readable.
        /// They must not be removed.
        sealing_keys: Vec<SealingKeyId>,
    },
}

impl ScannedEndpoint {
    /// The keys that something in the endpoint's item is sealed to.
    #[must_use]
    pub fn sealing_keys(&self) -> Vec<SealingKeyId> {
        match self {
            Self::Read(endpoint) => endpoint.sealing_keys().collect(),
            Self::Unreadable { sealing_keys, .. } => sealing_keys.clone(),
        }
    }
}

impl Table {
    /// Reads the endpoints in the next 1 MB of the table. A scan finds every endpoint that
    /// exists for its whole duration. One strongly consistent `Scan`, which costs read units
    /// for all items that it passes, not only endpoints.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn scan_endpoints(
        &self,
        from: Option<ScanPosition>,
    ) -> Result<ScannedPage, StoreError> {
        let page = self
            .client
            .scan()
            .table_name(&self.name)
            .filter_expression("begins_with(#sk, :endpoint) AND attribute_not_exists(#deleted)")
            .expression_attribute_names("#sk", SK)
            .expression_attribute_names("#deleted", DELETED_AT)
            .expression_attribute_values(":endpoint", text(ENDPOINT))
            .consistent_read(true)
            .set_exclusive_start_key(from.map(|ScanPosition(key)| key))
            .send()
            .await
            .during("Scan of endpoints")?;
        let items = page.items.unwrap_or_default();
        Ok(ScannedPage {
            endpoints: items.into_iter().filter_map(scanned).collect(),
            next: page.last_evaluated_key.map(ScanPosition),
        })
    }
}

fn scanned(item: Item) -> Option<ScannedEndpoint> {
    let (pk, sk) = id_of(&item);
    let sealing_keys = sealing_keys_in(&item);
    match live_endpoint(item) {
        Ok(endpoint) => endpoint.map(|endpoint| ScannedEndpoint::Read(Box::new(endpoint))),
        Err(_) => Some(ScannedEndpoint::Unreadable {
            item: UnreadableItem { pk, sk },
            sealing_keys,
        }),
    }
}

//! Direct access to AWS, bypassing the service: stored items, secrets, and every call on
//! the wire.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use local::emulators::{Clients, Resources};
use local::service;
use serde_json::Value;
use webhook_endpoints::aws::Stores;
use webhook_endpoints::aws::table::Table;
use webhook_endpoints::domain::endpoint::EndpointKey;
use webhook_endpoints::domain::id::{AppId, EndpointId};
use webhook_endpoints::domain::message::DeliveryTask;

use super::item_json::{of_json, to_json};
use super::recording::Principal;
use super::wire::Wire;

/// Reads and edits one app's data in AWS. `wire` records the service's calls and makes them
/// fail.
#[derive(Clone)]
pub struct Aws {
    pub clients: Clients,
    pub resources: Resources,
    pub wire: Wire,
    pub(super) app_id: AppId,
    /// How long deliveries are kept.
    pub(super) retention: Duration,
}

impl Aws {
    /// Returns new stores, with an empty secret cache.
    pub fn stores(&self) -> Stores {
        service::stores(&self.clients, &self.resources)
    }

    /// The same, whose calls are those of this function.
    pub fn stores_of(&self, principal: Principal) -> Stores {
        service::stores(&principal.clients(&self.clients), &self.resources)
    }

    pub fn table(&self) -> Table {
        self.stores().table
    }

    /// The same stores, with another app's data.
    pub fn of_app(&self, app_id: AppId) -> Self {
        Self {
            app_id,
            ..self.clone()
        }
    }

    pub fn endpoint_key(&self, endpoint_id: EndpointId) -> EndpointKey {
        EndpointKey {
            app_id: self.app_id,
            endpoint_id,
        }
    }

    /// Scans the table.
    pub async fn items(&self) -> Vec<HashMap<String, AttributeValue>> {
        let mut pages = self
            .clients
            .dynamodb
            .scan()
            .table_name(&self.resources.table_name)
            .into_paginator()
            .items()
            .send();
        let mut items = Vec::new();
        while let Some(item) = pages.next().await {
            items.push(item.expect("read the item"));
        }
        items
    }

    /// Edits an endpoint's item. In the update expression, write attributes with a `#`
    /// prefix.
    pub async fn edit_endpoint(&self, id: &str, update: &str) {
        let (pk, sk) = (format!("APP#{}", self.app_id), format!("E#{id}"));
        self.edit(pk, sk, update).await;
    }

    /// Sets text attributes of an endpoint's item.
    pub async fn set_endpoint(&self, id: &str, attributes: &[(&str, &str)]) {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        for (name, value) in attributes {
            self.clients
                .dynamodb
                .update_item()
                .table_name(&self.resources.table_name)
                .key("pk", text(&format!("APP#{}", self.app_id)))
                .key("sk", text(&format!("E#{id}")))
                .update_expression("SET #name = :value")
                .expression_attribute_names("#name", *name)
                .expression_attribute_values(":value", text(value))
                .send()
                .await
                .expect("edit the item");
        }
    }

    /// Deletes the item that names the current sealing key.
    pub async fn remove_sealing_key(&self) {
        let key = || AttributeValue::S("SEALING#KEY".to_owned());
        self.clients
            .dynamodb
            .delete_item()
            .table_name(&self.resources.table_name)
            .key("pk", key())
            .key("sk", key())
            .send()
            .await
            .expect("remove the key's item");
    }

    /// Deletes a private key. [`Self::restore_secret`] can bring it back.
    pub async fn remove_private_key(&self, name: &str) {
        let secret = self.clients.secrets.delete_secret().secret_id(name);
        let removal = secret.recovery_window_in_days(7).send().await;
        removal.expect("remove the private key");
    }

    /// Restores a secret that was deleted with a recovery window.
    pub async fn restore_secret(&self, name: &str) {
        let restored = self.clients.secrets.restore_secret().secret_id(name);
        restored.send().await.expect("restore the secret");
    }

    /// Edits a delivery's item. In the update expression, write attributes with a `#`
    /// prefix.
    pub async fn edit_delivery(&self, task: &DeliveryTask, update: &str) {
        let endpoint_id = task.endpoint.endpoint_id;
        let pk = format!("APP#{}#E#{endpoint_id}", self.app_id);
        self.edit(pk, format!("D#{}", task.delivery_id), update)
            .await;
    }

    async fn edit(&self, pk: String, sk: String, update: &str) {
        // Maps each `#name` placeholder to the attribute `name`.
        let marked = update.split('#').skip(1);
        let names = marked.filter_map(|rest| rest.split(' ').next());
        let names = names.map(|name| (format!("#{name}"), name.to_owned()));
        self.clients
            .dynamodb
            .update_item()
            .table_name(&self.resources.table_name)
            .key("pk", AttributeValue::S(pk))
            .key("sk", AttributeValue::S(sk))
            .update_expression(update)
            .set_expression_attribute_names(Some(names.collect()))
            .send()
            .await
            .expect("edit the item");
    }

    /// Sets an attribute of an endpoint to this value, in DynamoDB's JSON.
    pub async fn set_attribute(&self, id: &str, name: &str, value: &Value) {
        let (pk, sk) = (format!("APP#{}", self.app_id), format!("E#{id}"));
        self.set(&pk, &sk, name, of_json(value)).await;
    }

    /// Sets a text attribute of a delivery.
    pub async fn set_delivery(&self, task: &DeliveryTask, name: &str, value: &str) {
        let pk = format!("APP#{}#E#{}", self.app_id, task.endpoint.endpoint_id);
        let sk = format!("D#{}", task.delivery_id);
        let value = AttributeValue::S(value.to_owned());
        self.set(&pk, &sk, name, value).await;
    }

    /// Sets an attribute of an item.
    pub async fn set(&self, pk: &str, sk: &str, name: &str, value: AttributeValue) {
        let key = |text: &str| AttributeValue::S(text.to_owned());
        let update = self.clients.dynamodb.update_item();
        let update = update.table_name(&self.resources.table_name);
        let update = update.key("pk", key(pk)).key("sk", key(sk));
        let update = update
            .update_expression("SET #name = :value")
            .expression_attribute_names("#name", name)
            .expression_attribute_values(":value", value);
        update.send().await.expect("set the attribute");
    }

    /// Returns an attribute of an endpoint, in DynamoDB's JSON.
    pub async fn attribute_of(&self, id: &str, name: &str) -> Value {
        let sort = AttributeValue::S(format!("E#{id}"));
        let items = self.items().await;
        let item = items.iter().find(|item| item["sk"] == sort);
        to_json(&item.expect("find the endpoint")[name])
    }

    /// Writes an item with these attributes, unchecked. It may be one that the service
    /// cannot decode.
    pub async fn put(&self, attributes: &[(&str, &str)]) {
        let mut put = self.clients.dynamodb.put_item();
        for (name, value) in attributes {
            put = put.item(*name, AttributeValue::S((*value).to_owned()));
        }
        let put = put.table_name(&self.resources.table_name).send().await;
        put.expect("write the item");
    }

    /// Returns whether any item of the table has this attribute.
    pub async fn any_item_has(&self, attribute: &str) -> bool {
        let items = self.items().await;
        items.iter().any(|item| item.contains_key(attribute))
    }

    /// Returns the `Debug` text of all items, to search for values that must not be stored.
    pub async fn table_text(&self) -> String {
        let items = self.items().await;
        items.iter().map(|item| format!("{item:?}\n")).collect()
    }

    /// Returns the names of the app's secrets in Secrets Manager, sorted. The server may
    /// also hold the secrets of other tests.
    pub async fn secret_names(&self) -> Vec<String> {
        let own = format!("webhook-endpoints/{}/", self.app_id);
        let mut names = self.all_secret_names().await;
        names.retain(|name| name.starts_with(&own));
        names
    }

    /// Returns the names of all private keys, sorted.
    pub async fn private_key_names(&self) -> Vec<String> {
        let mut names = self.all_secret_names().await;
        names.retain(|name| name.starts_with("webhook-endpoints/sealing."));
        names
    }

    pub async fn all_secret_names(&self) -> Vec<String> {
        let mut pages = self.clients.secrets.list_secrets().into_paginator().send();
        let mut names = Vec::new();
        while let Some(page) = pages.next().await {
            let secrets = page
                .expect("list the secrets")
                .secret_list
                .unwrap_or_default();
            names.extend(secrets.into_iter().filter_map(|secret| secret.name));
        }
        names.sort_unstable();
        names
    }

    /// Deletes an endpoint's secret in Secrets Manager: permanently, or with a recovery
    /// window of this many days.
    pub async fn remove_secret(&self, id: &str, recovery_days: Option<i64>) {
        let name = format!("webhook-endpoints/{}/{id}", self.app_id);
        let secret = self.clients.secrets.delete_secret().secret_id(name);
        let removal = match recovery_days {
            Some(days) => secret.recovery_window_in_days(days),
            None => secret.force_delete_without_recovery(true),
        };
        removal.send().await.expect("remove the secret");
    }

    /// Returns the secret names of these endpoints, sorted.
    pub fn secret_names_of(&self, ids: &[&str]) -> Vec<String> {
        let mut names: Vec<_> = ids
            .iter()
            .map(|id| format!("webhook-endpoints/{}/{id}", self.app_id))
            .collect();
        names.sort_unstable();
        names
    }
}

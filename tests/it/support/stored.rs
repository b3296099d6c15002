//! What is in AWS behind the service's back.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::{StreamExt, stream};

use super::{Answer, TestApp};

impl TestApp {
    /// The names of all secrets of the app in Secrets Manager, sorted. Those of
    /// other tests may be there as well.
    pub async fn secret_names(&self) -> Vec<String> {
        let mut pages = self.clients.secrets.list_secrets().into_paginator().send();
        let mut names = Vec::new();
        while let Some(page) = pages.next().await {
            let secrets = page.expect("a page").secret_list.unwrap_or_default();
            names.extend(secrets.into_iter().filter_map(|secret| secret.name));
        }
        let own = format!("webhook-endpoints/{}/", self.app_id);
        names.retain(|name| name.starts_with(&own));
        names.sort_unstable();
        names
    }

    /// The names that the secrets of these endpoints have, sorted.
    pub fn secret_names_of(&self, ids: &[&str]) -> Vec<String> {
        let mut names: Vec<_> = ids
            .iter()
            .map(|id| format!("webhook-endpoints/{}/{id}", self.app_id))
            .collect();
        names.sort_unstable();
        names
    }

    /// All items of the table.
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
            items.push(item.expect("an item"));
        }
        items
    }

    /// All items of the table, as text.
    pub async fn table_text(&self) -> String {
        let items = self.items().await;
        items.iter().map(|item| format!("{item:?}\n")).collect()
    }

    /// Registers `count` endpoints, a few at a time, so that a slow emulator
    /// answers each in time; their ids in no order.
    pub async fn create_webhooks(&self, count: usize) -> Vec<String> {
        stream::iter(0..count)
            .map(|_| self.create_webhook("https://example.com/hook"))
            .buffer_unordered(5)
            .map(|(id, _)| id)
            .collect()
            .await
    }

    /// Asks for one more endpoint.
    pub async fn try_create(&self) -> Answer {
        let body = serde_json::json!({"url": "https://example.com/hook", "events": ["*"]});
        self.post_json("", &body).await
    }

    /// The ids of the app's endpoints, in the order of the list.
    pub async fn listed_ids(&self) -> Vec<String> {
        let list = self.get("").await;
        let ids = list.data().as_array().expect("a list").iter();
        ids.map(|item| item["id"].as_str().expect("an id").to_owned())
            .collect()
    }
}

//! Calls on the event type catalogue.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Answer, TestApp, answer};

impl TestApp {
    /// Calls the catalogue with the platform key. The path is relative to `/event-types`.
    pub async fn on_types(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let mut request = self.api.by_platform(method, &format!("/event-types{path}"));
        if let Some(body) = body {
            request = request.json(body);
        }
        answer(request).await
    }

    pub async fn put_type(&self, name: &str, body: &Value) -> Answer {
        self.on_types(Method::PUT, &format!("/{name}"), Some(body))
            .await
    }

    pub async fn get_type(&self, name: &str) -> Answer {
        self.on_types(Method::GET, &format!("/{name}"), None).await
    }

    pub async fn delete_type(&self, name: &str) -> Answer {
        self.on_types(Method::DELETE, &format!("/{name}"), None)
            .await
    }

    /// Adds types with an empty description.
    pub async fn must_add_types(&self, names: &[&str]) {
        for name in names {
            let added = self.put_type(name, &json!({"description": ""})).await;
            assert_eq!(added.status, StatusCode::CREATED, "{added:?}");
        }
    }

    /// Returns the names on a page of the list, and the cursor of the next one.
    pub async fn types_page(&self, query: &str) -> (Vec<String>, Option<String>) {
        let page = self.on_types(Method::GET, &format!("?{query}"), None).await;
        let items = page.data()["items"].as_array().expect("read the items");
        let names = items.iter().map(|item| item["name"].as_str());
        let names = names.map(|name| name.expect("read the name").to_owned());
        let cursor = page.data()["nextCursor"].as_str();
        (names.collect(), cursor.map(str::to_owned))
    }
}

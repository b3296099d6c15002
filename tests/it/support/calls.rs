//! Every call of the API, for what is to hold for all of them.

use reqwest::Method;
use serde_json::{Value, json};

/// A call that succeeds if its caller may make it.
pub struct Call {
    pub name: &'static str,
    pub method: Method,
    /// Below the app's webhooks.
    pub path: String,
    pub body: Option<Value>,
}

/// Every call, those on an endpoint on this one. Its deletion is the last.
pub fn every_call(id: &str) -> Vec<Call> {
    let call = |name, method, path: String, body| Call {
        name,
        method,
        path,
        body,
    };
    let create = json!({"url": "https://example.com/new", "events": ["*"]});
    let update = json!({"url": "https://example.com/moved", "active": false});
    vec![
        call("create", Method::POST, String::new(), Some(create)),
        call("list", Method::GET, String::new(), None),
        call("get", Method::GET, format!("/{id}"), None),
        call(
            "recover",
            Method::POST,
            format!("/{id}/recover"),
            Some(json!({"since": "2026-01-01T00:00:00Z", "status": "FAILED"})),
        ),
        // It makes the endpoint inactive.
        call("update", Method::PUT, format!("/{id}"), Some(update)),
        call(
            "rotate-secret",
            Method::POST,
            format!("/{id}/rotate-secret"),
            None,
        ),
        call("test-ping", Method::POST, format!("/{id}/test-ping"), None),
        call("deliveries", Method::GET, format!("/{id}/deliveries"), None),
        call("delete", Method::DELETE, format!("/{id}"), None),
    ]
}

/// The calls on an endpoint, and not those on all of an app.
pub fn every_call_on(id: &str) -> Vec<Call> {
    let mut calls = every_call(id);
    calls.retain(|call| !call.path.is_empty());
    calls
}

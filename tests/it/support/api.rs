//! An HTTP client for the API.

use futures_util::{StreamExt, stream};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use webhook_endpoints::domain::api_key::ApiKey;
use webhook_endpoints::domain::id::AppId;

use super::calls::Call;
use super::{eventually, openapi};

/// Calls the API with one app's key, unless a method says otherwise.
#[derive(Clone)]
pub struct Api {
    pub base: String,
    app_id: AppId,
    key: ApiKey,
    platform_key: ApiKey,
    http: reqwest::Client,
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    /// Null if there is no body.
    pub body: Value,
}

impl Answer {
    /// The `data` of a successful answer.
    pub fn data(&self) -> &Value {
        assert_eq!(self.body["success"], true, "{self:?}");
        &self.body["data"]
    }

    /// Asserts that this is an error with this status and code, in the documented envelope.
    /// Returns the `error` object.
    #[track_caller]
    pub fn must_fail_with(&self, status: u16, code: &str) -> &Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.body["success"], false, "{self:?}");
        let error = &self.body["error"];
        assert_eq!(error["code"], code, "{self:?}");
        assert!(error["message"].is_string(), "{self:?}");
        error
    }

    /// Asserts that this is a validation error about exactly these fields.
    #[track_caller]
    pub fn must_be_invalid(&self, fields: &[&str]) {
        let error = self.must_fail_with(400, "VALIDATION_ERROR");
        let details = error["details"].as_array().expect("read the details");
        let mut found: Vec<_> = details
            .iter()
            .map(|detail| detail["field"].as_str().expect("read the field"))
            .collect();
        let mut expected = fields.to_vec();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{self:?}");
        assert!(details.iter().all(|detail| detail["message"].is_string()));
    }
}

impl Api {
    pub fn new(base: String, app_id: AppId, key: ApiKey, platform_key: ApiKey) -> Self {
        let http = reqwest::Client::builder().no_proxy().build();
        Self {
            base,
            app_id,
            key,
            platform_key,
            http: http.expect("build an HTTP client"),
        }
    }

    /// Builds a request without a key. The path starts at the root.
    pub fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// Builds a request with the app's key. The path is relative to the app's webhooks.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let path = format!("/apps/{}/webhooks{path}", self.app_id);
        self.bare(method, &path)
            .header("x-api-key", self.key.expose())
    }

    pub async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str) -> Answer {
        answer(self.request(Method::POST, path)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        answer(self.request(Method::DELETE, path)).await
    }

    pub async fn post_json(&self, path: &str, body: &Value) -> Answer {
        answer(self.request(Method::POST, path).json(body)).await
    }

    pub async fn put_json(&self, path: &str, body: &Value) -> Answer {
        answer(self.request(Method::PUT, path).json(body)).await
    }

    /// Makes a call with the key that it requires: the app's or the platform's.
    pub async fn call(&self, call: &Call) -> Answer {
        let key = match call.needs {
            "platform" => &self.platform_key,
            _ => &self.key,
        };
        self.call_as(self.app_id, Some(key.expose()), call).await
    }

    /// Builds a request with the platform key. The path starts at the root.
    pub fn by_platform(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path)
            .header("x-api-key", self.platform_key.expose())
    }

    /// Makes a call on any app, with any key or none. Pings return at once (`Prefer:
    /// respond-async`) instead of waiting for their outcome.
    pub async fn call_as(&self, app_id: AppId, key: Option<&str>, call: &Call) -> Answer {
        let path = match call.in_app {
            true => format!("/apps/{app_id}{}", call.path),
            false => call.path.clone(),
        };
        let mut request = self
            .bare(call.method.clone(), &path)
            .header("prefer", "respond-async");
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        answer(request).await
    }

    /// Creates an endpoint that subscribes to all events. Returns its id and
    /// secret.
    pub async fn create_webhook(&self, url: &str) -> (String, String) {
        self.subscribe(url, &["*"]).await
    }

    /// Creates an endpoint that subscribes to these events. Returns its id and
    /// secret.
    pub async fn subscribe(&self, url: &str, events: &[&str]) -> (String, String) {
        let body = json!({"url": url, "events": events});
        let created = self.post_json("", &body).await;
        assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
        let data = created.data();
        (text(&data["id"]), text(&data["secret"]))
    }

    /// Creates `count` endpoints, five at a time so that slow emulators keep up. Returns
    /// their ids in no particular order.
    pub async fn create_webhooks(&self, count: usize) -> Vec<String> {
        stream::iter(0..count)
            .map(|_| self.create_webhook("https://example.com/hook"))
            .buffer_unordered(5)
            .map(|(id, _)| id)
            .collect()
            .await
    }

    /// Tries to create an endpoint, and returns the response as it is.
    pub async fn try_create(&self) -> Answer {
        let body = json!({"url": "https://example.com/hook", "events": ["*"]});
        self.post_json("", &body).await
    }

    /// Returns the ids of the app's endpoints, in list order.
    pub async fn listed_ids(&self) -> Vec<String> {
        let list = self.get("").await;
        let ids = list.data().as_array().expect("read the list").iter();
        ids.map(item_id).collect()
    }

    /// Builds a publish request without a body.
    pub fn publishing(&self) -> RequestBuilder {
        self.bare(Method::POST, &format!("/apps/{}/events", self.app_id))
            .header("x-api-key", self.key.expose())
            .header("content-type", "application/json")
    }

    pub async fn publish(&self, body: &Value) -> Answer {
        answer(self.publishing().body(body.to_string())).await
    }

    /// Builds a batch publish request without a body.
    pub fn publishing_batch(&self) -> RequestBuilder {
        let path = format!("/apps/{}/events/batch", self.app_id);
        self.bare(Method::POST, &path)
            .header("x-api-key", self.key.expose())
            .header("content-type", "application/json")
    }

    pub async fn publish_batch(&self, events: &[Value]) -> Answer {
        let body = json!({"events": events}).to_string();
        answer(self.publishing_batch().body(body)).await
    }

    /// Publishes an event of this type and returns its id.
    pub async fn must_publish(&self, event_type: &str) -> String {
        let body = json!({"type": event_type, "data": {"n": 1}});
        let accepted = self.publish(&body).await;
        assert_eq!(accepted.status, StatusCode::ACCEPTED, "{accepted:?}");
        text(&accepted.data()["id"])
    }

    /// Pings an endpoint and waits for the outcome.
    pub async fn ping(&self, id: &str) -> Value {
        let ping = self.post(&format!("/{id}/test-ping")).await;
        assert_eq!(ping.status, StatusCode::OK, "{ping:?}");
        ping.data().clone()
    }

    /// Pings an endpoint with this `Prefer` header.
    pub async fn ping_preferring(&self, id: &str, prefer: &str) -> Answer {
        let request = self.request(Method::POST, &format!("/{id}/test-ping"));
        answer(request.header("prefer", prefer)).await
    }

    /// Returns the first page of the endpoint's deliveries.
    pub async fn deliveries(&self, id: &str) -> Vec<Value> {
        let page = self.get(&format!("/{id}/deliveries")).await;
        page.data()["items"]
            .as_array()
            .expect("read the items")
            .clone()
    }

    /// Waits until the endpoint's newest delivery has this status, and returns
    /// it.
    pub async fn must_become(&self, id: &str, status: &str) -> Value {
        eventually(status, async || {
            let newest = self.deliveries(id).await.into_iter().next()?;
            (newest["status"] == status).then_some(newest)
        })
        .await
    }

    /// Asserts that the endpoint has one delivery, and returns it.
    pub async fn must_have_one_delivery(&self, id: &str) -> Value {
        let mut history = self.deliveries(id).await;
        assert_eq!(history.len(), 1, "{history:?}");
        history.remove(0)
    }

    /// Returns a delivery with all its fields.
    pub async fn delivery(&self, id: &str, delivery_id: impl std::fmt::Display) -> Value {
        let found = self.get(&format!("/{id}/deliveries/{delivery_id}")).await;
        found.data().clone()
    }

    /// Returns a page of the endpoint's history, and the cursor of the next one.
    pub async fn page(&self, id: &str, query: &str) -> (Vec<Value>, Option<String>) {
        let page = self.get(&format!("/{id}/deliveries?{query}")).await;
        let items = page.data()["items"]
            .as_array()
            .expect("read the items")
            .clone();
        let next = match &page.data()["nextCursor"] {
            Value::Null => None,
            Value::String(cursor) => Some(cursor.clone()),
            other => panic!("not a cursor: {other}"),
        };
        (items, next)
    }

    /// Returns the ids of a whole history, page by page. `between` runs concurrently with
    /// each page's request.
    pub async fn pages(
        &self,
        id: &str,
        query: &str,
        mut between: impl AsyncFnMut(),
    ) -> Vec<Vec<String>> {
        let mut pages = Vec::new();
        let mut this_query = query.to_owned();
        loop {
            let ((items, next), ()) = tokio::join!(self.page(id, &this_query), between());
            pages.push(items.iter().map(item_id).collect());
            assert!(pages.len() < 1000, "paging never ends");
            let Some(next) = next else {
                return pages;
            };
            this_query = format!("{query}&cursor={next}");
        }
    }
}

/// Sends a request and reads the response. Asserts that it has a request id, that its body
/// is empty or JSON, and that it conforms to openapi.json.
pub async fn answer(request: RequestBuilder) -> Answer {
    let (client, request) = request.build_split();
    let request = request.expect("build the request");
    let (method, path) = (request.method().clone(), request.url().path().to_owned());
    let response = client.execute(request).await.expect("send the request");
    let (status, headers) = (response.status(), response.headers().clone());
    assert!(headers.contains_key("x-request-id"), "{headers:?}");
    let bytes = response.bytes().await.expect("read the body");
    let body = if bytes.is_empty() {
        Value::Null
    } else {
        assert_eq!(headers["content-type"], "application/json");
        serde_json::from_slice(&bytes).expect("parse the body")
    };
    let answer = Answer {
        status,
        headers,
        body,
    };
    openapi::assert_described(&method, &path, &answer);
    answer
}

pub fn item_id(item: &Value) -> String {
    text(&item["id"])
}

fn text(value: &Value) -> String {
    value.as_str().expect("read the text").to_owned()
}

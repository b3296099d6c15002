//! A running service for one test.

pub mod asserts;
pub mod calls;
pub mod failures;
pub mod hand_clock;
pub mod history;
pub mod matrix;
pub mod names;
pub mod openapi;
pub mod published;
pub mod queue;
pub mod receiver;
pub mod stage;
mod stored;
pub mod tls;
pub mod wire;

use std::sync::Arc;
use std::time::Duration;

use local::emulators::{Clients, Emulators, Resources, Servers};
use local::poller;
use local::service::{self, Settings};
use reqwest::dns::Resolve;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use webhook_endpoints::aws::table::Table;
use webhook_endpoints::delivery::Deliverer;
use webhook_endpoints::delivery::sender::SenderOptions;
use webhook_endpoints::domain::api_key::ApiKey;
use webhook_endpoints::domain::id::AppId;

use wire::Wire;

/// What a test can choose.
pub struct Options {
    /// The service's settings. A test's pings wait 5 s, so that a slow machine
    /// does not turn an outcome into a 202; and a key is looked up once, so that
    /// it does not add a call.
    pub settings: Settings,
    /// How deliveries are sent.
    pub sender: SenderOptions,
    /// Seconds for which a received message is hidden.
    pub visibility_timeout: u32,
    /// Whether something reads the queue.
    pub polling: bool,
}

impl Options {
    /// The default, with names that resolve as `resolver` says.
    pub fn resolving(resolver: Arc<dyn Resolve>) -> Self {
        let mut options = Self::default();
        options.sender.resolver = resolver;
        options
    }

    /// The default, with a deadline that a test can wait for.
    pub fn impatient() -> Self {
        let mut options = Self::default();
        options.sender.deadline = Duration::from_millis(400);
        options
    }

    /// The default without anything that reads the queue.
    pub fn idle() -> Self {
        Self {
            polling: false,
            ..Self::default()
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        let settings = Settings {
            ping_wait: Duration::from_secs(5),
            api_key_cache: Duration::from_secs(60 * 60),
            ..Settings::default()
        };
        Self {
            sender: SenderOptions::new(settings.address_policy, Duration::from_secs(15)),
            settings,
            visibility_timeout: 30,
            polling: true,
        }
    }
}

/// The service, with one app and its key.
pub struct TestApp {
    pub base: String,
    pub app_id: AppId,
    pub key: ApiKey,
    pub clients: Clients,
    pub resources: Resources,
    pub deliverer: Arc<Deliverer>,
    pub wire: Wire,
    http: reqwest::Client,
    // Dropped last: the emulators.
    _emulators: Emulators,
}

/// An answer of the API.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    /// Null when there is no body.
    pub body: Value,
}

impl Answer {
    /// `data` of a success.
    pub fn data(&self) -> &Value {
        assert_eq!(self.body["success"], true, "{self:?}");
        &self.body["data"]
    }

    /// Asserts an error of this status and code, in the contract's envelope.
    #[track_caller]
    pub fn assert_error(&self, status: u16, code: &str) -> &Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.body["success"], false, "{self:?}");
        let error = &self.body["error"];
        assert_eq!(error["code"], code, "{self:?}");
        assert!(error["message"].is_string(), "{self:?}");
        error
    }

    /// Asserts a validation error of exactly these fields.
    #[track_caller]
    pub fn assert_invalid(&self, fields: &[&str]) {
        let error = self.assert_error(400, "VALIDATION_ERROR");
        let details = error["details"].as_array().expect("details");
        let mut found: Vec<_> = details
            .iter()
            .map(|fault| fault["field"].as_str().expect("field"))
            .collect();
        let mut expected = fields.to_vec();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{self:?}");
        assert!(details.iter().all(|fault| fault["message"].is_string()));
    }
}

impl TestApp {
    /// A service as a deployment has it, except that loopback addresses and
    /// `http` are allowed for receivers.
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    pub async fn start_with(options: Options) -> Self {
        let wire = Wire::default();
        let emulators = Emulators::start_beside(servers(), None, |client| wire.wrap(client))
            .await
            .expect("emulators");
        let clients = emulators.clients.clone();
        // A server may be there for other tests as well.
        let name = format!("test-{}", AppId::new());
        let resources = clients
            .create_resources(&name, Some(options.visibility_timeout))
            .await
            .expect("resources");
        let deliverer = service::deliverer(&clients, &resources, &options.settings, options.sender)
            .expect("deliverer");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let router = service::api(&clients, &resources, &options.settings);
        tokio::spawn(axum::serve(listener, router).into_future());
        let app = Self {
            base,
            app_id: AppId::new(),
            key: service::new_key(),
            http: reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client"),
            clients,
            resources,
            deliverer,
            wire,
            _emulators: emulators,
        };
        if options.polling {
            app.poll();
        }
        app.add_key(app.app_id, &app.key).await;
        app.wire.take();
        app
    }

    /// From now on something reads the queue.
    pub fn poll(&self) {
        tokio::spawn(poller::poll(
            self.clients.sqs.clone(),
            self.resources.queue_url.clone(),
            Arc::clone(&self.deliverer),
        ));
    }

    pub fn table(&self) -> Table {
        service::table(&self.clients, &self.resources)
    }

    pub async fn add_key(&self, app_id: AppId, key: &ApiKey) {
        service::seed_key(&self.table(), app_id, key)
            .await
            .expect("a key");
    }

    /// Another app of the same service, with its key.
    pub async fn other_app(&self) -> (AppId, ApiKey) {
        let (app_id, key) = (AppId::new(), service::new_key());
        self.add_key(app_id, &key).await;
        (app_id, key)
    }

    /// A request without a key, to a path below the root.
    pub fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// A request with the app's key, to a path below its webhooks.
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

    /// Registers an endpoint; its id and secret.
    pub async fn create_webhook(&self, url: &str) -> (String, String) {
        let body = json!({"url": url, "events": ["*"]});
        let created = self.post_json("", &body).await;
        assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
        let field = |name: &str| created.data()[name].as_str().expect(name).to_owned();
        (field("id"), field("secret"))
    }

    /// Pings an endpoint and waits for the outcome.
    pub async fn ping(&self, id: &str) -> Value {
        let ping = self.post(&format!("/{id}/test-ping")).await;
        assert_eq!(ping.status, StatusCode::OK, "{ping:?}");
        ping.data().clone()
    }

    /// Pings an endpoint with a `Prefer` header.
    pub async fn ping_preferring(&self, id: &str, prefer: &str) -> Answer {
        let request = self.request(Method::POST, &format!("/{id}/test-ping"));
        answer(request.header("prefer", prefer)).await
    }

    /// Waits until an endpoint's newest delivery has this status.
    pub async fn newest_becomes(&self, id: &str, status: &str) -> Value {
        eventually(status, async || {
            let newest = self.deliveries(id).await.into_iter().next()?;
            (newest["status"] == status).then_some(newest)
        })
        .await
    }

    /// The newest deliveries of an endpoint.
    pub async fn deliveries(&self, id: &str) -> Vec<Value> {
        let page = self.get(&format!("/{id}/deliveries")).await;
        page.data()["items"].as_array().expect("items").clone()
    }
}

/// The servers that `EMULATORS` names in the places of the embedded emulators,
/// as tests/emulators/run sets it: `all=<URL>` or `dynamodb=<URL>`.
fn servers() -> Servers {
    #[expect(
        clippy::disallowed_methods,
        reason = "it configures the tests and not the service"
    )]
    let Ok(chosen) = std::env::var("EMULATORS") else {
        return Servers::default();
    };
    match chosen.split_once('=') {
        Some(("all", url)) => Servers {
            dynamodb: Some(url.to_owned()),
            others: Some(url.to_owned()),
        },
        Some(("dynamodb", url)) => Servers {
            dynamodb: Some(url.to_owned()),
            others: None,
        },
        _ => panic!("EMULATORS is {chosen:?}, but takes all=<URL> or dynamodb=<URL>"),
    }
}

/// Sends a request and reads the answer. Every answer has a request id, every
/// body is JSON, and all of it is as openapi.json describes it.
pub async fn answer(request: RequestBuilder) -> Answer {
    let (client, request) = request.build_split();
    let request = request.expect("a request");
    let (method, path) = (request.method().clone(), request.url().path().to_owned());
    let response = client.execute(request).await.expect("an answer");
    let (status, headers) = (response.status(), response.headers().clone());
    assert!(headers.contains_key("x-request-id"), "{headers:?}");
    let bytes = response.bytes().await.expect("a body");
    let body = if bytes.is_empty() {
        Value::Null
    } else {
        assert_eq!(headers["content-type"], "application/json");
        serde_json::from_slice(&bytes).expect("a JSON body")
    };
    let answer = Answer {
        status,
        headers,
        body,
    };
    openapi::assert_described(&method, &path, &answer);
    answer
}

/// Looks again and again until there is something to return. What has to
/// happen is waited for as long as it takes, within reason.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), looking)
        .await
        .unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// The fields of an object, sorted.
pub fn fields(object: &Value) -> Vec<&str> {
    let mut names: Vec<_> = object
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    names
}

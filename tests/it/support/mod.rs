//! A running service for one test.

pub mod api;
pub mod asserts;
pub mod aws;
pub mod calls;
pub mod catalogue;
pub mod counting;
pub mod cut;
pub mod gateway;
pub mod gauge;
pub mod hand_clock;
pub mod http2;
pub mod item_json;
pub mod log;
pub mod matrix;
pub mod metrics;
pub mod names;
pub mod openapi;
pub mod operator;
pub mod orders;
pub mod paused;
pub mod queue;
pub mod receiver;
pub mod sealing;
pub mod seeds;
pub mod stage;
pub mod tls;
pub mod units;
pub mod wire;

use std::sync::Arc;
use std::time::Duration;

use local::emulators::{Emulators, Servers};
use local::poller::Poller;
use local::service::{self, Settings};
use serde_json::Value;
use tokio::net::TcpListener;
use webhook_endpoints::delivery::Deliverer;
use webhook_endpoints::delivery::egress::Resolve;
use webhook_endpoints::delivery::sender::SenderOptions;
use webhook_endpoints::domain::api_key::{ApiKey, ApiKeyRecord, NewKey};
use webhook_endpoints::domain::app::AppChange;
use webhook_endpoints::domain::id::AppId;
use webhook_endpoints::domain::message::Lane;
use webhook_endpoints::domain::scope::{Grant, Scope};
use webhook_endpoints::domain::secret::SecretStorage;
use webhook_endpoints::domain::session::{DEFAULT_LIFETIME, NewSession, SessionScope};

use api::Api;
pub use api::{Answer, answer};
use aws::Aws;
use hand_clock::HandClock;
use queue::Queue;
use wire::Wire;

/// The ways to keep secrets.
pub const STORAGES: [SecretStorage; 2] = [SecretStorage::PerEndpoint, SecretStorage::Sealed];

/// What a test can configure.
pub struct Options {
    /// The service's settings. By default pings wait 5 s, so that a slow
    /// machine does not turn an outcome into a 202, and keys stay cached, so
    /// that looking them up adds no calls.
    pub settings: Settings,
    /// How deliveries are sent.
    pub sender: SenderOptions,
    /// How long a received message stays hidden, in seconds.
    pub visibility_timeout: u32,
    /// Whether a poller reads the queue.
    pub polling: bool,
}

impl Options {
    /// The defaults, with this DNS resolver.
    pub fn resolving(resolver: Arc<dyn Resolve>) -> Self {
        let mut options = Self::default();
        options.sender.resolver = resolver;
        options
    }

    /// The same, with secrets kept this way.
    pub fn keeping(mut self, storage: SecretStorage) -> Self {
        self.settings.secret_storage = storage;
        self
    }

    /// The defaults, with a deadline short enough for tests that wait for it.
    pub fn impatient() -> Self {
        let mut options = Self::default();
        options.sender.deadline = Duration::from_millis(400);
        options
    }

    /// The defaults, without a poller.
    pub fn idle() -> Self {
        Self {
            polling: false,
            ..Self::default()
        }
    }

    /// Without a poller. Received messages do not reappear.
    pub fn stepwise() -> Self {
        let mut options = Self {
            visibility_timeout: 12 * 60 * 60,
            ..Self::idle()
        };
        options.settings.api_key_cache = Duration::from_secs(300);
        options
    }

    /// The same, with this clock.
    pub fn stepwise_by(clock: &HandClock) -> Self {
        let mut options = Self::stepwise();
        options.settings.clock = clock.clock();
        options
    }
}

impl Default for Options {
    fn default() -> Self {
        let mut settings = Settings {
            ping_wait: Duration::from_secs(5),
            api_key_cache: Duration::from_secs(60 * 60),
            // Tests of budgets choose the service's own.
            budgets: service::unlimited(),
            ..Settings::default()
        };
        // Tests of pauses choose another.
        settings.policy.health.pause_after = Duration::from_secs(10 * 365 * 24 * 60 * 60);
        Self {
            sender: SenderOptions::new(settings.address_policy, Duration::from_secs(15)),
            settings,
            visibility_timeout: 30,
            polling: true,
        }
    }
}

/// The service, with one app and its key, and a key of the platform.
pub struct TestApp {
    pub app_id: AppId,
    pub key: ApiKey,
    pub platform_key: ApiKey,
    pub deliverer: Arc<Deliverer>,
    pub api: Api,
    pub queue: Queue,
    pub aws: Aws,
    // Dropped last: the others use the emulators.
    _emulators: Emulators,
}

impl TestApp {
    /// A service as deployed, except that receivers may use loopback addresses
    /// and `http`.
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    pub async fn start_with(options: Options) -> Self {
        let wire = Wire::default();
        let emulators = Emulators::start_beside(servers(), None, |client| wire.wrap(client))
            .await
            .expect("start the emulators");
        let clients = emulators.clients.clone();
        // Other tests may use the same server.
        let name = format!("test-{}", AppId::new());
        let resources = clients
            .create_resources(&name, Some(options.visibility_timeout))
            .await
            .expect("create the resources");
        let deliverer = service::deliverer(&clients, &resources, &options.settings, options.sender)
            .expect("create the deliverer");
        let base = serve(service::api(&clients, &resources, &options.settings)).await;
        let (app_id, key) = (AppId::new(), service::new_key());
        let platform_key = service::new_platform_key();
        let api = Api::new(base, app_id, key.clone(), platform_key.clone());
        let queue = Queue {
            sqs: clients.sqs.clone(),
            resources: resources.clone(),
            deliverer: Arc::clone(&deliverer),
            pollers: [Lane::Fast, Lane::Slow].map(|lane| {
                let poller = Poller::new(lane, &clients, &resources, Arc::clone(&deliverer));
                // No test waits for a batch to fill.
                poller.without_window()
            }),
            api: api.clone(),
            deadline: None,
        };
        let aws = Aws {
            clients,
            resources,
            wire,
            app_id,
            retention: deliverer.retention,
        };
        let app = Self {
            app_id,
            key,
            platform_key,
            deliverer,
            api,
            queue,
            aws,
            _emulators: emulators,
        };
        if options.polling {
            app.queue.poll();
        }
        app.add_key(app.app_id, &app.key).await;
        service::seed_platform_key(&app.aws.table(), &app.platform_key)
            .await
            .expect("store the platform's key");
        app.aws.wire.take();
        app
    }

    /// The API in another process, which keeps new secrets this way.
    pub async fn another_api(&self, storage: SecretStorage) -> Api {
        let settings = Settings {
            secret_storage: storage,
            clock: self.deliverer.clock.clone(),
            budgets: service::unlimited(),
            ..Settings::default()
        };
        let router = service::api(&self.aws.clients, &self.aws.resources, &settings);
        let base = serve(router).await;
        Api::new(
            base,
            self.app_id,
            self.key.clone(),
            self.platform_key.clone(),
        )
    }

    pub async fn add_key(&self, app_id: AppId, key: &ApiKey) {
        service::seed_key(&self.aws.table(), app_id, key)
            .await
            .expect("store the API key");
    }

    /// A new key of this app.
    pub async fn key_of(&self, scope: Scope) -> ApiKey {
        let mut new = NewKey::of_app(self.app_id, "");
        new.grant = Grant::App {
            app_id: self.app_id,
            scope,
        };
        self.new_key(new).await
    }

    /// A new key.
    pub async fn new_key(&self, new: NewKey) -> ApiKey {
        let key = match new.grant {
            Grant::Platform => service::new_platform_key(),
            Grant::App { .. } => service::new_key(),
            Grant::Session { .. } => panic!("sessions are made by TestApp::session"),
        };
        service::store_key(&self.aws.table(), &key, new)
            .await
            .expect("store the API key");
        key
    }

    /// Makes the app: its key works without, but the platform's calls on it do not.
    pub async fn make(&self) {
        let now = self.deliverer.clock.now();
        let table = self.aws.table();
        let made = table.put_app(self.app_id, &AppChange::default(), now).await;
        made.expect("make the app");
    }

    /// A new session of this app, or of one of its endpoints, for an hour.
    pub async fn session(
        &self,
        scope: SessionScope,
        endpoint: Option<&str>,
    ) -> (ApiKey, ApiKeyRecord) {
        let new = NewSession {
            app_id: self.app_id,
            scope,
            endpoint: endpoint.map(queue::endpoint_id),
            lifetime: DEFAULT_LIFETIME,
        };
        let issued = new.issue(self.deliverer.clock.now(), &mut rand::rng());
        let (token, record) = issued.expect("issue a session");
        let stored = self.aws.table().put_api_key(&record).await;
        stored.expect("store the session");
        (token, record)
    }

    /// Stores the record of a new key that nobody has.
    pub async fn store_key(&self, new: NewKey) -> ApiKeyRecord {
        let key = service::new_key();
        let record = ApiKeyRecord::new(&key, new, self.deliverer.clock.now());
        let stored = self.aws.table().put_api_key(&record).await;
        stored.expect("store the API key");
        record
    }

    /// Another app of the same service, with its key.
    pub async fn other_app(&self) -> (AppId, ApiKey) {
        let (app_id, key) = (AppId::new(), service::new_key());
        self.add_key(app_id, &key).await;
        (app_id, key)
    }
}

/// Serves a router, and returns its base URL.
async fn serve(router: axum::Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind a port");
    let address = listener.local_addr().expect("read the bound address");
    tokio::spawn(axum::serve(listener, router).into_future());
    format!("http://{address}")
}

/// The servers that replace the embedded emulators, from the variable
/// `EMULATORS` that tests/emulators/run sets: `all=<URL>` or `dynamodb=<URL>`.
fn servers() -> Servers {
    #[expect(
        clippy::disallowed_methods,
        reason = "configures the tests, not the service"
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

/// Polls until there is something to return, for at most a minute.
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
        .unwrap_or_else(|_| panic!("timed out waiting for {what}"))
}

/// The field names of an object, sorted.
pub fn fields(object: &Value) -> Vec<&str> {
    let mut names: Vec<_> = object
        .as_object()
        .expect("read the fields of an object")
        .keys()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    names
}

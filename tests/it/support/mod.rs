//! A running service for one test.

pub mod api;
pub mod asserts;
pub mod aws;
pub mod calls;
pub mod catalogue;
pub mod counting;
pub mod cut;
pub mod dead_letters;
pub mod deliverer;
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
pub mod permissions;
pub mod queue;
pub mod receiver;
pub mod recording;
pub mod scenes;
pub mod sealing;
pub mod seeds;
pub mod stage;
pub mod tls;
pub mod units;
pub mod wire;
pub mod world;

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
use recording::Principal;
use wire::Wire;

pub const STORAGES: [SecretStorage; 2] = [SecretStorage::PerEndpoint, SecretStorage::Sealed];

pub struct Options {
    /// The service's settings. By default pings wait 5 s, so that a slow
    /// machine does not turn an outcome into a 202, and keys stay cached, so
    /// that looking them up adds no calls.
    pub settings: Settings,
    /// The deadline, address policy and resolver of deliveries.
    pub sender: SenderOptions,
    /// How long a received message stays hidden, in seconds.
    pub visibility_timeout: u32,
    /// Whether pollers handle the queues in the background. Without them, the test receives
    /// and handles each message itself.
    pub polling: bool,
}

impl Options {
    /// The defaults, with this DNS resolver.
    pub fn resolving(resolver: Arc<dyn Resolve>) -> Self {
        let mut options = Self::default();
        options.sender.resolver = resolver;
        options
    }

    /// Stores secrets in this way.
    pub fn with_storage(mut self, storage: SecretStorage) -> Self {
        self.settings.secret_storage = storage;
        self
    }

    /// The defaults, with a deadline short enough for tests that wait for it.
    pub fn impatient() -> Self {
        let mut options = Self::default();
        options.sender.deadline = Duration::from_millis(400);
        options
    }

    /// The defaults, without pollers.
    pub fn idle() -> Self {
        Self {
            polling: false,
            ..Self::default()
        }
    }

    /// Without pollers, and with a visibility timeout of 12 hours: a message that the test
    /// receives and does not handle never reappears.
    pub fn stepwise() -> Self {
        let mut options = Self {
            visibility_timeout: 12 * 60 * 60,
            ..Self::idle()
        };
        options.settings.api_key_cache = Duration::from_secs(300);
        options
    }

    /// Like [`Self::stepwise`], with this clock.
    pub fn stepwise_with(clock: &HandClock) -> Self {
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
            // Tests of budgets use the defaults of the service instead.
            budgets: service::unlimited(),
            ..Settings::default()
        };
        // In effect never. Tests of pauses choose a shorter time.
        settings.policy.health.pause_after = Duration::from_secs(10 * 365 * 24 * 60 * 60);
        Self {
            sender: SenderOptions::new(settings.address_policy, Duration::from_secs(15)),
            settings,
            visibility_timeout: 30,
            polling: true,
        }
    }
}

/// The service, with one app, its API key, and a platform key.
pub struct TestApp {
    pub app_id: AppId,
    pub key: ApiKey,
    pub platform_key: ApiKey,
    pub deliverer: Arc<Deliverer>,
    pub api: Api,
    pub queue: Queue,
    pub aws: Aws,
    // Declared last, so dropped last: the fields above use the emulators.
    _emulators: Emulators,
}

impl TestApp {
    /// Starts the service as it is deployed, except that receivers may use `http` and
    /// loopback addresses.
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    pub async fn start_with(options: Options) -> Self {
        let wire = Wire::default();
        let emulators = Emulators::start_beside(servers(), None, |client| wire.wrap(client))
            .await
            .expect("start the emulators");
        let clients = emulators.clients.clone();
        // With `EMULATORS`, tests share one server, so each needs resource names of its
        // own.
        let name = format!("test-{}", AppId::new());
        let resources = clients
            .create_resources(&name, Some(options.visibility_timeout))
            .await
            .expect("create the resources");
        let own = Principal::Deliver.clients(&clients);
        let deliverer = service::deliverer(&own, &resources, &options.settings, options.sender)
            .expect("create the deliverer");
        let own = Principal::Api.clients(&clients);
        let base = serve(service::api(&own, &resources, &options.settings)).await;
        let (app_id, key) = (AppId::new(), service::new_key());
        let platform_key = service::new_platform_key();
        let api = Api::new(base, app_id, key.clone(), platform_key.clone());
        let queue = Queue {
            sqs: clients.sqs.clone(),
            resources: resources.clone(),
            deliverer: Arc::clone(&deliverer),
            pollers: [Lane::Fast, Lane::Slow].map(|lane| {
                let poller = Poller::new(lane, &clients, &resources, Arc::clone(&deliverer));
                // Tests do not wait for a batch to fill.
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
            app.queue.start_polling();
        }
        app.add_key(app.app_id, &app.key).await;
        service::seed_platform_key(&app.aws.table(), &app.platform_key)
            .await
            .expect("store the platform's key");
        // The recorded calls that tests look at start here, without those of the setup.
        app.aws.wire.take();
        app
    }

    /// Starts a second API process, with its own caches, that stores new secrets in this
    /// way.
    pub async fn another_api(&self, storage: SecretStorage) -> Api {
        let settings = Settings {
            secret_storage: storage,
            clock: self.deliverer.clock.clone(),
            budgets: service::unlimited(),
            ..Settings::default()
        };
        let own = Principal::Api.clients(&self.aws.clients);
        let router = service::api(&own, &self.aws.resources, &settings);
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

    /// Issues a key for this app with this scope.
    pub async fn key_of(&self, scope: Scope) -> ApiKey {
        let mut new = NewKey::of_app(self.app_id, "");
        new.grant = Grant::App {
            app_id: self.app_id,
            scope,
        };
        self.new_key(new).await
    }

    /// Issues a key with these properties.
    pub async fn new_key(&self, new: NewKey) -> ApiKey {
        let key = match new.grant {
            Grant::Platform => service::new_platform_key(),
            Grant::App { .. } => service::new_key(),
            Grant::Session { .. } => panic!("TestApp::session issues sessions"),
        };
        service::store_key(&self.aws.table(), &key, new)
            .await
            .expect("store the API key");
        key
    }

    /// Starts a service without pollers, on this clock, whose app exists and whose API caches
    /// keys for this long.
    pub async fn start_with_key_cache(clock: &HandClock, key_cache: Duration) -> Self {
        let mut options = Options::idle();
        options.settings.clock = clock.clock();
        options.settings.api_key_cache = key_cache;
        let app = Self::start_with(options).await;
        app.create_app().await;
        app
    }

    /// Creates the app's record. The app's key works without it, but platform calls on the
    /// app need it.
    pub async fn create_app(&self) {
        let now = self.deliverer.clock.now();
        let table = self.aws.table();
        let put = table.put_app(self.app_id, &AppChange::default(), now).await;
        put.expect("create the app");
    }

    /// Issues a session for this app, or for one of its endpoints, that lasts an hour.
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

    /// Stores the record of a new key and discards the key itself.
    pub async fn store_key(&self, new: NewKey) -> ApiKeyRecord {
        let key = service::new_key();
        let record = ApiKeyRecord::new(&key, new, self.deliverer.clock.now());
        let stored = self.aws.table().put_api_key(&record).await;
        stored.expect("store the API key");
        record
    }

    /// Adds a second app, and returns its id and key.
    pub async fn other_app(&self) -> (AppId, ApiKey) {
        let (app_id, key) = (AppId::new(), service::new_key());
        self.add_key(app_id, &key).await;
        (app_id, key)
    }
}

/// Serves a router on a free port. Returns its base URL.
async fn serve(router: axum::Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind a port");
    let address = listener.local_addr().expect("read the bound address");
    tokio::spawn(axum::serve(listener, router).into_future());
    format!("http://{address}")
}

/// The servers to use in place of the embedded emulators. tests/emulators/run sets
/// `EMULATORS` to `all=<URL>` or `dynamodb=<URL>`.
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
        _ => panic!("EMULATORS is {chosen:?}, but must be all=<URL> or dynamodb=<URL>"),
    }
}

/// Polls `look` until it returns a value. Panics after a minute.
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

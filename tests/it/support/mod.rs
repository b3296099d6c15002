//! A running service for one test.

pub mod api;
pub mod asserts;
pub mod aws;
pub mod calls;
pub mod hand_clock;
pub mod matrix;
pub mod names;
pub mod openapi;
pub mod queue;
pub mod receiver;
pub mod seeds;
pub mod stage;
pub mod tls;
pub mod wire;

use std::sync::Arc;
use std::time::Duration;

use local::emulators::{Emulators, Servers};
use local::service::{self, Settings};
use reqwest::dns::Resolve;
use serde_json::Value;
use tokio::net::TcpListener;
use webhook_endpoints::delivery::Deliverer;
use webhook_endpoints::delivery::sender::SenderOptions;
use webhook_endpoints::domain::api_key::ApiKey;
use webhook_endpoints::domain::id::AppId;

use api::Api;
pub use api::{Answer, answer};
use aws::Aws;
use hand_clock::HandClock;
use queue::Queue;
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

    /// Nothing reads the queue, and what was taken from it does not show up
    /// again.
    pub fn stepwise() -> Self {
        let mut options = Self {
            visibility_timeout: 12 * 60 * 60,
            ..Self::idle()
        };
        options.settings.api_key_cache = Duration::from_secs(300);
        options
    }

    /// The same, by this clock.
    pub fn stepwise_by(clock: &HandClock) -> Self {
        let mut options = Self::stepwise();
        options.settings.clock = clock.clock();
        options
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
    pub app_id: AppId,
    pub key: ApiKey,
    pub deliverer: Arc<Deliverer>,
    pub api: Api,
    pub queue: Queue,
    pub aws: Aws,
    // Dropped last: the emulators.
    _emulators: Emulators,
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
            .expect("start the emulators");
        let clients = emulators.clients.clone();
        // A server may be there for other tests as well.
        let name = format!("test-{}", AppId::new());
        let resources = clients
            .create_resources(&name, Some(options.visibility_timeout))
            .await
            .expect("create the resources");
        let deliverer = service::deliverer(&clients, &resources, &options.settings, options.sender)
            .expect("create the deliverer");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind a port");
        let base = format!(
            "http://{}",
            listener.local_addr().expect("read the bound address")
        );
        let router = service::api(&clients, &resources, &options.settings);
        tokio::spawn(axum::serve(listener, router).into_future());
        let (app_id, key) = (AppId::new(), service::new_key());
        let api = Api::new(base, app_id, key.clone());
        let queue = Queue {
            sqs: clients.sqs.clone(),
            resources: resources.clone(),
            deliverer: Arc::clone(&deliverer),
            api: api.clone(),
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
        app.aws.wire.take();
        app
    }

    pub async fn add_key(&self, app_id: AppId, key: &ApiKey) {
        service::seed_key(&self.aws.table(), app_id, key)
            .await
            .expect("store the API key");
    }

    /// Another app of the same service, with its key.
    pub async fn other_app(&self) -> (AppId, ApiKey) {
        let (app_id, key) = (AppId::new(), service::new_key());
        self.add_key(app_id, &key).await;
        (app_id, key)
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
        .expect("read the fields of an object")
        .keys()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    names
}

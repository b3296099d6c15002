//! The effect of unhealthy endpoints on a healthy one: the time from publishing an event to
//! its arrival, beside endpoints that hang, are slow, or are dead. The whole service runs
//! in this process, with the lanes and slots of a deployment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use local::emulators::{Clients, Emulators, Resources};
use local::poller::Poller;
use local::service::{self, Settings};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use webhook_endpoints::aws::Stores;
use webhook_endpoints::delivery::sender::SenderOptions;
use webhook_endpoints::domain::api_key::ApiKey;
use webhook_endpoints::domain::endpoint::EndpointKey;
use webhook_endpoints::domain::id::{AppId, EndpointId};
use webhook_endpoints::domain::message::{Lane, Message, Tend};

use crate::backlog;
use crate::error::BoxError;

/// Events per second for the healthy endpoint.
const HEALTHY_RATE: f64 = 20.0;

/// How long after the last event an arrival still counts.
const GRACE: Duration = Duration::from_secs(30);

/// The endpoints of another app, beside the healthy endpoint.
#[derive(Clone, Copy)]
struct Neighbours {
    name: &'static str,
    endpoints: usize,
    /// The path at the receiver, which decides how it responds.
    path: &'static str,
    /// Events per second, for the endpoints in turn.
    rate: f64,
    /// Deliveries that exist at the beginning.
    backlog: Backlog,
}

/// Deliveries of the first neighbour from before the measurement.
#[derive(Clone, Copy)]
enum Backlog {
    None,
    /// This many failed, and are recovered.
    Recovered(u32),
    /// This many wait for the endpoint, which is paused and works again.
    Waiting(u32),
}

const fn neighbours(
    name: &'static str,
    endpoints: usize,
    path: &'static str,
    rate: f64,
) -> Neighbours {
    Neighbours {
        name,
        endpoints,
        path,
        rate,
        backlog: Backlog::None,
    }
}

const SCENARIOS: [Neighbours; 9] = [
    neighbours("nobody", 0, "/ok", 0.0),
    neighbours("1 that hangs, 2 events/s", 1, "/hang", 2.0),
    neighbours("1 that hangs, 6 events/s", 1, "/hang", 6.0),
    neighbours("1 that hangs, 20 events/s", 1, "/hang", 20.0),
    neighbours("20 that hang, 20 events/s", 20, "/hang", 20.0),
    neighbours("100 that hang, 20 events/s", 100, "/hang", 20.0),
    neighbours("1 that takes 5 s, 6 events/s", 1, "/slow", 6.0),
    Neighbours {
        backlog: Backlog::Recovered(10_000),
        ..neighbours("1 that is dead, a recovery of 10,000", 1, "/hang", 0.0)
    },
    Neighbours {
        backlog: Backlog::Waiting(5_000),
        ..neighbours("1 that comes back with 5,000 waiting", 1, "/ok", 0.0)
    },
];

/// Measures the scenarios whose name contains `only`. Publishes for `seconds` in each.
pub(crate) async fn run(seconds: u64, only: &str) -> Result<(), BoxError> {
    println!(
        "| Beside | Published | Arrived within 30 s | p50 | p99 | Longest | p99 of the second half |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|");
    for scenario in SCENARIOS
        .iter()
        .filter(|scenario| scenario.name.contains(only))
    {
        let world = World::start(scenario).await?;
        let published = world.publish(scenario, seconds).await?;
        world.arrive(&published).await;
        println!(
            "| {} | {} |",
            scenario.name,
            world.report(&published).join(" | ")
        );
        world.stop();
    }
    Ok(())
}

type Arrivals = Arc<Mutex<HashMap<String, Instant>>>;

/// A running service with a healthy app and an unhealthy one.
struct World {
    base: String,
    client: Client,
    healthy: Tenant,
    noisy: Tenant,
    arrivals: Arrivals,
    tasks: Vec<JoinHandle<()>>,
    _emulators: Emulators,
}

/// An app, its key and its endpoints.
struct Tenant {
    app_id: AppId,
    key: ApiKey,
    endpoints: Vec<EndpointId>,
}

impl World {
    async fn start(scenario: &Neighbours) -> Result<Self, BoxError> {
        let emulators = Emulators::start(None, |client| client).await?;
        let clients = emulators.clients.clone();
        let resources = clients.create_resources("bench", None).await?;
        let stores = service::stores(&clients, &resources);
        let (receiver, arrivals) = receiver().await?;
        let (base, mut tasks) = serve(&clients, &resources).await?;
        let client = Client::builder().no_proxy().build()?;
        let mut world = Self {
            base,
            client,
            healthy: Tenant::create(&stores).await?,
            noisy: Tenant::create(&stores).await?,
            arrivals,
            tasks: Vec::new(),
            _emulators: emulators,
        };
        world.tasks.append(&mut tasks);
        let url = format!("{receiver}/ok");
        let id = world.register(&world.healthy, &url, 0).await?;
        world.healthy.endpoints.push(id);
        for number in 0..scenario.endpoints {
            let url = format!("{receiver}{}", scenario.path);
            let id = world.register(&world.noisy, &url, number).await?;
            world.noisy.endpoints.push(id);
        }
        world.begin_with(&stores, scenario.backlog).await?;
        Ok(world)
    }

    /// Registers an endpoint that subscribes to an event type that no other endpoint of its
    /// app has, so that an event goes to exactly one endpoint.
    async fn register(
        &self,
        tenant: &Tenant,
        url: &str,
        number: usize,
    ) -> Result<EndpointId, BoxError> {
        let body = json!({"url": url, "events": [format!("event.{number}")]});
        let created = self.post(tenant, "webhooks", &body).await?;
        let id = created["data"]["id"].as_str().ok_or("no endpoint")?;
        Ok(EndpointId::parse(id)?)
    }

    async fn post(&self, tenant: &Tenant, path: &str, body: &Value) -> Result<Value, BoxError> {
        let url = format!("{}/apps/{}/{path}", self.base, tenant.app_id);
        let request = self
            .client
            .post(url)
            .header("x-api-key", tenant.key.expose());
        let request = request.header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await?;
        let answer = answer.error_for_status()?.bytes().await?;
        Ok(serde_json::from_slice(&answer)?)
    }

    /// Writes the first neighbour's backlog, and starts its recovery or drain.
    async fn begin_with(&self, stores: &Stores, backlog: Backlog) -> Result<(), BoxError> {
        let Some(endpoint_id) = self.noisy.endpoints.first().copied() else {
            return Ok(());
        };
        let endpoint = EndpointKey {
            app_id: self.noisy.app_id,
            endpoint_id,
        };
        let path = format!("webhooks/{endpoint_id}");
        match backlog {
            Backlog::None => {}
            Backlog::Recovered(count) => {
                let since = backlog::fail(&stores.table, endpoint, count).await?;
                let body = json!({"since": since.to_string(), "status": "FAILED"});
                let path = format!("{path}/recover");
                self.post(&self.noisy, &path, &body).await?;
            }
            Backlog::Waiting(count) => {
                backlog::wait(&stores.table, endpoint, count).await?;
                let tend = Message::Tend(Tend::now(endpoint));
                stores.queues.send(Lane::Slow, &tend).await?;
            }
        }
        Ok(())
    }

    /// Publishes to both apps at their rates. Returns when each healthy event was published.
    async fn publish(
        &self,
        scenario: &Neighbours,
        seconds: u64,
    ) -> Result<Vec<(String, Instant)>, BoxError> {
        let end = Instant::now() + Duration::from_secs(seconds);
        let (published, _) = tokio::try_join!(
            self.publish_to(&self.healthy, HEALTHY_RATE, end),
            self.publish_to(&self.noisy, scenario.rate, end),
        )?;
        Ok(published)
    }

    async fn publish_to(
        &self,
        tenant: &Tenant,
        rate: f64,
        end: Instant,
    ) -> Result<Vec<(String, Instant)>, BoxError> {
        let mut published = Vec::new();
        if rate <= 0.0 {
            return Ok(published);
        }
        let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
        let data = "x".repeat(1_000);
        let numbers = 0..tenant.endpoints.len();
        for number in numbers.cycle() {
            ticks.tick().await;
            if Instant::now() >= end {
                break;
            }
            let body = json!({"type": format!("event.{number}"), "data": {"text": data}});
            let begun = Instant::now();
            let accepted = self.post(tenant, "events", &body).await?;
            let id = accepted["data"]["id"].as_str().ok_or("no event")?;
            published.push((id.to_owned(), begun));
        }
        Ok(published)
    }

    /// Waits until all events have arrived, or the grace period is over.
    async fn arrive(&self, published: &[(String, Instant)]) {
        let end = Instant::now() + GRACE;
        while Instant::now() < end && self.delays(published).len() < published.len() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The times from publishing to arrival, in the order of publishing.
    fn delays(&self, published: &[(String, Instant)]) -> Vec<Duration> {
        let arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        let delays = published.iter().filter_map(|(id, begun)| {
            let arrived = arrivals.get(id)?;
            Some(arrived.saturating_duration_since(*begun))
        });
        delays.filter(|delay| *delay <= GRACE).collect()
    }

    fn report(&self, published: &[(String, Instant)]) -> Vec<String> {
        let delays = self.delays(published);
        let (_, second) = published.split_at(published.len() / 2);
        let all = sorted(delays);
        let second = sorted(self.delays(second));
        vec![
            published.len().to_string(),
            all.len().to_string(),
            shown(percentile(&all, 50)),
            shown(percentile(&all, 99)),
            shown(all.last().copied()),
            shown(percentile(&second, 99)),
        ]
    }

    fn stop(self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Tenant {
    async fn create(stores: &Stores) -> Result<Self, BoxError> {
        let (app_id, key) = (AppId::new(), service::new_key());
        service::seed_key(&stores.table, app_id, &key).await?;
        Ok(Self {
            app_id,
            key,
            endpoints: Vec::new(),
        })
    }
}

/// Serves the API and polls both lanes.
async fn serve(
    clients: &Clients,
    resources: &Resources,
) -> Result<(String, Vec<JoinHandle<()>>), BoxError> {
    let settings = Settings::default();
    let sender = SenderOptions::new(settings.address_policy, Duration::from_secs(15));
    let deliverer = service::deliverer(clients, resources, &settings, sender)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}", listener.local_addr()?);
    let router = service::api(clients, resources, &settings);
    let mut tasks = vec![tokio::spawn(async move {
        let _ = axum::serve(listener, router).await;
    })];
    for lane in [Lane::Fast, Lane::Slow] {
        let poller = Poller::new(lane, clients, resources, Arc::clone(&deliverer));
        tasks.push(tokio::spawn(poller.without_window().run()));
    }
    Ok((base, tasks))
}

/// Starts the receiver: `/ok` records arrivals, `/slow` responds after 5 s, and `/hang`
/// never responds.
async fn receiver() -> Result<(String, Arrivals), BoxError> {
    async fn record(State(arrivals): State<Arrivals>, headers: HeaderMap) {
        let id = headers.get("webhook-id").and_then(|id| id.to_str().ok());
        let mut arrivals = arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        let id = id.unwrap_or_default().to_owned();
        arrivals.entry(id).or_insert_with(Instant::now);
    }
    let arrivals = Arrivals::default();
    let router = Router::new()
        .route("/ok", post(record))
        .route(
            "/slow",
            post(async || tokio::time::sleep(Duration::from_secs(5)).await),
        )
        .route("/hang", post(std::future::pending::<()>))
        .with_state(Arc::clone(&arrivals));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok((url, arrivals))
}

fn sorted(mut delays: Vec<Duration>) -> Vec<Duration> {
    delays.sort_unstable();
    delays
}

fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let index = (sorted.len() * percent).div_ceil(100).checked_sub(1)?;
    sorted.get(index).copied()
}

fn shown(delay: Option<Duration>) -> String {
    delay.map_or("-".to_owned(), |delay| format!("{} ms", delay.as_millis()))
}

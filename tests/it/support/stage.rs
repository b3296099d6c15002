//! The stage for one case of a fault matrix: a service with one endpoint and its receiver,
//! which does nothing by itself unless it polls.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use reqwest::StatusCode;
use serde_json::{Value, json};
use webhook_endpoints::aws::table::attribute;
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::budget::Budgets;
use webhook_endpoints::domain::endpoint::EndpointKey;
use webhook_endpoints::domain::secret::SecretStorage;
use webhook_endpoints::operator::sweep::{self, Cause};

use super::hand_clock::HandClock;
use super::item_json::Item;
use super::matrix::Faults;
use super::queue::{endpoint_id, message};
use super::receiver::{Received, Receiver};
use super::{Answer, Options, TestApp};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Configurations under which the service must behave the same.
#[derive(Debug, Clone, Copy)]
pub struct Ways {
    /// Where secrets are stored.
    pub storage: SecretStorage,
    /// Whether the attempts of an event get messages of their own, instead of being made at
    /// once.
    pub by_message: bool,
}

pub struct Stage {
    pub app: TestApp,
    pub clock: HandClock,
    pub receiver: Receiver,
    /// The status that the receiver answers with.
    pub status: Arc<AtomicU16>,
    /// The endpoint's id.
    pub id: String,
    /// The endpoint's initial secret.
    pub secret: String,
    /// Whether the attempts of an event get messages of their own, instead of being made at
    /// once.
    by_message: bool,
    faults: Faults,
    /// The webhook ids that must arrive.
    accepted: Mutex<Vec<String>>,
    /// Endpoints that are counted and do not exist.
    phantoms: Mutex<usize>,
}

impl Stage {
    pub async fn start(faults: Faults, polling: bool, schedule: &str) -> Self {
        Self::with_storage(SecretStorage::PerEndpoint, faults, polling, schedule).await
    }

    /// Starts a stage that stores secrets in this way.
    pub async fn with_storage(
        storage: SecretStorage,
        faults: Faults,
        polling: bool,
        schedule: &str,
    ) -> Self {
        let ways = Ways {
            storage,
            by_message: false,
        };
        Self::with(ways, faults, polling, schedule).await
    }

    /// Starts a stage with these configurations.
    pub async fn with(ways: Ways, faults: Faults, polling: bool, schedule: &str) -> Self {
        let Ways {
            storage,
            by_message,
        } = ways;
        let clock = HandClock::at_now();
        let mut options = Options {
            polling,
            visibility_timeout: if polling { 1 } else { 600 },
            ..Options::default()
        };
        options.settings.clock = clock.clock();
        options.settings.secret_storage = storage;
        options.settings.policy.schedule = schedule.parse().expect("parse the schedule");
        // Short leases and pauses, so that draining does not wait long.
        options.settings.policy.health.pause_after = Duration::from_secs(60);
        options.settings.policy.health.first_probe = Duration::from_millis(500);
        options.settings.stragglers = Duration::from_secs(1);
        options.settings.fan_out_lease = Duration::from_secs(1);
        if by_message {
            options.settings.chunks.at_once = 0;
        }
        // Without a cache, every request looks up its key: that call can fail as well.
        options.settings.api_key_cache = Duration::ZERO;
        // The real lease. A fault that leaves the ping slot taken then fails the next ping.
        options.settings.budgets.ping_lease = Budgets::default().ping_lease;
        let app = TestApp::start_with(options).await;
        let (receiver, status) = Receiver::switched().await;
        status.store(200, Ordering::SeqCst);
        let (id, secret) = app.api.create_webhook(&receiver.url).await;
        Self {
            app,
            clock,
            receiver,
            status,
            id,
            secret,
            by_message,
            faults,
            accepted: Mutex::default(),
            phantoms: Mutex::default(),
        }
    }

    pub fn key(&self) -> EndpointKey {
        self.app.aws.endpoint_key(endpoint_id(&self.id))
    }

    pub fn path(&self, rest: &str) -> String {
        format!("/{}{rest}", self.id)
    }

    /// Runs `work` with the faults of the case, and ends them afterwards.
    pub async fn disturbed<T>(&self, work: impl Future<Output = T>) -> T {
        self.faults.arm(&self.app.aws.wire);
        let done = work.await;
        self.app.aws.wire.mend();
        done
    }

    /// Notes that this was accepted, so it must arrive. Call it again to expect another
    /// arrival.
    pub fn expect_arrival(&self, webhook_id: &Value) {
        let webhook_id = webhook_id.as_str().expect("read the webhook id").to_owned();
        self.accepted.lock().unwrap().push(webhook_id);
    }

    /// Forgets the expected arrivals.
    pub fn forget_arrivals(&self) {
        self.accepted.lock().unwrap().clear();
    }

    pub fn arrived(&self, webhook_id: &str) -> Vec<Received> {
        let mut arrived = self.receiver.received();
        arrived.retain(|request| request.header("webhook-id") == webhook_id);
        arrived
    }

    /// Sets the app's endpoint count to this, without creating endpoints.
    pub async fn fill(&self, count: usize) {
        *self.phantoms.lock().unwrap() = count - 1;
        self.app
            .aws
            .clients
            .dynamodb
            .update_item()
            .table_name(&self.app.aws.resources.table_name)
            .key("pk", text(format!("APP#{}", self.app.app_id)))
            .key("sk", text("APP"))
            .update_expression("SET #count = :count")
            .expression_attribute_names("#count", attribute::ENDPOINT_COUNT)
            .expression_attribute_values(":count", AttributeValue::N(count.to_string()))
            .send()
            .await
            .expect("change the number of endpoints");
    }

    /// Edits the failing endpoint so that it has failed nine times, most recently an hour
    /// ago.
    pub async fn record_nine_failures(&self) {
        let last = self.clock.now() - Duration::from_secs(60 * 60);
        self.app
            .aws
            .clients
            .dynamodb
            .update_item()
            .table_name(&self.app.aws.resources.table_name)
            .key("pk", text(format!("APP#{}", self.app.app_id)))
            .key("sk", text(format!("E#{}", self.id)))
            .update_expression("SET #failures = :nine, #last = :last")
            .expression_attribute_names("#failures", attribute::FAILURES)
            .expression_attribute_names("#last", attribute::LAST_FAILURE_AT)
            .expression_attribute_values(":nine", AttributeValue::N("9".to_owned()))
            .expression_attribute_values(
                ":last",
                AttributeValue::N(last.as_millisecond().to_string()),
            )
            .send()
            .await
            .expect("write the endpoint's failures");
    }

    /// Publishes an event, and expects its arrival. Returns its id.
    pub async fn publish(&self) -> String {
        let id = self.app.api.must_publish("invoice.paid").await;
        self.expect_arrival(&json!(id));
        id
    }

    /// Pings an endpoint, and asserts that the ping arrives signed with `secret` and none
    /// of the secrets in `not`.
    pub async fn must_sign_with(&self, id: &str, secret: &str, not: &[&str]) {
        let ping = self.app.api.ping_preferring(id, "respond-async").await;
        let ping_id = ping.data()["deliveryId"].clone();
        self.expect_arrival(&ping_id);
        self.drain().await;
        let arrived = self.arrived(ping_id.as_str().expect("read the webhook id"));
        assert!(!arrived.is_empty(), "a ping did not arrive");
        for request in arrived {
            assert!(request.was_signed_with(secret));
            assert!(!not.iter().any(|other| request.was_signed_with(other)));
        }
    }

    /// Handles a batch of each lane. Returns whether there were any messages.
    pub async fn handle_queued(&self) -> bool {
        self.app.queue.handle_visible().await
    }

    /// Publishes an event, and handles messages until the next one to handle makes the
    /// first attempt.
    pub async fn publish_until_attempt(&self) -> String {
        let id = self.publish().await;
        if self.by_message {
            self.handle_queued().await;
        }
        id
    }

    /// Handles the visible messages and those that they enqueue without a delay.
    pub async fn handle_all_visible(&self) {
        while self.handle_queued().await {}
    }

    /// Handles a batch of each lane with the faults of the case.
    pub async fn handle_disturbed(&self) {
        assert!(self.disturbed(self.handle_queued()).await, "nothing queued");
    }

    /// Handles all messages, delayed ones and those that they enqueue included, and
    /// attempts that wait in the table, until there are none.
    pub async fn drain(&self) {
        let draining = async {
            loop {
                if self.handle_queued().await {
                    continue;
                }
                // A message whose visibility timeout just expired is not counted by the
                // emulator until it is received again, here or by the poller. So the counts
                // are trusted only if a receive between two of them finds nothing.
                if self.something_is_hidden().await
                    || self.handle_queued().await
                    || self.something_is_hidden().await
                {
                    // Keep the test's clock in step, so that messages that become visible
                    // are also due.
                    let pause = Duration::from_millis(20);
                    tokio::time::sleep(pause).await;
                    self.clock.advance(pause);
                    continue;
                }
                if !self.something_is_scheduled().await {
                    return;
                }
                // Only the table holds anything now. A day makes all of it due.
                self.clock.advance(DAY);
                let sweep = message(Some("sweep"), r#"{"kind":"sweep"}"#);
                assert_eq!(self.app.queue.handle([sweep]).await, Ok(Vec::new()));
            }
        };
        tokio::time::timeout(Duration::from_secs(60), draining)
            .await
            .expect("drain the queue in time");
    }

    async fn something_is_hidden(&self) -> bool {
        let counts = self.app.queue.counts().await;
        counts.iter().any(|count| *count != 0)
    }

    /// Returns whether the schedule index (GSI 2) holds anything: a retry, an endpoint with
    /// waiting deliveries, or an unfinished deletion.
    async fn something_is_scheduled(&self) -> bool {
        let items = self.app.aws.items().await;
        items.iter().any(|item| item.contains_key("gsi2pk"))
    }

    /// Drains the queues and cleans up as the operator's guide says. Asserts that nothing
    /// is lost or left over.
    pub async fn must_come_to_rest(&self) {
        self.drain().await;
        let stores = self.app.aws.stores().secret_stores();
        let later = Clock::system().now() + DAY;
        let found = sweep::find(&stores, DAY / 2, later).await;
        let leftovers = found.expect("find what to clean up");
        assert_eq!(leftovers.unreadable, []);
        for found in leftovers.found {
            assert_ne!(found.cause, Cause::DeletionInterrupted, "{found:?}");
            let removed = sweep::remove(&stores, &found, later).await;
            removed.expect("clean up");
        }
        self.must_be_consistent().await;
        for item in self.app.aws.items().await {
            let pending = item.get(attribute::STATUS) == Some(&text("P"));
            assert!(!pending, "pending forever: {item:?}");
        }
        let mut arrived: Vec<_> = self.receiver.received();
        for webhook_id in self.accepted.lock().unwrap().iter() {
            // Each expected arrival uses up one request, so an id expected twice must
            // arrive twice.
            let position = arrived
                .iter()
                .position(|request| request.header("webhook-id") == webhook_id);
            let position = position.unwrap_or_else(|| panic!("{webhook_id} is lost"));
            arrived.remove(position);
        }
    }

    /// Asserts that every endpoint in the table has its secret, that every secret has its
    /// endpoint, that the current private key is the only one, and that the endpoint count
    /// is right.
    pub async fn must_be_consistent(&self) {
        let items = self.app.aws.items().await;
        let id_of = |item: &&'_ Item| Some(item["sk"].as_s().ok()?.strip_prefix("E#")?.to_owned());
        let stored: Vec<_> = items.iter().filter(|item| id_of(item).is_some()).collect();
        // Endpoints with a secret in Secrets Manager: the current one, or the previous one
        // during an overlap.
        let ids_with_secret = stored.iter().filter(|item| {
            let previous = item.get(attribute::PREVIOUS_SECRET);
            let previous = previous.and_then(|previous| previous.as_m().ok());
            !item.contains_key(attribute::SEALED_SECRET)
                || previous.is_some_and(|it| it.contains_key(attribute::previous::STORED_VERSION))
        });
        let ids_with_secret: Vec<_> = ids_with_secret.filter_map(id_of).collect();
        let ids_with_secret: Vec<_> = ids_with_secret.iter().map(String::as_str).collect();
        let secret_names = self.app.aws.secret_names().await;
        assert_eq!(secret_names, self.app.aws.secret_names_of(&ids_with_secret));
        let current = self.app.aws.table().sealing_key().await;
        let current = current.expect("read the current key");
        let current: Vec<_> = current
            .map(|current| format!("webhook-endpoints/sealing.{}", current.key.id))
            .into_iter()
            .collect();
        assert_eq!(self.app.aws.private_key_names().await, current);
        let endpoints = self.app.aws.table().endpoints(self.app.app_id).await;
        let endpoints = endpoints.expect("list the endpoints");
        assert_eq!(endpoints.len(), stored.len(), "a deletion is unfinished");
        let secrets = self.app.aws.stores().secrets;
        for endpoint in &endpoints {
            let secret = secrets.of(endpoint).await.expect("read the secret");
            assert!(secret.is_some(), "no secret of this version: {endpoint:?}");
        }
        let app = items.iter().find(|item| item["sk"] == text("APP"));
        let count = app.expect("find the app's item")[attribute::ENDPOINT_COUNT].as_n();
        let phantoms = *self.phantoms.lock().unwrap();
        assert_eq!(count, Ok(&(endpoints.len() + phantoms).to_string()));
    }
}

/// Returns whether a disturbed request succeeded. If not, asserts that the response says to
/// retry.
#[track_caller]
pub fn succeeded(answer: &Answer) -> bool {
    if answer.status.is_success() {
        assert!(answer.body.is_null() || answer.body["success"] == true);
        return true;
    }
    match answer.status.as_u16() {
        429 => answer.must_fail_with(429, "RATE_LIMIT"),
        _ => answer.must_fail_with(503, "UNAVAILABLE"),
    };
    assert!(answer.headers.contains_key("retry-after"));
    false
}

/// Returns the data of an accepted request. If the first response is an error, retries with
/// `again`.
pub async fn accepted(first: Answer, again: impl Future<Output = Answer>) -> Value {
    let accepted = if succeeded(&first) {
        first
    } else {
        again.await
    };
    assert_eq!(accepted.status, StatusCode::ACCEPTED, "{accepted:?}");
    accepted.data().clone()
}

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

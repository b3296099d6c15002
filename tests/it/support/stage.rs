//! The stage for one case of a fault matrix: a service with one endpoint and
//! its receiver, on which nothing happens by itself.

use std::collections::HashMap;
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
use super::matrix::Faults;
use super::queue::{endpoint_id, message};
use super::receiver::{Received, Receiver};
use super::{Answer, Options, TestApp};

type Item = HashMap<String, AttributeValue>;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What the service does in more than one way.
#[derive(Debug, Clone, Copy)]
pub struct Ways {
    /// How it keeps secrets.
    pub storage: SecretStorage,
    /// Whether attempts at events have messages of their own, instead of being made at
    /// once.
    pub by_message: bool,
}

/// See the module's documentation.
pub struct Stage {
    pub app: TestApp,
    pub clock: HandClock,
    pub receiver: Receiver,
    /// The status that the receiver answers with.
    pub status: Arc<AtomicU16>,
    /// The endpoint's id, and its initial secret.
    pub id: String,
    pub secret: String,
    /// Whether attempts at events have messages of their own, instead of being made at
    /// once.
    by_message: bool,
    faults: Faults,
    accepted: Mutex<Vec<String>>,
    phantoms: Mutex<usize>,
}

impl Stage {
    pub async fn start(faults: Faults, polling: bool, schedule: &str) -> Self {
        Self::keeping(SecretStorage::PerEndpoint, faults, polling, schedule).await
    }

    /// One that keeps secrets this way.
    pub async fn keeping(
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

    /// One that does these things this way.
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
        // What comes back later does so soon.
        options.settings.policy.health.pause_after = Duration::from_secs(60);
        options.settings.policy.health.first_probe = Duration::from_millis(500);
        options.settings.stragglers = Duration::from_secs(1);
        options.settings.fan_out_lease = Duration::from_secs(1);
        if by_message {
            options.settings.chunks.at_once = 0;
        }
        // Every request looks up its key, because that call can fail as well.
        options.settings.api_key_cache = Duration::ZERO;
        // A fault that left the slot for pings taken would refuse the next one.
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

    /// The key of the endpoint.
    pub fn key(&self) -> EndpointKey {
        self.app.aws.endpoint_key(endpoint_id(&self.id))
    }

    pub fn path(&self, rest: &str) -> String {
        format!("/{}{rest}", self.id)
    }

    /// Runs `work` with the faults of the case. They end when it is done.
    pub async fn disturbed<T>(&self, work: impl Future<Output = T>) -> T {
        self.faults.arm(&self.app.aws.wire);
        let done = work.await;
        self.app.aws.wire.mend();
        done
    }

    /// Notes that this was accepted, so that it has to reach a receiver once
    /// more.
    pub fn expect_arrival(&self, webhook_id: &Value) {
        let webhook_id = webhook_id.as_str().expect("read the webhook id").to_owned();
        self.accepted.lock().unwrap().push(webhook_id);
    }

    /// Nothing that was accepted so far has to arrive.
    pub fn forget_arrivals(&self) {
        self.accepted.lock().unwrap().clear();
    }

    pub fn arrived(&self, webhook_id: &str) -> Vec<Received> {
        let mut arrived = self.receiver.received();
        arrived.retain(|request| request.header("webhook-id") == webhook_id);
        arrived
    }

    /// Sets the app's endpoint count, although it has one endpoint.
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

    /// Writes that the endpoint, which is failing, has failed nine times so far, the
    /// last time an hour ago.
    pub async fn has_kept_failing(&self) {
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

    /// Publishes an event that the endpoint will get.
    pub async fn publish(&self) -> String {
        let id = self.app.api.published("invoice.paid").await;
        self.expect_arrival(&json!(id));
        id
    }

    /// Pings an endpoint, and asserts that the ping arrives signed with
    /// `secret` and with none of the secrets in `not`.
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

    /// Handles the visible messages. Returns whether there were any.
    pub async fn handle_queued(&self) -> bool {
        self.app.queue.handle_visible().await
    }

    /// Publishes an event, and handles messages until the next one makes its first
    /// attempt.
    pub async fn publish_until_attempt(&self) -> String {
        let id = self.publish().await;
        if self.by_message {
            self.handle_queued().await;
        }
        id
    }

    /// Handles the visible messages and those that follow at once.
    pub async fn handle_all_visible(&self) {
        while self.handle_queued().await {}
    }

    /// Handles the queued messages, with the faults of the case.
    pub async fn handle_disturbed(&self) {
        assert!(self.disturbed(self.handle_queued()).await, "nothing queued");
    }

    /// Handles all messages and those that follow from them, also delayed ones
    /// and attempts that wait in the table, until there are none.
    pub async fn drain(&self) {
        let draining = async {
            loop {
                if self.handle_queued().await {
                    continue;
                }
                // The emulated queue counts no message whose visibility timeout has run out
                // until it is received again, here or by the poller.
                if self.something_is_hidden().await
                    || self.handle_queued().await
                    || self.something_is_hidden().await
                {
                    // The clock goes on, so that what is due then is due for it too.
                    let pause = Duration::from_millis(20);
                    tokio::time::sleep(pause).await;
                    self.clock.advance(pause);
                    continue;
                }
                if !self.something_is_scheduled().await {
                    return;
                }
                self.clock.advance(DAY);
                let sweep = message(Some("sweep"), r#"{"kind":"sweep"}"#);
                assert_eq!(self.app.queue.handle([sweep]).await, Ok(Vec::new()));
            }
        };
        tokio::time::timeout(Duration::from_secs(60), draining)
            .await
            .expect("empty the queue in time");
    }

    async fn something_is_hidden(&self) -> bool {
        let counts = self.app.queue.counts().await;
        counts.iter().any(|count| *count != 0)
    }

    /// Whether an attempt, an endpoint that deliveries wait for, or an unfinished
    /// deletion is in the schedule.
    async fn something_is_scheduled(&self) -> bool {
        let items = self.app.aws.items().await;
        items.iter().any(|item| item.contains_key("gsi2pk"))
    }

    /// Handles all messages and cleans up as operators are told to. Asserts
    /// that nothing is missing or left over.
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
            let position = arrived
                .iter()
                .position(|request| request.header("webhook-id") == webhook_id);
            let position = position.unwrap_or_else(|| panic!("{webhook_id} is lost"));
            arrived.remove(position);
        }
    }

    /// Asserts that every endpoint in the table, deleted or not, has its
    /// secret, that every secret has its endpoint, that there is no private key but the
    /// current one, and that the endpoint count is right.
    pub async fn must_be_consistent(&self) {
        let items = self.app.aws.items().await;
        let id_of = |item: &&'_ Item| Some(item["sk"].as_s().ok()?.strip_prefix("E#")?.to_owned());
        let stored: Vec<_> = items.iter().filter(|item| id_of(item).is_some()).collect();
        let beside = stored.iter().filter(|item| {
            let previous = item.get(attribute::PREVIOUS_SECRET);
            let previous = previous.and_then(|previous| previous.as_m().ok());
            !item.contains_key(attribute::SEALED_SECRET)
                || previous.is_some_and(|it| it.contains_key(attribute::previous::STORED_VERSION))
        });
        let beside: Vec<_> = beside.filter_map(id_of).collect();
        let beside: Vec<_> = beside.iter().map(String::as_str).collect();
        let secret_names = self.app.aws.secret_names().await;
        assert_eq!(secret_names, self.app.aws.secret_names_of(&beside));
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

/// Whether a disturbed request succeeded. If not, asserts that the answer says
/// to retry.
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

/// Returns the data of an accepted request. If the first answer is not a
/// success, `again` retries it.
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

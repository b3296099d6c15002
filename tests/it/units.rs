//! The DynamoDB units that an event costs. They must match the table in docs/performance.md,
//! so a longer name or a new attribute that costs another unit fails here.

use std::path::Path;

use local::template;
use local::template::TableTemplate;
use serde_json::{Value, json};
use webhook_endpoints::aws::table::attribute;
use webhook_endpoints::domain::delivery::Attempt;

use crate::support::item_json::Item;
use crate::support::orders::order_of;
use crate::support::queue::endpoint_id;
use crate::support::receiver::Receiver;
use crate::support::seeds::{Seed, answered};
use crate::support::units::{Snapshot, WRITE_UNIT, Written, size_of};
use crate::support::wire::Request;
use crate::support::{Options, TestApp};

/// Bytes of an event's item without its data, if the app's id is as long as a UUID and the
/// type has twelve characters.
const EVENT: usize = 151;

/// Bytes of a delivery's item without the responses that it keeps.
const DELIVERY: usize = 222;

/// Bytes of an endpoint's item without its URL and event types.
const ENDPOINT: usize = 120;

fn table() -> TableTemplate {
    template::table().unwrap()
}

async fn snapshot(app: &TestApp) -> Snapshot {
    Snapshot::of(app.aws.items().await)
}

/// The units that some work cost.
struct Cost {
    writes: Vec<Written>,
    reads: Vec<(String, f64)>,
}

impl Cost {
    /// The write units of the only item of this kind, in the table and in the indexes.
    fn of(&self, kind: &str) -> (usize, &[usize]) {
        let mut written = self.writes.iter().filter(|written| written.kind == kind);
        let found = written.next().unwrap_or_else(|| panic!("no {kind}"));
        assert_eq!(written.next(), None);
        (found.table, &found.indexes)
    }

    fn bytes(&self, kind: &str) -> usize {
        let mut written = self.writes.iter();
        written.find(|written| written.kind == kind).unwrap().bytes
    }

    fn reads(&self, operation: &str) -> f64 {
        let reads = self.reads.iter().filter(|(name, _)| name == operation);
        reads.map(|(_, units)| units).sum()
    }
}

/// Does the work, and counts the units of its calls.
async fn cost_of(app: &TestApp, work: impl Future<Output = ()>) -> Cost {
    let before = snapshot(app).await;
    app.aws.wire.take();
    work.await;
    let requests = app.aws.wire.take_requests();
    let after = snapshot(app).await;
    let writes = before.writes_to(&after, &table());
    let is_write = |request: &&Request| ["PutItem", "UpdateItem"].contains(&&*request.operation);
    assert_eq!(requests.iter().filter(is_write).count(), writes.len());
    let read = |request: &Request| {
        let units = after.reads_of(request, &table())?;
        Some((request.operation.clone(), units))
    };
    Cost {
        writes,
        reads: requests.iter().filter_map(read).collect(),
    }
}

async fn publish(app: &TestApp, data: &Value) {
    let event = json!({"type": "order.placed", "data": data});
    assert!(app.api.publish(&event).await.status.is_success());
    app.queue.settle().await;
}

/// A service that has delivered before, so that its caches are warm.
async fn start(receiver: &Receiver) -> (TestApp, String) {
    let app = TestApp::start_with(Options::stepwise()).await;
    assert_eq!(app.app_id.as_str().len(), 36);
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    publish(&app, &json!(1)).await;
    (app, id)
}

#[track_caller]
fn assert_documented(row: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance.md");
    let document = std::fs::read_to_string(path).unwrap();
    let is_there = document.lines().any(|line| line == row);
    assert!(is_there, "docs/performance.md lacks: {row}");
}

#[tokio::test]
async fn events_of_a_kilobyte_cost_the_documented_units() {
    let receiver = Receiver::answering(200, r#"{"received": true}"#).await;
    let (app, id) = start(&receiver).await;
    let data = order_of(1000);
    let cost = cost_of(&app, publish(&app, &data)).await;
    for (kind, what) in [
        ("V", "The event, 1,000 bytes of data"),
        ("D", "Its delivery"),
    ] {
        let (table, indexes) = cost.of(kind);
        let [lists, schedule] = indexes else {
            panic!("{indexes:?}");
        };
        assert_documented(&format!("| {what} | {table} | {lists} | {schedule} |"));
    }
    assert_eq!(cost.writes.len(), 2);
    assert!(cost.reads.iter().all(|(operation, _)| operation == "Query"));
    let query = cost.reads("Query");
    assert_documented(&format!(
        "| The app's endpoints, up to 20 | `Query` | {query} |"
    ));
    let now = app.deliverer.clock.now();
    let task = app.aws.store_event(endpoint_id(&id), "a", now).await;
    let later = cost_of(&app, app.queue.must_attempt(&task)).await;
    let batch = later.reads("BatchGetItem");
    let row = "| Endpoint, delivery and event, for an attempt by a message | `BatchGetItem` |";
    assert_documented(&format!("{row} {batch} |"));
}

#[tokio::test]
async fn items_have_few_bytes_of_overhead() {
    let receiver = Receiver::answering(200, "").await;
    let (app, _) = start(&receiver).await;
    for bytes in [620, WRITE_UNIT - EVENT] {
        let data = json!("x".repeat(bytes - r#""""#.len()));
        let cost = cost_of(&app, publish(&app, &data)).await;
        let (event, delivery) = (cost.bytes("V") - bytes, cost.bytes("D"));
        assert!((EVENT - 20..=EVENT).contains(&event), "{event}");
        assert!((DELIVERY - 20..=DELIVERY).contains(&delivery), "{delivery}");
        assert_eq!(cost.of("V").0, 1);
    }
    let items = app.aws.items().await;
    let endpoint = items
        .iter()
        .find(|item| item.contains_key(attribute::URL))
        .unwrap();
    let own = [attribute::URL, attribute::EVENTS].map(|name| {
        let value = endpoint[name].clone();
        size_of(&Item::from([(name.to_owned(), value)]))
    });
    let endpoint = size_of(endpoint) - own.iter().sum::<usize>();
    assert!((ENDPOINT - 20..=ENDPOINT).contains(&endpoint), "{endpoint}");
}

#[tokio::test]
async fn deliveries_fit_into_one_unit_unless_responses_are_long() {
    for (bytes, units) in [(WRITE_UNIT - DELIVERY, 1), (1000, 2)] {
        let body: &'static str = "x".repeat(bytes).leak();
        let receiver = Receiver::answering(200, body).await;
        let (app, _) = start(&receiver).await;
        let cost = cost_of(&app, publish(&app, &json!(1))).await;
        assert_eq!(cost.of("D"), (units, &[0, 0][..]), "{bytes}");
    }
}

#[tokio::test]
async fn each_retry_costs_the_index_one_unit() {
    let receiver = Receiver::answering(500, "").await;
    let (app, id) = start(&receiver).await;
    let cost = cost_of(&app, publish(&app, &json!(1))).await;
    assert_eq!(cost.of("D"), (1, &[1, 0][..]));
    let now = app.deliverer.clock.now();
    let task = app.aws.store_event(endpoint_id(&id), "a", now).await;
    let attempt = |number, status| Attempt {
        number,
        started_at: now,
        duration_ms: 1,
        verdict: answered(status),
    };
    for (number, status, retry, lists) in [
        (1, 500, Some(now), 1),
        (2, 500, Some(now), 1),
        (3, 200, None, 1),
    ] {
        let attempt = attempt(number, status);
        let cost = cost_of(&app, app.aws.record(&task, &attempt, retry)).await;
        assert_eq!(cost.of("D"), (1, &[lists, 0][..]), "{number}");
    }
    // The last attempt removed the delivery from the index.
    assert_eq!(app.api.page(&id, "status=delivered").await.0.len(), 1);
}

#[tokio::test]
async fn reading_a_hundred_endpoints_costs_the_documented_units() {
    let receiver = Receiver::answering(200, "").await;
    let (app, _) = start(&receiver).await;
    app.api.create_webhooks(99).await;
    let cost = cost_of(&app, async {
        app.api.get("").await;
    });
    let units = cost.await.reads("Query");
    assert_documented(&format!("| A hundred endpoints | `Query` | {units} |"));
}

#[tokio::test]
async fn names_of_event_types_cost_the_documented_units() {
    let mut options = Options::stepwise();
    options.settings.strict_event_types = true;
    let app = TestApp::start_with(options).await;
    // Names of about twenty characters.
    let names: Vec<_> = (100..200)
        .map(|n| format!("subscription.type{n}"))
        .collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    app.must_add_types(&names).await;
    app.api.get("").await;
    let event = json!({"type": names[0], "data": 1});
    let cost = cost_of(&app, async {
        assert!(app.api.publish(&event).await.status.is_success());
    });
    let units = cost.await.reads("GetItem");
    let what = "The names of a hundred event types, with `StrictEventTypes`";
    assert_documented(&format!("| {what} | `GetItem` | {units} |"));
}

#[tokio::test]
async fn pages_of_delivered_read_few_other_deliveries() {
    let receiver = Receiver::answering(200, "").await;
    let (app, id) = start(&receiver).await;
    let endpoint = endpoint_id(&id);
    for index in 0..200 {
        let seed = if index % 10 == 3 {
            Seed::Failed
        } else {
            Seed::Delivered
        };
        app.aws.seed(endpoint, seed).await;
    }
    let whole = cost_of(&app, async {
        app.api.page(&id, "limit=25").await;
    });
    let delivered = cost_of(&app, async {
        let (items, _) = app.api.page(&id, "limit=25&status=delivered").await;
        assert_eq!(items.len(), 25);
    });
    let (whole, delivered) = (whole.await.reads("Query"), delivered.await.reads("Query"));
    assert!(delivered <= 5.0 * whole, "{delivered} {whole}");
}

//! The sweep moves attempts that are nearly due from the table to the queue.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use webhook_endpoints::aws::table::{Due, Recorded};
use webhook_endpoints::delivery::enqueue_due::LEASE;
use webhook_endpoints::domain::audience::Audience;
use webhook_endpoints::domain::decision::{AfterAttempt, Next};
use webhook_endpoints::domain::delivery::Attempt;
use webhook_endpoints::domain::event::{FanOut, StoredEvent, StoredPayload};
use webhook_endpoints::domain::event_type::EventType;
use webhook_endpoints::domain::health::Change;
use webhook_endpoints::domain::id::DeliveryId;
use webhook_endpoints::domain::message::{DeliveryTask, Message};

use crate::support::hand_clock::HandClock;
use crate::support::queue::{endpoint_id, message};
use crate::support::receiver::Receiver;
use crate::support::seeds::answered;
use crate::support::wire::Fault;
use crate::support::{Options, TestApp};

const NOWHERE: &str = "https://receiver.example.com/";
pub(crate) const SWEEP: &str = r#"{"kind":"sweep"}"#;
/// How many attempts a sweep takes from a shard.
pub(crate) const CHUNK: u16 = 25;
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

pub(crate) async fn start() -> (TestApp, HandClock, String) {
    start_for(NOWHERE).await
}

/// A service, its clock, and an endpoint with this URL.
async fn start_for(url: &str) -> (TestApp, HandClock, String) {
    let clock = HandClock::at("2026-01-01T00:00:00Z");
    let mut options = Options::stepwise_with(&clock);
    options.settings.chunks.due = CHUNK;
    let app = TestApp::start_with(options).await;
    let (id, _) = app.api.create_webhook(url).await;
    (app, clock, id)
}

/// Writes a delivery whose first attempt failed and whose second is due at this time.
pub(crate) async fn schedule(app: &TestApp, id: &str, due_at: Timestamp, delivery_id: DeliveryId) {
    let event = EventType::parse("invoice.paid").unwrap();
    let created_at = app.deliverer.clock.now();
    let task = DeliveryTask {
        delivery_id,
        ..app.aws.task_at(endpoint_id(id), event, created_at)
    };
    let attempt = Attempt {
        number: 1,
        started_at: created_at,
        duration_ms: 1,
        verdict: answered(500),
    };
    let after = AfterAttempt {
        delivery: task.delivery().after(&attempt, Some(due_at)),
        next: Next::Schedule(due_at),
        endpoint: Change::Unchanged,
    };
    let event = StoredEvent {
        r#type: task.event.clone(),
        accepted_at: created_at,
        expires_at: task.expires_at,
        payload: StoredPayload::Kept("{}".to_owned()),
        kept_for: None,
        audience: Audience::default(),
        fan_out: FanOut {
            by: "seed".to_owned(),
            since: created_at,
        },
    };
    let table = app.aws.table();
    let event_id = task.source.event_id();
    let stored = table.store_event(app.app_id, event_id, &event, created_at);
    assert_eq!(stored.await.unwrap(), None);
    let recorded = table.record_attempt(&task, &attempt, &after).await;
    assert_eq!(recorded.unwrap(), Recorded::Written);
}

#[tokio::test]
async fn sweeps_enqueue_attempts_due_within_ten_minutes() {
    let (app, clock, id) = start().await;
    let now = clock.now();
    let overdue = DeliveryId::new();
    schedule(&app, &id, now - 60 * MINUTE, overdue).await;
    let soon = DeliveryId::new();
    schedule(&app, &id, now + 9 * MINUTE, soon).await;
    let later = DeliveryId::new();
    schedule(&app, &id, now + 11 * MINUTE, later).await;
    let taken = app.queue.sweep().await;
    let taken: Vec<_> = taken.iter().map(|task| task.delivery_id).collect();
    // The attempt that is due soon is delayed on the queue.
    assert_eq!(taken, [overdue]);
    assert_eq!(app.queue.delayed().await, 1);
    clock.advance(11 * MINUTE);
    let taken = app.queue.sweep().await;
    let taken: Vec<_> = taken.iter().map(|task| task.delivery_id).collect();
    assert_eq!(taken, [later]);
}

#[tokio::test]
async fn empty_sweeps_cost_ten_queries() {
    let (app, _, _) = start().await;
    app.aws.wire.take();
    app.queue.must_handle(SWEEP).await;
    // Eight shards of the schedule, and the lists of unfinished deletions.
    assert_eq!(app.aws.wire.take(), vec!["Query"; 10]);
}

/// Schedules more attempts in one shard than a sweep takes.
pub(crate) async fn schedule_many(
    app: &TestApp,
    clock: &HandClock,
    id: &str,
) -> BTreeSet<DeliveryId> {
    let mut ids = BTreeSet::new();
    while ids.len() < usize::from(CHUNK) + 5 {
        let new = DeliveryId::new();
        // The last byte of the id decides the shard.
        if new.as_bytes()[15] % 8 == 3 {
            ids.insert(new);
        }
    }
    let due_at = clock.now();
    stream::iter(&ids)
        .for_each_concurrent(10, |new| schedule(app, id, due_at, *new))
        .await;
    ids
}

/// Handles the queued sweeps. Returns the attempts that they enqueue and the number of
/// sweeps.
pub(crate) async fn taken(app: &TestApp) -> (Vec<DeliveryId>, usize) {
    let (mut taken, mut sweeps) = (Vec::new(), 0);
    loop {
        let queued = app.queue.all_queued().await;
        if queued.is_empty() {
            return (taken, sweeps);
        }
        for message in queued {
            match Message::from_json(message.body.as_deref().unwrap()).unwrap() {
                Message::Delivery(task) => taken.push(task.delivery_id),
                Message::Sweep => {
                    sweeps += 1;
                    app.queue.must_handle(SWEEP).await;
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn sweeps_over_their_limit_continue_at_once() {
    let (app, clock, id) = start().await;
    let ids = schedule_many(&app, &clock, &id).await;
    app.queue.must_handle(SWEEP).await;
    let (taken, sweeps) = taken(&app).await;
    assert_eq!(taken.len(), ids.len());
    assert_eq!(taken.into_iter().collect::<BTreeSet<_>>(), ids);
    assert_eq!(sweeps, 1);
}

#[tokio::test]
async fn paused_endpoints_never_hide_due_attempts() {
    let (app, clock, id) = start().await;
    // Their probes are due before the attempt, but not overdue.
    for number in 0..3 * CHUNK {
        let endpoint = format!("01890000-0000-7000-8000-{number:012}");
        app.aws
            .put(&[
                ("pk", "APP#other"),
                ("sk", &format!("E#{endpoint}")),
                ("gsi2pk", "DUE#3"),
                ("gsi2sk", &format!("2025-12-31T23:59:30.000Z#{endpoint}")),
            ])
            .await;
    }
    let due = loop {
        let new = DeliveryId::new();
        if new.as_bytes()[15] % 8 == 3 {
            break new;
        }
    };
    schedule(&app, &id, clock.now(), due).await;
    app.aws.wire.take();
    app.queue.must_handle(SWEEP).await;
    let calls = app.aws.wire.take();
    let (taken, sweeps) = taken(&app).await;
    assert_eq!(taken, [due]);
    // Endpoints that stay on the schedule cause no further sweep.
    assert_eq!(sweeps, 0);
    let reads = calls.iter().filter(|call| *call == "Query").count();
    // Three more pages of that shard.
    assert_eq!(reads, 10 + 3);
}

/// Makes the queued attempts, then advances the clock and sweeps, until nothing is
/// scheduled. Returns how many messages each delivery had.
async fn come_to_rest(app: &TestApp, clock: &HandClock) -> BTreeMap<DeliveryId, usize> {
    let mut copies = BTreeMap::new();
    loop {
        let queued = app.queue.all_queued().await;
        for message in &queued {
            let body = message.body.as_deref().unwrap();
            if let Message::Delivery(task) = Message::from_json(body).unwrap() {
                *copies.entry(task.delivery_id).or_default() += 1;
            }
            assert_eq!(app.queue.handle([message.clone()]).await, Ok(Vec::new()));
        }
        if !queued.is_empty() {
            continue;
        }
        let items = app.aws.items().await;
        if !items.iter().any(|item| item.contains_key("gsi2pk")) {
            return copies;
        }
        clock.advance(LEASE + MINUTE);
        app.queue.must_handle(SWEEP).await;
    }
}

/// Runs a sweep whose calls of this operation fail from the given one on.
async fn interrupt(call: &'static str, first_call: u32, fault: Fault) {
    let case = format!("{call} {first_call} {fault:?}");
    let receiver = Receiver::answering(200, "").await;
    let (app, clock, id) = start_for(&receiver.url).await;
    let ids = schedule_many(&app, &clock, &id).await;
    app.aws.wire.break_from(call, first_call, fault);
    let back = app.queue.handle([message(Some("m"), SWEEP)]).await;
    assert_eq!(back, Ok(vec!["m".to_owned()]), "{case}");
    app.aws.wire.mend();
    // SQS delivers the sweep's message again.
    app.queue.must_handle(SWEEP).await;
    let copies = come_to_rest(&app, &clock).await;
    assert!(ids.iter().eq(copies.keys()), "{case}");
    // If the answer to a batch is lost, the SDK itself sends the batch again.
    if (call, fault) != ("SendMessageBatch", Fault::After) {
        assert!(copies.values().all(|count| *count == 1), "{case}");
    }
    let received = receiver.received();
    let different: BTreeSet<_> = received
        .iter()
        .map(|got| got.header("webhook-id"))
        .collect();
    assert_eq!(different.len(), ids.len(), "{case}");
    assert_eq!(received.len(), ids.len(), "{case}");
}

#[tokio::test]
async fn interrupted_sweeps_lose_nothing_and_send_nothing_twice() {
    let cases = [
        // The first 25 updates claim one attempt each.
        ("UpdateItem", 1, Fault::Before),
        ("UpdateItem", 1, Fault::After),
        ("UpdateItem", 13, Fault::Before),
        ("UpdateItem", 13, Fault::After),
        ("SendMessageBatch", 1, Fault::Before),
        ("SendMessageBatch", 1, Fault::After),
        ("SendMessageBatch", 2, Fault::Before),
        ("SendMessageBatch", 2, Fault::After),
        // The others take one attempt each off the schedule.
        ("UpdateItem", 26, Fault::Before),
        ("UpdateItem", 26, Fault::After),
        ("UpdateItem", 38, Fault::Before),
        // The message of the next sweep.
        ("SendMessage", 1, Fault::Before),
        ("SendMessage", 1, Fault::After),
    ];
    stream::iter(cases)
        .for_each_concurrent(2, |(call, first, fault)| interrupt(call, first, fault))
        .await;
}

#[tokio::test]
async fn lost_answers_to_claims_delay_no_attempt() {
    let (app, clock, id) = start().await;
    schedule(&app, &id, clock.now(), DeliveryId::new()).await;
    app.aws.wire.break_once("UpdateItem", Fault::After);
    assert_eq!(app.queue.sweep().await.len(), 1);
    assert_eq!(app.queue.sweep().await, []);
}

#[tokio::test]
async fn concurrent_sweeps_enqueue_each_attempt_once() {
    let (app, clock, id) = start().await;
    let ids = schedule_many(&app, &clock, &id).await;
    let sweeps = ["one", "two", "three"].map(|id| message(Some(id), SWEEP));
    assert_eq!(app.queue.handle(sweeps).await, Ok(Vec::new()));
    let (taken, _) = taken(&app).await;
    assert_eq!(taken.len(), ids.len());
    assert_eq!(taken.into_iter().collect::<BTreeSet<_>>(), ids);
}

#[tokio::test]
async fn late_sweeps_claim_no_attempt_that_was_taken() {
    let (app, clock, id) = start().await;
    let delivery_id = DeliveryId::new();
    schedule(&app, &id, clock.now(), delivery_id).await;
    let shard = delivery_id.as_bytes()[15] % 8;
    let (table, soon) = (app.aws.table(), clock.now() + MINUTE);
    let found = table.due(shard, soon, 10).await.unwrap();
    let [Due::Attempt(due)] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(app.queue.sweep().await.len(), 1);
    assert_eq!(table.claim(due.clone(), soon).await.unwrap(), None);
    assert_eq!(table.due(shard, Timestamp::MAX, 10).await.unwrap(), []);
}

#[tokio::test]
async fn enqueued_attempts_never_come_early() {
    let (app, clock, id) = start().await;
    for (millis, delay) in [
        (-1, 0),
        (0, 0),
        (1, 1),
        (1000, 1),
        (1001, 2),
        (599_999, 600),
    ] {
        let due_at = clock.now() + jiff::SignedDuration::from_millis(millis);
        schedule(&app, &id, due_at, DeliveryId::new()).await;
        app.aws.wire.take();
        app.queue.must_handle(SWEEP).await;
        let sent = app.aws.wire.take_requests();
        let mut sent = sent
            .iter()
            .filter(|call| call.operation == "SendMessageBatch");
        let entries = sent.next().expect("find the batch").body()["Entries"].clone();
        assert_eq!(entries[0]["DelaySeconds"], delay, "{millis}");
    }
}

#[tokio::test]
async fn sweeps_leave_what_another_one_claims_to_it() {
    const CLAIMED: Fault = Fault::Refused(r#"{"__type": "ConditionalCheckFailedException"}"#);
    let (app, clock, id) = start().await;
    // More than one sweep takes.
    schedule_many(&app, &clock, &id).await;
    app.aws.wire.break_calls(&["UpdateItem"], CLAIMED);
    app.queue.must_handle(SWEEP).await;
    app.aws.wire.mend();
    assert_eq!(app.queue.all_queued().await.len(), 0);
}

//! The sweep moves attempts that are nearly due from the table to the queue.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use webhook_endpoints::aws::table::Recorded;
use webhook_endpoints::domain::decision::{AfterAttempt, Next};
use webhook_endpoints::domain::delivery::Attempt;
use webhook_endpoints::domain::event_type::EventType;
use webhook_endpoints::domain::health::Change;
use webhook_endpoints::domain::id::DeliveryId;
use webhook_endpoints::domain::message::{DeliveryTask, Message};

use crate::support::hand_clock::HandClock;
use crate::support::queue::{endpoint_id, message};
use crate::support::seeds::answered;
use crate::support::wire::Fault;
use crate::support::{Options, TestApp};

const NOWHERE: &str = "https://receiver.example.com/";
const SWEEP: &str = r#"{"kind":"sweep"}"#;
/// How many attempts a sweep takes from a shard.
const CHUNK: u16 = 25;
const MINUTE: Duration = Duration::from_secs(60);

async fn start() -> (TestApp, HandClock, String) {
    let clock = HandClock::at("2026-01-01T00:00:00Z");
    let mut options = Options::stepwise_by(&clock);
    options.settings.chunks.due = CHUNK;
    let app = TestApp::start_with(options).await;
    let (id, _) = app.api.create_webhook(NOWHERE).await;
    (app, clock, id)
}

/// Writes a delivery whose first attempt failed and whose second is due then.
async fn schedule(app: &TestApp, id: &str, due_at: Timestamp, delivery_id: DeliveryId) {
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
    let table = app.aws.table();
    let recorded = table.record_attempt(&task, &attempt, &after).await;
    assert_eq!(recorded.unwrap(), Recorded::Written);
}

#[tokio::test]
async fn sweeps_take_what_is_due_within_ten_minutes() {
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
    // An attempt that is not due yet is delayed on the queue.
    assert_eq!(taken, [overdue]);
    assert_eq!(app.queue.delayed().await, 1);
    clock.advance(11 * MINUTE);
    let taken = app.queue.sweep().await;
    let taken: Vec<_> = taken.iter().map(|task| task.delivery_id).collect();
    assert_eq!(taken, [later]);
}

#[tokio::test]
async fn empty_sweeps_cost_one_read_per_shard() {
    let (app, _, _) = start().await;
    app.aws.wire.take();
    app.queue.must_handle(SWEEP).await;
    assert_eq!(app.aws.wire.take(), vec!["Query"; 8]);
}

/// Schedules more attempts in one shard than a sweep takes.
async fn schedule_many(app: &TestApp, clock: &HandClock, id: &str) -> BTreeSet<DeliveryId> {
    let mut ids = BTreeSet::new();
    while ids.len() < usize::from(CHUNK) + 5 {
        let new = DeliveryId::new();
        if new.as_bytes()[15] % 8 == 3 {
            ids.insert(new);
        }
    }
    let due_at = clock.now();
    stream::iter(&ids)
        .for_each_concurrent(50, |new| schedule(app, id, due_at, *new))
        .await;
    ids
}

/// Handles the queued sweeps, and takes the attempts. Returns these and the
/// number of sweeps.
async fn taken(app: &TestApp) -> (Vec<DeliveryId>, usize) {
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
async fn repeated_sweeps_finish_what_an_interrupted_one_left() {
    for (call, first_call, fault) in [
        ("SendMessageBatch", 2, Fault::Before),
        ("SendMessageBatch", 2, Fault::After),
        // Each update takes one attempt off the schedule.
        ("UpdateItem", 13, Fault::Before),
        ("UpdateItem", 13, Fault::After),
        // The message of the next sweep.
        ("SendMessage", 1, Fault::Before),
        ("SendMessage", 1, Fault::After),
    ] {
        let (app, clock, id) = start().await;
        let ids = schedule_many(&app, &clock, &id).await;
        app.aws.wire.break_from(call, first_call, fault);
        let back = app.queue.handle([message(Some("m"), SWEEP)]).await;
        assert_eq!(back, Ok(vec!["m".to_owned()]), "{call} {fault:?}");
        app.aws.wire.mend();
        app.queue.must_handle(SWEEP).await;
        let (taken, _) = taken(&app).await;
        let taken: BTreeSet<_> = taken.into_iter().collect();
        assert_eq!(taken, ids, "{call} {fault:?}");
        assert_eq!(app.queue.sweep().await, []);
    }
}

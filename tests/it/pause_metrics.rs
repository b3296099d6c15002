//! What pauses report in metrics and in the log.

use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use webhook_endpoints::domain::message::{Message, Tend};

use crate::support::hand_clock::HandClock;
use crate::support::paused::Paused;
use crate::support::queue::endpoint_id;
use crate::support::receiver::Receiver;
use crate::support::{Options, TestApp, log, metrics};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn pauses_and_waiting_deliveries_are_counted() {
    static EMITTED: Mutex<Vec<Value>> = Mutex::new(Vec::new());
    let clock = HandClock::at("2026-01-01T00:00:00Z");
    let mut options = Options::stepwise_with(&clock);
    options.settings.policy.health.pause_after = MINUTE;
    let app = TestApp::start_with(options).await;
    let queue =
        metrics::queue_with_metrics(&app, |line| EMITTED.lock().unwrap().push(line.clone()));
    let counted = || {
        let lines = std::mem::take(&mut *EMITTED.lock().unwrap());
        lines.iter().for_each(metrics::must_be_embedded);
        let counts = |name: &str| Value::Array(metrics::values(&lines, name));
        assert_eq!(counts("UnreadableItems"), json!([]));
        ["EndpointsPaused", "DeliveriesWaiting", "EndpointsResumed"].map(counts)
    };
    let (receiver, status) = Receiver::switched().await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;

    // The second failure comes `pause_after` after the first, and so pauses the endpoint.
    let first = queue.first_attempt().await;
    queue.must_attempt(&first).await;
    assert_eq!(counted(), [json!([]), json!([]), json!([])]);
    clock.advance(MINUTE);
    let second = queue.first_attempt().await;
    queue.must_attempt(&second).await;
    assert_eq!(counted(), [json!([1]), json!([]), json!([])]);

    for _ in 0..3 {
        clock.advance(Duration::from_secs(1));
        app.api.must_publish("invoice.paid").await;
        assert_eq!(queue.fan_out().await, []);
    }
    assert_eq!(counted(), [json!([]), json!([1, 1, 1]), json!([])]);

    status.store(200, Ordering::SeqCst);
    let endpoint = app.api.get(&format!("/{id}")).await;
    clock.set_to(&endpoint.data()["nextProbeAt"]);
    let tend = Tend::now(app.aws.endpoint_key(endpoint_id(&id)));
    let tend = Message::Tend(tend).to_json().unwrap();
    queue.must_handle(tend).await;
    assert_eq!(counted(), [json!([]), json!([]), json!([1])]);
}

#[tokio::test]
async fn drains_log_how_many_deliveries_they_send() {
    let paused = Paused::start().await;
    paused.publish_waiting(3).await;
    paused.status.store(200, Ordering::SeqCst);
    paused.probe().await;
    let lines = log::lines_of(async {
        assert_eq!(paused.tend().await.len(), 2);
    });
    let lines = lines.await;
    let lines = log::saying(&lines, "waiting deliveries sent");
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["endpoint_id"], paused.id);
    assert_eq!(lines[0]["deliveries"], 2);
}

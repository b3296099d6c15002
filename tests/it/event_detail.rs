//! `GET /apps/{appId}/events/{eventId}`: returns an event with all its deliveries.

use reqwest::StatusCode;
use serde_json::{Value, json};
use webhook_endpoints::domain::id::{AppId, EventId};

use crate::support::calls::Call;
use crate::support::hand_clock::HandClock;
use crate::support::queue::message;
use crate::support::receiver::Receiver;
use crate::support::wire::Fault;
use crate::support::{Answer, Options, TestApp, answer};

async fn get(app: &TestApp, id: &str) -> Answer {
    app.api.call(&Call::get_event(id)).await
}

async fn shown(app: &TestApp, id: &str) -> Value {
    let found = get(app, id).await;
    assert_eq!(found.status, StatusCode::OK, "{found:?}");
    found.data().clone()
}

fn event_without_record(id: &str, created_at: &Value) -> Value {
    json!({"id": id, "type": null, "createdAt": created_at, "payload": null,
        "payloadDeletedAt": null, "deliveries": []})
}

async fn publish_under(app: &TestApp, key: &str) -> String {
    let request = app.api.publishing().header("idempotency-key", key);
    let accepted = answer(request.body(r#"{"type":"a","data":1}"#)).await;
    accepted.data()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn events_are_shown_with_every_delivery() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let taking = Receiver::answering(200, "").await;
    let failing = Receiver::answering(500, "").await;
    let (first, _) = app.api.create_webhook(&taking.url).await;
    let (second, _) = app.api.create_webhook(&failing.url).await;
    let (inactive, _) = app.api.create_webhook(&taking.url).await;
    let patch = json!({"active": false});
    app.api.put_json(&format!("/{inactive}"), &patch).await;
    let (other, _) = app.api.subscribe(&taking.url, &["other"]).await;
    let id = app.api.must_publish("invoice.paid").await;
    app.queue.settle().await;
    let event = shown(&app, &id).await;
    assert_eq!(event["id"], id);
    assert_eq!(event["type"], "invoice.paid");
    let sent: Value = serde_json::from_slice(&taking.must_receive_one().body).unwrap();
    assert_eq!(event["payload"], sent);
    let deliveries = event["deliveries"].as_array().unwrap();
    let summary: Vec<_> = deliveries
        .iter()
        .map(|delivery| {
            [
                &delivery["webhookId"],
                &delivery["status"],
                &delivery["responseStatus"],
                &delivery["reason"],
            ]
            .map(Value::clone)
        })
        .collect();
    assert_eq!(
        json!(summary),
        json!([
            [inactive, "FAILED", null, "ENDPOINT_INACTIVE"],
            [second, "PENDING", 500, null],
            [first, "DELIVERED", 200, null],
        ])
    );
    // The endpoints' histories show the same.
    for delivery in deliveries {
        let endpoint = delivery["webhookId"].as_str().unwrap();
        let mut listed = app.api.must_have_one_delivery(endpoint).await;
        assert_eq!(event["createdAt"], listed["createdAt"]);
        listed["webhookId"] = delivery["webhookId"].clone();
        listed["reason"] = delivery["reason"].clone();
        assert_eq!(*delivery, listed);
    }
    assert_eq!(app.api.deliveries(&other).await, Vec::<Value>::new());

    // The history of a deleted endpoint is gone.
    app.api.delete(&format!("/{second}")).await;
    let event = shown(&app, &id).await;
    assert_eq!(event["deliveries"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn events_of_other_services_are_shown() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    app.api.create_webhook(&receiver.url).await;
    let of_message = EventId::new().to_string();
    let own = EventId::parse("6a7e8feb-b491-4cf7-a9f1-bf3703467718").unwrap();
    for (id, event) in [
        (&of_message, json!({})),
        (&own.to_string(), json!({"id": own})),
    ] {
        let mut event = event;
        event["kind"] = json!("event");
        event["appId"] = json!(app.app_id);
        event["type"] = json!("a.b");
        event["data"] = json!(1);
        let back = app
            .queue
            .handle([message(Some(&of_message), event.to_string())]);
        assert_eq!(back.await, Ok(Vec::new()));
        app.queue.settle().await;
        let event = shown(&app, id).await;
        assert_eq!(event["deliveries"][0]["status"], "DELIVERED");
    }
    // An event of another service that no endpoint gets looks like one that was never
    // published.
    let unheard = json!({
        "kind": "event", "appId": app.app_id, "id": EventId::new(), "type": "a", "data": 1,
    });
    let (other, _) = app.other_app().await;
    let foreign = unheard
        .to_string()
        .replace(app.app_id.as_str(), other.as_str());
    app.queue.must_handle(foreign).await;
    let id = unheard["id"].as_str().unwrap();
    get(&app, id).await.must_fail_with(404, "NOT_FOUND");
}

#[tokio::test]
async fn events_without_receivers_are_shown_but_not_stored() {
    let clock = HandClock::at_now();
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    app.api
        .subscribe("https://example.com/hook", &["other"])
        .await;
    let id = app.api.must_publish("invoice.paid").await;
    let keyed = publish_under(&app, "k").await;
    let items = app.aws.items().await.len();
    for _ in 0..2 {
        let event = shown(&app, &id).await;
        assert_eq!(event, event_without_record(&id, &event["createdAt"]));
        let created_at: jiff::Timestamp = event["createdAt"].as_str().unwrap().parse().unwrap();
        assert!(clock.now().duration_since(created_at).abs() < jiff::SignedDuration::from_mins(1));
        assert_eq!(
            shown(&app, &keyed).await,
            event_without_record(&keyed, &Value::Null)
        );
        // First while the event is still on the queue, then after its fan-out.
        app.queue.settle().await;
    }
    assert_eq!(app.aws.items().await.len(), items);

    let retention = i64::try_from(app.deliverer.retention.as_millis()).unwrap();
    clock.advance_millis(retention + 60_000);
    get(&app, &id).await.must_fail_with(404, "NOT_FOUND");
    assert_eq!(
        shown(&app, &keyed).await,
        event_without_record(&keyed, &Value::Null)
    );
}

#[tokio::test]
async fn expired_events_are_not_found() {
    let clock = HandClock::at_now();
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    let receiver = Receiver::answering(200, "").await;
    app.api.create_webhook(&receiver.url).await;
    let id = app.api.must_publish("invoice.paid").await;
    app.queue.settle().await;
    shown(&app, &id).await;
    let retention = i64::try_from(app.deliverer.retention.as_millis()).unwrap();
    clock.advance_millis(retention + 60_000);
    get(&app, &id).await.must_fail_with(404, "NOT_FOUND");
}

#[tokio::test]
async fn ids_not_issued_to_the_app_are_not_found() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let other = AppId::new();
    for id in [
        EventId::new().to_string(),
        EventId::issue(other).to_string(),
        EventId::of_idempotency_key(other, "k").to_string(),
        uuid::Uuid::nil().to_string(),
        uuid::Uuid::max().to_string(),
        "x".to_owned(),
        "%FF".to_owned(),
        format!("{{{}}}", EventId::issue(app.app_id)),
    ] {
        get(&app, &id).await.must_fail_with(404, "NOT_FOUND");
    }
    let upper_case = app.api.must_publish("a").await.to_uppercase();
    shown(&app, &upper_case).await;
}

#[tokio::test]
async fn ids_from_the_future_are_not_found() {
    let clock = HandClock::at("2026-01-01T00:00:00Z");
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    // Ids contain the system time, which is later than the test's clock.
    let id = EventId::issue(app.app_id).to_string();
    get(&app, &id).await.must_fail_with(404, "NOT_FOUND");
}

#[tokio::test]
async fn failed_reads_make_events_unavailable() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    app.api.create_webhook(&receiver.url).await;
    let id = app.api.must_publish("invoice.paid").await;
    app.queue.settle().await;
    for call in [&["GetItem"], &["Query"], &["BatchGetItem"]] {
        app.aws.wire.break_calls(call, Fault::Before);
        get(&app, &id).await.must_fail_with(503, "UNAVAILABLE");
    }
}

//! Filters: an endpoint with a filter gets only events whose data match it.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use webhook_endpoints::domain::id::EventId;

use crate::support::queue::received_again;
use crate::support::receiver::Receiver;
use crate::support::wire::Fault;
use crate::support::{Answer, Options, TestApp, answer};

const URL: &str = "https://example.com/hook";

async fn create(app: &TestApp, url: &str, filter: Value) -> Answer {
    let body = json!({"url": url, "events": ["*"], "filter": filter});
    app.api.post_json("", &body).await
}

/// Creates an endpoint with this filter, or with null.
async fn endpoint(app: &TestApp, filter: Value) -> String {
    let created = create(app, URL, filter).await;
    assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
    created.data()["id"].as_str().unwrap().to_owned()
}

/// Handles the queued events, and returns the endpoints that they reach.
async fn reached(app: &TestApp) -> BTreeSet<String> {
    let tasks = app.queue.fan_out().await;
    let ids = tasks
        .iter()
        .map(|task| task.endpoint.endpoint_id.to_string());
    ids.collect()
}

async fn publish(app: &TestApp, data: &str) {
    let body = format!(r#"{{"type":"invoice.paid","data":{data}}}"#);
    let accepted = answer(app.api.publishing().body(body)).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED, "{accepted:?}");
}

#[tokio::test]
async fn events_reach_endpoints_whose_filters_match() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let all = endpoint(&app, Value::Null).await;
    let large = endpoint(&app, json!({"amount": [{"numeric": [">", 1000]}]})).await;
    let german = endpoint(&app, json!({"customer": {"country": ["DE"]}})).await;
    for (data, expected) in [
        (r#"{"amount": 1000}"#, vec![&all]),
        (r#"{"amount": 1000.01}"#, vec![&all, &large]),
        (
            r#"{"amount": 2000, "customer": {"country": "DE"}}"#,
            vec![&all, &large, &german],
        ),
        (r#"{"customer": [{"country": "DE"}]}"#, vec![&all, &german]),
        (r#"[{"customer": {"country": "DE"}}]"#, vec![&all, &german]),
        ("null", vec![&all]),
        (r#""DE""#, vec![&all]),
        // Numbers and strings beyond `f64`, `i64` and `String`.
        (r#"{"amount": 1e400}"#, vec![&all, &large]),
        (
            r#"{"\ud800": "\udc00", "amount": 12345678901234567890123}"#,
            vec![&all, &large],
        ),
    ] {
        publish(&app, data).await;
        let expected: BTreeSet<_> = expected.into_iter().cloned().collect();
        assert_eq!(reached(&app).await, expected, "{data}");
    }
}

#[tokio::test]
async fn filters_cost_no_aws_call() {
    let app = TestApp::start_with(Options::stepwise()).await;
    for n in 0..3 {
        endpoint(&app, json!({"n": [n]})).await;
    }
    for (data, cost) in [
        (r#"{"n": 1}"#, &["PutItem", "Query", "SendMessageBatch"][..]),
        // No endpoint gets it, so it is not even stored.
        (r#"{"n": 7}"#, &["Query"]),
    ] {
        publish(&app, data).await;
        app.aws.wire.take();
        app.queue.fan_out().await;
        assert_eq!(app.aws.wire.take(), cost, "{data}");
    }
}

#[tokio::test]
async fn filtered_out_events_are_not_recorded() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    let filter = json!({"status": [{"anything-but": "draft"}]});
    let created = create(&app, &receiver.url, filter).await;
    let id = created.data()["id"].as_str().unwrap().to_owned();
    publish(&app, r#"{"status": "draft"}"#).await;
    publish(&app, r#"{"status": "open"}"#).await;
    app.queue.settle().await;
    let request = receiver.must_receive_one();
    assert!(request.body.ends_with(br#""data":{"status": "open"}}"#));
    app.api.must_have_one_delivery(&id).await;
    // Inactive endpoints record no delivery for it either.
    let path = format!("/{id}");
    app.api.put_json(&path, &json!({"active": false})).await;
    publish(&app, r#"{"status": "draft"}"#).await;
    app.queue.settle().await;
    app.api.must_have_one_delivery(&id).await;
}

#[tokio::test]
async fn pending_deliveries_are_not_filtered_again() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    let created = create(&app, &receiver.url, json!({"n": [1]})).await;
    let id = created.data()["id"].as_str().unwrap().to_owned();
    publish(&app, r#"{"n": 1}"#).await;
    let task = app.queue.fan_out().await.remove(0);
    let path = format!("/{id}");
    let changed = app
        .api
        .put_json(&path, &json!({"filter": {"n": [2]}}))
        .await;
    assert_eq!(changed.status, StatusCode::OK);
    app.queue.must_attempt(&task).await;
    assert_eq!(receiver.received().len(), 1);
    let resend = format!("{path}/deliveries/{}/resend", task.delivery_id);
    let resent = app.api.post(&resend).await;
    assert!(resent.status.is_success(), "{resent:?}");
    app.queue.settle().await;
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test]
async fn filters_can_be_shown_replaced_and_removed() {
    let app = TestApp::start().await;
    let path = format!("/{}", endpoint(&app, json!({"a": [1]})).await);
    for (written, shown) in [
        (r#"{ "b" : [ 1.50, "x y" ] }"#, r#"{"b":[1.50,"x y"]}"#),
        (
            r#"{"$or":[{"a":[null]},{"b":[1e2]}]}"#,
            r#"{"$or":[{"a":[null]},{"b":[1e2]}]}"#,
        ),
        ("null", "null"),
    ] {
        let request = app.api.request(Method::PUT, &path);
        let request = request.header("content-type", "application/json");
        let request = request.body(format!(r#"{{"filter": {written}}}"#));
        assert_eq!(answer(request).await.status, StatusCode::OK, "{written}");
        let request = app.api.request(Method::GET, &path);
        let body = request.send().await.unwrap().text().await.unwrap();
        assert!(body.contains(&format!(r#""filter":{shown},"#)), "{body}");
        let listed = app.api.get("?view=full").await;
        let expected: Value = serde_json::from_str(shown).unwrap();
        assert_eq!(listed.data()[0]["filter"], expected);
    }
}

#[tokio::test]
async fn invalid_filters_are_rejected_with_every_path() {
    let app = TestApp::start().await;
    let path = format!("/{}", endpoint(&app, json!({"kept": [1]})).await);
    for (filter, places) in [
        (json!([]), &["filter"][..]),
        (json!({}), &["filter"]),
        (json!({"a": 1}), &["filter.a"]),
        (
            json!({"order": {"total": [{"numeric": ["!", 1]}], "id": []}}),
            &["filter.order.id", "filter.order.total[0].numeric"],
        ),
        (json!({"a": ["x".repeat(4096)]}), &["filter"]),
    ] {
        let body = json!({"filter": filter});
        app.api.put_json(&path, &body).await.must_be_invalid(places);
        let created = create(&app, URL, filter.clone()).await;
        created.must_be_invalid(places);
        let test = json!({"data": {}, "filter": filter});
        let path = format!("{path}/filter-test");
        let tested = app.api.post_json(&path, &test).await;
        tested.must_be_invalid(places);
    }
    let shown = app.api.get(&path).await;
    assert_eq!(shown.data()["filter"], json!({"kept": [1]}));
}

#[tokio::test]
async fn the_first_event_of_an_idempotency_key_is_filtered() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let one = endpoint(&app, json!({"n": [1]})).await;
    endpoint(&app, json!({"n": [2]})).await;
    let publish = async |n: u8| {
        let event = json!({"type": "invoice.paid", "data": {"n": n}});
        let request = app.api.publishing().header("idempotency-key", "a-key");
        let accepted = answer(request.body(event.to_string())).await;
        assert_eq!(accepted.status, StatusCode::ACCEPTED);
        app.queue.all_queued().await.remove(0)
    };
    let first = publish(1).await;
    app.aws
        .wire
        .break_calls(&["SendMessageBatch"], Fault::Before);
    let queue = app.queue.by_message();
    assert_eq!(queue.handle([first.clone()]).await.unwrap().len(), 1);
    app.aws.wire.mend();
    // The repeat arrives under the first one's message id, as if the first message came
    // back with other data.
    let mut repeat = publish(2).await;
    repeat.message_id.clone_from(&first.message_id);
    let back = received_again(&repeat, 2);
    app.queue.handle([back]).await.unwrap();
    let tasks = app.queue.tasks().await;
    let ids = tasks
        .iter()
        .map(|task| task.endpoint.endpoint_id.to_string());
    assert_eq!(ids.collect::<Vec<_>>(), [one]);
}

#[tokio::test]
async fn malformed_filters_block_only_their_own_endpoint() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let sound = endpoint(&app, json!({"n": [1]})).await;
    let broken = endpoint(&app, json!({"n": [1]})).await;
    app.aws.set_endpoint(&broken, &[("fi", "no filter")]).await;
    publish(&app, r#"{"n": 1}"#).await;
    // The broken endpoint gets a message that fails until its filter can be decoded.
    let tasks = app.queue.fan_out().await;
    let reached = tasks
        .iter()
        .map(|task| (task.endpoint.endpoint_id.to_string(), task.if_owed));
    let expected = BTreeSet::from([(sound, false), (broken.clone(), true)]);
    assert_eq!(reached.collect::<BTreeSet<_>>(), expected);
    // The broken filter can be replaced through the API.
    let path = format!("/{broken}");
    let mended = app.api.put_json(&path, &json!({"filter": null})).await;
    assert_eq!(mended.status, StatusCode::OK);
}

#[tokio::test]
async fn hostile_filters_delay_no_endpoint() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let sound = endpoint(&app, json!({"last": [true]})).await;
    let many = |one: Value, count: usize| vec![one; count];
    for filter in [
        json!({"$or": many(json!({"a": [1]}), 400)}),
        json!({"a": many(json!({"wildcard": "*a*b*c*d"}), 150)}),
        json!({"a": {"b": {"c": {"d": {"$or": many(json!({"e": [{"exists": false}]}), 100)}}}}}),
    ] {
        endpoint(&app, filter).await;
    }
    let numbers = format!("[{}0]", "0,".repeat(100_000));
    let text = format!(r#""{}""#, "a".repeat(200_000));
    let deep = format!("{}{}", r#"{"a":["#.repeat(64), "]}".repeat(64));
    for a in [numbers, text] {
        publish(&app, &format!(r#"{{"a":{a},"last":true}}"#)).await;
        assert!(reached(&app).await.contains(&sound));
    }
    // This event has no `last`. It is nested 128 levels deep, as deep as data may be.
    publish(&app, &deep).await;
    assert!(!reached(&app).await.contains(&sound));
}

#[tokio::test]
async fn queue_messages_are_filtered_too() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let id = endpoint(&app, json!({"n": [1]})).await;
    for (data, expected) in [("1", vec![id]), ("2", vec![])] {
        let event = json!({
            "kind": "event", "appId": app.app_id, "id": EventId::new(),
            "type": "invoice.paid", "dataText": format!(r#"{{"n": {data}}}"#),
        });
        app.queue.enqueue(&event.to_string()).await;
        assert_eq!(reached(&app).await, expected.into_iter().collect());
    }
}

//! Fault matrices of events. Each AWS call between an event and its deliveries fails in
//! turn, before or after it takes effect, once or until the request or batch ends. Whatever
//! fails, an accepted event reaches every endpoint, and is recorded once for each.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use webhook_endpoints::aws::table::attribute;
use webhook_endpoints::domain::id::EventId;
use webhook_endpoints::domain::message::{Erasure, Message};

use crate::support::answer;
use crate::support::calls::{Call, Ids, call_named};
use crate::support::matrix::Matrix;
use crate::support::stage::{Stage, accepted, succeeded};
use crate::support::wire::Fault;

impl Stage {
    async fn publish_under_a_key(&self) -> Value {
        let request = self.app.api.publishing().header("idempotency-key", "k");
        let body = json!({"type": "invoice.paid", "data": null});
        let published = answer(request.body(body.to_string())).await;
        published.data()["id"].clone()
    }
}

#[tokio::test]
async fn events_are_accepted_or_can_be_retried() {
    for key in [None, Some("key-1")] {
        let name = if key.is_some() {
            "publish under a key"
        } else {
            "publish"
        };
        Matrix::of(name)
            .run(async |stage| {
                let publish = || {
                    let mut request = stage.app.api.publishing();
                    if let Some(key) = key {
                        request = request.header("idempotency-key", key);
                    }
                    let body = json!({"type": "invoice.paid", "data": null});
                    answer(request.body(body.to_string()))
                };
                let first = stage.disturbed(publish()).await;
                let data = accepted(first, publish()).await;
                stage.expect_arrival(&data["id"]);
                stage.drain().await;
                let history = stage.app.api.deliveries(&stage.id).await;
                assert!(history.iter().all(|item| item["status"] == "DELIVERED"));
                if key.is_some() {
                    assert_eq!(history.len(), 1);
                }
            })
            .await;
    }
}

#[tokio::test]
async fn batches_lose_no_accepted_event_and_the_rest_can_be_retried() {
    let matrix = Matrix::of("publish a batch");
    matrix
        .run(async |stage| {
            // More than fit into a `SendMessageBatch`.
            let event = |n| json!({"type": "a", "data": n, "idempotencyKey": format!("k{n}")});
            let mut left: Vec<_> = (0..12).map(event).collect();
            let first = stage.disturbed(stage.app.api.publish_batch(&left)).await;
            if succeeded(&first) {
                let rows = first.data()["events"].as_array().unwrap();
                let mut rows = rows.iter();
                left.retain(|_| {
                    let row = rows.next().unwrap();
                    match row["error"]["code"].as_str() {
                        Some(code) => assert!(["UNAVAILABLE", "RATE_LIMIT"].contains(&code)),
                        None => stage.expect_arrival(&row["id"]),
                    }
                    row["id"].is_null()
                });
            }
            if !left.is_empty() {
                let again = stage.app.api.publish_batch(&left).await;
                assert_eq!(again.data()["accepted"], left.len());
                for row in again.data()["events"].as_array().unwrap() {
                    stage.expect_arrival(&row["id"]);
                }
            }
            stage.drain().await;
            let history = stage.app.api.deliveries(&stage.id).await;
            assert_eq!(history.len(), 12);
            assert!(history.iter().all(|item| item["status"] == "DELIVERED"));
        })
        .await;
}

#[tokio::test]
async fn accepted_events_reach_every_endpoint_despite_any_fault() {
    let matrix = Matrix::of("fan-out");
    matrix
        .run(async |stage| {
            // Too many to be attempted at once, and more than fit into a
            // `SendMessageBatch`.
            let mut ids = vec![stage.id.clone()];
            for _ in 0..10 {
                ids.push(stage.app.api.create_webhook(&stage.receiver.url).await.0);
            }
            let (inactive, _) = stage.app.api.create_webhook(&stage.receiver.url).await;
            let patch = json!({"active": false});
            let path = format!("/{inactive}");
            stage.app.api.put_json(&path, &patch).await;
            let event = stage.publish().await;
            for _ in 1..ids.len() {
                stage.expect_arrival(&json!(event));
            }
            stage.handle_disturbed().await;
            stage.drain().await;
            for id in &ids {
                let delivery = stage.app.api.must_have_one_delivery(id).await;
                assert_eq!(delivery["status"], "DELIVERED");
            }
            let missed = stage.app.api.must_have_one_delivery(&inactive).await;
            assert_eq!(missed["status"], "FAILED");
        })
        .await;
}

#[tokio::test]
async fn events_attempted_at_once_reach_every_endpoint_despite_any_fault() {
    let matrix = Matrix::of("attempts at once");
    matrix
        .run(async |stage| {
            let api = &stage.app.api;
            let (well, _) = api.create_webhook(&stage.receiver.url).await;
            let (inactive, _) = api.create_webhook(&stage.receiver.url).await;
            let path = format!("/{inactive}");
            api.put_json(&path, &json!({"active": false})).await;
            let event = stage.publish().await;
            stage.expect_arrival(&json!(event));
            stage.handle_disturbed().await;
            stage.drain().await;
            for (id, status, attempts) in [
                (&stage.id, "DELIVERED", 1),
                (&well, "DELIVERED", 1),
                (&inactive, "FAILED", 0),
            ] {
                let delivery = stage.app.api.must_have_one_delivery(id).await;
                assert_eq!(delivery["status"], status);
                assert_eq!(delivery["attempts"], attempts);
            }
        })
        .await;
}

#[tokio::test]
async fn repeated_events_are_delivered_once_despite_any_fault() {
    for (repeat_is_disturbed, by_message) in [(false, true), (true, true), (true, false)] {
        let matrix = Matrix::of(match repeat_is_disturbed {
            false => "fan-out under a key",
            true => "repeat under a key",
        });
        matrix
            .by_message(by_message)
            .run(async |stage| {
                let id = stage.publish_under_a_key().await;
                stage.expect_arrival(&id);
                match repeat_is_disturbed {
                    false => {
                        stage.handle_disturbed().await;
                        stage.publish_under_a_key().await;
                    }
                    true => {
                        stage.drain().await;
                        stage.publish_under_a_key().await;
                        stage.handle_disturbed().await;
                    }
                }
                stage.drain().await;
                let delivery = stage.app.api.must_have_one_delivery(&stage.id).await;
                assert_eq!(delivery["status"], "DELIVERED");
                assert_eq!(delivery["attempts"], 1);
                assert_eq!(stage.receiver.received().len(), 1);
            })
            .await;
    }
}

#[tokio::test]
async fn events_attempted_at_once_are_recorded_once_despite_any_fault() {
    let matrix = Matrix::of("attempt at once under a key");
    matrix
        .run(async |stage| {
            let id = stage.publish_under_a_key().await;
            stage.expect_arrival(&id);
            stage.handle_disturbed().await;
            stage.publish_under_a_key().await;
            stage.drain().await;
            let delivery = stage.app.api.must_have_one_delivery(&stage.id).await;
            assert_eq!(delivery["status"], "DELIVERED");
            assert_eq!(delivery["attempts"], 1);
        })
        .await;
}

#[tokio::test]
async fn events_without_an_id_are_delivered_once_despite_any_fault() {
    for comes_back in [false, true] {
        let matrix = Matrix::of(match comes_back {
            false => "event without an id",
            true => "event without an id, received again",
        });
        matrix
            // Attempts that are not recorded are repeated, so only the calls before them
            // fail.
            .by_message(true)
            .run(async |stage| {
                let (queue, wire) = (&stage.app.queue, &stage.app.aws.wire);
                let event = json!({
                    "kind": "event", "appId": stage.app.app_id, "type": "a.b", "data": 1,
                });
                queue.enqueue(&event.to_string()).await;
                if comes_back {
                    wire.break_calls(&["Query"], Fault::Before);
                    stage.handle_queued().await;
                    wire.mend();
                }
                stage.handle_disturbed().await;
                stage.drain().await;
                let delivery = stage.app.api.must_have_one_delivery(&stage.id).await;
                assert_eq!(delivery["status"], "DELIVERED");
                assert_eq!(stage.receiver.received().len(), 1);
            })
            .await;
    }
}

#[tokio::test]
async fn abandoned_fan_outs_are_taken_over_despite_any_fault() {
    let matrix = Matrix::of("taking a fan-out over");
    matrix
        .run(async |stage| {
            let id = stage.publish_under_a_key().await;
            stage.expect_arrival(&id);
            // The function fails after storing the event, and the message never comes back.
            let killed = stage.app.queue.all_queued().await;
            let wire = &stage.app.aws.wire;
            // The attempt at once cannot read its secret, so the message fails once the
            // event is stored.
            wire.break_calls(&["GetSecretValue"], Fault::Before);
            assert_eq!(stage.app.queue.handle(killed).await.unwrap().len(), 1);
            wire.mend();
            // The stage's fan-out lease is a second.
            stage.clock.advance(Duration::from_secs(2));
            stage.publish_under_a_key().await;
            stage.handle_disturbed().await;
            stage.drain().await;
            assert_eq!(
                stage.app.api.must_have_one_delivery(&stage.id).await["status"],
                "DELIVERED"
            );
        })
        .await;
}

#[tokio::test]
async fn reading_events_can_be_retried() {
    let matrix = Matrix::of("event in full");
    matrix
        .run(async |stage| {
            let call = Call::get_event(&stage.publish().await);
            stage.drain().await;
            let undisturbed = stage.app.api.call(&call).await;
            assert_eq!(undisturbed.data()["deliveries"][0]["status"], "DELIVERED");
            let disturbed = stage.disturbed(stage.app.api.call(&call)).await;
            if succeeded(&disturbed) {
                assert_eq!(disturbed.body, undisturbed.body);
            }
            let again = stage.app.api.call(&call).await;
            assert_eq!(again.body, undisturbed.body);
        })
        .await;
}

#[tokio::test]
async fn event_deletions_can_be_retried_until_nothing_is_left() {
    for by_message in [false, true] {
        let matrix = Matrix::of("deletion of an event").by_message(by_message);
        matrix
            .run(async |stage| {
                let api = &stage.app.api;
                let (failing, _) = api.create_webhook("http://127.0.0.1:9/hook").await;
                let body = json!({"type": "a", "data": "private"});
                let event = api.publish(&body).await.data()["id"].clone();
                stage.handle_all_visible().await;
                let ids = Ids {
                    event: event.as_str().unwrap().to_owned(),
                    ..Ids::unknown()
                };
                let call = call_named("deleteEvent", &ids);
                if !succeeded(&stage.disturbed(api.call(&call)).await) {
                    assert!(succeeded(&api.call(&call).await));
                }
                assert!(!stage.app.aws.table_text().await.contains("private"));
                let delivery = api.must_have_one_delivery(&failing).await;
                assert_eq!(delivery["status"], "FAILED");
                assert_eq!(stage.receiver.received().len(), 1);
            })
            .await;
    }
}

#[tokio::test]
async fn responses_under_way_are_erased_despite_any_fault() {
    let matrix = Matrix::of("erasure in the background");
    matrix
        .run(async |stage| {
            let app = &stage.app;
            let event = stage.publish().await;
            stage.handle_all_visible().await;
            let table = app.aws.table();
            let (event, now) = (EventId::parse(&event).unwrap(), stage.clock.now());
            table.delete_payload(app.app_id, event, now).await.unwrap();
            let erasure = Message::Erase(Erasure {
                app_id: app.app_id,
                event_id: event,
            });
            app.queue.enqueue(&erasure.to_json().unwrap()).await;
            stage.handle_disturbed().await;
            stage.drain().await;
            let erased = app.aws.items().await;
            let is_erased = |item: &&_| HashMap::contains_key(item, attribute::PAYLOAD_DELETED_AT);
            assert_eq!(erased.iter().filter(is_erased).count(), 2);
        })
        .await;
}

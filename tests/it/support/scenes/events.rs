//! Events on their way from the API and from other services, and their attempts.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use webhook_endpoints::domain::message::Lane;
use webhook_endpoints::domain::secret::SecretStorage;

use super::super::answer;
use super::super::queue::message;
use super::super::wire::Fault;
use super::{APP, Scene};

const SWEEP: &str = include_str!("../../../../events/sqs-sweep.json");

pub async fn play() -> Scene {
    let mut scene = Scene::start("events", SecretStorage::PerEndpoint).await;
    let app = json!({"name": "Acme", "metadata": {"plan": "pro"}});
    scene.call(Method::PUT, "", app).await;
    let plain = scene.create("/plain", json!({})).await;
    let full = json!({
        "description": "All of it", "metadata": {"team": "billing"}, "channels": ["eu"],
        "filter": {"n": [1]}, "rateLimit": 5, "headers": {"X-Own": "value"},
        "events": ["invoice.*"],
    });
    scene.create("/full", full).await;
    scene.create("/fails", json!({})).await;
    scene
        .create("/gone", json!({"events": ["invoice.gone"]}))
        .await;
    scene
        .create("/moved", json!({"events": ["invoice.moved"]}))
        .await;
    let inactive = json!({"active": false, "events": ["invoice.missed"]});
    scene.create("/inactive", inactive).await;
    scene.note("endpoints are made").await;

    published(&mut scene, &plain).await;
    scene.note("events are published").await;
    scene.play.handle_due().await;
    scene.note("they are fanned out and attempted").await;
    scene.handle(8, "some are attempted again").await;

    from_others(&mut scene, &plain).await;
    scene.note("other services put messages on the queue").await;
    scene.play.handle_due().await;
    scene.note("these are handled").await;

    // Until attempts are due later than a queue can delay a message.
    for _ in 0..60 {
        scene.play.handle_next().await;
    }
    scene.note("attempts are scheduled").await;
    scene.play.clock.advance(Duration::from_secs(24 * 60 * 60));
    scene
        .play
        .app
        .aws
        .wire
        .break_calls(&["SendMessageBatch"], Fault::Before);
    let sweep = message(Some("m"), r#"{"kind":"sweep"}"#);
    let back = scene.play.app.queue.handle([sweep]).await;
    assert_eq!(back, Ok(vec!["m".to_owned()]));
    scene.play.app.aws.wire.mend();
    scene.play.app.aws.wire.take();
    scene
        .note("a sweep broke off after it had claimed attempts")
        .await;
    scene
}

async fn published(scene: &mut Scene, plain: &str) {
    let large: Vec<_> = (0..100)
        .map(|n| json!({"item": n, "name": "something"}))
        .collect();
    for fields in [
        json!({}),
        json!({"timestamp": "2025-12-31T23:59:59Z"}),
        json!({"channels": ["eu", "us"]}),
        json!({"webhookId": plain}),
        json!({"storePayload": false}),
        json!({"channels": ["eu"], "webhookId": plain, "storePayload": false}),
        json!({"data": large}),
        json!({"data": {"odd": "\u{ffff}"}}),
        json!({"type": "invoice.gone"}),
        json!({"type": "invoice.moved"}),
        json!({"type": "invoice.missed"}),
        json!({"type": "invoice.missed", "storePayload": false}),
    ] {
        scene.publish(fields).await;
    }
    let path = format!("/apps/{APP}/events");
    let request = scene.play.app.api.bare(Method::POST, &path);
    let request = request.header("x-api-key", &scene.play.keys[0]);
    let request = request.header("idempotency-key", "invoice-1");
    let accepted = answer(request.json(&json!({"type": "invoice.paid", "data": 1}))).await;
    assert!(accepted.status.is_success(), "{accepted:?}");
    let batch = json!({"events": [{"type": "a", "data": 1}, {"type": "b", "data": 2}]});
    scene.call(Method::POST, "/events/batch", batch).await;
}

/// Messages as documented for other services, with and without what is optional.
async fn from_others(scene: &mut Scene, plain: &str) {
    let event = |fields: Value| {
        let mut event = json!({"kind": "event", "appId": APP, "type": "invoice.paid"});
        for (name, value) in fields.as_object().expect("read the fields") {
            event[name] = value.clone();
        }
        event.to_string()
    };
    for body in [
        event(json!({"data": {"n": 1}})),
        event(json!({"dataText": "{\"n\": 1.50}"})),
        event(
            json!({"data": null, "id": null, "timestamp": null, "channels": null,
                     "webhookId": null, "storePayload": null}),
        ),
        event(
            json!({"data": 1, "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
                     "timestamp": "2026-01-01T01:00:00+01:00", "channels": ["eu"],
                     "webhookId": plain, "storePayload": true}),
        ),
    ] {
        scene.play.enqueue(Lane::Fast, body);
    }
    // What the template's schedule sends.
    let sweep: Value = serde_json::from_str(SWEEP).expect("parse the sample");
    let sweep = sweep["Records"][0]["body"].as_str().expect("read the body");
    scene.play.enqueue(Lane::Fast, sweep);
}

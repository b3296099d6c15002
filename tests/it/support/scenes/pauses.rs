//! An endpoint that fails, is paused, works again and is drained; one that limits its rate;
//! and what the operator is told of them.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use webhook_endpoints::domain::endpoint::{Claim, Place};
use webhook_endpoints::domain::secret::SecretStorage;

use super::Scene;

const MINUTE: Duration = Duration::from_secs(60);

pub async fn play() -> Scene {
    let mut scene = Scene::start("pauses", SecretStorage::PerEndpoint).await;
    scene
        .create_in("operational", "/of-operational", json!({}))
        .await;
    scene.create("/pausing", json!({})).await;
    let limited = json!({"rateLimit": 1, "events": ["limited"]});
    let limited = scene.create("/limited", limited).await;
    scene.set_down(true);
    for what in [
        "it fails",
        "it fails again",
        "it is paused",
        "deliveries wait",
    ] {
        scene.publish(json!({})).await;
        scene.note(what).await;
        scene.play.handle_due().await;
        scene.note(what).await;
        scene.play.clock.advance(MINUTE);
    }
    scene.publish(json!({"storePayload": false})).await;
    scene.play.handle_due().await;
    scene.note("an unstored one waits").await;
    scene.handle(12, "probes fail").await;
    let known = json!({"description": "", "example": {"n": 1}});
    scene
        .call_at(Method::PUT, "/event-types/invoice.paid", known)
        .await;
    let pinged = scene
        .create("/pinged", json!({"events": ["nothing"]}))
        .await;
    let ping = format!("/webhooks/{pinged}/test-ping");
    scene
        .call(Method::POST, &ping, json!({"type": "invoice.paid"}))
        .await;
    scene.note("a ping of a type is on its way").await;
    scene.set_down(false);
    scene.handle(25, "it works again and is drained").await;

    backlog(&mut scene, &limited).await;
    scene
}

/// Has deliveries wait for turns: more than 15 minutes' worth of them would take too long.
async fn backlog(scene: &mut Scene, limited: &str) {
    scene.publish(json!({"type": "limited"})).await;
    scene.publish(json!({"type": "limited"})).await;
    scene.play.handle_due().await;
    scene.note("a turn is taken, and waited for").await;
    let (key, now) = (scene.key(limited), scene.play.clock.now());
    let table = scene.play.app.aws.table();
    for claim in [
        Claim::Backlog,
        Claim::Drain,
        Claim::LastOfDrain,
        Claim::Probe,
    ] {
        let found = table.endpoint(key).await.expect("read the endpoint");
        let place = found.expect("find the endpoint").place;
        let new = Place {
            at: now + MINUTE,
            claim: Some(claim),
        };
        let set = table.set_place(key, place, Some(new)).await;
        assert!(set.expect("set the place"));
        scene
            .note(&format!("its place is claimed: {claim:?}"))
            .await;
    }
}

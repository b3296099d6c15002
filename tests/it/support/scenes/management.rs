//! Keys, sessions, event types, pings, resent and recovered deliveries, replays and
//! deletions.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use webhook_endpoints::domain::secret::SecretStorage;

use super::super::wire::Fault;
use super::{APP, Scene, text};

pub async fn play() -> Scene {
    let mut scene = Scene::start("management", SecretStorage::PerEndpoint).await;
    scene.call(Method::PUT, "", json!({})).await;
    catalogue(&mut scene).await;
    let taking = scene.create("/taking", json!({})).await;
    access(&mut scene, &taking).await;
    scene.note("keys, sessions and types are made").await;

    let fails = scene
        .create("/fails", json!({"events": ["invoice.paid"]}))
        .await;
    for path in ["rotate-secret", "test-ping"] {
        let path = format!("/webhooks/{taking}/{path}");
        let rotated = scene.call(Method::POST, &path, Value::Null).await;
        if rotated["secret"].is_string() {
            scene.knows("/taking", &rotated["secret"]);
        }
    }
    scene
        .note("a secret is rotated, and a ping is on its way")
        .await;
    scene.play.handle_due().await;
    scene.note("the ping has arrived").await;

    let event = scene.publish(json!({})).await;
    scene.play.handle_due().await;
    // What an inactive endpoint misses can be recovered.
    let inactive = json!({"active": false});
    let path = format!("/webhooks/{fails}");
    scene.call(Method::PUT, &path, inactive).await;
    scene.publish(json!({})).await;
    scene.publish(json!({})).await;
    scene.play.handle_due().await;
    scene.note("an inactive endpoint has missed events").await;
    scene
        .call(Method::PUT, &path, json!({"active": true}))
        .await;
    scene.play.clock.advance(Duration::from_secs(60));
    again(&mut scene, &taking, &fails, &event).await;
    deletions(&mut scene, &taking).await;
    scene
}

async fn catalogue(scene: &mut Scene) {
    let full = json!({
        "description": "Paid.", "schema": {"type": "object"}, "example": {"n": 1},
        "group": "Invoices", "deprecated": true,
    });
    for (name, details) in [
        ("invoice.paid", full),
        ("user.created", json!({"description": ""})),
    ] {
        let path = format!("/event-types/{name}");
        scene.call_at(Method::PUT, &path, details).await;
    }
}

/// Keys and sessions with and without what is optional.
async fn access(scene: &mut Scene, endpoint: &str) {
    for new in [
        json!({"scope": "all"}),
        json!({"scope": "read", "label": "a reader", "expiresAt": "2027-01-01T00:00:00Z"}),
        json!({"scope": "publish"}),
    ] {
        let made = scene.call(Method::POST, "/keys", new).await;
        scene.play.keys.push(text(&made["key"]));
    }
    let made = scene
        .call(Method::POST, "/keys", json!({"scope": "manage"}))
        .await;
    let revoked = format!("/keys/{}", text(&made["id"]));
    scene.call(Method::DELETE, &revoked, Value::Null).await;
    for new in [
        json!({"scope": "read"}),
        json!({"scope": "manage", "webhookId": endpoint, "expiresInSeconds": 604_800}),
    ] {
        let made = scene.call(Method::POST, "/portal-sessions", new).await;
        scene.play.keys.push(text(&made["token"]));
    }
}

/// Sends again what was sent, or should have been.
async fn again(scene: &mut Scene, taking: &str, fails: &str, event: &str) {
    let found = scene
        .call(Method::GET, &format!("/events/{event}"), Value::Null)
        .await;
    let deliveries = found["deliveries"].as_array().expect("read the deliveries");
    for delivery in deliveries.clone() {
        let (endpoint, id) = (text(&delivery["webhookId"]), text(&delivery["id"]));
        let path = format!("/webhooks/{endpoint}/deliveries/{id}/resend");
        scene.call(Method::POST, &path, Value::Null).await;
    }
    scene.note("deliveries are resent").await;
    scene.play.handle_due().await;
    scene.note("they have been attempted").await;
    let since = json!({"since": "2026-01-01T00:00:00Z", "status": "FAILED"});
    scene
        .call(Method::POST, &format!("/webhooks/{fails}/recover"), since)
        .await;
    scene.note("a recovery is on its way").await;
    scene.play.handle_next().await;
    scene.note("it has sent deliveries").await;
    let new = scene.create("/new", json!({})).await;
    let typed = json!({"since": "2026-01-01T00:00:00Z", "types": ["invoice.*"]});
    scene
        .call(Method::POST, &format!("/webhooks/{new}/replay"), typed)
        .await;
    let all = json!({"since": "2026-01-01T00:00:00Z"});
    scene
        .call(Method::POST, &format!("/webhooks/{taking}/replay"), all)
        .await;
    scene.note("replays are on their way").await;
    scene.play.handle_due().await;
    scene.note("they have sent events").await;
}

async fn deletions(scene: &mut Scene, taking: &str) {
    let unsent = scene.publish(json!({"data": {"private": 1}})).await;
    scene
        .call(Method::DELETE, &format!("/events/{unsent}"), Value::Null)
        .await;
    scene
        .note("an event is withdrawn before it is fanned out")
        .await;
    let sent = scene.publish(json!({"data": {"private": 2}})).await;
    scene.play.handle_due().await;
    scene
        .call(Method::DELETE, &format!("/events/{sent}"), Value::Null)
        .await;
    scene.note("an event is deleted").await;
    scene.play.handle_due().await;

    let deleted = scene.create("/deleted", json!({})).await;
    let disabled = format!("/webhooks/{deleted}");
    scene
        .play
        .app
        .aws
        .wire
        .break_calls(&["DeleteSecret"], Fault::Before);
    let path = format!("/apps/{APP}{disabled}");
    let broken = scene.play.call(Method::DELETE, &path, Value::Null).await;
    scene.play.app.aws.wire.mend();
    assert_eq!(broken.status, 503);
    scene.note("the deletion of an endpoint broke off").await;
    let changed = json!({"active": false, "description": "off"});
    scene
        .call(Method::PUT, &format!("/webhooks/{taking}"), changed)
        .await;
    scene.publish(json!({})).await;
    scene.call(Method::DELETE, "", Value::Null).await;
    scene.note("the app is being deleted").await;
    scene.handle(3, "its deletion goes on").await;
}

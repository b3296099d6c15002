//! Secrets that are sealed, moved and rotated with an overlap, and own headers.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use webhook_endpoints::domain::secret::SecretStorage;
use webhook_endpoints::operator::moves::{self, KeyRotation, MoveError};

use super::super::wire::Fault;
use super::{Scene, text};

const OWN: &str = "an-own-secret-of-a-test-with-32-bytes";

pub async fn play() -> Scene {
    let mut scene = Scene::start("secrets", SecretStorage::Sealed).await;
    let plain = scene.create("/sealed", json!({})).await;
    let own = json!({"secret": OWN, "secretFormat": "text"});
    scene.create("/text", own).await;
    let headers = json!({"headers": {"Authorization": "Basic dGVzdA==", "X-Own": "sealed"}});
    scene.create("/headers", headers).await;
    scene.note("secrets are sealed").await;
    rotate(&mut scene, &plain).await;
    scene.note("one is rotated with an overlap").await;
    scene.publish(json!({})).await;
    scene.note("an event is on its way").await;

    move_all(&mut scene, SecretStorage::PerEndpoint).await;
    scene.note("they are moved to Secrets Manager").await;
    rotate(&mut scene, &plain).await;
    scene.publish(json!({})).await;
    scene
        .note("one is sealed again, and the one before is not")
        .await;
    move_all(&mut scene, SecretStorage::Sealed).await;
    // So that the old key stays, and the item of the new one names it.
    let wire = scene.play.app.aws.wire.clone();
    wire.break_calls(&["DeleteSecret"], Fault::Before);
    let rotated = rotate_sealing_key(&scene).await;
    assert!(rotated.is_err());
    wire.mend();
    scene
        .note("the rotation of the sealing key broke off")
        .await;
    rotate_sealing_key(&scene).await.expect("rotate the key");
    scene.note("the sealing key is another one").await;
    scene
}

async fn rotate(scene: &mut Scene, endpoint: &str) {
    scene.play.clock.advance(Duration::from_secs(60));
    let overlap = json!({"overlapSeconds": 604_800});
    let path = format!("/webhooks/{endpoint}/rotate-secret");
    let rotated = scene.call(Method::POST, &path, overlap).await;
    let secret = Value::from(text(&rotated["secret"]));
    scene.knows("/sealed", &secret);
}

async fn move_all(scene: &mut Scene, to: SecretStorage) {
    let stores = scene.play.app.aws.stores().secret_stores();
    let now = scene.play.clock.now();
    let moved = moves::migrate(&stores, to, now, |_| {}).await;
    moved.expect("move the secrets");
    scene.play.app.aws.wire.take();
}

async fn rotate_sealing_key(scene: &Scene) -> Result<KeyRotation, MoveError> {
    let stores = scene.play.app.aws.stores().secret_stores();
    let now = scene.play.clock.now();
    let rotated = moves::rotate_sealing_key(&stores, now, |_| {}).await;
    scene.play.app.aws.wire.take();
    rotated
}

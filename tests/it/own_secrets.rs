//! Signing secrets chosen by the caller.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};
use webhook_endpoints::domain::secret::SecretStorage;

use crate::support::receiver::Receiver;
use crate::support::sealing::{migrate, must_sign_with, rotate, secret_of};
use crate::support::{Options, STORAGES, TestApp};

/// The shortest, longest and oddest secrets, with the request fields that set them.
fn own_secrets() -> Vec<(String, Value)> {
    let standard = |length| format!("whsec_{}", STANDARD.encode(vec![7; length]));
    let mut secrets = Vec::new();
    for secret in [standard(24), standard(32), standard(64)] {
        secrets.push((secret.clone(), json!({ "secret": secret })));
        let fields = json!({"secret": secret, "secretFormat": "standard"});
        secrets.push((secret, fields));
    }
    for secret in [
        "sixteen-letters.".to_owned(),
        "~".repeat(128),
        "text:\"'\\$%#!<>&()".to_owned(),
    ] {
        let fields = json!({"secret": secret, "secretFormat": "text"});
        secrets.push((secret, fields));
    }
    secrets
}

fn creation(url: &str, fields: &Value) -> Value {
    let mut body = fields.clone();
    body["url"] = json!(url);
    body["events"] = json!(["*"]);
    body
}

#[tokio::test]
async fn own_secrets_sign_after_creation_and_rotation() {
    for storage in STORAGES {
        let app = TestApp::start_with(Options::stepwise().with_storage(storage)).await;
        let receiver = Receiver::answering(200, "").await;
        for (secret, fields) in own_secrets() {
            let body = creation(&receiver.url, &fields);
            let created = app.api.post_json("", &body).await;
            assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
            assert_eq!(created.data()["secret"], *secret);
            let id = created.data()["id"].as_str().unwrap();
            must_sign_with(&app, &receiver, id, &secret).await;

            let random = rotate(&app.api, id).await;
            assert!(random.starts_with("whsec_"));
            must_sign_with(&app, &receiver, id, &random).await;

            let path = format!("/{id}/rotate-secret");
            let rotated = app.api.post_json(&path, &fields).await;
            assert_eq!(secret_of(&rotated), secret);
            must_sign_with(&app, &receiver, id, &secret).await;
            app.api.delete(&format!("/{id}")).await;
        }
    }
}

#[tokio::test]
async fn migrations_keep_own_secrets() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    let mut endpoints = Vec::new();
    for (secret, fields) in own_secrets() {
        let body = creation(&receiver.url, &fields);
        let created = app.api.post_json("", &body).await;
        endpoints.push((created.data()["id"].as_str().unwrap().to_owned(), secret));
    }
    for to in [SecretStorage::Sealed, SecretStorage::PerEndpoint] {
        assert_eq!(migrate(&app, to).await.moved, endpoints.len());
        for (id, secret) in &endpoints {
            must_sign_with(&app, &receiver, id, secret).await;
        }
    }
}

#[tokio::test]
async fn invalid_own_secrets_are_refused_without_quoting_them() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    app.aws.wire.take();
    let encoded = STANDARD.encode([7; 23]);
    let too_short = format!("whsec_{encoded}");
    for (fields, wrong_fields) in [
        (json!({"secret": too_short}), &["secret"][..]),
        (json!({"secret": "sixteen-letters."}), &["secret"]),
        (json!({"secret": null}), &["secret"]),
        (json!({"secret": 5}), &["secret"]),
        (
            json!({"secret": "fifteen-letters", "secretFormat": "text"}),
            &["secret"],
        ),
        (
            json!({"secret": "sixteen letters.", "secretFormat": "text"}),
            &["secret"],
        ),
        (json!({"secretFormat": "text"}), &["secretFormat"]),
        (
            json!({"secret": "fifteen-letters", "secretFormat": "Text"}),
            &["secretFormat"],
        ),
        (
            json!({"secret": "x", "secretformat": "text"}),
            &["secret", "secretformat"],
        ),
    ] {
        let rotation = format!("/{id}/rotate-secret");
        for (path, body) in [
            ("", creation("https://example.com/hook", &fields)),
            (&rotation, fields.clone()),
        ] {
            let refused = app.api.post_json(path, &body).await;
            refused.must_be_invalid(wrong_fields);
            let text = refused.body.to_string();
            for part in [&encoded, "sixteen", "fifteen"] {
                assert!(!text.contains(part), "{text}");
            }
        }
    }
    assert!(app.aws.wire.take().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_rotations_to_the_same_secret_have_one_winner() {
    for storage in STORAGES {
        let app = TestApp::start_with(Options::stepwise().with_storage(storage)).await;
        let receiver = Receiver::answering(200, "").await;
        let (id, _) = app.api.create_webhook(&receiver.url).await;
        let path = format!("/{id}/rotate-secret");
        let own = json!({"secret": "sixteen-letters.", "secretFormat": "text"});
        for round in 0.. {
            let rotations = join_all((0..5).map(|_| app.api.post_json(&path, &own))).await;
            let (won, lost): (Vec<_>, Vec<_>) = rotations
                .iter()
                .partition(|answer| answer.status == StatusCode::OK);
            assert!(!won.is_empty(), "{rotations:?}");
            for answer in &lost {
                answer.must_fail_with(409, "CONFLICT");
            }
            must_sign_with(&app, &receiver, &id, "sixteen-letters.").await;
            // Rotations that do not overlap all succeed, one after the other.
            if !lost.is_empty() {
                break;
            }
            assert!(round < 20, "no two rotations overlapped");
        }
    }
}
